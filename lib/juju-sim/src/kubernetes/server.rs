//! Answers requests for the objects, over HTTP on the loopback interface.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::person::PersonAsked;
use super::working::{self, AskedOfVelero, Exec};
use super::{ClusterRequest, Objects, SharedObjects, patch, velero};
use crate::error::{Error, Result};
use crate::layout::app_of;

/// What an answer holds.
type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Tokens are this and the unit's name with a dash.
const TOKEN: &str = "unit-";

/// The thread that answers. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    pub fn start(objects: SharedObjects) -> Result<Server> {
        let failed = Error::io("serve a stand-in Kubernetes on", Path::new("127.0.0.1"));
        let started = || -> io::Result<Server> {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (end, ended) = oneshot::channel();
            let serve = move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = accept(listener, objects) => {}
                        _ = ended => {}
                    }
                });
            };
            let thread = std::thread::Builder::new()
                .name("kubernetes".to_owned())
                .spawn(serve)?;
            Ok(Server {
                address,
                end: Some(end),
                thread: Some(thread),
            })
        };
        started().map_err(failed)
    }

    /// A kubeconfig with the token of `unit`.
    pub fn kubeconfig(&self, unit: &str, namespace: &str) -> String {
        let token = format!("{TOKEN}{}", unit.replace('/', "-"));
        self.kubeconfig_of("sim", unit, &token, namespace)
    }

    /// A kubeconfig with this token, in a context of this name.
    pub fn kubeconfig_of(&self, context: &str, user: &str, token: &str, namespace: &str) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": user, "namespace": namespace}}],
        })
        .to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // The thread may have ended by itself.
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, objects: SharedObjects) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let objects = objects.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let objects = objects.clone();
                async move { Ok::<_, Infallible>(answer(&objects, request).await) }
            });
            // A client that hangs up is its own affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(objects: &SharedObjects, mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let token = header("authorization");
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    let dashed = token.strip_prefix(TOKEN);
    let unit = dashed
        .and_then(|name| name.rsplit_once('-'))
        .map(|(app, number)| format!("{app}/{number}"));
    let path = head.uri.path().to_owned();
    let mut objects = objects.lock();
    let query = head.uri.query().unwrap_or_default();
    let is_write = head.method != Method::GET;
    let is_person = objects.people.account(token, "", is_write).is_some();
    let strike = if is_person && is_write {
        objects.people.writes()
    } else {
        None
    };
    if let Some(strike) = strike.as_ref().filter(|strike| !strike.after) {
        strike.strike();
        // Nobody reads it any more.
        return response(StatusCode::OK, String::new());
    }
    if is_person {
        objects.people.look_at_model();
    }
    let content_type = header("content-type");
    let asked = PersonAsked {
        token,
        method: &head.method,
        path: &path,
        query,
        content_type: &content_type,
        body: &body,
    };
    if let Some((account, status, text)) = asked.answer(&mut objects) {
        if is_write {
            objects.people.tell_model();
        }
        if let Some(strike) = strike {
            strike.strike();
        }
        objects.requests.push(ClusterRequest {
            unit: account,
            method: head.method.to_string(),
            path,
            status: status.as_u16(),
        });
        return response(status, text);
    }
    let writer = unit.as_deref().filter(|_| head.method != Method::GET);
    let kill = writer.and_then(|unit| objects.kill.take_if(|kill| kill.is_due(unit)));
    if let Some(kill) = kill.as_ref().filter(|kill| !kill.after) {
        kill.strike();
        // Nobody reads it any more.
        return response(StatusCode::OK, String::new());
    }
    let of_velero = unit
        .as_deref()
        .filter(|unit| objects.has_working_velero_for(unit));
    if let Some(unit) = of_velero {
        // A real API server speaks the newest version that it is asked for; here one is spoken.
        let speaks_it = header("sec-websocket-protocol") == working::PROTOCOL;
        let streamed = match Exec::of(&objects, &path, query).filter(|_| speaks_it) {
            Some(exec) => Some(become_websocket(&header("sec-websocket-key"), || {
                working::run(exec, upgrade);
            })),
            None if working::is_watch_of_pods(&objects, &path, query) => Some(silence()),
            None => None,
        };
        if let Some(response) = streamed {
            objects.requests.push(ClusterRequest {
                unit: unit.to_owned(),
                method: head.method.to_string(),
                path,
                status: response.status().as_u16(),
            });
            return response;
        }
    }
    let (status, mut object) = match &unit {
        None => refusal(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "Unauthorized".to_owned(),
        ),
        Some(unit) => {
            let asked = Asked {
                unit,
                method: &head.method,
                path: &path,
                query,
            };
            asked.answer(&mut objects, &header("content-type"), &body)
        }
    };
    objects.requests.push(ClusterRequest {
        unit: unit.unwrap_or_default(),
        method: head.method.to_string(),
        path,
        status: status.as_u16(),
    });
    if let Some(kill) = kill {
        kill.strike();
    }
    if header("accept").contains("as=PartialObjectMetadata") && status.is_success() {
        object = metadata_only(object);
    }
    response(status, object.to_string())
}

