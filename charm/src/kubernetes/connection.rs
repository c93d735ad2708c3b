//! The client of the API server, on a connection that sends at once and trusts nobody but the cluster's own authority.
//!
//! kube's own client leaves Nagle's algorithm on: after the TLS handshake the first request waits for an acknowledgement that the
//! server delays, 40 ms in each event that asks Kubernetes anything. It also brings what no pod needs: programs that make tokens,
//! and expressions that find them in what these print, for which it has a tenth of the charm's code.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::Body;
use kube::client::middleware::BaseUriLayer;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tower::{BoxError, ServiceBuilder};

use super::settings::{Account, Settings};

/// For how long a connection that rests is used again. Nobody looks at it meanwhile, so whether the server still has it is not
/// known; within one event it has.
const REST: Duration = Duration::from_secs(5);

/// How long a token is used before its file is read again. Kubernetes renews it some minutes before its end.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// What the cluster's authority or the account's certificate is cannot be used for TLS.
    #[error("cannot use the certificates of the cluster or the account")]
    Tls(#[from] rustls::Error),
    /// The token's file cannot be read.
    #[error("cannot read the token {}", .0.display())]
    ReadToken(PathBuf, #[source] std::io::Error),
    /// The token has characters that no header may have.
    #[error("the token cannot be sent")]
    Token(#[from] InvalidHeaderValue),
}

/// Makes a client; it connects when it is first asked. Requests have no time limit of their own: whoever makes one sets it.
///
/// # Errors
/// What of the settings cannot be used.
pub(super) fn client(settings: Settings, namespace: &str) -> Result<Client, ConnectionError> {
    let Settings {
        server,
        authority,
        account,
    } = settings;
    let mut trusted = RootCertStore::empty();
    for certificate in authority {
        trusted.add(certificate)?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted);
    let (tls, authorization) = match account {
        Account::Nobody => (tls.with_no_client_auth(), None),
        Account::Token(token) => (tls.with_no_client_auth(), Some(Authorization::fixed(&token)?)),
        Account::TokenFile(file) => (tls.with_no_client_auth(), Some(Authorization::of_file(file)?)),
        Account::Key(certificates, key) => (tls.with_client_auth_cert(certificates, key)?, None),
    };
    let mut tcp = HttpConnector::new();
    // The connector of TLS is around it, and names the scheme.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .pool_idle_timeout(REST)
        .build(https);
    let authorization = authorization.map(Arc::new);
    let service = ServiceBuilder::new()
        .layer(BaseUriLayer::new(server))
        .map_request(move |mut request: Request<Body>| {
            if let Some(authorization) = &authorization {
                request
                    .headers_mut()
                    .insert(AUTHORIZATION, authorization.header());
            }
            request
        })
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, namespace))
}

/// What goes along with each request.
struct Authorization {
    /// Where the token is, if it changes.
    file: Option<PathBuf>,
    /// The header, and when it was read.
    last: Mutex<(HeaderValue, Instant)>,
}

impl Authorization {
    fn fixed(token: &str) -> Result<Self, ConnectionError> {
        Ok(Self {
            file: None,
            last: Mutex::new((bearer(token)?, Instant::now())),
        })
    }

    fn of_file(file: PathBuf) -> Result<Self, ConnectionError> {
        let token = std::fs::read_to_string(&file);
        let token = token.map_err(|error| ConnectionError::ReadToken(file.clone(), error))?;
        let header = bearer(token.trim_end())?;
        Ok(Self {
            file: Some(file),
            last: Mutex::new((header, Instant::now())),
        })
    }

    /// The header for a request that is sent now. A token that cannot be read again is used on, as Kubernetes' own clients do.
    fn header(&self) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && last.1.elapsed() >= TOKEN_AGE
        {
            last.1 = Instant::now();
            let token = std::fs::read_to_string(file).ok();
            if let Some(header) = token.and_then(|token| bearer(token.trim_end()).ok()) {
                last.0 = header;
            }
        }
        last.0.clone()
    }
}

fn bearer(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use config_recovery::api::{AnyObject, Api, Resource};

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

    #[test]
    fn a_token_that_is_not_there_is_told_before_anything_is_asked() {
        let (mut settings, _) = server();
        settings.account = Account::TokenFile("/no/token".into());
        let error = client(settings, "media").err().unwrap();
        assert_eq!(error.to_string(), "cannot read the token /no/token");
    }

    #[test]
    fn a_token_is_read_again_when_it_is_old_and_kept_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "one").unwrap();
        let authorization = Authorization::of_file(file.clone()).unwrap();
        let age = || {
            let mut last = authorization.last.lock().unwrap();
            last.1 = last.1.checked_sub(TOKEN_AGE).unwrap();
        };
        std::fs::write(&file, "two").unwrap();
        assert_eq!(authorization.header(), "Bearer one");
        age();
        assert_eq!(authorization.header(), "Bearer two");
        std::fs::remove_file(&file).unwrap();
        age();
        assert_eq!(authorization.header(), "Bearer two");
    }
}
