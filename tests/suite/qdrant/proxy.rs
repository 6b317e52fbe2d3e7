//! A bad network between a program and Qdrant: it delays, and cuts connections in the middle.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Forwards connections to a port of this machine until it is dropped.
pub(super) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

#[derive(Default)]
struct Rules {
    /// Milliseconds that every piece waits.
    delay: AtomicU64,
    /// A connection is cut after this many bytes, as long as some are left to be cut.
    cut: AtomicU64,
    left: AtomicU64,
    stop: AtomicBool,
}

impl Proxy {
    /// A proxy before `port`, which does nothing wrong yet.
    pub(super) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = Self { port: listener.local_addr().expect("an address").port(), rules: Arc::default() };
        let rules = own.rules.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if rules.stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, rules) = (from.try_clone(), to.try_clone(), rules.clone());
                    std::thread::spawn(move || {
                        forward(from.expect("a socket"), to.expect("a socket"), &rules)
                    });
                }
            }
        });
        own
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every piece that passes waits this long.
    pub(super) fn delay(&self, time: Duration) {
        self.rules.delay.store(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// The next connections, this many, are cut after so many bytes in one direction.
    pub(super) fn cut(&self, connections: u64, bytes: u64) {
        self.rules.cut.store(bytes, Ordering::Relaxed);
        self.rules.left.store(connections, Ordering::Relaxed);
    }

    /// How many connections are still to be cut.
    pub(super) fn left(&self) -> u64 {
        self.rules.left.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.rules.stop.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, rules: &Rules) {
    let mut buffer = [0; 16 * 1024];
    let mut passed = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_millis(rules.delay.load(Ordering::Relaxed)));
        passed += read as u64;
        let one_less = |left: u64| left.checked_sub(1);
        if passed > rules.cut.load(Ordering::Relaxed)
            && rules.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
        {
            // In the middle of what was read.
            let _ = to.write_all(&buffer[..read / 2]);
            break;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    for socket in [&from, &to] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}