/// Goes on with the websocket protocol. `then` is told to.
fn become_websocket(key: &str, then: impl FnOnce()) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = derive_accept_key(key.as_bytes());
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", accept.as_str()),
        ("sec-websocket-protocol", working::PROTOCOL),
    ] {
        if let Ok(value) = hyper::header::HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    then();
    response
}

/// An answer of which nothing comes until who asked hangs up.
fn silence() -> Response<Body> {
    let nothing = stream::pending::<std::result::Result<Frame<Bytes>, Infallible>>();
    Response::new(StreamBody::new(nothing).boxed_unsync())
}

fn response(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

pub(super) fn unavailable() -> (StatusCode, Value) {
    let text = "the server is currently unable to handle the request".to_owned();
    refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", text)
}

/// One request.
struct Asked<'a> {
    unit: &'a str,
    method: &'a Method,
    path: &'a str,
    query: &'a str,
}

impl Asked<'_> {
    fn answer(&self, objects: &mut Objects, content_type: &str, body: &[u8]) -> (StatusCode, Value) {
        if !objects.options.answers {
            return unavailable();
        }
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        let app = app_of(self.unit);
        let is_trusted = objects.trusted.contains(app);
        let namespace = objects.namespace.clone();
        if objects.has_working_velero_for(self.unit) {
            let asked = AskedOfVelero {
                method: self.method,
                path: self.path,
                query: self.query,
                content_type,
                body,
            };
            if let Some(answer) = asked.answer(objects) {
                return answer;
            }
        }
        match (self.method, parts.as_slice()) {
            (
                &Method::GET | &Method::PATCH,
                [
                    "api",
                    "v1",
                    "namespaces",
                    place,
                    kind @ ("pods" | "persistentvolumeclaims"),
                    name,
                ],
            ) if *place == namespace => {
                let options = &objects.options;
                let may_patch = match *kind {
                    "pods" => is_trusted || options.pods_may_be_patched,
                    _ => is_trusted && options.claims_may_be_patched,
                };
                let may_read = is_trusted || *kind == "pods";
                let may = match *self.method {
                    Method::PATCH => may_patch,
                    _ => may_read,
                };
                if !may {
                    return self.forbidden(app, &namespace, kind);
                }
                let kept = if *kind == "pods" {
                    &mut objects.pods
                } else {
                    &mut objects.claims
                };
                let Some(object) = kept.get_mut(*name) else {
                    return not_found(kind, name);
                };
                if self.method == Method::PATCH {
                    if content_type != "application/merge-patch+json" {
                        let text = format!("the stand-in takes merge patches only, not {content_type:?}");
                        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text);
                    }
                    let Ok(change) = serde_json::from_slice::<Value>(body) else {
                        return refusal(
                            StatusCode::BAD_REQUEST,
                            "BadRequest",
                            "the patch is no JSON".to_owned(),
                        );
                    };
                    if change
                        .as_object()
                        .is_none_or(|keys| keys.keys().any(|key| key != "metadata"))
                    {
                        let text = "the stand-in lets metadata be patched only".to_owned();
                        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text);
                    }
                    patch::merge(object, &change);
                }
                (StatusCode::OK, object.clone())
            }
            // Without trust too.
            (&Method::GET, ["api", "v1", "namespaces", place, "pods"])
                if *place == namespace && !self.query.contains("fieldSelector=") =>
            {
                let pods = objects.pods.values();
                let pods = pods.filter(|pod| velero::matches_labels(pod, self.query));
                (StatusCode::OK, list("v1", "PodList", pods.cloned().collect()))
            }
            (&Method::GET, ["api", "v1", "namespaces", place, kind @ "persistentvolumeclaims"])
                if *place == namespace =>
            {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                let claims = objects.claims.values().filter(|claim| {
                    velero::matches_labels(claim, self.query) && velero::matches_name(claim, self.query)
                });
                let claims = claims.cloned().collect();
                (StatusCode::OK, list("v1", "PersistentVolumeClaimList", claims))
            }
            // Velero's, in all namespaces or in one.
            (&Method::GET, [group, name, version, place @ .., kind])
                if [*group, name, version] == velero::GROUP
                    && (place.is_empty() || matches!(place, ["namespaces", _])) =>
            {
                if !objects.options.velero {
                    return refusal(StatusCode::NOT_FOUND, "NotFound", "404 page not found".to_owned());
                }
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                match objects.velero.list(kind, place.last().copied(), self.query) {
                    Some((singular, found)) => (
                        StatusCode::OK,
                        list("velero.io/v1", &format!("{singular}List"), found),
                    ),
                    None => refusal(
                        StatusCode::NOT_IMPLEMENTED,
                        "NotImplemented",
                        format!("the stand-in Kubernetes does not list {kind}"),
                    ),
                }
            }
            (
                &Method::GET | &Method::PATCH,
                [
                    "apis",
                    "apps",
                    "v1",
                    "namespaces",
                    place,
                    kind @ "statefulsets",
                    name,
                ],
            ) if *place == namespace => {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                if !objects.stateful_sets.contains_key(*name) {
                    return not_found(kind, name);
                }
                if self.method == Method::PATCH {
                    if content_type != "application/strategic-merge-patch+json" {
                        let text =
                            format!("the stand-in takes strategic merge patches only, not {content_type:?}");
                        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text);
                    }
                    let change = serde_json::from_slice::<Value>(body).unwrap_or_default();
                    if let Err(text) = objects.patch_stateful_set(name, &change) {
                        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text);
                    }
                }
                (StatusCode::OK, objects.stateful_sets[*name].clone())
            }
            (
                &Method::GET | &Method::PATCH | &Method::DELETE,
                ["api", "v1", "namespaces", place, kind @ "configmaps", name]
                | [
                    "apis",
                    "networking.k8s.io",
                    "v1",
                    "namespaces",
                    place,
                    kind @ "networkpolicies",
                    name,
                ],
            ) if *place == namespace => {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                self.applied(objects, (kind, name), content_type, body)
            }
            (&Method::GET, ["api", "v1", kind @ "persistentvolumes", name]) => {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                match objects.volumes.get(*name) {
                    Some(volume) => (StatusCode::OK, volume.clone()),
                    None => not_found(kind, name),
                }
            }
            (
                &Method::GET,
                [
                    "apis",
                    "snapshot.storage.k8s.io",
                    "v1",
                    kind @ "volumesnapshotclasses",
                ],
            ) => {
                if objects.options.snapshot_drivers.is_empty() {
                    return refusal(StatusCode::NOT_FOUND, "NotFound", "404 page not found".to_owned());
                }
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                let drivers = &objects.options.snapshot_drivers;
                let classes = drivers.iter().map(|driver| {
                    json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
                           "metadata": {"name": driver}, "driver": driver, "deletionPolicy": "Retain"})
                });
                (
                    StatusCode::OK,
                    list(
                        "snapshot.storage.k8s.io/v1",
                        "VolumeSnapshotClassList",
                        classes.collect(),
                    ),
                )
            }
            (&Method::GET, ["api", "v1", kind @ "pods"]) if self.query.contains("deploy%3Dvelero") => {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                let features = if objects.options.csi_feature {
                    "--features=EnableCSI"
                } else {
                    "--features="
                };
                let server = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "velero-1", "namespace": "velero"},
                    "spec": {"containers": [{"name": "velero", "args": ["server", features]}]}});
                (StatusCode::OK, list("v1", "PodList", vec![server]))
            }
            (&Method::GET, ["api", "v1", kind @ "pods"]) if self.query.contains("name%3Dnode-agent") => {
                if !is_trusted {
                    return self.forbidden(app, &namespace, kind);
                }
                let agent = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node-agent-1", "namespace": "velero"}});
                let agents = objects.options.node_agent.then_some(agent);
                (
                    StatusCode::OK,
                    list("v1", "PodList", agents.into_iter().collect()),
                )
            }
            _ => {
                let text = format!(
                    "the stand-in Kubernetes does not know {} {}",
                    self.method, self.path
                );
                refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text)
            }
        }
    }

    /// Reads, applies or deletes an object that a charm makes itself.
    fn applied(
        &self,
        objects: &mut Objects,
        (kind, name): (&str, &str),
        content_type: &str,
        body: &[u8],
    ) -> (StatusCode, Value) {
        match *self.method {
            Method::GET => match objects.applied(kind, name) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => not_found(kind, name),
            },
            Method::DELETE => match objects.delete_applied(kind, name) {
                true => {
                    let done =
                        json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"});
                    (StatusCode::OK, done)
                }
                false => not_found(kind, name),
            },
            _ if content_type != "application/apply-patch+yaml"
                || !self.query.contains("force=true")
                || !self.query.contains("fieldManager=") =>
            {
                let text = format!("the stand-in takes forced server-side apply only, not {content_type:?}");
                refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text)
            }
            _ => match objects.apply(kind, name, &serde_json::from_slice(body).unwrap_or_default()) {
                Ok(object) => (StatusCode::OK, object),
                Err(text) => refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text),
            },
        }
    }

    fn forbidden(&self, app: &str, namespace: &str, kind: &str) -> (StatusCode, Value) {
        let verb = self.method.as_str().to_lowercase();
        let text = format!(
            "{kind} is forbidden: User \"system:serviceaccount:{namespace}:{app}\" cannot {verb} resource {kind:?}"
        );
        refusal(StatusCode::FORBIDDEN, "Forbidden", text)
    }
}

pub(super) fn not_found(kind: &str, name: &str) -> (StatusCode, Value) {
    refusal(
        StatusCode::NOT_FOUND,
        "NotFound",
        format!("{kind} {name:?} not found"),
    )
}

pub(super) fn refusal(status: StatusCode, reason: &str, message: String) -> (StatusCode, Value) {
    let object = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status.as_u16(),
    });
    (status, object)
}

fn list(api_version: &str, kind: &str, items: Vec<Value>) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {}, "items": items})
}

/// An object, or the objects of a list, as `PartialObjectMetadata`.
fn metadata_only(object: Value) -> Value {
    let partial = |object: &Value| json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]});
    match object.get("items").and_then(Value::as_array) {
        Some(items) => list(
            "meta.k8s.io/v1",
            "PartialObjectMetadataList",
            items.iter().map(partial).collect(),
        ),
        None => partial(&object),
    }
}
