//! What Pebble refuses: layers and plans that are malformed, and services that cannot be put in order.
//!
//! A fake or simulated Pebble uses it to say no where the real one does, in its words. Sources: `Layer.Validate`,
//! `Plan.Validate`, `StartOrder` and `StopOrder` in `internals/plan/plan.go` of canonical/pebble 1.26. Users and groups of
//! checks are not looked at: this module knows none.

use std::collections::{BTreeMap, BTreeSet};

use super::layer::{Check, Layer, LogTarget, LogTargetType, Plan, Service, ServiceAction};

/// Pebble would refuse it; the text is Pebble's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    message: String,
}

type Result = std::result::Result<(), PlanError>;

fn refuse<T>(message: String) -> std::result::Result<T, PlanError> {
    Err(PlanError { message })
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { refuse(message()) }
}

/// Judges one layer by itself.
///
/// # Errors
/// When Pebble would refuse it, whatever the other layers are.
pub fn layer(label: &str, layer: &Layer) -> Result {
    let Layer {
        summary: _,
        description: _,
        services,
        checks,
        log_targets,
    } = layer;
    require(!label.starts_with("pebble-"), || {
        "cannot use reserved label prefix \"pebble-\"".to_owned()
    })?;
    for (name, service) in services {
        one_service(name, service)?;
    }
    for (name, check) in checks {
        one_check(name, check)?;
    }
    for (name, target) in log_targets {
        one_log_target(name, target)?;
    }
    Ok(())
}

fn one_service(name: &str, service: &Service) -> Result {
    require(!name.is_empty(), || {
        "cannot use empty string as service name".to_owned()
    })?;
    require(name != "pebble", || {
        format!("cannot use reserved service name {name:?}")
    })?;
    require(!name.starts_with('-'), || {
        format!("cannot use service name {name:?}: starting with \"-\" not allowed")
    })?;
    require(
        is_balanced(service.command.as_deref().unwrap_or_default()),
        || format!("plan service {name:?} command invalid: EOF found when expecting closing quote"),
    )?;
    let actions = [
        ("on-success", &service.on_success, ServiceAction::FailureShutdown),
        ("on-failure", &service.on_failure, ServiceAction::SuccessShutdown),
    ];
    for (key, action, additional) in actions {
        if let Some(action) = action {
            require(is_action(action, &additional), || {
                format!("plan service {name:?} {key} action {:?} invalid", action.as_str())
            })?;
        }
    }
    for action in service.on_check_failure.values() {
        require(is_action(action, &ServiceAction::SuccessShutdown), || {
            format!(
                "plan service {name:?} on-check-failure action {:?} invalid",
                action.as_str()
            )
        })?;
    }
    let factor = service.backoff_factor.unwrap_or(1.0);
    require(factor >= 1.0, || {
        format!("plan service {name:?} backoff-factor must be 1.0 or greater, not {factor}")
    })
}

/// Three actions are always possible, one more where it makes sense.
fn is_action(action: &ServiceAction, additional: &ServiceAction) -> bool {
    let always = [
        ServiceAction::Restart,
        ServiceAction::Shutdown,
        ServiceAction::Ignore,
    ];
    always.contains(action) || action == additional
}

/// Whether every quote is closed, as a shell reads them.
fn is_balanced(command: &str) -> bool {
    let mut open = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (open, character) {
            (None, '\'' | '"') => open = Some(character),
            (Some(quote), _) if quote == character => open = None,
            (None | Some('"'), '\\') => drop(characters.next()),
            _ => {}
        }
    }
    open.is_none()
}

fn one_check(name: &str, check: &Check) -> Result {
    let Check {
        r#override: _,
        level,
        startup,
        period,
        timeout,
        threshold: _,
        http: _,
        tcp: _,
        exec,
    } = check;
    require(!name.is_empty(), || {
        "cannot use empty string as check name".to_owned()
    })?;
    let level = level.as_ref().map_or("", |level| level.as_str());
    require(["", "alive", "ready"].contains(&level), || {
        format!("plan check {name:?} level must be \"alive\" or \"ready\"")
    })?;
    let startup = startup.as_ref().map_or("", |startup| startup.as_str());
    require(["", "enabled", "disabled"].contains(&startup), || {
        format!("plan check {name:?} startup must be \"enabled\" or \"disabled\"")
    })?;
    require(!period.is_some_and(|period| period.is_zero()), || {
        format!("plan check {name:?} period must not be zero")
    })?;
    require(!timeout.is_some_and(|timeout| timeout.is_zero()), || {
        format!("plan check {name:?} timeout must not be zero")
    })?;
    let command = exec.as_ref().and_then(|exec| exec.command.as_deref());
    require(is_balanced(command.unwrap_or_default()), || {
        format!("plan check {name:?} command invalid: EOF found when expecting closing quote")
    })
}

