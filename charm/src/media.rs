//! The relation media-storage: which claim holds the media, and as whom the app has to touch it.
//!
//! Wire form: the provider's application bag has one key, `config`, with a JSON object (`media-storage` of charmarr).
//! The workload runs as the user that it names. The claim gets into the pods by a change of the StatefulSet, which Juju
//! owns and knows nothing of this volume: [`decide`] compares the pod with the relation, so that a mount that Juju drops
//! is put back by the next event of the new pod, and one that is there is never written again.
//!
//! The pods get no `fsGroup`. The files belong to the user that the relation names, and the workload is that user; an
//! fsGroup would let the kubelet change the group of every file of a library that other apps use too.
//!
//! What keeps the claim out of backups is in [`claim`].

pub mod claim;

use std::collections::BTreeMap;

use serde::Deserialize;
use velero_backup_config::pod::BACKUP_VOLUMES_EXCLUDES;

use crate::bag_config;
use crate::endpoints;
use crate::kubernetes::{ClusterError, Mount, MountChange, Pod, PodVolume};
use crate::names::is_dns_name;
use crate::problem::{Problem, shown};
use crate::profile::User;

/// Name of the volume in the pods. Juju's own volumes have the application's name in front.
pub const VOLUME: &str = "media-storage";

/// Name of the endpoint and of its interface.
pub const ENDPOINT: &str = endpoints::MEDIA_STORAGE.name;

/// What is known of the relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// Not looked at: this event cannot have changed it.
    NotRead,
    /// There is no relation.
    NotRelated,
    /// There is one, and the other side has said nothing yet.
    Waiting,
    /// The other side has said something else than the interface defines.
    Faulty(Problem),
    /// The media are here.
    Provided(MediaStorage),
}

/// Where the media are. Only [`Media::from_bag`] makes one: it holds no more than is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaStorage {
    /// Name of the PersistentVolumeClaim in the model's namespace.
    claim: String,
    /// Where to mount it in the workload container.
    mount_path: String,
    user: User,
}

impl MediaStorage {
    /// Who owns the files.
    pub fn user(&self) -> User {
        self.user
    }
}

#[derive(Deserialize)]
struct Config {
    pvc_name: String,
    #[serde(default = "default_mount_path")]
    mount_path: String,
    #[serde(default = "default_id")]
    puid: u32,
    #[serde(default = "default_id")]
    pgid: u32,
}

fn default_mount_path() -> String {
    "/data".to_owned()
}

fn default_id() -> u32 {
    1000
}

impl Media {
    /// Reads the other side's application bag.
    pub fn from_bag(bag: &BTreeMap<String, String>) -> Self {
        let Some(read) = bag_config::read::<Config>(bag) else {
            return Self::Waiting;
        };
        match read.and_then(Config::judged) {
            Ok(media) => Self::Provided(media),
            Err(reason) => Self::Faulty(problem(reason)),
        }
    }
}

impl Config {
    fn judged(self) -> Result<MediaStorage, String> {
        if !is_dns_name(&self.pvc_name) {
            return Err(format!(
                "pvc_name {} is no name of a claim",
                shown(&self.pvc_name)
            ));
        }
        if !is_place(&self.mount_path) {
            return Err(format!(
                "mount_path {} is no plain absolute path",
                shown(&self.mount_path)
            ));
        }
        for (key, id) in [("puid", self.puid), ("pgid", self.pgid)] {
            // Whatever the app downloads would run as root, on a volume that others use.
            if !(1..=LAST_ID).contains(&id) {
                return Err(format!("{key} {id} must be from 1 to {LAST_ID}"));
            }
        }
        Ok(MediaStorage {
            claim: self.pvc_name,
            mount_path: self.mount_path.trim_end_matches('/').to_owned(),
            user: User {
                uid: self.puid,
                gid: self.pgid,
            },
        })
    }
}

/// The last user that Kubernetes takes.
const LAST_ID: u32 = i32::MAX.unsigned_abs();

/// Whether Kubernetes takes the path as that of a mount, and it means what it says.
fn is_place(path: &str) -> bool {
    let Some(below) = path.trim_end_matches('/').strip_prefix('/') else {
        return false;
    };
    // The separators of Unicode end a line for the app that reads the path in its config file.
    !path.contains(|c: char| matches!(c, ':' | '\u{2028}' | '\u{2029}') || c.is_control())
        && below.split('/').all(|part| !["", ".", ".."].contains(&part))
}

/// What is to be done about the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mounting {
    /// Nothing: it is as it should be, or it is not known how that is.
    Keep,
    /// This has to change.
    Change(MountChange),
    /// The pod could not be compared.
    Unknown(ClusterError),
    /// It cannot be mounted there.
    Impossible(Problem),
}

