//! Dockerfile, compose, systemd and Kubernetes: each names what there is, and agrees with the programs.

use lectern_index::config::Config;
use serde_json::Value;

use super::{effective, exists, grace, image_environment, port, read, seconds, stage, stages, yaml};

const FINAL: [&str; 3] = ["ingest", "serve", "all"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}")).iter().map(text).collect()
}

/// The pattern of `.dockerignore` that leaves a path out of the build, if any does.
fn ignored(path: &str) -> Option<String> {
    let patterns = read(".dockerignore");
    let fits = |pattern: &&str| {
        let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build().expect("a glob");
        glob.compile_matcher().is_match(path) || path.starts_with(&format!("{pattern}/"))
    };
    patterns.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).find(fits).map(str::to_owned)
}

#[test]
fn the_dockerfile_names_what_there_is() {
    let cargo: toml::Table = toml::from_str(&read("Cargo.toml")).expect("a manifest");
    let all: Vec<String> = stages().into_iter().flat_map(|(_, lines)| lines).collect();
    let names: Vec<String> = stages().into_iter().map(|(name, _)| name).collect();
    for line in &all {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] != "COPY" {
            continue;
        }
        let options: Vec<&&str> = words[1..].iter().take_while(|word| word.starts_with("--")).collect();
        match options.iter().find_map(|option| option.strip_prefix("--from=")) {
            Some(from) => assert!(names.contains(&from.to_owned()), "{line}: there is no stage {from}"),
            None => {
                for source in &words[1 + options.len()..words.len() - 1] {
                    assert!(
                        exists(source) && ignored(source).is_none(),
                        "{line}: {source} is not in the build"
                    );
                }
            }
        }
    }
    let text = all.join("\n");
    for part in text.split("--profile ").skip(1) {
        let profile = part.split_whitespace().next().expect("a profile");
        assert!(cargo["profile"].get(profile).is_some(), "there is no profile {profile}");
    }
    // Whatever the manifest names is there to be compiled.
    let members = cargo["workspace"]["members"].as_array().expect("members");
    for member in members.iter().map(|member| member.as_str().expect("a path")) {
        assert_eq!(ignored(&format!("{member}/Cargo.toml")), None);
    }
    for needed in ["Cargo.lock", "migrations/0001_index.sql", "index/src/lib.rs", "deploy/both"] {
        assert_eq!(ignored(needed), None, "{needed}");
    }
    for secret in [".env", "lectern.db", "lectern.db-wal", ".git", "target", "lectern.toml"] {
        assert!(ignored(secret).is_some(), "{secret} is sent to the builder");
    }
    // The compiler is new enough.
    let image = text.split("FROM rust:").nth(1).expect("the compiler's image");
    let numbers = |text: &str| -> Vec<u32> { text.split('.').filter_map(|part| part.parse().ok()).collect() };
    let needed = cargo["workspace"]["package"]["rust-version"].as_str().expect("rust-version");
    assert!(numbers(image.split('-').next().expect("a version")) >= numbers(needed));
}

#[test]
fn images_run_as_nobody_special_and_listen_where_they_say() {
    for name in FINAL {
        let lines = stage(name);
        let user = lines.iter().rev().find_map(|line| line.strip_prefix("USER "));
        let nonroot = match user {
            Some(user) => {
                user.split(':').next().and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| id > 0)
            }
            None => lines[0].contains(":nonroot "),
        };
        assert!(nonroot, "{name} runs as root");
        let config = effective(&image_environment(name)).expect("settings");
        let serves = name != "ingest";
        let exposed = lines.iter().find_map(|line| line.strip_prefix("EXPOSE "));
        assert_eq!(exposed.is_some(), serves, "{name}");
        if serves {
            assert_eq!(port(exposed.expect("a port")), port(&config.serve.listen), "{name}");
            assert_eq!(port(&config.serve.listen), port(&Config::default().serve.listen), "{name}");
            assert!(config.serve.listen.starts_with("0.0.0.0:"), "{name}: nobody could reach it");
            let healthcheck =
                lines.iter().find(|line| line.starts_with("HEALTHCHECK ")).expect("a health check");
            assert!(healthcheck.ends_with("CMD [\"lectern-serve\", \"healthcheck\"]"), "{name}");
        }
        let writes = name != "serve";
        assert_eq!(lines.iter().any(|line| line == "VOLUME /data"), writes, "{name}");
        let temporary = ("SQLITE_TMPDIR".to_owned(), "/data".to_owned());
        assert_eq!(image_environment(name).contains(&temporary), writes, "{name}");
        assert_eq!(config.index.url, "sqlite:///data/lectern.db", "{name}");
    }
}

