//! `cargo xtask generate`: every file that is both generated and checked in, each from one function.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use workload_charm::alerts::{self, JOB};
use workload_charm::cos::dashboard;
use workload_charm::exporter::PORT;
use workload_charm::packaging;
use workload_charm::profile::AppProfile;

use crate::pack::icon;
use crate::reference;
use crate::sizing;
use crate::terraform;

/// The app whose charm is packed from source in the repository's root. All others are packed by `cargo xtask pack`.
pub const ROOT_APP: &str = "radarr";

/// The command that mends what `--check` finds.
pub const COMMAND: &str = "cargo xtask generate";

/// How charmcraft builds the root charm. Options and actions follow after it.
const ROOT_CHARMCRAFT: &str = r#"type: charm
base: ubuntu@24.04
platforms:
  amd64:
  arm64:

parts:
  charm:
    plugin: rust
    source: .
    rust-path: [charm]
    build-environment:
      # A static binary runs in whatever image Juju gives the charm container.
      - RUSTFLAGS: -C target-feature=+crt-static
      # With a target of its own, the flags stay away from procedural macros, which cannot be static.
      - CARGO_BUILD_TARGET: "$(rustc -vV | sed -n s,^host:.,,p)"
    override-pull: |
      # What cargo and charmcraft leave in this folder stays out of the part: it is large, and cargo would take it for its own.
      find "$CRAFT_PART_SRC" -mindepth 1 -delete
      tar --create --directory "$CRAFT_PROJECT_DIR" --exclude=./.git --exclude=./target --exclude=./parts \
        --exclude=./stage --exclude=./prime --exclude=./overlay --exclude='./*.charm' . \
        | tar --extract --directory "$CRAFT_PART_SRC"
    override-build: |
      craftctl default
      install -m 644 charm/apps/APP.yaml "$CRAFT_PART_INSTALL/app.yaml"
      install -m 644 charm/icons/APP.svg "$CRAFT_PART_INSTALL/icon.svg"
      install -m 644 LICENSE "$CRAFT_PART_INSTALL/LICENSE"
    organize:
      bin/dispatch: dispatch
    prime: [dispatch, app.yaml, icon.svg, LICENSE]
"#;

/// A file as it should be.
struct Generated {
    /// Path below the repository's root.
    path: String,
    text: String,
}

/// Writes the files, or with `check` names those that differ.
///
/// # Errors
/// When a file cannot be made or written; with `check`, when one differs.
pub fn run(check: bool) -> Result<()> {
    let repository = repository()?;
    let differing = differing(&repository)?;
    if check {
        if !differing.is_empty() {
            let paths: Vec<&str> = differing.iter().map(|file| file.path.as_str()).collect();
            bail!(
                "not as generated: {}; write them with: {COMMAND}",
                paths.join(", ")
            );
        }
        return Ok(());
    }
    for file in differing {
        let path = repository.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        std::fs::write(&path, file.text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", file.path);
    }
    Ok(())
}

/// The repository's root.
///
/// # Errors
/// When it is not where this program was built.
pub fn repository() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize()
        .with_context(|| format!("cannot find the repository at {}", root.display()))
}

