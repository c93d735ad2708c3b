//! Step 1. Reads what a dispatch needs to know, each thing once, and only what the event can have changed.
//!
//! A hook tool costs some milliseconds and update-status comes every five minutes for ever, so a steady one reads seven:
//! is-leader, config-get, four about the peer relation, and status-get. The backup relations are remembered with what was seen of
//! the cluster: see [`ClusterSeen`]. The secret is
//! read only when the config file or an event says that it may be another: see [`CredentialsSeen`]. Ports, the storage's place and the relations that decide how the workload runs are read in events that can have changed
//! them, or when it has to be started: in between, Pebble's plan remembers what they said. The version is read when there is
//! a new container.

mod container;
mod in_cluster;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use config_recovery::engine;
use config_volume::Swap;
use jiff::Timestamp;
use juju_charm::hook_tools;
use juju_charm::pebble::ServiceStatus;
use juju_charm::{ErrorKind, Event, Juju, RelationId, UnitName};

use self::in_cluster::{InCluster, Subjects};
use crate::CharmError;
use crate::cluster_seen::{Bearing, ClusterSeen};
use crate::config_file;
use crate::cos::{self, Cos};
use crate::credentials::{self, Credentials, MissingKey, Origin};
use crate::credentials_seen::CredentialsSeen;
use crate::data_unit::{
    self, BACKUPS, Contents, DATA_UNIT, DataUnit, PAUSED, PeerFacts, Peers, ROTATIONS, Report,
};
use crate::endpoints::{self, Endpoint};
use crate::env::Env;
use crate::exporter;
use crate::facts::{BackupRelations, Container, Exchange, ExporterFacts, Facts, Obsolete, Storage};
use crate::ingress::{self, Ingress, Related};
use crate::media::{self, Media};
use crate::metadata;
use crate::options::RawOptions;
use crate::profile::{AppProfile, CreatedBy};
use crate::recovery::texts::user_message;
use crate::remembered::Remembered;
use crate::tiers;
use crate::volume::holds_nothing;
use crate::vpn::{self, Vpn, VpnFacts};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What the event can have changed.
    AsTheEventNeeds,
    /// Everything, whatever the event is.
    Everything,
    /// Everything but how the app's backups stand, of which only the status tells.
    AllButBackups,
    /// The same, with how the volume is saved even where there is no relation: an action asks about it.
    HowItIsSaved,
}

