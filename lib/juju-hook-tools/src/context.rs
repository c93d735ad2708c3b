//! What a hook or an action runs for: the event, and the environment that Juju gives it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Model, application_name};

/// One event for one unit: a hook or an action.
///
/// What Juju tells about the event is here; what it tells about the model is in [`Model`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The charm was put on a new unit.
    Install,
    /// The unit was configured and may serve.
    Start,
    /// The unit is about to go.
    Stop,
    /// The last event of a unit.
    Remove,
    /// An option, the trust or an address changed, or the agent was restarted.
    ConfigChanged,
    /// The charm was replaced, or the pod was recreated.
    UpgradeCharm,
    /// Time has passed.
    UpdateStatus,
    /// The unit became the leader.
    LeaderElected,
    /// A relation exists now.
    RelationCreated {
        /// The relation's id.
        relation: u32,
    },
    /// A unit has appeared at the other end.
    RelationJoined {
        /// The relation's id.
        relation: u32,
        /// The unit that has appeared.
        remote_unit: String,
    },
    /// Data at the other end differs.
    RelationChanged {
        /// The relation's id.
        relation: u32,
        /// The unit whose data differs; `None` if it is the application's data.
        remote_unit: Option<String>,
    },
    /// A unit at the other end has gone.
    RelationDeparted {
        /// The relation's id.
        relation: u32,
        /// The unit at the other end.
        remote_unit: String,
        /// The unit that goes: the same, or the unit that this hook runs on.
        departing_unit: String,
    },
    /// The relation is gone.
    RelationBroken {
        /// The relation's id.
        relation: u32,
        /// `JUJU_REMOTE_APP`. Juju documents that it is set; a 4.0.15 left it empty, so be ready for both.
        remote_application: Option<String>,
    },
    /// A volume is mounted.
    StorageAttached {
        /// The storage id, such as `config/0`.
        storage: String,
    },
    /// A volume is about to be unmounted.
    StorageDetaching {
        /// The storage id, such as `config/0`.
        storage: String,
    },
    /// A secret that the unit reads has a new revision.
    SecretChanged {
        /// The bare id.
        secret: String,
        /// The unit's label for it; empty if none.
        label: String,
    },
    /// A secret that the unit owns is due for rotation.
    SecretRotate {
        /// The bare id.
        secret: String,
        /// The owner's label; empty if none.
        label: String,
    },
    /// A revision of a secret that the unit owns has expired.
    SecretExpired {
        /// The bare id.
        secret: String,
        /// The owner's label; empty if none.
        label: String,
        /// The revision.
        revision: u32,
    },
    /// A revision of a secret that the unit owns is read by nobody any more.
    SecretRemove {
        /// The bare id.
        secret: String,
        /// The owner's label; empty if none.
        label: String,
        /// The revision.
        revision: u32,
    },
    /// A container's Pebble answers.
    PebbleReady {
        /// The container.
        container: String,
    },
    /// A container's Pebble has a custom notice.
    PebbleCustomNotice {
        /// The container.
        container: String,
        /// The notice's id.
        id: String,
        /// The notice's type: `custom`.
        kind: String,
        /// The notice's key.
        key: String,
    },
    /// A check has failed as often as its threshold says.
    PebbleCheckFailed {
        /// The container.
        container: String,
        /// The check.
        check: String,
    },
    /// A failed check has succeeded.
    PebbleCheckRecovered {
        /// The container.
        container: String,
        /// The check.
        check: String,
    },
    /// A user runs an action.
    Action {
        /// The action's name.
        name: String,
        /// The task's number, as text.
        id: String,
        /// The parameters, defaults included. See [`Model::action_parameters`].
        params: Map<String, Value>,
    },
}

impl Event {
    /// The relation that the event is about.
    pub fn relation(&self) -> Option<u32> {
        match self {
            Event::RelationCreated { relation }
            | Event::RelationJoined { relation, .. }
            | Event::RelationChanged { relation, .. }
            | Event::RelationDeparted { relation, .. }
            | Event::RelationBroken { relation, .. } => Some(*relation),
            _ => None,
        }
    }

