//! What Prometheus answers to a panel's queries, in the form in which the panel shows it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use system_tests::prometheus::Prometheus;

use super::form::{Organize, Panel, Target, Transformation};

/// Who answers, what time is looked at, and what somebody has chosen.
pub struct Asked<'a> {
    pub prometheus: &'a Prometheus,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Between two points of a line, in seconds.
    pub step: i64,
    pub chosen: Chosen<'a>,
}

/// What is chosen of each variable: the word for it, and what stands for it in a query.
#[derive(Debug, Clone)]
pub struct Chosen<'a>(pub BTreeMap<&'a str, (&'a str, &'a str)>);

/// A line, or a row of states.
#[derive(Debug, PartialEq)]
pub struct Series {
    pub name: String,
    /// In seconds since the beginning, in their order.
    pub points: Vec<(f64, f64)>,
}

/// One place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Number(f64),
    Text(String),
}

/// A table: what stands above its columns, and its rows, which may lack something.
#[derive(Debug, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<Cell>>>,
}

impl Chosen<'_> {
    /// A text with the words for what is chosen.
    pub fn title(&self, text: &str) -> Result<String> {
        self.filled(text, |(word, _)| word)
    }

    /// A query for what is chosen.
    pub fn query(&self, text: &str) -> Result<String> {
        self.filled(text, |(_, value)| value)
    }

    fn filled(&self, text: &str, with: impl for<'t> Fn((&'t str, &'t str)) -> &'t str) -> Result<String> {
        let text = self.0.iter().fold(text.to_owned(), |text, (name, chosen)| {
            text.replace(&format!("${name}"), with(*chosen))
        });
        ensure!(!text.contains('$'), "nothing is chosen of a variable of {text}");
        Ok(text)
    }
}

impl Asked<'_> {
    /// The last number of each series.
    pub fn last(&self, panel: &Panel) -> Result<Vec<(String, f64)>> {
        let mut all = Vec::new();
        for target in &panel.targets {
            ensure!(target.instant, "one number is drawn of instant queries alone");
            for found in self.at_once(target)? {
                all.push((legend(&target.legend_format, &found), number(&found["value"][1])?));
            }
        }
        // Prometheus has no order of its own there.
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }

    /// All series through the time, in Prometheus' order.
    pub fn through(&self, panel: &Panel) -> Result<Vec<Series>> {
        let mut all = Vec::new();
        for target in &panel.targets {
            ensure!(!target.instant, "lines are drawn of range queries alone");
            let query = self.chosen.query(&target.expr)?;
            let range = (self.from, self.to);
            for found in self.prometheus.query_range(&query, range, self.step)? {
                let points = found["values"].as_array().into_iter().flatten().map(|point| {
                    let at = point[0].as_f64().context("a point has no time")?;
                    #[expect(clippy::cast_precision_loss, reason = "seconds are exact")]
                    let since = at - self.from.as_second() as f64;
                    Ok((since, number(&point[1])?))
                });
                all.push(Series {
                    name: legend(&target.legend_format, &found),
                    points: points.collect::<Result<_>>()?,
                });
            }
        }
        Ok(all)
    }

    /// A table of all queries.
    pub fn table(&self, panel: &Panel) -> Result<Table> {
        let mut frames = Vec::new();
        for target in &panel.targets {
            ensure!(target.instant, "a table is drawn of instant queries alone");
            let value = format!("Value #{}", target.ref_id);
            let frame = self.at_once(target)?;
            let rows = frame.iter().map(|found| {
                let mut row: Row = labels(found)
                    .map(|(label, text)| (label.to_owned(), Cell::Text(text.to_owned())))
                    .collect();
                row.push((value.clone(), Cell::Number(number(&found["value"][1])?)));
                Ok(row)
            });
            frames.push(rows.collect::<Result<Vec<Row>>>()?);
        }
        let mut table = merged(&frames);
        for transformation in &panel.transformations {
            match transformation {
                Transformation::Merge(_) => {}
                Transformation::Organize(organize) => table = organized(table, organize),
            }
        }
        if let [by] = panel.options.sort_by.as_slice() {
            let place = table.columns.iter().position(|column| *column == by.display_name);
            let place =
                place.with_context(|| format!("there is no column {} to sort by", by.display_name))?;
            let key = |row: &Vec<Option<Cell>>| match &row[place] {
                Some(Cell::Text(text)) => text.clone(),
                _ => String::new(),
            };
            table.rows.sort_by_key(key);
            if by.desc {
                table.rows.reverse();
            }
        }
        Ok(table)
    }

    fn at_once(&self, target: &Target) -> Result<Vec<Value>> {
        self.prometheus
            .query_at(&self.chosen.query(&target.expr)?, self.to)
    }
}

/// A row of one query: columns in their order, with what is in them.
type Row = Vec<(String, Cell)>;

