//! The container's Pebble: a fake one, whose service is the app on the volume and whose config folder is the volume.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use juju_charm::pebble::{
    Change, ChangeId, ChangeSelect, CheckInfo, CheckLevel, ExecOptions, ExecOutput, FileInfo, FileOptions,
    Layer, LogLine, Notice, NoticesQuery, Pebble, Plan, Result, ServiceInfo, ServiceStatus, SystemInfo,
};
use juju_charm::testing::{FakeFile, FakePebble, PebbleState};
use workload_charm::profile::{AppProfile, User};

use crate::fault::Fault;
use crate::host::Host;

/// Pebble of one unit.
pub struct UnitPebble {
    fake: FakePebble,
    host: Rc<RefCell<Host>>,
    service: String,
    location: PathBuf,
    owner: User,
    pub fault: RefCell<Fault>,
}

impl UnitPebble {
    pub fn new(profile: &AppProfile, host: Rc<RefCell<Host>>, owner: User) -> Self {
        Self {
            fake: FakePebble::new(PebbleState::new()),
            host,
            service: profile.name.clone(),
            location: profile.storage.as_ref().unwrap().location.clone().into(),
            owner,
            fault: RefCell::new(Fault::nothing()),
        }
    }

    /// The container is made anew: Pebble knows nothing any more.
    pub fn restart(&self) {
        self.fake.change_state(|state| *state = PebbleState::new());
    }

    pub fn is_active(&self) -> bool {
        self.fake.state().service(&self.service) == Some(ServiceStatus::Active)
    }

    /// The app follows its service.
    fn follow(&self) {
        let active = self.is_active();
        let mut host = self.host.borrow_mut();
        if active { host.start() } else { host.stop() }
    }

    fn inside(&self, path: &str) -> Option<PathBuf> {
        let inside = Path::new(path).strip_prefix(&self.location).ok()?;
        Some(self.host.borrow().volume.join(inside))
    }

    /// Shows the fake one what the volume holds at a path.
    fn show(&self, path: &str) {
        let Some(real) = self.inside(path) else { return };
        match std::fs::read(&real) {
            Ok(content) => {
                let file = FakeFile::new(content, 0o600, self.owner.uid, self.owner.gid);
                self.fake
                    .change_state(|state| *state = state.clone().with_owned_file(path, file));
            }
            Err(_) => {
                let _ = self.fake.remove_path(path, false);
            }
        }
    }
}

/// Calls that the fake one answers alone.
macro_rules! hand_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> Result<$answer> {
            self.fault.borrow().step_without_disk(&concat!("pebble ", stringify!($name)));
            self.fake.$name($($argument),*)
        })*
    };
}

/// Calls after which the app may run or not run any more.
macro_rules! hand_on_and_follow {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($argument: $type),*) -> Result<ChangeId> {
            self.fault.borrow().step_without_disk(&concat!("pebble ", stringify!($name)));
            let done = self.fake.$name($($argument),*);
            self.follow();
            done
        })*
    };
}

impl Pebble for UnitPebble {
    hand_on! {
        system_info() -> SystemInfo;
        add_layer(label: &str, layer: &Layer, combine: bool) -> ();
        plan() -> Plan;
        services(names: &[&str]) -> Vec<ServiceInfo>;
        change(id: &ChangeId) -> Change;
        changes(select: ChangeSelect, for_service: Option<&str>) -> Vec<Change>;
        wait_change(id: &ChangeId, timeout: Duration) -> Change;
        send_signal(signal: &str, services: &[&str]) -> ();
        logs(services: &[&str], lines: u32) -> Vec<LogLine>;
        checks() -> Vec<CheckInfo>;
        start_checks(names: &[&str]) -> Vec<String>;
        stop_checks(names: &[&str]) -> Vec<String>;
        refresh_check(name: &str) -> std::result::Result<(), String>;
        health(level: Option<CheckLevel>) -> bool;
        make_dir(path: &str, options: &FileOptions) -> ();
        remove_path(path: &str, recursive: bool) -> ();
        exec(options: &ExecOptions) -> ExecOutput;
        notify(key: &str, data: &BTreeMap<String, String>, repeat_after: Option<Duration>) -> String;
        notices(query: &NoticesQuery) -> Vec<Notice>;
    }

    hand_on_and_follow! {
        autostart();
        replan();
        start(names: &[&str]);
        stop(names: &[&str]);
        restart(names: &[&str]);
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        self.show(path);
        self.fake.read_file(path)
    }

    fn list_files(&self, path: &str, itself: bool) -> Result<Vec<FileInfo>> {
        self.show(path);
        self.fake.list_files(path, itself)
    }

    fn write_file(&self, path: &str, content: &[u8], options: &FileOptions) -> Result<()> {
        self.fault.borrow().step_without_disk(&"pebble write_file");
        self.show(path);
        self.fake.write_file(path, content, options)?;
        if let Some(real) = self.inside(path) {
            std::fs::write(real, content).unwrap();
        }
        Ok(())
    }
}
