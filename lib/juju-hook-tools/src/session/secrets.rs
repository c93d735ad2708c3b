//! Operations on secrets that wait for the commit, and how they are applied.

use std::collections::BTreeMap;

use crate::model::{Model, Secret, SecretGrant, SecretOwner, SecretRevision, application_name};

use super::{CommitError, HookSession};

/// One operation of a hook on a secret.
#[derive(Debug, Clone)]
pub(crate) enum SecretOperation {
    /// `secret-add`.
    Create(Box<Secret>),
    /// `secret-set`.
    Update { id: String, update: SecretUpdate },
    /// `secret-remove`, of one revision or of all.
    Remove { id: String, revision: Option<u32> },
    /// `secret-grant`.
    Grant { id: String, grant: SecretGrant },
    /// `secret-revoke`, from an application or unit.
    Revoke { id: String, target: String },
    /// `secret-get` that pins a revision or sets the reader's label.
    Track {
        id: String,
        revision: u32,
        label: Option<String>,
    },
}

impl SecretOperation {
    fn id(&self) -> &str {
        match self {
            SecretOperation::Create(secret) => &secret.id,
            SecretOperation::Update { id, .. }
            | SecretOperation::Remove { id, .. }
            | SecretOperation::Grant { id, .. }
            | SecretOperation::Revoke { id, .. }
            | SecretOperation::Track { id, .. } => id,
        }
    }
}

/// What `secret-set` changes; `None` leaves a thing as it is.
#[derive(Clone, Default)]
pub(crate) struct SecretUpdate {
    pub(crate) label: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) rotate_policy: Option<String>,
    pub(crate) expires: Option<i64>,
    pub(crate) content: Option<BTreeMap<String, String>>,
}

impl std::fmt::Debug for SecretUpdate {
    /// Leaves the content out: it is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SecretUpdate")
            .field("label", &self.label)
            .field("description", &self.description)
            .field("rotate_policy", &self.rotate_policy)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl SecretUpdate {
    /// Puts a later update over this one: Juju makes one revision of all that a hook sets.
    fn merge(&mut self, later: SecretUpdate) {
        self.label = later.label.or(self.label.take());
        self.description = later.description.or(self.description.take());
        self.rotate_policy = later.rotate_policy.or(self.rotate_policy.take());
        self.expires = later.expires.or(self.expires);
        self.content = later.content.or(self.content.take());
    }

    fn apply(&self, secret: &mut Secret, now: i64) {
        if let Some(label) = &self.label {
            secret.label.clone_from(label);
        }
        if let Some(description) = &self.description {
            secret.description.clone_from(description);
        }
        if let Some(policy) = &self.rotate_policy {
            secret.set_rotate_policy(policy, now);
        }
        if let Some(expires) = self.expires {
            secret.expires = Some(expires);
        }
        if let Some(content) = &self.content {
            secret.add_revision(content.clone());
        }
    }
}

impl Secret {
    /// Adds a revision, unless the latest has the same content: Juju (3.6 and later) then keeps that one.
    pub(crate) fn add_revision(&mut self, content: BTreeMap<String, String>) {
        let latest = self.latest();
        if self
            .revisions
            .get(&latest)
            .is_some_and(|revision| revision.content == content)
        {
            return;
        }
        let revision = SecretRevision {
            content,
            obsolete: false,
        };
        self.revisions.insert(latest.saturating_add(1), revision);
    }

    /// Sets the rotate policy and when it is due next.
    pub(crate) fn set_rotate_policy(&mut self, policy: &str, now: i64) {
        const DAY: i64 = 24 * 60 * 60;
        policy.clone_into(&mut self.rotate_policy);
        let period = match policy {
            "hourly" => Some(DAY / 24),
            "daily" => Some(DAY),
            "weekly" => Some(7 * DAY),
            "monthly" => Some(30 * DAY),
            "quarterly" => Some(91 * DAY),
            "yearly" => Some(365 * DAY),
            _ => None,
        };
        self.rotates = period.map(|seconds| now.saturating_add(seconds));
    }

    /// Whether the unit manages the secret: it owns it, or leads the application that does.
    pub fn is_managed_by(&self, model: &Model, unit: &str) -> bool {
        match &self.owner {
            SecretOwner::Unit(owner) => owner == unit,
            SecretOwner::Application(owner) => owner == application_name(unit) && model.is_leader(unit),
            SecretOwner::Model => false,
        }
    }

