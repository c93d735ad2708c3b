//! Starts servers and keeps what they print.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// The servers that were started, by name.
pub struct Processes {
    log_folder: PathBuf,
    children: Vec<(String, Child)>,
}

impl Processes {
    /// None yet.
    pub fn new(log_folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&log_folder)?;
        Ok(Self {
            log_folder,
            children: Vec::new(),
        })
    }

    /// Starts `command` as `name`; its output goes to a file.
    pub fn start(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let log = File::create(self.log_path(name))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.children.push((name.to_owned(), child));
        Ok(())
    }

    /// The number of the process of a server.
    pub fn number(&self, name: &str) -> Option<u32> {
        let mut all = self.children.iter();
        all.find(|(is, _)| is == name).map(|(_, child)| child.id())
    }

    /// An error with the end of its log if a server has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.ended().first() {
            Some(ended) => bail!("{ended}"),
            None => Ok(()),
        }
    }

    /// A text for each server that has ended, with the end of its log.
    pub fn ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        for (name, child) in &mut self.children {
            if let Ok(Some(status)) = child.try_wait() {
                let log = tail(&self.log_folder.join(format!("{name}.log")));
                ended.push(format!("{name} ended with {status}; its last words:\n{log}"));
            }
        }
        ended
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.log_folder.join(format!("{name}.log"))
    }
}

/// Runs a program to its end.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{program} {} ended with {}: {}",
            arguments.join(" "),
            output.status,
            words.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n")
}
