//! Numbers as Grafana writes them (packages/grafana-data/src/valueFormats and field/displayProcessor.ts of grafana/grafana): three digits that
//! count where nothing else is said, and no zeros at the end.

use super::form::Unit;

/// Lengths of time: up to which number of seconds one is used, how many seconds it has, and its name.
const TIMES: [(f64, f64, &str); 6] = [
    (60.0, 1.0, "s"),
    (3600.0, 60.0, "min"),
    (86_400.0, 3600.0, "hour"),
    (604_800.0, 86_400.0, "day"),
    (31_536_000.0, 604_800.0, "week"),
    (f64::INFINITY, 31_556_900.0, "year"),
];

/// Prefixes of bytes, each 1024 times the one before.
const PREFIXES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number with its unit.
pub fn formatted(number: f64, unit: Unit) -> String {
    match unit {
        Unit::None => digits(number),
        Unit::Share => format!("{}%", digits(number * 100.0)),
        Unit::Bytes => {
            let mut prefixes = PREFIXES.iter().peekable();
            let mut scaled = number;
            let mut prefix = "B";
            while let Some(next) = prefixes.next() {
                prefix = next;
                if scaled.abs() < 1024.0 || prefixes.peek().is_none() {
                    break;
                }
                scaled /= 1024.0;
            }
            format!("{} {prefix}", digits(scaled))
        }
        Unit::Seconds => {
            let fits = |(below, _, _): &&(f64, f64, &str)| number.abs() < *below;
            let (_, seconds, name) = TIMES.iter().find(fits).unwrap_or(&TIMES[5]);
            let count = digits(number / seconds);
            let is_word = !matches!(*name, "s" | "min");
            let plural = if is_word && count != "1" { "s" } else { "" };
            format!("{count} {name}{plural}")
        }
    }
}

/// Its digits.
fn digits(number: f64) -> String {
    let mut decimals = 0_usize;
    // Whole numbers have none.
    if number.fract() != 0.0 {
        let mut power = 100.0;
        while number.abs() < power && decimals < 9 {
            decimals += 1;
            power /= 10.0;
        }
    }
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_grafana_writes_them() {
        for (number, unit, expected) in [
            (0.0, Unit::None, "0"),
            (412.0, Unit::None, "412"),
            (9204.0, Unit::None, "9204"),
            (2.5, Unit::None, "2.5"),
            (0.976_19, Unit::Share, "97.6%"),
            (1.0, Unit::Share, "100%"),
            (0.0, Unit::Bytes, "0 B"),
            (1023.0, Unit::Bytes, "1023 B"),
            (52_428_800.0, Unit::Bytes, "50 MiB"),
            (1_610_612_736.0, Unit::Bytes, "1.5 GiB"),
            (42.0, Unit::Seconds, "42 s"),
            (73.0, Unit::Seconds, "1.22 min"),
            (3600.0, Unit::Seconds, "1 hour"),
            (33_493.0, Unit::Seconds, "9.3 hours"),
            (-50_400.0, Unit::Seconds, "-14 hours"),
            (295_000.0, Unit::Seconds, "3.41 days"),
            (2_592_000.0, Unit::Seconds, "4.29 weeks"),
            (40_000_000.0, Unit::Seconds, "1.27 years"),
        ] {
            assert_eq!(formatted(number, unit), expected, "{number} {unit:?}");
        }
    }
}
