//! All that the wizard knows and shows, and what becomes of it when something happens. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::event::{Effect, Event, Fleet, Followed, Key, Ticket};
use super::log::Log;
use super::screens::{Go, Offer, Overview, Screen, Step};
use super::theme::Theme;
use crate::plan::Job;
use crate::problem::Problem;
use crate::run::{Resume, Run};

/// After so many seconds the overview is looked at anew.
const FRESH: i64 = 60;
/// So many seconds a look stays new for a key that is held down, or pasted.
const NEW: i64 = 1;

/// All of it.
#[derive(Debug)]
pub struct State {
    /// What the screens have in common.
    pub world: World,
    /// From where all others are opened.
    overview: Overview,
    /// The screens that were opened, each from the one before; the last one is seen.
    opened: Vec<Box<dyn Screen>>,
    /// Whether the keys are explained.
    pub has_help: bool,
    has_offered: bool,
}

/// What the screens have in common.
#[derive(Debug)]
pub struct World {
    /// The time of the last event.
    pub now: Timestamp,
    /// How things look.
    pub theme: Theme,
    /// How a run is gone on with after this.
    pub resume: Resume,
    /// What is known of the model; `None` before anything is.
    pub fleet: Option<Fleet>,
    /// Why nothing new is known, if that is so.
    pub trouble: Vec<Problem>,
    /// Since when Juju and the cluster are being asked.
    pub looking: Option<Timestamp>,
    looked: Option<Timestamp>,
    /// What was said.
    pub log: Log,
    /// Something that did not work, with what to do; until the next key.
    pub notice: Option<Problem>,
    /// The runs that were begun or gone on with here, the last one last.
    pub runs: Vec<Run>,
    tickets: Ticket,
}

impl World {
    /// A number for a piece of work.
    pub const fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Asks for another look, unless one is under way.
    fn look(&mut self) -> Vec<Effect> {
        if self.looking.is_some() {
            return Vec::new();
        }
        self.looking = Some(self.now);
        vec![Effect::Look]
    }

    /// The app of this name.
    pub fn app(&self, name: &str) -> Option<&crate::fleet::App> {
        let fleet = self.fleet.as_ref()?;
        fleet.apps.iter().find(|app| app.id.app == name)
    }
}

impl State {
    /// Before anything is known. The first thing to do is [`Effect::Look`].
    pub fn new(now: Timestamp, colors: bool, resume: Resume) -> (Self, Vec<Effect>) {
        let mut world = World {
            now,
            theme: Theme { colors },
            resume,
            fleet: None,
            trouble: Vec::new(),
            looking: None,
            looked: None,
            log: Log::default(),
            notice: None,
            runs: Vec::new(),
            tickets: 0,
        };
        let effects = world.look();
        let state = Self {
            world,
            overview: Overview::default(),
            opened: Vec::new(),
            has_help: false,
            has_offered: false,
        };
        (state, effects)
    }

    /// The screen that is seen.
    pub fn screen(&self) -> &dyn Screen {
        self.opened.last().map_or(&self.overview, Box::as_ref)
    }

    /// The same, to change it, beside what it may use.
    fn screen_mut(&mut self) -> (&mut dyn Screen, &mut World) {
        match self.opened.last_mut() {
            Some(screen) => (screen.as_mut(), &mut self.world),
            None => (&mut self.overview, &mut self.world),
        }
    }

    /// How long nothing may happen until time itself is something that happens.
    pub fn patience(&self) -> Duration {
        let is_moving = self.world.looking.is_some() || self.screen().is_moving();
        Duration::from_secs(if is_moving { 1 } else { 60 })
    }

    /// Takes what happened, and says what has to be done.
    pub fn update(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        self.world.now = now;
        let mut effects = match event {
            Event::Key(key) => self.key(key),
            Event::Resized | Event::Tick => Vec::new(),
            Event::Looked(looked) => {
                self.looked(looked);
                Vec::new()
            }
            Event::Planned(ticket, made) => self.step(|screen, world| screen.planned(ticket, made, world)),
            Event::Followed(ticket, what) => {
                self.note_run(&what);
                self.step(|screen, world| screen.followed(ticket, what, world))
            }
            Event::Saved(saved) => self.step(|screen, world| screen.saved(saved, world)),
        };
        let is_old = |looked: Timestamp| now.duration_since(looked).as_secs() >= FRESH;
        if self.screen().is_overview() && self.world.looked.is_none_or(is_old) {
            effects.extend(self.world.look());
        }
        effects
    }

    fn looked(&mut self, looked: Result<Box<Fleet>, Vec<Problem>>) {
        let world = &mut self.world;
        world.looking = None;
        world.looked = Some(world.now);
        match looked {
            Ok(fleet) => {
                world.trouble.clear();
                world.fleet = Some(*fleet);
            }
            Err(problems) => world.trouble = problems,
        }
        let unfinished = world.fleet.iter().flat_map(|fleet| &fleet.unfinished);
        let offered: Vec<Run> = unfinished.cloned().collect();
        // Once: whoever said no is not asked again.
        if !offered.is_empty() && !self.has_offered && self.opened.is_empty() {
            self.opened.push(Box::new(Offer::new(offered)));
        }
        self.has_offered = true;
    }

    /// Keeps the run, for what is told after the end. A preview is none: it changes nothing.
    fn note_run(&mut self, what: &Followed) {
        let run = match what {
            Followed::Began(run) => run,
            Followed::Over(Ok((run, _))) => run,
            _ => return,
        };
        if run.plan.job != Job::Preview {
            self.world.runs.retain(|known| known.id != run.id);
            self.world.runs.push((**run).clone());
        }
    }

    fn key(&mut self, key: Key) -> Vec<Effect> {
        self.world.notice = None;
        if key == Key::Interrupt {
            return vec![Effect::Quit];
        }
        if self.has_help {
            self.has_help = false;
            return Vec::new();
        }
        if !self.screen().is_typing() {
            match key {
                Key::Char('?') => {
                    self.has_help = true;
                    return Vec::new();
                }
                Key::Char('l') => {
                    self.world.log.is_open = !self.world.log.is_open;
                    return Vec::new();
                }
                Key::Char('u') if self.screen().is_overview() => {
                    let (looked, now) = (self.world.looked, self.world.now);
                    let is_new = looked.is_some_and(|looked| now.duration_since(looked).as_secs() < NEW);
                    return match is_new {
                        true => Vec::new(),
                        false => self.world.look(),
                    };
                }
                Key::Char('[') => self.world.log.scroll(1),
                Key::Char(']') => self.world.log.scroll(-1),
                _ => {}
            }
        }
        self.step(|screen, world| screen.key(key, world))
    }

    /// Has the screen that is seen take something, and goes where it says.
    fn step(&mut self, take: impl FnOnce(&mut dyn Screen, &mut World) -> Step) -> Vec<Effect> {
        let (screen, world) = self.screen_mut();
        let Step { go, mut effects } = take(screen, world);
        match go {
            Go::Stay => {}
            Go::Open(next) => self.opened.push(next),
            Go::Replace(next) => {
                self.back();
                self.opened.push(next);
            }
            Go::Back => self.back(),
            Go::Picked(app, choice) => {
                self.back();
                self.screen_mut().0.picked(&app, choice);
            }
            Go::Home => {
                self.opened.clear();
                effects.extend(self.world.look());
            }
        }
        effects
    }

    fn back(&mut self) {
        self.opened.pop();
    }
}
