//! The wizard without a terminal: keys in, what is to be done and what is seen out.

mod pages;
mod parts;
mod pictures;
mod pure;
mod svg;
mod taken;
mod update;

use std::collections::BTreeMap;

use config_recovery::backups::{BackupContents, Outcome, Proof, Rests};
use config_recovery::locations::Location;
use config_recovery::overview::{MovingRestore, Overview, Progress as Bytes};
use config_recovery::scratch::{self, Purpose};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use velero_api::BackupPhase;

use super::*;
use crate::fixtures::{self, backup, empty, id, overview, running, status};
use crate::fleet::App;
use crate::juju::Juju;
use crate::plan::{Known, Order, Plan};
use crate::problem::{Kind, Problem};
use crate::run::{Ended, Progress, Resume, Run};
use crate::wizard::event::{Fleet, SaveError};

/// The size that all of it has to be readable in.
const SMALL: (u16, u16) = (80, 24);

/// Somebody at the keys.
struct Player {
    state: State,
    now: Timestamp,
    /// What was to be done, and was not taken by the test yet.
    effects: Vec<Effect>,
}

impl Player {
    /// Before anything is known.
    fn new() -> Self {
        let now = fixtures::now();
        let (state, effects) = State::new(now, false, Resume::default());
        Self { state, now, effects }
    }

    /// At the overview of these apps.
    fn with(apps: Vec<App>) -> Self {
        let mut player = Self::new();
        player.looked(Fleet {
            model: fixtures::MODEL.to_owned(),
            apps,
            ..Fleet::default()
        });
        player
    }

    /// At the overview of a house full of apps.
    fn at_home() -> Self {
        Self::with(home())
    }

    fn looked(&mut self, fleet: Fleet) {
        assert_eq!(self.take(), Effect::Look);
        self.event(Event::Looked(Ok(Box::new(fleet))));
    }

    fn event(&mut self, event: Event) -> &mut Self {
        let effects = self.state.update(event, self.now);
        self.effects.extend(effects);
        self
    }

    /// Seconds go by.
    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self.event(Event::Tick)
    }

    /// Presses keys: a character each, or a name in angle brackets.
    fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let (key, after) = match rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
                Some((name, after)) => (named(name), after),
                None => (Key::Char(first), rest.get(first.len_utf8()..).unwrap()),
            };
            self.event(Event::Key(key));
            rest = after;
        }
        self
    }

    /// The one thing that is to be done.
    fn take(&mut self) -> Effect {
        let mut all = std::mem::take(&mut self.effects);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Nothing is to be done.
    fn nothing(&mut self) -> &mut Self {
        assert_eq!(self.effects, []);
        self
    }

    /// Has the order planned that is to be planned, by the real planner over these apps.
    fn plan(&mut self, apps: &[App]) -> Order {
        let Effect::Plan(ticket, order) = self.take() else {
            panic!("nothing is to be planned");
        };
        let made = order.plan(known(apps, &BTreeMap::new(), &Juju::new(None)));
        self.event(Event::Planned(ticket, made));
        order
    }

    fn followed(&mut self, ticket: Ticket, what: Followed) -> &mut Self {
        self.event(Event::Followed(ticket, what))
    }

    /// A run of this plan is at its end: each item came to this, or to nothing bad.
    fn over(&mut self, ticket: Ticket, plan: &Plan, ends: &[(&str, Progress)]) -> &mut Self {
        let run = ended(plan, ends);
        for (number, progress) in run.progress.iter().enumerate() {
            let is_well = matches!(progress, Progress::Done { .. });
            let text = match progress {
                Progress::Failed { why, .. } => format!("FAILED: {why}"),
                _ => "well".to_owned(),
            };
            self.followed(ticket, Followed::Ended(number, is_well, text));
        }
        self.followed(ticket, Followed::Over(Ok((Box::new(run), Ended::Over))))
    }

    /// What is seen in a terminal of this size, without what ends no line.
    fn seen(&self, (width, height): (u16, u16)) -> String {
        let buffer = self.drawn((width, height));
        let line = |row: u16| {
            let line: String = (0..width).map(|column| buffer[(column, row)].symbol()).collect();
            line.trim_end().to_owned()
        };
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    fn drawn(&self, (width, height): (u16, u16)) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| frame.render_widget(&self.state, frame.area()))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    /// Asserts that this is seen.
    #[track_caller]
    fn sees(&mut self, text: &str) -> &mut Self {
        let seen = self.seen((120, 40));
        assert!(seen.contains(text), "{text:?} is not in\n{seen}");
        self
    }

    /// Asserts that this is not seen.
    #[track_caller]
    fn sees_no(&mut self, text: &str) -> &mut Self {
        let seen = self.seen((120, 40));
        assert!(!seen.contains(text), "{text:?} is in\n{seen}");
        self
    }
}

