//! What all the resources share: the object around spec and status, its metadata, lists and selectors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;

/// The API group of all Velero resources.
pub const API_GROUP: &str = "velero.io";
/// Group and version of all resources of this crate, as written in `apiVersion`.
pub const API_VERSION: &str = "velero.io/v1";

/// Which resource a spec belongs to. Implemented by the spec types.
pub trait Kind {
    /// The value of `kind`, for example `Backup`.
    const KIND: &'static str;
    /// The resource's name in API paths, for example `backups`.
    const PLURAL: &'static str;
}

/// A Kubernetes object of the `velero.io/v1` API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(
        serialize = "Spec: Serialize, Status: Serialize",
        deserialize = "Spec: Kind + Default + Deserialize<'de>, Status: Deserialize<'de>"
    )
)]
pub struct Object<Spec, Status> {
    /// Group and version. Items of a list come without it; it is filled in then.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// The resource's kind. Items of a list come without it; it is filled in then.
    #[serde(default = "default_kind::<Spec>")]
    pub kind: String,
    /// Name, labels and the like.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default, deserialize_with = "null_as_default")]
    pub spec: Spec,
    /// What Velero made of it. Absent until Velero has seen the object.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl<Spec: Kind, Status> Object<Spec, Status> {
    /// An object to be created: kind and version filled in, no status.
    pub fn new(metadata: ObjectMeta, spec: Spec) -> Self {
        Self {
            api_version: default_api_version(),
            kind: default_kind::<Spec>(),
            metadata,
            spec,
            status: None,
        }
    }

    /// The object's name, or the empty text while it only has a [`ObjectMeta::generate_name`].
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
}

fn default_api_version() -> String {
    API_VERSION.to_owned()
}

fn default_kind<Spec: Kind>() -> String {
    Spec::KIND.to_owned()
}

/// A list as the API server returns it. Of its metadata only what paging and watching need is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Item: Deserialize<'de>"))]
pub struct List<Item> {
    /// Paging data.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: ListMeta,
    /// The objects.
    #[serde(default = "Vec::new", deserialize_with = "null_as_default")]
    pub items: Vec<Item>,
}

/// The part of a list's metadata that paging and watching need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMeta {
    /// Passed back to get the next page; absent or empty on the last one.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
    /// Which state of the cluster the list is: a watch goes on from there.
    #[serde(default, rename = "resourceVersion", skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// The part of Kubernetes' `ObjectMeta` that a client of Velero reads or writes (`apimachinery/pkg/apis/meta/v1/types.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Unique in namespace and kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A prefix: the server appends five random characters when `name` is unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<String>,
    /// The namespace. Velero reads only objects of the namespace that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels: values are at most 63 characters.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Annotations: free text.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Set by the server. A Backup that is read back from object storage into a new cluster gets a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Set by the server; sent with an update, it refuses to overwrite a newer version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Set by the server: RFC 3339, seconds, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Set by the server while the object waits for its finalizers: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Whose this object is: when the last of them goes, it goes too.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub owner_references: Vec<OwnerReference>,
}

/// An owner of an object, in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// Whether it is the one that manages the object; at most one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
}

/// Selects objects by their labels; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Label key to the value that it must have.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

impl LabelSelector {
    /// A selector that asks for these labels and nothing else.
    pub fn labels(match_labels: BTreeMap<String, String>) -> Self {
        Self {
            match_labels,
            match_expressions: Vec::new(),
        }
    }

    /// Whether nothing is asked for, so that every object is selected.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// How the label is compared.
    pub operator: SelectorOperator,
    /// What it is compared with; empty for [`SelectorOperator::Exists`] and [`SelectorOperator::DoesNotExist`].
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub values: Vec<String>,
}

/// How a [`LabelSelectorRequirement`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectorOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// Names another object of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedLocalObjectReference {
    /// The API group; unset or empty for the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    /// The kind, for example `ConfigMap`.
    pub kind: String,
    /// The name.
    pub name: String,
}
