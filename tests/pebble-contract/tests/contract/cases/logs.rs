//! What services write.

use super::cases;
use crate::backends::{Backend, Fact};
use crate::support::{DEADLINE, layer, until};

cases!["logs": the_last_lines_of_services];

fn the_last_lines_of_services(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let writers = layer(
        "
services:
  one: {override: replace, command: 'sh -c \"echo first; echo second >&2; exec sleep 3600\"'}
  two: {override: replace, command: 'sh -c \"echo other; exec sleep 3600\"'}
  three: {override: replace, command: sleep 3600}
",
    );
    pebble.add_layer("writers", &writers, false).unwrap();
    assert!(pebble.logs(&[], 10).unwrap().is_empty());
    pebble.start_and_wait(&["one", "two"], DEADLINE).unwrap();
    for (service, line) in [("one", "first"), ("one", "second"), ("two", "other")] {
        backend.tell(Fact::ServiceWrites { service, line });
    }
    let lines = until("all lines are there", || {
        let lines = pebble.logs(&[], 10).unwrap();
        (lines.len() >= 3).then_some(lines)
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
    // Pebble drops the zeros at the end of a fraction: what sorts as texts is a time without its zone letter.
    assert!(
        lines.is_sorted_by_key(|line| line.time.trim_end_matches('Z').to_owned()),
        "{lines:?}"
    );
    let of = |services: &[&str], count| -> Vec<String> {
        pebble
            .logs(services, count)
            .unwrap()
            .into_iter()
            .map(|line| format!("{}: {}", line.service, line.message))
            .collect()
    };
    assert_eq!(of(&["one"], 10), ["one: first", "one: second"]);
    assert_eq!(of(&["one"], 1), ["one: second"]);
    assert_eq!(of(&["two"], 10), ["two: other"]);
    assert!(of(&["three"], 10).is_empty());
    assert!(of(&["nobody"], 10).is_empty());
}
