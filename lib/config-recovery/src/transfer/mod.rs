//! Reads a volume out of a pod: `tar` in the pod, unpacked here.
//!
//! There are two ways, of the same archive. From pod to pod ([`direct`]) is the fast one, and not possible everywhere: where a
//! network policy or a VPN's kill switch is in the way, or the image is strange. Over the API server it is slow, and always possible.

mod direct;
mod sealed;
mod sender;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config_volume::{UnpackLimits, Unpacked};
use futures_util::{Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Bytes;

use crate::cluster::Cluster;
use crate::exec::{self, Container, Said};
use crate::journal::Step;
use crate::report::Reporter;
use crate::shown::shown;
use crate::{Error, Result};

pub use sender::{SEND, SendError, send};

/// Pieces of the stream that may wait for the disk. The container runtime sends at most 32 KiB at once.
const PIECES: usize = 32;
/// A stream that is silent for so long has lost its connection, or the volume its disk.
const SILENCE: Duration = Duration::from_secs(120);
/// Characters of an error output that a person gets to see.
const COMPLAINT: usize = 2000;
/// What `tar` is told after the folder. Both GNU's and busybox's write this. Without -h links stay links, and owners are numbers in
/// the archive anyway.
const ARCHIVE: [&str; 3] = ["-cf", "-", "."];

/// Bytes that come first on the direct way, so that it is seen to carry many before it is relied on.
const TRIAL: usize = 64 << 10;

/// A folder in a running container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) container: Container<'a>,
    pub(crate) folder: &'a str,
}

/// A folder that is filled, and how far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) limits: &'a UnpackLimits,
}

/// Copies the content of `source` into `into`. `total` is how many bytes there will be, where that is known. With `program`, the file
/// of one that understands [`SEND`], they come from pod to pod where that is possible and worth it.
pub(crate) async fn unpack(
    cluster: &Cluster,
    source: Source<'_>,
    program: Option<&Path>,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked> {
    match directly(cluster, source, program, into, total, reporter).await {
        Ok(Some(unpacked)) => return Ok(unpacked),
        Ok(None) => {}
        Err(Error::Transfer(why)) => {
            reporter.note(&format!(
                "cannot read the scratch pod directly ({why}): reading it through the API server, which takes longer"
            ));
            empty(into.folder)?;
        }
        Err(error) => return Err(error),
    }
    let command = ["tar", "-C", source.folder].into_iter().chain(ARCHIVE);
    let command: Vec<&str> = command.collect();
    let said = exec::run(cluster, source.container, &command, None).await?;
    unpack_stream(said, into, total, reporter).await
}

/// A program that understands [`SEND`].
struct Program {
    file: File,
    /// Bytes of it.
    length: u64,
}

/// From pod to pod, if there is a program for it, and to bring that into the pod is not half the work.
async fn directly(
    cluster: &Cluster,
    source: Source<'_>,
    program: Option<&Path>,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Option<Unpacked>> {
    let Some(program) = program else {
        return Ok(None);
    };
    let failed = |error: io::Error| Error::Transfer(format!("cannot read {}: {error}", program.display()));
    let file = File::open(program).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if total.is_some_and(|total| total < length.saturating_mul(2)) {
        return Ok(None);
    }
    let program = Program { file, length };
    let unpacked = direct::unpack(cluster, source, program, into, total, reporter).await?;
    Ok(Some(unpacked))
}

/// Removes what is in a folder. No link is followed.
fn empty(folder: &Path) -> Result<()> {
    let remove = || {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path())?,
                false => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    };
    let failed = |error: io::Error| Error::Transfer(format!("cannot empty {}: {error}", folder.display()));
    remove().map_err(failed)
}

fn volume_error(source: config_volume::Error) -> Error {
    Error::Volume {
        action: "unpack the restored volume".to_owned(),
        source,
    }
}

async fn unpack_stream(
    said: impl Stream<Item = exec::Heard> + Unpin,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked> {
    let (mut sink, files) = begin(into, reporter, total);
    let poured = match pour(said, &mut sink).await {
        Ok(()) => {
            sink.end().await;
            Ok(())
        }
        error => error,
    };
    drop(sink);
    // Nothing is written any more when this returns: the thread ends with its channel.
    match (files.await, poured) {
        (Ok(Ok(unpacked)), Ok(())) => Ok(unpacked),
        // What the stream says comes first: an archive that is cut off is its consequence.
        (_, Err(error)) => Err(error),
        (Ok(Err(source)), Ok(())) => Err(volume_error(source)),
        (Err(error), Ok(())) => Err(Error::Transfer(format!("the unpacking ended: {error}"))),
    }
}

/// Gives the stream to the thread that unpacks, at most [`PIECES`] ahead of it. Ends well when `tar` has ended well and all
/// that it wrote was given on, or when the thread takes no more: then the thread knows why. Whatever is still under way over there
/// ends with the stream.
async fn pour(mut said: impl Stream<Item = exec::Heard> + Unpin, sink: &mut Sink<'_>) -> Result<()> {
    let mut complaint = Complaint::default();
    loop {
        let why = match tokio::time::timeout(SILENCE, said.next()).await {
            Ok(Some(Ok(Said::Out(piece)))) => match sink.send(piece).await {
                true => continue,
                false => return Ok(()),
            },
            Ok(Some(Ok(Said::Err(piece)))) => {
                complaint.hear(&piece);
                continue;
            }
            Ok(Some(Ok(Said::Ended(status)))) => match how(*status, "tar") {
                None => return Ok(()),
                Some(why) => why,
            },
            Ok(Some(Err(error))) => format!("the stream broke off: {error}"),
            Ok(None) => "the stream broke off before tar had ended".to_owned(),
            Err(_) => format!("nothing came for {} s", SILENCE.as_secs()),
        };
        return Err(Error::Transfer(format!("{why}{complaint}")));
    }
}

/// How a program ended, if not well. GNU's tar says 1 when a file changed while it was read, which nothing does here.
fn how(status: Status, program: &str) -> Option<String> {
    match status.status.as_deref() {
        Some("Success") => None,
        _ => Some(status.message.unwrap_or_else(|| format!("{program} failed"))),
    }
}

/// What a program says on its error output: read to its end, since it stops when nobody reads it, and kept in part. As text it follows
/// a colon.
#[derive(Debug, Default)]
struct Complaint(Vec<u8>);

impl Complaint {
    fn hear(&mut self, piece: &[u8]) {
        let room = COMPLAINT.saturating_sub(self.0.len());
        self.0.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match String::from_utf8_lossy(&self.0).trim() {
            "" => Ok(()),
            text => write!(to, ": {}", shown(&text.replace('\n', "; "))),
        }
    }
}

/// The end of the channel that takes bytes.
struct Sink<'a> {
    sender: mpsc::Sender<Piece>,
    told: Told<'a>,
}

/// Bytes, or the end of them. A channel that closes without it was cut off.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Sink<'_> {
    /// False when the thread has ended already.
    async fn send(&mut self, bytes: Bytes) -> bool {
        let taken = self.sender.send(Piece::Bytes(bytes)).await;
        self.told.report();
        taken.is_ok()
    }

    async fn end(&mut self) {
        let _ = self.sender.send(Piece::End).await;
        // The thread drops its end when it has unpacked everything.
        self.sender.closed().await;
        self.told.report();
    }
}

