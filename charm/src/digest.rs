//! What follows from bytes and does not lead back to them. By ring, which is there for TLS, and quick in an unoptimised build too.

use std::num::NonZeroU32;

use ring::digest::{SHA256, digest};
use ring::pbkdf2;

/// Their SHA-256.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    digest(&SHA256, bytes.as_ref()).as_ref().to_vec()
}

/// The first so many hexadecimal digits of it: what tells one content from another.
pub(crate) fn mark(bytes: impl AsRef<[u8]>, digits: usize) -> String {
    let mut mark = hex(&sha256(bytes));
    mark.truncate(digits);
    mark
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// PBKDF2 with HMAC-SHA512.
pub(crate) fn pbkdf2_sha512(password: &str, salt: &[u8], rounds: NonZeroU32) -> [u8; 64] {
    let mut hash = [0; 64];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        rounds,
        salt,
        password.as_bytes(),
        &mut hash,
    );
    hash
}
