//! Unpacking beside an app that writes to the same volume: the app never hears that the disk is full.
#![cfg(test)]

mod swap_support;

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use config_volume::{Error, FileSystem, Swap, SwapOptions, UnpackLimits, unpack};
use swap_support::{Mount, assert_clean, pack};

/// An archive of small files: some 640 bytes each, and a block each on disk.
fn small_files(count: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..count {
        let mut header = tar::Header::new_gnu();
        header.set_size(640);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        let name = format!("folder-{}/file-{number}", number / 500);
        builder
            .append_data(&mut header, name, [7u8; 640].as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// One file of so many bytes, as an archive.
fn large_file(size: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    builder
        .append_data(&mut header, "large", vec![7u8; size].as_slice())
        .unwrap();
    builder.into_inner().unwrap()
}

/// What an app does: makes a file, replaces another one by it. The first error ends it. Tells when it has written.
fn app(volume: &Path, end: &AtomicBool, has_written: &mpsc::Sender<()>) -> std::io::Result<()> {
    while !end.load(Ordering::Relaxed) {
        fs::write(volume.join("app.new"), vec![1; 128 << 10])?;
        fs::rename(volume.join("app.new"), volume.join("app"))?;
        // Nobody listens after the first time.
        let _ = has_written.send(());
    }
    Ok(())
}

/// Unpacks beside the app, and gives the exchange up. Answers the error and what was free when it came.
fn beside_the_app(mount: &str, archive: &[u8], limits: &UnpackLimits) -> Option<(Error, FileSystem)> {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), mount) else {
        println!("no right to mount a small file system: not tried");
        return None;
    };
    let volume = folder.path();
    let end = AtomicBool::new(false);
    let (failed, free) = thread::scope(|scope| {
        let (has_written, written) = mpsc::channel();
        let app = scope.spawn({
            let end = &end;
            move || app(volume, end, &has_written)
        });
        // It runs before anything is unpacked, also where there are more threads than processors.
        written.recv().expect("the app could not write");
        let mut swap = Swap::begin(volume, "backup-1", &SwapOptions::default()).unwrap();
        let failed = unpack(archive, swap.staged(), limits, &mut |_| {}).unwrap_err();
        let free = FileSystem::of(volume).unwrap();
        swap.roll_back().unwrap();
        swap.finish().unwrap();
        end.store(true, Ordering::Relaxed);
        app.join().unwrap().expect("the app could not write");
        (failed, free)
    });
    assert_clean(volume, "given up");
    Some((failed, free))
}

#[test]
fn twenty_thousand_small_files_leave_the_app_its_blocks() {
    let limits = UnpackLimits {
        reserve_bytes: 8 << 20,
        ..UnpackLimits::default()
    };
    let Some((error, free)) = beside_the_app("size=64m", &small_files(20_000), &limits) else {
        return;
    };
    assert!(
        matches!(error, Error::NoRoom { reserve, .. } if reserve == 8 << 20),
        "{error:?}"
    );
    // The app's own two files may come and go.
    assert!(free.free_bytes >= (8 << 20) - (512 << 10), "{free:?}");
    assert!(
        free.free_bytes < 12 << 20,
        "it ended long before it had to: {free:?}"
    );
}

#[test]
fn the_app_keeps_files_that_it_can_make() {
    let limits = UnpackLimits {
        reserve_inodes: 500,
        ..UnpackLimits::default()
    };
    let Some((error, free)) = beside_the_app("size=64m,nr_inodes=5000", &small_files(8000), &limits) else {
        return;
    };
    assert!(
        matches!(error, Error::NoInodes { reserve: 500, .. }) && error.is_full(),
        "{error:?}"
    );
    assert!((495..600).contains(&free.free_inodes), "{free:?}");
}

#[test]
fn a_large_file_is_refused_before_it_is_begun() {
    let limits = UnpackLimits {
        reserve_bytes: 8 << 20,
        ..UnpackLimits::default()
    };
    let Some((error, free)) = beside_the_app("size=64m", &large_file(60 << 20), &limits) else {
        return;
    };
    assert!(
        matches!(error, Error::NoRoom { needed, .. } if needed == 68 << 20),
        "{error:?}"
    );
    assert!(free.free_bytes > 60 << 20, "{free:?}");
}

/// Of a file with holes what is in the archive counts, neither nothing nor its whole size.
#[test]
fn a_large_file_with_holes_is_refused_by_what_is_in_it() {
    let source = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(source.path().join("sparse")).unwrap();
    file.write_all(&vec![7; 2 << 20]).unwrap();
    file.set_len(64 << 20).unwrap();
    let archive = pack(source.path(), &["--sparse"]);
    assert!(archive.len() < 3 << 20);
    for (reserve_bytes, fits) in [(4 << 20, true), (7 << 20, false)] {
        let folder = tempfile::tempdir().unwrap();
        let Some(_mount) = Mount::new(folder.path(), "size=8m") else {
            println!("no right to mount a small file system: not tried");
            return;
        };
        let limits = UnpackLimits {
            reserve_bytes,
            ..UnpackLimits::default()
        };
        let unpacked = unpack(archive.as_slice(), folder.path(), &limits, &mut |_| {});
        match unpacked {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits && matches!(error, Error::NoRoom { .. }), "{error:?}");
                assert!(!folder.path().join("sparse").exists());
            }
        }
    }
}

/// Somebody else takes the room while a large file is on its way.
#[test]
fn the_room_is_looked_at_again_inside_of_a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=64m") else {
        println!("no right to mount a small file system: not tried");
        return;
    };
    let volume = folder.path();
    let mut swap = Swap::begin(volume, "backup-1", &SwapOptions::default()).unwrap();
    let limits = UnpackLimits {
        reserve_bytes: 8 << 20,
        ..UnpackLimits::default()
    };
    let mut taken = false;
    let error = unpack(
        large_file(40 << 20).as_slice(),
        swap.staged(),
        &limits,
        &mut |done| {
            if !taken && done.bytes > 10 << 20 {
                taken = true;
                fs::write(volume.join("app"), vec![1; 20 << 20]).unwrap();
            }
        },
    )
    .unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    // At most one piece more was written.
    let held = fs::metadata(swap.staged().join("large")).unwrap().len();
    assert!(held <= 15 << 20, "{held}");
    swap.roll_back().unwrap();
    swap.finish().unwrap();
}

/// Copying in from outside while the app runs keeps the reserve as well.
#[test]
fn copying_in_keeps_the_reserve_of_a_running_app() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(folder.path(), "size=16m") else {
        println!("no right to mount a small file system: not tried");
        return;
    };
    let volume = folder.path();
    let source = tempfile::tempdir().unwrap();
    for number in 0..8 {
        fs::write(source.path().join(format!("file-{number}")), vec![3; 1 << 20]).unwrap();
    }
    let filler = volume.join("app");
    let options = SwapOptions {
        reserve: 4 << 20,
        staged: Some(source.path().to_owned()),
        watcher: config_volume::SwapWatcher::new(move |step| {
            // It fitted when it was measured; then the app writes.
            if matches!(step, config_volume::SwapStep::Copied { .. }) && !filler.exists() {
                fs::write(&filler, vec![1; 6 << 20])?;
            }
            Ok(())
        }),
        ..SwapOptions::default()
    };
    let mut swap = Swap::begin(volume, "backup-1", &options).unwrap();
    let error = swap.seal().unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(FileSystem::of(volume).unwrap().free_bytes >= 3 << 20);
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_clean(volume, "given up");
}
