//! What Kubernetes makes of long names. Juju takes them, and finds out when it makes objects of them.
//!
//! Label values, volumes and namespaces have 63 characters, a Service too. What Juju makes of an application `APP`:
//! - the headless Service `APP-endpoints`, first of all (`configureHeadlessService` in
//!   `internal/provider/kubernetes/application/application.go` of juju/juju): 53 characters are left;
//! - a StatefulSet, whose pods carry `controller-revision-hash: APP-HASH` with up to 10 characters of hash (kubernetes#64023):
//!   52 are left for certain;
//! - for each storage a claim template `APP-STORAGE-UUID6`, which names the pod's volume: 49 are left with a storage `config`.
//!
//! The first is refused at once, and Juju sets the application's status (`appAlive` in
//! `internal/worker/caasapplicationprovisioner/ops.go`). The other two are found by the StatefulSet's controller, which tries
//! for ever: Juju waits for units that never come (`refreshApplicationStatus` there; juju#20002).

use super::names::volume_name;

/// The longest label value, volume, Service and namespace, in bytes.
const LONGEST: usize = 63;

/// Why an application gets no pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoPods {
    /// Juju could not make the application's objects; its application status says so.
    Refused(String),
    /// The StatefulSet is there and its pods are refused, which its events say and Juju's status does not.
    NeverMade(String),
}

/// Why there would be no pod `APP-0` with this revision and these storages; none if there is nothing in its way.
pub(super) fn no_pods(app: &str, revision: &str, storages: &[&str]) -> Option<NoPods> {
    let service = format!("{app}-endpoints");
    if service.len() > LONGEST {
        let text = invalid("Service", &service, &[too_long("metadata.name", &service)]);
        return Some(NoPods::Refused(format!(
            "creating or updating headless service for \"stateful\" {app:?}: {text}"
        )));
    }
    let mut problems = Vec::new();
    if revision.len() > LONGEST {
        problems.push(too_long("metadata.labels", revision));
    }
    for (number, storage) in storages.iter().enumerate() {
        let volume = volume_name(app, storage);
        if volume.len() > LONGEST {
            problems.push(too_long(&format!("spec.volumes[{number}].name"), &volume));
        }
    }
    if problems.is_empty() {
        return None;
    }
    let pod = format!("{app}-0");
    Some(NoPods::NeverMade(format!(
        "create Pod {pod} in StatefulSet {app} failed error: {}",
        invalid("Pod", &pod, &problems)
    )))
}

/// Why Kubernetes would refuse the namespace of a model, in its own words.
pub(crate) fn no_namespace(name: &str) -> Option<String> {
    if name.len() > LONGEST {
        return Some(invalid("Namespace", name, &[too_long("metadata.name", name)]));
    }
    if name.ends_with('-') {
        let rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                    with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        let problem = format!("metadata.name: Invalid value: {name:?}: {rule}");
        return Some(invalid("Namespace", name, &[problem]));
    }
    None
}

fn too_long(field: &str, value: &str) -> String {
    format!("{field}: Invalid value: {value:?}: must be no more than {LONGEST} characters")
}

/// An API server's answer: one problem as it is, several in brackets.
fn invalid(kind: &str, name: &str, problems: &[String]) -> String {
    let problems = match problems {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    format!("{kind} {name:?} is invalid: {problems}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as revisions get: ten digits of hash.
    fn revision(app: &str) -> String {
        format!("{app}-fc765f6fc7")
    }

    #[test]
    fn the_first_object_that_does_not_fit_decides() {
        for (length, storages, expected) in [
            (49, vec!["config"], None),
            (50, vec!["config"], Some("spec.volumes[0].name: Invalid value")),
            (52, vec![], None),
            (53, vec![], Some("metadata.labels: Invalid value")),
            (53, vec!["config"], Some("is invalid: [metadata.labels: ")),
            (54, vec![], Some("Service \"aaaa")),
            (
                60,
                vec!["config"],
                Some("creating or updating headless service for \"stateful\""),
            ),
        ] {
            let app = "a".repeat(length);
            let told = match no_pods(&app, &revision(&app), &storages) {
                Some(NoPods::Refused(text) | NoPods::NeverMade(text)) => Some(text),
                None => None,
            };
            match (&told, expected) {
                (None, None) => {}
                (Some(text), Some(part)) => assert!(text.contains(part), "{length} {storages:?}: {text}"),
                other => panic!("{length} {storages:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_text_is_that_of_an_api_server() {
        let app = "x234567890123456789012345678901234567890123456789012-60chars";
        let text = "creating or updating headless service for \"stateful\" \"x234567890123456789012345678901234567890123456789012-60chars\": \
                    Service \"x234567890123456789012345678901234567890123456789012-60chars-endpoints\" is invalid: metadata.name: \
                    Invalid value: \"x234567890123456789012345678901234567890123456789012-60chars-endpoints\": must be no more than 63 characters";
        assert_eq!(
            no_pods(app, &revision(app), &["config"]),
            Some(NoPods::Refused(text.to_owned()))
        );
    }

    #[test]
    fn a_namespace_is_a_label() {
        assert_eq!(no_namespace(&"m".repeat(63)), None);
        assert!(
            no_namespace(&"m".repeat(64)).is_some_and(|text| text.ends_with("no more than 63 characters"))
        );
        assert!(no_namespace("media-").is_some_and(|text| text.contains("Namespace \"media-\" is invalid")));
    }
}
