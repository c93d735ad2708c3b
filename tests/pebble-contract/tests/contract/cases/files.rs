//! Files of the container.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use juju_charm::pebble::{Error, FileOptions, FileType, PathErrorKind};

use super::cases;
use crate::backends::Backend;

cases![
    "files":
    are_written_and_read,
    any_bytes_and_five_megabytes,
    are_replaced,
    have_modes,
    modes_of_four_digits_are_refused,
    have_owners,
    folders_are_made,
    folders_are_listed,
    are_removed,
    missing_ones_are_not_found,
    odd_paths,
    are_files_of_the_container needs Files,
];

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> (PathErrorKind, String) {
    match result {
        Err(Error::Path { kind, message, .. }) => (kind, message),
        other => panic!("no error of a path: {other:?}"),
    }
}

fn with_mode(mode: u32) -> FileOptions {
    FileOptions {
        mode: Some(mode),
        ..FileOptions::default()
    }
}

fn are_written_and_read(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("a file's name, \"quoted\" & ünïcode");
    pebble
        .write_file(&path, b"hello\n", &FileOptions::default())
        .unwrap();
    assert_eq!(pebble.read_file(&path).unwrap(), b"hello\n");
    assert!(pebble.exists(&path).unwrap());
    let info = pebble.list_files(&path, true).unwrap().remove(0);
    assert_eq!(info.path, path);
    assert_eq!(info.name, "a file's name, \"quoted\" & ünïcode");
    assert_eq!(
        (info.file_type, info.size, info.mode),
        (FileType::File, Some(6), 0o644)
    );
    assert!(!info.last_modified.is_empty());
    let empty = backend.path("empty");
    pebble.write_file(&empty, b"", &FileOptions::default()).unwrap();
    assert_eq!(pebble.read_file(&empty).unwrap(), b"");
}

