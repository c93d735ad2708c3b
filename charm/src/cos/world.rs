//! Reads the relations for gather.

use std::collections::BTreeMap;

use juju_charm::{Juju, RelationId};

use super::logging::{self, Logging};
use super::{Related, dashboard, scrape};
use crate::CharmError;

/// The relations of `metrics-endpoint`.
///
/// # Errors
/// When a hook tool fails.
pub fn metrics(juju: &Juju, leader: bool) -> Result<Vec<Related>, CharmError> {
    let each = |id: &RelationId| -> Result<Related, CharmError> {
        let address = juju.network(scrape::ENDPOINT)?.bind_address();
        Ok(Related {
            unit_bag: juju.own_unit_data(id)?,
            address: address.map(|address| address.to_string()),
            ..related(juju, id, leader)?
        })
    };
    juju.relations(scrape::ENDPOINT)?.iter().map(each).collect()
}

/// The relations of `grafana-dashboard`. There is nothing for a unit to say.
///
/// # Errors
/// When a hook tool fails.
pub fn dashboard(juju: &Juju, leader: bool) -> Result<Vec<Related>, CharmError> {
    let ids = juju.relations(dashboard::ENDPOINT)?;
    ids.iter().map(|id| related(juju, id, leader)).collect()
}

/// The relations of `logging`, and where logs go.
///
/// # Errors
/// When a hook tool fails.
pub fn logging(juju: &Juju, leader: bool) -> Result<Logging, CharmError> {
    let mut found = Logging::default();
    for id in juju.relations(logging::ENDPOINT)? {
        for unit in juju.relation_units(&id)? {
            if let Some(place) = logging::place_in(&juju.unit_data(&id, &unit)?) {
                found.places.insert(unit.to_string(), place);
            }
        }
        found.related.push(related(juju, &id, leader)?);
    }
    Ok(found)
}

fn related(juju: &Juju, id: &RelationId, leader: bool) -> Result<Related, CharmError> {
    Ok(Related {
        id: id.to_string(),
        app_bag: if leader {
            Some(juju.own_app_data(id)?)
        } else {
            None
        },
        unit_bag: BTreeMap::new(),
        address: None,
    })
}
