//! What Juju's agent asks every Pebble again and again: whether it was started anew, and what it has to tell.
//!
//! The charm's own Pebble client is another one, and asynchronous; this asks three questions and waits for the answers.
//! Sources: `internal/worker/uniter/pebblepoller.go` and `pebblenoticer.go` of juju/juju.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use juju_hook_tools::context::Event;
use serde_json::Value;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// A Pebble by its socket.
#[derive(Debug)]
pub(crate) struct PebbleNews {
    socket: PathBuf,
}

impl PebbleNews {
    pub fn at(socket: &Path) -> PebbleNews {
        PebbleNews {
            socket: socket.to_path_buf(),
        }
    }

    /// The id of this run of Pebble: another one means that it was started anew.
    pub fn boot_id(&self) -> std::io::Result<String> {
        let info = self.get("/v1/system-info")?;
        let id = info.get("boot-id").and_then(Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| malformed("system-info has no boot-id"))
    }

    /// The events for what happened after `after` (a notice's `last-repeated`), and the newest such time.
    pub fn events(
        &self,
        container: &str,
        after: Option<&str>,
    ) -> std::io::Result<(Vec<Event>, Option<String>)> {
        let mut path = "/v1/notices?types=custom,change-update".to_owned();
        if let Some(after) = after {
            path.push_str("&after=");
            path.push_str(&after.replace('+', "%2B"));
        }
        let notices = self.get(&path)?;
        let mut newest = after.map(str::to_owned);
        let mut events = Vec::new();
        for notice in notices.as_array().map(Vec::as_slice).unwrap_or_default() {
            let field = |name: &str| {
                notice
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            newest = Some(field("last-repeated"));
            match field("type").as_str() {
                "custom" => events.push(Event::PebbleCustomNotice {
                    container: container.to_owned(),
                    id: field("id"),
                    kind: "custom".to_owned(),
                    key: field("key"),
                }),
                "change-update" => {
                    // Pebble 1.26 names the check here, and not in the change.
                    let data = |name| notice["last-data"][name].as_str().unwrap_or_default();
                    let (kind, check) = (data("kind"), data("check-name"));
                    events.extend(self.check_event(container, kind, check, &field("key"))?);
                }
                _ => {}
            }
        }
        Ok((events, newest))
    }

    /// A check failed when the change that performs it ended in error; it recovered when the change that waits for
    /// that is done.
    fn check_event(
        &self,
        container: &str,
        kind: &str,
        check: &str,
        change: &str,
    ) -> std::io::Result<Option<Event>> {
        let ended_as = match kind {
            "perform-check" => "Error",
            "recover-check" => "Done",
            _ => return Ok(None),
        };
        let change = self.get(&format!("/v1/changes/{change}"))?;
        if change.get("status").and_then(Value::as_str) != Some(ended_as) {
            return Ok(None);
        }
        let (container, check) = (container.to_owned(), check.to_owned());
        Ok(Some(match kind {
            "perform-check" => Event::PebbleCheckFailed { container, check },
            _ => Event::PebbleCheckRecovered { container, check },
        }))
    }

    /// The `result` of a GET. HTTP 1.0, so that the answer ends where the connection does.
    fn get(&self, path: &str) -> std::io::Result<Value> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| malformed("no HTTP answer"))?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(malformed(&format!("GET {path} answered {status}")));
        }
        let mut body: Value = serde_json::from_str(body)?;
        Ok(body.get_mut("result").map(Value::take).unwrap_or_default())
    }
}

fn malformed(reason: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, reason)
}
