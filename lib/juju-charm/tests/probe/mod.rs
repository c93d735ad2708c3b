//! A charm with something of everything, for tests of the testing module.

use juju_charm::testing::{CharmFiles, Context};

const METADATA: &str = "
name: probe
requires:
  db: {interface: mysql, limit: 1}
peers:
  replicas: {interface: probe_peers}
storage:
  config: {type: filesystem, location: /config}
containers:
  app: {resource: app-image}
";
const CONFIG: &str = "
options:
  greeting: {type: string, default: hello}
  port: {type: int, default: 8080}
  ratio: {type: float}
  key: {type: secret}
";
const ACTIONS: &str = "
backup-now:
  params:
    wait: {type: boolean, default: true}
";

/// Its context.
#[allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]
pub fn probe() -> Context {
    Context::with_files(&CharmFiles {
        metadata: METADATA,
        config: CONFIG,
        actions: ACTIONS,
    })
    .unwrap()
}
