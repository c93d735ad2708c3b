//! A volume is given to the user that the app runs as.

use std::os::unix::fs::{MetadataExt, chown, lchown};
use std::path::Path;

use crate::profile::User;

/// Gives a folder and all that is in it to `user`. The folder itself comes last: its owner says that all is done, so that a
/// dispatch that is cut off goes on where it was. Only root may give files away, and only then does the workload run as
/// another user. What is that user's already keeps its group: a restored volume has some of other groups.
pub(super) fn give_to(folder: &Path, user: User) -> Result<(), String> {
    give_content(folder, user)?;
    chown(folder, Some(user.uid), Some(user.gid)).map_err(|error| not_given(folder, user, &error))
}

fn give_content(folder: &Path, user: User) -> Result<(), String> {
    for entry in std::fs::read_dir(folder).map_err(|error| not_given(folder, user, &error))? {
        let entry = entry.map_err(|error| not_given(folder, user, &error))?;
        let path = entry.path();
        // What a restore keeps is not the app's yet, or not any more.
        if entry.file_name() == config_volume::RESTORE_FOLDER {
            continue;
        }
        let metadata = entry.metadata().map_err(|error| not_given(&path, user, &error))?;
        if metadata.is_dir() {
            give_content(&path, user)?;
        }
        if metadata.uid() != user.uid {
            // A link is given, not what it points to.
            lchown(&path, Some(user.uid), Some(user.gid)).map_err(|error| not_given(&path, user, &error))?;
        }
    }
    Ok(())
}

fn not_given(path: &Path, user: User, error: &std::io::Error) -> String {
    format!("cannot give {} to user {}: {error}", path.display(), user.uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// To whom it belongs already: only root may give files away.
    fn owner(path: &Path) -> User {
        let metadata = std::fs::metadata(path).unwrap();
        User {
            uid: metadata.uid(),
            gid: metadata.gid(),
        }
    }

    #[test]
    fn a_volume_is_given_with_all_that_is_in_it_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/file"), "x").unwrap();
        symlink("/nowhere", folder.path().join("a/link")).unwrap();
        let user = owner(folder.path());
        give_to(folder.path(), user).unwrap();
        if user.uid == 0 {
            let other = User { uid: 4321, gid: 4322 };
            give_to(folder.path(), other).unwrap();
            for path in ["", "a", "a/b", "a/b/file"] {
                assert_eq!(owner(&folder.path().join(path)), other, "{path}");
            }
            let link = std::fs::symlink_metadata(folder.path().join("a/link")).unwrap();
            assert_eq!((link.uid(), link.gid()), (4321, 4322));
            let file = folder.path().join("a/b/file");
            chown(&file, None, Some(0)).unwrap();
            give_to(folder.path(), other).unwrap();
            assert_eq!(owner(&file), User { uid: 4321, gid: 0 });
        }
        let missing = give_to(&folder.path().join("none"), user).unwrap_err();
        assert!(missing.starts_with("cannot give "), "{missing}");
    }
}
