//! `lectern-serve healthcheck`: asks a running server how it is. For containers without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that needs longer to say how it is, is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the server at one of `addresses` is well, and what it said (JSON).
pub async fn ask(addresses: &[SocketAddr]) -> anyhow::Result<(bool, String)> {
    let mut failure = None;
    for address in addresses.iter().map(reachable) {
        if address.port() == 0 {
            bail!("port 0 is none to ask at: pass the address the server listens on with --listen");
        }
        match tokio::time::timeout(TIMEOUT, get(address)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => failure = Some(error.context(format!("http://{address}/health"))),
            Err(_) => {
                failure = Some(anyhow::anyhow!("http://{address}/health did not answer within {TIMEOUT:?}"));
            }
        }
    }
    Err(failure.unwrap_or_else(|| anyhow::anyhow!("there is no address to ask at")))
}

/// Where a server that listens on `address` can be reached from this machine.
pub fn reachable(address: &SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn get(address: SocketAddr) -> anyhow::Result<(bool, String)> {
    let mut stream = TcpStream::connect(address).await.context("nothing listens there")?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let ok = head.split(' ').nth(1) == Some("200");
    Ok((ok, body.trim().to_owned()))
}
