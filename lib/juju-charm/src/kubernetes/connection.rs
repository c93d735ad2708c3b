//! Requests to the API server, on a connection that sends at once and trusts nobody but the cluster's own authority.
//!
//! With Nagle's algorithm, which clients leave on, the first request after the TLS handshake waits for an acknowledgement that the
//! server delays: 40 ms in each event that asks Kubernetes anything.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Uri;
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::settings::{Account, Settings};

/// For how long a connection that rests is used again. Nobody looks at it meanwhile, so whether the server still has it is not
/// known; within one event it has.
const REST: Duration = Duration::from_secs(5);

/// How long a token is used before its file is read again. Kubernetes renews it some minutes before its end.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
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

/// What sends requests with a body of type `B`.
pub type HttpClient<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Requests to one API server, as one account.
///
/// It is what another client can be built on: [`Connection::http`] sends, [`Connection::authorize`] adds the account to a request, the
/// URL is below [`Connection::server`].
pub struct Connection<B> {
    http: HttpClient<B>,
    server: Uri,
    authorization: Option<Arc<Authorization>>,
}

impl<B> Connection<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    /// Prepares the connection; it is made with the first request. Requests have no time limit of their own: whoever makes one sets it.
    ///
    /// # Errors
    /// What of the settings cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ConnectionError> {
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
        Ok(Self {
            http: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(REST)
                .build(https),
            server,
            authorization: authorization.map(Arc::new),
        })
    }

    /// What sends requests. It has to be used within a tokio runtime.
    pub fn http(&self) -> HttpClient<B> {
        self.http.clone()
    }
}

impl<B> Connection<B> {
    /// The API server's URL.
    pub fn server(&self) -> &Uri {
        &self.server
    }

    /// Adds the account's token, if it has one, to the headers of a request that is sent now.
    pub fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.header());
        }
    }
}

/// Both use the same connections and the same token. Not derived: `B` need not be `Clone` for it.
impl<B> Clone for Connection<B> {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            server: self.server.clone(),
            authorization: self.authorization.clone(),
        }
    }
}

impl<B> fmt::Debug for Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
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
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_not_there_is_told_before_anything_is_asked() {
        let settings = Settings {
            server: "http://127.0.0.1:1".parse().unwrap(),
            authority: Vec::new(),
            account: Account::TokenFile("/no/token".into()),
        };
        let error = Connection::<String>::new(settings).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the token /no/token");
    }

    #[test]
    fn nothing_shows_the_token() {
        let settings = Settings {
            server: "http://127.0.0.1:1".parse().unwrap(),
            authority: Vec::new(),
            account: Account::Token("hunter2".to_owned()),
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
        let connection = Connection::<String>::new(settings).unwrap();
        assert!(!format!("{connection:?}").contains("hunter2"));
        let mut headers = HeaderMap::new();
        connection.authorize(&mut headers);
        assert_eq!(headers[AUTHORIZATION], "Bearer hunter2");
        assert!(!format!("{headers:?}").contains("hunter2"));
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