fn any_bytes_and_five_megabytes(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("large");
    let mut content: Vec<u8> = (0..5 * 1024 * 1024_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    content.extend_from_slice(b"\r\n--\r\n\r\n\0\xff");
    pebble
        .write_file(&path, &content, &FileOptions::default())
        .unwrap();
    assert!(pebble.read_file(&path).unwrap() == content);
    assert_eq!(
        pebble.list_files(&path, true).unwrap()[0].size,
        Some(content.len() as u64)
    );
}

fn are_replaced(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("file");
    pebble
        .write_file(&path, b"a longer text", &with_mode(0o600))
        .unwrap();
    pebble
        .write_file(&path, b"short", &FileOptions::default())
        .unwrap();
    assert_eq!(pebble.read_file(&path).unwrap(), b"short");
    assert_eq!(
        pebble.list_files(&path, true).unwrap()[0].mode,
        0o644,
        "the old mode is not kept"
    );
}

fn have_modes(backend: &dyn Backend) {
    let pebble = backend.pebble();
    for mode in [0o000, 0o007, 0o400, 0o600, 0o755, 0o777] {
        let path = backend.path(&format!("mode-{mode:o}"));
        pebble.write_file(&path, b"x", &with_mode(mode)).unwrap();
        assert_eq!(pebble.list_files(&path, true).unwrap()[0].mode, mode);
    }
}

fn modes_of_four_digits_are_refused(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("setuid");
    for result in [
        pebble.write_file(&path, b"x", &with_mode(0o4755)),
        pebble.make_dir(&path, &with_mode(0o1777)),
    ] {
        let (kind, message) = fault(result);
        assert_eq!(kind, PathErrorKind::GenericFileError);
        assert!(
            message.starts_with("permissions must be a 3-digit octal string, got \""),
            "{message}"
        );
    }
    assert!(!pebble.exists(&path).unwrap());
}

fn have_owners(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let path = backend.path("owned");
    let owned = FileOptions {
        user_id: Some(uid),
        group_id: Some(gid),
        ..FileOptions::default()
    };
    pebble.write_file(&path, b"x", &owned).unwrap();
    let info = pebble.list_files(&path, true).unwrap().remove(0);
    assert_eq!((info.user_id, info.group_id), (Some(uid), Some(gid)));
    for (options, expected) in [
        (
            FileOptions {
                user: Some("no-such-user".into()),
                ..FileOptions::default()
            },
            "unknown user no-such-user",
        ),
        (
            FileOptions {
                user_id: Some(uid),
                group: Some("no-such-group".into()),
                ..FileOptions::default()
            },
            "unknown group no-such-group",
        ),
        (
            FileOptions {
                user_id: Some(3_999_999),
                ..FileOptions::default()
            },
            "unknown userid 3999999",
        ),
        (
            FileOptions {
                group_id: Some(gid),
                ..FileOptions::default()
            },
            "must specify user, not just group",
        ),
    ] {
        let (kind, message) = fault(pebble.write_file(&backend.path("other"), b"x", &options));
        assert_eq!(kind, PathErrorKind::GenericFileError);
        let found = message
            .strip_prefix("cannot look up user and group: ")
            .unwrap_or_else(|| panic!("{message}"));
        assert!(found.contains(expected), "{message}");
    }
    assert!(!pebble.exists(&backend.path("other")).unwrap());
}

fn folders_are_made(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let folder = backend.path("folder");
    pebble.make_dir(&folder, &FileOptions::default()).unwrap();
    let info = pebble.list_files(&folder, true).unwrap().remove(0);
    assert_eq!(
        (info.file_type, info.mode, info.size),
        (FileType::Directory, 0o755, None)
    );
    let (kind, message) = fault(pebble.make_dir(&folder, &FileOptions::default()));
    assert_eq!(
        (kind, message),
        (
            PathErrorKind::GenericFileError,
            format!("mkdir {}: file exists", shown(backend, &folder))
        )
    );

    let deep = backend.path("one/two/three");
    let (kind, _) = fault(pebble.make_dir(&deep, &FileOptions::default()));
    assert_eq!(kind, PathErrorKind::NotFound);
    let all = FileOptions {
        make_dirs: true,
        mode: Some(0o700),
        ..FileOptions::default()
    };
    pebble.make_dir(&deep, &all).unwrap();
    pebble.make_dir(&deep, &all).unwrap();
    assert_eq!(pebble.list_files(&deep, true).unwrap()[0].mode, 0o700);

    let file = backend.path("four/five/file");
    let (kind, _) = fault(pebble.write_file(&file, b"x", &FileOptions::default()));
    assert_eq!(kind, PathErrorKind::NotFound);
    pebble.write_file(&file, b"x", &all).unwrap();
    assert_eq!(
        pebble.list_files(&backend.path("four"), true).unwrap()[0].mode,
        0o755
    );
    assert_eq!(pebble.list_files(&file, true).unwrap()[0].mode, 0o700);
    // A file is no folder.
    let (kind, _) = fault(pebble.write_file(&format!("{file}/more"), b"x", &all));
    assert_eq!(kind, PathErrorKind::GenericFileError);
}

/// A path as it stands in an error: the simulated one may say where it is on this machine.
fn shown(backend: &dyn Backend, path: &str) -> String {
    let _ = backend;
    path.to_owned()
}

fn folders_are_listed(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let folder = backend.path("list");
    pebble.make_dir(&folder, &FileOptions::default()).unwrap();
    assert!(pebble.list_files(&folder, false).unwrap().is_empty());
    pebble
        .write_file(&format!("{folder}/b"), b"bb", &FileOptions::default())
        .unwrap();
    pebble
        .write_file(&format!("{folder}/a"), b"a", &FileOptions::default())
        .unwrap();
    pebble
        .make_dir(&format!("{folder}/c"), &FileOptions::default())
        .unwrap();
    pebble
        .write_file(&format!("{folder}/c/deeper"), b"a", &FileOptions::default())
        .unwrap();
    let infos = pebble.list_files(&folder, false).unwrap();
    let found: Vec<(&str, &str, &FileType)> = infos
        .iter()
        .map(|info| (info.name.as_str(), info.path.as_str(), &info.file_type))
        .collect();
    let path = |name: &str| format!("{folder}/{name}");
    let (a, b, c) = (path("a"), path("b"), path("c"));
    assert_eq!(
        found,
        [
            ("a", a.as_str(), &FileType::File),
            ("b", b.as_str(), &FileType::File),
            ("c", c.as_str(), &FileType::Directory)
        ]
    );
    // Without `itself` a file is listed as itself.
    assert_eq!(
        pebble.list_files(&a, false).unwrap(),
        pebble.list_files(&a, true).unwrap()
    );
    let itself = pebble.list_files(&folder, true).unwrap();
    assert_eq!((itself.len(), itself[0].path.as_str()), (1, folder.as_str()));
}

fn are_removed(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let folder = backend.path("folder");
    let file = format!("{folder}/file");
    let all = FileOptions {
        make_dirs: true,
        ..FileOptions::default()
    };
    pebble.write_file(&file, b"x", &all).unwrap();
    let (kind, _) = fault(pebble.remove_path(&folder, false));
    assert_eq!(kind, PathErrorKind::GenericFileError, "it is not empty");
    pebble.remove_path(&file, false).unwrap();
    assert!(!pebble.exists(&file).unwrap());
    pebble.remove_path(&folder, false).unwrap();
    pebble.write_file(&file, b"x", &all).unwrap();
    pebble.remove_path(&folder, true).unwrap();
    assert!(!pebble.exists(&folder).unwrap());
    pebble.remove_path(&folder, true).unwrap();
}

fn missing_ones_are_not_found(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("missing");
    assert!(!pebble.exists(&path).unwrap());
    for error in [
        pebble.read_file(&path).unwrap_err(),
        pebble.list_files(&path, false).unwrap_err(),
        pebble.remove_path(&path, false).unwrap_err(),
        pebble
            .write_file(&format!("{path}/file"), b"", &FileOptions::default())
            .unwrap_err(),
    ] {
        assert!(error.is_not_found(), "{error:?}");
        assert!(
            matches!(
                &error,
                Error::Path {
                    kind: PathErrorKind::NotFound,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error.to_string().ends_with("no such file or directory"),
            "{error}"
        );
    }
}

fn odd_paths(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let folder = backend.path("");
    let folder = folder.trim_end_matches('/');
    let (kind, message) = fault(pebble.read_file(folder));
    assert_eq!(kind, PathErrorKind::GenericFileError);
    assert!(message.starts_with("can only read a regular file"), "{message}");
    let (_, message) = fault(pebble.read_file("not/absolute"));
    assert_eq!(message, "paths must be absolute, got \"not/absolute\"");
    let (_, message) = fault(pebble.write_file("not/absolute", b"", &FileOptions::default()));
    assert_eq!(message, "paths must be absolute, got \"not/absolute\"");
    match pebble.list_files("not/absolute", false) {
        Err(Error::Api {
            status: 400, message, ..
        }) => assert_eq!(message, "path must be absolute, got \"not/absolute\""),
        other => panic!("{other:?}"),
    }
    let (kind, _) = fault(pebble.write_file(folder, b"x", &FileOptions::default()));
    assert_eq!(
        kind,
        PathErrorKind::GenericFileError,
        "a folder is not replaced by a file"
    );
}

fn are_files_of_the_container(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let path = backend.path("pushed");
    pebble.write_file(&path, b"pushed", &with_mode(0o640)).unwrap();
    let there = backend.host_path(&path);
    assert_eq!(std::fs::read(&there).unwrap(), b"pushed");
    let metadata = std::fs::metadata(&there).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
    assert_eq!(metadata.uid(), rustix::process::getuid().as_raw());
    std::fs::write(backend.host_path(&backend.path("pulled")), b"pulled").unwrap();
    assert_eq!(pebble.read_file(&backend.path("pulled")).unwrap(), b"pulled");
    std::os::unix::fs::symlink("pulled", backend.host_path(&backend.path("link"))).unwrap();
    assert_eq!(pebble.read_file(&backend.path("link")).unwrap(), b"pulled");
    let infos = pebble
        .list_files(backend.path("").trim_end_matches('/'), false)
        .unwrap();
    let link = infos.iter().find(|info| info.name == "link").unwrap();
    assert_eq!(link.file_type, FileType::Symlink);
    // Nothing of an atomic write is left over.
    assert_eq!(
        infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(),
        ["link", "pulled", "pushed"]
    );
}