/// The files that are not as they should be.
fn differing(repository: &Path) -> Result<Vec<Generated>> {
    let mut files = root_charm(repository)?;
    files.push(Generated {
        path: "lib/velero-backup-config/schema/velero_backup_config.schema.json".to_owned(),
        text: velero_backup_config::schema::schema_file_text(),
    });
    files.push(Generated {
        path: "charm/apps/app.schema.json".to_owned(),
        text: workload_charm::schema::schema_file_text(),
    });
    // For people who relate nothing: what the databags carry.
    files.push(Generated {
        path: "docs/alerts/config-backups.rules.yaml".to_owned(),
        text: format!(
            "# Alert rules for a Prometheus whose job {JOB:?} scrapes port {PORT} of the apps' pods, with juju_application as a label of each target.\n\
             # Generated from charm/src/alerts.rs: change it there, then run `{COMMAND}`.\n{}",
            serde_yaml::to_string(&alerts::file())?
        ),
    });
    files.push(Generated {
        path: "docs/alerts/config-backups.dashboard.json".to_owned(),
        text: serde_json::to_string_pretty(&dashboard::dashboard())? + "\n",
    });
    files.push(Generated {
        path: sizing::PLOT.to_owned(),
        text: sizing::plot(repository)?,
    });
    files.push(Generated {
        path: terraform::CHARMS.to_owned(),
        text: terraform::charms_text(repository)?,
    });
    let reports = configuratarr::report::schema_files();
    files.extend(reports.into_iter().map(|(name, text)| Generated {
        path: format!("configuratarr/schemas/{name}"),
        text,
    }));
    let pages = reference::pages(repository)?;
    files.extend(pages.into_iter().map(|page| Generated {
        path: format!("{}/{}", reference::FOLDER, page.name),
        text: page.text,
    }));
    files.retain(|file| {
        let found = std::fs::read_to_string(repository.join(&file.path));
        !found.is_ok_and(|found| found == file.text)
    });
    Ok(files)
}

/// The files of the root charm: what [`packaging::write_folder`] lays out for a packed one, as charmcraft takes it.
fn root_charm(repository: &Path) -> Result<Vec<Generated>> {
    let source = format!("charm/apps/{ROOT_APP}.yaml");
    let app_file = repository.join(&source);
    let profile = AppProfile::load(&app_file)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    // Any file does for the binary: only the texts beside it are read.
    packaging::write_folder(folder.path(), &app_file, &app_file)?;
    let header = format!("# Generated from {source}: change it there, then run `{COMMAND}`.\n");
    let metadata = text(&folder.path().join("metadata.yaml"))?.context("the charm has no metadata.yaml")?;
    let mut charmcraft = format!("{header}{}", ROOT_CHARMCRAFT.replace("APP", ROOT_APP));
    for (key, name) in [("config", "config.yaml"), ("actions", "actions.yaml")] {
        if let Some(text) = text(&folder.path().join(name))? {
            charmcraft.push('\n');
            charmcraft.push_str(&section(key, &text).with_context(|| format!("cannot use {name}"))?);
        }
    }
    Ok(vec![
        Generated {
            path: "metadata.yaml".to_owned(),
            text: header + &metadata,
        },
        Generated {
            path: "charmcraft.yaml".to_owned(),
            text: charmcraft,
        },
        Generated {
            path: format!("charm/icons/{ROOT_APP}.svg"),
            text: icon::svg(&profile.name, &profile.title),
        },
    ])
}

/// A YAML document as the value of `key`. The text is read and written again: indenting it would change block texts.
fn section(key: &str, text: &str) -> Result<String> {
    let value: Value = serde_yaml::from_str(text)?;
    let section: Map<String, Value> = [(key.to_owned(), value)].into_iter().collect();
    Ok(serde_yaml::to_string(&section)?)
}

/// The text of a file, if there is one.
fn text(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_files_are_as_generated() {
        let differing = differing(&repository().unwrap()).unwrap();
        let paths: Vec<&str> = differing.iter().map(|file| file.path.as_str()).collect();
        assert!(paths.is_empty(), "write them with {COMMAND}: {paths:?}");
    }

    #[test]
    fn charmcraft_gets_the_descriptions_that_a_packed_charm_has() {
        let files = root_charm(&repository().unwrap()).unwrap();
        let charmcraft = files.iter().find(|file| file.path == "charmcraft.yaml").unwrap();
        let parsed: Value = serde_yaml::from_str(&charmcraft.text).unwrap();
        assert!(
            parsed["config"]["options"]["backup-schedule"].is_object(),
            "{parsed}"
        );
        // charmcraft refuses a project that has these in both files.
        for key in ["name", "summary", "description"] {
            assert!(parsed.get(key).is_none(), "{key}");
        }
    }
}