/// The rows of all queries, those put together that have the same in the columns that every query has (`merge.ts` in
/// packages/grafana-data/src/transformations/transformers of grafana/grafana).
fn merged(frames: &[Vec<Row>]) -> Table {
    let names = |frame: &Vec<Row>| -> BTreeSet<String> {
        let all = frame.iter().flatten();
        all.map(|(name, _)| name.clone()).collect()
    };
    // One that found nothing has no columns.
    let filled: Vec<&Vec<Row>> = frames.iter().filter(|frame| !frame.is_empty()).collect();
    let mut common = filled.first().map(|frame| names(frame)).unwrap_or_default();
    for frame in &filled {
        common = &common & &names(frame);
    }
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<BTreeMap<String, Cell>> = Vec::new();
    for row in filled.into_iter().flatten() {
        for (name, _) in row {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        let row: BTreeMap<String, Cell> = row.iter().cloned().collect();
        let fits = |there: &&mut BTreeMap<String, Cell>| {
            common.iter().all(|name| there.get(name) == row.get(name))
                && row
                    .iter()
                    .all(|(name, cell)| there.get(name).is_none_or(|is| is == cell))
        };
        match rows.iter_mut().find(fits) {
            Some(there) => there.extend(row),
            None => rows.push(row),
        }
    }
    let in_order = |row: BTreeMap<String, Cell>| columns.iter().map(|name| row.get(name).cloned()).collect();
    let rows = rows.into_iter().map(in_order).collect();
    Table { columns, rows }
}

fn organized(table: Table, organize: &Organize) -> Table {
    let stays: Vec<bool> = table
        .columns
        .iter()
        .map(|name| organize.exclude_by_name.get(name) != Some(&true))
        .collect();
    fn kept<T>(all: Vec<T>, stays: &[bool]) -> Vec<T> {
        let all = all.into_iter().zip(stays);
        all.filter_map(|(one, stays)| stays.then_some(one)).collect()
    }
    let renamed = |name: String| organize.rename_by_name.get(&name).cloned().unwrap_or(name);
    Table {
        columns: kept(table.columns, &stays).into_iter().map(renamed).collect(),
        rows: table.rows.into_iter().map(|row| kept(row, &stays)).collect(),
    }
}

fn labels(found: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = found["metric"].as_object().into_iter().flatten();
    all.filter_map(|(label, value)| Some((label.as_str(), value.as_str()?)))
}

/// What a series is called. A label that it has not is nothing.
fn legend(format: &str, found: &Value) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (label, after) = behind.split_once("}}").unwrap_or((behind, ""));
        text.push_str(before);
        text.push_str(found["metric"][label.trim()].as_str().unwrap_or_default());
        rest = after;
    }
    text + rest
}

fn number(value: &Value) -> Result<f64> {
    let text = value.as_str().context("an answer is no number")?;
    let number: f64 = text.parse().with_context(|| format!("{text} is no number"))?;
    ensure!(number.is_finite(), "{number} cannot be drawn");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn row(cells: &[(&str, Cell)]) -> Row {
        let cells = cells.iter();
        cells
            .map(|(name, cell)| ((*name).to_owned(), cell.clone()))
            .collect()
    }

    #[test]
    fn rows_are_one_where_what_all_queries_have_is_the_same() {
        let frames = vec![
            vec![
                row(&[
                    ("app", text("a")),
                    ("verdict", text("good")),
                    ("Value #A", Cell::Number(1.0)),
                ]),
                row(&[
                    ("app", text("b")),
                    ("verdict", text("empty")),
                    ("Value #A", Cell::Number(1.0)),
                ]),
            ],
            // Nobody has one.
            vec![],
            vec![
                row(&[("app", text("b")), ("Value #C", Cell::Number(7.0))]),
                row(&[("app", text("c")), ("Value #C", Cell::Number(8.0))]),
            ],
        ];
        let organize = Organize {
            exclude_by_name: [("Value #A".to_owned(), true), ("Time".to_owned(), true)].into(),
            rename_by_name: [("Value #C".to_owned(), "Age".to_owned())].into(),
        };
        let table = organized(merged(&frames), &organize);
        assert_eq!(table.columns, ["app", "verdict", "Age"]);
        assert_eq!(
            table.rows,
            [
                vec![Some(text("a")), Some(text("good")), None],
                vec![Some(text("b")), Some(text("empty")), Some(Cell::Number(7.0))],
                vec![Some(text("c")), None, Some(Cell::Number(8.0))],
            ]
        );
        // What differs beside that stays apart.
        let frames = vec![
            vec![row(&[("app", text("a")), ("Value #A", Cell::Number(1.0))])],
            vec![
                row(&[
                    ("app", text("a")),
                    ("unit", text("0")),
                    ("Value #B", Cell::Number(2.0)),
                ]),
                row(&[
                    ("app", text("a")),
                    ("unit", text("1")),
                    ("Value #B", Cell::Number(3.0)),
                ]),
            ],
        ];
        assert_eq!(merged(&frames).rows.len(), 2);
    }

    #[test]
    fn a_legend_names_a_series_by_its_labels() {
        let found = json!({"metric": {"app": "a{{b}}", "model": "m"}});
        for (format, expected) in [
            ("{{model}}/{{ app }}", "m/a{{b}}"),
            ("storage", "storage"),
            ("{{none}}", ""),
            ("{{model", "m"),
        ] {
            assert_eq!(legend(format, &found), expected);
        }
    }

    #[test]
    fn what_is_chosen_stands_in_queries_and_titles() {
        let chosen = Chosen([("model", ("All", ".*")), ("app", ("radarr", "radarr"))].into());
        assert_eq!(chosen.query("up{m=~\"$model\"}").unwrap(), "up{m=~\".*\"}");
        assert_eq!(chosen.title("$app of $model").unwrap(), "radarr of All");
        assert!(chosen.title("$cluster").is_err());
    }
}
