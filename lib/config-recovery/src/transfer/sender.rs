//! The scratch pod's end of the direct way: what `tar` writes goes to whoever shows the key that this process was started with.
//!
//! It is the charm's own program, which the charm has put into the pod (`direct.rs`) and which hears and tells all that has to be trusted
//! by the exec that started it. So it needs no secret: anybody may reach the port, and gets nothing there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::sealed::{Accepted, Identity, PublicKey};
use super::{SILENCE, TRIAL};

/// The word that a program is started with to be the sender, before the key of the other side and the folder.
pub const SEND: &str = "send-volume";

/// How long the other side may take to connect.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection that tells who it is may be silent.
const GREETING: Duration = Duration::from_secs(5);
/// Connections at once that have not said yet who they are.
const STRANGERS: usize = 16;
/// How long nothing is taken after a connection that could not be.
const BREATH: Duration = Duration::from_millis(20);
/// Bytes that are read at once, and that a pipe holds.
const PIECE: usize = 256 << 10;

/// Why a volume was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The command line is wrong.
    #[error("cannot understand this command: it is {SEND} KEY FOLDER")]
    Usage,
    /// Nobody came with the right key.
    #[error("nobody connected within {} s", PATIENCE.as_secs())]
    Alone,
    /// The other side stopped reading.
    #[error("nothing more was taken for {} s", SILENCE.as_secs())]
    Silent,
    /// A failed call.
    #[error("cannot {action}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// `tar` could not read all of it.
    #[error("tar failed ({0})")]
    Tar(std::process::ExitStatus),
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> SendError {
    move |source| SendError::Io { action, source }
}

/// Sends a folder as a tar archive to whoever connects with the key: `arguments` are those after [`SEND`]. Says by a line
/// where and with which key it can be reached. An archive that is not complete is never ended well.
///
/// # Errors
/// See [`SendError`].
pub fn send(arguments: impl IntoIterator<Item = OsString>, say: impl Write) -> Result<(), SendError> {
    send_by(tar, arguments, say)
}

/// What writes the archive of a folder.
pub(super) fn tar(folder: &OsStr) -> Command {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(super::ARCHIVE);
    // By itself it reads and writes 10 KiB at a time. Busybox's does not read this.
    tar.env("TAR_OPTIONS", "--blocking-factor=512");
    tar
}

/// [`send`], by what writes the archive.
pub(super) fn send_by(
    archive: impl FnOnce(&OsStr) -> Command,
    arguments: impl IntoIterator<Item = OsString>,
    mut say: impl Write,
) -> Result<(), SendError> {
    let mut arguments = arguments.into_iter();
    let (Some(peer), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(SendError::Usage);
    };
    let peer = peer.to_str().and_then(|text| text.parse().ok());
    let peer: PublicKey = peer.ok_or(SendError::Usage)?;
    let identity = Identity::new().map_err(failed("make a key"))?;
    let listener = listen().map_err(failed("listen"))?;
    let port = listener.local_addr().map_err(failed("listen"))?.port();
    writeln!(say, "{port} {}", identity.public())
        .and_then(|()| say.flush())
        .map_err(failed("say where this can be reached"))?;
    let mut stream = welcome(listener, identity, peer)?;
    pour(archive(&folder), &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush().map_err(failed("end the connection"))?;
    // What the other side has not read yet would be lost with a process that goes first. It may go as it likes.
    let _ = io::copy(&mut stream, &mut io::sink());
    Ok(())
}

/// On every address, of both families where there are both.
fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        .or_else(|_| TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))
}

/// The first connection that shows the key.
fn welcome(listener: TcpListener, identity: Identity, peer: PublicKey) -> Result<Accepted, SendError> {
    let (known, came) = mpsc::channel();
    let answer = move || {
        answer(
            std::iter::from_fn(|| Some(listener.accept().map(|(tcp, _)| tcp))),
            Arc::new((identity, peer)),
            &known,
        );
    };
    thread::Builder::new()
        .spawn(answer)
        .map_err(failed("answer connections"))?;
    came.recv_timeout(PATIENCE).map_err(|_| SendError::Alone)
}

/// Asks each connection who it is, and gives on the one that shows the key. Others are turned away, and keep nobody waiting: where too many
/// have not answered yet, the one that has taken longest goes.
fn answer(
    connections: impl Iterator<Item = io::Result<TcpStream>>,
    keys: Arc<(Identity, PublicKey)>,
    known: &mpsc::Sender<Accepted>,
) {
    let strangers = Arc::new(Strangers::default());
    for (number, tcp) in (0..).zip(connections) {
        // One that was given up before it was taken, or files that others have all: the next one may be the right one.
        let Ok(tcp) = tcp else {
            thread::sleep(BREATH);
            continue;
        };
        match tcp.try_clone().map(|other| strangers.add(number, other)) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => continue,
        }
        let (keys, known, strangers) = (Arc::clone(&keys), known.clone(), Arc::clone(&strangers));
        let greeting = thread::Builder::new().spawn(move || {
            let (identity, peer) = &*keys;
            match greet(tcp, identity, peer) {
                Ok(stream) if strangers.end() => {
                    let _ = known.send(stream);
                }
                Ok(_) => {}
                // Now, and not when its turn to go has come: it takes nobody's place.
                Err(_) => strangers.remove(number),
            }
        });
        // Without room for a thread it is closed with the strangers.
        drop(greeting);
    }
}

