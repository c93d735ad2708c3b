//! Sends one notification over HTTP, and waits no longer than it may.

use std::sync::Arc;
use std::time::Instant;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::Body as HttpBody;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::body::Body;
use super::{AUTHORITY, Message, Receiver};

/// Where Debian and Ubuntu keep the certificates of public authorities.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Sends it and tells the number that the receiver answers with. No redirect is followed: it might lead anywhere, and would take the
/// token along.
///
/// # Errors
/// Why it was not taken, in words that hold nothing of the URL but its host.
pub fn send(receiver: &Receiver, message: &Message, deadline: Instant) -> Result<u16, String> {
    let host = receiver.host();
    let request = request(receiver, message.body(receiver.format))?;
    let tls = tls(receiver)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot notify {host}: {error}"))?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let answer = runtime.block_on(async {
        let client: Client<_, HttpBody> = Client::builder(TokioExecutor::new()).build(connector);
        tokio::time::timeout_at(deadline.into(), client.request(request)).await
    });
    // A name that nobody resolves would be waited for otherwise.
    runtime.shutdown_background();
    let status = match answer {
        Ok(Ok(response)) => response.status(),
        Ok(Err(error)) if error.is_connect() => {
            return Err(format!("cannot connect to {host}: {}", innermost(&error)));
        }
        Ok(Err(_)) => return Err(format!("{host} does not answer as HTTP has it")),
        Err(_) => return Err(format!("{host} does not answer in time")),
    };
    let number = status.as_u16();
    if status.is_success() {
        Ok(number)
    } else if status.is_redirection() {
        Err(format!(
            "{host} answers {number}: no redirect is followed, name where it leads"
        ))
    } else {
        Err(format!("{host} answers {number}"))
    }
}

fn request(receiver: &Receiver, body: Body) -> Result<Request<HttpBody>, String> {
    let host = receiver.host();
    let unfit = |what: &str| format!("cannot notify {host}: {what}");
    let mut request = Request::new(HttpBody::from(body.content));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = behind(&receiver.uri, body.path).ok_or_else(|| unfit("its URL cannot be used"))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(body.content_type));
    for (name, text) in body.headers {
        let value = HeaderValue::try_from(text).map_err(|_| unfit("a header cannot be sent"))?;
        headers.insert(name, value);
    }
    if let Some(token) = &receiver.token {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| unfit("the token cannot be sent"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

/// The URL with more behind its path, before its query.
fn behind(uri: &Uri, more: &str) -> Option<Uri> {
    let path = uri.path();
    let path = match more {
        "" => path,
        _ => path.trim_end_matches('/'),
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Uri::builder()
        .scheme(uri.scheme()?.clone())
        .authority(uri.authority()?.clone())
        .path_and_query(format!("{path}{more}{query}"))
        .build()
        .ok()
}

/// Whom to trust: those that the secret names, or else the public authorities.
fn tls(receiver: &Receiver) -> Result<ClientConfig, String> {
    let host = receiver.host();
    let trusted = match &receiver.authority {
        _ if receiver.uri.scheme_str() != Some("https") => RootCertStore::empty(),
        Some(text) => {
            let own = parsed(text.as_bytes());
            if own.is_empty() {
                return Err(format!(
                    "cannot notify {host}: key {AUTHORITY} of the secret has no certificate of an authority"
                ));
            }
            own
        }
        None => public(),
    };
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("cannot notify {host}: {error}"))?;
    Ok(config.with_root_certificates(trusted).with_no_client_auth())
}

/// The public authorities: those of the charm's image, where somebody may have added one, or else the ones that come with this program.
fn public() -> RootCertStore {
    let of_image = parsed(&std::fs::read(ROOTS).unwrap_or_default());
    match of_image.is_empty() {
        true => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        false => of_image,
    }
}

fn parsed(pem: &[u8]) -> RootCertStore {
    let mut found = RootCertStore::empty();
    found.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    found
}

/// The last cause: those before it say the same in more words.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
