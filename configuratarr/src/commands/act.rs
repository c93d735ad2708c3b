//! What `backup`, `verify`, `restore` and `resume` have in common: a plan is made, carried out and told.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use config_recovery::backups::Choice;
use config_recovery::claim::marked_units;
use config_recovery::cluster::Cluster;
use config_recovery::locations::Location;
use config_recovery::moment::moment;
use jiff::Timestamp;

use super::{Call, Done};
use crate::args::{Choice as ChoiceArguments, Which};
use crate::cluster;
use crate::fleet::{self, App};
use crate::juju::{Application, Juju, ModelInfo, Status};
use crate::plan::{self, Job, Known, Plan, Wanted};
use crate::problem::{Kind, Problem, Result};
use crate::report::run_page;
use crate::run::{Bars, Ended, Follow, Journal, Lines, Origin, Resume, Run, Show, Store, follow, import};

/// How long Juju may give no answer before it is not followed any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What is known before something is planned.
pub struct Ground {
    /// The cluster.
    pub cluster: Cluster,
    /// The context that led to it.
    pub context: Option<String>,
    /// The way to Juju that stays with this model: another one may become the current one while a plan is read, on another controller even.
    pub juju: Juju,
    status: Status,
    apps: Vec<App>,
    locations: Vec<Location>,
    data_units: BTreeMap<String, u32>,
    now: Timestamp,
}

impl Ground {
    /// What Juju says of an application.
    pub fn application(&self, app: &str) -> Option<&Application> {
        self.status.applications.get(app)
    }

    /// How many units an app has.
    pub fn units(&self, app: &str) -> usize {
        let application = self.status.applications.get(app);
        application.map_or(0, |application| application.units.len())
    }

    /// The same for the planner, with the way to Juju that the shown commands name.
    pub fn known(&self) -> Known<'_> {
        Known {
            model: &self.status.model.name,
            apps: &self.apps,
            locations: &self.locations,
            data_units: &self.data_units,
            juju: &self.juju,
            now: self.now,
        }
    }
}

/// As [`Ground::juju`], for a model that Juju has told of. The status does not say whose it is, and without its owner's name it would be taken
/// for the user's own.
pub async fn juju_of(call: &Call<'_>, model: &ModelInfo) -> Juju {
    let ModelInfo { name, controller, .. } = model;
    // Juju takes it where none is typed (`initModel0` in `cmd/modelcmd/modelcommand.go` of juju/juju).
    let of_environment = || std::env::var("JUJU_MODEL").ok().filter(|model| !model.is_empty());
    let model = match call.juju.model().map(str::to_owned).or_else(of_environment) {
        Some(named) => named,
        None => match call.juju.current_model().await {
            Ok(current) if current.rsplit('/').next() == Some(name) => current,
            // Another one has become the current one, or Juju does not tell.
            Ok(_) | Err(_) => name.clone(),
        },
    };
    call.juju
        .of_model(match model.contains(':') || controller.is_empty() {
            true => model,
            false => format!("{controller}:{model}"),
        })
}

/// Reads what a plan is made from.
///
/// # Errors
/// When Juju or the cluster cannot be asked.
pub async fn ground(call: &Call<'_>) -> Result<Ground> {
    call.juju.version().await?;
    let context = cluster::context(call.global);
    let (status, looked) = tokio::join!(call.juju.status(), cluster::look(call.global));
    let status = status?;
    let (cluster, overview) = looked?;
    let juju = juju_of(call, &status.model).await;
    let data_units = marked_units(&cluster, &status.model.name).await?;
    let now = Timestamp::now();
    Ok(Ground {
        apps: fleet::apps(
            &status.model.name,
            &call.juju,
            Some(&status),
            Some(&overview),
            now,
        ),
        cluster,
        context,
        juju,
        status,
        locations: overview.locations,
        data_units,
        now,
    })
}

/// What was planned, and by what it is carried out.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The cluster.
    pub cluster: Cluster,
    /// The context that led to it, when the plan was made: another one may be the current one by now.
    pub context: Option<String>,
}

/// Which backups the arguments mean.
///
/// # Errors
/// A time that cannot be understood; a uid for several apps.
pub fn choice(which: &Which, choice: &ChoiceArguments, now: Timestamp) -> Result<Choice> {
    match (&choice.backup, &choice.at) {
        (Some(_), _) if which.all || which.apps.len() != 1 => Err(Problem::new(
            Kind::Usage,
            "--backup names one backup, and so one app",
            "name that app; for several: --at TIME, or the newest good ones without either",
        )),
        (Some(uid), _) => Ok(Choice::from(uid.as_str())),
        (None, Some(time)) => moment(time, now)
            .map(Choice::AsOf)
            .map_err(|reason| Problem::bare(Kind::Usage, format!("--{reason}"))),
        (None, None) => Ok(Choice::Latest),
    }
}

/// Plans.
///
/// # Errors
/// When Juju or the cluster cannot be asked, or there is nothing to do.
pub async fn plan(
    call: &Call<'_>,
    which: &Which,
    job: Job,
    choice: Choice,
    parameters: BTreeMap<String, String>,
) -> Result<Planned> {
    let ground = ground(call).await?;
    is_free(job, &ground.juju, (!which.all).then_some(which.apps.as_slice()))?;
    let wanted = Wanted {
        job,
        apps: (!which.all).then_some(which.apps.as_slice()),
        choice,
        parameters,
    };
    Ok(Planned {
        plan: plan::plan(&wanted, ground.known())?,
        cluster: ground.cluster,
        context: ground.context,
    })
}