    /// Whether the unit or its application owns the secret.
    pub fn is_owned_by(&self, unit: &str) -> bool {
        match &self.owner {
            SecretOwner::Unit(owner) => owner == unit,
            SecretOwner::Application(owner) => owner == application_name(unit),
            SecretOwner::Model => false,
        }
    }
}

impl HookSession {
    /// A secret as this hook sees it, with its own operations; `None` if there is none or the hook has removed it.
    pub(crate) fn secret(&self, model: &Model, id: &str) -> Option<Secret> {
        let mut secrets: BTreeMap<String, Secret> = model
            .secrets
            .get(id)
            .map(|secret| (id.to_owned(), secret.clone()))
            .into_iter()
            .collect();
        for operation in self
            .pending
            .secrets
            .iter()
            .filter(|operation| operation.id() == id)
        {
            // What cannot be done is told at the commit.
            let _ = apply(operation, &mut secrets, &self.context.unit, model);
        }
        secrets.remove(id)
    }

    /// The ids of all secrets that exist for this hook.
    pub(crate) fn secret_ids(&self, model: &Model) -> Vec<String> {
        let created = self
            .pending
            .secrets
            .iter()
            .filter_map(|operation| match operation {
                SecretOperation::Create(secret) => Some(&secret.id),
                _ => None,
            });
        let mut ids: Vec<String> = model.secrets.keys().chain(created).cloned().collect();
        ids.retain(|id| self.secret(model, id).is_some());
        ids
    }

    /// Notes an operation for the commit.
    pub(crate) fn note_secret(&mut self, operation: SecretOperation, now: i64) {
        if let SecretOperation::Update { id, update } = operation {
            let earlier = self.pending.secrets.iter_mut().rev().find(|earlier| {
                let holds_content = matches!(
                    earlier,
                    SecretOperation::Create(_) | SecretOperation::Update { .. }
                );
                holds_content && earlier.id() == id
            });
            match earlier {
                Some(SecretOperation::Update { update: earlier, .. }) => earlier.merge(update),
                Some(SecretOperation::Create(secret)) => {
                    // Not stored yet: the new content takes the place of the first revision.
                    if update.content.is_some() {
                        secret.revisions.clear();
                    }
                    update.apply(secret, now);
                }
                _ => self.pending.secrets.push(SecretOperation::Update { id, update }),
            }
        } else {
            self.pending.secrets.push(operation);
        }
    }
}

/// Applies one operation to the stored secrets. `model` tells about leaders and time; its own secrets are not looked at.
pub(super) fn apply(
    operation: &SecretOperation,
    secrets: &mut BTreeMap<String, Secret>,
    unit: &str,
    model: &Model,
) -> Result<(), CommitError> {
    let managed = |secret: Option<&mut Secret>| match secret {
        None => Err(CommitError::NoSecret {
            id: operation.id().to_owned(),
        }),
        Some(secret) if secret.is_managed_by(model, unit) => Ok(()),
        Some(_) => Err(CommitError::ForeignSecret {
            id: operation.id().to_owned(),
        }),
    };
    match operation {
        SecretOperation::Create(secret) => {
            secrets.insert(secret.id.clone(), secret.as_ref().clone());
        }
        SecretOperation::Update { id, update } => {
            managed(secrets.get_mut(id))?;
            if let Some(secret) = secrets.get_mut(id) {
                update.apply(secret, model.now);
            }
        }
        SecretOperation::Remove { id, revision } => {
            // Removing what is gone is no error.
            if !secrets.contains_key(id) {
                return Ok(());
            }
            managed(secrets.get_mut(id))?;
            let emptied = match (revision, secrets.get_mut(id)) {
                (Some(number), Some(secret)) => {
                    secret.revisions.remove(number);
                    secret.revisions.is_empty()
                }
                _ => true,
            };
            if emptied {
                secrets.remove(id);
            }
        }
        SecretOperation::Grant { id, grant } => {
            managed(secrets.get_mut(id))?;
            if let Some(secret) = secrets.get_mut(id) {
                secret.grants.retain(|earlier| earlier.target != grant.target);
                secret.grants.push(grant.clone());
            }
        }
        SecretOperation::Revoke { id, target } => {
            managed(secrets.get_mut(id))?;
            if let Some(secret) = secrets.get_mut(id) {
                secret.grants.retain(|grant| &grant.target != target);
            }
        }
        SecretOperation::Track { id, revision, label } => {
            if let Some(secret) = secrets.get_mut(id) {
                let consumer = secret.consumers.entry(unit.to_owned()).or_default();
                consumer.revision = *revision;
                if let Some(label) = label {
                    consumer.label.clone_from(label);
                }
            }
        }
    }
    Ok(())
}
