//! How layers make a plan: what `override: merge` and `override: replace` do, field by field.
//!
//! The client uses it to see whether a layer would change anything; a simulated Pebble uses it to make its plan. Source:
//! `CombineLayers` and the `Merge` methods in `internals/plan/plan.go` of canonical/pebble. As there, an empty text
//! counts as not set. Nothing here judges a layer.

use std::collections::BTreeMap;

use super::layer::{Check, ExecCheck, HttpCheck, Layer, LogTarget, Override, Plan, Service, TcpCheck};

/// Failures in a row that make a check down, when its layers do not say.
pub const DEFAULT_THRESHOLD: u32 = 3;

/// An entry of a layer does not say how it joins the layers below, or says it in a way that Pebble does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It does not say.
    #[error("layer {layer:?} must define \"override\" for {kind} {name:?}")]
    Missing {
        /// Label of the layer.
        layer: String,
        /// `service`, `check` or `log target`.
        kind: &'static str,
        /// Name of the entry.
        name: String,
    },
    /// It says neither merge nor replace.
    #[error("layer {layer:?} has invalid \"override\" value for {kind} {name:?}")]
    Invalid {
        /// Label of the layer.
        layer: String,
        /// `service`, `check` or `log target`.
        kind: &'static str,
        /// Name of the entry.
        name: String,
    },
}

/// Joins layers, given with their labels from bottom to top, into one with defaults written out.
///
/// # Errors
/// When an entry has no usable `override`.
pub fn combine<'a>(layers: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Result<Layer, OverrideError> {
    let mut combined = Layer::default();
    for (label, layer) in layers {
        // No `..`: a new section does not compile until it is joined.
        let Layer {
            summary,
            description,
            services,
            checks,
            log_targets,
        } = layer;
        // The texts of the topmost layer stand, even if it has none.
        combined.summary = summary.clone();
        combined.description = description.clone();
        combine_section(label, &mut combined.services, services)?;
        combine_section(label, &mut combined.checks, checks)?;
        combine_section(label, &mut combined.log_targets, log_targets)?;
    }
    combined.checks.values_mut().for_each(set_check_defaults);
    Ok(combined)
}

impl Plan {
    /// True if adding `layer` would change nothing that matters: every entry of it is in the plan as the layer has it.
    /// Defaults that Pebble writes out, and `override` itself, make no difference.
    pub fn includes(&self, layer: &Layer) -> bool {
        let Layer {
            summary: _,
            description: _,
            services,
            checks,
            log_targets,
        } = layer;
        includes_section(&self.services, services)
            && includes_section(&self.checks, checks)
            && includes_section(&self.log_targets, log_targets)
    }
}

impl From<Layer> for Plan {
    fn from(combined: Layer) -> Self {
        let Layer {
            summary: _,
            description: _,
            services,
            checks,
            log_targets,
        } = combined;
        Self {
            services,
            checks,
            log_targets,
        }
    }
}

/// What services, checks and log targets have in common.
trait Entry: Clone + Default + PartialEq {
    const KIND: &'static str;

    fn override_mode(&mut self) -> &mut Option<Override>;

    /// Puts what is set in `other` over `self`. `override` stays as it is.
    fn merge(&mut self, other: &Self);

    /// Leaves out list items that `below` has: appended once more they mean nothing.
    fn without_items_of(self, below: &Self) -> Self;

    /// The form in which two entries are compared.
    fn normalized(&self) -> Self {
        let mut entry = Self::default();
        entry.merge(self);
        entry
    }
}

