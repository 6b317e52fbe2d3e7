//! What flyctl refuses (its `internal/appconfig` and `internal/command/deploy`), and what the programs and
//! Qdrant would not work with.

use std::collections::BTreeMap;

use lectern_index::config::Config;

use super::file::{App, Check, Concurrency, HttpService, Machine};
use crate::deploy::{effective, grace, image_environment, port, seconds, stages};

/// Where Qdrant's image keeps its data, and the ports that it listens on.
const QDRANT_STORAGE: &str = "/qdrant/storage";
const QDRANT_HTTP: u64 = 6333;
const QDRANT_GRPC: u64 = 6334;

fn need(condition: bool, message: impl Into<String>) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message.into()) }
}

pub(super) fn parse(text: &str) -> Result<App, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// What is wrong with a file, if anything is, where the app of Qdrant has this name.
pub(super) fn judge(text: &str, qdrant: &str) -> Result<(), String> {
    let fly = parse(text)?;
    let letters = |name: &str, more: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
    };
    need(letters(&fly.app, "-"), "app: small letters, digits and dashes")?;
    need(fly.primary_region.len() == 3, "primary_region: three letters")?;
    need(["SIGTERM", "SIGINT"].contains(&fly.kill_signal.as_str()), "kill_signal: one the programs know")?;
    let kill = seconds(&fly.kill_timeout)?;
    need(kill > grace() && kill <= 300, "kill_timeout: longer than the programs' grace, at most 5 minutes")?;
    let strategy = fly.deploy.strategy.as_str();
    need(["canary", "rolling", "immediate", "bluegreen"].contains(&strategy), "deploy.strategy")?;
    need(
        fly.mounts.is_empty() || !["canary", "bluegreen"].contains(&strategy),
        "deploy.strategy: a volume is at one machine, so there is no second one beside it",
    )?;
    for mount in &fly.mounts {
        need(letters(&mount.source, "_"), "mounts.source: small letters, digits and underlines")?;
        need(mount.destination.len() > 1 && mount.destination.starts_with('/'), "mounts.destination")?;
        let size = mount.initial_size.strip_suffix("gb").and_then(|size| size.parse::<u32>().ok());
        need(size.is_some_and(|size| size >= 1), "mounts.initial_size: from 1gb")?;
        need((1..=60).contains(&mount.snapshot_retention), "mounts.snapshot_retention: 1 to 60 days")?;
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
    fly.vm.iter().try_for_each(judge_machine)?;
    judge_processes(&fly)?;
    match (&fly.build.build_target, &fly.build.image) {
        (Some(target), None) => judge_program(&fly, target, qdrant),
        (None, Some(image)) => judge_qdrant(&fly, image),
        _ => Err("build: either build-target or image".into()),
    }
}

