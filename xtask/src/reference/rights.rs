//! What charm and configuratarr ask of Kubernetes, and why: the table here. A test looks for the requests in the sources, and wants each of
//! them in it.

use std::fmt::Write as _;

use super::{code, table};

/// Who needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// The charm as Juju deploys it.
    Untrusted,
    /// The charm with `--trust`, in any event.
    Trusted,
    /// The charm with `--trust`, in the actions about backups and for `restore-on-deploy`.
    Recovery,
    /// The account of whoever runs configuratarr.
    Reader,
    /// The same for `restore --import`, beside what the actions of the charm do.
    Import,
}

impl Who {
    const ALL: [Self; 5] = [
        Self::Untrusted,
        Self::Trusted,
        Self::Recovery,
        Self::Reader,
        Self::Import,
    ];

    const fn heading(self) -> &'static str {
        match self {
            Self::Untrusted => "The charm without trust",
            Self::Trusted => "The charm with trust, in any event",
            Self::Recovery => "The charm with trust, in actions about backups and for `restore-on-deploy`",
            Self::Reader => "Whoever runs configuratarr",
            Self::Import => "Whoever runs `configuratarr restore --import`",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Untrusted => {
                "Juju's Role gives it get, list and patch of pods and services in the model's namespace, create of `pods/exec` there, and get and list of that namespace; Juju's \
ClusterRole gives it get and list of namespaces. This is what of it is used."
            }
            Self::Trusted => {
                "`juju trust APP --scope=cluster` gives it everything: Juju knows nothing between. This is what of it is used, in the model's namespace where a kind has one, but for \
Velero's pods. An event that changes nothing asks nothing."
            }
            Self::Recovery => "In Velero's namespace and in scratch namespaces of its own.",
            Self::Reader => {
                "It reads, and Juju does the rest. What may not be read is `could not check` in `doctor`. Its `status` and `backups` need the first four."
            }
            Self::Import => {
                "It does in the cluster what the charm's action does elsewhere, and what is in the table of the actions above beside this."
            }
        }
    }
}

