//! The terminal is given back when the program panics: this test program is run again in a terminal of its own, and panics there.

use std::process::Command;

use crate::wizard::terminal::Taken;

#[path = "../../../tests/common/terminal.rs"]
mod terminal;

const HERE: &str = "wizard::tests::taken::a_panic_with_the_terminal_taken";

#[test]
#[ignore = "it panics; the test below runs it in a terminal"]
fn a_panic_with_the_terminal_taken() {
    let mut taken = Taken::take().unwrap();
    taken.draw("the wizard's own screen").unwrap();
    panic!("this is what went wrong");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_says_anything() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", HERE, "--ignored", "--nocapture"]);
    let mut terminal = terminal::Terminal::start(&command, (80, 24));
    assert!(!terminal.ends().success());
    terminal.shows("this is what went wrong").is_as_it_was();
    terminal.shows_no("own screen");
}
