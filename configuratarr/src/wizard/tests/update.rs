//! What keys do, and what becomes of what happens.

use config_recovery::backups::Choice;

use super::*;
use crate::plan::{Job, LeftOut};

#[test]
fn jobs_are_done_with_the_marked_apps_else_with_the_pointed_one() {
    let cases: [(&str, Job, &[&str]); 6] = [
        ("b", Job::Backup, &["jellyfin"]),
        ("<Down><Down>b", Job::Backup, &["prowlarr"]),
        ("<Down> <Down> v", Job::Verify, &["plex", "prowlarr"]),
        // What was marked and is not any more is not meant.
        ("<Down> <Down>  v", Job::Verify, &["plex"]),
        ("<End>v", Job::Verify, &["sonarr"]),
        (
            "ab",
            Job::Backup,
            &[
                "jellyfin",
                "plex",
                "prowlarr",
                "qbittorrent",
                "radarr",
                "sabnzbd",
                "sonarr",
            ],
        ),
    ];
    for (keys, job, names) in cases {
        let mut player = Player::at_home();
        let Effect::Plan(_, order) = player.press(keys).take() else {
            panic!("{keys}");
        };
        let mut asked: Vec<&str> = order.picks.iter().map(|(app, _)| app.as_str()).collect();
        let mut names = names.to_vec();
        asked.sort_unstable();
        names.sort_unstable();
        assert_eq!((order.job, asked), (job, names), "{keys}");
    }
}

