//! `exec` in a pod beside the app: `tar`, which reads a restored volume, over a websocket. Source: subprotocol `v4.channel.k8s.io`
//! in `k8s.io/apimachinery/pkg/util/remotecommand`: the first byte of a message says which stream it is of.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::SinkExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::Objects;
use super::super::velero::decoded;

/// The protocol that is spoken.
pub(in super::super) const PROTOCOL: &str = "v4.channel.k8s.io";

/// The streams.
const OUT: u8 = 1;
const STATUS: u8 = 3;

/// As many bytes as the API server sends at once.
const PIECE: usize = 32 << 10;

/// A command that may be run: the volume that it reads.
pub(in super::super) struct Exec {
    folder: PathBuf,
}

impl Exec {
    /// The command of a request; `None` for anything that is not `tar` of a volume of a pod beside the app.
    pub fn of(objects: &Objects, path: &str, query: &str) -> Option<Exec> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let ["api", "v1", "namespaces", namespace, "pods", pod, "exec"] = parts.as_slice() else {
            return None;
        };
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let words: Vec<String> = pairs
            .filter(|(key, _)| *key == "command")
            .map(|(_, word)| decoded(word))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["tar", "-C", folder, "-cf", "-", "."] = words.as_slice() else {
            return None;
        };
        let working = &objects.working;
        let found = working
            .resources
            .get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"))?;
        let containers = found["spec"]["initContainers"].as_array()?;
        let mounts = containers.iter().flat_map(|is| is["volumeMounts"].as_array());
        let mut mounts = mounts.flatten().filter(|mount| mount["mountPath"] == **folder);
        let volume = mounts.next()?["name"].as_str()?;
        Some(Exec {
            folder: working.claim_of(namespace, pod, volume)?,
        })
    }
}

/// Runs the command as soon as the connection is a websocket.
pub(in super::super) fn run(exec: Exec, upgrade: OnUpgrade) {
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        let (archive, status) = match archive(&exec.folder) {
            Ok(archive) => (archive, json!({"metadata": {}, "status": "Success"})),
            Err(error) => {
                let text = format!("command terminated with non-zero exit code: {error}");
                let failed: Value = json!({"metadata": {}, "status": "Failure", "message": text});
                (Vec::new(), failed)
            }
        };
        let pieces = archive.chunks(PIECE).map(|piece| of_stream(OUT, piece));
        let status = of_stream(STATUS, status.to_string().as_bytes());
        for message in pieces.chain([status]) {
            if socket.send(message).await.is_err() {
                // Nobody listens any more.
                return;
            }
        }
        // A client that hangs up first is its own affair.
        let _ = socket.close(None).await;
    });
}

fn of_stream(stream: u8, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(stream);
    message.extend_from_slice(bytes);
    Message::binary(message)
}

fn archive(folder: &Path) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", folder)?;
    builder.into_inner()
}
