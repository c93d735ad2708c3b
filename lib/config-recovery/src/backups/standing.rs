//! How an app's backups stand, in few requests: for a status that is asked for every five minutes.

use jiff::Timestamp;
use kube::api::ListParams;

use super::health::{BackupHealth, judged};
use super::list::{Readable, look_into, without_contents};
use super::names::{APP_LABEL, ENDPOINT_LABEL};
use super::schedules::schedules_of;
use super::{AppId, BackupSummary};
use crate::Result;
use crate::cluster::Cluster;

/// So many backups are looked into one by one without a good one among them. The first is good, as a rule; where none of these is, what all
/// the others hold is read at once.
const LOOKED_INTO: usize = 5;

/// How the backups stand that velero-operator makes for an app, endpoint by endpoint.
///
/// Two requests, however many backups the cluster holds, for the Backups and the Schedules with the operator's labels, and one for
/// each backup that has to be looked into: the newest completed one of each endpoint, one that is kept for longer, and the newest one
/// that failed since. Where five in a row are not good, what all others hold is read at once.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as
/// [`Cluster::ask`].
pub async fn standing(cluster: &Cluster, whose: &AppId) -> Result<BackupHealth> {
    let of_app = ListParams::default().labels(&of_app(&whose.app));
    // One after the other: beside the first, the second would open a connection of its own, and a handshake takes longer than a list.
    let backups = without_contents(cluster, whose, &of_app).await?;
    let schedules = schedules_of(cluster, &of_app).await?;
    let now = Timestamp::now();
    let mut summaries: Vec<BackupSummary> = backups
        .iter()
        .map(|backup| backup.without_contents(whose))
        .collect();
    let mut looked_into = vec![false; backups.len()];
    let mut in_vain = 0;
    loop {
        let inside = |place: usize| match looked_into.get(place) {
            Some(false) => Err(place),
            _ => Ok(()),
        };
        let next = match judged(&summaries, &schedules, whose, now, inside) {
            Ok(health) => return Ok(health),
            Err(next) => next,
        };
        let left = (0..backups.len()).filter(|place| looked_into.get(*place) == Some(&false));
        let places: Vec<usize> = match in_vain < LOOKED_INTO {
            true => vec![next],
            false => left.collect(),
        };
        let these: Vec<&Readable> = places.iter().filter_map(|place| backups.get(*place)).collect();
        let found = look_into(cluster, &these, whose).await?;
        for (place, summary) in places.into_iter().zip(found) {
            in_vain += usize::from(!summary.is_good(now));
            if let (Some(known), Some(is_known)) = (summaries.get_mut(place), looked_into.get_mut(place)) {
                *known = summary;
                *is_known = true;
            }
        }
    }
}

/// Selects what velero-operator made for the app of this name, of whatever model, and for whichever endpoint.
pub(crate) fn of_app(app: &str) -> String {
    format!("{APP_LABEL}={app},{ENDPOINT_LABEL}")
}
