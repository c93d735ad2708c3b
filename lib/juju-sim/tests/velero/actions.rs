//! `juju run velero-operator/0 …`: what the actions of the stand-in answer, through the library and the command line.

use std::process::Command;

use juju_sim::OperatorOptions;
use serde_json::{Value, json};
use velero_api::BackupPhase;

use crate::client::{SPEC, asked, charm, client, create_backup, run};
use crate::common::Bed;

fn told(phase: BackupPhase) -> OperatorOptions {
    OperatorOptions {
        backup_phase: Some(phase),
        ..OperatorOptions::default()
    }
}

#[test]
fn create_backup_makes_the_object_that_velero_would_be_given() {
    let mut bed = asked(OperatorOptions::default(), SPEC);
    let result = create_backup(&mut bed, &[("target", "radarr:backup")]);
    assert_eq!(
        (result.status.as_str(), result.message.as_str()),
        ("completed", "")
    );
    let [backup] = bed.sim.backups().try_into().unwrap();
    let name = result.result("backup-name").unwrap();
    assert_eq!(name, backup.name());
    assert_eq!(
        Value::from(result.results.clone()),
        json!({"status": "success", "backup-name": name, "return-code": 0})
    );
    assert!(result.log[0].contains("no Velero"), "{:?}", result.log);

    let shown = serde_json::to_value(&backup).unwrap();
    assert!(
        backup.name().starts_with("radarr-backup-") && backup.name().len() == "radarr-backup-x7k2p".len()
    );
    assert_eq!(
        shown["metadata"]["labels"],
        json!({"app": "radarr", "endpoint": "backup", "model": "homelab"}),
        "no managed-by"
    );
    let created_at = shown["metadata"]["annotations"]["created-at"].as_str().unwrap();
    let seconds: i64 = created_at.parse().unwrap();
    assert_eq!(shown["metadata"]["annotations"].as_object().unwrap().len(), 1);
    assert_eq!(
        shown["metadata"]["creationTimestamp"],
        jiff::Timestamp::from_second(seconds).unwrap().to_string()
    );
    assert_eq!(shown["spec"], json!(bed.sim.schedules()[0].spec.template));
    assert_eq!(shown["status"], Value::Null, "no Velero has looked at it");
    assert_ne!(backup.metadata.uid, bed.sim.schedules()[0].metadata.uid);
}

#[test]
fn create_backup_looks_for_app_endpoint_and_model() {
    let mut bed = asked(OperatorOptions::default(), SPEC);
    let missing =
        |target: &str, model: &str| format!("No backup spec found for target '{target}' in model '{model}'");
    for (params, message) in [
        (
            vec![("target", "radarr")],
            "Invalid target format. Use 'app:endpoint'".to_owned(),
        ),
        (
            vec![("target", "radarr:other")],
            missing("radarr:other", "homelab"),
        ),
        (
            vec![("target", "radarr:backup:x")],
            missing("radarr:backup:x", "homelab"),
        ),
        (
            vec![("target", "radarr:backup"), ("model", "cabin")],
            missing("radarr:backup", "cabin"),
        ),
    ] {
        let result = create_backup(&mut bed, &params);
        assert_eq!(
            (result.status.as_str(), result.message),
            ("failed", message),
            "{params:?}"
        );
        assert_eq!(result.results["return-code"], 0);
    }
    let cabin = client("cabin")
        .config("app", "radarr")
        .config("model", "cabin")
        .config("spec", SPEC);
    bed.sim.deploy(cabin).unwrap();
    bed.sim.integrate("cabin", "velero-operator").unwrap();
    let result = create_backup(&mut bed, &[("target", "radarr:backup"), ("model", "cabin")]);
    assert_eq!(result.status, "completed");
    assert_eq!(bed.sim.backups()[0].metadata.labels["model"], "cabin");
    bed.sim.remove_relation("cabin", "velero-operator").unwrap();
    let result = create_backup(&mut bed, &[("target", "radarr:backup"), ("model", "cabin")]);
    assert_eq!(result.message, missing("radarr:backup", "cabin"));
    assert_eq!(bed.sim.backups().len(), 1, "a Backup outlives the relation");
}

#[test]
fn create_backup_ends_as_the_phase_that_a_test_names() {
    for (phase, message) in [
        (BackupPhase::Completed, ""),
        (BackupPhase::Failed, "Velero Backup failed: Status is 'Failed'"),
        (
            BackupPhase::PartiallyFailed,
            "Velero Backup failed: Status is 'PartiallyFailed'",
        ),
        (
            BackupPhase::FailedValidation,
            "Velero Backup is still in progress: 'FailedValidation'",
        ),
        (
            BackupPhase::InProgress,
            "Velero Backup is still in progress: 'InProgress'",
        ),
    ] {
        let mut bed = asked(told(phase.clone()), SPEC);
        let result = create_backup(&mut bed, &[("target", "radarr:backup")]);
        assert_eq!(result.message, message);
        assert_eq!(result.status == "completed", message.is_empty());
        assert_eq!(result.result("backup-name").is_some(), message.is_empty());
        let status = bed.sim.backups()[0].status.clone().unwrap();
        assert_eq!(status.phase, Some(phase));
    }
}

