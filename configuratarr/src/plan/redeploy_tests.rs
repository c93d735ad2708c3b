use super::*;
use crate::fixtures::{self, MODEL, now, status};

/// A good one of this uid.
fn backup(app: &str, uid: &str, hours_ago: i64) -> BackupSummary {
    BackupSummary {
        uid: uid.to_owned(),
        ..fixtures::backup(app, hours_ago)
    }
}

fn around<'a>(status: &'a Status, backups: &'a [BackupSummary], juju: &'a Juju) -> Around<'a> {
    Around {
        status,
        locations: &fixtures::LOCATIONS,
        backups,
        juju,
        now: now(),
    }
}

fn of_model(mut backup: BackupSummary, model: &str) -> BackupSummary {
    model.clone_into(&mut backup.whose.model);
    backup
}

fn typed(charm: &str) -> TypedCharm {
    TypedCharm {
        charm: Some(charm.to_owned()),
        ..TypedCharm::default()
    }
}

fn planned(
    backups: &[BackupSummary],
    choice: Choice,
    from_model: Option<&str>,
    bundle: Option<Deployed>,
    typed: TypedCharm,
) -> Result<(Item, RedeployPlan), Problem> {
    let status = status(&[]);
    let juju = Juju::new(Some("ctl:home".to_owned()));
    let wanted = Redeploy {
        apps: vec![("lidarr".to_owned(), bundle, typed)],
        choice,
        from_model,
        wait: 60,
    };
    let plan = plan_redeploy(&wanted, around(&status, backups, &juju))?;
    let item = plan.items.into_iter().next().unwrap();
    match item.stages.as_deref().cloned() {
        Some(Stages::Redeploy(plan)) => Ok((item, plan)),
        other => panic!("{other:?}"),
    }
}

/// Which model the backup is of that is taken.
#[test]
fn backups_of_this_model_come_first_and_those_of_the_only_other_one_are_found() {
    let own = backup("lidarr", "a", 3);
    let other = |uid: &str, model: &str| of_model(backup("lidarr", uid, 1), model);
    let model = |backups: &[BackupSummary], choice: Choice, from: Option<&str>| {
        planned(backups, choice, from, None, typed("lidarr"))
            .map(|(item, plan)| (item.backup.unwrap().uid, plan.from_model))
    };
    let all = [own.clone(), other("b", "old"), other("c", "older")];
    assert_eq!(model(&all, Choice::Latest, None).unwrap(), ("a".to_owned(), None));
    let old = Some("old".to_owned());
    assert_eq!(
        model(&all, Choice::Latest, Some("old")).unwrap(),
        ("b".to_owned(), old.clone())
    );
    assert_eq!(
        model(&all, Choice::from("b"), None).unwrap(),
        ("b".to_owned(), old.clone())
    );
    assert_eq!(
        model(&all[1..2], Choice::Latest, None).unwrap(),
        ("b".to_owned(), old)
    );
    let several = model(&all[1..], Choice::Latest, None).unwrap_err();
    assert!(several.text.contains("old, older"), "{several:?}");
    assert!(several.next.unwrap().contains("--from-model"));
    assert!(model(&[], Choice::Latest, None).is_err());
    // A backup of another app is none of this one's.
    assert!(model(&[backup("sonarr", "d", 1)], Choice::Latest, None).is_err());
    assert!(model(&[backup("sonarr", "d", 1)], Choice::from("d"), None).is_err());
}

/// A bundle that somebody wrote may name the charm's file itself. Juju takes a number for the name of an image there.
#[test]
fn a_revision_of_a_resource_is_none_of_a_charm_from_a_file() {
    for (charm, expected) in [
        ("./lidarr.charm", vec!["app-image=example.org/lidarr:1"]),
        ("charms/lidarr", vec!["app-image=example.org/lidarr:1"]),
        ("lidarr-k8s", vec!["app-image=example.org/lidarr:1", "data=3"]),
        ("ch:lidarr-k8s", vec!["app-image=example.org/lidarr:1", "data=3"]),
    ] {
        let bundle = Deployed {
            charm: charm.to_owned(),
            resources: BTreeMap::from([
                ("data".to_owned(), Value::from(3)),
                ("app-image".to_owned(), Value::from("example.org/lidarr:1")),
            ]),
            ..Deployed::default()
        };
        let backups = [backup("lidarr", "a", 3)];
        let planned = planned(
            &backups,
            Choice::Latest,
            None,
            Some(bundle),
            TypedCharm::default(),
        );
        let deploy = planned.unwrap().1.deploy;
        let words = deploy.windows(2).filter(|words| words[0] == "--resource");
        let resources: Vec<&str> = words.map(|words| words[1].as_str()).collect();
        assert_eq!(resources, expected, "{charm}");
    }
}

