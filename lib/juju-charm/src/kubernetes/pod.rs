//! The pod of this unit: what is read of it, and what is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use tokio::runtime::{Builder, Handle, Runtime};

use super::connection::{Connection, ConnectionError};
use super::settings::{Settings, SettingsError};
use crate::context::JujuContext;

/// How long one request may take. A hook must end, and the API server is next door.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How much of the API server's words an error shows, in characters.
const SHOWN: usize = 300;

/// Why the pod could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Where the API server is, is not known.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What is known of it cannot be used.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No answer came.
    #[error("cannot {action}: Kubernetes cannot be reached")]
    Unreachable {
        /// What was to be done.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is a refusal.
    #[error("cannot {action}: Kubernetes answers {status}: {message}")]
    Refused {
        /// What was to be done.
        action: &'static str,
        /// HTTP status; 403 for a lack of rights.
        status: u16,
        /// The API server's words, cut to a length that a log line bears.
        message: String,
    },
    /// The answer is no pod.
    #[error("cannot {action}: the answer is no pod")]
    Answer {
        /// What was to be done.
        action: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It was asked within an asynchronous task, where nothing may block.
    #[error("cannot {action} within an asynchronous task: it blocks")]
    Asynchronous {
        /// What was to be done.
        action: &'static str,
    },
}

/// The pod of this unit. Each call is one request, and blocks until it is answered.
#[derive(Debug)]
pub struct OwnPod {
    runtime: Runtime,
    connection: Connection<Full<Bytes>>,
    /// Of the pod, below the API server's URL.
    path: String,
}

/// What a pod says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    annotations: BTreeMap<String, String>,
    volumes: Vec<String>,
    /// Volumes, by container and mount path.
    mounts: BTreeMap<(String, String), String>,
}

impl Pod {
    /// Its annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The names of its volumes.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().map(String::as_str)
    }

    /// The volume that `container` mounts at `path`. Names of volumes are Juju's affair, and differ between its releases; where a
    /// charm's storage is mounted is what its metadata says.
    pub fn volume_at(&self, container: &str, path: &str) -> Option<&str> {
        let place = (container.to_owned(), path.to_owned());
        self.mounts.get(&place).map(String::as_str)
    }
}

impl OwnPod {
    /// The pod of the unit that this dispatch is for, in the cluster of [`Settings::from_env`]. Nothing is asked yet.
    ///
    /// # Errors
    /// When this is no pod and no kubeconfig is named, or what is found there cannot be used.
    pub fn of(context: &JujuContext) -> Result<Self, Error> {
        Self::with_settings(context, Settings::from_env()?)
    }

    /// The same, by other settings.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn with_settings(context: &JujuContext, settings: Settings) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let unit = context.unit();
        Ok(Self {
            runtime: runtime.map_err(|error| Error::Unreachable {
                action: "connect",
                source: error.into(),
            })?,
            connection: Connection::new(settings)?,
            path: format!(
                "/api/v1/namespaces/{}/pods/{}-{}",
                context.model_name(),
                unit.app(),
                unit.number()
            ),
        })
    }

    /// Reads the pod.
    ///
    /// # Errors
    /// When it is not answered, or refused.
    pub fn read(&self) -> Result<Pod, Error> {
        let action = "read the unit's pod";
        let answer = self.ask(action, Request::builder().method(Method::GET), Bytes::new())?;
        let object: PodObject =
            serde_json::from_slice(&answer).map_err(|source| Error::Answer { action, source })?;
        Ok(object.into())
    }

    /// Changes annotations of the pod: a value is set, `None` removes one, others stay. False if there was nothing to change: then
    /// nothing was asked.
    ///
    /// # Errors
    /// When it is not answered, or refused.
    pub fn annotate(&self, changes: &BTreeMap<String, Option<String>>) -> Result<bool, Error> {
        if changes.is_empty() {
            return Ok(false);
        }
        let patch = serde_json::json!({"metadata": {"annotations": changes}});
        let request = Request::builder()
            .method(Method::PATCH)
            .header(CONTENT_TYPE, "application/merge-patch+json");
        self.ask("annotate the unit's pod", request, patch.to_string().into())?;
        Ok(true)
    }

    fn ask(
        &self,
        action: &'static str,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Bytes, Error> {
        // The runtime would panic.
        if Handle::try_current().is_ok() {
            return Err(Error::Asynchronous { action });
        }
        let unreachable = |source| Error::Unreachable { action, source };
        let server = self.connection.server().to_string();
        let url = format!("{}{}", server.trim_end_matches('/'), self.path);
        let request = request.uri(url).body(Full::new(body));
        let mut request = request.map_err(|error| unreachable(error.into()))?;
        self.connection.authorize(request.headers_mut());
        let answered = self.runtime.block_on(async {
            let answer = async {
                let response = self.connection.http().request(request).await?;
                let (head, body) = response.into_parts();
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
                    head.status,
                    body.collect().await?.to_bytes(),
                ))
            };
            // The time limit needs the runtime's clock, so it is begun inside.
            tokio::time::timeout(TIMEOUT, answer).await
        });
        let (status, body) = answered
            .map_err(|late| unreachable(late.into()))?
            .map_err(unreachable)?;
        if status.is_success() {
            return Ok(body);
        }
        Err(Error::Refused {
            action,
            status: status.as_u16(),
            message: message(status, &body),
        })
    }
}

