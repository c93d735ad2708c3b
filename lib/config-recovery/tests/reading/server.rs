//! An API server that answers what it was told, and refuses the rest.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config_recovery::cluster::Cluster;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What is answered to one request.
enum Answer {
    /// This.
    Json(u16, Value),
    /// Text that is no JSON.
    Text(u16, String),
    /// The events of a watch, each so many seconds after the one before; so many after the last the stream ends, or never.
    Events {
        events: Vec<(u64, Value)>,
        end: Option<u64>,
    },
    /// No answer: the connection breaks.
    Broken,
}

#[derive(Default)]
struct Script {
    /// Request line and answer, each for one request.
    answers: Vec<(String, Answer)>,
    /// Request line and body of what came and was answered.
    answered: Vec<(String, Value)>,
    /// What came and was not told.
    refused: Vec<String>,
}

/// The server. Its script is filled before, and looked at after, [`Server::cluster`] was asked.
#[derive(Clone, Default)]
pub struct Server {
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub fn new() -> Self {
        Self::default()
    }

    fn tell(self, request: &str, answer: Answer) -> Self {
        self.script
            .lock()
            .unwrap()
            .answers
            .push((request.to_owned(), answer));
        self
    }

    /// Answers `METHOD PATH?QUERY` once; the query decoded, in the order of its keys.
    pub fn answers(self, request: &str, body: Value) -> Self {
        self.tell(request, Answer::Json(200, body))
    }

    /// A list without further pages.
    pub fn lists(self, request: &str, items: Vec<Value>) -> Self {
        self.answers(request, page(items, None))
    }

    /// A refusal as the API server writes it.
    pub fn refuses(self, request: &str, code: u16, reason: &str, message: &str) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message,
        });
        self.tell(request, Answer::Json(code, status))
    }

    /// What the API server says of a group that it does not know.
    pub fn knows_no(self, request: &str) -> Self {
        self.tell(request, Answer::Text(404, "404 page not found\n".to_owned()))
    }

    /// A watch that tells these events and then ends.
    pub fn tells(self, request: &str, events: Vec<Value>) -> Self {
        self.tells_in_time(request, at_once(events), Some(0))
    }

    /// A watch that tells these events and then nothing more.
    pub fn tells_and_stays(self, request: &str, events: Vec<Value>) -> Self {
        self.tells_in_time(request, at_once(events), None)
    }

    /// A watch that tells each event so many seconds after the one before, and ends so many after the last one, or never. For
    /// tests whose clock is paused.
    pub fn tells_in_time(self, request: &str, events: Vec<(u64, Value)>, end: Option<u64>) -> Self {
        self.tell(request, Answer::Events { events, end })
    }

    /// A list of what there is below `path`, and the watch from there, which never ends. `selected` is the part of the
    /// query that both have, empty or with `&` at its end.
    pub fn follows(self, path: &str, selected: &str, items: Vec<Value>, events: Vec<(u64, Value)>) -> Self {
        self.lists(&list(path, selected), items)
            .tells_in_time(&watch(path, selected, "7"), events, None)
    }

    /// No answer at all.
    pub fn breaks(self, request: &str) -> Self {
        self.tell(request, Answer::Broken)
    }

    /// A client's view of it.
    pub fn cluster(&self) -> Cluster {
        let script = Arc::clone(&self.script);
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = Arc::clone(&script);
            async move { answer(&script, request).await }
        });
        Cluster::new(Client::new(service, "default"))
    }

    /// Bodies of the requests that were answered, by request line.
    pub fn bodies(&self, request: &str) -> Vec<Value> {
        let script = self.script.lock().unwrap();
        let same = script.answered.iter().filter(|(line, _)| line == request);
        same.map(|(_, body)| body.clone()).collect()
    }

    /// How many requests there were, after checking that all that was told was asked, and nothing else.
    pub fn done(self) -> usize {
        let script = self.script.lock().unwrap();
        assert!(script.refused.is_empty(), "nobody told of {:?}", script.refused);
        let unasked: Vec<&String> = script.answers.iter().map(|(line, _)| line).collect();
        assert!(unasked.is_empty(), "nobody asked for {unasked:?}");
        script.answered.len()
    }
}

/// A list as the API server sends it: the items without kind and version.
pub fn page(items: Vec<Value>, next: Option<&str>) -> Value {
    json!({
        "kind": "List", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": "7", "continue": next.unwrap_or_default()},
    })
}

async fn answer(
    script: &Mutex<Script>,
    request: Request<Body>,
) -> Result<Response<Answered>, std::io::Error> {
    let line = format!("{} {}", request.method(), target(request.uri()));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut script = script.lock().unwrap();
    let Some(place) = script.answers.iter().position(|(told, _)| *told == line) else {
        script.refused.push(line.clone());
        let status = json!({"status": "Failure", "code": 501, "reason": "Untold", "message": line});
        return Ok(response(501, whole(status.to_string().into_bytes())));
    };
    let (_, answer) = script.answers.remove(place);
    script.answered.push((line, body));
    Ok(match answer {
        Answer::Json(code, value) => response(code, whole(value.to_string().into_bytes())),
        Answer::Text(code, text) => response(code, whole(text.into_bytes())),
        Answer::Events { events, end } => {
            response(200, BodyExt::boxed_unsync(StreamBody::new(told(events, end))))
        }
        Answer::Broken => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
    })
}

fn at_once(events: Vec<Value>) -> Vec<(u64, Value)> {
    events.into_iter().map(|event| (0, event)).collect()
}

fn told(
    events: Vec<(u64, Value)>,
    end: Option<u64>,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let lines = stream::unfold(events.into_iter(), |mut rest| async move {
        let (after, event) = rest.next()?;
        pass(after).await;
        Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), rest))
    });
    let rest = stream::once(async move {
        match end {
            Some(after) => pass(after).await,
            None => std::future::pending().await,
        }
    });
    lines.chain(rest.filter_map(|()| std::future::ready(None)))
}

async fn pass(seconds: u64) {
    if seconds > 0 {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// The request line of a list that a wait begins with.
pub fn list(path: &str, selected: &str) -> String {
    match selected.trim_end_matches('&') {
        "" => format!("GET {path}"),
        selected => format!("GET {path}?{selected}"),
    }
}

/// The request line of the watch from there.
pub fn watch(path: &str, selected: &str, version: &str) -> String {
    format!(
        "GET {path}?allowWatchBookmarks=true&{selected}resourceVersion={version}&timeoutSeconds=60&watch=true"
    )
}

/// An event of a watch. The object gets kind and version of its group, as the API server writes them.
pub fn event(kind: &str, of: (&str, &str), mut object: Value) -> Value {
    object["apiVersion"] = json!(of.0);
    object["kind"] = json!(of.1);
    json!({"type": kind, "object": object})
}

/// Bodies of answers.
type Answered = UnsyncBoxBody<Bytes, Infallible>;

fn whole(bytes: Vec<u8>) -> Answered {
    Full::new(Bytes::from(bytes)).boxed_unsync()
}

fn response(code: u16, body: Answered) -> Response<Answered> {
    Response::builder().status(code).body(body).unwrap()
}

fn target(uri: &http::Uri) -> String {
    let pairs: BTreeMap<String, String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    let query: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if query.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), query.join("&"))
    }
}

/// Undoes what a form does to text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
