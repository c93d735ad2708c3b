//! Names in backticks, held against the code, word by word: part of a name is no name.
//!
//! Files are there. Whatever has a hyphen (options, actions, scenarios, crates, labels) or an underscore (metrics, fields) is somewhere in the code. What begins with
//! two hyphens is an option of some program. `NAME=VALUE` names an option of a charm or a parameter of an action. Metrics and alerts are those of the charm.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use clap::CommandFactory;
use workload_charm::alerts::ALERTS;
use workload_charm::exporter::metrics::METRICS;

use super::files;
use super::markdown::Document;
use crate::foreign::FOREIGN;
use crate::generate::repository;
use crate::reference::Charms;

/// Endings of files that are code: all that is no text for people.
const CODE: [&str; 11] = [
    ".rs", ".yaml", ".toml", ".json", ".sh", ".tf", ".hcl", ".go", ".py", ".snap", ".txt",
];

/// Endings of files that texts name without a folder.
const FILES: [&str; 11] = [
    ".rs", ".yaml", ".toml", ".json", ".md", ".svg", ".xml", ".ini", ".db", ".lock", ".tf",
];

/// What the names of all metrics begin with.
const METRIC: &str = "config_backup";
/// What the names of alerts begin with.
const ALERT: [&str; 6] = [
    "ConfigBackup",
    "ConfigExporter",
    "ConfigLastBackup",
    "ConfigSchedule",
    "ConfigStorage",
    "ConfigVerify",
];

/// What belongs to others, and is named because people type or see it there.
const OF_OTHERS: &[&str] = &[
    // charmcraft, git, shells
    "destructive-mode",
    "git-tree-state",
    // Juju's
    "unit-radarr-0",
    "show-operation",
    "remove-relation",
    "remove-application",
    "import-filesystem",
    "attach-storage",
    "export-bundle",
    "caas-image-repo",
    "upgrading-from",
    "update-status",
    "debug-log",
    "add-model",
    "radarr-k8s",
    // Charmarr's
    "api-key-rotation",
    "ingress-path",
    // Linux's
    "copy_file_range",
    // placeholders
    "radarr-config",
];

/// What stands before an equals sign and is neither an option of a charm nor a parameter of an action.
const OTHER_KEYS: &[&str] = &["key"];

/// Options of programs that are not this repository's, named alone.
const OTHER_FLAGS: &[&str] = &[
    // kubectl's, juju's
    "--subresource",
    "--params",
];

/// The words of a text: the longest runs of what may be part of one.
fn words(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |letter| !is_part(letter))
        .filter(|word| !word.is_empty())
}

/// All that the code says, as words of each kind.
struct Vocabulary {
    hyphened: BTreeSet<String>,
    underscored: BTreeSet<String>,
    flags: BTreeSet<String>,
    files: BTreeSet<String>,
    /// Options of charms, and parameters of actions.
    settings: BTreeSet<String>,
    metrics: BTreeSet<&'static str>,
    alerts: BTreeSet<&'static str>,
}

