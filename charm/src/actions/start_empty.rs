//! The action `start-empty`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Call, Results, Stopped, declared, volume};
use crate::data_unit::{CONFIG_VOLUME, Contents, DATA_UNIT, Peers, Report};
use crate::facts::{Exchange, Storage};
use crate::options::{RESTORE_ON_DEPLOY, RestoreOnDeploy};
use crate::steps::apply::Applied;
use crate::steps::prepare_volume::was_emptied;
use crate::steps::{self, Asks};

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Gives up the data and lets the app start with an empty config volume. For a unit that is blocked because its volume lost \
         its content, or because the unit with the data is gone. Later backups hold the new, empty app; earlier ones stay until \
         they expire. Nothing is deleted. Needs restore-on-deploy to be `none`. To get the data back instead: restore-from-backup. Results: `result` is `started`.",
        json!({}),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let (juju, facts) = (call.env.juju, call.facts);
    let Peers::Related(peers) = &facts.peers else {
        return Err("there is no peer relation yet; try again in a moment"
            .to_owned()
            .into());
    };
    match &facts.storage {
        Storage::Mounted {
            contents: Contents::Empty,
            exchange: Exchange::Nothing | Exchange::Leftovers,
            ..
        } => {}
        // What it holds aside is not given up, and it would be remembered that it is.
        Storage::Mounted {
            contents: Contents::Empty,
            ..
        } => {
            return Err("a restore was cut off; juju status says how to end it"
                .to_owned()
                .into());
        }
        Storage::Mounted { .. } => return Err("the config volume is not empty".to_owned().into()),
        Storage::NotRead | Storage::NotMounted => {
            volume(facts)?;
        }
    }
    if !was_emptied(facts) && !facts.data.is_gone() {
        return Err(
            "the config volume has lost nothing; juju status says what is waited for"
                .to_owned()
                .into(),
        );
    }
    // Given up first and restored then: neither what was asked for nor what the result says.
    if let Ok(RestoreOnDeploy::From(_)) = facts.options.judged(&RESTORE_ON_DEPLOY) {
        let (option, value) = (RESTORE_ON_DEPLOY.name(), facts.options.text(&RESTORE_ON_DEPLOY));
        let app = &facts.app;
        return Err(format!(
            "{option} {value} would restore a backup instead; juju config {app} {option}=none"
        )
        .into());
    }
    let mut relations = juju.relations(crate::data_unit::ENDPOINT)?.into_iter();
    let Some(id) = relations.find(|id| id.to_string() == peers.id) else {
        return Err("there is no peer relation yet; try again in a moment"
            .to_owned()
            .into());
    };
    if facts.data.is_gone() {
        let here = BTreeMap::from([(DATA_UNIT.to_owned(), facts.unit.to_string())]);
        juju.set_own_app_data(&id, &here)?;
    }
    let report = BTreeMap::from([(CONFIG_VOLUME.to_owned(), Report::StartEmpty.word().to_owned())]);
    juju.set_own_unit_data(&id, &report)?;
    log::warn!("config volume: its lost content is given up by an action");
    let ended = steps::run(call.env, Asks::Nothing)?;
    match ended.workload {
        Applied::Changed | Applied::Unchanged => {
            Ok(Results::from([("result".to_owned(), "started".to_owned())]))
        }
        Applied::Failed(failure) => Err(failure.to_string().into()),
        Applied::Left | Applied::Stopped => {
            Err("the app does not start for another reason; look at juju status"
                .to_owned()
                .into())
        }
    }
}
