//! The agent's socket: answers hook tools while a hook runs, and says that their context is wrong at any other time.

use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use juju_hook_tools::model::Model;
use juju_hook_tools::session::{HookSession, Invocation, LogLine};
use rustix::process::{Pid, Signal, kill_process_group};

use super::fault::{Effect, Fault};
use super::report::ToolCall;
use crate::error::{Error, Result};
use crate::wire::{Reply, Request};

/// A caller that connects and sends nothing does not hold up the others for longer.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// A name that no hook tool has: a caller within the hook is told which tools were called in it so far. Each string ends with a
/// zero byte; a call is the number of its arguments, the tool, what was piped into it, and the arguments.
const CALLS_SO_FAR: &str = "calls-so-far";

/// Told of each call of a hook tool once it took effect: the tool, the model, what the call logged.
pub(crate) type AfterCall = Box<dyn FnMut(&str, &Model, &[LogLine]) + Send>;

/// The hook that runs now.
pub(crate) struct Running {
    pub model: Model,
    pub session: HookSession,
    pub context_id: String,
    pub fault: Option<Fault>,
    pub calls: Vec<ToolCall>,
    /// What `juju-log` and `action-log` said.
    pub log: Vec<LogLine>,
    /// What is done after each call, with the tool's name, the model and what the call logged.
    pub after_call: Option<AfterCall>,
    /// The process group of the dispatch; 0 until its process exists. A charm may call before that is noted here.
    pub group: Arc<AtomicI32>,
}

/// The socket of one unit's agent, answered by a thread of its own for as long as this value lives.
pub(crate) struct AgentSocket {
    path: PathBuf,
    running: Arc<Mutex<Option<Running>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for AgentSocket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AgentSocket")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl AgentSocket {
    /// Listens at `path`. What an ended process left there goes away.
    pub fn listen(path: &Path) -> Result<AgentSocket> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", path)(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(Error::io("listen at", path))?;
        let running = Arc::new(Mutex::new(None));
        let ending = Arc::new(AtomicBool::new(false));
        let (hook, stop) = (Arc::clone(&running), Arc::clone(&ending));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(stream) = stream {
                    serve(stream, &hook);
                }
            }
        });
        Ok(AgentSocket {
            path: path.to_path_buf(),
            running,
            ending,
            thread: Some(thread),
        })
    }

    /// From now on tools of this hook are answered.
    pub fn begin(&self, hook: Running) {
        *self.lock() = Some(hook);
    }

    /// The hook is over; its context id is wrong from now on.
    pub fn end(&self) -> Option<Running> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread up; if the socket is gone from the folder already, it ends with the process.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: UnixStream, running: &Mutex<Option<Running>>) {
    let _ = stream.set_read_timeout(Some(CALL_DEADLINE));
    let Ok(request) = Request::read(&mut stream) else {
        return;
    };
    let reply = {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        match running
            .as_mut()
            .filter(|hook| hook.context_id == request.context_id)
        {
            Some(hook) if request.tool == CALLS_SO_FAR => Some(Reply {
                stdout: calls_so_far(&hook.calls).into_bytes(),
                ..Reply::default()
            }),
            Some(hook) => answer(hook, &request),
            None => Some(Reply {
                code: 1,
                stdout: Vec::new(),
                stderr: format!("ERROR wrong context ID; got {:?}\n", request.context_id).into_bytes(),
            }),
        }
    };
    if let Some(reply) = reply {
        let _ = reply.write(&mut stream);
    }
}

fn calls_so_far(calls: &[ToolCall]) -> String {
    let mut text = String::new();
    for call in calls {
        let count = call.args.len().to_string();
        let parts = [&count, &call.tool, &call.stdin].into_iter().chain(&call.args);
        parts.for_each(|part| text.extend([part.as_str(), "\0"]));
    }
    text
}

/// The reply, unless the caller is dead by now.
fn answer(hook: &mut Running, request: &Request) -> Option<Reply> {
    let number = hook.calls.len() + 1;
    let due = hook
        .fault
        .take_if(|fault| fault.happens_at(number, &request.tool));
    let begin = Instant::now();
    let reply = match due.as_ref().map(|fault| &fault.effect) {
        Some(Effect::KillBefore) => None,
        Some(Effect::Fail { code, stderr }) => Some(Reply {
            code: *code,
            stdout: Vec::new(),
            stderr: format!("{stderr}\n").into_bytes(),
        }),
        Some(Effect::KillAfter) | None => Some(call(hook, request)),
    };
    hook.calls.push(ToolCall {
        tool: request.tool.clone(),
        args: request.args.clone(),
        stdin: String::from_utf8_lossy(&request.stdin).into_owned(),
        code: reply.as_ref().map_or(0, |reply| reply.code),
        stderr: reply
            .as_ref()
            .map(|reply| String::from_utf8_lossy(&reply.stderr).into_owned())
            .unwrap_or_default(),
        duration: begin.elapsed(),
    });
    if matches!(
        due.map(|fault| fault.effect),
        Some(Effect::KillBefore | Effect::KillAfter)
    ) {
        kill(&hook.group);
        return None;
    }
    reply
}

/// SIGKILL to a dispatch's process group, as soon as there is one.
pub(crate) fn kill(group: &AtomicI32) {
    loop {
        if let Some(group) = Pid::from_raw(group.load(Ordering::SeqCst)) {
            let _ = kill_process_group(group, Signal::KILL);
            return;
        }
        std::thread::sleep(super::PAUSE);
    }
}

fn call(hook: &mut Running, request: &Request) -> Reply {
    let cwd = Path::new(&request.cwd);
    let read_file = |path: &str| std::fs::read(cwd.join(path));
    let invocation = Invocation {
        tool: &request.tool,
        args: &request.args,
        stdin: &request.stdin,
        read_file: &read_file,
    };
    let output = hook.session.run(&mut hook.model, &invocation);
    if let Some(after_call) = &mut hook.after_call {
        after_call(&request.tool, &hook.model, &output.log);
    }
    hook.log.extend(output.log);
    let mut reply = Reply {
        code: output.code,
        stdout: output.stdout.into_bytes(),
        stderr: output.stderr.into_bytes(),
    };
    if let Some(path) = output.output_file.map(|path| cwd.join(path)) {
        match std::fs::write(&path, &reply.stdout) {
            Ok(()) => reply.stdout.clear(),
            Err(error) => {
                reply = Reply {
                    code: 1,
                    stdout: Vec::new(),
                    stderr: format!("ERROR cannot write {}: {error}\n", path.display()).into_bytes(),
                };
            }
        }
    }
    reply
}