#[test]
fn compose_agrees_with_images_and_programs() {
    let [compose] = yaml("compose.yaml").try_into().expect("one document");
    for name in ["ingest", "serve"] {
        let service = &compose["services"][name];
        assert!(FINAL.contains(&text(&service["build"]["target"])));
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(seconds(text(&service["stop_grace_period"])).expect("a duration") > grace(), "{name}");
        let set = service["environment"].as_object().expect("variables");
        for variable in set.keys() {
            assert!(read(".env.example").contains(&format!("#{variable}=")), "{variable}");
            let setting = variable.starts_with("LECTERN_") && variable != "LECTERN_TOKEN";
            assert!(!setting, "{variable} would stand above lectern.toml");
        }
        assert!(texts(&service["volumes"])[0].starts_with("index:/data"), "{name}");
    }
    let serve = &compose["services"]["serve"];
    assert_eq!(texts(&serve["volumes"]), ["index:/data:ro"], "serve cannot write");
    let port = port(&Config::default().serve.listen);
    assert_eq!(texts(&serve["ports"]), [format!("127.0.0.1:{port}:{port}")]);
    assert!(
        text(&serve["environment"]["LECTERN_TOKEN"]).starts_with("${LECTERN_TOKEN:?"),
        "no open endpoint by accident"
    );
}

#[test]
fn compose_with_qdrant_gives_each_program_its_key() {
    let [compose] = yaml("deploy/compose.qdrant.yaml").try_into().expect("one document");
    let services = &compose["services"];
    let [without] = yaml("compose.yaml").try_into().expect("one document");
    for name in services.as_object().expect("services").keys().filter(|name| *name != "qdrant") {
        assert!(without["services"].get(name).is_some(), "{name} is added to nothing in compose.yaml");
    }
    let (storage, at) = text(&services["qdrant"]["volumes"][0]).split_once(':').expect("NAME:PATH");
    assert!(compose["volumes"].get(storage).is_some(), "{storage}");
    let snapshots = text(&services["qdrant"]["environment"]["QDRANT__STORAGE__SNAPSHOTS_PATH"]);
    assert!(snapshots.starts_with(&format!("{at}/")), "snapshots are lost with the container");
    assert!(seconds(text(&services["qdrant"]["stop_grace_period"])).expect("a duration") >= 30);
    let keys = &services["qdrant"]["environment"];
    for (name, key) in [("ingest", "API_KEY"), ("serve", "READ_ONLY_API_KEY")] {
        let set = services[name]["environment"].as_object().expect("variables");
        assert_eq!(set["QDRANT_API_KEY"], keys[format!("QDRANT__SERVICE__{key}")], "{name}");
        let settings = set.iter().filter(|(name, _)| *name != "QDRANT_API_KEY");
        let settings: Vec<(String, String)> =
            settings.map(|(name, value)| (name.clone(), text(value).to_owned())).collect();
        let config = effective(&settings).expect("settings");
        assert_eq!(config.index.collection.as_deref(), Some("docs"), "{name}");
        assert!(config.index.ledger.is_some_and(|ledger| ledger.starts_with("/data")), "{name}");
        assert_eq!(config.index.url, "http://qdrant:6334", "{name}: the service, and its port for gRPC");
    }
    // What is written above the file is what brings all of it up.
    let file = "COMPOSE_FILE=compose.yaml:deploy/compose.qdrant.yaml";
    for page in ["deploy/compose.qdrant.yaml", "docs/deploy.md"] {
        assert!(read(page).contains(file), "{page}");
    }
}

/// What the tests run on is what is deployed.
#[test]
fn there_is_one_version_of_qdrant() {
    let image = |path: &str| -> Vec<String> {
        let file = read(path);
        let words = file.split([' ', '"', '`', '\n']).filter(|word| word.starts_with("qdrant/qdrant:"));
        words.map(str::to_owned).collect()
    };
    let [ours] = image("fly.qdrant.toml").try_into().expect("one image");
    for (path, least) in
        [("deploy/compose.qdrant.yaml", 1), (".github/workflows/ci.yml", 1), ("docs/deploy.md", 0)]
    {
        let found = image(path);
        assert!(found.len() >= least, "{path} names no image");
        assert!(found.iter().all(|image| *image == ours), "{path} has {found:?}, fly.qdrant.toml has {ours}");
    }
    let version =
        ours.split([':', '-']).nth(1).and_then(|version| version.strip_prefix('v')).expect("a version");
    let numbers = |text: &str| -> Vec<u32> { text.split('.').filter_map(|part| part.parse().ok()).collect() };
    let page = read("docs/qdrant.md");
    let (_, needed) = page.split_once("[Qdrant](https://qdrant.tech) ").expect("what is needed");
    let needed = needed.split(' ').next().expect("a version");
    assert!(numbers(version) >= numbers(needed), "{version} is older than {needed} of docs/qdrant.md");
}

