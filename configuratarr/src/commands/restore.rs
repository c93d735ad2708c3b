//! `configuratarr restore`: the plan is shown, confirmed and carried out.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};

use jiff::Timestamp;

use super::{Call, Done, act};
use crate::args::{Choice, Which};
use crate::plan::{Job, Plan};
use crate::problem::{Kind, Problem, Result};

/// How it is restored.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Only what the charms say of it.
    pub dry_run: bool,
    /// Nobody is asked.
    pub yes: bool,
    /// What the charm would hold back is restored.
    pub force: bool,
    /// No backup is made of what there is now.
    pub no_safety_backup: bool,
}

/// Runs it.
pub async fn run(call: &Call<'_>, which: &Which, choice: &Choice, how: How) -> Result<Done> {
    let now = Timestamp::now();
    let choice = act::choice(which, choice, now)?;
    let (job, mut parameters) = match how.dry_run {
        true => (
            Job::Preview,
            BTreeMap::from([("dry-run".to_owned(), "true".to_owned())]),
        ),
        false => (Job::Restore, BTreeMap::new()),
    };
    if how.force {
        parameters.insert("force".to_owned(), "true".to_owned());
    }
    if how.no_safety_backup {
        parameters.insert("safety-backup".to_owned(), "false".to_owned());
    }
    somebody_is_there(how)?;
    let planned = act::plan(call, which, job, choice, parameters).await?;
    if !how.dry_run && !how.yes {
        confirm(
            call,
            &planned.plan,
            now,
            "Each app is stopped only while the content is exchanged",
        )?;
    }
    act::carry_out(call, planned).await
}

/// Somebody can be asked, or need not be.
pub(super) fn somebody_is_there(how: How) -> Result<()> {
    match how.dry_run || how.yes || io::stdin().is_terminal() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Usage,
            "a restore asks before it begins, and there is nobody to ask: standard input is no terminal",
            "look at it with --dry-run, then say --yes",
        )),
    }
}

/// Shows the plan, with what has to be known of it, and waits for the word.
pub(super) fn confirm(call: &Call<'_>, plan: &Plan, now: Timestamp, warning: &str) -> Result<()> {
    let cannot = |error: io::Error| Problem::bare(Kind::Failed, format!("cannot ask: {error}"));
    for line in plan.page(now).lines(call.printer.colors()) {
        writeln!(io::stderr(), "{line}").map_err(cannot)?;
    }
    let password = plan.password();
    write!(io::stderr(), "{warning}. Type \"{password}\" to begin: ").map_err(cannot)?;
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said).map_err(cannot)?;
    match said.trim() == password {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Usage,
            "not confirmed; nothing was begun",
            format!("type \"{password}\", or say --yes"),
        )),
    }
}
