//! When `daily` is.

use sha2::{Digest, Sha256};

/// Backups start in the four hours from 01:00 UTC.
const FIRST_MINUTE: u64 = 60;
const MINUTES: u64 = 4 * 60;

/// The minute of the day, counted from midnight UTC, at which the app of this name in this model has its daily backup.
///
/// It follows from the names alone, so that it never moves by itself, and differs from app to app, so that the apps of a
/// model do not all start at once.
pub fn daily_minute(model: &str, app: &str) -> u16 {
    let digest = Sha256::digest(format!("{model}/{app}"));
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u16::try_from(FIRST_MINUTE + number % MINUTES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_minute_is_in_the_night_and_never_moves() {
        assert_eq!(daily_minute("homelab", "films"), daily_minute("homelab", "films"));
        for app in 0..1000 {
            let minute = daily_minute("homelab", &format!("app{app}"));
            assert!((60..300).contains(&minute), "{minute}");
        }
    }

    #[test]
    fn ten_apps_do_not_start_at_once() {
        let apps = [
            "films", "series", "music", "books", "indexers", "torrents", "usenet", "videos", "photos",
            "requests",
        ];
        let minutes: BTreeSet<u16> = apps.iter().map(|app| daily_minute("homelab", app)).collect();
        assert!(minutes.len() >= 9, "{minutes:?}");
    }
}
