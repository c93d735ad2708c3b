//! What a pod has to carry so that a file-system backup stores exactly one of its volumes, in a consistent state.
//!
//! A request names pods by label; which of a pod's volumes Velero's node agent copies is said by annotations on the pod
//! (`pkg/apis/velero/v1/labels_annotations.go`), and so are the commands that it runs in the pod before and after
//! (`pkg/apis/velero/v1/backup_types.go`, `internal/hook/item_hook_handler.go`). Annotations are lost when a pod is
//! recreated: whoever relies on them puts them on again at every start.

use std::collections::BTreeMap;

/// The volumes that are backed up, when the server does not back up all.
pub const BACKUP_VOLUMES: &str = "backup.velero.io/backup-volumes";
/// The volumes that are not backed up, when the server backs up all.
pub const BACKUP_VOLUMES_EXCLUDES: &str = "backup.velero.io/backup-volumes-excludes";

/// Commands that Velero runs in a container of the pod. A command that fails makes the backup fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupHooks {
    /// Container in which both run.
    pub container: String,
    /// Executable and arguments before the volume is copied; empty if there is nothing to do then.
    pub before: Vec<String>,
    /// Executable and arguments after the volume was copied; empty if there is nothing to do then.
    pub after: Vec<String>,
    /// How long each may take, as a Go duration. Velero's default is 30 seconds, too short for a large database.
    pub timeout: String,
}

/// The annotations for a pod of which only `volume` is to be stored; `others` are all its other volumes. Without `hooks` the files
/// are copied as they are at that moment, which is fine for what is not written to meanwhile, and not for a database in use.
///
/// Both lists are needed: with velero-operator's `default-volumes-to-fs-backup` off Velero looks at the first only, with
/// it on at the second only. So both settings store the same.
///
/// ```
/// use velero_backup_config::pod;
///
/// let wanted = pod::annotations("wiki-data-0", ["wiki-data-0", "charm-data"], None);
/// assert_eq!(wanted[pod::BACKUP_VOLUMES], "wiki-data-0");
/// assert_eq!(wanted[pod::BACKUP_VOLUMES_EXCLUDES], "charm-data");
/// assert_eq!(wanted.len(), 2);
/// ```
pub fn annotations<'a>(
    volume: &str,
    others: impl IntoIterator<Item = &'a str>,
    hooks: Option<&BackupHooks>,
) -> BTreeMap<String, String> {
    let mut excluded: Vec<&str> = others.into_iter().filter(|name| *name != volume).collect();
    excluded.sort_unstable();
    let mut annotations = BTreeMap::from([(BACKUP_VOLUMES.to_owned(), volume.to_owned())]);
    if !excluded.is_empty() {
        annotations.insert(BACKUP_VOLUMES_EXCLUDES.to_owned(), excluded.join(","));
    }
    let Some(hooks) = hooks else { return annotations };
    let BackupHooks {
        container,
        before,
        after,
        timeout,
    } = hooks;
    for (phase, command) in [("pre", before), ("post", after)] {
        // Velero refuses a hook without a command.
        if command.is_empty() {
            continue;
        }
        let mut set = |field: &str, value: String| {
            annotations.insert(format!("{phase}.hook.backup.velero.io/{field}"), value);
        };
        set("container", container.clone());
        set("command", serde_json::Value::from(command.clone()).to_string());
        set("on-error", "Fail".to_owned());
        set("timeout", timeout.clone());
    }
    annotations
}

/// The annotations for a pod that the request selects, and of which nothing is to be stored: a standby beside the pod
/// that runs the workload. `volumes` are all its volumes.
pub fn none_of<'a>(volumes: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut excluded: Vec<&str> = volumes.into_iter().collect();
    excluded.sort_unstable();
    BTreeMap::from([(BACKUP_VOLUMES_EXCLUDES.to_owned(), excluded.join(","))])
}

