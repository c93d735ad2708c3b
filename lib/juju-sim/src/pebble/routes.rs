//! Which function answers which request, and who may ask.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::json;

use super::answer::{Answered, Fault, bad_request, not_found, not_simulated, sync};
use super::daemon::Daemon;
use super::query::Request;
use super::{changes, checks, exec, files, logs, notices, plan, services};

/// What Juju 3.6 and 4.0 ship.
const VERSION: &str = "v1.26.0";

/// Answers a request.
pub(crate) async fn answer(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    let path: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let get = match request.method {
        Method::GET => true,
        Method::POST => false,
        _ => {
            known(&path)?;
            return Err(not_allowed(&request.method));
        }
    };
    allowed(request, get, &path)?;
    match (get, path.as_slice()) {
        (true, ["v1", "system-info"]) => sync(json!({"boot-id": daemon.boot_id, "version": VERSION})),
        (true, ["v1", "health"]) => checks::health(daemon, request),
        (true, ["v1", "plan"]) => plan::get(daemon, request),
        (false, ["v1", "layers"]) => plan::post(daemon, request),
        (true, ["v1", "services"]) => services::list(daemon, request),
        (false, ["v1", "services"]) => services::post(daemon, request),
        (_, ["v1", "services", _]) => Err(bad_request("not implemented")),
        (false, ["v1", "signals"]) => services::signal(daemon, request),
        (true, ["v1", "changes"]) => changes::list(daemon, request),
        (true, ["v1", "changes", id]) => changes::get(daemon, id),
        (false, ["v1", "changes", id]) => changes::post(daemon, id, request),
        (true, ["v1", "changes", id, "wait"]) => changes::wait(daemon, id, request).await,
        (true, ["v1", "checks"]) => checks::list(daemon, request),
        (false, ["v1", "checks"]) => checks::post(daemon, request),
        (false, ["v1", "checks", "refresh"]) => checks::refresh(daemon, request).await,
        (true, ["v1", "notices"]) => notices::list(daemon, request).await,
        (false, ["v1", "notices"]) => notices::post(daemon, request),
        (true, ["v1", "notices", id]) => notices::get(daemon, id),
        (true, ["v1", "files"]) => files::get(daemon, request),
        (false, ["v1", "files"]) => files::post(daemon, request),
        (true, ["v1", "logs"]) => logs::get(daemon, request),
        (false, ["v1", "exec"]) => exec::post(daemon, request),
        (true, ["v1", "tasks", task, "websocket", name]) => exec::connect(daemon, task, name, request),
        (_, ["v1", "identities" | "metrics" | "pairing"]) => {
            Err(not_simulated(format!("{} {}", request.method, request.path)))
        }
        _ => {
            known(&path)?;
            Err(not_allowed(&request.method))
        }
    }
}

/// Whether Pebble has such a path at all.
fn known(path: &[&str]) -> Result<(), Fault> {
    match path {
        [
            "v1",
            "system-info" | "health" | "plan" | "layers" | "services" | "signals" | "changes" | "checks",
        ]
        | [
            "v1",
            "notices" | "files" | "logs" | "exec" | "identities" | "metrics" | "pairing",
        ]
        | ["v1", "services" | "changes" | "notices", _]
        | ["v1", "changes", _, "wait"]
        | ["v1", "checks", "refresh"]
        | ["v1", "tasks", _, "websocket", _] => Ok(()),
        _ => Err(not_found("invalid API endpoint requested")),
    }
}

fn not_allowed(method: &Method) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("method {:?} not allowed", method.as_str()),
    )
}

/// Root and whoever runs Pebble may do everything; others may look, but not into files, and raise notices.
fn allowed(request: &Request, get: bool, path: &[&str]) -> Result<(), Fault> {
    let looks = get && !matches!(path, ["v1", "files"] | ["v1", "tasks", ..]);
    if request.user == 0 || looks || path == ["v1", "notices"] {
        return Ok(());
    }
    Err(Fault::new(StatusCode::UNAUTHORIZED, "access denied").of_kind("login-required"))
}
