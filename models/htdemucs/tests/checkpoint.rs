//! Checkpoint files: the reference's own, and hostile ones.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::{fs, io::Write, path::Path};

use harmonix_engine::{
    EngineError,
    protocol::{Architecture, Member, Model, Precision},
};
use harmonix_htdemucs::{
    Checkpoint, CheckpointError, HtDemucs, Kind,
    pickle::{self, PickleError, Value},
};
use sha2::{Digest, Sha256};

fn reference(name: &str) -> Vec<u8> {
    fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference")).join(name)).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that `reference.py` takes over names, shapes and bytes of all weights.
fn digest(checkpoint: &Checkpoint) -> String {
    let mut all = Vec::new();
    for (name, array) in &checkpoint.tensors {
        let shape = array.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        all.extend_from_slice(format!("{name}\0[{shape}]\0").as_bytes());
        all.extend_from_slice(&array.bytes);
    }
    sha256(&all)
}

#[test]
fn files_by_the_reference_load_bit_for_bit() {
    for (name, kind) in [("serialised_f16", Kind::F16), ("serialised_f32", Kind::F32)] {
        let checkpoint = Checkpoint::parse(&reference(&format!("{name}.th"))).unwrap();
        assert_eq!(checkpoint.class, "HTDemucs");
        assert_eq!(checkpoint.args["segment"]["numerator"], 39);
        assert_eq!(checkpoint.args["sources"], serde_json::json!(["drums", "vocals"]));
        assert!(checkpoint.tensors.values().all(|array| array.kind == kind));
        let expected = String::from_utf8(reference(&format!("{name}.sha256"))).unwrap();
        assert_eq!(digest(&checkpoint), expected.trim());
        // and they survive our own form
        let again = Checkpoint::parse(&checkpoint.to_safetensors().unwrap()).unwrap();
        assert_eq!(again, checkpoint);
    }
}

#[test]
fn a_file_by_the_reference_is_a_network() {
    let bytes = reference("serialised_f16.th");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.th");
    fs::write(&file, &bytes).unwrap();
    let open = |sha256: String, blend: Vec<f32>, sources: &[&str], device: &str| {
        let members = vec![Member { file: file.clone(), sha256, blend }];
        let sources: Vec<String> = sources.iter().map(|name| (*name).to_owned()).collect();
        let model = model(members);
        HtDemucs::open(&model, &sources, device, Precision::F32).map(|_| ())
    };
    let right = sha256(&bytes);
    open(right.clone(), vec![1.0; 2], &[], "cpu").unwrap();
    open(right.clone(), vec![1.0; 2], &["vocals"], "cpu").unwrap();
    let other = open("0".repeat(64), vec![1.0; 2], &[], "cpu");
    assert!(matches!(other, Err(EngineError::ModelCorrupt(why)) if why.contains(&right)));
    assert!(matches!(open(right.clone(), vec![1.0; 3], &[], "cpu"), Err(EngineError::Model(_))));
    assert!(matches!(open(right.clone(), vec![0.0, 1.0], &["drums"], "cpu"), Err(EngineError::Model(_))));
    assert!(matches!(open(right.clone(), vec![1.0; 2], &["guitar"], "cpu"), Err(EngineError::Model(_))));
    assert!(matches!(open(right.clone(), vec![1.0; 2], &[], "tpu"), Err(EngineError::Device(_))));
    // a file with other stems than the catalogue says
    let members = vec![Member { file: file.clone(), sha256: right, blend: vec![1.0; 2] }];
    let other = Model { sources: vec!["vocals".into(), "drums".into()], ..model(members) };
    let refused = HtDemucs::open(&other, &[], "cpu", Precision::F32).map(|_| ());
    assert!(
        matches!(&refused, Err(EngineError::Model(why)) if why.contains("drums, vocals, not vocals, drums"))
    );
}

/// Of the two stems that the reference's files have.
fn model(members: Vec<Member>) -> Model {
    let sources = vec!["drums".into(), "vocals".into()];
    Model { id: "x".into(), architecture: Architecture::Htdemucs, sources, members }
}

#[test]
fn damaged_files_are_refused() {
    let whole = reference("serialised_f16.th");
    for len in (0..whole.len()).step_by(997) {
        assert!(Checkpoint::parse(&whole[..len]).is_err(), "{len} bytes");
    }
    let mut refused = 0;
    for at in (0..whole.len()).step_by(101) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        refused += usize::from(Checkpoint::parse(&flipped).is_err());
    }
    // what lies inside the zip is protected by its checksums; its padding is not
    assert!(refused * 101 > whole.len() * 6 / 10, "{refused}");
    let tensors = Checkpoint::parse(&whole).unwrap().to_safetensors().unwrap();
    for len in (0..tensors.len()).step_by(997) {
        assert!(Checkpoint::parse(&tensors[..len]).is_err(), "{len} bytes");
    }
}

