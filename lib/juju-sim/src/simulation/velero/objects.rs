//! What the API server adds to an object: name, uid, time. Numbered, so that the same story has the same names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use velero_api::ObjectMeta;
use velero_backup_config::names::check_label_value;

/// The letters of generated names (`k8s.io/apimachinery/pkg/util/rand`).
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of what is appended to `generateName`.
const SUFFIX: usize = 5;
/// `generateName` is cut to this, so that the name is a valid label value (`k8s.io/apiserver/pkg/storage/names`).
const LONGEST_PREFIX: usize = 58;

/// The metadata of a created object: `prefix` as `generateName`, the name and the uid made from `number`.
pub(crate) fn created(prefix: &str, namespace: &str, number: u64, now: i64) -> ObjectMeta {
    ObjectMeta {
        name: Some(generated_name(prefix, number)),
        generate_name: Some(prefix.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: Some(uid(number)),
        creation_timestamp: Some(timestamp(now)),
        ..ObjectMeta::default()
    }
}

/// Why Kubernetes would refuse an object with this `generateName` and these labels; none if it takes it.
pub(super) fn refusal(prefix: &str, labels: &BTreeMap<String, String>) -> Option<String> {
    for (key, value) in labels {
        if let Err(error) = check_label_value(value) {
            return Some(format!("label {key} {value:?}: {error}"));
        }
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let starts_well = prefix.bytes().next().is_some_and(is_plain);
    let fits = prefix
        .bytes()
        .all(|byte| is_plain(byte) || byte == b'-' || byte == b'.');
    (!starts_well || !fits)
        .then(|| format!("name {prefix:?}: only lower-case letters, digits, \"-\" and \".\" may be in it"))
}

/// RFC 3339 in UTC, to the second, as in `creationTimestamp`.
pub(super) fn timestamp(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

fn generated_name(prefix: &str, number: u64) -> String {
    let mut name: String = prefix.chars().take(LONGEST_PREFIX).collect();
    let mut rest = mixed(number);
    for _ in 0..SUFFIX {
        let letters = LETTERS.len() as u64;
        let letter = usize::try_from(rest % letters).unwrap_or(0);
        name.push(char::from(LETTERS.get(letter).copied().unwrap_or(b'b')));
        rest /= letters;
    }
    name
}

/// In the form of a random UUID (version 4).
fn uid(number: u64) -> String {
    let (high, low) = (
        mixed(number.wrapping_mul(2)),
        mixed(number.wrapping_mul(2).wrapping_add(1)),
    );
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// splitmix64: neighbouring numbers give names that do not look alike.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("app".to_owned(), value.to_owned())])
    }

    #[test]
    fn names_have_the_form_that_kubernetes_gives_them_and_differ() {
        let mut names = std::collections::BTreeSet::new();
        for number in 0..500 {
            let meta = created("radarr-backup-", "homelab", number, 1_795_425_768);
            let name = meta.name.unwrap();
            let suffix = name.strip_prefix("radarr-backup-").unwrap();
            assert_eq!(suffix.len(), 5);
            assert!(suffix.bytes().all(|byte| LETTERS.contains(&byte)), "{name}");
            let uid = meta.uid.unwrap();
            assert_eq!(
                uid.split('-').map(str::len).collect::<Vec<_>>(),
                [8, 4, 4, 4, 12],
                "{uid}"
            );
            assert_eq!(meta.generate_name.as_deref(), Some("radarr-backup-"));
            names.insert(name);
            names.insert(uid);
        }
        assert_eq!(names.len(), 1000, "a name or uid came twice");
    }

    #[test]
    fn a_long_name_stays_a_label_value() {
        let meta = created(&"a".repeat(100), "homelab", 0, 0);
        assert_eq!(meta.name.unwrap().len(), 63);
        assert_eq!(meta.creation_timestamp.as_deref(), Some("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn what_kubernetes_refuses_is_known() {
        assert_eq!(refusal("radarr-backup-", &labels("radarr")), None);
        assert!(refusal("radarr-backup-", &labels(&"a".repeat(64))).is_some());
        for prefix in ["radarr-my_endpoint-", "Radarr-backup-", "-backup-", ""] {
            assert!(
                refusal(prefix, &labels("radarr")).is_some(),
                "{prefix:?} was taken"
            );
        }
    }
}
