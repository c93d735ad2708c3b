//! A restore as commands: those that a dry run of the action shows, of an app that stands for all.

use config_recovery::backups::{AppId, BackupContents, BackupSummary, Earlier, FilesBackup};
use config_recovery::engine::{RestorePlan, UnitPod};
use config_recovery::scratch::{Purpose, ScratchSpec};

/// The page.
pub fn text() -> String {
    let unit = UnitPod {
        pod: "radarr-0",
        charm: "charm",
        workload: "radarr",
        service: "radarr",
    };
    let commands = plan().commands(unit);
    format!(
        "# A restore as commands\n\n\
What `juju run radarr/0 restore-from-backup backup-uid=latest dry-run=true` shows as `commands`, for an app `radarr` in model `media` with Velero in namespace `velero`. Words in \
capitals are yours: where they come from is in [restore by hand](../howto/by-hand.md). `SIZE` is in bytes, at least what the backup holds; the image of the pod needs `sh`, `sleep` and `tar`.\n\n\
```sh\n{}```\n",
        generic(&commands)
    )
}

/// The commands without what differs from one writing to the next.
fn generic(commands: &str) -> String {
    let mut text = String::new();
    for line in commands.lines() {
        text.push_str(&without_times(line).replace("1234567890", "SIZE"));
        text.push('\n');
    }
    text
}

/// A line in which each time stands as `NOW`.
fn without_times(line: &str) -> String {
    let mut words = line.split('"');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        text.push('"');
        let is_time = word.parse::<jiff::Timestamp>().is_ok();
        text.push_str(if is_time { "NOW" } else { word });
    }
    text
}

fn plan() -> RestorePlan {
    let whose = AppId {
        app: "radarr".to_owned(),
        model: "media".to_owned(),
    };
    let files = FilesBackup {
        bytes: 0,
        volume: "VOLUME".to_owned(),
        snapshot_id: "SNAPSHOT".to_owned(),
        uploader: "kopia".to_owned(),
        source_namespace: "media".to_owned(),
        storage_location: "default".to_owned(),
    };
    RestorePlan {
        scratch: ScratchSpec {
            target: whose.clone(),
            backup: BackupSummary {
                endpoint: "velero-backup-config".to_owned(),
                name: "BACKUP".to_owned(),
                uid: "UID".to_owned(),
                velero_namespace: "velero".to_owned(),
                storage_location: "default".to_owned(),
                whose: whose.clone(),
                schedule: None,
                before_restore: None,
                phase: None,
                created: None,
                started: None,
                completed: None,
                expires: None,
                holds: BackupContents::Files(files),
                complaints: Vec::new(),
                proof: None,
            },
            purpose: Purpose::Restore,
            run: "byhand".to_owned(),
            holder: "radarr/0".to_owned(),
            image: "IMAGE".to_owned(),
            storage_class: Some("CLASS".to_owned()),
            size: 1_234_567_890,
        },
        target: whose,
        // Where Juju mounts the storage in the charm's container.
        volume: "/var/lib/juju/storage/config/0".into(),
        keep_old: true,
        stage_elsewhere: None,
        elsewhere: "/tmp".into(),
        patience: None,
        sets_before: None,
        earlier: Earlier::default(),
        safety_backup: None,
    }
}
