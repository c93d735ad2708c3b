//! What happens to a model, what is seen of it in the end, and kills in between.

use std::sync::atomic::{AtomicUsize, Ordering};

use juju_sim::{DispatchReport, Exit, Fault, OperatorOptions, Options};
use system_tests::house::{Seen, SimulatedModel, UNIT};
use system_tests::storage_charm;

/// Something that happens to a model, and causes one or more dispatches of the unit.
pub struct Happening {
    pub name: &'static str,
    /// Brings the model to where it can happen.
    pub before: fn(Options) -> SimulatedModel,
    /// Lets it happen.
    pub happen: fn(&mut SimulatedModel),
}

fn deployed(options: Options) -> SimulatedModel {
    SimulatedModel::with_radarr(options).unwrap()
}

fn with_backups(options: Options) -> SimulatedModel {
    let mut house = deployed(options);
    house
        .juju
        .deploy_velero_operator(OperatorOptions::default())
        .unwrap();
    house.juju.integrate("radarr", "velero-operator").unwrap();
    house
}

pub const HAPPENINGS: [Happening; 10] = [
    Happening {
        name: "deploy",
        before: |options| SimulatedModel::empty(options).unwrap(),
        happen: |house| {
            let deploy = house.radarr().unwrap();
            house.juju.deploy(deploy).unwrap();
        },
    },
    Happening {
        name: "integrate",
        before: |options| {
            let mut house = deployed(options);
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
        name: "trust",
        before: with_backups,
        happen: |house| house.juju.trust("radarr", true).unwrap(),
    },
    Happening {
        name: "media",
        before: |options| {
            let mut house = deployed(options);
            house.juju.trust("radarr", true).unwrap();
            house
                .juju
                .deploy_velero_operator(OperatorOptions::default())
                .unwrap();
            house.juju.integrate("radarr", "velero-operator").unwrap();
            house.juju.make_claim("films");
            let config = storage_charm::config("films", "/data").unwrap();
            let folder = house.charm_dir().with_file_name("storage");
            house
                .juju
                .deploy(storage_charm::deploy(&folder, &config).unwrap())
                .unwrap();
            house
        },
        happen: |house| _ = house.juju.integrate("radarr", "storage").unwrap(),
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

/// What is seen of a happening that nothing disturbs.
pub struct Undisturbed {
    pub happening: &'static Happening,
    /// The unit's dispatches, in order.
    pub dispatches: Vec<DispatchReport>,
    /// What is seen in the end.
    pub end: Seen,
}

/// Plays each happening once, undisturbed, in a Juju that behaves like this.
pub fn undisturbed(options: &Options) -> Vec<Undisturbed> {
    let all = HAPPENINGS.iter();
    all.map(|happening| {
        let mut house = (happening.before)(options.clone());
        let before = house.juju.dispatches().len();
        (happening.happen)(&mut house);
        // What comes late comes now.
        house.juju.settle().unwrap();
        let mut dispatches = house.juju.dispatches()[before..].to_vec();
        dispatches.retain(|report| report.unit == UNIT);
        assert!(
            !dispatches.is_empty(),
            "{}: nothing was dispatched",
            happening.name
        );
        Undisturbed {
            happening,
            dispatches,
            end: house.seen().unwrap(),
        }
    })
    .collect()
}

/// One kill: in which dispatch of which happening, and when.
pub struct Kill<'a> {
    pub happening: &'static Happening,
    pub path: String,
    pub fault: Fault,
    pub expected: &'a Seen,
}

impl Kill<'_> {
    /// Lets it happen with the kill, and holds the end to that of the undisturbed run.
    fn check(&self, options: Options) {
        let mut house = (self.happening.before)(options);
        let before = house.juju.dispatches().len();
        house
            .juju
            .inject(UNIT, self.fault.clone().on(&self.path))
            .unwrap();
        (self.happening.happen)(&mut house);
        // What comes late comes now.
        house.juju.settle().unwrap();
        let killed = house.juju.dispatches()[before..]
            .iter()
            .filter(|report| matches!(report.exit, Exit::Terminated(_)))
            .count();
        let case = format!("{}: {} with {:?}", self.happening.name, self.path, self.fault);
        assert_eq!(killed, 1, "{case}: the kill did not happen");
        assert_eq!(&house.seen().unwrap(), self.expected, "{case}");
    }
}

/// Checks every so manieth kill, on all processors.
pub fn check(kills: &[Kill<'_>], every: usize, options: &Options) {
    let kills: Vec<&Kill<'_>> = kills.iter().step_by(every).collect();
    println!("{} kills", kills.len());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(kill) = kills.get(next.fetch_add(1, Ordering::Relaxed)) {
                    kill.check(options.clone());
                }
            });
        }
    });
}
