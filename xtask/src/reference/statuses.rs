//! The unit's statuses. Their order and their words are those of `charm/src/steps/status/mod.rs`, which is read here; what each means for a
//! person is in the table below, which has to have the same entries.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Where they are decided.
const SOURCE: &str = "charm/src/steps/status/mod.rs";

/// What a candidate means, by the name of its function.
const MEANINGS: &[(&str, &str)] = &[
    (
        "metadata",
        "The charm was packed wrong: without the config storage a backup would hold nothing.",
    ),
    (
        "container",
        "The charm does not see the app's container. It goes by itself as a rule.",
    ),
    ("vpn_held_up", "The route to the VPN cannot be made or removed."),
    (
        "may_not_start",
        "The app is stopped, and the text says why: its volume is empty although it had content, a restore has not ended, it waits for `restore-on-deploy`, it has no VPN.",
    ),
    (
        "workload_options",
        "An option cannot work. The app runs on with what it had.",
    ),
    ("workload_failed", "Pebble could not do what it was asked for."),
    (
        "not_looked_into",
        "Juju does not say where the volume is mounted. The app runs on.",
    ),
    ("media_held_up", "The media are not mounted, or still are."),
    (
        "ends_again",
        "The app ends again and again. Pebble starts it, later each time.",
    ),
    ("no_answer", "The app does not pass its health check."),
    (
        "damaged_file",
        "The app's config file could not be read. It was kept under the name that the text says; take from it what you miss.",
    ),
    (
        "below_a_path",
        "The ingress serves the app below a path, and it breaks there.",
    ),
    ("rotation_option", "The option `credential-rotation` cannot work."),
    (
        "backup_options",
        "An option about backups cannot work. The last good request stays.",
    ),
    ("verify_option", "The option `verify-schedule` cannot work."),
    (
        "notify_option",
        "The option `notify-url` cannot be used. That a secret cannot be read, or that a receiver takes nothing, is said behind `active: `, from the second try on.",
    ),
    (
        "retention_too_short",
        "Each backup would be gone before the next one is made.",
    ),
    (
        "backups_held_up",
        "A backup would hold nothing or too much, and the text says why: no node agent, a hostPath volume, a claim that is not bound, no trust.",
    ),
    (
        "schedule_held_up",
        "Velero makes no backups: the Schedule is missing, refused or paused.",
    ),
    (
        "media_not_excluded",
        "The media may get into backups, and the data of other apps that share them.",
    ),
    (
        "media_on_their_way",
        "The pod is being replaced by one that mounts the media, or does not any more.",
    ),
    (
        "vpn_on_its_way",
        "The pod is being replaced by one with the route, or without it.",
    ),
];

/// One candidate as the source has it.
struct Candidate {
    name: String,
    /// `blocked`, `waiting`.
    kinds: Vec<&'static str>,
    /// The texts, with `…` for what is filled in.
    texts: Vec<String>,
}

/// The page.
///
/// # Errors
/// When the source cannot be read, or the table here has other entries.
pub fn text(repository: &Path) -> Result<String> {
    let source =
        std::fs::read_to_string(repository.join(SOURCE)).with_context(|| format!("cannot read {SOURCE}"))?;
    let candidates = candidates(&source)?;
    let found: Vec<&str> = candidates
        .iter()
        .map(|candidate| candidate.name.as_str())
        .collect();
    let known: Vec<&str> = MEANINGS.iter().map(|(name, _)| *name).collect();
    ensure!(
        found == known,
        "the table of xtask/src/reference/statuses.rs has {known:?}, and CANDIDATES of {SOURCE} {found:?}"
    );
    let mut text = "# Statuses\n\nA unit has one status: the first of this list that holds. If none does it is `active`, and the text says when backups are made, the last good one and when it was verified. A text \
names the thing, the reason and the next step; `…` stands for what is filled in. `juju status` shows about 120 characters; the log has the whole (`juju debug-log`).\n\n\
`blocked` needs a person; `waiting` is tried again by itself, at the next update-status at the latest.\n"
        .to_owned();
    for (candidate, (name, meaning)) in candidates.iter().zip(MEANINGS) {
        let kinds = candidate.kinds.join(" or ");
        let _ = write!(text, "\n## {}\n\n{kinds}. {meaning}\n", name.replace('_', " "));
        if !candidate.texts.is_empty() {
            let _ = write!(text, "\n```text\n{}\n```\n", candidate.texts.join("\n"));
        }
    }
    Ok(text)
}

