//! What is left to do when the unit or its volume goes away: whatever starts now would only be cut off, but nothing of a
//! backup may stay in the volume that empties later ones of it.

use std::path::PathBuf;

use juju_charm::Event;

use crate::env::Env;

/// Takes back what a backup under way has put into the volume. That it cannot be done is logged: the unit goes all the same.
pub fn leave(env: Env<'_>) {
    let Some(volume) = volume(env) else { return };
    if let Err(error) = config_volume::withdraw(&volume) {
        log::warn!("config volume: {}", crate::causes(&error));
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