/// What the API server says of a refusal: the message of its `Status` object.
fn message(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let said = serde_json::from_slice::<Status>(body).map(|status| status.message);
    let said = said.unwrap_or_else(|_| status.canonical_reason().unwrap_or("no reason").to_owned());
    said.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

/// A Pod of Kubernetes (`k8s.io/api`, `core/v1/types.go`), with what is read of it.
#[derive(Deserialize)]
struct PodObject {
    metadata: Metadata,
    spec: PodSpec,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct PodSpec {
    #[serde(default)]
    volumes: Vec<Volume>,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMount {
    name: String,
    mount_path: String,
}

impl From<PodObject> for Pod {
    fn from(object: PodObject) -> Self {
        let mounts = object.spec.containers.into_iter().flat_map(|container| {
            let Container { name, volume_mounts } = container;
            let mounts = volume_mounts.into_iter();
            mounts.map(move |mount| ((name.clone(), mount.mount_path), mount.name))
        });
        Self {
            annotations: object.metadata.annotations,
            volumes: object
                .spec
                .volumes
                .into_iter()
                .map(|volume| volume.name)
                .collect(),
            mounts: mounts.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::sync::{Arc, mpsc};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::kubernetes::Account;

    const POD: &str = r#"{"kind":"Pod","metadata":{"name":"wiki-0","annotations":{"a":"1"}},"spec":{
        "containers":[
            {"name":"charm","volumeMounts":[{"name":"wiki-data-1f","mountPath":"/var/lib/juju/storage/data-0"}]},
            {"name":"wiki","volumeMounts":[{"name":"wiki-data-1f","mountPath":"/data"}]},
            {"name":"plain"}],
        "volumes":[{"name":"wiki-data-1f","persistentVolumeClaim":{"claimName":"c"}},{"name":"charm-data","emptyDir":{}}]}}"#;

    fn context() -> JujuContext {
        JujuContext::from_vars([
            ("JUJU_DISPATCH_PATH", "hooks/start"),
            ("JUJU_UNIT_NAME", "wiki/0"),
            ("JUJU_MODEL_NAME", "home"),
            ("JUJU_MODEL_UUID", "c1dffb6d-a8af-4bab-851e-54aafa595a16"),
            ("JUJU_VERSION", "4.0.15"),
        ])
        .unwrap()
    }

    /// Answers one request of a stream, and gives what was asked.
    fn serve(mut stream: impl Read + Write, status: &str, body: &str) -> String {
        let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut piece).unwrap();
            asked.extend(&piece[..read]);
            let text = String::from_utf8_lossy(&asked);
            let Some((head, sent)) = text.split_once("\r\n\r\n") else {
                assert!(read > 0, "{text}");
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if sent.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    }

    /// A pod of a server that gives each request the same answer, and what it is asked.
    fn answered(status: &'static str, body: &'static str) -> (OwnPod, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Settings {
            server: format!("http://{}", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            authority: Vec::new(),
            account: Account::Token("t0ken".to_owned()),
        };
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = sender.send(serve(stream, status, body));
            }
        });
        (OwnPod::with_settings(&context(), settings).unwrap(), asked)
    }

    #[test]
    fn a_pod_is_read_with_its_volumes_and_where_they_are_mounted() {
        let (own, asked) = answered("200 OK", POD);
        let pod = own.read().unwrap();
        assert_eq!(pod.annotations()["a"], "1");
        assert_eq!(pod.volumes().collect::<Vec<_>>(), ["wiki-data-1f", "charm-data"]);
        assert_eq!(pod.volume_at("wiki", "/data"), Some("wiki-data-1f"));
        assert_eq!(
            (pod.volume_at("wiki", "/srv"), pod.volume_at("plain", "/data")),
            (None, None)
        );
        let asked = asked.recv().unwrap();
        assert!(
            asked.starts_with("GET /api/v1/namespaces/home/pods/wiki-0 HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(asked.contains("authorization: Bearer t0ken\r\n"), "{asked}");
    }

    #[test]
    fn annotations_are_a_merge_patch_and_nothing_is_asked_for_none() {
        let (own, asked) = answered("200 OK", POD);
        assert!(!own.annotate(&BTreeMap::new()).unwrap());
        let changes = [("a".to_owned(), None), ("b/c".to_owned(), Some("x\"".to_owned()))];
        assert!(own.annotate(&changes.into()).unwrap());
        let asked = asked.recv().unwrap();
        assert!(
            asked.starts_with("PATCH /api/v1/namespaces/home/pods/wiki-0 HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("content-type: application/merge-patch+json\r\n"),
            "{asked}"
        );
        assert!(
            asked.ends_with(r#"{"metadata":{"annotations":{"a":null,"b/c":"x\""}}}"#),
            "{asked}"
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_server_s_words() {
        let (own, _asked) = answered(
            "403 Forbidden",
            r#"{"kind":"Status","message":"pods \"wiki-0\" is forbidden"}"#,
        );
        let error = own.read().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the unit's pod: Kubernetes answers 403: pods \"wiki-0\" is forbidden"
        );
        let (own, _asked) = answered("502 Bad Gateway", "<html>");
        let error = own.annotate(&[("a".to_owned(), None)].into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot annotate the unit's pod: Kubernetes answers 502: Bad Gateway"
        );
    }

    #[test]
    fn what_is_no_pod_and_what_does_not_answer_are_errors() {
        let (own, _asked) = answered("200 OK", r#"{"kind":"PodList"}"#);
        assert!(matches!(own.read(), Err(Error::Answer { .. })));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Settings {
            server: format!("http://{}", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            authority: Vec::new(),
            account: Account::Nobody,
        };
        drop(listener);
        let own = OwnPod::with_settings(&context(), settings).unwrap();
        assert!(matches!(own.read(), Err(Error::Unreachable { .. })));
    }

    #[test]
    fn within_a_task_it_is_refused() {
        let (own, _asked) = answered("200 OK", POD);
        let runtime = Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async { own.read() });
        assert!(matches!(read, Err(Error::Asynchronous { .. })));
    }

    /// An API server with TLS, and the folder that a pod of its cluster gets. Its certificate is signed by that cluster's authority.
    fn cluster(folder: &Path) -> (Settings, mpsc::Receiver<String>) {
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = server.signed_by(&key, &issuer).unwrap().into();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                // One that does not trust this server hangs up.
                if stream.conn.complete_io(&mut stream.sock).is_ok() {
                    let _ = sender.send(serve(stream, "200 OK", POD));
                }
            }
        });
        std::fs::write(folder.join("ca.crt"), authority_pem).unwrap();
        std::fs::write(folder.join("token"), "of the account\n").unwrap();
        let settings = Settings::of_account("127.0.0.1", &port, folder).unwrap();
        (settings, asked)
    }

    #[test]
    fn in_a_pod_it_asks_by_tls_with_the_account_s_token() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, asked) = cluster(folder.path());
        let own = OwnPod::with_settings(&context(), settings).unwrap();
        assert_eq!(own.read().unwrap().volumes().count(), 2);
        let asked = asked.recv().unwrap();
        assert!(
            asked.contains("authorization: Bearer of the account\r\n"),
            "{asked}"
        );
    }

    #[test]
    fn another_cluster_s_server_is_not_trusted() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut settings, asked) = cluster(folder.path());
        let (other, _) = cluster(other.path());
        settings.authority = other.authority;
        let own = OwnPod::with_settings(&context(), settings).unwrap();
        assert!(matches!(own.read(), Err(Error::Unreachable { .. })));
        assert!(asked.try_recv().is_err(), "it was asked");
    }
}
