use config_recovery::backups::BackupSummary;

use super::*;
use crate::fixtures::{LOCATIONS, MODEL, ago, backup, empty, fleet, now, overview, running, status};

struct Given {
    apps: Vec<App>,
    juju: Juju,
    data_units: BTreeMap<String, u32>,
}

fn given(names: &[&str], backups: Vec<BackupSummary>) -> Given {
    Given {
        apps: fleet(&status(names), &overview(backups)),
        juju: Juju::new(Some("ctl:home".to_owned())),
        data_units: BTreeMap::new(),
    }
}

fn planned(given: &Given, job: Job, apps: Option<&[&str]>, choice: Choice) -> Result<Plan, Problem> {
    let names: Option<Vec<String>> = apps.map(|apps| apps.iter().map(|&app| app.to_owned()).collect());
    let wanted = Wanted {
        job,
        apps: names.as_deref(),
        choice,
        parameters: BTreeMap::new(),
    };
    let known = Known {
        model: MODEL,
        apps: &given.apps,
        locations: &LOCATIONS,
        data_units: &given.data_units,
        juju: &given.juju,
        now: now(),
    };
    plan(&wanted, known)
}

#[test]
fn the_newest_good_backup_is_restored_on_the_unit_with_the_data() {
    let mut given = given(
        &["radarr"],
        vec![empty("radarr", 1), backup("radarr", 10), backup("radarr", 34)],
    );
    given.data_units.insert("radarr".to_owned(), 3);
    let plan = planned(&given, Job::Restore, Some(&["radarr", "radarr"]), Choice::Latest).unwrap();
    let [item] = plan.items.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(item.unit, "radarr/3");
    assert_eq!(item.backup.as_ref().unwrap().uid, "radarr-uid-10");
    assert_eq!(
        item.command,
        "juju run radarr/3 restore-from-backup backup-uid=radarr-uid-10 -m ctl:home"
    );
    assert_eq!(plan.password(), "radarr");
    let plan = planned(&given, Job::Restore, Some(&["radarr"]), Choice::AsOf(ago(20))).unwrap();
    assert_eq!(plan.items[0].backup.as_ref().unwrap().uid, "radarr-uid-34");
}

#[test]
fn of_all_apps_those_are_left_out_that_have_nothing_to_restore() {
    let given = given(
        &["radarr", "sonarr", "prowlarr", "plex"],
        vec![
            backup("radarr", 10),
            empty("sonarr", 10),
            backup("prowlarr", 10),
            running("prowlarr"),
            backup("lidarr", 9),
        ],
    );
    let plan = planned(&given, Job::Restore, None, Choice::Latest).unwrap();
    let apps: Vec<&str> = plan.items.iter().map(|item| item.app.as_str()).collect();
    assert_eq!(apps, ["radarr"]);
    let left: Vec<(&str, &str)> = plan
        .left_out
        .iter()
        .map(|left_out| (left_out.app.as_str(), left_out.why.as_str()))
        .collect();
    let gone: Vec<bool> = plan
        .left_out
        .iter()
        .map(|left_out| left_out.is_deployed)
        .collect();
    assert_eq!(gone, [false, true, true, true]);
    assert_eq!(
        left,
        [
            (
                "lidarr",
                "lidarr is not deployed in model home; there are 1 backups of it"
            ),
            ("plex", "there is no backup of plex in model home"),
            ("prowlarr", "a backup of prowlarr is under way"),
            ("sonarr", "there is no good backup of sonarr in model home"),
        ]
    );
    let plan = planned(&given, Job::Verify, None, Choice::Latest).unwrap();
    assert_eq!(
        plan.items.len(),
        2,
        "a backup that is being made is no reason not to verify another one"
    );
    assert_eq!(plan.password(), "verify 2 apps");
}

#[test]
fn an_app_that_was_named_is_planned_or_there_is_no_plan() {
    let given = given(&["radarr", "plex"], vec![backup("radarr", 10)]);
    for (apps, choice, expected, next) in [
        (
            &["radarr", "whisparr"][..],
            Choice::Latest,
            "model home has no app whisparr that can be backed up, and there is no backup of one",
            "configuratarr status shows the apps; another model: --model",
        ),
        (
            &["radarr", "plex"],
            Choice::Latest,
            "there is no backup of plex in model home",
            "configuratarr backup plex",
        ),
        (
            &["radarr"],
            Choice::Named("other".to_owned()),
            "there is no backup \"other\"",
            "configuratarr backups shows which there are",
        ),
        (
            &["radarr"],
            Choice::AsOf(ago(100)),
            "there is no good backup of radarr in model home from 2026-11-25T08:00:00Z or before; the nearest ones began \
             2026-11-29T02:00:00Z (uid radarr-uid-10)",
            "say a later time, or --backup with one of these uids",
        ),
    ] {
        let problem = planned(&given, Job::Restore, Some(apps), choice).unwrap_err();
        assert_eq!(
            (problem.text.as_str(), problem.next.as_deref()),
            (expected, Some(next))
        );
        assert_eq!(problem.kind, Kind::Failed);
    }
}

#[test]
fn a_plan_shows_what_it_stands_for() {
    let given = given(
        &["radarr", "sonarr"],
        vec![backup("radarr", 10), backup("sonarr", 34)],
    );
    let plan = planned(&given, Job::Restore, None, Choice::Latest).unwrap();
    insta::assert_snapshot!(plan.page(now()).lines(false).join("\n"), @r"
    restore in model home:
    APP     UNIT      BACKUP OF             AGE   SIZE
    radarr  radarr/0  2026-11-29 02:00 UTC  10 h  20 MB
    sonarr  sonarr/0  2026-11-28 02:00 UTC  34 h  20 MB
    By hand:
      juju run radarr/0 restore-from-backup backup-uid=radarr-uid-10 -m ctl:home
      juju run sonarr/0 restore-from-backup backup-uid=sonarr-uid-34 -m ctl:home
    ");
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
}

/// Until Velero has read its object storage to the end, the newest backup that it knows of may be any.
#[test]
fn no_backup_is_chosen_of_a_list_that_may_lack_the_newest_but_one_that_is_named() {
    let given = given(&["radarr"], vec![backup("radarr", 34)]);
    let unread = [Location {
        synced: None,
        ..LOCATIONS[0].clone()
    }];
    let with = |locations: &[Location], job, choice| {
        let wanted = Wanted {
            job,
            apps: Some(&["radarr".to_owned()]),
            choice,
            parameters: BTreeMap::new(),
        };
        let known = Known {
            model: MODEL,
            apps: &given.apps,
            locations,
            data_units: &given.data_units,
            juju: &given.juju,
            now: now(),
        };
        plan(&wanted, known)
    };
    for job in [Job::Restore, Job::Preview, Job::Import] {
        assert!(with(&LOCATIONS, job, Choice::Latest).is_ok());
        for choice in [Choice::Latest, Choice::AsOf(now())] {
            let problem = with(&unread, job, choice).unwrap_err();
            assert_eq!(problem.text, "Velero has not read storage location default yet");
            let next = problem.next.unwrap();
            assert!(next.contains("--backup UID"), "{next}");
        }
        let named = Choice::Named("radarr-uid-34".to_owned());
        assert!(with(&unread, job, named).is_ok());
    }
    // What is there is verified, whatever comes later.
    assert!(with(&unread, Job::Verify, Choice::Latest).is_ok());
}
