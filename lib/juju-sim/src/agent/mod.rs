//! The unit agent: which event comes next, and how a charm runs for it.

mod fault;
mod process;
mod report;
mod resolver;
mod socket;
mod state;
mod told;

pub use fault::{At, Effect, Fault};
pub(crate) use process::{Finished, run as run_process};
pub use report::{DispatchReport, Exit, ToolCall};
pub(crate) use resolver::next_event;
pub(crate) use socket::{AfterCall, AgentSocket, Running, kill};
pub(crate) use state::AgentState;

/// Between two looks at something that is waited for: a thread that only yields takes a processor from what it waits for.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(1);
