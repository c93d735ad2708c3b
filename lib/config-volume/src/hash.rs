//! Checksums of files, and hexadecimal text.

use std::{fs::File, io};

use rustix::io::{read, retry_on_intr};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    Some(
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |sum, d| sum << 4 | d))
            .collect(),
    )
}

/// Reads up to `limit` bytes; says how many they were and their BLAKE3 in hexadecimal.
pub(crate) fn blake3(file: &mut File, limit: u64) -> io::Result<(u64, String)> {
    let mut digest = blake3::Hasher::new();
    // Most files are small, and a large buffer is cleared for each.
    let mut buffer = vec![0; usize::try_from(limit).unwrap_or(usize::MAX).min(PIECE)];
    let mut left = limit;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        let piece = buffer.get_mut(..most).unwrap_or_default();
        let count = retry_on_intr(|| read(&*file, &mut *piece))?;
        if count == 0 {
            break;
        }
        digest.update(piece.get(..count).unwrap_or_default());
        left -= count as u64;
    }
    Ok((digest.count(), digest.finalize().to_hex().to_string()))
}