/// Nobody is in the middle of these apps, or of any if none are named. Before anything is planned: what is missing of such an app is that run's
/// to bring back.
///
/// # Errors
/// The run that has to be gone on with first.
pub fn is_free(job: Job, juju: &Juju, apps: Option<&[String]>) -> Result<()> {
    match job.changes_apps() {
        true => Store::of_user()?.is_free(juju.model().unwrap_or_default(), apps),
        false => Ok(()),
    }
}

/// What a person has to know of a plan that is not asked about.
pub fn say_notes(call: &Call<'_>, plan: &Plan) {
    let stages = plan.items.iter().filter_map(|item| item.stages.as_ref());
    for note in stages.flat_map(|stages| stages.notes()) {
        call.printer.say(&note);
    }
}

/// A file in a plan, wherever it is gone on with.
pub fn absolute(path: &str) -> String {
    let path = Path::new(path);
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_path_buf())
        .display()
        .to_string()
}

/// The same of a resource: `NAME=FILE`. An image's name stays as it is.
pub fn absolute_resource(resource: &str) -> String {
    match resource.split_once('=') {
        Some((name, file)) if Path::new(file).is_file() => format!("{name}={}", absolute(file)),
        _ => resource.to_owned(),
    }
}

/// Shows a plan, and does nothing of it: a run of which nothing was begun, written down nowhere.
///
/// # Errors
/// When it cannot be printed.
pub fn show_plan(call: &Call<'_>, plan: Plan, now: Timestamp) -> Result<Done> {
    let run = Run::new(plan, now);
    call.printer.data(&run, || run.plan.page(now))?;
    Ok(Done::Well)
}

/// Carries a plan out from its beginning.
///
/// # Errors
/// When it cannot be written down.
pub async fn carry_out(call: &Call<'_>, planned: Planned) -> Result<Done> {
    let (journal, cluster) = begin(call, planned).await?;
    go_on(call, journal, Some(cluster), false).await
}

/// Writes a plan down, and where it is carried out: where it was made.
///
/// # Errors
/// When it cannot be written down, another run is in the way, or Juju or the cluster cannot be asked.
pub async fn begin(call: &Call<'_>, planned: Planned) -> Result<(Journal, Cluster)> {
    let Planned {
        plan,
        cluster,
        context,
    } = planned;
    let juju = call.juju.of_model(plan.juju_model.clone());
    let mut run = Run::new(plan, Timestamp::now());
    // Nobody goes on with a preview.
    if run.plan.job != Job::Preview {
        run.origin = Some(Origin::here(&juju, &cluster, context).await?);
    }
    Ok((Store::of_user()?.begin(run)?, cluster))
}

/// Carries a run out from where it is, and tells what came of it.
///
/// # Errors
/// When it cannot be written down.
pub async fn go_on(
    call: &Call<'_>,
    mut journal: Journal,
    cluster: Option<Cluster>,
    is_resumed: bool,
) -> Result<Done> {
    let juju = call.juju.of_model(journal.run().plan.juju_model.clone());
    let plan = journal.run().plan.clone();
    let mut show: Box<dyn Show + '_> = match call.printer.has_bars() {
        true => Box::new(Bars::new(&plan)),
        false => Box::new(Lines::new(&call.printer, &plan)),
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then there is no way to interrupt it but to kill it, which is no worse.
            std::future::pending::<()>().await;
        }
    };
    let is_import = plan.job == Job::Import;
    let cluster = match is_resumed {
        true => {
            let run = journal.run();
            run.is_at_home(&juju, cluster, call.global, show.as_mut()).await
        }
        false => Ok(cluster),
    };
    let ended = match cluster {
        Ok(cluster) => {
            let how = Follow {
                juju: &juju,
                cluster: cluster.as_ref(),
                tick: Duration::from_millis(call.global.tick),
                patience: PATIENCE,
                silence: Duration::from_millis(call.global.silence),
            };
            match is_import {
                true => import(&mut journal, &how, show.as_mut(), interrupted).await,
                false => follow(&mut journal, &how, show.as_mut(), interrupted).await,
            }
        }
        // What it began there nobody has looked at.
        Err((problem, resume)) => Ok(Ended::Elsewhere(problem, resume)),
    };
    drop(show);
    let run = journal.run();
    let printed = call.printer.data(run, || run_page(run));
    // What cannot be written down ends this program, and nothing that was started.
    let ended = ended.unwrap_or_else(Ended::Lost);
    let here = Resume::here(call.global);
    let resume = match &ended {
        Ended::Elsewhere(_, resume) => resume,
        _ => &here,
    }
    .command(&run.id);
    // That somebody has to go on with it is told even where its data could not be.
    match (&ended, printed) {
        (Ended::Over, printed) => printed?,
        (_, Err(problem)) => call.printer.problem(&problem),
        (_, Ok(())) => {}
    }
    let goes_on = !is_import && !matches!(ended, Ended::Stuck(_) | Ended::Elsewhere(..));
    match ended {
        Ended::Over if run.is_whole() => Ok(Done::Well),
        Ended::Over => Ok(Done::NotWell),
        Ended::Interrupted => {
            call.printer.problem(&Problem::new(
                Kind::Unfinished,
                match is_import {
                    true => "interrupted; the next step waits for you",
                    false => "interrupted; what was started goes on in Juju",
                },
                resume,
            ));
            Ok(Done::Unfinished)
        }
        Ended::Lost(problem) | Ended::Stuck(problem) | Ended::Elsewhere(problem, _) => {
            call.printer.problem(&Problem::new(
                Kind::Unfinished,
                match goes_on {
                    true => format!("{}; what was started goes on in Juju", problem.text),
                    false => problem.text,
                },
                format!(
                    "{}{resume}; to give it up: {}",
                    problem
                        .next
                        .map(|next| format!("{next}; then "))
                        .unwrap_or_default(),
                    journal.gives_up()
                ),
            ));
            Ok(Done::Unfinished)
        }
    }
}