/// What runs out of the Dockerfile: its settings are ours.
fn judge_program(fly: &App, target: &str, qdrant: &str) -> Result<(), String> {
    need(stages().iter().any(|(name, _)| name == target), "build-target: a stage of the Dockerfile")?;
    let mut environment: BTreeMap<String, String> = image_environment(target).into_iter().collect();
    environment.extend(fly.env.clone());
    let config = effective(&environment.into_iter().collect::<Vec<_>>())?;
    let settings = fly.files.iter().any(|file| file.guest_path == "/etc/lectern/lectern.toml");
    need(settings, "files: the images read /etc/lectern/lectern.toml")?;
    need(fly.http_service.is_some() == (target != "ingest"), "http_service: for whoever serves")?;
    if let Some(service) = &fly.http_service {
        judge_service(service, fly, target, &config)?;
    }
    for (name, check) in &fly.checks {
        need(target != "serve", format!("checks.{name}: serve has its own in http_service"))?;
        judge_check(check, &["/health", "/livez"])?;
        need(matches!(check.r#type.as_deref(), Some("http" | "tcp")), format!("checks.{name}: http or tcp"))?;
        need(check.port == Some(port(&config.daemon.listen)), format!("checks.{name}: the daemon's port"))?;
        need(!config.daemon.listen.starts_with("127."), "daemon.listen: the check does not reach it")?;
    }
    need(target != "serve" || fly.mounts.is_empty(), "mounts: serve writes nothing")?;
    let kept =
        |path: &str| fly.mounts.iter().any(|mount| path.starts_with(&format!("{}/", mount.destination)));
    match config.index.url.strip_prefix("sqlite://") {
        Some(path) => need(kept(path), "index.url: outside of the volume, so it is lost at every deploy"),
        None => {
            let there = format!("http://{qdrant}.internal:{QDRANT_GRPC}/");
            need(config.index.url.starts_with(&there), format!("index.url: fly.qdrant.toml is at {there}"))?;
            let ledger = config.index.ledger.as_ref().and_then(|path| path.to_str());
            need(
                target == "serve" || ledger.is_some_and(kept),
                "index.ledger: outside of the volume, so it is lost at every run",
            )
        }
    }
}

/// Qdrant itself, which only the private network reaches.
fn judge_qdrant(fly: &App, image: &str) -> Result<(), String> {
    need(image.starts_with("qdrant/qdrant:v"), "build.image: Qdrant, of one version")?;
    need(fly.http_service.is_none(), "http_service: Qdrant would be open to the world")?;
    need(seconds(&fly.kill_timeout)? >= 30, "kill_timeout: Qdrant writes what it has in memory")?;
    for name in fly.env.keys() {
        need(!name.ends_with("_KEY"), format!("{name} is a secret: it does not stand in a file"))?;
        need(
            ["QDRANT__SERVICE__HOST", "QDRANT__STORAGE__SNAPSHOTS_PATH", "QDRANT__TELEMETRY_DISABLED"]
                .contains(&name.as_str()),
            format!("{name} is no setting of Qdrant's that was tried"),
        )?;
    }
    let set = |name: &str| fly.env.get(name).map(String::as_str).unwrap_or_default();
    need(set("QDRANT__SERVICE__HOST") == "::", "QDRANT__SERVICE__HOST: the private network is IPv6")?;
    let [mount] = fly.mounts.as_slice() else { return Err("mounts: one volume".into()) };
    need(mount.destination == QDRANT_STORAGE, format!("mounts.destination: the image has {QDRANT_STORAGE}"))?;
    let snapshots = set("QDRANT__STORAGE__SNAPSHOTS_PATH");
    need(
        snapshots.starts_with(&format!("{QDRANT_STORAGE}/")),
        "QDRANT__STORAGE__SNAPSHOTS_PATH: outside of the volume",
    )?;
    need(!fly.checks.is_empty(), "checks: how would anybody know that it is up?")?;
    fly.checks.values().try_for_each(|check| {
        judge_check(check, &["/readyz"])?;
        need(
            check.r#type.as_deref() == Some("http") && check.port == Some(QDRANT_HTTP),
            "checks: Qdrant's port",
        )
    })
}

fn judge_service(service: &HttpService, fly: &App, target: &str, config: &Config) -> Result<(), String> {
    need(service.force_https, "force_https: the token would be sent in the clear")?;
    let off = service.auto_stop_machines == "off";
    need(off, "auto_stop_machines: \"off\", or nobody answers the first call, and no daemon runs")?;
    need(service.auto_start_machines, "auto_start_machines")?;
    if target == "serve" {
        need(service.min_machines_running >= 2, "min_machines_running: a host of Fly's may fail")?;
        need(fly.deploy.strategy == "bluegreen", "deploy.strategy: bluegreen, or a deploy is noticed")?;
    }
    need(service.min_machines_running > 0, "min_machines_running: a server is always on")?;
    let Concurrency { r#type, soft_limit, hard_limit } = &service.concurrency;
    need(["requests", "connections"].contains(&r#type.as_str()), "concurrency.type")?;
    need(0 < *soft_limit && soft_limit <= hard_limit, "concurrency: soft_limit is not above hard_limit")?;
    need(*hard_limit <= config.serve.max_concurrent, "hard_limit: above serve.max_concurrent")?;
    need(!service.checks.is_empty(), "http_service.checks: bluegreen, and whoever operates it, needs one")?;
    let listen = &config.serve.listen;
    need(service.internal_port == port(listen), format!("internal_port: serve listens on {listen}"))?;
    need(!listen.starts_with("127."), "serve.listen: Fly's proxy does not reach the loopback interface")?;
    let public = format!("{}.fly.dev", fly.app);
    need(config.serve.allowed_hosts.contains(&public), format!("serve.allowed_hosts: without {public}"))?;
    service.checks.iter().try_for_each(|check| {
        need(check.r#type.is_none() && check.port.is_none(), "http_service.checks have no type and no port")?;
        judge_check(check, &["/health", "/livez"])
    })
}

fn judge_check(check: &Check, paths: &[&str]) -> Result<(), String> {
    need(check.method == "GET", "check: all of them answer GET")?;
    need(paths.contains(&check.path.as_str()), format!("check: a path that is answered, {paths:?}"))?;
    let (interval, timeout, grace) =
        (seconds(&check.interval)?, seconds(&check.timeout)?, seconds(&check.grace_period)?);
    need(
        (2..=60).contains(&interval) && (1..=60).contains(&timeout),
        "check: interval 2s to 60s, timeout 1s to 60s",
    )?;
    need(timeout < interval, "check: a timeout as long as the interval")?;
    need((1..=60).contains(&grace), "check: grace_period 1s to 60s")
}

/// Fly's sizes: 256 MB to 2 GB for each shared CPU, 2 to 8 GB for each of its own.
fn judge_machine(machine: &Machine) -> Result<(), String> {
    let size = machine.size.strip_suffix('x').and_then(|size| size.rsplit_once('-'));
    let (step, least, most) = match size {
        Some(("shared-cpu", _)) => (256, 256, 2048),
        Some(("performance", _)) => (1024, 2048, 8192),
        _ => return Err("vm.size".into()),
    };
    let cpus = size.and_then(|(_, cpus)| cpus.parse::<u32>().ok()).filter(|cpus| [1, 2, 4, 8].contains(cpus));
    let cpus = cpus.ok_or("vm.size: 1, 2, 4 or 8 CPUs")?;
    let (number, unit) = machine.memory.split_at(machine.memory.len().saturating_sub(2));
    let megabytes = match (number.parse::<u32>(), unit) {
        (Ok(number), "mb") => number,
        (Ok(number), "gb") => number * 1024,
        _ => return Err("vm.memory: 512mb or 1gb".into()),
    };
    need(megabytes % step == 0, format!("vm.memory: steps of {step}mb"))?;
    need((least * cpus..=most * cpus).contains(&megabytes), "vm.memory: not with so many CPUs")
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
