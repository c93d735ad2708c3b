//! Names that follow from other names.

use serde_json::Value;

/// Label that tells from which template a pod was made.
pub(super) const REVISION: &str = "controller-revision-hash";

/// Name of the claim template. Juju puts the first six digits of the application's UUID behind it.
pub(super) fn volume_name(app: &str, storage: &str) -> String {
    format!("{app}-{storage}-{}", suffix(app))
}

/// Six hexadecimal digits that follow from a text.
pub(super) fn suffix(text: &str) -> String {
    // FNV-1a
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:06x}", hash & 0xff_ffff)
}

/// Name of the revision that a template makes.
pub(super) fn revision(app: &str, template: &Value) -> String {
    format!("{app}-{}", suffix(&template.to_string()))
}
