use harmonix_ipc::ErrorKind;

use super::{keys::KEYS, *};

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let mut paths: Vec<String> = Vec::new();
    for (key, value) in &defaults {
        match value.as_table() {
            Some(section) => paths.extend(section.keys().map(|inner| format!("{key}.{inner}"))),
            None => paths.push(key.clone()),
        }
    }
    let mut known: Vec<_> = KEYS.iter().map(|(path, _)| (*path).to_owned()).collect();
    paths.sort();
    known.sort();
    assert_eq!(paths, known);
}

#[test]
fn the_example_is_valid_also_with_every_key_set() {
    check(&example(), "example").unwrap();
    let set: String = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    check(&set, "example").unwrap();
}

#[test]
fn an_error_names_file_line_and_key() {
    let cases = [
        ("device = \"cpu\"\n\ncolour = 1\n", "c.toml: line 3: unknown key `colour`"),
        ("[limits]\nduration = 5\nuploads = 1\n", "c.toml: line 3: unknown key `limits.uploads`"),
        ("[socket]\nmode = \"0999\"\n", "c.toml: line 2: `socket.mode`"),
        ("[limits]\n\nchannels = \"two\"\n", "c.toml: line 3: `limits.channels`"),
        ("[analysis]\ninstrument_threshold = 2\n", "c.toml: line 2: `analysis.instrument_threshold`"),
        ("[analysis]\ninstruments = \"ear\"\n", "c.toml: line 2: `analysis.instruments`"),
        ("device = \"gpu\"\n", "c.toml: line 1: `device`"),
        ("[nothing]\nx = 1\n", "c.toml: line 1: unknown key `nothing`"),
        ("x = = 1\n", "c.toml: line 1:"),
    ];
    for (text, expected) in cases {
        let error = check(text, "c.toml").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.starts_with(expected), "{} instead of {expected}", error.message);
    }
    check("[limits]\nduration = 5\n", "c.toml").unwrap();
}

/// [BEY-08]
#[test]
fn a_watched_folder_lies_under_a_root_and_is_not_its_own_output() {
    let with = |text: &str| check(&format!("library.roots = [\"/srv\"]\n{text}"), "c.toml");
    with("[[watch]]\nfolder = \"/srv/in\"\nquality = \"draft\"\nowner = 7\n").unwrap();
    with("[[watch]]\nfolder = \"/srv\"\noutput = \"/srv/out\"\nrecursive = true\n").unwrap();
    let cases = [
        ("[[watch]]\nfolder = \"/etc\"\n", "`watch.folder`: /etc lies under none"),
        ("[[watch]]\nfolder = \"/srvice\"\n", "`watch.folder`: /srvice lies under none"),
        ("[[watch]]\nfolder = \"/srv/../etc\"\n", "`watch.folder`: /srv/../etc is no absolute path"),
        ("[[watch]]\nfolder = \"in\"\n", "`watch.folder`: in is no absolute path"),
        ("[[watch]]\nfolder = \"/srv\"\n", "`watch.output`: /stems lies under none"),
        (
            "[[watch]]\nfolder = \"/srv/in\"\noutput = \"/srv/in\"\n",
            "`watch.output`: /srv/in is watched itself",
        ),
        (
            "[[watch]]\nfolder = \"/srv/a\"\n[[watch]]\nfolder = \"/srv/a\"\n",
            "`watch.folder`: /srv/a is watched twice",
        ),
        ("[[watch]]\nfoldr = \"/srv/a\"\n", "line 2: `watch`: unknown field `foldr`"),
        ("[[watch]]\nfolder = \"/srv/a\"\nquality = \"best\"\n", "line 2: `watch`: unknown variant `best`"),
    ];
    for (text, expected) in cases {
        let error = with(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(
            error.message.starts_with(&format!("c.toml: {expected}")),
            "{} instead of {expected}",
            error.message
        );
    }
}