    /// The unit at the other end of the relation that the event is about.
    pub fn remote_unit(&self) -> Option<&str> {
        match self {
            Event::RelationJoined { remote_unit, .. } | Event::RelationDeparted { remote_unit, .. } => {
                Some(remote_unit)
            }
            Event::RelationChanged { remote_unit, .. } => remote_unit.as_deref(),
            _ => None,
        }
    }

    /// The storage that the event is about.
    pub fn storage(&self) -> Option<&str> {
        match self {
            Event::StorageAttached { storage } | Event::StorageDetaching { storage } => Some(storage),
            _ => None,
        }
    }

    /// Whether this is an action.
    pub fn is_action(&self) -> bool {
        matches!(self, Event::Action { .. })
    }

    /// The name of the hook or action, such as `replicas-relation-created`. The model knows the endpoint's name.
    pub fn name(&self, model: &Model, unit: &str) -> String {
        let relation_hook = |id: &u32, suffix: &str| {
            let endpoint = model
                .relations
                .get(id)
                .and_then(|relation| relation.endpoint_of(application_name(unit)));
            format!("{}-relation-{suffix}", endpoint.unwrap_or("unknown"))
        };
        let storage_name = |id: &str| id.split_once('/').map_or(id, |(name, _)| name).to_owned();
        match self {
            Event::Install => "install".to_owned(),
            Event::Start => "start".to_owned(),
            Event::Stop => "stop".to_owned(),
            Event::Remove => "remove".to_owned(),
            Event::ConfigChanged => "config-changed".to_owned(),
            Event::UpgradeCharm => "upgrade-charm".to_owned(),
            Event::UpdateStatus => "update-status".to_owned(),
            Event::LeaderElected => "leader-elected".to_owned(),
            Event::RelationCreated { relation } => relation_hook(relation, "created"),
            Event::RelationJoined { relation, .. } => relation_hook(relation, "joined"),
            Event::RelationChanged { relation, .. } => relation_hook(relation, "changed"),
            Event::RelationDeparted { relation, .. } => relation_hook(relation, "departed"),
            Event::RelationBroken { relation, .. } => relation_hook(relation, "broken"),
            Event::StorageAttached { storage } => format!("{}-storage-attached", storage_name(storage)),
            Event::StorageDetaching { storage } => format!("{}-storage-detaching", storage_name(storage)),
            Event::SecretChanged { .. } => "secret-changed".to_owned(),
            Event::SecretRotate { .. } => "secret-rotate".to_owned(),
            Event::SecretExpired { .. } => "secret-expired".to_owned(),
            Event::SecretRemove { .. } => "secret-remove".to_owned(),
            Event::PebbleReady { container } => format!("{container}-pebble-ready"),
            Event::PebbleCustomNotice { container, .. } => format!("{container}-pebble-custom-notice"),
            Event::PebbleCheckFailed { container, .. } => format!("{container}-pebble-check-failed"),
            Event::PebbleCheckRecovered { container, .. } => format!("{container}-pebble-check-recovered"),
            Event::Action { name, .. } => name.clone(),
        }
    }
}

/// One run of one event on one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookContext {
    /// The unit, such as `radarr/0`.
    pub unit: String,
    /// What it runs for.
    pub event: Event,
    /// The part of `JUJU_CONTEXT_ID` that differs from run to run. Juju takes 32 random hexadecimal digits.
    pub nonce: String,
}

impl HookContext {
    /// A run of an event on a unit. The nonce tells runs apart: Juju takes 32 random hexadecimal digits.
    pub fn new(unit: impl Into<String>, event: Event, nonce: impl Into<String>) -> HookContext {
        HookContext {
            unit: unit.into(),
            event,
            nonce: nonce.into(),
        }
    }

