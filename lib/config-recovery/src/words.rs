//! How sizes, times and ages are written for a person.

use jiff::Timestamp;

/// Bytes, rounded: `20 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1000;
    let mut unit = 0;
    // 999.95 and more would be shown as 1000.
    while tenths >= 9995 && unit + 1 < UNITS.len() {
        tenths = tenths.saturating_add(500) / 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let (whole, rest) = (tenths / 10, tenths % 10);
    if whole >= 10 || rest == 0 {
        format!("{} {name}", (tenths + 5) / 10)
    } else {
        format!("{whole}.{rest} {name}")
    }
}

/// How much of it is there: `5 MB of 20 MB, 25 %`. What was stored is counted a little differently from what comes.
pub fn part(done: u64, total: u64) -> String {
    let percent = (u128::from(done) * 100)
        .checked_div(u128::from(total))
        .unwrap_or(100)
        .min(100);
    format!("{} of {}, {percent} %", size(done), size(total))
}

/// A time to the minute: `2026-11-24 03:12 UTC`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A day: `2026-11-24`, by UTC.
pub fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// How long ago it was, in one unit: `3 h`.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Rows below each other, each column as wide as its widest cell, two spaces between them and none at a line's end.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1500, "1.5 kB"),
            (20_131_072, "20 MB"),
            (9_960_000, "10 MB"),
            (999_400, "999 kB"),
            (999_960, "1 MB"),
            (1_250_000_000, "1.3 GB"),
            (u64::MAX, "1845 PB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let ago = |text: &str| age(text.parse().unwrap(), now);
        assert_eq!(ago("2026-11-24T11:59:30Z"), "30 s");
        assert_eq!(ago("2026-11-24T11:00:01Z"), "59 min");
        assert_eq!(ago("2026-11-23T12:00:00Z"), "24 h");
        assert_eq!(ago("2026-11-21T12:00:00Z"), "3 d");
        assert_eq!(ago("2026-11-24T12:00:01Z"), "0 s");
        assert_eq!(time(now), "2026-11-24 12:00 UTC");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["APP", "SIZE", "NAME"], ["größe", "2 MB", ""]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["APP    SIZE  NAME", "größe  2 MB"]);
        assert!(columns::<2>(&[]).is_empty());
    }
}
