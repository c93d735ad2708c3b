//! What a restore of a large volume takes, step by step, beside `cp -a` of the same files on the same disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::fleet::{self, FLEET, Member};
use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::disk::{Copied, Disk};
use crate::ground::{Need, TestEnv};
use crate::left::nothing_is_left;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "large-volume-comes-back",
    says: "a volume of few large files and one of many small ones come back by restore-from-backup with every byte, owner, mode \
           and time; each step is timed beside cp -a and sync on the same disk, with the disk and the memory that it took",
    beside: Beside::None,
    depends_on_velero: true,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::OwnImages, Need::Disk],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
/// Class of the volumes on the disk.
const CLASS: &str = "disk";
/// Whom the app's files belong to: the user that its workload runs as.
const APP_USER: u32 = 1000;
/// The folder in the volume that is measured.
const LIBRARY: &str = "library";
/// How often the running restore is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often at all processes, which takes longer.
const LOOK_AT_ALL: Duration = Duration::from_millis(250);
/// Clock ticks of a second, in what the kernel tells of processes: `USER_HZ` is 100 on every machine that this runs on.
const TICKS: f64 = 100.0;
/// The step that copies the bytes out of the scratch pod, as the journal names it.
const TRANSFER: &str = "transfer";
/// Programs that took less of the processors, in seconds, are not told.
const WORTH_TELLING: f64 = 0.1;
/// What the previous content, the new one and two copies may take, and as much again for the file system.
const COPIES: u64 = 8;

/// Names how large the two volumes are, in place of the usual sizes: megabytes in five files, and a number of small files.
const SIZES: &str = "CONFIGURATARR_E2E_LARGE";
/// The usual ones, and those with `--thorough`.
const USUAL: (u64, u64) = (500, 10_000);
const THOROUGH: (u64, u64) = (5_000, 100_000);

/// A volume to be measured.
#[derive(Debug, Clone)]
struct Shape {
    name: String,
    files: u64,
    /// Bytes of each file; small ones are between a quarter of it and this.
    bytes: u64,
}

/// The sizes that `given`, the text of [`SIZES`], names, or the usual ones.
fn sizes(given: Option<&str>, thorough: bool) -> Result<(u64, u64)> {
    let Some(given) = given else {
        return Ok(if thorough { THOROUGH } else { USUAL });
    };
    let words: Result<Vec<u64>, _> = given.split(' ').map(str::parse).collect();
    match words.as_deref() {
        // Each of the large files is far larger than a small one, and there are more small ones than large ones.
        Ok(&[megabytes, files]) if megabytes >= 5 && files >= 1000 => Ok((megabytes, files)),
        _ => bail!(
            "{SIZES} is {given:?}: it takes megabytes (at least 5) and a number of files (at least 1000), as in \"5000 100000\""
        ),
    }
}

impl Shape {
    fn all((megabytes, files): (u64, u64)) -> [Self; 2] {
        [
            Self {
                name: format!("{megabytes} MB in 5 files"),
                files: 5,
                bytes: megabytes * 1_000_000 / 5,
            },
            Self {
                name: format!("{files} small files"),
                files,
                bytes: 8 << 10,
            },
        ]
    }

    fn size_of(&self, number: u64) -> u64 {
        match self.files {
            // As long as each other: the last one is not to be alone.
            ..100 => self.bytes,
            _ => self.bytes / 4 + number.wrapping_mul(2_654_435_761) % (self.bytes * 3 / 4),
        }
    }

    fn total(&self) -> u64 {
        (0..self.files).map(|number| self.size_of(number)).sum()
    }

    /// Fills a folder with bytes that nothing compresses, a hundred files a folder.
    fn fill(&self, library: &Path) -> Result<()> {
        let mut random = fs::File::open("/dev/urandom")?;
        for number in 0..self.files {
            let folder = library.join(format!("{:04}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&folder)?;
            }
            let path = folder.join(format!("{number:06}.bin"));
            let mut file = fs::File::create(&path)?;
            std::io::copy(&mut (&mut random).take(self.size_of(number)), &mut file)?;
            for made in [&folder, &path] {
                chown(made, Some(APP_USER), Some(APP_USER))?;
            }
        }
        Ok(chown(library, Some(APP_USER), Some(APP_USER))?)
    }
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    story.figure(
        "versions",
        format!(
            "Velero {}, Kubernetes {}",
            bed.velero.version, bed.velero.kubernetes
        ),
    );
    let given = std::env::var(SIZES).ok();
    let shapes = Shape::all(sizes(given.as_deref(), ground.thorough)?);
    let most = shapes.iter().map(Shape::total).max().unwrap_or_default();
    // As storage makes them each volume is a file system of its own: to sync the app's is not to wait for what Velero wrote beside it.
    let room = most * COPIES + (1 << 30);
    let disks = Disks {
        app: Disk::mount(bed, "disk", room).await?,
        beside: Disk::mount(bed, "disk-beside", room).await?,
    };
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
    });
    apply::one(&ground.client, &class).await?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let app = RADARR.app(&model, images.clone());
    let claim = format!("{}-{}", app.volume("config"), app.pod());
    let volume = disks
        .app
        .volume("app", &ground.run, CLASS, Some((&model, &claim)))?;
    apply::one(&ground.client, &volume).await?;
    let running = fleet::deploy_one(ground, RADARR, &model, images, Some(CLASS), &[]).await?;
    for shape in &shapes {
        let measured = measured(ground, &disks, &running, shape, story).await;
        measured.with_context(|| shape.name.clone())?;
    }
    Ok(())
}

