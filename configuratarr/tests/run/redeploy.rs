//! Apps that are gone come again.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::ends::without_uids;
use crate::home::{Home, Kill, Killed, ON_DEPLOY, RESTORED};

/// The image of radarr's charm, as `--resource` takes it.
pub const IMAGE: &str = "radarr-image=example.org/radarr:1";

/// What deploys radarr again from its file.
pub const OF_FILE: [&str; 6] = [
    "redeploy",
    "radarr",
    "--charm",
    "../charm-radarr",
    "--resource",
    IMAGE,
];

/// A bundle as `juju export-bundle` prints it, with the charms that lie beside it.
const BUNDLE: &str = "bundle: kubernetes
applications:
  radarr:
    charm: ./charm-radarr
    scale: 1
    resources: {radarr-image: \"example.org/radarr:2\"}
    options: {backup-schedule: \"0 3 * * *\", restore-on-deploy: an-old-one}
    constraints: arch=amd64
    storage: {config: \"kubernetes,1,1024M\"}
    trust: true
  sonarr: {charm: ./charm-sonarr, scale: 1, trust: true, resources: {sonarr-image: \"example.org/sonarr:2\"}}
  velero-operator: {charm: velero-operator, scale: 1}
relations:
- - velero-operator:velero-backups
  - radarr:velero-backup-config
- - radarr:web
  - gone:web
- - sonarr:velero-backup-config
  - velero-operator:velero-backups
";

pub fn with_bundle(home: &Home) -> String {
    let bundle = home.test.path("bundle.yaml");
    fs::write(&bundle, BUNDLE).unwrap();
    bundle.display().to_string()
}

/// What is not of this run's time and folder.
pub fn steady(home: &Home, text: &str) -> String {
    let folder = home.test.path("").display().to_string();
    without_times(&without_uids(text)).replace(&folder, "[FOLDER]/")
}

/// Times as people read them: `2026-11-29 03:00 UTC`.
fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(at) = text
        .find(" UTC")
        .and_then(|end| end.checked_sub("2026-11-29 03:00".len()))
    {
        text.replace_range(at..at + "2026-11-29 03:00 UTC".len(), "TIME");
    }
    text
}

/// Whether it asks velero-operator for backups.
pub fn is_related(home: &Home, app: &str) -> bool {
    home.application(app)["relations"]["velero-backup-config"][0]["related-application"] == "velero-operator"
}

#[test]
fn one_and_several_come_again_from_a_bundle_with_their_options_and_relations() {
    let home = Home::without(&["radarr", "sonarr"]);
    let bundle = with_bundle(&home);
    let plan = home
        .test
        .run(&[
            "--tick=100",
            "redeploy",
            "radarr",
            "sonarr",
            "--bundle",
            &bundle,
            "--dry-run",
        ])
        .exits(0);
    let shown = steady(&home, &plan.stdout);
    assert_snapshot!("redeploy_plan", shown);
    assert!(home.application("radarr").is_null(), "a dry run deploys nothing");
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "redeploy",
            "radarr",
            "sonarr",
            "--bundle",
            &bundle,
            "--yes",
        ])
        .exits(0);
    assert_snapshot!("redeployed_two", steady(&home, &ran.stdout));
    for app in ["radarr", "sonarr"] {
        let found = home.application(app);
        assert_eq!(found["application-status"]["current"], "active");
        assert!(is_related(&home, app), "{found}");
        // Deployed once, and with the newest backup: number 2.
        assert_eq!(home.starts(app).len(), 1);
        assert!(
            home.starts(app)[0].ends_with("-000000000002"),
            "{:?}",
            home.starts(app)
        );
        let config: Value = serde_json::from_str(&home.juju(&["config", app, "--format", "json"])).unwrap();
        assert_eq!(config["application-config"]["trust"]["value"], true);
        if app == "radarr" {
            assert_eq!(config["settings"]["backup-schedule"]["value"], "0 3 * * *");
        }
    }
}

#[test]
fn a_backup_that_is_named_and_one_of_a_time_are_taken_and_the_relation_is_made_without_a_bundle() {
    let home = Home::without(&["radarr"]);
    let ran = home
        .test
        .run(
            &[
                &["--tick=100"][..],
                &OF_FILE,
                &["--at", "12 hours ago", "--yes", "--format", "json"],
            ]
            .concat(),
        )
        .exits(0);
    let run = ran.json();
    let uid = run["plan"]["items"][0]["backup"]["uid"].as_str().unwrap();
    assert!(uid.ends_with("-000000000001"), "{uid}");
    assert_eq!(run["progress"][0]["state"], "finished", "{}", ran.shown());
    assert_eq!(home.starts("radarr"), [uid]);
    assert!(is_related(&home, "radarr"));
    // What is there is not deployed again, and not touched.
    let again = home
        .test
        .run(&[&["--tick=100"][..], &OF_FILE, &["--yes"]].concat())
        .exits(1);
    assert_snapshot!("redeploy_deployed", again.stderr);
    assert_eq!(home.starts("radarr").len(), 1);
}

/// The charm's option takes no backup of another model: it is blocked, and its action restores.
#[test]
fn a_backup_of_another_model_is_found_and_restored_by_the_action() {
    let home = Home::without_of(&["radarr"], "old-home");
    home.does(
        "radarr",
        "start",
        "status-set blocked 'restore-on-deploy UID: it is of radarr in model old-home'",
    );
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{RESTORED}status-set active"),
    );
    let ran = home
        .test
        .run(&[&["--tick=100"][..], &OF_FILE, &["--yes"]].concat())
        .exits(0);
    assert_snapshot!("redeployed_of_another_model", steady(&home, &ran.stdout));
    let asked = home.ran("radarr", "restore-from-backup");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].contains("old-home") && asked[0].contains("-000000000002"),
        "{asked:?}"
    );
    assert!(is_related(&home, "radarr"));
}

