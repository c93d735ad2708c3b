//! Counts system calls in what strace wrote.

use std::collections::BTreeSet;

/// What a program and its threads did, without the programs that it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traced {
    /// System calls.
    pub calls: usize,
    /// Threads that it made.
    pub threads: usize,
}

/// Counts them. `text` is what `strace -f -qq -o` writes: the process or thread before each call.
pub fn read(text: &str) -> Traced {
    let lines = || text.lines().filter_map(|line| line.split_once(' '));
    let first = lines().next().map(|(process, _)| process);
    // Whoever replaced its program is another one; the few calls before that are those of starting it.
    let others: BTreeSet<&str> = lines()
        .filter(|(process, call)| call.trim_start().starts_with("execve(") && Some(*process) != first)
        .map(|(process, _)| process)
        .collect();
    let is_begin = |call: &str| !["<...", "+++", "---"].iter().any(|other| call.starts_with(other));
    let mut traced = Traced::default();
    for (process, call) in lines() {
        let call = call.trim_start();
        if !others.contains(process) && is_begin(call) {
            traced.calls += 1;
            traced.threads += usize::from(call.starts_with("clone") && call.contains("CLONE_THREAD"));
        }
    }
    traced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_and_started_programs_do_not() {
        let text = "\
7 execve(\"charm\", [\"charm\"], 0x7f /* 9 vars */) = 0
7 clone3({flags=CLONE_VM|CLONE_THREAD}) = 8
8 read(3,  <unfinished ...>
7 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD} <unfinished ...>
8 <... read resumed>\"x\", 1) = 1
9 dup2(4, 1) = 1
9 execve(\"is-leader\", [\"is-leader\"], 0x7f /* 9 vars */) = 0
9 clone3({flags=CLONE_VM|CLONE_THREAD}) = 10
9 +++ exited with 0 +++
7 <... clone3 resumed>) = 9
7 --- SIGCHLD {si_signo=SIGCHLD} ---
7 exit_group(0) = ?
7 +++ exited with 0 +++
";
        // execve, clone3 twice, read, exit_group; of the two clone3 one makes a thread.
        assert_eq!(read(text), Traced { calls: 5, threads: 1 });
        assert_eq!(read(""), Traced::default());
    }
}
