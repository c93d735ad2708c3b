//! What a backup holds, when it is made and how long it is kept: the `spec` of a request.

use std::collections::BTreeMap;

use crate::cron::Schedule;
use crate::error::{Error, Reason, pointer_key};
use crate::names::{NameError, check_dns_label, check_label_key, check_label_value, check_resource};
use crate::retention::Retention;

/// The spec of a backup, checked when it is made: whatever it holds, Velero takes.
///
/// It names at least one namespace. An unset list of resources means all resources of those namespaces, an unset label
/// selector means all objects, an unset schedule means backups on demand only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackupSpec {
    pub(crate) include_namespaces: Vec<String>,
    pub(crate) include_resources: Option<Vec<String>>,
    pub(crate) exclude_namespaces: Option<Vec<String>>,
    pub(crate) exclude_resources: Option<Vec<String>>,
    pub(crate) label_selector: Option<BTreeMap<String, String>>,
    pub(crate) retention: Option<Retention>,
    pub(crate) include_cluster_resources: Option<bool>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) paused: Option<bool>,
    pub(crate) skip_immediately: Option<bool>,
    pub(crate) use_owner_references_in_backup: Option<bool>,
}

impl BackupSpec {
    /// A spec for everything in these namespaces.
    ///
    /// # Errors
    /// When there is no namespace, or one is not a DNS label. `*` is refused: it stands for the whole cluster.
    pub fn new<I>(include_namespaces: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let include_namespaces: Vec<String> = include_namespaces.into_iter().map(Into::into).collect();
        if include_namespaces.is_empty() {
            return Err(Error::at("/spec/include_namespaces", None, Reason::NoNamespace));
        }
        check_each("include_namespaces", &include_namespaces, check_namespace)?;
        Ok(Self {
            include_namespaces,
            include_resources: None,
            exclude_namespaces: None,
            exclude_resources: None,
            label_selector: None,
            retention: None,
            include_cluster_resources: None,
            schedule: None,
            paused: None,
            skip_immediately: None,
            use_owner_references_in_backup: None,
        })
    }

    /// Only these resources, for example `pods` or `deployments.apps`. An empty list means all, to Velero.
    ///
    /// # Errors
    /// When a name cannot be that of a resource, `*` is not alone, or a resource is also excluded.
    pub fn with_resources<I>(mut self, include_resources: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let resources: Vec<String> = include_resources.into_iter().map(Into::into).collect();
        check_each("include_resources", &resources, |name| {
            check_resource(name).map_err(Reason::Name)
        })?;
        if resources.len() > 1 && resources.iter().any(|name| name == "*") {
            return Err(Error::at(
                "/spec/include_resources",
                Some("*"),
                Reason::WildcardNotAlone,
            ));
        }
        self.include_resources = Some(resources);
        self.check_overlap()
    }

    /// Not these namespaces. Of use only beside a list of included ones that says more, so it is mostly left unset.
    ///
    /// # Errors
    /// When a name is not a DNS label, or also included.
    pub fn without_namespaces<I>(mut self, exclude_namespaces: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let namespaces: Vec<String> = exclude_namespaces.into_iter().map(Into::into).collect();
        check_each("exclude_namespaces", &namespaces, check_excluded_namespace)?;
        self.exclude_namespaces = Some(namespaces);
        self.check_overlap()
    }

    /// Not these resources.
    ///
    /// # Errors
    /// When a name cannot be that of a resource, is `*`, or is also included.
    pub fn without_resources<I>(mut self, exclude_resources: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let resources: Vec<String> = exclude_resources.into_iter().map(Into::into).collect();
        check_each("exclude_resources", &resources, |name| match name {
            "*" => Err(Reason::EverythingExcluded),
            name => check_resource(name).map_err(Reason::Name),
        })?;
        self.exclude_resources = Some(resources);
        self.check_overlap()
    }

