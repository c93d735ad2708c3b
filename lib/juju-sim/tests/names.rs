//! The names that Juju takes, in Juju's words where it takes one not, and what Kubernetes makes of long ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod common;

use common::{Bed, options};
use juju_sim::{ClusterOptions, Error, OperatorOptions, Options, Simulation, StatusInfo};

/// Applications, and what Juju says behind the name where it refuses one; none where it takes it.
const APPLICATIONS: [(&str, Option<&str>); 22] = [
    ("wordpress", None),
    ("w", None),
    ("mediawiki", None),
    ("hi-world", None),
    ("foo42", None),
    ("doing-55in54", None),
    ("a1-2b", None),
    ("a-b-c", None),
    ("", Some("")),
    ("42", Some("")),
    ("2foo", Some("")),
    ("-foo", Some("")),
    ("foo-", Some("")),
    ("foo--bar", Some("")),
    ("foo-1", Some(", unexpected number(s) found after last hyphen")),
    (
        "foo-bar-22",
        Some(", unexpected number(s) found after last hyphen"),
    ),
    ("foo-1-bar", Some("")),
    ("Foo", Some(", unexpected uppercase character")),
    ("foo-Bar-1", Some(", unexpected uppercase character")),
    ("foo_bar", Some(", unexpected character _")),
    ("foo/0", Some(", unexpected character /")),
    ("grün", Some(", unexpected character ü")),
];

#[test]
fn application_names_are_refused_in_jujus_words() {
    let mut bed = Bed::new(options());
    for (name, refused) in APPLICATIONS {
        // The stand-in operator needs no pod, so this is fast, and the rule is the same one.
        let operator = OperatorOptions {
            app: name.to_owned(),
            ..OperatorOptions::default()
        };
        let answer = bed
            .sim
            .deploy_velero_operator(operator)
            .map_err(|error| error.to_string());
        let expected = refused.map(|reason| format!("invalid application name {name:?}{reason}"));
        assert_eq!(answer.err(), expected, "{name}");
        assert_eq!(
            bed.sim.model().applications.contains_key(name),
            refused.is_none(),
            "{name}"
        );
    }
}

#[test]
fn a_charm_is_not_deployed_under_a_name_that_juju_refuses() {
    let mut bed = Bed::new(options());
    let deploy = bed.probe("probe-1");
    let error = bed.sim.deploy(deploy).unwrap_err();
    assert!(matches!(error, Error::Refused(_)));
    assert_eq!(
        error.to_string(),
        "invalid application name \"probe-1\", unexpected number(s) found after last hyphen"
    );
    assert!(bed.sim.model().applications.is_empty());
}

#[test]
fn model_names_are_refused_in_jujus_words_and_long_ones_in_those_of_kubernetes() {
    let juju = "is not a valid name: model names may only contain lowercase letters, digits and hyphens";
    let longest = "m".repeat(63);
    let (too_long, far_too_long) = ("m".repeat(64), "m".repeat(129));
    for (name, refused) in [
        ("homelab", None),
        ("0", None),
        ("1media-2", None),
        ("a--b", None),
        (longest.as_str(), None),
        ("", Some(juju)),
        ("-media", Some(juju)),
        ("Media", Some(juju)),
        ("me_dia", Some(juju)),
        ("média", Some(juju)),
        (&far_too_long, Some(juju)),
        (&too_long, Some("must be no more than 63 characters")),
        ("media-", Some("a lowercase RFC 1123 label must consist of")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            model: name.to_owned(),
            ..options()
        };
        let made = Simulation::create(folder.path().join("model"), options);
        match (made, refused) {
            (Ok(simulation), None) => assert_eq!(simulation.model().name, name),
            (Err(Error::Refused(text)), Some(part)) => assert!(text.contains(part), "{name}: {text}"),
            (made, refused) => panic!("{name}: {:?} and not {refused:?}", made.map(|_| ())),
        }
    }
}

/// The probe has a storage `config`, as the charm of this project.
fn deployed(length: usize, cluster: ClusterOptions) -> (Bed, String) {
    let app = "p".repeat(length);
    let mut bed = Bed::new(Options { cluster, ..options() });
    let deploy = bed.probe(&app);
    bed.sim.deploy(deploy).unwrap();
    (bed, app)
}

fn shown(status: &StatusInfo) -> String {
    format!("{}: {}", status.current, status.message)
}

#[test]
fn the_longest_name_that_kubernetes_makes_a_pod_for_has_49_characters() {
    let (bed, app) = deployed(49, ClusterOptions::default());
    let unit = format!("{app}/0");
    assert!(bed.order(&unit).iter().any(|line| line.contains("hooks/start")));
    let pod = bed.sim.pod(&unit).unwrap();
    for (_, value) in pod["metadata"]["labels"].as_object().unwrap() {
        assert!(value.as_str().unwrap().len() <= 63, "{value}");
    }
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert!(
        volumes
            .iter()
            .any(|volume| volume["name"].as_str().unwrap().len() == 63)
    );
}

#[test]
fn juju_takes_a_longer_name_and_waits_for_a_pod_that_never_comes() {
    let (mut bed, app) = deployed(50, ClusterOptions::default());
    let unit = format!("{app}/0");
    assert_eq!(
        shown(&bed.sim.app_status(&app).unwrap()),
        "waiting: waiting for units to settle down"
    );
    let status = bed.sim.status(&unit).unwrap();
    assert_eq!(shown(&status.workload), "waiting: installing agent");
    assert_eq!(status.agent.current, "allocating");
    assert_eq!(bed.sim.pod(&unit), None);
    let error = bed.sim.update_status(&unit).unwrap_err().to_string();
    assert!(
        error.contains("create Pod") && error.contains("spec.volumes[0].name: Invalid value"),
        "{error}"
    );
    bed.sim.remove_application(&app).unwrap();
    assert!(bed.sim.model().applications.is_empty());
    assert!(bed.sim.model().units.is_empty());
}

#[test]
fn the_applications_status_has_what_kubernetes_says_of_a_name_of_60_characters() {
    let (bed, app) = deployed(60, ClusterOptions::default());
    assert_eq!(
        shown(&bed.sim.app_status(&app).unwrap()),
        format!(
            "error: creating or updating headless service for \"stateful\" \"{app}\": Service \"{app}-endpoints\" is invalid: \
             metadata.name: Invalid value: \"{app}-endpoints\": must be no more than 63 characters"
        )
    );
    assert!(bed.sim.dispatches().is_empty());
}

#[test]
fn a_cluster_that_makes_pods_for_every_name_shows_what_a_charm_makes_of_it() {
    let cluster = ClusterOptions {
        pods_of_long_names: true,
        ..ClusterOptions::default()
    };
    let (bed, app) = deployed(60, cluster);
    assert!(
        bed.order(&format!("{app}/0"))
            .iter()
            .any(|line| line.contains("hooks/start"))
    );
}
