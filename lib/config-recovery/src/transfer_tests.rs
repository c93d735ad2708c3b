use std::process::Command;

use super::*;
use config_volume::OutsideLinks;

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

/// Unpacks what a process says that ends so.
async fn unpacked(out: &[u8], err: &str, status: Option<Status>) -> (tempfile::TempDir, Result<Unpacked>) {
    let into = tempfile::tempdir().unwrap();
    let stream = Stream {
        out,
        err: err.as_bytes(),
        status: std::future::ready(status),
    };
    let result = unpack_stream(stream, target(into.path(), &limits()), None, &Silent).await;
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
        let stream = Stream {
            out: archive.as_slice(),
            err: &b""[..],
            status: std::future::ready(Some(status("Success", ""))),
        };
        unpack_stream(stream, target(into.path(), &limits()), Some(5), &heard).await
    })
    .unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (2, SIZE as u64));
    assert_eq!(
        std::fs::read(into.path().join("radarr.db")).unwrap(),
        vec![7; SIZE]
    );
    assert_eq!(heard.0.borrow().last(), Some(&(SIZE as u64, Some(5))));
}

/// Says how much is asked for at once, and that there is nothing.
struct Asked<'a>(&'a std::cell::Cell<usize>);

impl AsyncRead for Asked<'_> {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.0.set(buffer.remaining());
        std::task::Poll::Ready(Ok(()))
    }
}

/// Small pieces would have the disk waited for far more often than the connection.
#[test]
fn what_the_api_server_sends_at_once_is_one_piece() {
    let (out, into) = (std::cell::Cell::new(0), tempfile::tempdir().unwrap());
    let unpacked = run(async {
        let stream = Stream {
            out: Asked(&out),
            err: &b""[..],
            status: std::future::ready(Some(status("Failure", "none"))),
        };
        unpack_stream(stream, target(into.path(), &limits()), None, &Silent).await
    });
    assert!(unpacked.is_err());
    assert!(out.get() >= 32 << 10, "{}", out.get());
}

#[test]
fn a_whole_archive_without_a_status_is_no_success() {
    let archive = archive(100);
    let (_, result) = run(unpacked(&archive, "", None));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("broke off before tar had ended"), "{error}");
}

#[test]
fn a_broken_connection_whose_streams_stay_open_is_seen_at_once() {
    let (reader, _stays_open) = tokio::io::simplex(64);
    let into = tempfile::tempdir().unwrap();
    let result = run(async {
        let stream = Stream {
            out: reader,
            err: &b"tar: lost"[..],
            status: async {
                tokio::task::yield_now().await;
                None
            },
        };
        unpack_stream(stream, target(into.path(), &limits()), None, &Silent).await
    });
    assert!(matches!(result, Err(Error::Transfer(_))), "{result:?}");
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
        let stream = Stream {
            out: archive.as_slice(),
            err: &b""[..],
            // It never ends by itself.
            status: std::future::pending(),
        };
        unpack_stream(stream, target(into.path(), &limits()), None, &Silent).await
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
