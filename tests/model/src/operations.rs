//! What can happen, an entry each: to add something, add an entry.

use std::time::Duration;

use juju_charm::testing::Event;

use crate::content::{Broken, Holds};
use crate::fault::Fault;
use crate::world::{Restore, Stage, World};

/// One thing that can happen.
pub struct Operation {
    pub name: &'static str,
    /// How often, beside the others.
    pub weight: u32,
    /// Does it; says what came of it, or nothing when it cannot happen now.
    pub run: fn(&mut World, &mut Dice) -> Result<Option<String>, Broken>,
}

/// All of them. A sequence that fails is shrunk towards the first.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "the app commits",
        weight: 6,
        run: |world, dice| Ok(world.commit(dice.pick(2)).map(|row| format!("row {row}"))),
    },
    Operation {
        name: "the app writes its config file",
        weight: 2,
        run: |world, _| Ok(world.configure().map(|number| format!("config {number}"))),
    },
    Operation {
        name: "before-backup",
        weight: 8,
        run: |world, dice| {
            let fault = Fault::roll(dice);
            let is_plain = matches!(world.host().holds(), Holds::Exactly(_)) && world.host().app.is_some();
            Ok(Some(match world.prepare(&fault) {
                Ok(number) => format!("backup {number} begins"),
                Err(error) if is_plain && !fault.happened() => {
                    return Err(format!("no backup can be made: {error}"));
                }
                Err(error) => format!("a backup fails: {error}"),
            }))
        },
    },
    Operation {
        name: "upload",
        weight: 8,
        run: |world, dice| {
            let Some(number) = dice.choose(&world.open(&[Stage::Prepared])) else {
                return Ok(None);
            };
            let honours_ignore = dice.pick(8) != 7;
            world.upload(number, honours_ignore);
            let by = if honours_ignore {
                ""
            } else {
                ", by an uploader that stores everything"
            };
            Ok(Some(format!("backup {number}{by}")))
        },
    },
    Operation {
        name: "after-backup",
        weight: 8,
        run: |world, dice| {
            let Some(number) = dice.choose(&world.open(&[Stage::Uploaded])) else {
                return Ok(None);
            };
            let said = world.finish(number, &Fault::roll(dice))?;
            Ok(Some(format!("backup {number}: {said}")))
        },
    },
    Operation {
        name: "after-backup is lost",
        weight: 3,
        run: |world, dice| {
            let Some(number) = dice.choose(&world.open(&[Stage::Prepared, Stage::Uploaded])) else {
                return Ok(None);
            };
            world.lose(number);
            Ok(Some(format!("backup {number}")))
        },
    },
    Operation {
        name: "the container is started anew",
        weight: 5,
        run: |world, dice| {
            let in_good_order = dice.pick(2) == 0;
            world.restart(in_good_order, dice.pick(2) == 1);
            world.start(&Fault::roll_for_dispatch(dice)).map(Some)
        },
    },
    Operation {
        name: "the container is started anew, and killed while the databases are put in place",
        weight: 2,
        run: |world, dice| {
            world.restart(false, true);
            Ok(Some(world.place_killed(&Fault::roll(dice))))
        },
    },
    Operation {
        name: "update-status",
        weight: 3,
        run: |world, dice| {
            world
                .dispatch(Event::UpdateStatus, &Fault::roll_for_dispatch(dice))
                .map(Some)
        },
    },
    Operation {
        name: "rotate-api-key",
        weight: 2,
        run: |world, dice| world.rotate(&Fault::roll_for_dispatch(dice)).map(Some),
    },
    Operation {
        name: "restore-from-backup",
        weight: 6,
        run: |world, dice| {
            let Some(backup) = dice.choose(&world.good()) else {
                return Ok(None);
            };
            let asked = Restore {
                backup,
                keep_old: dice.pick(3) != 2,
                sick: *dice.of(&[0, 0, 0, 1, 2]),
                fault: Fault::roll_for_dispatch(dice),
            };
            let said = world.restore(&asked)?;
            let keeping = if asked.keep_old { "" } else { ", without keep-old" };
            let sick = match asked.sick {
                0 => String::new(),
                starts => format!(", not healthy at {starts} starts"),
            };
            Ok(Some(format!("backup {backup}{keeping}{sick}: {said}")))
        },
    },
    Operation {
        name: "scale up",
        weight: 2,
        run: |world, _| world.scale_up(),
    },
    Operation {
        name: "scale down",
        weight: 1,
        run: |world, _| world.scale_down(),
    },
    Operation {
        name: "another unit leads",
        weight: 3,
        run: |world, _| world.change_leader(),
    },
    Operation {
        name: "time goes by",
        weight: 3,
        run: |world, dice| {
            let minutes = *dice.of(&[1, 60, 300, 1500]);
            world.wait(Duration::from_secs(60 * minutes));
            Ok(Some(format!("{minutes} minutes")))
        },
    },
    Operation {
        name: "Velero restores into a new volume",
        weight: 3,
        run: |world, dice| restore_plainly(world, dice, false),
    },
    Operation {
        name: "Velero restores over the volume",
        weight: 2,
        run: |world, dice| restore_plainly(world, dice, true),
    },
];

fn restore_plainly(world: &mut World, dice: &mut Dice, over: bool) -> Result<Option<String>, Broken> {
    let Some(number) = dice.choose(&world.good()) else {
        return Ok(None);
    };
    // What a backup has open in the very volume counts for more than what is restored over it, and so does the previous content
    // of a restore that was cut off, which goes back.
    let counts_for_more = [config_volume::FOLDER, config_volume::RESTORE_FOLDER];
    if over
        && counts_for_more
            .iter()
            .any(|folder| world.host().volume.join(folder).exists())
    {
        return Ok(None);
    }
    world.restore_plainly(number, over);
    Ok(Some(format!("backup {number}")))
}

/// One operation of a sequence, with the number that decides what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Roll {
    pub operation: usize,
    pub dice: u64,
}

impl Roll {
    pub fn dice(self) -> Dice {
        Dice(self.dice)
    }
}

/// Decides, from one number. 0 decides for the first each time: that is what it is shrunk to.
pub struct Dice(u64);

impl Dice {
    pub fn pick(&mut self, sides: usize) -> usize {
        let sides = sides as u64;
        let picked = self.0 % sides;
        self.0 /= sides;
        usize::try_from(picked).unwrap()
    }

    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.pick(choices.len())]
    }

    pub fn choose(&mut self, numbers: &[usize]) -> Option<usize> {
        (!numbers.is_empty()).then(|| *self.of(numbers))
    }
}
