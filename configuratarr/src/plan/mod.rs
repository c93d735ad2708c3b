//! What will be done, as a value: it is shown, confirmed, written down and carried out, and nothing is decided after it. Pure.

mod each;
mod import;
mod redeploy;
mod refresh;
mod reread;
mod stages;

use std::collections::BTreeMap;

use config_recovery::backups::{self, Choice};
use config_recovery::locations::Location;
use config_recovery::words::{age, size, time};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::{App, Work, to_redeploy};
use crate::juju::Juju;
use crate::printer::{Cell, Page, Tone};
use crate::problem::{Kind, Problem};

pub use each::Order;
pub use import::{ImportPlan, POOL, Place, STORAGE, Typed, may_import, plan_import, retain, to_one_unit};
pub use redeploy::{
    Around, ON_DEPLOY, Redeploy, RedeployPlan, TypedCharm, plan_redeploy, resources as redeploy_resources,
};
pub use refresh::{RefreshPlan, TypedRefresh, plan_refresh};
pub use reread::Deployment;
pub use stages::Stages;

/// What is done with each app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// A backup is made.
    Backup,
    /// A backup is restored beside the app, checked and removed again.
    Verify,
    /// The charm says what a restore would do.
    Preview,
    /// A backup is restored.
    Restore,
    /// A backup is restored as a volume, which Juju imports and the app is deployed with.
    Import,
    /// An app that is gone is deployed again with a backup.
    Redeploy,
    /// A charm is refreshed, and taken back with the content when the app does not become healthy.
    Refresh,
}

impl Job {
    /// The charm's action.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Backup => "backup-now",
            Self::Verify => "verify-backup",
            Self::Preview | Self::Restore | Self::Import | Self::Redeploy | Self::Refresh => {
                "restore-from-backup"
            }
        }
    }

    /// Whether it changes an app, its content or what it is deployed with.
    pub const fn changes_apps(self) -> bool {
        match self {
            Self::Backup | Self::Verify | Self::Preview => false,
            Self::Restore | Self::Import | Self::Redeploy | Self::Refresh => true,
        }
    }

    /// Whether it is of steps that belong together: whoever stops in the middle leaves an app that is neither as before nor as it was meant.
    pub const fn has_steps(self) -> bool {
        matches!(self, Self::Import | Self::Redeploy | Self::Refresh)
    }

    /// In one word, for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Preview => "preview",
            Self::Restore => "restore",
            Self::Import => "import",
            Self::Redeploy => "redeploy",
            Self::Refresh => "refresh",
        }
    }
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// When it was made.
    pub made: String,
    /// The model, by its own name.
    pub model: String,
    /// The model as `juju -m` takes it, whatever becomes the current one.
    pub juju_model: String,
    /// What is done with each app.
    pub job: Job,
    /// The apps.
    pub items: Vec<Item>,
    /// Apps that were meant too, and with which nothing is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// An app with which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The app.
    pub app: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether the model has the app. What is left of one that is gone is no task of a run over all apps.
    pub is_deployed: bool,
}

impl LeftOut {
    /// An app that is left out for this.
    pub fn new(app: &str, problem: &Problem, is_deployed: bool) -> Self {
        Self {
            app: app.to_owned(),
            why: problem.text.clone(),
            next: problem.next.clone(),
            is_deployed,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let next = self.next.as_ref().map(|next| format!("; {next}"));
        format!("left out: {}: {}{}", self.app, self.why, next.unwrap_or_default())
    }
}

/// What will be done with one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The app.
    pub app: String,
    /// The unit that does it: the one with the data.
    pub unit: String,
    /// The backup that is meant; none where one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Chosen>,
    /// The action's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The command that does the same by hand.
    pub command: String,
    /// How it is imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Box<ImportPlan>>,
    /// Where it is more than that action: the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Box<Stages>>,
}

/// The backup that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Bytes that it holds; a snapshot does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// What is to be done.
    pub job: Job,
    /// The apps by name; `None` for all.
    pub apps: Option<&'a [String]>,
    /// Which backup of each.
    pub choice: Choice,
    /// More parameters of the action.
    pub parameters: BTreeMap<String, String>,
}

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The model, by its own name.
    pub model: &'a str,
    /// The apps.
    pub apps: &'a [App],
    /// Where Velero stores backups, as it was before the backups were read.
    pub locations: &'a [Location],
    /// The unit with the data of each app, by its number.
    pub data_units: &'a BTreeMap<String, u32>,
    /// The way to Juju, for the commands that are shown.
    pub juju: &'a Juju,
    /// The time.
    pub now: Timestamp,
}

/// Plans it. An app that was named is planned, or there is no plan; of all apps those are left out that cannot be.
///
/// # Errors
/// The first app that was named and cannot be planned; or that there is nothing to do.
pub fn plan(wanted: &Wanted<'_>, known: Known<'_>) -> Result<Plan, Problem> {
    let mut items = Vec::new();
    let mut left_out = Vec::new();
    match wanted.apps {
        Some(names) => {
            for (number, name) in names.iter().enumerate() {
                if names.iter().take(number).any(|before| before == name) {
                    continue;
                }
                let app = known.apps.iter().find(|app| app.id.app == *name);
                items.push(item(wanted, known, name, app)?);
            }
        }
        None => {
            for app in known.apps {
                match item(wanted, known, &app.id.app, Some(app)) {
                    Ok(item) => items.push(item),
                    Err(problem) => left_out.push((app, problem)),
                }
            }
        }
    }
    if items.is_empty() {
        let Known { model, .. } = known;
        return Err(match left_out.into_iter().next() {
            Some((_, first)) => first,
            None => Problem::new(
                Kind::Failed,
                format!("model {model} has no app that can be backed up"),
                "configuratarr status; juju models shows the others",
            ),
        });
    }
    Ok(Plan {
        made: known.now.to_string(),
        model: known.model.to_owned(),
        juju_model: known.juju.model().unwrap_or(known.model).to_owned(),
        job: wanted.job,
        items,
        left_out: left_out
            .iter()
            .map(|(app, problem)| LeftOut::new(&app.id.app, problem, app.juju.is_some()))
            .collect(),
    })
}

