//! Accidents on order: what a test wants to happen in the middle of a dispatch.

use serde::{Deserialize, Serialize};

/// An accident in a dispatch. It happens once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `JUJU_DISPATCH_PATH` of the dispatch it is meant for, `hooks/config-changed`; none: the next one of the unit.
    pub path: Option<String>,
    /// When it happens.
    pub at: At,
    /// What happens.
    pub effect: Effect,
    /// Whether a kill takes the whole pod along, as the end of a node does: Juju runs the hook again in a new one.
    #[serde(default)]
    pub with_pod: bool,
}

/// The moment of a dispatch at which a fault happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// The n-th call of any tool, counted from 1.
    Call(usize),
    /// The first call of this tool.
    Tool(String),
    /// The n-th request to Kubernetes that changes something, counted from 1. It can be cut off, and not made to fail:
    /// [`ClusterOptions`](crate::ClusterOptions) does that.
    Write(usize),
}

/// What happens at that call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// SIGKILL to the dispatch's process group; the call has no effect.
    KillBefore,
    /// The call takes effect, then SIGKILL to the dispatch's process group, which sees no reply.
    KillAfter,
    /// The call has no effect and fails.
    Fail {
        /// Its exit code.
        code: i32,
        /// What it prints on standard error, without the newline.
        stderr: String,
    },
}

impl Fault {
    fn new(at: At, effect: Effect) -> Fault {
        Fault {
            path: None,
            at,
            effect,
            with_pod: false,
        }
    }

    /// Kills the unit's next dispatch before its n-th hook-tool call takes effect.
    pub fn kill_before(call: usize) -> Fault {
        Fault::new(At::Call(call), Effect::KillBefore)
    }

    /// Kills the unit's next dispatch after its n-th hook-tool call took effect.
    pub fn kill_after(call: usize) -> Fault {
        Fault::new(At::Call(call), Effect::KillAfter)
    }

    /// Kills the unit's next dispatch before its n-th change of an object in Kubernetes takes effect.
    pub fn kill_before_write(write: usize) -> Fault {
        Fault::new(At::Write(write), Effect::KillBefore)
    }

    /// Kills the unit's next dispatch after its n-th change of an object in Kubernetes took effect.
    pub fn kill_after_write(write: usize) -> Fault {
        Fault::new(At::Write(write), Effect::KillAfter)
    }

    /// Makes the first call of `tool` in the unit's next dispatch that reaches it fail with exit code 1.
    pub fn fail(tool: &str, stderr: &str) -> Fault {
        let effect = Effect::Fail {
            code: 1,
            stderr: stderr.to_owned(),
        };
        Fault::new(At::Tool(tool.to_owned()), effect)
    }

    /// The same kill, of the whole pod.
    pub fn with_pod(mut self) -> Fault {
        self.with_pod = true;
        self
    }

    /// The same fault, for the next dispatch of this path only, for example `hooks/update-status`.
    pub fn on(mut self, path: &str) -> Fault {
        self.path = Some(path.to_owned());
        self
    }

    pub(crate) fn is_meant_for(&self, path: &str) -> bool {
        self.path.as_deref().is_none_or(|wanted| wanted == path)
    }

    pub(crate) fn happens_at(&self, call: usize, tool: &str) -> bool {
        match &self.at {
            At::Call(wanted) => *wanted == call,
            At::Tool(wanted) => wanted == tool,
            At::Write(_) => false,
        }
    }
}
