//! The part of a plan that is said to other applications and units: databags.

use std::collections::BTreeMap;

use velero_backup_config::BackupRequest;
use velero_backup_config::provider::{self, Change};

use super::{Inputs, OwnBags};
use crate::data_unit::{self, BACKUPS, CONFIG_VOLUME, DATA_UNIT, DataUnit, PAUSED, Peers, ROTATIONS, Report};
use crate::facts::{Facts, Storage};
use crate::ingress::{self, Ingress};
use crate::profile::AppProfile;
use crate::steps::prepare_volume::Start;
use crate::steps::rotation::Rotation;
use crate::steps::validate::{BackupSettings, TierBackup, ValidatedApp};
use crate::vpn;

/// The relations of a tier, and what our own application bag says there.
type Bags = BTreeMap<String, BTreeMap<String, String>>;

/// What is asked of velero-operator in a tier.
pub(super) fn databags(inputs: Inputs<'_>, backup: &TierBackup) -> Vec<Change> {
    let Inputs {
        facts,
        validated,
        start,
        ..
    } = inputs;
    let none = Bags::new();
    let bags = facts.backup_relations.get(backup.tier.name()).unwrap_or(&none);
    match &backup.settings {
        Ok(settings) => requests(facts, bags, settings, start, validated.elsewhere.is_some()),
        Err(_) => paused_as_they_are(facts, bags, validated),
    }
}

/// What is asked of velero-operator. Nothing while a backup would hold no data: it would be the newest one. What was asked
/// before is paused then, until somebody has done what is needed.
fn requests(
    facts: &Facts,
    bags: &Bags,
    backup: &BackupSettings,
    start: &Start,
    elsewhere: bool,
) -> Vec<Change> {
    let spoilt = match (start, &facts.peers) {
        (Err(blocker), _) if blocker.reason.spoils_backups() => Some(blocker.needs_somebody),
        _ if elsewhere => Some(true),
        (_, Peers::Related(peers)) => match peers.data_unit_paused {
            Some(paused) => paused.then_some(true),
            // The unit with the data is there and has not been met yet: what was asked for stays.
            None => return Vec::new(),
        },
        (_, Peers::NoRelation | Peers::NotTracked) => None,
    };
    match spoilt {
        Some(needs_somebody) => {
            let asked = bags.iter().filter(|(_, bag)| !bag.is_empty());
            let asked: Bags = asked.map(|(id, bag)| (id.clone(), bag.clone())).collect();
            match &backup.paused {
                Some(paused) if needs_somebody => provider::changes(&asked, paused),
                _ => Vec::new(),
            }
        }
        None => provider::changes(bags, &backup.request),
    }
}

/// What is to rest though the options do not say what is to be asked for: the last request, paused.
fn paused_as_they_are(facts: &Facts, bags: &Bags, validated: &ValidatedApp) -> Vec<Change> {
    if validated.elsewhere.is_none() {
        return Vec::new();
    }
    let paused = |(id, bag): (&String, &BTreeMap<String, String>)| {
        let last = BackupRequest::from_databag(bag).ok()?;
        let spec = last.spec().clone();
        spec.schedule()?;
        let model = last.model().unwrap_or(&facts.model);
        let spec = spec.with_paused(true);
        let paused = BackupRequest::new(last.app(), last.relation_name(), model, spec).ok()?;
        Some(provider::changes(
            &BTreeMap::from([(id.clone(), bag.clone())]),
            &paused,
        ))
    };
    bags.iter().filter_map(paused).flatten().collect()
}

/// Whether backups have to rest until somebody has done something.
pub(in crate::steps) fn pauses(validated: &ValidatedApp, start: &Start) -> bool {
    matches!(start, Err(blocker) if blocker.needs_somebody && blocker.reason.spoils_backups())
        || validated.elsewhere.is_some()
}

/// What the unit saw in its volume, and what the leader writes down of it.
pub(super) fn peer_bags(facts: &Facts, pauses: bool, rotation: &Rotation) -> Option<OwnBags> {
    let Peers::Related(peers) = &facts.peers else {
        return None;
    };
    let contents = match &facts.storage {
        Storage::Mounted { contents, .. } => Some(*contents),
        Storage::NotRead | Storage::NotMounted => None,
    };
    let report = contents
        .map(|contents| Report::next(peers.own, contents))
        .or(peers.own);
    let mut app = BTreeMap::new();
    let question = data_unit::DataUnitInputs {
        unit: &facts.unit,
        leads: facts.leader,
        contents,
        peers: &facts.peers,
    };
    if let Some(unit) = data_unit::to_bind(question, &facts.data) {
        app.insert(DATA_UNIT.to_owned(), unit.to_string());
    }
    if facts.leader && matches!(rotation, Rotation::Due(_)) && !facts.data.is_here() {
        app.insert(ROTATIONS.to_owned(), peers.rotations.wrapping_add(1).to_string());
    }
    if facts.leader {
        let with_data = match &facts.data {
            DataUnit::Here => report,
            DataUnit::Elsewhere { unit, .. } => peers.others.get(unit).copied().flatten(),
            _ => None,
        };
        match with_data {
            Some(Report::Data) if !peers.had_data => {
                app.insert(CONFIG_VOLUME.to_owned(), Report::Data.word().to_owned());
            }
            Some(Report::StartEmpty) if peers.had_data => {
                app.insert(CONFIG_VOLUME.to_owned(), String::new());
            }
            _ => {}
        }
    }
    let differs = report.filter(|report| peers.own != Some(*report));
    let mut unit: BTreeMap<String, String> = differs
        .map(|report| (CONFIG_VOLUME.to_owned(), report.word().to_owned()))
        .into_iter()
        .collect();
    let pauses = pauses && facts.data == DataUnit::Here;
    if pauses != peers.own_paused {
        unit.insert(BACKUPS.to_owned(), if pauses { PAUSED } else { "" }.to_owned());
    }
    (!app.is_empty() || !unit.is_empty()).then(|| OwnBags {
        relation_id: peers.id.clone(),
        app,
        unit,
    })
}

pub(super) fn ingress_bags(profile: &AppProfile, facts: &Facts) -> Option<OwnBags> {
    let Ingress::Related(related) = &facts.ingress else {
        return None;
    };
    let app = match &related.app_bag {
        Some(bag) => ingress::differences(
            bag,
            ingress::app_bag(&facts.model, &facts.app, profile.workload.port, !profile.url_base),
        ),
        None => BTreeMap::new(),
    };
    let unit = ingress::differences(
        &related.unit_bag,
        ingress::unit_bag(
            &facts.model,
            &facts.app,
            facts.unit.number(),
            related.address.as_deref(),
        ),
    );
    (!app.is_empty() || !unit.is_empty()).then(|| OwnBags {
        relation_id: related.id.clone(),
        app,
        unit,
    })
}

pub(super) fn vpn_bags(facts: &Facts) -> Option<OwnBags> {
    let own = facts.vpn.own.as_ref()?;
    let app = ingress::differences(&own.bag, vpn::app_bag(&facts.app));
    (!app.is_empty()).then(|| OwnBags {
        relation_id: own.relation_id.clone(),
        app,
        unit: BTreeMap::new(),
    })
}
