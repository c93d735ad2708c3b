//! Services and changes of a fake Pebble: what is asked for is done at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::state::{FakeChange, PebbleState, StartedService};
use crate::pebble::validate::{PlanError, start_order, stop_order};
use crate::pebble::{
    Change, ChangeId, ChangeStatus, Notice, NoticeType, Progress, Service, ServiceAction, ServiceStatus,
    Startup, Task,
};

/// How long after their last occurrence notices are forgotten: `defaultNoticeExpireAfter` in `notices.go`.
const NOTICE_EXPIRES: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// A step of a change.
enum Step {
    Stop(String),
    Start(String),
}

impl PebbleState {
    pub(super) fn start_services(&mut self, kind: &str, names: &[&str]) -> Result<ChangeId, PlanError> {
        let services = self.plan().services;
        let order = start_order(&services, names)?;
        let steps = order.into_iter().map(Step::Start).collect();
        Ok(self.perform(kind, names, &services, steps))
    }

    pub(super) fn stop_services(&mut self, names: &[&str]) -> Result<ChangeId, PlanError> {
        let services = self.plan().services;
        let order = stop_order(&services, names)?;
        let steps = order.into_iter().map(Step::Stop).collect();
        Ok(self.perform("stop", names, &services, steps))
    }

    /// Stops only what was named, and starts it with what it requires.
    pub(super) fn restart_services(&mut self, names: &[&str]) -> Result<ChangeId, PlanError> {
        let services = self.plan().services;
        let stop = stop_order(&services, names)?;
        let stop = stop.into_iter().filter(|name| names.contains(&name.as_str()));
        let start = start_order(&services, names)?;
        let steps = stop
            .map(Step::Stop)
            .chain(start.into_iter().map(Step::Start))
            .collect();
        Ok(self.perform("restart", names, &services, steps))
    }

    /// Every service that was started once and whose configuration differs now is stopped and started, whether it runs
    /// or not; so is every enabled one. Source: `ServiceManager.Replan`.
    pub(super) fn replan_services(&mut self) -> Result<ChangeId, PlanError> {
        let services = self.plan().services;
        let changed: BTreeSet<&str> = self
            .services
            .iter()
            .filter(|(name, started)| services.get(*name) != Some(&started.config))
            .map(|(name, _)| name.as_str())
            .collect();
        let enabled = services
            .iter()
            .filter(|(_, service)| service.startup == Some(Startup::Enabled));
        let start: BTreeSet<&str> = enabled
            .map(|(name, _)| name.as_str())
            .chain(changed.clone())
            .collect();
        let stop = stop_order(&services, &changed.into_iter().collect::<Vec<_>>())?;
        let start = start_order(&services, &start.into_iter().collect::<Vec<_>>())?;
        let names: BTreeSet<String> = stop.iter().chain(&start).cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let steps = stop
            .into_iter()
            .map(Step::Stop)
            .chain(start.into_iter().map(Step::Start))
            .collect();
        let id = self.perform("replan", &names, &services, steps);
        self.replan_checks();
        Ok(id)
    }

    fn perform(
        &mut self,
        kind: &str,
        names: &[&str],
        services: &BTreeMap<String, Service>,
        steps: Vec<Step>,
    ) -> ChangeId {
        let title = title(kind);
        let involved: BTreeSet<&str> = steps
            .iter()
            .map(|(Step::Stop(name) | Step::Start(name))| name.as_str())
            .collect();
        let summary = match (names.first(), involved.len()) {
            (Some(first), 2..) => format!("{title} service {first:?} and {} more", involved.len() - 1),
            (Some(first), 1) => format!("{title} service {first:?}"),
            _ => format!("{title} - no services"),
        };
        let id = self.new_change(kind, &summary, names, &BTreeMap::new());
        let lanes = lanes(&involved, services);
        // What comes after a failure in the same lane is not done.
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut tasks = Vec::new();
        for step in &steps {
            let (verb, name) = match step {
                Step::Stop(name) => ("stop", name.as_str()),
                Step::Start(name) => ("start", name.as_str()),
            };
            let mut task = self.new_task(verb, &format!("{} service {name:?}", self::title(verb)));
            let lane = lanes.get(name).copied().unwrap_or_default();
            if failed.contains(lane) {
                task.status = ChangeStatus::Hold;
            } else {
                match step {
                    Step::Stop(name) => self.stop_one(name, &mut task),
                    Step::Start(name) => self.start_one(name, services, &mut task),
                }
                if task.status != ChangeStatus::Done {
                    failed.insert(lane);
                }
            }
            tasks.push(task);
        }
        self.finish_change(&id, tasks);
        id
    }

