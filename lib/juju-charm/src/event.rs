//! What happened: the event of a dispatch, typed, from `JUJU_DISPATCH_PATH` and the variables that come with it.

use std::fmt;
use std::str::FromStr;

use crate::names::{RelationId, SecretId, StorageId, UnitName};
use crate::variables::{ContextError, Variables};

/// The event that Juju runs the charm for.
///
/// The order of events is Juju's, and it promises little: see `docs/reference/hook.md` of juju/juju. On Kubernetes
/// `pebble-ready` may come before `start` and before `storage-attached`, and `relation-changed` for application data
/// before `relation-joined`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The unit is new.
    Install,
    /// The unit is about to do its work. Also after the pod came back.
    Start,
    /// The unit, or only its pod, is going away.
    Stop,
    /// The unit is going away: the last event of all.
    Remove,
    /// Options may have changed. Also after each start and after an error.
    ConfigChanged,
    /// Time has passed: every five minutes unless the model says otherwise.
    UpdateStatus,
    /// The charm's files were replaced. Also seen after the pod was merely deleted.
    UpgradeCharm,
    /// This unit became the leader.
    LeaderElected,
    /// The leader's settings changed. Juju 3 only.
    LeaderSettingsChanged,
    /// A relation was made; nobody has joined yet.
    RelationCreated(RelationEvent),
    /// A remote unit is there.
    RelationJoined(RelationEvent),
    /// Remote data changed: the unit's, or the application's when there is no remote unit.
    RelationChanged(RelationEvent),
    /// A remote unit, or this one, leaves the relation.
    RelationDeparted(RelationEvent),
    /// The relation is gone after this event.
    RelationBroken(RelationEvent),
    /// A storage instance is there.
    StorageAttached(StorageEvent),
    /// A storage instance is about to go.
    StorageDetaching(StorageEvent),
    /// A secret that this unit has read has a new revision.
    SecretChanged(SecretEvent),
    /// The rotation policy of an own secret says that it is time for a new revision.
    SecretRotate(SecretEvent),
    /// A revision of an own secret has expired.
    SecretExpired(SecretEvent),
    /// Nobody uses a revision of an own secret any more.
    SecretRemove(SecretEvent),
    /// A workload container's Pebble answers, with an empty plan: after each start of the container.
    PebbleReady(ContainerEvent),
    /// A Pebble check reached its threshold of failures. Juju 3.6 and later.
    PebbleCheckFailed(CheckEvent),
    /// A Pebble check that had failed succeeds again. Juju 3.6 and later.
    PebbleCheckRecovered(CheckEvent),
    /// The workload, or somebody with access to it, ran `pebble notify`.
    PebbleCustomNotice(NoticeEvent),
    /// A user runs an action.
    Action(ActionEvent),
    /// A hook that this crate does not know, by its name.
    Other(String),
}

/// What a relation event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationEvent {
    /// The own endpoint.
    pub endpoint: String,
    /// The relation.
    pub id: RelationId,
    /// The application on the other side. Juju 4.0 gives an empty name in `relation-broken`: then it is `None`.
    pub remote_app: Option<String>,
    /// The unit that joined, changed or left. `None` when the event is about the whole application.
    pub remote_unit: Option<UnitName>,
    /// In `relation-departed`: the unit that leaves, which may be this one.
    pub departing_unit: Option<UnitName>,
}

/// What a storage event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEvent {
    /// The storage instance.
    pub id: StorageId,
    /// Where it is mounted in the charm container.
    pub location: Option<String>,
    /// `filesystem` or `block`.
    pub kind: Option<String>,
}

/// What a secret event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretEvent {
    /// The secret.
    pub id: SecretId,
    /// The label that this unit gave it.
    pub label: Option<String>,
    /// The revision, in `secret-expired` and `secret-remove`.
    pub revision: Option<u64>,
}

/// A workload container, by its name in the charm's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Name of the container.
    pub container: String,
}

/// A Pebble check of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEvent {
    /// Name of the container.
    pub container: String,
    /// Name of the check in Pebble's plan.
    pub check: String,
}

/// A notice that was recorded in a container's Pebble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeEvent {
    /// Name of the container.
    pub container: String,
    /// Pebble's id of the notice.
    pub id: String,
    /// `custom`: Juju sends no others.
    pub notice_type: String,
    /// The notice's key, such as `example.com/backup-done`.
    pub key: String,
}

/// A run of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionEvent {
    /// Name of the action, as in `actions.yaml`.
    pub name: String,
    /// Juju's id of this run: `JUJU_ACTION_UUID`, which holds a task number.
    pub id: String,
}