/// The entries of `CANDIDATES` with what their functions say.
fn candidates(source: &str) -> Result<Vec<Candidate>> {
    let table = source
        .split_once("const CANDIDATES")
        .and_then(|(_, behind)| behind.split_once("= ["))
        .and_then(|(_, behind)| behind.split_once("];"));
    let (table, _) = table.with_context(|| format!("{SOURCE} has no CANDIDATES"))?;
    let names = table.lines().filter_map(|line| {
        let inside = line.trim().strip_prefix('(')?.strip_suffix("),")?;
        Some(inside.split_once(", ")?.1)
    });
    names.map(|name| candidate(source, name)).collect()
}

fn candidate(source: &str, name: &str) -> Result<Candidate> {
    let body = source
        .split_once(&format!("\nfn {name}("))
        .and_then(|(_, behind)| behind.split_once("\n}\n"))
        .map(|(body, _)| body)
        .with_context(|| format!("{SOURCE} has no function {name}"))?;
    let kinds: Vec<&'static str> = match (body.contains("Status::Blocked"), body.contains("Status::Waiting"))
    {
        (true, true) => vec!["`blocked`", "`waiting`"],
        (true, false) => vec!["`blocked`"],
        // What only points to the log of the app (`see_log`) waits.
        (false, _) => vec!["`waiting`"],
    };
    // A part of a text is no text: those have a subject and a next step.
    let texts = literals(body)
        .into_iter()
        .filter(|text| {
            text.contains("; ") && !text.starts_with(';') && !text.ends_with("; ") && has_words(text)
        })
        .collect();
    Ok(Candidate {
        name: name.to_owned(),
        kinds,
        texts,
    })
}

/// Whether more than what is filled in can be read.
fn has_words(text: &str) -> bool {
    text.split_whitespace()
        .filter(|word| word.chars().any(char::is_alphabetic))
        .count()
        > 2
}

/// The string literals of a piece of code, with `…` for what is filled in.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        // Each literal of the source is on one line and has no quotes in it.
        for (number, part) in line.split('"').enumerate() {
            if number % 2 == 1 {
                found.push(filled(part));
            }
        }
    }
    found
}

fn filled(literal: &str) -> String {
    let mut text = String::new();
    let mut rest = literal;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        text.push('…');
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_read_with_its_texts() {
        let source = "const CANDIDATES: [Candidate; 1] = [\n    (About::Else, gone),\n];\n\nfn gone(known: K) -> O {\n    // \"not this; one\"\n    \
                      Some(Status::Blocked(format!(\n        \"volume {name}: is gone; juju storage {}\",\n        x\n    )))\n}\n";
        let found = candidates(source).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "gone");
        assert_eq!(found[0].kinds, ["`blocked`"]);
        assert_eq!(found[0].texts, ["volume …: is gone; juju storage …"]);
    }

    #[test]
    fn one_that_nobody_has_explained_is_no_page() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOURCE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = "const CANDIDATES: [Candidate; 1] = [\n    (About::Else, unheard_of),\n];\n\nfn unheard_of(known: K) -> O {\n    None\n}\n";
        std::fs::write(&path, source).unwrap();
        let error = text(folder.path()).unwrap_err().to_string();
        assert!(error.contains("unheard_of"), "{error}");
    }
}