fn item(wanted: &Wanted<'_>, known: Known<'_>, name: &str, app: Option<&App>) -> Result<Item, Problem> {
    let Known { model, now, .. } = known;
    let Some(app) = app else {
        return Err(Problem::new(
            Kind::Failed,
            format!("model {model} has no app {name} that can be backed up, and there is no backup of one"),
            "configuratarr status shows the apps; another model: --model",
        ));
    };
    let Some(juju) = &app.juju else {
        return Err(Problem::new(
            Kind::Failed,
            format!(
                "{name} is not deployed in model {model}; there are {} backups of it",
                app.backups.len()
            ),
            format!(
                "to have it again with its content: {}",
                to_redeploy(known.juju, name)
            ),
        ));
    };
    let Some(leader) = juju.unit() else {
        return Err(Problem::new(
            Kind::Failed,
            format!("{name} has no unit"),
            known.juju.typed(&["scale-application", name, "1"]),
        ));
    };
    let unit = match known.data_units.get(name) {
        Some(number) => format!("{name}/{number}"),
        None => leader.to_owned(),
    };
    let backup = match wanted.job {
        Job::Backup | Job::Refresh => None,
        Job::Verify => Some(backups::choose(&app.backups, &wanted.choice, &app.id, now)?),
        Job::Preview | Job::Restore | Job::Import | Job::Redeploy => Some(backups::choose_of_all_read(
            &app.backups,
            Ok(known.locations),
            &wanted.choice,
            &app.id,
            now,
        )?),
    };
    // Two of one kind wait for each other in Juju; a restore beside a backup is refused by the charm, at its end or its beginning.
    let in_the_way = match wanted.job {
        // That one app is removed: nothing of it may be under way. What a refresh cuts off is lost.
        Job::Import | Job::Refresh => app.in_flight.first(),
        Job::Backup | Job::Restore | Job::Redeploy => {
            app.in_flight.iter().find(|work| work.what != Work::Verify)
        }
        Job::Verify | Job::Preview => None,
    };
    if let Some(work) = in_the_way {
        return Err(Problem::new(
            Kind::Failed,
            format!("a {} of {name} is under way", work.what.word()),
            format!(
                "{} shows how far it is; try again at its end",
                known.juju.own("status")
            ),
        ));
    }
    let mut parameters = wanted.parameters.clone();
    if let Some(backup) = backup {
        parameters.insert("backup-uid".to_owned(), backup.uid.clone());
    }
    let command = known
        .juju
        .command(&Juju::run_arguments(&unit, wanted.job.action(), &parameters));
    Ok(Item {
        app: name.to_owned(),
        backup: backup.map(|backup| Chosen {
            uid: backup.uid.clone(),
            name: backup.name.clone(),
            started: backup.started.map(|started| started.to_string()),
            bytes: backup.holds.bytes(),
        }),
        unit,
        parameters,
        command,
        import: None,
        stages: None,
    })
}

impl Plan {
    /// What a person types to say that it is meant: the app's name, or how many are meant.
    pub fn password(&self) -> String {
        match self.items.as_slice() {
            [only] => only.app.clone(),
            several => format!("{} {} apps", self.job.word(), several.len()),
        }
    }

    /// For people, with the commands that it stands for: they name the backups by uid.
    pub fn page(&self, now: Timestamp) -> Page {
        let dash = || "-".to_owned();
        let mut rows: Vec<Vec<Cell>> = vec![
            ["APP", "UNIT", "BACKUP OF", "AGE", "SIZE"]
                .map(Cell::from)
                .to_vec(),
        ];
        rows.extend(self.items.iter().map(|item| {
            let backup = item.backup.as_ref();
            let started = backup.and_then(|backup| backup.started.as_deref()?.parse::<Timestamp>().ok());
            vec![
                item.app.as_str().into(),
                item.unit.as_str().into(),
                started.map_or_else(dash, time).into(),
                started.map_or_else(dash, |started| age(started, now)).into(),
                match backup {
                    Some(backup) => backup.bytes.map_or_else(|| "snapshot".to_owned(), size),
                    None => dash(),
                }
                .into(),
            ]
        }));
        if matches!(self.job, Job::Backup | Job::Refresh) {
            for row in &mut rows {
                row.truncate(2);
            }
        }
        let page = Page::default()
            .line(format!("{} in model {}:", self.job.word(), self.model))
            .rows(rows)
            .line("By hand:");
        let juju = Juju::new(Some(self.juju_model.clone()));
        let by_hand = self
            .items
            .iter()
            .flat_map(|item| match (&item.stages, &item.import) {
                (Some(stages), _) => stages.by_hand(item, &juju),
                (None, Some(import)) => import.by_hand(item, &self.model, &juju),
                (None, None) => vec![item.command.clone()],
            });
        let page = by_hand.fold(page, |page, command| {
            page.line(Cell::command(format!("  {command}"), Tone::Plain))
        });
        let notes = self.items.iter().filter_map(|item| item.stages.as_ref());
        let page = notes
            .flat_map(|stages| stages.notes())
            .fold(page, |page, note| page.line(Cell::new(note, Tone::Warning)));
        self.left_out
            .iter()
            .fold(page, |page, app| page.line(Cell::new(app.text(), Tone::Warning)))
    }
}

#[cfg(test)]
mod tests;
