//! The one loop: keys, what the work says, time and frames.

use std::future::pending;
use std::io;

use crossterm::event::{Event as Raw, EventStream};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::event::{Effect, Event};
use super::state::State;
use super::terminal::{Pace, Taken, key};
use super::work::Work;
use crate::commands::{Call, Done};
use crate::problem::{Kind, Problem, Result};
use crate::report::run_page;
use crate::run::{Resume, Run};

/// Runs the wizard until it is left, and says what came of it where it was started.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn wizard(call: &Call<'_>) -> Result<Done> {
    let state = looped(call).await.map_err(|error| {
        Problem::new(
            Kind::Failed,
            format!("cannot use this terminal: {error}"),
            "configuratarr status, and configuratarr --help for the other commands",
        )
    })?;
    let runs = &state.world.runs;
    for run in runs.iter().filter(|run| run.is_over()) {
        call.printer.data(run, || run_page(run))?;
    }
    let mut done = match runs.iter().all(Run::is_whole) {
        true => Done::Well,
        false => Done::NotWell,
    };
    for run in runs.iter().filter(|run| !run.is_over()) {
        call.printer.problem(&Problem::new(
            Kind::Unfinished,
            format!("you left run {}; what was started goes on in Juju", run.id),
            state.world.resume.command(&run.id),
        ));
        done = Done::Unfinished;
    }
    Ok(done)
}

/// The terminal is given back when this returns, before anything else is printed.
async fn looped(call: &Call<'_>) -> io::Result<State> {
    let mut ends = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
    .into_iter()
    .map(signal)
    .collect::<io::Result<Vec<_>>>()?;
    let mut terminal = Taken::take()?;
    let mut keys = EventStream::new();
    let mut work = Work::new(call);
    let mut pace = Pace::default();
    let (mut state, mut effects) =
        State::new(Timestamp::now(), call.printer.colors(), Resume::here(call.global));
    pace.changed();
    loop {
        for effect in effects.drain(..) {
            if effect == Effect::Quit {
                return Ok(state);
            }
            work.begin(effect);
        }
        let frame = pace.due();
        let event = tokio::select! {
            () = at(frame) => {
                terminal.draw(&state)?;
                pace.drawn(Instant::now());
                continue;
            }
            raw = keys.next() => match raw {
                Some(Ok(Raw::Resize(..))) => Some(Event::Resized),
                Some(Ok(raw)) => key(&raw).map(Event::Key),
                Some(Err(error)) => return Err(error),
                // Nobody is there any more.
                None => return Ok(state),
            },
            event = work.next() => Some(event),
            () = any(&mut ends) => return Ok(state),
            () = sleep(state.patience()) => Some(Event::Tick),
        };
        if let Some(event) = event {
            effects = state.update(event, Timestamp::now());
            pace.changed();
        }
    }
}

async fn at(frame: Option<Instant>) {
    match frame {
        Some(frame) => sleep_until(frame).await,
        None => pending().await,
    }
}

/// Waits for a signal that ends programs.
async fn any(ends: &mut [tokio::signal::unix::Signal]) {
    let all = ends.iter_mut().map(|end| Box::pin(end.recv()));
    futures_util::future::select_all(all).await;
}
