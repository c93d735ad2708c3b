//! What a Pebble does, said once and held to three of them: the fake of `juju_charm::testing`, the simulated one of
//! `juju-sim`, and Canonical's own.
//!
//! The cases are in `tests/contract`; here is what they know of the three: what each [can do](Kind::can), and
//! [which cases](LEFT_OUT) it therefore does not run.
//!
//! The real Pebble is the executable that the environment variable [`PEBBLE_EXECUTABLE`] names. Without it the other two
//! run, and the tests say that the real one was left out.

pub mod process;

use std::path::{Path, PathBuf};

/// Name of the environment variable with the path of a real Pebble.
pub const PEBBLE_EXECUTABLE: &str = "PEBBLE_EXECUTABLE";

/// The real Pebble that [`PEBBLE_EXECUTABLE`] names; none when it names none.
///
/// # Errors
/// When what it names is no file.
pub fn real_executable() -> Result<Option<PathBuf>, String> {
    match std::env::var_os(PEBBLE_EXECUTABLE) {
        Some(path) if Path::new(&path).is_file() => Ok(Some(path.into())),
        Some(path) => Err(format!("{PEBBLE_EXECUTABLE} is {path:?}, which is no file")),
        None => Ok(None),
    }
}

/// One of the three Pebbles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// In memory, in the test's own process: `juju_charm::testing::FakePebble`.
    Fake,
    /// `juju-sim pebble`.
    Simulated,
    /// Canonical's `pebble`.
    Real,
}

/// Something that a case needs and not every Pebble has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// It starts processes: what they write, read and leave behind can be looked at.
    Processes,
    /// It has a socket, so that a request can be sent that the typed client cannot say.
    Socket,
    /// Its files are files of this machine.
    Files,
}

impl Kind {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Fake, Self::Simulated, Self::Real];

    /// The name that stands before the cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fake => "fake",
            Self::Simulated => "simulated",
            Self::Real => "real",
        }
    }

    /// Whether it has a capability.
    pub fn can(self, capability: Capability) -> bool {
        match (self, capability) {
            (Self::Fake, Capability::Processes | Capability::Socket | Capability::Files) => false,
            (Self::Simulated | Self::Real, _) => true,
        }
    }
}

/// A case that one of the Pebbles does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// Which Pebble.
    pub kind: Kind,
    /// Name of the case.
    pub case: &'static str,
    /// Why.
    pub reason: &'static str,
}

const fn fake(case: &'static str, reason: &'static str) -> LeftOut {
    LeftOut {
        kind: Kind::Fake,
        case,
        reason,
    }
}

const TOLD: &str = "the fake starts nothing: what a command does is what the test declared";
const TYPED: &str = "the fake has no socket: a typed layer cannot hold a key that Pebble does not know";
const IN_MEMORY: &str = "the fake's files are not files of this machine";

/// Every case that some Pebble does not run. A test holds it to what the cases need and the Pebbles can: a row too many
/// fails as well as a row too few.
pub const LEFT_OUT: &[LeftOut] = &[
    fake("exec::input_and_output_of_any_size", TOLD),
    fake("exec::input_after_the_outputs_are_closed", TOLD),
    fake("exec::environment_and_folder", TOLD),
    fake("exec::the_context_of_a_service", TOLD),
    fake("exec::death_by_a_signal", TOLD),
    fake("files::are_files_of_the_container", IN_MEMORY),
    fake("layers::unknown_keys_are_refused", TYPED),
    fake("services::the_process_ends_with_its_service", TOLD),
    fake(
        "services::one_that_is_told_to_end_is_inactive_while_its_change_goes_on",
        TOLD,
    ),
    fake("signals::reach_the_process", TOLD),
];