    /// The unit's application.
    pub fn application(&self) -> &str {
        application_name(&self.unit)
    }

    /// `JUJU_CONTEXT_ID`: unit, event and nonce.
    pub fn id(&self, model: &Model) -> String {
        format!(
            "{}-{}-{}",
            self.unit,
            self.event.name(model, &self.unit),
            self.nonce
        )
    }

    /// The application at the other end of the relation that the event is about; `None` when Juju does not say.
    pub fn remote_application<'a>(&'a self, model: &'a Model) -> Option<&'a str> {
        match &self.event {
            Event::RelationBroken {
                remote_application, ..
            } => remote_application.as_deref(),
            event => model
                .relations
                .get(&event.relation()?)?
                .remote_application(self.application()),
        }
    }
}

/// Where things are in the charm container, and what its environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The unpacked charm; the working directory of every dispatch.
    pub charm_dir: String,
    /// The directory with the hook tools, put in front of the `PATH`.
    pub tools_dir: String,
    /// The agent's socket.
    pub agent_socket: String,
    /// The `PATH` of the container.
    pub path: String,
}

impl Paths {
    /// Where Juju keeps a unit's things in a real charm container.
    pub fn of_unit(unit: &str) -> Paths {
        let tag = format!("unit-{}", unit.replace('/', "-"));
        Paths {
            charm_dir: format!("/var/lib/juju/agents/{tag}/charm"),
            tools_dir: format!("/var/lib/juju/tools/{tag}"),
            agent_socket: format!("/var/lib/juju/agents/{tag}/agent.socket"),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/charm/bin".to_owned(),
        }
    }
}

