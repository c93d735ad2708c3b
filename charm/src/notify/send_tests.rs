use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::Turn;
use super::*;

/// What a receiver does when it was sent a whole request.
type Answers = fn(&mut std::net::TcpStream);

fn answers(stream: &mut std::net::TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// A receiver for one notification: where it is, and the bytes that it was sent.
fn listening(does: Answers) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = stream.read(&mut piece).unwrap();
            bytes.extend(&piece[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                break;
            }
        }
        sender.send(String::from_utf8(bytes).unwrap()).unwrap();
        does(&mut stream);
    });
    (address, received)
}

fn message(turn: Turn) -> Message {
    Message {
        app: "films".to_owned(),
        model: "homelab".to_owned(),
        kind: "BackupOverdue".to_owned(),
        turn,
        what: "no good backup since <Monday> & before".to_owned(),
        since: "2026-11-29T03:00:00Z".parse::<Timestamp>().unwrap(),
        next: "run list-backups".to_owned(),
        at: "2026-11-29T04:05:06Z".parse::<Timestamp>().unwrap(),
        others_are_open: false,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// Head and body of what arrives, the receiver's address left out.
fn arrives(format: &str, turn: Turn, token: Option<&str>) -> (String, String) {
    let (address, received) = listening(|stream| answers(stream, "HTTP/1.1 204 No Content\r\n\r\n"));
    let receiver = Receiver::parse(&format!("{format}+http://{address}/hook/s3cret?a=b")).unwrap();
    let sent = send(&receiver.with(token, None), &message(turn), soon());
    assert_eq!(sent, Ok(204));
    let text = received.recv().unwrap().replace(&address, "HOST");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

const BAD: &str =
    "no good backup since <Monday> & before\nSince 2026-11-29 03:00 UTC. Next: run list-backups";

#[test]
fn each_format_arrives_byte_by_byte() {
    let (head, body) = arrives("ntfy", Turn::Bad, Some("t0ken"));
    assert_eq!(
        head.split("\r\n").collect::<Vec<_>>(),
        [
            "POST /hook/s3cret?a=b HTTP/1.1",
            "content-type: text/plain; charset=utf-8",
            "title: films in homelab: BackupOverdue",
            "priority: high",
            "tags: warning",
            "authorization: Bearer t0ken",
            "host: HOST",
            &format!("content-length: {}", BAD.len()),
        ]
    );
    assert_eq!(body, BAD);
    let (head, body) = arrives("ntfy", Turn::Good, None);
    assert!(head.contains(
        "title: films in homelab: BackupOverdue is over\r\npriority: default\r\ntags: white_check_mark"
    ));
    assert_eq!(
        body,
        "Good again. It was, since 2026-11-29 03:00 UTC: no good backup since <Monday> & before"
    );
    let (head, body) = arrives("discord", Turn::Bad, None);
    assert!(head.contains("content-type: application/json\r\n") && !head.contains("authorization"));
    assert_eq!(
        body,
        format!(
            r#"{{"allowed_mentions":{{"parse":[]}},"content":"⚠️ films in homelab: BackupOverdue\n{}"}}"#,
            BAD.replace('\n', "\\n")
        )
    );
    let (_, body) = arrives("slack", Turn::Bad, None);
    assert_eq!(
        body,
        r#"{"text":"⚠️ films in homelab: BackupOverdue\nno good backup since &lt;Monday&gt; &amp; before\nSince 2026-11-29 03:00 UTC. Next: run list-backups"}"#
    );
    let (head, body) = arrives("ping", Turn::Bad, None);
    assert!(
        head.starts_with("POST /hook/s3cret/fail?a=b HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(body, format!("⚠️ films in homelab: BackupOverdue\n{BAD}"));
    let (head, _) = arrives("ping", Turn::Good, None);
    assert!(head.starts_with("POST /hook/s3cret?a=b HTTP/1.1\r\n"), "{head}");
    let (_, body) = arrives("json", Turn::Good, None);
    assert_eq!(
        body,
        r#"{"app":"films","at":"2026-11-29T04:05:06Z","kind":"BackupOverdue","model":"homelab","next":"run list-backups","since":"2026-11-29T03:00:00Z","state":"good","what":"no good backup since <Monday> & before"}"#
    );
}

#[test]
fn a_ping_does_not_say_that_all_is_well_while_something_else_is_wrong() {
    let still_bad = Message {
        others_are_open: true,
        ..message(Turn::Good)
    };
    assert_eq!(still_bad.body(super::super::Format::Ping).path, "/fail");
}

/// What is said of a receiver that does so, and how long it took.
fn refused(does: Answers, patience: Duration) -> (String, Duration) {
    let (address, _received) = listening(does);
    let receiver = Receiver::parse(&format!("http://{address}/hook/s3cret")).unwrap();
    let began = Instant::now();
    let refused = send(
        &receiver.with(Some("t0ken"), None),
        &message(Turn::Bad),
        began + patience,
    );
    let reason = refused.unwrap_err();
    assert!(
        !reason.contains("s3cret") && !reason.contains("t0ken") && !reason.contains("hook"),
        "{reason}"
    );
    (reason, began.elapsed())
}

#[test]
fn what_is_not_taken_is_said_with_the_number() {
    let long = Duration::from_secs(30);
    let (reason, _) = refused(
        |stream| answers(stream, "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
        long,
    );
    assert_eq!(reason, "127.0.0.1 answers 500");
    // It would lead to another receiver, with the token.
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/s3cret\r\ncontent-length: 0\r\n\r\n";
    assert!(redirect.contains("s3cret"));
    let (reason, _) = refused(
        |stream| {
            let redirect =
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/s3cret\r\ncontent-length: 0\r\n\r\n";
            answers(stream, redirect);
        },
        long,
    );
    assert_eq!(
        reason,
        "127.0.0.1 answers 302: no redirect is followed, name where it leads"
    );
    let (reason, _) = refused(|stream| answers(stream, "SSH-2.0-OpenSSH_9.6\r\n"), long);
    assert_eq!(reason, "127.0.0.1 does not answer as HTTP has it");
}

#[test]
fn whoever_never_answers_or_drips_is_not_waited_for() {
    let never: Answers = |stream| {
        // Until the other side hangs up.
        let _ = stream.read(&mut [0; 16]);
    };
    let drips: Answers = |stream| {
        let head = "HTTP/1.1 200 OK\r\nx: ";
        stream.write_all(head.as_bytes()).unwrap();
        // A byte whenever the other side has not hung up for a while; it never ends by itself.
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while !matches!(stream.read(&mut [0; 16]), Ok(0)) {
            if stream.write_all(b"y").is_err() {
                return;
            }
        }
    };
    for does in [never, drips] {
        let (reason, took) = refused(does, Duration::from_millis(300));
        assert_eq!(reason, "127.0.0.1 does not answer in time");
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}

#[test]
fn a_body_that_drips_is_not_read() {
    let drips: Answers = |stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.read(&mut [0; 16]);
    };
    let (address, _received) = listening(drips);
    let receiver = Receiver::parse(&format!("http://{address}/")).unwrap();
    assert_eq!(send(&receiver, &message(Turn::Bad), soon()), Ok(200));
}

#[test]
fn nobody_there_and_nobody_to_trust_are_said() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let receiver = Receiver::parse(&format!("http://{closed}/s3cret")).unwrap();
    let reason = send(&receiver, &message(Turn::Bad), soon()).unwrap_err();
    assert!(
        reason.starts_with("cannot connect to 127.0.0.1: Connection refused"),
        "{reason}"
    );
    let receiver = Receiver::parse(&format!("https://{closed}/s3cret")).unwrap();
    let reason = send(&receiver.with(None, Some("no PEM")), &message(Turn::Bad), soon()).unwrap_err();
    assert_eq!(
        reason,
        "cannot notify 127.0.0.1: key ca-certificate of the secret has no certificate of an authority"
    );
}

/// A receiver with TLS for one notification: where it is, its certificate as PEM, and whether it was told anything.
fn listening_with_tls() -> (String, String, mpsc::Receiver<bool>) {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, stream);
        let mut bytes: Vec<u8> = Vec::new();
        let mut piece = [0; 4096];
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(read @ 1..) => bytes.extend(&piece[..read]),
                _ => break,
            }
        }
        let was_told = !bytes.is_empty();
        if was_told {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        }
        sender.send(was_told).unwrap();
    });
    (address, own.cert.pem(), received)
}

#[test]
fn https_goes_to_whom_the_secret_trusts_and_to_nobody_else() {
    let (address, certificate, received) = listening_with_tls();
    let receiver = Receiver::parse(&format!("https://{address}/s3cret")).unwrap();
    let sent = send(
        &receiver.with(None, Some(&certificate)),
        &message(Turn::Bad),
        soon(),
    );
    assert_eq!(sent, Ok(204));
    assert!(received.recv().unwrap());

    let (address, _, received) = listening_with_tls();
    let receiver = Receiver::parse(&format!("https://{address}/s3cret")).unwrap();
    let reason = send(&receiver, &message(Turn::Bad), soon()).unwrap_err();
    assert!(reason.contains("UnknownIssuer"), "{reason}");
    assert!(!received.recv().unwrap(), "it was told all the same");
}

#[test]
fn an_image_without_authorities_still_knows_the_public_ones() {
    assert!(parsed(b"").is_empty());
    assert!(public().len() > 50);
}
