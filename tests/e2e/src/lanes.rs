//! Which scenarios are played beside each other.

use std::cell::RefCell;
use std::future::Future;

use futures::future::join_all;
use tokio::sync::Notify;

use crate::scenarios::Beside;

/// So many at once. Most of them wait most of the time.
const LANES: usize = 2;

/// Plays all, each when nothing is played that it must not be beside. What comes of them is in their own order.
pub async fn all<I, T, F: Future<Output = T>>(
    items: &[I],
    beside: impl Fn(&I) -> Beside,
    play: impl Fn(&I) -> F,
) -> Vec<T> {
    let state = RefCell::new(State {
        waiting: items.iter().map(beside).enumerate().collect(),
        played: Vec::new(),
    });
    let ended = Notify::new();
    let lane = || async {
        let mut done = Vec::new();
        loop {
            // Made before the look: what ends after it is not missed.
            let ends = ended.notified();
            let next = state.borrow_mut().next();
            let Some((place, item)) = next.and_then(|place| Some((place, items.get(place)?))) else {
                if state.borrow().waiting.is_empty() {
                    return done;
                }
                ends.await;
                continue;
            };
            done.push((place, play(item).await));
            state.borrow_mut().played.retain(|(played, _)| *played != place);
            ended.notify_waiters();
        }
    };
    let mut done: Vec<(usize, T)> = join_all((0..LANES).map(|_| lane()))
        .await
        .into_iter()
        .flatten()
        .collect();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Those that wait, in their order, and those that are played, by their places.
struct State {
    waiting: Vec<(usize, Beside)>,
    played: Vec<(usize, Beside)>,
}

impl State {
    /// Takes the next one: those that have to be alone first, since the others leave things in the cluster, and what others wait for before
    /// what nobody waits for.
    fn next(&mut self) -> Option<usize> {
        let is_there = |scenarios: &[(usize, Beside)], beside| scenarios.iter().any(|(_, is)| *is == beside);
        if is_there(&self.played, Beside::None) {
            return None;
        }
        let may_begin = |beside| match beside {
            Beside::None => self.played.is_empty(),
            Beside::Any | Beside::Calm => !is_there(&self.waiting, Beside::None),
            Beside::NoRestore => {
                let begun_or_not = [&self.played, &self.waiting];
                begun_or_not.iter().all(|all| !is_there(all, Beside::Calm))
                    && !is_there(&self.played, Beside::NoRestore)
                    && !is_there(&self.waiting, Beside::None)
            }
        };
        let order = [Beside::None, Beside::Calm, Beside::NoRestore, Beside::Any];
        let mut can = order.into_iter().filter(|beside| may_begin(*beside));
        let at = can.find_map(|beside| self.waiting.iter().position(|(_, is)| *is == beside))?;
        let next = self.waiting.remove(at);
        self.played.push(next);
        Some(next.0)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const KINDS: [Beside; 8] = [
        Beside::Any,
        Beside::NoRestore,
        Beside::None,
        Beside::Calm,
        Beside::NoRestore,
        Beside::Calm,
        Beside::Any,
        Beside::None,
    ];

    const PLACES: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    /// Plays them all with this much patience for each, and holds every moment to what may be beside what.
    fn played(turns: impl Fn(usize) -> usize) -> Vec<usize> {
        let now: RefCell<Vec<usize>> = RefCell::default();
        let (begun, most) = (RefCell::<Vec<usize>>::default(), Cell::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcomes = runtime.block_on(all(
            &PLACES,
            |place| KINDS[*place],
            |place| {
                let place = *place;
                now.borrow_mut().push(place);
                begun.borrow_mut().push(place);
                most.set(most.get().max(now.borrow().len()));
                let kinds: Vec<Beside> = now.borrow().iter().map(|place| KINDS[*place]).collect();
                let count = |kind| kinds.iter().filter(|other| **other == kind).count();
                assert!(count(Beside::None) == 0 || kinds.len() == 1, "{kinds:?}");
                assert!(count(Beside::NoRestore) <= 1, "{kinds:?}");
                assert!(
                    count(Beside::NoRestore) == 0 || count(Beside::Calm) == 0,
                    "{kinds:?}"
                );
                let (now, turns) = (&now, turns(place));
                async move {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    now.borrow_mut().retain(|other| *other != place);
                    place
                }
            },
        ));
        assert_eq!(outcomes, PLACES);
        assert_eq!(most.get(), LANES);
        begun.into_inner()
    }

    #[test]
    fn each_is_played_once_and_beside_nothing_that_it_must_not_be_beside() {
        for shift in 0..7 {
            let begun = played(|place| (place * 5 + shift) % 7);
            let last_calm = begun.iter().rposition(|place| KINDS[*place] == Beside::Calm);
            let first_upset = begun.iter().position(|place| KINDS[*place] == Beside::NoRestore);
            assert!(last_calm < first_upset, "{begun:?}: what they bring stays");
            let alone = begun[..2].iter().all(|place| KINDS[*place] == Beside::None);
            assert!(alone, "{begun:?}: the others leave things in the cluster");
        }
    }
}
