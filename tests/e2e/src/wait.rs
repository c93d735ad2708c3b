//! Waiting for conditions, never for time to pass.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Looks at a condition until it gives a value.
///
/// `look` says `Ok(None)` while it is not yet so, and an error when it never will be.
///
/// # Errors
/// What `look` says, or that the deadline passed; `what` names the condition.
pub async fn until<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let began = Instant::now();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        if let Some(value) = look().await? {
            return Ok(value);
        }
        if began.elapsed() > deadline {
            bail!("{what}: not so after {} s", deadline.as_secs());
        }
    }
}
