//! `lectern-ingest daemon`, on the clock.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::mend::damage;
use super::workspace::{Workspace, page};
use crate::programs;

/// Longest wait for something that a schedule of seconds does.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Daemon {
    child: Child,
    health: String,
}

impl Daemon {
    /// Runs the configuration in `lectern.toml`.
    pub(crate) fn start(workspace: &Workspace) -> Self {
        let mut command = workspace.ingest(&["daemon", "--set", "daemon.listen=127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a child");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            rest.split_once('/').map(|(address, _)| address.to_owned())
        });
        // Whoever logs must find somebody who reads.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, health: address.expect("the daemon says where its health is") }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.health).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// What it says of a source.
    pub(crate) fn source(&self, name: &str) -> Value {
        let (_, body) = self.get("/health");
        serde_json::from_str::<Value>(&body).expect("JSON")["sources"][name].clone()
    }

    /// Ends it by SIGTERM.
    pub(crate) fn end(mut self) {
        programs::signal(self.child.id(), "TERM");
        assert!(programs::ended(&mut self.child).success(), "SIGTERM ends it cleanly");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One source, `docs`.
pub(crate) fn configure(workspace: &Workspace, schedule: &str, more: &str) {
    let text = format!(
        "[[source]]\nname = \"docs\"\nfolder = \"docs\"\nschedule = \"{schedule}\"\n[daemon]\njitter_seconds = 0\nretry_seconds = 1\n{more}"
    );
    std::fs::write(workspace.root().join("lectern.toml"), text).expect("a file");
}

#[test]
fn sources_are_synced_when_due_and_caught_up_at_the_start() {
    synced_when_due(&Workspace::with_documents(3));
}

/// Three documents, in the index of this workspace.
pub(crate) fn synced_when_due(workspace: &Workspace) {
    // Due once a year: only catching up can have synced it.
    configure(workspace, "0 0 0 1 1 *", "");
    let daemon = Daemon::start(workspace);
    wait_for("the first sync", || daemon.source("docs")["last_exit_code"] == 0);
    assert_eq!(daemon.get("/livez").0, 200);
    assert_eq!(daemon.get("/health").0, 200);
    daemon.end();
    assert_eq!(workspace.export(), workspace.fresh_export());
    let daemon = Daemon::start(workspace);
    std::thread::sleep(Duration::from_millis(500));
    assert!(daemon.source("docs")["last_exit_code"].is_null(), "nothing was missed");
    daemon.end();

    configure(workspace, "* * * * * *", "");
    let daemon = Daemon::start(workspace);
    workspace.write("part0/page0000.md", page(0, 7));
    // An export that the sync overtakes fails, and has some of it.
    wait_for("a sync on schedule", || workspace.run(&["export"]).1.contains("version7"));
    // A run is counted when it has ended, a moment after it has published.
    for metric in ["documents{source=\"docs\"} 3", "runs_total{source=\"docs\",exit_code=\"0\"}"] {
        let metric = format!("lectern_ingest_{metric}");
        wait_for(&metric, || daemon.get("/metrics").1.contains(&metric));
    }
    daemon.end();
    let (_, status, _) = workspace.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    assert!(
        status["sources"][0]["next_run"].is_string()
            && status["sources"][0]["runs"].as_array().is_some_and(|runs| runs.len() > 1)
    );
}

#[test]
fn an_index_whose_making_was_cut_short_is_made() {
    let workspace = Workspace::with_documents(3);
    configure(&workspace, "0 0 0 1 1 *", "");
    // What SQLite has before there is a table.
    damage(&workspace, "PRAGMA journal_mode = WAL; CREATE TABLE a (b); DROP TABLE a");
    assert!(std::fs::metadata(workspace.index()).is_ok_and(|file| file.len() > 0));
    let daemon = Daemon::start(&workspace);
    wait_for("the first sync", || daemon.source("docs")["last_exit_code"] == 0);
    daemon.end();
    assert_eq!(workspace.export(), workspace.fresh_export());
}

#[test]
fn failures_are_told_and_tried_again() {
    let hook = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", hook.local_addr().expect("an address"));
    let (told, events) = mpsc::channel::<Value>();
    std::thread::spawn(move || {
        for stream in hook.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .expect("an answer");
            if told.send(serde_json::from_slice(&body).expect("JSON")).is_err() {
                return;
            }
        }
    });
    let workspace = Workspace::with_documents(3);
    configure(&workspace, "0 0 0 1 1 *", &format!("webhook_url = \"{url}\"\n"));
    let away = workspace.root().join("away");
    std::fs::rename(workspace.docs(), &away).expect("a rename");
    let daemon = Daemon::start(&workspace);
    let failed = events.recv_timeout(PATIENCE).expect("the failure is told");
    assert_eq!((&failed["event"], &failed["report"]["exit_code"]), (&"failed".into(), &4.into()));
    // Due once a year, but tried again after a second.
    std::fs::rename(&away, workspace.docs()).expect("a rename");
    let recovered =
        std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).find(|event| event["event"] == "recovered");
    let recovered = recovered.expect("the recovery is told");
    assert_eq!(recovered["report"]["documents"]["total"], 3);
    daemon.end();
}

