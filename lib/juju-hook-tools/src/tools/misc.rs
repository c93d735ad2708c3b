//! `resource-get`, `goal-state`, `credential-get`, `juju-reboot`.

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool, YAML_OUTPUT};
use crate::flags::{Flag, FlagKind};
use crate::format::Value;
use crate::model::Relation;
use crate::time;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "resource-get",
        words: "<resource name>",
        words_in_relation: None,
        summary: "Fetches a resource and prints the path of its file.",
        flags: &[],
        run: resource_get,
    },
    Tool {
        name: "goal-state",
        words: "",
        words_in_relation: None,
        summary: "Prints the units and relations that are meant to be.",
        flags: &[YAML_OUTPUT],
        run: goal_state,
    },
    Tool {
        name: "credential-get",
        words: "",
        words_in_relation: None,
        summary: "Prints the cloud's credential, if the application is trusted.",
        flags: &[SMART_OUTPUT],
        run: credential_get,
    },
    Tool {
        name: "juju-reboot",
        words: "",
        words_in_relation: None,
        summary: "Reboots the machine; there is none on Kubernetes.",
        flags: &[REBOOT],
        run: juju_reboot,
    },
];

const REBOOT: &[Flag] = &[Flag {
    names: &["now"],
    kind: FlagKind::Switch,
    help: "Do not wait for the hook's end",
}];

fn resource_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(name) = call.word(0) else {
        return Err(Failure::usage("missing resource name"));
    };
    call.at_most(1)?;
    let Some(application) = call.model.applications.get(call.application()) else {
        return Err(Failure::run("could not download resource: application not found"));
    };
    if let Some(path) = application.resources.get(name) {
        return Ok(Answer::Line(path.clone()));
    }
    let controller = call.model.api_addresses.split(' ').next().unwrap_or_default();
    Err(Failure::run(format!(
        "could not download resource: HTTP request failed: Get https://{controller}/model/{}/units/unit-{}/resources/{name}: getting UUID of resource {name} for application {}: resource not found",
        call.model.uuid,
        call.unit().replace('/', "-"),
        application.uuid
    )))
}

fn goal_state(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    let mut relations: Vec<(String, Vec<(String, Value)>)> = Vec::new();
    for relation in call.model.relations.values() {
        let Some(endpoint) = relation.endpoint_of(call.application()) else {
            continue;
        };
        let Some(remote) = relation.remote_application(call.application()) else {
            continue;
        };
        if relation.is_peer() {
            continue;
        }
        let mut entries = vec![(remote.to_owned(), relation_goal(relation))];
        entries.extend(call.unit_goals(remote));
        match relations.iter_mut().find(|(name, _)| name == endpoint) {
            Some((_, earlier)) => earlier.extend(entries),
            None => relations.push((endpoint.to_owned(), entries)),
        }
    }
    let relations = relations
        .into_iter()
        .map(|(endpoint, entries)| (endpoint, Value::sorted(entries)));
    Ok(Answer::Value(Value::record([
        ("units", Value::sorted(call.unit_goals(call.application()))),
        ("relations", Value::sorted(relations)),
    ])))
}

impl Call<'_> {
    fn unit_goals(&self, application: &str) -> Vec<(String, Value)> {
        let units = self.model.units_of(application);
        let goals = units.into_iter().filter_map(|name| {
            let status = &self.model.units.get(&name)?.status;
            let goal = goal(status.status.as_str(), status.since);
            Some((name, goal))
        });
        goals.collect()
    }
}

fn relation_goal(relation: &Relation) -> Value {
    goal(
        if relation.suspended { "suspended" } else { "joined" },
        relation.since,
    )
}

fn goal(status: &str, since: i64) -> Value {
    Value::record([
        ("status", Value::text(status)),
        ("since", Value::text(time::with_space(since))),
    ])
}

fn credential_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    let trusted = call
        .model
        .applications
        .get(call.application())
        .is_some_and(|application| application.trust);
    match &call.model.cloud_credential {
        Some(credential) if trusted => Ok(Answer::Value(Value::from(&credential.0))),
        _ if call.model.juju_version.is_3() => {
            Err(Failure::run("cannot access cloud credentials: permission denied"))
        }
        _ => Err(Failure::run(
            "cannot access cloud credentials: getting model credentials: permission denied",
        )),
    }
}

fn juju_reboot(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    if call.session.context.event.is_action() {
        return Err(Failure::run(
            "juju-reboot is not supported when running an action.",
        ));
    }
    Err(Failure::run("juju-reboot is not supported on k8s"))
}
