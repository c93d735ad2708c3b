use super::*;
use crate::plan::Item;
use crate::problem::Kind;

fn run() -> Run {
    let item = |app: &str| Item {
        app: app.to_owned(),
        unit: format!("{app}/0"),
        backup: None,
        parameters: BTreeMap::new(),
        command: String::new(),
        stages: None,
        import: None,
    };
    let plan = Plan {
        // One of these days: of an older one nobody is given without its name.
        made: Timestamp::now().to_string(),
        model: "home".to_owned(),
        juju_model: "ctl:home".to_owned(),
        job: Job::Restore,
        items: vec![item("radarr"), item("sonarr")],
        left_out: Vec::new(),
    };
    Run::new(plan, "2026-11-29T12:00:00Z".parse().unwrap())
}

fn started(task: &str) -> Progress {
    Progress::Started {
        task: task.to_owned(),
    }
}

fn done() -> Progress {
    Progress::Done {
        task: "1".to_owned(),
        results: BTreeMap::new(),
    }
}

fn failed() -> Progress {
    Progress::Failed {
        task: None,
        why: "no".to_owned(),
        results: BTreeMap::new(),
    }
}

#[test]
fn no_step_is_left_out_and_no_end_is_taken_back() {
    let all = [
        Progress::Planned,
        Progress::Starting { after: None },
        started("1"),
        done(),
        failed(),
    ];
    let may: Vec<Vec<bool>> = all
        .iter()
        .map(|from| all.iter().map(|to| from.may_become(to)).collect())
        .collect();
    assert_eq!(
        may,
        [
            [false, true, false, false, true],
            [false, true, true, false, true],
            [false, false, false, true, true],
            [false; 5],
            [false; 5],
        ]
    );
}

/// A step is followed by itself, with more that was seen, or by a later one; a redeploy and a refresh begin anew from nowhere.
#[test]
fn steps_go_forward_only() {
    let at = |step| Progress::Working {
        step,
        seen: Box::default(),
    };
    let finished = Progress::Finished {
        results: BTreeMap::new(),
    };
    let (first, later) = (at(Step::Backup), at(Step::Health));
    for (from, to, may) in [
        (&Progress::Planned, &first, true),
        (&first, &first, true),
        (&first, &later, true),
        (&later, &first, false),
        (&later, &finished, true),
        (&later, &failed(), true),
        (&Progress::Planned, &finished, false),
        (&finished, &later, false),
        (&finished, &failed(), false),
        (&failed(), &first, false),
        (&first, &started("1"), false),
        (&started("1"), &first, false),
    ] {
        assert_eq!(from.may_become(to), may, "{from:?} {to:?}");
    }
    assert!(finished.is_over() && !first.is_over());
}

#[test]
fn what_was_written_down_is_there_for_the_next_process_and_nobody_else_has_it_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("runs"));
    let mut journal = store.begin(run()).unwrap();
    assert_eq!(journal.run().id, "20261129-120000-restore");
    journal.advance(0, Progress::Starting { after: Some(7) }).unwrap();
    let problem = store.open(None).unwrap_err();
    assert_eq!(
        problem.text,
        "another configuratarr carries out run 20261129-120000-restore"
    );
    // A second one that changes nothing of its apps is begun beside it.
    let mut verify = run();
    verify.plan.job = Job::Verify;
    let second = store.begin(verify).unwrap();
    assert_eq!(second.run().id, "20261129-120000-restore-2");
    drop((journal, second));
    let mut journal = store.open(Some("20261129-120000-restore")).unwrap();
    assert_eq!(journal.run().progress[0], Progress::Starting { after: Some(7) });
    journal.advance(0, started("8")).unwrap();
    journal.advance(0, done()).unwrap();
    assert!(journal.advance(0, started("9")).is_err());
    journal.advance(1, failed()).unwrap();
    assert!(journal.run().is_over() && !journal.run().is_done());
    drop(journal);
    // The last one that is not at its end.
    assert_eq!(store.open(None).unwrap().run().id, "20261129-120000-restore-2");
}

/// Both look, and see nothing: whether one may begin and that it begins is one step.
#[test]
fn of_two_who_begin_in_the_same_moment_one_does() {
    for job in [Job::Restore, Job::Import, Job::Redeploy, Job::Refresh] {
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let barrier = std::sync::Barrier::new(2);
            let begin = || {
                let mut run = run();
                run.plan.job = job;
                barrier.wait();
                Store::at(folder.path().join("runs")).begin(run)
            };
            let (one, other) = std::thread::scope(|scope| {
                let one = scope.spawn(begin);
                let other = scope.spawn(begin);
                (one.join().unwrap(), other.join().unwrap())
            });
            let problem = match (&one, &other) {
                (Ok(_), Err(problem)) | (Err(problem), Ok(_)) => problem,
                _ => panic!("{job:?}: {one:?}, {other:?}"),
            };
            assert!(
                problem.text.contains("is in the middle of the"),
                "{}",
                problem.text
            );
            assert_eq!(
                problem.next.as_deref(),
                Some("another configuratarr carries it out: wait for its end")
            );
        }
    }
}

