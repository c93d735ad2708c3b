//! Where an app downloads to: on the media while they are there, and what somebody has chosen there stays.
#![cfg(test)]

mod common;

use common::app;
use common::unit::Unit;
use juju_charm::testing::{Event, RelationState};
use serde_json::json;
use workload_charm::media::VOLUME;

const MEDIA: u32 = 7;
const KEYS: [(&str, &str, &str); 2] = [
    ("qbittorrent", "Session\\DefaultSavePath", "torrents"),
    ("sabnzbd", "complete_dir", "usenet/complete"),
];

/// The pod mounts the media there, and the relation says so.
fn mount(unit: &mut Unit, path: &str) {
    let own = unit.profile.workload.user.unwrap();
    // Root is refused, and files can be given away by root alone.
    let (uid, gid) = if own.uid == 0 {
        (2000, 2001)
    } else {
        (own.uid, own.gid)
    };
    let config = json!({"pvc_name": "tank", "mount_path": path, "puid": uid, "pgid": gid}).to_string();
    unit.state = unit.state.clone().with_relation(
        RelationState::new(MEDIA, "media-storage", "storage").with_remote_app_data([("config", &config)]),
    );
    unit.cluster.mounts_media("tank");
    let name = unit.profile.name.clone();
    unit.cluster.change_pod(|pod| {
        let mounts = pod.mounts.entry(name).or_default();
        mounts.retain(|_, volume| volume != VOLUME);
        mounts.insert(path.to_owned(), VOLUME.to_owned());
    });
    unit.run(Event::RelationChanged {
        relation: MEDIA,
        remote_unit: None,
    });
}

/// What the app's file says.
fn folder(unit: &Unit, key: &str) -> String {
    let file = unit.file().unwrap();
    let line = file.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    });
    line.unwrap_or_else(|| panic!("{key} is not in {file}"))
}

/// Somebody chooses this folder in the app.
fn choose(unit: &Unit, key: &str, chosen: &str) {
    let file = unit.file().unwrap();
    let now = folder(unit, key);
    assert_eq!(file.matches(&now).count(), 1);
    unit.put_file(file.replace(&now, chosen).as_bytes());
}

#[test]
fn a_folder_that_was_chosen_on_the_media_stays_and_another_does_not() {
    for (name, key, word) in KEYS {
        let mut unit = Unit::settled(&app(name));
        assert_eq!(folder(&unit, key), format!("/config/{word}"));
        mount(&mut unit, "/data");
        let ours = format!("/data/{word}");
        assert_eq!(folder(&unit, key), ours);
        for chosen in ["/data/elsewhere/new", "/data"] {
            choose(&unit, key, chosen);
            let begin = unit.pebble.calls().len();
            unit.run(Event::ConfigChanged);
            assert_eq!(folder(&unit, key), chosen);
            assert_eq!(unit.pebble_writes(begin), [""; 0], "{name}");
        }
        // In the container's own disk, in the volume that is backed up, and beside the mount.
        for other in [
            "/downloads",
            "/config/mine",
            "/database",
            "/data/../config",
            "mine",
        ] {
            choose(&unit, key, other);
            unit.run(Event::ConfigChanged);
            assert_eq!(folder(&unit, key), ours, "{other}");
        }
        unit.state = unit.state.clone().with_config("downloads", "app");
        choose(&unit, key, "/config/mine");
        unit.run(Event::ConfigChanged);
        assert_eq!(folder(&unit, key), "/config/mine");
    }
}

#[test]
fn a_folder_follows_the_media_to_another_place() {
    for (name, key, word) in KEYS {
        let mut unit = Unit::settled(&app(name));
        mount(&mut unit, "/data");
        choose(&unit, key, "/data/mine");
        mount(&mut unit, "/srv");
        assert_eq!(folder(&unit, key), format!("/srv/{word}"));
    }
}

#[test]
fn while_the_pod_still_has_media_that_go_the_app_runs_on_as_it_is() {
    for (name, key, word) in KEYS {
        let mut unit = Unit::settled(&app(name));
        mount(&mut unit, "/data");
        let (before, begin) = (folder(&unit, key), unit.pebble.calls().len());
        unit.run(Event::RelationBroken {
            relation: MEDIA,
            remote_application: None,
        });
        assert_eq!(folder(&unit, key), before, "the pod is not replaced yet");
        let written = unit.pebble_writes(begin);
        assert!(
            !written.iter().any(|call| call.starts_with("write_file")),
            "{written:?}"
        );
        // The next pod.
        unit.cluster.change_pod(|pod| {
            pod.volumes.remove(VOLUME);
            for mounts in pod.mounts.values_mut() {
                mounts.retain(|_, volume| volume != VOLUME);
            }
        });
        unit.loses_its_disk();
        unit.run(Event::ConfigChanged);
        assert_eq!(folder(&unit, key), format!("/config/{word}"));
    }
}