/// A zip as PyTorch writes it, with this pickle.
fn zipped(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("x/data.pkl", options).unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let cases: [(&[u8], &str); 4] = [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "os.system"),
        (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"),
        (b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93]\x85R.", "subprocess.Popen"),
        (b"\x80\x02ctorch.hub\nload\n)\x81.", "torch.hub.load"),
    ];
    for (pickle, name) in cases {
        assert_eq!(pickle::read(pickle), Err(PickleError::Code(name.into())));
        let error = Checkpoint::parse(&zipped(pickle)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // instructions that build objects in other ways are not known at all
    for op in *b"iod\x82\x83\x84\x92" {
        assert!(matches!(pickle::read(&[0x80, 2, op, b'.']), Err(PickleError::Instruction(..))), "{op:#x}");
    }
}

#[test]
fn data_of_a_pickle() {
    let read = |bytes: &[u8]| pickle::read(bytes).unwrap();
    assert_eq!(read(b"J\xff\xff\xff\xff."), Value::Int(-1));
    assert_eq!(read(b"\x8a\x02\x00\x80."), Value::Int(-32768));
    assert_eq!(read(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00."), Value::Float(1.5));
    assert_eq!(read(b"(K\x01\x88t."), Value::List(vec![Value::Int(1), Value::Bool(true)]));
    // a list that is filled after it was remembered is whole where it is referred to
    assert_eq!(read(b"]q\x00K\x07ah\x00\x86."), {
        let seven = Value::List(vec![Value::Int(7)]);
        Value::List(vec![seven.clone(), seven])
    });
    assert_eq!(read(b"cfractions\nFraction\nX\x04\x00\x00\x0039/5\x85R."), Value::Fraction(39, 5));
}

#[test]
fn bombs_and_nonsense_of_a_pickle() {
    // a list of lists of lists …: each level doubles what is written out
    let mut bomb = b"]q\x00".to_vec();
    for _ in 0..60 {
        bomb.extend_from_slice(b"h\x00\x86q\x00");
    }
    bomb.push(b'.');
    assert_eq!(pickle::read(&bomb), Err(PickleError::TooLarge));
    // a list that holds itself
    assert_eq!(pickle::read(b"]q\x00h\x00a."), Err(PickleError::TooLarge));
    for bytes in [
        &b""[..],
        b".",
        b"t.",
        b"a.",
        b"h\x05.",
        b"X\xff\xff\xff\xff",
        b"R.",
        b"Q.",
        b"u.",
        b"}(K\x01u.",
        b"\x86.",
    ] {
        assert!(pickle::read(bytes).is_err(), "{bytes:?}");
    }
    let mut random = 1u64;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..40)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 56) as u8
            })
            .collect();
        let _ = pickle::read(&bytes);
    }
}

#[test]
fn arguments_that_would_compute_something_else_are_refused() {
    let whole = Checkpoint::parse(&reference("serialised_f16.th")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let open = |checkpoint: &Checkpoint| {
        let bytes = checkpoint.to_safetensors().unwrap();
        let file = dir.path().join("x.safetensors");
        fs::write(&file, &bytes).unwrap();
        let members = vec![Member { file, sha256: sha256(&bytes), blend: vec![1.0; 2] }];
        HtDemucs::open(&model(members), &[], "cpu", Precision::F32).map(|_| ())
    };
    for (name, value) in [
        ("cac", serde_json::json!(false)),
        ("multi_freqs", serde_json::json!([0.5])),
        ("t_emb", serde_json::json!("cape")),
        ("t_sparse_self_attn", serde_json::json!(true)),
        ("depth", serde_json::json!(-1)),
        ("depth", serde_json::json!("four")),
        ("segment", serde_json::json!({"_type": "fraction", "numerator": 1, "denominator": 0})),
        ("sources", serde_json::json!(["../x", "y"])),
    ] {
        let mut changed = whole.clone();
        changed.args.insert(name.into(), value.clone());
        let error = open(&changed).unwrap_err();
        assert!(matches!(&error, EngineError::Model(why) if why.contains(name)), "{name} = {value}: {error}");
    }
    let mut changed = whole.clone();
    changed.tensors.remove("decoder.0.conv_tr.weight");
    assert!(
        matches!(open(&changed), Err(EngineError::ModelCorrupt(why)) if why.contains("decoder.0.conv_tr.weight"))
    );
    let mut changed = whole.clone();
    let array = changed.tensors["decoder.0.conv_tr.weight"].clone();
    changed.tensors.insert("surplus".into(), array);
    assert!(matches!(open(&changed), Err(EngineError::ModelCorrupt(why)) if why.contains("surplus")));
    let error = Checkpoint::open(&dir.path().join("none"), "").unwrap_err();
    assert!(matches!(error, CheckpointError::Io(_)));
}
