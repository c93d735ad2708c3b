//! An S3 server on a plain folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::NODE_ADDRESS;
use super::processes::Processes;
use crate::parts::Parts;
use crate::wait;

/// Name of the account. It opens a server that only these namespaces can reach.
const ACCESS_KEY: &str = "e2e";
/// Its password.
const SECRET_KEY: &str = "e2e-e2e-e2e";
/// Where the server listens.
const PORT: u16 = 7070;
/// The bucket of the Velero that every bed has.
pub const BUCKET: &str = "backups";
/// The name that the server gives its region.
pub const REGION: &str = "us-east-1";

/// Address of the server.
pub fn url() -> String {
    format!("http://{NODE_ADDRESS}:{PORT}")
}

/// The account as Velero's plugin reads it.
pub fn credentials() -> String {
    format!("[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n")
}

/// The folder whose folders are the buckets.
fn buckets(folder: &Path) -> PathBuf {
    folder.join("s3")
}

/// Makes an empty bucket, which is a folder to this server. One that is there stays as it is.
pub fn make_bucket(folder: &Path, name: &str) -> Result<()> {
    std::fs::create_dir_all(buckets(folder).join(name)).with_context(|| format!("cannot make bucket {name}"))
}

/// Starts the server and waits until it listens.
pub async fn start(parts: &Parts, folder: &Path, processes: &mut Processes) -> Result<()> {
    let buckets = buckets(folder);
    std::fs::create_dir_all(&buckets).context("cannot make the folder of the buckets")?;
    processes.start(
        "versitygw",
        Command::new(parts.program("versitygw"))
            .args(["--port", &format!("{NODE_ADDRESS}:{PORT}"), "--region", REGION])
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "posix"])
            .arg(&buckets),
    )?;
    wait::until("the S3 server listens", Duration::from_secs(30), || {
        let checked = processes.check();
        async move {
            checked?;
            Ok(tokio::net::TcpStream::connect((NODE_ADDRESS, PORT))
                .await
                .ok()
                .map(drop))
        }
    })
    .await
}