fn one_log_target(name: &str, target: &LogTarget) -> Result {
    for label in target.labels.keys() {
        require(!label.starts_with("pebble_"), || {
            format!("log target {name:?}: label {label:?} uses reserved prefix \"pebble_\"")
        })?;
    }
    match &target.target_type {
        // What is not set may come from another layer.
        None | Some(LogTargetType::Loki | LogTargetType::OpenTelemetry) => Ok(()),
        Some(other) => refuse(format!(
            "log target {name:?} has unsupported type {:?}, must be \"loki\" or \"opentelemetry\"",
            other.as_str()
        )),
    }
}

/// Judges what all layers joined have come to.
///
/// # Errors
/// When Pebble would refuse the layer that made it so.
pub fn plan(plan: &Plan) -> Result {
    let Plan {
        services,
        checks,
        log_targets,
    } = plan;
    for (name, service) in services {
        require(is_set(&service.command), || {
            format!("plan must define \"command\" for service {name:?}")
        })?;
    }
    for (name, check) in checks {
        planned_check(name, check, services)?;
    }
    for (name, target) in log_targets {
        require(target.target_type.is_some(), || {
            format!("plan must define \"type\" (\"loki\" or \"opentelemetry\") for log target {name:?}")
        })?;
        for service in &target.services {
            let service = service.strip_prefix('-').unwrap_or(service);
            require(service == "all" || services.contains_key(service), || {
                format!("log target {name:?} specifies unknown service {service:?}")
            })?;
        }
        require(is_set(&target.location), || {
            format!("plan must define \"location\" for log target {name:?}")
        })?;
    }
    let all: Vec<&str> = services.keys().map(String::as_str).collect();
    start_order(services, &all).map(drop)
}

fn planned_check(name: &str, check: &Check, services: &BTreeMap<String, Service>) -> Result {
    let mut kinds = 0;
    if let Some(http) = &check.http {
        kinds += 1;
        require(is_set(&http.url), || {
            format!("plan must set \"url\" for http check {name:?}")
        })?;
    }
    if let Some(tcp) = &check.tcp {
        kinds += 1;
        require(tcp.port.unwrap_or(0) != 0, || {
            format!("plan must set \"port\" for tcp check {name:?}")
        })?;
    }
    if let Some(exec) = &check.exec {
        kinds += 1;
        require(is_set(&exec.command), || {
            format!("plan must set \"command\" for exec check {name:?}")
        })?;
        let context = exec.service_context.as_deref().unwrap_or_default();
        require(context.is_empty() || services.contains_key(context), || {
            format!("plan check {name:?} service context specifies non-existent service {context:?}")
        })?;
    }
    require(kinds == 1, || {
        format!("plan must specify one of \"http\", \"tcp\", or \"exec\" for check {name:?}")
    })
}

