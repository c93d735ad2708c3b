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
                request.headers_mut().insert(AUTHORIZATION, authorization.header());
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
