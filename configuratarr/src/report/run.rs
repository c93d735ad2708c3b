//! What `backup`, `verify`, `restore` and `resume` print in the end.

use crate::plan::Job;
use crate::printer::{Cell, Page, Tone};
use crate::run::{Progress, Run};

/// What a charm's results are shown under, in this order, where it gives them.
const SHOWN: [&str; 14] = [
    "backup-uid",
    "manifest",
    "contents",
    "contents-now",
    "differences",
    "settings-that-differ",
    "safety-backup",
    "undo",
    "volume",
    "storage",
    "old-volume",
    "next",
    "notes",
    "velero-errors",
];

/// What came of a run, for people.
pub fn page(run: &Run) -> Page {
    let mut page = Page::default();
    for app in &run.plan.left_out {
        let tone = if app.is_deployed { Tone::Bad } else { Tone::Warning };
        page = page.line(Cell::new(app.text(), tone));
    }
    for (item, progress) in run.plan.items.iter().zip(&run.progress) {
        let (tone, word, results) = match progress {
            Progress::Planned => (Tone::Warning, "not begun".to_owned(), None),
            Progress::Starting { .. } => (Tone::Warning, "perhaps begun".to_owned(), None),
            Progress::Started { task } => (Tone::Warning, format!("under way, task {task}"), None),
            Progress::Done { results, .. } => (Tone::Good, done(run.plan.job).to_owned(), Some(results)),
            Progress::Importing { step, .. } => (Tone::Warning, step.stands().to_owned(), None),
            Progress::Imported { results } => (Tone::Good, done(run.plan.job).to_owned(), Some(results)),
            Progress::Failed { why, results, .. } => (Tone::Bad, format!("FAILED: {why}"), Some(results)),
        };
        page = page.line(Cell::new(format!("{}: {word}", item.app), tone));
        for (key, value) in SHOWN.iter().filter_map(|key| Some((key, results?.get(*key)?))) {
            for (number, line) in value.lines().enumerate() {
                let key = if number == 0 {
                    format!("{key}: ")
                } else {
                    "  ".to_owned()
                };
                page = page.line(format!("  {key}{line}"));
            }
        }
        if run.plan.job == Job::Preview
            && let Some(steps) = results.and_then(|results| results.get("steps"))
        {
            page = steps
                .lines()
                .fold(page, |page, step| page.line(format!("  {step}")));
        }
    }
    page
}

const fn done(job: Job) -> &'static str {
    match job {
        Job::Backup => "backed up",
        Job::Verify => "comes back: restored beside the app, checked and removed",
        Job::Preview => "can be restored",
        Job::Restore => "restored",
        Job::Import => "restored, and on the imported volume",
    }
}
