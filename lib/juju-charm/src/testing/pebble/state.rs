//! What a Pebble holds, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::files::{FakeFile, Tree};
use crate::pebble::merge::combine;
use crate::pebble::validate;
use crate::pebble::{
    Change, ChangeId, CheckStatus, ExecOptions, ExecOutput, Layer, LogLine, Notice, NoticeType, Plan,
    Service, ServiceStatus,
};

/// When a fake Pebble is made: seconds since 1970, 2026-01-01T00:00:00Z.
const FIRST_SECOND: u64 = 1_767_225_600;

/// Each thing that happens takes this long.
const TICK: Duration = Duration::from_millis(1);

/// The state of the Pebble of one container, and what the test has declared of its workload.
///
/// A new one is that of a container that has just started: no layer, no service, no file but the root folder. Services
/// run when they are started, commands and failing checks have to be declared.
///
/// Two are equal when they differ at most in times, numbers and history: what was run, which changes there were.
#[derive(Debug, Clone)]
pub struct PebbleState {
    pub(super) reachable: bool,
    /// By label, from bottom to top.
    pub(super) layers: Vec<(String, Layer)>,
    pub(super) services: BTreeMap<String, StartedService>,
    pub(super) checks: BTreeMap<String, StartedCheck>,
    pub(super) failing_checks: BTreeSet<String>,
    pub(super) exits: BTreeMap<String, Exit>,
    pub(super) hanging: BTreeSet<String>,
    pub(super) files: Tree,
    pub(super) notices: Vec<Notice>,
    pub(super) changes: Vec<FakeChange>,
    /// What services that are ending write when they have, with the change that they end by.
    pub(super) ending: Vec<(ChangeId, PathBuf, String)>,
    pub(super) commands: Vec<Command>,
    pub(super) executed: Vec<ExecOptions>,
    pub(super) signals: Vec<(String, String)>,
    pub(super) logs: Vec<LogLine>,
    /// What the test has declared and Pebble could not have.
    contradictions: Vec<String>,
    now: Duration,
    pub(super) tasks: u64,
}

/// A service that was started at least once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StartedService {
    pub status: ServiceStatus,
    pub since: String,
    /// As it was when it was started: a replan compares.
    pub config: Service,
}

/// A check of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StartedCheck {
    pub status: CheckStatus,
    pub successes: u64,
    pub failures: u64,
    /// Number of its change.
    pub change: Option<String>,
}

/// How a service ends as soon as it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    pub code: i32,
    pub output: Vec<String>,
}

/// A change, and the services that it is listed for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FakeChange {
    pub change: Change,
    pub services: Vec<String>,
}

/// A command that the test knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Its first words.
    pub words: Vec<String>,
    pub fate: CommandFate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CommandFate {
    Ends(ExecOutput),
    Hangs,
    IsMissing,
}

impl Default for PebbleState {
    fn default() -> Self {
        Self::new()
    }
}

impl PebbleState {
    /// A container that has just started.
    pub fn new() -> Self {
        Self {
            reachable: true,
            layers: Vec::new(),
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            failing_checks: BTreeSet::new(),
            exits: BTreeMap::new(),
            hanging: BTreeSet::new(),
            files: Tree::new(),
            notices: Vec::new(),
            changes: Vec::new(),
            ending: Vec::new(),
            commands: Vec::new(),
            executed: Vec::new(),
            signals: Vec::new(),
            logs: Vec::new(),
            contradictions: Vec::new(),
            now: Duration::from_secs(FIRST_SECOND),
            tasks: 0,
        }
    }

    /// Pebble gives no answer: its container has not started, or is gone.
    #[must_use]
    pub fn unreachable(mut self) -> Self {
        self.reachable = false;
        self
    }

    /// Pebble answers, or does not.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    /// A layer that was added before, with nothing started of it but its checks.
    #[must_use]
    pub fn with_layer(mut self, label: &str, layer: Layer) -> Self {
        if let Err(error) = self.join_layer(label, &layer, false) {
            self.contradictions
                .push(format!("Pebble would refuse layer {label:?}: {error}"));
        }
        self
    }

    /// A service of the plan runs, as the plan has it.
    #[must_use]
    pub fn with_running_service(mut self, name: &str) -> Self {
        let since = self.tick();
        let Some(config) = self.plan().services.remove(name) else {
            self.contradictions
                .push(format!("service {name:?} runs, which is in no layer"));
            return self;
        };
        let started = StartedService {
            status: ServiceStatus::Active,
            since,
            config,
        };
        self.services.insert(name.to_owned(), started);
        self
    }

