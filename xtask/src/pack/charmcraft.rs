//! The real charmcraft, in a Python environment of its own below the cache folder.

use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

/// Version of charmcraft that packs here.
pub const VERSION: &str = "4.5.0";

/// Every Python package that charmcraft came with when this was last tried, so that a new release of one of them
/// cannot change what packs.
const CONSTRAINTS: &str = include_str!("constraints.txt");

/// The Python that charmcraft runs on: the system's own, since python3-apt is built for that one alone.
const PYTHON: &str = "/usr/bin/python3";

/// A module that must be importable, and the Debian package that brings it.
struct Need {
    package: &'static str,
    import: &'static str,
}

const NEEDS: [Need; 3] = [
    Need {
        package: "python3",
        import: "sys",
    },
    Need {
        package: "python3-venv",
        import: "ensurepip, venv",
    },
    // craft-parts looks at the machine's packages through it, and no Python registry has it.
    Need {
        package: "python3-apt",
        import: "apt, apt_inst, apt_pkg",
    },
];

/// What python3-apt consists of, and where it is: one line for each file or folder.
const FIND_APT: &str = "
import apt, apt_inst, apt_pkg, os
print(os.path.dirname(apt.__file__), apt_inst.__file__, apt_pkg.__file__, sep='\\n')
";

/// A charmcraft that is ready to run.
#[derive(Debug)]
pub struct Charmcraft {
    program: PathBuf,
    /// Where it keeps state, caches and logs: none of the user's own.
    scratch: PathBuf,
}

