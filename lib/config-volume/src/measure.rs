//! What a backup would hold, without making one.

use std::{os::unix::fs::MetadataExt, path::Path};

use crate::{
    LeftOut, Options, Result, Warning,
    folder::Folder,
    tree::{RelPath, Root},
    walk::{RootRules, walk},
};

/// What a backup would hold and what it would not.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Contents {
    /// Bytes: ordinary files, and the databases by the size of their file.
    pub held_bytes: u64,
    /// Ordinary files and links.
    pub files: u64,
    /// The databases with the bytes of their file.
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
    let ignore = Options::patterns(&options.ignore)?;
    let root = Root::open(volume)?;
    let user = Folder::user_ignore_of(&root)?;
    let found = walk(
        &root,
        &RootRules::new(user.as_deref(), &options.leave_out)?,
        &ignore,
    )?;
    let databases: Vec<_> = found
        .databases
        .into_iter()
        .map(|d| (d.path, d.meta.size()))
        .collect();
    let sizes = databases
        .iter()
        .map(|(_, size)| *size)
        .chain(found.files.iter().map(|file| file.meta.size()));
    Ok(Contents {
        held_bytes: sizes.fold(0, u64::saturating_add),
        files: found.files.len() as u64,
        databases,
        left_out: found.left_out,
        warnings: found.warnings,
    })
}