fn combine_section<E: Entry>(
    label: &str,
    combined: &mut BTreeMap<String, E>,
    section: &BTreeMap<String, E>,
) -> Result<(), OverrideError> {
    for (name, entry) in section {
        let mut entry = entry.clone();
        match entry.override_mode() {
            Some(Override::Merge) => match combined.get_mut(name) {
                Some(below) => below.merge(&entry),
                None => {
                    combined.insert(name.clone(), entry);
                }
            },
            Some(Override::Replace) => {
                combined.insert(name.clone(), entry);
            }
            Some(Override::Other(word)) if !word.is_empty() => {
                return Err(OverrideError::Invalid {
                    layer: label.to_owned(),
                    kind: E::KIND,
                    name: name.clone(),
                });
            }
            _ => {
                return Err(OverrideError::Missing {
                    layer: label.to_owned(),
                    kind: E::KIND,
                    name: name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn includes_section<E: Entry>(plan: &BTreeMap<String, E>, section: &BTreeMap<String, E>) -> bool {
    section.iter().all(|(name, entry)| {
        let Some(there) = plan.get(name) else { return false };
        let there = there.normalized();
        let mut wanted = match entry.clone().override_mode() {
            Some(Override::Merge) => there.clone(),
            _ => E::default(),
        };
        let entry = entry.clone().without_items_of(&wanted);
        wanted.merge(&entry);
        wanted.normalized() == there
    })
}

fn set_check_defaults(check: &mut Check) {
    if check.threshold.unwrap_or(0) == 0 {
        check.threshold = Some(DEFAULT_THRESHOLD);
    }
}

impl Entry for Service {
    const KIND: &'static str = "service";

    fn override_mode(&mut self) -> &mut Option<Override> {
        &mut self.r#override
    }

    fn merge(&mut self, other: &Self) {
        // No `..`: a new field does not compile until it is merged.
        let Self {
            summary,
            description,
            startup,
            r#override: _,
            command,
            after,
            before,
            requires,
            workload,
            environment,
            user_id,
            user,
            group_id,
            group,
            working_dir,
            on_success,
            on_failure,
            on_check_failure,
            backoff_delay,
            backoff_factor,
            backoff_limit,
            kill_delay,
        } = other;
        set_text(&mut self.summary, summary);
        set_text(&mut self.description, description);
        set(&mut self.startup, startup);
        set_text(&mut self.command, command);
        self.after.extend_from_slice(after);
        self.before.extend_from_slice(before);
        self.requires.extend_from_slice(requires);
        set_text(&mut self.workload, workload);
        join(&mut self.environment, environment);
        set(&mut self.user_id, user_id);
        set_text(&mut self.user, user);
        set(&mut self.group_id, group_id);
        set_text(&mut self.group, group);
        set_text(&mut self.working_dir, working_dir);
        set(&mut self.on_success, on_success);
        set(&mut self.on_failure, on_failure);
        join(&mut self.on_check_failure, on_check_failure);
        set(&mut self.backoff_delay, backoff_delay);
        set(&mut self.backoff_factor, backoff_factor);
        set(&mut self.backoff_limit, backoff_limit);
        set(&mut self.kill_delay, kill_delay);
    }

    fn without_items_of(mut self, below: &Self) -> Self {
        self.after.retain(|name| !below.after.contains(name));
        self.before.retain(|name| !below.before.contains(name));
        self.requires.retain(|name| !below.requires.contains(name));
        self
    }
}

impl Entry for Check {
    const KIND: &'static str = "check";

    fn override_mode(&mut self) -> &mut Option<Override> {
        &mut self.r#override
    }

    fn merge(&mut self, other: &Self) {
        let Self {
            r#override: _,
            level,
            startup,
            period,
            timeout,
            threshold,
            http,
            tcp,
            exec,
        } = other;
        set(&mut self.level, level);
        set(&mut self.startup, startup);
        set(&mut self.period, period);
        set(&mut self.timeout, timeout);
        if threshold.unwrap_or(0) != 0 {
            self.threshold = *threshold;
        }
        if let Some(http) = http {
            merge_http(self.http.get_or_insert_default(), http);
        }
        if let Some(tcp) = tcp {
            merge_tcp(self.tcp.get_or_insert_default(), tcp);
        }
        if let Some(exec) = exec {
            merge_exec(self.exec.get_or_insert_default(), exec);
        }
    }

    fn without_items_of(self, _below: &Self) -> Self {
        self
    }

    fn normalized(&self) -> Self {
        let mut check = Self::default();
        check.merge(self);
        set_check_defaults(&mut check);
        check
    }
}

fn merge_http(below: &mut HttpCheck, other: &HttpCheck) {
    let HttpCheck { url, headers } = other;
    set_text(&mut below.url, url);
    join(&mut below.headers, headers);
}

fn merge_tcp(below: &mut TcpCheck, other: &TcpCheck) {
    let TcpCheck { port, host } = other;
    if port.unwrap_or(0) != 0 {
        below.port = *port;
    }
    set_text(&mut below.host, host);
}

fn merge_exec(below: &mut ExecCheck, other: &ExecCheck) {
    let ExecCheck {
        command,
        service_context,
        environment,
        user_id,
        user,
        group_id,
        group,
        working_dir,
    } = other;
    set_text(&mut below.command, command);
    set_text(&mut below.service_context, service_context);
    join(&mut below.environment, environment);
    set(&mut below.user_id, user_id);
    set_text(&mut below.user, user);
    set(&mut below.group_id, group_id);
    set_text(&mut below.group, group);
    set_text(&mut below.working_dir, working_dir);
}

impl Entry for LogTarget {
    const KIND: &'static str = "log target";

    fn override_mode(&mut self) -> &mut Option<Override> {
        &mut self.r#override
    }

    fn merge(&mut self, other: &Self) {
        let Self {
            target_type,
            location,
            services,
            r#override: _,
            labels,
        } = other;
        set(&mut self.target_type, target_type);
        set_text(&mut self.location, location);
        self.services.extend_from_slice(services);
        join(&mut self.labels, labels);
    }

    // The last item that fits a service decides, so leaving one out would change the meaning.
    fn without_items_of(self, below: &Self) -> Self {
        if below.services.ends_with(&self.services) {
            Self {
                services: Vec::new(),
                ..self
            }
        } else {
            self
        }
    }
}

fn set<T: Clone>(below: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        below.clone_from(value);
    }
}

fn set_text(below: &mut Option<String>, value: &Option<String>) {
    if value.as_ref().is_some_and(|text| !text.is_empty()) {
        below.clone_from(value);
    }
}

fn join<V: Clone>(below: &mut BTreeMap<String, V>, other: &BTreeMap<String, V>) {
    below.extend(other.iter().map(|(key, value)| (key.clone(), value.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(yaml: &str) -> Layer {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn plan(layers: &[&str]) -> Plan {
        let layers: Vec<Layer> = layers.iter().map(|yaml| layer(yaml)).collect();
        combine(layers.iter().map(|layer| ("test", layer)))
            .unwrap()
            .into()
    }

    const BASE: &str = "
services:
  web:
    override: replace
    command: web --port 1
    after: [db]
    environment: {A: 1, B: 2}
    kill-delay: 1m30s
checks:
  up:
    override: replace
    period: 1s
    http: {url: http://localhost:1, headers: {X: y}}
log-targets:
  loki:
    override: replace
    type: loki
    location: http://loki:3100
    services: [all]
";

    #[test]
    fn merge_sets_appends_and_joins() {
        let top = "
services:
  web: {override: merge, command: '', after: [cache], environment: {B: 3}, backoff-factor: 1.5}
checks:
  up: {override: merge, threshold: 1, http: {url: http://localhost:2}}
log-targets:
  loki: {override: merge, services: [-web], labels: {a: b}}
";
        let expected = layer(
            "
services:
  web:
    override: replace
    command: web --port 1
    after: [db, cache]
    environment: {A: '1', B: '3'}
    kill-delay: 90s
    backoff-factor: 1.5
checks:
  up:
    override: replace
    period: 1s
    threshold: 1
    http: {url: http://localhost:2, headers: {X: y}}
log-targets:
  loki:
    override: replace
    type: loki
    location: http://loki:3100
    services: [all, -web]
    labels: {a: b}
",
        );
        assert_eq!(plan(&[BASE, top]), expected.into());
    }

    #[test]
    fn replace_forgets_what_was_below() {
        let plan = plan(&[BASE, "services: {web: {override: replace, command: other}}"]);
        assert_eq!(
            plan.services["web"],
            layer("services: {web: {override: replace, command: other}}").services["web"]
        );
        assert_eq!(plan.checks["up"].threshold, Some(DEFAULT_THRESHOLD));
    }

    #[test]
    fn an_entry_must_say_how_it_joins() {
        let cases = [
            (
                "services: {web: {command: x}}",
                "layer \"test\" must define \"override\" for service \"web\"",
            ),
            (
                "checks: {up: {override: ''}}",
                "layer \"test\" must define \"override\" for check \"up\"",
            ),
            (
                "log-targets: {loki: {override: append}}",
                "layer \"test\" has invalid \"override\" value for log target \"loki\"",
            ),
        ];
        for (yaml, message) in cases {
            let error = combine([("test", &layer(yaml))]).unwrap_err();
            assert_eq!(error.to_string(), message, "{yaml}");
        }
    }

    #[test]
    fn a_plan_includes_the_layers_it_was_made_of_and_no_others() {
        let cases = [
            (BASE, true),
            (
                "services: {web: {override: merge, environment: {A: 1}, after: [db]}}",
                true,
            ),
            ("services: {web: {override: merge, environment: {A: 2}}}", false),
            ("services: {web: {override: merge, after: [cache]}}", false),
            (
                "services: {web: {override: replace, command: web --port 1}}",
                false,
            ),
            ("checks: {up: {override: merge, threshold: 3}}", true),
            ("checks: {up: {override: merge, threshold: 1}}", false),
            ("log-targets: {loki: {override: merge, services: [all]}}", true),
            ("log-targets: {loki: {override: merge, services: [-web]}}", false),
            ("services: {other: {override: merge}}", false),
            ("{}", true),
        ];
        for (yaml, included) in cases {
            assert_eq!(plan(&[BASE]).includes(&layer(yaml)), included, "{yaml}");
        }
    }
}
