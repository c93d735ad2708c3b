//! Apps and backups for tests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use config_recovery::backups::{AppId, AppSchedule, BackupContents, BackupSummary, FilesBackup, Scheduled};
use config_recovery::locations::Location;
use config_recovery::overview::Overview;
use jiff::{SignedDuration, Timestamp};
use velero_api::BackupPhase;
use velero_backup_config::{BackupSpec, Method};

use crate::fleet::{App, ENDPOINT, apps};
use crate::juju::{Application, ApplicationStatus, Juju, Related, Status, Unit};

/// The time in all of them.
pub fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

/// The model in all of them.
pub const MODEL: &str = "home";

/// So long before [`now`].
pub fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

/// A good backup of 20 MB that began so long ago, kept for 30 days.
pub fn backup(app: &str, hours_ago: i64) -> BackupSummary {
    let started = ago(hours_ago);
    BackupSummary {
        name: format!("{app}-backup-{hours_ago}"),
        uid: format!("{app}-uid-{hours_ago}"),
        velero_namespace: "velero".to_owned(),
        storage_location: "default".to_owned(),
        endpoint: "velero-backup-config".to_owned(),
        whose: id(app),
        schedule: Some(format!("{app}-schedule")),
        before_restore: None,
        phase: Some(BackupPhase::Completed),
        created: Some(started),
        started: Some(started),
        completed: Some(started + SignedDuration::from_mins(1)),
        expires: Some(started + SignedDuration::from_hours(720)),
        holds: BackupContents::Files(FilesBackup {
            bytes: 20_000_000,
            volume: format!("{app}-config-fec125"),
            snapshot_id: "5c1e".to_owned(),
            uploader: "kopia".to_owned(),
            source_namespace: MODEL.to_owned(),
            storage_location: "default".to_owned(),
        }),
        complaints: Vec::new(),
        proof: None,
    }
}

/// The same that holds nothing.
pub fn empty(app: &str, hours_ago: i64) -> BackupSummary {
    BackupSummary {
        holds: BackupContents::Nothing,
        ..backup(app, hours_ago)
    }
}

/// The same that is being made.
pub fn running(app: &str) -> BackupSummary {
    BackupSummary {
        phase: Some(BackupPhase::InProgress),
        completed: None,
        ..backup(app, 0)
    }
}

/// An app of the model.
pub fn id(app: &str) -> AppId {
    AppId {
        app: app.to_owned(),
        model: MODEL.to_owned(),
    }
}

/// A Schedule for 01:30 each day, made long ago.
pub fn schedule(app: &str) -> AppSchedule {
    AppSchedule {
        whose: id(app),
        endpoint: ENDPOINT.to_owned(),
        velero_namespace: "velero".to_owned(),
        scheduled: Scheduled {
            name: format!("{app}-schedule"),
            since: Some(ago(5000)),
            rests: None,
        },
        cron: "30 1 * * *".to_owned(),
        last_run: Some(ago(10)),
        template: template(app),
    }
}

/// What the charm of an app asks for where its files are copied.
pub fn template(app: &str) -> velero_api::BackupSpec {
    let spec = BackupSpec::config_volume(app, MODEL, Method::Filesystem).unwrap();
    spec.to_velero_backup_spec(false)
}

/// What Juju says of an active app with one unit that is related to velero-operator.
pub fn application(app: &str) -> Application {
    let active = ApplicationStatus {
        current: "active".to_owned(),
        message: "ready".to_owned(),
        ..ApplicationStatus::default()
    };
    Application {
        charm_name: app.to_owned(),
        version: "6.1.1".to_owned(),
        life: "alive".to_owned(),
        application_status: active.clone(),
        relations: BTreeMap::from([(
            ENDPOINT.to_owned(),
            vec![Related {
                related_application: "velero-operator".to_owned(),
                interface: "velero_backup_config".to_owned(),
            }],
        )]),
        endpoint_bindings: BTreeMap::from([(ENDPOINT.to_owned(), "alpha".to_owned())]),
        units: BTreeMap::from([(
            format!("{app}/0"),
            Unit {
                workload_status: active,
                juju_status: ApplicationStatus::default(),
                leader: true,
                ..Unit::default()
            },
        )]),
        ..Application::default()
    }
}

/// A model with these apps.
pub fn status(names: &[&str]) -> Status {
    let mut status = Status::default();
    MODEL.clone_into(&mut status.model.name);
    "ctl".clone_into(&mut status.model.controller);
    for name in names {
        status.applications.insert((*name).to_owned(), application(name));
    }
    status
}

/// The only storage location, which Velero has read.
pub static LOCATIONS: LazyLock<Vec<Location>> = LazyLock::new(|| {
    vec![Location {
        velero_namespace: "velero".to_owned(),
        name: "default".to_owned(),
        is_available: Some(true),
        is_default: true,
        is_read_only: false,
        message: None,
        synced: Some(now()),
        is_synced: true,
    }]
});

/// A cluster with these backups, and a Schedule for each app that has one.
pub fn overview(backups: Vec<BackupSummary>) -> Overview {
    let mut overview = Overview::default();
    for backup in &backups {
        let schedule = schedule(&backup.whose.app);
        if !overview.schedules.contains(&schedule) {
            overview.schedules.push(schedule);
        }
    }
    overview.backups = backups;
    overview
}

/// The apps that follow from both.
pub fn fleet(status: &Status, overview: &Overview) -> Vec<App> {
    apps(MODEL, &Juju::new(None), Some(status), Some(overview), now())
}