/// Hooks whose whole name is fixed and that come without variables.
const PLAIN_HOOKS: [(&str, Event); 9] = [
    ("install", Event::Install),
    ("start", Event::Start),
    ("stop", Event::Stop),
    ("remove", Event::Remove),
    ("config-changed", Event::ConfigChanged),
    ("update-status", Event::UpdateStatus),
    ("upgrade-charm", Event::UpgradeCharm),
    ("leader-elected", Event::LeaderElected),
    ("leader-settings-changed", Event::LeaderSettingsChanged),
];

/// Names of hooks, or what they end in, with the event that each is.
type HookTable<Facts, const N: usize> = [(&'static str, fn(Facts) -> Event); N];

const SECRET_HOOKS: HookTable<SecretEvent, 4> = [
    ("secret-changed", Event::SecretChanged),
    ("secret-rotate", Event::SecretRotate),
    ("secret-expired", Event::SecretExpired),
    ("secret-remove", Event::SecretRemove),
];

const RELATION_HOOKS: HookTable<RelationEvent, 5> = [
    ("-relation-created", Event::RelationCreated),
    ("-relation-joined", Event::RelationJoined),
    ("-relation-changed", Event::RelationChanged),
    ("-relation-departed", Event::RelationDeparted),
    ("-relation-broken", Event::RelationBroken),
];

const STORAGE_HOOKS: HookTable<StorageEvent, 2> = [
    ("-storage-attached", Event::StorageAttached),
    ("-storage-detaching", Event::StorageDetaching),
];

impl Event {
    /// Reads the event from the variables of a dispatch.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, ContextError> {
        let path = variables.required("JUJU_DISPATCH_PATH")?;
        match path.split_once('/') {
            // JUJU_HOOK_NAME is empty in actions; only the path tells the two apart.
            Some(("actions", name)) if !name.is_empty() => Ok(Self::Action(ActionEvent {
                name: name.to_owned(),
                id: variables.get("JUJU_ACTION_UUID").unwrap_or_default().to_owned(),
            })),
            Some(("hooks", name)) if !name.is_empty() => Self::from_hook(name, variables),
            _ => Err(ContextError::Invalid {
                variable: "JUJU_DISPATCH_PATH",
                value: path.to_owned(),
                expected: "hooks/NAME or actions/NAME",
            }),
        }
    }

    fn from_hook(name: &str, variables: &Variables) -> Result<Self, ContextError> {
        if let Some((_, event)) = PLAIN_HOOKS.iter().find(|(hook, _)| *hook == name) {
            return Ok(event.clone());
        }
        if let Some((_, event)) = SECRET_HOOKS.iter().find(|(hook, _)| *hook == name) {
            return Ok(event(SecretEvent::from_variables(variables)?));
        }
        for (suffix, event) in RELATION_HOOKS {
            if name.ends_with(suffix) {
                return Ok(event(RelationEvent::from_variables(variables)?));
            }
        }
        for (suffix, event) in STORAGE_HOOKS {
            if name.ends_with(suffix) {
                return Ok(event(StorageEvent::from_variables(variables)?));
            }
        }
        // The container's name is taken from JUJU_WORKLOAD_NAME; older Jujus are not known to leave it out, but the hook's
        // name says the same.
        let workload = |suffix: &str| {
            let prefix = name.strip_suffix(suffix)?;
            Some(variables.get("JUJU_WORKLOAD_NAME").unwrap_or(prefix).to_owned())
        };
        if let Some(container) = workload("-pebble-ready") {
            return Ok(Self::PebbleReady(ContainerEvent { container }));
        }
        if let Some(container) = workload("-pebble-check-failed") {
            return Ok(Self::PebbleCheckFailed(CheckEvent::new(container, variables)?));
        }
        if let Some(container) = workload("-pebble-check-recovered") {
            return Ok(Self::PebbleCheckRecovered(CheckEvent::new(container, variables)?));
        }
        if let Some(container) = workload("-pebble-custom-notice") {
            return Ok(Self::PebbleCustomNotice(NoticeEvent {
                container,
                id: variables.required("JUJU_NOTICE_ID")?.to_owned(),
                notice_type: variables.required("JUJU_NOTICE_TYPE")?.to_owned(),
                key: variables.required("JUJU_NOTICE_KEY")?.to_owned(),
            }));
        }
        Ok(Self::Other(name.to_owned()))
    }

    /// The relation that this event is about.
    pub fn relation(&self) -> Option<&RelationEvent> {
        match self {
            Self::RelationCreated(event)
            | Self::RelationJoined(event)
            | Self::RelationChanged(event)
            | Self::RelationDeparted(event)
            | Self::RelationBroken(event) => Some(event),
            _ => None,
        }
    }

    /// The secret that this event is about.
    pub fn secret(&self) -> Option<&SecretEvent> {
        match self {
            Self::SecretChanged(event)
            | Self::SecretRotate(event)
            | Self::SecretExpired(event)
            | Self::SecretRemove(event) => Some(event),
            _ => None,
        }
    }

    /// The workload container that this event is about.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::PebbleReady(event) => Some(&event.container),
            Self::PebbleCheckFailed(event) | Self::PebbleCheckRecovered(event) => Some(&event.container),
            Self::PebbleCustomNotice(event) => Some(&event.container),
            _ => None,
        }
    }
}

