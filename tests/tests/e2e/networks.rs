//! Jobs on a network: small ones with made-up weights, through the real worker and libtorch.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use harmonix_ipc::{
    ErrorKind, Format, Job, JobOptions, JobState, Mode, ModelState, Precision, Quality, ShowModel,
};
use harmonix_tests::{
    Signal, decode,
    fixtures::{SampleFormat, Tags, network, wav},
    harness::{Daemon, Setup},
    metrics,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::noise;

const FOUR: &str = r#"["drums", "bass", "other", "vocals"]"#;
const SIX: &str = r#"["drums", "bass", "other", "vocals", "guitar", "piano"]"#;

/// Seconds of a segment.
const SEGMENT: f64 = 0.5;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Frames of the song that most tests separate: five segments of draft quality and a bit.
const FRAMES: usize = 111_111;

fn song() -> &'static [u8] {
    static SONG: OnceLock<Vec<u8>> = OnceLock::new();
    SONG.get_or_init(|| {
        let signal = noise(44_100, 2, 3.0).resized(FRAMES);
        wav(&signal, SampleFormat::I24, &Tags::default())
    })
}

/// Daemons whose catalogue has small networks in the place of the published ones.
struct Site {
    daemon: Daemon,
    dir: TempDir,
}

impl Site {
    /// With these models installed: id, like which network, members.
    fn new(setup: Setup, models: &[(&str, &str, usize)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue =
            "[licence.test]\nname = \"Test\"\nurl = \"https://example.org/\"\ntext = \"Only for tests.\"\n"
                .to_owned();
        let mut files = Vec::new();
        for (id, like, members) in models {
            let sources = if *like == "htdemucs_6s" { SIX } else { FOUR };
            catalogue += &format!(
                "[[model]]\nid = \"{id}\"\ntitle = \"Small\"\nkind = \"separator\"\narchitecture = \"htdemucs\"\n\
                 sources = {sources}\nlicence = \"test\"\n"
            );
            for member in 0..*members {
                let weights = network(like, &format!("{member}/"), SEGMENT).unwrap();
                let name = format!("{id}-{member}.safetensors");
                let mut blend = [0.0; 4];
                blend[member] = 1.0;
                let blend = if *members > 1 { format!("blend = {blend:?}\n") } else { String::new() };
                catalogue += &format!(
                    "[[model.member]]\nsignature = \"s{member}\"\nfile = \"{name}\"\nsha256 = \"{}\"\n{blend}\
                     urls = [\"http://127.0.0.1:9/x\"]\n",
                    sha256(&weights)
                );
                fs::write(dir.path().join(&name), weights).unwrap();
                files.push((*id, name));
            }
        }
        let path = dir.path().join("catalogue.toml");
        fs::write(&path, catalogue).unwrap();
        let daemon = setup.config(&format!("models.catalogue = {path:?}")).start();
        let site = Self { daemon, dir };
        for (id, name) in files {
            let file = site.dir.path().join(name).display().to_string();
            let output =
                site.daemon.ctl(["models", "import", &file, "--model", id, "--accept-licence", "--json"]);
            assert!(output.status.success(), "{output:?}");
        }
        site
    }

    /// With a small network as `htdemucs`.
    fn plain() -> Self {
        Self::new(Setup::new(), &[("htdemucs", "htdemucs", 1)])
    }

    fn run(&self, options: JobOptions) -> Job {
        let job = self.daemon.submit("song.wav", song(), options).unwrap();
        self.daemon.finished(&job.id)
    }

    fn complete(&self, options: JobOptions) -> Job {
        let job = self.run(options);
        assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
        job
    }

    fn stems(&self, job: &Job) -> BTreeMap<String, Signal> {
        let decode = |stem: &String| {
            let path = self.dir.path().join("stem.audio");
            fs::write(&path, self.daemon.output(job, stem)).unwrap();
            (stem.clone(), decode::decode(&path).unwrap())
        };
        job.stems.keys().map(decode).collect()
    }

    fn manifest(&self, job: &Job) -> Value {
        let dir = self.dir.path().join("manifest");
        let dir = dir.to_str().unwrap();
        let output = self.daemon.ctl(["export", &job.id.0, "-o", dir, "--json"]);
        assert!(output.status.success(), "{output:?}");
        let exported: Value = serde_json::from_slice(&output.stdout).unwrap();
        serde_json::from_slice(&fs::read(exported["manifest"].as_str().unwrap()).unwrap()).unwrap()
    }

    fn weights(&self, id: &str) -> PathBuf {
        self.daemon.models().join(id).join(format!("{id}-0.safetensors"))
    }

    fn mixture(&self) -> Signal {
        let path = self.dir.path().join("song.wav");
        fs::write(&path, song()).unwrap();
        decode::decode(&path).unwrap()
    }
}

fn options(quality: Quality) -> JobOptions {
    JobOptions { quality, format: Format::Wav32f, ..JobOptions::default() }
}

fn told<'a>(job: &'a Job, kind: &str) -> Option<&'a str> {
    job.events.iter().find(|event| event.kind == kind).map(|event| event.message.as_str())
}

