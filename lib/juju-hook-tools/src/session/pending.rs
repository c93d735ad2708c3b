//! What a hook has written and Juju has not stored yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Databag, Port, Unit};

use super::SecretOperation;

/// The writes of one hook, in the order in which they count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    /// Writes to databags by relation id and side; an empty value removes the key.
    databags: BTreeMap<(u32, Side), Databag>,
    /// The whole state as the hook sees it, once it has written to it.
    pub(crate) state: Option<BTreeMap<String, String>>,
    /// Ports to open and to close.
    pub(crate) ports: Vec<PortOperation>,
    /// Operations on secrets.
    pub(crate) secrets: Vec<SecretOperation>,
}

/// Whose databag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Application,
    Unit,
}

/// One `open-port` or `close-port` for one endpoint; the empty endpoint means all.
#[derive(Debug, Clone)]
pub(crate) struct PortOperation {
    pub(crate) open: bool,
    pub(crate) endpoint: String,
    pub(crate) port: Port,
}

impl Pending {
    /// Notes a write to the own databag.
    pub(crate) fn write(&mut self, relation: u32, application: bool, key: String, value: String) {
        self.databags
            .entry((relation, side(application)))
            .or_default()
            .insert(key, value);
    }

    /// Puts the noted writes over a databag.
    pub(crate) fn overlay(&self, relation: u32, application: bool, data: &mut Databag) {
        for (key, value) in self
            .databags
            .get(&(relation, side(application)))
            .into_iter()
            .flatten()
        {
            if value.is_empty() {
                data.remove(key);
            } else {
                data.insert(key.clone(), value.clone());
            }
        }
    }

    /// The databags that were written to: relation id, and whether it is the application's.
    pub(crate) fn written(&self) -> Vec<(u32, bool)> {
        self.databags
            .keys()
            .map(|(relation, side)| (*relation, *side == Side::Application))
            .collect()
    }

    /// The opened ports of the unit as they are with the noted operations.
    pub(crate) fn opened_ports(&self, unit: &Unit) -> BTreeMap<String, BTreeSet<Port>> {
        let mut opened = unit.opened_ports.clone();
        for operation in &self.ports {
            if operation.open {
                opened
                    .entry(operation.endpoint.clone())
                    .or_default()
                    .insert(operation.port);
            } else if operation.endpoint.is_empty() {
                for ports in opened.values_mut() {
                    ports.remove(&operation.port);
                }
            } else if let Some(ports) = opened.get_mut(&operation.endpoint) {
                ports.remove(&operation.port);
            }
        }
        opened.retain(|_, ports| !ports.is_empty());
        opened
    }
}

fn side(application: bool) -> Side {
    if application {
        Side::Application
    } else {
        Side::Unit
    }
}
