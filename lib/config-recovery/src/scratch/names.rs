//! What the place is called, and what is written on everything in it.

use std::collections::BTreeMap;

use super::{Purpose, ScratchSpec};
use crate::api::ObjectMeta;
use crate::backups::AppId;

/// A name in Kubernetes, and the value of a label, has at most so many characters.
const NAME: usize = 63;

/// Says that something is ours.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "configuratarr");
/// Label: the run that made it.
pub(super) const RUN: &str = "config-recovery/run";
/// Label: the scratch namespace that it belongs to. On what lies in Velero's namespace.
pub(super) const SCRATCH: &str = "config-recovery/scratch";
/// Annotation: who runs it.
pub(super) const HOLDER: &str = "config-recovery/holder";
/// Annotation: when the run began, RFC 3339.
pub(super) const STARTED: &str = "config-recovery/started";
/// Annotation: whose data they will be.
pub(super) const TARGET: &str = "config-recovery/target";
/// Annotation: the backup.
pub(super) const BACKUP: &str = "config-recovery/backup";
/// Annotation of a PodVolumeRestore: how often Velero's node agent was asked to look at it.
pub(super) const NUDGES: &str = "config-recovery/nudges";

/// The pod.
pub(super) const READER: &str = "reader";
/// The claim, where we make it, and the volume in the pod.
pub(super) const CLAIM: &str = "config";

/// Name of the namespace: the same for the same app, model and purpose.
pub(super) fn namespace(target: &AppId, purpose: Purpose) -> String {
    let purpose = match purpose {
        Purpose::Verify => "verify",
        Purpose::Restore => "restore",
    };
    let hash = fnv(&[&target.app, &target.model, purpose]);
    let hash = format!("{:010x}", hash & 0xff_ffff_ffff);
    let room = NAME - "restore--".len() - hash.len();
    let app: String = target.app.chars().take(room).collect();
    format!("restore-{}-{hash}", app.trim_end_matches('-'))
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo; RFC 9923): short, and the same on every machine and in every release.
fn fnv(words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        // The zero keeps ("ab", "c") and ("a", "bc") apart.
        for byte in word.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

/// Name of the restore in Velero's namespace.
pub(super) fn restore(namespace: &str, run: &str) -> String {
    let room = NAME.saturating_sub(run.len() + 1);
    // The hash is at the end of the namespace's name, so its end is kept.
    let begin = namespace.len().saturating_sub(room);
    let kept = namespace.get(begin..).unwrap_or(namespace);
    format!("{}-{run}", kept.trim_start_matches('-'))
}

/// Labels of everything that a run makes.
pub(super) fn labels(namespace: &str, run: &str) -> BTreeMap<String, String> {
    [MANAGED_BY, (RUN, run), (SCRATCH, namespace)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Selects everything that is ours, of all apps.
pub(crate) fn ours() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// Selects everything that belongs to a scratch namespace, whichever run made it.
pub(super) fn selector(namespace: &str) -> String {
    format!("{},{SCRATCH}={namespace}", ours())
}

/// Annotations of the namespace: whose it is.
pub(super) fn annotations(spec: &ScratchSpec, started: &str) -> BTreeMap<String, String> {
    [
        (HOLDER, spec.holder.clone()),
        (STARTED, started.to_owned()),
        (TARGET, target(&spec.target)),
        (BACKUP, spec.backup.name.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Annotations of what lies in Velero's namespace: whose it is, where the scratch namespace has ended.
pub(super) fn whose(spec: &ScratchSpec) -> BTreeMap<String, String> {
    BTreeMap::from([(TARGET.to_owned(), target(&spec.target))])
}

/// Model and app, as they are written down.
fn target(app: &AppId) -> String {
    format!("{}/{}", app.model, app.app)
}

/// What is written on a namespace that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whether it was made by this crate, for this app.
    pub ours: bool,
    /// Who made it.
    pub holder: String,
    /// In which run.
    pub run: String,
    /// When.
    pub since: String,
    /// Whether it is being deleted.
    pub ends: bool,
}

impl Mark {
    pub(super) fn of(metadata: &ObjectMeta, wanted: &AppId) -> Self {
        let label = |key: &str| metadata.labels.get(key).cloned();
        let note = |key: &str| metadata.annotations.get(key).cloned();
        let ours = label(MANAGED_BY.0).as_deref() == Some(MANAGED_BY.1)
            && note(TARGET).is_some_and(|found| found == target(wanted));
        Self {
            ours,
            holder: note(HOLDER).unwrap_or_else(|| "somebody else".to_owned()),
            run: label(RUN).unwrap_or_default(),
            since: note(STARTED)
                .or_else(|| metadata.creation_timestamp.clone())
                .unwrap_or_default(),
            ends: metadata.deletion_timestamp.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(app: &str, model: &str) -> AppId {
        AppId {
            app: app.to_owned(),
            model: model.to_owned(),
        }
    }

    #[test]
    fn a_name_is_short_the_same_each_time_and_different_for_each() {
        let names: Vec<String> = [
            namespace(&app("radarr", "media"), Purpose::Restore),
            namespace(&app("radarr", "media"), Purpose::Verify),
            namespace(&app("radarr", "media2"), Purpose::Restore),
            namespace(&app("radar", "rmedia"), Purpose::Restore),
        ]
        .into();
        // A run of another release has to find what this one made.
        assert_eq!(names[0], "restore-radarr-4a6c93f2bb");
        for (place, name) in names.iter().enumerate() {
            assert!(!names[..place].contains(name), "{names:?}");
        }
        let long = namespace(&app(&"a-".repeat(60), "m"), Purpose::Restore);
        assert!(long.len() <= NAME && !long.contains("--"), "{long}");
    }

    #[test]
    fn a_restores_name_keeps_the_hash_and_the_run() {
        let place = namespace(&app(&"a".repeat(80), "m"), Purpose::Restore);
        let name = restore(&place, "r0123456789");
        assert!(name.len() <= NAME, "{name}");
        assert!(
            name.ends_with(&format!("{}-r0123456789", &place[place.len() - 11..])),
            "{name}"
        );
        assert_eq!(restore("restore-x-1", "r1"), "restore-x-1-r1");
    }

    #[test]
    fn a_namespace_of_another_app_is_not_ours() {
        let metadata = |target: &str| ObjectMeta {
            labels: labels("n", "r1"),
            annotations: [(TARGET.to_owned(), target.to_owned())].into(),
            ..ObjectMeta::default()
        };
        let mark = Mark::of(&metadata("media/radarr"), &app("radarr", "media"));
        assert!(mark.ours && mark.run == "r1" && mark.holder == "somebody else");
        assert!(!Mark::of(&metadata("media/sonarr"), &app("radarr", "media")).ours);
        assert!(!Mark::of(&ObjectMeta::default(), &app("radarr", "media")).ours);
    }
}
