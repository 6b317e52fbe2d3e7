//! `fly*.toml`, read with strict types and held to the rules of flyctl, the programs and each other; and the page
//! that says how they are used.

mod file;
mod rules;
mod script;

use self::rules::{judge, parse};
use super::read;
use crate::programs::root;

/// The app of `fly.qdrant.toml`.
const QDRANT: &str = "lectern-qdrant";

fn files() -> Vec<String> {
    let entries = std::fs::read_dir(root()).expect("the workspace");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut files: Vec<String> =
        names.filter(|name| name.starts_with("fly") && name.ends_with(".toml")).collect();
    files.sort();
    files
}

#[test]
fn the_files_are_what_fly_takes_and_the_programs_know() {
    assert_eq!(files(), ["fly.ingest.toml", "fly.qdrant.toml", "fly.single.toml", "fly.toml"]);
    let page = read("docs/deploy.md");
    for file in files() {
        assert_eq!(judge(&read(&file), QDRANT), Ok(()), "{file}");
        assert!(page.contains(&format!("`{file}`")), "docs/deploy.md says nothing of {file}");
    }
}

/// The steps of the page, as far as they need no Fly.
#[test]
#[cfg(unix)]
fn the_page_renames_all_three() {
    let page = read("docs/deploy.md");
    let (_, steps) = page.split_once("```sh\nNAME=").expect("the first step");
    let (steps, _) = steps.split_once("\nWRITE=").expect("the second");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = ["fly.toml", "fly.ingest.toml", "fly.qdrant.toml"];
    for file in files {
        std::fs::copy(root().join(file), folder.path().join(file)).expect("a copy");
    }
    let mut shell = std::process::Command::new("sh");
    shell.args(["-ec", &format!("NAME={steps}")]).current_dir(folder.path());
    assert!(shell.status().expect("sh").success());
    for (file, app) in files.iter().zip(["acme-docs", "acme-docs-ingest", "acme-docs-qdrant"]) {
        let renamed = std::fs::read_to_string(folder.path().join(file)).expect("the file");
        assert_eq!(parse(&renamed).expect("a file that fly takes").app, app);
        assert_eq!(judge(&renamed, "acme-docs-qdrant"), Ok(()), "{file}");
    }
}

#[test]
fn the_pages_name_files_that_exist() {
    for page in ["docs/deploy.md", "docs/runbook.md"] {
        let text = read(page);
        let files =
            text.split("--config ").skip(1).filter_map(|rest| rest.split([' ', '\n', '`', ':', ']']).next());
        for file in files.filter(|file| file.starts_with("fly")) {
            assert!(root().join(file).is_file(), "{page} names {file}");
        }
    }
}

/// In the clone flyctl takes the app from `fly.toml`, that of serve, which has neither volumes nor a
/// machine that is started by hand.
#[test]
fn commands_on_machines_and_volumes_name_the_app() {
    let mut named = 0;
    for page in ["docs/deploy.md", "docs/runbook.md"] {
        let text = read(page);
        for command in ["fly machine ", "fly volumes "] {
            for rest in text.split(command).skip(1) {
                let rest = rest.split(['`', '\n']).next().unwrap_or_default();
                assert!(rest.contains("--config fly.") || rest.contains("--app"), "{page}: {command}{rest}");
                named += 1;
            }
        }
    }
    assert!(named > 5, "{named}");
}

#[test]
fn the_three_apps_are_one_deployment() {
    let app = |file: &str| parse(&read(file)).expect("a file that fly takes");
    let (serve, ingest, qdrant) = (app("fly.toml"), app("fly.ingest.toml"), app("fly.qdrant.toml"));
    assert_eq!(serve.env["LECTERN_INDEX_URL"], ingest.env["LECTERN_INDEX_URL"], "what is written is read");
    for other in [&ingest, &qdrant] {
        assert_ne!(serve.app, other.app);
        assert_eq!(serve.primary_region, other.primary_region, "they are near each other");
    }
    assert_ne!(ingest.app, qdrant.app);
    assert_eq!(qdrant.app, QDRANT);
}

