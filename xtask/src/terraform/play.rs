//! What is run: `fmt`, the stub's own tests, `validate` and `test` of each module, what the stub has to refuse, and the how-to's own example.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::tools::{Tools, stub_folder};
use super::{FOLDER, charms};

/// The modules, below [`FOLDER`].
const MODULES: [&str; 2] = ["app", "stack"];

/// The how-to whose blocks of HCL are played, one after the other, as one configuration.
const HOW_TO: &str = "docs/src/howto/terraform.md";

/// The version that the stub has in the mirror: that of the documentation it is written from.
const VERSION: &str = "2.3.0";

/// What the how-to's variable is set to.
const SECRET: &str = "seldom-seen-otherwise";

/// A model without anything in it, and one in which `juju deploy` has deployed applications before.
fn models() -> Value {
    json!({
        "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a": { "name": "media", "applications": {}, "secrets": {}, "integrations": [] },
        "0b57f0a4-0000-4000-8000-0123456789ab": {
            "name": "home",
            "applications": { "radarr": { "charm": "radarr", "units": 1 }, "films": { "charm": "plex", "units": 1 } },
            "secrets": {},
            "integrations": [],
        },
    })
}

/// All of it.
///
/// # Errors
/// When anything is refused that should not be, or the other way round.
pub fn all(repository: &Path, tools: &Tools) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a folder")?;
    let bench = Bench::new(repository, tools, scratch.path())?;
    let began = Instant::now();
    let say = |what: &str| println!("{what} ({:.1} s)", began.elapsed().as_secs_f64());

    bench.formatted(repository)?;
    say("fmt: as it should be");
    stub_tests(repository)?;
    say("stub of the provider: its own tests passed");
    say(&format!("stub of the provider: {}", bench.refusals(repository)?));
    for module in MODULES {
        say(&format!("{FOLDER}/{module}: {}", bench.module(module)?));
    }
    bench.how_to(repository)?;
    say(&format!("{HOW_TO}: deployed and removed as it is written"));
    Ok(())
}

/// A place to run OpenTofu in, in which it finds the stub and nothing else.
struct Bench {
    tofu: PathBuf,
    scratch: PathBuf,
    settings: PathBuf,
    charmhub: PathBuf,
    models: PathBuf,
}

impl Bench {
    fn new(repository: &Path, tools: &Tools, scratch: &Path) -> Result<Self> {
        let bench = Self {
            tofu: tools.tofu.clone(),
            scratch: scratch.to_owned(),
            settings: scratch.join("settings.tfrc"),
            charmhub: scratch.join("charmhub.json"),
            models: scratch.join("models.json"),
        };
        let processor = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mirror = scratch.join("mirror");
        let place = mirror
            .join("registry.opentofu.org/juju/juju")
            .join(VERSION)
            .join(format!("{}_{processor}", std::env::consts::OS));
        fs::create_dir_all(&place)?;
        std::os::unix::fs::symlink(&tools.provider, place.join("terraform-provider-juju"))?;
        fs::write(
            &bench.settings,
            format!(
                "disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path    = \"{}\"\n    include = [\"*/*/*\"]\n  }}\n}}\n",
                mirror.display()
            ),
        )?;
        fs::write(
            &bench.charmhub,
            serde_json::to_string_pretty(&charms::charmhub(repository)?)?,
        )?;
        // What is run there writes into the folder, so it is not the repository's.
        let from = repository.join(FOLDER);
        for module in MODULES {
            copy(&from.join(module), &scratch.join("modules").join(module))?;
        }
        Ok(bench)
    }

