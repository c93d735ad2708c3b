//! What the programs of the benchmark and the benchmark say to each other, as text: calls of hook tools, and measurements.

mod calls;
mod measured;
mod run;

pub use calls::{Call, read_calls, so_far, write_calls};
pub use measured::{Dispatch, Run, Traffic, read_dispatches};
pub use run::{Usage, run};
