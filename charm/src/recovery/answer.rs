//! Whether the app answers at its health URL.

use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the app may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two questions to it.
const PAUSE: Duration = Duration::from_millis(250);

/// Asks again until the answer is good, `ended` tells that none will come, or `patience` is over; at least once.
///
/// # Errors
/// Why it could not be asked at all, what `ended` said, or the last answer.
pub(super) fn until_good(
    url: &str,
    patience: Duration,
    ended: &dyn Fn() -> Option<String>,
    mut ask: impl FnMut() -> Result<Result<(), String>, String>,
) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let Err(reason) = ask()? else {
            return Ok(());
        };
        if let Some(why) = ended() {
            return Err(why);
        }
        if began.elapsed() >= patience {
            let seconds = patience.as_secs();
            return Err(format!("no good answer at {url} within {seconds} s: {reason}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks once. Any status of 200 to 299 is good.
///
/// # Errors
/// What it answered, or why it did not.
pub(super) async fn ask(url: &str) -> Result<(), String> {
    let answer = timeout(ANSWER, get(url)).await;
    answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
}

async fn get(url: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    let authority = uri.authority().ok_or("it names no host")?.clone();
    let port = authority.port_u16().unwrap_or(80);
    let words = |error: &dyn std::error::Error| crate::causes(error);
    let stream = TcpStream::connect((authority.host(), port))
        .await
        .map_err(|error| words(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| words(&error))?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| words(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| words(&error));
    connection.abort();
    let status = answer?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("it answers {status}"))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const URL: &str = "http://app/ping";

    #[test]
    fn it_is_asked_until_it_answers_well_or_nothing_will_answer_or_the_time_is_over() {
        let asked = Cell::new(0);
        let answers = |good_at: u32| {
            asked.set(0);
            let asked = &asked;
            move || {
                asked.set(asked.get() + 1);
                Ok(if asked.get() < good_at {
                    Err(format!("answer {}", asked.get()))
                } else {
                    Ok(())
                })
            }
        };
        let long = Duration::from_secs(3600);
        let runs = || None;
        assert_eq!(until_good(URL, long, &runs, answers(2)), Ok(()));
        assert_eq!(asked.get(), 2);
        // Without patience it is asked once.
        assert_eq!(until_good(URL, Duration::ZERO, &runs, answers(1)), Ok(()));
        let late = until_good(URL, Duration::ZERO, &runs, answers(2));
        assert_eq!(late, Err(format!("no good answer at {URL} within 0 s: answer 1")));
        let ended = || Some("its process ended".to_owned());
        assert_eq!(
            until_good(URL, long, &ended, answers(3)),
            Err("its process ended".to_owned())
        );
        assert_eq!(
            until_good(URL, long, &ended, answers(1)),
            Ok(()),
            "it answered before"
        );
        let no_cluster = until_good(URL, long, &runs, || Err("no cluster".to_owned()));
        assert_eq!(no_cluster, Err("no cluster".to_owned()));
    }

    /// What is asked for, and what is made of an answer.
    async fn asked(answer: &'static str) -> (String, Result<(), String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/radarr/ping?x=1", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(request).unwrap()
        };
        tokio::join!(serve, ask(&url))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_an_answer_of_success_is_good() {
        let (request, answer) = asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(answer, Ok(()));
        assert!(
            request.starts_with("GET /radarr/ping?x=1 HTTP/1.1\r\nhost: 127.0.0.1:"),
            "{request}"
        );
        let (_, answer) = asked("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(answer, Err("it answers 503 Service Unavailable".to_owned()));
        let (_, answer) = asked("what?").await;
        answer.unwrap_err();
        assert_eq!(ask("no url at all").await, Err("it is no URL".to_owned()));
        assert_eq!(ask("/path").await, Err("it names no host".to_owned()));
    }
}
