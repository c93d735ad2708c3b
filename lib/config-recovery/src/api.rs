//! Requests to the API server for objects of one kind. Of an answer only what is read is decoded.
//!
//! kube has an `Api` too. It decodes whole objects with all types of Kubernetes, which made up a large part of the charm's binary,
//! and has code of its own for each kind. Here the way to the answer's text is the same for all kinds.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::Request;
use kube::core::request::Error as BuildError;
use kube::{Client, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use velero_api::List;
pub use velero_api::ObjectMeta;

/// Where the API server has the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Group and version, as in `apiVersion`: `v1`, `apps/v1`.
    pub api_version: &'static str,
    /// The value of `kind`.
    pub kind: &'static str,
    /// The name in paths.
    pub plural: &'static str,
}

impl Resource {
    /// The path of all its objects, in one namespace or, with none, in the whole cluster.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let Self {
            api_version, plural, ..
        } = self;
        // Only the oldest group has no name.
        let root = match api_version.contains('/') {
            true => "apis",
            false => "api",
        };
        match namespace {
            Some(namespace) => format!("/{root}/{api_version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{api_version}/{plural}"),
        }
    }
}

/// An object, with as much of it as is read.
pub trait Object: DeserializeOwned {
    /// Name, labels and the like.
    fn metadata(&self) -> &ObjectMeta;

    /// Its name; the empty text while it has none.
    fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }
}

/// An object whose type says where the API server has it.
pub trait Kind: Object {
    /// Where that is.
    const RESOURCE: Resource;
}

/// Says of a type with `metadata` where its objects are.
#[macro_export]
macro_rules! kind {
    ($name:ident, $api_version:literal, $plural:literal) => {
        impl $crate::api::Object for $name {
            fn metadata(&self) -> &$crate::api::ObjectMeta {
                &self.metadata
            }
        }

        impl $crate::api::Kind for $name {
            const RESOURCE: $crate::api::Resource = $crate::api::Resource {
                api_version: $api_version,
                kind: stringify!($name),
                plural: $plural,
            };
        }
    };
}

/// An object of any kind, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct AnyObject {
    /// Name, labels and the like.
    pub metadata: ObjectMeta,
    /// All of it.
    pub content: Value,
}

impl Object for AnyObject {
    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }
}

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let content = Value::deserialize(deserializer)?;
        let OnlyMetadata { metadata } =
            OnlyMetadata::deserialize(&content).map_err(serde::de::Error::custom)?;
        Ok(Self { metadata, content })
    }
}

/// What the API server sends when it is asked for metadata alone.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OnlyMetadata {
    metadata: ObjectMeta,
}

/// The objects of a kind, in one namespace or in all.
pub struct Api<K> {
    client: Client,
    resource: Resource,
    at: Request,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Api<K> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            resource: self.resource,
            at: self.at.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Api<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Api").field(&self.at.url_path).finish()
    }
}

/// What becomes a request, if it can be made.
type Built = std::result::Result<http::Request<Vec<u8>>, BuildError>;

impl<K: Kind> Api<K> {
    /// Those of the whole cluster.
    pub fn all(client: Client) -> Self {
        Self::of(client, K::RESOURCE, None)
    }

    /// Those of a namespace.
    pub fn namespaced(client: Client, namespace: &str) -> Self {
        Self::of(client, K::RESOURCE, Some(namespace))
    }
}

impl<K> Api<K> {
    /// Those of a resource that the type does not tell, in a namespace or, with none, in the whole cluster.
    pub fn of(client: Client, resource: Resource, namespace: Option<&str>) -> Self {
        Self {
            client,
            resource,
            at: Request::new(resource.path(namespace)),
            kind: PhantomData,
        }
    }