/// Reads the world.
///
/// # Errors
/// When a hook tool fails. A container that cannot be read is a fact, not an error.
pub fn gather(env: Env<'_>, look: Look) -> Result<Facts, CharmError> {
    let Env {
        juju,
        pebble,
        cluster,
        profile,
        ..
    } = env;
    let context = juju.context();
    let event = context.event();
    let bearing = Bearing::of(event);
    // First of all: an event that fails, and is not run again, tells nobody else what has changed.
    if !bearing.recalls() {
        ClusterSeen::forget(context.charm_dir());
    }
    let thorough = look != Look::AsTheEventNeeds || can_change_anything(event);
    let leader = juju.is_leader()?;
    // A new image comes with a new container; no hook tool reads the version back to compare.
    let new_container = matches!(event, Event::PebbleReady(_));
    let remembered = Remembered::read(juju)?;
    // Pebble takes about as long as a hook tool.
    let (config, container) =
        juju.config_beside(|| container::look(pebble, profile, new_container, &remembered.put_aside));
    let options = RawOptions::read(profile, config?)?;
    let starts =
        matches!(&container, Container::Ready(ready) if ready.service != Some(ServiceStatus::Active));
    let is_faulty = matches!(&container, Container::Faulty { .. });
    let peers = peers(juju, profile, leader)?;
    let saw_data = matches!(&peers, Peers::Related(peers) if peers.own == Some(Report::Data));
    // What is to be put right is looked at until it is, and so is what a restore has left that was cut off: it began with a
    // status of its own.
    let storage = if thorough || starts || !saw_data || !is_content(juju)? {
        storage(juju, profile)?
    } else {
        Storage::NotRead
    };
    let data = data_unit::decide(data_unit::DataUnitInputs {
        unit: context.unit(),
        leads: leader,
        contents: match &storage {
            Storage::Mounted { contents, .. } => Some(*contents),
            // It is not read again where it was seen to hold something.
            Storage::NotRead => Some(Contents::Data),
            Storage::NotMounted => None,
        },
        peers: &peers,
    });
    let runs_here = data.is_here();
    let may_be_another = thorough || matches!(event, Event::SecretChanged(_));
    let credentials = if runs_here || leader && may_be_another {
        let seen = CredentialsSeen::beside(context.charm_dir(), peers.rotations());
        credentials(juju, profile, &container, leader, &data, &seen, may_be_another)?
    } else {
        None
    };
    if !leader && !runs_here {
        // Nothing here is compared with the secret any more, and nobody tells this unit of another one.
        CredentialsSeen::forget(context.charm_dir());
    }
    let rotation = rotation(juju, profile, leader, credentials.as_ref())?;
    // What decides how the app runs: Pebble's plan remembers it in between.
    let is_to_be_read = |endpoint| -> Result<bool, CharmError> {
        let may_differ = starts || is_faulty || can_change(event, endpoint) || thorough;
        Ok((leader || runs_here) && (may_differ || !is_content(juju)?))
    };
    let media = if profile.media && is_to_be_read(media::ENDPOINT)? {
        media(juju)?
    } else {
        Media::NotRead
    };
    let vpn = if profile.vpn && is_to_be_read(vpn::ENDPOINT)? {
        vpn::world::look(juju, cluster, leader)?
    } else {
        VpnFacts::default()
    };
    let about_media = is_about_media(event, &media, &remembered);
    let about_pod = matches!(vpn.vpn, Vpn::NotRelated | Vpn::Provided(_)) || leader && about_media;
    let about_standing =
        |is_backed_up| !matches!(look, Look::AllButBackups | Look::HowItIsSaved) && is_backed_up && runs_here;
    let may_recall = !thorough && !starts && !is_faulty && bearing.recalls() && is_content(juju)?;
    let now = Timestamp::now();
    let recalled = (may_recall && !about_pod)
        .then(|| ClusterSeen::recall(context.charm_dir(), now))
        .flatten()
        .filter(|seen| !seen.backup_relations.is_empty())
        // Another role asks another question.
        .filter(|seen| seen.leader == leader && seen.has_standing() == about_standing(true));
    let backup_relations = match &recalled {
        Some(seen) => seen.backup_relations.clone(),
        None => backup_relations(juju, profile, leader)?,
    };
    let is_backed_up = !backup_relations.is_empty();
    let about = Subjects {
        marks: is_backed_up || may_be_marked(juju, profile)?,
        volume: is_backed_up || profile.is_backed_up() && look == Look::HowItIsSaved,
        standing: about_standing(is_backed_up),
        pod: about_pod,
        media_claim: leader,
    };
    let InCluster {
        is_recalled,
        pod,
        volume,
        standing,
        media_claim,
        left,
        fewer,
    } = in_cluster::look(env, about, recalled, remembered.restored_by(now));
    let ingress =
        if profile.ingress && (starts && runs_here || can_change(event, ingress::ENDPOINT) || thorough) {
            ingress(juju, leader)?
        } else {
            Ingress::NotRead
        };
    let cos = cos(juju, profile, event, leader, thorough)?;
    let settings = exporter::Settings::read(context.charm_dir());
    let exporter = ExporterFacts {
        is_running: settings.is_some() && exporter::process::is_running(context.charm_dir()),
        settings,
    };
    let opened_ports = if thorough {
        Some(juju.opened_ports()?)
    } else {
        None
    };
    Ok(Facts {
        now,
        app: context.app().to_owned(),
        unit: context.unit().clone(),
        model: context.model_name().to_owned(),
        model_uuid: context.model_uuid().to_owned(),
        charm_dir: context.charm_dir().to_owned(),
        leader,
        peers,
        data,
        options,
        metadata: metadata::check(context.charm_dir(), profile),
        remembered,
        container,
        storage,
        credentials,
        rotation,
        rotation_is_due: rotation_is_due(event, profile),
        obsolete: obsolete(event),
        backup_relations,
        is_recalled,
        pod,
        volume,
        standing,
        fewer,
        left,
        media,
        media_go: about_media,
        media_claim,
        ingress,
        vpn,
        cos,
        exporter,
        opened_ports,
    })
}

