//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::problem::EXIT_CODES;

/// Recovery of media apps on Kubernetes under Juju: what is backed up, whether it comes back, and getting it back.
///
/// It asks Juju by the `juju` command and Kubernetes by your kubeconfig. The charms restore; this plans over many apps, starts them,
/// follows them and goes on after an interruption.
///
/// Without a command it is a wizard: it shows the apps and their backups, and leads through a restore.
#[derive(Debug, Parser)]
#[command(name = "configuratarr", version, long_version = VERSION, after_help = exit_codes())]
pub struct Arguments {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; the wizard, if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Says in one line what it is: `juju help plugins` asks each plugin so (Juju's `cmd/juju/commands/plugin.go`).
    #[arg(long, hide = true, exclusive = true)]
    pub description: bool,
}

/// What `--version` says after the name: release, commit, target and profile of the build.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CONFIGURATARR_BUILD"), ")");

/// The definition of the command line, for a program that was started by this path. As `kubectl-configuratarr` and
/// `juju-configuratarr` it is a plugin, and its help shows what a person types then.
#[must_use]
pub fn definition(program: Option<&OsStr>) -> clap::Command {
    let name = program
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(OsStr::to_str);
    let typed = match name {
        Some("kubectl-configuratarr") => "kubectl configuratarr",
        Some("juju-configuratarr") => "juju configuratarr",
        _ => "configuratarr",
    };
    Arguments::command().bin_name(typed)
}

impl Arguments {
    /// What was typed. Ends the program with 2 where that cannot be understood, and after help and version.
    #[must_use]
    pub fn typed() -> Self {
        let words: Vec<OsString> = std::env::args_os().collect();
        let mut definition = definition(words.first().map(OsString::as_os_str));
        definition
            .try_get_matches_from_mut(words)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .unwrap_or_else(|error| error.format(&mut definition).exit())
    }
}

/// The exit codes, as the help says them.
fn exit_codes() -> String {
    let codes = EXIT_CODES.map(|(code, meaning)| format!("{code} {meaning}"));
    format!("Exit codes: {}.", codes.join("; "))
}

/// For every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The model, as `juju -m` takes it; the current one, if none is named
    #[arg(long, short, global = true, value_name = "MODEL")]
    pub model: Option<String>,
    /// The kubeconfig; otherwise KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig; otherwise its current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// How data are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// No colours, as with NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Data and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// What is asked of Juju and Kubernetes
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// How many seconds a command of juju may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub juju_limit: u64,
    /// How many seconds the program that logs in to Kubernetes may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub login_limit: u64,
    /// How many milliseconds are between two looks at what is under way
    #[arg(long, global = true, value_name = "MILLISECONDS", default_value_t = 1000, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub tick: u64,
    /// How many milliseconds a charm's action may give no sign of life before it is not followed any more: half an hour
    #[arg(long, global = true, value_name = "MILLISECONDS", default_value_t = 1_800_000, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub silence: u64,
}

/// How data are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One document, by a schema of this program.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show each app: protected or not, its last good backup, the next run, what is under way
    Status,
    /// List backups with what each really holds
    Backups {
        /// The apps; all of the model, if none is named
        #[arg(value_name = "APP", value_parser = app)]
        apps: Vec<String>,
        /// Of apps that are gone too, and of other models
        #[arg(long, conflicts_with = "apps")]
        all_models: bool,
    },
    /// Make backups now, and wait for them
    Backup(Which),
    /// Restore backups beside the apps, check them, and remove them again
    Verify {
        /// Which apps.
        #[command(flatten)]
        which: Which,
        /// Which backups.
        #[command(flatten)]
        choice: Choice,
    },
    /// Restore backups
    Restore {
        /// Which apps.
        #[command(flatten)]
        which: Which,
        /// Which backups.
        #[command(flatten)]
        choice: Choice,
        /// Show the plan, and what each charm says of it; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// Restore a backup of a later app version too, and what else the charm would hold back
        #[arg(long)]
        force: bool,
        /// Make no backup of what there is now: there will be no way back
        #[arg(long)]
        no_safety_backup: bool,
        /// By a volume of its own.
        #[command(flatten)]
        import: ImportArguments,
    },
    /// Deploy apps again that are gone, each with a backup
    #[command(
        after_help = "The charm and its options are those of a bundle, which juju export-bundle prints, or of --charm. The charm restores the \
                      backup before the app runs; then the relations of the bundle are made again, at least that to velero-operator."
    )]
    Redeploy(RedeployArguments),
    /// Refresh an app's charm: back up, verify, refresh, wait until it is active, roll back if it does not become so
    #[command(
        after_help = "When the app is not active in time, charm, resources and content are rolled back. Juju does not give back a charm or a \
                      resource that came from a file: --previous-path and --previous-resource name them."
    )]
    Refresh(RefreshArguments),
    /// Check all that backups and restores need, and say what to do about what is missing
    #[command(
        after_help = "Exit code 1 only where a check says FAIL. What could not be checked is no failure; where Juju or the cluster could not \
                      be asked at all it is 3."
    )]
    Doctor {
        /// The apps; all of the model, if none is named
        #[arg(value_name = "APP", value_parser = app)]
        apps: Vec<String>,
    },
    /// Show where the config volume of an app is: claim, volume, class, node
    Claim {
        /// The app
        #[arg(value_parser = app)]
        app: String,
    },
    /// Lint a spec of backups, or show the one that an app asks for, and what it would store in this cluster
    #[command(
        after_help = "A spec is YAML or JSON: a databag of the relation, the relation's own fields, Velero's fields, or a whole Backup or \
                      Schedule. Exit code 1 where it is refused, or stores nothing."
    )]
    Spec {
        /// The file, or - for standard input; what the app asks for, if none is named
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The app that it is for
        #[arg(long, value_name = "APP", value_parser = app)]
        app: Option<String>,
    },
    /// Go on with a run that was interrupted
    Resume {
        /// The run; the last one that is not at its end, if none is named
        run: Option<String>,
    },
    /// Print what a shell needs to complete commands and options
    #[command(after_help = "For example in ~/.bashrc: source <(configuratarr completions bash)")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Which apps.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The apps
    #[arg(value_name = "APP", required_unless_present = "all", value_parser = app)]
    pub apps: Vec<String>,
    /// All apps of the model that have backups
    #[arg(long, conflicts_with = "apps")]
    pub all: bool,
}

