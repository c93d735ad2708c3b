//! The app files: their form, the charm files that come of them, and that nothing else knows an app.

use std::path::{Path, PathBuf};

use crate::common::{apps, apps_folder};
use serde_json::{Map, Value};
use workload_charm::names;
use workload_charm::options;
use workload_charm::packaging;
use workload_charm::profile::AppProfile;
use workload_charm::schema::schema_file_text;

/// Those that people were promised. More may come, each by its file alone.
const PROMISED: [&str; 10] = [
    "flaresolverr",
    "jellyfin",
    "overseerr",
    "plex",
    "prowlarr",
    "qbittorrent",
    "radarr",
    "sabnzbd",
    "seerr",
    "sonarr",
];

fn names() -> Vec<String> {
    apps().into_iter().map(|(_, profile)| profile.name).collect()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema_file_text()).unwrap()).unwrap()
}

#[test]
fn the_promised_ones_are_there_and_each_is_of_the_form() {
    let names = names();
    assert!(
        PROMISED
            .iter()
            .all(|name| names.iter().any(|there| there == name)),
        "{names:?}"
    );
    let schema = schema();
    for (path, _) in apps() {
        let value = yaml(&std::fs::read_to_string(&path).unwrap());
        let errors: Vec<String> = schema
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn the_schema_file_is_made_from_the_types() {
    let path = apps_folder().join("app.schema.json");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == schema_file_text(),
        "charm/apps/app.schema.json does not follow from the types: run cargo xtask generate"
    );
}

#[test]
fn the_schema_refuses_what_the_types_refuse() {
    let sample = include_str!("data/sample.yaml");
    let schema = schema();
    assert!(schema.is_valid(&yaml(sample)));
    for (old, new) in [
        ("health:", "helth:"),
        ("port: 8000", "port: many"),
        ("port: 8000", "port: 0"),
        ("xml-elements", "toml"),
        ("kind: api-key", "kind: handshake"),
        ("${port}", "7"),
        ("name: sample", "name: Sample"),
        ("title: Sample\n", ""),
        ("minimum-size: 1G", "minimum-size: much"),
    ] {
        let text = sample.replacen(old, new, 1);
        assert_ne!(text, sample, "{old}");
        assert!(!schema.is_valid(&yaml(&text)), "{new}: the schema takes it");
        assert!(
            AppProfile::parse("x.yaml", &text).is_err(),
            "{new}: the types take it"
        );
    }
}

/// Names as `charmcraft analyse` wants them (its naming-conventions check).
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.contains("--")
        && !name.ends_with('-')
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn described(entries: &Map<String, Value>) {
    for (name, entry) in entries {
        assert!(is_plain(name), "{name}");
        let description = entry["description"].as_str().unwrap_or_default();
        assert!(description.len() > 10, "{name} is not described");
    }
}

#[test]
fn every_charm_file_parses_and_is_described() {
    for (_, profile) in apps() {
        let metadata = yaml(&packaging::metadata(&profile).unwrap());
        let container = &metadata["containers"][&profile.name];
        assert_eq!(container["resource"], format!("{}-image", profile.name));
        assert_eq!(
            metadata["resources"][format!("{}-image", profile.name)]["upstream-source"],
            profile.workload.image
        );
        let has = |part: &str, name: &str| metadata.get(part).is_some_and(|part| part.get(name).is_some());
        assert_eq!(has("storage", "config"), profile.storage.is_some());
        assert_eq!(has("provides", "velero-backup-config"), profile.storage.is_some());
        assert_eq!(has("requires", "media-storage"), profile.media);
        assert_eq!(has("requires", "ingress"), profile.ingress);
        for part in ["provides", "requires", "storage", "resources"] {
            if let Some(entries) = metadata.get(part) {
                described(object(entries));
            }
        }

        let config = yaml(&packaging::config(&profile).unwrap());
        let declared = object(&config["options"]);
        described(declared);
        for (name, option) in declared {
            let default = &option["default"];
            let fits = match option["type"].as_str().unwrap() {
                "string" => default.is_string(),
                "int" => default.is_i64(),
                "boolean" => default.is_boolean(),
                other => panic!("{name} is of type {other}"),
            };
            assert!(fits, "{name} = {default}");
        }
        assert_eq!(
            declared.len(),
            options::common(&profile).count() + profile.options.len()
        );

        let actions = packaging::actions(&profile).unwrap();
        assert_eq!(
            actions.is_some(),
            profile.credentials.is_some() || profile.storage.is_some()
        );
        if let Some(actions) = actions {
            let actions = yaml(&actions);
            described(object(&actions));
            for (name, action) in object(&actions) {
                assert_eq!(action["additionalProperties"], false, "{name}");
            }
        }
    }
}

#[test]
fn an_eleventh_app_is_one_file() {
    let app_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lidarr.yaml");
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("built");
    std::fs::write(&binary, "binary").unwrap();
    let charm = folder.path().join("charm");
    packaging::write_folder(&charm, &app_file, &binary).unwrap();
    for file in [
        "metadata.yaml",
        "config.yaml",
        "actions.yaml",
        "app.yaml",
        "dispatch",
    ] {
        assert!(charm.join(file).is_file(), "{file} is missing");
    }
    let packed = AppProfile::load(&charm.join(names::APP_FILE)).unwrap();
    assert_eq!(packed.name, "lidarr");
    let metadata = yaml(&std::fs::read_to_string(charm.join("metadata.yaml")).unwrap());
    assert_eq!(metadata["name"], "lidarr");
    assert!(workload_charm::metadata::check(&charm, &packed).is_ok());
    assert!(schema().is_valid(&yaml(&std::fs::read_to_string(&app_file).unwrap())));
}

/// What a Rust file says outside of comments and of its tests.
fn code_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(str::to_lowercase)
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_for_tests = path.file_name().is_some_and(|name| {
            matches!(
                name.to_str(),
                Some("tests" | "tests.rs" | "testing" | "target" | "examples" | "benches" | "fuzz")
            ) || name.to_string_lossy().ends_with("_tests.rs")
        });
        if is_for_tests {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_code_of_the_charm_or_of_the_libraries_names_an_app() {
    let charm = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&charm.join("src"), &mut files);
    rust_files(&charm.join("../lib"), &mut files);
    assert!(files.len() > 30, "the search finds nothing");
    let (apps, mut named) = (names(), Vec::new());
    for file in &files {
        for line in code_of(file) {
            // An error may show what a name looks like.
            let is_example = line.contains("like ") || line.contains("example");
            if apps.iter().any(|app| line.contains(app.as_str())) && !is_example {
                named.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    // "plex" is in "complex".
    named.retain(|line| !line.contains("complex"));
    assert!(named.is_empty(), "{named:#?}");
}
