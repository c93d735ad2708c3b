//! kube's client on the connection of [`juju_charm::kubernetes`].
//!
//! kube's own one leaves Nagle's algorithm on. It also brings what no pod needs: programs that make tokens, and expressions that find
//! them in what these print, for which it has a tenth of the charm's code.

use hyper::Request;
use juju_charm::kubernetes::{Connection, ConnectionError, Settings};
use kube::Client;
use kube::client::Body;
use kube::client::middleware::BaseUriLayer;
use tower::{BoxError, ServiceBuilder};

use super::silence::Silence;

/// Makes a client; it connects when it is first asked. Requests have no time limit of their own: whoever makes one sets it, and
/// those after one that had no answer are not sent for a while.
///
/// # Errors
/// What of the settings cannot be used.
pub(super) fn client(settings: Settings, namespace: &str) -> Result<Client, ConnectionError> {
    let connection: Connection<Body> = Connection::new(settings)?;
    let (http, server) = (connection.http(), connection.server().clone());
    let service = ServiceBuilder::new()
        .layer(BaseUriLayer::new(server))
        .map_request(move |mut request: Request<Body>| {
            connection.authorize(request.headers_mut());
            request
        })
        .layer(Silence::default())
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, namespace))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use config_recovery::api::{AnyObject, Api, Resource};
    use juju_charm::kubernetes::Account;

    use super::*;

    const PODS: Resource = Resource {
        api_version: "v1",
        kind: "Pod",
        plural: "pods",
    };

    /// A server that answers each request with an empty object, and tells the head of each and on which connection it came.
    pub(in crate::kubernetes) fn server() -> (Settings, mpsc::Receiver<(usize, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let (sender, heads) = mpsc::channel();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream);
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if lines.read_line(&mut head).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let _ = sender.send((number, head));
                        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        lines.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        let settings = Settings {
            server: server.parse().unwrap(),
            authority: Vec::new(),
            account: Account::Nobody,
        };
        (settings, heads)
    }

    /// Asks three times, as steps of one event do.
    fn ask(settings: Settings) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = {
            let _inside = runtime.enter();
            client(settings, "media").unwrap()
        };
        let pods: Api<AnyObject> = Api::of(client, PODS, Some("media"));
        for name in ["a", "b", "c"] {
            runtime.block_on(pods.get(name)).unwrap();
        }
    }

    #[test]
    fn requests_one_after_the_other_share_a_connection() {
        let (settings, heads) = server();
        ask(settings);
        for name in ["a", "b", "c"] {
            let (connection, head) = heads.recv().unwrap();
            assert_eq!(connection, 0);
            assert!(
                head.starts_with(&format!("GET /api/v1/namespaces/media/pods/{name} HTTP/1.1\r\n")),
                "{head}"
            );
            assert!(!head.to_lowercase().contains("authorization"), "{head}");
        }
    }

    #[test]
    fn each_request_carries_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from a file\n").unwrap();
        let accounts = [
            (Account::Token("abc".to_owned()), "authorization: Bearer abc\r\n"),
            (Account::TokenFile(file), "authorization: Bearer from a file\r\n"),
        ];
        for (account, header) in accounts {
            let (mut settings, heads) = server();
            settings.account = account;
            ask(settings);
            for (_, head) in heads.iter().take(3) {
                assert!(head.contains(header), "{head}");
            }
        }
    }
}
