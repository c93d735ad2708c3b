//! Every shell block is shell.

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
