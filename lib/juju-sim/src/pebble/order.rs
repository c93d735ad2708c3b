//! In which order services start and stop, and which of them side by side. Source: `order` and `createLanes` in
//! `internals/plan/plan.go` of canonical/pebble.

use std::collections::{BTreeMap, BTreeSet};

use juju_charm::pebble::Service;

/// Services in lanes: one after the other within a lane, side by side otherwise.
pub(crate) type Lanes = Vec<Vec<String>>;

type Services = BTreeMap<String, Service>;

/// What has to be started for these services, in order.
pub(crate) fn start(services: &Services, names: &[String]) -> Result<Lanes, String> {
    lanes(services, sorted(services, names, false)?)
}

/// What has to be stopped with these services, in order.
pub(crate) fn stop(services: &Services, names: &[String]) -> Result<Lanes, String> {
    lanes(services, sorted(services, names, true)?)
}

fn find<'a>(services: &'a Services, name: &str) -> Result<&'a Service, String> {
    services
        .get(name)
        .ok_or_else(|| format!("service {name:?} does not exist"))
}

fn sorted(services: &Services, names: &[String], stop: bool) -> Result<Vec<String>, String> {
    let mut involved: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut pending: Vec<String> = names.to_vec();
    while let Some(name) = pending.pop() {
        if involved.contains_key(&name) {
            continue;
        }
        let service = find(services, &name)?;
        if stop {
            let requiring = services
                .iter()
                .filter(|(_, other)| other.requires.contains(&name));
            pending.extend(requiring.map(|(other, _)| other.clone()));
        } else {
            pending.extend(service.requires.iter().cloned());
        }
        involved.insert(name, Vec::new());
    }
    let all: Vec<String> = involved.keys().cloned().collect();
    for name in all {
        let service = find(services, &name)?;
        let (after, before) = if stop {
            (&service.before, &service.after)
        } else {
            (&service.after, &service.before)
        };
        for earlier in after.iter().filter(|other| services.contains_key(*other)) {
            if involved.contains_key(earlier)
                && let Some(list) = involved.get_mut(&name)
            {
                list.push(earlier.clone());
            }
        }
        for later in before {
            if let Some(list) = involved.get_mut(later) {
                list.push(name.clone());
            }
        }
    }
    let mut search = Search {
        edges: &involved,
        done: BTreeSet::new(),
        path: Vec::new(),
        order: Vec::new(),
    };
    for name in involved.keys() {
        search.visit(name)?;
    }
    Ok(search.order)
}

/// A depth-first search: a service comes after all that it has to come after.
struct Search<'a> {
    edges: &'a BTreeMap<String, Vec<String>>,
    done: BTreeSet<&'a str>,
    path: Vec<&'a str>,
    order: Vec<String>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, name: &'a str) -> Result<(), String> {
        if self.done.contains(name) {
            return Ok(());
        }
        if let Some(at) = self.path.iter().position(|before| *before == name) {
            let mut names: Vec<&str> = self.path.get(at..).unwrap_or_default().to_vec();
            names.sort_unstable();
            return Err(format!("services in before/after loop: {}", names.join(", ")));
        }
        self.path.push(name);
        for earlier in self.edges.get(name).map(Vec::as_slice).unwrap_or_default() {
            self.visit(earlier)?;
        }
        self.path.pop();
        self.done.insert(name);
        self.order.push(name.to_owned());
        Ok(())
    }
}

fn lanes(services: &Services, names: Vec<String>) -> Result<Lanes, String> {
    let mut lane_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut lanes: Lanes = Vec::new();
    for name in &names {
        let service = find(services, name)?;
        let known = std::iter::once(name)
            .chain(&service.requires)
            .find_map(|name| lane_of.get(name));
        let lane = known
            .copied()
            .unwrap_or_else(|| lane_of.values().max().map_or(0, |last| last + 1));
        lane_of.insert(name.clone(), lane);
        for required in &service.requires {
            lane_of.insert(required.clone(), lane);
        }
    }
    for name in names {
        let lane = lane_of.get(&name).copied().unwrap_or_default();
        if lanes.len() <= lane {
            lanes.resize(lane + 1, Vec::new());
        }
        if let Some(names) = lanes.get_mut(lane) {
            names.push(name);
        }
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Services {
        serde_yaml::from_str(text).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_required_comes_along_and_after_and_before_give_the_order() {
        let services = services(
            "{web: {requires: [db], after: [db, cache]}, db: {}, cache: {}, log: {before: [db]}, alone: {}}",
        );
        assert_eq!(
            start(&services, &names(&["web"])),
            Ok(vec![names(&["db", "web"])])
        );
        assert_eq!(stop(&services, &names(&["db"])), Ok(vec![names(&["web", "db"])]));
        let all = names(&["web", "log", "alone"]);
        let lanes = start(&services, &all).unwrap();
        assert_eq!(lanes, [names(&["alone"]), names(&["log"]), names(&["db", "web"])]);
    }

    #[test]
    fn a_loop_and_an_unknown_service_are_refused() {
        let services = services("{a: {after: [b]}, b: {after: [a]}, c: {requires: [nope]}}");
        let refused = start(&services, &names(&["a", "b"])).unwrap_err();
        assert_eq!(refused, "services in before/after loop: a, b");
        assert_eq!(
            start(&services, &names(&["c"])).unwrap_err(),
            "service \"nope\" does not exist"
        );
    }
}