/// What to change in the annotations that a pod carries, `present`, so that of those that are about backups it carries `wanted` and no
/// other: a value is set, `None` removes one. Annotations about anything else are left alone. Empty when nothing differs.
///
/// As JSON it is the `metadata.annotations` of a merge patch.
pub fn differences(
    present: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let superfluous = present
        .keys()
        .filter(|key| is_about_backups(key) && !wanted.contains_key(*key))
        .map(|key| (key.clone(), None));
    wanted
        .iter()
        .filter(|(key, value)| present.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .chain(superfluous)
        .collect()
}

/// Whether an annotation is one of those that this module speaks of.
pub fn is_about_backups(annotation: &str) -> bool {
    [BACKUP_VOLUMES, BACKUP_VOLUMES_EXCLUDES].contains(&annotation)
        || annotation.contains(".hook.backup.velero.io/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_volume_is_in_and_every_other_is_out() {
        let hooks = BackupHooks {
            container: "charm".to_owned(),
            before: vec!["/charm/dispatch".to_owned(), "before \"it\"".to_owned()],
            after: vec!["/charm/dispatch".to_owned(), "after".to_owned()],
            timeout: "30m".to_owned(),
        };
        let annotations = annotations(
            "radarr-config-1",
            ["media", "charm-data", "radarr-config-1"],
            Some(&hooks),
        );
        let expected = [
            ("backup.velero.io/backup-volumes", "radarr-config-1"),
            ("backup.velero.io/backup-volumes-excludes", "charm-data,media"),
            (
                "post.hook.backup.velero.io/command",
                r#"["/charm/dispatch","after"]"#,
            ),
            ("post.hook.backup.velero.io/container", "charm"),
            ("post.hook.backup.velero.io/on-error", "Fail"),
            ("post.hook.backup.velero.io/timeout", "30m"),
            (
                "pre.hook.backup.velero.io/command",
                r#"["/charm/dispatch","before \"it\""]"#,
            ),
            ("pre.hook.backup.velero.io/container", "charm"),
            ("pre.hook.backup.velero.io/on-error", "Fail"),
            ("pre.hook.backup.velero.io/timeout", "30m"),
        ];
        assert_eq!(
            annotations,
            expected
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        );
    }

    #[test]
    fn a_hook_without_a_command_is_none() {
        let hooks = |before: &[&str], after: &[&str]| BackupHooks {
            container: "cache".to_owned(),
            before: before.iter().map(|word| (*word).to_owned()).collect(),
            after: after.iter().map(|word| (*word).to_owned()).collect(),
            timeout: "5m".to_owned(),
        };
        let keys = |hooks: Option<&BackupHooks>| {
            let annotations = annotations("data", ["charm-data"], hooks);
            let hooks = annotations.into_keys().filter(|key| key.contains(".hook."));
            hooks.collect::<Vec<_>>()
        };
        assert_eq!(keys(None), [""; 0]);
        assert_eq!(keys(Some(&hooks(&[], &[]))), [""; 0]);
        let before = keys(Some(&hooks(&["save"], &[])));
        assert_eq!(before.len(), 4);
        assert!(
            before.iter().all(|key| key.starts_with("pre.hook.")),
            "{before:?}"
        );
        let after = keys(Some(&hooks(&[], &["resume"])));
        assert_eq!(after.len(), 4);
        assert!(after.iter().all(|key| key.starts_with("post.hook.")), "{after:?}");
    }

    #[test]
    fn only_what_differs_is_changed_and_what_is_of_others_stays() {
        let text = |entries: &[(&str, &str)]| {
            let entries = entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            entries.collect::<BTreeMap<_, _>>()
        };
        let present = text(&[
            ("kubernetes.io/psp", "of others"),
            (BACKUP_VOLUMES, "data"),
            (BACKUP_VOLUMES_EXCLUDES, "old"),
            ("pre.hook.backup.velero.io/command", "[]"),
        ]);
        let wanted = annotations("data", ["charm-data"], None);
        let changes = differences(&present, &wanted);
        let expected = [
            (BACKUP_VOLUMES_EXCLUDES.to_owned(), Some("charm-data".to_owned())),
            ("pre.hook.backup.velero.io/command".to_owned(), None),
        ];
        assert_eq!(changes, BTreeMap::from(expected));
        let mut after = present;
        after.extend(wanted.clone());
        after.remove("pre.hook.backup.velero.io/command");
        assert_eq!(differences(&after, &wanted), BTreeMap::new());
    }

    #[test]
    fn of_a_standby_every_volume_is_out() {
        let annotations = none_of(["radarr-config-1", "charm-data"]);
        let expected = (
            BACKUP_VOLUMES_EXCLUDES.to_owned(),
            "charm-data,radarr-config-1".to_owned(),
        );
        assert_eq!(annotations, [expected].into());
        assert!(annotations.keys().all(|key| is_about_backups(key)));
    }

    #[test]
    fn annotations_of_others_are_none_about_backups() {
        for ours in [
            "backup.velero.io/backup-volumes",
            "pre.hook.backup.velero.io/command",
            "post.hook.backup.velero.io/timeout",
        ] {
            assert!(is_about_backups(ours), "{ours}");
        }
        for other in ["", "backup.velero.io/backup-volumes-other", "app.juju.is/uuid"] {
            assert!(!is_about_backups(other), "{other}");
        }
    }
}
