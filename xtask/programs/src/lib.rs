//! What the programs of the benchmark and the benchmark say to each other, as text: calls of hook tools, requests to the API server, and measurements.

mod calls;
mod http;
mod measured;
mod run;

pub use calls::{Call, read_calls, so_far, write_calls};
pub use http::{ApiServer, Message, ask, message, read_requests, written_request};
pub use measured::{Dispatch, Run, Traffic, read_dispatches};
pub use run::{Usage, run};
