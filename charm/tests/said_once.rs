//! No idea is written twice between the charm, `config-recovery` and `config-volume`, and no app file says what nothing reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::apps;

/// So many equal lines behind each other are no accident.
const RUN: usize = 6;

/// The crates that could say the same.
const CRATES: [&str; 3] = ["charm", "lib/config-recovery", "lib/config-volume"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources below a folder, without those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path
            .to_str()
            .is_some_and(|path| path.ends_with(".rs") && !path.ends_with("tests.rs"))
        {
            found.push(path);
        }
    }
    found
}

/// The lines that say something, without those about tests.
fn lines(text: &str) -> Vec<&str> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect()
}

#[test]
fn the_crates_share_no_run_of_equal_lines() {
    // By the run of lines, where it was seen first.
    let mut seen: BTreeMap<Vec<String>, (&str, PathBuf)> = BTreeMap::new();
    let mut twice = Vec::new();
    for name in CRATES {
        let files = sources(&repository().join(name).join("src"));
        assert!(files.len() > 20, "{name}: {}", files.len());
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            for run in lines(&text).windows(RUN) {
                let run: Vec<String> = run.iter().map(|line| (*line).to_owned()).collect();
                match seen.get(&run) {
                    Some((other, first)) if *other != name => {
                        twice.push(format!(
                            "{} and {}: {}",
                            first.display(),
                            path.display(),
                            run.join(" ")
                        ));
                    }
                    Some(_) => {}
                    None => {
                        seen.insert(run, (name, path.clone()));
                    }
                }
            }
        }
    }
    assert_eq!(twice, Vec::<String>::new());
}

fn text_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("apps/{name}.yaml"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_option_of_an_app_is_read_by_something() {
    for (_, profile) in apps() {
        let text = text_of(&profile.name);
        let used = |option: &str| {
            let database = profile.storage.as_ref().map(|storage| &storage.external_database);
            text.contains(&format!("${{option:{option}}}"))
                || profile.once.iter().any(|once| once.option == option)
                || database.is_some_and(|database| database.options.iter().any(|name| name == option))
        };
        let unused: Vec<&String> = profile.options.keys().filter(|option| !used(option)).collect();
        assert_eq!(unused, Vec::<&String>::new(), "{}", profile.name);
    }
}

/// Where the facts of an image come from stands between its tag and its command, by repository and commit.
#[test]
fn the_command_of_every_image_names_its_source() {
    for (_, profile) in apps() {
        let text = text_of(&profile.name);
        let from = text.find("\n  image: ").unwrap();
        let to = text.find("\n  command: ").unwrap();
        let is_commit = |word: &str| {
            let word = word.trim_matches(['(', ')', ':', ',', '.']);
            let hash = word.strip_prefix('@').unwrap_or_default();
            hash.len() >= 7 && hash.chars().all(|c| c.is_ascii_hexdigit())
        };
        let comments = text[from..to].lines().filter(|line| line.trim().starts_with('#'));
        let named = comments.flat_map(str::split_whitespace).any(is_commit);
        assert!(named, "{}", profile.name);
    }
}

#[test]
fn an_app_that_is_backed_up_names_its_databases_and_none_runs_as_root() {
    for (_, profile) in apps() {
        if let Some(storage) = profile.storage.as_ref().filter(|storage| storage.backup) {
            // qBittorrent keeps its torrents in files; SABnzbd its history in a database.
            let names_some = !storage.databases.is_empty();
            assert_eq!(names_some, profile.name != "qbittorrent", "{}", profile.name);
        }
        let user = profile
            .workload
            .user
            .unwrap_or_else(|| panic!("{} has no user", profile.name));
        assert!(user.uid != 0 && user.gid != 0, "{}", profile.name);
    }
}
