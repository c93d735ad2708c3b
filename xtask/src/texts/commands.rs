//! Commands in texts: `cargo`, `configuratarr`, `juju` and `juju-sim`, as far as the code knows what they take.
//!
//! In a block of shell each command is held; in one without a language each line that begins with one of these programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::CommandFactory;
use clap::error::ErrorKind;
use serde_json::Value;

use super::markdown::Document;
use super::shell::commands;
use super::{files, programs};
use crate::foreign;
use crate::generate::repository;
use crate::reference::{Charm, Charms};

/// Verbs of `juju` that texts name.
const JUJU: &[&str] = &[
    "add-model",
    "add-secret",
    "add-unit",
    "actions",
    "cancel-task",
    "config",
    "create-storage-pool",
    "debug-log",
    "deploy",
    "download",
    "export-bundle",
    "grant-secret",
    "help",
    "import-filesystem",
    "info",
    "integrate",
    "logout",
    "operations",
    "refresh",
    "remove-application",
    "remove-relation",
    "resolved",
    "resources",
    "run",
    "scale-application",
    "secrets",
    "show-operation",
    "show-secret",
    "show-task",
    "show-unit",
    "ssh",
    "status",
    "storage",
    "trust",
    "version",
    "whoami",
    // The plugin, as it is installed by the archive.
    "configuratarr",
];

/// Those of `cargo`, beside the project's own.
const CARGO: &[&str] = &[
    "bench", "build", "check", "clippy", "doc", "fmt", "fuzz", "install", "new", "package", "run", "rustc",
    "test",
];

/// The programs whose commands are held.
const PROGRAMS: [&str; 4] = ["cargo", "configuratarr", "juju", "juju-sim"];

/// What commands are held against.
struct Known {
    repository: PathBuf,
    charms: Charms,
    /// What the charms in `examples` declare, by name.
    examples: BTreeMap<String, Value>,
    scenarios: BTreeSet<String>,
    crates: BTreeSet<String>,
    e2e_arguments: String,
    /// The simulated `juju`.
    juju: clap::Command,
}

