//! An index in a real Qdrant is what an index in a file is. `LECTERN_TEST_QDRANT_URL` names one (its
//! gRPC address), or `LECTERN_TEST_QDRANT_BIN` a program to start; without either these tests run on
//! files alone, or say that they were skipped. With `LECTERN_TEST_QDRANT_FAULTS=1` all of them go
//! through a network that delays, cuts and reorders.

mod again;
mod agree;
mod cluster;
mod contract;
mod copy;
mod cut;
mod daemon;
mod down;
mod faults;
mod hybrid;
mod keys;
mod kill;
mod mend;
mod proxy;
mod server;
mod tls;
mod writers;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use proxy::Proxy;
use server::Qdrant;

use crate::ingest::workspace::Workspace;

/// Where the Qdrant of all tests is, and what runs as long as they do.
struct Shared {
    url: String,
    _own: Option<Qdrant>,
    _proxy: Option<Proxy>,
}

/// A Qdrant that all tests may use; `None` where there is none. With `LECTERN_TEST_QDRANT_FAULTS` it
/// is reached over a bad network.
fn shared() -> Option<&'static str> {
    static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let (url, own) = match std::env::var("LECTERN_TEST_QDRANT_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let own = Qdrant::start(&[])?;
                own.ends_with_the_tests();
                (own.url(), Some(own))
            }
        };
        if std::env::var_os("LECTERN_TEST_QDRANT_FAULTS").is_none() {
            return Some(Shared { url, _own: own, _proxy: None });
        }
        let proxy = Proxy::before(local_port(&url).expect("a Qdrant on this machine"));
        proxy.misbehave();
        Some(Shared { url: proxy.url(), _own: own, _proxy: Some(proxy) })
    });
    if shared.is_none() {
        eprintln!("skipped: neither LECTERN_TEST_QDRANT_URL nor LECTERN_TEST_QDRANT_BIN is set");
    }
    shared.as_ref().map(|shared| shared.url.as_str())
}

/// A Qdrant without keys: that of all tests, or one that is started where that has keys.
fn keyless() -> Option<&'static str> {
    static OWN: OnceLock<Option<Qdrant>> = OnceLock::new();
    if std::env::var_os("LECTERN_TEST_QDRANT_API_KEY").is_none() {
        return shared();
    }
    let own = OWN.get_or_init(|| Qdrant::start(&[]).inspect(Qdrant::ends_with_the_tests)).as_ref();
    if own.is_none() {
        eprintln!("skipped: Qdrant has keys, and LECTERN_TEST_QDRANT_BIN is not set");
    }
    own.map(|own| own.url().leak() as &str)
}

/// The port, where a URL is one of this machine.
fn local_port(url: &str) -> Option<u16> {
    url.strip_prefix("http://127.0.0.1:")?.parse().ok()
}

/// A name that no other collection has.
fn unique() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{number}", std::process::id())
}

/// The index of a workspace in Qdrant at `url`; its collections go when it is dropped.
struct Collections {
    url: String,
    name: String,
}

impl Collections {
    fn at(url: &str) -> Self {
        Self { url: url.into(), name: unique() }
    }

    fn index(&self) -> String {
        format!("{}/{}", self.url, self.name)
    }
}

impl Drop for Collections {
    fn drop(&mut self) {
        let (url, prefix) = (self.url.clone(), format!("{}__", self.name));
        // A thread of its own: the test may be in a runtime.
        let _ = std::thread::spawn(move || server::remove(&url, &prefix)).join();
    }
}

/// Runs a check on an index in a file and, where there is one, on an index in Qdrant. It gets
/// workspaces from the function it is given.
fn on_each(check: impl Fn(&str, Workspace)) {
    check("file", Workspace::new(&[]));
    if let Some(url) = shared() {
        let collections = Collections::at(url);
        check("qdrant", Workspace::new(&[]).with_index(collections.index()));
    }
}

/// Runs a check where there is a Qdrant.
fn in_qdrant(check: impl FnOnce(Workspace)) {
    if let Some(url) = shared() {
        let collections = Collections::at(url);
        check(Workspace::new(&[]).with_index(collections.index()));
    }
}

/// Runs a check with a network of its own before Qdrant, where there is one on this machine.
fn over_a_network(check: impl FnOnce(&Proxy, &Collections, Workspace)) {
    let Some(url) = shared() else { return };
    let Some(port) = local_port(url) else {
        eprintln!("skipped: {url} is not on this machine");
        return;
    };
    let collections = Collections::at(url);
    let proxy = Proxy::before(port);
    let workspace = Workspace::new(&[]).with_index(format!("{}/{}", proxy.url(), collections.name));
    check(&proxy, &collections, workspace);
}
