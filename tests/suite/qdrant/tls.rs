//! Qdrant behind TLS and on IPv6.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::contract::{fill, paths};
use super::server::Qdrant;
use crate::ingest::workspace::Workspace;
use crate::programs::{self, Server};

/// An authority and a certificate of this machine that it signed, made by `openssl`.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// `None` where there is no `openssl`.
    fn make() -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        let own = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        own.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        );
        own.openssl("req -newkey rsa:2048 -nodes -subj /CN=qdrant -keyout key.pem -out request.pem");
        std::fs::write(own.file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1")
            .expect("a file");
        own.openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
        );
        Some(own)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(self.folder.path()).output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A Qdrant that has them, at `host`.
    fn qdrant(&self, host: &str) -> Option<Qdrant> {
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| self.file(name).display().to_string());
        Qdrant::start(&[
            ("QDRANT__SERVICE__HOST", host),
            ("QDRANT__SERVICE__ENABLE_TLS", "true"),
            ("QDRANT__TLS__CERT", &cert),
            ("QDRANT__TLS__KEY", &key),
        ])
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// Syncs and asks; `authority` is trusted.
fn works(qdrant: &Qdrant, authority: Option<&Path>) {
    let workspace = Workspace::new(&[]).with_index(format!("{}/docs", qdrant.url()));
    fill(&workspace, 6);
    let authority = authority.map(|file| file.display().to_string());
    let variables: HashMap<&str, &str> =
        authority.iter().map(|file| ("SSL_CERT_FILE", file.as_str())).collect();
    for arguments in [&["sync", "docs"][..], &["verify"]] {
        let mut ingest = workspace.ingest(arguments);
        let (code, out, error) = programs::text(programs::run(ingest.envs(&variables)));
        assert_eq!(code, 0, "{out}{error}");
    }
    let server = Server::with(&workspace.index(), &[], &variables);
    assert_eq!(paths(&server, json!({ "query": "page", "max_results": 50, "max_tokens": 20000 })).len(), 6);
}

#[test]
fn qdrant_is_reached_over_ipv6() {
    if !has_ipv6() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    if let Some(qdrant) = Qdrant::start(&[("QDRANT__SERVICE__HOST", "::1")]) {
        assert!(qdrant.url().starts_with("http://[::1]:"));
        works(&qdrant, None);
    }
}

#[test]
fn qdrant_is_reached_over_tls_where_its_authority_is_trusted() {
    let Some(certificates) = Certificates::make() else {
        eprintln!("skipped: there is no openssl");
        return;
    };
    let hosts = ["127.0.0.1", "::1"];
    for host in hosts.into_iter().take(if has_ipv6() { 2 } else { 1 }) {
        let Some(qdrant) = certificates.qdrant(host) else { return };
        works(&qdrant, Some(&certificates.file("ca.pem")));

        let index = format!("{}/docs", qdrant.url());
        let fails = |index: &str, says: &str| {
            let workspace = Workspace::new(&[("a.md", "# A\n")]).with_index(index.to_owned());
            let (code, report) = workspace.sync(&["--set", "index.deadline_seconds=2"]);
            let error = report["error"].as_str().unwrap_or_default();
            assert!(code == 5 && error.contains(says), "{report}");
        };
        fails(&index, "SSL_CERT_FILE");
        fails(&index.replace("https:", "http:"), "https://");
    }
    if let Some(plain) = Qdrant::start(&[]) {
        let index = format!("{}/docs", plain.url()).replace("http:", "https:");
        let workspace = Workspace::new(&[("a.md", "# A\n")]).with_index(index);
        let (code, report) = workspace.sync(&["--set", "index.deadline_seconds=2"]);
        assert!(code == 5 && report["error"].as_str().is_some_and(|it| it.contains("http://")), "{report}");
    }
}
