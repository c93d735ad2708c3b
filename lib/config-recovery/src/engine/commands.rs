//! A plan as commands: the same restore for a person who does it by hand.

use std::fmt::Write as _;
use std::path::Path;

use super::RestorePlan;
use crate::scratch;
use crate::shell::word;

/// Beside the app's content, while the commands are run.
pub const BY_HAND: &str = ".restore-by-hand";
/// In it, from before the app is stopped until the content is exchanged.
const EXCHANGING: &str = "exchanging";

/// What to do about an exchange by hand that has begun in the volume and is not known to have ended: it may hold neither
/// content as a whole. `None` where there is none.
pub fn exchanged_by_hand(volume: &Path) -> Option<String> {
    let mark = volume.join(BY_HAND).join(EXCHANGING);
    mark.exists().then(|| {
        format!("by hand; run its last commands, or put {BY_HAND}/old back and remove {EXCHANGING} beside it")
    })
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
    /// objects. What the engine checks is left to the person, except that the app has to get ready. Databases are put in
    /// place by the charm when its pod starts anew.
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
        part("A place beside the app, which Velero fills.", &place.make);
        part("Wait until it has.", &place.wait);
        part(
            "Copy the files to the unit. Look at them there before you go on.",
            &[
                in_charm(&format!("umask 077; mkdir -p {}", path(&new))),
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
                format!(
                    "{} /charm/bin/pebble stop {}",
                    exec(unit.workload),
                    word(unit.service)
                ),
            ],
        );
        part(
            "Exchange the content.",
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
        part(
            "When the app is healthy, remove the previous content.",
            &[format!("{charm} rm -rf {}", path(&by_hand))],
        );
        text
    }

    /// The exchange, as a script in the charm's container.
    fn exchange(&self, by_hand: &Path, new: &Path) -> String {
        let (volume, old) = (path(&self.volume), by_hand.join("old"));
        let mark = path(&by_hand.join(EXCHANGING));
        let each = format!("find {volume} -mindepth 1 -maxdepth 1 ! -name {BY_HAND} ! -name lost+found");
        let all_of_new = format!(
            "find {} -mindepth 1 -maxdepth 1 ! -name .velero ! -name lost+found",
            path(new)
        );
        if self.stage_elsewhere.is_some() {
            // There is no room for both.
            return format!(
                "{each} -exec rm -rf {{}} +; {all_of_new} -exec cp -a {{}} {volume}/ \\;; rm -rf {} {mark}",
                path(new)
            );
        }
        format!(
            "mkdir {old}; {each} -exec mv {{}} {old}/ \\;; {all_of_new} -exec mv {{}} {volume}/ \\;; rm {mark}",
            old = path(&old)
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
