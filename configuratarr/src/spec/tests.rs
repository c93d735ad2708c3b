//! What is said of specs: errors with pointers, all of them, and what stores nothing or too much.

use config_recovery::backups::AppId;
use config_recovery::method::VolumeSource;
use config_recovery::preview::preview_of;
use config_recovery::survey::{Claim, Objects, Pod, PodVolume, PodVolumeSource};
use velero_backup_config::{Method, pod};

use super::*;
use crate::fixtures::{self, MODEL};
use crate::report::{SpecReport, SpecsReport};

const CONFIG: &str = "radarr-config-fec125";

fn objects(marks: &[&str]) -> Objects {
    let volume = |name: &str, source| PodVolume {
        name: name.to_owned(),
        source,
    };
    let claim = |name: &str, volume: &str| Claim {
        namespace: MODEL.to_owned(),
        name: name.to_owned(),
        labels: [("app.kubernetes.io/name".to_owned(), "radarr".to_owned())].into(),
        volume: Some(volume.to_owned()),
        storage_class: None,
    };
    let radarr = Pod {
        namespace: MODEL.to_owned(),
        name: "radarr-0".to_owned(),
        labels: [("app.kubernetes.io/name".to_owned(), "radarr".to_owned())].into(),
        annotations: match marks {
            [] => [].into(),
            marks => [(pod::BACKUP_VOLUMES.to_owned(), marks.join(","))].into(),
        },
        node: "lab".to_owned(),
        volumes: vec![
            volume(CONFIG, PodVolumeSource::Claim(format!("{CONFIG}-radarr-0"))),
            volume("media-storage", PodVolumeSource::Claim("media".to_owned())),
        ],
    };
    Objects {
        pods: Ok(vec![radarr]),
        claims: Ok(vec![
            claim(&format!("{CONFIG}-radarr-0"), "pv-1"),
            claim("media", "pv-2"),
        ]),
        volumes: Ok([
            ("pv-1".to_owned(), VolumeSource::Other),
            ("pv-2".to_owned(), VolumeSource::Other),
        ]
        .into()),
    }
}

/// What is said of a text against a cluster whose pod has these marks: severity and text.
fn said(text: &str, marks: &[&str]) -> Vec<(Severity, String)> {
    let read = read(text);
    let mut all = read.advice.clone();
    if let Some(spec) = &read.spec {
        let objects = objects(marks);
        let velero = spec.to_velero_backup_spec(false);
        let found = preview_of(&velero, &objects, Some(&[])).unwrap();
        let whose = AppId {
            app: "radarr".to_owned(),
            model: MODEL.to_owned(),
        };
        let cron = spec.schedule().map(Schedule::as_str);
        all.extend(advise(&velero, cron, Some(&found), objects.stored(&whose)));
    }
    all.into_iter()
        .map(|advice| (advice.severity, advice.text))
        .collect()
}

#[track_caller]
fn assert_says(text: &str, marks: &[&str], severity: Severity, expected: &str) {
    let all = said(text, marks);
    assert!(
        all.iter()
            .any(|(is, text)| *is == severity && text.contains(expected)),
        "{expected:?} is not said as {severity:?}: {all:?}"
    );
}

const PRESET: &str = "include_namespaces: [home]
include_resources: [pods, persistentvolumeclaims, persistentvolumes]
label_selector: {app.kubernetes.io/name: radarr}
schedule: 30 2 * * *
";

#[test]
fn the_preset_on_a_marked_pod_is_not_spoken_of() {
    assert_eq!(said(PRESET, &[CONFIG]), []);
}

#[test]
fn what_stores_nothing_is_a_failure_with_its_reason() {
    use Severity::Failure;
    assert_says(
        PRESET,
        &[],
        Failure,
        "it stores no byte: its pod does not opt it in",
    );
    let claims_only = "{includedNamespaces: [home], includedResources: [persistentvolumeclaims], \
                       labelSelector: {matchLabels: {app.kubernetes.io/name: radarr}}}";
    assert_says(claims_only, &[], Failure, "claims alone hold none");
    let other = "{includedNamespaces: [home], labelSelector: {matchLabels: {app.kubernetes.io/name: radar}}}";
    assert_says(
        other,
        &[CONFIG],
        Failure,
        "it matches no pod and no claim in home",
    );
    assert_says(
        PRESET,
        &["media-storage"],
        Failure,
        "the config volume radarr-config-fec125 of pod radarr-0 is not stored",
    );
}

