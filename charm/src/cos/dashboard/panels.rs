//! The panels of the dashboard: what each shows, in their order.

/// What tells one app in a legend.
const APP: &str = "{{juju_model}}/{{juju_application}}";

/// The apps that are looked at.
const CHOSEN: &str = "juju_model=~\"$juju_model\",juju_application=~\"$juju_application\"";

/// How a panel shows its numbers.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A row's title.
    Row,
    /// One number each.
    Stat(Tone),
    /// A line each over the time.
    Lines,
    /// A bar each over the time, for as long as something is so.
    States,
    /// A row each, of all queries side by side.
    Table,
}

/// What the colour of a number says. Grafana's own thresholds are no use here: every number from 80 on is red.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    /// Nothing: what is much for one app is little for another.
    Plain,
    /// Green, and this colour from one on.
    Faults(&'static str),
}

/// One panel. The width is in 24ths of the screen, the height in Grafana's steps.
pub(super) struct Panel {
    pub kind: Kind,
    pub title: &'static str,
    /// What it says, for whoever points at it.
    pub about: &'static str,
    pub unit: &'static str,
    pub width: u32,
    pub height: u32,
    /// The queries, with what they are called: in a legend, or above a column.
    pub queries: Vec<(String, &'static str)>,
}

fn row(title: &'static str) -> Panel {
    Panel {
        kind: Kind::Row,
        title,
        about: "",
        unit: "none",
        width: 24,
        height: 1,
        queries: Vec::new(),
    }
}

fn stat(
    (title, about): (&'static str, &'static str),
    unit: &'static str,
    width: u32,
    query: impl Into<String>,
) -> Panel {
    Panel {
        kind: Kind::Stat(Tone::Plain),
        title,
        about,
        unit,
        width,
        height: 4,
        queries: vec![(query.into(), APP)],
    }
}

/// A length of time that each tier has one of.
fn by_endpoint(words: (&'static str, &'static str), query: &str) -> Panel {
    Panel {
        queries: vec![(of_chosen(query), "{{endpoint}}")],
        ..stat(words, "s", 6, "")
    }
}

/// How many apps something is wrong with.
fn faults(words: (&'static str, &'static str), color: &'static str, query: &str) -> Panel {
    Panel {
        kind: Kind::Stat(Tone::Faults(color)),
        ..stat(words, "none", 5, query)
    }
}

fn lines(
    (title, about): (&'static str, &'static str),
    unit: &'static str,
    queries: &[(&str, &'static str)],
) -> Panel {
    Panel {
        kind: Kind::Lines,
        title,
        about,
        unit,
        width: 12,
        height: 8,
        queries: queries
            .iter()
            .map(|(query, name)| (of_chosen(query), *name))
            .collect(),
    }
}

/// What is so where a query gives 1, and what is not where it gives 0.
fn states(words: (&'static str, &'static str), queries: &[(&str, &'static str)]) -> Panel {
    Panel {
        kind: Kind::States,
        height: 6,
        ..lines(words, "none", queries)
    }
}

/// A query on the apps that are looked at.
fn of_chosen(query: &str) -> String {
    query.replace("CHOSEN", CHOSEN)
}

/// The columns of the table that are not named by a query: a label, and what stands above it.
pub(super) const LABELS: [(&str, &str); 3] = [
    ("juju_application", "App"),
    ("juju_model", "Model"),
    ("verdict", "Last backup"),
];

/// The query of a column that a label has, of which the number says nothing.
pub(super) const OF_LABEL: &str = "";

/// All of them.
pub(super) fn panels() -> Vec<Panel> {
    let by_app = |query: &str| format!("max by (juju_model, juju_application) ({query})");
    let of_one = |query: &str| of_chosen(&by_app(query));
    let age = "time() - config_backup_last_success_timestamp_seconds";
    vec![
        row("All apps"),
        stat(
            ("Apps", "Apps whose exporter is scraped."),
            "none",
            4,
            "count(count by (juju_model, juju_application) (config_backup_cluster_readable)) or vector(0)",
        ),
        faults(
            (
                "Overdue",
                "Apps whose next good backup is missing for more than an hour.",
            ),
            "red",
            "count(count by (juju_model, juju_application) (time() - config_backup_due_timestamp_seconds > 3600)) or vector(0)",
        ),
        faults(
            (
                "Last backup bad",
                "Apps whose last backup failed, is empty or partial, or was found damaged.",
            ),
            "red",
            "count(count by (juju_model, juju_application) (config_backup_last_result{verdict=~\"failed|empty|partial|damaged\"} == 1)) or vector(0)",
        ),
        faults(
            (
                "Not verified, or failed",
                "Apps without a verified backup: none was restored and compared yet, or the last one was damaged.",
            ),
            "yellow",
            "count(config_backup_cluster_readable unless on (juju_model, juju_application) config_backup_last_verify_success == 1) or vector(0)",
        ),
        stat(
            (
                "Good backups",
                "Good ones among all backups that have ended and are still kept.",
            ),
            "percentunit",
            5,
            "sum(config_backup_backups{verdict=\"good\"}) / sum(config_backup_backups{verdict!~\"running|expired\"})",
        ),
        Panel {
            kind: Kind::Table,
            title: "Each app",
            about: "Age: of the last good backup. Due in: until the next good one is due; red when it is missing. \
                    Verified: since a backup was last restored and compared. Came back: whether it was intact.",
            unit: "none",
            width: 24,
            height: 10,
            queries: vec![
                (
                    "max by (juju_model, juju_application, verdict) (config_backup_last_result == 1)"
                        .to_owned(),
                    OF_LABEL,
                ),
                (by_app(age), "Age"),
                (
                    "min by (juju_model, juju_application) (config_backup_due_timestamp_seconds - time())"
                        .to_owned(),
                    "Due in",
                ),
                (by_app("config_backup_last_success_bytes"), "Bytes"),
                (by_app("config_backup_backups{verdict=\"good\"}"), "Good"),
                (
                    by_app(
                        "sum without (verdict) (config_backup_backups{verdict=~\"failed|empty|partial|damaged\"})",
                    ),
                    "Bad",
                ),
                (
                    by_app("time() - config_backup_last_verify_timestamp_seconds"),
                    "Verified",
                ),
                (by_app("config_backup_last_verify_success"), "Came back"),
                (by_app("config_backup_storage_available"), "Storage"),
            ],
        },
        lines(
            (
                "Age of the last good backup",
                "It falls to 0 with each good backup. A line that only rises is an app without new ones.",
            ),
            "s",
            &[(
                "max by (juju_model, juju_application) (time() - config_backup_last_success_timestamp_seconds{CHOSEN})",
                APP,
            )],
        ),
        lines(
            (
                "Size of the last good backup",
                "A sudden fall means that something is missing.",
            ),
            "bytes",
            &[(
                "max by (juju_model, juju_application) (config_backup_last_success_bytes{CHOSEN})",
                APP,
            )],
        ),
        lines(
            (
                "Bad backups",
                "Backups that failed, are empty or partial, or were found damaged, as long as they are kept.",
            ),
            "none",
            &[(
                "sum by (verdict) (config_backup_backups{verdict=~\"failed|empty|partial|damaged\",CHOSEN})",
                "{{verdict}}",
            )],
        ),
        lines(
            (
                "Age of the last verification",
                "Time since a backup was last restored and compared.",
            ),
            "s",
            &[(
                "max by (juju_model, juju_application) (time() - config_backup_last_verify_timestamp_seconds{CHOSEN})",
                APP,
            )],
        ),
        row("$juju_application"),
        stat(
            ("Last good backup", "Time since it ended."),
            "s",
            4,
            of_one("time() - config_backup_last_success_timestamp_seconds{CHOSEN}"),
        ),
        stat(
            ("Next run in", "No data while the Schedule is paused or missing."),
            "s",
            4,
            of_one("config_backup_next_run_timestamp_seconds{CHOSEN} - time()"),
        ),
        stat(
            ("Duration", "How long the last good backup took."),
            "s",
            4,
            of_one("config_backup_last_success_duration_seconds{CHOSEN}"),
        ),
        stat(
            ("Files", "Files in the last good backup, without the databases."),
            "none",
            4,
            of_one("config_backup_last_success_files{CHOSEN}"),
        ),
        stat(
            (
                "Databases",
                "Databases of which the last good backup holds a copy.",
            ),
            "none",
            4,
            of_one("config_backup_last_success_databases{CHOSEN}"),
        ),
        stat(
            (
                "Expires in",
                "Until the good backup that is kept the longest is deleted.",
            ),
            "s",
            4,
            of_one("config_backup_last_expiry_timestamp_seconds{CHOSEN} - time()"),
        ),
        stat(
            (
                "Last restore",
                "Time since a backup was last restored in place. A restore without a safety backup is not seen.",
            ),
            "s",
            6,
            of_one("time() - config_backup_last_restore_timestamp_seconds{CHOSEN}"),
        ),
        stat(
            (
                "Last verification took",
                "How long it took to restore and compare a backup.",
            ),
            "s",
            6,
            of_one("config_backup_last_verify_duration_seconds{CHOSEN}"),
        ),
        by_endpoint(
            (
                "Time between runs",
                "The longest time between two runs of the schedule.",
            ),
            "config_backup_schedule_interval_seconds{CHOSEN}",
        ),
        by_endpoint(
            ("Kept for", "How long each backup is kept."),
            "config_backup_retention_seconds{CHOSEN}",
        ),
        lines(
            (
                "Held and left out",
                "Bytes of the config volume that the last good backup holds, and those that it leaves out: caches, logs, what the user excludes.",
            ),
            "bytes",
            &[
                ("config_backup_last_success_bytes{CHOSEN}", "held"),
                ("config_backup_last_success_left_out_bytes{CHOSEN}", "left out"),
            ],
        ),
        lines(
            ("What it holds", "The app's own things in the last good backup."),
            "none",
            &[("config_backup_last_success_contents{CHOSEN}", "{{name}}")],
        ),
        states(
            (
                "Verdict on the last backup",
                "What the backup that ended last is good for.",
            ),
            &[("config_backup_last_result{CHOSEN} == 1", "{{verdict}}")],
        ),
        states(
            (
                "Schedule, storage, exporter",
                "The state of the Schedule; whether Velero can use storage location and repository; whether the exporter can read the cluster. While it cannot, all else is of an earlier look.",
            ),
            &[
                ("config_backup_schedule_state{CHOSEN} == 1", "{{state}}"),
                ("config_backup_storage_available{CHOSEN}", "storage"),
                ("config_backup_repository_ready{CHOSEN}", "repository"),
                ("config_backup_cluster_readable{CHOSEN}", "exporter"),
            ],
        ),
    ]
}
