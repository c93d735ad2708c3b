//! Each request, told to who wants to see what is asked, and an error that names whom.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use config_recovery::shown::shown;
use http::{Request, Uri};
use kube::client::{AuthError, Body};
use tower::{BoxError, Service};

use super::helper::Helper;
use super::login;

/// Puts [`Asked`] around a client.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    server: Arc<str>,
    helper: Option<Arc<Helper>>,
}

impl Layer {
    /// For the API server at this address, and the program that logs in to it.
    pub fn of(server: &Uri, helper: Option<Helper>) -> Self {
        // A user and a password in it are nobody's business.
        let host = server.host().unwrap_or("?");
        let port = server.port().map_or_else(String::new, |port| format!(":{port}"));
        Self {
            server: shown(&format!("{host}{port}")).into(),
            helper: helper.map(Arc::new),
        }
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Asked<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Asked {
            inner,
            server: Arc::clone(&self.server),
            helper: self.helper.clone(),
        }
    }
}

/// A client that tells what it asks.
#[derive(Debug, Clone)]
pub(super) struct Asked<S> {
    inner: S,
    server: Arc<str>,
    helper: Option<Arc<Helper>>,
}

/// The API server gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{server}")]
struct NoAnswer {
    server: Arc<str>,
    #[source]
    cause: BoxError,
}

impl<S, A> Service<Request<Body>> for Asked<S>
where
    S: Service<Request<Body>, Response = A, Error = BoxError>,
    S::Future: Send + 'static,
    A: 'static,
{
    type Response = A;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<A, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let target = request
            .uri()
            .path_and_query()
            .map_or("", |target| target.as_str());
        log::debug!("{} {}", request.method(), shown(target));
        let (server, helper) = (Arc::clone(&self.server), self.helper.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            answer.await.map_err(|cause| {
                if cause.is::<kube::Error>() {
                    return cause;
                }
                let cause = match cause.downcast_ref::<AuthError>() {
                    Some(error) => login::why(error, helper.as_deref()).into(),
                    None => cause,
                };
                Box::new(NoAnswer { server, cause }) as BoxError
            })
        })
    }
}
