//! Invariant 6: serve cannot write. It runs as a user who may write neither the index nor its folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::client::{ask, connect};
use crate::programs::{Server, command, corpora, ended, small_corpus, sync};

/// A folder whose index is about to be read by somebody who cannot write to it.
struct Locked {
    folder: tempfile::TempDir,
    index: PathBuf,
}

impl Locked {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let index = folder.path().join("index.db");
        Self { folder, index }
    }

    fn permit(&self, folder: u32, file: u32) {
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            std::fs::set_permissions(path, Permissions::from_mode(file)).expect("permissions");
        }
        std::fs::set_permissions(self.folder.path(), Permissions::from_mode(folder)).expect("permissions");
    }

    /// Content of the index's files that hold data.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            // Shared memory holds readers' locks, no data.
            .filter(|path| !path.to_string_lossy().ends_with("-shm"))
            .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.permit(0o755, 0o644);
    }
}

/// Serves an index as `nobody`, where this test may choose that.
fn serve_as_nobody(index: &Path) -> Server {
    let mut serve = command("lectern-serve");
    serve.arg("--index").arg(index).args(["--listen", "127.0.0.1:0"]);
    let id = Command::new("id").arg("-u").output().expect("id runs").stdout;
    if id.trim_ascii() == b"0" {
        serve.uid(65534).gid(65534);
    }
    Server::spawn(serve)
}

/// Goes every way through serve that reads the index.
async fn exercise(server: &Server) {
    let client = connect(server).await;
    let (found, _) = ask(&client, "search_docs", json!({"query": "install", "max_results": 50})).await;
    let hit = &found["results"][0];
    ask(&client, "fetch_doc", json!({"path": hit["path"], "source": hit["source"]})).await;
    ask(&client, "list_docs", json!({})).await;
    ask(&client, "get_index_status", json!({})).await;
    for path in ["/health", "/metrics"] {
        let response = reqwest::get(server.url(path)).await.expect("a response");
        assert_eq!(response.status().as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn an_index_of_a_finished_ingest_is_read_and_left_alone() {
    let locked = Locked::new();
    sync(&locked.index, &[&small_corpus()]);
    locked.permit(0o555, 0o444);
    let before = locked.content();
    exercise(&serve_as_nobody(&locked.index)).await;
    assert!(locked.content() == before, "serve changed the index");
}

#[tokio::test]
async fn an_index_of_a_killed_ingest_is_read_and_left_alone() {
    let locked = Locked::new();
    sync(&locked.index, &[&small_corpus()]);
    for after in [20, 100, 250] {
        let mut ingest = command("lectern-ingest");
        ingest.arg("sync").args(corpora()).arg("--index").arg(&locked.index);
        let mut ingest = ingest.stderr(std::process::Stdio::null()).spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(after));
        let _ = ingest.kill();
        ended(&mut ingest);
        locked.permit(0o555, 0o444);
        let before = locked.content();
        exercise(&serve_as_nobody(&locked.index)).await;
        assert!(locked.content() == before, "serve changed the index");
        locked.permit(0o755, 0o644);
    }
}

#[tokio::test]
async fn an_index_of_a_running_ingest_is_read() {
    let locked = Locked::new();
    sync(&locked.index, &[&small_corpus()]);
    // Readable by others, writable by whoever runs ingest.
    locked.permit(0o755, 0o644);
    let server = serve_as_nobody(&locked.index);
    let mut ingest = command("lectern-ingest");
    ingest.arg("sync").args(corpora()).arg("--index").arg(&locked.index);
    ingest.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut ingest = ingest.spawn().expect("the program starts");
    let mut rounds = 0;
    while ingest.try_wait().expect("a child").is_none() {
        exercise(&server).await;
        rounds += 1;
    }
    exercise(&server).await;
    assert!(rounds > 0, "ingest was too fast");
    assert!(ended(&mut ingest).success());
}
