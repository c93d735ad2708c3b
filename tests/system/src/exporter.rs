//! The charm's exporter as a process of its own, in front of a stand-in cluster with the backups of an app.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use juju_sim::{Rights, StandInCluster};
use serde_json::{Value, json};
use tempfile::TempDir;
use workload_charm::exporter::{Asked, EXPORTER, PATH, Settings};
use workload_charm::last_restore::LastRestore;
use workload_charm::test_restore::Record;

use crate::velero::{ENDPOINT, Made, Owner, location};

/// Whose backups they are.
const OWNER: Owner<'static> = Owner {
    app: "radarr",
    model: "media",
    location: "default",
};

/// For how many hours each is kept.
const HOURS: i64 = 3000;

/// How long a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// The app's backups in a cluster, and what exports them.
#[derive(Debug)]
pub struct WatchedApp {
    /// The cluster.
    pub cluster: StandInCluster,
    /// When the newest backup began. One is made each day at this time.
    pub newest: Timestamp,
    folder: TempDir,
    running: Option<Exporter>,
    restored: Option<Timestamp>,
}

impl WatchedApp {
    /// An app with so many good backups, one each day, the newest an hour old.
    ///
    /// # Errors
    /// When the cluster cannot be started.
    pub fn new(backups: u32) -> Result<Self> {
        let cluster = StandInCluster::start()?;
        cluster.admit("charm", "token", Rights::Everything);
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("charm"))?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(kubeconfig, cluster.kubeconfig("token"))?;
        let now = Timestamp::now();
        let newest = Timestamp::from_second(now.as_second() / 60 * 60)? - SignedDuration::from_hours(1);
        let app = Self {
            cluster,
            newest,
            folder,
            running: None,
            restored: None,
        };
        app.cluster
            .put_all((0..backups).flat_map(|nights| app.backup(nights)).collect())?;
        app.cluster.put(app.schedule())?;
        app.cluster.put(location(OWNER.location, "Available"))?;
        app.cluster.put(OWNER.repository("Ready"))?;
        app.is_told()?;
        app.has_noted(0, 412)?;
        Ok(app)
    }

    /// The folder of the unit's charm.
    pub fn charm_dir(&self) -> PathBuf {
        self.folder.path().join("charm")
    }

    /// When the backup of so many nights ago began.
    pub fn began(&self, nights: u32) -> Timestamp {
        self.newest - SignedDuration::from_hours(24 * i64::from(nights))
    }

    /// A good backup of so many nights ago, with its pod volume backup, as Velero leaves them.
    pub fn backup(&self, nights: u32) -> [Value; 2] {
        OWNER.backup(&Made {
            name: format!("radarr-{nights:04}"),
            began: self.began(nights),
            took: SignedDuration::from_secs(42),
            bytes: 52_428_800,
            hours: HOURS,
        })
    }

    /// The Schedule that velero-operator has made.
    pub fn schedule(&self) -> Value {
        OWNER.schedule(&self.cron(), self.began(200), HOURS)
    }

    fn cron(&self) -> String {
        let time = TimeZone::UTC.to_datetime(self.newest);
        format!("{} {} * * *", time.minute(), time.hour())
    }

    /// What a hook tells the exporter.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn is_told(&self) -> Result<()> {
        let settings = Settings {
            app: OWNER.app.to_owned(),
            model: OWNER.model.to_owned(),
            has_data: true,
            asked: vec![Asked {
                endpoint: ENDPOINT.to_owned(),
                schedule: Some(self.cron()),
            }],
            essential: vec!["films".to_owned()],
            restored: LastRestore::noted(self.restored, self.newest),
            verify_schedule: Some(self.cron()),
            test_restores: Record::default(),
        };
        settings
            .write(&self.charm_dir())
            .context("cannot tell the exporter anything")
    }

    /// The content was restored so many nights ago, before the backup of that night.
    ///
    /// # Errors
    /// When the exporter cannot be told.
    pub fn was_restored(&mut self, nights: u32) -> Result<()> {
        self.restored = Some(self.began(nights) - SignedDuration::from_hours(1));
        self.is_told()
    }

    /// The command before the backup of so many nights ago has seen this many films.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn has_noted(&self, nights: u32, films: u32) -> Result<()> {
        let made = self.began(nights).as_second() + 5;
        let seen = json!({made.to_string(): {
            "made": made,
            "answers": [{"kind": "count", "name": "films", "value": films.to_string()}],
            "figures": {"databases": 2, "files": 31, "left_out": 1_048_576},
        }});
        let path = self.folder.path().join("contents-seen.json");
        std::fs::write(path, seen.to_string()).context("cannot note what a backup holds")
    }

    /// Starts the exporter, which is this program, and waits until it can be asked. One that runs is ended.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn export(&mut self, dispatch: &Path) -> Result<SocketAddr> {
        self.export_at(dispatch, free_address((Ipv4Addr::LOCALHOST, 0).into())?)
    }

    /// The same, at this address.
    ///
    /// # Errors
    /// The same.
    pub fn export_at(&mut self, dispatch: &Path, address: SocketAddr) -> Result<SocketAddr> {
        // The port is free only when the one before has ended.
        self.running = None;
        let kubeconfig = self.folder.path().join("kubeconfig");
        let started = Exporter::start(dispatch, &self.charm_dir(), &kubeconfig, address)?;
        self.running = Some(started);
        Ok(address)
    }

    /// What it exports.
    ///
    /// # Errors
    /// When it does not run, or says something else.
    pub fn scrape(&self) -> Result<String> {
        self.running.as_ref().context("no exporter runs")?.scrape()
    }

    /// What it has in memory now, and had at most, in kB.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resident(&self) -> Result<(u64, u64)> {
        let Exporter { child, .. } = self.running.as_ref().context("no exporter runs")?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let of = |key: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(key));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number.context("the kernel does not tell")?.parse()?)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it goes on.
    pub fn has_ended(&mut self) -> Result<()> {
        let Exporter { child, .. } = self.running.as_mut().context("no exporter runs")?;
        until("the exporter has ended", || child.try_wait().ok().flatten())?;
        self.running = None;
        Ok(())
    }
}

