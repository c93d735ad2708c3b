//! Medians and spreads.

use serde::Serialize;

/// How values lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// A quarter is smaller.
    pub lower: f64,
    /// Half are smaller.
    pub median: f64,
    /// Three quarters are smaller.
    pub upper: f64,
}

impl Spread {
    /// Of these values; zeros if there are none. Between two values the spread takes what lies between, in proportion.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Spread {
            min: values.first().copied().unwrap_or_default(),
            lower: quantile(&values, 0.25),
            median: quantile(&values, 0.5),
            upper: quantile(&values, 0.75),
        }
    }
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len().saturating_sub(1)) as f64;
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or_default();
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_does_not_depend_on_the_order() {
        let expected = Spread {
            min: 1.0,
            lower: 2.0,
            median: 3.0,
            upper: 4.0,
        };
        assert_eq!(Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]), expected);
    }

    #[test]
    fn between_two_values_lies_their_middle() {
        assert_eq!(Spread::of([2.0, 1.0]).median, 1.5);
        assert_eq!(
            Spread::of([7.0]),
            Spread {
                min: 7.0,
                lower: 7.0,
                median: 7.0,
                upper: 7.0
            }
        );
        assert_eq!(Spread::of([]), Spread::default());
    }
}