impl Known {
    fn read() -> Self {
        let repository = repository().unwrap();
        let all = files::tracked(&repository).unwrap();
        let read = |path: &str| std::fs::read_to_string(repository.join(path)).unwrap();
        let named = |text: &str| {
            let lines = text.lines().map(str::trim);
            let names = lines.filter_map(|line| line.strip_prefix("name: \"")?.split('"').next());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let scenarios = all
            .iter()
            .filter(|path| path.starts_with("tests/e2e/src/scenarios/"))
            .flat_map(|path| named(&read(path)))
            .collect();
        let crates = all
            .iter()
            .filter(|path| path.ends_with("Cargo.toml"))
            .filter_map(|path| {
                let manifest = read(path);
                let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
                Some(name.trim_end_matches('"').to_owned())
            })
            .collect();
        let is_example = |path: &&String| path.starts_with("examples/") && path.ends_with("/charmcraft.yaml");
        let declared = |path: &String| {
            let declared: Value = serde_yaml::from_str(&read(path)).unwrap();
            (declared["name"].as_str().unwrap().to_owned(), declared)
        };
        Self {
            charms: Charms::read(&repository).unwrap(),
            examples: all.iter().filter(is_example).map(declared).collect(),
            scenarios,
            crates,
            e2e_arguments: read("tests/e2e/src/arguments.rs"),
            juju: juju_sim::cli::definition_of_juju(),
            repository,
        }
    }

    /// Charms that a word in a command may mean: one by its name, all of them by a word in capitals.
    fn charms(&self, app: &str) -> Option<Vec<&Charm>> {
        let app = app.split('/').next().unwrap_or_default();
        let is_any = !app.is_empty()
            && app
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_');
        let all = self.charms.all.iter();
        let mut found: Vec<&Charm> = all.filter(|charm| is_any || charm.profile.name == app).collect();
        // What only an app with tiers has.
        if is_any || app == self.charms.with_tiers.profile.name {
            found.push(&self.charms.with_tiers);
        }
        (!found.is_empty()).then_some(found)
    }

    fn check(&self, words: &[String], is_whole: bool) -> Result<(), String> {
        match words.first().map(String::as_str) {
            Some("cargo") => self.cargo(&words[1..]),
            Some("configuratarr") => configuratarr(words, is_whole),
            Some("juju") => self.juju(&words[1..]),
            Some("juju-sim") => match words.get(1).map(String::as_str) {
                Some("juju") => self.juju(&words[2..]),
                _ => parsed(&mut juju_sim::cli::definition(), words, false),
            },
            _ => Ok(()),
        }
    }

    fn cargo(&self, words: &[String]) -> Result<(), String> {
        let Some(verb) = words
            .first()
            .map(String::as_str)
            .filter(|verb| !verb.starts_with(['-', '+']))
        else {
            return Ok(());
        };
        match verb {
            "demo" | "xtask" => {
                let skipped = usize::from(verb == "xtask");
                let typed = ["xtask".to_owned()].into_iter();
                let typed: Vec<String> = typed.chain(words[skipped..].iter().cloned()).collect();
                if verb == "xtask" && typed.get(1).is_none_or(|command| command == "…") {
                    return Ok(());
                }
                parsed(&mut crate::Arguments::command(), &typed, false)
            }
            "e2e" => {
                for (number, word) in words.iter().enumerate() {
                    if let Some(flag) = word.strip_prefix("--") {
                        let field = flag.replace('-', "_");
                        if !self.e2e_arguments.contains(&format!(" {field}: ")) {
                            return Err(format!("cargo e2e has no {word}"));
                        }
                    }
                    let is_scenario = number > 0 && words[number - 1] == "--only" && !is_placeholder(word);
                    if is_scenario && !self.scenarios.contains(word) {
                        return Err(format!("there is no scenario {word}"));
                    }
                }
                Ok(())
            }
            verb if CARGO.contains(&verb) => {
                let of = |flag: &str| {
                    let at = words.iter().position(|word| word == flag)?;
                    words.get(at + 1).filter(|name| !is_placeholder(name))
                };
                if let Some(name) = of("-p").or_else(|| of("--package"))
                    && !self.crates.contains(name)
                {
                    return Err(format!("there is no crate {name}"));
                }
                if let Some(test) = of("--test")
                    && !programs::has_test(&self.repository, test)
                {
                    return Err(format!("there is no test program {test}"));
                }
                Ok(())
            }
            "mutants" | "…" => Ok(()),
            verb => Err(format!("cargo has no {verb} here")),
        }
    }

    fn juju(&self, words: &[String]) -> Result<(), String> {
        let Some(verb) = words.first().filter(|verb| !verb.starts_with(['-', '…'])) else {
            return Ok(());
        };
        if !JUJU.contains(&verb.as_str()) {
            return Err(format!("juju {verb} is not known here"));
        }
        self.flags_of_juju(verb, words)?;
        let rest = &words[1..];
        // What stands behind a flag with a value is no argument.
        let mut arguments: Vec<&str> = Vec::new();
        let mut of_flags: Vec<(&str, &str)> = Vec::new();
        let mut words = rest.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                arguments.push(word);
            } else if VALUED.contains(&word)
                && let Some(value) = words.next()
            {
                of_flags.push((word, value));
            }
        }
        match verb.as_str() {
            "run" => self.run(&arguments),
            "config" => {
                let Some((app, settings)) = arguments.split_first() else {
                    return Ok(());
                };
                let resets = of_flags
                    .iter()
                    .filter(|(flag, _)| *flag == "--reset")
                    .map(|(_, name)| *name);
                settings
                    .iter()
                    .copied()
                    .chain(resets)
                    .try_for_each(|setting| self.option(app, setting))
            }
            "deploy" => self.deploy(&arguments, &of_flags),
            "integrate" | "remove-relation" => arguments.iter().try_for_each(|side| self.endpoint(side)),
            _ => Ok(()),
        }
    }

    /// Whether an example has an entry of this name in a section of its charmcraft.yaml; `None` when there is no such example.
    fn example_has(&self, app: &str, section: &str, name: &str) -> Option<bool> {
        let declared = self.examples.get(app)?;
        let section = section.split('.').fold(declared, |value, key| &value[key]);
        Some(section.get(name).is_some())
    }

    /// Options of a verb that the simulated Juju has: it takes those that were read in Juju's sources.
    fn flags_of_juju(&self, verb: &str, words: &[String]) -> Result<(), String> {
        let Some(known) = self.juju.find_subcommand(verb) else {
            return Ok(());
        };
        let has = |long: &str| {
            let arguments = known.get_arguments().chain(self.juju.get_arguments());
            let mut longs = arguments.filter_map(clap::Arg::get_long);
            longs.any(|known| known == long) || FLAGS.contains(&(verb, long)) || long == "help"
        };
        let mut longs = words.iter().filter_map(|word| word.strip_prefix("--"));
        let unknown = longs.find(|word| {
            let long = word.split('=').next().unwrap_or_default();
            !long.is_empty() && !has(long)
        });
        unknown.map_or(Ok(()), |long| Err(format!("juju {verb} has no --{long} here")))
    }

    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let [unit, action, parameters @ ..] = arguments else {
            return Ok(());
        };
        if is_placeholder(action) {
            return Ok(());
        }
        let parameters = parameters
            .iter()
            .filter_map(|parameter| Some(parameter.split_once('=')?.0));
        let names: BTreeSet<String> = match self.charms(unit) {
            Some(charms) => {
                let mut actions = charms
                    .iter()
                    .filter_map(|charm| charm.actions.get(*action))
                    .peekable();
                if actions.peek().is_none() {
                    return Err(format!("{unit} has no action {action}"));
                }
                let names = actions.filter_map(|action| action["params"].as_object());
                names.flat_map(|all| all.keys().cloned()).collect()
            }
            None if self
                .examples
                .contains_key(unit.split('/').next().unwrap_or_default()) =>
            {
                let app = unit.split('/').next().unwrap_or_default();
                if self.example_has(app, "actions", action) != Some(true) {
                    return Err(format!("{unit} has no action {action}"));
                }
                let names = self.examples[app]["actions"][action]["params"].as_object();
                names.into_iter().flat_map(|all| all.keys().cloned()).collect()
            }
            None => {
                let app = unit.split('/').next().unwrap_or_default();
                let foreign =
                    foreign::of(app).ok_or_else(|| format!("{unit} is of no charm that is known"))?;
                let found = foreign.actions.iter().find(|(name, _)| name == action);
                let (_, names) = found.ok_or_else(|| format!("{app} has no action {action}"))?;
                names.iter().map(|name| (*name).to_owned()).collect()
            }
        };
        for parameter in parameters {
            if !names.contains(parameter) && !is_placeholder(parameter) {
                return Err(format!("action {action} has no parameter {parameter}"));
            }
        }
        Ok(())
    }

    fn option(&self, app: &str, setting: &str) -> Result<(), String> {
        let name = setting.split('=').next().unwrap_or_default();
        if is_placeholder(name) {
            return Ok(());
        }
        let has_it = match (self.charms(app), self.example_has(app, "config.options", name)) {
            (Some(charms), _) => charms.iter().any(|charm| charm.options.contains_key(name)),
            (None, Some(has_it)) => has_it,
            (None, None) => foreign::of(app)
                .ok_or_else(|| format!("{app} is no charm that is known"))?
                .has_option(name),
        };
        match has_it {
            true => Ok(()),
            false => Err(format!("{app} has no option {name}")),
        }
    }

    fn deploy(&self, arguments: &[&str], of_flags: &[(&str, &str)]) -> Result<(), String> {
        let Some(charm) = arguments.first() else {
            return Ok(());
        };
        let stem = charm.rsplit('/').next().unwrap_or_default();
        let stem = stem.split(['_', '.']).next().unwrap_or_default();
        let charms = self.charms(stem);
        for (flag, value) in of_flags {
            let key = value.split('=').next().unwrap_or_default();
            let declared = |section: &str| -> Result<(), String> {
                let has_it = match (&charms, self.example_has(stem, section, key)) {
                    (Some(charms), _) => charms
                        .iter()
                        .any(|charm| charm.metadata[section].get(key).is_some()),
                    (None, Some(has_it)) => has_it,
                    (None, None) => {
                        let foreign =
                            foreign::of(stem).ok_or_else(|| format!("{charm} is no charm that is known"))?;
                        section == "storage" && foreign.has_storage(key)
                    }
                };
                has_it
                    .then_some(())
                    .ok_or_else(|| format!("{charm} has no {section} {key}"))
            };
            match *flag {
                "--config" => self.option(stem, value)?,
                "--storage" => declared("storage")?,
                "--resource" => declared("resources")?,
                _ => {}
            }
        }
        Ok(())
    }

    fn endpoint(&self, side: &str) -> Result<(), String> {
        let Some((app, endpoint)) = side.split_once(':').filter(|(_, name)| !is_placeholder(name)) else {
            return Ok(());
        };
        let of_example = self.examples.get(app).map(|declared| {
            let mut sides = ["provides", "requires", "peers"].into_iter();
            sides.any(|side| declared[side].get(endpoint).is_some())
        });
        let has_it = match (self.charms(app), of_example) {
            (Some(charms), _) => charms
                .iter()
                .any(|charm| charm.endpoints().iter().any(|(name, _, _)| name == endpoint)),
            (None, Some(has_it)) => has_it,
            (None, None) => {
                let foreign = foreign::of(app).ok_or_else(|| format!("{app} is no charm that is known"))?;
                foreign.endpoints.iter().any(|(name, _, _)| *name == endpoint)
            }
        };
        match has_it {
            true => Ok(()),
            false => Err(format!("{app} has no endpoint {endpoint}")),
        }
    }
}

