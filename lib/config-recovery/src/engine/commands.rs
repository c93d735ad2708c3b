//! A plan as commands: the same restore for a person who does it by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use config_volume::BY_HAND;

use super::RestorePlan;
use crate::scratch;
use crate::shell::word;

/// In it, from before the app is stopped until the content is exchanged.
const EXCHANGING: &str = "exchanging";
/// In it, from when all of the previous content is aside until the content is exchanged.
const MOVED_OUT: &str = "moved-out";
/// What the commands say of the exchange.
const EXCHANGE: &str = "Exchange the content";

/// What to do about an exchange by hand that has begun in the volume and is not known to have ended: it may hold neither
/// content as a whole. `None` where there is none.
pub fn exchanged_by_hand(volume: &Path) -> Option<String> {
    let mark = volume.join(BY_HAND).join(EXCHANGING);
    // Nothing else: who puts one content over what is there of the other one has a mixture.
    mark.exists()
        .then(|| format!("by hand; run its commands from \"{EXCHANGE}\" on again"))
}

/// The folder in which a restore by hand keeps the previous content, until a person removes it; `None` where none does, and while the
/// exchange has not ended: what is there may be all that there is of it.
pub fn kept_by_hand(volume: &Path) -> Option<PathBuf> {
    let folder = volume.join(BY_HAND);
    let is_kept = folder.join("old").is_dir() && exchanged_by_hand(volume).is_none();
    is_kept.then_some(folder)
}

/// The pod of a unit, as Juju makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitPod<'a> {
    /// Name of the pod: "radarr-0".
    pub pod: &'a str,
    /// Container that has the volume where [`RestorePlan::volume`] says.
    pub charm: &'a str,
    /// Container in which Pebble runs the app.
    pub workload: &'a str,
    /// The app's service in Pebble.
    pub service: &'a str,
}

impl RestorePlan {
    /// The plan as commands for bash, for whoever may do all of it in the cluster: the same place beside the app, the same
    /// objects. What the engine checks is left to the person, and so is to see that the app is healthy: a pod is ready before its app
    /// has started. So the previous content is kept. Databases are put in place by the charm when its pod starts anew.
    pub fn commands(&self, unit: UnitPod<'_>) -> String {
        let backup = self.backup();
        let place = scratch::commands(&self.scratch, &jiff::Timestamp::now().to_string());
        let model = word(&self.target.model);
        let pod = word(unit.pod);
        let exec = |container: &str| format!("kubectl exec -n {model} {pod} -c {} --", word(container));
        let charm = exec(unit.charm);
        let volume = &self.volume;
        let by_hand = volume.join(BY_HAND);
        let new = self
            .stage_elsewhere
            .clone()
            .unwrap_or_else(|| by_hand.join("new"));
        let in_charm = |script: &str| format!("{charm} sh -euc {}", word(script));
        let mut text = format!(
            "# Brings backup {} back to {}.\nset -euo pipefail\n",
            one_line(&backup.name),
            one_line(&self.target.to_string())
        );
        let mut part = |says: &str, lines: &[String]| {
            let _ = write!(text, "\n# {says}\n{}\n", lines.join("\n"));
        };
        let old = path(&by_hand.join("old"));
        part(
            "Not over what an earlier restore by hand has kept.",
            &[in_charm(&format!(
                "if test -e {old}; then echo {} >&2; exit 1; fi",
                word(&format!(
                    "{BY_HAND}/old is there: end that restore, and remove {BY_HAND} when the app is healthy"
                ))
            ))],
        );
        part("A place beside the app, which Velero fills.", &place.make);
        part("Wait until it has.", &place.wait);
        part(
            "Copy the files to the unit. Look at them there before you go on.",
            &[
                // A copy that broke off may be one of another backup.
                in_charm(&format!(
                    "umask 077; rm -rf {new}; mkdir -p {new}",
                    new = path(&new)
                )),
                format!(
                    "{} | kubectl exec -i -n {model} {pod} -c {} -- tar -xpf - -C {}",
                    place.read,
                    word(unit.charm),
                    path(&new)
                ),
            ],
        );
        part("Remove the place.", &place.remove);
        part(
            "Stop the app.",
            &[
                // The charm would start it again at its next event.
                in_charm(&format!(
                    "mkdir -p {}; touch {}",
                    path(&by_hand),
                    path(&by_hand.join(EXCHANGING))
                )),
                // One that the charm did not start in this pod is not known to its Pebble.
                format!("services=$({} /charm/bin/pebble services)", exec(unit.workload)),
                format!(
                    "case $services in *{service}*) {} /charm/bin/pebble stop {service} ;; esac",
                    exec(unit.workload),
                    service = word(unit.service)
                ),
            ],
        );
        part(
            &format!("{EXCHANGE}. What was cut off here is run again."),
            &[in_charm(&self.exchange(&by_hand, &new))],
        );
        part(
            "Start the pod anew: the charm puts the databases in place and starts the app.",
            &[
                format!("kubectl delete -n {model} pod {pod}"),
                format!("until kubectl get -n {model} pod {pod} > /dev/null 2>&1; do sleep 1; done"),
                format!("kubectl wait -n {model} pod {pod} --for=condition=Ready --timeout=300s"),
            ],
        );
        let last = format!(
            "When the app is healthy, remove the previous content: {charm} rm -rf {}",
            path(&by_hand)
        );
        part(
            "That is left to you.",
            // No comment: names of the cluster may have several lines.
            &[format!("echo {}", word(&last))],
        );
        text
    }

    /// The exchange, as a script in the charm's container. It ends where a file cannot be moved or copied, and can be run again until it has
    /// ended well: once more it would take the new content for the previous one.
    fn exchange(&self, by_hand: &Path, new: &Path) -> String {
        let volume = path(&self.volume);
        let mark = path(&by_hand.join(EXCHANGING));
        let each = format!("find {volume} -mindepth 1 -maxdepth 1 ! -name {BY_HAND} ! -name lost+found");
        let new_content = format!(
            "find {} -mindepth 1 -maxdepth 1 ! -name .velero ! -name {BY_HAND} ! -name lost+found",
            path(new)
        );
        // With `+` find tells that it did not work.
        let into = |command: &str, folder: &str| {
            let script = word(&format!("{command} \"$@\" \"$0\""));
            format!("-exec sh -c {script} {folder}/ {{}} +")
        };
        let begun = format!(
            "if test ! -e {mark} || test ! -d {}; then echo {} >&2; exit 1; fi",
            path(new),
            word("the exchange has ended, or what was to be put in place is gone: run all commands again")
        );
        if self.stage_elsewhere.is_some() {
            // There is no room for both. What is copied goes last: until then it can be copied again.
            return format!(
                "{begun}; {each} -exec rm -rf {{}} +; {new_content} {}; rm -f {mark}; rm -rf {}",
                into("cp -a", &volume),
                path(new)
            );
        }
        let (old, out) = (path(&by_hand.join("old")), path(&by_hand.join(MOVED_OUT)));
        format!(
            "{begun}; if test ! -e {out}; then mkdir -p {old}; {each} {}; touch {out}; fi; {new_content} {}; rm -f {out} {mark}",
            into("mv", &old),
            into("mv", &volume)
        )
    }
}

fn path(path: &Path) -> String {
    word(&path.display().to_string())
}

/// For a comment, which ends with its line.
fn one_line(text: &str) -> String {
    crate::shown::shown(text)
}
