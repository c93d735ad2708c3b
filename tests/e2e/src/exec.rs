//! Runs commands in containers, and takes checksums there.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
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

/// Runs `command` and returns what it prints.
///
/// # Errors
/// When it cannot be started or ends with an error; the text has what it printed.
pub async fn run(ground: &TestEnv, container: Container<'_>, command: &[&str]) -> Result<String> {
    let parameters = AttachParams::default()
        .container(container.name)
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let words = command.iter().map(|&word| word.to_owned());
    let shown = command.join(" ");
    let place = format!("{}/{} {}", container.namespace, container.pod, container.name);
    let mut process = ground
        .pods(container.namespace)
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
    if status.status.as_deref() != Some("Success") {
        let why = status.message.unwrap_or_default();
        bail!("`{shown}` in {place} failed: {why}\n{stdout}{stderr}");
    }
    Ok(stdout)
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
