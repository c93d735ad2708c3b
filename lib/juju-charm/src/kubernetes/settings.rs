//! Where the API server is, whom to trust there and who asks: as Kubernetes tells a pod, or by a kubeconfig.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use serde_json::Value;

/// Where Kubernetes puts what a pod's account has.
const ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How to reach the API server.
#[derive(Debug)]
pub struct Settings {
    /// Its URL.
    pub server: Uri,
    /// Certificates of the cluster's authority. None other is trusted.
    pub authority: Vec<CertificateDer<'static>>,
    /// Who asks.
    pub account: Account,
}

/// Who asks. `Debug` shows the kind alone.
pub enum Account {
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
#[non_exhaustive]
pub enum SettingsError {
    /// This is no pod, or one that is not told where the API server is.
    #[error("cannot find the API server: {0} is not set, as it is in a pod")]
    NoPod(&'static str),
    /// What a pod is told is no URL.
    #[error("cannot use {0:?} as the API server: it is no URL")]
    NoServer(String),
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
    /// Those that the variable `KUBECONFIG` names, and without it those of the pod. A file in the home folder is never used: a charm
    /// that is tried on somebody's machine must not change that person's cluster.
    ///
    /// # Errors
    /// As [`Settings::of_file`] and [`Settings::of_pod`].
    pub fn from_env() -> Result<Self, SettingsError> {
        match std::env::var_os("KUBECONFIG") {
            Some(path) => Self::of_file(path.as_ref()),
            None => Self::of_pod(),
        }
    }

    /// Those of the cluster that this process runs in, by the variables and files that Kubernetes gives to each container.
    ///
    /// # Errors
    /// When it does not run in one.
    pub fn of_pod() -> Result<Self, SettingsError> {
        let variable = |name| std::env::var(name).map_err(|_| SettingsError::NoPod(name));
        let (host, port) = (
            variable("KUBERNETES_SERVICE_HOST")?,
            variable("KUBERNETES_SERVICE_PORT")?,
        );
        Self::of_account(&host, &port, Path::new(ACCOUNT_FOLDER))
    }

    /// Those of an account whose token and whose cluster's authority are in `folder`.
    pub(super) fn of_account(host: &str, port: &str, folder: &Path) -> Result<Self, SettingsError> {
        let file = folder.join("ca.crt");
        let unfit = |why: String| SettingsError::Unfit {
            file: file.clone(),
            why,
        };
        let pem = std::fs::read(&file).map_err(|error| SettingsError::Read(file.clone(), error))?;
        let authority = certificates(&pem).map_err(unfit)?;
        if authority.is_empty() {
            return Err(unfit("it holds no certificate".to_owned()));
        }
        // An IPv6 address stands in brackets in a URL.
        let server = if host.contains(':') && !host.starts_with('[') {
            format!("https://[{host}]:{port}")
        } else {
            format!("https://{host}:{port}")
        };
        Ok(Self {
            server: server
                .parse()
                .map_err(|_| SettingsError::NoServer(server.clone()))?,
            authority,
            account: Account::TokenFile(folder.join("token")),
        })
    }

    /// Those of the current context of a kubeconfig: its cluster's server and authority, its user's token or key. Programs that
    /// make tokens are not started: they would be most of the code here, for a charm that is tried outside of a pod.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn of_file(path: &Path) -> Result<Self, SettingsError> {
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
        let error = Settings::of_file(&file).unwrap_err();
        assert!(std::error::Error::source(&error).is_none());
        assert_eq!(
            error.to_string(),
            format!("cannot use {}: it is not YAML", file.display())
        );
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

    /// What Kubernetes puts into a pod.
    #[test]
    fn a_pod_s_account_is_read_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let of = |host| Settings::of_account(host, "443", folder.path());
        assert!(matches!(of("10.96.0.1"), Err(SettingsError::Read(..))));
        let authority = folder.path().join("ca.crt");
        std::fs::write(&authority, "no certificate").unwrap();
        assert_eq!(
            of("10.96.0.1").unwrap_err().to_string(),
            format!("cannot use {}: it holds no certificate", authority.display())
        );
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["kubernetes".to_owned()]).unwrap();
        std::fs::write(&authority, parameters.self_signed(&key).unwrap().pem()).unwrap();
        let settings = of("10.96.0.1").unwrap();
        assert_eq!(settings.server, "https://10.96.0.1:443");
        assert_eq!(settings.authority.len(), 1);
        assert!(
            matches!(&settings.account, Account::TokenFile(file) if *file == folder.path().join("token"))
        );
        assert_eq!(of("fd00::1").unwrap().server, "https://[fd00::1]:443");
        assert!(matches!(of("a b"), Err(SettingsError::NoServer(_))));
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
