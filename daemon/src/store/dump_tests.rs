use super::*;
use crate::store::{SledStore, Write};

fn store(dir: &std::path::Path) -> SledStore {
    let mut store = SledStore::open(dir).unwrap();
    let put = |key: &str, value: &[u8]| Write::Put(key.into(), value.into());
    let all = [
        put("job/1", r#"{"v":1,"name":"Grüße \n"}"#.as_bytes()),
        put("later/kind", b"\xff\x00 bytes"),
        put("queue/held", b"true"),
        put("meta/own", b"1"),
    ];
    store.commit(&all).unwrap();
    store
}

fn exported() -> (Vec<u8>, Entries) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(dir.path());
    let mut bytes = Vec::new();
    assert_eq!(write(&mut store, &mut bytes).unwrap(), 3);
    let mut all = store.scan("").unwrap();
    all.retain(|(key, _)| !is_own(key));
    (bytes, all)
}

fn refusal(bytes: &[u8]) -> String {
    let error = read(&mut &bytes[..]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    error.message
}

#[test]
fn every_kind_of_record_travels_as_it_is() {
    let (bytes, all) = exported();
    let dump = read(&mut &bytes[..]).unwrap();
    assert_eq!(dump.records, all);
    assert_eq!((dump.header.records, dump.header.commits), (3, 1));
}

#[test]
fn what_was_saved_says_what_was_not() {
    let mut bytes = Vec::new();
    let lost = ["3 parts of the log are damaged".to_owned()];
    write_saved(&vec![("a".into(), b"1".to_vec())], 9, &lost, &mut bytes).unwrap();
    let dump = read(&mut &bytes[..]).unwrap();
    assert_eq!((dump.header.lost.as_slice(), dump.header.commits), (&lost[..], 9));
}

#[test]
fn an_export_with_any_byte_changed_or_cut_off_is_refused() {
    let (bytes, _) = exported();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refusal(&changed);
        refusal(&bytes[..at]);
    }
}

/// Whoever can compute the digest cannot slip in what no store would hold either.
#[test]
fn records_that_no_store_may_hold_are_refused() {
    let header = |version: u32, records: usize| {
        format!(
            "{{\"format\":\"harmonix-store\",\"version\":{version},\"harmonixd\":\"9\",\"created_at\":0.0,\
             \"commits\":1,\"records\":{records}}}\n"
        )
    };
    let sealed = |text: String, records: usize| {
        let digest = blake3::hash(text.as_bytes()).to_hex();
        format!("{text}{{\"end\":\"harmonix-store\",\"records\":{records},\"blake3\":\"{digest}\"}}\n")
            .into_bytes()
    };
    let one = |line: &str| refusal(&sealed(header(1, 1) + line + "\n", 1));
    assert!(read(&mut &sealed(header(1, 0), 0)[..]).is_ok());
    for line in [
        r#"{"key":"meta/seal","value":"1 0"}"#,
        r#"{"key":"","value":"1"}"#,
        r#"{"key":"a","value":"1","more":1}"#,
        r#"{"key":"a"}"#,
        r#"{"key":"a","bytes":"0"}"#,
        r#"{"key":"a","bytes":"zz"}"#,
        r#"{"key":"a","value":"1","bytes":"00"}"#,
        "nonsense",
    ] {
        assert!(one(line).starts_with("line 2: "), "{line}");
    }
    let twice = format!("{0}\n{0}\n", r#"{"key":"a","value":"1"}"#);
    assert!(refusal(&sealed(header(1, 2) + &twice, 2)).contains("order"));
    assert!(refusal(&sealed(header(1, 5), 0)).contains("as many"));
    assert!(refusal(&sealed(header(2, 0), 0)).contains("version 2"));
    let mut more = sealed(header(1, 0), 0);
    more.extend(b"more\n");
    assert!(refusal(&more).contains("follows"));
    assert!(refusal(b"").contains("no export"));
    assert!(refusal(b"{}\n").contains("no export"));
}