/// One row: who, resource, verbs, why.
type Row = (Who, &'static str, &'static [&'static str], &'static str);

const ROWS: &[Row] = &[
    (
        Who::Untrusted,
        "pods",
        &["get", "patch"],
        "its own pod: which claim it mounts; the annotations by which Velero copies the config volume and nothing else",
    ),
    (
        Who::Trusted,
        "pods",
        &["get", "list", "patch"],
        "who else mounts the media; Velero's server and the node agent of its node, in all namespaces",
    ),
    (
        Who::Trusted,
        "persistentvolumeclaims",
        &["get", "patch"],
        "whether the config volume is bound; the label that keeps media out of backups",
    ),
    (
        Who::Trusted,
        "persistentvolumes",
        &["get"],
        "hostPath or a driver that makes snapshots",
    ),
    (
        Who::Trusted,
        "volumesnapshotclasses.snapshot.storage.k8s.io",
        &["list"],
        "whether Velero makes snapshots of the volume",
    ),
    (
        Who::Trusted,
        "statefulsets.apps",
        &["get", "patch"],
        "mounts the media; adds the route to a VPN",
    ),
    (
        Who::Trusted,
        "configmaps",
        &["get", "create", "patch", "delete"],
        "settings of the route to a VPN",
    ),
    (
        Who::Trusted,
        "networkpolicies.networking.k8s.io",
        &["get", "create", "patch", "delete"],
        "the kill switch of a VPN",
    ),
    (
        Who::Trusted,
        "backups.velero.io",
        &["list"],
        "the last good backup",
    ),
    (
        Who::Trusted,
        "schedules.velero.io",
        &["list"],
        "whether the Schedule is there, and what Velero says of it",
    ),
    (
        Who::Trusted,
        "podvolumebackups.velero.io",
        &["list"],
        "the bytes that a backup holds",
    ),
    (
        Who::Trusted,
        "backupstoragelocations.velero.io",
        &["list"],
        "whether Velero can use the bucket",
    ),
    (
        Who::Recovery,
        "backups.velero.io",
        &["get", "list", "watch", "create", "patch"],
        "makes backups and waits for them; writes on one what was proven",
    ),
    (
        Who::Recovery,
        "schedules.velero.io",
        &["list"],
        "which Velero is meant",
    ),
    (
        Who::Recovery,
        "podvolumebackups.velero.io",
        &["list"],
        "which snapshot of the repository is the volume",
    ),
    (
        Who::Recovery,
        "backupstoragelocations.velero.io",
        &["list", "watch"],
        "waits until Velero can use the bucket again, which velero-operator may be setting up",
    ),
    (
        Who::Recovery,
        "backuprepositories.velero.io",
        &["list"],
        "where restic's repository is",
    ),
    (
        Who::Recovery,
        "podvolumerestores.velero.io",
        &["get", "list", "watch", "create", "patch", "delete"],
        "has the node agent restore files",
    ),
    (
        Who::Recovery,
        "restores.velero.io",
        &["get", "list", "watch", "create", "delete"],
        "has Velero restore a snapshot",
    ),
    (
        Who::Recovery,
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        &["list", "delete"],
        "what such a restore leaves outside of its namespace",
    ),
    (
        Who::Recovery,
        "customresourcedefinitions.apiextensions.k8s.io",
        &["get"],
        "whether Velero's definitions have what is needed",
    ),
    (
        Who::Recovery,
        "namespaces",
        &["get", "list", "watch", "create", "delete"],
        "the scratch namespace",
    ),
    (
        Who::Recovery,
        "serviceaccounts",
        &["get", "create"],
        "an account without rights for the scratch pod",
    ),
    (
        Who::Recovery,
        "persistentvolumeclaims",
        &["get", "list", "watch", "create", "deletecollection"],
        "the scratch claim; which claim is the app's",
    ),
    (
        Who::Recovery,
        "persistentvolumes",
        &["get", "list"],
        "what is behind the app's claim",
    ),
    (
        Who::Recovery,
        "pods",
        &["get", "list", "watch", "create", "delete", "deletecollection"],
        "the scratch pod; the node agent that has to be there",
    ),
    (
        Who::Recovery,
        "pods/exec",
        &["get", "create"],
        "reads the restored files out of the scratch pod; for large ones it puts the charm's program there, which sends them",
    ),
    (
        Who::Recovery,
        "events",
        &["list"],
        "why a scratch pod or claim is not ready",
    ),
    (
        Who::Recovery,
        "nodes",
        &["get"],
        "whether the node of a scratch pod is lost",
    ),
    (
        Who::Recovery,
        "storageclasses.storage.k8s.io",
        &["get", "list"],
        "the class of the scratch claim",
    ),
    (
        Who::Recovery,
        "daemonsets.apps",
        &["get"],
        "whether a node agent is to come",
    ),
    (
        Who::Reader,
        "backups.velero.io",
        &["get", "list", "watch"],
        "what there is, and what is under way",
    ),
    (Who::Reader, "schedules.velero.io", &["list"], "the next run"),
    (
        Who::Reader,
        "podvolumebackups.velero.io",
        &["list"],
        "the bytes that backups hold",
    ),
    (
        Who::Reader,
        "podvolumerestores.velero.io",
        &["list"],
        "the bytes that a restore has written",
    ),
    (
        Who::Reader,
        "backupstoragelocations.velero.io",
        &["list"],
        "whether Velero can use the bucket",
    ),
    (
        Who::Reader,
        "pods",
        &["list"],
        "Velero's pods; the model's, for what a backup would hold, and for whether a unit that runs an action is there",
    ),
    (
        Who::Reader,
        "namespaces",
        &["get"],
        "only `kube-system`: its uid is written down with a run, which is resumed in no other cluster",
    ),
    (
        Who::Reader,
        "persistentvolumeclaims",
        &["list"],
        "the apps' claims",
    ),
    (
        Who::Reader,
        "persistentvolumes",
        &["get", "list"],
        "what is behind them",
    ),
    (Who::Reader, "nodes", &["list"], "whether each has a node agent"),
    (
        Who::Reader,
        "storageclasses.storage.k8s.io",
        &["get", "list"],
        "the classes",
    ),
    (
        Who::Reader,
        "volumesnapshotclasses.snapshot.storage.k8s.io",
        &["list"],
        "those that are marked for Velero",
    ),
    (
        Who::Reader,
        "clusterroles.rbac.authorization.k8s.io",
        &["list"],
        "whether an app is trusted",
    ),
    (
        Who::Reader,
        "customresourcedefinitions.apiextensions.k8s.io",
        &["get"],
        "Velero's definitions",
    ),
    (
        Who::Reader,
        "secrets",
        &["get"],
        "only `velero-repo-credentials`, only whether the password is the public one",
    ),
    (Who::Reader, "configmaps", &["get"], "only that of the node agent"),
    (
        Who::Import,
        "persistentvolumes",
        &["get", "list", "watch", "patch"],
        "sets the reclaim policy to Retain and takes the claim off",
    ),
];

/// The page.
pub fn text() -> String {
    let mut text = "# Rights in Kubernetes\n\nWhat is asked of the API server, by whom and why. A right that is missing is told by its name, with the command that gives it, and nothing is changed then.\n".to_owned();
    for who in Who::ALL {
        let rows = ROWS.iter().filter(|row| row.0 == who);
        let rows =
            rows.map(|(_, resource, verbs, why)| [code(resource), verbs.join(", "), (*why).to_owned()]);
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n{}",
            who.heading(),
            who.about(),
            table(["resource", "verbs", "for"], rows)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::generate::repository;
    use crate::texts::files;

    /// The sources that ask Kubernetes something.
    const ASKING: [&str; 3] = ["lib/config-recovery/src/", "charm/src/", "configuratarr/src/"];

    /// Methods of `Api`, and functions that wait, with the verbs that they are.
    const METHODS: [(&str, &[&str]); 12] = [
        (".get(", &["get"]),
        (".get_metadata(", &["get"]),
        (".list(", &["list"]),
        (".list_metadata(", &["list"]),
        (".patch(", &["patch"]),
        (".patch_metadata(", &["patch"]),
        (".delete(", &["delete"]),
        (".delete_at_once(", &["delete"]),
        (".delete_collection(", &["deletecollection"]),
        (".create(", &["create"]),
        (".watch(", &["list", "watch"]),
        (".exec(", &[]),
    ];

    fn listed() -> BTreeSet<(String, String)> {
        let rows = ROWS.iter().flat_map(|(_, resource, verbs, _)| {
            let plural = resource.split('.').next().unwrap().to_owned();
            verbs.iter().map(move |verb| (plural.clone(), (*verb).to_owned()))
        });
        rows.collect()
    }

    /// Sources with their text, without tests.
    fn sources() -> Vec<(String, String)> {
        let repository = repository().unwrap();
        let all = files::tracked(&repository).unwrap();
        let all = all.into_iter().filter(|path| {
            ASKING.iter().any(|folder| path.starts_with(folder))
                && path.ends_with(".rs")
                && !path.contains("/tests")
                && !path.ends_with("_tests.rs")
                && !path.ends_with("testing.rs")
        });
        let read = |path: String| {
            let text = std::fs::read_to_string(repository.join(&path)).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (path, code)
        };
        all.map(read).collect()
    }

    /// Names of types of objects, with their resource.
    fn kinds(sources: &[(String, String)]) -> BTreeMap<String, String> {
        let mut kinds = BTreeMap::new();
        for (_, text) in sources {
            for declared in text.split("kind!(").skip(1) {
                let inside = declared.split(')').next().unwrap();
                let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
                if let [name, _, plural] = parts[..]
                    && plural.starts_with('"')
                {
                    kinds.insert(name.to_owned(), plural.trim_matches('"').to_owned());
                }
            }
        }
        for (name, plural) in [
            ("KubePod", "pods"),
            ("KubeSet", "statefulsets"),
            ("BackupSpec", "backups"),
            ("RestoreSpec", "restores"),
            ("PodVolumeBackupSpec", "podvolumebackups"),
            ("PodVolumeRestoreSpec", "podvolumerestores"),
            ("BackupStorageLocationSpec", "backupstoragelocations"),
            ("ScheduleSpec", "schedules"),
        ] {
            kinds.insert(name.to_owned(), plural.to_owned());
        }
        kinds
    }

    /// The type between `<` and `>` behind `before`, without its path.
    fn type_behind<'a>(line: &'a str, before: &str) -> Option<&'a str> {
        let behind = line.split_once(before)?.1;
        let inside = behind.split(['>', ',']).next()?;
        inside.rsplit("::").next()
    }

    /// What a text asks for: resource and verb.
    fn asked(text: &str, kinds: &BTreeMap<String, String>) -> BTreeSet<(String, String)> {
        let mut asked = BTreeSet::new();
        let mut handles: BTreeMap<String, String> = BTreeMap::new();
        let mut note = |kind: &str, verbs: &[&str]| {
            if let Some(plural) = kinds.get(kind) {
                asked.extend(verbs.iter().map(|verb| (plural.clone(), (*verb).to_owned())));
            }
        };
        for statement in text.split(';') {
            let words: Vec<&str> = statement
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("//"))
                .collect();
            let line = words.join(" ").replace(" .", ".").replace("( ", "(");
            // What a function calls so is its own.
            if line.contains("fn ") {
                handles.clear();
            }
            let kind = ["Api::<", "velero::api::<", ": Api<"]
                .iter()
                .find_map(|before| type_behind(&line, before));
            let bound = line.rsplit_once("let ").map(|(_, rest)| rest);
            match (bound, kind) {
                (Some(rest), Some(kind)) => {
                    let name = rest.split([':', ' ', '=']).next().unwrap_or_default();
                    handles.insert(name.to_owned(), kind.to_owned());
                }
                // Asked without a name.
                (None, Some(kind)) => {
                    let called = METHODS.iter().filter(|(method, _)| line.contains(method));
                    called.for_each(|(_, verbs)| note(kind, verbs));
                }
                _ => {}
            }
            if line.contains("self.pods(client)") {
                let called = METHODS.iter().filter(|(method, _)| line.contains(method));
                called.for_each(|(_, verbs)| note("KubePod", verbs));
            }
            for list in [
                "velero::list::<",
                "velero::list_as::<",
                "all::<",
                "of_namespace::<",
            ] {
                for behind in line.split(list).skip(1) {
                    if let Some(kind) = type_behind(&format!("<{behind}"), "<") {
                        note(kind, &["list"]);
                    }
                }
            }
            if let Some(kind) = type_behind(&line, "velero::create::<") {
                note(kind, &["create"]);
            }
            for (name, kind) in &handles {
                for (method, verbs) in METHODS {
                    if line.contains(&format!("{name}{method}")) {
                        note(kind, verbs);
                    }
                }
                let is_given = line.contains(&format!("&{name},"));
                if line.contains("for_object") && is_given {
                    note(kind, &["list", "watch"]);
                }
                if line.contains("ensured(") && is_given {
                    note(kind, &["get", "create"]);
                }
            }
        }
        asked
    }

    #[test]
    fn every_request_in_the_sources_is_in_the_table() {
        let sources = sources();
        let kinds = kinds(&sources);
        let listed = listed();
        let mut found = BTreeSet::new();
        let mut missing = Vec::new();
        for (path, text) in &sources {
            for (resource, verb) in asked(text, &kinds) {
                if !listed.contains(&(resource.clone(), verb.clone())) {
                    missing.push(format!("{path}: {verb} of {resource}"));
                }
                found.insert((resource, verb));
            }
        }
        assert!(
            missing.is_empty(),
            "not in the table of rights:\n{}",
            missing.join("\n")
        );
        // The search itself must not run dry.
        for (resource, verb) in [
            ("pods", "patch"),
            ("namespaces", "delete"),
            ("namespaces", "create"),
            ("podvolumerestores", "patch"),
            ("backups", "create"),
            ("clusterroles", "list"),
            ("persistentvolumes", "patch"),
        ] {
            assert!(
                found.contains(&(resource.to_owned(), verb.to_owned())),
                "{resource} {verb}: {found:#?}"
            );
        }
    }

    #[test]
    fn every_resource_of_the_sources_is_in_the_table_and_none_besides() {
        let sources = sources();
        let mut named: BTreeSet<String> = kinds(&sources).into_values().collect();
        for (_, text) in &sources {
            for behind in text.split("plural: \"").skip(1) {
                named.insert(behind.split('"').next().unwrap().to_owned());
            }
        }
        named.insert("networkpolicies".to_owned());
        named.insert("pods/exec".to_owned());
        let listed: BTreeSet<String> = listed().into_iter().map(|(resource, _)| resource).collect();
        assert_eq!(named, listed);
    }

    #[test]
    fn a_request_that_is_new_is_found() {
        let kinds = BTreeMap::from([("Secret".to_owned(), "secrets".to_owned())]);
        let text = "    let secrets: Api<kinds::Secret> = Api::all(client);\n    secrets.delete(name).await;";
        assert_eq!(
            asked(text, &kinds),
            [("secrets".to_owned(), "delete".to_owned())].into()
        );
    }
}
