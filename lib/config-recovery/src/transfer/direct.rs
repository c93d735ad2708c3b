//! The way from pod to pod: the bytes do not pass the API server, which is what they wait for on the other way.
//!
//! By one exec the charm puts its own program into the scratch pod and tells it a public key; the program says where it listens and with which
//! key. Both sides know each other by what the API server passed on, so the connection between them is as good as that one. What goes over it
//! is the same archive, of the same `tar`.

use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config_volume::Unpacked;
use futures_util::{Stream, StreamExt};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::sealed::{Connected, Identity, PublicKey};
use super::{Complaint, Program, SEND, SILENCE, Source, TRIAL, Target, Told, how, volume_error};
use crate::api::Api;
use crate::cluster::Cluster;
use crate::exec::{self, Container, Said};
use crate::kinds::Pod;
use crate::report::Reporter;
use crate::{Error, Result};

/// How long the program may take until it listens: most of it is its way into the pod.
const START: Duration = Duration::from_secs(20);
/// As [`Sender::patience`]. A network that drops packets says nothing.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the end of the program is waited for, which says why there were no more bytes.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes of a first line, at most.
const LINE: usize = 1000;
/// How often bytes are told.
const TELL: Duration = Duration::from_millis(250);

/// Puts the program into the pod, where its image says that temporary files go, and becomes it. Before its arguments stands the kind of
/// machine that it is for: busybox's shell would run one for another as a script, as root, and one that came in part too. `head` takes no
/// more than the program, and a file that is being run by an earlier attempt is left alone.
fn script(length: u64) -> String {
    format!(
        "[ \"$(uname -m)\" = \"$1\" ] || {{ echo \"its node is not $1\" >&2; exit 1; }}; shift; \
         p=${{TMPDIR:-}}/{SEND}.$$; umask 077; head -c {length} >\"$p\" && \
         [ \"$(wc -c <\"$p\")\" -eq {length} ] && chmod 700 \"$p\" && exec \"$p\" \"$@\""
    )
}