/// A restore by a volume that Juju imports.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// Restore one app into a volume of its own, import that into Juju, and deploy the app anew with it; Juju 3.6.12 or later
    #[arg(long, conflicts_with_all = ["all", "force", "no_safety_backup"])]
    pub import: bool,
    /// With --import: the charm, where the app's came from a file
    #[arg(long, value_name = "FILE", requires = "import")]
    pub charm: Option<String>,
    /// With --import: a resource that was uploaded
    #[arg(long, value_name = "NAME=VALUE", requires = "import")]
    pub resource: Vec<String>,
}

/// Which apps are deployed again, and how.
#[derive(Debug, Clone, Args)]
pub struct RedeployArguments {
    /// The apps
    #[arg(value_name = "APP", required = true, value_parser = app)]
    pub apps: Vec<String>,
    /// Which backups.
    #[command(flatten)]
    pub choice: Choice,
    /// The model that the backups are of, if not this one
    #[arg(long, value_name = "MODEL")]
    pub from_model: Option<String>,
    /// What juju export-bundle printed: charm, options, storage, resources and relations of each app
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The charm: a file, a folder, or a name; with several apps APP=CHARM
    #[arg(long, value_name = "CHARM")]
    pub charm: Vec<String>,
    /// The channel of the charm
    #[arg(long)]
    pub channel: Option<String>,
    /// The revision of the charm
    #[arg(long)]
    pub revision: Option<u32>,
    /// An option of the charm, in place of the bundle's
    #[arg(long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    /// A resource of the charm, in place of the bundle's; with several apps APP:NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub resource: Vec<String>,
    /// A storage directive, in place of the bundle's
    #[arg(long, value_name = "NAME=DIRECTIVE")]
    pub storage: Vec<String>,
    /// How long each app may take until it is restored and active: 90s, 30m, 2h
    #[arg(long, value_name = "TIME", default_value = "30m")]
    pub wait: Seconds,
    /// Show the plan; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Which app's charm is refreshed, and to what.
#[derive(Debug, Clone, Args)]
pub struct RefreshArguments {
    /// The app
    #[arg(value_parser = app)]
    pub app: String,
    /// The new charm, where it is a file or a folder
    #[arg(long, value_name = "FILE")]
    pub path: Option<String>,
    /// The channel of the new charm
    #[arg(long)]
    pub channel: Option<String>,
    /// The revision of the new charm
    #[arg(long)]
    pub revision: Option<u32>,
    /// A new resource
    #[arg(long, value_name = "NAME=VALUE")]
    pub resource: Vec<String>,
    /// The charm that the app has now, where that came from a file: the way back
    #[arg(long, value_name = "FILE")]
    pub previous_path: Option<String>,
    /// A resource that the app has now, where that was uploaded: the way back
    #[arg(long, value_name = "NAME=VALUE")]
    pub previous_resource: Vec<String>,
    /// How long the app may take to become active: 90s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub wait: Seconds,
    /// Show the plan; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// An app's name. Which there are only Juju and the cluster know.
fn app(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        _ if text.is_empty() => Err("it is empty; juju status shows the apps".to_owned()),
        Some((app, _)) => Err(format!("that is a unit; name the app: {app}")),
        None => Ok(text.to_owned()),
    }
}

/// A time of whole seconds, at least one.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: Result<jiff::SignedDuration, _> = text.parse();
        let seconds = time.ok().and_then(|time| u64::try_from(time.as_secs()).ok());
        let seconds = seconds.filter(|seconds| (1..=7 * 86_400).contains(seconds));
        seconds
            .map(Self)
            .ok_or_else(|| "a time is like 90s, 10m or 2h, and at most 7 days".to_owned())
    }
}

/// Which backup of each app.
#[derive(Debug, Clone, Args)]
pub struct Choice {
    /// Uid or name of the backup, of one app; the newest good one, if nothing is said
    #[arg(long, value_name = "UID")]
    pub backup: Option<String>,
    /// The newest good backup that began then or before: 2026-11-20T03:00 (UTC), 2026-11-20, "3 days ago"
    #[arg(long, value_name = "TIME", conflicts_with = "backup")]
    pub at: Option<String>,
}
