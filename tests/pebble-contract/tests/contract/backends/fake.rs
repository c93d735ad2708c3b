//! The fake, which is told what the others find out.

use std::path::{Path, PathBuf};

use juju_charm::pebble::Pebble;
use juju_charm::testing::{FakePebble, PebbleState};

use super::{Backend, Fact};

pub struct Fake(FakePebble);

impl Fake {
    pub fn new() -> Self {
        // Whoever runs the tests is in the list of users, as on the machine of the others.
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        let state = PebbleState::new()
            .with_folder("/files")
            .with_user("tester", uid.as_raw(), gid.as_raw());
        Self(FakePebble::new(state))
    }
}

impl Backend for Fake {
    fn pebble(&self) -> &dyn Pebble {
        &self.0
    }

    fn path(&self, name: &str) -> String {
        format!("/files/{name}")
    }

    fn host_path(&self, container_path: &str) -> PathBuf {
        panic!("{container_path} of the fake is not on this machine")
    }

    fn socket(&self) -> &Path {
        panic!("the fake has no socket")
    }

    fn tell(&self, fact: Fact<'_>) {
        self.0.change_state(|state| match fact {
            Fact::CheckFails { check, fails } => state.set_failing_check(check, fails),
            Fact::ServiceExits {
                service,
                code,
                output,
            } => state.set_exiting_service(service, code, output),
            Fact::ServiceWrites { service, line } => state.write_log(service, line),
            Fact::Exec { command, output } => state.set_command(command, output),
            Fact::ExecHangs { command } => state.set_hanging_command(command),
            Fact::ExecMissing { command } => state.set_missing_executable(command[0]),
        });
    }

    fn finish(&self) -> Result<(), String> {
        self.0.finish()
    }
}
