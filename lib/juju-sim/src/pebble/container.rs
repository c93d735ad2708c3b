//! The folder that is a container: its paths, its executables, its ports.
//!
//! A container path is the same path below the folder, with `..` taken away first, so that none leads out of it. Links
//! in the folder are followed as the host follows them: that is how storage is mounted.
//!
//! A command is looked for below the folder first, then on the host, so that a container needs no shell of its own.
//! Processes see the host's file system; they start in the folder, and `CONTAINER_ROOT` tells where it is.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use tokio::process::Command;

use super::users::Users;

/// Where to look for commands when there is no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub root: PathBuf,
    /// Files that are named after ports and hold others: see [`Container::real_port`].
    pub ports: PathBuf,
    pub users: Users,
}

impl Container {
    pub fn new(root: PathBuf, ports: PathBuf) -> Container {
        Container {
            users: Users::of(&root),
            root,
            ports,
        }
    }

    /// The path on the host for one in the container.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(clean(path).trim_start_matches('/'))
    }

    /// The port that stands for one that a workload was told: a workload that knows `CONTAINER_PORTS` listens on any
    /// port of the loopback device, and writes its number into the file there that is named after the port it was told.
    pub fn real_port(&self, told: u16) -> u16 {
        let record = std::fs::read_to_string(self.ports.join(told.to_string()));
        record
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(told)
    }

    /// The executable that a command's first word means; none if there is no such.
    pub fn executable(&self, word: &str, working_dir: &Path) -> Option<PathBuf> {
        let is_executable = |path: &PathBuf| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let candidates: Vec<PathBuf> = if word.starts_with('/') {
            vec![self.path(word), PathBuf::from(word)]
        } else if word.contains('/') {
            vec![working_dir.join(word)]
        } else {
            let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
            let folders = || path.split(':').filter(|folder| folder.starts_with('/'));
            let here = folders().map(|folder| self.path(folder).join(word));
            here.chain(folders().map(|folder| Path::new(folder).join(word)))
                .collect()
        };
        candidates.into_iter().find(is_executable)
    }

    /// A command that is ready to be spawned, in a process group of its own. `environment` goes on top of this
    /// process' own.
    ///
    /// An error is Go's text for the same fault.
    pub fn command(
        &self,
        words: &[String],
        environment: &BTreeMap<String, String>,
        working_dir: Option<&str>,
    ) -> Result<Command, String> {
        let word = words.first().map(String::as_str).unwrap_or_default();
        let working_dir = working_dir.filter(|folder| !folder.is_empty());
        let folder = working_dir.map_or_else(|| self.root.clone(), |folder| self.path(folder));
        let missing = || format!("fork/exec {word}: no such file or directory");
        let executable = self.executable(word, &folder).ok_or_else(|| {
            if word.contains('/') {
                missing()
            } else {
                format!("exec: {word:?}: executable file not found in $PATH")
            }
        })?;
        if !folder.is_dir() {
            // Go says it of the command, whatever is missing.
            return Err(missing());
        }
        let mut command = Command::new(executable);
        command
            .arg0(word)
            .args(words.get(1..).unwrap_or_default())
            .current_dir(folder)
            .envs(environment)
            .env("CONTAINER_ROOT", &self.root)
            .env("CONTAINER_PORTS", &self.ports)
            .stdin(std::process::Stdio::null())
            .process_group(0);
        Ok(command)
    }
}

/// A path without `.`, `..` and doubled slashes. What would lead above `/` leads to `/`, as it does in a container.
pub(crate) fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(name) => parts.push(name.to_string_lossy()),
            _ => {}
        }
    }
    format!("/{}", parts.join("/"))
}

/// Why the system refused something, in Go's words: those of the C library, in small letters.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// Splits a command as a shell does.
pub(crate) fn split_words(command: &str) -> Result<Vec<String>, &'static str> {
    shlex::split(command).ok_or(if command.ends_with('\\') {
        "EOF found after escape character"
    } else {
        "EOF found when expecting closing quote"
    })
}

/// Splits the command of a service; what is in `[ … ]` are arguments like others here.
pub(crate) fn split_command(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let (mut inside, mut closed) = (false, false);
    for word in split_words(command)? {
        match word.as_str() {
            "[" if inside => return Err("cannot nest [ ... ] groups"),
            "]" if inside => (inside, closed) = (false, true),
            _ if inside => words.push(word),
            _ if closed => return Err("cannot have any arguments after [ ... ] group"),
            "[" if words.is_empty() => return Err("cannot start command with [ ... ] group"),
            "[" => inside = true,
            "]" => return Err("cannot have ] outside of [ ... ] group"),
            _ => words.push(word),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_container() {
        for (path, cleaned) in [
            ("/a//b/./c/", "/a/b/c"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/../..", "/"),
            ("/a/b/../c", "/a/c"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn a_command_is_looked_for_in_the_container_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let container = Container::new(root.clone(), folder.path().join("ports"));
        assert_eq!(container.executable("/bin/sh", &root), Some("/bin/sh".into()));
        std::fs::create_dir(root.join("bin")).unwrap();
        std::fs::write(root.join("bin/sh"), "").unwrap();
        assert_eq!(
            container.executable("/bin/sh", &root),
            Some("/bin/sh".into()),
            "not executable"
        );
        std::fs::set_permissions(root.join("bin/sh"), PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(container.executable("/bin/sh", &root), Some(root.join("bin/sh")));
        assert_eq!(container.executable("sh", &root), Some(root.join("bin/sh")));
        assert_eq!(
            container.executable("./bin/sh", &root),
            Some(root.join("./bin/sh"))
        );
        assert_eq!(container.executable("no-such-command", &root), None);
    }

    #[test]
    fn default_arguments_stand_in_brackets() {
        let words = |command| split_command(command).map(|words| words.join("|"));
        assert_eq!(words("a 'b c' [ d e ]"), Ok("a|b c|d|e".to_owned()));
        assert_eq!(words(""), Ok(String::new()));
        for command in ["[ a ]", "a ]", "a [ b ] c", "a [ [", "a \"b", "a \\"] {
            assert!(words(command).is_err(), "{command}");
        }
    }

    #[test]
    fn a_port_is_the_recorded_one_or_itself() {
        let folder = tempfile::tempdir().unwrap();
        let container = Container::new(folder.path().into(), folder.path().into());
        std::fs::write(folder.path().join("7878"), "41234").unwrap();
        assert_eq!((container.real_port(7878), container.real_port(80)), (41234, 80));
    }
}
