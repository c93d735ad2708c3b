//! The story itself: each step does what a person would do, looks, and fails if it does not see what it should.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use juju_sim::{ActionResult, ClusterOptions, OperatorOptions, Options, Simulation};
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::svg::Stretch;
use system_tests::{radarr, room};

use super::act::{act, steps, text};
use super::database::{self, COUNTED, Content, DAMAGE};
use super::render::{Screen, Shown, bold, faint, plain, red, shown, verdict};

/// The unit that runs Radarr.
pub const UNIT: &str = "radarr/0";
const ENDPOINT: &str = "velero-backup-config";
const DATABASE: &str = "radarr.db";
/// Letters in a line of a value.
const WIDTH: usize = 92;

/// What is deleted after the restore, to see whether the comparison notices.
const SPOIL: &str = "DELETE FROM Indexers WHERE Id = (SELECT min(Id) FROM Indexers);";

/// What was played.
pub struct Told {
    /// All lines that were shown.
    pub lines: Vec<Vec<Stretch>>,
    /// The same for programs.
    pub document: Value,
    /// Tables that are not as they were before the damage.
    differing: Vec<String>,
}

impl Told {
    /// Whether the restore has brought back what there was.
    ///
    /// # Errors
    /// When it has not.
    pub fn judged(&self) -> Result<()> {
        match self.differing.as_slice() {
            [] => Ok(()),
            differing => bail!("not restored: {}", differing.join(", ")),
        }
    }
}

/// Plays it, in a folder of its own that is removed at the end.
pub fn play(binaries: &Binaries, spoil: bool, mut screen: Screen<'_>) -> Result<Told> {
    let folder = room::folder()?;
    let options = Options {
        model: "media".to_owned(),
        executable: Some(binaries.juju_sim.clone()),
        cluster: ClusterOptions {
            velero_works: true,
            ..ClusterOptions::default()
        },
        ..Options::default()
    };
    let juju = RefCell::new(Simulation::create(folder.path().join("juju"), options)?);
    let charm = folder.path().join("charm");
    let file = || juju.borrow().storage_dir(UNIT, "config").join(DATABASE);

    screen.line(vec![faint(
        "Simulated: Juju, Kubernetes, Velero and Radarr's program. Real: the charm, SQLite, every file.",
    )])?;
    let mut open = None;
    screen.step(
        "Deploy Radarr and velero-operator",
        &[
            &format!(
                "juju deploy ./radarr_amd64.charm radarr --trust --storage config=5G \\\n  --resource {}={}",
                radarr::RESOURCE,
                radarr::IMAGE
            ),
            "juju deploy velero-operator --trust --config use-node-agent=true",
        ],
        |_| {
            let mut juju = juju.borrow_mut();
            let mut deploy = radarr::deploy(&charm, binaries)?;
            deploy.trust = true;
            juju.deploy(deploy)?;
            juju.deploy_velero_operator(OperatorOptions::default())?;
            let database = juju.storage_dir(UNIT, "config").join(DATABASE);
            open = Some(database::fill(&database)?);
            Ok(vec![
                status(&juju)?,
                shown(DATABASE, counted(&Content::of(&database)?)),
            ])
        },
    )?;
    let before = Content::of(&file())?;

    screen.step(
        "Ask for backups",
        &["juju integrate radarr velero-operator"],
        |_| {
            let mut juju = juju.borrow_mut();
            juju.integrate("radarr", "velero-operator")?;
            Ok(vec![
                Shown {
                    label: "asked for",
                    lines: asked_for(&juju)?,
                },
                status(&juju)?,
            ])
        },
    )?;

    screen.step(
        "Make one now, while Radarr has its database open",
        &["juju run radarr/0 backup-now"],
        |progress| {
            let made = act(&mut juju.borrow_mut(), "backup-now", &json!({}), progress)?;
            let said = last_said(&made)?;
            Ok(vec![shown("backup", said.trim_start_matches("backup "))])
        },
    )?;

    screen.step(
        "An accident: the wrong selection is deleted",
        &["sqlite3 radarr.db 'DELETE FROM Movies WHERE Id > 100; …'"],
        |_| {
            // Radarr's own connection goes with what it had open.
            drop(open.take());
            database::change(&file(), DAMAGE)?;
            Ok(vec![shown(DATABASE, counted(&Content::of(&file())?))])
        },
    )?;
    let damaged = Content::of(&file())?;
    ensure!(damaged != before, "the accident has changed nothing");

    screen.step(
        "Ask what a restore would change",
        &["juju run radarr/0 restore-from-backup backup-uid=latest dry-run=true"],
        |progress| {
            let parameters = json!({"backup-uid": "latest", "dry-run": true});
            let shown = act(
                &mut juju.borrow_mut(),
                "restore-from-backup",
                &parameters,
                progress,
            )?;
            let differences = result(&shown, "differences")?;
            let parts: Vec<&str> = differences.lines().collect();
            Ok(vec![Shown {
                label: "changes",
                lines: wrapped(&parts, "; "),
            }])
        },
    )?;

    screen.step(
        "Restore",
        &["juju run radarr/0 restore-from-backup backup-uid=latest"],
        |progress| {
            let parameters = json!({"backup-uid": "latest"});
            let done = act(
                &mut juju.borrow_mut(),
                "restore-from-backup",
                &parameters,
                progress,
            )?;
            ensure!(
                result(&done, "result")? == "restored",
                "the action says {:?}",
                done.results
            );
            let steps = steps(&done);
            ensure!(steps.len() == 8, "the action told of {steps:?} only");
            Ok(vec![
                Shown {
                    label: "steps",
                    lines: wrapped(&steps, " → "),
                },
                shown("to undo", result(&done, "undo")?),
                status(&juju.borrow())?,
            ])
        },
    )?;
    if spoil {
        database::change(&file(), SPOIL)?;
    }
    let restored = Content::of(&file())?;
    let told = compare(&mut screen, &before, &damaged, &restored)?;
    juju.into_inner().destroy()?;
    Ok(told)
}

