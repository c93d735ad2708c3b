//! The client's half: which databags to write, given what they hold now.
//!
//! Each write of a databag costs velero-operator two restarts of Velero, which fail the backups that are running. So
//! nothing is written unless it differs.

use std::collections::BTreeMap;

use crate::request::{BackupRequest, KEYS};

/// What to write into one relation's own application databag.
///
/// `Id` is whatever the caller names relations by: a text, or the id type of its framework.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<Id = String> {
    /// The relation, as the caller named it.
    pub relation_id: Id,
    /// Keys and their new values, for one `relation-set --app`. An empty value removes the key, as in Juju.
    pub set: BTreeMap<String, String>,
}

/// The changes that make every relation carry the request. Empty when all of them carry it already.
///
/// `bags` maps the id of each relation of the endpoint to this application's own databag there. Keys that are not the
/// protocol's are neither looked at nor removed. Only the leader may write.
pub fn changes<Id: Clone>(
    bags: &BTreeMap<Id, BTreeMap<String, String>>,
    request: &BackupRequest,
) -> Vec<Change<Id>> {
    let wanted = request.to_databag();
    bags.iter()
        .filter_map(|(relation_id, bag)| {
            let mut set = wanted.clone();
            set.retain(|key, value| bag.get(key) != Some(value));
            change(relation_id, set)
        })
        .collect()
}

/// The changes that take the request back from every relation, for a client that has nothing to protect for now.
///
/// All four keys go in one write: velero-operator takes `app` and `relation_name` without a `spec` to ask for a backup
/// of the whole cluster. It finds no request then, and leaves the Schedule that it made as it is; only breaking the
/// relation, or a request without a schedule, removes that.
pub fn withdrawals<Id: Clone>(bags: &BTreeMap<Id, BTreeMap<String, String>>) -> Vec<Change<Id>> {
    bags.iter()
        .filter_map(|(relation_id, bag)| {
            let set = KEYS
                .into_iter()
                .filter(|key| bag.get(*key).is_some_and(|value| !value.is_empty()))
                .map(|key| (key.to_owned(), String::new()))
                .collect();
            change(relation_id, set)
        })
        .collect()
}

fn change<Id: Clone>(relation_id: &Id, set: BTreeMap<String, String>) -> Option<Change<Id>> {
    (!set.is_empty()).then(|| Change {
        relation_id: relation_id.clone(),
        set,
    })
}