/// The exporter of a unit, as a process. It ends when it is dropped.
#[derive(Debug)]
pub struct Exporter {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Exporter {
    /// Starts the one of the unit with this charm folder, and waits until it can be asked.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn start(dispatch: &Path, charm_dir: &Path, kubeconfig: &Path, address: SocketAddr) -> Result<Self> {
        let child = Command::new(dispatch)
            .arg(EXPORTER)
            .arg(charm_dir)
            .arg(address.to_string())
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the exporter")?;
        let started = Self { child, address };
        until("the exporter can be asked", || TcpStream::connect(address).ok())?;
        Ok(started)
    }

    /// What it exports.
    ///
    /// # Errors
    /// When it has ended, or says something else.
    pub fn scrape(&self) -> Result<String> {
        let (status, text) = get(self.address, PATH)?;
        ensure!(status == 200, "the exporter says {status}: {text}");
        Ok(text)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens at.
///
/// # Errors
/// When there is none.
pub fn free_address(wanted: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(wanted).context("cannot find a free port")?;
    Ok(listener.local_addr()?)
}

/// Waits until `look` finds something.
///
/// # Errors
/// When it finds nothing in time.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks for a page. Gives the status and the text.
///
/// # Errors
/// When there is no answer.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = talk(address, request.as_bytes())?;
    let (head, text) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if is_chunked { whole(text)? } else { text.to_owned() }))
}

/// What chunks come to.
fn whole(mut chunked: &str) -> Result<String> {
    let mut text = String::new();
    loop {
        let (size, rest) = chunked.split_once("\r\n").context("no chunk")?;
        let size = usize::from_str_radix(size.trim(), 16)?;
        if size == 0 {
            return Ok(text);
        }
        text.push_str(rest.get(..size).context("a chunk is cut")?);
        chunked = rest.get(size + 2..).context("a chunk is cut")?;
    }
}

/// Says something, and reads until the other side closes.
///
/// # Errors
/// When there is no connection, or it closes with an error.
pub fn talk(address: SocketAddr, words: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address).context("nobody listens")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Whoever does not read all of it closes first.
    let _ = stream.write_all(words);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
