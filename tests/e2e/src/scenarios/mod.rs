//! What is proven on the cluster. One file, one scenario: a name, a sentence, what it needs, and what it does.

mod access;
mod alerts_tell;
mod by_hand;
mod claim_bench;
mod claims_only;
mod config_volume;
mod configuratarr;
mod data_stays;
mod disaster;
mod exactly;
mod failed_restore;
mod fleet;
mod from_outside;
mod in_parallel;
mod killed_action;
mod killed_restore;
mod knows_the_app;
mod large_volume;
mod live_database;
mod lost_node;
mod media;
mod nothing_else;
pub mod pebble_contract;
mod plain_restore;
mod pod;
mod pod_failure;
mod protected;
mod qbittorrent;
mod reattached;
mod redeployed;
mod refresh;
mod refused_backups;
mod restored_app;
mod rolled_back;
mod schedule;
mod scraped;
mod scratch;
mod scratch_snapshot;
mod scratch_stops;
mod shared_media;
mod snapshot;
mod spoilt;
mod stale_copies;
mod steady_event;
mod strict_model;
mod terminal;
mod three_backups;
mod told_by_bytes;
mod two_apps;
mod untouched;
mod verified_by_itself;
mod vpn;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use serde::Serialize;

use crate::ground::{Need, TestEnv};

/// One thing to prove.
pub struct Scenario {
    /// Name for `--only`.
    pub name: &'static str,
    /// What is proven, in one sentence.
    pub says: &'static str,
    /// What may be played beside it.
    pub beside: Beside,
    /// Whether another release of Velero could make a difference to what is proven: then it is proven with each.
    pub depends_on_velero: bool,
    /// Whether it takes long and what it proves changes rarely: then it is played when all releases of Velero are, with
    /// `--thorough`, or by its name.
    pub thorough: bool,
    /// What it cannot do without.
    pub needs: &'static [Need],
    run: for<'a> fn(&'a TestEnv, &'a mut ScenarioReport) -> LocalBoxFuture<'a, Result<()>>,
}

/// What may be played beside a scenario. Most of them wait most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Any that does not have to be alone.
    Any,
    /// Any that upsets no restore: it has a charm back up and restore.
    Calm,
    /// Any that restores nothing by a charm: it keeps the node from taking pods, brings a second Velero, of which a charm would not know
    /// which one is meant, or counts all that the recovery engine leaves in the cluster.
    NoRestore,
    /// None: it measures times, or looks at everything in the cluster.
    None,
}

impl Scenario {
    /// Plays it.
    ///
    /// # Errors
    /// What was not as it should be.
    pub async fn play(&self, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
        (self.run)(ground, story).await
    }
}

/// All scenarios, in the order in which they are told.
pub const ALL: &[Scenario] = &[
    nothing_else::SCENARIO,
    disaster::SCENARIO,
    claim_bench::SCENARIO,
    claims_only::SCENARIO,
    told_by_bytes::SCENARIO,
    config_volume::SCENARIO,
    schedule::SCENARIO,
    steady_event::SCENARIO,
    alerts_tell::SCENARIO,
    pebble_contract::SCENARIO,
    pod::SCENARIO,
    pod_failure::SCENARIO,
    refresh::SCENARIO,
    media::SCENARIO,
    qbittorrent::SCENARIO,
    vpn::SCENARIO,
    exactly::SCENARIO,
    live_database::SCENARIO,
    restored_app::SCENARIO,
    stale_copies::SCENARIO,
    plain_restore::SCENARIO,
    data_stays::SCENARIO,
    two_apps::SCENARIO,
    from_outside::SCENARIO,
    configuratarr::SCENARIO,
    redeployed::SCENARIO,
    rolled_back::SCENARIO,
    shared_media::SCENARIO,
    killed_restore::SCENARIO,
    killed_action::SCENARIO,
    failed_restore::SCENARIO,
    refused_backups::SCENARIO,
    verified_by_itself::SCENARIO,
    reattached::SCENARIO,
    knows_the_app::SCENARIO,
    large_volume::SCENARIO,
    scratch::SCENARIO,
    scratch_stops::SCENARIO,
    strict_model::SCENARIO,
    lost_node::SCENARIO,
    snapshot::SCENARIO,
    scratch_snapshot::SCENARIO,
    by_hand::SCENARIO,
    three_backups::SCENARIO,
];

/// What CI plays with the newest release of Velero too: bytes stored and restored by both methods, hooks around databases in use, and
/// the engine's own way, one at a time and seven at once. The others that depend on Velero take half an hour with it.
pub const WITH_NEWEST: [&str; 4] = [
    config_volume::SCENARIO.name,
    restored_app::SCENARIO.name,
    scratch::SCENARIO.name,
    snapshot::SCENARIO.name,
];

/// What a scenario tells beside success or failure.
#[derive(Debug, Default, Clone, Serialize)]
pub struct ScenarioReport {
    /// Measured values, each with its name.
    pub figures: Vec<(String, String)>,
}

impl ScenarioReport {
    /// Notes a measured value.
    pub fn figure(&mut self, name: &str, value: impl ToString) {
        self.figures.push((name.to_owned(), value.to_string()));
    }
}
