//! Unpacking what a foreign pod sends: all that a tar can keep is kept, and nothing else is taken.
#![cfg(test)]

mod swap_support;

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Command,
};

use config_volume::{Error, OutsideLinks, UnpackLimits, Unpacked, unpack};
use swap_support::{Dice, assert_same, in_whole_seconds, is_root, names, pack, settle_links, tree};
use tar::{Builder, EntryType, Header};

fn unpack_all(archive: &[u8], into: &Path) -> config_volume::Result<Unpacked> {
    unpack(archive, into, &UnpackLimits::default(), &mut |_| {})
}

/// A random tree, that many bytes of times included.
fn random(seed: u64, line_breaks: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(seed);
    dice.line_breaks = line_breaks;
    dice.fill(folder.path(), true);
    settle_links(folder.path());
    folder
}

#[test]
fn what_real_tars_pack_comes_out_as_it_was() {
    for seed in 100..115 {
        for (arguments, nanoseconds) in [
            (&["--format=gnu"][..], false),
            (&["--format=gnu", "--sparse"], false),
            (&["--format=pax"], true),
            (&["--format=pax", "--sort=name"], true),
        ] {
            let source = random(seed, !nanoseconds);
            let archive = pack(source.path(), arguments);
            let into = tempfile::tempdir().unwrap();
            let done = unpack_all(&archive, into.path())
                .unwrap_or_else(|error| panic!("{seed} {arguments:?}: {error}"));
            let should = tree(source.path());
            let should = if nanoseconds {
                should
            } else {
                in_whole_seconds(should)
            };
            assert_same(&tree(into.path()), &should, &format!("{seed} {arguments:?}"));
            let files = should.keys().filter(|path| {
                fs::symlink_metadata(source.path().join(path)).is_ok_and(|meta| !meta.is_dir())
            });
            assert_eq!(done.files, files.count() as u64, "{seed}");
        }
    }
}

#[test]
fn what_busybox_packs_comes_out_as_it_was() {
    for seed in 200..210 {
        let source = random(seed, true);
        let output = Command::new("busybox")
            .args(["tar", "-C", source.path().to_str().unwrap(), "-cf", "-", "."])
            .output();
        let Ok(output) = output else {
            println!("there is no busybox");
            return;
        };
        let into = tempfile::tempdir().unwrap();
        unpack_all(&output.stdout, into.path()).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_same(
            &tree(into.path()),
            &in_whole_seconds(tree(source.path())),
            &format!("{seed}"),
        );
    }
}

