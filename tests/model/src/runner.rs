//! Makes sequences, plays them, and shrinks the first that fails.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Once;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::strategy::{Just, Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::operations::{OPERATIONS, Roll};
use crate::world::World;

/// The longest sequence.
const LONGEST: usize = 24;

/// What to play.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many sequences.
    pub sequences: u64,
    /// Where they begin: sequence N of a run is the first of a run with the seed plus N.
    pub seed: u64,
    /// Stop after this time, however many were played.
    pub at_most: Option<Duration>,
    /// Stop when so many sequences have failed, each in a way of its own.
    pub failures: usize,
}

/// What was played.
#[derive(Debug, Default)]
pub struct Played {
    /// How many sequences.
    pub sequences: u64,
    /// Those that failed, one for each way to fail.
    pub failures: Vec<Failure>,
}

/// A sequence that fails.
#[derive(Debug)]
pub struct Failure {
    /// With this seed it is the first of a run.
    pub seed: u64,
    /// What happened, a line each, and what may not be.
    pub story: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the sequence of seed {} fails; shrunk:\n{}",
            self.seed, self.story
        )
    }
}

/// Plays sequences.
pub fn run(options: &Options, progress: &mut dyn FnMut(&Played)) -> Played {
    hush();
    let began = Instant::now();
    let mut played = Played::default();
    let mut known = HashSet::new();
    while played.sequences < options.sequences {
        if options.at_most.is_some_and(|limit| began.elapsed() > limit) {
            break;
        }
        if let Err(failure) = one(options.seed.wrapping_add(played.sequences), &mut known) {
            played.failures.extend(failure);
        }
        played.sequences += 1;
        progress(&played);
        if played.failures.len() >= options.failures {
            break;
        }
    }
    played
}

/// The way in which a sequence fails, without the numbers in it.
fn way(story: &str) -> String {
    let (_, broken) = story.rsplit_once("broken: ").unwrap_or_default();
    broken
        .chars()
        .filter(|c| !c.is_ascii_digit() && *c != ' ')
        .collect()
}

/// Plays one sequence. One that fails in a way that is `known` is not shrunk and not shown again.
fn one(seed: u64, known: &mut HashSet<String>) -> Result<(), Option<Failure>> {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = lives().new_tree(&mut runner).unwrap();
    let sequence = tree.current();
    let Err(story) = play(&sequence) else {
        return Ok(());
    };
    if !known.insert(way(&story)) {
        return Err(None);
    }
    let failed = runner.run_one(tree, |sequence| match play(&sequence) {
        Ok(()) => Ok(()),
        Err(story) => Err(TestCaseError::fail(story)),
    });
    let story = match failed {
        Err(TestError::Fail(shrunk, _)) => shrunk.to_string(),
        // It does not fail each time. That is a failure too.
        _ => format!("{story}\n(not each time)"),
    };
    known.insert(way(&story));
    Err(Some(Failure { seed, story }))
}

/// One life: whether the volume is tight, and what happens.
type Life = (bool, Vec<Roll>);

fn lives() -> impl Strategy<Value = Life> {
    let kinds = OPERATIONS.iter().enumerate();
    let kind = Union::new_weighted(
        kinds
            .map(|(number, operation)| (operation.weight, Just(number)))
            .collect(),
    );
    let roll = (kind, 0..u64::MAX).prop_map(|(operation, dice)| Roll { operation, dice });
    let tight = Union::new_weighted(vec![(7, Just(false)), (1, Just(true))]);
    (tight, vec(roll, 1..=LONGEST))
}

/// Plays one sequence in a world of its own.
fn play((tight, sequence): &Life) -> Result<(), String> {
    let mut world = World::new(&folder(), *tight);
    let played = catch_unwind(AssertUnwindSafe(|| world.play(sequence)));
    let broken = match played {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(broken)) => broken,
        Err(panic) => format!("panic: {}", text_of(&panic)),
    };
    Err(format!(
        "{}\nthe volume has {}\nbroken: {broken}",
        world.story(),
        world.listed()
    ))
}

fn text_of(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "without a text".to_owned())
}

/// A kill is no panic to report. One in a thread of a scope is told by the scope.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload().downcast_ref::<&str>();
            if text != Some(&"a scoped thread panicked") {
                report(panic);
            }
        }));
    });
}

/// Where volumes are made: in memory, where syncing costs nothing, if there is such a place.
fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    match std::env::var_os("TMPDIR") {
        None if memory.is_dir() => memory,
        _ => std::env::temp_dir(),
    }
}
