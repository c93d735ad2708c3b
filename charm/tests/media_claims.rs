//! Which claim is kept out of backups, which one is let in again, and when neither is touched.

use std::collections::BTreeMap;

use crate::common::{fresh, media_at, radarr};
use workload_charm::kubernetes::{Claim, ClusterError, Pod, PodVolume};
use workload_charm::media::claim::{EXCLUDED, MountedClaim};
use workload_charm::media::{Media, VOLUME};
use workload_charm::profile::User;
use workload_charm::steps::planned;
use workload_charm::steps::prepare_volume::Situation;

/// What the pod mounts, and what the cluster says of that claim.
fn mounted(name: &str, claim: Result<Claim, ClusterError>) -> (Pod, MountedClaim) {
    let pod = Pod {
        volumes: BTreeMap::from([(VOLUME.to_owned(), PodVolume::Claim(name.to_owned()))]),
        mounts: BTreeMap::from([(
            "radarr".to_owned(),
            BTreeMap::from([("/data".to_owned(), VOLUME.to_owned())]),
        )]),
        ..Pod::default()
    };
    let name = name.to_owned();
    (pod, MountedClaim { name, claim })
}

fn provided(claim: &str, mount_path: &str) -> Media {
    media_at(claim, mount_path, User { uid: 2000, gid: 2001 })
}

fn labelled(value: &str) -> Claim {
    Claim {
        labels: BTreeMap::from([(EXCLUDED.to_owned(), value.to_owned())]),
        ..Claim::default()
    }
}

#[test]
fn the_claim_that_stays_is_kept_out_and_one_that_goes_is_let_in() {
    let profile = radarr();
    let forbidden = || Err(ClusterError::not_allowed("read its claim", "forbidden"));
    type Case = (
        Media,
        Result<Claim, ClusterError>,
        Option<&'static str>,
        Option<&'static str>,
    );
    let cases: [Case; 9] = [
        // It stays.
        (provided("tank", "/data"), Ok(labelled("true")), None, None),
        (
            provided("tank", "/data"),
            Ok(labelled("false")),
            Some("tank"),
            None,
        ),
        (
            provided("tank", "/data"),
            Ok(Claim::default()),
            Some("tank"),
            None,
        ),
        (provided("tank", "/data"), forbidden(), None, None),
        (Media::NotRead, Ok(Claim::default()), Some("tank"), None),
        // It moves: still the same claim.
        (provided("tank", "/media"), Ok(Claim::default()), None, None),
        // It goes.
        (
            provided("other", "/data"),
            Ok(labelled("true")),
            None,
            Some("tank"),
        ),
        (Media::NotRelated, Ok(labelled("true")), None, Some("tank")),
        (Media::NotRelated, forbidden(), None, Some("tank")),
    ];
    for (media, claim, exclude, include) in cases {
        let (pod, media_claim) = mounted("tank", claim);
        let mut facts = fresh(&profile);
        facts.media = media.clone();
        facts.pod = Some(Ok(pod));
        facts.media_claim = Some(media_claim);
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        assert_eq!(plan.exclude.as_deref(), exclude, "{media:?}");
        assert_eq!(plan.include.as_deref(), include, "{media:?}");
        facts.media_claim = None;
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        assert_eq!((plan.exclude, plan.include), (None, None), "the pod mounts none");
    }
}
