//! The crates that others can take: what a registry wants of them is there, they pack, and what is packed is all that they need.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use system_tests::binaries::plain_cargo;

use crate::generate::repository;

/// All of them, each after those that it needs.
const CRATES: [&str; 5] = [
    "go-duration",
    "velero-api",
    "velero-backup-config",
    "juju-hook-tools",
    "juju-charm",
];

/// What a registry takes at most.
const MOST_KEYWORDS: usize = 5;

/// What cargo prints for these arguments. What it has fetched for another build it does not fetch again.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let mut command = plain_cargo();
    let output = command
        .current_dir(repository().unwrap())
        .args(arguments)
        .arg("--locked")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {said}", arguments.join(" "));
    output.stdout
}

/// The packages of the workspace and all that they depend on, on this system.
fn metadata() -> Value {
    let host = system_tests::binaries::TARGET;
    let printed = cargo(&["metadata", "--format-version", "1", "--filter-platform", host]);
    serde_json::from_slice(&printed).unwrap()
}

/// Of them, by name, those of the list.
fn ours(metadata: &Value) -> BTreeMap<&str, &Value> {
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages.iter().filter(|package| package["source"].is_null());
    own.map(|package| (package["name"].as_str().unwrap(), package))
        .filter(|(name, _)| CRATES.contains(name))
        .collect()
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

#[test]
fn each_crate_has_what_a_registry_wants() {
    let metadata = metadata();
    let ours = ours(&metadata);
    assert_eq!(ours.len(), CRATES.len());
    for (name, package) in ours {
        for field in ["description", "license", "readme", "rust_version"] {
            let text = package[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {field}");
        }
        let keywords = texts(&package["keywords"]);
        assert!(
            (1..=MOST_KEYWORDS).contains(&keywords.len()),
            "{name}: {keywords:?}"
        );
        assert!(
            !texts(&package["categories"]).is_empty(),
            "{name} has no category"
        );
        for dependency in package["dependencies"].as_array().unwrap() {
            let (named, is_of_tests) = (&dependency["name"], dependency["kind"] == "dev");
            if dependency["path"].is_null() || is_of_tests {
                continue;
            }
            let named = named.as_str().unwrap();
            assert!(CRATES.contains(&named), "{name} needs {named}, which stays here");
            let version = package["version"].as_str().unwrap();
            assert_eq!(dependency["req"], format!("^{version}"), "{name} of {named}");
        }
    }
}

/// Every feature has its line in a table of the README.
#[test]
fn each_feature_is_described() {
    let metadata = metadata();
    let mut looked_at = 0;
    for (name, package) in ours(&metadata) {
        let readme = repository().unwrap().join("lib").join(name).join("README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let features = package["features"].as_object().unwrap().keys();
        for feature in features.filter(|feature| *feature != "default") {
            looked_at += 1;
            let line = format!("\n| `{feature}` | ");
            assert!(readme.contains(&line), "{name}: {feature}");
        }
        assert_eq!(
            package["features"]["default"].as_array().map_or(0, Vec::len),
            0,
            "a charm builds what it did not ask for: {name}"
        );
    }
    assert!(looked_at >= 3, "only {looked_at} features were looked at");
}

/// A dependency that says it needs a newer compiler cannot be built with the oldest that we name: not by a charm's author, and not by
/// whoever follows the README.
#[test]
fn no_dependency_needs_a_newer_compiler() {
    let metadata = metadata();
    let oldest = version(ours(&metadata)["juju-charm"]["rust_version"].as_str().unwrap());
    let packages = metadata["packages"].as_array().unwrap();
    let needs = |package: &&Value| {
        let needs = package["rust_version"].as_str();
        needs.is_some_and(|needs| version(needs) > oldest)
    };
    let newer: Vec<&Value> = packages
        .iter()
        .filter(needs)
        .map(|package| &package["id"])
        .collect();
    assert!(newer.is_empty(), "of a newer Rust: {newer:?}");
    assert!(
        packages.len() > 300,
        "only {} packages were looked at",
        packages.len()
    );
}

/// `1.89` or `1.89.0`, to compare.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn each_crate_packs_and_needs_nothing_of_this_repository() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().to_str().unwrap();
    // Without a lock file: making one looks for those of them that another needs in the registry, where they are not.
    let mut arguments = vec![
        "package",
        "--offline",
        "--no-verify",
        "--exclude-lockfile",
        "--allow-dirty",
    ];
    arguments.extend(["--target-dir", target]);
    for name in CRATES {
        arguments.extend(["-p", name]);
    }
    cargo(&arguments);
    for name in CRATES {
        let packed = packed(&folder.path().join("package"), name);
        for file in ["README.md", "LICENSE", "Cargo.toml", "src/lib.rs"] {
            assert!(packed.contains_key(file), "{name} lacks {file}");
        }
        let too_much = packed.keys().find(|file| {
            let is_known = ["src/", "schema/"].iter().any(|folder| file.starts_with(folder));
            let is_file = [
                "README.md",
                "LICENSE",
                "Cargo.toml",
                "Cargo.toml.orig",
                "Cargo.lock",
            ];
            !is_known && !is_file.contains(&file.as_str()) && file.as_str() != ".cargo_vcs_info.json"
        });
        assert_eq!(too_much, None, "{name}");
        let manifest = &packed["Cargo.toml"];
        let is_of_file = |line: &&str| line.starts_with("path = ") && !line.contains("src/");
        assert_eq!(manifest.lines().find(is_of_file), None, "{name}");
        // What the sources include is packed too.
        for (file, text) in packed.iter().filter(|(file, _)| file.ends_with(".rs")) {
            for included in text.split("include_str!(\"").skip(1) {
                let included = included.split('"').next().unwrap();
                let at = Path::new(file).parent().unwrap().join(included);
                let at = plain(&at);
                assert!(packed.contains_key(&at), "{name}: {file} includes {at}");
            }
        }
    }
}

/// The files of a packed crate, by their path in it.
fn packed(folder: &Path, name: &str) -> BTreeMap<String, String> {
    let begin = format!("{name}-");
    let is_of_crate = |path: &std::path::PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let version = file.strip_prefix(&begin).unwrap_or_default();
        version.starts_with(|first: char| first.is_ascii_digit()) && version.ends_with(".crate")
    };
    let mut files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let archive = files
        .find(is_of_crate)
        .unwrap_or_else(|| panic!("{name} was not packed"));
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(archive).unwrap()));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let path: std::path::PathBuf = path.components().skip(1).collect();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (
            path.to_str().unwrap().to_owned(),
            String::from_utf8_lossy(&bytes).into_owned(),
        )
    });
    entries.collect()
}

/// A path without `..`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
