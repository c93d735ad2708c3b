//! The client of the API server, on a connection that sends at once.
//!
//! kube's own client leaves Nagle's algorithm on: after the TLS handshake the first request waits for an acknowledgement that the
//! server delays, 40 ms in each event that asks Kubernetes anything.

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// Makes a client; it connects when it is first asked. Requests have no time limit of their own: whoever makes one sets it.
///
/// # Errors
/// What of the settings cannot be used.
pub(super) fn client(config: Config) -> kube::Result<Client> {
    // A pod needs none, and who named one did not mean that it is passed by.
    if let Some(proxy) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolUnsupported {
            proxy_url: Box::new(proxy.clone()),
        });
    }
    let mut tcp = HttpConnector::new();
    // The connector of TLS is around it, and names the scheme.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}
