//! An app, a backup of it, and the place that it comes back into.

use config_recovery::backups::{AppId, BackupContents, BackupSummary, FilesBackup};
use config_recovery::scratch::{Purpose, ScratchSpec};

/// The app.
pub fn radarr() -> AppId {
    AppId {
        app: "radarr".to_owned(),
        model: "media".to_owned(),
    }
}

/// A place for a backup of its files.
pub fn spec() -> ScratchSpec {
    let files = FilesBackup {
        bytes: 5,
        volume: "radarr-config-1".to_owned(),
        snapshot_id: "s1".to_owned(),
        uploader: "kopia".to_owned(),
        source_namespace: "media".to_owned(),
        storage_location: "default".to_owned(),
    };
    ScratchSpec {
        target: radarr(),
        backup: BackupSummary {
            name: "b1".to_owned(),
            uid: "uid-b1".to_owned(),
            velero_namespace: "velero".to_owned(),
            storage_location: "default".to_owned(),
            whose: radarr(),
            schedule: None,
            endpoint: String::new(),
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
        run: "r1".to_owned(),
        holder: "radarr/0".to_owned(),
        image: "radarr:1".to_owned(),
        program: None,
        storage_class: Some("fast".to_owned()),
        size: 1024,
    }
}
