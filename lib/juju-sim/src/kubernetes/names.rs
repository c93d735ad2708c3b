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
    format!("{:06x}", hash(text) & 0xff_ffff)
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Name of the revision that a template makes. Kubernetes writes a hash of 32 bits with the letters of `SafeEncodeString` in
/// `k8s.io/apimachinery/pkg/util/rand`, ten of them here, as many as there can be.
pub(super) fn revision(app: &str, template: &Value) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let digits = format!("{:010}", hash(&template.to_string()) & 0xffff_ffff);
    let letters = digits
        .bytes()
        .map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()]));
    format!("{app}-{}", letters.collect::<String>())
}
