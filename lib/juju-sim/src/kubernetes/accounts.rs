//! Service accounts as Juju makes them.

use serde_json::{Value, json};

use super::Objects;

/// What the names of accounts begin with that Juju makes for whoever reads a secret.
const CONSUMER: &str = "juju-secret-consumer-";

impl Objects {
    /// The account that the pods of an application run as.
    pub fn put_account(&mut self, app: &str) {
        let account = self.account(app, app);
        self.accounts.insert(app.to_owned(), account);
    }

    /// An account for a hook that read a secret: Juju's Kubernetes backend makes one with each token that it gives out, and
    /// leaves it behind. Seen on a real Juju 4.0.14: 115 after an afternoon, with the label of the application.
    pub fn put_secret_consumer(&mut self, app: &str) {
        let name = format!("{CONSUMER}{}", self.accounts.len());
        let account = self.account(&name, app);
        self.accounts.insert(name, account);
    }

    fn account(&self, name: &str, app: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"app.kubernetes.io/managed-by": "juju", "app.kubernetes.io/name": app},
            },
            "automountServiceAccountToken": name == app,
        })
    }
}
