use super::*;

const MODEL: &str = r#"
[licence.l]
name = "L"
url = "https://example.org/"
text = "Ask."
[[model]]
id = "m"
title = "M"
kind = "separator"
architecture = "htdemucs"
sources = ["a", "b"]
licence = "l"
[[model.member]]
signature = "s"
file = "s.th"
sha256_prefix = "01234567"
urls = ["http://127.0.0.1:1/s.th"]
"#;

#[test]
fn the_embedded_catalogue_is_valid_and_has_the_published_models() {
    let catalogue = Catalogue::load(None).unwrap();
    let ids: Vec<_> = catalogue.all().iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["spectral", "htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi"]);
    let bag = catalogue.get("htdemucs_ft").unwrap();
    for (at, member) in bag.members.iter().enumerate() {
        let weights: Vec<_> = (0..4).map(|source| if source == at { 1.0 } else { 0.0 }).collect();
        assert_eq!(member.blend, weights, "member {at} is the specialist of source {at}");
    }
    for member in catalogue.all().iter().flat_map(|entry| &entry.members) {
        let (signature, prefix) = (&member.signature, member.sha256_prefix.as_ref().unwrap());
        assert_eq!(member.file, format!("{signature}-{prefix}.th"));
        assert!(member.urls[0].ends_with(&member.file));
    }
    assert_eq!(catalogue.get("htdemucs_6s").unwrap().sources[4..], ["guitar", "piano"]);
}

#[test]
fn what_is_left_out_has_a_default() {
    let model = &parse(MODEL).unwrap()[0];
    assert_eq!((model.members[0].blend.as_slice(), model.members[0].limit), (&[1.0, 1.0][..], MAX_SIZE));
}

#[test]
fn everything_is_checked_and_named() {
    let cases = [
        ("id = \"m\"", "id = \"../m\"", "`id`"),
        ("id = \"m\"", "id = \"spectral\"", "`id`"),
        ("id = \"m\"", "id = \"M\"", "`id`"),
        ("id = \"m\"", "id = \"m\"\ncolour = 1", "`colour`"),
        ("title = \"M\"", "title = \"a\\nb\"", "`title`"),
        ("kind = \"separator\"", "kind = \"oracle\"", "`oracle`"),
        ("architecture = \"htdemucs\"", "architecture = \"spectral\"", "`architecture`"),
        ("[\"a\", \"b\"]", "[\"a\", \"a\"]", "`sources`"),
        ("[\"a\", \"b\"]", "[\"a/b\"]", "`sources`"),
        ("[\"a\", \"b\"]", "[]", "`sources`"),
        ("licence = \"l\"", "licence = \"x\"", "`licence`"),
        ("file = \"s.th\"", "file = \"../s.th\"", "`file`"),
        ("file = \"s.th\"", "file = \"s.pt\"", "`file`"),
        ("file = \"s.th\"", "file = \".th\"", "`file`"),
        ("sha256_prefix = \"01234567\"", "sha256_prefix = \"0123456\"", "`sha256_prefix`"),
        ("sha256_prefix = \"01234567\"", "sha256 = \"01234567\"", "`sha256`"),
        ("sha256_prefix = \"01234567\"", "sha256_prefix = \"0123456X\"", "`sha256_prefix`"),
        ("sha256_prefix", "size = 0\nsha256_prefix", "`size`"),
        ("sha256_prefix", "size = 99999999999999\nsha256_prefix", "`size`"),
        ("sha256_prefix", "blend = [1.0]\nsha256_prefix", "`blend`"),
        ("sha256_prefix", "blend = [1.0, -1.0]\nsha256_prefix", "`blend`"),
        ("sha256_prefix", "blend = [1.0, 0.0]\nsha256_prefix", "`blend`"),
        ("sha256_prefix", "digest = \"x\"\nsha256_prefix", "`digest`"),
        ("http://127.0.0.1:1/s.th", "ftp://127.0.0.1/s.th", "`urls`"),
        ("http://127.0.0.1:1/s.th", "file:///etc/passwd", "`urls`"),
        ("http://127.0.0.1:1/s.th", "http://user:secret@127.0.0.1/s.th", "`urls`"),
        ("http://127.0.0.1:1/s.th", "http:///s.th", "`urls`"),
    ];
    for (from, to, key) in cases {
        assert!(MODEL.contains(from), "{from}");
        let error = parse(&MODEL.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{to}");
        assert!(error.message.contains(key), "{to}: {error}");
        assert!(!error.message.contains("secret"), "{error}");
    }
}

#[test]
fn a_file_adds_and_overrides_and_is_named_when_it_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Catalogue::load(Some(&path))
    };
    assert_eq!(load(MODEL).unwrap().all().len(), 6);
    let other = load(&MODEL.replace("id = \"m\"", "id = \"htdemucs\"")).unwrap();
    assert_eq!((other.all().len(), other.get("htdemucs").unwrap().title.as_str()), (5, "M"));
    let error = load(&format!("colour = 1\n{MODEL}")).unwrap_err();
    assert!(error.message.contains("mine.toml") && error.message.contains("line 1"), "{error}");
    assert!(error.message.contains("colour"), "{error}");
    let twice = format!("{MODEL}{}", MODEL.replace("[licence.l]", "[licence.m]"));
    assert!(load(&twice).unwrap_err().message.contains("twice"));
}
