use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use config_volume::{OutsideLinks, UnpackLimits};
use futures_util::stream;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use super::*;
use crate::journal::Step;
use crate::report::Silent;
use crate::transfer::SendError;
use crate::transfer::sender::{send_by, tar};

/// Bytes of the large file: more than a socket holds.
const LARGE: usize = 8 << 20;

/// A folder as an app's volume is.
fn volume() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("radarr.db"), vec![7; LARGE]).unwrap();
    fs::create_dir(at("MediaCover")).unwrap();
    fs::write(at("MediaCover/1"), "poster").unwrap();
    fs::hard_link(at("MediaCover/1"), at("MediaCover/2")).unwrap();
    std::os::unix::fs::symlink("/nowhere", at("link")).unwrap();
    fs::set_permissions(at("MediaCover"), fs::Permissions::from_mode(0o2750)).unwrap();
    folder
}

/// What is in a folder, but for its large file's bytes.
fn seen(folder: &Path) -> String {
    let look =
        "find . ! -path . -printf '%p %y %m %U:%G %n %l\n' | sort; find . -type f | sort | xargs sha256sum";
    let output = Command::new("sh")
        .args(["-ec", look])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Gives its first line to whoever waits for it.
struct FirstLine(Vec<u8>, mpsc::Sender<String>);

impl Write for FirstLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = String::from_utf8(self.0.clone()).unwrap();
        let _ = self.1.send(line.trim_end().to_owned());
        Ok(())
    }
}

/// A sender of a folder that takes the connection of this key.
struct Sending {
    line: String,
    ended: thread::JoinHandle<std::result::Result<(), SendError>>,
}

impl Sending {
    fn of(folder: &Path, key: &PublicKey) -> Self {
        Self::by(tar, folder, key)
    }

    fn by(archive: fn(&OsStr) -> Command, folder: &Path, key: &PublicKey) -> Self {
        let arguments = [key.to_string().into(), folder.as_os_str().to_owned()];
        let (say, said) = mpsc::channel();
        let ended = thread::spawn(move || send_by(archive, arguments, FirstLine(Vec::new(), say)));
        Self {
            line: said.recv().unwrap(),
            ended,
        }
    }

    /// As what takes its archive knows it; `said` is what comes of it by exec.
    fn as_sender(&self, said: Vec<exec::Heard>) -> Sender<impl Stream<Item = exec::Heard> + Unpin + use<>> {
        let (port, peer) = reachable(&self.line).unwrap();
        Sender {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            peer,
            patience: CONNECT,
            // A program that has not ended says nothing.
            said: stream::iter(said).chain(stream::pending()),
            complaint: Complaint::default(),
        }
    }
}

fn limits() -> UnpackLimits {
    UnpackLimits {
        outside_links: OutsideLinks::Keep,
        ..UnpackLimits::default()
    }
}

async fn into(
    folder: &Path,
    identity: Identity,
    pod: Sender<impl Stream<Item = exec::Heard> + Unpin>,
) -> Result<Unpacked> {
    let target = Target {
        folder,
        limits: &limits(),
    };
    receive(identity, pod, target, Some(1), &Silent).await
}

fn ended(status: &str, message: &str) -> exec::Heard {
    Ok(Said::Ended(Box::new(Status {
        status: Some(status.to_owned()),
        message: Some(message.to_owned()),
        ..Status::default()
    })))
}

#[tokio::test]
async fn a_volume_comes_as_it_is() {
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let pod = sending.as_sender(Vec::new());
    let unpacked = into(here.path(), identity, pod).await.unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (4, LARGE as u64 + 6));
    assert_eq!(seen(there.path()), seen(here.path()));
    sending.ended.join().unwrap().unwrap();
}

#[tokio::test]
async fn strangers_get_nothing_and_keep_nobody_waiting() {
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let (port, peer) = reachable(&sending.line).unwrap();
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // One that says nothing, one that speaks something else, and one with another key.
    let silent = connect();
    let mut other = connect();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let stranger = Identity::new().unwrap().connect(connect(), &peer);
    let read = stranger.and_then(|mut stream| stream.read(&mut [0]));
    assert!(read.is_err(), "{read:?}");
    let pod = sending.as_sender(Vec::new());
    into(here.path(), identity, pod).await.unwrap();
    assert_eq!(seen(there.path()), seen(here.path()));
    sending.ended.join().unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_tar_that_fails_says_why_and_is_no_success() {
    let here = tempfile::tempdir().unwrap();
    let identity = Identity::new().unwrap();
    let sending = Sending::of(Path::new("/nowhere/at/all"), identity.public());
    let said = vec![
        Ok(Said::Err("tar: /nowhere/at/all: Cannot open".into())),
        ended("Failure", "exit code 1"),
    ];
    let pod = sending.as_sender(said);
    let error = into(here.path(), identity, pod).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "the connection broke off: it ended before the archive: tar: /nowhere/at/all: Cannot open"
        ),
        "{error}"
    );
    assert!(matches!(sending.ended.join().unwrap(), Err(SendError::Tar(_))));
}