/// The file systems of the app's volumes, and of what is restored beside it.
#[derive(Debug, Clone)]
struct Disks {
    app: Disk,
    beside: Disk,
}

impl Disks {
    fn taken(&self) -> Result<u64> {
        Ok(self.app.taken()? + self.beside.taken()?)
    }

    async fn sync(&self) -> Result<()> {
        self.app.sync().await?;
        self.beside.sync().await.map(drop)
    }
}

async fn measured(
    ground: &TestEnv,
    disks: &Disks,
    running: &Running<'_>,
    shape: &Shape,
    story: &mut ScenarioReport,
) -> Result<()> {
    let volume = ground.folder_of(&running.app.model, &running.claim()).await?;
    let library = volume.join(LIBRARY);
    shape.fill(&library)?;
    disks.sync().await?;
    let before = Held::of(&library).await?;
    let made = fleet::action(running, "backup-now").await?;
    story.figure(&format!("backup, {}", shape.name), &made);

    let plain = disks.app.copy(&library, "copy-before").await?;
    // What is restored has to be other bytes than what is there.
    fs::write(library.join("0000/000000.bin"), "damaged")?;
    fs::remove_file(library.join("0000/000001.bin"))?;
    let beside = format!("beside-{}", shape.files);
    let claimed = disks.beside.volume(&beside, &ground.run, CLASS, None)?;
    apply::one(&ground.client, &claimed).await?;
    disks.sync().await?;
    // By its uid: what the latest is, is known once Velero has read the object storage, which takes it a minute.
    let uid = made["backup-uid"].as_str().context("a backup has a uid")?;
    let restore = format!("restore-from-backup backup-uid={uid} safety-backup=false");
    let action = fleet::action(running, &restore);
    let (results, seen) = watched(disks, &volume, action).await?;
    let results = results?;
    disks.sync().await?;
    let again = disks.app.copy(&library, "copy-after").await?;
    // As the transfer finds it: what Velero has just written is on its way to the disk.
    disks.beside.write(&library, "written").await?;
    let waiting = waiting()?;
    let beside_writes = disks.app.copy(&library, "copy-beside").await?;
    let copies = Copies {
        at_rest: [plain, again],
        beside_writes,
        waiting,
    };
    tell(shape, &results, &seen, &copies, story)?;
    before.is_same(&Held::of(&library).await?)?;

    nothing_is_left(ground, None).await?;
    // The volume beside the app is nobody's who would remove it, or empty its folder.
    let name = claimed["metadata"]["name"].as_str().unwrap_or_default();
    apply::api(&ground.client, "v1", "PersistentVolume", "")
        .delete(name, &DeleteParams::default())
        .await?;
    for (disk, name) in [
        (&disks.beside, beside.as_str()),
        (&disks.beside, "written"),
        (&disks.app, "copy-before"),
        (&disks.app, "copy-after"),
        (&disks.app, "copy-beside"),
    ] {
        fs::remove_dir_all(disk.folder(name)?)?;
    }
    fs::remove_dir_all(&library)?;
    disks.sync().await
}

/// Every file's checksum, owner, mode and time, and every folder's owner and mode.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    files: String,
    entries: String,
}

impl Held {
    async fn of(folder: &Path) -> Result<Self> {
        Ok(Self {
            files: printed(folder, "find . -type f -print0 | sort -z | xargs -0 sha256sum").await?,
            // Archives of tar have whole seconds. A folder has another time when something in it was damaged.
            entries: printed(
                folder,
                r"find . -type d -printf '%p %m %U:%G\n' -o -printf '%p %y %m %U:%G %Ts %s\n' | sort",
            )
            .await?,
        })
    }

    fn is_same(&self, now: &Self) -> Result<()> {
        for (before, now) in [(&self.files, &now.files), (&self.entries, &now.entries)] {
            let pairs = before.lines().zip(now.lines());
            let differs = pairs.into_iter().find(|(before, now)| before != now);
            ensure!(
                before == now,
                "{} lines before, {} now; the first that differ: {differs:?}",
                before.lines().count(),
                now.lines().count()
            );
        }
        Ok(())
    }
}

