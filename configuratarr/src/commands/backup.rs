//! `configuratarr backup`: backups now.

use std::collections::BTreeMap;

use config_recovery::backups::Choice;

use super::{Call, Done, act};
use crate::args::Which;
use crate::plan::Job;
use crate::problem::Result;

/// Runs it.
pub async fn run(call: &Call<'_>, which: &Which) -> Result<Done> {
    let planned = act::plan(call, which, Job::Backup, Choice::Latest, BTreeMap::new()).await?;
    act::carry_out(call, planned).await
}