    /// The answer's text. Boxed, so that what waits for it is small and has no code of its own for it.
    fn text(&self, request: Built) -> Pin<Box<dyn Future<Output = Result<String>> + Send + '_>> {
        Box::pin(async move {
            self.client
                .request_text(request.map_err(Error::BuildRequest)?)
                .await
        })
    }

    /// The metadata of the one of this name.
    ///
    /// # Errors
    /// As kube has them: no answer, a refusal, or an answer that cannot be read. So have all of these requests.
    pub async fn get_metadata(&self, name: &str) -> Result<ObjectMeta> {
        let request = self.at.get_metadata(name, &GetParams::default());
        let OnlyMetadata { metadata } = decode(&self.text(request).await?)?;
        Ok(metadata)
    }

    /// The metadata of all that match.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn list_metadata(&self, which: &ListParams) -> Result<Vec<ObjectMeta>> {
        let text = self.text(self.at.list_metadata(which)).await?;
        let list: List<OnlyMetadata> = decode(&text)?;
        Ok(list.items.into_iter().map(|object| object.metadata).collect())
    }

    /// Changes one.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn patch(&self, name: &str, how: &PatchParams, patch: &Patch<Value>) -> Result<()> {
        self.text(self.at.patch(name, how, patch)).await.map(drop)
    }

    /// Changes one; only its metadata come back over the wire.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn patch_metadata(&self, name: &str, patch: &Patch<Value>) -> Result<()> {
        let request = self.at.patch_metadata(name, &PatchParams::default(), patch);
        self.text(request).await.map(drop)
    }

    /// Deletes one.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn delete(&self, name: &str) -> Result<()> {
        let request = self.at.delete(name, &DeleteParams::default());
        self.text(request).await.map(drop)
    }

    /// Deletes one without asking the node that it runs on.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn delete_at_once(&self, name: &str) -> Result<()> {
        let request = self.at.delete(name, &DeleteParams::default().grace_period(0));
        self.text(request).await.map(drop)
    }

    /// Deletes all.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn delete_collection(&self) -> Result<()> {
        let request = self
            .at
            .delete_collection(&DeleteParams::default(), &ListParams::default());
        self.text(request).await.map(drop)
    }
}

impl<K: DeserializeOwned> Api<K> {
    /// The one of this name.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn get(&self, name: &str) -> Result<K> {
        let request = self.at.get(name, &GetParams::default());
        decode(&self.text(request).await?)
    }

    /// All that match.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn list(&self, which: &ListParams) -> Result<List<K>> {
        decode(&self.text(self.at.list(which)).await?)
    }

    /// Makes one, and gives it back as the API server has it. Kind and version are written into it.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn create(&self, mut object: Value) -> Result<K> {
        object["apiVersion"] = self.resource.api_version.into();
        object["kind"] = self.resource.kind.into();
        let request = self
            .at
            .create(&PostParams::default(), object.to_string().into_bytes());
        decode(&self.text(request).await?)
    }

    /// What becomes of those that match, from `version` on.
    ///
    /// # Errors
    /// As [`Api::get_metadata`].
    pub async fn watch(
        &self,
        which: &WatchParams,
        version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<K>>> + use<K>> {
        let request = self.at.watch(which, version).map_err(Error::BuildRequest)?;
        let events = self.client.request_events::<Value>(request).await?;
        Ok(Box::pin(events).map(|event| seen(event?)))
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::SerdeError)
}

/// An event about an object that has been decoded.
fn seen<K: DeserializeOwned>(event: WatchEvent<Value>) -> Result<WatchEvent<K>> {
    let object = |value: Value| serde_json::from_value(value).map_err(Error::SerdeError);
    Ok(match event {
        WatchEvent::Added(value) => WatchEvent::Added(object(value)?),
        WatchEvent::Modified(value) => WatchEvent::Modified(object(value)?),
        WatchEvent::Deleted(value) => WatchEvent::Deleted(object(value)?),
        WatchEvent::Bookmark(bookmark) => WatchEvent::Bookmark(bookmark),
        WatchEvent::Error(status) => WatchEvent::Error(status),
    })
}
