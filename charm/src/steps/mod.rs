//! The straight line of a dispatch, a module a step:
//!
//! 1. [`mod@gather`] reads the world → [`Facts`]
//! 2. [`mod@prepare_volume`] ends a restore that was cut off, does one that was asked for at deployment, and decides whether the
//!    app may run → [`Prepared`], the only step that reads the world again: after it has changed the volume
//! 3. [`validate`] judges the user's options → [`ValidatedApp`]. After it nothing reads raw options.
//! 4. [`rotation`] makes new credentials where their time has come or an action asks for them
//! 5. [`plan`] → [`Plan`]
//! 6. [`apply`] makes the changes → [`apply::Outcome`]
//! 7. [`status`] → the one status of the dispatch, which [`apply::tell`] writes, with what later dispatches have to know
//!
//! 3, 4, 5 and 7 are functions of what they are given. A test holds all modules to it (`charm/tests/line.rs`).
//!
//! Every event goes this way, and every action that changes anything; [`start_restored`] is the part of it that a restore
//! needs to start the app.

pub mod apply;
mod asked;
pub mod gather;
pub mod in_doubt;
pub mod leave;
pub mod plan;
pub mod prepare_volume;
pub mod rotation;
pub mod start_restored;
pub mod status;
pub mod validate;

use juju_charm::{Event, Status};

use self::apply::Applied;
use self::asked::{Asked, asked};
use self::gather::{Look, gather};
use self::plan::{Plan, WorkloadPlan};
use self::prepare_volume::{Prepared, Situation, Start, judge, prepare_volume};
use self::rotation::Rotation;
use self::validate::ValidatedApp;
use crate::CharmError;
use crate::cluster_seen::{Bearing, ClusterSeen};
use crate::contents::{record, seen};
use crate::env::Env;
use crate::facts::{Container, Facts};
use crate::ingress::{self, Ingress};
use crate::media::Media;
use crate::notify::{self, Notices, NotifyTo};
use crate::options::RESTORE_ON_DEPLOY;
use crate::profile::AppProfile;
use crate::recovery::standing::HealthLookup;
use crate::remembered::{OnDeploy, Remembered};
use crate::test_restore::{self, TestRestore};

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
    /// A test restore that may be tried now, with nothing left to do before.
    pub test_restore: Option<TestRestore>,
}

/// Goes the whole way.
///
/// # Errors
/// When a hook tool fails; see [`CharmError`].
pub fn run(env: Env<'_>, asks: Asks) -> Result<Ended, CharmError> {
    let mut line = Line::begin(env, Look::AsTheEventNeeds, asks)?;
    // Nothing is changed on the strength of what an earlier event saw.
    let is_outdated = line.prepared.facts.is_recalled && line.plan.is_about_the_cluster();
    // The app may have been writing its file in this moment, and is not stopped for that.
    if line.plan.workload == WorkloadPlan::Look || is_outdated || line.plan.stops_first() {
        line = Line::begin(env, Look::Everything, asks)?;
    }
    // An app saves what it holds when it ends, and what it saved counts.
    if line.plan.stops_first() {
        match apply::stop(env.pebble, env.profile) {
            Ok(()) => line = Line::begin(env, Look::Everything, asks)?,
            // It may end at any time now, and what it saves then has not been read: the next event goes on.
            Err(reason) => line.runs_on = Some(reason),
        }
    }
    let mut ended = line.finish()?;
    let Some(due) = ended.test_restore.take().filter(|_| asks == Asks::Nothing) else {
        return Ok(ended);
    };
    if !test_restore::run(env, due)? {
        return Ok(ended);
    }
    // The backups stand otherwise now, and the status tells how.
    Line::begin(env, Look::Everything, asks)?.finish()
}

/// A dispatch that has its plan.
struct Line<'a> {
    env: Env<'a>,
    prepared: Prepared,
    validated: ValidatedApp,
    plan: Plan,
    refused: Option<String>,
    /// Why the app, which had to stop first, runs on.
    runs_on: Option<String>,
}