/// The hook's or action's name, as Juju writes it in `juju debug-log`.
impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install => formatter.write_str("install"),
            Self::Start => formatter.write_str("start"),
            Self::Stop => formatter.write_str("stop"),
            Self::Remove => formatter.write_str("remove"),
            Self::ConfigChanged => formatter.write_str("config-changed"),
            Self::UpdateStatus => formatter.write_str("update-status"),
            Self::UpgradeCharm => formatter.write_str("upgrade-charm"),
            Self::LeaderElected => formatter.write_str("leader-elected"),
            Self::LeaderSettingsChanged => formatter.write_str("leader-settings-changed"),
            Self::RelationCreated(event) => write!(formatter, "{}-relation-created", event.endpoint),
            Self::RelationJoined(event) => write!(formatter, "{}-relation-joined", event.endpoint),
            Self::RelationChanged(event) => write!(formatter, "{}-relation-changed", event.endpoint),
            Self::RelationDeparted(event) => write!(formatter, "{}-relation-departed", event.endpoint),
            Self::RelationBroken(event) => write!(formatter, "{}-relation-broken", event.endpoint),
            Self::StorageAttached(event) => write!(formatter, "{}-storage-attached", event.id.name()),
            Self::StorageDetaching(event) => write!(formatter, "{}-storage-detaching", event.id.name()),
            Self::SecretChanged(_) => formatter.write_str("secret-changed"),
            Self::SecretRotate(_) => formatter.write_str("secret-rotate"),
            Self::SecretExpired(_) => formatter.write_str("secret-expired"),
            Self::SecretRemove(_) => formatter.write_str("secret-remove"),
            Self::PebbleReady(event) => write!(formatter, "{}-pebble-ready", event.container),
            Self::PebbleCheckFailed(event) => write!(formatter, "{}-pebble-check-failed", event.container),
            Self::PebbleCheckRecovered(event) => {
                write!(formatter, "{}-pebble-check-recovered", event.container)
            }
            Self::PebbleCustomNotice(event) => write!(formatter, "{}-pebble-custom-notice", event.container),
            Self::Action(event) => formatter.write_str(&event.name),
            Self::Other(name) => formatter.write_str(name),
        }
    }
}

impl RelationEvent {
    fn from_variables(variables: &Variables) -> Result<Self, ContextError> {
        let id: RelationId = parsed(variables, "JUJU_RELATION_ID", "a relation id like database:7")?;
        let unit = |variable| match variables.get(variable) {
            // Present and empty: the event is about the application, not about a unit.
            None => Ok(None),
            Some(_) => parsed(variables, variable, "a unit name like database/0").map(Some),
        };
        Ok(Self {
            endpoint: variables.get("JUJU_RELATION").unwrap_or(id.endpoint()).to_owned(),
            remote_app: variables.get("JUJU_REMOTE_APP").map(str::to_owned),
            remote_unit: unit("JUJU_REMOTE_UNIT")?,
            departing_unit: unit("JUJU_DEPARTING_UNIT")?,
            id,
        })
    }
}

impl StorageEvent {
    fn from_variables(variables: &Variables) -> Result<Self, ContextError> {
        Ok(Self {
            id: parsed(variables, "JUJU_STORAGE_ID", "a storage id like config/0")?,
            location: variables.get("JUJU_STORAGE_LOCATION").map(str::to_owned),
            kind: variables.get("JUJU_STORAGE_KIND").map(str::to_owned),
        })
    }
}

impl SecretEvent {
    fn from_variables(variables: &Variables) -> Result<Self, ContextError> {
        let revision = match variables.get("JUJU_SECRET_REVISION") {
            None => None,
            Some(_) => Some(parsed(variables, "JUJU_SECRET_REVISION", "a revision number")?),
        };
        Ok(Self {
            id: parsed(
                variables,
                "JUJU_SECRET_ID",
                "a secret id like secret:9m4e2mr0ui3e8a215n4g",
            )?,
            label: variables.get("JUJU_SECRET_LABEL").map(str::to_owned),
            revision,
        })
    }
}

impl CheckEvent {
    fn new(container: String, variables: &Variables) -> Result<Self, ContextError> {
        Ok(Self {
            container,
            check: variables.required("JUJU_PEBBLE_CHECK_NAME")?.to_owned(),
        })
    }
}

fn parsed<T: FromStr>(
    variables: &Variables,
    variable: &'static str,
    expected: &'static str,
) -> Result<T, ContextError> {
    let value = variables.required(variable)?;
    value.parse().map_err(|_| ContextError::Invalid {
        variable,
        value: value.to_owned(),
        expected,
    })
}
