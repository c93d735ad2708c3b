//! Any dispatch can be cut off at any hook-tool call, and the next one ends where an uncut one would have.
#![cfg(test)]

use std::sync::atomic::{AtomicUsize, Ordering};

use juju_sim::{Exit, Fault, OperatorOptions, Options};
use system_tests::house::{House, Seen, UNIT};

/// Something that happens to a model, and causes one or more dispatches of the unit.
struct Happening {
    name: &'static str,
    /// Brings the model to where it can happen.
    before: fn() -> House,
    /// Lets it happen.
    happen: fn(&mut House),
}

fn deployed() -> House {
    House::with_radarr(Options::default()).unwrap()
}

fn with_backups() -> House {
    House::with_backups().unwrap()
}

const HAPPENINGS: [Happening; 8] = [
    Happening {
        name: "deploy",
        before: || House::empty(Options::default()).unwrap(),
        happen: |house| {
            let deploy = house.radarr().unwrap();
            house.juju.deploy(deploy).unwrap();
        },
    },
    Happening {
        name: "integrate",
        before: || {
            let mut house = deployed();
            house
                .juju
                .deploy_velero_operator(OperatorOptions::default())
                .unwrap();
            house
        },
        happen: |house| {
            house.juju.integrate("radarr", "velero-operator").unwrap();
        },
    },
    Happening {
        name: "update-status",
        before: with_backups,
        happen: |house| house.juju.update_status(UNIT).unwrap(),
    },
    Happening {
        name: "another schedule",
        before: with_backups,
        happen: |house| {
            house
                .juju
                .set_config("radarr", &[("backup-schedule", "@weekly")])
                .unwrap()
        },
    },
    Happening {
        name: "another url base",
        before: with_backups,
        happen: |house| {
            house
                .juju
                .set_config("radarr", &[("url-base", "/radarr")])
                .unwrap()
        },
    },
    Happening {
        name: "an option that cannot be used",
        before: with_backups,
        happen: |house| {
            house
                .juju
                .set_config("radarr", &[("backup-retention", "30d")])
                .unwrap()
        },
    },
    Happening {
        name: "a new container",
        before: with_backups,
        happen: |house| house.juju.restart_container(UNIT, "radarr").unwrap(),
    },
    Happening {
        name: "the relation goes",
        before: with_backups,
        happen: |house| house.juju.remove_relation("radarr", "velero-operator").unwrap(),
    },
];

/// The dispatches that `happening` causes, as (path, number of hook tools), and what is seen in the end.
fn undisturbed(happening: &Happening) -> (Vec<(String, usize)>, Seen) {
    let mut house = (happening.before)();
    let before = house.juju.dispatches().len();
    (happening.happen)(&mut house);
    let dispatches: Vec<(String, usize)> = house.juju.dispatches()[before..]
        .iter()
        .map(|report| (report.path.clone(), report.tools.len()))
        .collect();
    assert!(
        !dispatches.is_empty(),
        "{}: nothing was dispatched",
        happening.name
    );
    (dispatches, house.seen().unwrap())
}

/// One kill: in which dispatch of which happening, and at which call.
struct Kill<'a> {
    happening: &'a Happening,
    path: String,
    fault: Fault,
    expected: &'a Seen,
}

impl Kill<'_> {
    /// Lets it happen with the kill, and holds the end to that of the undisturbed run.
    fn check(&self) {
        let mut house = (self.happening.before)();
        let before = house.juju.dispatches().len();
        house
            .juju
            .inject(UNIT, self.fault.clone().on(&self.path))
            .unwrap();
        (self.happening.happen)(&mut house);
        let killed = house.juju.dispatches()[before..]
            .iter()
            .filter(|report| matches!(report.exit, Exit::Terminated(_)))
            .count();
        let case = format!("{}: {} with {:?}", self.happening.name, self.path, self.fault);
        assert_eq!(killed, 1, "{case}: the kill did not happen");
        assert_eq!(&house.seen().unwrap(), self.expected, "{case}");
    }
}

/// Every how many-th kill `cargo test` plays. It is odd, so that kills before a call and after one both have their turn.
const QUICK: usize = 9;

#[test]
fn dispatches_can_be_killed_at_hook_tools() {
    play(QUICK);
}

#[test]
#[ignore = "takes minutes: cargo test -p system-tests --test cut_off -- --ignored"]
fn every_dispatch_can_be_killed_at_every_hook_tool() {
    play(1);
}

fn play(every: usize) {
    let undisturbed: Vec<_> = HAPPENINGS
        .iter()
        .map(|happening| (happening, undisturbed(happening)))
        .collect();
    let mut kills = Vec::new();
    for (happening, (dispatches, expected)) in &undisturbed {
        for (path, tools) in dispatches {
            for fault in (1..=*tools).flat_map(|call| [Fault::kill_before(call), Fault::kill_after(call)]) {
                let path = path.clone();
                kills.push(Kill {
                    happening,
                    path,
                    fault,
                    expected,
                });
            }
        }
    }
    assert!(kills.len() > 100, "only {} kills", kills.len());
    let kills: Vec<Kill<'_>> = kills.into_iter().step_by(every).collect();
    println!("{} kills", kills.len());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(kill) = kills.get(next.fetch_add(1, Ordering::Relaxed)) {
                    kill.check();
                }
            });
        }
    });
}