/// `active` is not `restored`: a charm that has started with an empty volume says so, and one that says nothing is not believed.
#[test]
fn an_app_that_started_without_the_backup_is_no_redeploy() {
    for (name, said) in [
        (
            "redeploy_started_empty",
            "action-set 'restore-on-deploy=there is no backup of radarr; starting with an empty volume'",
        ),
        (
            "redeploy_other_backup",
            "action-set 'restore-on-deploy=the config volume comes from backup radarr-velero-backup-config-21, 5 MB'",
        ),
        ("redeploy_says_nothing", "action-set count=2"),
        ("redeploy_cannot_say", "action-fail 'needs trust'"),
    ] {
        let home = Home::without(&["radarr"]);
        home.does("radarr", "list-backups", said);
        let ran = home
            .test
            .run(&[&["--tick=100"][..], &OF_FILE, &["--yes"]].concat())
            .exits(1);
        assert_snapshot!(name, steady(&home, &ran.stdout));
        assert!(!is_related(&home, "radarr"), "nothing is made of it");
    }
    let home = Home::without(&["radarr"]);
    home.does("radarr", "start", "status-set blocked 'restore-on-deploy UID: backup b is damaged; juju config radarr restore-on-deploy=none'");
    let ran = home
        .test
        .run(&[&["--tick=100"][..], &OF_FILE, &["--yes"]].concat())
        .exits(1);
    assert_snapshot!("redeploy_blocked", steady(&home, &ran.stdout));
}

/// It waits for the charm as long as it was told to, and can be gone on with.
#[test]
fn one_that_is_not_restored_in_time_is_gone_on_with() {
    let home = Home::without(&["radarr"]);
    home.does(
        "radarr",
        "start",
        "status-set waiting 'restore-on-deploy UID: Velero is not ready; retrying at update-status'",
    );
    let ran = home
        .test
        .run(&[&["--tick=100"][..], &OF_FILE, &["--yes", "--wait", "1s"]].concat())
        .exits(4);
    assert_snapshot!("redeploy_not_in_time", steady(&home, &without_run(&ran.stderr)));
    home.does(
        "radarr",
        "list-backups",
        &format!("status-set active\n{ON_DEPLOY}"),
    );
    home.juju(&["run", "radarr/0", "list-backups"]);
    home.test.run(&["resume", "--tick=100"]).exits(0);
    assert!(is_related(&home, "radarr"));
    assert_eq!(home.starts("radarr").len(), 1);
}

/// The name of a run is a time.
pub fn without_run(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let is_run = |word: &str| {
        word.trim_end_matches([';', '\n', ' ']).split('-').count() == 3 && word.starts_with("202")
    };
    let words = words.map(|word| match is_run(word) {
        true => "RUN ".to_owned(),
        false => word.to_owned(),
    });
    let text: String = words.collect();
    match text.find("runs/202") {
        Some(at) => format!("{}runs/RUN.json\n", &text[..at]),
        None => text,
    }
}

/// An image per app, typed or of the bundle: a charm from a file is deployed with it, as a real Juju wants.
#[test]
fn images_are_taken_from_the_bundle_and_from_what_was_typed_for_each_app() {
    for (images, expected) in [
        (vec![], ["example.org/radarr:2", "example.org/sonarr:2"]),
        (
            vec!["--resource", "sonarr:sonarr-image=example.org:5000/sonarr:3"],
            ["example.org/radarr:2", "example.org:5000/sonarr:3"],
        ),
    ] {
        let home = Home::without(&["radarr", "sonarr"]);
        let bundle = home.test.path("bundle.yaml");
        // As Juju exports an app that came from a file, but for the images, which somebody wrote into it.
        let local = BUNDLE
            .replace("./charm-radarr", "local:radarr-3")
            .replace("./charm-sonarr", "local:sonarr-0");
        fs::write(&bundle, local).unwrap();
        let bundle = bundle.display().to_string();
        let of_both = [
            "--tick=100",
            "redeploy",
            "radarr",
            "sonarr",
            "--bundle",
            &bundle,
            "--charm",
            "radarr=../charm-radarr",
            "--charm",
            "sonarr=../charm-sonarr",
            "--yes",
        ];
        home.around_juju("", "");
        home.test.run(&[&of_both[..], &images].concat()).exits(0);
        let calls = fs::read_to_string(home.test.bin().join("juju.calls")).unwrap();
        for (app, image) in ["radarr", "sonarr"].into_iter().zip(expected) {
            assert!(
                calls.contains(&format!("--resource {app}-image={image} ")),
                "{calls}"
            );
            assert_eq!(home.application(app)["application-status"]["current"], "active");
        }
    }
}