    /// A custom notice that was raised.
    #[must_use]
    pub fn with_notice(mut self, key: &str) -> Self {
        self.add_notice(NoticeType::Custom, key, BTreeMap::new(), None);
        self
    }

    /// A file, mode 644, of root, with the folders on the way.
    #[must_use]
    pub fn with_file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.put(path, FakeFile::new(content.as_ref(), 0o644, 0, 0));
        self
    }

    /// A file with its mode and owner, with the folders on the way.
    #[must_use]
    pub fn with_owned_file(mut self, path: &str, file: FakeFile) -> Self {
        self.files.put(path, file);
        self
    }

    /// An empty folder, mode 755, of root, with the folders on the way.
    #[must_use]
    pub fn with_folder(mut self, path: &str) -> Self {
        self.files.put_folder(path);
        self
    }

    /// A user of the container's list of users, with a group of the same name.
    #[must_use]
    pub fn with_user(mut self, name: &str, user_id: u32, group_id: u32) -> Self {
        self.files.users.insert(name.to_owned(), (user_id, group_id));
        self.files.groups.insert(name.to_owned(), group_id);
        self
    }

    /// What a command does, for every command that begins with these words; of several, the longest decides.
    #[must_use]
    pub fn with_command<const N: usize>(mut self, words: [&str; N], output: ExecOutput) -> Self {
        self.declare_command(&words, CommandFate::Ends(output));
        self
    }

    /// A command that does not end before its timeout.
    #[must_use]
    pub fn with_hanging_command<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.declare_command(&words, CommandFate::Hangs);
        self
    }

    /// An executable that the container does not have.
    #[must_use]
    pub fn with_missing_executable(mut self, executable: &str) -> Self {
        self.set_missing_executable(executable);
        self
    }

    /// As [`with_missing_executable`](Self::with_missing_executable).
    pub fn set_missing_executable(&mut self, executable: &str) {
        self.declare_command(&[executable], CommandFate::IsMissing);
    }

    /// As [`with_command`](Self::with_command), for words that are not known when the test is compiled.
    pub fn set_command(&mut self, words: &[&str], output: ExecOutput) {
        self.declare_command(words, CommandFate::Ends(output));
    }

    /// As [`with_hanging_command`](Self::with_hanging_command), for words that are not known when the test is compiled.
    pub fn set_hanging_command(&mut self, words: &[&str]) {
        self.declare_command(words, CommandFate::Hangs);
    }

    fn declare_command(&mut self, words: &[&str], fate: CommandFate) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.commands.retain(|command| command.words != words);
        self.commands.push(Command { words, fate });
    }

    /// A service whose process ends as soon as it is started: its start is a failed change.
    #[must_use]
    pub fn with_exiting_service(mut self, name: &str, code: i32, output: &str) -> Self {
        self.set_exiting_service(name, code, output);
        self
    }

    /// As [`with_exiting_service`](Self::with_exiting_service).
    pub fn set_exiting_service(&mut self, name: &str, code: i32, output: &str) {
        let output = output.lines().map(str::to_owned).collect();
        self.exits.insert(name.to_owned(), Exit { code, output });
    }

    /// A service whose start does not come to an end: waiting for it is a timeout.
    #[must_use]
    pub fn with_hanging_service(mut self, name: &str) -> Self {
        self.hanging.insert(name.to_owned());
        self
    }

    /// A check that fails, once it is in the plan and runs.
    #[must_use]
    pub fn with_failing_check(mut self, name: &str) -> Self {
        self.set_failing_check(name, true);
        self
    }

    /// From now on a check fails, or does not.
    pub fn set_failing_check(&mut self, name: &str, fails: bool) {
        if fails {
            self.failing_checks.insert(name.to_owned());
        } else {
            self.failing_checks.remove(name);
        }
        self.settle_checks();
    }

    /// A service writes a line.
    pub fn write_log(&mut self, service: &str, message: &str) {
        let time = self.tick();
        self.logs.push(LogLine {
            time,
            service: service.to_owned(),
            message: message.to_owned(),
        });
    }

    /// A service that ran has ended with an error, and Pebble does not start it again.
    pub fn fail_service(&mut self, name: &str) {
        let since = self.tick();
        if let Some(service) = self.services.get_mut(name) {
            service.status = ServiceStatus::Error;
            service.since = since;
        }
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Adds a layer as Pebble does; Pebble's text if it refuses.
    pub(super) fn join_layer(&mut self, label: &str, layer: &Layer, combine_it: bool) -> Result<(), String> {
        if label.is_empty() {
            return Err("label must be set".to_owned());
        }
        validate::layer(label, layer).map_err(|error| format!("cannot parse layer YAML: {error}"))?;
        let before = self.plan();
        let mut layers = self.layers.clone();
        match layers.iter_mut().find(|(name, _)| name == label) {
            Some(_) if !combine_it => return Err(format!("layer {label:?} already exists")),
            Some((_, below)) => {
                *below = combine([(label, &*below), (label, layer)]).map_err(|error| error.to_string())?;
            }
            None => layers.push((label.to_owned(), layer.clone())),
        }
        let all = combine(layers.iter().map(|(label, layer)| (label.as_str(), layer)));
        let plan = all.map_err(|error| error.to_string())?.into();
        validate::plan(&plan).map_err(|error| error.to_string())?;
        self.layers = layers;
        self.plan_changed(&before);
        Ok(())
    }

    /// What the test has declared and Pebble could not have; empty if all is well.
    pub(in crate::testing) fn contradictions(&self) -> &[String] {
        &self.contradictions
    }

    /// True if Pebble answers.
    pub fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// The layers by label, from bottom to top.
    pub fn layers(&self) -> &[(String, Layer)] {
        &self.layers
    }

    /// All layers joined.
    pub fn plan(&self) -> Plan {
        let layers = self.layers.iter().map(|(label, layer)| (label.as_str(), layer));
        // What cannot be joined was refused.
        combine(layers).unwrap_or_default().into()
    }

    /// What a service does; `None` if it is not in the plan.
    pub fn service(&self, name: &str) -> Option<ServiceStatus> {
        self.plan().services.contains_key(name).then(|| {
            let started = self.services.get(name);
            started.map_or(ServiceStatus::Inactive, |service| service.status.clone())
        })
    }

    /// What a check found; `None` if it is not in the plan.
    pub fn check(&self, name: &str) -> Option<CheckStatus> {
        self.checks.get(name).map(|check| check.status.clone())
    }

    /// A file; `None` if there is none, or it is a folder.
    pub fn file(&self, path: &str) -> Option<&FakeFile> {
        self.files.file(path)
    }

    /// The files, by path.
    pub fn files(&self) -> Vec<(&str, &FakeFile)> {
        self.files.all()
    }

    /// The notices, by number.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The changes, by number.
    pub fn changes(&self) -> Vec<&Change> {
        self.changes.iter().map(|change| &change.change).collect()
    }

    /// The commands that were run, in order.
    pub fn executed(&self) -> &[ExecOptions] {
        &self.executed
    }

    /// The signals that were sent, with the service, in order.
    pub fn signals(&self) -> &[(String, String)] {
        &self.signals
    }

    /// Lets something happen; tells when.
    pub(super) fn tick(&mut self) -> String {
        self.now += TICK;
        timestamp(self.now)
    }

    /// Tells what [`tick`](Self::tick) would.
    pub(super) fn now(&self) -> Duration {
        self.now
    }
}

