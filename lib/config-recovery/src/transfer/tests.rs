use std::future::Future;
use std::process::Command;

use super::*;
use config_volume::OutsideLinks;
use futures_util::stream;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use crate::report::Silent;

/// What `tar` writes of a folder with a file of `size` bytes and a link.
fn archive(size: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("radarr.db"), vec![7; size]).unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.path().join("link")).unwrap();
    let output = Command::new("tar")
        .arg("-C")
        .arg(folder.path())
        .args(["-cf", "-", "."])
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

fn status(status: &str, message: &str) -> Status {
    Status {
        status: Some(status.to_owned()),
        message: Some(message.to_owned()),
        ..Status::default()
    }
}

struct Heard(std::cell::RefCell<Vec<(u64, Option<u64>)>>);

impl Reporter for Heard {
    fn begins(&self, _: Step) {}

    fn bytes(&self, step: Step, done: u64, total: Option<u64>) {
        assert_eq!(step, Step::Transfer);
        self.0.borrow_mut().push((done, total));
    }
}

/// As the engine's, which keeps links to anywhere.
fn limits() -> UnpackLimits {
    UnpackLimits {
        outside_links: OutsideLinks::Keep,
        ..UnpackLimits::default()
    }
}

fn target<'a>(folder: &'a Path, limits: &'a UnpackLimits) -> Target<'a> {
    Target { folder, limits }
}

/// What a process says that ends so; `None` for one whose connection is lost before.
fn said(out: &[u8], err: &str, status: Option<Status>) -> Vec<exec::Heard> {
    let mut said = vec![Ok(Said::Err(Bytes::copy_from_slice(err.as_bytes())))];
    let pieces = out.chunks(32 << 10).map(Bytes::copy_from_slice);
    said.extend(pieces.map(|piece| Ok(Said::Out(piece))));
    said.extend(status.map(|status| Ok(Said::Ended(Box::new(status)))));
    said
}

/// Unpacks what a process says that ends so.
async fn unpacked(out: &[u8], err: &str, status: Option<Status>) -> (tempfile::TempDir, Result<Unpacked>) {
    let into = tempfile::tempdir().unwrap();
    let said = stream::iter(said(out, err, status));
    let result = unpack_stream(said, target(into.path(), &limits()), None, &Silent).await;
    (into, result)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_stream_is_unpacked_and_its_bytes_are_told() {
    const SIZE: usize = 3 << 20;
    let archive = archive(SIZE);
    let into = tempfile::tempdir().unwrap();
    let heard = Heard(Vec::new().into());
    let unpacked = run(async {
        let said = stream::iter(said(&archive, "", Some(status("Success", ""))));
        unpack_stream(said, target(into.path(), &limits()), Some(5), &heard).await
    })
    .unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (2, SIZE as u64));
    assert_eq!(
        std::fs::read(into.path().join("radarr.db")).unwrap(),
        vec![7; SIZE]
    );
    assert_eq!(heard.0.borrow().last(), Some(&(SIZE as u64, Some(5))));
}

#[test]
fn a_whole_archive_without_a_status_is_no_success() {
    let archive = archive(100);
    let (_, result) = run(unpacked(&archive, "", None));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("broke off before tar had ended"), "{error}");
}

#[test]
fn a_connection_that_breaks_says_why_and_what_tar_had_said() {
    let into = tempfile::tempdir().unwrap();
    let mut said = said(&archive(100), "tar: lost", None);
    said.push(Err("reset by peer".to_owned()));
    // After a broken connection nobody tells of an end.
    let said = stream::iter(said).chain(stream::pending());
    let result = run(unpack_stream(said, target(into.path(), &limits()), None, &Silent));
    let error = result.unwrap_err().to_string();
    assert!(
        error.contains("the stream broke off: reset by peer: tar: lost"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_any_more_is_given_up() {
    let into = tempfile::tempdir().unwrap();
    let said = stream::iter(said(&archive(100), "", None)).chain(stream::pending());
    let limits = limits();
    // The clock does not go on by itself while a thread unpacks.
    let (result, ()) = tokio::join!(
        unpack_stream(said, target(into.path(), &limits), None, &Silent),
        tokio::time::advance(SILENCE),
    );
    let error = result.unwrap_err().to_string();
    assert!(error.contains("nothing came for 120 s"), "{error}");
}

#[test]
fn a_tar_that_fails_says_why() {
    let archive = archive(100);
    let failed = status(
        "Failure",
        "command terminated with non-zero exit code: exit code 2",
    );
    let (_, result) = run(unpacked(
        &archive,
        "tar: ./x: Cannot open: Input/output error\n",
        Some(failed),
    ));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("exit code 2: tar: ./x: Cannot open"), "{error}");
}

#[test]
fn every_short_archive_is_an_error_even_if_tar_ended_well() {
    let whole = archive(2000);
    // The file ends within its fifth block; two blocks of zeros end the archive, the rest fills up.
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for length in [0, 1, 512, 700, end - 10, end] {
        let (_, result) = run(unpacked(&whole[..length], "", Some(status("Success", ""))));
        assert!(result.is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn the_stream_is_given_up_when_the_disk_takes_no_more() {
    let archive = archive(8 << 20);
    let into = tempfile::tempdir().unwrap();
    // Nothing is written over.
    std::fs::create_dir(into.path().join("radarr.db")).unwrap();
    let result = run(async {
        // It never ends by itself.
        let said = stream::iter(said(&archive, "", None)).chain(stream::pending());
        unpack_stream(said, target(into.path(), &limits()), None, &Silent).await
    });
    assert!(matches!(result, Err(Error::Volume { .. })), "{result:?}");
}

#[test]
fn an_error_output_without_end_is_read_and_not_kept() {
    let archive = archive(100);
    let failed = status("Failure", "exit code 1");
    let long = "x".repeat(1 << 20);
    let (_, result) = run(unpacked(&archive, &long, Some(failed)));
    assert!(result.unwrap_err().to_string().len() < COMPLAINT + 200);
}
