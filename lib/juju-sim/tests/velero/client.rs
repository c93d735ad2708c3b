//! A model with an operator and a client that asks for what its options say, and what tests look at there.

use std::path::{Path, PathBuf};

use juju_sim::{ActionResult, Defects, Deploy, OperatorOptions, Simulation};

use crate::common::{Bed, options};

/// A request that names what it wants.
pub const SPEC: &str = r#"{"include_namespaces":["media"],"include_resources":["pods","persistentvolumeclaims"],"label_selector":{"app.kubernetes.io/name":"radarr"},"ttl":"720h","schedule":"0 3 * * *"}"#;

/// The folder of a charm that publishes the databag that its options say.
pub fn charm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/client")
}

/// That charm, as application `app`.
pub fn client(app: &str) -> Deploy {
    Deploy::new(app, charm())
}

/// A model with an operator and one client `radarr` that asks for `spec`, integrated.
pub fn asked(operator: OperatorOptions, spec: &str) -> Bed {
    let mut bed = Bed::new(options());
    bed.sim.deploy_velero_operator(operator).unwrap();
    bed.sim.deploy(client("radarr").config("spec", spec)).unwrap();
    bed.sim.integrate("radarr", "velero-operator").unwrap();
    bed
}

/// The operator as it is.
pub fn operator() -> OperatorOptions {
    OperatorOptions::default()
}

/// Runs an action of the operator.
pub fn run(bed: &mut Bed, action: &str, params: &[(&str, &str)]) -> ActionResult {
    let params = params
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    bed.sim
        .run_action("velero-operator/0", action, params.collect())
        .unwrap()
}

/// Runs `create-backup`.
pub fn create_backup(bed: &mut Bed, params: &[(&str, &str)]) -> ActionResult {
    run(bed, "create-backup", params)
}

pub fn ask(bed: &mut Bed, spec: &str) {
    bed.sim.set_config("radarr", &[("spec", spec)]).unwrap();
}

pub fn names(sim: &Simulation) -> Vec<String> {
    let schedules = sim.schedules();
    schedules
        .iter()
        .map(|schedule| schedule.name().to_owned())
        .collect()
}

pub fn operator_status(sim: &Simulation) -> String {
    let status = sim.status("velero-operator/0").unwrap().workload;
    format!("{}: {}", status.current, status.message)
}

/// The warnings but the one about restarts, which every change brings.
pub fn warnings(sim: &Simulation) -> Vec<String> {
    let all = sim.operator_warnings();
    all.into_iter()
        .filter(|line| !line.contains("restarted Velero twice"))
        .collect()
}

pub fn with(change: impl FnOnce(&mut Defects)) -> OperatorOptions {
    let mut options = OperatorOptions::default();
    change(&mut options.defects);
    options
}
