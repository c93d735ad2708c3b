//! The commands, a module each.

pub(crate) mod act;
mod backup;
mod backups;
mod claim;
mod completions;
mod doctor;
mod import;
pub(crate) mod look;
mod redeploy;
mod refresh;
mod restore;
mod resume;
mod spec;
mod status;
mod verify;
mod wizard;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use crate::args::{Arguments, Command, Global};
use crate::juju::Juju;
use crate::printer::Printer;
use crate::problem::{Kind, Problem, Result};

/// What a command needs.
pub struct Call<'a> {
    /// For every command.
    pub global: &'a Global,
    /// To print by.
    pub printer: Printer,
    /// The way to Juju.
    pub juju: Juju,
}

impl Call<'_> {
    /// The model's own name. A name that was given is enough; which one is the current one only Juju knows.
    ///
    /// # Errors
    /// When Juju cannot be asked.
    pub async fn model(&self) -> Result<String> {
        match &self.global.model {
            Some(model) => Ok(model.rsplit([':', '/']).next().unwrap_or(model).to_owned()),
            None => Ok(self.juju.status().await?.model.name),
        }
    }
}

/// How a command ended that could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is well.
    Well,
    /// It is told in the data what is not well.
    NotWell,
    /// It is not at its end, which was told.
    Unfinished,
    /// Something could not be asked, which is told in the data.
    NotAsked,
}

impl Done {
    fn code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::NotWell => Kind::Failed.code().into(),
            Self::Unfinished => Kind::Unfinished.code().into(),
            Self::NotAsked => Kind::NotAsked.code().into(),
        }
    }
}

/// Runs what was typed.
pub fn run(arguments: &Arguments) -> ExitCode {
    let call = Call {
        global: &arguments.global,
        printer: Printer::new(&arguments.global),
        juju: Juju::new(arguments.global.model.clone())
            .with_limit(Duration::from_secs(arguments.global.juju_limit)),
    };
    let ended = if arguments.description {
        let line = concat!(env!("CARGO_PKG_DESCRIPTION"), "\n");
        call.printer.raw(line.as_bytes()).map(|()| Done::Well)
    } else {
        blocking(carry_out(&call, arguments.command.as_ref()))
    };
    match ended {
        Ok(done) => done.code(),
        Err(problem) => {
            call.printer.problem(&problem);
            problem.kind.code().into()
        }
    }
}

async fn carry_out(call: &Call<'_>, command: Option<&Command>) -> Result<Done> {
    let Some(command) = command else {
        return wizard::run(call).await;
    };
    match command {
        Command::Status => status::run(call).await,
        Command::Backups { apps, all_models } => backups::run(call, apps, *all_models).await,
        Command::Backup(which) => backup::run(call, which).await,
        Command::Verify { which, choice } => verify::run(call, which, choice).await,
        Command::Restore {
            which,
            choice,
            dry_run,
            yes,
            force,
            no_safety_backup,
            import,
        } => {
            let how = restore::How {
                dry_run: *dry_run,
                yes: *yes,
                force: *force,
                no_safety_backup: *no_safety_backup,
            };
            match import.import {
                true => import::run(call, which, choice, import, how).await,
                false => restore::run(call, which, choice, how).await,
            }
        }
        Command::Redeploy(typed) => redeploy::run(call, typed).await,
        Command::Refresh(typed) => refresh::run(call, typed).await,
        Command::Claim { app } => claim::run(call, app).await,
        Command::Spec { file, app } => spec::run(call, file.as_deref(), app.as_deref()).await,
        Command::Doctor { apps } => doctor::run(call, apps).await,
        Command::Completions { shell } => completions::run(call, *shell),
        Command::Resume { run } => resume::run(call, run.as_deref()).await,
    }
}

fn blocking<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::bare(Kind::Failed, format!("cannot begin: {error}")))?;
    let done = runtime.block_on(work);
    // Whoever leaves does not wait for a login that was begun.
    runtime.shutdown_background();
    done
}
