//! What is left to do when the unit or its volume goes away: whatever starts now would only be cut off, but nothing of a
//! backup may stay in the volume that empties later ones of it.

use std::path::PathBuf;

use juju_charm::Event;

use crate::env::Env;
use crate::exporter;

/// Takes back what a backup under way has put into the volume. That it cannot be done is logged: the unit goes all the same.
pub fn leave(env: Env<'_>) {
    end_exporter(env);
    let Some(volume) = volume(env) else { return };
    if let Err(error) = config_volume::withdraw(&volume) {
        log::warn!("config volume: {}", crate::causes(&error));
    }
}

/// It goes with the pod. Where there is none, it would go on for ever.
fn end_exporter(env: Env<'_>) {
    let context = env.juju.context();
    if !matches!(context.event(), Event::Stop | Event::Remove) {
        return;
    }
    let charm_dir = context.charm_dir();
    let told = exporter::Settings::remove(charm_dir);
    if let Err(error) = exporter::process::end(charm_dir).and(told) {
        log::warn!("the exporter of metrics cannot be ended: {error}");
    }
}

fn volume(env: Env<'_>) -> Option<PathBuf> {
    let (juju, storage) = (env.juju, env.profile.storage.as_ref()?);
    if let Event::StorageDetaching(event) = juju.context().event()
        && let Some(location) = &event.location
    {
        return (event.id.name() == storage.name).then(|| PathBuf::from(location));
    }
    let id = juju.storages(&storage.name).ok()?.into_iter().next()?;
    juju.storage_location(&id)
        .ok()?
        .filter(|location| location.is_dir())
}