#[test]
fn what_was_typed_takes_the_place_of_what_the_bundle_says() {
    let bundle = || Deployed {
        charm: "lidarr-k8s".to_owned(),
        channel: Some("latest/edge".to_owned()),
        revision: Some(7),
        base: Some("ubuntu@24.04/stable".to_owned()),
        resources: BTreeMap::from([("app-image".to_owned(), Value::from(3))]),
        options: BTreeMap::from([
            ("backup-schedule".to_owned(), Value::from("daily")),
            ("restore-on-deploy".to_owned(), Value::from("old")),
            ("key".to_owned(), Value::from("secret:abc")),
        ]),
        storage: BTreeMap::from([("config".to_owned(), "kubernetes,1,1024M".to_owned())]),
        constraints: "arch=amd64".to_owned(),
        ..Deployed::default()
    };
    let backups = [backup("lidarr", "a", 3)];
    let (_, plan) = planned(
        &backups,
        Choice::Latest,
        None,
        Some(bundle()),
        TypedCharm::default(),
    )
    .unwrap();
    assert_eq!(
        plan.deploy.join(" "),
        "deploy lidarr-k8s lidarr --trust --channel latest/edge --revision 7 --base ubuntu@24.04/stable --constraints arch=amd64 \
         --storage config=kubernetes,1,1024M --resource app-image=3 --config backup-schedule=daily --config key=secret:abc \
         --config restore-on-deploy=a"
    );
    assert_eq!(plan.at_once, [["grant-secret", "secret:abc", "lidarr"]]);
    let typed = TypedCharm {
        charm: Some("/lidarr.charm".to_owned()),
        config: vec![
            "backup-schedule=weekly".to_owned(),
            "restore-on-deploy=none".to_owned(),
        ],
        resources: vec!["app-image=docker.io/lidarr:2".to_owned()],
        storage: vec!["config=2G".to_owned()],
        ..TypedCharm::default()
    };
    let (_, plan) = planned(&backups, Choice::Latest, None, Some(bundle()), typed.clone()).unwrap();
    // A revision of Charmhub is none of a file, and of another charm; an image is one of any.
    let mut with_image = bundle();
    with_image.resources = BTreeMap::from([
        ("app-image".to_owned(), Value::from("docker.io/lidarr:1")),
        ("other-image".to_owned(), Value::from("docker.io/other:1")),
        ("file".to_owned(), Value::from(3)),
    ]);
    assert_eq!(
        resources(&with_image, &typed).unwrap(),
        BTreeMap::from([
            ("app-image".to_owned(), "docker.io/lidarr:2".to_owned()),
            ("other-image".to_owned(), "docker.io/other:1".to_owned()),
        ])
    );
    assert_eq!(
        plan.deploy.join(" "),
        "deploy /lidarr.charm lidarr --trust --constraints arch=amd64 --storage config=2G --resource app-image=docker.io/lidarr:2 \
         --config backup-schedule=weekly --config key=secret:abc --config restore-on-deploy=a"
    );
    let wrong = TypedCharm {
        config: vec!["nothing".to_owned()],
        ..self::typed("lidarr")
    };
    let wrong = planned(&backups, Choice::Latest, None, None, wrong).unwrap_err();
    assert_eq!(wrong.kind, Kind::Usage);
}

/// What makes backups comes last, since it would cut off a restore; what the app may need to run comes at once.
#[test]
fn relations_are_made_when_they_harm_nobody() {
    let ends = |own: &str, other: &str| (format!("lidarr:{own}"), other.to_owned());
    let bundle = Deployed {
        charm: "lidarr-k8s".to_owned(),
        scale: 2,
        relations: vec![
            ends(ENDPOINT, "velero:velero-backups"),
            ends("backup-weekly", "velero:velero-backups"),
            ends("ingress", "traefik:ingress"),
            ends("arr", "lost:arr"),
        ],
        offered: BTreeMap::from([
            ("velero".to_owned(), "ctl:admin/velero.backups".to_owned()),
            ("traefik".to_owned(), "ctl:admin/net.ingress".to_owned()),
        ]),
        ..Deployed::default()
    };
    let backups = [backup("lidarr", "a", 3)];
    let (_, plan) = planned(
        &backups,
        Choice::Latest,
        None,
        Some(bundle),
        TypedCharm::default(),
    )
    .unwrap();
    let told = |commands: &[Vec<String>]| {
        commands
            .iter()
            .map(|command| command.join(" "))
            .collect::<Vec<String>>()
    };
    assert_eq!(
        told(&plan.at_once),
        [
            "consume ctl:admin/net.ingress traefik",
            "integrate lidarr:ingress traefik:ingress"
        ]
    );
    assert_eq!(
        told(&plan.then),
        [
            "consume ctl:admin/velero.backups velero",
            "integrate lidarr:velero-backup-config velero:velero-backups",
            "consume ctl:admin/velero.backups velero",
            "integrate lidarr:backup-weekly velero:velero-backups",
            "scale-application lidarr 2",
        ]
    );
    assert!(
        plan.notes[0].contains("later: juju integrate lidarr:arr lost:arr"),
        "{:?}",
        plan.notes
    );
    // Nothing makes backups, and that is said.
    let (_, plan) = planned(&backups, Choice::Latest, None, None, typed("lidarr")).unwrap();
    assert!(plan.then.is_empty());
    assert!(
        plan.notes[0].contains(&format!("model {MODEL} has no velero-operator")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn an_app_that_is_being_removed_is_waited_for() {
    let mut status = status(&["lidarr"]);
    let juju = Juju::new(None);
    let backups = [backup("lidarr", "a", 3)];
    let wanted = Redeploy {
        apps: vec![("lidarr".to_owned(), None, typed("lidarr"))],
        choice: Choice::Latest,
        from_model: None,
        wait: 60,
    };
    let there = plan_redeploy(&wanted, around(&status, &backups, &juju)).unwrap_err();
    assert!(there.text.contains("is deployed"), "{there:?}");
    status.applications.get_mut("lidarr").unwrap().life = "dying".to_owned();
    let going = plan_redeploy(&wanted, around(&status, &backups, &juju)).unwrap_err();
    assert!(going.text.contains("still being removed"), "{going:?}");
}
