//! A Qdrant of the test's own: started, killed, started again with what it had.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::programs;

/// Longest time Qdrant may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Qdrant with its data in a temporary folder; killed when dropped.
pub(super) struct Qdrant {
    program: String,
    folder: tempfile::TempDir,
    host: String,
    ports: (u16, u16),
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Qdrant {
    /// Starts the program of `LECTERN_TEST_QDRANT_BIN` with further variables of its environment;
    /// `None` where that is not set.
    pub(super) fn start(variables: &[(&str, &str)]) -> Option<Self> {
        let program = std::env::var("LECTERN_TEST_QDRANT_BIN").ok()?;
        let named = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted);
        let host = named("QDRANT__SERVICE__HOST").map_or("127.0.0.1", |(_, host)| *host).to_owned();
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let mut own = Self {
            program,
            folder: tempfile::tempdir().expect("a temporary folder"),
            host,
            ports: (free_port(), free_port()),
            variables: variables.collect(),
            child: None,
        };
        own.restart();
        Some(own)
    }

    /// Has it end with the tests: what is in a static is never dropped.
    #[expect(clippy::zombie_processes, reason = "who watches the tests outlives them")]
    pub(super) fn ends_with_the_tests(&self) {
        let Some(child) = &self.child else { return };
        let watch = "while kill -0 $0 2>/dev/null; do sleep 1; done; kill -9 $1";
        let mut watcher = Command::new("sh");
        watcher.args(["-c", watch, &std::process::id().to_string(), &child.id().to_string()]);
        watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        watcher.spawn().expect("sh runs");
    }

    /// Its gRPC address.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.has_tls() { "https" } else { "http" }, self.address(self.ports.1))
    }

    fn has_tls(&self) -> bool {
        self.variables.iter().any(|(name, _)| name == "QDRANT__SERVICE__ENABLE_TLS")
    }

    fn address(&self, port: u16) -> String {
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }

    /// Kills it, as a crash of its machine would.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            programs::signal(child.id(), "KILL");
            child.wait().expect("a child");
        }
    }

    /// Starts it where it is not running, and waits until it answers.
    pub(super) fn restart(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(&self.program);
        command
            .current_dir(folder)
            .env("QDRANT__SERVICE__HOST", &self.host)
            .env("QDRANT__SERVICE__HTTP_PORT", self.ports.0.to_string())
            .env("QDRANT__SERVICE__GRPC_PORT", self.ports.1.to_string())
            .env("QDRANT__STORAGE__STORAGE_PATH", folder.join("storage"))
            .env("QDRANT__STORAGE__SNAPSHOTS_PATH", folder.join("snapshots"))
            .env("QDRANT__TELEMETRY_DISABLED", "true")
            .env("QDRANT__LOG_LEVEL", "WARN")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("the program of LECTERN_TEST_QDRANT_BIN starts"));
        let started = Instant::now();
        // Whoever speaks TLS finds out by itself when it is ready.
        let is_ready = || match self.has_tls() {
            true => TcpStream::connect(self.address(self.ports.1)).is_ok(),
            false => answers(&self.address(self.ports.0), "/readyz"),
        };
        while !is_ready() {
            assert!(started.elapsed() < PATIENCE, "Qdrant does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Qdrant {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nothing listens on.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Whether a page is there.
fn answers(host: &str, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(host) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let read = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    read.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A client with the key of the tests' Qdrant.
pub(super) fn client(url: &str) -> qdrant_client::Qdrant {
    let key = std::env::var("LECTERN_TEST_QDRANT_API_KEY").ok();
    let client = qdrant_client::Qdrant::from_url(url).api_key(key).timeout(Duration::from_secs(30));
    client.skip_compatibility_check().build().expect("a client")
}

/// Runs a future to its end.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

/// Removes all collections whose names begin so.
pub(super) fn remove(url: &str, prefix: &str) {
    wait(async {
        let client = client(url);
        let Ok(all) = client.list_collections().await else { return };
        for found in all.collections.into_iter().filter(|found| found.name.starts_with(prefix)) {
            let _ = client.delete_collection(found.name).await;
        }
    });
}
