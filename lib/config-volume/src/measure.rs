//! What a backup would hold, without making one.

use std::{os::unix::fs::MetadataExt, path::Path};

use crate::{
    LeftOut, Options, Result, Warning,
    folder::Folder,
    own::OwnDatabases,
    rules::RootRules,
    tree::{RelPath, Root},
    walk::walk,
};

/// What a backup would hold and what it would not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Contents {
    /// Bytes: ordinary files, and the databases by the size of their file.
    pub held_bytes: u64,
    /// Ordinary files and links.
    pub files: u64,
    /// The databases that are copied, with the bytes of their file. One that nobody uses counts as an ordinary file.
    pub databases: Vec<(RelPath, u64)>,
    /// What stays out, by pattern. A live database is among it; its copy is counted in `held_bytes`.
    pub left_out: Vec<LeftOut>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

/// Says what a backup would hold. Changes nothing.
///
/// # Errors
/// A bad pattern or ignore file, or the volume cannot be read.
pub fn measure(volume: &Path, options: &Options) -> Result<Contents> {
    Options::patterns(&options.leave_out)?;
    let own = OwnDatabases::new(options)?;
    let root = Root::open(volume)?;
    let user = Folder::user_ignore_of(&root)?;
    let rules = RootRules::new(user.as_deref(), &options.leave_out)?;
    let scan = walk(&root, &rules, &own, &mut |_| Ok(()))?;
    let databases: Vec<_> = scan
        .databases
        .into_iter()
        .map(|d| (d.path, d.meta.size()))
        .collect();
    Ok(Contents {
        held_bytes: databases
            .iter()
            .map(|(_, size)| *size)
            .fold(scan.bytes, u64::saturating_add),
        files: scan.files,
        databases,
        left_out: scan.left_out,
        warnings: scan.warnings,
    })
}
