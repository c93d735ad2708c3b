//! A panel as Grafana takes it.

use serde_json::{Value, json};

use super::panels::{Kind, LABELS, OF_LABEL, Panel, Tone};
use super::source;

/// The letters that tell queries of a panel.
const LETTERS: &str = "ABCDEFGHIJ";

impl Panel {
    /// It, with this number, at this place.
    pub(super) fn shown(&self, id: usize, place: Value) -> Value {
        let mut shown = json!({
            "id": id,
            "title": self.title,
            "type": match self.kind {
                Kind::Row => "row",
                Kind::Stat(_) => "stat",
                Kind::Lines => "timeseries",
                Kind::States => "state-timeline",
                Kind::Table => "table",
            },
            "gridPos": place,
        });
        if matches!(self.kind, Kind::Row) {
            shown["panels"] = json!([]);
            shown["collapsed"] = json!(false);
            return shown;
        }
        let targets = self
            .queries
            .iter()
            .zip(LETTERS.chars())
            .map(|((query, name), letter)| {
                let mut target = json!({
                    "refId": letter.to_string(),
                    "datasource": source(),
                    "expr": query,
                });
                match self.kind {
                    Kind::Table => {
                        target["format"] = json!("table");
                        target["instant"] = json!(true);
                    }
                    Kind::Stat(_) => {
                        target["legendFormat"] = json!(name);
                        target["instant"] = json!(true);
                    }
                    Kind::Lines | Kind::States | Kind::Row => target["legendFormat"] = json!(name),
                }
                target
            });
        shown["targets"] = targets.collect();
        shown["description"] = json!(self.about);
        shown["datasource"] = source();
        shown["fieldConfig"] = json!({"defaults": {"unit": self.unit}, "overrides": []});
        match self.kind {
            Kind::Row | Kind::Lines => {}
            Kind::Stat(Tone::Plain) => shown["options"] = json!({"colorMode": "none"}),
            Kind::Stat(Tone::Faults(color)) => {
                shown["fieldConfig"]["defaults"]["thresholds"] = thresholds("green", color, 1);
            }
            Kind::States => {
                shown["options"] = json!({"legend": {"showLegend": false}});
                let defaults = &mut shown["fieldConfig"]["defaults"];
                // Its own default is a scale from green to red.
                defaults["color"] = json!({"mode": "thresholds"});
                defaults["thresholds"] = thresholds("red", "green", 1);
                defaults["mappings"] = yes_or_no();
                let bad = [BAD_VERDICTS.as_slice(), BAD_STATES.as_slice()].concat();
                shown["fieldConfig"]["overrides"] = json!([{
                    "matcher": {"id": "byRegexp", "options": format!("/^({})$/", bad.join("|"))},
                    "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}}],
                }]);
            }
            Kind::Table => self.completes_table(&mut shown),
        }
        shown
    }

    /// What a table has beside its queries: what stands above its columns, and how they look.
    fn completes_table(&self, shown: &mut Value) {
        let mut renamed: serde_json::Map<String, Value> = LABELS
            .iter()
            .map(|(label, name)| ((*label).to_owned(), json!(name)))
            .collect();
        let mut without = json!({"Time": true});
        for ((_, name), letter) in self.queries.iter().zip(LETTERS.chars()) {
            let column = format!("Value #{letter}");
            match *name {
                OF_LABEL => without[column] = json!(true),
                name => {
                    renamed.insert(column, json!(name));
                }
            }
        }
        shown["transformations"] = json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": without, "renameByName": renamed}},
        ]);
        shown["options"] = json!({"sortBy": [{"displayName": "App", "desc": false}]});
        let column = |name: &str, properties: &[(&str, Value)]| {
            let properties = properties.iter();
            let properties = properties.map(|(id, value)| json!({"id": id, "value": value}));
            json!({"matcher": {"id": "byName", "options": name}, "properties": properties.collect::<Vec<Value>>()})
        };
        let unit = |unit: &str| ("unit", json!(unit));
        let colored = || ("custom.cellOptions", json!({"type": "color-text"}));
        let mappings = |mappings: Value| ("mappings", mappings);
        let verdicts: serde_json::Map<String, Value> = std::iter::once(("good", "green"))
            .chain(BAD_VERDICTS.map(|bad| (bad, "red")))
            .zip(0..)
            .map(|((verdict, color), index)| (verdict.to_owned(), json!({"color": color, "index": index})))
            .collect();
        shown["fieldConfig"]["overrides"] = json!([
            column(
                "Last backup",
                &[
                    mappings(json!([{"type": "value", "options": verdicts}])),
                    colored()
                ],
            ),
            column("Age", &[unit("s")]),
            // The hour that the status and the alert wait for, too.
            column(
                "Due in",
                &[
                    unit("s"),
                    ("thresholds", thresholds("red", "green", -3600)),
                    colored()
                ]
            ),
            column("Bytes", &[unit("bytes")]),
            column("Verified", &[unit("s"), ("noValue", json!("never"))]),
            column(
                "Came back",
                &[
                    mappings(yes_or_no()),
                    ("thresholds", thresholds("red", "green", 1)),
                    colored(),
                ],
            ),
            column(
                "Storage",
                &[
                    mappings(words("unusable", "usable")),
                    ("thresholds", thresholds("red", "green", 1)),
                    colored(),
                ],
            ),
        ]);
    }
}

/// What is wrong by its name: verdicts, and states of a Schedule.
const BAD_VERDICTS: [&str; 4] = ["failed", "empty", "partial", "damaged"];
/// See [`BAD_VERDICTS`].
const BAD_STATES: [&str; 3] = ["missing", "paused", "refused"];

/// One colour for all that is less than a number, and another one from it on.
fn thresholds(below: &str, color: &str, from: i32) -> Value {
    json!({
        "mode": "absolute",
        "steps": [{"color": below, "value": null}, {"color": color, "value": from}],
    })
}

/// Words for 0 and 1.
fn words(no: &str, yes: &str) -> Value {
    json!([{"type": "value", "options": {"0": {"text": no, "index": 0}, "1": {"text": yes, "index": 1}}}])
}

fn yes_or_no() -> Value {
    words("no", "yes")
}
