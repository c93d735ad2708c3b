//! Runs commands in containers, and takes checksums there.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::AsyncReadExt;

use crate::ground::TestEnv;

/// A container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container.
    pub name: &'a str,
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub code: i32,
}

/// Runs `command` and returns what it prints.
///
/// # Errors
/// When it cannot be started or ends with an error; the text has what it printed.
pub async fn run(ground: &TestEnv, container: Container<'_>, command: &[&str]) -> Result<String> {
    let output = output(&ground.client, container, command).await?;
    if output.code != 0 {
        let place = format!("{}/{} {}", container.namespace, container.pod, container.name);
        let shown = command.join(" ");
        bail!(
            "`{shown}` in {place} failed with exit code {}\n{}{}",
            output.code,
            output.stdout,
            output.stderr
        );
    }
    Ok(output.stdout)
}

/// Runs `command` and returns what it prints, however it ends.
///
/// # Errors
/// When it cannot be started, or nobody tells how it ended.
pub async fn output(client: &kube::Client, container: Container<'_>, command: &[&str]) -> Result<Output> {
    let parameters = AttachParams::default()
        .container(container.name)
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let words = command.iter().map(|&word| word.to_owned());
    let shown = command.join(" ");
    let place = format!("{}/{} {}", container.namespace, container.pod, container.name);
    let pods: Api<Pod> = Api::namespaced(client.clone(), container.namespace);
    let mut process = pods
        .exec(container.pod, words, &parameters)
        .await
        .with_context(|| format!("cannot run `{shown}` in {place}"))?;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut out = process.stdout().context("no standard output")?;
    let mut err = process.stderr().context("no standard error")?;
    let status = process.take_status().context("no status")?;
    let (read_out, read_err, status) = tokio::join!(
        out.read_to_string(&mut stdout),
        err.read_to_string(&mut stderr),
        status
    );
    read_out?;
    read_err?;
    let status = status.with_context(|| format!("`{shown}` in {place} ended without a status"))?;
    let code = match status.status.as_deref() {
        Some("Success") => 0,
        _ => {
            // Kubernetes tells an exit code as the cause of a failure; without one the command was not run.
            let causes = status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .flatten();
            let mut codes = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode"));
            let code = codes
                .next()
                .and_then(|cause| cause.message.as_deref()?.parse().ok());
            let why = status.message.clone().unwrap_or_default();
            code.with_context(|| format!("`{shown}` in {place} was not run: {why}\n{stdout}{stderr}"))?
        }
    };
    Ok(Output { stdout, stderr, code })
}

/// Runs a shell script and returns what it prints.
///
/// # Errors
/// As [`run`].
pub async fn shell(ground: &TestEnv, container: Container<'_>, script: &str) -> Result<String> {
    run(ground, container, &["/bin/sh", "-ec", script]).await
}

/// SHA-256 of every file below `folder`, by path. Velero's own marker is left out.
///
/// # Errors
/// As [`run`].
pub async fn checksums(
    ground: &TestEnv,
    container: Container<'_>,
    folder: &str,
) -> Result<BTreeMap<String, String>> {
    let script = format!("cd {folder}; find . -type f ! -path './.velero/*' -exec sha256sum {{}} +");
    Ok(parse(&shell(ground, container, &script).await?))
}

fn parse(listing: &str) -> BTreeMap<String, String> {
    listing
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path.trim_start_matches("./").to_owned(), digest.to_owned()))
        .collect()
}

/// Says in which files two sets of checksums differ; nothing if they do not.
pub fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Option<String> {
    let missing = before
        .keys()
        .filter(|path| !after.contains_key(*path))
        .map(|path| format!("{path} is missing"));
    let extra = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .map(|path| format!("{path} was not there"));
    let changed = before
        .iter()
        .filter(|(path, digest)| after.get(*path).is_some_and(|other| other != *digest))
        .map(|(path, _)| format!("{path} has other bytes"));
    let all: Vec<String> = missing.chain(extra).chain(changed).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_by_path() {
        let sums = parse("0a1b  ./radarr.db\n2c3d  ./Media Cover/1.jpg\n");
        assert_eq!(sums["radarr.db"], "0a1b");
        assert_eq!(sums["Media Cover/1.jpg"], "2c3d");
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let before = parse("1  ./a\n2  ./b\n3  ./c\n");
        assert_eq!(difference(&before, &before), None);
        let after = parse("1  ./a\n9  ./b\n4  ./d\n");
        let said = difference(&before, &after).unwrap();
        assert_eq!(said, "c is missing, d was not there, b has other bytes");
    }
}
