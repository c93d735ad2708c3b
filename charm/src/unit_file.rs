//! Small files of the unit's own, beside the charm's folder, on the pod's disk: a new pod has none of them.

use std::path::{Path, PathBuf};

pub use juju_charm::own_file::{read_once, remove, write};

/// Where the file `name` of the unit with this charm folder is.
pub fn path(charm_dir: &Path, name: &str) -> PathBuf {
    charm_dir.with_file_name(name)
}
