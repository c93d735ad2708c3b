//! The exporter of metrics from outside: what a scrape costs, what the cluster is asked, and who is answered.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use juju_sim::{Deploy, Rights};
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::exporter::{WatchedApp, free_address, get, talk, until};
use system_tests::house::{SimulatedModel, UNIT};
use system_tests::velero::location;
use workload_charm::exporter::{PORT, Settings};

fn exported(backups: u32) -> WatchedApp {
    let mut app = WatchedApp::new(backups).unwrap();
    app.export(&Binaries::for_tests().unwrap().dispatch).unwrap();
    app
}

/// The number of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(series));
    lines.find_map(|rest| rest.strip_prefix(' '))?.parse().ok()
}

#[test]
fn a_hundred_backups_are_told_of_in_little_time_and_memory_and_few_requests() {
    let app = exported(100);
    let begun = Instant::now();
    let text = app.scrape().unwrap();
    let took = begun.elapsed();
    assert_eq!(
        value(&text, "config_backup_backups{verdict=\"good\"}"),
        Some(100.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "config_backup_last_success_bytes"),
        Some(52_428_800.0)
    );
    assert_eq!(value(&text, "config_backup_last_success_files"), Some(31.0));
    assert_eq!(value(&text, "config_backup_cluster_readable"), Some(1.0));
    let ended = app.newest.as_second() + 42;
    let series = "config_backup_last_success_timestamp_seconds{endpoint=\"velero-backup-config\"}";
    #[expect(clippy::cast_precision_loss, reason = "seconds are exact")]
    let ended = ended as f64;
    assert_eq!(value(&text, series), Some(ended));
    // The goals are those of what users get: `cargo xtask alerts` measures that. This is compiled for other ends.
    let (_, most) = app.resident().unwrap();
    assert!(took.as_millis() < 1000, "{took:?}");
    assert!(most < 60_000, "{most} kB");
    // All scrapes of a minute share one look.
    for _ in 0..5 {
        app.scrape().unwrap();
    }
    let requests = app.cluster.requests();
    let mut lists: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    // Pages are of 50: each list of a hundred is read in two.
    assert_eq!(lists.len(), 7, "{lists:#?}");
    lists.sort_unstable();
    lists.dedup();
    assert_eq!(lists.len(), 5, "{lists:#?}");
}

#[test]
fn where_the_cluster_cannot_be_read_it_says_so_and_serves() {
    let mut app = WatchedApp::new(2).unwrap();
    app.cluster.admit("charm", "token", Rights::Nothing);
    app.export(&Binaries::for_tests().unwrap().dispatch).unwrap();
    let text = app.scrape().unwrap();
    assert_eq!(value(&text, "config_backup_cluster_readable"), Some(0.0));
    assert!(text.contains("config_backup_exporter_info{"), "{text}");
    assert_eq!(value(&text, "config_backup_last_success_bytes"), None);
}

#[test]
fn what_is_wrong_in_the_cluster_is_told() {
    let mut app = WatchedApp::new(3).unwrap();
    app.cluster.put(location("default", "Unavailable")).unwrap();
    let [mut failed, _] = app.backup(0);
    failed["status"]["phase"] = json!("Failed");
    app.cluster.put(failed).unwrap();
    let mut schedule: Value = app.schedule();
    schedule["spec"]["paused"] = json!(true);
    app.cluster.put(schedule).unwrap();
    app.export(&Binaries::for_tests().unwrap().dispatch).unwrap();
    let text = app.scrape().unwrap();
    for (series, number) in [
        ("config_backup_storage_available", 0.0),
        ("config_backup_last_result{verdict=\"failed\"}", 1.0),
        ("config_backup_last_result{verdict=\"good\"}", 0.0),
        (
            "config_backup_schedule_state{endpoint=\"velero-backup-config\",state=\"paused\"}",
            1.0,
        ),
        (
            "config_backup_schedule_state{endpoint=\"velero-backup-config\",state=\"active\"}",
            0.0,
        ),
        ("config_backup_backups{verdict=\"good\"}", 2.0),
    ] {
        assert_eq!(value(&text, series), Some(number), "{series}");
    }
}

