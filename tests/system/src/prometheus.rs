//! A real Prometheus, as Debian packages it, that scrapes exporters each second and has the charm's rules.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::exporter::{free_address, get, until};

/// What is scraped, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Scraped<'a> {
    /// Name of the job.
    pub job: &'a str,
    /// The exporters.
    pub targets: &'a [Target],
    /// A file with rules.
    pub rules: &'a Path,
}

/// One exporter.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Labels that each of its series is given.
    pub labels: BTreeMap<String, String>,
}

impl Scraped<'_> {
    /// Writes the configuration of a Prometheus for it into this folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configuration(&self, folder: &Path) -> Result<PathBuf> {
        let Self { job, targets, rules } = self;
        let targets: Vec<Value> = targets
            .iter()
            .map(|Target { address, labels }| json!({"targets": [address.to_string()], "labels": labels}))
            .collect();
        let configuration = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": job,
                "static_configs": targets,
            }],
        });
        let file = folder.join("prometheus.yaml");
        fs::write(&file, configuration.to_string())?;
        Ok(file)
    }
}

/// One that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one with this configuration, and waits until it can be asked. What it keeps and what it logs goes into the folder.
    ///
    /// # Errors
    /// When it cannot be started, or does not get ready.
    pub fn start(folder: &Path, configuration: &Path) -> Result<Self> {
        let address = free_address((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("series").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("prometheus.log"))?)
            .spawn()
            .context("cannot start prometheus")?;
        let started = Self { child, address };
        let is_ready = || {
            let found = get(address, "/-/ready").ok();
            found.filter(|(status, _)| *status == 200)
        };
        until("prometheus is ready", is_ready)?;
        Ok(started)
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let (status, text) = get(self.address, path)?;
        ensure!(status == 200, "prometheus says {status} to {path}: {text}");
        let answer: Value = serde_json::from_str(&text)?;
        Ok(answer["data"].clone())
    }

    /// What a query finds.
    ///
    /// # Errors
    /// When it is refused.
    pub fn query(&self, query: &str) -> Result<Vec<Value>> {
        self.found(&format!("/api/v1/query?query={}", encoded(query)))
    }

    /// What it finds at this time.
    ///
    /// # Errors
    /// When it is refused.
    pub fn query_at(&self, query: &str, at: Timestamp) -> Result<Vec<Value>> {
        let (query, at) = (encoded(query), at.as_second());
        self.found(&format!("/api/v1/query?query={query}&time={at}"))
    }

    /// What it finds from one time to another, at each step of so many seconds.
    ///
    /// # Errors
    /// When it is refused.
    pub fn query_range(
        &self,
        query: &str,
        (from, to): (Timestamp, Timestamp),
        step: i64,
    ) -> Result<Vec<Value>> {
        let (query, from, to) = (encoded(query), from.as_second(), to.as_second());
        self.found(&format!(
            "/api/v1/query_range?query={query}&start={from}&end={to}&step={step}"
        ))
    }

    fn found(&self, path: &str) -> Result<Vec<Value>> {
        let data = self.ask(path)?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a query finds something.
    ///
    /// # Errors
    /// When it finds nothing in time.
    pub fn finds(&self, query: &str) -> Result<()> {
        until(query, || self.query(query).ok().filter(|found| !found.is_empty())).map(drop)
    }

    /// The alerts that are raised, or will be when what they tell of lasts.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let data = self.ask("/api/v1/alerts")?;
        Ok(data["alerts"].as_array().cloned().unwrap_or_default())
    }

    /// The states of these, by name.
    ///
    /// # Errors
    /// As [`Prometheus::alerts`].
    pub fn raised(&self) -> Result<BTreeMap<String, String>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = self.alerts()?;
        Ok(all
            .iter()
            .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"])))
            .collect())
    }
}

/// A query as a URL takes it.
fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
