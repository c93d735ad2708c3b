//! Something is being planned.

use config_recovery::words::age;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Widget};

use super::{Go, KeyHelp, PlanScreen, Preflight, Screen, Step};
use crate::plan::{Job, Order, Plan};
use crate::problem::Problem;
use crate::wizard::event::{Effect, Key, Ticket};
use crate::wizard::state::World;

/// Something is being planned.
#[derive(Debug)]
pub struct Waiting {
    ticket: Ticket,
    since: Timestamp,
}

impl Waiting {
    /// Has it planned, and opens this meanwhile.
    pub fn plan(order: Order, world: &mut World) -> Step {
        let ticket = world.ticket();
        let waiting = Self {
            ticket,
            since: world.now,
        };
        Step::open(waiting).and(Effect::Plan(ticket, order))
    }
}

impl Screen for Waiting {
    fn title(&self, _world: &World) -> String {
        "planning".to_owned()
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        vec![("Esc", "back"), ("q", "leave")]
    }

    fn key(&mut self, key: Key, _world: &mut World) -> Step {
        match key {
            Key::Escape => Step::go(Go::Back),
            Key::Char('q') => Step::stay().and(Effect::Quit),
            _ => Step::stay(),
        }
    }

    fn is_moving(&self) -> bool {
        true
    }

    fn planned(&mut self, ticket: Ticket, made: Result<Plan, Problem>, world: &mut World) -> Step {
        if ticket != self.ticket {
            return Step::stay();
        }
        match made {
            Ok(plan) if plan.job == Job::Restore => Preflight::begin(plan, world),
            Ok(plan) => Step::replace(PlanScreen::new(plan)),
            Err(problem) => {
                world.notice = Some(problem);
                Step::go(Go::Back)
            }
        }
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let text = format!(
            "Asking Juju and the cluster what there is now ({}) …",
            age(self.since, world.now)
        );
        Paragraph::new(text).render(area, buffer);
    }
}
