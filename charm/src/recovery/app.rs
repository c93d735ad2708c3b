//! The app as the engine has to know it: stopped through Pebble, started by the second half of a dispatch, and well when
//! it answers itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use config_recovery::engine::App;
use config_volume::RESTORE_FOLDER;
use juju_charm::Juju;
use juju_charm::pebble::{Pebble, ServiceStatus};

use super::Recovery;
use crate::apply::{self, Applied};
use crate::config_file;
use crate::facts::{Facts, Storage};
use crate::gather;
use crate::kubernetes::Cluster;
use crate::plan::{self, WorkloadPlan};
use crate::profile::{AppProfile, User};
use crate::status;
use crate::validate::{self, WorkloadSettings};

/// The app of this unit.
pub struct CharmApp<'a> {
    /// Juju.
    pub juju: &'a Juju,
    /// The container's Pebble.
    pub pebble: &'a dyn Pebble,
    /// The cluster.
    pub cluster: &'a dyn Cluster,
    /// Where the app is asked whether it is well.
    pub recovery: &'a dyn Recovery,
    /// The app.
    pub profile: &'a AppProfile,
}

impl App for CharmApp<'_> {
    fn stop(&mut self) -> Result<(), String> {
        let failed = |error| format!("cannot look at the service: {}", crate::causes(&error));
        let services = self.pebble.services(&[]).map_err(failed)?;
        let own = services.iter().find(|service| service.name == self.profile.name);
        match own.map(|service| &service.current) {
            // One in back-off would be started again by Pebble.
            Some(ServiceStatus::Active | ServiceStatus::Backoff) => apply::stop(self.pebble, self.profile),
            _ => Ok(()),
        }
    }

    fn start(&mut self, patience: Duration) -> Result<(), String> {
        let failed = |error| crate::causes(&error);
        let mut facts = gather::gather(self.juju, self.pebble, self.cluster, self.profile).map_err(failed)?;
        let validated = validate::validate(self.profile, &facts);
        let settings = validated.workload.as_ref().map_err(ToString::to_string)?;
        give_back(&mut facts, settings);
        let mut plan = plan::plan(self.profile, &facts, &validated);
        // This would replace the pod, and with it this run. The next event does it.
        plan.mount = None;
        plan.let_in = None;
        let starts = plan.workload != WorkloadPlan::Leave;
        let outcome =
            apply::apply(self.juju, self.pebble, self.cluster, self.profile, plan).map_err(failed)?;
        if let Applied::Failed { reason } = &outcome.workload {
            return Err(reason.clone());
        }
        if !starts {
            let status = status::decide(self.profile, &facts, &validated, &outcome);
            return Err(status.message().to_owned());
        }
        self.recovery
            .gets_well(&plan::health_url(self.profile, settings), patience)
    }

    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String> {
        examine(self.profile, folder, promised)
    }
}

/// The app before it has ever run: nothing is to be stopped, and it is started later.
pub struct NotYet<'a> {
    /// The app.
    pub profile: &'a AppProfile,
}

impl App for NotYet<'_> {
    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn start(&mut self, _: Duration) -> Result<(), String> {
        Ok(())
    }

    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String> {
        examine(self.profile, folder, promised)
    }
}

/// Does the app's own file read as such? Without a manifest that says what was backed up: are the app's databases there?
fn examine(profile: &AppProfile, folder: &Path, promised: bool) -> Vec<String> {
    let Some(storage) = &profile.storage else {
        return Vec::new();
    };
    let unpromised = storage.databases.iter().filter(|_| !promised);
    let missing = unpromised.filter(|name| !folder.join(name.trim_start_matches('/')).is_file());
    let mut problems: Vec<String> = missing
        .map(|name| format!("{name} is missing, the database that {} needs", profile.title))
        .collect();
    let inside = profile
        .config_file
        .as_ref()
        .and_then(|file| Some((file, Path::new(&file.path).strip_prefix(&storage.location).ok()?)));
    if let Some((file, inside)) = inside {
        let shown = inside.display();
        problems.extend(match std::fs::read(folder.join(inside)) {
            Ok(content) => config_file::damage(file, &content).map(|damage| format!("{shown}: {damage}")),
            Err(error) => Some(format!("{shown} cannot be read: {error}")),
        });
    }
    problems
}

/// Files come back as they were stored. If the app runs as somebody else now, they are given to that one: the volume's own
/// owner, which decides elsewhere, has not changed.
fn give_back(facts: &mut Facts, settings: &WorkloadSettings) {
    let (Storage::Mounted { location, owner }, Some(user)) = (&mut facts.storage, settings.user) else {
        return;
    };
    if let Some(other) = other_owner(location, user, true) {
        *owner = other;
    }
}

/// The owner of the first thing in the folder that is not `user`'s.
fn other_owner(folder: &Path, user: User, is_root: bool) -> Option<(u32, u32)> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name();
        if is_root && (name == RESTORE_FOLDER || name == "lost+found") {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let owner = (metadata.uid(), metadata.gid());
        // Another group is the owner's affair: it came back as it was.
        if owner.0 != user.uid {
            return Some(owner);
        }
        if metadata.is_dir()
            && let Some(other) = other_owner(&entry.path(), user, false)
        {
            return Some(other);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> AppProfile {
        AppProfile::parse("sample.yaml", include_str!("../../tests/data/sample.yaml")).unwrap()
    }

    #[test]
    fn a_folder_is_the_apps_if_its_file_reads_as_such() {
        let profile = profile();
        let file = profile.config_file.as_ref().unwrap();
        let inside = Path::new(&file.path)
            .strip_prefix(&profile.storage.as_ref().unwrap().location)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let missing = examine(&profile, folder.path(), true);
        assert!(
            missing.len() == 1 && missing[0].contains("cannot be read"),
            "{missing:?}"
        );
        let place = folder.path().join(inside);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let root = file.root();
        std::fs::write(&place, format!("<{root}><ApiKey>k</ApiKey></{root}>")).unwrap();
        assert_eq!(examine(&profile, folder.path(), true), Vec::<String>::new());
        let missing = examine(&profile, folder.path(), false);
        assert!(
            missing.len() == 2 && missing[0].starts_with("sample.db is missing"),
            "{missing:?}"
        );
        std::fs::create_dir(folder.path().join("state")).unwrap();
        for name in ["sample.db", "state/other.db"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(examine(&profile, folder.path(), false), Vec::<String>::new());
        for damaged in ["", "\0\0\0\0", "<Other/>", "<Config><ApiKey>k</Api"] {
            std::fs::write(&place, damaged).unwrap();
            assert_eq!(examine(&profile, folder.path(), true).len(), 1, "{damaged:?}");
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/file"), "x").unwrap();
        let metadata = std::fs::metadata(folder.path().join("a")).unwrap();
        let (uid, gid) = (metadata.uid(), metadata.gid());
        assert_eq!(other_owner(folder.path(), User { uid, gid }, true), None);
        let other = User { uid: uid + 1, gid };
        assert_eq!(other_owner(folder.path(), other, true), Some((uid, gid)));
        std::fs::rename(folder.path().join("a"), folder.path().join(RESTORE_FOLDER)).unwrap();
        assert_eq!(other_owner(folder.path(), other, true), None);
    }
}