impl Charmcraft {
    /// Finds charmcraft in the cache folder, or installs it there. `scratch` is for what it leaves behind.
    ///
    /// # Errors
    /// When a package of the system is missing and `install` is false (the error names the command), or an installation
    /// fails.
    pub fn ready(scratch: &Path, install: bool) -> Result<Self> {
        let missing = missing();
        if !missing.is_empty() {
            let command = format!(
                "apt-get install --yes --no-install-recommends {}",
                missing.join(" ")
            );
            ensure!(
                install,
                "cannot run charmcraft: packages are missing; install them with: {command} (or: cargo xtask pack --install)"
            );
            run(Command::new("apt-get").arg("update"))?;
            run(Command::new("apt-get")
                .args(["install", "--yes", "--no-install-recommends"])
                .args(&missing)
                .env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        let environment = cache::folder("charmcraft")?.join(VERSION);
        let program = environment.join("bin/charmcraft");
        // Written last, so that an installation that was cut off is made again; it names what is in there.
        let installed = environment.join("installed-constraints.txt");
        let is_current = std::fs::read_to_string(&installed).is_ok_and(|text| text == CONSTRAINTS);
        if !is_current || !program.is_file() {
            install_into(&environment)?;
            std::fs::write(&installed, CONSTRAINTS)
                .with_context(|| format!("cannot write {}", installed.display()))?;
        }
        let scratch = scratch.to_owned();
        for name in ["state", "cache", "runtime"] {
            let folder = scratch.join(name);
            std::fs::DirBuilder::new()
                .recursive(true)
                // The runtime folder must be nobody else's.
                .mode(0o700)
                .create(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(Self { program, scratch })
    }

    /// Packs the charm in `folder`, and gives the path of the `.charm` file.
    ///
    /// # Errors
    /// When charmcraft refuses, with what it says.
    pub fn pack(&self, folder: &Path) -> Result<PathBuf> {
        let mut command = self.command(folder);
        command.args(["pack", "--destructive-mode", "--verbosity=brief"]);
        if !is_ubuntu_24_04() {
            // This tells charmcraft something untrue: that this machine is an Ubuntu 24.04. It refuses to build a charm
            // for one on another system, since a binary that is built against the libraries of one may not run on the
            // other. A static binary uses none of them, which `binary::must_be_static` has made sure of, and a
            // packed file of data does not either. Whoever packs a charm for use runs charmcraft on Ubuntu or with
            // LXD, where it asks for no such thing: see CONTRIBUTING.md.
            command.env("UNIXCONFDIR", self.ubuntu_release()?);
        }
        let output = command.output().context("cannot start charmcraft")?;
        if !output.status.success() {
            bail!("cannot pack {}: {}", folder.display(), said(&output));
        }
        let packed: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| format!("cannot list {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "charm"))
            .collect();
        match packed.as_slice() {
            [path] => Ok(path.clone()),
            other => bail!("cannot find the packed charm in {}: {other:?}", folder.display()),
        }
    }

    /// Runs charmcraft's linters on a packed charm.
    ///
    /// # Errors
    /// When one of them finds an error, with what it says.
    pub fn analyse(&self, charm: &Path) -> Result<()> {
        let folder = charm.parent().context("cannot find the folder of the charm")?;
        let mut command = self.command(folder);
        let output = command
            .arg("analyse")
            .arg(charm)
            .output()
            .context("cannot start charmcraft")?;
        if !output.status.success() {
            bail!("charmcraft analyse finds errors: {}", said(&output));
        }
        Ok(())
    }

    /// Runs a Python program with charmcraft's own modules in `folder`, and gives what it prints.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub fn python(&self, folder: &Path, program: &str) -> Result<String> {
        let python = self.program.with_file_name("python");
        let output = self
            .environment(Command::new(python), folder)
            .args(["-c", program])
            .output()
            .context("cannot start Python")?;
        if !output.status.success() {
            bail!("{}", said(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, folder: &Path) -> Command {
        self.environment(Command::new(&self.program), folder)
    }

    fn environment(&self, mut command: Command, folder: &Path) -> Command {
        // The build inside must not take over what cargo told this program.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let foreign = (text.starts_with("CARGO") && text != "CARGO_HOME")
                || text.starts_with("CRAFT")
                || text.starts_with("CHARMCRAFT")
                || text.starts_with("PYTHON")
                || text == "RUSTFLAGS";
            if foreign {
                command.env_remove(name);
            }
        }
        // A part's own build steps call `craftctl`, which is installed beside charmcraft.
        let mut path = self
            .program
            .parent()
            .map(|bin| bin.as_os_str().to_owned())
            .unwrap_or_default();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command
            .current_dir(folder)
            .env("PATH", path)
            .env("XDG_STATE_HOME", self.scratch.join("state"))
            .env("XDG_CACHE_HOME", self.scratch.join("cache"))
            .env("XDG_RUNTIME_DIR", self.scratch.join("runtime"))
            .stdin(Stdio::null());
        command
    }

    /// A folder with the `os-release` of an Ubuntu 24.04.
    fn ubuntu_release(&self) -> Result<PathBuf> {
        let folder = self.scratch.join("ubuntu");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let text = "NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n";
        std::fs::write(folder.join("os-release"), text).context("cannot write an os-release")?;
        Ok(folder)
    }
}

/// The packages of the system that are not there.
fn missing() -> Vec<&'static str> {
    NEEDS
        .iter()
        .filter(|need| {
            let status = Command::new(PYTHON)
                .args(["-c", &format!("import {}", need.import)])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            !status.is_ok_and(|status| status.success())
        })
        .map(|need| need.package)
        .collect()
}

/// Makes the Python environment, installs charmcraft in it, and links python3-apt into it.
fn install_into(environment: &Path) -> Result<()> {
    run(Command::new(PYTHON)
        .args(["-m", "venv", "--clear"])
        .arg(environment))?;
    let python = environment.join("bin/python");
    let constraints = environment.join("constraints.txt");
    std::fs::write(&constraints, CONSTRAINTS)
        .with_context(|| format!("cannot write {}", constraints.display()))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arg("--constraint")
        .arg(&constraints)
        .arg(format!("charmcraft=={VERSION}")))?;
    let site_packages = lines(
        &python,
        "import sysconfig; print(sysconfig.get_paths()['purelib'])",
    )?;
    let site_packages = site_packages.first().context("cannot find site-packages")?;
    // Only these: with all of the system's packages, those that happen to be there would go before the pinned ones.
    for original in lines(Path::new(PYTHON), FIND_APT)? {
        let name = original
            .file_name()
            .context("cannot name a part of python3-apt")?;
        symlink(&original, site_packages.join(name))
            .with_context(|| format!("cannot link {}", original.display()))?;
    }
    Ok(())
}

/// The paths that a Python program prints.
fn lines(python: &Path, program: &str) -> Result<Vec<PathBuf>> {
    let output = Command::new(python)
        .args(["-c", program])
        .output()
        .context("cannot start Python")?;
    if !output.status.success() {
        bail!("cannot ask Python: {}", said(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(PathBuf::from)
        .collect())
}

fn is_ubuntu_24_04() -> bool {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let has = |line: &str| text.lines().any(|found| found.replace('"', "") == line);
    has("ID=ubuntu") && has("VERSION_ID=24.04")
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("cannot prepare charmcraft: {name} says {}", said(&output));
    }
    Ok(())
}

/// What a program that failed said, for a person.
fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .trim_end()
    .to_owned()
}
