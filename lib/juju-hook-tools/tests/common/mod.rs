//! A small model for tests, and an easy way to call tools in it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: each test file uses a part of it, and a failure is what a test shows"
)]

use juju_hook_tools::context::{Event, HookContext};
use juju_hook_tools::model::{Charm, CharmFiles, Model};
use juju_hook_tools::session::{Change, HookSession, Invocation, ToolOutput};

/// The charm that the recordings were made with.
pub const PROBE: &str = "
name: probe
provides:
  velero-backup-config: {interface: velero_backup_config, limit: 1}
requires:
  opt: {interface: opt, optional: true}
peers:
  replicas: {interface: probe_peers}
storage:
  config: {type: filesystem, location: /config}
containers:
  app: {resource: app-image}
resources:
  app-image: {type: oci-image}
config:
  options:
    flag: {type: boolean, default: false}
    port: {type: int, default: 8080}
    ratio: {type: float, default: 0.5}
    text: {type: string, default: hello}
    cred: {type: secret}
    unset: {type: string}
actions:
  probe:
    params:
      name: {type: string, default: x}
  sh:
    params:
      cmd: {type: string}
";

/// The charm at the other end.
pub const VELO: &str = "
name: velo
requires:
  velero-backups: {interface: velero_backup_config}
";

pub const NONCE: &str = "0ac6ceaff24c8c9a8662911ed7544cb1";

pub fn charm(metadata: &str) -> Charm {
    let files = CharmFiles {
        metadata,
        ..CharmFiles::default()
    };
    Charm::from_files(&files).expect("the test charm is valid")
}

/// `probe` with its leader `probe/0`, in scope of its peer relation 0.
pub fn probe_model() -> Model {
    let mut model = Model::new("homelab", "c1dffb6d-a8af-4bab-851e-54aafa595a16");
    model.deploy("probe", charm(PROBE)).unwrap();
    model.add_unit("probe").unwrap();
    model.enter_scope(0, "probe/0");
    model
}

/// The same with a second unit `probe/1`, and `velo` with `velo/0`, related by relation 1; everybody has joined.
pub fn related_model() -> Model {
    let mut model = probe_model();
    model.add_unit("probe").unwrap();
    model.deploy("velo", charm(VELO)).unwrap();
    model.add_unit("velo").unwrap();
    assert_eq!(model.integrate("probe:velero-backup-config", "velo").unwrap(), 1);
    let mut changes = model.enter_scope(0, "probe/1");
    for unit in ["probe/0", "probe/1", "velo/0"] {
        changes.extend(model.enter_scope(1, unit));
    }
    settle(&mut model, changes);
    model
}

/// Runs every event with a dispatch that does nothing, until none is left.
pub fn settle(model: &mut Model, changes: Vec<Change>) {
    let mut queue = std::collections::VecDeque::from(changes);
    while let Some(change) = queue.pop_front() {
        if let Change::Event { unit, event } = change {
            let session = HookSession::begin(model, HookContext::new(unit, event, NONCE)).unwrap();
            queue.extend(session.commit(model).unwrap());
        }
    }
}

pub fn begin(model: &Model, unit: &str, event: Event) -> HookSession {
    HookSession::begin(model, HookContext::new(unit, event, NONCE)).unwrap()
}

pub fn config_changed(model: &Model, unit: &str) -> HookSession {
    begin(model, unit, Event::ConfigChanged)
}

/// Calls a tool without input.
pub fn call(session: &mut HookSession, model: &mut Model, line: &[&str]) -> ToolOutput {
    call_with(session, model, line, "")
}

/// Calls a tool with input.
pub fn call_with(session: &mut HookSession, model: &mut Model, line: &[&str], stdin: &str) -> ToolOutput {
    let (tool, args) = line.split_first().expect("a tool is named");
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let invocation = Invocation {
        stdin: stdin.as_bytes(),
        ..Invocation::new(tool, &args)
    };
    session.run(model, &invocation)
}

/// Calls a tool that must succeed without a word on standard error, and returns its output without the line end.
pub fn ok(session: &mut HookSession, model: &mut Model, line: &[&str]) -> String {
    let output = call(session, model, line);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{line:?}");
    output.stdout.trim_end_matches('\n').to_owned()
}

/// Calls a tool that must fail, and returns its exit code and its text.
pub fn fails(session: &mut HookSession, model: &mut Model, line: &[&str]) -> (i32, String) {
    let output = call(session, model, line);
    assert_eq!(output.stdout, "", "{line:?}");
    (output.code, output.stderr.trim_end_matches('\n').to_owned())
}
