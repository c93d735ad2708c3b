//! All tests of the real binary in the simulated Juju, in one program: each program more is linked anew, and programs are run one after
//! the other.
#![cfg(test)]

mod backup_volume;
mod backups_come_back;
mod bad_input;
mod bad_pebble;
mod cut_off;
mod data_unit;
mod examples;
mod exporter;
mod happenings;
mod lifecycle;
mod long_names;
mod media;
mod pod_lost;
mod recovery;
mod secrecy;
mod steady;
mod tiers;
mod vpn;

/// One that is not named above would not be run.
#[test]
fn every_file_is_named() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for entry in folder.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_named = |part: &str| include_str!("main.rs").contains(&format!("\nmod {part};\n"));
        assert!(
            name == "main.rs" || !name.ends_with(".rs") || is_named(name.trim_end_matches(".rs")),
            "{name}"
        );
    }
}
