use super::*;

fn deployed(text: &str) -> Deployed {
    serde_yaml::from_str(text).unwrap()
}

fn place() -> Place {
    Place {
        volume: "pvc-old".to_owned(),
        size: 1 << 30,
        storage_class: None,
        image: "radarr:1".to_owned(),
    }
}

fn refused(units: usize, text: &str, typed: &Typed) -> String {
    let problem =
        plan_import(&Juju::new(None), "radarr", units, &deployed(text), place(), typed).unwrap_err();
    format!("{}; next: {}", problem.text, problem.next.unwrap())
}

#[test]
fn an_app_is_deployed_as_it_was_but_does_not_restore_again() {
    let mut was = deployed(
        "{charm: radarr-k8s, channel: latest/edge, revision: 7, resources: {app-image: 3}, trust: true, expose: true,
          options: {backup-schedule: \"@daily\", puid: 1000, restore-on-deploy: latest, key: \"secret:abc\"},
          storage: {config: \"kubernetes,1,1024M\"}, constraints: arch=amd64}",
    );
    was.relations = vec![("radarr:velero-backup-config".to_owned(), "velero:b".to_owned())];
    let plan = plan_import(&Juju::new(None), "radarr", 1, &was, place(), &Typed::default()).unwrap();
    assert_eq!(
        plan.deployment().with_storage("config/3").join(" "),
        "deploy radarr-k8s radarr --channel latest/edge --revision 7 --constraints arch=amd64 \
         --storage config=kubernetes,1,1024M --config backup-schedule=@daily --config key=secret:abc --config puid=1000 \
         --resource app-image=3 --trust --attach-storage config/3"
    );
    let then: Vec<String> = plan.then.iter().map(|command| command.join(" ")).collect();
    assert_eq!(
        then,
        [
            "grant-secret secret:abc radarr",
            "integrate radarr:velero-backup-config velero:b",
            "expose radarr"
        ]
    );
    assert!(plan.is_of_charmhub());
    let typed = Typed {
        charm: Some("./radarr.charm".to_owned()),
        resources: vec!["app-image=radarr:2".to_owned()],
    };
    let plan = plan_import(&Juju::new(None), "radarr", 1, &was, place(), &typed).unwrap();
    let words = plan.deployment().with_storage("config/3").join(" ");
    assert!(
        words.starts_with("deploy ./radarr.charm radarr --constraints"),
        "{words}"
    );
    assert!(
        words.contains("--resource app-image=radarr:2 ") && !words.contains("app-image=3"),
        "{words}"
    );
    assert!(!plan.is_of_charmhub());
}

#[test]
fn what_would_be_lost_is_refused_with_the_way_that_loses_nothing() {
    let typed = Typed::default();
    insta::assert_snapshot!(
        [
            refused(2, "{charm: radarr}", &typed),
            refused(0, "{charm: radarr}", &typed),
            refused(1, "{charm: radarr, storage: {config: x, media: y}}", &typed),
            refused(1, "{charm: radarr, offers: {films: {}}}", &typed),
            refused(1, "{charm: \"local:radarr-0\"}", &typed),
        ]
        .join("\n")
    );
    let mut was = deployed("{charm: radarr}");
    was.uploaded = vec!["app-image".to_owned()];
    let problem = plan_import(&Juju::new(None), "radarr", 1, &was, place(), &typed).unwrap_err();
    assert_eq!(
        problem.next.unwrap(),
        "name it: --resource app-image=FILE-OR-IMAGE"
    );
}

#[test]
fn juju_is_refused_where_it_cannot_import_and_both_sides_count() {
    let says =
        |versions: [&str; 2], flags: &str| match may_import(&Juju::new(None), "radarr", versions, flags) {
            Ok(()) => "imports".to_owned(),
            Err(problem) => format!("{}; next: {}", problem.text, problem.next.unwrap()),
        };
    insta::assert_snapshot!(
        [
            says(["3.6.12", "3.6.28-ubuntu-amd64"], ""),
            says(["3.6.28", "4.0.15"], ""),
            says(["3.6.28", "3.6.8"], ""),
            says(["3.6.11", "3.6.11"], "other"),
            says(["3.6.11", "3.6.11"], "other,k8s-attach-storage"),
            says(["4.1.0", "3.6.28"], ""),
        ]
        .join("\n")
    );
}