/// Tells the reporter how many bytes are unpacked, when that changes.
struct Told<'a> {
    done: Arc<AtomicU64>,
    said: Cell<u64>,
    total: Option<u64>,
    reporter: &'a dyn Reporter,
}

impl<'a> Told<'a> {
    fn new(total: Option<u64>, reporter: &'a dyn Reporter) -> Self {
        Self {
            done: Arc::default(),
            said: Cell::default(),
            total,
            reporter,
        }
    }

    fn report(&self) {
        let done = self.done.load(Ordering::Relaxed);
        if done != self.said.replace(done) {
            self.reporter.bytes(Step::Transfer, done, self.total);
        }
    }
}

/// Starts the thread that unpacks: the disk is not waited for in the one that talks to the API server.
fn begin<'a>(
    into: Target<'_>,
    reporter: &'a dyn Reporter,
    total: Option<u64>,
) -> (Sink<'a>, JoinHandle<config_volume::Result<Unpacked>>) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let told = Told::new(total, reporter);
    let done = Arc::clone(&told.done);
    let sink = Sink { sender, told };
    let folder = into.folder.to_owned();
    let limits = into.limits.clone();
    let files = tokio::task::spawn_blocking(move || {
        let reader = Pieces {
            receiver,
            piece: io::Cursor::new(Bytes::new()),
            ended: false,
        };
        config_volume::unpack(reader, &folder, &limits, &mut |unpacked: Unpacked| {
            done.store(unpacked.bytes, Ordering::Relaxed);
        })
    });
    (sink, files)
}

/// The other end of the channel, as what an unpacker reads.
struct Pieces {
    receiver: mpsc::Receiver<Piece>,
    piece: io::Cursor<Bytes>,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = Read::read(&mut self.piece, buffer)?;
            if read > 0 || buffer.is_empty() || self.ended {
                return Ok(read);
            }
            match self.receiver.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.piece = io::Cursor::new(bytes),
                Some(Piece::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the stream was cut off",
                    ));
                }
            }
        }
    }
}