#[test]
fn holes_stay_holes() {
    let source = tempfile::tempdir().unwrap();
    let file = File::create(source.path().join("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    io::Write::write_all(&mut &file, b"at its beginning").unwrap();
    let archive = pack(source.path(), &["--sparse"]);
    assert!(archive.len() < 1 << 20);
    let into = tempfile::tempdir().unwrap();
    let done = unpack_all(&archive, into.path()).unwrap();
    assert_eq!(done.bytes, 64 << 20);
    let meta = fs::metadata(into.path().join("sparse")).unwrap();
    assert_eq!(meta.len(), 64 << 20);
    assert!(meta.blocks() * 512 < 1 << 20, "{}", meta.blocks());
    // This form of the same would come out as something else; it is refused instead.
    let archive = pack(source.path(), &["--sparse", "--format=pax"]);
    let text = unpack_all(&archive, tempfile::tempdir().unwrap().path())
        .unwrap_err()
        .to_string();
    assert!(text.contains("sparse") && text.contains("form"), "{text}");
}

#[test]
fn a_stream_that_is_cut_short_is_an_error_wherever_it_is_cut() {
    let source = tempfile::tempdir().unwrap();
    fs::create_dir(source.path().join("folder")).unwrap();
    // Zeros in a file could be taken for the end mark.
    fs::write(source.path().join("folder/zeros"), [0; 4096]).unwrap();
    fs::write(source.path().join("folder").join("n".repeat(200)), "long name").unwrap();
    symlink("folder", source.path().join("link")).unwrap();
    fs::write(source.path().join("text"), vec![b'x'; 3000]).unwrap();
    for format in ["--format=gnu", "--format=pax"] {
        // The text last, whatever the order in the folder.
        let archive = pack(source.path(), &[format, "--blocking-factor=20", "--sort=name"]);
        let content = archive.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // The mark begins at the block after the last file, whose end may be zeros, too.
        let text = archive
            .windows(3000)
            .rposition(|part| part.iter().all(|b| *b == b'x'));
        let last = text
            .map_or(content, |start| content.max(start + 3000))
            .next_multiple_of(512);
        let complete = last.max(content.next_multiple_of(512)) + 1024;
        for length in (0..archive.len()).filter(|length| length % 64 == 0 || length % 512 == 511) {
            let into = tempfile::tempdir().unwrap();
            let result = unpack_all(archive.get(..length).unwrap(), into.path());
            if let Err(error) = &result {
                assert!(
                    matches!(error, Error::Archive { read, .. } if *read == length as u64),
                    "{length}: {error:?}"
                );
            }
            if length < complete {
                assert!(
                    result.is_err(),
                    "{format}: {length} of {complete} bytes are taken for all"
                );
            } else {
                result.unwrap();
                assert_same(
                    &in_whole_seconds(tree(into.path())),
                    &in_whole_seconds(tree(source.path())),
                    &format!("{length}"),
                );
            }
        }
    }
}

#[test]
fn what_is_no_archive_or_more_than_one_is_refused() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "content").unwrap();
    let archive = pack(source.path(), &[]);
    let twice = [archive.as_slice(), &archive].concat();
    let talk = [archive.as_slice(), b"tar: something went wrong\n"].concat();
    let noise: Vec<u8> = (0..4096u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut wrong = archive.clone();
    if let Some(byte) = wrong.get_mut(520) {
        *byte ^= 1;
    }
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("text", b"sh: tar: not found\n"),
        ("noise", &noise),
        ("two archives", &twice),
        ("an archive and a message", &talk),
        ("a changed header", &wrong),
        ("one block of zeros", &[0; 512]),
    ] {
        let into = tempfile::tempdir().unwrap();
        let error = unpack_all(bytes, into.path()).unwrap_err();
        assert!(matches!(error, Error::Archive { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("bring it again"), "{name}: {error}");
    }
    // The end mark alone is an archive without entries. `seal` refuses to put nothing in place.
    assert_eq!(
        unpack_all(&[0; 1024], tempfile::tempdir().unwrap().path()).unwrap(),
        Unpacked::default()
    );
}

/// Kind, name, target of a link, content.
type Raw<'a> = (EntryType, &'a [u8], &'a [u8], &'a [u8]);

/// An archive of entries as they are, without the library's own checks.
fn archive(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        let mut header = Header::new_gnu();
        {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.name.get_mut(..name.len()).unwrap().copy_from_slice(name);
            gnu.linkname.get_mut(..link.len()).unwrap().copy_from_slice(link);
        }
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn hostile_entries_are_refused_by_name_and_write_nothing_outside() {
    use EntryType as E;
    let cases: &[(&str, &str, &[Raw<'_>])] = &[
        ("/etc/x", "absolute", &[(E::Regular, b"/etc/x", b"", b"x")]),
        ("../x", "outside", &[(E::Regular, b"../x", b"", b"x")]),
        ("a/../../x", "outside", &[(E::Regular, b"a/../../x", b"", b"x")]),
        ("up/..", "outside", &[(E::Directory, b"up/..", b"", b"")]),
        (
            "link",
            "leads outside, to /etc",
            &[(E::Symlink, b"link", b"/etc", b"")],
        ),
        (
            "a/link",
            "leads outside",
            &[(E::Symlink, b"a/link", b"../../etc", b"")],
        ),
        ("link", "without a target", &[(E::Symlink, b"link", b"", b"")]),
        (
            "hard",
            "leads outside",
            &[(E::Link, b"hard", b"/etc/passwd", b"")],
        ),
        ("hard", "leads outside", &[(E::Link, b"hard", b"../secret", b"")]),
        ("hard", "is not there", &[(E::Link, b"hard", b"nowhere", b"")]),
        (
            "hard",
            "is not there",
            &[(E::Directory, b"d", b"", b""), (E::Link, b"hard", b"d", b"")],
        ),
        ("dev", "device", &[(E::Char, b"dev", b"", b"")]),
        ("dev", "device", &[(E::Block, b"dev", b"", b"")]),
        ("odd", "kind", &[(EntryType::new(b'V'), b"odd", b"", b"")]),
        (
            "global",
            "kind",
            &[(E::XGlobalHeader, b"global", b"", b"11 path=xyz\n")],
        ),
        // Through a link that the archive itself makes.
        (
            "in/x",
            "a file or a link",
            &[
                (E::Symlink, b"in", b"folder", b""),
                (E::Regular, b"in/x", b"", b"x"),
            ],
        ),
        (
            "in",
            "twice",
            &[
                (E::Symlink, b"in", b"folder", b""),
                (E::Regular, b"in", b"", b"x"),
            ],
        ),
        (
            "twice",
            "twice",
            &[
                (E::Regular, b"twice", b"", b"1"),
                (E::Regular, b"./twice", b"", b"2"),
            ],
        ),
        (
            "f/x",
            "a file or a link",
            &[(E::Regular, b"f", b"", b"1"), (E::Regular, b"f/x", b"", b"2")],
        ),
        (
            "f",
            "a file or a link",
            &[(E::Regular, b"f", b"", b"1"), (E::Directory, b"f", b"", b"")],
        ),
        ("\\u{1b}[2J", "outside", &[(E::Regular, b"\x1b[2J/..", b"", b"")]),
    ];
    for (name, reason, entries) in cases {
        let around = tempfile::tempdir().unwrap();
        let into = around.path().join("staged");
        fs::create_dir(&into).unwrap();
        fs::write(around.path().join("secret"), "").unwrap();
        let error = unpack_all(&archive(entries), &into).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Entry { .. }), "{name}: {error:?}");
        assert!(
            text.contains(name) && text.contains(reason),
            "{name}, {reason}: {text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert_eq!(names(around.path()), ["secret", "staged"], "{name}");
    }
}

/// Archives of before 1988 have no kind for a folder.
#[test]
fn a_file_with_a_slash_at_its_end_is_a_folder() {
    let into = tempfile::tempdir().unwrap();
    let bytes = archive(&[(EntryType::Regular, b"old/", b"", b"")]);
    assert_eq!(unpack_all(&bytes, into.path()).unwrap().files, 0);
    assert!(into.path().join("old").is_dir());
}

/// A long target comes in an entry of its own, which may hold any bytes.
#[test]
fn a_link_whose_target_no_path_can_be_is_refused() {
    let bytes = archive(&[
        (EntryType::GNULongLink, b"././@LongLink", b"", b"a\0b"),
        (EntryType::Symlink, b"link", b"a", b""),
    ]);
    let error = unpack_all(&bytes, tempfile::tempdir().unwrap().path()).unwrap_err();
    assert!(
        matches!(error, Error::Entry { .. }) && error.to_string().contains("without a target"),
        "{error:?}"
    );
}

#[test]
fn what_the_file_system_does_not_take_is_told_with_its_place() {
    let into = tempfile::tempdir().unwrap();
    let name = "n".repeat(300);
    let bytes = archive(&[
        (EntryType::GNULongName, b"././@LongLink", b"", name.as_bytes()),
        (EntryType::Regular, b"n", b"", b""),
    ]);
    let error = unpack_all(&bytes, into.path()).unwrap_err();
    assert!(
        matches!(&error, Error::Io { action: "make", path, .. } if path.ends_with(&name) && path.is_absolute()),
        "{error:?}"
    );
}

/// What lay in the folder before is not followed or written over either.
#[test]
fn what_was_there_before_is_left_alone() {
    let around = tempfile::tempdir().unwrap();
    let (into, outside) = (around.path().join("staged"), around.path().join("outside"));
    fs::create_dir(&into).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink(&outside, into.join("a")).unwrap();
    symlink(outside.join("file"), into.join("b")).unwrap();
    for entry in [
        (EntryType::Regular, &b"a/new"[..], &b""[..], &b"x"[..]),
        (EntryType::Directory, b"a", b"", b""),
        (EntryType::Regular, b"b", b"", b"x"),
        (EntryType::Link, b"c", b"a/file", b""),
        (EntryType::Symlink, b"b", b"x", b""),
        (EntryType::Fifo, b"b", b"", b""),
    ] {
        let error = unpack_all(&archive(&[entry]), &into).unwrap_err();
        assert!(matches!(error, Error::Entry { .. }), "{error:?}");
    }
    assert_eq!(names(&outside), ["file"]);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
}

#[test]
fn links_that_lead_outside_are_kept_on_demand_and_never_followed() {
    let limits = UnpackLimits {
        outside_links: OutsideLinks::Keep,
        ..UnpackLimits::default()
    };
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().as_os_str().as_encoded_bytes();
    let into = tempfile::tempdir().unwrap();
    let bytes = archive(&[(EntryType::Symlink, b"link", target, b"")]);
    unpack(bytes.as_slice(), into.path(), &limits, &mut |_| {}).unwrap();
    assert_eq!(fs::read_link(into.path().join("link")).unwrap(), outside.path());
    let bytes = archive(&[(EntryType::Regular, b"link/x", b"", b"x")]);
    unpack(bytes.as_slice(), into.path(), &limits, &mut |_| {}).unwrap_err();
    assert!(names(outside.path()).is_empty());
}

#[test]
fn the_marker_of_velero_is_passed_over_in_the_root_only() {
    let bytes = archive(&[
        (EntryType::Directory, b"./", b"", b""),
        (EntryType::Directory, b"./.velero/", b"", b""),
        (
            EntryType::Regular,
            b"./.velero/0b7c",
            b"",
            b"content that is read all the same",
        ),
        (EntryType::Regular, b"./.velero-not", b"", b"1"),
        (EntryType::Regular, b"./a/.velero/x", b"", b"22"),
    ]);
    let into = tempfile::tempdir().unwrap();
    let before = fs::metadata(into.path()).unwrap();
    let done = unpack_all(&bytes, into.path()).unwrap();
    assert_eq!((done.files, done.bytes), (2, 3));
    assert_eq!(names(into.path()), [".velero-not", "a"]);
    assert_eq!(fs::read(into.path().join("a/.velero/x")).unwrap(), b"22");
    // The folder itself is the caller's.
    assert_eq!(fs::metadata(into.path()).unwrap().mode(), before.mode());
}

#[test]
fn limits_hold() {
    let bytes = archive(&[
        (EntryType::Regular, b"a", b"", &[1; 600]),
        (EntryType::Regular, b"b", b"", &[1; 600]),
    ]);
    for (limits, fits) in [
        (
            UnpackLimits {
                bytes: 1200,
                ..UnpackLimits::default()
            },
            true,
        ),
        (
            UnpackLimits {
                bytes: 1199,
                ..UnpackLimits::default()
            },
            false,
        ),
        (
            UnpackLimits {
                entries: 2,
                ..UnpackLimits::default()
            },
            true,
        ),
        (
            UnpackLimits {
                entries: 1,
                ..UnpackLimits::default()
            },
            false,
        ),
    ] {
        let into = tempfile::tempdir().unwrap();
        let result = unpack(bytes.as_slice(), into.path(), &limits, &mut |_| {});
        assert_eq!(result.is_ok(), fits, "{limits:?}");
        if let Err(error) = result {
            assert!(error.to_string().contains("cannot unpack b"), "{error}");
        }
    }
}

/// A reader of as many zeros as there is memory, and more.
struct Endless<'a> {
    head: &'a [u8],
    read: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.head.read(buffer)?;
        let read = if read == 0 {
            buffer.fill(b'x');
            buffer.len()
        } else {
            read
        };
        self.read += read as u64;
        assert!(self.read < 1 << 30, "it reads on and on");
        Ok(read)
    }
}

#[test]
fn a_description_without_end_is_not_read_into_memory() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let reader = Endless {
            head: header.as_bytes(),
            read: 0,
        };
        let into = tempfile::tempdir().unwrap();
        let error = unpack(reader, into.path(), &UnpackLimits::default(), &mut |_| {}).unwrap_err();
        assert!(
            matches!(error, Error::Archive { read, .. } if read <= 8 << 20),
            "{error:?}"
        );
    }
}

