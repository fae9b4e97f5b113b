//! The shape of the workspace: who may import whom.

use std::{collections::BTreeMap, process::Command};

/// What each crate may use of the workspace. Tests use everything.
const MAY: &[(&str, &[&str])] = &[
    ("harmonix-ipc", &[]),
    ("harmonixctl", &["harmonix-ipc"]),
    ("harmonix-analysis", &[]),
    ("harmonix-engine", &[]),
    ("harmonix-analysis", &[]),
    ("harmonix-spectral", &["harmonix-engine"]),
    ("harmonix-htdemucs", &["harmonix-engine"]),
    ("harmonixd", &["harmonix-ipc", "harmonix-analysis", "harmonix-engine"]),
    ("harmonix-worker", &["harmonix-engine", "harmonix-spectral", "harmonix-htdemucs"]),
];

/// What must never come near a crate.
const NEVER: &[(&str, &[&str])] = &[
    ("harmonix-ipc", &["actix", "tokio", "zbus"]),
    ("harmonixctl", &["actix", "tokio", "zbus", "sled"]),
    ("harmonixd", &["tch", "torch-sys", "whisper-rs"]),
];

#[test]
fn imports_run_in_the_direction_that_the_map_draws() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut imports: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let normal = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let names = normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        imports.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    for (name, used) in &imports {
        if name == "harmonix-tests" {
            continue;
        }
        let (_, may) =
            MAY.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} is not on the map"));
        for import in used.iter().filter(|import| imports.contains_key(*import)) {
            assert!(may.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
    for (name, never) in NEVER {
        assert!(imports[*name].iter().all(|import| !never.contains(&import.as_str())), "{name}");
    }
}
