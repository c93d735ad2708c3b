//! What a person sees while something takes minutes: that it began, that it goes on, and how long it took.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often work that takes long is heard of.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Does `work`, called `what`, and tells of it on standard error.
///
/// # Errors
/// Those of `work`.
pub fn spoken<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    told(what, HEARTBEAT, &|line| eprintln!("{line}"), work)
}

fn told<T>(
    what: &str,
    heartbeat: Duration,
    say: &(dyn Fn(&str) + Sync),
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let began = Instant::now();
    say(&format!("{what} …"));
    let done = std::thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(heartbeat) == Err(RecvTimeoutError::Timeout) {
                say(&format!("{what}: {} so far", minutes(began.elapsed())));
            }
        });
        let done = work();
        drop(end);
        done
    })?;
    say(&format!("{what}: done in {}", minutes(began.elapsed())));
    Ok(done)
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn work_that_takes_long_is_heard_of() {
        let heard = Mutex::new(Vec::new());
        let (spoke, waits) = mpsc::channel();
        let say = |line: &str| {
            heard.lock().unwrap().push(line.to_owned());
            let _ = spoke.send(());
        };
        let done = told("part 2 of 9", Duration::from_millis(5), &say, || {
            // Until its beginning and two heartbeats were told.
            (0..3).for_each(|_| waits.recv().unwrap());
            Ok(7)
        });
        assert_eq!(done.unwrap(), 7);
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard[0], "part 2 of 9 …");
        assert_eq!(heard[2], "part 2 of 9: 0 s so far");
        assert_eq!(heard.last().unwrap(), "part 2 of 9: done in 0 s");
    }

    #[test]
    fn an_error_is_no_end() {
        let heard = Mutex::new(Vec::new());
        let say = |line: &str| heard.lock().unwrap().push(line.to_owned());
        let done: Result<()> = told("part 1 of 1", HEARTBEAT, &say, || anyhow::bail!("no room"));
        assert_eq!(done.unwrap_err().to_string(), "no room");
        assert_eq!(heard.into_inner().unwrap(), ["part 1 of 1 …"]);
    }

    #[test]
    fn time_is_told_in_minutes() {
        assert_eq!(minutes(Duration::from_secs(59)), "59 s");
        assert_eq!(minutes(Duration::from_secs(444)), "7 min 24 s");
    }
}
