//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Recovery of media apps on Kubernetes under Juju: what is backed up, whether it comes back, and getting it back.
///
/// It asks Juju by the `juju` command and Kubernetes by your kubeconfig. The charms restore; this plans over many apps, starts them,
/// follows them and goes on after an interruption.
///
/// Without a command it is a wizard: it shows the apps and their backups, and leads through a restore.
#[derive(Debug, Parser)]
#[command(name = "configuratarr", version, long_version = VERSION, after_help = EXIT_CODES)]
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

const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed, or something is not well; 2 what was typed cannot be understood; \
3 Juju or the cluster could not be asked; 4 begun and not at its end: configuratarr resume.";

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
        #[arg(value_name = "APP")]
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
    /// Check all that backups and restores need, and say what to do about what is missing
    #[command(
        after_help = "Exit code 1 only where a check says FAIL. What could not be checked is no failure; where Juju or the cluster could not \
                      be asked at all it is 3."
    )]
    Doctor {
        /// The apps; all of the model, if none is named
        #[arg(value_name = "APP")]
        apps: Vec<String>,
    },
    /// Show where the config volume of an app is: claim, volume, class, node
    Claim {
        /// The app
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
        #[arg(long, value_name = "APP")]
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
    #[arg(value_name = "APP", required_unless_present = "all")]
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
