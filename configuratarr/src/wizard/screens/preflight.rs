//! What the charms say of a restore before it begins: each makes a dry run of exactly what is planned.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::progress::{Item, take};
use super::{Go, KeyHelp, PlanScreen, Screen, Step, moved};
use crate::plan::{LeftOut, Plan};
use crate::printer::Tone;
use crate::problem::{Kind, Problem};
use crate::report::run_page;
use crate::run::{Ended, Progress, Run};
use crate::wizard::event::{Effect, Followed, Key, Ticket};
use crate::wizard::state::World;
use crate::wizard::theme::{column, pointer, span, window};

/// What the charms say of a plan.
#[derive(Debug)]
pub struct Preflight {
    ticket: Ticket,
    plan: Plan,
    items: Vec<Item>,
    since: Timestamp,
    at: usize,
    scroll: u16,
    /// The dry runs at their end.
    over: Option<Run>,
}

impl Preflight {
    /// Has the charms asked about this plan.
    pub fn begin(plan: Plan, world: &mut World) -> Step {
        let ticket = world.ticket();
        let preflight = Self {
            ticket,
            items: Item::all(&plan),
            plan: plan.clone(),
            since: world.now,
            at: 0,
            scroll: 0,
            over: None,
        };
        Step::replace(preflight).and(Effect::Preview(ticket, plan))
    }

    /// The plan without what the charms refuse, which it leaves out with the reason of each.
    fn rest(&self, over: &Run) -> Plan {
        let mut refused = Vec::new();
        for (item, progress) in over.plan.items.iter().zip(&over.progress) {
            let why = match progress {
                Progress::Done { .. } => continue,
                Progress::Failed { why, .. } => why.clone(),
                _ => "the charm did not say whether it can be restored".to_owned(),
            };
            refused.push(LeftOut::new(&item.app, &Problem::bare(Kind::Failed, why), true));
        }
        self.plan.without(refused)
    }

    /// What the charm of the pointed app says.
    fn detail(&self, world: &World) -> Vec<Line<'static>> {
        let theme = world.theme;
        let whole = self.over.as_ref();
        let one = whole.and_then(|run| {
            let mut one = run.clone();
            one.plan.items = vec![run.plan.items.get(self.at)?.clone()];
            one.progress = vec![run.progress.get(self.at)?.clone()];
            one.plan.left_out.clear();
            Some(one)
        });
        let left_out = self.at.checked_sub(self.items.len());
        let left_out = left_out.and_then(|number| self.plan.left_out.get(number));
        match (one, self.items.get(self.at), left_out) {
            (Some(one), _, _) => theme.page(&run_page(&one)),
            (None, Some(item), _) => vec![Line::from(theme.text(&item.last, Tone::Plain))],
            (None, None, Some(left_out)) => {
                let text = format!("{} is left out: {}", left_out.app, left_out.why);
                let next = left_out.next.as_ref().map(|next| format!("next: {next}"));
                let next = next.map(|next| Line::from(theme.text(next, Tone::Plain)));
                let text = Line::from(theme.text(text, Tone::Warning));
                std::iter::once(text).chain(next).collect()
            }
            (None, None, None) => Vec::new(),
        }
    }
}

impl Screen for Preflight {
    fn title(&self, _world: &World) -> String {
        match self.over {
            Some(_) => "what the charms say before it begins".to_owned(),
            None => "asking the charms what it would do".to_owned(),
        }
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        let mut keys = vec![
            ("Up Down", "app"),
            ("PgUp PgDn", "scroll"),
            ("Esc", "back"),
            ("q", "leave"),
        ];
        if self.over.is_some() {
            keys.insert(0, ("Enter", "to the plan"));
        }
        keys
    }

