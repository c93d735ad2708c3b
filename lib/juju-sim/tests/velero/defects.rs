//! What the real operator does silently: each defect on, and off.

use std::collections::BTreeSet;

use juju_sim::OperatorOptions;
use serde_json::json;

use crate::client::{
    SPEC, ask, asked, client, create_backup, names, operator, operator_status, warnings, with,
};
use crate::common::{Bed, options};

/// Two applications of two models that ask under the same names, as they come over cross-model relations.
fn two_models(operator: OperatorOptions) -> Bed {
    let mut bed = Bed::new(options());
    bed.sim.deploy_velero_operator(operator).unwrap();
    for (app, model) in [("one", "homelab"), ("two", "cabin")] {
        let spec = SPEC.replace("media", model);
        let deploy = client(app)
            .config("app", "radarr")
            .config("model", model)
            .config("spec", &spec);
        bed.sim.deploy(deploy).unwrap();
        bed.sim.integrate(app, "velero-operator").unwrap();
    }
    bed
}

#[test]
fn two_models_fight_over_one_schedule() {
    let mut bed = two_models(operator());
    let [schedule] = bed.sim.schedules().try_into().unwrap();
    assert_eq!(schedule.metadata.labels["model"], "homelab");
    assert_eq!(
        schedule.spec.template.included_namespaces,
        ["cabin"],
        "the last one read wins"
    );
    let [warning] = warnings(&bed.sim).try_into().unwrap();
    for part in [
        "relation 1 of two: ",
        "radarr:backup",
        "model cabin",
        "relation 0 of one",
        "model homelab",
    ] {
        assert!(warning.contains(part), "{part} is not in: {warning}");
    }

    bed.sim.remove_relation("two", "velero-operator").unwrap();
    let [left] = bed.sim.schedules().try_into().unwrap();
    assert_ne!(
        left.name(),
        schedule.name(),
        "the end of one deleted the Schedule of both"
    );
    assert_eq!(left.spec.template.included_namespaces, ["homelab"]);
    let last = warnings(&bed.sim).pop().unwrap();
    assert!(
        last.starts_with("relation 1 of two: ") && last.contains("relation 0 of one"),
        "{last}"
    );
}

#[test]
fn an_operator_that_looks_at_the_model_keeps_them_apart() {
    let mut bed = two_models(with(|defects| defects.ignores_client_model = false));
    let models: BTreeSet<String> = bed
        .sim
        .schedules()
        .iter()
        .map(|schedule| schedule.metadata.labels["model"].clone())
        .collect();
    assert_eq!(models, ["cabin".to_owned(), "homelab".to_owned()].into());
    bed.sim.remove_relation("two", "velero-operator").unwrap();
    let [left] = bed.sim.schedules().try_into().unwrap();
    assert_eq!(left.metadata.labels["model"], "homelab");
    assert_eq!(warnings(&bed.sim), [""; 0]);
}

#[test]
fn a_missing_spec_is_a_backup_of_everything() {
    for (spec, said) in [("", "spec is missing"), ("{}", "names no namespace")] {
        let mut bed = asked(operator(), spec);
        let [warning] = warnings(&bed.sim).try_into().unwrap();
        assert!(
            warning.contains(said) && warning.contains("every namespace"),
            "{warning}"
        );
        assert_eq!(operator_status(&bed.sim), "active: Unit is Ready");
        let result = create_backup(&mut bed, &[("target", "radarr:backup")]);
        assert_eq!(result.status, "completed");
        let shown = serde_json::to_value(&bed.sim.backups()[0].spec).unwrap();
        let nothing_named = json!({
            "storageLocation": "default",
            "volumeSnapshotLocations": ["default"],
            "defaultVolumesToFsBackup": true,
        });
        assert_eq!(shown, nothing_named);

        let mut bed = asked(with(|defects| defects.takes_every_namespace = false), spec);
        let status = operator_status(&bed.sim);
        assert!(
            status.starts_with("blocked: Invalid relation data: relation 0 of radarr: spec "),
            "{status}"
        );
        let result = create_backup(&mut bed, &[("target", "radarr:backup")]);
        assert_eq!(
            (result.status.as_str(), bed.sim.backups().len()),
            ("failed", 0),
            "{result:?}"
        );
        ask(&mut bed, SPEC);
        assert_eq!(operator_status(&bed.sim), "active: Unit is Ready");
    }
}