#[test]
fn progress_goes_up_to_the_end_and_a_reader_that_fails_is_said_to_have() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("big"), vec![5; 3 << 20]).unwrap();
    fs::write(source.path().join("small"), "5").unwrap();
    let bytes = pack(source.path(), &[]);
    let mut seen = Vec::new();
    let into = tempfile::tempdir().unwrap();
    let done = unpack(
        bytes.as_slice(),
        into.path(),
        &UnpackLimits::default(),
        &mut |now| {
            seen.push(now.bytes);
        },
    )
    .unwrap();
    assert!(seen.is_sorted() && seen.len() > 10, "{seen:?}");
    assert_eq!(
        (seen.last().copied(), done.bytes, done.files),
        (Some(done.bytes), (3 << 20) + 1, 2)
    );

    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the pod is gone")),
                read => Ok(read),
            }
        }
    }
    let into = tempfile::tempdir().unwrap();
    let half = Failing(bytes.get(..1 << 20).unwrap());
    let error = unpack(half, into.path(), &UnpackLimits::default(), &mut |_| {}).unwrap_err();
    let Error::Archive { source, read } = error else {
        panic!("{error:?}")
    };
    assert_eq!((source.to_string().as_str(), read), ("the pod is gone", 1 << 20));
}

#[test]
fn owners_are_kept_by_root_and_nobody_else() {
    let mut header = Header::new_gnu();
    header.set_path("file").unwrap();
    header.set_mode(0o640);
    header.set_uid(4321);
    header.set_gid(1234);
    header.set_size(1);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b"x"[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    let into = tempfile::tempdir().unwrap();
    unpack_all(&bytes, into.path()).unwrap();
    let meta = fs::metadata(into.path().join("file")).unwrap();
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let should = if is_root() { (4321, 1234) } else { own };
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o7777),
        (should.0, should.1, 0o640)
    );
}