/// The file of a resource that a bundle names lies beside it, wherever the command runs.
#[test]
fn a_resource_of_a_bundle_that_is_a_file_is_found_beside_it() {
    let home = Home::without(&["radarr"]);
    let image = home.test.path("radarr-image.json");
    fs::write(&image, "{}").unwrap();
    let bundle = home.test.path("bundle.yaml");
    fs::write(
        &bundle,
        BUNDLE.replace("example.org/radarr:2", "radarr-image.json"),
    )
    .unwrap();
    let plan = [
        "redeploy",
        "radarr",
        "--bundle",
        bundle.to_str().unwrap(),
        "--dry-run",
    ];
    let shown = home.test.run(&plan).exits(0).stdout;
    let resource = format!("--resource radarr-image={}", image.display());
    assert!(shown.contains(&resource), "{shown}");
}

/// Every how many-th call `cargo test` kills at.
const QUICK: usize = 4;
/// So many kills come to nothing, and so many are gone on with, at least.
const LEAST: (usize, usize) = (1, 8);

/// SIGKILL before and after a call of `juju`: it is gone on with.
#[test]
fn killed_before_a_call_a_redeploy_is_gone_on_with() {
    Kill::anywhere(false, (1, QUICK), LEAST, gone_on_with);
}

/// The same after it, at other calls.
#[test]
fn killed_after_a_call_a_redeploy_is_gone_on_with() {
    Kill::anywhere(true, (1 + QUICK / 2, QUICK), LEAST, gone_on_with);
}

/// The same before and after each.
#[test]
#[ignore = "takes minutes: cargo test -p configuratarr --test run -- --ignored"]
fn killed_at_any_call_a_redeploy_is_gone_on_with() {
    for is_after in [false, true] {
        Kill::anywhere(is_after, (1, 1), LEAST, gone_on_with);
    }
}

fn gone_on_with(kill: Kill) -> Killed {
    let home = Home::without(&["radarr", "sonarr"]);
    let bundle = with_bundle(&home);
    kill.is_due(&home);
    let first = home.test.run(&[
        "--tick=100",
        "redeploy",
        "radarr",
        "sonarr",
        "--bundle",
        &bundle,
        "--yes",
    ]);
    if first.code.is_some() {
        assert_eq!(first.code, Some(0), "{}", first.shown());
        return Killed::Whole;
    }
    home.around_juju("", "");
    let again = home.test.run(&["resume", "--tick=100"]);
    match again.code {
        Some(0) => {}
        Some(1) => {
            assert!(
                again.stderr.contains("there is no run that is not at its end"),
                "{kill:?}: {}",
                again.shown()
            );
            assert!(home.starts("radarr").is_empty() && home.starts("sonarr").is_empty());
            return Killed::Nothing;
        }
        _ => panic!("{kill:?}: {}", again.shown()),
    }
    for app in ["radarr", "sonarr"] {
        assert_eq!(home.starts(app).len(), 1, "{kill:?}: {app}");
        assert!(is_related(&home, app), "{kill:?}: {app}");
        assert!(
            again
                .stdout
                .contains(&format!("{app}: deployed again and restored")),
            "{}",
            again.shown()
        );
        // It is asked once what became of its option.
        assert_eq!(home.ran(app, "list-backups").len(), 1, "{kill:?}: {app}");
    }
    Killed::Resumed
}

/// Somebody else deploys it between plan and run: what is theirs is left as it is.
#[test]
fn an_app_that_somebody_else_deploys_meanwhile_is_left_to_them() {
    let home = Home::without(&["radarr"]);
    let charm = home.test.path("charm-radarr").display().to_string();
    home.around_juju(
        &format!("case \"$*\" in status*) if [ -e once ]; then rm once; real/juju deploy {charm} --resource {IMAGE} >/dev/null 2>&1; else touch once; fi;; esac"),
        "",
    );
    let ran = home
        .test
        .run(&[&["--tick=100"][..], &OF_FILE, &["--yes"]].concat())
        .exits(1);
    assert_snapshot!("redeploy_somebody_else", steady(&home, &ran.stdout));
    assert_eq!(home.starts("radarr"), ["none"]);
    assert!(home.ran("radarr", "list-backups").is_empty());
}
