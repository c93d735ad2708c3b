//! Whether an app was touched: its process, all that Pebble was ever told, and every byte of its volume.

use anyhow::{Result, ensure};

use crate::exec::{self, Container};
use crate::ground::TestEnv;
use crate::pods::Running;

/// What tells one start of the app from another: its process, when that began, what Pebble says of it, and all that Pebble
/// was ever told to change. Its own checks are left out.
const STARTS: &str = "for process in /proc/[0-9]*; do
  line=$(tr '\\0' ' ' < $process/cmdline) 2>/dev/null || continue
  case \"$line\" in
    '/bin/busybox httpd '*) echo \"process ${process#/proc/} began $(cut -d' ' -f22 $process/stat)\" ;;
  esac
done
/charm/bin/pebble services --abs-time APP
/charm/bin/pebble changes --abs-time | grep -v check";

/// Everything in a folder but itself: name, inode, mode, owner, size, time and kind, then the checksums. A file that
/// was exchanged and put back has another inode.
const FILES: &str = "cd FOLDER
find . ! -path . -exec stat -c '%n %i %a %u:%g %s %Y %F' {} + | sort
find . -type f -exec sha256sum {} + | sort";

/// An app of the fleet, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untouched {
    /// Its process and what Pebble was told.
    pub app: String,
    /// What its volume holds.
    pub files: String,
}

impl Untouched {
    /// Looks at the app.
    ///
    /// # Errors
    /// When it does not run, or its volume cannot be read.
    pub async fn of(running: &Running<'_>) -> Result<Self> {
        let app = running
            .in_workload(&STARTS.replace("APP", &running.app.name))
            .await?;
        ensure!(
            app.lines().filter(|line| line.starts_with("process ")).count() == 1 && app.contains(" active "),
            "the app should run, once:\n{app}"
        );
        let files = running.in_workload(&FILES.replace("FOLDER", "/config")).await?;
        Ok(Self { app, files })
    }

    /// Fails unless the app is now as it was.
    ///
    /// # Errors
    /// The differences.
    pub async fn is_still_so(&self, running: &Running<'_>) -> Result<()> {
        let now = Self::of(running).await?;
        ensure!(
            self.app == now.app,
            "the app was touched. Before:\n{}\nafter:\n{}",
            self.app,
            now.app
        );
        same(&self.files, &now.files)
    }

    /// How many files were compared by their bytes.
    pub fn count(&self) -> usize {
        self.files.lines().filter(|line| line.contains("  ./")).count()
    }

    /// Process and start time.
    pub fn process(&self) -> &str {
        self.app.lines().next().unwrap_or_default()
    }
}

/// Everything in a folder of a container, line by line: names, inodes, modes, owners, sizes, times, kinds and checksums.
///
/// # Errors
/// When it cannot be read.
pub async fn files(ground: &TestEnv, place: Container<'_>, folder: &str) -> Result<String> {
    exec::shell(ground, place, &FILES.replace("FOLDER", folder)).await
}

/// Fails unless two looks at a folder are the same.
///
/// # Errors
/// The lines that differ.
pub fn same(before: &str, after: &str) -> Result<()> {
    let only = |one: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(str::to_owned).collect()
    };
    let (gone, new) = (only(before, after), only(after, before));
    ensure!(
        gone.is_empty() && new.is_empty(),
        "files were touched. Gone: {gone:#?}\nnew: {new:#?}"
    );
    Ok(())
}
