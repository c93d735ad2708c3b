//! Prometheus' text format, version 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! All values are of one look and are made anew for each scrape: a registry of counters that live on would hold nothing between two.

use std::fmt::Write as _;

use super::metrics::Metric;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The samples of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The metric.
    pub metric: &'static Metric,
    /// The values of its labels, in the metric's order, each with the number.
    pub samples: Vec<(Vec<String>, f64)>,
}

/// The text of all families. One without samples is left out.
pub fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { metric, samples } in families.iter().filter(|family| !family.samples.is_empty()) {
        let name = metric.name;
        // Writing to a text does not fail.
        let _ = writeln!(text, "# HELP {name} {}", escaped(metric.help, false));
        let _ = writeln!(text, "# TYPE {name} gauge");
        for (values, number) in samples {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .zip(values)
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value, true)))
                .collect();
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{}}}", labels.join(",")),
            };
            // A number is written as short as it can be read again. Rust writes no exponent, and Go reads that.
            let _ = writeln!(text, "{name}{labels} {number}");
        }
    }
    text
}

/// What would end a line or a value is written as an escape.
fn escaped(value: &str, is_quoted: bool) -> String {
    let mut escaped = value.replace('\\', "\\\\").replace('\n', "\\n");
    if is_quoted {
        escaped = escaped.replace('"', "\\\"");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    static PLAIN: Metric = Metric {
        name: "a_seconds",
        help: "One \\ line\nand one.",
        labels: &[],
    };
    static LABELLED: Metric = Metric {
        name: "b",
        help: "Two.",
        labels: &["x", "y"],
    };

    #[test]
    fn what_ends_a_line_or_a_value_is_escaped_and_numbers_are_whole() {
        let families = [
            Family {
                metric: &PLAIN,
                samples: vec![(vec![], 1_795_919_999.0)],
            },
            Family {
                metric: &LABELLED,
                samples: vec![
                    (vec!["1\n2".to_owned(), "\"q\\".to_owned()], 0.5),
                    (vec![String::new(), "z".to_owned()], 0.0),
                ],
            },
            Family {
                metric: &PLAIN,
                samples: vec![],
            },
        ];
        assert_eq!(
            text(&families),
            "# HELP a_seconds One \\\\ line\\nand one.\n# TYPE a_seconds gauge\na_seconds 1795919999\n\
             # HELP b Two.\n# TYPE b gauge\nb{x=\"1\\n2\",y=\"\\\"q\\\\\"} 0.5\nb{x=\"\",y=\"z\"} 0\n"
        );
    }
}