impl<'a> Line<'a> {
    fn begin(env: Env<'a>, look: Look, asks: Asks) -> Result<Self, CharmError> {
        let profile = env.profile;
        let prepared = prepare_volume(env, gather(env, look)?)?;
        let Prepared { facts, start, .. } = &prepared;
        let validated = validate::validate(profile, facts, start);
        let rotation = rotation::decide(profile, facts, &validated, start, asks)?;
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
            runs_on: None,
        })
    }

    fn finish(self) -> Result<Ended, CharmError> {
        let Self {
            env,
            prepared,
            plan,
            runs_on,
            ..
        } = self;
        let plan = match runs_on {
            Some(_) => plan.without_workload(),
            None => plan,
        };
        let (profile, facts) = (env.profile, &prepared.facts);
        let event = env.juju.context().event();
        let asked_for = asked(&plan, &self.validated, &prepared.start, facts, event);
        let asked_at = asked_for.at;
        let recorded = plan.record.clone();
        let is_seen = !facts.is_recalled && !plan.is_about_the_cluster();
        let mut outcome = apply::apply(env, plan)?;
        if let Some(reason) = runs_on {
            outcome.workload = apply::failure(profile, reason);
        }
        let schedule = self.validated.verify_schedule();
        let elsewhere = self.validated.elsewhere.as_deref();
        let mut remembered = remembered(profile, &prepared, recorded.as_ref(), asked_for);
        remembered.test_restores =
            test_restore::remembered(facts, schedule, elsewhere, remembered.test_restores);
        if let HealthLookup::Read(standing) = &facts.standing {
            let restored = remembered.restored_by(facts.now);
            remembered.sizes = remembered.sizes.after(standing, restored);
        }
        let next = test_restore::of_facts(facts, schedule, elsewhere, &remembered.test_restores);
        let told = status::Told {
            start: &prepared.start,
            news: remembered.fresh_news(facts.now),
            put_aside: &remembered.put_aside,
            ingress_path: remembered.ingress_path.as_deref(),
            asked_at,
            test_restore: next,
            record: Some(&remembered.test_restores),
        };
        let decided = status::decide(profile, facts, &self.validated, &outcome, told);
        remembered.media_unsettled =
            decided.is_about_media || facts.media == Media::NotRead && facts.remembered.media_unsettled;
        let known = recorded.as_ref().unwrap_or(&facts.remembered);
        let is_well = matches!(decided.status, Status::Active(_));
        let to = self.validated.notify.as_ref().unwrap_or(&NotifyTo::Nobody);
        remembered.notices = match (to, &decided.findings) {
            (NotifyTo::Nobody, _) => Notices::default(),
            (to, Some(findings)) => {
                remembered
                    .notices
                    .to(to.mark())
                    .after(findings, &decided.undecided, facts.now)
            }
            (_, None) => remembered.notices,
        };
        apply::tell(env.juju, decided, &remembered, known)?;
        // What is to be sent is written down before: a hook that is killed meanwhile sends it again, and does not forget it.
        let notices = notify::deliver(env.juju, facts, to, remembered.notices.clone());
        let sent = Remembered {
            notices,
            ..remembered.clone()
        };
        sent.keep(env.juju, &remembered)?;
        let remembered = sent;
        record::keep(&facts.charm_dir, record::known(profile, facts));
        seen::keep(env.juju)?;
        let bearing = Bearing::of(event);
        let (asked, from) = (self.validated.asked(), next.map(|next| next.from));
        if is_seen
            && is_well
            && let Some(seen) = ClusterSeen::of(bearing, facts, &asked, asked_at, from)
        {
            seen.keep(&facts.charm_dir);
        }
        // Only then nothing waits for what comes behind it but the next event of the same kind, as a rule.
        let may_be_tried =
            is_well && *event == Event::UpdateStatus && !facts.is_recalled && facts.left.is_empty();
        let test_restore = next
            .filter(|next| may_be_tried && next.is_due(facts.now))
            .zip(schedule.cloned())
            .map(|(next, schedule)| TestRestore {
                facts: prepared.facts,
                remembered,
                schedule,
                next,
            });
        Ok(Ended {
            workload: outcome.workload,
            refused: self.refused,
            test_restore,
        })
    }
}

/// What later dispatches have to know, where this one `recorded` something before it changed anything.
fn remembered(
    profile: &AppProfile,
    prepared: &Prepared,
    recorded: Option<&Remembered>,
    asked_for: Asked,
) -> Remembered {
    let Prepared {
        facts, news, damaged, ..
    } = prepared;
    let asked = facts.options.text(&RESTORE_ON_DEPLOY);
    let before = facts.remembered.clone().as_of(asked);
    let is_done = news.is_some();
    Remembered {
        media_unsettled: false,
        is_unconfirmed: false,
        asked_at: asked_for.at,
        asked_by_leader: asked_for.by_leader,
        ingress_path: match &facts.ingress {
            Ingress::NotRead => before.ingress_path,
            Ingress::NotRelated => None,
            Ingress::Related(related) => ingress::path_that_breaks(profile, related),
        },
        put_aside: match (recorded, &facts.container) {
            // This dispatch has put it there.
            (Some(recorded), _) => recorded.put_aside.clone(),
            (None, Container::Ready(ready)) => ready.put_aside.clone(),
            (None, Container::NotReachable | Container::Faulty { .. }) => before.put_aside,
        },
        damaged: OnDeploy::found(
            asked,
            damaged.clone(),
            before.damaged.filter(|_| !is_done),
            facts.now,
        ),
        news: OnDeploy::found(asked, news.clone(), before.news, facts.now),
        restored: before.restored,
        test_restores: before.test_restores,
        sizes: before.sizes,
        notices: before.notices,
    }
}

/// Whether the app may run, and what is asked of it and of its backups. Pure: for whoever does not go the whole line.
pub fn judged(profile: &AppProfile, facts: &Facts, situation: Situation) -> (Start, ValidatedApp) {
    let start = judge(profile, facts, situation);
    let validated = validate::validate(profile, facts, &start);
    (start, validated)
}

/// The same, and what would be done. Pure.
pub fn planned(profile: &AppProfile, facts: &Facts, situation: Situation) -> (Start, ValidatedApp, Plan) {
    let (start, validated) = judged(profile, facts, situation);
    let plan = plan::plan(profile, facts, &validated, &start, &Rotation::NotDue);
    (start, validated, plan)
}
