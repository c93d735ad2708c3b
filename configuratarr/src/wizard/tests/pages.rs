//! What is seen: each screen in two sizes, without colours and with hostile text.

use ratatui::style::Color;

use super::*;
use crate::plan::Job;

/// Each screen, by a name.
fn scenes() -> Vec<(&'static str, Player)> {
    vec![
        ("looking", looking()),
        ("trouble", trouble()),
        ("no_apps", no_apps()),
        ("overview", overview_of_all()),
        ("overview_log", scene("<Down> <Down><Down> l")),
        ("help", scene("?")),
        ("timeline", scene("<End><Up><Up><Enter><Down><Down><Down><Down>")),
        ("timeline_none", scene("<Enter>")),
        ("pick", scene("<End><Up><Up>rp<Down>")),
        ("choose", scene("ar")),
        ("choose_as_of", scene("<End><Up><Up>rft3 days")),
        ("waiting", waiting()),
        ("preflight_asking", preflight().0),
        ("preflight_over", preflight_over()),
        ("plan", plan()),
        ("plan_backup", plan_backup()),
        ("progress", progress().0),
        ("progress_log", with_keys(progress().0, "l")),
        ("progress_leaving", with_keys(progress().0, "q")),
        ("report", report()),
        ("report_save", with_keys(report(), "s")),
        ("report_exists", report_exists()),
        ("report_unfinished", report_unfinished()),
        ("offer", offer()),
    ]
}

#[test]
fn every_screen_is_as_it_was_read() {
    for (name, player) in scenes() {
        insta::assert_snapshot!(format!("{name}_80x24"), player.seen(SMALL));
    }
    for (name, player) in [
        ("overview", overview_of_all()),
        ("timeline", scene("<End><Up><Up><Enter><Down>")),
        ("preflight_over", preflight_over()),
        ("plan", plan()),
        ("progress_log", with_keys(progress().0, "l")),
        ("report", report()),
    ] {
        insta::assert_snapshot!(format!("{name}_120x40"), player.seen((120, 40)));
    }
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let player = Player::at_home();
    insta::assert_snapshot!(player.seen((60, 6)).trim_end(), @"
    60x6 is too small: make the terminal at least 80x24, or
    leave with Ctrl-C and use configuratarr status.
    ");
    for size in [(79, 24), (80, 23), (1, 1), (20, 1)] {
        assert!(!player.seen(size).contains("radarr"), "{size:?}");
    }
}

#[test]
fn nothing_is_told_by_colours_alone() {
    for (name, mut player) in scenes() {
        let plain = player.drawn(SMALL);
        let is_plain = |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset);
        assert!(plain.content().iter().all(is_plain), "{name}");
        let words = player.seen(SMALL);
        player.state.world.theme.colors = true;
        assert_eq!(player.seen(SMALL), words, "{name}");
        if name == "overview" {
            assert!(!player.drawn(SMALL).content().iter().all(is_plain));
        }
    }
}

#[test]
fn every_screen_has_room_in_every_size() {
    for (name, player) in scenes() {
        for size in [(80, 24), (81, 25), (132, 50), (300, 100)] {
            let seen = player.seen(size);
            assert!(seen.starts_with("configuratarr: "), "{name} {size:?}");
            // The last line has the keys.
            let keys = seen.lines().last().unwrap();
            assert!(!keys.is_empty(), "{name} {size:?}");
        }
    }
}

/// What a terminal would obey, what turns the direction of what follows, and what is longer than any screen.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\nFAKE  ok\r\u{202e}gnp\u{200b}\u{9b}1m";