/// The variables that Juju gives a hook or action, in alphabetical order.
///
/// What Kubernetes and the shell add (`KUBERNETES_*`, `PWD`, `SHLVL`) is not among them. Sources:
/// `internal/worker/uniter/runner/context/env.go` and `context.go` of juju/juju, and recordings of Juju 4.0.15.
pub fn environment(model: &Model, context: &HookContext, paths: &Paths) -> Vec<(String, String)> {
    let hook_name = context.event.name(model, &context.unit);
    let (dispatch_path, shown_hook_name) = if context.event.is_action() {
        (format!("actions/{hook_name}"), String::new())
    } else {
        (format!("hooks/{hook_name}"), hook_name)
    };
    let mut variables: Vec<(&str, String)> = vec![
        ("APT_LISTCHANGES_FRONTEND", "none".to_owned()),
        ("CHARM_DIR", paths.charm_dir.clone()),
        ("CLOUD_API_VERSION", model.cloud_api_version.clone()),
        ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
        ("JUJU_AGENT_SOCKET_ADDRESS", paths.agent_socket.clone()),
        ("JUJU_AGENT_SOCKET_NETWORK", "unix".to_owned()),
        ("JUJU_API_ADDRESSES", model.api_addresses.clone()),
        ("JUJU_AVAILABILITY_ZONE", String::new()),
        ("JUJU_CHARM_DIR", paths.charm_dir.clone()),
        ("JUJU_CHARM_FTP_PROXY", String::new()),
        ("JUJU_CHARM_HTTPS_PROXY", String::new()),
        ("JUJU_CHARM_HTTP_PROXY", String::new()),
        ("JUJU_CHARM_NO_PROXY", model.no_proxy.clone()),
        ("JUJU_CONTEXT_ID", context.id(model)),
        ("JUJU_DISPATCH_PATH", dispatch_path),
        ("JUJU_HOOK_NAME", shown_hook_name),
        ("JUJU_MACHINE_ID", String::new()),
        ("JUJU_MODEL_NAME", model.name.clone()),
        ("JUJU_MODEL_UUID", model.uuid.clone()),
        ("JUJU_PRINCIPAL_UNIT", String::new()),
        ("JUJU_UNIT_NAME", context.unit.clone()),
        ("JUJU_VERSION", model.juju_version.as_str().to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("PATH", format!("{}:{}", paths.tools_dir, paths.path)),
        ("TERM", "tmux-256color".to_owned()),
    ];
    if !model.juju_version.is_3() {
        for name in [
            "JUJU_CHARM_TRACE_CONFIG_CA_CERT",
            "JUJU_CHARM_TRACE_CONFIG_GRPC",
            "JUJU_CHARM_TRACE_CONFIG_HTTP",
        ] {
            variables.push((name, String::new()));
        }
    }
    event_variables(model, context, &mut variables);
    variables.sort();
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What the kind of event adds.
fn event_variables(model: &Model, context: &HookContext, variables: &mut Vec<(&'static str, String)>) {
    if let Some(id) = context.event.relation() {
        let relation = model.relations.get(&id);
        let endpoint = relation
            .and_then(|relation| relation.endpoint_of(context.application()))
            .unwrap_or_default();
        variables.push(("JUJU_RELATION", endpoint.to_owned()));
        variables.push(("JUJU_RELATION_ID", format!("{endpoint}:{id}")));
        let remote_application = context.remote_application(model).unwrap_or_default();
        variables.push(("JUJU_REMOTE_APP", remote_application.to_owned()));
        // Present and empty when no unit is meant.
        let remote_unit = context.event.remote_unit().unwrap_or_default();
        variables.push(("JUJU_REMOTE_UNIT", remote_unit.to_owned()));
    }
    match &context.event {
        Event::RelationDeparted { departing_unit, .. } => {
            variables.push(("JUJU_DEPARTING_UNIT", departing_unit.clone()));
        }
        Event::StorageAttached { storage } | Event::StorageDetaching { storage } => {
            let instance = model.storages.get(storage);
            variables.push(("JUJU_STORAGE_ID", storage.clone()));
            let kind = instance.map(|instance| instance.kind.clone()).unwrap_or_default();
            variables.push(("JUJU_STORAGE_KIND", kind));
            let location = instance
                .and_then(|instance| instance.location.clone())
                .unwrap_or_default();
            variables.push(("JUJU_STORAGE_LOCATION", location));
        }
        Event::SecretChanged { secret, label } | Event::SecretRotate { secret, label } => {
            variables.push(("JUJU_SECRET_ID", format!("secret:{secret}")));
            variables.push(("JUJU_SECRET_LABEL", label.clone()));
        }
        Event::SecretExpired {
            secret,
            label,
            revision,
        }
        | Event::SecretRemove {
            secret,
            label,
            revision,
        } => {
            variables.push(("JUJU_SECRET_ID", format!("secret:{secret}")));
            variables.push(("JUJU_SECRET_LABEL", label.clone()));
            variables.push(("JUJU_SECRET_REVISION", revision.to_string()));
        }
        Event::PebbleReady { container } => variables.push(("JUJU_WORKLOAD_NAME", container.clone())),
        Event::PebbleCustomNotice {
            container,
            id,
            kind,
            key,
        } => {
            variables.push(("JUJU_WORKLOAD_NAME", container.clone()));
            variables.push(("JUJU_NOTICE_ID", id.clone()));
            variables.push(("JUJU_NOTICE_TYPE", kind.clone()));
            variables.push(("JUJU_NOTICE_KEY", key.clone()));
        }
        Event::PebbleCheckFailed { container, check } | Event::PebbleCheckRecovered { container, check } => {
            variables.push(("JUJU_WORKLOAD_NAME", container.clone()));
            variables.push(("JUJU_PEBBLE_CHECK_NAME", check.clone()));
        }
        Event::Action { name, id, .. } => {
            variables.push(("JUJU_ACTION_NAME", name.clone()));
            variables.push(("JUJU_ACTION_TAG", format!("action-{id}")));
            variables.push(("JUJU_ACTION_UUID", id.clone()));
        }
        _ => {}
    }
}
