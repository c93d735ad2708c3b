//! A user's secrets: `juju add-secret`, `update-secret`, `grant-secret` and `revoke-secret`. And how ids are made.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Model, ModelError, Secret, SecretGrant, SecretOwner};
use crate::session::Change;

impl Model {
    /// `juju add-secret NAME KEY=VALUE...`: returns the bare id.
    pub fn add_user_secret(&mut self, name: &str, content: &BTreeMap<String, String>) -> String {
        let id = self.next_secret_id();
        let mut secret = Secret {
            id: id.clone(),
            owner: SecretOwner::Model,
            label: name.to_owned(),
            description: String::new(),
            rotate_policy: String::new(),
            expires: None,
            rotates: None,
            revisions: BTreeMap::new(),
            consumers: BTreeMap::new(),
            grants: Vec::new(),
        };
        secret.add_revision(encode(content));
        self.secrets.insert(id.clone(), secret);
        id
    }

    /// `juju update-secret`: its readers get secret-changed if the content differs.
    ///
    /// # Errors
    /// When there is no such secret of a user; it is named by its id or its name.
    pub fn update_user_secret(
        &mut self,
        secret: &str,
        content: &BTreeMap<String, String>,
    ) -> Result<Vec<Change>, ModelError> {
        let old = self.secrets.clone();
        self.user_secret_mut(secret)?.add_revision(encode(content));
        let mut changes = Vec::new();
        crate::session::secret_changes(&old, self, None, &mut changes);
        Ok(changes)
    }

    /// `juju grant-secret SECRET APPLICATION`.
    ///
    /// # Errors
    /// When the secret (named by its id or its name) or the application does not exist.
    pub fn grant_user_secret(&mut self, secret: &str, application: &str) -> Result<(), ModelError> {
        self.application(application)?;
        let stored = self.user_secret_mut(secret)?;
        stored.grants.retain(|grant| grant.target != application);
        stored.grants.push(SecretGrant {
            target: application.to_owned(),
            relation: None,
        });
        Ok(())
    }

    /// `juju revoke-secret SECRET APPLICATION`.
    ///
    /// # Errors
    /// When there is no such secret of a user.
    pub fn revoke_user_secret(&mut self, secret: &str, application: &str) -> Result<(), ModelError> {
        self.user_secret_mut(secret)?
            .grants
            .retain(|grant| grant.target != application);
        Ok(())
    }

    fn user_secret_mut(&mut self, secret: &str) -> Result<&mut Secret, ModelError> {
        let wanted = secret.strip_prefix("secret:").unwrap_or(secret);
        self.secrets
            .values_mut()
            .find(|stored| {
                stored.owner == SecretOwner::Model && (stored.id == wanted || stored.label == wanted)
            })
            .ok_or_else(|| ModelError::NoSecret {
                secret: secret.to_owned(),
            })
    }

    /// A new id in the shape of Juju's: 20 characters of `0-9a-v`, twelve bytes of which four are the time and three a
    /// counter (github.com/rs/xid). It depends on the model's time and counter only.
    pub(crate) fn next_secret_id(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let count = self.counters.secret;
        self.counters.secret = count.saturating_add(1);
        let seconds = u32::try_from(self.now).unwrap_or_default();
        // 32 bits of time, 40 bits that stand for machine and process, 24 bits of counter: 96 bits, 4 to spare.
        let bits = (u128::from(seconds) << 64) | (0x4a75_6a75_u128 << 32) | u128::from(count & 0x00ff_ffff);
        let bits = bits << 4;
        (0..20)
            .map(|position| {
                let digit = usize::try_from((bits >> (95 - 5 * position)) & 31).unwrap_or_default();
                char::from(ALPHABET.get(digit).copied().unwrap_or(b'0'))
            })
            .collect()
    }
}

fn encode(content: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    content
        .iter()
        .map(|(key, value)| (key.clone(), STANDARD.encode(value)))
        .collect()
}