#[test]
fn an_installed_network_computes_exact_stems() {
    let site = Site::plain();
    let job = site.complete(options(Quality::Draft));
    assert_eq!((job.engine.as_deref(), job.device.as_deref()), (Some("htdemucs"), Some("cpu")));
    assert_eq!(told(&job, "fallback"), None);
    let stems = site.stems(&job);
    assert_eq!(stems.keys().collect::<Vec<_>>(), ["bass", "drums", "other", "vocals"]);
    let null = metrics::null(&site.mixture(), &stems.values().collect::<Vec<_>>()).unwrap();
    assert!(null.peak <= -120.0, "{null:?}");
    let manifest = site.manifest(&job);
    let weights = sha256(&fs::read(site.weights("htdemucs")).unwrap());
    assert!(manifest["engine"].to_string().contains(&weights), "{manifest}");
    assert_eq!(manifest["engine"]["precision"], "f32");

    // the same again gives the same bits
    let again = site.complete(options(Quality::Draft));
    assert_eq!(site.daemon.output(&job, "drums"), site.daemon.output(&again, "drums"));
}

/// [SEP-06]
#[test]
fn overlap_and_shifts_are_work() {
    let site = Site::plain();
    let segment = (SEGMENT * 44_100.0) as usize;
    for (overlap, shifts) in [(0.05, 0), (0.5, 0), (0.25, 3)] {
        let asked = JobOptions { overlap: Some(overlap), shifts: Some(shifts), ..options(Quality::Draft) };
        let job = site.complete(asked);
        let summary = &site.manifest(&job)["engine"]["summary"];
        let stride = ((1.0 - overlap) * segment as f64) as usize;
        let passes = u64::from(shifts.max(1));
        assert_eq!(summary["passes"], passes, "{summary}");
        let segments = summary["segments"].as_u64().unwrap();
        // a shifted pass begins up to half a second before the song
        let (least, most) = (FRAMES.div_ceil(stride), (FRAMES + 22_050).div_ceil(stride));
        let range =
            if shifts == 0 { least..=least } else { least * shifts as usize..=most * shifts as usize };
        assert!(range.contains(&(segments as usize)), "{segments} of {range:?}");
    }
    let by_seed = |seed| {
        let asked = JobOptions { shifts: Some(1), seed, ..options(Quality::Draft) };
        site.daemon.output(&site.complete(asked), "vocals")
    };
    assert_eq!(by_seed(1), by_seed(1));
    assert_ne!(by_seed(1), by_seed(2));
}

