//! Where an app downloads to: on the media while they are there, and what somebody has chosen there stays.

use crate::common::app;
use crate::common::gateway::{begins_in_new_pod, config, related, said};
use crate::common::unit::Unit;
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
    let path = path.trim_end_matches('/');
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

/// The same of qBittorrent, with quotes and escapes.
fn folder_as_written(unit: &Unit) -> String {
    let (_, key, _) = KEYS[0];
    let file = unit.file().unwrap();
    let line = file.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_once('=').unwrap().1.trim().to_owned()
}

/// The event in which the relation goes.
fn media_go() -> Event {
    Event::RelationBroken {
        relation: MEDIA,
        remote_application: None,
    }
}

/// The pod does not have them any more.
fn unmount(unit: &Unit) {
    unit.cluster.change_pod(|pod| {
        pod.volumes.remove(VOLUME);
        for mounts in pod.mounts.values_mut() {
            mounts.retain(|_, volume| volume != VOLUME);
        }
    });
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
        unit.run(media_go());
        assert_eq!(folder(&unit, key), before, "the pod is not replaced yet");
        let written = unit.pebble_writes(begin);
        assert!(
            !written.iter().any(|call| call.starts_with("write_file")),
            "{written:?}"
        );
        // The next pod.
        unmount(&unit);
        unit.loses_its_disk();
        unit.run(Event::ConfigChanged);
        assert_eq!(folder(&unit, key), format!("/config/{word}"));
    }
}

#[test]
fn on_a_unit_that_does_not_lead_nothing_is_written_while_the_pod_still_has_media_that_go() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    mount(&mut unit, "/data");
    unit.run(Event::UpdateStatus);
    unit.state = unit.state.clone().with_leader(false);
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    unit.assert_says("active");
    let (before, begin) = (folder_as_written(&unit), unit.pebble.calls().len());
    assert_eq!(before, "/data/torrents");
    unit.run(media_go());
    let written = unit.pebble_writes(begin);
    assert!(
        !written.iter().any(|call| call.starts_with("write_file")),
        "{} {written:?} {:?}",
        folder_as_written(&unit),
        unit.status()
    );
}

#[test]
fn while_the_pod_still_has_media_that_go_the_app_is_not_restarted() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    mount(&mut unit, "/data");
    let begin = unit.pebble.calls().len();
    unit.run(media_go());
    assert_eq!(unit.pebble_writes(begin), [""; 0], "{}", unit.status());
}

#[test]
fn without_the_media_an_active_app_does_not_download_into_the_containers_own_disk() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    mount(&mut unit, "/data");
    unit.run(media_go());
    unmount(&unit);
    unit.cluster.answers.set(false);
    begins_in_new_pod(&mut unit);
    unit.cluster.answers.set(true);
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    assert_eq!(folder_as_written(&unit), "/config/torrents", "{}", unit.status());
}

#[test]
fn a_chosen_folder_stays_however_it_is_written() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    mount(&mut unit, "/data");
    for chosen in [
        "/data/",
        "/data//x",
        "\"/data/a, b\"",
        "\"/data/a;b=c\"",
        "/data/a\\\\b",
        "/data/Füme",
        "/data/..hidden",
        "/data/x/.",
    ] {
        for end in ["\n", "\r\n"] {
            let file = unit.file().unwrap().replace("\r\n", "\n");
            let now = folder_as_written(&unit);
            let key = KEYS[0].1;
            let file = file.replace(&format!("{key}={now}"), &format!("{key}={chosen}"));
            unit.put_file(file.replace('\n', end).as_bytes());
            let begin = unit.pebble.calls().len();
            unit.run(Event::ConfigChanged);
            assert_eq!(folder_as_written(&unit), chosen);
            assert_eq!(unit.pebble_writes(begin), [""; 0], "{chosen}");
        }
    }
}

#[test]
fn media_at_an_odd_place_are_written_once() {
    for path in ["/data, films", "/Füme", "/a#b", "/data/x/", "/it's", "/a;b=c d"] {
        for name in ["qbittorrent", "sabnzbd"] {
            let mut unit = Unit::settled(&app(name));
            mount(&mut unit, path);
            let file = unit.file().unwrap();
            assert!(file.contains(path.trim_end_matches('/')), "{file}");
            let begin = unit.pebble.calls().len();
            for event in [Event::ConfigChanged, Event::UpdateStatus, Event::UpgradeCharm] {
                unit.run(event);
            }
            assert_eq!(unit.pebble_writes(begin), [""; 0], "{name} {path}");
        }
    }
}

#[test]
fn without_trust_the_app_goes_on_as_the_user_that_owns_the_media_that_it_still_has() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    mount(&mut unit, "/data");
    unit.run(Event::UpdateStatus);
    let user = |unit: &Unit| unit.pebble.state().plan().services["qbittorrent"].user_id;
    let before = user(&unit);
    unit.run(media_go());
    unit.run(Event::UpdateStatus);
    assert_eq!(folder_as_written(&unit), "/data/torrents");
    assert_eq!(
        user(&unit),
        before,
        "it cannot write there any more: {}",
        unit.status()
    );
}
#[test]
fn media_and_the_route_change_in_one_hook() {
    let mut unit = related("qbittorrent");
    said(&mut unit, &config(true));
    mount(&mut unit, "/data");
    unit.run(Event::ConfigChanged);
    assert!(!unit.runs(), "{}", unit.status());
    assert!(unit.cluster.replace_pod());
    begins_in_new_pod(&mut unit);
    assert!(unit.runs(), "{}", unit.status());
    assert_eq!(folder_as_written(&unit), "/data/torrents");
}
