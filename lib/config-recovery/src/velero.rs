//! Velero's resources in the API: where they are, and lists of them that one bad object does not spoil.

use kube::api::{ListParams, PostParams};
use kube::core::Request;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use velero_api::{API_GROUP, API_VERSION, Kind, List, Object};

use crate::api::{AnyObject, Api, Object as _, Resource};

use crate::cluster::{Cluster, ClusterError};
use crate::{Error, Result};

/// Objects that are asked for at once. The API server's own clients use as many.
const PAGE: u32 = 500;

/// How often a list is begun again because its pages had expired.
const RESTARTS: u32 = 2;

const fn resource<S: Kind>() -> Resource {
    Resource {
        api_version: API_VERSION,
        kind: S::KIND,
        plural: S::PLURAL,
    }
}

/// Access to Velero's objects of a kind, in all namespaces or in one.
pub(crate) fn api<S: Kind>(cluster: &Cluster, namespace: Option<&str>) -> Api<AnyObject> {
    Api::of(cluster.client(), resource::<S>(), namespace)
}

/// An object of Velero's as its type.
pub(crate) fn typed<S, T>(object: &AnyObject) -> Result<Object<S, T>>
where
    S: Kind + Default + DeserializeOwned,
    T: DeserializeOwned,
{
    Object::deserialize(&object.content).map_err(|error| {
        let action = format!("read {} {}", S::KIND, object.name());
        ClusterError::refused(action, error.to_string()).into()
    })
}

/// [`Error::NoVelero`] instead of an object that is not there.
pub(crate) fn no_velero<S: Kind>(error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Cluster(ClusterError::NotFound { .. }) => {
            Error::NoVelero(format!("{}.{API_GROUP}", S::PLURAL))
        }
        other => other,
    }
}

/// All objects of a resource that match, as they came: what cannot be decoded is for the caller to tell.
///
/// `action` completes "cannot …". The number of requests grows with the objects by one for each [`PAGE`], or for as many as `parameters` limit
/// a page to.
///
/// # Errors
/// [`Error::NoVelero`] when the cluster does not know the resource; otherwise as [`Cluster::ask`].
pub(crate) async fn list<S: Kind>(
    cluster: &Cluster,
    action: &str,
    namespace: Option<&str>,
    parameters: &ListParams,
) -> Result<Vec<Value>> {
    list_as::<S, Value>(cluster, action, namespace, parameters, Some).await
}

/// As [`list`], and of each object only what `read` makes of it: of ten thousand a page is in memory at a time.
///
/// # Errors
/// As [`list`].
pub(crate) async fn list_as<S: Kind, T>(
    cluster: &Cluster,
    action: &str,
    namespace: Option<&str>,
    parameters: &ListParams,
    read: impl Fn(Value) -> Option<T>,
) -> Result<Vec<T>> {
    let mut parameters = parameters.clone();
    parameters.limit.get_or_insert(PAGE);
    let mut objects = Vec::new();
    let mut restarts = 0;
    loop {
        let request = Request::new(resource::<S>().path(namespace)).list(&parameters);
        let request =
            request.map_err(|error| ClusterError::judged(action, kube::Error::BuildRequest(error)))?;
        let page = async {
            match cluster.client().request::<List<Value>>(request).await {
                // The pages expire after some minutes. What came so far is not one state of the cluster then.
                Err(kube::Error::Api(status)) if status.code == 410 => Ok(None),
                answer => answer.map(Some),
            }
        };
        let page = cluster.ask(action, page).await.map_err(no_velero::<S>)?;
        let Some(page) = page else {
            restarts += 1;
            if restarts > RESTARTS {
                let reason = "the pages of the list expire before they are read";
                return Err(ClusterError::refused(action, reason).into());
            }
            objects.clear();
            parameters.continue_token = None;
            continue;
        };
        objects.extend(page.items.into_iter().filter_map(&read));
        match page.metadata.continue_token.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}

/// Creates an object of Velero's, and gives it back as the API server has it.
///
/// # Errors
/// [`Error::NoVelero`] when the cluster does not know the resource; otherwise as [`Cluster::ask`].
pub(crate) async fn create<S: Kind, T: Serialize + DeserializeOwned>(
    cluster: &Cluster,
    action: &str,
    namespace: &str,
    object: &T,
) -> Result<T> {
    let unbuilt = |error| ClusterError::judged(action, kube::Error::BuildRequest(error));
    let body = serde_json::to_vec(object)
        .map_err(|error| unbuilt(kube::core::request::Error::SerializeBody(error)))?;
    let request = Request::new(resource::<S>().path(Some(namespace)))
        .create(&PostParams::default(), body)
        .map_err(unbuilt)?;
    let made = cluster.ask(action, cluster.client().request::<T>(request)).await;
    made.map_err(no_velero::<S>)
}
