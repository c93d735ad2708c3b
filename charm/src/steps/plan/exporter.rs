//! Whether the exporter is to run, and what it is told.

use crate::exporter;
use crate::facts::Facts;
use crate::profile::AppProfile;
use crate::steps::validate::ValidatedApp;

/// What to do about the exporter of metrics.
#[derive(Debug, PartialEq, Eq)]
pub enum ExporterPlan {
    /// Nothing.
    Leave,
    /// Tell it this, if it is another thing than it was told, and start it unless it runs.
    Run {
        /// What it has to know, where that differs.
        tell: Option<Box<exporter::Settings>>,
        /// Whether it has to be started.
        start: bool,
    },
    /// End it.
    End,
}

/// It runs while somebody scrapes it. What it was told says that in an event that does not ask Juju.
pub(super) fn exporter_plan(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp) -> ExporterPlan {
    let known = &facts.exporter;
    let is_wanted = match &facts.cos.metrics {
        Some(related) => !related.is_empty(),
        None => known.settings.is_some(),
    };
    if !is_wanted {
        return match known.settings {
            Some(_) => ExporterPlan::End,
            None => ExporterPlan::Leave,
        };
    }
    let asked = validated.asked().into_iter().map(|asked| exporter::Asked {
        endpoint: asked.tier.name().to_owned(),
        schedule: asked.schedule.map(ToString::to_string),
    });
    let settings = exporter::Settings {
        app: facts.app.clone(),
        model: facts.model.clone(),
        has_data: facts.data.is_here(),
        asked: asked.collect(),
        essential: profile.contents().essential.clone(),
        restored: facts.remembered.restored_by(facts.now),
        verify_schedule: validated.verify_schedule().map(ToString::to_string),
        test_restores: facts.remembered.test_restores.clone(),
    };
    let tell = (known.settings.as_ref() != Some(&settings)).then(|| Box::new(settings));
    match (tell, known.is_running) {
        (None, true) => ExporterPlan::Leave,
        (tell, is_running) => ExporterPlan::Run {
            tell,
            start: !is_running,
        },
    }
}
