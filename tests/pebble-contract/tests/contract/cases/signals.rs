//! Signals to services.

use super::cases;
use crate::backends::Backend;
use crate::support::{DEADLINE, layer, refusal, until};

cases!["signals": only_to_what_runs, reach_the_process needs Processes];

fn only_to_what_runs(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble
        .add_layer(
            "web",
            &layer("services: {web: {override: replace, command: sleep 3600}}"),
            false,
        )
        .unwrap();
    for service in ["web", "nobody"] {
        let (status, message) = refusal(pebble.send_signal("SIGUSR1", &[service]));
        assert_eq!(
            (status, message),
            (
                500,
                format!("cannot send signal to \"{service}\": service is not running")
            )
        );
    }
    let (status, message) = refusal(pebble.send_signal("SIGUSR1", &[]));
    assert_eq!(
        (status, message.as_str()),
        (400, "must specify one or more services")
    );
    pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    let (status, message) = refusal(pebble.send_signal("SIGNONSENSE", &["web"]));
    assert_eq!(
        (status, message.as_str()),
        (
            500,
            "cannot send signal to \"web\": invalid signal name \"SIGNONSENSE\""
        )
    );
    pebble.send_signal("SIGCONT", &["web"]).unwrap();
}

fn reach_the_process(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let command = "sh -c 'trap \"echo got it\" USR1; echo ready; while :; do sleep 0.01; done'";
    let web = juju_charm::pebble::Layer {
        services: [(
            "web".to_owned(),
            juju_charm::pebble::Service {
                r#override: Some(juju_charm::pebble::Override::Replace),
                command: Some(command.to_owned()),
                ..Default::default()
            },
        )]
        .into(),
        ..Default::default()
    };
    pebble.add_layer("web", &web, false).unwrap();
    let said = |text: &str| {
        let lines = pebble.logs(&["web"], 10).unwrap();
        lines.iter().any(|line| line.message == text).then_some(())
    };
    pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    // Before the shell has set its trap, the signal would end it.
    until("the shell listens", || said("ready"));
    pebble.send_signal("SIGUSR1", &["web"]).unwrap();
    until("the signal has come", || said("got it"));
}
