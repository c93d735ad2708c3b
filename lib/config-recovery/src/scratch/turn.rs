//! How long a restore waited for its turn at the node agent, and what a person can do about it.

use std::time::Duration;

use tokio::time::Instant;
use velero_api::{Meaning, PodVolumePhase};

use crate::node_agent;

/// A shorter wait is no reason to change an installation.
const WORTH_IT: Duration = Duration::from_secs(10);
/// A restore on its way to its turn, as the watches of it, of its pod and of the other restores see it.
///
/// Until 1.16 the node agent begins with a restore when its pod runs, unless others go first. Since 1.17 it makes a pod of its
/// own for it first, which is no queue, and then the restore is `Prepared` until its turn comes.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Since when nothing but others stood before it.
    since: Option<Instant>,
    /// Whether the node agent makes a pod for it, or has made one.
    has_own_pod: bool,
    begun: Option<Begun>,
    /// The most restores that had a turn or wanted one at once, this one included.
    most: usize,
    /// The ConfigMap that the node agent reads, if it reads one.
    configuration: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Instant,
    waited: Duration,
}

impl Turn {
    /// The pod runs, with the volume in it.
    pub(super) fn pod_runs(&mut self) {
        if !self.has_own_pod {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// The restore is in this phase.
    pub(super) fn is(&mut self, phase: &PodVolumePhase) {
        match (phase, phase.meaning()) {
            (PodVolumePhase::Accepted, _) => {
                self.has_own_pod = true;
                self.since = None;
            }
            (PodVolumePhase::Prepared, _) => {
                self.has_own_pod = true;
                self.since.get_or_insert_with(Instant::now);
            }
            (_, Meaning::Works | Meaning::Good) => {
                let at = Instant::now();
                let waited = self.since.map_or(Duration::ZERO, |since| at - since);
                self.begun.get_or_insert(Begun { at, waited });
            }
            _ => {}
        }
    }

    /// So many restores have a turn or want one, this one included.
    pub(super) fn among(&mut self, count: usize) {
        self.most = self.most.max(count);
    }

    /// The node agent was started with these arguments.
    pub(super) fn agent_has(&mut self, arguments: &[String]) {
        self.configuration = node_agent::configuration(arguments);
    }

    /// What to say of it now that the restore is done, whose copying took `copied` by Velero's own clock: something where it
    /// waited longer than it was copied. `namespace` is Velero's.
    pub(super) fn hint(&self, namespace: &str, copied: Option<Duration>) -> Option<String> {
        let begun = self.begun?;
        // Velero's clock counts seconds; ours may have seen the beginning late.
        let copied = begun.at.elapsed().max(copied.unwrap_or_default());
        if begun.waited < WORTH_IT || begun.waited <= copied {
            return None;
        }
        // A backup of the node's may have been the one that went first.
        let count = self.most.max(2);
        let command = node_agent::raise(namespace, self.configuration.as_deref(), count);
        Some(format!(
            "it waited {} s for its turn and was copied in {} s: Velero's node agent takes so many at a time on a node \
             (loadConcurrency, 1 by default). For {count}, while no backup or restore is under way: {command}",
            begun.waited.as_secs(),
            copied.as_secs(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn pass(seconds: u64) {
        advance(Duration::from_secs(seconds)).await;
    }

    fn arguments(all: &[&str]) -> Vec<String> {
        all.iter().map(|is| (*is).to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn until_1_16_the_queue_begins_when_the_pod_runs() {
        let mut turn = Turn::default();
        turn.is(&PodVolumePhase::New);
        pass(30).await;
        turn.pod_runs();
        turn.among(3);
        turn.among(2);
        pass(12).await;
        turn.is(&PodVolumePhase::InProgress);
        pass(5).await;
        turn.is(&PodVolumePhase::InProgress);
        pass(6).await;
        turn.is(&PodVolumePhase::Completed);
        let hint = turn.hint("velero", None).unwrap();
        assert!(
            hint.starts_with("it waited 12 s for its turn and was copied in 11 s: "),
            "{hint}"
        );
        assert!(hint.contains("For 3, "), "{hint}");
    }

    #[tokio::test(start_paused = true)]
    async fn since_1_17_the_making_of_its_pod_is_no_queue() {
        for (made, waited, expected) in [(60, 9, false), (0, 10, true)] {
            let mut turn = Turn::default();
            turn.pod_runs();
            pass(made).await;
            turn.is(&PodVolumePhase::Accepted);
            turn.pod_runs();
            pass(60).await;
            turn.is(&PodVolumePhase::Prepared);
            pass(waited).await;
            turn.is(&PodVolumePhase::Prepared);
            turn.is(&PodVolumePhase::InProgress);
            pass(4).await;
            assert_eq!(turn.hint("velero", None).is_some(), expected, "{made} {waited}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_no_longer_than_the_copying_is_not_worth_a_word() {
        let mut turn = Turn::default();
        assert_eq!(turn.hint("velero", None), None);
        turn.pod_runs();
        pass(20).await;
        turn.is(&PodVolumePhase::Completed);
        assert!(turn.hint("velero", Some(Duration::from_secs(19))).is_some());
        // The beginning was not seen; Velero tells it.
        assert_eq!(turn.hint("velero", Some(Duration::from_secs(20))), None);
        pass(20).await;
        assert_eq!(turn.hint("velero", None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_command_fits_how_the_node_agent_was_started() {
        let hint = |all: &[&str]| {
            let mut turn = Turn {
                begun: Some(Begun {
                    at: Instant::now(),
                    waited: WORTH_IT,
                }),
                ..Turn::default()
            };
            turn.agent_has(&arguments(all));
            turn.hint("backups", None).unwrap()
        };
        let bare = hint(&["node-agent", "server", "--node-agent-configmap"]);
        let (_, command) = bare.split_once("under way: ").unwrap();
        assert_eq!(
            command,
            "kubectl -n backups create configmap node-agent-config \
             --from-literal=config='{\"loadConcurrency\":{\"globalConfig\":2}}' && \
             kubectl -n backups patch daemonset node-agent --type=json \
             -p '[{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args/-\",\
             \"value\":\"--node-agent-configmap=node-agent-config\"}]'"
        );
        for all in [
            ["server", "--node-agent-configmap=mine", "--features="],
            ["server", "--node-agent-configmap", "mine"],
        ] {
            let hint = hint(&all);
            let (_, command) = hint.split_once("under way: ").unwrap();
            assert_eq!(
                command,
                "set loadConcurrency.globalConfig to 2: kubectl -n backups edit configmap mine && \
                 kubectl -n backups rollout restart daemonset node-agent"
            );
        }
    }
}
