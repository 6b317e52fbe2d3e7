//! A `fly*.toml` with strict types: every key that we use is flyctl's, and no other is taken.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    pub(super) app: String,
    pub(super) primary_region: String,
    pub(super) kill_signal: String,
    pub(super) kill_timeout: String,
    pub(super) build: Build,
    pub(super) deploy: Deploy,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) processes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) files: Vec<File>,
    #[serde(default)]
    pub(super) mounts: Vec<Mount>,
    pub(super) http_service: Option<HttpService>,
    #[serde(default)]
    pub(super) checks: BTreeMap<String, Check>,
    #[serde(default)]
    pub(super) restart: Vec<Restart>,
    pub(super) vm: Vec<Machine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Build {
    pub(super) build_target: Option<String>,
    pub(super) image: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deploy {
    pub(super) strategy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) guest_path: String,
    pub(super) local_path: String,
    #[serde(default)]
    pub(super) processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) initial_size: String,
    pub(super) snapshot_retention: u32,
    #[serde(default)]
    pub(super) processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpService {
    pub(super) internal_port: u64,
    pub(super) force_https: bool,
    pub(super) auto_stop_machines: String,
    pub(super) auto_start_machines: bool,
    pub(super) min_machines_running: u32,
    pub(super) concurrency: Concurrency,
    #[serde(default)]
    pub(super) checks: Vec<Check>,
    #[serde(default)]
    pub(super) processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Concurrency {
    pub(super) r#type: String,
    pub(super) soft_limit: usize,
    pub(super) hard_limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub(super) r#type: Option<String>,
    pub(super) port: Option<u64>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) interval: String,
    pub(super) timeout: String,
    pub(super) grace_period: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restart {
    pub(super) policy: String,
    #[serde(default)]
    pub(super) processes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    pub(super) size: String,
    pub(super) memory: String,
    #[serde(default)]
    pub(super) processes: Vec<String>,
}