/// The values of a key in a unit.
fn unit<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn units_agree_with_each_other_and_with_the_programs() {
    let ingest = read("deploy/systemd/lectern-ingest.service");
    let serve = read("deploy/systemd/lectern-serve.service");
    for unit_text in [&ingest, &serve] {
        let set = unit(unit_text, "Environment");
        let set = set.iter().map(|pair| pair.split_once('=').expect("NAME=VALUE"));
        let set: Vec<(String, String)> = set.map(|(name, value)| (name.into(), value.into())).collect();
        let config = effective(&set).expect("settings");
        let state = unit(&ingest, "StateDirectory");
        assert_eq!(config.index.url, format!("sqlite:///var/lib/{}/lectern.db", state[0]));
    }
    assert_eq!(
        unit(&ingest, "ExecStart"),
        ["/usr/local/bin/lectern-ingest sync --config /etc/lectern/lectern.toml"]
    );
    assert_eq!(
        unit(&serve, "ExecStart"),
        ["/usr/local/bin/lectern-serve --config /etc/lectern/lectern.toml"]
    );
    assert_eq!(
        unit(&serve, "SupplementaryGroups"),
        unit(&ingest, "User"),
        "serve may read what ingest writes"
    );
    assert_eq!(unit(&serve, "ReadOnlyPaths"), ["/var/lib/lectern"]);
    assert_eq!(unit(&serve, "StartLimitIntervalSec"), ["0"], "systemd never gives the server up");
    let stop: u64 = unit(&serve, "TimeoutStopSec")[0].parse().expect("seconds");
    assert!(stop > Config::default().serve.grace_seconds);
}

#[test]
fn manifests_agree_with_each_other_and_with_the_programs() {
    let manifests = yaml("deploy/kubernetes.yaml");
    let of = |kind: &str| {
        manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    };
    let job = &of("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let deployment = &of("Deployment")["spec"];
    let server = &deployment["template"]["spec"];
    let version = env!("CARGO_PKG_VERSION");
    for (pod, program) in [(job, "ingest"), (server, "serve")] {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["enableServiceLinks"], false, "the Service's variables would be unknown settings");
        let container = &pod["containers"][0];
        assert_eq!(container["image"], format!("ghcr.io/lectern-search/lectern-{program}:{version}"));
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/data");
        assert_eq!(
            pod["volumes"][0]["persistentVolumeClaim"]["claimName"],
            of("PersistentVolumeClaim")["metadata"]["name"]
        );
    }
    let service =
        of("Service")["metadata"]["name"].as_str().expect("a name").to_uppercase().replace('-', "_");
    let linked = [(format!("{service}_PORT"), "tcp://10.0.0.1:8080".to_owned())];
    assert!(effective(&linked).is_err(), "links of Services may stay on where they do no harm");
    assert_eq!(server["containers"][0]["volumeMounts"][0]["readOnly"], true, "serve cannot write");
    assert_eq!(deployment["replicas"], 1, "readers and writer of a SQLite file are on one node");
    assert_eq!(deployment["strategy"]["type"], "Recreate");
    let labels = &deployment["template"]["metadata"]["labels"];
    let near = &job["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(&near["labelSelector"]["matchLabels"], labels);
    assert_eq!(&of("Service")["spec"]["selector"], labels);
    assert_eq!(&deployment["selector"]["matchLabels"], labels);
    let port = port(&Config::default().serve.listen);
    for found in [
        &of("Service")["spec"]["ports"][0]["port"],
        &server["containers"][0]["ports"][0]["containerPort"],
        &server["containers"][0]["livenessProbe"]["httpGet"]["port"],
        &server["containers"][0]["readinessProbe"]["httpGet"]["port"],
    ] {
        assert_eq!(found, port);
    }
    let grace = server["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    assert!(grace > Config::default().serve.grace_seconds);
}
