//! Texts made to fit where `juju status` shows them.

use crate::problem::short;

/// How many characters a status has at most where the charm alone words it.
pub const LENGTH: usize = 100;

/// How many characters of a status `juju status` shows.
const SHOWN: usize = 120;

/// How many of them a next step may have to be kept whole.
const NEXT_STEP: usize = 90;

/// How many a command may have. An application's name has up to 60 of them.
const COMMAND: usize = 102;

/// The texts that fit; the first is always among them.
pub(super) fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut whole = String::new();
    for text in texts {
        if whole.is_empty() {
            whole.push_str(text);
        } else if whole.chars().count() + "; ".len() + text.chars().count() <= LENGTH {
            whole.push_str("; ");
            whole.push_str(text);
        }
    }
    whole
}

/// What others worded, with what the charm says around it, no longer than [`LENGTH`]: what does not fit of `said` is cut.
pub(super) fn quoted(before: &str, said: &str, next_step: &str) -> String {
    let around = before.chars().count() + "…; ".chars().count() + next_step.chars().count();
    format!(
        "{before}{}; {next_step}",
        short(said, LENGTH.saturating_sub(around))
    )
}

/// The text with as much of its middle as fits before the next step, which comes last.
pub(super) fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let next_step = text.rsplit_once("; ").and_then(|(_, next_step)| kept(next_step));
    let end = match next_step {
        Some(next_step) => format!("…; {next_step}"),
        // A whole explanation: its begin says more than its end.
        None => "…".to_owned(),
    };
    let begin: String = text.chars().take(SHOWN - end.chars().count()).collect();
    format!("{}{end}", begin.trim_end())
}

/// What stays of a next step: all of it, or the command that follows its words.
fn kept(next_step: &str) -> Option<&str> {
    if next_step.chars().count() <= NEXT_STEP {
        return Some(next_step);
    }
    let is_command = |text: &&str| {
        ["juju ", "kubectl ", "velero "]
            .iter()
            .any(|tool| text.starts_with(tool))
    };
    let behind = next_step
        .match_indices(": ")
        .filter_map(|(at, colon)| next_step.get(at + colon.len()..));
    let command = std::iter::once(next_step).chain(behind).find(is_command)?;
    (command.chars().count() <= COMMAND).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As of a backup of a later version, where the image's tag moves.
    #[test]
    fn what_a_command_needs_where_the_charm_is_from_a_file_is_part_of_it() {
        let command = format!(
            "juju refresh radarr --resource radarr-image=IMAGE {}",
            crate::names::OF_A_FILE
        );
        let words = "name an image of version 6.1.1.10360-ls299, since lscr.io/linuxserver/radarr:latest runs here already";
        let text = cut(&format!(
            "restore-on-deploy da703c6d: {}; {words}: {command}",
            "x".repeat(60)
        ));
        assert!(
            text.starts_with("restore-on-deploy da703c6d") && text.ends_with(&format!("…; {command}")),
            "{text}"
        );
    }

    #[test]
    fn a_long_text_keeps_its_begin_and_its_next_step() {
        let reason = "x".repeat(200);
        let text = cut(&format!(
            "config volume: {reason}; juju trust radarr --scope=cluster"
        ));
        assert!(text.starts_with("config volume: xxx"), "{text}");
        assert!(text.ends_with("x…; juju trust radarr --scope=cluster"), "{text}");
        assert_eq!(text.chars().count(), SHOWN);
        assert_eq!(cut(&reason).chars().count(), SHOWN);
        let exact = "y".repeat(SHOWN);
        assert_eq!(cut(&exact), exact);
        let explained = cut(&format!(
            "journal: {}; {}",
            "a".repeat(60),
            "z".repeat(NEXT_STEP + 1)
        ));
        assert!(
            explained.starts_with("journal: aaa") && explained.ends_with("zz…"),
            "{explained}"
        );
        assert_eq!(explained.chars().count(), SHOWN);
        let command = "z".repeat(NEXT_STEP);
        let kept = cut(&format!("journal: {}; {command}", "a".repeat(60)));
        assert!(kept.ends_with(&format!("a…; {command}")), "{kept}");
    }

    #[test]
    fn a_command_stays_whole_for_an_application_with_the_longest_name() {
        let app = "a".repeat(60);
        for (words, command) in [
            (
                "or start fresh: ",
                format!("juju config {app} restore-on-deploy=none"),
            ),
            ("", format!("juju config {app} credential-rotation=monthly")),
            ("", format!("juju trust {app} --scope=cluster")),
        ] {
            let text = cut(&format!("{}; {words}{command}", "x".repeat(60)));
            assert!(
                text.starts_with("xxxxxxxxxx") && text.ends_with(&format!("x…; {command}")),
                "{text}"
            );
            assert_eq!(text.chars().count(), SHOWN);
        }
        let longer = format!("juju config {} url-base=/{}", app, "b".repeat(40));
        assert!(cut(&format!("{}; {longer}", "x".repeat(60))).ends_with('…'));
    }

    #[test]
    fn what_does_not_fit_beside_the_more_important_is_left_out() {
        let long = "b".repeat(LENGTH);
        assert_eq!(joined(["a", &long, "c"].into_iter()), "a; c");
        assert_eq!(joined([long.as_str(), "c"].into_iter()), long);
        assert_eq!(joined(std::iter::empty()), "");
        let rest = "d".repeat(LENGTH - 3);
        assert_eq!(joined(["a", &rest].into_iter()).len(), LENGTH);
        let (first, second) = ("e".repeat(40), "f".repeat(LENGTH - 42));
        assert_eq!(joined([first.as_str(), &second].into_iter()).len(), LENGTH);
    }
}