/// It waits, killed, while another run is begun and left in the middle: to go on with it would be to begin beside that one.
#[test]
fn what_was_left_before_it_began_is_not_gone_on_with_in_the_middle_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let first = store.begin(run()).unwrap().run().id.clone();
    let import = || {
        let mut run = run();
        run.plan.job = Job::Import;
        run.id = "import".to_owned();
        run
    };
    let mut journal = store.begin(import()).unwrap();
    // Other apps are none of its business.
    let mut other = run();
    other.plan.items.iter_mut().for_each(|item| item.app.push('2'));
    drop(store.begin(other).unwrap());
    // Followed, and then left.
    let problem = store.open(Some(&first)).unwrap_err();
    assert!(
        problem
            .text
            .contains("run import is in the middle of the import of radarr"),
        "{}",
        problem.text
    );
    let step = Progress::Importing {
        step: ImportStep::Restore,
        found: Found::default(),
    };
    journal.advance(0, step).unwrap();
    drop(journal);
    let problem = store.open(Some(&first)).unwrap_err();
    assert!(
        problem
            .next
            .unwrap()
            .contains("configuratarr resume import goes on with it")
    );
    drop(store.open(Some("import")).unwrap());
    let mut journal = store.open(Some("import")).unwrap();
    journal.advance(0, failed()).unwrap();
    journal.advance(1, failed()).unwrap();
    drop(journal);
    assert_eq!(store.open(Some(&first)).unwrap().run().id, first);
}

/// It is stopped there, with Ctrl-Z for one.
#[test]
fn a_process_that_keeps_its_turn_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    drop(store.begin(run()).unwrap());
    let other = std::fs::File::options()
        .write(true)
        .open(folder.path().join("turn"))
        .unwrap();
    other.lock().unwrap();
    for problem in [store.begin(run()).unwrap_err(), store.open(None).unwrap_err()] {
        assert!(
            problem.text.starts_with("another configuratarr has held "),
            "{}",
            problem.text
        );
        assert!(
            problem
                .next
                .unwrap()
                .contains(folder.path().join("turn").to_str().unwrap())
        );
    }
    drop(other);
    store.open(None).unwrap();
}

/// A run that was begun is in this folder and no other: who looks elsewhere begins beside it.
#[test]
fn a_folder_that_cannot_be_written_is_not_left_by_who_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    drop(store.begin(run()).unwrap());
    let turn = folder.path().join("turn");
    std::fs::remove_file(&turn).unwrap();
    std::fs::create_dir(&turn).unwrap();
    let next = |problem: crate::problem::Problem| problem.next.unwrap();
    assert_eq!(
        next(store.open(None).unwrap_err()),
        "make it writable, or make room"
    );
    assert!(next(store.begin(run()).unwrap_err()).contains("XDG_STATE_HOME"));
}

#[test]
fn what_is_no_run_of_this_version_is_refused_with_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let problem = store.open(None).unwrap_err();
    assert_eq!(problem.text, "there is no run that is not at its end");
    let problem = store.open(Some("../../etc/passwd\x1b[2J")).unwrap_err();
    assert_eq!(problem.text, "there is no run ../../etc/passwd\\u{1b}[2J");
    assert_eq!(problem.kind, Kind::Usage);
    for (text, reason) in [
        ("{", "EOF while parsing"),
        (
            &serde_json::to_string(&Run {
                schema: "x/v9".to_owned(),
                ..run()
            })
            .unwrap(),
            "another version",
        ),
        (
            &serde_json::to_string(&Run {
                progress: vec![],
                ..run()
            })
            .unwrap(),
            "do not fit together",
        ),
    ] {
        std::fs::write(folder.path().join("odd.json"), text).unwrap();
        std::fs::write(folder.path().join("odd.lock"), "").unwrap();
        let problem = store.open(Some("odd")).unwrap_err();
        assert!(problem.text.contains(reason), "{}", problem.text);
        assert!(problem.next.unwrap().contains("juju operations"));
        // While a process carries it out nothing is begun beside it: its apps are known to that process alone.
        let other = std::fs::File::open(folder.path().join("odd.lock")).unwrap();
        other.lock().unwrap();
        let problem = store.begin(run()).unwrap_err();
        assert!(
            problem
                .text
                .contains("another configuratarr carries out a run that this one cannot read")
        );
        assert!(problem.text.contains(reason), "{}", problem.text);
        drop(other);
        store.begin(run()).unwrap().forget();
    }
}

#[test]
fn done_is_what_the_charm_says_and_not_that_a_task_completed() {
    let results = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    assert!(says_done(Job::Restore, &results("result", "restored")));
    assert!(!says_done(Job::Restore, &results("result", "checked")));
    assert!(!says_done(Job::Restore, &BTreeMap::new()));
    assert!(says_done(Job::Verify, &results("backup-uid", "u")));
    assert!(!says_done(Job::Verify, &BTreeMap::new()));
}