    /// Only objects that have all of these labels, beside those that were asked for before: each call narrows the backup, none widens it.
    /// So the labels of [`BackupSpec::config_volume`] stay. Without any the backup holds every object of its resources.
    ///
    /// # Errors
    /// When Kubernetes would refuse a key or a value, and when a key is asked for with two values, which no object can have.
    pub fn with_labels<I, Key, Value>(mut self, labels: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (Key, Value)>,
        Key: Into<String>,
        Value: Into<String>,
    {
        let mut selector = self.label_selector.unwrap_or_default();
        for (key, value) in labels {
            let (key, value) = (key.into(), value.into());
            let pointer = format!("/spec/label_selector/{}", pointer_key(&key));
            let refused =
                |value: &str, error: NameError| Error::at(pointer.as_str(), Some(value), Reason::Name(error));
            check_label_key(&key).map_err(|error| refused(&key, error).for_field("label key"))?;
            check_label_value(&value).map_err(|error| refused(&value, error))?;
            if let Some(earlier) = selector.get(&key).filter(|earlier| **earlier != value) {
                let reason = Reason::TwoLabelValues {
                    earlier: earlier.clone(),
                };
                return Err(Error::at(pointer.as_str(), Some(&value), reason));
            }
            selector.insert(key, value);
        }
        self.label_selector = Some(selector);
        Ok(self)
    }

    /// Keeps each backup this long. Unset, Velero keeps it for its server's default, 30 days.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Makes a backup whenever the schedule says so; `None` for backups on demand only. The text of an option, which may be empty, becomes
    /// such a value by [`Schedule::parse_optional`].
    #[must_use]
    pub fn with_schedule(mut self, schedule: Option<Schedule>) -> Self {
        self.schedule = schedule;
        self
    }

    /// Whether cluster-scoped objects are taken: all (`true`), none (`false`), or those that belong to what is backed up (unset).
    #[must_use]
    pub fn with_cluster_resources(mut self, include: bool) -> Self {
        self.include_cluster_resources = Some(include);
        self
    }

    /// Whether the schedule makes no backups for now.
    #[must_use]
    pub fn with_paused(mut self, paused: bool) -> Self {
        self.paused = Some(paused);
        self
    }

    /// Whether the first due time is skipped.
    ///
    /// Beware: velero-operator sets it again at each of its events, which makes Velero count from that time on, so that
    /// runs are lost. Leave it unset.
    #[must_use]
    pub fn with_skip_immediately(mut self, skip: bool) -> Self {
        self.skip_immediately = Some(skip);
        self
    }

    /// Whether deleting the Schedule deletes the Backup objects that it made.
    #[must_use]
    pub fn with_owner_references(mut self, owned: bool) -> Self {
        self.use_owner_references_in_backup = Some(owned);
        self
    }

    /// Velero refuses a name that is in both lists (`pkg/util/collections/includes_excludes.go`).
    fn check_overlap(self) -> Result<Self, Error> {
        let pairs = [
            (
                "exclude_namespaces",
                Some(&self.include_namespaces),
                self.exclude_namespaces.as_ref(),
            ),
            (
                "exclude_resources",
                self.include_resources.as_ref(),
                self.exclude_resources.as_ref(),
            ),
        ];
        for (field, included, excluded) in pairs {
            let (Some(included), Some(excluded)) = (included, excluded) else {
                continue;
            };
            if let Some((index, name)) = excluded
                .iter()
                .enumerate()
                .find(|(_, name)| included.contains(*name))
            {
                return Err(Error::at(
                    format!("/spec/{field}/{index}"),
                    Some(name),
                    Reason::IncludedAndExcluded,
                ));
            }
        }
        Ok(self)
    }

    /// Namespaces that are backed up; at least one.
    pub fn include_namespaces(&self) -> &[String] {
        &self.include_namespaces
    }

    /// Resources that are backed up; `None` means all, and so does an empty list.
    pub fn include_resources(&self) -> Option<&[String]> {
        self.include_resources.as_deref()
    }

    /// Namespaces that are left out.
    pub fn exclude_namespaces(&self) -> Option<&[String]> {
        self.exclude_namespaces.as_deref()
    }

    /// Resources that are left out.
    pub fn exclude_resources(&self) -> Option<&[String]> {
        self.exclude_resources.as_deref()
    }

    /// Labels that an object must have, all of them.
    pub fn label_selector(&self) -> Option<&BTreeMap<String, String>> {
        self.label_selector.as_ref()
    }

    /// How long a backup is kept.
    pub fn retention(&self) -> Option<&Retention> {
        self.retention.as_ref()
    }

    /// Whether cluster-scoped objects are taken.
    pub fn include_cluster_resources(&self) -> Option<bool> {
        self.include_cluster_resources
    }

    /// When backups are made.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// Whether the schedule makes no backups for now.
    pub fn paused(&self) -> Option<bool> {
        self.paused
    }

    /// Whether the first due time is skipped.
    pub fn skip_immediately(&self) -> Option<bool> {
        self.skip_immediately
    }

    /// Whether deleting the Schedule deletes the Backup objects that it made.
    pub fn use_owner_references_in_backup(&self) -> Option<bool> {
        self.use_owner_references_in_backup
    }
}

fn check_namespace(name: &str) -> Result<(), Reason> {
    if name.contains('*') {
        return Err(Reason::NamespaceWildcard);
    }
    check_dns_label(name).map_err(Reason::Name)
}

fn check_excluded_namespace(name: &str) -> Result<(), Reason> {
    if name == "*" {
        Err(Reason::EverythingExcluded)
    } else {
        check_dns_label(name).map_err(Reason::Name)
    }
}

fn check_each(
    field: &str,
    names: &[String],
    check: impl Fn(&str) -> Result<(), Reason>,
) -> Result<(), Error> {
    for (index, name) in names.iter().enumerate() {
        check(name).map_err(|reason| Error::at(format!("/spec/{field}/{index}"), Some(name), reason))?;
    }
    Ok(())
}