/// What a script prints in a folder.
async fn printed(folder: &Path, script: &str) -> Result<String> {
    let output = tokio::process::Command::new("/bin/bash")
        .args(["-o", "pipefail", "-ec", script])
        .current_dir(folder)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cannot look at {}: {said}",
        folder.display()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What was seen of a restore from outside.
#[derive(Debug, Default)]
struct Seen {
    /// When each step was written into the journal, from the first one on, and the end.
    steps: Vec<(String, Instant)>,
    /// The most bytes that the disk had taken more than before.
    disk: u64,
    /// Seconds of the processors that each program took while the bytes were copied out of the scratch pod, the most first.
    processors: Vec<(String, f64)>,
    /// The most that a process of the charm had in memory, in KiB: by the kernel's own account (`VmHWM`).
    memory: u64,
    /// Bytes that waited to go to the disk when the transfer began.
    waiting: u64,
}

/// Plain copies to compare with.
#[derive(Debug)]
struct Copies {
    /// Before and after the restore, when nothing waited to go to the disk.
    at_rest: [Copied; 2],
    /// When so many bytes did.
    beside_writes: Copied,
    waiting: u64,
}

/// Bytes that wait to go to a disk, or are on their way, on the whole machine.
fn waiting() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let of = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let kilobytes = of("Dirty:").zip(of("Writeback:")).context("/proc/meminfo")?;
    Ok((kilobytes.0 + kilobytes.1) << 10)
}

/// Does `what`, and looks at the journal, the disk and the charm's processes meanwhile.
async fn watched<T>(disks: &Disks, volume: &Path, what: impl Future<Output = T>) -> Result<(T, Seen)> {
    let is_done = Arc::new(AtomicBool::new(false));
    let (over, disks, before) = (Arc::clone(&is_done), disks.clone(), disks.taken()?);
    let journal = volume.join(".config-restore/run.json");
    let looking = std::thread::spawn(move || -> Result<Seen> {
        let (mut seen, mut worked) = (Seen::default(), Worked::default());
        let mut last = String::new();
        while !over.load(Ordering::Relaxed) {
            let step = step(&journal).unwrap_or_default();
            if step != last {
                seen.steps.push((step.clone(), Instant::now()));
                worked.is_due |= step == TRANSFER || last == TRANSFER;
                if step == TRANSFER {
                    seen.waiting = waiting()?;
                }
                last = step;
            }
            worked.look(last == TRANSFER);
            seen.disk = seen.disk.max(disks.taken()?.saturating_sub(before));
            seen.memory = seen.memory.max(memory_of_dispatch());
            std::thread::sleep(LOOK);
        }
        seen.processors = worked.by_program();
        Ok(seen)
    });
    let done = what.await;
    is_done.store(true, Ordering::Relaxed);
    match looking.join() {
        Ok(seen) => Ok((done, seen?)),
        Err(_) => bail!("the thread that looks panicked"),
    }
}

/// How much of the processors' time each process took.
#[derive(Debug, Default)]
struct Worked {
    /// By id: the program, and the clock ticks that it had taken when it was first and last seen.
    processes: BTreeMap<u32, (String, u64, u64)>,
    looked: Option<Instant>,
    is_due: bool,
}

impl Worked {
    /// Looks at all processes, if that is due, or was not done for a while and they are `at_work`.
    fn look(&mut self, at_work: bool) {
        let is_long_ago = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_AT_ALL);
        if !(self.is_due || at_work && is_long_ago) {
            return;
        }
        self.is_due = false;
        self.looked = Some(Instant::now());
        let is_first = self.processes.is_empty();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = process.file_name().to_string_lossy().parse();
            let stat = fs::read_to_string(process.path().join("stat"));
            let (Ok(id), Some((program, ticks))) = (id, stat.ok().as_deref().and_then(ticks)) else {
                continue;
            };
            // A process that is new has taken all of it meanwhile.
            let before = if is_first { ticks } else { 0 };
            self.processes.entry(id).or_insert((program, before, 0)).2 = ticks;
        }
    }

    fn by_program(self) -> Vec<(String, f64)> {
        let mut programs = BTreeMap::new();
        for (program, first, last) in self.processes.into_values() {
            *programs.entry(program).or_insert(0) += last.saturating_sub(first);
        }
        let mut programs: Vec<(String, f64)> = programs
            .into_iter()
            .map(|(program, ticks)| (program, ticks as f64 / TICKS))
            .collect();
        programs.sort_by(|one, other| other.1.total_cmp(&one.1));
        programs
    }
}

/// The program of a process and the clock ticks that it has taken: `utime` and `stime` of proc(5)'s `stat`.
fn ticks(stat: &str) -> Option<(String, u64)> {
    let (start, fields) = stat.rsplit_once(") ")?;
    let (_, program) = start.split_once(" (")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((program.to_owned(), next()? + next()?))
}

