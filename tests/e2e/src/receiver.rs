//! An HTTP server that takes the charm's notifications and keeps them, where pods of the bed reach it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where notifications go.
const PATH: &str = "/hook";
/// How long a sender may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot listen at this address.
    pub async fn start(address: IpAddr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).await;
        let listener = listener.context("cannot listen for notifications")?;
        let address = listener.local_addr()?;
        let taken = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever goes before all was sent has sent nothing.
                if let Ok(Ok(request)) = tokio::time::timeout(PATIENCE, serve(stream)).await {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                }
            }
        });
        Ok(Self { address, taken, task })
    }

    /// What the option `notify-url` has to be.
    pub fn url(&self) -> String {
        format!("json+http://{}{PATH}", self.address)
    }

    /// What has come since it was last asked. A request that is no notification is told as it was, as a text.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads one request and takes it.
async fn serve(mut stream: TcpStream) -> Result<Value> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let request = loop {
        let read = stream.read(&mut piece).await?;
        anyhow::ensure!(read > 0, "the request is cut");
        bytes.extend(piece.iter().take(read));
        if let Some(request) = notification(&String::from_utf8_lossy(&bytes)) {
            break request;
        }
    };
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        .await?;
    stream.shutdown().await?;
    Ok(request)
}

/// What a request says; `None` before all of it is there.
fn notification(request: &str) -> Option<Value> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    if body.len() < length.unwrap_or(0) {
        return None;
    }
    let is_ours = head.starts_with(&format!("POST {PATH} HTTP/1.1\r\n"));
    let found = serde_json::from_str(body).ok().filter(|_| is_ours);
    Some(found.unwrap_or_else(|| request.into()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::*;

    async fn send(receiver: &Receiver, request: &str) -> String {
        let mut stream = TcpStream::connect(receiver.address).await.unwrap();
        let (first, second) = request.split_at(request.len() / 2);
        stream.write_all(first.as_bytes()).await.unwrap();
        stream.write_all(second.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_is_sent_is_kept_once_and_what_is_no_notification_is_seen() {
        let receiver = Receiver::start(Ipv4Addr::LOCALHOST.into()).await.unwrap();
        let answer = send(
            &receiver,
            "POST /hook HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"kind\":\"Test\"}",
        );
        assert!(answer.await.starts_with("HTTP/1.1 204 "));
        send(&receiver, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let other = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(receiver.take(), [json!({"kind": "Test"}), json!(other)]);
        assert!(receiver.take().is_empty());
        let port = receiver.address.port();
        assert_eq!(receiver.url(), format!("json+http://127.0.0.1:{port}/hook"));
    }
}