    fn start_one(&mut self, name: &str, services: &BTreeMap<String, Service>, task: &mut Task) {
        let Some(config) = services.get(name) else { return };
        let now = self.tick();
        if let Some(started) = self.services.get_mut(name) {
            started.config = config.clone();
            if started.status == ServiceStatus::Active {
                task.log
                    .push(format!("{now} INFO Service {name:?} already started."));
                return;
            }
        }
        let mut started = StartedService {
            status: ServiceStatus::Active,
            since: now.clone(),
            config: config.clone(),
        };
        if self.hanging.contains(name) {
            task.status = ChangeStatus::Doing;
        } else if let Some(exit) = self.exits.get(name).cloned() {
            let action = match exit.code {
                0 => &config.on_success,
                _ => &config.on_failure,
            };
            let action = action.clone().unwrap_or(ServiceAction::Restart);
            if !exit.output.is_empty() {
                let output: Vec<String> = exit.output.iter().map(|line| format!("    {line}")).collect();
                task.log.push(format!(
                    "{now} INFO Most recent service output:\n{}",
                    output.join("\n")
                ));
            }
            let reason = format!("exited quickly with code {}, will {action}", exit.code);
            task.log
                .push(format!("{now} ERROR service start attempt: {reason}"));
            task.status = ChangeStatus::Error;
            started.status = match action {
                ServiceAction::Restart => ServiceStatus::Backoff,
                ServiceAction::Ignore if exit.code == 0 => ServiceStatus::Inactive,
                ServiceAction::Ignore => ServiceStatus::Error,
                // All others end Pebble, and with it the container.
                _ => {
                    self.reachable = false;
                    ServiceStatus::Error
                }
            };
            for line in &exit.output {
                self.write_log(name, line);
            }
        }
        self.services.insert(name.to_owned(), started);
    }

    fn stop_one(&mut self, name: &str, task: &mut Task) {
        let now = self.tick();
        let note = match self.services.get_mut(name) {
            None => "has never been started",
            Some(started) => match started.status {
                ServiceStatus::Inactive => "already stopped",
                ServiceStatus::Error => {
                    started.status = ServiceStatus::Inactive;
                    started.since.clone_from(&now);
                    "had already exited"
                }
                _ => {
                    started.status = ServiceStatus::Inactive;
                    started.since = now;
                    return;
                }
            },
        };
        task.log.push(format!("{now} INFO Service {name:?} {note}."));
    }

    /// Begins a change without tasks.
    pub(super) fn new_change(
        &mut self,
        kind: &str,
        summary: &str,
        services: &[&str],
        notice_data: &BTreeMap<String, String>,
    ) -> ChangeId {
        let id = ChangeId::from((self.changes.len() + 1).to_string());
        let change = Change {
            id: id.clone(),
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            status: ChangeStatus::Doing,
            tasks: Vec::new(),
            ready: false,
            err: None,
            spawn_time: self.tick(),
            ready_time: None,
            data: BTreeMap::new(),
        };
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        self.changes.push(FakeChange { change, services });
        self.notice_change(&id, notice_data);
        id
    }

    pub(super) fn new_task(&mut self, kind: &str, summary: &str) -> Task {
        self.tasks += 1;
        Task {
            id: self.tasks.to_string(),
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            status: ChangeStatus::Done,
            log: Vec::new(),
            progress: Progress {
                label: String::new(),
                done: 1,
                total: 1,
            },
            spawn_time: self.tick(),
            ready_time: None,
            data: BTreeMap::new(),
        }
    }

    /// Gives a change its tasks, and the status that follows from them.
    pub(super) fn finish_change(&mut self, id: &ChangeId, mut tasks: Vec<Task>) {
        let now = self.tick();
        let has = |status: ChangeStatus| tasks.iter().any(|task| task.status == status);
        let status = if has(ChangeStatus::Doing) {
            ChangeStatus::Doing
        } else if has(ChangeStatus::Error) {
            ChangeStatus::Error
        } else {
            ChangeStatus::Done
        };
        let errors: Vec<String> = tasks
            .iter()
            .filter(|task| task.status == ChangeStatus::Error)
            .flat_map(|task| task.log.iter().map(move |line| (&task.summary, line)))
            .filter_map(|(summary, line)| Some(format!("- {summary} ({})", line.split_once(" ERROR ")?.1)))
            .collect();
        let ready = status != ChangeStatus::Doing;
        for task in &mut tasks {
            task.ready_time = (task.status != ChangeStatus::Doing).then(|| now.clone());
        }
        let Some(FakeChange { change, .. }) = self.changes.iter_mut().find(|entry| entry.change.id == *id)
        else {
            return;
        };
        change.tasks = tasks;
        change.ready = ready;
        change.ready_time = ready.then_some(now);
        if status == ChangeStatus::Error {
            change.err = Some(format!(
                "cannot perform the following tasks:\n{}",
                errors.join("\n")
            ));
        }
        change.status = status;
        if ready {
            self.notice_change(id, &BTreeMap::new());
        }
    }

    /// A service ends by this change from now on, and writes that into a file of the disk when it has.
    pub(super) fn is_ending(&mut self, id: &ChangeId, path: PathBuf, content: String) {
        self.change_is(id, ChangeStatus::Doing);
        self.ending.push((id.clone(), path, content));
    }

