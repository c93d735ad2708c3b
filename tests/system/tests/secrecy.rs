//! The API key is in the secret and in config.xml, and in nothing else that anybody writes.

use std::path::{Path, PathBuf};

use system_tests::house::{SimulatedModel, UNIT};

#[test]
fn the_api_key_is_written_to_the_secret_and_the_config_file_only() {
    let mut house = SimulatedModel::with_backups().unwrap();
    let key = house.api_key().unwrap();
    // A life with faults in it: errors are what logs secrets.
    std::fs::write(
        house.config_path("config.xml"),
        format!("<Config><ApiKey>{key}</ApiKey>"),
    )
    .unwrap();
    house.juju.update_status(UNIT).unwrap();
    house
        .juju
        .set_config("radarr", &[("url-base", "/movies")])
        .unwrap();
    house.juju.churn_pod(UNIT, true).unwrap();

    for report in house.juju.dispatches() {
        assert!(
            !report.stdout.contains(&key) && !report.stderr.contains(&key),
            "{}: printed",
            report.path
        );
        for call in &report.tools {
            assert!(
                !call.stderr.contains(&key),
                "{}: {} says it",
                report.path,
                call.tool
            );
            assert!(
                !call.args.iter().any(|argument| argument.contains(&key)),
                "{}: in the arguments of {}, which any process can see",
                report.path,
                call.tool
            );
        }
    }
    let holders: Vec<PathBuf> = files(house.juju.dir())
        .into_iter()
        .filter(|path| std::fs::read(path).is_ok_and(|bytes| contains(&bytes, key.as_bytes())))
        .collect();
    let unexpected: Vec<_> = holders.iter().filter(|path| !may_hold_it(path)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert!(
        holders.iter().any(|path| path.ends_with("config.xml")),
        "the search finds nothing: {holders:?}"
    );
}

/// The model's state is where the simulated Juju keeps secrets; a damaged config file is kept where it was.
fn may_hold_it(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name == "config.xml" || name.starts_with("config.xml.damaged-") || name == "model.json"
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