#[test]
fn what_stores_too_much_or_cannot_be_restored_is_a_warning() {
    use Severity::Warning;
    assert_says(
        "{include_namespaces: [home]}",
        &[CONFIG],
        Warning,
        "it selects by no label",
    );
    assert_says("{include_namespaces: [home]}", &[CONFIG], Warning, "no schedule");
    assert_says(
        PRESET,
        &[CONFIG, "media-storage"],
        Warning,
        "besides the config volume these are stored: media",
    );
    let no_volumes = PRESET.replace(", persistentvolumes", "");
    assert_says(&no_volumes, &[CONFIG], Warning, "without an end");
    let read = read("{include_namespaces: [home], include_resources: [persistentvolumeclaims]}");
    let spec = read.spec.unwrap().to_velero_backup_spec(false);
    let unseen = advise(&spec, None, None, None);
    assert!(
        unseen
            .iter()
            .any(|advice| advice.text.contains("only where Velero makes snapshots")),
        "{unseen:?}"
    );
}

#[test]
fn all_errors_of_both_forms_have_pointers() {
    let pointers = |text: &str| -> Vec<String> {
        let mut all: Vec<String> = read(text)
            .advice
            .into_iter()
            .filter_map(|advice| advice.pointer)
            .collect();
        all.sort();
        all
    };
    let databag = r#"{"app": "Radarr!", "relation_name": "backup", "spec": "{\"include_namespaces\":[\"a b\"],\"ttl\":\"30d\"}"}"#;
    assert_eq!(read(databag).form, Form::Databag);
    assert_eq!(
        pointers(databag),
        ["/app", "/spec/include_namespaces/0", "/spec/ttl"]
    );
    let as_yaml = "app: Radarr!\nrelation_name: backup\nspec:\n  include_namespaces: [a b]\n  ttl: 30d\n";
    assert_eq!(pointers(as_yaml), pointers(databag));
    let velero = "includedNamespaces: [a b]\nttl: 30d\norLabelSelectors: [{}]\n";
    assert_eq!(read(velero).form, Form::Spec);
    assert_eq!(
        pointers(velero),
        ["/includedNamespaces/0", "/orLabelSelectors", "/ttl"]
    );
    assert_eq!(pointers("[1"), [""]);
}

#[test]
fn a_schedule_of_the_cluster_is_the_spec_that_it_was_made_from() {
    let read = of_schedule(&fixtures::schedule("radarr"));
    let expected = BackupSpec::config_volume("radarr", MODEL, Method::Filesystem).unwrap();
    let expected = expected.with_schedule(Some(Schedule::parse("30 1 * * *").unwrap()));
    assert_eq!((read.spec, read.advice), (Some(expected), Vec::new()));
    let mut wrong = fixtures::schedule("radarr");
    wrong.cron = "every day".to_owned();
    assert_eq!(
        of_schedule(&wrong).advice[0].pointer.as_deref(),
        Some("/schedule")
    );
}

#[test]
fn the_page_is_for_people() {
    let page = |text: &str, marks: &[&str]| {
        let read = read(text);
        let objects = objects(marks);
        let whose = AppId {
            app: "radarr".to_owned(),
            model: MODEL.to_owned(),
        };
        let report = match &read.spec {
            Some(spec) => {
                let velero = spec.to_velero_backup_spec(false);
                let found = preview_of(&velero, &objects, Some(&[])).unwrap();
                let advice = advise(
                    &velero,
                    spec.schedule().map(Schedule::as_str),
                    Some(&found),
                    objects.stored(&whose),
                );
                SpecReport::new(&read, &advice, Some(&found))
            }
            None => SpecReport::new(&read, &[], None),
        };
        let report = SpecsReport {
            schema: "configuratarr/spec/v1",
            time: fixtures::now().to_string(),
            cluster_problem: None,
            specs: vec![report],
        };
        (report.is_well(), report.page().lines(false).join("\n"))
    };
    let (is_well, good) = page(PRESET, &[CONFIG]);
    assert!(is_well);
    let (is_well, empty) = page(PRESET, &[]);
    assert!(!is_well);
    let (is_well, refused) = page("{include_namespaces: [home], ttl: 30d, schedule: '* *'}", &[]);
    assert!(!is_well);
    insta::assert_snapshot!(format!("{good}\n\n{empty}\n\n{refused}"));
}
