//! Notices: what happened, counted by type and key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use super::{duration, lenient};

text_enum! {
    /// What a notice is about.
    NoticeType {
        /// Raised by the workload or a client.
        Custom = "custom",
        /// A change went on; the key is its id.
        ChangeUpdate = "change-update",
        /// Pebble warns.
        Warning = "warning",
    }
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Notice {
    /// Its number.
    pub id: String,
    /// Whose it is; none if it is everybody's.
    #[serde(default)]
    pub user_id: Option<u32>,
    /// What it is about.
    #[serde(rename = "type")]
    pub notice_type: NoticeType,
    /// Which one of that type.
    pub key: String,
    /// When it occurred first, RFC 3339 with nine digits at most.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub first_occurred: String,
    /// When it occurred last.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub last_occurred: String,
    /// When it was last passed on; to be used as `after`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub last_repeated: String,
    /// How often it occurred.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub occurrences: u64,
    /// What came with the last occurrence.
    #[serde(
        default,
        deserialize_with = "lenient::text_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub last_data: BTreeMap<String, String>,
    /// Occurrences within this time after the last repeat are counted, but not passed on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub repeat_after: Option<Duration>,
    /// How long after its last occurrence it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub expire_after: Option<Duration>,
}

/// Which notices to get. An empty list means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticesQuery {
    /// Of these types.
    pub types: Vec<NoticeType>,
    /// With these keys.
    pub keys: Vec<String>,
    /// Repeated after this time, RFC 3339.
    pub after: Option<String>,
    /// How long to wait for one, if there is none. Waits longer than a few seconds are split into several requests.
    pub timeout: Option<Duration>,
}
