//! A text as an .xz file: what grafana_dashboard takes a dashboard as.
//!
//! The file's one block is stored as it is (LZMA2 has chunks for that), so no compressor is needed: the text is some kilobytes, and a
//! relation's bag takes more. The form is that of <https://tukaani.org/xz/xz-file-format.txt>, version 1.2.1.

/// No chunk that is stored has more bytes.
const CHUNK: usize = 1 << 16;
/// The kind of check at the end of a block: CRC32.
const FLAGS: [u8; 2] = [0, 1];
/// Reset the dictionary, and then store; store.
const FIRST: u8 = 1;
const FURTHER: u8 = 2;

/// The file.
pub fn stored(text: &[u8]) -> Vec<u8> {
    let mut file = vec![0xfd, b'7', b'z', b'X', b'Z', 0];
    with_check(&mut file, &FLAGS);
    // Three times four bytes: its own length, one filter, no sizes; LZMA2 with one byte of properties: a dictionary of 64 KiB.
    let header = [2, 0, 0x21, 1, 8, 0, 0, 0];
    let begins = file.len();
    with_check(&mut file, &header);
    for (number, chunk) in text.chunks(CHUNK).enumerate() {
        file.push(if number == 0 { FIRST } else { FURTHER });
        let less_one = u16::try_from(chunk.len() - 1).unwrap_or(u16::MAX);
        file.extend(less_one.to_be_bytes());
        file.extend(chunk);
    }
    file.push(0);
    let data_end = file.len();
    pad(&mut file);
    file.extend(crc32(text).to_le_bytes());
    // What is padded does not count.
    let unpadded = data_end - begins + 4;
    let mut index = vec![0, 1];
    number(&mut index, unpadded);
    number(&mut index, text.len());
    pad(&mut index);
    with_check(&mut file, &index);
    // In four bytes, less one; the index has its check as the last of them.
    let words = u32::try_from(index.len() / 4).unwrap_or(u32::MAX);
    let mut footer = words.to_le_bytes().to_vec();
    footer.extend(FLAGS);
    file.extend(crc32(&footer).to_le_bytes());
    file.extend(footer);
    file.extend(b"YZ");
    file
}

fn with_check(file: &mut Vec<u8>, part: &[u8]) {
    file.extend(part);
    file.extend(crc32(part).to_le_bytes());
}

fn pad(file: &mut Vec<u8>) {
    file.resize(file.len().next_multiple_of(4), 0);
}

/// Seven bits a byte, the lowest first.
fn number(file: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        file.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    file.push(u8::try_from(number).unwrap_or_default());
}

/// As Ethernet has it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    let crc = bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_the_one_of_its_name() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    /// That the program `xz` reads such files, and larger ones, `cargo xtask alerts` shows.
    #[test]
    fn a_short_text_is_these_bytes() {
        let hex: String = stored(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "fd377a585a0000016922de36\
             0200210108000000d80f2313\
             0100026162630000c2412435\
             0001170307600cbc\
             9042990d010000000001595a"
        );
    }
}
