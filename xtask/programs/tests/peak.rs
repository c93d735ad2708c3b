//! The peak of memory is the program's own, whoever measures.
#![cfg(test)]

use std::process::Command;

use bench_programs::{read_dispatches, run};

const MEGABYTE: u64 = 1 << 20;

#[test]
fn memory_of_a_big_parent_is_not_in_the_peak_of_its_child() {
    let big = vec![1_u8; 200 << 20];
    let nothing = env!("CARGO_BIN_EXE_nothing");
    // Started by the big process itself, the child has its peak: this is what the small program in between is for.
    let direct = run(&mut Command::new(nothing)).unwrap();
    assert!(direct.peak_bytes > 200 * MEGABYTE, "{direct:?}");

    let folder = std::env::temp_dir().join(format!("bench-peak-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    test_programs::copy(nothing.as_ref(), &folder.join("nothing")).unwrap();
    std::fs::write(folder.join("turns"), "nothing\n").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_turns"))
        .env("BENCH_FOLDER", &folder)
        .env("JUJU_DISPATCH_PATH", "hooks/start")
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(folder.join("measured")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let dispatches = read_dispatches(&text).unwrap();
    let usage = dispatches[0].usage("nothing").unwrap();
    assert!(
        usage.peak_bytes > 0 && usage.peak_bytes < 20 * MEGABYTE,
        "{usage:?}"
    );
    assert_eq!(big.len(), 200 << 20);
}
