//! `deploy/both`: the two programs under one supervisor.
#![cfg(target_os = "linux")] // bash 5, as the image has it

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::ingest::workspace::Workspace;
use crate::programs::{self, ended, program, root};

/// The supervisor with a configuration, its log in `both.log`.
fn start(workspace: &Workspace, variables: &[(&str, &str)]) -> Child {
    let folder = program("lectern-serve").parent().expect("a folder").to_path_buf();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    let log = std::fs::File::create(workspace.root().join("both.log")).expect("a log");
    let mut command = Command::new(root().join("deploy/both"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("LECTERN_") {
            command.env_remove(variable);
        }
    }
    command.env("PATH", path).env("LECTERN_INDEX_URL", workspace.index()).envs(variables.iter().copied());
    command.current_dir(workspace.root()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("bash")
}

fn log(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.root().join("both.log")).expect("the log")
}

fn wait_until(workspace: &Workspace, said: &[&str]) {
    let started = std::time::Instant::now();
    while !said.iter().all(|said| log(workspace).contains(said)) {
        assert!(started.elapsed().as_secs() < 30, "waited in vain for {said:?}:\n{}", log(workspace));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn workspace() -> Workspace {
    let workspace = Workspace::with_documents(2);
    let settings = "[daemon]\nlisten = \"127.0.0.1:0\"\njitter_seconds = 0\n[serve]\nlisten = \"127.0.0.1:0\"\n\
                    [[source]]\nname = \"docs\"\nfolder = \"docs\"\n";
    std::fs::write(workspace.root().join("lectern.toml"), settings).expect("a file");
    workspace
}

#[test]
fn both_run_and_end_together() {
    let workspace = workspace();
    let mut both = start(&workspace, &[]);
    wait_until(&workspace, &["listening on http://", "health at http://", "synced"]);
    programs::signal(both.id(), "TERM");
    assert!(ended(&mut both).success(), "{}", log(&workspace));
    assert!(log(&workspace).contains("SIGTERM: ending"), "the daemon ended in its own time");
    workspace.verified();
}

#[test]
fn where_one_ends_the_other_does_too() {
    let workspace = workspace();
    let mut both = start(&workspace, &[("LECTERN_SERVE_LISTEN", "0.0.0.0:0")]);
    assert_eq!(ended(&mut both).code(), Some(2), "serve's own exit code");
    assert!(log(&workspace).contains("lectern-serve ended with exit code 2"), "{}", log(&workspace));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut both = start(&workspace, &[("LECTERN_DAEMON_LISTEN", &address)]);
    assert_eq!(ended(&mut both).code(), Some(2), "{}", log(&workspace));
    assert!(log(&workspace).contains("lectern-ingest ended with exit code 2"), "{}", log(&workspace));
}

#[test]
fn neither_gets_the_secrets_of_the_other() {
    let workspace = workspace();
    let secrets = [("LECTERN_TOKEN", "for-serve"), ("GITHUB_TOKEN", "for-ingest")];
    let mut both = start(&workspace, &secrets);
    wait_until(&workspace, &["listening on http://", "health at http://"]);
    let listed = Command::new("ps").args(["-o", "pid=,comm=", "--ppid", &both.id().to_string()]).output();
    let listed = String::from_utf8(listed.expect("ps").stdout).expect("text");
    let mut seen = 0;
    for line in listed.lines() {
        let (pid, name) = line.trim().split_once(' ').expect("an id and a name");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("its variables");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let serves = name.contains("serve");
        assert_eq!(environment.contains("for-serve"), serves, "{name}");
        assert_eq!(environment.contains("for-ingest"), !serves, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 2, "{listed}");
    programs::signal(both.id(), "TERM");
    assert!(ended(&mut both).success());
}
