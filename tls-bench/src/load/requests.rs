//! Requests through the HTTP proxy, over HTTP/1.1 and HTTP/2, and how long each took.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{Client, Manner, runtime};
use crate::failed::Failed;
use crate::house::{House, P256};

/// How many connections, and how many requests at once on each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// With one at a time it is HTTP/1.1.
    pub(crate) streams: Option<usize>,
}

/// The time of each request, in the order of their ends; `begun` is called once all connections are there.
pub(crate) fn ask<T>(
    house: &House,
    address: SocketAddr,
    shape: Shape,
    time: Duration,
    begun: impl FnOnce() -> T,
) -> Result<(Vec<Duration>, T), Failed> {
    let alpn = if shape.streams.is_some() { "h2" } else { "http/1.1" };
    let client = Client::new(house, Manner::plain(Some(alpn)))?;
    runtime()?.block_on(async {
        let mut askers = Vec::new();
        for _ in 0..shape.connections {
            let stream = client.connect(address, P256).await?;
            let Some(streams) = shape.streams else {
                askers.push(Asker::One(Box::new(stream)));
                continue;
            };
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            askers.extend((0..streams).map(|_| Asker::Two(sender.clone())));
        }
        let started = begun();
        let until = Instant::now() + time;
        let mut all = JoinSet::new();
        for asker in askers {
            all.spawn(asker.ask_until(until));
        }
        let mut times = Vec::new();
        while let Some(done) = all.join_next().await {
            times.extend(done??);
        }
        Ok((times, started))
    })
}

enum Asker {
    One(Box<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Asker {
    async fn ask_until(mut self, until: Instant) -> Result<Vec<Duration>, Failed> {
        let mut times = Vec::new();
        let mut buffer = Vec::with_capacity(16 * 1024);
        while Instant::now() < until {
            let asked = Instant::now();
            match &mut self {
                Self::One(stream) => {
                    stream.write_all(REQUEST).await?;
                    answer(stream, &mut buffer).await?;
                }
                Self::Two(sender) => {
                    let request =
                        http::Request::get(format!("https://{P256}/")).body(Empty::new())?;
                    sender.ready().await?;
                    let answer = sender.send_request(request).await?;
                    let is_fine = answer.status().is_success();
                    let body = answer.into_body().collect().await?.to_bytes();
                    if !is_fine || body.is_empty() {
                        return Err(Failed::new("a request was answered with a failure"));
                    }
                }
            }
            times.push(asked.elapsed());
        }
        Ok(times)
    }
}

/// Reads an answer with a length to its end.
async fn answer(
    stream: &mut tokio_rustls::client::TlsStream<tokio::net::TcpStream>,
    buffer: &mut Vec<u8>,
) -> Result<(), Failed> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(Failed::new("the server has closed"));
        }
        let Some(end) = buffer.windows(4).position(|octets| octets == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(Failed::new(format!("a request was answered with {head}")));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or("0").trim().parse()?;
        while buffer.len() < end + 4 + length {
            if stream.read_buf(buffer).await? == 0 {
                return Err(Failed::new("the server has closed"));
            }
        }
        return Ok(());
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: p256.test\r\n\r\n";
