//! The table of metrics. Alert rules and the dashboard are held to it: what they ask for is exported.

/// One metric. All are gauges: they say how things stand, and begin anew with the process.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the unit at its end (<https://prometheus.io/docs/practices/naming/>).
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its labels. Those that say whose it is are added by whoever scrapes.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($(#[$about:meta])* $metric:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            $(#[$about])*
            pub static $metric: Metric = Metric { name: $name, help: $help, labels: &[$($label),*] };
        )*
        /// All of them.
        pub static METRICS: &[&Metric] = &[$(&$metric),*];
    };
}

metrics! {
    /// The program.
    EXPORTER_INFO "config_backup_exporter_info" ["version"]
        "The charm that exports this, always 1.";
    /// Whether the last look went well.
    CLUSTER_READABLE "config_backup_cluster_readable" []
        "Whether the cluster could be read at the last look. While it is 0 all else is of an earlier look, or missing.";
    /// When what is told was seen.
    READ_TIMESTAMP "config_backup_read_timestamp_seconds" []
        "When the cluster was last read.";
    /// How many there are.
    BACKUPS "config_backup_backups" ["verdict"]
        "Backups that the cluster has, by what they are good for. Safety backups are among them.";
    /// What came of the last one.
    LAST_RESULT "config_backup_last_result" ["verdict"]
        "1 for the verdict on the backup that ended last, 0 for the others. Of those of several endpoints the last one that is not good counts, and only those of endpoints that ask for backups. Safety backups do not count.";
    /// The last good one of each tier.
    LAST_SUCCESS "config_backup_last_success_timestamp_seconds" ["endpoint"]
        "When the last good backup ended.";
    /// When the next good one has to be there.
    DUE "config_backup_due_timestamp_seconds" ["endpoint"]
        "When a good backup after the last one is due by the schedule, or the first one.";
    /// The next run.
    NEXT_RUN "config_backup_next_run_timestamp_seconds" ["endpoint"]
        "When the schedule runs next.";
    /// How far apart runs are.
    INTERVAL "config_backup_schedule_interval_seconds" ["endpoint"]
        "The longest time between two runs of the schedule.";
    /// Whether backups are made.
    SCHEDULE_STATE "config_backup_schedule_state" ["endpoint", "state"]
        "1 for the state of the Schedule that is asked for, 0 for the others.";
    /// How long backups are kept.
    RETENTION "config_backup_retention_seconds" ["endpoint"]
        "How long a backup of the Schedule is kept.";
    /// Bytes of the last good one.
    BYTES "config_backup_last_success_bytes" []
        "Bytes of the config volume that the last good backup holds. A snapshot does not tell.";
    /// Files of the last good one.
    FILES "config_backup_last_success_files" []
        "Files that the last good backup holds beside the databases.";
    /// Databases of the last good one.
    DATABASES "config_backup_last_success_databases" []
        "Databases of which the last good backup holds a copy.";
    /// What it does not hold.
    LEFT_OUT "config_backup_last_success_left_out_bytes" []
        "Bytes of the config volume that the last good backup leaves out: caches, logs, what the user excludes.";
    /// How long it took.
    DURATION "config_backup_last_success_duration_seconds" []
        "How long the last good backup took.";
    /// What it holds in the app's terms.
    CONTENTS "config_backup_last_success_contents" ["name"]
        "How many of the app's own things the last good backup holds.";
    /// Whether it holds much less than before.
    SHRANK "config_backup_shrank" ["name"]
        "Whether the last good backup holds less than half of what one of the week before held, of its bytes or of the app's essential things.";
    /// When there will be none.
    EXPIRY "config_backup_last_expiry_timestamp_seconds" []
        "When the good backup that is kept the longest is deleted.";
    /// From when on somebody has to know that.
    EXPIRY_WARNING "config_backup_last_expiry_warning_timestamp_seconds" []
        "From when on it is a matter of concern that the good backup that is kept the longest is deleted.";
    /// What came of the last test restore.
    VERIFY_SUCCESS "config_backup_last_verify_success" []
        "Whether the backup that was last restored and compared came back as it was.";
    /// When that was.
    VERIFY_TIMESTAMP "config_backup_last_verify_timestamp_seconds" []
        "When a backup was last restored and compared.";
    /// How long that took.
    VERIFY_DURATION "config_backup_last_verify_duration_seconds" []
        "How long it took to restore and compare the backup that was last.";
    /// When the next one has to be there.
    VERIFY_DUE "config_backup_verify_due_timestamp_seconds" []
        "When the next test restore is due by its schedule.";
    /// When the content was last exchanged.
    RESTORE_TIMESTAMP "config_backup_last_restore_timestamp_seconds" []
        "When the content of the config volume was last replaced by that of a backup.";
    /// Where backups are stored.
    STORAGE_AVAILABLE "config_backup_storage_available" []
        "Whether the next backup can be stored and the newest one can come back, by the storage locations that they need.";
    /// How they are stored there.
    REPOSITORY_READY "config_backup_repository_ready" []
        "Whether Velero can use the repositories of the files of the model's namespace.";
}