/// The relations of those who watch many applications, where the event can have changed them.
fn cos(
    juju: &Juju,
    profile: &AppProfile,
    event: &Event,
    leader: bool,
    thorough: bool,
) -> Result<Cos, CharmError> {
    let is_asked = |endpoint: &Endpoint| {
        let is_ours = endpoints::of(profile).any(|ours| ours.name == endpoint.name);
        is_ours && (thorough || can_change(event, endpoint.name))
    };
    let mut found = Cos::default();
    if is_asked(&endpoints::METRICS_ENDPOINT) {
        found.metrics = Some(cos::world::metrics(juju, leader)?);
    }
    if is_asked(&endpoints::GRAFANA_DASHBOARD) {
        found.dashboard = Some(cos::world::dashboard(juju, leader)?);
    }
    if is_asked(&endpoints::LOGGING) {
        found.logging = Some(cos::world::logging(juju, leader)?);
    }
    Ok(found)
}

/// The peer relation, and what of it decides where the data are.
fn peers(juju: &Juju, profile: &AppProfile, leader: bool) -> Result<Peers, CharmError> {
    if !profile.has_one_writer() {
        return Ok(Peers::NotTracked);
    }
    let Some(id) = juju.relations(data_unit::ENDPOINT)?.into_iter().next() else {
        return Ok(Peers::NoRelation);
    };
    let unit = juju.context().unit();
    let app_bag = juju.own_app_data(&id)?;
    let bound: Option<UnitName> = app_bag.get(DATA_UNIT).and_then(|name| name.parse().ok());
    let bound = bound.filter(|bound| bound.app() == unit.app());
    let had_data = Report::read(&app_bag) == Some(Report::Data);
    let mut others = BTreeMap::new();
    let is_other = |bound: &UnitName| leader && bound != unit;
    let mut data_unit_paused = match &bound {
        // Until it is met below.
        Some(bound) if is_other(bound) => None,
        _ => Some(false),
    };
    for other in juju.relation_units(&id)? {
        // The leader decides by what the others report, and notes what the one with the data saw.
        let is_bound = bound.as_ref() == Some(&other);
        let bag = if leader && (bound.is_none() || is_bound) {
            other_bag(juju, &id, &other)?
        } else {
            BTreeMap::new()
        };
        if is_bound {
            data_unit_paused = Some(is_paused(&bag));
        }
        others.insert(other, Report::read(&bag));
    }
    // Units that exist and that this one has not met yet: after a refresh nobody has met anybody.
    let is_known = bound
        .as_ref()
        .is_some_and(|bound| bound == unit || others.contains_key(bound));
    if !is_known && (leader || bound.is_some()) {
        let planned = hook_tools::goal_state(juju.runner())?.units;
        let present = planned.into_iter().filter(|(_, goal)| goal.status != "dying");
        for other in present.filter_map(|(name, _)| name.parse::<UnitName>().ok()) {
            if other != *unit {
                others.entry(other).or_insert(None);
            }
        }
    }
    let own_bag = juju.own_unit_data(&id)?;
    Ok(Peers::Related(PeerFacts {
        id: id.to_string(),
        bound,
        had_data,
        rotations: app_bag
            .get(ROTATIONS)
            .and_then(|count| count.parse().ok())
            .unwrap_or_default(),
        own: Report::read(&own_bag),
        own_paused: is_paused(&own_bag),
        data_unit_paused,
        others,
    }))
}

fn is_paused(bag: &BTreeMap<String, String>) -> bool {
    bag.get(BACKUPS).is_some_and(|word| word == PAUSED)
}