/// What `uname -m` says here.
fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// Copies the content of `source` into `into`, as [`super::unpack`] does.
///
/// # Errors
/// [`Error::Transfer`] when this way cannot be taken or breaks off, [`Error::Volume`] when the content cannot be written.
pub(super) async fn unpack(
    cluster: &Cluster,
    source: Source<'_>,
    program: Program,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked> {
    let no_key = |error: io::Error| Error::Transfer(format!("cannot make a key: {error}"));
    let identity = Identity::new().map_err(no_key)?;
    let public = identity.public().to_string();
    let script = script(program.length);
    let machine = machine();
    let command = [
        "/bin/sh",
        "-c",
        &script,
        SEND,
        &machine,
        SEND,
        &public,
        source.folder,
    ];
    let mut complaint = Complaint::default();
    let starting = async {
        let said = exec::run(cluster, source.container, &command, Some(program.file)).await;
        let mut said = said.map_err(this_way)?;
        let line = first_line(&mut said, &mut complaint).await;
        line.map(|line| (said, line))
    };
    let started = timeout(START, starting).await;
    let started = started.unwrap_or_else(|_| {
        Err(Error::Transfer(format!(
            "the program for it did not start within {} s",
            START.as_secs()
        )))
    });
    let (said, line) = started.map_err(|error| failed(error, &complaint))?;
    let (port, peer) = reachable(&line)?;
    let pod = Sender {
        address: SocketAddr::new(address(cluster, source.container).await.map_err(this_way)?, port),
        peer,
        patience: CONNECT,
        said,
        complaint,
    };
    receive(identity, pod, into, total, reporter).await
}

/// The program in the pod, listening.
struct Sender<S> {
    address: SocketAddr,
    /// Its key.
    peer: PublicKey,
    /// How long a connection to it may take, and the first bytes over it.
    patience: Duration,
    /// What it says, after its first line.
    said: S,
    complaint: Complaint,
}

/// Takes the archive from it.
async fn receive(
    identity: Identity,
    pod: Sender<impl Stream<Item = exec::Heard> + Unpin>,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked> {
    let Sender {
        address,
        peer,
        patience,
        mut said,
        mut complaint,
    } = pod;
    let line = Line::default();
    let (cut, told) = (Cut(line.clone()), Told::new(total, reporter));
    let (folder, limits, done) = (
        into.folder.to_owned(),
        into.limits.clone(),
        Arc::clone(&told.done),
    );
    let (connected, is_connected) = oneshot::channel();
    // What comes now and then ends no patience of a socket's.
    let mut connecting = pin!(timeout(patience * 2, is_connected));
    let mut work = tokio::task::spawn_blocking(move || {
        let stream = line.connect(&identity, &peer, address, patience);
        let stream = &mut stream.map_err(Stopped::Here)?;
        let _ = connected.send(());
        let mut lost = None;
        let reader = Heeded {
            stream,
            line: &line,
            lost: &mut lost,
        };
        let unpacked = config_volume::unpack(reader, &folder, &limits, &mut |so_far: Unpacked| {
            done.store(so_far.bytes, Ordering::Relaxed);
        });
        match lost {
            // What became of the connection comes first: an archive that is cut off is its consequence.
            Some(lost) => Err(Stopped::Amid(format!("the connection broke off: {}", why(&lost)))),
            None => unpacked.map_err(|error| Stopped::Here(volume_error(error))),
        }
    });
    let mut tell = tokio::time::interval(TELL);
    let (mut is_over, mut is_awaited) = (false, true);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            came = &mut connecting, if is_awaited => {
                is_awaited = false;
                if came.is_err() {
                    cut.now();
                }
            }
            _ = tell.tick() => told.report(),
            heard = said.next(), if !is_over => is_over = complaint.heard(heard),
        }
    };
    drop(cut);
    told.report();
    match outcome {
        Ok(Ok(unpacked)) => Ok(unpacked),
        Ok(Err(Stopped::Amid(why))) => {
            let last_word = async {
                while !is_over {
                    is_over = complaint.heard(said.next().await);
                }
            };
            let _ = timeout(LAST_WORD, last_word).await;
            Err(Error::Transfer(format!("{why}{complaint}")))
        }
        Ok(Err(Stopped::Here(error))) => Err(failed(error, &complaint)),
        Err(error) => Err(Error::Transfer(format!("the unpacking ended: {error}"))),
    }
}

/// Why there is no more.
enum Stopped {
    /// The connection ended before the archive did. The program knows why.
    Amid(String),
    /// It never came to be, or the archive is not taken here.
    Here(Error),
}

/// An error of the connection, for a person.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("nothing came for {} s", SILENCE.as_secs())
        }
        io::ErrorKind::UnexpectedEof => "it ended before the archive".to_owned(),
        _ => error.to_string(),
    }
}

/// What the API server refuses here stands in this way only: where the other one needs it too it says so there.
fn this_way(error: Error) -> Error {
    Error::Transfer(error.to_string())
}

/// An error of this way, with what the program said of it.
fn failed(error: Error, complaint: &Complaint) -> Error {
    match error {
        Error::Transfer(why) => Error::Transfer(format!("{why}{complaint}")),
        other => other,
    }
}

impl Complaint {
    /// Takes what is heard of the program after its first line, and answers whether it was the last.
    fn heard(&mut self, heard: Option<exec::Heard>) -> bool {
        match heard {
            Some(Ok(Said::Err(piece))) => self.hear(&piece),
            Some(Ok(Said::Out(_))) => {}
            Some(Ok(Said::Ended(_)) | Err(_)) | None => return true,
        }
        false
    }
}

