//! The programs that the bed is made of, built from Go modules that the `go.mod` files below `tools/` pin, and kept in a cache.
//!
//! The cache's key is the content of the module files and the build flags, so a changed pin builds anew and nothing
//! else does.

mod compile;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use self::compile::Job;
use crate::veleros::Velero;

/// Programs that one Go module gives.
struct Module {
    /// Folder below `tools/`.
    folder: String,
    /// Packages to build; each becomes a program named by its last element.
    packages: &'static [&'static str],
    /// Further linker flags.
    ldflags: String,
}

impl Module {
    /// One that is the same with every Velero.
    fn of_any(folder: &str, packages: &'static [&'static str], ldflags: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            packages,
            ldflags: ldflags.to_owned(),
        }
    }
}

/// What a bed with this Velero is made of. The order is part of the cache's key.
fn modules(velero: &Velero) -> [Module; 6] {
    let Velero {
        version,
        plugin,
        kubernetes,
        ..
    } = velero;
    [
        Module {
            folder: format!("kubernetes/{kubernetes}"),
            packages: &[
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                "k8s.io/kubernetes/cmd/kubectl",
                "k8s.io/kubernetes/cmd/kubelet",
            ],
            // Without a version the node reports none, and Velero cannot tell what it talks to.
            ldflags: format!(
                "-X k8s.io/component-base/version.gitVersion=v{kubernetes} -X k8s.io/client-go/pkg/version.gitVersion=v{kubernetes}"
            ),
        },
        Module {
            folder: format!("velero/{version}"),
            packages: &[
                "github.com/vmware-tanzu/velero/cmd/velero",
                "github.com/vmware-tanzu/velero/cmd/velero-restore-helper",
            ],
            // The default image of the restore helper is named by this version.
            ldflags: format!("-X github.com/vmware-tanzu/velero/pkg/buildinfo.Version=v{version}"),
        },
        Module {
            folder: format!("velero-plugin-for-aws/{plugin}"),
            packages: &["github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"],
            ldflags: String::new(),
        },
        Module::of_any(
            "local-path-provisioner",
            &["github.com/rancher/local-path-provisioner"],
            "",
        ),
        Module::of_any("versitygw", &["github.com/versity/versitygw/cmd/versitygw"], ""),
        Module::of_any("pebble", &["github.com/canonical/pebble/cmd/pebble"], ""),
    ]
}

/// What snapshots of volumes need: built and started only for scenarios that take some.
fn snapshot_modules() -> [Module; 3] {
    [
        Module::of_any(
            SNAPSHOTTER,
            &[
                "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
                "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
            ],
            "-X main.version=v8.3.0",
        ),
        Module::of_any(
            "external-provisioner",
            &["github.com/kubernetes-csi/external-provisioner/v5/cmd/csi-provisioner"],
            "-X main.version=v5.3.0",
        ),
        Module::of_any("csi-folder-driver", &["csi-folder-driver"], ""),
    ]
}
/// Folder of the module file that pins external-snapshotter.
const SNAPSHOTTER: &str = "external-snapshotter";
/// The module that has the definitions of snapshots. Its newest version that is to be had fits v8.3.0, which asks for it.
const SNAPSHOT_API: &str = "github.com/kubernetes-csi/external-snapshotter/client/v8";
/// The definitions, as files of that module's `config/crd`; and [`Parts::program`]s, once built.
pub const SNAPSHOT_DEFINITIONS: [&str; 3] = [
    "snapshot.storage.k8s.io_volumesnapshotclasses.yaml",
    "snapshot.storage.k8s.io_volumesnapshotcontents.yaml",
    "snapshot.storage.k8s.io_volumesnapshots.yaml",
];