/// The connections that have not said yet who they are; nothing any more once the right one has come.
struct Strangers(Mutex<Option<BTreeMap<u64, TcpStream>>>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Mutex::new(Some(BTreeMap::new())))
    }
}

impl Strangers {
    /// With a number that is larger than that of all before. False when nobody is waited for any more.
    fn add(&self, number: u64, tcp: TcpStream) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(all) = all.as_mut() else {
            return false;
        };
        if all.len() >= STRANGERS
            && let Some((_, oldest)) = all.pop_first()
        {
            // It may have gone by itself.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        all.insert(number, tcp);
        true
    }

    /// It is not the right one.
    fn remove(&self, number: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(all) = all.as_mut() {
            all.remove(&number);
        }
    }

    /// The right one has come. False when it had before.
    fn end(&self) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.take().is_some()
    }
}

fn greet(tcp: TcpStream, identity: &Identity, peer: &PublicKey) -> io::Result<Accepted> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(GREETING))?;
    tcp.set_write_timeout(Some(GREETING))?;
    let stream = identity.accept(tcp, peer)?;
    stream.sock.set_read_timeout(Some(SILENCE))?;
    stream.sock.set_write_timeout(Some(SILENCE))?;
    Ok(stream)
}

/// The trial, then what `tar` writes.
fn pour(mut tar: Command, to: &mut Accepted) -> Result<(), SendError> {
    let lost = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => SendError::Silent,
        _ => failed("send")(error),
    };
    to.write_all(&[0; TRIAL])
        .and_then(|()| to.flush())
        .map_err(lost)?;
    let mut tar = tar
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("run tar"))?;
    let poured = match tar.stdout.take() {
        Some(mut out) => {
            // The usual 64 KiB do as well, and take more turns.
            let _ = rustix::pipe::fcntl_setpipe_size(&out, PIECE);
            copy(&mut out, to)
        }
        None => Ok(()),
    };
    if poured.is_err() {
        // It has nobody to write to.
        let _ = tar.kill();
    }
    let ended = tar.wait().map_err(failed("wait for tar"))?;
    poured.map_err(lost)?;
    if ended.success() {
        Ok(())
    } else {
        Err(SendError::Tar(ended))
    }
}

fn copy(from: &mut impl Read, to: &mut Accepted) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return to.flush(),
            Ok(read) => to.write_all(piece.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener that is answered as the sender does, with `first` before what comes; the other side's key and what was let in.
    fn answered(
        first: Vec<io::Result<TcpStream>>,
    ) -> (SocketAddr, Identity, PublicKey, mpsc::Receiver<Accepted>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (here, there) = (Identity::new().unwrap(), Identity::new().unwrap());
        let (key, peer) = (here.public().clone(), there.public().clone());
        let (known, came) = mpsc::channel();
        thread::spawn(move || {
            let next = move || Some(listener.accept().map(|(tcp, _)| tcp));
            let all = first.into_iter().chain(std::iter::from_fn(next));
            answer(all, Arc::new((there, key)), &known);
        });
        (address, here, peer, came)
    }

    #[test]
    fn many_that_say_nothing_do_not_keep_the_right_one_out() {
        let (address, identity, peer, came) = answered(Vec::new());
        let connect = || TcpStream::connect(address).unwrap();
        let mut silent: Vec<TcpStream> = (0..10 * STRANGERS).map(|_| connect()).collect();
        identity.connect(connect(), &peer).unwrap();
        came.recv_timeout(PATIENCE).unwrap();
        // The first of them was turned away.
        assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn whoever_was_turned_away_takes_nobodys_place() {
        let (address, identity, peer, came) = answered(Vec::new());
        let right = TcpStream::connect(address).unwrap();
        for _ in 0..3 * STRANGERS {
            let mut wrong = TcpStream::connect(address).unwrap();
            wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            // Until it is closed.
            let _ = wrong.read_to_end(&mut Vec::new());
        }
        identity.connect(right, &peer).unwrap();
        came.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_connection_that_cannot_be_taken_is_not_the_last() {
        let no_files = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let aborted = io::ErrorKind::ConnectionAborted.into();
        let (address, identity, peer, came) = answered(vec![Err(no_files), Err(aborted)]);
        identity
            .connect(TcpStream::connect(address).unwrap(), &peer)
            .unwrap();
        came.recv_timeout(PATIENCE).unwrap();
    }

    /// Whoever is known opens the volume once: what comes later is not listened to.
    #[test]
    fn the_right_one_is_the_last() {
        let (address, identity, peer, came) = answered(Vec::new());
        let connect = || {
            let tcp = TcpStream::connect(address)?;
            tcp.set_read_timeout(Some(GREETING))?;
            identity.connect(tcp, &peer)
        };
        connect().unwrap();
        came.recv_timeout(PATIENCE).unwrap();
        let second = connect().and_then(|mut stream| stream.read(&mut [0]));
        let refused = second
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock);
        assert!(refused, "{second:?}");
        // Who answers has gone, and with it the channel.
        assert_eq!(
            came.recv_timeout(PATIENCE).err(),
            Some(mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