#[test]
fn no_text_from_outside_moves_the_cursor_or_fakes_a_line() {
    let hostile = |at: &str| format!("{at}{HOSTILE}{}", "x".repeat(5000));
    let mut apps = home();
    for app in &mut apps {
        if let Some(juju) = &mut app.juju {
            juju.message = hostile("message");
            juju.version = Some(hostile("version"));
        }
        for attention in &mut app.attention {
            attention.text = hostile("attention");
            attention.next = hostile("next");
        }
        for backup in &mut app.backups {
            backup.name = hostile("name");
            backup.complaints = vec![hostile("complaint")];
            backup.storage_location = hostile("location");
        }
    }
    let problem = || Problem::new(Kind::NotAsked, hostile("problem"), hostile("next"));
    let run = || {
        let mut run = ended(
            &planned(&apps, &["radarr", "sonarr"]),
            &[(
                "radarr",
                failed(
                    &hostile("why"),
                    &[("contents", &hostile("contents")), ("notes", &hostile("notes"))],
                ),
            )],
        );
        for item in &mut run.plan.items {
            item.command = hostile("command");
        }
        run.id = hostile("id");
        run
    };
    let fleet = |apps: &[App]| Fleet {
        model: hostile("model"),
        apps: apps.to_vec(),
        unavailable: vec![Location {
            velero_namespace: hostile("namespace"),
            name: hostile("location"),
            is_available: Some(false),
            is_default: true,
            is_read_only: false,
            message: Some(hostile("message")),
            synced: None,
            is_synced: true,
        }],
        problems: vec![problem()],
        unfinished: Vec::new(),
    };
    let at = |keys: &str| {
        let mut player = Player::new();
        player.looked(fleet(&apps));
        with_keys(player, keys)
    };
    let mut all = vec![at(""), at("<Down><Down><Down><Down><Enter>"), at("ar"), at("l")];
    let (mut player, ticket) = progress();
    for text in [
        Followed::Said(0, hostile("said")),
        Followed::Ended(1, false, hostile("ended")),
        Followed::Note(hostile("note")),
    ] {
        player.followed(ticket, text);
    }
    all.push(with_keys(player, "l"));
    let (mut player, ticket) = progress();
    player.followed(
        ticket,
        Followed::Over(Ok((Box::new(run()), Ended::Lost(problem())))),
    );
    all.push(player);
    let (mut player, ticket) = progress();
    player.followed(ticket, Followed::Over(Err(problem())));
    all.push(player);
    let (mut player, ticket, _) = preflight();
    player.followed(ticket, Followed::Over(Ok((Box::new(run()), Ended::Over))));
    all.push(player);
    let mut player = Player::new();
    let mut interrupted = run();
    interrupted.progress[1] = Progress::Planned;
    player.looked(Fleet {
        unfinished: vec![interrupted],
        ..fleet(&apps)
    });
    all.push(player);
    for (number, player) in all.iter().enumerate() {
        let buffer = player.drawn(SMALL);
        for cell in buffer.content() {
            let symbol = cell.symbol();
            assert_eq!(symbol, config_recovery::shown::shown(symbol), "screen {number}");
        }
        let seen = player.seen(SMALL);
        // A charm's results may have lines, which stand below what they are of, further in than anything of the wizard's own.
        let is_faked = |line: &str| line.trim_start().starts_with("FAKE") && !line.starts_with("    ");
        assert!(!seen.lines().any(is_faked), "screen {number}:\n{seen}");
        assert!(
            seen.contains("\\u{1b}") || number == 2,
            "screen {number}:\n{seen}"
        );
    }
}

pub(super) fn with_keys(mut player: Player, keys: &str) -> Player {
    player.press(keys);
    player
}

pub(super) fn scene(keys: &str) -> Player {
    with_keys(Player::at_home(), keys)
}

fn looking() -> Player {
    let mut player = Player::new();
    player.wait(3);
    player
}

fn trouble() -> Player {
    let mut player = Player::new();
    player.event(Event::Looked(Err(vec![
        Problem::new(
            Kind::NotAsked,
            "cannot ask Juju: you are logged out: please log in",
            "juju login",
        ),
        Problem::new(
            Kind::NotAsked,
            "cannot list backups: the API server does not answer: connection refused",
            "see whether kubectl get nodes answers",
        ),
    ])));
    player
}

fn no_apps() -> Player {
    Player::with(Vec::new())
}

pub(super) fn overview_of_all() -> Player {
    let mut player = Player::new();
    player.looked(Fleet {
        model: fixtures::MODEL.to_owned(),
        apps: home(),
        unavailable: vec![Location {
            velero_namespace: "velero".to_owned(),
            name: "default".to_owned(),
            is_available: Some(false),
            is_default: true,
            is_read_only: false,
            message: Some("AccessDenied: the key is not known".to_owned()),
            synced: None,
            is_synced: true,
        }],
        ..Fleet::default()
    });
    player.press("<Down><Down><Down> <Down> <End>");
    player
}

fn waiting() -> Player {
    let mut player = scene("<End>r<Enter>");
    player.wait(2);
    player
}