fn other_bag(juju: &Juju, id: &RelationId, unit: &UnitName) -> Result<BTreeMap<String, String>, CharmError> {
    match juju.unit_data(id, unit) {
        Ok(bag) => Ok(bag),
        // It left in this moment.
        Err(error) if error.kind() == ErrorKind::NoSuchRelation => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the pod may carry marks for backups though there is no relation: it goes, the hook that should have taken the marks away
/// did not work, or an older charm left them.
fn may_be_marked(juju: &Juju, profile: &AppProfile) -> Result<bool, CharmError> {
    let event = juju.context().event();
    let is_of_relation = event
        .relation()
        .is_some_and(|relation| tiers::of_endpoint(&relation.endpoint).is_some());
    Ok(profile.is_backed_up() && (is_of_relation || *event == Event::UpgradeCharm || !is_content(juju)?))
}

/// Whether the last event left nothing to be mended. Costs no hook tool more: every dispatch ends with this question.
///
/// What could not be done about the media is tried again in every event until it is: neither the relation nor the pod
/// changes when somebody gives the trust that lacked, or when the cluster answers again.
fn is_content(juju: &Juju) -> Result<bool, CharmError> {
    Ok(juju.status()?.name == "active")
}

/// Whether the pod has to be compared with what the relation media-storage says.
fn is_about_media(event: &Event, media: &Media, remembered: &Remembered) -> bool {
    match media {
        Media::Provided(_) => true,
        // Most apps never had media: their pod is not read for that.
        Media::NotRelated => {
            let mut relation = event.relation().into_iter();
            remembered.media_unsettled || relation.any(|relation| relation.endpoint == media::ENDPOINT)
        }
        _ => false,
    }
}

/// False for the events that come again and again and cannot have changed ports, mounts or the image.
fn can_change_anything(event: &Event) -> bool {
    !matches!(
        event,
        Event::UpdateStatus
            | Event::RelationCreated(_)
            | Event::RelationJoined(_)
            | Event::RelationChanged(_)
            | Event::RelationDeparted(_)
            | Event::RelationBroken(_)
            | Event::SecretChanged(_)
            | Event::PebbleCheckFailed(_)
            | Event::PebbleCheckRecovered(_)
            | Event::PebbleCustomNotice(_)
    )
}

/// Whether the event can have changed what a relation of this endpoint says.
fn can_change(event: &Event, endpoint: &str) -> bool {
    match event.relation() {
        Some(relation) => relation.endpoint == endpoint,
        None => can_change_anything(event),
    }
}

/// What the secret holds; before there is one, the key that the app already uses, else new ones. Where the config file has what
/// the secret had when it was `seen` last, and it cannot be another by now, the secret is not read.
///
/// Nothing is made while the container cannot be read, or the app has still to make its file: it may have a key that its
/// clients know. Nor on a unit that could not keep them, because it does not lead, or that does not run the app.
fn credentials(
    juju: &Juju,
    profile: &AppProfile,
    container: &Container,
    leader: bool,
    data: &DataUnit,
    seen: &CredentialsSeen,
    may_be_another: bool,
) -> Result<Option<Credentials>, CharmError> {
    let (Some(file), Some(kind)) = (&profile.config_file, &profile.credentials) else {
        return Ok(None);
    };
    let label = credentials::label(kind);
    let current = match container {
        Container::Ready(ready) => ready.config_file.as_ref(),
        _ => None,
    };
    let current = current.map(|file| file.content.as_slice());
    if !may_be_another && let Some(found) = current.and_then(|content| seen.recall(profile, content)) {
        return Ok(Some(found));
    }
    if let Some(content) = juju.secret_content(label)? {
        return match Credentials::from_secret(kind, &content) {
            Ok(found) => {
                seen.note(profile, current, &found);
                Ok(Some(found))
            }
            Err(MissingKey(key)) => Err(CharmError::SecretWithoutKey { label, key }),
        };
    }
    if !matches!(container, Container::Ready(_)) || !data.is_here() {
        return Ok(None);
    }
    let in_use = profile.api_key_place().zip(current).and_then(|(place, current)| {
        config_file::value(file, current, &place)
            // Clients know the key that the app had before its file was damaged.
            .or_else(|| config_file::value_in_damaged(file, current, &place))
    });
    match in_use.as_deref().and_then(Credentials::from_config_file) {
        Some(key) => Ok(Some(key)),
        None if file.created_by == CreatedBy::App && current.is_none() || !leader => Ok(None),
        None => Ok(Some(Credentials::generate(kind)?)),
    }
}

/// How often Juju says that the secret's time has come. Only the option changes it, and only the leader may ask.
fn rotation(
    juju: &Juju,
    profile: &AppProfile,
    leader: bool,
    credentials: Option<&Credentials>,
) -> Result<Option<String>, CharmError> {
    let changes_options = matches!(
        juju.context().event(),
        Event::ConfigChanged | Event::UpgradeCharm | Event::LeaderElected
    );
    let Some(kind) = &profile.credentials else {
        return Ok(None);
    };
    if !leader || !changes_options || credentials.is_none_or(|found| found.origin() != Origin::Secret) {
        return Ok(None);
    }
    let info = juju.secret_info(credentials::label(kind))?;
    Ok(info.map(|info| info.rotation.unwrap_or_else(|| "never".to_owned())))
}

/// Whether this is the event that says that the secret's time has come.
fn rotation_is_due(event: &Event, profile: &AppProfile) -> bool {
    let Event::SecretRotate(event) = event else {
        return false;
    };
    let label = profile.credentials.as_ref().map(credentials::label);
    // The app owns one secret; a label that is not given can only mean that one.
    event.label.is_none() || event.label.as_deref() == label
}

/// Juju keeps an old revision, with the credentials of that time, until its owner removes it.
fn obsolete(event: &Event) -> Option<Obsolete> {
    match event {
        Event::SecretRemove(event) => Some(Obsolete {
            secret: event.id.clone(),
            revision: event.revision?,
        }),
        _ => None,
    }
}

fn media(juju: &Juju) -> Result<Media, CharmError> {
    let Some(id) = juju.relations(media::ENDPOINT)?.into_iter().next() else {
        return Ok(Media::NotRelated);
    };
    let Some(remote) = juju.remote_app(&id)? else {
        return Ok(Media::Waiting);
    };
    Ok(Media::from_bag(&juju.app_data(&id, &remote)?))
}

fn ingress(juju: &Juju, leader: bool) -> Result<Ingress, CharmError> {
    let Some(id) = juju.relations(ingress::ENDPOINT)?.into_iter().next() else {
        return Ok(Ingress::NotRelated);
    };
    let url = match juju.remote_app(&id)? {
        Some(remote) => ingress::url_in(&juju.app_data(&id, &remote)?),
        None => None,
    };
    // Only the leader may read its own application's bag.
    let app_bag = if leader {
        Some(juju.own_app_data(&id)?)
    } else {
        None
    };
    let address = juju.network(ingress::ENDPOINT)?.bind_address();
    Ok(Ingress::Related(Related {
        app_bag,
        unit_bag: juju.own_unit_data(&id)?,
        address: address.map(|address| address.to_string()),
        url,
        id: id.to_string(),
    }))
}

/// The relations of all tiers, and what our own bags say there, which only the leader may read.
fn backup_relations(juju: &Juju, profile: &AppProfile, leader: bool) -> Result<BackupRelations, CharmError> {
    let mut all = BackupRelations::new();
    for tier in tiers::of(profile) {
        let ids = juju.relations(tier.name())?;
        if ids.is_empty() {
            continue;
        }
        let mut bags = BTreeMap::new();
        for id in ids.into_iter().filter(|_| leader) {
            let bag = juju.own_app_data(&id)?;
            bags.insert(id.to_string(), bag);
        }
        all.insert(tier.name().to_owned(), bags);
    }
    Ok(all)
}

fn storage(juju: &Juju, profile: &AppProfile) -> Result<Storage, CharmError> {
    let Some(storage) = &profile.storage else {
        return Ok(Storage::NotRead);
    };
    let Some(id) = juju.storages(&storage.name)?.into_iter().next() else {
        return Ok(Storage::NotMounted);
    };
    let Some(location) = juju.storage_location(&id)? else {
        return Ok(Storage::NotMounted);
    };
    let Ok(metadata) = std::fs::metadata(&location) else {
        return Ok(Storage::NotMounted);
    };
    Ok(Storage::Mounted {
        owner: (metadata.uid(), metadata.gid()),
        contents: match holds_nothing(&location) {
            true => Contents::Empty,
            false => Contents::Data,
        },
        exchange: exchange(&location, juju.context().app()),
        location,
    })
}

fn exchange(volume: &Path, app: &str) -> Exchange {
    if let Some(reason) = engine::exchanged_by_hand(volume) {
        return Exchange::Unreadable { reason };
    }
    let state = match Swap::peek(volume) {
        Ok(Some(peek)) if peek.is_incomplete => return Exchange::Incomplete,
        Ok(state) => state,
        Err(error) => {
            return Exchange::Unreadable {
                reason: crate::causes(&error),
            };
        }
    };
    match engine::unfinished(volume) {
        Ok(None) if state.is_none() => Exchange::Nothing,
        Ok(_) => Exchange::Leftovers,
        Err(error) => Exchange::Unreadable {
            reason: user_message(&error, app),
        },
    }
}
