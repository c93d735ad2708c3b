//! The scratch pod's end of the direct way: what `tar` writes goes to whoever shows the key that this process was started with.
//!
//! It is the charm's own program, which the charm has put into the pod (`direct.rs`) and which hears and tells all that has to be trusted
//! by the exec that started it. So it needs no secret: anybody may reach the port, and gets nothing there.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::sealed::{Accepted, Identity, PublicKey};
use super::{SILENCE, TRIAL};

/// The word that a program is started with to be the sender, before the key of the other side and the folder.
pub const SEND: &str = "send-volume";

/// How long the other side may take to connect.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to tell who it is.
const GREETING: Duration = Duration::from_secs(5);
/// Connections at once that have not said yet who they are.
const STRANGERS: usize = 16;
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
    /// A failed call.
    #[error("cannot {action}: {source}")]
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
pub fn send(arguments: impl IntoIterator<Item = OsString>, mut say: impl Write) -> Result<(), SendError> {
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
    pour(&folder, &mut stream)?;
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

/// The first connection that shows the key. Others are turned away, and keep nobody waiting.
fn welcome(listener: TcpListener, identity: Identity, peer: PublicKey) -> Result<Accepted, SendError> {
    let (known, came) = mpsc::channel();
    let (identity, peer) = (Arc::new(identity), Arc::new(peer));
    let strangers = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let Ok(tcp) = tcp else { return };
            if strangers.load(Ordering::SeqCst) >= STRANGERS {
                continue;
            }
            strangers.fetch_add(1, Ordering::SeqCst);
            let (known, strangers) = (known.clone(), Arc::clone(&strangers));
            let (identity, peer) = (Arc::clone(&identity), Arc::clone(&peer));
            std::thread::spawn(move || {
                if let Ok(stream) = greet(tcp, &identity, &peer) {
                    let _ = known.send(stream);
                }
                strangers.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    came.recv_timeout(PATIENCE).map_err(|_| SendError::Alone)
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

/// The trial, then what `tar` writes of the folder.
fn pour(folder: &OsString, to: &mut Accepted) -> Result<(), SendError> {
    let lost = failed("send");
    to.write_all(&[0; TRIAL])
        .and_then(|()| to.flush())
        .map_err(&lost)?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).args(super::ARCHIVE);
    // By itself it reads and writes 10 KiB at a time. Busybox's does not read this.
    tar.env("TAR_OPTIONS", "--blocking-factor=512");
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
    poured.map_err(&lost)?;
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
