//! Whether a restored volume is the app's: its own config file reads as such, and its databases are there.

use std::path::Path;
use std::time::Duration;

use config_recovery::engine::App;

use crate::config_file;
use crate::profile::AppProfile;

/// The app before it has ever run: nothing is to be stopped, and it is started later.
pub struct NotYet<'a> {
    /// The app.
    pub profile: &'a AppProfile,
}

impl App for NotYet<'_> {
    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn start(&mut self, _patience: Duration) -> Result<(), String> {
        Ok(())
    }

    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String> {
        examine(self.profile, folder, promised)
    }
}

/// Whether the app's own file reads as such, and, where no manifest says what was backed up (`promised`), whether the app's
/// databases are there. What is wrong, a line each.
pub fn examine(profile: &AppProfile, folder: &Path, promised: bool) -> Vec<String> {
    let Some(storage) = &profile.storage else {
        return Vec::new();
    };
    let unpromised = storage.databases.iter().filter(|_| !promised);
    let missing = unpromised.filter(|name| !folder.join(name.trim_start_matches('/')).is_file());
    let mut problems: Vec<String> = missing
        .map(|name| format!("{name} is missing, a database that {} needs", profile.title))
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
}