impl PartialEq for PebbleState {
    fn eq(&self, other: &Self) -> bool {
        let services = |state: &Self| -> BTreeMap<String, (ServiceStatus, Service)> {
            let services = state.services.iter();
            services
                .map(|(name, service)| (name.clone(), (service.status.clone(), service.config.clone())))
                .collect()
        };
        let checks = |state: &Self| -> BTreeMap<String, CheckStatus> {
            let checks = state.checks.iter();
            checks
                .map(|(name, check)| (name.clone(), check.status.clone()))
                .collect()
        };
        let custom = |state: &Self| -> BTreeSet<String> {
            let notices = state
                .notices
                .iter()
                .filter(|notice| notice.notice_type.as_str() == "custom");
            notices.map(|notice| notice.key.clone()).collect()
        };
        self.reachable == other.reachable
            && self.layers == other.layers
            && services(self) == services(other)
            && checks(self) == checks(other)
            && self.files == other.files
            && custom(self) == custom(other)
    }
}

/// RFC 3339 with nine digits, of a time since 1970.
pub(super) fn timestamp(time: Duration) -> String {
    let time = Timestamp::UNIX_EPOCH.checked_add(time).unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_pebble_does() {
        let first = PebbleState::new().tick();
        assert_eq!(first, "2026-01-01T00:00:00.001000000Z");
    }
}
