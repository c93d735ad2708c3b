//! The straight line of a dispatch, a module a step:
//!
//! 1. [`mod@gather`] reads the world → [`Facts`]
//! 2. [`mod@prepare_volume`] puts the config volume right and decides whether the app may run → [`Prepared`]
//! 3. [`validate`] judges the user's options → [`ValidatedApp`]. After it nothing reads raw options.
//! 4. [`rotation`] makes new credentials where their time has come or an action asks for them
//! 5. [`plan`] is a pure function → [`Plan`]
//! 6. [`apply`] makes the changes → [`apply::Outcome`]
//! 7. [`status`] is a pure function → the one status of the dispatch
//!
//! Every event goes this way, and every action that changes anything; [`start_restored`] is the part of it that a restore
//! needs to start the app. What is known after the second step is not changed any more.

pub mod apply;
pub mod gather;
pub mod leave;
pub mod plan;
pub mod prepare_volume;
pub mod rotation;
pub mod start_restored;
pub mod status;
pub mod validate;

use jiff::Timestamp;

use self::apply::Applied;
use self::gather::{Look, gather};
use self::plan::{Plan, WorkloadPlan};
use self::prepare_volume::{Prepared, prepare_volume};
use self::rotation::Rotation;
use self::validate::ValidatedApp;
use crate::CharmError;
use crate::env::Env;
use crate::facts::{Container, Facts};
use crate::media::Media;
use crate::options::RESTORE_ON_DEPLOY;
use crate::recovery::standing;
use crate::remembered::{OnDeploy, Remembered};

/// What an action asks of the line beside what every dispatch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// New credentials.
    Rotation,
}

/// How a dispatch ended.
#[derive(Debug)]
pub struct Ended {
    /// What came of the workload.
    pub workload: Applied,
    /// Why what was asked for was not done.
    pub refused: Option<String>,
}

/// Goes the whole way.
///
/// # Errors
/// When a hook tool fails; see [`CharmError`].
pub fn run(env: Env<'_>, asks: Asks) -> Result<Ended, CharmError> {
    let mut line = Line::begin(env, Look::AsTheEventNeeds, asks)?;
    if line.plan.workload == WorkloadPlan::Look {
        line = Line::begin(env, Look::Everything, asks)?;
    }
    line.finish()
}

/// A dispatch that has its plan.
struct Line<'a> {
    env: Env<'a>,
    prepared: Prepared,
    validated: ValidatedApp,
    plan: Plan,
    refused: Option<String>,
}

impl<'a> Line<'a> {
    fn begin(env: Env<'a>, look: Look, asks: Asks) -> Result<Self, CharmError> {
        let profile = env.profile;
        let prepared = prepare_volume(env, gather(env, look)?)?;
        let Prepared { facts, start, .. } = &prepared;
        let validated = validate::validate(profile, facts, start);
        let rotation = rotation::decide(env, facts, &validated, start, asks)?;
        let plan = plan::plan(profile, facts, &validated, start, &rotation);
        let refused = match rotation {
            Rotation::Refused(reason) => Some(reason),
            Rotation::NotDue | Rotation::Due(_) => None,
        };
        Ok(Self {
            env,
            prepared,
            validated,
            plan,
            refused,
        })
    }

    fn finish(self) -> Result<Ended, CharmError> {
        let Prepared {
            facts,
            start,
            news,
            damaged,
        } = self.prepared;
        let (juju, profile) = (self.env.juju, self.env.profile);
        let asked_at = match self.plan.databags.is_empty() {
            true => facts.remembered.asked_at,
            false => Some(Timestamp::now()),
        };
        let put_aside = self.plan.puts_aside().map(str::to_owned);
        let mut known = facts.remembered.clone();
        if put_aside.is_some() {
            // Before it is done: whoever comes after a kill finds a sound file, and nothing else tells of the damaged one.
            known = known.with_put_aside(put_aside.clone());
            known.keep(juju, &facts.remembered)?;
        }
        let backups = standing::look(self.env, &facts, &self.validated, asked_at);
        // A pod that ends now would take the record with it.
        let plan = match put_aside {
            Some(_) => self.plan.without_new_pods(),
            None => self.plan,
        };
        let outcome = apply::apply(self.env, plan)?;
        let asked = facts.options.text(&RESTORE_ON_DEPLOY);
        let before = facts.remembered.clone().as_of(asked);
        let before_unsettled = before.media_unsettled;
        let is_done = news.is_some();
        let mut remembered = Remembered {
            media_unsettled: false,
            is_unconfirmed: false,
            asked_at,
            put_aside: put_aside.or_else(|| match &facts.container {
                Container::Ready(ready) => ready.put_aside.clone(),
                Container::NotReachable | Container::Faulty { .. } => before.put_aside,
            }),
            damaged: OnDeploy::found(asked, damaged, before.damaged.filter(|_| !is_done)),
            news: OnDeploy::found(asked, news, before.news),
        };
        let told = status::Told {
            start: &start,
            news: remembered.fresh_news(Timestamp::now()),
            put_aside: remembered.put_aside.as_deref(),
            backups: &backups,
        };
        let decided = status::decide(profile, &facts, &self.validated, &outcome, told);
        remembered.media_unsettled =
            decided.is_about_media || facts.media == Media::NotRead && before_unsettled;
        if juju.set_status(&decided.status)?
            && let Some(whole) = decided.whole
        {
            log::warn!("{whole}");
        }
        remembered.keep(juju, &known)?;
        Ok(Ended {
            workload: outcome.workload,
            refused: self.refused,
        })
    }
}

/// The steps up to the plan, for tests of what would be done. Pure.
pub fn planned(
    profile: &crate::profile::AppProfile,
    facts: &Facts,
) -> (prepare_volume::Start, ValidatedApp, Plan) {
    let start = prepare_volume::judge(profile, facts, prepare_volume::Situation::Dispatch);
    let validated = validate::validate(profile, facts, &start);
    let plan = plan::plan(profile, facts, &validated, &start, &Rotation::NotDue);
    (start, validated, plan)
}