    fn is_moving(&self) -> bool {
        self.over.is_none()
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        let stop = |step: Step| match self.over {
            None => step.and(Effect::Stop(self.ticket)),
            Some(_) => step,
        };
        match key {
            Key::PageUp => self.scroll = self.scroll.saturating_sub(5),
            Key::PageDown => {
                let longest = u16::try_from(2 * self.detail(world).len()).unwrap_or(u16::MAX);
                self.scroll = self.scroll.saturating_add(5).min(longest);
            }
            Key::Char('q') => return stop(Step::stay()).and(Effect::Quit),
            Key::Escape => return stop(Step::go(Go::Back)),
            Key::Enter => {
                let Some(over) = &self.over else {
                    return Step::stay();
                };
                let plan = self.rest(over);
                if !plan.items.is_empty() {
                    return Step::open(PlanScreen::new(plan));
                }
                world.notice = Some(Problem::new(
                    Kind::Failed,
                    "none of these can be restored so",
                    "Esc goes back: another backup, or with force what the charm holds back",
                ));
            }
            key => {
                if let Some(at) = moved(key, self.at, self.items.len() + self.plan.left_out.len()) {
                    self.at = at;
                    self.scroll = 0;
                }
            }
        }
        Step::stay()
    }

    fn followed(&mut self, ticket: Ticket, what: Followed, world: &mut World) -> Step {
        if ticket != self.ticket {
            return Step::stay();
        }
        take(&mut self.items, &what, world);
        match what {
            Followed::Over(Ok((run, Ended::Over))) => self.over = Some(*run),
            Followed::Over(Ok((_, Ended::Interrupted))) => return Step::go(Go::Back),
            Followed::Over(
                Ok((_, Ended::Lost(problem) | Ended::Stuck(problem) | Ended::Elsewhere(problem, _)))
                | Err(problem),
            ) => {
                world.notice = Some(problem);
                return Step::go(Go::Back);
            }
            _ => {}
        }
        Step::stay()
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let theme = world.theme;
        let rows = u16::try_from(self.items.len() + self.plan.left_out.len() + 2).unwrap_or(u16::MAX);
        let [top, below] =
            Layout::vertical([Constraint::Length(rows.min(area.height / 2)), Constraint::Fill(1)])
                .areas(area);
        let open = self.items.iter().filter(|item| item.end.is_none()).count();
        let first = match open {
            0 => "Nothing was changed yet.".to_owned(),
            open => {
                let waited = world.now.duration_since(self.since).as_secs();
                let waited = span(u64::try_from(waited).unwrap_or(0));
                format!("Nothing is changed. {open} asked, for {waited} …")
            }
        };
        let mut lines = vec![Line::from(first)];
        let width = usize::from(area.width).saturating_sub(38);
        let all = self.items.len() + self.plan.left_out.len();
        for number in window(all, self.at, usize::from(top.height).saturating_sub(2)) {
            let is_pointed = number == self.at;
            let Some(item) = self.items.get(number) else {
                let Some(left_out) = self.plan.left_out.get(number - self.items.len()) else {
                    continue;
                };
                lines.push(Line::from(vec![
                    Span::styled(
                        format!("{}{}", pointer(is_pointed), column(&left_out.app, 18)),
                        theme.pointed(is_pointed),
                    ),
                    theme.text(column("left out", 18), Tone::Warning),
                    Span::raw(column(&left_out.why, width).trim_end().to_owned()),
                ]));
                continue;
            };
            let (word, tone) = match item.end {
                None => ("asked", Tone::Plain),
                Some((true, _)) => ("can be restored", Tone::Good),
                Some((false, _)) => ("REFUSED", Tone::Bad),
            };
            let last = match item.end {
                Some((true, _)) => String::new(),
                // That it failed is said already.
                _ => column(item.last.trim_start_matches("FAILED: "), width)
                    .trim_end()
                    .to_owned(),
            };
            lines.push(Line::from(vec![
                Span::styled(
                    format!("{}{}", pointer(is_pointed), column(item.app(), 18)),
                    theme.pointed(is_pointed),
                ),
                theme.text(column(word, 18), tone),
                Span::raw(last),
            ]));
        }
        Paragraph::new(lines).render(top, buffer);
        Paragraph::new(self.detail(world))
            .wrap(Wrap { trim: false })
            .scroll((self.scroll, 0))
            .render(below, buffer);
    }
}
