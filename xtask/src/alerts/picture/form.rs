//! The dashboard's JSON, as far as a picture of it can be drawn. What stands in it and is not known here is refused by name: the picture would be
//! wrong without anybody seeing why.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    title: String,
    time: Range,
    templating: Templating,
    panels: Vec<Value>,
    // What says nothing of how it looks.
    #[serde(rename = "uid")]
    _uid: IgnoredAny,
    #[serde(rename = "description")]
    _description: IgnoredAny,
    #[serde(rename = "tags")]
    _tags: IgnoredAny,
    #[serde(rename = "schemaVersion")]
    _schema_version: IgnoredAny,
    #[serde(rename = "version")]
    _version: IgnoredAny,
    #[serde(rename = "editable")]
    _editable: IgnoredAny,
    #[serde(rename = "timezone")]
    _timezone: IgnoredAny,
    #[serde(rename = "refresh")]
    _refresh: IgnoredAny,
}

/// A dashboard, its panels read.
#[derive(Debug)]
pub struct Dashboard {
    pub title: String,
    pub time: Range,
    pub variables: Vec<Variable>,
    pub panels: Vec<Panel>,
}

/// The time that is looked at.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub from: String,
    pub to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Templating {
    list: Vec<Variable>,
}

/// What somebody can choose.
#[derive(Debug, Deserialize)]
pub struct Variable {
    pub name: String,
    pub label: String,
    #[serde(rename = "type")]
    pub kind: VariableKind,
}

/// What is chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VariableKind {
    Datasource,
    Query,
}

/// A panel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Panel {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub grid_pos: Place,
    #[serde(default)]
    pub targets: Vec<Target>,
    #[serde(default)]
    pub field_config: FieldConfig,
    #[serde(default)]
    pub options: Options,
    #[serde(default)]
    pub transformations: Vec<Transformation>,
    #[serde(default)]
    collapsed: bool,
    #[serde(default)]
    panels: Vec<Value>,
    #[serde(rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "datasource")]
    _datasource: IgnoredAny,
}

/// How a panel shows its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Row,
    Stat,
    Table,
    TimeSeries,
    #[serde(rename = "state-timeline")]
    StateTimeline,
}

/// Where it is: 24 columns, and Grafana's steps downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// A query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    pub ref_id: String,
    pub expr: String,
    #[serde(default)]
    pub legend_format: String,
    #[serde(default)]
    pub instant: bool,
    #[serde(default, rename = "format")]
    _format: Format,
    #[serde(rename = "datasource")]
    _datasource: IgnoredAny,
}

/// The form of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    TimeSeries,
    Table,
}

/// What else is said of how a panel looks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    pub color_mode: ColorMode,
    pub sort_by: Vec<SortBy>,
    pub legend: Legend,
}

/// What of a number has its colour.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMode {
    None,
    #[default]
    Value,
}

/// The column that a table is sorted by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SortBy {
    pub display_name: String,
    pub desc: bool,
}

/// The names below a panel.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Legend {
    pub show_legend: bool,
}

impl Default for Legend {
    fn default() -> Self {
        Self { show_legend: true }
    }
}

/// What is done with a table before it is shown.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    tag = "id",
    content = "options"
)]
pub enum Transformation {
    /// One row of all rows that have the same in the columns that all queries have.
    Merge(Nothing),
    Organize(Organize),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Columns that go, and other names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Organize {
    pub exclude_by_name: BTreeMap<String, bool>,
    pub rename_by_name: BTreeMap<String, String>,
}

/// How values look.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    pub defaults: Field,
    pub overrides: Vec<Override>,
}

/// How the values of a field look.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Field {
    pub unit: Unit,
    pub thresholds: Option<Thresholds>,
    pub mappings: Vec<Mapping>,
    pub color: Option<FieldColor>,
    pub no_value: Option<String>,
    /// Whether a table's cell has its text in the colour.
    #[serde(skip)]
    pub is_colored: bool,
}

/// What a number is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    #[default]
    None,
    #[serde(rename = "s")]
    Seconds,
    Bytes,
    /// Of one, shown of a hundred.
    #[serde(rename = "percentunit")]
    Share,
}

/// Colours by value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    #[serde(rename = "mode")]
    _mode: Absolute,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Absolute {
    Absolute,
}

/// The colour from a value on; the first one is that of all below.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub color: Color,
    pub value: Option<f64>,
}

/// A colour by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    Green,
    Yellow,
    Red,
}

/// The colour of a field, whatever its values are.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "mode"
)]
pub enum FieldColor {
    Fixed { fixed_color: Color },
    Thresholds,
}

