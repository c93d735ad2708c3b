//! Reads a volume out of a pod: `tar` in the pod, its output over the API server, unpacked here.

use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config_volume::{UnpackLimits, Unpacked};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::journal::Step;
use crate::report::Reporter;
use crate::{Error, Result};

/// A piece of the stream. The API server sends at most 32 KiB at once.
const PIECE: usize = 64 << 10;
/// Pieces that may wait for the disk.
const PIECES: usize = 16;
/// A stream that is silent for so long has lost its connection, or the volume its disk.
const SILENCE: Duration = Duration::from_secs(120);
/// Characters of an error output that a person gets to see.
const COMPLAINT: usize = 2000;

/// A folder in a running container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
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
    let api: Api<Pod> = Api::namespaced(cluster.client(), source.namespace);
    let parameters = AttachParams::default()
        .container(source.container)
        .stdin(false)
        .stdout(true)
        .stderr(true)
        .max_stdout_buf_size(PIECE);
    // Both GNU's tar and busybox's write this. Without -h links stay links, and owners are numbers in the archive anyway.
    let command = ["tar", "-C", source.folder, "-cf", "-", "."];
    let place = format!("{}/{}", source.namespace, source.pod);
    let exec = api.exec(source.pod, command, &parameters);
    let mut process = cluster.ask(format!("run tar in pod {place}"), exec).await?;
    let (Some(out), Some(err), Some(status)) = (process.stdout(), process.stderr(), process.take_status())
    else {
        return Err(Error::Transfer("the API server opened no stream".to_owned()));
    };
    let stream = Stream { out, err, status };
    let unpacked = unpack_stream(stream, into, total, reporter).await;
    // Whatever is still under way over there ends now.
    drop(process);
    unpacked
}

/// What a process in a container says.
struct Stream<O, E, S> {
    out: O,
    err: E,
    /// How it ended; `None` when the connection ended before it.
    status: S,
}

async fn unpack_stream<O, E, S>(
    stream: Stream<O, E, S>,
    into: Target<'_>,
    total: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Unpacked>
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
    S: Future<Output = Option<Status>>,
{
    let (mut sink, files) = begin(into, reporter, total);
    let poured = match pour(stream, &mut sink).await {
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
/// that it wrote was given on, or when the thread takes no more: then the thread knows why.
async fn pour<O, E, S>(stream: Stream<O, E, S>, sink: &mut Sink<'_>) -> Result<()>
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
    S: Future<Output = Option<Status>>,
{
    let Stream {
        mut out,
        mut err,
        status,
    } = stream;
    let mut status = std::pin::pin!(status);
    let (mut ended, mut out_ended, mut err_ended) = (None, false, false);
    let mut complaint = Vec::new();
    let cut_off =
        |complaint: &[u8], how: &str| Err(Error::Transfer(format!("{how}{}", after_colon(complaint))));
    while !(out_ended && err_ended && ended.is_some()) {
        let mut piece = Vec::with_capacity(PIECE);
        let mut said = Vec::with_capacity(PIECE);
        tokio::select! {
            // After the end of a broken connection the streams are silent for ever; the status is not.
            is = &mut status, if ended.is_none() => match is {
                Some(status) => ended = Some(status),
                None => return cut_off(&complaint, "the stream broke off before tar had ended"),
            },
            read = out.read_buf(&mut piece), if !out_ended => match read {
                Ok(0) => out_ended = true,
                Ok(_) => if !sink.send(piece).await { return Ok(()) },
                Err(error) => return cut_off(&complaint, &format!("the stream broke off: {error}")),
            },
            read = err.read_buf(&mut said), if !err_ended => match read {
                Ok(0) | Err(_) => err_ended = true,
                Ok(_) => {
                    // Read to its end, kept in part: a process stops when nobody reads what it says.
                    said.truncate(COMPLAINT.saturating_sub(complaint.len()));
                    complaint.append(&mut said);
                }
            },
            () = tokio::time::sleep(SILENCE) => {
                return cut_off(&complaint, &format!("nothing came for {} s", SILENCE.as_secs()));
            }
        }
    }
    match ended {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        // GNU's tar says 1 when a file changed while it was read, which nothing does here.
        Some(status) => cut_off(
            &complaint,
            &status.message.unwrap_or_else(|| "tar failed".to_owned()),
        ),
        None => cut_off(&complaint, "tar did not end"),
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
    Bytes(Vec<u8>),
    End,
}

impl Sink<'_> {
    /// False when the thread has ended already.
    async fn send(&mut self, bytes: Vec<u8>) -> bool {
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
            piece: io::Cursor::new(Vec::new()),
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
    piece: io::Cursor<Vec<u8>>,
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
