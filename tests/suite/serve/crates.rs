//! Invariant 6 by crate graph: serve can name no writer.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::programs::root;

#[test]
fn serve_does_not_depend_on_ingest() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let version = Command::new(&cargo).arg("-vV").output().expect("cargo runs").stdout;
    let version = String::from_utf8(version).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a platform");
    // Crates of other platforms need not be on this machine.
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let node = |id: &str| nodes.iter().find(|node| node["id"] == id).expect("a package");
    let id = |name: &str| {
        let packages = metadata["packages"].as_array().expect("packages");
        let package = packages.iter().find(|package| package["name"] == name).expect("a package");
        package["id"].as_str().expect("an id").to_owned()
    };
    let mut open = vec![id("lectern-serve")];
    let mut reached = BTreeSet::new();
    while let Some(package) = open.pop() {
        if !reached.insert(package.clone()) {
            continue;
        }
        for dependency in node(&package)["deps"].as_array().expect("dependencies") {
            // Kinds are null (normal), "dev" and "build": tests may use what they like.
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                open.push(dependency["pkg"].as_str().expect("an id").to_owned());
            }
        }
    }
    assert!(reached.contains(&id("lectern-index")), "the graph was not read");
    assert!(!reached.contains(&id("lectern-ingest")), "lectern-serve depends on lectern-ingest");
}