/// Three apps are asked for, of which one cannot be; the charms are asked about two.
fn preflight() -> (Player, Ticket, Plan) {
    let mut player = scene("<Down> <Down><Down><Down> <Down><Down> r<Enter>");
    player.plan(&home());
    let Effect::Preview(ticket, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    player.followed(
        ticket,
        Followed::Said(0, "restore-from-backup on radarr/0, task 21".to_owned()),
    );
    player.wait(65);
    (player, ticket, plan)
}

pub(super) fn preflight_over() -> Player {
    let (mut player, ticket, plan) = preflight();
    let radarr = done(&[
        ("result", "checked"),
        ("contents", "films 412, series 0, schema 241"),
        ("contents-now", "films 415, series 0, schema 241"),
        ("differences", "films: 3 fewer\nhistory: 20 fewer"),
        (
            "settings-that-differ",
            "url-base: /movies in the backup, /radarr now",
        ),
        ("notes", "the backup is 10 h old"),
        (
            "steps",
            "1. a backup of what there is now\n2. the restored content is checked beside the app\n3. radarr is stopped, the content exchanged",
        ),
    ]);
    let sonarr = failed(
        "the backup is of sonarr 5.0.1, this is 4.0.14: an older app cannot open it; refresh the charm, or force=true",
        &[],
    );
    player.over(
        ticket,
        &plan.preview(&Juju::new(None)),
        &[("radarr", radarr), ("sonarr", sonarr)],
    );
    player
}

pub(super) fn plan() -> Player {
    let mut player = preflight_over();
    player.press("<Enter>").press("radar<Enter>rad");
    player
}

fn plan_backup() -> Player {
    let mut player = scene("<Down> <Down><Down><Down> <End> b");
    player.plan(&home());
    player
}

/// Two apps are restored, one with bytes, one failed.
pub(super) fn progress() -> (Player, Ticket) {
    let mut player = Player::at_home();
    player.press("<End><Up><Up> <End> r<Enter>");
    player.plan(&home());
    let Effect::Preview(asked, plan) = player.take() else {
        panic!("nobody asks the charms");
    };
    player.over(asked, &plan.preview(&Juju::new(None)), &[]);
    player.press("<Enter>").press(&plan.password()).press("<Enter>");
    let Effect::CarryOut(ticket, plan) = player.take() else {
        panic!("it does not begin");
    };
    let run = Run::new(plan, fixtures::now());
    player.followed(ticket, Followed::Began(Box::new(run)));
    player.followed(ticket, Followed::Said(0, "restoring data with Velero".to_owned()));
    player.wait(60);
    for done in [2, 4, 6] {
        let bytes = Bytes {
            done: done * 1_000_000,
            total: Some(20_000_000),
        };
        player.followed(ticket, Followed::Bytes(0, bytes)).wait(1);
    }
    player.followed(
        ticket,
        Followed::Ended(
            1,
            false,
            "FAILED: sonarr did not become healthy; previous content restored, app running".to_owned(),
        ),
    );
    player.wait(1);
    (player, ticket)
}

pub(super) fn report() -> Player {
    let (mut player, ticket) = progress();
    let plan = planned(&home(), &["radarr", "sonarr"]);
    let run = ended(
        &plan,
        &[
            (
                "radarr",
                done(&[
                    ("contents", "films 412, schema 241"),
                    ("safety-backup", "3f0c5e1a-9c1b-4f6e-8d6b-1f8c2a7e4b90"),
                    (
                        "undo",
                        "juju run radarr/0 restore-from-backup backup-uid=3f0c5e1a-9c1b-4f6e-8d6b-1f8c2a7e4b90",
                    ),
                ]),
            ),
            (
                "sonarr",
                failed(
                    "sonarr did not become healthy; previous content restored, app running",
                    &[("notes", "look at juju debug-log")],
                ),
            ),
        ],
    );
    assert_eq!(run.plan.job, Job::Restore);
    player.followed(ticket, Followed::Over(Ok((Box::new(run), Ended::Over))));
    player
}

fn report_exists() -> Player {
    let mut player = with_keys(report(), "s<Enter>");
    player.event(Event::Saved(Err(SaveError::Exists("report.txt".into()))));
    player
}

fn report_unfinished() -> Player {
    let (mut player, ticket) = progress();
    let plan = planned(&home(), &["radarr", "sonarr"]);
    let mut run = Run::new(plan, fixtures::now());
    run.progress[0] = Progress::Started {
        task: "21".to_owned(),
    };
    let lost = Problem::new(
        Kind::NotAsked,
        "cannot ask Juju: `juju show-task 21` gave no answer within 60 s",
        "see whether juju status answers, then do it again",
    );
    player.followed(ticket, Followed::Over(Ok((Box::new(run), Ended::Lost(lost)))));
    player
}

fn offer() -> Player {
    let mut run = Run::new(planned(&home(), &["radarr", "sonarr"]), fixtures::now());
    run.progress[0] = Progress::Started {
        task: "21".to_owned(),
    };
    let mut player = Player::new();
    player.looked(Fleet {
        model: fixtures::MODEL.to_owned(),
        apps: home(),
        unfinished: vec![run],
        ..Fleet::default()
    });
    player
}
