//! A backend that keeps what it heard, and clients that say what they like.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use web::{
    Action, Backend, Connection, Http, Identity, Prefix, Refusal, Route, ServeError, Served, Site,
    Steward, Tls, Upstream, UpstreamLimits, serve,
};

/// A backend on loopback.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// Each request's head and body as they came, in order.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    /// Connections that were taken.
    pub(crate) connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Service {
    /// One that answers every request with its own text.
    pub(crate) async fn echo() -> Self {
        Self::echo_with("").await
    }

    /// The same, with these fields in each answer.
    pub(crate) async fn echo_with(fields: &'static str) -> Self {
        Self::with(move |stream, heard| tokio::spawn(echo(stream, heard, fields))).await
    }

    pub(crate) async fn with(
        manner: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> JoinHandle<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (all, count) = (Arc::clone(&heard), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                manner(stream, Arc::clone(&all));
            }
        });
        Self { address, heard, connections, task }
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::tcp(self.address.ip().to_string(), self.address.port())
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// A site that hands everything to it.
    pub(crate) fn site(&self) -> Site {
        proxying(vec![self.backend()], UpstreamLimits::default())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn proxying(backends: Vec<Backend>, limits: UpstreamLimits) -> Site {
    let upstream = Upstream::new(backends, limits).unwrap();
    let prefix: Prefix = "/".parse().unwrap();
    Site::new(vec![Route { prefix, action: Action::Proxy(Arc::new(upstream)) }])
}

async fn echo(mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>, fields: &str) {
    let mut rest = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut rest).await {
        heard.lock().unwrap().push(request.clone());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nStrict-Transport-Security: max-age=0\r\n{fields}\r\n{request}",
            request.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One request, head and body; `rest` keeps what came behind it.
pub(crate) async fn read_request(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<String> {
    let head = loop {
        if let Some(end) = find(rest, b"\r\n\r\n") {
            break rest.drain(..end + 4).collect::<Vec<_>>();
        }
        more(stream, rest).await?;
    };
    let head = String::from_utf8_lossy(&head).into_owned();
    let lower = head.to_ascii_lowercase();
    let mut text = head;
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let end = loop {
                if let Some(end) = find(rest, b"\r\n") {
                    break end;
                }
                more(stream, rest).await?;
            };
            let line: Vec<u8> = rest.drain(..end + 2).collect();
            let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
            while rest.len() < length + 2 {
                more(stream, rest).await?;
            }
            let piece: Vec<u8> = rest.drain(..length + 2).collect();
            text.push_str(&String::from_utf8_lossy(&piece[..length]));
            if length == 0 {
                return Some(text);
            }
        }
    }
    if let Some(length) = lower.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let length: usize = length.trim().parse().ok()?;
        while rest.len() < length {
            more(stream, rest).await?;
        }
        let body: Vec<u8> = rest.drain(..length).collect();
        text.push_str(&String::from_utf8_lossy(&body));
    }
    Some(text)
}

async fn more(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let read = stream.read(&mut piece).await.ok()?;
    rest.extend_from_slice(&piece[..read]);
    (read > 0).then_some(())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Keeps what it is told.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) site: Arc<Mutex<Arc<Site>>>,
    pub(crate) asked: Arc<Mutex<usize>>,
    pub(crate) refused: Arc<Mutex<Vec<Refusal>>>,
    pub(crate) broke: Arc<Mutex<Vec<Refusal>>>,
    pub(crate) streams: Option<u32>,
}

impl Watched {
    pub(crate) fn new(site: Site) -> Self {
        let site = Arc::new(Mutex::new(Arc::new(site)));
        let (asked, refused, broke) = Default::default();
        Self { site, asked, refused, broke, streams: None }
    }
}

impl Steward for Watched {
    fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.lock().unwrap())
    }

    fn streams(&self) -> Option<u32> {
        self.streams
    }

    fn asked(&self) {
        *self.asked.lock().unwrap() += 1;
    }

    fn refused(&self, refusal: Refusal, _: &str, _: &str) {
        self.refused.lock().unwrap().push(refusal);
    }

    fn broke(&self, refusal: Refusal) {
        self.broke.lock().unwrap().push(refusal);
    }
}

pub(crate) fn plain(http: Http) -> Connection {
    Connection {
        peer: "192.0.2.7:4000".parse().unwrap(),
        local: "192.0.2.1:443".parse().unwrap(),
        http,
        tls: None,
    }
}

pub(crate) fn secure(http: Http) -> Connection {
    Connection {
        tls: Some(Tls { server_name: Some("a.example".into()), identity: None }),
        ..plain(http)
    }
}

pub(crate) fn alice(http: Http) -> Connection {
    let identity = Identity {
        user: "alice".into(),
        device: Some("laptop".into()),
        leaf: Bytes::from_static(b"leaf"),
        chain: vec![Bytes::from_static(b"issuer")],
    };
    Connection {
        tls: Some(Tls { server_name: Some("a.example".into()), identity: Some(identity) }),
        ..plain(http)
    }
}

/// A connection that is being served, and its other end.
pub(crate) fn open(
    site: Site,
    connection: Connection,
) -> (DuplexStream, JoinHandle<Result<Served, ServeError>>) {
    open_by(Arc::new(site), connection)
}

pub(crate) fn open_by(
    steward: impl Steward,
    connection: Connection,
) -> (DuplexStream, JoinHandle<Result<Served, ServeError>>) {
    let (ours, theirs) = duplex(64 * 1024);
    let served = serve(theirs, connection, steward, std::future::pending());
    (ours, tokio::spawn(served))
}

/// Says all of it at once, and what comes back until the connection ends or nothing more comes.
pub(crate) async fn say(site: Site, connection: Connection, octets: &[u8]) -> String {
    say_by(Arc::new(site), connection, octets).await
}

pub(crate) async fn say_by(steward: impl Steward, connection: Connection, octets: &[u8]) -> String {
    let (mut client, _task) = open_by(steward, connection);
    client.write_all(octets).await.unwrap();
    hear(&mut client).await
}

/// What comes until the end, or until a while passes without anything.
pub(crate) async fn hear(client: &mut DuplexStream) -> String {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(Ok(read)) = timeout(QUIET, client.read(&mut piece)).await {
        if read == 0 {
            break;
        }
        heard.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// The statuses in what came back.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ")
        .filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'))
        .filter_map(|(at, found)| text[at + found.len()..].get(..3)?.parse().ok())
        .collect()
}

const QUIET: Duration = Duration::from_millis(400);
