//! A command in a container, and what it says, passed on by the API server.
//!
//! It is asked for in version 4 of the subprotocol alone. In version 5, which kube's client prefers, the API server takes each message apart
//! and speaks SPDY with the kubelet (`pkg/registry/core/pod/rest/subresources.go` of Kubernetes 1.30 and later). What version 4 says it
//! passes on as it is, which spares it most of the work. All that version 5 adds is an end of the input.

use std::fs::File;
use std::io::{self, Read};

use futures_util::{SinkExt, Stream, StreamExt};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachParams;
use kube::client::Body;
use kube::core::Request;
use kube::{Client, Resource};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use crate::cluster::Cluster;
use crate::{Error, Result};

/// The subprotocol: the first byte of a message says which channel it is of
/// (`k8s.io/apimachinery/pkg/util/remotecommand/constants.go`).
const PROTOCOL: HeaderValue = HeaderValue::from_static("v4.channel.k8s.io");
/// The channels.
const IN: u8 = 0;
const OUT: u8 = 1;
const ERR: u8 = 2;
const STATUS: u8 = 3;
/// Bytes of input in a message.
const PIECE: usize = 32 << 10;

/// A container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Container<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) name: &'a str,
}

/// What comes of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// A piece of its output.
    Out(Bytes),
    /// A piece of its error output.
    Err(Bytes),
    /// How it ended. What comes after it is nothing of the command's.
    Ended(Box<Status>),
}

/// Runs a command. It gets what is in `input`, of which it hears no end: it has to know how long that is. Without one it has no input at all.
///
/// What is answered is heard of it; dropped, it is heard no more. A stream that ends without [`Said::Ended`] was cut off; an error says why.
pub(crate) async fn run(
    cluster: &Cluster,
    container: Container<'_>,
    command: &[&str],
    input: Option<File>,
) -> Result<impl Stream<Item = Heard> + Unpin + use<>> {
    let parameters = AttachParams::default()
        .container(container.name)
        .stdin(input.is_some())
        .stdout(true)
        .stderr(true);
    let client = cluster.client();
    let namespace = client.default_namespace().to_owned();
    let in_version_4 = tower::service_fn(move |request| {
        let client = client.clone();
        async move { client.send(in_version_4(request)).await }
    });
    let client = Client::new(in_version_4, namespace);
    let url = Pod::url_path(&(), Some(container.namespace));
    let connected = async {
        let words = command.iter().copied();
        let request = Request::new(url).exec(container.pod, words, &parameters);
        let request = request.map_err(kube::Error::BuildRequest)?;
        client.connect(request).await
    };
    let first = command.first().copied().unwrap_or_default();
    let action = format!("run {first} in pod {}/{}", container.namespace, container.pod);
    let connection = cluster.ask(action, connected).await?;
    let mut messages = connection.into_stream();
    if let Some(mut input) = input {
        while let Some(message) = next(&mut input).map_err(|error| Error::Transfer(error.to_string()))? {
            // One that has ended takes no more; what it said tells why.
            if messages.send(message).await.is_err() {
                break;
            }
        }
    }
    Ok(messages.filter_map(|message| std::future::ready(said(message))))
}

/// A piece of what a command says, or why there is no more.
pub(crate) type Heard = std::result::Result<Said, String>;

fn in_version_4(mut request: http::Request<Body>) -> http::Request<Body> {
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    request
}

/// The next piece of the input, if there is one.
fn next(input: &mut File) -> io::Result<Option<Message>> {
    let mut bytes = Vec::with_capacity(1 + PIECE);
    bytes.push(IN);
    let read = input.take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok((read > 0).then(|| Message::Binary(bytes.into())))
}

/// What a message means; `None` for those that say nothing of the command.
fn said(message: std::result::Result<Message, tungstenite::Error>) -> Option<Heard> {
    let mut bytes = match message {
        Ok(Message::Binary(bytes)) => bytes,
        Ok(_) => return None,
        Err(error) => return Some(Err(error.to_string())),
    };
    // The first message of each channel has no more than its number.
    if bytes.len() < 2 {
        return None;
    }
    let rest = bytes.split_off(1);
    match bytes.first() {
        Some(&OUT) => Some(Ok(Said::Out(rest))),
        Some(&ERR) => Some(Ok(Said::Err(rest))),
        Some(&STATUS) => Some(match serde_json::from_slice(&rest) {
            Ok(status) => Ok(Said::Ended(Box::new(status))),
            Err(error) => Err(format!("cannot read how it ended: {error}")),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use kube::client::Body;
    use tokio::sync::mpsc;

    use super::*;

    fn of(bytes: &'static [u8]) -> Option<Heard> {
        said(Ok(Message::Binary(Bytes::from_static(bytes))))
    }

    #[test]
    fn a_message_is_of_the_channel_that_its_first_byte_names() {
        assert_eq!(of(b"\x01abc"), Some(Ok(Said::Out(Bytes::from_static(b"abc")))));
        assert_eq!(of(b"\x02abc"), Some(Ok(Said::Err(Bytes::from_static(b"abc")))));
        let Some(Ok(Said::Ended(status))) = of(b"\x03{\"status\": \"Success\"}") else {
            panic!();
        };
        assert_eq!(status.status.as_deref(), Some("Success"));
        assert!(of(b"\x03{").unwrap().is_err());
        // The beginning of a channel, one for the other direction, one that is not known.
        for bytes in [&b""[..], b"\x01", b"\x03", b"\x00abc", b"\x04abc", b"\xffabc"] {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
        assert_eq!(said(Ok(Message::Ping(Bytes::new()))), None);
        assert!(said(Err(tungstenite::Error::ConnectionClosed)).unwrap().is_err());
    }

    #[tokio::test]
    async fn version_4_alone_is_asked_for() {
        let (asked, mut requests) = mpsc::unbounded_channel();
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let _ = asked.send((request.uri().to_string(), request.headers().clone()));
            async { Ok::<_, Infallible>(http::Response::builder().status(403).body(Body::empty()).unwrap()) }
        });
        let cluster = Cluster::new(Client::new(server, "default"));
        let reader = Container {
            namespace: "scratch",
            pod: "reader",
            name: "waits",
        };
        let refused = run(&cluster, reader, &["tar", "-C", "/a b"], None).await;
        assert!(
            refused.is_err_and(|error| error.to_string().contains("cannot run tar in pod scratch/reader"))
        );
        let (uri, headers) = requests.recv().await.unwrap();
        assert_eq!(
            uri,
            "/api/v1/namespaces/scratch/pods/reader/exec?&stdout=true&stderr=true&container=waits&command=tar&command=-C&command=%2Fa+b"
        );
        let protocols: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
        assert_eq!(protocols, ["v4.channel.k8s.io"]);
    }
}