/// As where one file of many cannot be read.
#[tokio::test]
async fn a_whole_archive_of_a_tar_that_fails_is_no_success() {
    fn fails(folder: &OsStr) -> Command {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "tar -C \"$1\" -cf - .; exit 2", "sh"])
            .arg(folder);
        shell
    }
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    let identity = Identity::new().unwrap();
    let sending = Sending::by(fails, there.path(), identity.public());
    let said = vec![
        Ok(Said::Err("tar: MediaCover/1: Cannot open".into())),
        ended("Failure", "exit code 1"),
    ];
    let pod = sending.as_sender(said);
    let error = into(here.path(), identity, pod).await.unwrap_err();
    assert!(
        matches!(&error, Error::Transfer(why) if why.ends_with("MediaCover/1: Cannot open")),
        "{error:?}"
    );
    assert_eq!(fs::read(here.path().join("radarr.db")).unwrap().len(), LARGE);
    assert!(matches!(sending.ended.join().unwrap(), Err(SendError::Tar(_))));
}

#[tokio::test]
async fn a_sender_that_shows_another_key_is_not_believed() {
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let mut pod = sending.as_sender(Vec::new());
    pod.peer = Identity::new().unwrap().public().clone();
    let error = into(here.path(), identity, pod).await.unwrap_err();
    assert!(matches!(error, Error::Transfer(_)), "{error:?}");
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
}

/// What is taken for a sender at an address where there is none, and has not long to answer.
fn no_sender(
    address: SocketAddr,
    identity: &Identity,
) -> Sender<impl Stream<Item = exec::Heard> + Unpin + use<>> {
    Sender {
        address,
        peer: identity.public().clone(),
        patience: Duration::from_millis(500),
        said: stream::pending(),
        complaint: Complaint::default(),
    }
}

/// Takes connections, says nothing, and keeps them open.
#[tokio::test]
async fn a_network_that_swallows_what_is_sent_is_given_up_soon() {
    let here = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let identity = Identity::new().unwrap();
    let pod = no_sender(silent.local_addr().unwrap(), &identity);
    let error = into(here.path(), identity, pod).await.unwrap_err().to_string();
    assert!(error.contains("within 0.5 s"), "{error}");
}

/// One that sends a byte now and then would be waited for as long as it likes.
#[tokio::test]
async fn one_that_answers_slowly_is_given_up_soon() {
    let here = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let identity = Identity::new().unwrap();
    let pod = no_sender(listener.local_addr().unwrap(), &identity);
    let slow = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // The beginning of a record of 16 KiB, then as slowly as the reads here run out of time. Bounded, so that the test ends.
        let record = [0x16, 3, 3, 0x40, 0]
            .into_iter()
            .chain(std::iter::repeat_n(2, 500));
        for byte in record {
            if tcp.write_all(&[byte]).is_err() || matches!(tcp.read(&mut [0; 4096]), Ok(0)) {
                return true;
            }
        }
        false
    });
    let error = into(here.path(), identity, pod).await.unwrap_err().to_string();
    assert!(error.ends_with("answers too slowly"), "{error}");
    assert!(slow.join().unwrap());
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let here = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let identity = Identity::new().unwrap();
    let pod = no_sender(address, &identity);
    let error = into(here.path(), identity, pod).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot connect to {address}")), "{error}");
}

/// What the disk does not take is no fault of the way: it is not tried by the other one.
#[tokio::test]
async fn a_volume_that_is_too_large_is_an_error_of_the_volume() {
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let limits = UnpackLimits {
        bytes: 1 << 20,
        ..limits()
    };
    let target = Target {
        folder: here.path(),
        limits: &limits,
    };
    let pod = sending.as_sender(Vec::new());
    let error = receive(identity, pod, target, None, &Silent).await.unwrap_err();
    assert!(matches!(error, Error::Volume { .. }), "{error:?}");
    // Its peer is gone, and it goes.
    assert!(sending.ended.join().unwrap().is_err());
}