/// Words in the place of values.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "lowercase",
    tag = "type",
    content = "options"
)]
pub enum Mapping {
    Value(BTreeMap<String, Mapped>),
}

/// What stands for a value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    pub text: Option<String>,
    pub color: Option<Color>,
    #[serde(rename = "index")]
    _index: u32,
}

/// What is otherwise with some fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    matcher: Matcher,
    properties: Vec<Property>,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    tag = "id",
    content = "options"
)]
enum Matcher {
    ByName(String),
    ByRegexp(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "id", content = "value")]
enum Property {
    Unit(Unit),
    Thresholds(Thresholds),
    Mappings(Vec<Mapping>),
    Color(FieldColor),
    NoValue(String),
    #[serde(rename = "custom.cellOptions")]
    CellOptions(CellOptions),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "type")]
enum CellOptions {
    ColorText,
}

impl Dashboard {
    /// Reads it.
    ///
    /// # Errors
    /// When something in it is not known here.
    pub fn read(dashboard: &Value) -> Result<Self> {
        let whole = Whole::deserialize(dashboard).context("the picture cannot show this dashboard")?;
        let Whole {
            title,
            time,
            templating,
            panels,
            ..
        } = whole;
        let panels = panels.iter().map(|panel| {
            let read = Panel::deserialize(panel).map_err(anyhow::Error::from);
            let checked = read.and_then(|panel| panel.checked());
            checked.with_context(|| format!("the picture cannot show panel {}", panel["title"]))
        });
        Ok(Self {
            title,
            time,
            variables: templating.list,
            panels: panels.collect::<Result<_>>()?,
        })
    }
}

impl Panel {
    fn checked(self) -> Result<Self> {
        ensure!(
            !self.collapsed && self.panels.is_empty(),
            "it hides panels, which are drawn in open rows alone"
        );
        let is_colored = match self.kind {
            Kind::Stat => self.options.color_mode == ColorMode::Value,
            Kind::StateTimeline => true,
            Kind::Row | Kind::Table | Kind::TimeSeries => false,
        };
        // Its default thresholds are green, and red from 80 on (getAllStandardFieldConfigs in grafana/grafana).
        ensure!(
            !is_colored || self.field_config.defaults.thresholds.is_some(),
            "it has no thresholds of its own, and Grafana shows every number from 80 on in red: \
             give it some, or the colour mode none"
        );
        // Its default is a scale from green to red.
        ensure!(
            self.kind != Kind::StateTimeline || self.field_config.defaults.color.is_some(),
            "its states have no colour mode"
        );
        ensure!(
            self.kind != Kind::Table
                || matches!(self.transformations.first(), Some(Transformation::Merge(_))),
            "a table is drawn of merged queries alone"
        );
        for one in &self.field_config.overrides {
            one.names()?;
        }
        Ok(self)
    }
}

impl FieldConfig {
    /// How the field that is called so looks.
    pub fn of(&self, name: &str) -> Field {
        let mut field = self.defaults.clone();
        for one in &self.overrides {
            if one.names().is_ok_and(|names| names.contains(&name)) {
                one.properties
                    .iter()
                    .for_each(|property| property.sets(&mut field));
            }
        }
        field
    }
}

impl Override {
    /// The names that it is for. Of regular expressions those alone are known that list whole names.
    fn names(&self) -> Result<Vec<&str>> {
        match &self.matcher {
            Matcher::ByName(name) => Ok(vec![name]),
            Matcher::ByRegexp(expression) => {
                let inside = expression
                    .strip_prefix("/^(")
                    .and_then(|rest| rest.strip_suffix(")$/"));
                let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                let names: Vec<&str> = inside.into_iter().flat_map(|inside| inside.split('|')).collect();
                if names.is_empty() || !names.iter().all(is_name) {
                    bail!("its override for {expression} is no list of names, such as /^(one|other)$/");
                }
                Ok(names)
            }
        }
    }
}

impl Property {
    fn sets(&self, field: &mut Field) {
        match self {
            Self::Unit(unit) => field.unit = *unit,
            Self::Thresholds(thresholds) => field.thresholds = Some(thresholds.clone()),
            Self::Mappings(mappings) => field.mappings.clone_from(mappings),
            Self::Color(color) => field.color = Some(*color),
            Self::NoValue(text) => field.no_value = Some(text.clone()),
            Self::CellOptions(CellOptions::ColorText) => field.is_colored = true,
        }
    }
}

