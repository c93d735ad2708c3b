//! The users and groups of a container, by its own `/etc/passwd` and `/etc/group`. Without them there is only root.

use std::path::{Path, PathBuf};

/// The files of a container that name users and groups.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    root: PathBuf,
}

/// A user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub user: u32,
    pub group: u32,
}

/// Who is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub user_id: Option<u32>,
    pub user: Option<&'a str>,
    pub group_id: Option<u32>,
    pub group: Option<&'a str>,
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    pub id: u32,
    pub group: u32,
    pub home: String,
}

impl Users {
    pub fn of(root: &Path) -> Users {
        Users {
            root: root.to_path_buf(),
        }
    }

    /// The user with this number.
    pub fn user(&self, id: u32) -> Option<User> {
        self.users().into_iter().find(|user| user.id == id)
    }

    /// The name of the group with this number.
    pub fn group_name(&self, id: u32) -> Option<String> {
        self.groups()
            .into_iter()
            .find(|(_, group)| *group == id)
            .map(|(name, _)| name)
    }

    /// Numbers for who is asked for; none if nobody is. Source of rules and texts: `NormalizeUidGid` in
    /// `internals/osutil/user.go` of canonical/pebble.
    pub fn resolve(&self, wanted: &Wanted) -> Result<Option<Owner>, String> {
        let named = |name: Option<&'_ str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        let (user_name, group_name) = (named(wanted.user), named(wanted.group));
        let (mut user, mut group) = (wanted.user_id, wanted.group_id);
        if let Some(name) = user_name {
            let found = self.users().into_iter().find(|user| user.name == name);
            let found = found.ok_or_else(|| format!("user: unknown user {name}"))?.id;
            if user.is_some_and(|id| id != found) {
                let id = user.unwrap_or_default();
                return Err(format!(
                    "user {name:?} UID ({found}) does not match user-id ({id})"
                ));
            }
            user = Some(found);
        }
        if let Some(name) = group_name {
            let found = self.groups().into_iter().find(|(group, _)| *group == name);
            let found = found.ok_or_else(|| format!("group: unknown group {name}"))?.1;
            if group.is_some_and(|id| id != found) {
                let id = group.unwrap_or_default();
                return Err(format!(
                    "group {name:?} GID ({found}) does not match group-id ({id})"
                ));
            }
            group = Some(found);
        }
        match (user, group) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("must specify user, not just group".to_owned()),
            (Some(user), Some(group)) => Ok(Some(Owner { user, group })),
            (Some(user), None) => {
                let group = self
                    .user(user)
                    .ok_or_else(|| format!("user: unknown userid {user}"))?
                    .group;
                Ok(Some(Owner { user, group }))
            }
        }
    }

    fn users(&self) -> Vec<User> {
        let text = std::fs::read_to_string(self.root.join("etc/passwd"));
        let text = text.unwrap_or_else(|_| "root:x:0:0:root:/root:/bin/sh\n".to_owned());
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(User {
                name: (*fields.first()?).to_owned(),
                id: fields.get(2)?.parse().ok()?,
                group: fields.get(3)?.parse().ok()?,
                home: (*fields.get(5)?).to_owned(),
            })
        };
        text.lines().filter_map(user).collect()
    }

    fn groups(&self) -> Vec<(String, u32)> {
        let text = std::fs::read_to_string(self.root.join("etc/group"));
        let text = text.unwrap_or_else(|_| "root:x:0:\n".to_owned());
        let group = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(((*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?))
        };
        text.lines().filter_map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_those_of_the_container() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::of(folder.path());
        let id = |user_id, group_id| Wanted {
            user_id,
            group_id,
            ..Wanted::default()
        };
        let name = |user, group| Wanted {
            user,
            group,
            ..Wanted::default()
        };
        assert_eq!(users.resolve(&Wanted::default()), Ok(None));
        assert_eq!(
            users.resolve(&id(Some(0), None)),
            Ok(Some(Owner { user: 0, group: 0 }))
        );
        assert_eq!(
            users.resolve(&id(Some(9), Some(8))),
            Ok(Some(Owner { user: 9, group: 8 }))
        );
        assert_eq!(
            users.resolve(&id(Some(9), None)).unwrap_err(),
            "user: unknown userid 9"
        );
        assert_eq!(
            users.resolve(&id(None, Some(8))).unwrap_err(),
            "must specify user, not just group"
        );
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(
            folder.path().join("etc/passwd"),
            "abc:x:911:912::/config:/bin/false\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("etc/group"), "abc:x:912:\n").unwrap();
        assert_eq!(
            users.resolve(&name(Some("abc"), None)),
            Ok(Some(Owner {
                user: 911,
                group: 912
            }))
        );
        assert_eq!(
            users.resolve(&name(Some("root"), None)).unwrap_err(),
            "user: unknown user root"
        );
        assert_eq!(
            users.resolve(&name(Some("abc"), Some("x"))).unwrap_err(),
            "group: unknown group x"
        );
        let both = Wanted {
            user: Some("abc"),
            user_id: Some(1),
            ..Wanted::default()
        };
        assert_eq!(
            users.resolve(&both).unwrap_err(),
            "user \"abc\" UID (911) does not match user-id (1)"
        );
        assert_eq!(users.group_name(912).as_deref(), Some("abc"));
    }
}
