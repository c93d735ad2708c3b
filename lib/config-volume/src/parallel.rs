//! Work on several databases or files at once.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// Does the work for each item, one thread for each processor, and something else meanwhile. The results are in the order
/// of the items.
pub(crate) fn each<T: Send, R: Send, M>(
    items: Vec<T>,
    work: impl Fn(usize, T) -> R + Sync,
    meanwhile: impl FnOnce() -> M,
) -> (Vec<R>, M) {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let other = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, item)) = next() {
                    let result = work(number, item);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, result));
                }
            });
        }
        meanwhile()
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    (done.into_iter().map(|(_, result)| result).collect(), other)
}
