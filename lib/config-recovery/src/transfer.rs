//! Reads a volume out of a pod: `tar` in the pod, its output over the API server, unpacked here.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config_volume::{UnpackLimits, Unpacked};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Bytes;

use crate::cluster::Cluster;
use crate::exec::{self, Container, Said};
use crate::journal::Step;
use crate::report::Reporter;
use crate::{Error, Result};

/// Pieces of the stream that may wait for the disk. The container runtime sends at most 32 KiB at once.
const PIECES: usize = 32;
/// A stream that is silent for so long has lost its connection, or the volume its disk.
const SILENCE: Duration = Duration::from_secs(120);
/// Characters of an error output that a person gets to see.
const COMPLAINT: usize = 2000;

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

/// Copies the content of `source` into `into`. `total` is for the reporter.
pub(crate) async fn unpack(
    cluster: &Cluster,
    source: Source<'_>,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked> {
    // Both GNU's tar and busybox's write this. Without -h links stay links, and owners are numbers in the archive anyway.
    let command = ["tar", "-C", source.folder, "-cf", "-", "."];
    let said = exec::run(cluster, source.container, &command).await?;
    unpack_stream(said, into, total, reporter).await
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
        (Ok(Err(source)), Ok(())) => Err(Error::Volume {
            action: "unpack the restored volume".to_owned(),
            source,
        }),
        (Err(error), Ok(())) => Err(Error::Transfer(format!("the unpacking ended: {error}"))),
    }
}

/// Gives the stream to the thread that unpacks, at most [`PIECES`] ahead of it. Ends well when `tar` has ended well and all
/// that it wrote was given on, or when the thread takes no more: then the thread knows why. Whatever is still under way over there
/// ends with the stream.
async fn pour(mut said: impl Stream<Item = exec::Heard> + Unpin, sink: &mut Sink<'_>) -> Result<()> {
    let mut complaint = Vec::new();
    loop {
        let how = match tokio::time::timeout(SILENCE, said.next()).await {
            Ok(Some(Ok(Said::Out(piece)))) => match sink.send(piece).await {
                true => continue,
                false => return Ok(()),
            },
            Ok(Some(Ok(Said::Err(piece)))) => {
                // Read to its end, kept in part: a process stops when nobody reads what it says.
                let room = COMPLAINT.saturating_sub(complaint.len());
                complaint.extend_from_slice(piece.get(..room).unwrap_or(&piece));
                continue;
            }
            Ok(Some(Ok(Said::Ended(status)))) if status.status.as_deref() == Some("Success") => return Ok(()),
            // GNU's tar says 1 when a file changed while it was read, which nothing does here.
            Ok(Some(Ok(Said::Ended(status)))) => status.message.unwrap_or_else(|| "tar failed".to_owned()),
            Ok(Some(Err(error))) => format!("the stream broke off: {error}"),
            Ok(None) => "the stream broke off before tar had ended".to_owned(),
            Err(_) => format!("nothing came for {} s", SILENCE.as_secs()),
        };
        return Err(Error::Transfer(format!("{how}{}", after_colon(&complaint))));
    }
}

fn after_colon(complaint: &[u8]) -> String {
    match String::from_utf8_lossy(complaint).trim() {
        "" => String::new(),
        text => format!(": {}", text.replace('\n', "; ")),
    }
}

/// The end of the channel that takes bytes.
struct Sink<'a> {
    sender: mpsc::Sender<Piece>,
    done: Arc<AtomicU64>,
    said: u64,
    total: Option<u64>,
    reporter: &'a dyn Reporter,
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
        self.report();
        taken.is_ok()
    }

    async fn end(&mut self) {
        let _ = self.sender.send(Piece::End).await;
        // The thread drops its end when it has unpacked everything.
        self.sender.closed().await;
        self.report();
    }

    fn report(&mut self) {
        let done = self.done.load(Ordering::Relaxed);
        if done != self.said {
            self.said = done;
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
    let done = Arc::new(AtomicU64::new(0));
    let sink = Sink {
        sender,
        done: Arc::clone(&done),
        said: 0,
        total,
        reporter,
    };
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

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
