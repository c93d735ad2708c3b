//! Counts system calls in what strace wrote.

use std::collections::BTreeSet;

/// How many calls a program and its threads made, without those of the programs that it started. `text` is what `strace -f -qq -o`
/// writes: the process or thread before each call.
pub fn own_calls(text: &str) -> usize {
    let lines = || text.lines().filter_map(|line| line.split_once(' '));
    let first = lines().next().map(|(process, _)| process);
    // Whoever replaced its program is another one; the few calls before that are those of starting it.
    let others: BTreeSet<&str> = lines()
        .filter(|(process, call)| call.trim_start().starts_with("execve(") && Some(*process) != first)
        .map(|(process, _)| process)
        .collect();
    let is_begin = |call: &str| !["<...", "+++", "---"].iter().any(|other| call.starts_with(other));
    lines()
        .filter(|(process, call)| !others.contains(process) && is_begin(call.trim_start()))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_and_started_programs_do_not() {
        let text = "\
7 execve(\"charm\", [\"charm\"], 0x7f /* 9 vars */) = 0
7 clone3({flags=CLONE_THREAD}) = 8
8 read(3,  <unfinished ...>
7 vfork( <unfinished ...>
8 <... read resumed>\"x\", 1) = 1
9 dup2(4, 1) = 1
9 execve(\"is-leader\", [\"is-leader\"], 0x7f /* 9 vars */) = 0
9 write(1, \"true\", 4) = 4
9 +++ exited with 0 +++
7 <... vfork resumed>) = 9
7 --- SIGCHLD {si_signo=SIGCHLD} ---
7 exit_group(0) = ?
7 +++ exited with 0 +++
";
        // execve, clone3, read, vfork, exit_group.
        assert_eq!(own_calls(text), 5);
        assert_eq!(own_calls(""), 0);
    }
}
