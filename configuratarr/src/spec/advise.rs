//! What a spec would make of a backup, and what somebody should know of it.

use std::collections::BTreeSet;

use config_recovery::preview::{No, Preview, Stored, VolumePreview, takes_pods, takes_volumes};
use config_recovery::survey::{Pod, PodVolume};
use velero_backup_config::BackupSpec;

use super::{Advice, Severity};

/// The spec as the relation has it: a JSON object with all eleven fields.
pub fn of_wire(spec: &BackupSpec) -> serde_json::Value {
    serde_json::from_str(&spec.to_wire_text()).unwrap_or_default()
}

/// What somebody should know. `found` is what it would store, where the cluster could be asked; `config` the config volume of the app
/// that it is for.
pub fn advise(
    spec: &velero_api::BackupSpec,
    cron: Option<&str>,
    found: Option<&Preview>,
    config: Option<(&Pod, &PodVolume)>,
) -> Vec<Advice> {
    let mut advice = Vec::new();
    let warning = |text: &str, next: &str| Advice::new(Severity::Warning, text, next);
    let selects = spec.label_selector.is_some() || !spec.or_label_selectors.is_empty();
    if !selects {
        let text = "it selects by no label, so everything in its namespaces is in the backup, other apps and their media too";
        advice.push(warning(text, "label_selector: {\"app.kubernetes.io/name\": APP}"));
    }
    if takes_pods(spec) && !takes_volumes(spec) {
        let text =
            "volumes are not among the resources: Velero restores such a backup of files without an end";
        advice.push(warning(text, "include_resources: add persistentvolumes"));
    }
    if cron.is_none() {
        let text = "it has no schedule, so backups are made by hand only";
        advice.push(warning(text, "schedule: \"30 2 * * *\""));
    }
    match found {
        Some(found) => advice.extend(of_stored(spec, found, config)),
        None if !takes_pods(spec) => {
            let text = "pods are not among the resources: bytes are stored only where Velero makes snapshots";
            advice.push(warning(
                text,
                "include_resources: [pods, persistentvolumeclaims, persistentvolumes]",
            ));
        }
        None => {}
    }
    advice.sort_by_key(|advice| std::cmp::Reverse(advice.severity));
    advice
}

fn of_stored(
    spec: &velero_api::BackupSpec,
    found: &Preview,
    config: Option<(&Pod, &PodVolume)>,
) -> Vec<Advice> {
    let is_config = |volume: &VolumePreview| {
        config.is_some_and(|(pod, inside)| {
            volume.namespace == pod.namespace
                && volume
                    .pod
                    .as_ref()
                    .is_some_and(|(name, volume)| *name == pod.name && *volume == inside.name)
        })
    };
    let stored: Vec<&VolumePreview> = found
        .volumes
        .iter()
        .filter(|volume| volume.stored.is_something())
        .collect();
    if stored.is_empty() {
        return vec![nothing(spec, found)];
    }
    let mut advice = Vec::new();
    if let Some((pod, volume)) = config
        && !stored.iter().any(|volume| is_config(volume))
    {
        let why = found
            .volumes
            .iter()
            .find(|volume| is_config(volume))
            .map(|volume| how(&volume.stored));
        advice.push(Advice::new(
            Severity::Failure,
            format!(
                "the config volume {} of pod {} is not stored: {}",
                volume.name,
                pod.name,
                why.unwrap_or("its selector does not match")
            ),
            "configuratarr doctor says what is missing",
        ));
    }
    let others: Vec<String> = stored
        .iter()
        .filter(|volume| config.is_some() && !is_config(volume))
        .map(|volume| name(volume))
        .collect();
    if !others.is_empty() {
        advice.push(Advice::new(
            Severity::Warning,
            format!("besides the config volume these are stored: {}", others.join(", ")),
            "leave them out: pod annotation backup.velero.io/backup-volumes-excludes, or label velero.io/exclude-from-backup=true on a claim",
        ));
    }
    advice
}

/// Why it stores no byte. Velero would say `Completed`.
fn nothing(spec: &velero_api::BackupSpec, found: &Preview) -> Advice {
    let fail = |text: String, next: String| Advice::new(Severity::Failure, text, next);
    let namespaces = spec.included_namespaces.join(",");
    if found.pods.is_empty() && found.claims.is_empty() {
        return fail(
            format!("it stores nothing: it matches no pod and no claim in {namespaces}"),
            format!(
                "kubectl get pods,pvc -n {} --show-labels",
                spec.included_namespaces
                    .first()
                    .map_or("NAMESPACE", String::as_str)
            ),
        );
    }
    if !takes_pods(spec) {
        return fail(
            "it stores no byte: claims alone hold none where Velero makes no snapshots, and files are copied out of pods"
                .to_owned(),
            "include_resources: [pods, persistentvolumeclaims, persistentvolumes]".to_owned(),
        );
    }
    let reasons: BTreeSet<&str> = found.volumes.iter().map(|volume| how(&volume.stored)).collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    let unmarked = found
        .volumes
        .iter()
        .find(|volume| volume.stored == Stored::No(No::NotOptedIn));
    let next = match unmarked.and_then(|volume| Some((volume, volume.pod.as_ref()?))) {
        Some((volume, (pod, name))) => format!(
            "the charm marks its pod by itself; by hand: kubectl -n {} annotate pod {pod} backup.velero.io/backup-volumes={name}",
            volume.namespace
        ),
        None => "configuratarr doctor says what is missing".to_owned(),
    };
    let why = if reasons.is_empty() {
        "its pods have no volume".to_owned()
    } else {
        reasons.join("; ")
    };
    fail(format!("it stores no byte: {why}"), next)
}

/// A volume, by its claim where it has one.
fn name(volume: &VolumePreview) -> String {
    match (&volume.claim, &volume.pod) {
        (Some(claim), _) => claim.clone(),
        (None, Some((pod, name))) => format!("{name} of {pod}"),
        (None, None) => String::new(),
    }
}

/// What becomes of a volume, in words.
pub const fn how(stored: &Stored) -> &'static str {
    match stored {
        Stored::Files => "files",
        Stored::Snapshot => "snapshot",
        Stored::No(why) => match why {
            No::NotOptedIn => "its pod does not opt it in",
            No::OptedOut => "its pod opts it out",
            No::HostPath => "it is a hostPath, which file-system backup refuses",
            No::NoPod => "only its claim is in the backup, not its pod",
            No::FilesWithoutPod => "its files are to be copied, and its pod is not in the backup",
            No::NoVolumes => "persistentvolumes are not among the resources, so there is no snapshot",
            No::NoDriver => "Velero makes no snapshots with its driver",
            No::NotKnown => "whether Velero makes a snapshot is not known",
        },
    }
}