/// The first line that the program says.
async fn first_line(
    said: &mut (impl Stream<Item = exec::Heard> + Unpin),
    complaint: &mut Complaint,
) -> Result<String> {
    let mut line = Vec::new();
    let why = loop {
        match said.next().await {
            Some(Ok(Said::Out(piece))) => line.extend_from_slice(&piece),
            Some(Ok(Said::Err(piece))) => complaint.hear(&piece),
            Some(Ok(Said::Ended(status))) => break how(*status, "its program"),
            Some(Err(error)) => break Some(format!("its stream broke off: {error}")),
            None => break None,
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        if line.len() > LINE {
            break None;
        }
    };
    Err(Error::Transfer(why.unwrap_or_else(|| {
        "its program did not say where it listens".to_owned()
    })))
}

/// Where the program listens, and with which key.
fn reachable(line: &str) -> Result<(u16, PublicKey)> {
    let mut words = line.split(' ');
    let (port, key, more) = (words.next(), words.next(), words.next());
    let port = port.and_then(|port| port.parse().ok());
    let key = key.and_then(|key| key.parse().ok());
    match (port, key, more) {
        (Some(port), Some(key), None) => Ok((port, key)),
        _ => Err(Error::Transfer(
            "its program did not say where it listens".to_owned(),
        )),
    }
}

/// The address of the pod, as the API server knows it.
async fn address(cluster: &Cluster, container: Container<'_>) -> Result<IpAddr> {
    let Container { namespace, pod, .. } = container;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let found = cluster
        .ask(format!("read pod {namespace}/{pod}"), pods.get(pod))
        .await?;
    let address = found.status.and_then(|status| status.pod_ip);
    let address = address.and_then(|address| address.parse().ok());
    address.ok_or_else(|| Error::Transfer("it has no address".to_owned()))
}

/// The connection, as far as another thread may cut it.
#[derive(Debug, Clone, Default)]
struct Line(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    NotYet,
    Connected(TcpStream),
    Cut,
}

impl Line {
    /// Connects, and sees that bytes come over it: a network that takes small packets and drops full ones is found out now.
    fn connect(
        &self,
        identity: &Identity,
        peer: &PublicKey,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Connected> {
        let failed = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                    format!("nothing came from {address} within {} s", patience.as_secs_f32())
                }
                _ if self.is_cut() => format!("{address} answers too slowly"),
                io::ErrorKind::UnexpectedEof => format!("{address} closed the connection"),
                _ => format!("cannot connect to {address}: {error}"),
            };
            Error::Transfer(why)
        };
        let tcp = TcpStream::connect_timeout(&address, patience).map_err(failed)?;
        self.is(&tcp).map_err(failed)?;
        let try_it = |tcp: TcpStream| {
            tcp.set_nodelay(true)?;
            tcp.set_read_timeout(Some(patience))?;
            tcp.set_write_timeout(Some(patience))?;
            let mut stream = identity.connect(tcp, peer)?;
            stream.read_exact(&mut vec![0; TRIAL])?;
            stream.sock.tcp().set_read_timeout(Some(SILENCE))?;
            Ok(stream)
        };
        try_it(tcp).map_err(failed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        matches!(*self.state(), State::Cut)
    }

    fn is(&self, tcp: &TcpStream) -> io::Result<()> {
        let mut state = self.state();
        if matches!(*state, State::Cut) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *state = State::Connected(tcp.try_clone()?);
        Ok(())
    }
}

/// Cuts the connection when it is dropped: nothing is written any more for a run that was given up.
struct Cut(Line);

impl Cut {
    fn now(&self) {
        if let State::Connected(tcp) = std::mem::replace(&mut *self.0.state(), State::Cut) {
            // It may have ended by itself.
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.now();
    }
}

/// A connection whose first error is kept, that gives nothing more once it is cut, though megabytes may have come before, and that fills
/// what it is given: TLS comes by 16 KiB, which is little to write at once.
struct Heeded<'a> {
    stream: &'a mut Connected,
    line: &'a Line,
    lost: &'a mut Option<io::Error>,
}

impl Read for Heeded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.line.is_cut() {
            let cut = io::ErrorKind::ConnectionAborted;
            self.lost.get_or_insert(cut.into());
            return Err(cut.into());
        }
        let mut filled = 0;
        loop {
            match self.stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => return Ok(filled),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let why = io::Error::new(error.kind(), error.to_string());
                    self.lost.get_or_insert(why);
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "direct_tests.rs"]
mod tests;
