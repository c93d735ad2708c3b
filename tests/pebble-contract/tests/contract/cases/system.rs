//! Version and boot id.

use super::cases;
use crate::backends::Backend;

cases!["system": version_and_boot_id];

fn version_and_boot_id(backend: &dyn Backend) {
    let info = backend.pebble().system_info().unwrap();
    assert!(!info.boot_id.is_empty());
    assert!(info.version.starts_with("v1."), "{info:?}");
    assert_eq!(backend.pebble().system_info().unwrap(), info);
}