#[test]
fn the_next_run_is_the_retry_of_one_that_failed() {
    let workspace = Workspace::with_documents(3);
    // Due once a year.
    configure(&workspace, "0 0 0 1 1 *", "");
    let configured = |arguments: &[&str]| {
        let (code, out, error) = workspace.run(&[arguments, &["--json"]].concat());
        let object: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
        (code, object)
    };
    assert_eq!(configured(&["sync"]).0, 0);
    std::fs::rename(workspace.docs(), workspace.root().join("away")).expect("a rename");
    assert_eq!(configured(&["sync"]).0, 4);
    let text = std::fs::read_to_string(workspace.root().join("lectern.toml")).expect("the configuration");
    let later = text.replace("retry_seconds = 1", "retry_seconds = 600");
    std::fs::write(workspace.root().join("lectern.toml"), later).expect("a file");
    let (_, status) = configured(&["status"]);
    let next: chrono::DateTime<chrono::Utc> =
        status["sources"][0]["next_run"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    let wait = (next - chrono::Utc::now()).num_seconds();
    assert!((0..=600).contains(&wait), "{wait} s");
    // A daemon that is started now keeps to it.
    let daemon = Daemon::start(&workspace);
    assert_eq!(daemon.source("docs")["next_run"], status["sources"][0]["next_run"]);
    daemon.end();
}

#[test]
fn another_sync_is_waited_for() {
    let workspace = Workspace::with_documents(3);
    workspace.synced(&[]);
    let lock = std::fs::File::open(workspace.root().join("lectern.db.lock")).expect("the lock's file");
    lock.lock().expect("nobody holds it");
    configure(&workspace, "* * * * * *", "");
    let daemon = Daemon::start(&workspace);
    wait_for("a run that finds the lock taken", || daemon.source("docs")["last_exit_code"] == 7);
    let waiting = daemon.source("docs");
    assert_eq!((&waiting["failures_in_a_row"], &waiting["status"]), (&0.into(), &"ok".into()), "{waiting}");
    assert!(!daemon.get("/metrics").1.contains("exit_code=\"7\""), "it is no run");
    lock.unlock().expect("it was held");
    wait_for("a run that does not", || daemon.source("docs")["last_exit_code"] == 0);
    daemon.end();
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let workspace = Workspace::with_documents(1);
    configure(&workspace, "every day", "");
    let (code, _, error) = workspace.run(&["daemon"]);
    assert_eq!(code, 2);
    assert!(error.contains("every day") && error.contains("docs"), "{error}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    configure(
        &workspace,
        "0 0 0 1 1 *",
        &format!("listen = \"{}\"\n", taken.local_addr().expect("an address")),
    );
    let (code, _, error) = workspace.run(&["daemon"]);
    assert_eq!(code, 2);
    assert!(error.contains("daemon.listen"), "{error}");
}