/// The end of the story: the rows, side by side.
fn compare(screen: &mut Screen<'_>, before: &Content, damaged: &Content, restored: &Content) -> Result<Told> {
    screen.line(vec![bold(format!(
        "{:19}{:>10}{:>10}{:>10}",
        "rows", "before", "damaged", "restored"
    ))])?;
    let mut rows = Vec::new();
    for (what, table) in COUNTED {
        let [was, left, is] = [before, damaged, restored].map(|content| content.rows(table));
        screen.line(vec![
            plain(format!("   {what:16}{was:>10}")),
            red(format!("{left:>10}")),
            plain(format!("{is:>10}")),
        ])?;
        rows.push(json!({"what": what, "before": was, "damaged": left, "restored": is}));
    }
    let differing: Vec<String> = before
        .differing(restored)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let is_good = differing.is_empty();
    let text = match is_good {
        true => format!(
            "Restored: every row of all {} tables is as it was before.",
            before.tables()
        ),
        false => format!("NOT restored: rows differ in {}.", differing.join(", ")),
    };
    screen.line(vec![verdict(&text, is_good)])?;
    Ok(Told {
        lines: std::mem::take(&mut screen.lines),
        document: json!({"rows": rows, "tables": before.tables(), "restored": is_good, "differing": differing}),
        differing,
    })
}

fn counted(content: &Content) -> String {
    let counts = COUNTED.map(|(what, table)| format!("{} {what}", content.rows(table)));
    counts.join(", ")
}

fn status(juju: &Simulation) -> Result<Shown> {
    let status = juju.status(UNIT)?.workload;
    ensure!(
        status.current == "active",
        "radarr is {}: {}",
        status.current,
        status.message
    );
    let text = format!("{}: {}", status.current, status.message);
    let parts: Vec<&str> = text.split("; ").collect();
    Ok(Shown {
        label: "status",
        lines: wrapped(&parts, "; "),
    })
}

/// What the databag asks of velero-operator, without what it leaves open.
fn asked_for(juju: &Simulation) -> Result<Vec<String>> {
    let bag = juju
        .app_bag("radarr", ENDPOINT)
        .context("radarr wrote no databag")?;
    let spec: BTreeMap<String, Value> =
        serde_json::from_str(bag.get("spec").context("the databag has no spec")?)?;
    let said = |names: &[&str]| {
        let fields = names.iter().filter_map(|name| {
            let value = spec.get(*name).filter(|value| !value.is_null())?;
            Some(format!("{name} {}", in_words(value)))
        });
        fields.collect::<Vec<_>>().join("; ")
    };
    Ok(vec![
        said(&["include_namespaces", "label_selector"]),
        said(&["include_resources"]),
        said(&["schedule", "ttl"]),
    ])
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let pairs = fields
                .iter()
                .map(|(key, value)| format!("{key}={}", in_words(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn result(action: &ActionResult, name: &str) -> Result<String> {
    let found = action.results.get(name).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("the action has no result {name}"))
}

fn last_said(action: &ActionResult) -> Result<String> {
    let last = action.log.last().context("the action said nothing")?;
    Ok(text(last).to_owned())
}

/// Parts in lines that are not too long.
fn wrapped(parts: &[&str], between: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (number, part) in parts.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        let piece = format!("{part}{}", if is_last { "" } else { between });
        match lines.last_mut() {
            Some(line) if line.chars().count() + piece.chars().count() <= WIDTH => line.push_str(&piece),
            _ => lines.push(piece),
        }
    }
    lines
}
