//! [`KubeRecovery`]: the recovery engine on the charm's connection to its cluster.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use config_recovery::backups::{self, AppId, BackupSummary, Standing};
use config_recovery::cluster::Cluster;
use config_recovery::engine::{self, App, Checked, RestorePlan, VerifyPlan, Wanted};
use config_recovery::make::{self, MakeSpec};
use config_recovery::report::Reporter;
use config_recovery::{Error, Result};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::Recovery;
use crate::kubernetes::KubeCluster;
use crate::names::BACKUP_ENDPOINT;

/// How long a backup on demand is waited for. Velero waits half an hour for the copies of the databases alone.
const BACKUP: Duration = Duration::from_secs(2 * 3600);
/// How long the app may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two questions to it.
const PAUSE: Duration = Duration::from_millis(250);

/// The recovery engine on the connection of a [`KubeCluster`].
pub struct KubeRecovery<'a> {
    cluster: &'a KubeCluster,
}

impl<'a> KubeRecovery<'a> {
    /// On this connection. Making one does nothing.
    pub fn new(cluster: &'a KubeCluster) -> Self {
        Self { cluster }
    }

    fn run<T, F>(&self, work: impl FnOnce(Cluster) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let done = self.cluster.run(|client| work(Cluster::new(client)));
        done.unwrap_or_else(|error| {
            Err(Error::Unreachable {
                action: "connect".to_owned(),
                reason: error.to_string(),
            })
        })
    }
}

/// The engine's tasks are async, and what the app does in between is not: it waits for Pebble, and asks the cluster.
struct InPlace<'a>(&'a mut dyn App);

impl App for InPlace<'_> {
    fn stop(&mut self) -> std::result::Result<(), String> {
        tokio::task::block_in_place(|| self.0.stop())
    }

    fn start(&mut self, patience: Duration) -> std::result::Result<(), String> {
        tokio::task::block_in_place(|| self.0.start(patience))
    }

    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String> {
        tokio::task::block_in_place(|| self.0.examine(folder, promised))
    }
}

impl Recovery for KubeRecovery<'_> {
    fn list(&self, whose: &AppId) -> Result<Vec<BackupSummary>> {
        self.run(|cluster| async move { backups::list(&cluster, Some(whose)).await })
    }

    fn standing(&self, whose: &AppId) -> Result<Standing> {
        self.run(|cluster| async move { backups::standing(&cluster, whose, BACKUP_ENDPOINT).await })
    }

    fn backups_are_read(&self) -> Result<bool> {
        self.run(|cluster| async move { backups::are_read(&cluster).await })
    }

    fn backup_now(&self, make: &MakeSpec, reporter: &dyn Reporter) -> Result<BackupSummary> {
        self.run(|cluster| async move {
            make::backup_now(&cluster, make, reporter, Instant::now() + BACKUP).await
        })
    }

    fn plan_restore(
        &self,
        wanted: &Wanted,
        volume: &Path,
        keep_old: bool,
        elsewhere: &Path,
    ) -> Result<RestorePlan> {
        self.run(|cluster| async move {
            engine::plan_restore(&cluster, wanted, volume, keep_old, elsewhere).await
        })
    }

    fn restore(&self, plan: &RestorePlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<Checked> {
        self.run(|cluster| async move { engine::restore(&cluster, plan, &mut InPlace(app), reporter).await })
    }

    fn plan_verify(&self, wanted: &Wanted, folder: &Path) -> Result<VerifyPlan> {
        self.run(|cluster| async move { engine::plan_verify(&cluster, wanted, folder).await })
    }

    fn verify(&self, plan: &VerifyPlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<Checked> {
        self.run(|cluster| async move { engine::verify(&cluster, plan, &mut InPlace(app), reporter).await })
    }

    fn becomes_healthy(
        &self,
        url: &str,
        patience: Duration,
        ended: &dyn Fn() -> Option<String>,
    ) -> std::result::Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let asked = self.cluster.run(|_| async move {
                let answer = timeout(ANSWER, get(url)).await;
                answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
            });
            let Err(reason) = asked.map_err(|error| error.to_string())? else {
                return Ok(());
            };
            if let Some(why) = ended() {
                return Err(why);
            }
            if Instant::now() >= deadline {
                let seconds = patience.as_secs();
                return Err(format!("no good answer at {url} within {seconds} s: {reason}"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

async fn get(url: &str) -> std::result::Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    let authority = uri.authority().ok_or("it names no host")?.clone();
    let port = authority.port_u16().unwrap_or(80);
    let words = |error: &dyn std::error::Error| crate::causes(error);
    let stream = TcpStream::connect((authority.host(), port))
        .await
        .map_err(|error| words(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| words(&error))?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header("host", authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| words(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| words(&error));
    connection.abort();
    let status = answer?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("it answers {status}"))
    }
}