/// A run that is given up writes nothing any more, and lets the sender go.
#[tokio::test]
async fn what_is_given_up_ends() {
    let (there, here) = (volume(), tempfile::tempdir().unwrap());
    // So that there is more than sockets hold, whenever it is cut.
    fs::File::create(there.path().join("holes"))
        .unwrap()
        .set_len(64 << 30)
        .unwrap();
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let pod = sending.as_sender(Vec::new());
    let target = Target {
        folder: here.path(),
        limits: &limits(),
    };
    struct Begun(tokio::sync::Notify);
    impl Reporter for Begun {
        fn begins(&self, _: Step) {}
        fn bytes(&self, _: Step, _: u64, _: Option<u64>) {
            self.0.notify_one();
        }
    }
    let begun = Begun(tokio::sync::Notify::new());
    tokio::select! {
        done = receive(identity, pod, target, None, &begun) => panic!("{done:?}"),
        () = begun.0.notified() => {}
    }
    assert!(sending.ended.join().unwrap().is_err());
}

/// The kernel and TLS hold bytes that came before.
#[test]
fn what_came_before_the_cut_is_not_written_after_it() {
    let there = volume();
    let identity = Identity::new().unwrap();
    let sending = Sending::of(there.path(), identity.public());
    let (port, peer) = reachable(&sending.line).unwrap();
    let line = Line::default();
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = line.connect(&identity, &peer, address, CONNECT).unwrap();
    let mut lost = None;
    let mut heeded = Heeded {
        stream: &mut stream,
        line: &line,
        lost: &mut lost,
    };
    // A part of a record; the rest of it is here.
    heeded.read_exact(&mut [0; 512]).unwrap();
    Cut(line.clone()).now();
    let read = heeded.read(&mut [0; 512]);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    drop(stream);
    assert!(sending.ended.join().unwrap().is_err());
}

#[test]
fn a_program_reaches_its_pod_by_its_input_and_is_told_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let program = b"#!/bin/sh\necho \"$@\"\n".to_vec();
    let mut shell = Command::new("/bin/sh");
    let script = script(program.len() as u64);
    shell.args(["-c", &script, SEND, &machine(), SEND, "KEY", "/a b"]);
    shell
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    // The input has no end.
    input.write_all(&program).unwrap();
    let output = shell.wait_with_output().unwrap();
    drop(input);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{SEND} KEY /a b\n")
    );
    let left = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(left.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

/// The connection to it may end in the middle.
#[test]
fn a_program_that_came_in_part_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let program = b"#!/bin/sh\necho ran\n";
    let mut shell = Command::new("/bin/sh");
    let script = script(program.len() as u64 + 1);
    shell.args(["-c", &script, SEND, &machine(), SEND, "KEY", "/"]);
    shell
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(program).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// On a node of another kind, in an image with busybox's shell, it would be run as a script.
#[test]
fn a_program_for_another_machine_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script(1 << 20), SEND, "another", SEND, "KEY", "/"]);
    let output = shell
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "its node is not another\n"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_first_line_says_all_or_nothing() {
    let key = Identity::new().unwrap().public().clone();
    assert_eq!(reachable(&format!("4711 {key}")).unwrap(), (4711, key.clone()));
    for line in [
        "",
        "4711",
        &format!("70000 {key}"),
        &format!("4711 {key} more"),
        "4711 00",
    ] {
        assert!(matches!(reachable(line), Err(Error::Transfer(_))), "{line}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_start_says_why() {
    let of = |said: Vec<exec::Heard>| async {
        let mut complaint = Complaint::default();
        let line = first_line(&mut stream::iter(said), &mut complaint).await;
        line.map_err(|error| failed(error, &complaint).to_string())
    };
    let out = |text: &'static str| Ok(Said::Out(text.into()));
    assert_eq!(
        of(vec![out("47"), out("11 00\nmore")]).await,
        Ok("4711 00".to_owned())
    );
    let refused = vec![
        Ok(Said::Err("sh: /send-volume.7: Exec format error\n".into())),
        ended("Failure", "exit code 126"),
    ];
    let error = of(refused).await.unwrap_err();
    assert!(
        error.contains("exit code 126: sh: /send-volume.7: Exec format error"),
        "{error}"
    );
    for said in [vec![], vec![ended("Success", "")], vec![out("x"); 2000]] {
        let error = of(said).await.unwrap_err();
        assert!(error.contains("did not say where it listens"), "{error}");
    }
    let error = of(vec![Err("reset".to_owned())]).await.unwrap_err();
    assert!(error.contains("its stream broke off: reset"), "{error}");
}