#[test]
fn what_would_not_work_is_found() {
    let refused = |file: &str, cases: &[(&str, &str, &str)]| {
        let good = read(file);
        for (from, to, says) in cases {
            assert!(good.contains(from), "{file}: {from}");
            let refused = judge(&good.replacen(from, to, 1), QDRANT).expect_err(to);
            assert!(refused.contains(says), "{file}: {to}: {refused} should say {says}");
        }
    };
    refused(
        "fly.toml",
        &[
            ("strategy = \"bluegreen\"", "strategy = \"rolling\"", "a deploy is noticed"),
            ("strategy = \"bluegreen\"", "strategy = \"careful\"", "deploy.strategy"),
            ("min_machines_running = 2", "min_machines_running = 1", "min_machines_running"),
            ("auto_stop_machines = \"off\"", "auto_stop_machines = \"stop\"", "auto_stop_machines"),
            ("hard_limit = 64", "hard_limit = 65", "hard_limit"),
            ("soft_limit = 48", "soft_limit = 65", "soft_limit"),
            ("force_https = true", "force_https = false", "in the clear"),
            ("[\"lectern.fly.dev\"]", "[\"docs.example.com\"]", "allowed_hosts"),
            ("internal_port = 8080", "internal_port = 8081", "internal_port"),
            ("lectern-qdrant.internal", "qdrant.internal", "index.url"),
            (":6334/", ":6333/", "index.url"),
            ("build-target = \"serve\"", "image = \"lectern\"", "Qdrant"),
            (
                "[http_service]",
                "[[mounts]]\nsource = \"x\"\ndestination = \"/data\"\ninitial_size = \"1gb\"\n\
          snapshot_retention = 1\n[http_service]",
                "deploy.strategy",
            ),
            ("memory = \"256mb\"", "memory = \"4gb\"", "vm.memory"),
        ],
    );
    refused(
        "fly.ingest.toml",
        &[
            ("build-target = \"ingest\"", "build-target = \"serve\"", "http_service"),
            ("\"/data/ledger.db\"", "\"ledger.db\"", "index.ledger"),
            ("LECTERN_INDEX_LEDGER = \"/data/ledger.db\"", "", "index.ledger"),
            ("port = 8081", "port = 8080", "the daemon's port"),
            ("\"[::]:8081\"", "\"127.0.0.1:8081\"", "does not reach"),
            ("LECTERN_INDEX_URL", "QDRANT_API_KEY", "a secret"),
            ("\"/etc/lectern/lectern.toml\"", "\"/lectern.toml\"", "files"),
        ],
    );
    refused(
        "fly.qdrant.toml",
        &[
            ("\"::\"", "\"0.0.0.0\"", "IPv6"),
            ("/qdrant/storage/snapshots", "/qdrant/snapshots", "outside of the volume"),
            ("QDRANT__TELEMETRY_DISABLED", "QDRANT__SERVICE__API_KEY", "a secret"),
            ("QDRANT__TELEMETRY_DISABLED", "QDRANT__TELEMETRY", "no setting"),
            ("destination = \"/qdrant/storage\"", "destination = \"/data\"", "mounts.destination"),
            ("port = 6333", "port = 6334", "Qdrant's port"),
            ("path = \"/readyz\"", "path = \"/health\"", "a path that is answered"),
            ("kill_timeout = \"60s\"", "kill_timeout = \"15s\"", "kill_timeout"),
            ("memory = \"1gb\"", "memory = \"256mb\"", "vm.memory"),
        ],
    );
    refused(
        "fly.single.toml",
        &[
            ("kill_timeout", "kil_timeout", "unknown field `kil_timeout`"),
            ("kill_timeout = \"15s\"", "kill_timeout = \"10s\"", "kill_timeout"),
            ("build-target = \"all\"", "build-target = \"both\"", "build-target"),
            ("strategy = \"rolling\"", "strategy = \"bluegreen\"", "deploy.strategy"),
            ("LECTERN_INDEX_URL", "LECTERN_INDEX_ULR", "LECTERN_INDEX_ULR"),
            ("LECTERN_INDEX_URL", "LECTERN_TOKEN", "a secret"),
            ("LECTERN_INDEX_URL", "INDEX_URL", "read by no program"),
            ("sqlite:///data/lectern.db", "sqlite:///tmp/lectern.db", "lost at every deploy"),
            ("auto_stop_machines = \"off\"", "auto_stop_machines = \"stop\"", "no daemon runs"),
            ("interval = \"15s\"", "interval = \"1s\"", "interval"),
            ("interval = \"15s\"", "interval = 15", "interval"),
            ("grace_period = \"30s\"", "grace_period = \"90s\"", "grace_period"),
            ("path = \"/health\"", "path = \"/healthz\"", "a path that is answered"),
            ("initial_size = \"1gb\"", "initial_size = \"500mb\"", "initial_size"),
            ("snapshot_retention = 14", "snapshot_retention = 90", "snapshot_retention"),
            ("policy = \"always\"", "policy = \"often\"", "restart.policy"),
            ("policy = \"always\"", "policy = \"always\"\nprocesses = [\"web\"]", "no process web"),
            ("memory = \"512mb\"", "memory = \"500mb\"", "vm.memory"),
            ("size = \"shared-cpu-1x\"", "size = \"shared-cpu-3x\"", "vm.size"),
        ],
    );
}
