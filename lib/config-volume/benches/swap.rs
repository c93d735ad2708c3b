//! `cargo bench -p config-volume --bench swap [-- FILES ROUNDS [FOLDER]]`: what an exchange of that many files takes, piece by
//! piece, in FOLDER (the system's for temporary files). Prints milliseconds, the median and the fastest of all rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on panics"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use config_volume::{Swap, SwapOptions, UnpackLimits, unpack};

/// A tree of files of 4 KiB each, either in one folder of the root for each hundred or all in the root itself.
fn fill(root: &Path, files: usize, flat: bool) {
    for number in 0..files {
        let folder = match flat {
            true => root.to_owned(),
            false => root.join(format!("folder-{}", number / 100)),
        };
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("file-{number}")), [7; 4096]).unwrap();
    }
}

fn archive(folder: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", folder).unwrap();
    builder.into_inner().unwrap()
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize, or: usize| arguments.get(at).map_or(or, |word| word.parse().unwrap());
    let (files, rounds) = (number(0, 10_000), number(1, 5));
    let base = arguments.get(2).map_or_else(env::temp_dir, PathBuf::from);
    for flat in [false, true] {
        let mut table: Vec<(&str, Vec<f64>)> = Vec::new();
        for _ in 0..rounds {
            let folder = tempfile::tempdir_in(&base).unwrap();
            let (volume, source) = (folder.path().join("volume"), folder.path().join("source"));
            for path in [&volume, &source] {
                fs::create_dir(path).unwrap();
                fill(path, files, flat);
            }
            let bytes = archive(&source);
            let mut swap = Swap::begin(&volume, "bench", &SwapOptions::default()).unwrap();
            let mut last = Instant::now();
            let mut lap = |name| {
                let took = last.elapsed().as_secs_f64() * 1000.0;
                last = Instant::now();
                match table.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, laps)) => laps.push(took),
                    None => table.push((name, vec![took])),
                }
            };
            let limits = UnpackLimits::default();
            unpack(bytes.as_slice(), swap.staged(), &limits, &mut |_| {}).unwrap();
            lap("unpack");
            swap.seal().unwrap();
            lap("seal");
            swap.commit().unwrap();
            lap("commit");
            swap.roll_back().unwrap();
            lap("roll_back");
            swap.finish().unwrap();
            lap("finish");
        }
        println!(
            "{files} files of 4 KiB {}",
            if flat {
                "in the root itself"
            } else {
                "in folders of 100"
            }
        );
        for (name, mut laps) in table {
            laps.sort_by(f64::total_cmp);
            let median = laps.get(laps.len() / 2).copied().unwrap_or_default();
            let fastest = laps.first().copied().unwrap_or_default();
            println!("  {name:<10} {median:8.1} ms  (fastest {fastest:.1})");
        }
    }
}
