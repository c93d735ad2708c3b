//! The forms of what is printed with `--format json` and `yaml`: a contract, by a schema for each in `schemas/`.
//!
//! A field is added without another version; one that goes or means something else makes another `schema`. Times are RFC 3339 in UTC, sizes
//! bytes, and what is not known is absent.

mod backups;
mod claim;
mod doctor;
mod proof;
mod run;
mod spec;
mod status;

pub use backups::{BackupReport, BackupsReport, page as backups_page, tone as verdict_tone};
pub use claim::{ClaimReport, VolumeReport};
pub use doctor::{CheckReport, CheckState, DoctorReport};
pub use proof::ProofReport;
pub use run::page as run_page;
pub use spec::{SpecFinding, SpecReport, SpecsReport, StoredReport};
pub use status::{
    AppReport, AppState, AttentionReport, InFlightReport, LastGoodReport, LocationReport, StatusReport,
};

use std::collections::BTreeMap;

use schemars::{Schema, schema_for};

use crate::run::Run;

/// The schemas by the name of their file, for the repository.
pub fn schemas() -> BTreeMap<&'static str, Schema> {
    BTreeMap::from([
        ("status.json", schema_for!(StatusReport)),
        ("backups.json", schema_for!(BackupsReport)),
        ("claim.json", schema_for!(ClaimReport)),
        ("spec.json", schema_for!(SpecsReport)),
        ("doctor.json", schema_for!(DoctorReport)),
        ("run.json", schema_for!(Run)),
    ])
}

/// The same as text, as it is in the repository's `configuratarr/schemas`.
pub fn schema_files() -> BTreeMap<&'static str, String> {
    let text = |schema: Schema| format!("{:#}\n", schema.as_value());
    schemas()
        .into_iter()
        .map(|(name, schema)| (name, text(schema)))
        .collect()
}
