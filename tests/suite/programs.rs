//! The real programs, built once and run as processes; and the corpora they run on.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Longest time a program may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace above this package")
}

/// One of the workspace's programs; the first caller has them built (cargo builds no binaries of
/// other packages for a test).
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        // Every test that talks HTTP has started a program first. reqwest wants to know this even
        // where nothing is encrypted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // target/PROFILE/deps/suite-…
        let test = std::env::current_exe().expect("the path of this test");
        let folder = test.ancestors().nth(2).expect("target/PROFILE").to_path_buf();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // With a test beside them the programs share the features, so the dependencies, of the tests:
        // without one, all of these would compile once more.
        cargo.args(["build", "--quiet", "--workspace", "--bins", "--test", "suite"]).current_dir(root());
        cargo.arg("--target-dir").arg(folder.parent().expect("target"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        // What cargo says of this package to its tests would make build scripts (ring's) run again,
        // and everything above them compile again, each time.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&variable);
            }
        }
        assert!(cargo.status().expect("cargo runs").success(), "the programs do not build");
        folder
    });
    folder.join(name)
}

/// A command for a program that sees none of the settings of whoever runs the tests.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("LECTERN_") {
            command.env_remove(variable);
        }
    }
    // A Qdrant of somebody's own may have keys.
    let key = if name == "lectern-serve" { "READ_ONLY_KEY" } else { "API_KEY" };
    if let Ok(key) = std::env::var(format!("LECTERN_TEST_QDRANT_{key}")) {
        command.env("QDRANT_API_KEY", key);
    }
    // No .env and no lectern.toml are found from here.
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Runs a program with arguments and gives its exit code, standard output and standard error.
pub(crate) fn output(name: &str, arguments: &[&str]) -> (i32, String, String) {
    text(run(command(name).args(arguments)))
}

/// Exit code, standard output and standard error.
pub(crate) fn text(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs write UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Syncs folders into an index.
pub(crate) fn sync(index: &Path, folders: &[&Path]) {
    let mut ingest = command("lectern-ingest");
    ingest.arg("sync").args(folders).arg("--index").arg(index);
    let (code, _, error) = text(run(&mut ingest));
    assert_eq!(code, 0, "{error}");
}

/// Folders of real documentation: below `LECTERN_CORPORA`, else `shared/corpora` beside the
/// repository, else our own.
pub(crate) fn corpora() -> Vec<PathBuf> {
    let named = std::env::var_os("LECTERN_CORPORA").map(PathBuf::from);
    let beside =
        root().ancestors().map(|folder| folder.join("shared/corpora")).find(|folder| folder.is_dir());
    let real: Vec<PathBuf> = named
        .or(beside)
        .map(|folder| ["rust-book", "astro"].map(|name| folder.join(name)).to_vec())
        .unwrap_or_default();
    if real.iter().all(|folder| folder.is_dir()) && !real.is_empty() {
        real
    } else {
        vec![root().join("docs")]
    }
}

/// A corpus of three documents.
pub(crate) fn small_corpus() -> PathBuf {
    root().join("tests/protocol/corpus")
}

/// An index of all corpora, made once.
pub(crate) fn corpora_index() -> &'static Path {
    static INDEX: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = INDEX.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("corpora.db");
        let folders = corpora();
        sync(&path, &folders.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        (folder, path)
    });
    path
}

/// A `lectern-serve` that listens on a free port of the loopback interface; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Serves an index.
    pub(crate) fn start(index: &Path) -> Self {
        Self::with(index, &[], &HashMap::new())
    }

    /// Serves an index with further arguments and variables.
    pub(crate) fn with(index: &Path, arguments: &[&str], variables: &HashMap<&str, &str>) -> Self {
        let mut command = command("lectern-serve");
        command.arg("--index").arg(index).args(["--listen", "127.0.0.1:0"]).args(arguments);
        command.envs(variables);
        Self::spawn(command)
    }

    /// Starts a command that serves, and waits until it says where.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::<Mutex<String>>::default();
        collect(child.stderr.take().expect("a pipe"), log.clone());
        let mut server = Self { child, address: String::new(), log };
        let started = Instant::now();
        while server.address.is_empty() {
            let log = server.log();
            let after = log.split("listening on http://").nth(1);
            if let Some((address, _)) = after.and_then(|rest| rest.split_once("/mcp")) {
                server.address = address.to_owned();
            } else if let Some(status) = server.child.try_wait().expect("a child") {
                panic!("lectern-serve ended with {status}:\n{log}");
            } else {
                assert!(started.elapsed() < PATIENCE, "lectern-serve does not say where it listens:\n{log}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        server
    }

    /// Address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Sends a signal (`TERM`, `INT`).
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stderr: ChildStderr, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr);
        let mut line = String::new();
        while lines.by_ref().read_line(&mut line).is_ok_and(|read| read > 0) {
            log.lock().expect("the log").push_str(&line);
            line.clear();
        }
    });
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "the process is gone already");
}

/// Waits until a child has ended.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "the program does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}
