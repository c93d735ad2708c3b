//! `configuratarr verify`: test restores.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Call, Done, act};
use crate::args::{Choice, Which};
use crate::plan::Job;
use crate::problem::Result;

/// Runs it.
pub async fn run(call: &Call<'_>, which: &Which, choice: &Choice) -> Result<Done> {
    let choice = act::choice(which, choice, Timestamp::now())?;
    let planned = act::plan(call, which, Job::Verify, choice, BTreeMap::new()).await?;
    act::carry_out(call, planned).await
}
