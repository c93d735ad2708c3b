//! The verbs and flags of `juju` that are simulated. What is not here is refused.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A simulated juju: one model, on Kubernetes, in the folder that JUJU_SIM_DIR names.
#[derive(Debug, Parser)]
#[command(name = "juju", disable_help_subcommand = true)]
pub(crate) struct Juju {
    #[command(subcommand)]
    pub verb: Verb,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
    /// A table for people.
    Tabular,
    /// As little as possible, for people.
    Plain,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the model.
    AddModel {
        name: String,
        /// `JUJU_VERSION`.
        #[arg(long, default_value = "4.0.15")]
        agent_version: String,
    },
    /// Remove the model and everything in it.
    DestroyModel {
        name: Option<String>,
        #[arg(long)]
        no_prompt: bool,
        #[arg(long)]
        destroy_storage: bool,
        #[arg(long)]
        force: bool,
    },
    /// Show the model. It has no `-m` (`WrapSkipModelFlags` in `cmd/juju/model/show.go` of juju/juju).
    ShowModel {
        /// The model; none: the one that there is.
        name: Option<String>,
        #[arg(long)]
        format: Option<Format>,
    },
    /// List the models; there is one. As the next three it has no `-m`, which only commands of a model take (`modelcmd.Wrap` of juju/juju).
    #[command(visible_alias = "list-models")]
    Models {
        #[arg(long)]
        format: Option<Format>,
    },
    /// List the controllers; there is one.
    #[command(visible_alias = "list-controllers")]
    Controllers {
        #[arg(long)]
        format: Option<Format>,
    },
    /// Show controller, model and user.
    Whoami {
        #[arg(long)]
        format: Option<Format>,
    },
    /// Show Juju's version.
    Version {
        #[arg(long)]
        format: Option<Format>,
        #[arg(long)]
        all: bool,
    },
    /// Deploy a charm folder, or the stand-in for velero-operator.
    Deploy(Deploy),
    /// Replace an application's charm.
    Refresh {
        application: String,
        #[arg(long)]
        path: Option<PathBuf>,
        #[arg(long)]
        channel: Option<String>,
        #[arg(long)]
        revision: Option<u32>,
        #[arg(long)]
        resource: Vec<String>,
        /// Of no effect here: a unit in error takes the charm in any case.
        #[arg(long)]
        force_units: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Relate two applications.
    #[command(visible_alias = "relate")]
    Integrate {
        one: String,
        other: String,
        #[command(flatten)]
        model: Model,
    },
    /// End a relation.
    RemoveRelation {
        one: String,
        other: String,
        #[command(flatten)]
        model: Model,
    },
    /// Show, set or reset options.
    Config {
        application: String,
        /// `KEY` shows one option, `KEY=VALUE` sets it.
        settings: Vec<String>,
        #[arg(long, value_delimiter = ',')]
        reset: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Give an application access to the cluster.
    Trust {
        application: String,
        #[arg(long)]
        scope: Option<String>,
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Show the model, its applications and units.
    Status {
        /// Applications or units to show; none: all.
        selectors: Vec<String>,
        #[arg(long)]
        storage: bool,
        #[arg(long)]
        relations: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show a unit with its relations' data.
    ShowUnit {
        #[arg(required = true)]
        units: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show storage.
    #[command(visible_alias = "list-storage")]
    Storage {
        #[command(flatten)]
        output: Output,
    },
    /// Show one storage instance.
    ShowStorage {
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Forget a detached storage instance.
    RemoveStorage {
        #[arg(required = true)]
        ids: Vec<String>,
        #[arg(long)]
        no_destroy: bool,
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        model: Model,
    },
    /// List an application's actions.
    Actions {
        application: String,
        #[command(flatten)]
        output: Output,
    },
    /// Run an action.
    Run {
        /// The unit, or APP/leader.
        unit: String,
        action: String,
        /// `KEY=VALUE`; dots in the key nest.
        params: Vec<String>,
        #[arg(long = "params")]
        file: Option<PathBuf>,
        /// Take values as text instead of YAML.
        #[arg(long)]
        string_args: bool,
        /// The simulated Juju always waits for the end.
        #[arg(long)]
        wait: Option<String>,
        /// Do not wait; show-operation shows what becomes of it.
        #[arg(long)]
        background: bool,
        /// The simulated Juju always shows times in UTC.
        #[arg(long)]
        utc: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List what was asked for with `juju run`.
    #[command(visible_alias = "list-operations")]
    Operations(Operations),
    /// Show an operation.
    ShowOperation {
        id: String,
        #[command(flatten)]
        follow: Follow,
        #[command(flatten)]
        output: Output,
    },
    /// Show a task and its results.
    ShowTask {
        id: String,
        #[command(flatten)]
        follow: Follow,
        #[command(flatten)]
        output: Output,
    },
    /// Cancel tasks that are pending.
    CancelTask {
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Add units.
    AddUnit {
        application: String,
        #[arg(short, long, default_value_t = 1)]
        num_units: u32,
        #[arg(long)]
        attach_storage: Vec<String>,
        #[command(flatten)]
        model: Model,
    },
    /// Remove units, the last ones first.
    RemoveUnit {
        application: String,
        #[arg(long)]
        num_units: u32,
        #[arg(long)]
        no_prompt: bool,
        #[arg(long)]
        destroy_storage: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Set the number of units.
    ScaleApplication {
        application: String,
        scale: u32,
        #[command(flatten)]
        model: Model,
    },
    /// Remove an application.
    RemoveApplication {
        application: String,
        #[arg(long)]
        no_prompt: bool,
        #[arg(long)]
        destroy_storage: bool,
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Run a failed hook again.
    #[command(visible_alias = "resolve")]
    Resolved {
        #[arg(required = true)]
        units: Vec<String>,
        #[arg(long)]
        no_retry: bool,
        #[command(flatten)]
        model: Model,
    },
    /// List secrets.
    #[command(visible_alias = "list-secrets")]
    Secrets {
        #[command(flatten)]
        output: Output,
    },
    /// Show a secret, with its content if asked.
    ShowSecret {
        /// Id or label.
        secret: String,
        #[arg(long)]
        reveal: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Make a secret of one's own.
    AddSecret {
        name: String,
        #[arg(required = true)]
        content: Vec<String>,
        #[command(flatten)]
        model: Model,
    },
    /// Give a secret new content.
    UpdateSecret {
        secret: String,
        #[arg(required = true)]
        content: Vec<String>,
        #[command(flatten)]
        model: Model,
    },
    /// Let an application read a secret.
    GrantSecret {
        secret: String,
        application: String,
        #[command(flatten)]
        model: Model,
    },
    /// Take that back.
    RevokeSecret {
        secret: String,
        application: String,
        #[command(flatten)]
        model: Model,
    },
    /// Show what the units logged.
    DebugLog {
        /// Units; none: all.
        #[arg(short, long)]
        include: Vec<String>,
        #[arg(short = 'n', long)]
        lines: Option<usize>,
        #[arg(long)]
        replay: bool,
        /// The simulated Juju never waits for more.
        #[arg(long)]
        no_tail: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Bring an existing volume into the model; few versions can.
    ImportFilesystem {
        pool: String,
        provider_id: String,
        storage: String,
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        model: Model,
    },
    /// Write the model down as a bundle.
    ExportBundle {
        #[command(flatten)]
        model: Model,
    },
    /// List the resources of an application.
    #[command(visible_alias = "list-resources")]
    Resources {
        application: String,
        #[command(flatten)]
        output: Output,
    },
    /// For machines only.
    AddStorage(Anything),
    /// For machines only.
    AttachStorage(Anything),
    /// For machines only.
    DetachStorage(Anything),
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Folder of the charm, or `velero-operator`.
    pub charm: String,
    /// Name of the application; none: the charm's.
    pub application: Option<String>,
    /// `KEY=VALUE`.
    #[arg(long)]
    pub config: Vec<String>,
    #[arg(long)]
    pub trust: bool,
    #[arg(short, long, default_value_t = 1)]
    pub num_units: u32,
    /// `NAME=FILE`, or `NAME=IMAGE`, which has to be given and is not used.
    #[arg(long)]
    pub resource: Vec<String>,
    #[arg(long)]
    pub attach_storage: Vec<String>,
    #[arg(long)]
    pub channel: Option<String>,
    #[arg(long)]
    pub revision: Option<u32>,
    /// Of no effect here.
    #[arg(long)]
    pub base: Option<String>,
    /// `NAME=DIRECTIVE`; each volume is the same here.
    #[arg(long)]
    pub storage: Vec<String>,
    /// Of no effect here.
    #[arg(long)]
    pub constraints: Option<String>,
    /// Simulated only: `CONTAINER=FOLDER`, the folder that the container's root starts as a copy of.
    #[arg(long)]
    pub image: Vec<String>,
    /// Simulated only: `CONTAINER=SOCKET`, a Pebble that runs already.
    #[arg(long)]
    pub pebble: Vec<String>,
    #[command(flatten)]
    pub model: Model,
}

/// Which operations are listed.
#[derive(Debug, Args)]
pub(crate) struct Operations {
    #[arg(long, alias = "applications", value_delimiter = ',')]
    pub apps: Vec<String>,
    #[arg(long, value_delimiter = ',')]
    pub units: Vec<String>,
    #[arg(long, value_delimiter = ',')]
    pub actions: Vec<String>,
    #[arg(long, value_delimiter = ',')]
    pub status: Vec<String>,
    /// No more than so many; 0: as many as Juju lists by itself.
    #[arg(long, default_value_t = 0)]
    pub limit: usize,
    /// Without the first so many.
    #[arg(long, default_value_t = 0)]
    pub offset: usize,
    /// The simulated Juju always shows times in UTC.
    #[arg(long)]
    pub utc: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Whether a command waits for the end of what it shows.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// How long, as a duration of Go's.
    #[arg(long, conflicts_with = "watch")]
    pub wait: Option<String>,
    #[arg(long)]
    pub watch: bool,
    /// The simulated Juju always shows times in UTC.
    #[arg(long)]
    pub utc: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The model; there is only one.
    #[arg(short, long)]
    pub model: Option<String>,
}

impl Model {
    /// The one that there is, whatever its name.
    pub(crate) const CURRENT: Self = Self { model: None };
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    #[arg(long)]
    pub format: Option<Format>,
    #[command(flatten)]
    pub model: Model,
}

#[derive(Debug, Args)]
pub(crate) struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

impl Verb {
    /// Whether the answer is for a program: then Juju prints an empty object where it fails (`handleErrorForMachineFormats` in
    /// `internal/cmd/supercommand.go` of juju/juju).
    pub fn is_for_machines(&self) -> bool {
        let is_for_machines = |format: Format| matches!(format, Format::Json | Format::Yaml);
        // The second is the verb's own format.
        let (output, default) = match self {
            Verb::ShowModel { format, .. } => return format.is_none_or(is_for_machines),
            Verb::Models { format }
            | Verb::Controllers { format }
            | Verb::Whoami { format }
            | Verb::Version { format, .. } => return format.is_some_and(is_for_machines),
            Verb::Config { output, .. }
            | Verb::ShowUnit { output, .. }
            | Verb::ShowStorage { output, .. }
            | Verb::ShowSecret { output, .. }
            | Verb::ShowOperation { output, .. }
            | Verb::CancelTask { output, .. } => (output, Format::Yaml),
            Verb::Status { output, .. }
            | Verb::Storage { output }
            | Verb::Actions { output, .. }
            | Verb::Run { output, .. }
            | Verb::Operations(Operations { output, .. })
            | Verb::ShowTask { output, .. }
            | Verb::Secrets { output } => (output, Format::Plain),
            _ => return false,
        };
        is_for_machines(output.format.unwrap_or(default))
    }
}