/// The built programs.
#[derive(Debug, Clone)]
pub struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// The program `name`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where they all are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds all that the cache lacks of what beds with these Veleros are made of, and, if they take some, of what snapshots need.
    ///
    /// # Errors
    /// When Go is missing or a module does not build.
    pub fn build_missing(veleros: &[&Velero], snapshots: bool) -> Result<()> {
        let cache = cache_folder()?.join("parts");
        let mut jobs: Vec<Job> = Vec::new();
        let of_all = veleros.iter().flat_map(|velero| modules(velero));
        let of_snapshots = snapshots.then(snapshot_modules).into_iter().flatten();
        for module in of_all.chain(of_snapshots) {
            for job in missing(&module, &cache)? {
                if !jobs.contains(&job) {
                    jobs.push(job);
                }
            }
        }
        if jobs.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        let log = cache.join("build.log");
        eprintln!(
            "parts to build with Go, once for this machine: {}; what Go says goes to {}",
            jobs.len(),
            log.display()
        );
        compile::compile(&jobs, &log)
    }

    /// What a bed with this Velero is made of, built where the cache lacks it.
    ///
    /// # Errors
    /// When Go is missing or a module does not build.
    pub fn build(velero: &Velero) -> Result<Self> {
        Self::build_missing(&[velero], false)?;
        Self::gather(&modules(velero))
    }

    /// Builds what snapshots need and the cache lacks: programs, and the definitions of snapshots beside them.
    ///
    /// # Errors
    /// As [`Parts::build`].
    pub fn build_for_snapshots() -> Result<Self> {
        Self::build_missing(&[], true)?;
        let parts = Self::gather(&snapshot_modules())?;
        let missing = |name: &&&str| !parts.program(name).exists();
        let missing: Vec<_> = SNAPSHOT_DEFINITIONS.iter().filter(missing).collect();
        if !missing.is_empty() {
            let definitions = module_folder(SNAPSHOTTER, SNAPSHOT_API)?.join("config/crd");
            for name in missing {
                let (from, to) = (definitions.join(name), parts.program(name));
                std::fs::copy(&from, to).with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        Ok(parts)
    }

    /// A folder with the programs of these modules, all of them built.
    fn gather(modules: &[Module]) -> Result<Self> {
        let cache = cache_folder()?.join("parts");
        let mut parts = Self {
            folder: cache.join("bin"),
        };
        let mut keys = Sha256::new();
        for module in modules {
            keys.update(key(module)?);
        }
        parts.folder = cache.join(hex(&keys.finalize()));
        for module in modules {
            link(module, &cache, &parts.folder)?;
        }
        Ok(parts)
    }
}

/// Where built parts are kept: `$XDG_CACHE_HOME/configuratarr/e2e`, `~/.cache` by default.
pub fn cache_folder() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("cannot find a cache folder: HOME is not set")?)
                .join(".cache")
        }
    };
    Ok(base.join("configuratarr/e2e"))
}

fn tools_folder(module: &Module) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tools")
        .join(&module.folder)
}

fn key(module: &Module) -> Result<Vec<u8>> {
    let mut digest = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        let path = tools_folder(module).join(file);
        digest.update(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    for source in own_sources(&tools_folder(module))? {
        digest.update(std::fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?);
    }
    digest.update(module.packages.join(" "));
    digest.update(&module.ldflags);
    Ok(digest.finalize().to_vec())
}

/// The sources of a program that is this project's own. `tools.go` is none: it only names packages.
fn own_sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let is_source = path.extension().is_some_and(|is| is == "go");
        let is_other = |name: &str| name == "tools.go" || name.ends_with("_test.go");
        if is_source && !path.file_name().and_then(|is| is.to_str()).is_some_and(is_other) {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// Where Go keeps the files of `module`, in the version that `tools/FOLDER/go.mod` pins.
fn module_folder(folder: &'static str, module: &str) -> Result<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(folder);
    let output = Command::new("go")
        .current_dir(tools)
        .args(["list", "-mod=mod", "-m", "-f", "{{.Dir}}", module])
        .output()
        .context("cannot start go")?;
    if !output.status.success() {
        bail!(
            "cannot find the files of {module}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Where the programs of a module are kept, each with its package.
fn programs(module: &Module, cache: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let kept = cache.join("modules").join(hex(&key(module)?));
    let named = |package: &&'static str| (*package, kept.join(package.rsplit('/').next().unwrap_or(package)));
    Ok(module.packages.iter().map(named).collect())
}

/// What is to be compiled of a module.
fn missing(module: &Module, cache: &Path) -> Result<Vec<Job>> {
    let programs = programs(module, cache)?.into_iter();
    let missing = programs.filter(|(_, built)| !built.exists());
    let job = |(package, built)| Job {
        tools: tools_folder(module),
        package,
        ldflags: module.ldflags.clone(),
        built,
    };
    Ok(missing.map(job).collect())
}

fn link(module: &Module, cache: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (_, built) in programs(module, cache)? {
        let link = folder.join(built.file_name().unwrap_or_default());
        if !link.exists() {
            std::fs::hard_link(&built, &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::veleros::{ALL, DEFAULT};

    #[test]
    fn veleros_share_the_parts_that_are_the_same() {
        let keys =
            |velero: &Velero| modules(velero).map(|module| (module.folder.clone(), key(&module).unwrap()));
        let of_default = keys(&DEFAULT);
        for velero in ALL.iter().filter(|is| !is.is_default()) {
            for ((folder, key), (default_folder, default_key)) in keys(velero).into_iter().zip(&of_default) {
                assert_eq!(key == *default_key, folder == *default_folder, "{folder}");
            }
        }
    }

    #[test]
    fn a_change_of_an_own_program_is_a_change_of_its_key() {
        let names = |folder: &str| -> Vec<String> {
            let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
            let sources = own_sources(&tools.join(folder)).unwrap();
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            sources.iter().map(name).collect()
        };
        assert_eq!(
            names("csi-folder-driver"),
            ["controller.go", "main.go", "node.go", "store.go"]
        );
        // What others wrote is pinned by its sums.
        assert!(
            modules(&DEFAULT)
                .iter()
                .all(|module| names(&module.folder).is_empty())
        );
    }
}
