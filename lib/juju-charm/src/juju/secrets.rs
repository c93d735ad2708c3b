//! Secrets, by label.

use super::{Juju, read_each_once};
use crate::error::{Error, ErrorKind};
use crate::hook_tools::{self, SecretHandle};
use crate::names::{RelationId, SecretId};
use crate::secret::{SecretContent, SecretInfo, SecretMetadata, SecretOwner, SecretRevision};

impl Juju {
    /// The newest content of the secret with this label, or `None` if there is none. For secrets that this application or
    /// unit owns, and for others that this unit has given the label to.
    ///
    /// It only looks: what the unit tracks stays.
    ///
    /// # Errors
    /// [`NotAllowed`](ErrorKind::NotAllowed).
    pub fn secret_content(&self, label: &str) -> Result<Option<SecretContent>, Error> {
        read_each_once(&self.reads.secrets, label.to_owned(), || {
            let content =
                hook_tools::secret_get(self.runner(), SecretHandle::Label(label), SecretRevision::Peek);
            none_if_no_such_secret(content)
        })
    }

    /// The content of a secret that somebody gave this unit the id of, in a databag or an option. `None` if there is none.
    /// Juju then sends `secret-changed` for newer revisions, unless it was [`SecretRevision::Peek`].
    ///
    /// # Errors
    /// [`NotAllowed`](ErrorKind::NotAllowed): not granted. The grant comes with the end of the owner's hook: wait for it.
    pub fn secret_content_by_id(
        &self,
        id: &SecretId,
        revision: SecretRevision,
    ) -> Result<Option<SecretContent>, Error> {
        none_if_no_such_secret(hook_tools::secret_get(
            self.runner(),
            SecretHandle::Id(id),
            revision,
        ))
    }

    /// Adds a secret that the application owns.
    ///
    /// # Errors
    /// [`NotAllowed`](ErrorKind::NotAllowed): only the leader may. Juju refuses a label that is in use.
    pub fn secret_add(
        &self,
        content: &SecretContent,
        label: &str,
        description: &str,
    ) -> Result<SecretId, Error> {
        let metadata = SecretMetadata {
            label: Some(label.to_owned()),
            description: Some(description.to_owned()).filter(|description| !description.is_empty()),
            ..SecretMetadata::default()
        };
        let id = hook_tools::secret_add(self.runner(), content, SecretOwner::Application, &metadata)?;
        self.reads
            .secrets
            .borrow_mut()
            .insert(label.to_owned(), Some(content.clone()));
        Ok(id)
    }

    /// Gives the own secret with this label a new content: all of it, keys that are not named go. True if it differed.
    ///
    /// # Errors
    /// [`NoSuchSecret`](ErrorKind::NoSuchSecret), which Juju itself would only say by failing the hook at its end.
    /// [`NotAllowed`](ErrorKind::NotAllowed): only the leader may, for a secret of the application.
    pub fn secret_set(&self, label: &str, content: &SecretContent) -> Result<bool, Error> {
        if self.secret_content(label)?.as_ref() == Some(content) {
            return Ok(false);
        }
        let info = hook_tools::secret_info_get(self.runner(), SecretHandle::Label(label))?;
        hook_tools::secret_set(self.runner(), &info.id, Some(content), &SecretMetadata::default())?;
        self.reads
            .secrets
            .borrow_mut()
            .insert(label.to_owned(), Some(content.clone()));
        Ok(true)
    }

    /// What Juju knows about the own secret with this label, its id among it; `None` if there is none.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn secret_info(&self, label: &str) -> Result<Option<SecretInfo>, Error> {
        none_if_no_such_secret(hook_tools::secret_info_get(
            self.runner(),
            SecretHandle::Label(label),
        ))
    }

    /// Every secret that this application and this unit own.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn secret_ids(&self) -> Result<Vec<SecretId>, Error> {
        hook_tools::secret_ids(self.runner())
    }

    /// Lets the remote application of a relation read an own secret. Granting again changes nothing.
    ///
    /// # Errors
    /// [`NoSuchSecret`](ErrorKind::NoSuchSecret), [`NoSuchRelation`](ErrorKind::NoSuchRelation), [`NotAllowed`](ErrorKind::NotAllowed).
    pub fn secret_grant(&self, id: &SecretId, relation: &RelationId) -> Result<(), Error> {
        hook_tools::secret_grant(self.runner(), id, relation, None)
    }

    /// Takes back a grant.
    ///
    /// # Errors
    /// [`NoSuchRelation`](ErrorKind::NoSuchRelation), [`NotAllowed`](ErrorKind::NotAllowed).
    pub fn secret_revoke(&self, id: &SecretId, relation: &RelationId) -> Result<(), Error> {
        hook_tools::secret_revoke(self.runner(), id, relation, None)
    }

    /// Removes the own secret with this label, every revision of it. True if there was one.
    ///
    /// # Errors
    /// [`NotAllowed`](ErrorKind::NotAllowed).
    pub fn secret_remove(&self, label: &str) -> Result<bool, Error> {
        let Some(info) = self.secret_info(label)? else {
            return Ok(false);
        };
        hook_tools::secret_remove(self.runner(), &info.id, None)?;
        self.reads.secrets.borrow_mut().insert(label.to_owned(), None);
        Ok(true)
    }
}

fn none_if_no_such_secret<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NoSuchSecret => Ok(None),
        Err(error) => Err(error),
    }
}
