//! Names in the root of a volume that are not the app's.

use crate::tree::RelPath;

/// The folder in the root of a volume that holds everything of this program but the ignore file.
pub const FOLDER: &str = ".config-backup";
/// The folder in the root of a volume that holds a restore until it is finished. No backup stores it.
pub const RESTORE_FOLDER: &str = ".config-restore";
/// The folder in the root of a volume in which a restore by hand keeps the previous content, until a person removes it. No backup
/// stores it: it would double each.
pub const BY_HAND: &str = ".restore-by-hand";
/// kopia's ignore file.
pub const IGNORE_FILE: &str = ".kopiaignore";
/// Velero's folder in a restored volume (`pod_volume_restore_controller.go` of v1.15.2).
pub const VELERO_MARKER: &str = ".velero";

/// Whether the path is none of the app's content, so that no backup's list holds it.
pub(crate) fn is_no_content(path: &RelPath) -> bool {
    let first = path.as_bytes().split(|b| *b == b'/').next();
    is_ours(path) || first == Some(BY_HAND.as_bytes())
}

/// Whether the path is one that this program made. A list of before may hold what a restore by hand kept: that is not among these.
pub(crate) fn is_ours(path: &RelPath) -> bool {
    let bytes = path.as_bytes();
    let first = bytes.split(|b| *b == b'/').next();
    bytes == IGNORE_FILE.as_bytes()
        || first == Some(FOLDER.as_bytes())
        || first == Some(RESTORE_FOLDER.as_bytes())
}
