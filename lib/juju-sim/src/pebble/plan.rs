//! Layers, and the plan that they make.

use juju_charm::pebble::merge::{self, OverrideError};
use juju_charm::pebble::{Check, ExecCheck, Layer, Plan, Service, validate};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answered, bad_request, internal, not_simulated, sync};
use super::daemon::Daemon;
use super::query::Request;
use super::{checks, layers};

const DEFAULT_PERIOD: Duration = Duration::from_secs(10);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// The layers from bottom to top, and the plan.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    layers: Vec<(String, Layer)>,
    pub plan: Plan,
}

impl Layers {
    /// Adds a layer on top, or joins it into the one with its label. Nothing changes on an error.
    fn add(&mut self, label: &str, layer: Layer, combine: bool) -> Result<(), String> {
        let mut layers = self.layers.clone();
        match layers.iter_mut().find(|(other, _)| other == label) {
            Some(_) if !combine => return Err(format!("layer {label:?} already exists")),
            Some((_, below)) => {
                *below = join([(label, &*below), (label, &layer)])?;
            }
            None => layers.push((label.to_owned(), layer)),
        }
        let plan = Plan::from(join(layers.iter().map(|(label, layer)| (label.as_str(), layer)))?);
        validate::plan(&plan).map_err(|refusal| refusal.to_string())?;
        self.layers = layers;
        self.plan = plan;
        Ok(())
    }
}

fn join<'a>(layers: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Result<Layer, String> {
    merge::combine(layers).map_err(|error: OverrideError| error.to_string())
}

/// A check as it is run: with its defaults, and with what its service gives an exec check.
pub(crate) fn effective_check(plan: &Plan, check: &Check) -> Check {
    let mut check = check.clone();
    let period = *check.period.get_or_insert(DEFAULT_PERIOD);
    check.timeout = Some(check.timeout.unwrap_or(DEFAULT_TIMEOUT).min(period));
    if let Some(exec) = &mut check.exec
        && let Some(service) = exec
            .service_context
            .as_ref()
            .and_then(|name| plan.services.get(name))
    {
        let context = Context::of(exec).over(service);
        exec.environment = context.environment;
        exec.working_dir = context.working_dir;
        // Users are not switched, so they do not matter here.
    }
    check
}

/// Where a command runs, when it may run like a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub environment: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    pub user_id: Option<u32>,
    pub user: Option<String>,
    pub group_id: Option<u32>,
    pub group: Option<String>,
}

impl Context {
    fn of(exec: &ExecCheck) -> Context {
        Context {
            environment: exec.environment.clone(),
            working_dir: exec.working_dir.clone(),
            user_id: exec.user_id,
            user: exec.user.clone(),
            group_id: exec.group_id,
            group: exec.group.clone(),
        }
    }

    /// This on top of what a service says.
    pub fn over(self, service: &Service) -> Context {
        let mut environment = service.environment.clone();
        environment.extend(self.environment);
        let set = |own: Option<String>, below: &Option<String>| {
            own.filter(|text| !text.is_empty()).or_else(|| below.clone())
        };
        Context {
            environment,
            working_dir: set(self.working_dir, &service.working_dir),
            user_id: self.user_id.or(service.user_id),
            user: set(self.user, &service.user),
            group_id: self.group_id.or(service.group_id),
            group: set(self.group, &service.group),
        }
    }
}

/// `GET /v1/plan`
pub(crate) fn get(daemon: &Daemon, request: &Request) -> Answered {
    let format = request.get("format");
    if format != "yaml" {
        return Err(bad_request(format!("invalid format {format:?}")));
    }
    let plan = daemon.read(|state| state.layers.plan.clone());
    if plan == Plan::default() {
        return sync(json!("{}\n"));
    }
    let text =
        serde_yaml::to_string(&plan).map_err(|error| internal(format!("cannot serialize plan: {error}")))?;
    sync(Value::String(text))
}

/// `POST /v1/layers`
pub(crate) fn post(daemon: &Arc<Daemon>, request: &Request) -> Answered {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload {
        action: String,
        combine: bool,
        inner: bool,
        label: String,
        format: String,
        layer: String,
    }
    let payload: Payload = request.json("request body")?;
    let Payload {
        action,
        combine,
        inner,
        label,
        format,
        layer,
    } = payload;
    if action != "add" {
        return Err(bad_request(format!("invalid action {action:?}")));
    }
    if label.is_empty() {
        return Err(bad_request("label must be set"));
    }
    if format != "yaml" {
        return Err(bad_request(format!("invalid format {format:?}")));
    }
    if inner || label.contains('/') {
        return Err(not_simulated(format!("layer {label:?} in a folder of layers")));
    }
    let layer = layers::parse(&label, &layer)
        .map_err(|reason| bad_request(format!("cannot parse layer YAML: {reason}")))?;
    daemon.update(|state| {
        state.layers.add(&label, layer, combine).map_err(bad_request)?;
        checks::plan_changed(daemon, state);
        Ok(())
    })?;
    sync(json!(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(layers: &mut Layers, label: &str, text: &str, combine: bool) -> Result<(), String> {
        layers.add(label, layers::parse(label, text)?, combine)
    }

    #[test]
    fn a_layer_with_a_known_label_is_joined_in_its_place() {
        let mut layers = Layers::default();
        let low = "services: {a: {override: replace, command: one, environment: {A: 1}}}";
        add(&mut layers, "low", low, false).unwrap();
        add(
            &mut layers,
            "high",
            "services: {a: {override: merge, command: two}}",
            true,
        )
        .unwrap();
        assert_eq!(
            add(&mut layers, "low", low, false).unwrap_err(),
            "layer \"low\" already exists"
        );
        add(
            &mut layers,
            "low",
            "services: {a: {override: merge, command: three, startup: enabled}}",
            true,
        )
        .unwrap();
        let service = &layers.plan.services["a"];
        assert_eq!(service.command.as_deref(), Some("two"));
        assert_eq!(service.environment["A"], "1");
        assert!(service.startup.is_some());
    }

    #[test]
    fn what_makes_no_plan_changes_nothing() {
        let mut layers = Layers::default();
        add(
            &mut layers,
            "a",
            "services: {a: {override: replace, command: one}}",
            false,
        )
        .unwrap();
        let before = layers.plan.clone();
        let cases = [
            (
                "services: {b: {override: replace}}",
                "plan must define \"command\" for service \"b\"",
            ),
            (
                "services: {b: {command: a}}",
                "layer \"b\" must define \"override\" for service \"b\"",
            ),
            (
                "services: {b: {override: x, command: a}}",
                "layer \"b\" has invalid \"override\" value for service \"b\"",
            ),
            (
                "checks: {c: {override: replace}}",
                "plan must specify one of \"http\", \"tcp\", or \"exec\" for check \"c\"",
            ),
            (
                "checks: {c: {override: replace, tcp: {}}}",
                "plan must set \"port\" for tcp check \"c\"",
            ),
            (
                "checks: {c: {override: replace, exec: {command: a, service-context: b}}}",
                "plan check \"c\" service context specifies non-existent service \"b\"",
            ),
            (
                "log-targets: {l: {override: replace, type: loki, services: [x]}}",
                "log target \"l\" specifies unknown service \"x\"",
            ),
            (
                "services: {b: {override: replace, command: a, after: [c]}, c: {override: replace, command: a, after: [b]}}",
                "services in before/after loop: b, c",
            ),
        ];
        for (text, reason) in cases {
            assert_eq!(add(&mut layers, "b", text, true).unwrap_err(), reason, "{text}");
        }
        assert_eq!(layers.plan, before);
    }
}