#[test]
fn a_spec_that_is_no_json_is_skipped() {
    let mut bed = asked(operator(), SPEC);
    let before = bed.sim.schedules();
    for bad in ["{", "[]", r#"{"ttl":720}"#] {
        ask(&mut bed, bad);
        assert_eq!(bed.sim.schedules(), before, "{bad}");
        assert_eq!(operator_status(&bed.sim), "active: Unit is Ready", "{bad}");
        let warning = warnings(&bed.sim).pop().unwrap();
        assert!(
            warning.starts_with("relation 0 of radarr: spec ") && warning.contains("skipped"),
            "{warning}"
        );
        let result = create_backup(&mut bed, &[("target", "radarr:backup")]);
        assert_eq!(
            (result.status.as_str(), result.message.as_str()),
            ("failed", "exit status 1")
        );
        assert_eq!(result.results["return-code"], 1);
    }
    assert_eq!(
        warnings(&bed.sim).len(),
        6,
        "each of the three, by hook and by action"
    );
}

#[test]
fn an_operator_that_looks_at_specs_says_so() {
    let mut bed = asked(with(|defects| defects.skips_invalid_spec = false), SPEC);
    let before = bed.sim.schedules();
    ask(&mut bed, "{");
    let status = operator_status(&bed.sim);
    assert!(
        status.starts_with("blocked: Invalid relation data: relation 0 of radarr: spec is not JSON"),
        "{status}"
    );
    assert_eq!(bed.sim.schedules(), before);
    assert_eq!(
        create_backup(&mut bed, &[("target", "radarr:backup")]).status,
        "failed"
    );
    assert_eq!(warnings(&bed.sim), [""; 0]);
    bed.sim.remove_relation("radarr", "velero-operator").unwrap();
    assert_eq!(operator_status(&bed.sim), "active: Unit is Ready");
}

#[test]
fn values_that_velero_cannot_use_are_passed_on() {
    let bad = r#"{"include_namespaces":["media"],"ttl":"30d","schedule":"0 0 3 * * *"}"#;
    let bed = asked(operator(), bad);
    let [schedule] = bed.sim.schedules().try_into().unwrap();
    assert_eq!(schedule.spec.schedule, "0 0 3 * * *");
    assert_eq!(schedule.spec.template.ttl.as_deref(), Some("30d"));
    let found = warnings(&bed.sim);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("relation 0 of radarr: cannot use ttl \"30d\""),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("relation 0 of radarr: cannot use schedule \"0 0 3 * * *\""),
        "{found:?}"
    );

    let bed = asked(with(|defects| defects.takes_any_value = false), bad);
    assert_eq!(names(&bed.sim), [""; 0]);
    let status = operator_status(&bed.sim);
    assert!(
        status.starts_with("blocked: ") && status.contains("ttl \"30d\""),
        "{status}"
    );
}

#[test]
fn names_that_kubernetes_refuses_make_no_object() {
    let mut bed = Bed::new(options());
    bed.sim.deploy_velero_operator(operator()).unwrap();
    let deploy = client("radarr")
        .config("spec", SPEC)
        .config("endpoint", "my_backup");
    bed.sim.deploy(deploy).unwrap();
    bed.sim.integrate("radarr", "velero-operator").unwrap();
    assert_eq!(names(&bed.sim), [""; 0]);
    assert!(
        warnings(&bed.sim)[0].contains("\"radarr-my_backup-\""),
        "{:?}",
        warnings(&bed.sim)
    );
    let result = create_backup(&mut bed, &[("target", "radarr:my_backup")]);
    assert_eq!(
        result.message,
        "Failed to create Velero Backup 'radarr-my_backup-'"
    );
}