impl Vocabulary {
    /// Read once for all tests: it is all of the code.
    fn get() -> &'static Self {
        static READ: OnceLock<Vocabulary> = OnceLock::new();
        READ.get_or_init(|| {
            let repository = repository().unwrap();
            Self::read(&repository, &files::tracked(&repository).unwrap())
        })
    }

    fn read(repository: &Path, all: &[String]) -> Self {
        let is_code = |path: &&String| {
            CODE.iter().any(|ending| path.ends_with(ending)) || !path.contains('.') || path.starts_with('.')
        };
        let code: Vec<String> = all
            .iter()
            .filter(is_code)
            .filter(|path| !path.contains("/data/") || path.ends_with(".yaml"))
            .filter(|path| !path.contains("src/texts/"))
            .filter_map(|path| std::fs::read_to_string(repository.join(path)).ok())
            .collect();
        let of_code = |is_part: fn(char) -> bool| {
            let all = code.iter().flat_map(|text| words(text, is_part));
            all.map(str::to_owned).collect::<BTreeSet<String>>()
        };
        let dashed = of_code(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        let mut flags: BTreeSet<String> = dashed
            .iter()
            .filter(|word| word.starts_with("--"))
            .cloned()
            .collect();
        flags.extend(flags_of(&configuratarr::args::definition(None)));
        flags.extend(flags_of(&crate::Arguments::command()));
        // The test bed's are the fields of a type.
        let of_bed = std::fs::read_to_string(repository.join("tests/e2e/src/arguments.rs")).unwrap();
        let fields = of_bed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
        let is_field = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        };
        flags.extend(
            fields
                .filter(|(name, _)| is_field(name))
                .map(|(name, _)| format!("--{}", name.replace('_', "-"))),
        );
        flags.extend(OTHER_FLAGS.iter().map(|flag| (*flag).to_owned()));
        let base = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut files = of_code(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        files.extend(all.iter().map(base));
        Self {
            hyphened: dashed
                .iter()
                .map(|word| word.trim_matches('-').to_owned())
                .collect(),
            underscored: of_code(|letter| letter.is_ascii_alphanumeric() || letter == '_'),
            flags,
            files,
            settings: settings(repository),
            metrics: METRICS.iter().map(|metric| metric.name).collect(),
            alerts: ALERTS.iter().map(|alert| alert.name).collect(),
        }
    }

    /// Why a name in backticks is none; `None` where it is one, or says nothing that is held here.
    fn problem(&self, span: &str) -> Option<String> {
        let word = span
            .split(['=', ' ', '{', '(', '[', ','])
            .next()
            .unwrap_or_default();
        let missing = |what: &str| Some(format!("{what} {span}"));
        if let Some(flag) = span.split(' ').find(|word| is_flag(word)) {
            let flag = flag.split('=').next().unwrap_or_default();
            return match self.flags.contains(flag) {
                true => None,
                false => missing("option"),
            };
        }
        if word.starts_with(METRIC) {
            return match self.metrics.contains(word) {
                true => None,
                false => missing("metric"),
            };
        }
        let value = span.strip_prefix(word).and_then(|rest| rest.strip_prefix('='));
        let is_setting = value.is_some_and(|value| !value.is_empty());
        if is_setting && is_lower(word) {
            return match self.settings.contains(word) || OTHER_KEYS.contains(&word) {
                true => None,
                false => missing("option or parameter"),
            };
        }
        if is_name(word) && !self.hyphened.contains(word) && !OF_OTHERS.contains(&word) {
            return missing("name");
        }
        if is_field(word) && !self.underscored.contains(word) && !OF_OTHERS.contains(&word) {
            return missing("field");
        }
        if is_file(span) && !self.files.contains(span) {
            return missing("file");
        }
        None
    }

    /// Names of alerts that are none, anywhere in a text.
    fn wrong_alerts<'a>(&self, text: &'a str) -> Vec<&'a str> {
        words(text, |letter| letter.is_ascii_alphanumeric())
            .filter(|word| ALERT.iter().any(|begin| word.starts_with(begin)))
            .filter(|word| !self.alerts.contains(word))
            .collect()
    }
}

/// The long options of a program and all its commands.
fn flags_of(program: &clap::Command) -> Vec<String> {
    let own = program.get_arguments().filter_map(clap::Arg::get_long);
    let mut all: Vec<String> = own.map(|flag| format!("--{flag}")).collect();
    all.extend(["--help".to_owned(), "--version".to_owned()]);
    all.extend(program.get_subcommands().flat_map(flags_of));
    all
}

/// Options of all charms that are known, and parameters of their actions.
fn settings(repository: &Path) -> BTreeSet<String> {
    let charms = Charms::read(repository).unwrap();
    let mut found = BTreeSet::new();
    for charm in charms.all.iter().chain([&charms.with_tiers]) {
        found.extend(charm.options.keys().cloned());
        let parameters = charm
            .actions
            .values()
            .filter_map(|action| action["params"].as_object());
        found.extend(parameters.flat_map(|all| all.keys().cloned()));
    }
    for foreign in FOREIGN {
        found.extend(foreign.options.iter().map(|(name, _)| (*name).to_owned()));
        let parameters = foreign.actions.iter().flat_map(|(_, parameters)| *parameters);
        found.extend(parameters.map(|name| (*name).to_owned()));
    }
    found
}

