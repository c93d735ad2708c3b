//! The connection to Kubernetes, and what its refusals mean.

use std::future::Future;
use std::time::Duration;

use config_volume::causes;
use kube::Client;

use crate::shown::shown;
use crate::{Error, Result};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// The cluster behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Waits for the answer to one request. `action` completes "cannot …" and names the object.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NotAllowed`], [`Error::NotFound`], [`Error::Quota`] or [`Error::Refused`].
    pub async fn ask<T>(
        &self,
        action: impl Into<String>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|error| judged(action.into(), error)),
            Err(_) => Err(Error::Unreachable {
                action: action.into(),
                reason: format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()),
            }),
        }
    }

    /// As [`Cluster::ask`]; an object that is not there is `None`.
    ///
    /// # Errors
    /// As [`Cluster::ask`], without [`Error::NotFound`].
    pub async fn ask_opt<T>(
        &self,
        action: impl Into<String>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>> {
        match self.ask(action, request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What an error of the client means to a person.
pub(crate) fn judged(action: String, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => match status.code {
            401 | 403 if status.message.contains("exceeded quota") => Error::Quota {
                action,
                reason: shown(&status.message),
            },
            401 | 403 => Error::NotAllowed {
                action,
                reason: shown(&status.message),
            },
            404 => Error::NotFound { action },
            _ => Error::Refused {
                action,
                reason: shown(&status.message),
            },
        },
        // It answered; what it said cannot be understood, or what was to be asked cannot be said.
        error @ (kube::Error::SerdeError(_) | kube::Error::BuildRequest(_)) => Error::Refused {
            action,
            reason: shown(&causes(&error)),
        },
        // Its own text is the name of a type.
        kube::Error::Service(cause) => Error::Unreachable {
            action,
            reason: shown(&causes(cause.as_ref())),
        },
        other => Error::Unreachable {
            action,
            reason: shown(&causes(&other)),
        },
    }
}
