//! Every shell block is shell, and which commands are in one.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::files;
use super::markdown::Document;
use crate::generate::repository;

/// What may stand behind a fence.
const LANGUAGES: [&str; 10] = [
    "",
    "sh",
    "sh run",
    "sh run with radarr",
    "text",
    "rust",
    "diff",
    "yaml",
    "toml",
    "hcl",
];

/// The commands of a shell block, word by word.
pub(super) fn commands(block: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let joined = block.replace("\\\n", " ");
    let mut document: Option<String> = None;
    for line in joined.lines() {
        // What a here-document holds is no command.
        if let Some(end) = &document {
            if line.trim() == end {
                document = None;
            }
            continue;
        }
        document = line
            .split_once("<<")
            .and_then(|(_, behind)| behind.split_whitespace().next())
            .map(|end| end.trim_matches(['\'', '"', '-']).to_owned());
        let Some(words) = shlex::split(line.split_once("<<").map_or(line, |(before, _)| before)) else {
            continue;
        };
        for command in words.split(|word| matches!(word.as_str(), "&&" | "||" | "|" | ";" | "&")) {
            let command: Vec<String> = command
                .iter()
                .skip_while(|word| word.contains('=') && !word.starts_with('-'))
                .take_while(|word| !word.starts_with('>') && !word.starts_with("2>") && *word != "<")
                .map(|word| word.trim_end_matches(';').to_owned())
                .collect();
            if !command.is_empty() {
                found.push(command);
            }
        }
    }
    found
}

#[test]
fn shell_blocks_parse_and_every_block_has_a_known_language() {
    let mut shell = 0;
    for (path, text) in files::texts(&repository().unwrap()).unwrap() {
        for block in Document::of(&text).blocks {
            let language = block.info.split([',', ' ']).next().unwrap();
            assert!(
                LANGUAGES.contains(&block.info.as_str()) || language == "rust",
                "{path}:{}: a block of {:?}",
                block.line,
                block.info
            );
            if language != "sh" {
                continue;
            }
            shell += 1;
            let mut bash = Command::new("bash")
                .arg("-n")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            bash.stdin
                .take()
                .unwrap()
                .write_all(block.text.as_bytes())
                .unwrap();
            let output = bash.wait_with_output().unwrap();
            // A here-document without its end is only warned of.
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{path}:{}: {}\n{}",
                block.line,
                String::from_utf8_lossy(&output.stderr),
                block.text
            );
        }
    }
    assert!(shell > 40, "only {shell} shell blocks were looked at");
}

#[test]
fn a_block_is_read_command_by_command() {
    let block = "A=1 juju a \\\n  b && cargo c # d\nkubectl x <<EOF | y\njuju never\nEOF\nz >f\n";
    let found: Vec<String> = commands(block).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["juju a b", "cargo c", "kubectl x", "z"]);
}