#[test]
fn one_page_is_served_to_whoever_asks_for_it_properly() {
    let mut app = WatchedApp::new(1).unwrap();
    let six = free_address((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
    let address = app
        .export_at(&Binaries::for_tests().unwrap().dispatch, six)
        .unwrap();
    assert_eq!(get(address, "/metrics").unwrap().0, 200);
    for (path, status) in [("/", 404), ("/metrics/", 404), ("/metrics?x=1", 200)] {
        assert_eq!(get(address, path).unwrap().0, status, "{path}");
    }
    let head = |request: &str| talk(address, request.as_bytes()).unwrap();
    let posted = head("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    assert!(head("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    // No more is read of it than fits.
    let long = format!(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let answer = talk(address, long.as_bytes()).unwrap_or_default();
    assert!(!answer.contains(" 200 "), "{answer}");
    // Eight who say nothing: the ninth is sent away, and when they have gone the next is served.
    let idle: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
    let refused = talk(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap_or_default();
    assert_eq!(refused, "");
    drop(idle);
    until("somebody is served again", || {
        get(address, "/metrics").ok().filter(|(status, _)| *status == 200)
    })
    .unwrap();
}

/// Whoever asks and goes at once does not make it ask the cluster again: one look a minute, whatever became of who asked for it.
#[test]
fn scrapers_that_go_before_the_answer_cost_the_cluster_no_more() {
    let mut app = WatchedApp::new(200).unwrap();
    let address = app.export(&Binaries::for_tests().unwrap().dispatch).unwrap();
    let mut gone = TcpStream::connect(address).unwrap();
    gone.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    until("it looks", || (!app.cluster.requests().is_empty()).then_some(())).unwrap();
    drop(gone);
    let text = until("somebody is served", || app.scrape().ok()).unwrap();
    assert_eq!(value(&text, "config_backup_cluster_readable"), Some(1.0));
    // A page holds 50: four of backups, four of their volumes, and three lists of one page.
    let requests = app.cluster.requests();
    assert_eq!(requests.len(), 11, "{requests:#?}");
}

#[test]
fn it_ends_when_it_is_not_to_run_any_more() {
    let mut app = exported(1);
    app.scrape().unwrap();
    Settings::remove(&app.charm_dir()).unwrap();
    // It looks when somebody asks.
    let _ = app.scrape();
    app.has_ended().unwrap();
}

/// Where the exporter of a simulated unit wrote down which process it is.
fn noted(folder: &Path) -> Option<(PathBuf, u32)> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.ends_with("exporter-process.json") {
                let process: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
                let pid = u32::try_from(process["pid"].as_u64()?).ok()?;
                return Some((path, pid));
            }
            if entry.file_type().ok()?.is_dir() {
                folders.push(path);
            }
        }
    }
    None
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
    state == Some(false)
}

#[test]
fn hooks_start_it_find_it_again_and_end_it_with_the_relation() {
    // There is one such port, and other tests may be run beside these.
    let lock = std::fs::File::create(std::env::temp_dir().join("configuratarr-exporter-test.lock")).unwrap();
    lock.lock().unwrap();
    let mut house = SimulatedModel::with_backups().unwrap();
    let root = house.charm_dir().parent().unwrap().to_owned();
    let scraper = root.join("scraper");
    std::fs::create_dir(&scraper).unwrap();
    let metadata = "name: prometheus\nsummary: scrapes\ndescription: scrapes\n\
                    requires:\n  metrics-endpoint:\n    interface: prometheus_scrape\n";
    std::fs::write(scraper.join("metadata.yaml"), metadata).unwrap();
    test_programs::write(&scraper.join("dispatch"), "#!/bin/sh\n").unwrap();
    house.juju.deploy(Deploy::new("prometheus", &scraper)).unwrap();
    assert_eq!(noted(&root), None);
    house
        .juju
        .integrate("radarr:metrics-endpoint", "prometheus")
        .unwrap();
    let address = (Ipv4Addr::LOCALHOST, PORT).into();
    let is_served = || get(address, "/metrics").ok().filter(|(status, _)| *status == 200);
    let (_, text) = until("the exporter is there", is_served).unwrap();
    assert!(text.contains("config_backup_exporter_info{"), "{text}");
    let (path, first) = noted(&root).unwrap();
    let directly = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // State, parent, process group, session: its own, not the hook's.
    let session = directly(first);
    let session: Vec<&str> = session.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!(session[3], first.to_string(), "{session:?}");
    // The next hooks leave it.
    house.juju.update_status(UNIT).unwrap();
    assert_eq!(noted(&root).unwrap().1, first);
    // One that is gone is started again.
    let kill = |pid: u32| {
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.unwrap().success());
        until("it is gone", || (!runs(pid)).then_some(())).unwrap();
    };
    kill(first);
    house.juju.update_status(UNIT).unwrap();
    until("it is there again", is_served).unwrap();
    let second = noted(&root).unwrap().1;
    assert_ne!(second, first);
    // One of another program than the charm's is replaced.
    let program = std::fs::read_link(format!("/proc/{second}/exe")).unwrap();
    test_programs::copy(&program, &program).unwrap();
    house.juju.update_status(UNIT).unwrap();
    let replaced = || {
        let (_, pid) = noted(&root)?;
        (pid != second && !runs(second) && is_served().is_some()).then_some(pid)
    };
    let third = until("the new program runs", replaced).unwrap();
    // A number that another process has by now is not ended.
    std::fs::write(&path, format!("{{\"pid\":{},\"started\":1}}", std::process::id())).unwrap();
    house
        .juju
        .remove_relation("radarr:metrics-endpoint", "prometheus:metrics-endpoint")
        .unwrap();
    assert_eq!(noted(&root), None);
    // It ends by itself, since it is told nothing any more: when it is asked, or within a minute.
    let ended = || {
        let _ = get(address, "/metrics");
        (!runs(third)).then_some(())
    };
    until("it has ended", ended).unwrap();
}