fn is_set(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

/// The named services and all that they require, in an order in which they can be started.
///
/// # Errors
/// When one is not in the plan, or they wait for each other.
pub fn start_order(
    services: &BTreeMap<String, Service>,
    names: &[&str],
) -> std::result::Result<Vec<String>, PlanError> {
    let involved = closure(services, names, |name| {
        services
            .get(name)
            .map(|service| service.requires.clone())
            .unwrap_or_default()
    })?;
    ordered(services, involved, |service| (&service.after, &service.before))
}

/// The named services and all that require them, in an order in which they can be stopped.
///
/// # Errors
/// When one is not in the plan, or they wait for each other.
pub fn stop_order(
    services: &BTreeMap<String, Service>,
    names: &[&str],
) -> std::result::Result<Vec<String>, PlanError> {
    let involved = closure(services, names, |name| {
        let requires_it = services
            .iter()
            .filter(|(_, service)| service.requires.iter().any(|required| required == name));
        requires_it.map(|(name, _)| name.clone()).collect()
    })?;
    ordered(services, involved, |service| (&service.before, &service.after))
}

/// `names`, and what follows from them.
fn closure(
    services: &BTreeMap<String, Service>,
    names: &[&str],
    following: impl Fn(&str) -> Vec<String>,
) -> std::result::Result<BTreeSet<String>, PlanError> {
    let mut involved = BTreeSet::new();
    let mut pending: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = pending.pop() {
        if !services.contains_key(&name) {
            return refuse(format!("service {name:?} does not exist"));
        }
        pending.extend(following(&name));
        involved.insert(name);
        pending.retain(|name| !involved.contains(name));
    }
    Ok(involved)
}

/// Puts services in order: each one after its `first`, and before its `then`.
fn ordered(
    services: &BTreeMap<String, Service>,
    involved: BTreeSet<String>,
    sides: impl Fn(&Service) -> (&Vec<String>, &Vec<String>),
) -> std::result::Result<Vec<String>, PlanError> {
    let mut waits_for: BTreeMap<&str, BTreeSet<&str>> = involved
        .iter()
        .map(|name| (name.as_str(), BTreeSet::new()))
        .collect();
    for name in &involved {
        let Some(service) = services.get(name) else {
            continue;
        };
        let (first, then) = sides(service);
        for other in first.iter().filter(|other| involved.contains(*other)) {
            waits_for.entry(name).or_default().insert(other);
        }
        for other in then.iter().filter(|other| involved.contains(*other)) {
            waits_for.entry(other).or_default().insert(name);
        }
    }
    let mut order: Vec<String> = Vec::new();
    while !waits_for.is_empty() {
        let free = waits_for
            .iter()
            .find(|(_, others)| others.iter().all(|other| order.iter().any(|done| done == other)));
        let Some((&free, _)) = free else {
            return refuse(format!(
                "services in before/after loop: {}",
                looping(&waits_for).join(", ")
            ));
        };
        waits_for.remove(free);
        order.push(free.to_owned());
    }
    Ok(order)
}

/// The members of one loop: those that wait, directly or not, for each other.
fn looping<'a>(waits_for: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<&'a str> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for &from in waits_for.keys() {
        let mut seen = BTreeSet::new();
        let mut pending = vec![from];
        while let Some(name) = pending.pop() {
            for &other in waits_for.get(name).into_iter().flatten() {
                if seen.insert(other) {
                    pending.push(other);
                }
            }
        }
        reached.insert(from, seen);
    }
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|seen| seen.contains(to));
    let Some(&first) = waits_for.keys().find(|name| reaches(name, name)) else {
        return Vec::new();
    };
    let mut members = Vec::new();
    for &name in waits_for.keys() {
        if reaches(first, name) && reaches(name, first) {
            members.push(name);
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(yaml: &str) -> BTreeMap<String, Service> {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn services_start_after_what_they_require_and_stop_before_it() {
        let services = services(
            "{web: {requires: [db], after: [db]}, db: {requires: [disk]}, disk: {before: [db]}, aside: {after: [web]}}",
        );
        assert_eq!(start_order(&services, &["web"]).unwrap(), ["disk", "db", "web"]);
        assert_eq!(
            start_order(&services, &["aside", "web"]).unwrap(),
            ["disk", "db", "web", "aside"]
        );
        assert_eq!(stop_order(&services, &["disk"]).unwrap(), ["web", "db", "disk"]);
        assert_eq!(stop_order(&services, &["web"]).unwrap(), ["web"]);
        assert_eq!(
            start_order(&services, &["web", "nobody"])
                .unwrap_err()
                .to_string(),
            "service \"nobody\" does not exist"
        );
    }

    #[test]
    fn a_loop_names_its_members_only() {
        let services = services(
            "{a: {after: [b]}, b: {before: [a], after: [c]}, c: {after: [b]}, d: {after: [a]}, e: {}}",
        );
        let error = start_order(&services, &["d", "e", "a", "b", "c"]).unwrap_err();
        assert_eq!(error.to_string(), "services in before/after loop: b, c");
    }

    #[test]
    fn quotes_are_read_as_a_shell_does() {
        for command in ["a 'b\"' \"c'\\\"\" \\'", "", "sh -c 'x \\'"] {
            assert!(is_balanced(command), "{command}");
        }
        for command in ["a 'b", "a \"b\\\"", "'\""] {
            assert!(!is_balanced(command), "{command}");
        }
    }
}