#[test]
fn list_backups_shows_what_velero_has_begun() {
    let mut bed = asked(OperatorOptions::default(), SPEC);
    create_backup(&mut bed, &[("target", "radarr:backup")]);
    let listed = run(&mut bed, "list-backups", &[]);
    assert_eq!(
        Value::from(listed.results),
        json!({"status": "success", "return-code": 0})
    );

    let mut bed = asked(told(BackupPhase::Completed), SPEC);
    create_backup(&mut bed, &[("target", "radarr:backup")]);
    let [backup] = bed.sim.backups().try_into().unwrap();
    let status = backup.status.clone().unwrap();
    let expected = json!({ backup.metadata.uid.clone().unwrap(): {
        "name": backup.name(), "app": "radarr", "endpoint": "backup", "model": "homelab", "phase": "Completed",
        "start-timestamp": status.start_timestamp, "completion-timestamp": status.completion_timestamp,
    }});
    let found = |params: &[(&str, &str)], bed: &mut Bed| {
        let result = run(bed, "list-backups", params);
        assert_eq!(result.status, "completed", "{result:?}");
        result.results.get("backups").cloned()
    };
    for params in [
        vec![],
        vec![("model", "homelab")],
        vec![("app", "radarr"), ("endpoint", "backup")],
        vec![("app", "someone-else")],
    ] {
        assert_eq!(found(&params, &mut bed).as_ref(), Some(&expected), "{params:?}");
    }
    for params in [
        vec![("model", "cabin")],
        vec![("app", "radarr"), ("endpoint", "other")],
    ] {
        assert_eq!(found(&params, &mut bed), None, "{params:?}");
    }
    let result = run(&mut bed, "list-backups", &[("endpoint", "backup")]);
    assert_eq!(
        result.message,
        "If 'endpoint' is provided, 'app' must also be provided"
    );
}

#[test]
fn what_needs_velero_is_refused_by_name() {
    let mut bed = asked(OperatorOptions::default(), SPEC);
    for (action, params) in [
        ("restore", ("backup-uid", "x")),
        ("run-cli", ("command", "backup get")),
    ] {
        let result = run(&mut bed, action, &[params]);
        assert_eq!(result.status, "failed");
        assert_eq!(
            result.message,
            format!("cannot run {action}: the stand-in has no Velero behind it")
        );
        let result = run(&mut bed, action, &[]);
        assert_eq!(result.status, "error", "{result:?}");
        assert!(
            result.message.contains("property is missing and required"),
            "{result:?}"
        );
    }
    let result = create_backup(&mut bed, &[("target", "a:b"), ("bogus", "1")]);
    assert!(
        result
            .message
            .contains("additional property \"bogus\" is not allowed"),
        "{result:?}"
    );
    let unknown = bed
        .sim
        .run_action("velero-operator/0", "no-such", serde_json::Map::new());
    assert!(unknown.unwrap_err().to_string().contains("not defined"));
}

#[test]
fn the_command_line_shows_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let juju = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_juju-sim"))
            .env("JUJU_SIM_DIR", folder.path().join("model"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let charm = charm();
    juju(&["juju", "add-model", "homelab"]);
    juju(&["juju", "deploy", "velero-operator"]);
    juju(&[
        "juju",
        "deploy",
        charm.to_str().unwrap(),
        "radarr",
        "--config",
        &format!("spec={SPEC}"),
    ]);
    juju(&["juju", "integrate", "radarr", "velero-operator"]);
    let (listed, _) = juju(&["kubectl", "get", "schedules"]);
    assert!(
        listed.starts_with("NAME") && listed.contains("radarr-backup-"),
        "{listed}"
    );
    let (answer, said) = juju(&[
        "juju",
        "run",
        "velero-operator/0",
        "create-backup",
        "target=radarr:backup",
        "--format",
        "json",
    ]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let task = &answer["velero-operator/0"];
    assert_eq!(task["status"], "completed");
    assert_eq!(task["results"]["status"], "success");
    assert!(said.contains("no Velero"), "{said}");
    let (backups, _) = juju(&["kubectl", "get", "backups", "--output", "json"]);
    let backups: Value = serde_json::from_str(&backups).unwrap();
    assert_eq!(
        backups["items"][0]["metadata"]["name"],
        task["results"]["backup-name"]
    );
    let (actions, _) = juju(&["juju", "actions", "velero-operator", "--format", "json"]);
    let actions: Value = serde_json::from_str(&actions).unwrap();
    assert_eq!(
        actions.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["create-backup", "list-backups", "restore", "run-cli"]
    );
    let (warnings, _) = juju(&["operator-warnings"]);
    assert_eq!(warnings.lines().count(), 1, "{warnings}");
    juju(&[
        "juju",
        "config",
        "velero-operator",
        "default-volumes-to-fs-backup=false",
    ]);
    let (schedules, _) = juju(&["kubectl", "get", "schedules", "--output", "json"]);
    assert!(
        schedules.contains("\"defaultVolumesToFsBackup\":false"),
        "{schedules}"
    );
    juju(&["juju", "show-unit", "velero-operator/0"]);
    juju(&["juju", "destroy-model", "homelab", "--no-prompt"]);
}
