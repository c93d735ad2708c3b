//! The charms in `examples`, as a charm author would deploy them: what they ask for, what they mark, what they offer, their actions.

use juju_sim::{Deploy, OperatorOptions, Options, Simulation, Workload};
use serde_json::{Value, json};
use system_tests::binaries::{Binaries, Examples};
use system_tests::{examples, provider_charm};
use tempfile::TempDir;

/// A model with one of the examples in it, and velero-operator, not yet related.
fn deployed(app: &str) -> (TempDir, Simulation) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        model: "home".to_owned(),
        executable: Some(Binaries::for_tests().unwrap().juju_sim.clone()),
        ..Options::default()
    };
    let mut juju = Simulation::create(folder.path().join("juju"), options).unwrap();
    let built = Examples::for_tests().unwrap();
    let (binary, image): (_, fn(&std::path::Path) -> std::io::Result<()>) = match app {
        "website" => (&built.website, examples::website_image),
        _ => (&built.valkey, examples::valkey_image),
    };
    let charm = folder.path().join(app);
    examples::charm_folder(&charm, app, binary).unwrap();
    let deploy = Deploy::new(app, &charm)
        .resource(&format!("{app}-image"), "example.org/image:1")
        .workload(app, Workload::fill(image));
    juju.deploy(deploy).unwrap();
    juju.deploy_velero_operator(OperatorOptions::default()).unwrap();
    (folder, juju)
}

fn status(juju: &Simulation, unit: &str) -> String {
    let status = juju.status(unit).unwrap().workload;
    format!("{}: {}", status.current, status.message)
}

/// The annotations of a unit's pod that are about backups. Parts of names that Kubernetes draws are replaced.
fn marks(juju: &Simulation, unit: &str) -> Value {
    let pod = juju.pod(unit).unwrap();
    let volume = |path: &str| {
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let mut names = volumes.iter().filter_map(|volume| volume["name"].as_str());
        names.find(|name| name.starts_with(path)).map(str::to_owned)
    };
    let app = unit.split('/').next().unwrap();
    let mut text = pod["metadata"]["annotations"].to_string();
    let storage = if app == "website" { "files" } else { "data" };
    for (name, shown) in [
        (volume(&format!("{app}-{storage}")), "VOLUME"),
        (volume("kube-api-access-"), "TOKEN"),
    ] {
        text = text.replace(&name.unwrap(), shown);
    }
    let mut marks: Value = serde_json::from_str(&text).unwrap();
    marks
        .as_object_mut()
        .unwrap()
        .retain(|key, _| key.contains("backup.velero.io"));
    marks
}

#[test]
fn a_website_asks_for_backups_of_its_files() {
    let (_folder, mut juju) = deployed("website");
    assert_eq!(
        status(&juju, "website/0"),
        "active: no backups: juju integrate website velero-operator"
    );
    assert_eq!(marks(&juju, "website/0"), json!({}));

    juju.integrate("website", "velero-operator").unwrap();
    let spec = r#"{"include_namespaces":["home"],"include_resources":["pods","persistentvolumeclaims","persistentvolumes"],"exclude_namespaces":null,"exclude_resources":null,"label_selector":{"app.kubernetes.io/name":"website"},"ttl":"720h","include_cluster_resources":null,"schedule":"30 2 * * *","paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#;
    let bag = juju.app_bag("website", "backup").unwrap();
    assert_eq!(
        serde_json::to_value(&bag).unwrap(),
        json!({"app": "website", "model": "home", "relation_name": "backup", "spec": spec})
    );
    assert_eq!(
        marks(&juju, "website/0"),
        json!({
            "backup.velero.io/backup-volumes": "VOLUME",
            "backup.velero.io/backup-volumes-excludes": "charm-data,TOKEN",
        })
    );
    assert_eq!(juju.schedules().len(), 1);
    assert_eq!(
        status(&juju, "website/0"),
        "active: scheduled backups: 30 2 * * *"
    );

    let shown = juju
        .run_action("website/0", "show-backup-request", Default::default())
        .unwrap();
    assert_eq!(shown.status, "completed", "{}", shown.message);
    assert_eq!(shown.result("spec").unwrap(), spec);
}