#[test]
fn killed_in_the_middle_the_bits_are_those_of_an_undisturbed_run() {
    let calm = Site::plain();
    let expected = calm.complete(options(Quality::Fast));
    for fault in ["abort@3", "panic@2"] {
        let site = Site::new(Setup::new().env("HARMONIX_FAULT", fault), &[("htdemucs", "htdemucs", 1)]);
        let job = site.run(options(Quality::Fast));
        if fault.starts_with("panic") {
            // a defect of the engine is told, not repeated; the next job is served
            assert_eq!(job.error.map(|error| error.kind), Some(ErrorKind::Internal));
            site.complete(options(Quality::Fast));
            continue;
        }
        assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
        assert!(told(&job, "retried").is_some());
        for stem in job.stems.keys() {
            assert!(site.daemon.output(&job, stem) == calm.daemon.output(&expected, stem), "{stem} differs");
        }
    }
}

#[test]
fn one_stem_of_a_bag_costs_one_specialist() {
    let site = Site::new(Setup::new(), &[("htdemucs_ft", "htdemucs", 4)]);
    let whole = site.complete(JobOptions { raw: true, ..options(Quality::Balanced) });
    assert_eq!(whole.engine.as_deref(), Some("htdemucs_ft"));
    let alone =
        site.complete(JobOptions { stems: Some(vec!["vocals".into()]), ..options(Quality::Balanced) });
    assert_eq!(alone.stems.keys().collect::<Vec<_>>(), ["vocals"]);
    assert!(told(&alone, "raw").is_some(), "{:?}", alone.events);
    assert_eq!(site.manifest(&alone)["engine"]["model"]["sources"], serde_json::json!(["vocals"]));
    assert!(site.daemon.output(&whole, "vocals") == site.daemon.output(&alone, "vocals"));

    // everything that is not vocals needs the other three, so all are computed and the sum is exact
    let karaoke = site.complete(JobOptions { mode: Mode::Karaoke, ..options(Quality::Balanced) });
    let stems = site.stems(&karaoke);
    assert_eq!(stems.keys().collect::<Vec<_>>(), ["instrumental", "vocals"]);
    let null = metrics::null(&site.mixture(), &stems.values().collect::<Vec<_>>()).unwrap();
    assert!(null.peak <= -120.0, "{null:?}");
}

/// [SEP-02, SEP-04]
#[test]
fn six_stems_where_the_model_has_six() {
    let site = Site::new(Setup::new(), &[("htdemucs_6s", "htdemucs_6s", 1)]);
    let fast = JobOptions { shifts: Some(0), overlap: Some(0.1), ..options(Quality::Studio) };
    let job = site.complete(fast.clone());
    assert_eq!(job.stems.keys().collect::<Vec<_>>(), ["bass", "drums", "guitar", "other", "piano", "vocals"]);
    let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let asked = JobOptions { mode: Mode::PerInstrument, stems: named(&["guitar", "violin"]), ..fast };
    let job = site.complete(asked);
    assert_eq!(job.stems.keys().collect::<Vec<_>>(), ["guitar"]);
    assert_eq!(job.unavailable, ["violin"]);
}

/// [SEP-08]
#[test]
fn a_model_is_loaded_once_and_stays_until_another_weight_is_asked_for() {
    let site = Site::new(Setup::new(), &[("htdemucs", "htdemucs", 1), ("htdemucs_6s", "htdemucs_6s", 1)]);
    let fast = JobOptions { shifts: Some(0), overlap: Some(0.1), ..JobOptions::default() };
    for quality in [Quality::Draft, Quality::Fast, Quality::Draft] {
        site.complete(options(quality));
    }
    let loads = || site.daemon.status().worker.unwrap().loads;
    assert_eq!(loads(), 1);
    site.complete(JobOptions { quality: Quality::Studio, ..fast });
    assert_eq!(loads(), 2);
    // both fit into memory
    site.complete(options(Quality::Draft));
    assert_eq!(loads(), 2);
}

