//! From numbers to places: round steps for an axis, and no more points in a line than it bends at.

use super::form::Unit;

/// About so many lines go across a panel.
const LINES: f64 = 4.0;

/// The lengths between two lines of an axis of seconds.
const TIMES: [f64; 18] = [
    1.0,
    5.0,
    15.0,
    30.0,
    60.0,
    300.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
];

/// An axis.
#[derive(Debug, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub step: f64,
}

impl Axis {
    /// One that shows these numbers, from nought on where they are not far from it.
    pub fn of(numbers: impl Iterator<Item = f64> + Clone, unit: Unit) -> Self {
        let least = numbers.clone().fold(f64::INFINITY, f64::min);
        let most = numbers.fold(f64::NEG_INFINITY, f64::max);
        if !least.is_finite() || !most.is_finite() {
            return Self {
                low: 0.0,
                high: 1.0,
                step: 1.0,
            };
        }
        let least = if (0.0..=most * 0.6).contains(&least) || least >= most {
            least.min(0.0)
        } else {
            least
        };
        let most = if most > least { most } else { least + 1.0 };
        let step = round((most - least) / LINES, unit);
        let low = (least / step).floor() * step;
        // A little air: no line runs along the edge.
        let high = most + (most - low) / 20.0;
        Self { low, high, step }
    }

    /// Where its lines are.
    pub fn lines(&self) -> impl Iterator<Item = f64> {
        let (low, high, step) = (self.low, self.high, self.step);
        (0_u32..64)
            .map(move |count| low + f64::from(count) * step)
            .take_while(move |line| *line <= high)
    }

    /// How far up a number is: 0 at the bottom, 1 at the top.
    pub fn share(&self, number: f64) -> f64 {
        (number - self.low) / (self.high - self.low)
    }
}

/// The next round length.
fn round(length: f64, unit: Unit) -> f64 {
    let decimal = |length: f64| {
        let mut power = 1.0;
        while power < length {
            power *= 10.0;
        }
        while power > length {
            power /= 10.0;
        }
        let found = [1.0, 2.0, 5.0]
            .iter()
            .map(|digit| digit * power)
            .find(|round| *round >= length);
        found.unwrap_or(10.0 * power)
    };
    match unit {
        Unit::None => decimal(length).max(1.0),
        Unit::Share => decimal(length),
        Unit::Bytes => {
            let mut round = 1.0;
            while round < length {
                round *= 2.0;
            }
            round
        }
        Unit::Seconds => {
            let found = TIMES.iter().find(|time| **time >= length);
            found.copied().unwrap_or_else(|| decimal(length))
        }
    }
}

/// How far a point may be beside a line without being seen.
const UNSEEN: f64 = 0.06;

/// The points at which a line bends.
pub fn bends(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut begin = 0;
    for place in 0..points.len() {
        let is_end = place == 0 || place + 1 == points.len();
        if is_end || !is_straight(&points[begin..=place + 1]) {
            kept.push(points[place]);
            begin = place;
        }
    }
    kept
}

/// Whether all points between are on the line from the first to the last.
fn is_straight(points: &[(f64, f64)]) -> bool {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return true;
    };
    let across = last.0 - first.0;
    let up = last.1 - first.1;
    points.iter().all(|point| {
        let share = if across > 0.0 {
            (point.0 - first.0) / across
        } else {
            0.0
        };
        (first.1 + share * up - point.1).abs() <= UNSEEN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[f64], unit: Unit) -> Vec<f64> {
        let axis = Axis::of(numbers.iter().copied(), unit);
        for number in numbers {
            let share = axis.share(*number);
            assert!((0.0..=1.0).contains(&share), "{number} {axis:?}");
        }
        axis.lines().collect()
    }

    #[test]
    fn an_axis_has_round_lines_and_holds_all_numbers() {
        let day = 86_400.0;
        let days = [0.0, day, 2.0 * day, 3.0 * day];
        assert_eq!(lines(&[0.0, 3.4 * day], Unit::Seconds), days);
        assert_eq!(lines(&[400.0, 412.0], Unit::None), [400.0, 405.0, 410.0]);
        assert_eq!(lines(&[1.0, 1.0], Unit::None), [0.0, 1.0]);
        assert_eq!(lines(&[0.0], Unit::None), [0.0, 1.0]);
        assert_eq!(lines(&[], Unit::None), [0.0, 1.0]);
        let mib = 1_048_576.0;
        let sizes = [0.0, 128.0 * mib, 256.0 * mib];
        assert_eq!(lines(&[6.0 * mib, 318.0 * mib], Unit::Bytes), sizes);
        let hours = [-2.0, 0.0, 2.0, 4.0].map(|hours| hours * 3600.0);
        assert_eq!(lines(&[-7200.0, 18_000.0], Unit::Seconds), hours);
    }

    #[test]
    fn a_line_keeps_the_points_at_which_it_bends() {
        let saw: Vec<(f64, f64)> = (0..40)
            .map(|place| (f64::from(place), f64::from(place % 10)))
            .collect();
        let kept: Vec<f64> = bends(&saw).into_iter().map(|(x, _)| x).collect();
        assert_eq!(kept, [0.0, 9.0, 10.0, 19.0, 20.0, 29.0, 30.0, 39.0]);
        assert_eq!(bends(&saw[..1]), saw[..1]);
        assert!(bends(&[]).is_empty());
    }
}
