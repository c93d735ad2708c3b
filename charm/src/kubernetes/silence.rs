//! An API server that gives no answer is not asked again at once.
//!
//! Where packets are dropped and not refused, a request waits until whoever made it gives it up. An event makes several, one after the
//! other, and each would wait as long for what the first has told already.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::{Request, Response};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// For how long nobody asks after that: longer than an event takes for the rest of its requests, and shorter than those are patient
/// who wait for minutes, a restore for one (`PATIENCE` in `config_recovery::wait`).
const REST: Duration = Duration::from_secs(20);

/// A request that was given up earlier says nothing of the server: whoever made it did not want the answer any more.
const IN_VAIN: Duration = Duration::from_secs(5);

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("no answer to an earlier request")]
struct NoAnswer;

/// What is known of the server.
#[derive(Debug, Clone, Copy, Default)]
enum Known {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It has answered. A request that takes long says nothing of others from then on: it may be a large list, or a slow webhook.
    Answers,
    /// It has given no answer at all, and since then.
    SilentSince(Instant),
}

/// What the clients of one server know of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence(Arc<Mutex<Known>>);

impl Silence {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> bool {
        matches!(*self.known(), Known::SilentSince(since) if since.elapsed() < REST)
    }
}

impl<S> Layer<S> for Silence {
    type Service = Listening<S>;

    fn layer(&self, inner: S) -> Listening<S> {
        Listening {
            inner,
            silence: self.clone(),
        }
    }
}

/// Sends requests where the server is not silent.
#[derive(Debug, Clone)]
pub(super) struct Listening<S> {
    inner: S,
    silence: Silence,
}

impl<S, B, A> Service<Request<B>> for Listening<S>
where
    S: Service<Request<B>, Response = Response<A>, Error = BoxError>,
    S::Future: Send + 'static,
    A: Send + 'static,
{
    type Response = Response<A>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<A>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.silence.counts() {
            return Box::pin(std::future::ready(Err(NoAnswer.into())));
        }
        let (answer, silence) = (self.inner.call(request), self.silence.clone());
        Box::pin(async move {
            let mut waiting = Waiting {
                since: Instant::now(),
                silence,
                has_ended: false,
            };
            let answer = answer.await;
            waiting.has_ended = true;
            if answer.is_ok() {
                *waiting.silence.known() = Known::Answers;
            }
            answer
        })
    }
}

/// A request that has no answer yet.
struct Waiting {
    since: Instant,
    silence: Silence,
    has_ended: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.has_ended && self.since.elapsed() >= IN_VAIN {
            let mut known = self.silence.known();
            if !matches!(*known, Known::Answers) {
                *known = Known::SilentSince(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use config_recovery::ClusterError;
    use config_recovery::api::{AnyObject, Api, Resource};
    use config_recovery::cluster::{Cluster, ask_within};
    use juju_charm::kubernetes::{Account, Settings};
    use kube::Client;

    use super::*;
    use crate::kubernetes::connection::client;

    /// A listener that takes no connection: what is sent to it is kept by the system, and nobody answers. As where packets are dropped,
    /// but for the handshake.
    fn silent() -> (TcpListener, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Settings {
            server: format!("http://{}", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            authority: Vec::new(),
            account: Account::Nobody,
        };
        (listener, client(settings, "media").unwrap())
    }

    fn pods(client: &Client) -> Api<AnyObject> {
        let resource = Resource {
            api_version: "v1",
            kind: "Pod",
            plural: "pods",
        };
        Api::of(client.clone(), resource, Some("media"))
    }

    async fn asked(client: &Client, limit: u64) -> Result<AnyObject, ClusterError> {
        ask_within(
            Duration::from_secs(limit),
            "read its pod",
            pods(client).get("radarr-0"),
        )
        .await
    }

    fn reason(answer: Result<AnyObject, ClusterError>) -> String {
        match answer {
            Err(ClusterError::Unreachable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// From now on the listener's connections are taken, and the first request of so many of them has an answer.
    fn answers(listener: TcpListener, answered: usize) {
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap_or(0) > 0 {}
                if kept.len() < answered {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                    // The first ones were given up.
                    let _ = lines.get_mut().write_all(answer.as_bytes());
                }
                kept.push(lines);
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn one_event_waits_once_for_a_server_that_gives_no_answer() {
        let (_listener, client) = silent();
        let began = Instant::now();
        assert_eq!(reason(asked(&client, 10).await), "no answer within 10 s");
        // Those of the charm, and of the recovery engine, which waits longer.
        for _ in 0..5 {
            assert_eq!(
                reason(asked(&client, 10).await),
                "no answer to an earlier request"
            );
        }
        let engine = Cluster::new(client.clone());
        let listed = engine.ask("list pods", pods(&client).get("radarr-0")).await;
        assert_eq!(reason(listed), "no answer to an earlier request");
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_again_later_and_what_answers_is_not_silent() {
        let (listener, client) = silent();
        reason(asked(&client, 10).await);
        tokio::time::sleep(REST).await;
        // The clock stands while the system has the answer to bring.
        tokio::time::resume();
        answers(listener, usize::MAX);
        for _ in 0..2 {
            asked(&client, 60).await.unwrap();
        }
    }

    /// A list of a very large cluster, say. What else is to be asked and written in the event is.
    #[tokio::test]
    async fn one_that_has_answered_is_asked_on() {
        let (listener, client) = silent();
        answers(listener, 1);
        asked(&client, 60).await.unwrap();
        tokio::time::pause();
        for _ in 0..2 {
            assert_eq!(reason(asked(&client, 10).await), "no answer within 10 s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_early_says_nothing() {
        let (_listener, client) = silent();
        for _ in 0..3 {
            assert_eq!(reason(asked(&client, 4).await), "no answer within 4 s");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_each_time() {
        let (listener, client) = silent();
        drop(listener);
        for _ in 0..3 {
            let reason = reason(asked(&client, 60).await);
            assert!(reason.contains("refused"), "{reason}");
        }
    }
}
