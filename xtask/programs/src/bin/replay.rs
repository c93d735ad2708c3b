//! Calls the hook tools that a file lists, one after the other, as a charm does: it reads what they print.

use std::io::Result;

use bench_programs::read_calls;

fn main() -> Result<()> {
    for path in std::env::args_os().skip(1) {
        for call in read_calls(&std::fs::read_to_string(path)?)? {
            call.replay()?;
        }
    }
    Ok(())
}
