//! Why a login could not be made, in words that hold no secret.
//!
//! kube's own words have the environment of the program that logs in, and what it printed: passwords and tokens.

use config_recovery::shown::shown;
use kube::client::AuthError;

use super::helper::Helper;

/// What can be said of it, of a login by this program if it is one.
pub(super) fn why(error: &AuthError, helper: Option<&Helper>) -> String {
    const PROGRAM: &str = "the program that logs in, by the kubeconfig's exec,";
    match error {
        AuthError::AuthExecStart(error) => format!("{PROGRAM} cannot be run: {error}"),
        AuthError::AuthExecRun { out, .. } => {
            if let Some(why) = helper.and_then(|helper| helper.why(out.status.code())) {
                return format!("by the kubeconfig's exec: {why}");
            }
            let said = String::from_utf8_lossy(&out.stderr);
            let line = said.lines().map(str::trim).find(|line| !line.is_empty());
            let line = line.map_or_else(|| "it says nothing".to_owned(), shown);
            format!("{PROGRAM} failed with {}: {line}", out.status)
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("{PROGRAM} printed no credential")
        }
        AuthError::ReadTokenFile(error, path) => {
            format!(
                "cannot read token file {}: {error}",
                shown(&path.display().to_string())
            )
        }
        _ => "its login cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use super::*;

    #[test]
    fn what_the_program_printed_as_data_is_not_said() {
        let out = Output {
            status: ExitStatus::from_raw(256),
            stdout: b"s3cret".to_vec(),
            stderr: b"\n you are\x1b[2J logged out \nmore".to_vec(),
        };
        let cmd = "SECRET=s3cret login".to_owned();
        let error = AuthError::AuthExecRun {
            cmd,
            out: Box::new(out),
        };
        let text = why(&error, None);
        assert_eq!(
            text,
            "the program that logs in, by the kubeconfig's exec, failed with exit status: 1: you are\\u{1b}[2J logged out"
        );
        assert_eq!(
            why(&AuthError::AuthExec("token s3cret".to_owned()), None),
            "its login cannot be used"
        );
    }
}
