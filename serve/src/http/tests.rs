use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::fake::FakeIndex;

/// A server in this process whose searches take `delay`.
struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start(delay: Duration, grace: Duration, change: impl FnOnce(&mut ServeSettings)) -> Self {
        let mut settings = ServeSettings::default();
        change(&mut settings);
        let searcher = Searcher::new(Arc::new(FakeIndex::new(None, delay)), None, Duration::from_secs(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let closing = CancellationToken::new();
        let router =
            App::new(searcher, Access::Open, &settings).router(&[address], &settings, closing.clone());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(serve(listener, router, stopped, grace, closing));
        Self { address, stop: Some(stop), ended }
    }

    /// Sends a search and gives the connection its answer will come on.
    async fn search(&self) -> TcpStream {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "search_docs", "arguments": {"query": "words"}}})
        .to_string();
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it listens");
        stream
    }

    async fn metric(&self, line: &str) -> bool {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("it listens");
        rest(stream).await.lines().any(|found| found == line)
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    // A connection that is cut counts as one that says nothing more.
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8_lossy(&read).into_owned()
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let served = Served::start(LONG, LONG, |_| {}).await;
    let stream = served.search().await;
    tokio::time::sleep(SHORT).await;
    drop(stream);
    let started = Instant::now();
    while !served.metric("lectern_requests_total{tool=\"search_docs\",outcome=\"cancelled\"} 1").await {
        assert!(started.elapsed() < Duration::from_secs(5), "the call goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up() {
    let served = Served::start(LONG, LONG, |settings| settings.timeout_seconds = 1).await;
    let answer = rest(served.search().await).await;
    assert!(answer.contains("took longer than 1 s") && answer.contains("\"isError\":true"), "{answer}");
    assert!(served.metric("lectern_requests_total{tool=\"search_docs\",outcome=\"timed_out\"} 1").await);
}

#[tokio::test]
async fn calls_over_the_limit_wait() {
    let served = Served::start(SHORT, LONG, |settings| settings.max_concurrent = 1).await;
    let started = Instant::now();
    let (first, second) = (served.search().await, served.search().await);
    let (first, second) = tokio::join!(rest(first), rest(second));
    assert!(first.contains("By words.") && second.contains("By words."));
    assert!(started.elapsed() >= SHORT * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn requests_in_flight_are_finished_before_the_end() {
    let mut served = Served::start(SHORT, LONG, |_| {}).await;
    let stream = served.search().await;
    tokio::time::sleep(SHORT / 3).await;
    served.stop();
    assert!(rest(stream).await.contains("By words."), "the request was dropped");
    served.ended.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let mut served = Served::start(LONG, SHORT, |_| {}).await;
    let _stream = served.search().await;
    tokio::time::sleep(SHORT / 3).await;
    let started = Instant::now();
    served.stop();
    served.ended.await.expect("no panic").expect("a clean end");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