fn named(name: &str) -> Key {
    match name {
        "Up" => Key::Up,
        "Down" => Key::Down,
        "PgUp" => Key::PageUp,
        "PgDn" => Key::PageDown,
        "Home" => Key::Home,
        "End" => Key::End,
        "Enter" => Key::Enter,
        "Esc" => Key::Escape,
        "Back" => Key::Backspace,
        "Ctrl-C" => Key::Interrupt,
        _ => panic!("there is no key {name}"),
    }
}

fn known<'a>(apps: &'a [App], data_units: &'a BTreeMap<String, u32>, juju: &'a Juju) -> Known<'a> {
    Known {
        model: fixtures::MODEL,
        apps,
        locations: &fixtures::LOCATIONS,
        data_units,
        juju,
        now: fixtures::now(),
    }
}

/// A plan of a restore of these apps.
fn planned(apps: &[App], names: &[&str]) -> Plan {
    let order = Order {
        job: crate::plan::Job::Restore,
        picks: names
            .iter()
            .map(|name| ((*name).to_owned(), config_recovery::backups::Choice::Latest))
            .collect(),
        parameters: BTreeMap::new(),
    };
    order
        .plan(known(apps, &BTreeMap::new(), &Juju::new(None)))
        .unwrap()
}

fn done(results: &[(&str, &str)]) -> Progress {
    Progress::Done {
        task: "7".to_owned(),
        results: texts(results),
    }
}

fn failed(why: &str, results: &[(&str, &str)]) -> Progress {
    Progress::Failed {
        task: Some("8".to_owned()),
        why: why.to_owned(),
        results: texts(results),
    }
}

fn texts(results: &[(&str, &str)]) -> BTreeMap<String, String> {
    let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    results.iter().map(text).collect()
}

/// A run of this plan in which each item came to this; the others were done.
fn ended(plan: &Plan, ends: &[(&str, Progress)]) -> Run {
    let mut run = Run::new(plan.clone(), fixtures::now());
    for (item, progress) in run.plan.items.iter().zip(&mut run.progress) {
        let named = ends.iter().find(|(app, _)| *app == item.app);
        *progress = named.map_or_else(|| done(&[]), |(_, progress)| progress.clone());
    }
    run
}

/// Apps that stand in all the ways there are.
fn home() -> Vec<App> {
    let apps = [
        "jellyfin",
        "prowlarr",
        "qbittorrent",
        "radarr",
        "sabnzbd",
        "sonarr",
    ];
    let mut status = status(&apps);
    let application = |app: &str, change: fn(&mut crate::juju::Application)| (app.to_owned(), change);
    let changes = [
        application("jellyfin", |app| app.relations.clear()),
        application("prowlarr", |app| {
            "blocked".clone_into(&mut app.application_status.current);
            "API key: cannot read the secret; juju grant-secret prowlarr-key prowlarr"
                .clone_into(&mut app.application_status.message);
        }),
    ];
    for (app, change) in changes {
        change(status.applications.get_mut(&app).unwrap());
    }
    let mut found = house();
    found.restores.push(MovingRestore {
        namespace: scratch::namespace(&id("qbittorrent"), Purpose::Restore),
        progress: Bytes {
            done: 5_000_000,
            total: Some(20_000_000),
        },
    });
    fixtures::fleet(&status, &found)
}

/// The backups of [`home`].
fn house() -> Overview {
    let mut backups: Vec<_> = (0..12).map(|day| backup("radarr", 10 + 24 * day)).collect();
    backups[3] = empty("radarr", 10 + 24 * 3);
    backups[5].phase = Some(BackupPhase::PartiallyFailed);
    backups[5].complaints = vec!["radarr-0: timed out after 4 h".to_owned()];
    backups[0].proof = Some(Proof {
        at: fixtures::ago(5),
        took: None,
        outcome: Outcome::ComesBack {
            contents: Some("films 412, schema of radarr.db 242".to_owned()),
        },
    });
    let mut safety = backup("radarr", 30);
    safety.before_restore = Some("radarr-uid-34".to_owned());
    safety.schedule = None;
    backups.insert(1, safety);
    let mut broken = backup("sonarr", 10);
    broken.phase = Some(BackupPhase::Failed);
    broken.holds = BackupContents::Nothing;
    broken.complaints = vec!["error getting backup storage location: AccessDenied".to_owned()];
    backups.extend([broken, backup("sonarr", 34)]);
    backups.extend(["prowlarr", "qbittorrent", "sabnzbd", "plex"].map(|app| backup(app, 10)));
    backups.push(running("sabnzbd"));
    let mut found = overview(backups);
    found.schedules.retain(|schedule| schedule.whose.app != "plex");
    for schedule in &mut found.schedules {
        if schedule.whose.app == "qbittorrent" {
            schedule.scheduled.rests = Some(Rests::Paused);
        }
    }
    found
}