fn is_flag(word: &str) -> bool {
    word.strip_prefix("--")
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

fn is_lower(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.starts_with(|letter: char| letter.is_ascii_lowercase()) && text.chars().all(fits)
}

fn is_name(text: &str) -> bool {
    text.contains('-') && !text.ends_with('-') && is_lower(text)
}

fn is_field(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    text.trim_matches('_').contains('_') && text.chars().all(fits)
}

fn is_file(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    FILES.iter().any(|ending| text.ends_with(ending))
        && text.len() > 4
        && text.chars().all(fits)
        && !text.contains("NAME")
        && !text.contains("APP")
}

/// A path below the repository's root, without wildcards and words for a choice.
fn is_path(text: &str, roots: &[String]) -> bool {
    let Some((root, rest)) = text.split_once('/') else {
        return false;
    };
    roots.iter().any(|is| is == root)
        && !rest.contains(['*', '{', ' ', '<', '…'])
        && !rest
            .split('/')
            .any(|part| part.starts_with("NAME") || part.starts_with("APP"))
}

#[test]
fn what_is_named_is_there() {
    let repository = repository().unwrap();
    let all = files::tracked(&repository).unwrap();
    let mut roots: Vec<String> = all
        .iter()
        .filter_map(|path| Some(path.split_once('/')?.0.to_owned()))
        .collect();
    roots.dedup();
    let vocabulary = Vocabulary::get();
    let mut missing = Vec::new();
    let (mut names, mut paths) = (0, 0);
    for (path, text) in files::texts(&repository).unwrap() {
        if files::is_history(&path) {
            continue;
        }
        for alert in vocabulary.wrong_alerts(&text) {
            missing.push(format!("{path}: alert {alert}"));
        }
        for (line, span) in Document::of(&text).spans {
            if is_path(&span, &roots) {
                paths += 1;
                // Paths of Rust begin with the name of a module, and generated ones are not there yet.
                let file = span.split([':', '#']).next().unwrap();
                let is_made = file.starts_with("target/");
                // From the repository's root, or from that of the crate that the text is about.
                let mut folders = Path::new(&path).ancestors().skip(1);
                if !is_made && !folders.any(|folder| repository.join(folder).join(file).exists()) {
                    missing.push(format!("{path}:{line}: file {span}"));
                }
                continue;
            }
            names += 1;
            if let Some(problem) = vocabulary.problem(&span) {
                missing.push(format!("{path}:{line}: {problem}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "named in a text, and nowhere in the code:\n{}",
        missing.join("\n")
    );
    assert!(
        names > 1500 && paths > 60,
        "only {names} names and {paths} paths were looked at"
    );
}

#[test]
fn a_wrong_name_is_found() {
    let vocabulary = Vocabulary::get();
    for right in [
        "backup-schedule",
        "backup-schedule=daily",
        "backup-uid=latest",
        "use-node-agent=true",
        "config_backup_cluster_readable 0",
        "--trust",
        "--dry-run",
        "--all-veleros",
        "charmcraft.yaml",
        "config.xml",
        "daily",
        "/config",
        "GET",
    ] {
        assert_eq!(vocabulary.problem(right), None, "{right}");
    }
    for wrong in [
        // Each is a part of a name, or one with a letter more.
        "backup-schedul",
        "backup-schedules",
        "backup-schedules=daily",
        "uid=latest",
        "config_backup_cluster_readabl",
        "config_backup_cluster_readables 0",
        "--truth",
        "--dry-runs",
        "charmcrafts.yaml",
        "config_backups_of_all",
        "copied_databases_of_nobody",
    ] {
        assert!(vocabulary.problem(wrong).is_some(), "{wrong}");
    }
    let text = "[ConfigBackupBad](x) and ConfigBackupWorse, of a ConfigMap";
    assert_eq!(vocabulary.wrong_alerts(text), ["ConfigBackupWorse"]);
}

#[test]
fn a_name_and_a_path_are_told_from_prose() {
    let roots = ["charm".to_owned()];
    assert!(is_path("charm/tests/x.rs", &roots));
    for no in ["charm", "a/b", "charm/apps/NAME.yaml", "charm/*.rs"] {
        assert!(!is_path(no, &roots), "{no}");
    }
    assert!(is_name("backup-schedule"));
    for no in ["daily", "--trust", "a_b-c", "Backup-x", "x-"] {
        assert!(!is_name(no), "{no}");
    }
    assert!(is_field("config_backup_bytes") && !is_field("__") && !is_field("APP_ID"));
    assert!(is_file("config.xml") && !is_file("NAME.yaml") && !is_file(".rs"));
}
