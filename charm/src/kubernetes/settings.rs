//! Where the API server is, whom to trust there and who asks: as Kubernetes tells a pod, or by a kubeconfig.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use serde_json::Value;

/// How to reach the API server.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Uri,
    /// Certificates of the cluster's authority. None other is trusted.
    pub(super) authority: Vec<CertificateDer<'static>>,
    pub(super) account: Account,
}

/// Who asks.
pub(super) enum Account {
    /// Whoever the server takes for somebody who does not say.
    Nobody,
    /// The holder of this token.
    Token(String),
    /// The holder of the token in this file, which changes from time to time.
    TokenFile(PathBuf),
    /// The holder of the key that belongs to this certificate.
    Key(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Token(_) => "Token",
            Self::TokenFile(_) => "TokenFile",
            Self::Key(..) => "Key",
        })
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// This is no pod, or one without an account.
    #[error(transparent)]
    Pod(#[from] kube::config::InClusterError),
    /// The file is not there.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file is no kubeconfig, or one that does not say all that is needed, or what is not known here.
    #[error("cannot use {}: {why}", .file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// What of it.
        why: String,
    },
}

impl Settings {
    /// Those of the cluster that this process runs in.
    ///
    /// # Errors
    /// When it does not run in one.
    pub(super) fn of_pod() -> Result<Self, SettingsError> {
        let config = kube::Config::incluster_env()?;
        let authority = config.root_cert.unwrap_or_default();
        let token = config.auth_info.token_file;
        Ok(Self {
            server: config.cluster_url,
            authority: authority.into_iter().map(CertificateDer::from).collect(),
            account: token.map_or(Account::Nobody, |file| Account::TokenFile(file.into())),
        })
    }

    /// Those of the current context of a kubeconfig: its cluster's server and authority, its user's token or key. Programs that
    /// make tokens are not started: they would be most of the code here, for a charm that is tried outside of a pod.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub(super) fn of_file(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| SettingsError::Read(path.to_owned(), error))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        // Why it is not YAML is told with lines of it, which may hold a token.
        let config: Result<Value, String> =
            serde_yaml::from_str(&text).map_err(|_| "it is not YAML".to_owned());
        let settings = config.and_then(|config| of_value(&config, folder));
        settings.map_err(|why| SettingsError::Unfit {
            file: path.to_owned(),
            why,
        })
    }
}

/// What a kubeconfig may hold and the charm cannot do.
const UNKNOWN: [&str; 7] = [
    "insecure-skip-tls-verify",
    "tls-server-name",
    "proxy-url",
    "exec",
    "auth-provider",
    "username",
    "as",
];

fn of_value(config: &Value, folder: &Path) -> Result<Settings, String> {
    let current = text(config, "current-context").ok_or("it has no current-context")?;
    let context = entry(config, "contexts", "context", current)?;
    let part = |list: &str, key: &str| {
        let name = text(context, key).ok_or_else(|| format!("its context {current} has no {key}"))?;
        entry(config, list, key, name)
    };
    let (cluster, user) = (part("clusters", "cluster")?, part("users", "user")?);
    for key in UNKNOWN {
        if [cluster, user]
            .iter()
            .any(|is| is.get(key).is_some_and(|value| !is_unset(value)))
        {
            return Err(format!(
                "it has {key}, which the charm cannot do: use a token or a client certificate"
            ));
        }
    }
    let server = text(cluster, "server").ok_or("its cluster has no server")?;
    let authority = match pem_of(cluster, "certificate-authority", folder)? {
        Some(pem) => certificates(&pem)?,
        None => Vec::new(),
    };
    // The file goes first, as in Kubernetes' own client: it is the one that is kept new.
    let account = if let Some(file) = text(user, "tokenFile") {
        Account::TokenFile(folder.join(file))
    } else if let Some(token) = text(user, "token") {
        Account::Token(token.to_owned())
    } else {
        match (
            pem_of(user, "client-certificate", folder)?,
            pem_of(user, "client-key", folder)?,
        ) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(&key)
                    .map_err(|error| format!("its client-key cannot be read: {error}"))?;
                Account::Key(certificates(&certificate)?, key)
            }
            _ => Account::Nobody,
        }
    };
    Ok(Settings {
        server: server
            .parse()
            .map_err(|error| format!("its server {server} is no URL: {error}"))?,
        authority,
        account,
    })
}

