//! The place beside the app as commands for a shell: what [`make`](super::make), [`Scratch::bring_back`](super::Scratch) and
//! [`remove`](super::remove()) do, for a person who does it by hand.

use velero_api::{RESTORE_NAME_LABEL, RESTORE_WAIT_CONTAINER};

use super::names::{self, CLAIM, READER};
use super::{ScratchSpec, objects, patience, snapshot};
use crate::backups::names::{CONFIG, JUJU_STORAGE_LABEL};
use crate::backups::{BackupContents, FilesBackup};
use crate::shell::{create, create_with, typed, value, word};

/// Stands for the pod's uid in an object that is written before there is a pod.
const POD_UID: &str = "UID-OF-THE-POD";
/// The same for the claim's uid.
const CLAIM_UID: &str = "UID-OF-THE-CLAIM";
/// The same for restic's repository.
const REPOSITORY: &str = "REPOSITORY";
/// The same for the name of the claim that Velero makes from a snapshot.
const CLAIM_NAME: &str = "NAME-OF-THE-CLAIM";

/// The commands of one place.
pub(crate) struct Commands {
    /// Make the place and tell Velero what to bring into it.
    pub(crate) make: Vec<String>,
    /// Wait until the bytes are in the volume.
    pub(crate) wait: Vec<String>,
    /// Writes the volume's content to standard output, as an archive.
    pub(crate) read: String,
    /// Remove all of it.
    pub(crate) remove: Vec<String>,
}

/// The commands for the place of `spec`. `started` is written on it.
pub(crate) fn commands(spec: &ScratchSpec, started: &str) -> Commands {
    let namespace = names::namespace(&spec.target, spec.purpose);
    let mut make = vec![
        create(&typed("Namespace", objects::namespace(&namespace, spec, started))),
        create(&typed("ServiceAccount", objects::account(&namespace, spec))),
    ];
    let mut wait = Vec::new();
    let mut remove = vec![format!("kubectl delete namespace {}", word(&namespace))];
    let place = word(&spec.backup.velero_namespace);
    let restore = names::restore(&namespace, &spec.run);
    let seconds = patience(spec).as_secs();
    match &spec.backup.holds {
        BackupContents::Files(files) => {
            make.extend(files_ordered(spec, files, &namespace, seconds));
            let object = format!("podvolumerestores.velero.io/{}", word(&restore));
            wait.push(format!(
                "kubectl wait -n {place} {object} --for=jsonpath='{{.status.phase}}'=Completed --timeout={seconds}s"
            ));
            remove.push(format!("kubectl delete -n {place} {object}"));
        }
        BackupContents::Snapshot { .. } | BackupContents::Nothing => {
            make.push(create(&value(&snapshot::restore(spec, &namespace))));
            let object = format!("restores.velero.io/{}", word(&restore));
            wait.push(format!(
                "kubectl wait -n {place} {object} --for=jsonpath='{{.status.phase}}'=Completed --timeout={seconds}s"
            ));
            wait.extend(snapshot_mounted(spec, &namespace, &restore, seconds));
            remove.push(format!("kubectl delete -n {place} {object}"));
            // They are kept when the claim goes, and so is the snapshot behind them, which is the backup's.
            let contents = "volumesnapshotcontents.snapshot.storage.k8s.io";
            remove.push(format!(
                "kubectl get {contents} -l {RESTORE_NAME_LABEL}={} -o \
                 jsonpath='{{.items[?(@.spec.deletionPolicy==\"Retain\")].metadata.name}}' | xargs -r kubectl delete {contents}",
                word(&restore)
            ));
        }
    }
    let read = format!(
        "kubectl exec -n {} {READER} -c {RESTORE_WAIT_CONTAINER} -- tar -C {} -cf - .",
        word(&namespace),
        objects::MOUNT
    );
    Commands {
        make,
        wait,
        read,
        remove,
    }
}

fn files_ordered(spec: &ScratchSpec, files: &FilesBackup, namespace: &str, seconds: u64) -> Vec<String> {
    let uid = |kind: &str, name: &str| {
        format!(
            "$(kubectl get -n {} {kind} {name} -o jsonpath='{{.metadata.uid}}')",
            word(namespace)
        )
    };
    let mut lines = vec![
        create(&typed("PersistentVolumeClaim", objects::claim(namespace, spec))),
        create(&typed("Pod", objects::reader(namespace, CLAIM, spec, seconds))),
        format!("pod={}", uid("pod", READER)),
        format!("claim={}", uid("persistentvolumeclaim", CLAIM)),
    ];
    let mut found = vec![(POD_UID, "pod"), (CLAIM_UID, "claim")];
    let repository = if files.uploader == "restic" {
        // Kopia finds its repository by the namespace; restic has to be told.
        lines.push(format!(
            "repository=$(kubectl get -n {} backuprepositories.velero.io -o {})",
            word(&spec.backup.velero_namespace),
            word(&format!(
                "jsonpath={{.items[?(@.spec.volumeNamespace==\"{}\")].spec.resticIdentifier}}",
                files.source_namespace
            )),
        ));
        found.push((REPOSITORY, "repository"));
        REPOSITORY
    } else {
        ""
    };
    let restore = objects::volume_restore(namespace, spec, files, repository, POD_UID, CLAIM_UID);
    lines.push(create_with(&found, &value(&restore)));
    lines
}

fn snapshot_mounted(spec: &ScratchSpec, namespace: &str, restore: &str, seconds: u64) -> Vec<String> {
    let place = word(namespace);
    let reader = objects::reader(namespace, CLAIM_NAME, spec, seconds);
    vec![
        format!(
            "claim=$(kubectl get -n {place} persistentvolumeclaim -l {RESTORE_NAME_LABEL}={},{JUJU_STORAGE_LABEL}={CONFIG} \
             -o jsonpath='{{.items[0].metadata.name}}')",
            word(restore)
        ),
        create_with(&[(CLAIM_NAME, "claim")], &typed("Pod", reader)),
        format!(
            "kubectl wait -n {place} pod/{READER} --for=jsonpath='{{.status.initContainerStatuses[0].started}}'=true \
             --timeout={seconds}s"
        ),
    ]
}
