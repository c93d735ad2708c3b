//! `status-get` and `status-set`.

use serde_json::Value;

use super::invocation::Invocation;
use crate::error::Error;
use crate::runner::ToolRunner;
use crate::status::{CurrentStatus, Status};

/// The unit's status. Without `--include-data` Juju would leave the message out.
///
/// # Errors
/// When the tool fails.
pub fn status_get(runner: &dyn ToolRunner) -> Result<CurrentStatus, Error> {
    let status = Invocation::new(runner, "status-get")
        .arg("--include-data")
        .arg("--format=json")
        .json()?;
    Ok(current(&status))
}

/// The application's status.
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader may ask.
pub fn application_status_get(runner: &dyn ToolRunner) -> Result<CurrentStatus, Error> {
    let invocation = Invocation::new(runner, "status-get")
        .arg("--application=true")
        .arg("--include-data")
        .arg("--format=json");
    let status = invocation.json()?;
    Ok(current(status.get("application-status").unwrap_or(&Value::Null)))
}

/// Sets the status of the unit, or with `application` of the application. It is shown at once, and stays if the hook fails.
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader sets the application's.
pub fn status_set(runner: &dyn ToolRunner, application: bool, status: &Status) -> Result<(), Error> {
    Invocation::new(runner, "status-set")
        .arg(format!("--application={application}"))
        .arg(status.name())
        .text_arg(status.message())
        .run()
}

fn current(status: &Value) -> CurrentStatus {
    let text = |key: &str| {
        status
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    CurrentStatus {
        name: text("status"),
        message: text("message"),
    }
}