/// The step that a journal names. While it is replaced there is one all the same; after the end there is none.
fn step(journal: &Path) -> Option<String> {
    let journal: Value = serde_json::from_slice(&fs::read(journal).ok()?).ok()?;
    journal["step"].as_str().map(str::to_owned)
}

/// The most memory that a running process of the charm has had, in KiB.
fn memory_of_dispatch() -> u64 {
    let is_dispatch = |process: &PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "dispatch")
    };
    let peak = |process: PathBuf| -> Option<u64> {
        let status = fs::read_to_string(process.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.map(|process| process.path()).filter(is_dispatch);
    processes.filter_map(peak).max().unwrap_or_default()
}

fn tell(
    shape: &Shape,
    results: &Value,
    seen: &Seen,
    copies: &Copies,
    story: &mut ScenarioReport,
) -> Result<()> {
    let bytes = shape.total() as f64;
    let rate = |took: Duration| {
        format!(
            "{:.1} s, {:.0} MB/s",
            took.as_secs_f64(),
            bytes / 1e6 / took.as_secs_f64()
        )
    };
    let name = |what: &str| format!("{}, {what}", shape.name);
    let [first, second] = copies.at_rest;
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let beside = format!("while {} wait to go to the disk", megabytes(copies.waiting));
    for (what, plain) in [
        ("before", first),
        ("after", second),
        (beside.as_str(), copies.beside_writes),
    ] {
        story.figure(
            &name(&format!("cp -a and sync {what}")),
            format!(
                "{}; cp alone {:.1} s",
                rate(plain.took()),
                plain.copied.as_secs_f64()
            ),
        );
    }
    let mut took = BTreeMap::new();
    for pair in seen.steps.windows(2) {
        let [(step, begun), (_, ended)] = pair else {
            continue;
        };
        if !step.is_empty() {
            *took.entry(step.as_str()).or_insert(Duration::ZERO) += *ended - *begun;
            story.figure(&name(step), rate(*ended - *begun));
        }
    }
    let Some(copying) = took.get(TRANSFER) else {
        bail!("no transfer was seen: {:?}", seen.steps);
    };
    // The disk is busy at times: the faster one is the one to compare with.
    let plain = first.took().min(second.took());
    let ours: Duration = [TRANSFER, "check", "swap"]
        .iter()
        .filter_map(|step| took.get(step))
        .sum();
    let times = |took: Duration, plain: Duration| took.as_secs_f64() / plain.as_secs_f64();
    story.figure(
        &name("beyond Velero"),
        format!(
            "{}: {:.2} times cp -a and sync; the transfer alone {:.2} times",
            rate(ours),
            times(ours, plain),
            times(*copying, plain)
        ),
    );
    story.figure(
        &name("waited to go to the disk when the transfer began"),
        format!(
            "{}; to cp -a and sync while bytes wait: {:.2} times",
            megabytes(seen.waiting),
            times(ours, copies.beside_writes.took())
        ),
    );
    let worked = seen
        .processors
        .iter()
        .filter(|(_, seconds)| *seconds >= WORTH_TELLING);
    let worked: Vec<String> = worked
        .map(|(program, seconds)| format!("{program} {seconds:.1}"))
        .collect();
    story.figure(&name("processor seconds of the transfer"), worked.join(", "));
    story.figure(
        &name("peak extra disk"),
        format!("{:.2} times its bytes", seen.disk as f64 / bytes),
    );
    story.figure(
        &name("peak memory of the charm"),
        format!("{:.1} MB", seen.memory as f64 * 1024.0 / 1e6),
    );
    story.figure(&name("results"), results);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_whatever_a_program_is_called() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 250 17 9 9 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(("a) b (c".to_owned(), 267)));
        assert_eq!(ticks("42 (cut"), None);
    }

    #[test]
    fn sizes_are_taken_as_they_are_given_or_refused() {
        assert_eq!(sizes(None, false).unwrap(), USUAL);
        assert_eq!(sizes(None, true).unwrap(), THOROUGH);
        assert_eq!(sizes(Some("1000 20000"), true).unwrap(), (1000, 20_000));
        for given in ["", "5", "4 1000", "5 999", "5 1000 7", "5 1000 x"] {
            assert!(sizes(Some(given), false).is_err(), "{given}");
        }
    }

    #[test]
    fn small_files_differ_in_size_and_large_ones_do_not() {
        let [large, small] = Shape::all(USUAL);
        assert_eq!(large.total(), large.files * large.bytes);
        let sizes: std::collections::BTreeSet<u64> =
            (0..small.files).map(|number| small.size_of(number)).collect();
        assert!(sizes.len() > 1000);
        assert!(sizes.iter().all(|size| (2048..=8192).contains(size)));
    }
}
