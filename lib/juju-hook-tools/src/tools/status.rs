//! `status-get`, `status-set`, `application-version-set`.

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::{Format, Value};
use crate::model::{Status, StatusInfo};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "status-get",
        words: "[--include-data] [--application]",
        words_in_relation: None,
        summary: "Prints the status of the unit, or of the application and its units.",
        flags: &[SMART_OUTPUT, GET],
        run: status_get,
    },
    Tool {
        name: "status-set",
        words: "<maintenance | blocked | waiting | active> [message]",
        words_in_relation: None,
        summary: "Sets the status of the unit, or of the application.",
        flags: &[SET],
        run: status_set,
    },
    Tool {
        name: "application-version-set",
        words: "<new-version>",
        words_in_relation: None,
        summary: "Says which version of the workload runs.",
        flags: &[],
        run: application_version_set,
    },
];

const GET: &[Flag] = &[
    Flag {
        names: &["application"],
        kind: FlagKind::Switch,
        help: "Print the status of the application and its units (only the leader may)",
    },
    Flag {
        names: &["include-data"],
        kind: FlagKind::Switch,
        help: "Print the message and the data as well",
    },
];

const SET: &[Flag] = &[Flag {
    names: &["application"],
    kind: FlagKind::Switch,
    help: "Set the status of the application (only the leader may)",
}];

fn status_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    let include_data = call.flags.is_on("include-data");
    let only_word =
        !include_data && Format::parse(call.flags.get("format").unwrap_or("smart")) == Some(Format::Smart);
    if call.flags.is_on("application") {
        if !call.is_leader() {
            return Err(Failure::run(
                "finding application status: this unit is not the leader",
            ));
        }
        let status = call.application_status();
        if only_word {
            return Ok(Answer::Value(Value::text(status.status.as_str())));
        }
        let units = call.model.units_of(call.application());
        let units = units.iter().filter_map(|name| {
            let unit = call.model.units.get(name)?;
            Some((name, Value::sorted(details(&unit.status, include_data))))
        });
        let mut application = details(&status, include_data);
        application.push(("units", Value::sorted(units)));
        let answer = Value::sorted([("application-status", Value::sorted(application))]);
        return Ok(Answer::Value(answer));
    }
    let status = match call.model.units.get(call.unit()) {
        Some(unit) => &unit.status,
        None => return Err(Failure::run("finding workload status: unit not found")),
    };
    if only_word {
        return Ok(Answer::Value(Value::text(status.status.as_str())));
    }
    Ok(Answer::Value(Value::sorted(details(status, include_data))))
}

impl Call<'_> {
    /// The application's status: what the leader has set, else the worst of the units'.
    fn application_status(&self) -> StatusInfo {
        let set = self
            .model
            .applications
            .get(self.application())
            .and_then(|application| application.status.clone())
            .filter(|status| status.status != Status::Unknown);
        set.unwrap_or_else(|| {
            let severity = |status: Status| match status {
                Status::Error => 7,
                Status::Blocked => 6,
                Status::Maintenance => 5,
                Status::Waiting => 4,
                Status::Active => 3,
                Status::Terminated => 2,
                Status::Unknown | Status::Allocating => 1,
            };
            self.model
                .units_of(self.application())
                .iter()
                .filter_map(|name| self.model.units.get(name))
                .map(|unit| unit.status.clone())
                .max_by_key(|status| severity(status.status))
                .unwrap_or_default()
        })
    }
}

fn details(status: &StatusInfo, include_data: bool) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("status", Value::text(status.status.as_str()))];
    if include_data {
        fields.push(("message", Value::text(&status.message)));
        fields.push(("status-data", Value::Map(Vec::new())));
    }
    fields
}

fn status_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(wanted) = call.word(0) else {
        return Err(Failure::usage("invalid args, require <status> [message]"));
    };
    let Some(status) = Status::SETTABLE
        .into_iter()
        .find(|status| status.as_str() == wanted)
    else {
        let known = Status::SETTABLE.map(Status::as_str).join(" ");
        return Err(Failure::usage(format!(
            "invalid status {}, expected one of [{known}]",
            quote(wanted)
        )));
    };
    call.at_most(2)?;
    let message = call.word(1).unwrap_or_default();
    let info = StatusInfo::new(status, message, call.model.now);
    if call.flags.is_on("application") {
        if !call.is_leader() {
            return Err(Failure::run("this unit is not the leader"));
        }
        let name = call.application().to_owned();
        if let Some(application) = call.model.applications.get_mut(&name) {
            application.status = Some(info);
        }
        return Ok(Answer::Nothing);
    }
    if let Some(unit) = call.model.units.get_mut(&call.session.context.unit) {
        unit.status = info;
    }
    Ok(Answer::Nothing)
}

fn application_version_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(version) = call.word(0).map(str::to_owned) else {
        return Err(Failure::usage("no version specified"));
    };
    call.at_most(1)?;
    if let Some(unit) = call.model.units.get_mut(&call.session.context.unit) {
        unit.workload_version = version;
    }
    Ok(Answer::Nothing)
}