/// As tools write a field that says nothing.
fn is_unset(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_str().is_some_and(str::is_empty)
}

/// The text of a field that has one.
fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// What `key` of the entry of this name in a list is.
fn entry<'a>(config: &'a Value, list: &str, key: &str, name: &str) -> Result<&'a Value, String> {
    let mut entries = config.get(list).and_then(Value::as_array).into_iter().flatten();
    let found = entries.find(|entry| text(entry, "name") == Some(name));
    found
        .and_then(|entry| entry.get(key))
        .ok_or_else(|| format!("its {list} have no {name}"))
}

/// What `key` names: in base64 beside it, or in a file. The first counts before the second, as for `kubectl`.
fn pem_of(of: &Value, key: &str, folder: &Path) -> Result<Option<Vec<u8>>, String> {
    let data = format!("{key}-data");
    if let Some(encoded) = text(of, &data) {
        let decoded = STANDARD.decode(encoded);
        return decoded
            .map(Some)
            .map_err(|error| format!("its {data} is no base64: {error}"));
    }
    let Some(file) = text(of, key) else {
        return Ok(None);
    };
    let file = folder.join(file);
    let read = std::fs::read(&file);
    read.map(Some)
        .map_err(|error| format!("its {key} {} cannot be read: {error}", file.display()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|error| format!("its certificates cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(cluster: Value, user: Value) -> Value {
        json!({
            "current-context": "here",
            "contexts": [
                {"name": "there", "context": {"cluster": "other", "user": "other"}},
                {"name": "here", "context": {"cluster": "c", "user": "u"}},
            ],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        })
    }

    fn used(cluster: Value, user: Value) -> Result<Settings, String> {
        of_value(&config(cluster, user), Path::new("/folder"))
    }

    #[test]
    fn server_and_token_of_the_current_context_are_used() {
        let settings = used(
            json!({"server": "http://10.0.0.1:80"}),
            json!({"token": "secret"}),
        )
        .unwrap();
        assert_eq!(settings.server, "http://10.0.0.1:80");
        assert!(matches!(&settings.account, Account::Token(token) if token == "secret"));
        assert!(settings.authority.is_empty());
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_file_that_is_not_yaml_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, "users: [{token: secret\n").unwrap();
        let error = config_volume::causes(&Settings::of_file(&file).unwrap_err());
        assert_eq!(error, format!("cannot use {}: it is not YAML", file.display()));
    }

    #[test]
    fn a_token_in_a_file_is_looked_for_beside_the_kubeconfig() {
        let settings = used(json!({"server": "http://h"}), json!({"tokenFile": "token"})).unwrap();
        assert!(matches!(&settings.account, Account::TokenFile(file) if file == Path::new("/folder/token")));
    }

    #[test]
    fn what_the_charm_cannot_do_is_refused_by_its_name() {
        for key in ["exec", "auth-provider", "username"] {
            let error = used(json!({"server": "http://h"}), json!({key: {}})).unwrap_err();
            assert!(error.starts_with(&format!("it has {key}, ")), "{error}");
        }
        let error = used(
            json!({"server": "https://h", "insecure-skip-tls-verify": true}),
            json!({}),
        );
        assert!(error.unwrap_err().contains("insecure-skip-tls-verify"));
        let fine = json!({"server": "https://h", "insecure-skip-tls-verify": false});
        assert!(used(fine, json!({})).is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |cluster: Value, user: Value| used(cluster, user).unwrap_err();
        assert_eq!(error(json!({}), json!({})), "its cluster has no server");
        let server = json!({"server": "https://h", "certificate-authority": "ca.crt"});
        assert!(
            error(server, json!({})).starts_with("its certificate-authority /folder/ca.crt cannot be read: ")
        );
        let server = json!({"server": "https://h", "certificate-authority-data": "?"});
        assert!(error(server, json!({})).starts_with("its certificate-authority-data is no base64: "));
        let error = of_value(&json!({"current-context": "x"}), Path::new("/")).unwrap_err();
        assert_eq!(error, "its contexts have no x");
        assert_eq!(
            of_value(&json!({}), Path::new("/")).unwrap_err(),
            "it has no current-context"
        );
    }
}