#[test]
fn the_plan_that_is_confirmed_is_the_one_that_is_carried_out() {
    let apps = home();
    let mut player = Player::at_home();
    // Only radarr can be: a restore of qbittorrent is under way, and plex is gone.
    player.press("<Down><Down><Down> <Down> r<Enter>");
    let order = player.plan(&apps);
    assert_eq!(order.job, Job::Restore);
    let Effect::Preview(asked, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    player.sees("asking the charms");
    player.over(asked, &plan.preview(&Juju::new(None)), &[]);
    player.press("<Enter>").nothing();
    player.sees(&plan.items[0].command);
    player.press("<Enter>").nothing().sees("nothing was begun");
    player.press("radar<Enter>").nothing().sees("nothing was begun");
    player.press(&plan.password()).press("<Enter>");
    let Effect::CarryOut(ticket, carried) = player.take() else {
        panic!("it does not begin");
    };
    assert_eq!(carried, plan);
    player.over(ticket, &plan, &[]).nothing();
    player.sees("radarr: restored");
    assert!(player.state.world.runs.iter().all(Run::is_done));
    assert_eq!(player.press("<Enter>").take(), Effect::Look);
}

#[test]
fn what_the_charms_refuse_is_left_out_of_the_plan_with_its_reason() {
    let apps = home();
    let mut player = Player::at_home();
    player.press("<End> <Up><Up> r<Enter>");
    player.plan(&apps);
    let Effect::Preview(ticket, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    let names: Vec<&str> = plan.items.iter().map(|item| item.app.as_str()).collect();
    assert_eq!(names, ["radarr", "sonarr"]);
    let later = "the backup is of sonarr 5.0, this is 4.0: an older app cannot open it";
    player.over(
        ticket,
        &plan.preview(&Juju::new(None)),
        &[("sonarr", failed(later, &[]))],
    );
    player.sees("REFUSED").press("<Enter>").sees(later);
    player.press("radarr<Enter>");
    let Effect::CarryOut(_, carried) = player.take() else {
        panic!("it does not begin");
    };
    let refused = Problem::bare(Kind::Failed, later);
    assert_eq!(
        carried,
        plan.without(vec![LeftOut::new("sonarr", &refused, true)])
    );
}

#[test]
fn nothing_is_carried_out_of_which_all_is_refused() {
    let apps = home();
    let mut player = Player::at_home();
    player.press("<End>r<Enter>");
    player.plan(&apps);
    let Effect::Preview(ticket, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    player.over(
        ticket,
        &plan,
        &[("sonarr", failed("it is of a later version", &[]))],
    );
    player
        .press("<Enter>")
        .nothing()
        .sees("none of these can be restored so")
        .sees("next: Esc goes back");
}

#[test]
fn a_point_in_time_is_picked_from_the_timeline_or_named_for_all() {
    let mut player = Player::at_home();
    player.press("<End><Up><Up>r");
    player.press("p<Down><Down><Enter>").sees("picked");
    let Effect::Plan(_, order) = player.press("<Enter>").take() else {
        panic!("nothing is planned");
    };
    assert_eq!(
        order.picks,
        [("radarr".to_owned(), Choice::Named("radarr-uid-34".to_owned()))]
    );
    player
        .press("<Esc>t3 days agoo<Enter>")
        .nothing()
        .sees("cannot be understood");
    player.press("<Back><Enter>").sees("as of").nothing();
    let Effect::Plan(_, order) = player.press("fs<Enter>").take() else {
        panic!("nothing is planned");
    };
    let then = fixtures::ago(72);
    assert_eq!(order.picks, [("radarr".to_owned(), Choice::AsOf(then))]);
    assert_eq!(
        order.parameters,
        texts(&[("force", "true"), ("safety-backup", "false")])
    );
    player.press("<Esc>n").sees("newest");
}

#[test]
fn a_backup_that_cannot_be_restored_is_not_picked() {
    let mut player = Player::at_home();
    // The empty one.
    player
        .press("<End><Up><Up><Enter><Down><Down><Down><Down>")
        .sees("EMPTY");
    for key in ["r", "v", "<Enter>"] {
        player
            .press(key)
            .nothing()
            .sees("! this backup cannot be restored: it holds no bytes");
    }
    player.press("<Up>r").sees("which apps, and as of when");
}

#[test]
fn a_backup_stays_pointed_at_when_another_one_comes() {
    let mut player = Player::at_home();
    player.press("<End><Up><Up><Enter><Down>").sees("radarr-uid-30");
    let mut apps = home();
    let radarr = apps.iter_mut().find(|app| app.id.app == "radarr").unwrap();
    radarr.backups.insert(0, backup("radarr", 1));
    player.event(Event::Looked(Ok(Box::new(Fleet {
        apps,
        ..Fleet::default()
    }))));
    player.sees("radarr-uid-30, in location").sees("radarr: 14,");
}

#[test]
fn the_command_that_brings_an_app_back_is_said_at_the_one_that_is_gone() {
    let mut player = Player::at_home();
    let command = "configuratarr redeploy plex --charm CHARM";
    player.sees_no(command);
    player.press("<Down>").sees("not deployed").sees(command);
}

#[test]
fn an_order_that_cannot_be_planned_comes_back_with_the_next_step() {
    let apps = home();
    let mut player = Player::at_home();
    // plex is gone.
    player.press("<Down>r<Enter>");
    player.plan(&apps);
    player
        .nothing()
        .sees("! plex is not deployed in model home")
        .sees("next: to have it again")
        .sees("which apps, and as of when");
}

#[test]
fn what_an_earlier_piece_of_work_says_is_not_heard_any_more() {
    let apps = home();
    let mut player = Player::at_home();
    let Effect::Plan(first, _) = player.press("<End>r<Enter>").take() else {
        panic!("nothing is planned");
    };
    let Effect::Plan(second, order) = player.press("<Esc><Enter>").take() else {
        panic!("nothing is planned");
    };
    let made = || order.plan(known(&apps, &BTreeMap::new(), &Juju::new(None)));
    player
        .event(Event::Planned(first, made()))
        .nothing()
        .sees("Asking Juju");
    player.event(Event::Planned(second, made()));
    let Effect::Preview(asked, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    assert_eq!(player.press("<Esc>").take(), Effect::Stop(asked));
    player
        .over(asked, &plan, &[])
        .nothing()
        .sees("which apps, and as of when");
}

#[test]
fn a_run_is_left_when_that_is_meant() {
    let mut player = Player::at_home();
    player.press("<Down><Down><Down><Down>v");
    player.plan(&home());
    let Effect::CarryOut(ticket, plan) = player.press("<Enter>").take() else {
        panic!("it does not begin");
    };
    let run = Run::new(plan.clone(), fixtures::now());
    let resume = format!("configuratarr resume {}", run.id);
    player.followed(ticket, Followed::Began(Box::new(run.clone())));
    player
        .press("q")
        .nothing()
        .sees("What was started goes on in Juju")
        .sees(&resume);
    player.press("n").nothing().sees_no(&resume);
    assert_eq!(player.press("qy").take(), Effect::Stop(ticket));
    player.press("qy").nothing();
    player.followed(ticket, Followed::Over(Ok((Box::new(run), Ended::Interrupted))));
    player
        .sees("not finished: you left it")
        .sees(&format!("next: {resume}"));
    assert!(player.state.world.runs.iter().all(|run| !run.is_over()));
    assert_eq!(player.press("q").take(), Effect::Quit);
}

#[test]
fn a_run_that_cannot_be_followed_says_how_it_is_gone_on_with() {
    let mut player = Player::at_home();
    player.press("<End>b");
    player.plan(&home());
    let Effect::CarryOut(ticket, plan) = player.press("<Enter>").take() else {
        panic!("it does not begin");
    };
    let run = Run::new(plan, fixtures::now());
    let lost = Problem::new(
        Kind::NotAsked,
        "cannot ask Juju: you are logged out",
        "juju login",
    );
    player.followed(
        ticket,
        Followed::Over(Ok((Box::new(run.clone()), Ended::Lost(lost)))),
    );
    player
        .sees("not finished: cannot ask Juju: you are logged out")
        .sees(&format!("next: juju login; then configuratarr resume {}", run.id));
}

/// What was typed for the wizard leads to another cluster than that of the run.
#[test]
fn a_run_of_elsewhere_is_not_gone_on_with_by_what_was_typed_here() {
    let here = |resume: Resume| {
        let mut player = Player::at_home();
        player.press("<End>b");
        player.plan(&home());
        let Effect::CarryOut(ticket, plan) = player.press("<Enter>").take() else {
            panic!("it does not begin");
        };
        player.state.world.resume = Resume::at_context("other");
        let run = Run::new(plan, fixtures::now());
        let problem = Problem::bare(Kind::Unfinished, "it was begun in another cluster");
        let ended = Ended::Elsewhere(problem, resume);
        let id = run.id.clone();
        player.followed(ticket, Followed::Over(Ok((Box::new(run), ended))));
        (player, id)
    };
    let (mut player, id) = here(Resume::default());
    player
        .sees("not finished: it was begun in another cluster")
        .sees(&format!("next: configuratarr resume {id}"))
        .sees_no("--context other");
    let (mut player, _) = here(Resume::at_context("lab"));
    player.sees("--context lab").sees_no("--context other");
}

#[test]
fn a_run_that_cannot_be_written_down_does_not_begin() {
    let mut player = Player::at_home();
    player.press("<End>b");
    player.plan(&home());
    let Effect::CarryOut(ticket, _) = player.press("<Enter>").take() else {
        panic!("it does not begin");
    };
    let full = Problem::new(Kind::Failed, "cannot write down what is done", "make room");
    player.followed(ticket, Followed::Over(Err(full)));
    player
        .sees("apps of model home")
        .sees("! cannot write down what is done")
        .sees("next: make room");
    assert!(player.state.world.runs.is_empty());
}

#[test]
fn an_interrupted_run_is_offered_once() {
    let plan = planned(&home(), &["radarr", "sonarr"]);
    let mut run = Run::new(plan, fixtures::now());
    run.progress[0] = done(&[]);
    run.progress[1] = Progress::Started { task: "9".to_owned() };
    let fleet = || Fleet {
        apps: home(),
        unfinished: vec![run.clone()],
        ..Fleet::default()
    };
    let mut player = Player::new();
    player.looked(fleet());
    player.sees("radarr: done, sonarr: under way");
    let Effect::Resume(ticket, id) = player.press("<Enter>").take() else {
        panic!("it does not go on");
    };
    assert_eq!(id, run.id);
    player.followed(ticket, Followed::Began(Box::new(run.clone())));
    player.sees("1 of 2 ended");
    // Who says no is not asked again.
    let mut player = Player::new();
    player.looked(fleet());
    player.press("<Esc>").sees("apps of model");
    assert_eq!(player.wait(1).press("u").take(), Effect::Look);
    player.event(Event::Looked(Ok(Box::new(fleet()))));
    player.sees("apps of model").sees("1 run is not at its end");
    player.press("o").sees("a run was interrupted").press("<Enter>");
    assert!(matches!(player.take(), Effect::Resume(..)));
}

#[test]
fn a_report_never_replaces_a_file_unasked() {
    let mut player = Player::at_home();
    let plan = planned(&home(), &["radarr"]);
    let run = ended(&plan, &[("radarr", done(&[("safety-backup", "uid-of-it")]))]);
    player.press("<End><Up><Up>b");
    player.plan(&home());
    let Effect::CarryOut(ticket, _) = player.press("<Enter>").take() else {
        panic!("it does not begin");
    };
    player.followed(ticket, Followed::Said(0, "the charm says this".to_owned()));
    player.followed(ticket, Followed::Over(Ok((Box::new(run.clone()), Ended::Over))));
    let default = format!("configuratarr-{}.txt", run.id);
    player.press("s").sees(&default);
    let Effect::Save {
        path,
        text,
        overwrite,
    } = player.press("<Enter>").take()
    else {
        panic!("it is not saved");
    };
    assert_eq!((path.as_str(), overwrite), (default.as_str(), false));
    for part in [
        "radarr: restored",
        "uid-of-it",
        &plan.items[0].command,
        "radarr: the charm says this",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let exists = || Err(SaveError::Exists(default.clone().into()));
    player.event(Event::Saved(exists())).sees("Replace it?");
    player.press("n").nothing();
    player.press("<Enter>").take();
    player.event(Event::Saved(exists()));
    let Effect::Save { overwrite: true, .. } = player.press("y").take() else {
        panic!("it is not replaced");
    };
    let full = Problem::new(Kind::Failed, "cannot write it: no space", "name another file");
    player
        .event(Event::Saved(Err(SaveError::Failed(full))))
        .sees("! cannot write it: no space");
    for _ in 0..default.len() {
        player.press("<Back>");
    }
    let Effect::Save { text, .. } = player.press("a.json<Enter>").take() else {
        panic!("it is not saved");
    };
    assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
    player
        .event(Event::Saved(Ok("a.json".into())))
        .sees("Saved to a.json.");
}

#[test]
fn what_cannot_be_asked_is_shown_with_the_next_step_and_asked_again() {
    let mut player = Player::new();
    player.take();
    let problem = Problem::new(
        Kind::NotAsked,
        "cannot ask Juju: you are logged out",
        "juju login",
    );
    player.event(Event::Looked(Err(vec![problem.clone()])));
    player
        .sees("could not check: cannot ask Juju: you are logged out")
        .sees("next: juju login; then u");
    // A key that is held down asks no more than once a second.
    player.press("u").nothing();
    assert_eq!(player.wait(1).press("u").take(), Effect::Look);
    player.press("u").nothing();
    player.event(Event::Looked(Ok(Box::new(Fleet {
        apps: home(),
        problems: vec![problem],
        ..Fleet::default()
    }))));
    player.sees("radarr").sees("next: juju login");
}

#[test]
fn the_overview_is_looked_at_anew_each_minute_and_nothing_else_is() {
    let mut player = Player::at_home();
    player.wait(59).nothing();
    assert_eq!(player.wait(1).take(), Effect::Look);
    player.wait(100).nothing();
    player.event(Event::Looked(Ok(Box::new(Fleet {
        apps: home(),
        ..Fleet::default()
    }))));
    player.press("<Enter>").wait(100).nothing();
    assert_eq!(player.state.patience().as_secs(), 60);
}

#[test]
fn help_and_log_are_keys_only_where_nothing_is_typed() {
    let mut player = Player::at_home();
    player
        .press("?")
        .sees("Keys here")
        .press("q")
        .nothing()
        .sees_no("Keys here");
    player
        .press("l")
        .sees("log, times in UTC")
        .press("l")
        .sees_no("log, times");
    player
        .press("<End>rt?lq[]")
        .nothing()
        .sees("?lq[]_")
        .sees_no("Keys here");
}

#[test]
fn every_screen_can_be_left() {
    let leave = |keys: &str, player: &mut Player| {
        player.press(keys);
        player.effects.last() == Some(&Effect::Quit)
    };
    // By q, where nothing is typed and nothing runs; by Ctrl-C anywhere.
    for (to, quits) in [
        ("", true),
        ("?", false),
        ("<Enter>", true),
        ("r", true),
        ("rt", false),
        ("rp", true),
        ("b", true),
    ] {
        let mut player = Player::at_home();
        player.press(to).effects.clear();
        assert_eq!(leave("q", &mut player), quits, "{to}");
        player.effects.clear();
        assert!(leave("<Ctrl-C>", &mut player), "{to}");
    }
}