#[test]
fn damaged_weights_fail_the_job_and_are_set_aside() {
    let site = Site::plain();
    let file = site.weights("htdemucs");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let job = site.run(options(Quality::Draft));
    let error = job.error.unwrap();
    assert_eq!(error.kind, ErrorKind::ModelCorrupt);
    assert!(error.hint.unwrap().contains("harmonixctl models pull htdemucs"));
    assert!(!file.exists());
    let model = site.daemon.client().call(ShowModel { model: "htdemucs".into() }).unwrap();
    assert_eq!(model.model.state, ModelState::Damaged);
    let job = site.complete(options(Quality::Draft));
    assert_eq!(job.engine.as_deref(), Some("spectral"));
    assert!(told(&job, "fallback").unwrap().contains("harmonixctl models pull htdemucs"));
}

/// Digests that match and weights that are none: the job says what is wrong, and nothing is executed.
#[test]
fn weights_that_are_no_network_fail_the_job_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let proof = dir.path().join("executed");
    let command = format!("touch {}", proof.display());
    let mut pickle = b"\x80\x02cos\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.bytes());
    pickle.extend(b"\x85R.");
    let hostile = stored_zip("x/data.pkl", &pickle);
    for (name, bytes, says) in [("code.th", hostile, "os.system"), ("text.th", b"no weights".to_vec(), "")] {
        let catalogue = dir.path().join("catalogue.toml");
        let text = format!(
            "[licence.test]\nname = \"Test\"\nurl = \"https://example.org/\"\ntext = \"Test.\"\n\
             [[model]]\nid = \"htdemucs\"\ntitle = \"None\"\nkind = \"separator\"\narchitecture = \"htdemucs\"\n\
             sources = {FOUR}\nlicence = \"test\"\n[[model.member]]\nsignature = \"s\"\nfile = \"{name}\"\n\
             sha256 = \"{}\"\nurls = [\"http://127.0.0.1:9/x\"]\n",
            sha256(&bytes)
        );
        fs::write(&catalogue, text).unwrap();
        let daemon = Setup::new().config(&format!("models.catalogue = {catalogue:?}")).start();
        fs::write(dir.path().join(name), bytes).unwrap();
        let file = dir.path().join(name).display().to_string();
        let output = daemon.ctl(["models", "import", &file, "--model", "htdemucs", "--accept-licence"]);
        assert!(output.status.success(), "{output:?}");
        let job = daemon.submit("song.wav", song(), options(Quality::Draft)).unwrap();
        let job = daemon.finished(&job.id);
        let error = job.error.unwrap();
        assert_eq!(error.kind, ErrorKind::ModelCorrupt, "{error:?}");
        assert!(format!("{error:?}").contains(says), "{error:?}");
        assert!(!proof.exists());
        // the worker is none the worse for it
        let spectral = JobOptions { model: Some("spectral".into()), ..options(Quality::Draft) };
        let job = daemon.submit("song.wav", song(), spectral).unwrap();
        assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
    }
}

/// A zip archive of one uncompressed file.
fn stored_zip(name: &str, body: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let (crc, size, len) =
        ((!crc).to_le_bytes(), (body.len() as u32).to_le_bytes(), (name.len() as u16).to_le_bytes());
    let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &crc, &size, &size, &len, &[0, 0]].concat();
    let local = [b"PK\x03\x04", &common[..], name.as_bytes(), body].concat();
    let central = [b"PK\x01\x02\x14\0", &common[..], &[0; 14], name.as_bytes()].concat();
    let (at, length) = ((local.len() as u32).to_le_bytes(), (central.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &at, &[0, 0]].concat();
    [local, central, end].concat()
}

#[test]
fn what_the_machine_does_not_have_is_said() {
    let site = Site::plain();
    let fast = JobOptions { precision: Precision::Fast, ..options(Quality::Draft) };
    let job = site.complete(fast);
    let precision = site.manifest(&job)["engine"]["precision"].clone();
    // either it was computed in the fast arithmetic, or the job says why not
    assert_eq!(told(&job, "precision").is_some(), precision == "f32", "{:?}", job.events);
    if !std::path::Path::new("/dev/nvidiactl").exists() {
        let job = site.run(JobOptions { device: harmonix_ipc::Device::Cuda, ..options(Quality::Draft) });
        assert_eq!(job.error.unwrap().kind, ErrorKind::Unavailable);
    }
}