/// Options of verbs that Juju has, and the simulated one does not need.
const FLAGS: &[(&str, &str)] = &[];

/// Flags of `juju` that take a value.
const VALUED: &[&str] = &[
    "--config",
    "--storage",
    "--resource",
    "--channel",
    "--revision",
    "--reset",
    "--wait",
    "--format",
    "--model",
    "-m",
    "--path",
    "--scope",
    "--container",
];

/// A word that stands for another one: `NAME`, `…`, `[APP…]`, `bash|zsh`.
fn is_placeholder(word: &str) -> bool {
    word.starts_with(['…', '['])
        || word.contains('|')
        || !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || !letter.is_alphabetic())
}

fn configuratarr(words: &[String], is_whole: bool) -> Result<(), String> {
    if words.iter().any(|word| word == "…") {
        return Ok(());
    }
    parsed(&mut configuratarr::args::definition(None), words, is_whole)
}

/// What a program says to a command line that is not its own.
fn parsed(program: &mut clap::Command, words: &[String], is_whole: bool) -> Result<(), String> {
    let Err(error) = program.try_get_matches_from_mut(words) else {
        return Ok(());
    };
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(()),
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand if !is_whole => Ok(()),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
            if words.iter().any(|word| is_placeholder(word)) =>
        {
            Ok(())
        }
        _ => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

#[test]
fn commands_of_texts_exist() {
    let known = Known::read();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for (path, text) in files::texts(&known.repository).unwrap() {
        if files::is_history(&path) {
            continue;
        }
        let document = Document::of(&text);
        for block in &document.blocks {
            let is_shell = match block.info.split(' ').next() {
                Some("sh") => true,
                Some("") | None => false,
                Some(_) => continue,
            };
            let of_programs = |line: &&str| {
                PROGRAMS
                    .iter()
                    .any(|name| line.trim_start().starts_with(&format!("{name} ")))
            };
            let text: String = match is_shell {
                true => block.text.clone(),
                false => block
                    .text
                    .lines()
                    .filter(of_programs)
                    .collect::<Vec<_>>()
                    .join("\n"),
            };
            for words in commands(&text) {
                looked_at += 1;
                if let Err(error) = known.check(&words, is_shell) {
                    wrong.push(format!("{path}:{}: {}: {error}", block.line, words.join(" ")));
                }
            }
        }
        for (line, span) in &document.spans {
            for words in commands(span) {
                looked_at += usize::from(words.len() > 1);
                if let Err(error) = known.check(&words, false) {
                    wrong.push(format!("{path}:{line}: `{span}`: {error}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "commands that are not there:\n{}",
        wrong.join("\n")
    );
    assert!(looked_at > 280, "only {looked_at} commands were looked at");
}

#[test]
fn a_wrong_command_is_found() {
    let known = Known::read();
    for right in [
        "juju run radarr/0 restore-from-backup backup-uid=latest dry-run=true",
        "juju run APP/0 verify-backup",
        "juju run velero-operator/0 create-backup target=a:b",
        "juju run valkey/0 count-keys database=1",
        "juju integrate valkey:database shop",
        "juju deploy ./website_amd64.charm --storage files=5G --config backup-schedule=@daily",
        "juju config radarr backup-schedule='0 3 * * *'",
        "juju config APP --reset backup-retention",
        "juju deploy ./radarr_amd64.charm radarr --storage config=5G --config timezone=UTC",
        "juju integrate radarr:velero-backup-config velero-operator:velero-backups",
        "configuratarr restore radarr --at x",
        "cargo e2e --only seven-apps-come-back",
        "cargo xtask pack --all",
        "cargo test -p workload-charm --test charm golden_plans",
        "juju-sim juju run radarr/0 list-backups --background",
        "juju-sim event update-status radarr/0",
    ] {
        let words = shlex::split(right).unwrap();
        assert_eq!(known.check(&words, true), Ok(()), "{right}");
    }
    for wrong in [
        "juju run radarr/0 restore-from-backups",
        "juju run radarr/0 restore-from-backup backup=latest",
        "juju run velero-operator/0 make-backup",
        "juju config radarr backup-schedules=daily",
        "juju config APP --reset retention",
        "juju deploy ./radarr_amd64.charm radarr --storage data=5G",
        "juju deploy velero-operator --config node-agent=true",
        "juju integrate radarr:backups velero-operator",
        "juju run valkey/0 count-keys base=1",
        "juju integrate valkey:data shop",
        "juju deploy ./website_amd64.charm --storage config=5G",
        "juju config website schedule=@daily",
        "juju restore radarr",
        "configuratarr restores radarr",
        "configuratarr restore radarr --when x",
        "configuratarr restore",
        "cargo e2e --only nothing-comes-back",
        "cargo e2e --fast",
        "cargo xtask packs",
        "cargo demo --yaml",
        "cargo test -p workload",
        "cargo test -p workload-charm --test golden",
        "juju run radarr/0 backup-now --waits 3m",
        "juju-sim juju run radarr/0 list-backup",
        "juju-sim events update-status radarr/0",
    ] {
        let words = shlex::split(wrong).unwrap();
        assert!(known.check(&words, true).is_err(), "{wrong}");
    }
}
