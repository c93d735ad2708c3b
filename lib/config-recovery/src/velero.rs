//! Velero's resources in the API: where they are, and lists of them that one bad object does not spoil.

use kube::api::{ListParams, PostParams};
use kube::core::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use velero_api::{API_GROUP, API_VERSION, Kind, List};

use crate::cluster::{Cluster, judged};
use crate::{Error, Result};

/// Objects that are asked for at once. The API server's own clients use as many.
const PAGE: u32 = 500;

/// How often a list is begun again because its pages had expired.
const RESTARTS: u32 = 2;

/// The path of a resource, in all namespaces or in one.
fn path<S: Kind>(namespace: Option<&str>) -> String {
    let plural = S::PLURAL;
    match namespace {
        Some(namespace) => format!("/apis/{API_VERSION}/namespaces/{namespace}/{plural}"),
        None => format!("/apis/{API_VERSION}/{plural}"),
    }
}

/// All objects of a resource that match, as they came: what cannot be decoded is for the caller to tell.
///
/// `action` completes "cannot …". The number of requests grows with the objects by one for each [`PAGE`].
///
/// # Errors
/// [`Error::NoVelero`] when the cluster does not know the resource; otherwise as [`Cluster::ask`].
pub(crate) async fn list<S: Kind>(
    cluster: &Cluster,
    action: &str,
    namespace: Option<&str>,
    parameters: &ListParams,
) -> Result<Vec<Value>> {
    let mut parameters = parameters.clone().limit(PAGE);
    let mut objects = Vec::new();
    let mut restarts = 0;
    loop {
        let request = Request::new(path::<S>(namespace)).list(&parameters);
        let request = request.map_err(|error| judged(action.to_owned(), kube::Error::BuildRequest(error)))?;
        let page = async {
            match cluster.client().request::<List<Value>>(request).await {
                // The pages expire after some minutes. What came so far is not one state of the cluster then.
                Err(kube::Error::Api(status)) if status.code == 410 => Ok(None),
                answer => answer.map(Some),
            }
        };
        let page = match cluster.ask(action, page).await {
            Err(Error::NotFound { .. }) => {
                return Err(Error::NoVelero(format!("{}.{API_GROUP}", S::PLURAL)));
            }
            answer => answer?,
        };
        let Some(page) = page else {
            restarts += 1;
            if restarts > RESTARTS {
                return Err(Error::Refused {
                    action: action.to_owned(),
                    reason: "the pages of the list expire before they are read".to_owned(),
                });
            }
            objects.clear();
            parameters.continue_token = None;
            continue;
        };
        objects.extend(page.items);
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
    let unbuilt = |error| judged(action.to_owned(), kube::Error::BuildRequest(error));
    let body = serde_json::to_vec(object)
        .map_err(|error| unbuilt(kube::core::request::Error::SerializeBody(error)))?;
    let request = Request::new(path::<S>(Some(namespace)))
        .create(&PostParams::default(), body)
        .map_err(unbuilt)?;
    match cluster.ask(action, cluster.client().request::<T>(request)).await {
        Err(Error::NotFound { .. }) => Err(Error::NoVelero(format!("{}.{API_GROUP}", S::PLURAL))),
        answer => answer,
    }
}
