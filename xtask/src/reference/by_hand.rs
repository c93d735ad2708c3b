//! A restore as commands: those that a dry run of the action shows, of an app that stands for all. Where its volume is mounted differs from
//! one Juju to another, and is said once.

use config_recovery::backups::{AppId, BackupContents, BackupSummary, Earlier, FilesBackup};
use config_recovery::engine::{RestorePlan, UnitPod};
use config_recovery::scratch::{Purpose, ScratchSpec};

/// Where Juju 3.6 mounts the storage in the charm's container.
const VOLUME: &str = "/var/lib/juju/storage/config/0";
/// Where Juju 4.0 does.
const VOLUME_OF_4: &str = "/var/lib/juju/storage/config-0";
/// After this line of the script the volume is named.
const BEGIN: &str = "set -euo pipefail\n";

/// The page.
pub fn text() -> String {
    let commands = with_variable(&commands());
    format!(
        "# A restore as commands\n\n\
What `juju run radarr/0 restore-from-backup backup-uid=latest dry-run=true` shows as `commands`, for an app `radarr` in model `media` with Velero in namespace `velero`. Words in \
capitals are yours: where they come from is in [restore by hand](../howto/by-hand.md). `volume` is the folder of Juju 3.6, and another one with Juju 4.0. `SIZE` is in bytes, at least what the backup holds; the image of the pod needs `sh`, `sleep` and `tar`.\n\n\
```sh\n{}```\n",
        generic(&commands)
    )
}

fn commands() -> String {
    plan().commands(UnitPod {
        pod: "radarr-0",
        charm: "charm",
        workload: "radarr",
        service: "radarr",
    })
}

/// The commands with the volume in a variable.
fn with_variable(commands: &str) -> String {
    let named = format!(
        "{BEGIN}\n# Where Juju mounts the app's volume in the charm's container. With Juju 4.0: volume={VOLUME_OF_4}\nvolume={VOLUME}\n"
    );
    by_variable(commands).replacen(BEGIN, &named, 1)
}

/// The commands with `${volume:?}` wherever the path was, quoted as it has to be there: bash takes nothing between single quotes for a variable.
/// One that is not set, where a part of the commands is run in another shell, must not become the folder that a program happens to be in.
fn by_variable(commands: &str) -> String {
    let mut text = String::new();
    let mut rest = commands;
    let mut open = None;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(VOLUME) {
            text.push_str(match open {
                None => "\"${volume:?}\"",
                Some('\'') => "'\"${volume:?}\"'",
                Some(_) => "${volume:?}",
            });
            rest = after;
            continue;
        }
        let mut taken = letter.len_utf8();
        match (open, letter) {
            // The letter behind it is only itself.
            (None | Some('"'), '\\') => {
                taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
            }
            (None, '\'' | '"') => open = Some(letter),
            (Some(quote), _) if quote == letter => open = None,
            // An apostrophe of a comment is none of the shell's.
            (None, '#') if text.is_empty() || text.ends_with('\n') => {
                taken = rest.find('\n').unwrap_or(rest.len());
            }
            _ => {}
        }
        text.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    text
}

/// The commands without what differs from one writing to the next.
fn generic(commands: &str) -> String {
    let mut text = String::new();
    for line in commands.lines() {
        text.push_str(&without_times(line).replace("1234567890", "SIZE"));
        text.push('\n');
    }
    text
}

/// A line in which each time stands as `NOW`.
fn without_times(line: &str) -> String {
    let mut words = line.split('"');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        text.push('"');
        let is_time = word.parse::<jiff::Timestamp>().is_ok();
        text.push_str(if is_time { "NOW" } else { word });
    }
    text
}

fn plan() -> RestorePlan {
    let whose = AppId {
        app: "radarr".to_owned(),
        model: "media".to_owned(),
    };
    let files = FilesBackup {
        bytes: 0,
        volume: "VOLUME".to_owned(),
        snapshot_id: "SNAPSHOT".to_owned(),
        uploader: "kopia".to_owned(),
        source_namespace: "media".to_owned(),
        storage_location: "default".to_owned(),
    };
    RestorePlan {
        scratch: ScratchSpec {
            target: whose.clone(),
            backup: BackupSummary {
                endpoint: "velero-backup-config".to_owned(),
                name: "BACKUP".to_owned(),
                uid: "UID".to_owned(),
                velero_namespace: "velero".to_owned(),
                storage_location: "default".to_owned(),
                whose: whose.clone(),
                schedule: None,
                before_restore: None,
                phase: None,
                created: None,
                started: None,
                completed: None,
                expires: None,
                holds: BackupContents::Files(files),
                complaints: Vec::new(),
                proof: None,
            },
            purpose: Purpose::Restore,
            run: "byhand".to_owned(),
            holder: "radarr/0".to_owned(),
            image: "IMAGE".to_owned(),
            program: None,
            storage_class: Some("CLASS".to_owned()),
            size: 1_234_567_890,
        },
        target: whose,
        volume: VOLUME.into(),
        keep_old: true,
        stage_elsewhere: None,
        elsewhere: "/tmp".into(),
        patience: None,
        sets_before: None,
        earlier: Earlier::default(),
        safety_backup: None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What kubectl is asked by a script, word by word.
    fn asked(script: &str) -> String {
        let stub = "kubectl() { for word in \"$@\"; do printf '<%s>' \"$word\"; done; echo; case \"$*\" in *'-f -'* | *' -i '*) cat ;; esac; }";
        let quiet = script.replace("> /dev/null 2>&1", "");
        let output = Command::new("bash")
            .args(["-c", &format!("{stub}\n{quiet}")])
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{script}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_variable_is_the_path_in_every_command() {
        let commands = commands();
        let page = with_variable(&commands);
        let expected = asked(&commands);
        assert!(expected.matches(VOLUME).count() > 10, "{expected}");
        assert_eq!(asked(&page), expected);
        // A part of them, in a shell that does not know the variable: nothing is asked for.
        let (_, exchange) = page.split_once("# Exchange the content.").unwrap();
        let (_, exchange) = exchange.split_once('\n').unwrap();
        let command = exchange.lines().next().unwrap();
        let script = format!("kubectl() {{ echo asked; }}\n{command}");
        let output = Command::new("bash")
            .args(["-c", &script])
            .env_remove("volume")
            .output()
            .unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        // Juju 4.0's, put in at the one place where it is.
        assert_eq!(page.matches(VOLUME).count(), 1, "{page}");
        let of_4 = page.replace(
            &format!("\nvolume={VOLUME}\n"),
            &format!("\nvolume={VOLUME_OF_4}\n"),
        );
        assert_eq!(asked(&of_4), expected.replace(VOLUME, VOLUME_OF_4));
    }
}