    /// Runs it in this folder.
    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.tofu);
        // Of whoever calls this only what has nothing to do with OpenTofu.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("TF_")) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(folder)
            .args(arguments)
            .env("TF_CLI_CONFIG_FILE", &self.settings)
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_VAR_s3_secret_key", SECRET)
            .env("JUJU_STUB_CHARMHUB", &self.charmhub)
            .env("JUJU_STUB_MODELS", &self.models)
            .stdin(Stdio::null());
        command
            .output()
            .with_context(|| format!("cannot start {}", self.tofu.display()))
    }

    /// Runs it, and wants it to succeed. Gives its standard output.
    fn runs(&self, folder: &Path, arguments: &[&str]) -> Result<String> {
        let output = self.run(folder, arguments)?;
        ensure!(
            output.status.success(),
            "tofu {} refuses:\n{}",
            arguments.join(" "),
            both(&output)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn formatted(&self, repository: &Path) -> Result<()> {
        let folder = repository.join(FOLDER);
        let output = self.run(&folder, &["fmt", "-check", "-recursive", "-diff", "-no-color"])?;
        ensure!(
            output.status.success(),
            "not as `tofu fmt` writes it:\n{}",
            both(&output)
        );
        Ok(())
    }

    /// A module's validity and its tests. Gives what was counted.
    fn module(&self, module: &str) -> Result<String> {
        let folder = self.scratch.join("modules").join(module);
        self.begin()?;
        self.runs(&folder, &["init", "-input=false", "-no-color", "-backend=false"])?;
        self.runs(&folder, &["validate", "-no-color"])?;
        let said = self.runs(&folder, &["test", "-no-color"])?;
        let counted = said.trim_end().lines().last().unwrap_or_default();
        // "Success! 0 passed" would be one too.
        let passed = counted
            .strip_prefix("Success! ")
            .and_then(|rest| rest.split_once(" passed, 0 failed"))
            .and_then(|(count, _)| count.parse::<u32>().ok());
        ensure!(
            passed.is_some_and(|count| count > 0),
            "tofu test of {module} ran nothing:\n{said}"
        );
        self.ended(module)?;
        Ok(counted.to_owned())
    }

    /// Each configuration of `stub-provider/refusals` is refused with the words in its first line.
    fn refusals(&self, repository: &Path) -> Result<String> {
        let from = stub_folder(repository).join("refusals");
        let mut files: Vec<PathBuf> = fs::read_dir(&from)
            .with_context(|| format!("cannot list {}", from.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        let folder = self.scratch.join("refusals");
        fs::create_dir_all(&folder)?;
        let mut is_first = true;
        for file in &files {
            let text = fs::read_to_string(file)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let words = text
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("# Refused: "))
                .with_context(|| format!("{name} does not begin with what is said"))?;
            fs::write(folder.join("main.tf"), &text)?;
            self.begin()?;
            if is_first {
                self.runs(&folder, &["init", "-input=false", "-no-color"])?;
                is_first = false;
            }
            let apply = ["apply", "-auto-approve", "-input=false", "-no-color"];
            let output = self.run(&folder, &apply)?;
            let said = plain(&both(&output));
            ensure!(
                !output.status.success() && said.contains(words),
                "{name}: {words:?} expected, and this was said:\n{said}"
            );
            self.ended(&name)?;
        }
        ensure!(files.len() > 10, "only {} refusals were found", files.len());
        Ok(format!("{} configurations refused", files.len()))
    }

    /// The how-to's blocks, as they are, beside the modules where it says that they are; then everything is taken away again.
    fn how_to(&self, repository: &Path) -> Result<()> {
        let text =
            fs::read_to_string(repository.join(HOW_TO)).with_context(|| format!("cannot read {HOW_TO}"))?;
        let folder = self.scratch.join("how-to");
        for module in MODULES {
            copy(
                &repository.join(FOLDER).join(module),
                &folder.join(FOLDER).join(module),
            )?;
        }
        let blocks: Vec<&str> = text
            .split("\n```hcl\n")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once("\n```")?.0))
            .collect();
        ensure!(!blocks.is_empty(), "{HOW_TO} shows no HCL");
        fs::write(folder.join("main.tf"), blocks.join("\n\n") + "\n")?;
        self.begin()?;
        self.runs(&folder, &["init", "-input=false", "-no-color"])?;
        self.runs(&folder, &["fmt", "-check", "-diff", "-no-color", "main.tf"])
            .context("the how-to's blocks are not as `tofu fmt` writes them")?;
        self.runs(&folder, &["apply", "-auto-approve", "-input=false", "-no-color"])?;
        // A second one has nothing to do.
        self.runs(
            &folder,
            &["plan", "-detailed-exitcode", "-input=false", "-no-color"],
        )
        .context("what was applied is not what is planned")?;
        let state = fs::read_to_string(folder.join("terraform.tfstate"))?;
        ensure!(
            !state.contains(SECRET),
            "the key of the object storage is in the state"
        );
        self.runs(
            &folder,
            &["destroy", "-auto-approve", "-input=false", "-no-color"],
        )?;
        self.ended(HOW_TO)
    }

    /// Sets the stub's models back.
    fn begin(&self) -> Result<()> {
        fs::write(&self.models, models().to_string()).context("cannot write the models")
    }

    /// Nothing is left in the models.
    fn ended(&self, what: &str) -> Result<()> {
        let left: Value = serde_json::from_str(&fs::read_to_string(&self.models)?)?;
        if left != models() {
            bail!("{what} left something in a model:\n{left:#}");
        }
        Ok(())
    }
}

/// The stub's tests in Go.
fn stub_tests(repository: &Path) -> Result<()> {
    for arguments in [&["vet", "./..."], &["test", "./..."]] {
        let output = Command::new("go")
            .current_dir(stub_folder(repository))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("cannot start go: install Go 1.25.7 or newer (https://go.dev/dl)")?;
        ensure!(
            output.status.success(),
            "go {} in the stub fails:\n{}",
            arguments.join(" "),
            both(&output)
        );
    }
    Ok(())
}

/// What a program said.
fn both(output: &Output) -> String {
    let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    of(&output.stdout) + &of(&output.stderr)
}

/// Without the frame and the line breaks that OpenTofu gives its errors.
fn plain(said: &str) -> String {
    let words = said.split_whitespace();
    words
        .filter(|word| !["│", "╷", "╵"].contains(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        // What somebody's own run of OpenTofu leaves is none of the module.
        let name = entry.file_name();
        let is_left = name
            .to_str()
            .is_some_and(|name| name.starts_with(".terraform") || name.contains(".tfstate"));
        if is_left {
            continue;
        }
        match kind.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => {
                fs::copy(entry.path(), &target)
                    .with_context(|| format!("cannot copy {}", entry.path().display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_without_its_frame() {
        let said = "╷\n│ Error: cannot deploy\n│ \n│ unknown option\n│ \"x\"\n╵\n";
        assert_eq!(plain(said), "Error: cannot deploy unknown option \"x\"");
    }
}
