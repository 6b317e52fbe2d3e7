//! A bad network between a program and Qdrant: it delays, cuts connections in the middle, delivers in
//! another order, and holds one request back until it is let go. Within a connection TCP keeps the order,
//! so what changes places is what different connections carry, and what a connection carried before it
//! was cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time that a piece waits to be overtaken.
const OVERTAKEN: Duration = Duration::from_millis(20);

/// How long none is cut after one was: whoever asks again once is answered.
const STEADY: Duration = Duration::from_millis(500);

/// How much later than its end what a connection carried arrives.
const LATE: Duration = Duration::from_millis(150);

/// Forwards connections to a port of this machine until it is dropped.
pub(super) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

#[derive(Default)]
struct Rules {
    /// Milliseconds that every piece waits.
    delay: AtomicU64,
    /// Whether every second piece of a connection waits until one of another connection passes.
    reorder: AtomicBool,
    /// A connection is cut after this many bytes, as long as some are left to be cut.
    cut: AtomicU64,
    left: AtomicU64,
    /// Whether one of three connections is cut anyway, after a number of bytes of its own.
    unsteady: AtomicBool,
    /// When the last of these was cut.
    last: Mutex<Option<Instant>>,
    /// What the next piece that is held back is like.
    hold: Mutex<Option<Hold>>,
    /// Whether one is.
    holds: AtomicBool,
    /// Pieces that have passed.
    passed: AtomicU64,
    stop: AtomicBool,
}

struct Hold {
    is: fn(&[u8]) -> bool,
    cut: bool,
}

/// One connection, in both directions.
#[derive(Default)]
struct Connection {
    number: u64,
    /// Pieces of it that have passed.
    passed: AtomicU64,
    is_cut: AtomicBool,
}

impl Proxy {
    /// A proxy before `port`, which does nothing wrong yet.
    pub(super) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = Self { port: listener.local_addr().expect("an address").port(), rules: Arc::default() };
        let rules = own.rules.clone();
        std::thread::spawn(move || {
            for (client, number) in listener.incoming().zip(0..) {
                if rules.stop.load(Relaxed) {
                    return;
                }
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let connection = Arc::new(Connection { number, ..Connection::default() });
                for (from, to, asks) in [(&client, &server, true), (&server, &client, false)] {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let (connection, rules) = (connection.clone(), rules.clone());
                    std::thread::spawn(move || {
                        forward(from.expect("a socket"), to.expect("a socket"), asks, &connection, &rules)
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
        self.rules.delay.store(time.as_millis() as u64, Relaxed);
    }

    /// Connections overtake each other.
    pub(super) fn reorder(&self) {
        self.rules.reorder.store(true, Relaxed);
    }

    /// The next connections, this many, are cut after so many bytes in one direction.
    pub(super) fn cut(&self, connections: u64, bytes: u64) {
        self.rules.cut.store(bytes, Relaxed);
        self.rules.left.store(connections, Relaxed);
    }

    /// How many connections are still to be cut.
    pub(super) fn left(&self) -> u64 {
        self.rules.left.load(Relaxed)
    }

    /// Every piece waits a little, connections overtake each other, and one of three is cut.
    pub(super) fn misbehave(&self) {
        self.delay(Duration::from_millis(1));
        self.reorder();
        self.rules.unsteady.store(true, Relaxed);
    }

    /// The next piece of this kind that a client sends waits until it is let go. With `cut` its client
    /// is told at once that it was cut, and goes on over another connection.
    pub(super) fn hold(&self, is: fn(&[u8]) -> bool, cut: bool) {
        *self.rules.hold.lock().expect("nobody panics") = Some(Hold { is, cut });
    }

    /// Whether a piece is held back.
    pub(super) fn holds(&self) -> bool {
        self.rules.holds.load(Relaxed)
    }

    /// Lets the piece that is held back go, and arrive.
    pub(super) fn let_go(&self) {
        self.rules.holds.store(false, Relaxed);
        std::thread::sleep(LATE);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.rules.stop.store(true, Relaxed);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Rules {
    /// Whether a connection that carried so many bytes in one direction is cut now.
    fn cuts(&self, connection: &Connection, bytes: u64) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let planned =
            bytes > self.cut.load(Relaxed) && self.left.fetch_update(Relaxed, Relaxed, one_less).is_ok();
        (planned || self.is_unsteady(connection, bytes)) && !connection.is_cut.swap(true, Relaxed)
    }

    fn is_unsteady(&self, connection: &Connection, bytes: u64) -> bool {
        let own = 1_000 + connection.number * 7_919 % 100_000;
        if !self.unsteady.load(Relaxed) || connection.number % 3 != 1 || bytes < own {
            return false;
        }
        let mut last = self.last.lock().expect("nobody panics");
        let is_due = last.is_none_or(|last| last.elapsed() > STEADY);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    /// Holds a piece back if it is the one that is to be; whether its client was cut.
    fn holds_back(&self, piece: &[u8], from: &TcpStream, connection: &Connection) -> bool {
        let Some(hold) = self.hold.lock().expect("nobody panics").take_if(|hold| (hold.is)(piece)) else {
            return false;
        };
        if hold.cut {
            connection.is_cut.store(true, Relaxed);
            let _ = from.shutdown(Shutdown::Both);
        }
        self.holds.store(true, Relaxed);
        while self.holds.load(Relaxed) && !self.stop.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        hold.cut
    }

    /// Lets a piece wait.
    fn wait(&self, connection: &Connection) {
        std::thread::sleep(Duration::from_millis(self.delay.load(Relaxed)));
        let others = || self.passed.load(Relaxed) - connection.passed.load(Relaxed);
        if self.reorder.load(Relaxed) && connection.passed.load(Relaxed) % 2 == 1 {
            let (before, since) = (others(), Instant::now());
            while others() == before && since.elapsed() < OVERTAKEN {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        // In this order, or the pieces of others would be less than none.
        self.passed.fetch_add(1, Relaxed);
        connection.passed.fetch_add(1, Relaxed);
    }
}

/// One direction; `asks` is that of the client.
fn forward(mut from: TcpStream, mut to: TcpStream, asks: bool, connection: &Connection, rules: &Rules) {
    let mut buffer = [0; 16 * 1024];
    let mut bytes = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        rules.wait(connection);
        if asks && rules.holds_back(&buffer[..read], &from, connection) {
            end_with(&buffer[..read], &from, &mut to);
            return;
        }
        bytes += read as u64;
        if rules.cuts(connection, bytes) {
            if asks && connection.number % 2 == 1 {
                // Its client is told that it was cut, and goes on over another one; what it asked
                // arrives after that.
                let _ = from.shutdown(Shutdown::Both);
                std::thread::sleep(LATE);
                end_with(&buffer[..read], &from, &mut to);
            } else {
                // In the middle of what was read.
                let _ = to.write_all(&buffer[..read / 2]);
                end(&from, &to);
            }
            return;
        }
        // What Qdrant says to a client that was cut is nobody's.
        if to.write_all(&buffer[..read]).is_err() && !connection.is_cut.load(Relaxed) {
            break;
        }
    }
    // Whoever cuts a connection ends it.
    if !connection.is_cut.load(Relaxed) {
        end(&from, &to);
    }
}

/// Delivers a last piece, and leaves Qdrant the time to act on it.
fn end_with(piece: &[u8], from: &TcpStream, to: &mut TcpStream) {
    let _ = to.write_all(piece);
    std::thread::sleep(LATE);
    end(from, to);
}

fn end(from: &TcpStream, to: &TcpStream) {
    for socket in [from, to] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}
