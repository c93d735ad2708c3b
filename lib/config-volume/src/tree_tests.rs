//! What is opened and what is refused, whatever lies in a volume.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rustix::io::Errno;

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// One of each kind, and a link to each of the first two.
fn volume() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "text").unwrap();
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/inner"), "text").unwrap();
    symlink("file", at("link")).unwrap();
    symlink("folder", at("way")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    crate::testing::fifo(&at("fifo")).unwrap();
    let root = Root::open(folder.path()).unwrap();
    (folder, root)
}

/// No child process gets it.
fn closes_on_exec(file: &impl std::os::fd::AsRawFd) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & OFlags::CLOEXEC.bits() != 0
}

#[test]
fn a_link_is_never_followed_and_a_fifo_never_waited_for() {
    let (_folder, root) = volume();
    let top = root.open_folder(None).unwrap();
    assert!(closes_on_exec(&root.read(&path("file")).unwrap()));
    assert!(closes_on_exec(&top.read(b"file").unwrap()));
    for link in ["link", "way", "dangling", "way/inner"] {
        root.read(&path(link)).unwrap_err();
    }
    top.read(b"link").unwrap_err();
    // Nobody writes to it: an open that blocks would never end.
    assert!(root.read(&path("fifo")).unwrap().metadata().is_ok());
    assert!(top.read(b"fifo").unwrap().metadata().is_ok());
    for no_folder in ["way", "file", "link"] {
        root.open_folder(Some(&path(no_folder))).unwrap_err();
    }
    assert_eq!(root.names(Some(&path("folder"))).unwrap(), [b"inner"]);
    let held = root.hold(&path("link")).unwrap().unwrap();
    assert!(held.metadata().unwrap().is_symlink() && closes_on_exec(&held));
    assert!(root.hold(&path("nothing")).unwrap().is_none());
    root.hold(&path("way/inner")).unwrap_err();
}

#[test]
fn both_ways_to_look_at_something_say_the_same() {
    let (_folder, root) = volume();
    let top = root.open_folder(None).unwrap();
    let kinds = [
        ("file", Kind::File),
        ("folder", Kind::Folder),
        ("link", Kind::Link),
        ("dangling", Kind::Link),
        ("fifo", Kind::Other),
    ];
    for (name, kind) in kinds {
        let meta = root.look(&path(name)).unwrap().unwrap();
        let stat = top.stat(name.as_bytes()).unwrap().unwrap();
        assert_eq!(stat, Stat::from(&meta));
        assert_eq!((stat.kind, stat.mode), (kind, meta.mode() % 0o10000));
    }
    assert_eq!(top.stat(b"file").unwrap().unwrap().mode, 0o4750);
    assert_eq!(top.stat(b"nothing").unwrap(), None);
    let meta = root.look(&path("file")).unwrap().unwrap();
    let made = meta.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(born(&meta), Some((made.as_secs(), made.subsec_nanos())));
}

#[test]
fn folders_above_a_path_are_made_with_the_owner_that_is_given() {
    let (folder, root) = volume();
    let me = fs::metadata(folder.path()).unwrap();
    // Only root may give a folder away.
    let owner = if me.uid() == 0 {
        (1234, 1235)
    } else {
        (me.uid(), me.gid())
    };
    root.make_parents(&path("top"), owner).unwrap();
    root.make_parents(&path("folder/a/b/file.db"), owner).unwrap();
    for made in ["folder/a", "folder/a/b"] {
        let meta = fs::metadata(folder.path().join(made)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), owner);
    }
    assert_eq!(
        fs::metadata(folder.path().join("folder")).unwrap().uid(),
        me.uid()
    );
    assert!(!folder.path().join("folder/a/b/file.db").exists());
    root.make_parents(&path("way/a/file.db"), owner).unwrap_err();
    root.make_parents(&path("file/a/file.db"), owner).unwrap_err();
    root.sync(Some(&path("folder/a"))).unwrap();
    root.sync(Some(&path("way"))).unwrap_err();
}

#[test]
fn nothing_is_ever_renamed_over_something() {
    let (folder, root) = volume();
    let at = |name: &str| folder.path().join(name);
    for taken in ["folder/inner", "dangling", "fifo"] {
        let error = root.rename(&path("file"), &path(taken)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        let error = root.move_in(&at("file"), &path(taken)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
    }
    root.rename(&path("file"), &path("folder/free")).unwrap();
    root.move_in(&at("folder/free"), &path("file")).unwrap();
    assert!(at("file").exists() && !at("folder/free").exists());
    // What a file system does that knows no such call.
    let top = File::open(folder.path()).unwrap();
    refuse_taken(&top, OsStr::new("free")).unwrap();
    for taken in ["file", "dangling", "fifo", "folder"] {
        let error = refuse_taken(&top, OsStr::new(taken)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
    }
    for (error, is_missing) in [
        (Errno::NOSYS, true),
        (Errno::INVAL, true),
        (Errno::OPNOTSUPP, true),
        (Errno::EXIST, false),
        (Errno::NOSPC, false),
    ] {
        assert_eq!(no_such_call(error), is_missing, "{error}");
    }
}