#[test]
fn an_update_status_changes_nothing_and_a_new_pod_is_marked_again() {
    let (_folder, mut juju) = deployed("website");
    juju.integrate("website", "velero-operator").unwrap();
    let (marked, restarts) = (marks(&juju, "website/0"), juju.velero_restarts());
    let writes = |juju: &Simulation| {
        let requests = juju.cluster_requests();
        requests.iter().filter(|request| request.is_write()).count()
    };
    let before = writes(&juju);
    juju.update_status("website/0").unwrap();
    assert_eq!(writes(&juju), before);
    juju.churn_pod("website/0", false).unwrap();
    assert_eq!(marks(&juju, "website/0"), marked);
    assert_eq!(writes(&juju), before + 1);
    assert_eq!(juju.velero_restarts(), restarts, "the databag was written again");
}

#[test]
fn a_wrong_option_is_told_and_the_last_request_stays() {
    let (_folder, mut juju) = deployed("website");
    juju.integrate("website", "velero-operator").unwrap();
    let asked = juju.app_bag("website", "backup");
    juju.set_config("website", &[("backup-retention", "30d")])
        .unwrap();
    let told = status(&juju, "website/0");
    assert!(told.starts_with("blocked: backup-retention: "), "{told}");
    assert_eq!(juju.app_bag("website", "backup"), asked);
    let shown = juju
        .run_action("website/0", "show-backup-request", Default::default())
        .unwrap();
    assert_eq!(shown.status, "failed");
    assert!(
        shown.message.starts_with("backup-retention: "),
        "{}",
        shown.message
    );

    juju.set_config("website", &[("backup-retention", "24h"), ("backup-schedule", "")])
        .unwrap();
    assert_eq!(status(&juju, "website/0"), "active: backups on demand only");
    assert_eq!(juju.schedules().len(), 0);
}

#[test]
fn without_the_relation_nothing_stays_on_the_pod() {
    let (_folder, mut juju) = deployed("website");
    juju.integrate("website", "velero-operator").unwrap();
    juju.remove_relation("website", "velero-operator").unwrap();
    assert_eq!(marks(&juju, "website/0"), json!({}));
}

#[test]
fn a_database_is_saved_before_each_backup_and_its_password_is_granted() {
    let (folder, mut juju) = deployed("valkey");
    juju.integrate("valkey", "velero-operator").unwrap();
    let client = provider_charm::deploy_as_client(&folder.path().join("shop"), "shop", "valkey").unwrap();
    juju.deploy(client).unwrap();
    juju.integrate("valkey:database", "shop").unwrap();

    assert_eq!(
        marks(&juju, "valkey/0"),
        json!({
            "backup.velero.io/backup-volumes": "VOLUME",
            "backup.velero.io/backup-volumes-excludes": "charm-data,TOKEN",
            "pre.hook.backup.velero.io/command":
                "[\"/bin/sh\",\"-c\",\"REDISCLI_AUTH=$(cat /etc/valkey/password) exec valkey-cli -e save\"]",
            "pre.hook.backup.velero.io/container": "valkey",
            "pre.hook.backup.velero.io/on-error": "Fail",
            "pre.hook.backup.velero.io/timeout": "10m",
        })
    );
    let spec = juju.app_bag("valkey", "backup").unwrap()["spec"].clone();
    assert!(
        spec.contains(r#""label_selector":{"app.kubernetes.io/name":"valkey"}"#),
        "{spec}"
    );

    let password = juju.secret_content("valkey", "password").unwrap()["password"].clone();
    let bag = juju.app_bag("valkey", "database").unwrap();
    assert_eq!(
        (bag["host"].as_str(), bag["port"].as_str()),
        ("valkey.home.svc.cluster.local", "6379")
    );
    assert!(
        bag["secret-id"].starts_with("secret:") && bag.len() == 3,
        "{bag:?}"
    );
    // The client has read it.
    assert_eq!(status(&juju, "shop/0"), format!("active: {password}"));
    let root = juju.container_root("valkey/0", "valkey");
    assert_eq!(
        std::fs::read_to_string(root.join("etc/valkey/password")).unwrap(),
        password
    );

    let parameters = json!({"database": 2}).as_object().unwrap().clone();
    let counted = juju.run_action("valkey/0", "count-keys", parameters).unwrap();
    assert_eq!(counted.status, "completed", "{}", counted.message);
    assert_eq!(counted.result("keys").unwrap(), "42");
    let log = juju.unit_log("valkey/0").unwrap();
    assert!(!log.contains(&password), "{log}");
}
