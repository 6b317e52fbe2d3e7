//! `fly*.toml`, read with strict types and by flyctl's own rules (its `internal/appconfig`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{effective, grace, image_environment, port, seconds, stages};
use crate::programs::root;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    app: String,
    primary_region: String,
    kill_signal: String,
    kill_timeout: String,
    build: Build,
    deploy: Deploy,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    processes: BTreeMap<String, String>,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    mounts: Vec<Mount>,
    http_service: Option<HttpService>,
    #[serde(default)]
    checks: BTreeMap<String, Check>,
    #[serde(default)]
    restart: Vec<Restart>,
    vm: Vec<Machine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Build {
    build_target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deploy {
    strategy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    guest_path: String,
    local_path: String,
    #[serde(default)]
    processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mount {
    source: String,
    destination: String,
    initial_size: String,
    snapshot_retention: u32,
    #[serde(default)]
    processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpService {
    internal_port: u64,
    force_https: bool,
    auto_stop_machines: String,
    auto_start_machines: bool,
    min_machines_running: u32,
    concurrency: Concurrency,
    #[serde(default)]
    checks: Vec<Check>,
    #[serde(default)]
    processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Concurrency {
    r#type: String,
    soft_limit: usize,
    hard_limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    r#type: Option<String>,
    port: Option<u64>,
    method: String,
    path: String,
    interval: String,
    timeout: String,
    grace_period: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    policy: String,
    #[serde(default)]
    processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    size: String,
    memory: String,
    #[serde(default)]
    processes: Vec<String>,
}

fn need(condition: bool, message: impl Into<String>) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message.into()) }
}

/// What is wrong with a file, if anything is.
fn judge(text: &str) -> Result<(), String> {
    let fly: App = toml::from_str(text).map_err(|error| error.to_string())?;
    let letters = |name: &str, more: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
    };
    need(letters(&fly.app, "-"), "app: small letters, digits and dashes")?;
    need(fly.primary_region.len() == 3, "primary_region: three letters")?;
    need(["SIGTERM", "SIGINT"].contains(&fly.kill_signal.as_str()), "kill_signal: one the programs know")?;
    let kill = seconds(&fly.kill_timeout)?;
    need(kill > grace() && kill <= 300, "kill_timeout: longer than the programs' grace, at most 5 minutes")?;
    let target = &fly.build.build_target;
    need(stages().iter().any(|(name, _)| name == target), "build-target: a stage of the Dockerfile")?;
    let strategy = fly.deploy.strategy.as_str();
    need(["canary", "rolling", "immediate", "bluegreen"].contains(&strategy), "deploy.strategy")?;
    need(
        fly.mounts.is_empty() || !["canary", "bluegreen"].contains(&strategy),
        "deploy.strategy: a volume is at one machine, so there is no second one beside it",
    )?;

    let mut environment = image_environment(target);
    environment.extend(fly.env.clone());
    let config = effective(&environment)?;
    if let Some(service) = &fly.http_service {
        judge_service(service, strategy)?;
        let listen = &config.serve.listen;
        need(service.internal_port == port(listen), format!("internal_port: serve listens on {listen}"))?;
        need(!listen.starts_with("127."), "serve.listen: Fly's proxy does not reach the loopback interface")?;
        need(
            service.concurrency.hard_limit <= config.serve.max_concurrent,
            "hard_limit: above serve.max_concurrent",
        )?;
        let public = format!("{}.fly.dev", fly.app);
        need(config.serve.allowed_hosts.contains(&public), format!("serve.allowed_hosts: without {public}"))?;
        need(
            target != "all" || service.auto_stop_machines == "off",
            "auto_stop_machines: it would stop the daemon",
        )?;
    }
    for (name, check) in &fly.checks {
        judge_check(check)?;
        need(matches!(check.r#type.as_deref(), Some("http" | "tcp")), format!("checks.{name}: http or tcp"))?;
        need(check.port == Some(port(&config.daemon.listen)), format!("checks.{name}: the daemon's port"))?;
        need(!config.daemon.listen.starts_with("127."), "daemon.listen: the check does not reach it")?;
    }
    for mount in &fly.mounts {
        need(letters(&mount.source, "_"), "mounts.source: small letters, digits and underlines")?;
        need(mount.destination.len() > 1 && mount.destination.starts_with('/'), "mounts.destination")?;
        let size = mount.initial_size.strip_suffix("gb").and_then(|size| size.parse::<u32>().ok());
        need(size.is_some_and(|size| size >= 1), "mounts.initial_size: from 1gb")?;
        need((1..=60).contains(&mount.snapshot_retention), "mounts.snapshot_retention: 1 to 60 days")?;
    }
    if let Some(path) = config.index.url.strip_prefix("sqlite://") {
        let kept = fly.mounts.iter().any(|mount| path.starts_with(&format!("{}/", mount.destination)));
        need(kept, "index.url: outside of the volume, so it is lost at every deploy")?;
    }
    for file in &fly.files {
        need(
            file.guest_path.starts_with('/') && !file.local_path.is_empty(),
            "files: guest_path and local_path",
        )?;
    }
    for restart in &fly.restart {
        need(["always", "never", "on-failure"].contains(&restart.policy.as_str()), "restart.policy")?;
    }
    for machine in &fly.vm {
        let sizes = ["shared-cpu-1x", "shared-cpu-2x", "shared-cpu-4x", "performance-1x", "performance-2x"];
        need(sizes.contains(&machine.size.as_str()), "vm.size")?;
        let megabytes = machine.memory.strip_suffix("mb").and_then(|memory| memory.parse::<u32>().ok());
        need(megabytes.is_some_and(|memory| memory > 0 && memory % 256 == 0), "vm.memory: steps of 256mb")?;
    }
    judge_processes(&fly)
}

fn judge_service(service: &HttpService, strategy: &str) -> Result<(), String> {
    need(service.force_https, "force_https: the token would be sent in the clear")?;
    need(["off", "stop", "suspend"].contains(&service.auto_stop_machines.as_str()), "auto_stop_machines")?;
    need(service.auto_start_machines && service.min_machines_running > 0, "a server is always on")?;
    let Concurrency { r#type, soft_limit, hard_limit } = &service.concurrency;
    need(["requests", "connections"].contains(&r#type.as_str()), "concurrency.type")?;
    need(0 < *soft_limit && soft_limit <= hard_limit, "concurrency: soft_limit is not above hard_limit")?;
    need(strategy != "bluegreen" || !service.checks.is_empty(), "bluegreen needs a check")?;
    service.checks.iter().try_for_each(|check| {
        need(check.r#type.is_none() && check.port.is_none(), "http_service.checks have no type and no port")?;
        judge_check(check)
    })
}

fn judge_check(check: &Check) -> Result<(), String> {
    need(check.method == "GET", "check: both programs answer GET")?;
    need(["/health", "/livez"].contains(&check.path.as_str()), "check: a path that both programs answer")?;
    let (interval, timeout, grace) =
        (seconds(&check.interval)?, seconds(&check.timeout)?, seconds(&check.grace_period)?);
    need(
        (2..=60).contains(&interval) && (1..=60).contains(&timeout),
        "check: interval 2s to 60s, timeout 1s to 60s",
    )?;
    need(timeout < interval, "check: a timeout as long as the interval")?;
    need((1..=60).contains(&grace), "check: grace_period 1s to 60s")
}

/// Whatever names a process names one there is; without `[processes]` there is `app` alone.
fn judge_processes(fly: &App) -> Result<(), String> {
    let known = |name: &String| {
        if fly.processes.is_empty() { name == "app" } else { fly.processes.contains_key(name) }
    };
    let named = fly.files.iter().flat_map(|file| &file.processes);
    let named = named.chain(fly.mounts.iter().flat_map(|mount| &mount.processes));
    let named = named.chain(fly.restart.iter().flat_map(|restart| &restart.processes));
    let named = named.chain(fly.vm.iter().flat_map(|machine| &machine.processes));
    let service = fly.http_service.iter().flat_map(|service| &service.processes);
    if let Some(unknown) = named.chain(service).find(|name| !known(name)) {
        return Err(format!("there is no process {unknown}"));
    }
    let served = fly.http_service.as_ref().is_none_or(|service| !service.processes.is_empty());
    need(fly.processes.is_empty() || served, "http_service says which processes it leads to")
}

#[test]
fn the_files_are_what_fly_takes_and_the_programs_know() {
    let entries = std::fs::read_dir(root()).expect("the workspace");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let files: Vec<String> =
        names.filter(|name| name.starts_with("fly") && name.ends_with(".toml")).collect();
    assert!(files.contains(&"fly.toml".to_owned()), "{files:?}");
    for file in files {
        let judged = judge(&super::read(&file));
        assert_eq!(judged, Ok(()), "{file}");
    }
}

#[test]
fn what_would_not_work_is_found() {
    let good = super::read("fly.toml");
    for (from, to, says) in [
        ("kill_timeout", "kil_timeout", "unknown field `kil_timeout`"),
        ("kill_timeout = \"15s\"", "kill_timeout = \"10s\"", "kill_timeout"),
        ("build-target = \"all\"", "build-target = \"both\"", "build-target"),
        ("strategy = \"rolling\"", "strategy = \"bluegreen\"", "deploy.strategy"),
        ("strategy = \"rolling\"", "strategy = \"careful\"", "deploy.strategy"),
        ("LECTERN_INDEX_URL", "LECTERN_INDEX_ULR", "LECTERN_INDEX_ULR"),
        ("LECTERN_INDEX_URL", "LECTERN_TOKEN", "a secret"),
        ("LECTERN_INDEX_URL", "INDEX_URL", "read by no program"),
        ("sqlite:///data/lectern.db", "sqlite:///tmp/lectern.db", "lost at every deploy"),
        ("[\"lectern.fly.dev\"]", "[\"docs.example.com\"]", "allowed_hosts"),
        ("internal_port = 8080", "internal_port = 8081", "internal_port"),
        ("port = 8081", "port = 8080", "the daemon's port"),
        ("\"[::]:8081\"", "\"127.0.0.1:8081\"", "does not reach"),
        ("auto_stop_machines = \"off\"", "auto_stop_machines = \"stop\"", "stop the daemon"),
        ("hard_limit = 64", "hard_limit = 65", "hard_limit"),
        ("interval = \"15s\"", "interval = \"1s\"", "interval"),
        ("interval = \"15s\"", "interval = 15", "interval"),
        ("grace_period = \"30s\"", "grace_period = \"90s\"", "grace_period"),
        ("path = \"/health\"", "path = \"/healthz\"", "a path that both programs answer"),
        ("initial_size = \"1gb\"", "initial_size = \"500mb\"", "initial_size"),
        ("snapshot_retention = 14", "snapshot_retention = 90", "snapshot_retention"),
        ("policy = \"always\"", "policy = \"often\"", "restart.policy"),
        ("policy = \"always\"", "policy = \"always\"\nprocesses = [\"web\"]", "no process web"),
        ("memory = \"512mb\"", "memory = \"500mb\"", "vm.memory"),
        ("size = \"shared-cpu-1x\"", "size = \"shared-cpu-3x\"", "vm.size"),
    ] {
        assert!(good.contains(from), "{from}");
        let refused = judge(&good.replacen(from, to, 1)).expect_err(to);
        assert!(refused.contains(says), "{to}: {refused} should say {says}");
    }
}