impl Field {
    /// The colour of a number.
    pub fn color_of(&self, number: f64) -> Option<Color> {
        if let Some(FieldColor::Fixed { fixed_color }) = self.color {
            return Some(fixed_color);
        }
        let steps = &self.thresholds.as_ref()?.steps;
        let reached = steps
            .iter()
            .rev()
            .find(|step| step.value.is_none_or(|from| number >= from));
        reached.map(|step| step.color)
    }

    /// What stands for a value, which is written as JavaScript writes it.
    pub fn mapped(&self, value: &str) -> Option<&Mapped> {
        let mut mappings = self.mappings.iter();
        mappings.find_map(|Mapping::Value(of)| of.get(value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workload_charm::cos::dashboard::dashboard;

    use super::*;

    /// Why it is refused, with the changed panel of this title.
    fn refused(title: &str, change: impl Fn(&mut Value)) -> String {
        let mut dashboard = dashboard();
        let panels = dashboard["panels"].as_array_mut().unwrap();
        let panel = panels.iter_mut().find(|panel| panel["title"] == title).unwrap();
        change(panel);
        format!("{:#}", Dashboard::read(&dashboard).unwrap_err())
    }

    #[test]
    fn what_the_picture_does_not_know_is_refused_by_name() {
        let dashboard = dashboard();
        let known = Dashboard::read(&dashboard).unwrap();
        assert_eq!(known.panels.len(), dashboard["panels"].as_array().unwrap().len());
        for (set, to, named) in [
            ("/type", json!("gauge"), "`gauge`"),
            ("/fieldConfig/defaults/unit", json!("lumens"), "`lumens`"),
            ("/fieldConfig/defaults", json!({"decimals": 2}), "`decimals`"),
            ("/fieldConfig/defaults", json!({}), "no thresholds of its own"),
            ("/options", json!({"graphMode": "area"}), "`graphMode`"),
            ("/options", json!({"colorMode": "background"}), "`background`"),
            ("/targets/0/format", json!("heatmap"), "`heatmap`"),
            (
                "/gridPos",
                json!({"x": 0, "y": 0, "w": 4, "h": 4, "static": true}),
                "`static`",
            ),
            (
                "/transformations",
                json!([{"id": "groupBy", "options": {}}]),
                "`groupBy`",
            ),
            (
                "/fieldConfig/overrides",
                json!([{"matcher": {"id": "byType", "options": "number"}, "properties": []}]),
                "`byType`",
            ),
            (
                "/fieldConfig/overrides",
                json!([{"matcher": {"id": "byRegexp", "options": "/^good.*$/"}, "properties": []}]),
                "good.*",
            ),
        ] {
            let said = refused("Overdue", |panel| {
                let (before, key) = set.rsplit_once('/').unwrap();
                panel.pointer_mut(before).unwrap()[key] = to.clone();
            });
            assert!(
                said.contains("panel \"Overdue\"") && said.contains(named),
                "{said}"
            );
        }
        let said = refused("Each app", |panel| panel["transformations"] = json!([]));
        assert!(said.contains("merged"), "{said}");
        let said = refused("All apps", |panel| panel["collapsed"] = json!(true));
        assert!(said.contains("hides"), "{said}");
    }

    #[test]
    fn an_override_is_for_the_names_that_it_lists() {
        let config: FieldConfig = serde_json::from_value(json!({
            "defaults": {"unit": "s"},
            "overrides": [
                {"matcher": {"id": "byName", "options": "Age"}, "properties": [{"id": "unit", "value": "bytes"}]},
                {"matcher": {"id": "byRegexp", "options": "/^(bad|worse)$/"}, "properties": [
                    {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
                ]},
            ],
        }))
        .unwrap();
        assert_eq!(config.of("Age").unit, Unit::Bytes);
        assert_eq!(config.of("Ages").unit, Unit::Seconds);
        assert_eq!(config.of("worse").color_of(1.0), Some(Color::Red));
        assert_eq!(config.of("good").color_of(1.0), None);
    }

    #[test]
    fn a_number_has_the_colour_of_the_last_step_that_it_reaches() {
        let field: Field = serde_json::from_value(json!({"thresholds": {"mode": "absolute", "steps": [
            {"color": "red", "value": null}, {"color": "yellow", "value": 0}, {"color": "green", "value": 5},
        ]}}))
        .unwrap();
        let colors: Vec<Option<Color>> = [-1.0, 0.0, 4.9, 5.0].map(|number| field.color_of(number)).into();
        let expected = [Color::Red, Color::Yellow, Color::Yellow, Color::Green];
        assert_eq!(colors, expected.map(Some));
    }
}
