//! `dispatch`: what Juju runs for every hook and action of the charm, without arguments, Velero around a backup, with some, and a
//! restore in its scratch pod.

use std::process::ExitCode;

use anyhow::Context;
use config_recovery::{SEND, send};
use juju_charm::Juju;
use workload_charm::backup::hooks::HookCommand;
use workload_charm::env::Env;
use workload_charm::exporter::{self, EXPORTER};
use workload_charm::kubernetes::KubeCluster;
use workload_charm::profile::AppProfile;
use workload_charm::recovery::KubeRecovery;
use workload_charm::unit_file;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To stderr as well: Juju keeps it in the unit's log even when the hook tools do not work.
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == EXPORTER) {
        let folder = arguments
            .next()
            .context("cannot run without the charm's folder")?;
        // Juju gives none: tests have no port of their own.
        let address = match arguments.next().and_then(|address| address.into_string().ok()) {
            Some(address) => Some(address.parse().context("cannot use this address")?),
            None => None,
        };
        return exporter::serve::run(folder.as_ref(), address).context("cannot export metrics");
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == SEND) {
        return send(std::env::args_os().skip(2), std::io::stdout()).context("cannot send the volume");
    }
    if let Some(command) = HookCommand::parse(std::env::args_os().skip(1))? {
        let program = std::env::current_exe().context("cannot find the charm's folder")?;
        let charm_dir = program.parent().context("cannot find the charm's folder")?;
        println!("{}", command.run(charm_dir)?);
        return Ok(());
    }
    let juju = Juju::from_env()?;
    juju_charm::log::init(&juju);
    let charm_dir = juju.context().charm_dir();
    let profile = AppProfile::of_charm(charm_dir)?;
    let kept_plan = unit_file::path(charm_dir, "pebble-plan.seen");
    let pebble = juju.pebble(&profile.name).keeping_plan(kept_plan);
    let cluster = KubeCluster::new(juju.context().model_name());
    let recovery = KubeRecovery::new(&cluster);
    workload_charm::dispatch(Env {
        juju: &juju,
        pebble: &pebble,
        cluster: &cluster,
        recovery: &recovery,
        profile: &profile,
    })?;
    Ok(())
}
