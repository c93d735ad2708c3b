//! What a walk counts, leaves out and says, and what becomes of a file that changes under it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::Options;

fn rules(leave_out: &[&str]) -> RootRules {
    let lines: Vec<String> = leave_out.iter().map(|&line| line.to_owned()).collect();
    RootRules::new(None, &lines).unwrap()
}

/// What is handed on, sorted, and the rest.
fn walked(volume: &Path, rules: &RootRules) -> Result<(Vec<String>, Scan)> {
    let root = Root::open(volume)?;
    let mut files = Vec::new();
    let scan = walk(&root, rules, &OwnDatabases::default(), &mut |entry| {
        files.push(entry.path.to_string());
        Ok(())
    })?;
    files.sort();
    Ok((files, scan))
}

fn database(path: &Path) -> u64 {
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    database.close().unwrap();
    fs::metadata(path).unwrap().len()
}

#[test]
fn what_is_left_out_is_counted_with_the_rule_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("logs/old/older")).unwrap();
    fs::write(at("logs/one"), "1").unwrap();
    fs::write(at("logs/old/two"), "22").unwrap();
    fs::write(at("logs/old/older/three"), "333").unwrap();
    symlink("one", at("logs/old/link")).unwrap();
    fs::write(at("a.tmp"), "4444").unwrap();
    symlink("a.tmp", at("b.tmp")).unwrap();
    fs::create_dir(at("cache")).unwrap();
    fs::write(at("cache/CACHEDIR.TAG"), CACHE_TAG).unwrap();
    fs::write(at("cache/x"), "55555").unwrap();
    let size = database(&at("my radarr.db"));
    let (files, scan) = walked(folder.path(), &rules(&["/logs/", "*.tmp"])).unwrap();
    assert!(files.is_empty(), "{files:?}");
    let mut left_out: Vec<_> = scan
        .left_out
        .iter()
        .map(|part| (part.pattern.as_str(), part.reason, part.files, part.bytes))
        .collect();
    left_out.sort_by_key(|part| part.0);
    assert_eq!(
        left_out,
        [
            ("*.tmp", Reason::Cache, 1, 4),
            ("/logs/", Reason::Cache, 3, 6),
            ("/my\\ radarr.db", Reason::LiveDatabase, 1, size),
            ("CACHEDIR.TAG", Reason::CacheTag, 2, 5 + CACHE_TAG.len() as u64),
        ]
    );
}

#[test]
fn only_a_valid_tag_in_a_file_makes_a_folder_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["short", "other", "linked"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("x"), "x").unwrap();
    }
    fs::write(at("tag"), CACHE_TAG).unwrap();
    fs::write(at("short/CACHEDIR.TAG"), &CACHE_TAG[1..]).unwrap();
    fs::write(at("other/CACHEDIR.TAG"), CACHE_TAG.to_ascii_uppercase()).unwrap();
    symlink("../tag", at("linked/CACHEDIR.TAG")).unwrap();
    let (files, scan) = walked(folder.path(), &rules(&[])).unwrap();
    assert_eq!(scan.left_out, []);
    for file in ["short/x", "other/x", "linked/x"] {
        assert!(files.contains(&file.to_owned()), "{files:?}");
    }
    // In the root it would empty the backup; where everything is looked at it means nothing.
    fs::rename(at("tag"), at("CACHEDIR.TAG")).unwrap();
    let error = walked(folder.path(), &rules(&[])).unwrap_err().to_string();
    assert!(error.contains("would hold nothing"), "{error}");
    let (files, _) = walked(folder.path(), &RootRules::everything()).unwrap();
    assert_eq!(files.len(), 7);
}

#[test]
fn an_ignore_file_below_counts_where_it_is_a_file_and_not_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("sub/.kopiaignore")).unwrap();
    fs::create_dir(at("low")).unwrap();
    fs::write(at("sub/a"), "a").unwrap();
    fs::write(at("low/a"), "a").unwrap();
    let ignore = at("low/.kopiaignore");
    let text = |bytes: u64| {
        let line = [b'#'; 1023];
        let mut text: Vec<u8> = line
            .into_iter()
            .chain([b'\n'])
            .cycle()
            .take(bytes as usize)
            .collect();
        text[..3].copy_from_slice(b"/a\n");
        text
    };
    fs::write(&ignore, text(IGNORE_FILE_LIMIT)).unwrap();
    let (files, _) = walked(folder.path(), &rules(&[])).unwrap();
    assert_eq!(files, ["low/.kopiaignore", "sub/a"]);
    fs::write(&ignore, text(IGNORE_FILE_LIMIT + 1)).unwrap();
    let error = walked(folder.path(), &rules(&[])).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
}

#[test]
fn every_name_of_a_large_folder_is_seen_once() {
    let folder = tempfile::tempdir().unwrap();
    for count in [NAMES_AT_ONCE - 1, NAMES_AT_ONCE, NAMES_AT_ONCE + 1] {
        for number in 0..count {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let (mut files, scan) = walked(folder.path(), &rules(&[])).unwrap();
        files.dedup();
        assert_eq!((files.len(), scan.files), (count, count as u64));
    }
}

#[test]
fn a_file_that_is_gone_or_something_else_by_the_time_it_is_read_is_told_or_fails_the_walk() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let root = Root::open(folder.path()).unwrap();
    let top = root.open_folder(None).unwrap();
    fs::write(at("file"), [0; 512]).unwrap();
    let meta = top.stat(b"file").unwrap().unwrap();
    symlink("file", at("other")).unwrap();
    let named = |name: &str| {
        let options = Options {
            databases: vec![format!("/{name}")],
            ..Options::default()
        };
        OwnDatabases::new(&options).unwrap()
    };
    let none = rules(&[]);
    // What was a file when it was looked at.
    let file = |name: &str, own: &OwnDatabases| {
        let mut handed_on = 0;
        let mut visit = |_: Entry<'_>| {
            handed_on += 1;
            Ok(())
        };
        let mut walker = Walker {
            root: &root,
            own,
            root_rules: 0,
            everything: false,
            tally: BTreeMap::new(),
            named: Vec::new(),
            silent: 0,
            scan: Scan::default(),
            visit: &mut visit,
        };
        let path = RelPath::new(name).unwrap();
        let done = walker.file(&top, path, meta, none.rules());
        let warnings = walker.scan.warnings.len();
        done.map(|()| (handed_on, warnings))
    };
    let nobodys = OwnDatabases::default();
    assert_eq!(file("gone", &nobodys).unwrap(), (0, 0));
    assert_eq!(file("gone", &named("gone")).unwrap(), (0, 0));
    assert_eq!(file("other", &nobodys).unwrap(), (1, 1));
    file("other", &named("other")).unwrap_err();
    assert_eq!(file("file", &nobodys).unwrap(), (1, 0));
}
