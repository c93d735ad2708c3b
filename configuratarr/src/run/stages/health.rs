//! Whether an app is active, and since when. Pure.

use std::collections::BTreeMap;

use super::says;
use crate::juju::Application;

/// How an app stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Active, by each unit's word, on the charm that the application has.
    Active {
        /// Whether each unit has done something since it was looked at before.
        is_since: bool,
    },
    /// Its charm says that somebody has to do something.
    Blocked(String),
    /// Anything else.
    Not(String),
}

/// Since when each unit is as it is, in Juju's words. They are compared and never read: this machine's clock may differ.
pub(super) fn since(app: &Application) -> BTreeMap<String, String> {
    let since = |status: &crate::juju::ApplicationStatus| status.since.clone();
    app.units
        .iter()
        .map(|(name, unit)| {
            let both = format!("{} {}", since(&unit.workload_status), since(&unit.juju_status));
            (name.clone(), both)
        })
        .collect()
}

/// Looks at an app, `before` being [`since`] at that time.
pub(super) fn health(app: &Application, before: &BTreeMap<String, String>) -> Health {
    if app.units.is_empty() {
        return Health::Not("it has no unit yet".to_owned());
    }
    for (name, unit) in &app.units {
        if !unit.upgrading_from.is_empty() {
            return Health::Not(format!("{name} still has the charm of before"));
        }
        let workload = &unit.workload_status;
        match workload.current.as_str() {
            "active" => {}
            "blocked" => return Health::Blocked(says(workload)),
            _ => return Health::Not(says(workload)),
        }
        if unit.juju_status.current != "idle" {
            return Health::Not(format!("{name} is {}", says(&unit.juju_status)));
        }
    }
    if app.application_status.current != "active" {
        return Health::Not(says(&app.application_status));
    }
    let now = since(app);
    let is_since = now.iter().all(|(unit, since)| before.get(unit) != Some(since));
    Health::Active { is_since }
}

/// Whether each unit is at rest: what it does next it was told to.
pub(super) fn is_at_rest(app: &Application) -> bool {
    let mut units = app.units.values();
    units.all(|unit| unit.juju_status.current == "idle")
}

/// Whether each unit has the application's charm and is at rest, whatever the app says.
pub(super) fn is_settled(app: &Application, before: &BTreeMap<String, String>) -> bool {
    let now = since(app);
    !app.units.is_empty()
        && is_at_rest(app)
        && app.units.values().all(|unit| unit.upgrading_from.is_empty())
        && now.iter().all(|(unit, since)| before.get(unit) != Some(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::juju::{ApplicationStatus, Unit};

    fn status(current: &str, since: &str) -> ApplicationStatus {
        ApplicationStatus {
            current: current.to_owned(),
            message: String::new(),
            since: since.to_owned(),
        }
    }

    fn app(workload: &str, agent: &str, since: &str) -> Application {
        let unit = Unit {
            workload_status: status(workload, since),
            juju_status: status(agent, since),
            ..Unit::default()
        };
        Application {
            application_status: status(workload, since),
            units: BTreeMap::from([("radarr/0".to_owned(), unit)]),
            ..Application::default()
        }
    }

    /// An app that was active before it was refreshed is active in the first look after it, too.
    #[test]
    fn active_counts_when_the_unit_has_done_something_since() {
        let before = since(&app("active", "idle", "1"));
        let seen = |app: &Application| health(app, &before);
        assert_eq!(
            seen(&app("active", "idle", "1")),
            Health::Active { is_since: false }
        );
        assert_eq!(
            seen(&app("active", "idle", "2")),
            Health::Active { is_since: true }
        );
        assert_eq!(
            seen(&app("blocked", "idle", "2")),
            Health::Blocked("blocked".to_owned())
        );
        for (workload, agent) in [("waiting", "idle"), ("error", "idle"), ("active", "executing")] {
            assert!(
                matches!(seen(&app(workload, agent, "2")), Health::Not(_)),
                "{workload} {agent}"
            );
        }
        let mut upgrading = app("active", "idle", "2");
        upgrading.units.get_mut("radarr/0").unwrap().upgrading_from = "local:radarr-0".to_owned();
        assert!(matches!(seen(&upgrading), Health::Not(_)));
        assert!(!is_settled(&upgrading, &before));
        assert!(is_settled(&app("blocked", "idle", "2"), &before));
        assert!(!is_settled(&app("blocked", "idle", "1"), &before));
        assert!(matches!(seen(&Application::default()), Health::Not(_)));
        let mut worse = app("active", "idle", "2");
        worse.application_status = status("waiting", "2");
        assert!(matches!(seen(&worse), Health::Not(_)));
    }
}
