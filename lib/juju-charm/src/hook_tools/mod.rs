//! One function for each of Juju's hook tools, under the tool's name.
//!
//! This is the layer to build another framework on: it knows the tools' arguments, outputs and oddities, and keeps no
//! state. [`Juju`](crate::Juju) is what a charm uses. Output is always asked for as JSON where the tool can write it.
//! Each function says in its `Errors` section what the tool refuses; see [`Error::kind`](crate::Error::kind) for what a caller can act on.
//!
//! What can be long or secret never is an argument, since arguments are visible in the process list and the kernel limits
//! each to 128 KiB: `relation-set` and `state-set` get it by `--file -`, secrets by a private file.
//!
//! Not here: `juju-reboot`, which Juju refuses on Kubernetes; `leader-get` and `leader-set`, `pod-spec-*`, `k8s-*` and
//! `payload-*`, which Juju 4.0 no longer has; `add-metric`, which does nothing since 3.6.11.

mod action;
mod invocation;
mod relation;
mod secret;
mod state;
mod status;
mod storage;
mod unit;

pub use action::{action_fail, action_get, action_log, action_set};
pub use relation::{
    Bag, relation_get, relation_ids, relation_list, relation_list_app, relation_model_get, relation_set,
};
pub use secret::{
    SecretHandle, secret_add, secret_get, secret_grant, secret_ids, secret_info_get, secret_remove,
    secret_revoke, secret_set,
};
pub use state::{state_delete, state_get, state_set};
pub use status::{application_status_get, status_get, status_set};
pub use storage::{StorageInfo, storage_add, storage_get, storage_list};
pub use unit::{
    BindAddress, CloudCredential, GoalState, GoalStatus, InterfaceAddress, LogLevel, Network,
    application_version_set, close_port, config_get, config_get_beside, credential_get, goal_state,
    is_leader, juju_log, network_get, open_port, opened_ports, resource_get, unit_get,
};