/// Where `container` sees the media: empty without them, `None` as long as that is not known, or the pod is still to be replaced. What
/// is written there before they are mounted would be lost with the pod.
pub fn mounted_at<'a>(
    container: &str,
    media: &'a Media,
    pod: Option<&Result<Pod, ClusterError>>,
) -> Option<&'a str> {
    match media {
        Media::NotRelated => match pod {
            // This pod is about to be replaced, and what the app is doing is there.
            Some(Ok(pod)) if pod.volumes.contains_key(VOLUME) => None,
            // In doubt not to where nothing may be mounted any more.
            Some(Ok(_) | Err(_)) | None => Some(""),
        },
        Media::Provided(media) => {
            let mounts = pod?.as_ref().ok()?.mounts.get(container)?;
            let volume = mounts.get(&media.mount_path)?;
            (volume == VOLUME).then_some(media.mount_path.as_str())
        }
        Media::NotRead | Media::Waiting | Media::Faulty(_) => None,
    }
}

/// Compares what `container` of the pod mounts with what the relation says.
pub fn decide(container: &str, media: &Media, pod: Option<&Result<Pod, ClusterError>>) -> Mounting {
    let wanted = match media {
        Media::Provided(media) => Some(media),
        Media::NotRelated => None,
        // What is there stays until the other side says something that can be used.
        Media::NotRead | Media::Waiting | Media::Faulty(_) => return Mounting::Keep,
    };
    let pod = match pod {
        Some(Ok(pod)) => pod,
        Some(Err(error)) => return Mounting::Unknown(error.clone()),
        None => return Mounting::Keep,
    };
    let mounts = pod.mounts.get(container);
    let mounted = mounts.into_iter().flatten();
    let (ours, others): (Vec<_>, Vec<_>) = mounted.partition(|(_, volume)| *volume == VOLUME);
    let Some(wanted) = wanted else {
        return match pod.volumes.contains_key(VOLUME) {
            true => Mounting::Change(change(container, None, ours.into_iter().map(|(path, _)| path))),
            false => Mounting::Keep,
        };
    };
    let is_hidden = |path: &str| {
        path.strip_prefix(wanted.mount_path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some((path, _)) = others.iter().find(|(path, _)| is_hidden(path)) {
        return Mounting::Impossible(problem(format!(
            "mounting at {} would hide {path}",
            wanted.mount_path
        )));
    }
    let is_claim = matches!(pod.volumes.get(VOLUME), Some(PodVolume::Claim(claim)) if *claim == wanted.claim);
    let (there, elsewhere): (Vec<_>, Vec<_>) = ours
        .into_iter()
        .map(|(path, _)| path)
        .partition(|path| **path == wanted.mount_path);
    if is_claim && !there.is_empty() && elsewhere.is_empty() {
        return Mounting::Keep;
    }
    let mount = Mount {
        claim: wanted.claim.clone(),
        path: wanted.mount_path.clone(),
    };
    Mounting::Change(change(container, Some(mount), elsewhere))
}

fn change<'a>(
    container: &str,
    mount: Option<Mount>,
    no_longer_at: impl IntoIterator<Item = &'a String>,
) -> MountChange {
    // The charm lists all volumes on the running pod; until it has, this one is out of backups already.
    let excluded = mount.as_ref().map(|_| VOLUME.to_owned());
    MountChange {
        volume: VOLUME.to_owned(),
        container: container.to_owned(),
        mount,
        no_longer_at: no_longer_at.into_iter().cloned().collect(),
        annotations: BTreeMap::from([(BACKUP_VOLUMES_EXCLUDES.to_owned(), excluded)]),
    }
}

fn problem(reason: String) -> Problem {
    Problem::new(
        format!("relation {ENDPOINT}"),
        reason,
        "look at the charm on the other side",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(config: &str) -> Media {
        Media::from_bag(&BTreeMap::from([("config".to_owned(), config.to_owned())]))
    }

    #[test]
    fn defaults_are_filled_in_and_unknown_keys_ignored() {
        let Media::Provided(storage) = media(r#"{"pvc_name":"shared","later":1}"#) else {
            panic!("not provided");
        };
        assert_eq!(storage.mount_path, "/data");
        assert_eq!(storage.user, User { uid: 1000, gid: 1000 });
    }

    #[test]
    fn what_cannot_be_used_is_said_and_nothing_is_waited_for() {
        assert_eq!(Media::from_bag(&BTreeMap::new()), Media::Waiting);
        for config in [
            "{",
            "[]",
            r#"["tank"]"#,
            r#"["tank","/data",1000,1000]"#,
            "null",
            r#""tank""#,
        ] {
            let Media::Faulty(problem) = media(config) else {
                panic!("{config} is taken");
            };
            assert_eq!(
                problem.to_string(),
                "relation media-storage: config is no JSON object; look at the charm on the other side"
            );
        }
        for config in [
            "{}",
            r#"{"pvc_name":""}"#,
            r#"{"pvc_name":"x","puid":-1}"#,
            r#"{"pvc_name":"x","puid":0}"#,
            r#"{"pvc_name":"x","pgid":0}"#,
            r#"{"pvc_name":"x","pgid":4294967295}"#,
            r#"{"pvc_name":"Media"}"#,
            r#"{"pvc_name":"a/b"}"#,
            r#"{"pvc_name":"x","mount_path":"/data\nx"}"#,
            r#"{"pvc_name":"x","mount_path":"data"}"#,
            r#"{"pvc_name":"x","mount_path":"/"}"#,
            r#"{"pvc_name":"x","mount_path":"/data/../config"}"#,
            r#"{"pvc_name":"x","mount_path":"/data:ro"}"#,
        ] {
            let Media::Faulty(problem) = media(config) else {
                panic!("{config} is taken");
            };
            assert!(problem.to_string().starts_with("relation media-storage: "));
            assert!(!problem.to_string().contains('\n'), "{problem:?}");
        }
    }

    fn pod(volumes: &[(&str, &str)], mounts: &[(&str, &str)]) -> Result<Pod, ClusterError> {
        let claim =
            |(name, claim): &(&str, &str)| ((*name).to_owned(), PodVolume::Claim((*claim).to_owned()));
        let own = [("radarr-config-1", "radarr-config-1-radarr-0")];
        let mounted = [("/config", "radarr-config-1")];
        let mounts = mounted.iter().chain(mounts);
        let mounts = mounts.map(|(path, volume)| ((*path).to_owned(), (*volume).to_owned()));
        Ok(Pod {
            volumes: own.iter().chain(volumes).map(claim).collect(),
            mounts: BTreeMap::from([("radarr".to_owned(), mounts.collect())]),
            ..Pod::default()
        })
    }

    fn decided(media: &Media, pod: Result<Pod, ClusterError>) -> Mounting {
        decide("radarr", media, Some(&pod))
    }

    fn changed(mounting: Mounting) -> (Option<(String, String)>, Vec<String>) {
        let Mounting::Change(change) = mounting else {
            panic!("nothing is changed: {mounting:?}");
        };
        assert_eq!(
            (change.volume.as_str(), change.container.as_str()),
            (VOLUME, "radarr")
        );
        let excluded = change.annotations[BACKUP_VOLUMES_EXCLUDES].as_deref();
        assert_eq!(excluded, change.mount.as_ref().map(|_| VOLUME));
        let mount = change.mount.map(|mount| (mount.claim, mount.path));
        (mount, change.no_longer_at)
    }

    #[test]
    fn the_claim_is_mounted_once_and_follows_what_the_relation_says() {
        let related = media(r#"{"pvc_name":"shared","mount_path":"/data/"}"#);
        let wanted = Some(("shared".to_owned(), "/data".to_owned()));
        assert_eq!(
            changed(decided(&related, pod(&[], &[]))),
            (wanted.clone(), vec![])
        );
        let there = pod(&[(VOLUME, "shared")], &[("/data", VOLUME)]);
        assert_eq!(decided(&related, there), Mounting::Keep);
        let other_claim = pod(&[(VOLUME, "old")], &[("/data", VOLUME)]);
        assert_eq!(changed(decided(&related, other_claim)), (wanted.clone(), vec![]));
        let other_path = pod(&[(VOLUME, "shared")], &[("/old", VOLUME)]);
        assert_eq!(
            changed(decided(&related, other_path)),
            (wanted.clone(), vec!["/old".to_owned()])
        );
        let both = pod(&[(VOLUME, "shared")], &[("/data", VOLUME), ("/old", VOLUME)]);
        assert_eq!(
            changed(decided(&related, both)),
            (wanted, vec!["/old".to_owned()])
        );
    }

    #[test]
    fn without_the_relation_only_our_own_volume_goes() {
        let gone = Media::NotRelated;
        let mounted = pod(&[(VOLUME, "shared")], &[("/data", VOLUME)]);
        assert_eq!(changed(decided(&gone, mounted)), (None, vec!["/data".to_owned()]));
        let of_others = pod(&[("media", "shared")], &[("/media", "media")]);
        assert_eq!(decided(&gone, of_others), Mounting::Keep);
        assert_eq!(decide("radarr", &gone, None), Mounting::Keep);
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        let mounted = || pod(&[(VOLUME, "shared")], &[("/data", VOLUME)]);
        for media in [Media::NotRead, Media::Waiting, media("{")] {
            assert_eq!(decided(&media, mounted()), Mounting::Keep);
        }
        let error = ClusterError::unreachable("read its pod", "no route");
        let related = media(r#"{"pvc_name":"shared"}"#);
        assert_eq!(decided(&related, Err(error.clone())), Mounting::Unknown(error));
    }

    #[test]
    fn no_other_mount_is_hidden() {
        for path in ["/config", "/config/"] {
            let related = media(&format!(r#"{{"pvc_name":"shared","mount_path":"{path}"}}"#));
            let Mounting::Impossible(problem) = decided(&related, pod(&[], &[])) else {
                panic!("{path} is taken");
            };
            assert!(problem.to_string().contains("would hide /config"), "{problem}");
        }
        let beside = media(r#"{"pvc_name":"shared","mount_path":"/conf"}"#);
        assert!(matches!(decided(&beside, pod(&[], &[])), Mounting::Change(_)));
    }
}
