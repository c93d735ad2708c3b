//! `configuratarr` with no command: the wizard.

use std::io::{self, IsTerminal};

use super::{Call, Done};
use crate::args::Format;
use crate::problem::{Kind, Problem, Result};
use crate::wizard::wizard;

/// Runs it, in a terminal.
pub async fn run(call: &Call<'_>) -> Result<Done> {
    let next = "configuratarr status shows the apps; configuratarr --help all commands";
    if call.global.format != Format::Table {
        let text = "without a command it is a wizard, which prints no data";
        return Err(Problem::new(Kind::Usage, text, next));
    }
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_dumb || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let text = "without a command it is a wizard, and that needs a terminal for its screens and keys";
        return Err(Problem::new(Kind::Usage, text, next));
    }
    wizard(call).await
}
