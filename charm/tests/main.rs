//! All tests of the charm against fakes, in one program: each program more links the whole charm, and programs are run one after the
//! other.
#![cfg(test)]

mod app_contents;
mod app_files;
mod back_off;
mod backup_standing;
mod before_start;
mod blockers;
mod cluster_seen;
mod common;
mod contents;
mod cos;
mod credentials_seen;
mod damaged_files;
mod dispatches;
mod download_folders;
mod edges;
mod gathered;
mod golden_plans;
mod health;
mod killed_restores;
mod left_out;
mod line;
mod may_start;
mod media_claims;
mod notify;
mod notify_secret;
mod opted_out;
mod outcomes;
mod planned;
mod reads;
mod recovery;
mod restored_news;
mod route_edges;
mod safety;
mod said_once;
mod status_texts;
mod test_restores;
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