    /// The service that ends by this change has ended, or all that do.
    pub(super) fn has_ended(&mut self, id: Option<&ChangeId>) {
        let ending = std::mem::take(&mut self.ending);
        let (ended, ending) = ending
            .into_iter()
            .partition(|(change, ..)| id.is_none_or(|id| id == change));
        self.ending = ending;
        let ended: Vec<(ChangeId, PathBuf, String)> = ended;
        for (change, path, content) in ended {
            // Where its folder went meanwhile it has nowhere to write.
            let _ = std::fs::write(path, content);
            self.change_is(&change, ChangeStatus::Done);
        }
    }

    fn change_is(&mut self, id: &ChangeId, status: ChangeStatus) {
        if let Some(FakeChange { change, .. }) = self.changes.iter_mut().find(|entry| entry.change.id == *id)
        {
            change.ready = status == ChangeStatus::Done;
            change.status = status;
        }
    }

    /// Raises or repeats the notice of a change.
    fn notice_change(&mut self, id: &ChangeId, data: &BTreeMap<String, String>) {
        let change = self.changes.iter().find(|entry| entry.change.id == *id);
        let kind = change.map(|entry| entry.change.kind.clone()).unwrap_or_default();
        let notices = self.notices.iter();
        let before = notices
            .into_iter()
            .find(|notice| notice.notice_type == NoticeType::ChangeUpdate && notice.key == id.as_str());
        let mut last_data = before.map(|notice| notice.last_data.clone()).unwrap_or_default();
        last_data.extend(data.clone());
        last_data.insert("kind".to_owned(), kind);
        self.add_notice(NoticeType::ChangeUpdate, id.as_str(), last_data, None);
    }

    /// `State.AddNotice` of Pebble's `internals/overlord/state/notices.go`; tells the number.
    pub(super) fn add_notice(
        &mut self,
        notice_type: NoticeType,
        key: &str,
        data: BTreeMap<String, String>,
        repeat_after: Option<std::time::Duration>,
    ) -> String {
        let time = self.tick();
        let now = self.now();
        let number = (self.notices.len() + 1).to_string();
        let same = |notice: &&mut Notice| notice.notice_type == notice_type && notice.key == key;
        let is_due = |notice: &Notice| {
            let last: Option<jiff::Timestamp> = notice.last_repeated.parse().ok();
            let last = last.and_then(|last| u64::try_from(last.as_millisecond()).ok());
            let due =
                std::time::Duration::from_millis(last.unwrap_or_default()) + repeat_after.unwrap_or_default();
            repeat_after.is_none() || now > due
        };
        if let Some(notice) = self.notices.iter_mut().find(same) {
            if is_due(notice) {
                notice.last_repeated.clone_from(&time);
            }
            notice.occurrences += 1;
            notice.last_occurred = time;
            notice.last_data = data;
            notice.repeat_after = repeat_after;
            return notice.id.clone();
        }
        // Those that a client raises are its user's: root's.
        let user_id = (notice_type == NoticeType::Custom).then_some(0);
        self.notices.push(Notice {
            id: number.clone(),
            user_id,
            notice_type,
            key: key.to_owned(),
            first_occurred: time.clone(),
            last_occurred: time.clone(),
            last_repeated: time,
            occurrences: 1,
            last_data: data,
            repeat_after,
            expire_after: Some(NOTICE_EXPIRES),
        });
        number
    }

    /// An exec change that has ended.
    pub(super) fn record_exec(
        &mut self,
        executable: &str,
        exit_code: i32,
        error: Option<String>,
    ) -> ChangeId {
        let summary = format!("Execute command {executable:?}");
        let id = self.new_change("exec", &summary, &[], &BTreeMap::new());
        let mut task = self.new_task("exec", &summary);
        task.data.insert("exit-code".to_owned(), Value::from(exit_code));
        if let Some(error) = error {
            let now = self.tick();
            task.status = ChangeStatus::Error;
            task.log.push(format!("{now} ERROR {error}"));
        }
        self.finish_change(&id, vec![task]);
        id
    }
}

/// With a capital, as in a summary.
fn title(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    format!("{}{rest}", first.to_uppercase())
}

/// Names each service's lane by one of its members: those that require each other share one.
fn lanes<'a>(
    involved: &BTreeSet<&'a str>,
    services: &BTreeMap<String, Service>,
) -> BTreeMap<&'a str, &'a str> {
    let mut lanes: BTreeMap<&str, &str> = involved.iter().map(|name| (*name, *name)).collect();
    for name in involved {
        let requires = services.get(*name).map(|service| service.requires.as_slice());
        for required in requires.unwrap_or_default() {
            let (Some(&own), Some(&other)) = (lanes.get(name), lanes.get(required.as_str())) else {
                continue;
            };
            for lane in lanes.values_mut().filter(|lane| **lane == other) {
                *lane = own;
            }
        }
    }
    lanes
}
