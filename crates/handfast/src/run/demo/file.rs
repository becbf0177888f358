//! A file that is served over HTTP on the host behind the gateway, and fetched by subscribers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use admin::failure::{Failure, FailureKind};
use aws_lc_rs::digest::{Context, SHA256, digest};
use sysio::Netns;

use super::stop::Stop;

/// A file of random bytes and the server that hands it out. It stops with its value.
#[derive(Debug)]
pub(super) struct Served {
    /// The file's length.
    pub(super) len: usize,
    /// The file's SHA-256.
    pub(super) digest: Vec<u8>,
    ending: Arc<AtomicBool>,
}

/// A file that came over the network.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) len: usize,
    pub(super) digest: Vec<u8>,
    pub(super) took: Duration,
}

impl Fetched {
    /// Megabits of the file per second.
    pub(super) fn megabits(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bits = self.len as f64 * 8.0;
        bits / 1e6 / self.took.as_secs_f64().max(1e-9)
    }
}

impl Served {
    /// Serves `len` random bytes on all addresses of `netns`.
    pub(super) fn start(netns: &Netns, len: usize) -> Result<Self, Failure> {
        let content: Arc<[u8]> = random(len).map_err(|e| cannot(&e))?.into();
        let digest = digest(&SHA256, &content).as_ref().to_vec();
        let listener = netns.run(|| TcpListener::bind(("::", PORT)));
        let listener = listener.map_err(|e| cannot(&e))?.map_err(|e| cannot(&e))?;
        listener.set_nonblocking(true).map_err(|e| cannot(&e))?;
        let ending = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ending);
        std::thread::Builder::new()
            .name("file-server".to_owned())
            .spawn(move || serve(&listener, &content, &asked))
            .map_err(|e| cannot(&e))?;
        Ok(Self { len, digest, ending })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

/// Fetches the file from `host` to somebody in `netns`.
pub(super) fn fetch(netns: &Netns, host: IpAddr, stop: &Stop) -> Result<Fetched, Failure> {
    let fetched = netns.run(|| receive((host, PORT).into(), stop)).map_err(|e| cannot(&e))?;
    stop.check()?;
    fetched.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("the file could not be fetched from {host}"))
            .caused_by(&error)
    })
}

fn receive(from: SocketAddr, stop: &Stop) -> io::Result<Fetched> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&from, STALL)?;
    stream.write_all(b"GET /file HTTP/1.0\r\n\r\n")?;
    stream.set_read_timeout(Some(PAUSE))?;
    let mut sum = Body::default();
    let mut piece = vec![0; PIECE];
    let mut last = Instant::now();
    while !stop.is_asked() {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(sum.finish(begun.elapsed())),
            Ok(len) => {
                sum.take(&piece[..len]);
                last = Instant::now();
            }
            Err(error) if is_pause(&error) && last.elapsed() < STALL => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::Interrupted.into())
}

/// What came of an answer: first its head, then the file.
struct Body {
    head: Option<Vec<u8>>,
    len: usize,
    digest: Context,
}

impl Default for Body {
    fn default() -> Self {
        Self { head: Some(Vec::new()), len: 0, digest: Context::new(&SHA256) }
    }
}

impl Body {
    fn take(&mut self, bytes: &[u8]) {
        let Some(mut head) = self.head.take() else { return self.add(bytes) };
        head.extend_from_slice(bytes);
        match head.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
            Some(at) => self.add(&head[at + HEAD_END.len()..]),
            None => self.head = Some(head),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        self.digest.update(bytes);
    }

    fn finish(self, took: Duration) -> Fetched {
        Fetched { len: self.len, digest: self.digest.finish().as_ref().to_vec(), took }
    }
}

fn serve(listener: &TcpListener, content: &Arc<[u8]>, ending: &AtomicBool) {
    while !ending.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                let content = Arc::clone(content);
                // Who can't be answered sees a closed connection.
                std::thread::spawn(move || drop(answer(stream, &content)));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn answer(mut stream: TcpStream, content: &[u8]) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let mut request = Vec::new();
    let mut piece = [0; 512];
    while !request.ends_with(HEAD_END) && request.len() < 8 * piece.len() {
        let len = stream.read(&mut piece)?;
        if len == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&piece[..len]);
    }
    if request.starts_with(b"GET /trickle ") {
        return trickle(stream, content);
    }
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", content.len())?;
    stream.write_all(content)
}

/// The file, so slowly that it has no end.
fn trickle(mut stream: TcpStream, content: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", content.len())?;
    for piece in content.chunks(1024) {
        stream.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn random(len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn cannot(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, "the file can't be served").caused_by(error)
}

const PORT: u16 = 80;
const HEAD_END: &[u8] = b"\r\n\r\n";
const PIECE: usize = 256 * 1024;
/// How long nothing may come.
const STALL: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_in_pieces_is_not_part_of_the_file() {
        let mut body = Body::default();
        for piece in [&b"HTTP/1.0 200 OK\r\nA: b\r"[..], b"\n\r", b"\nab", b"c"] {
            body.take(piece);
        }
        let fetched = body.finish(Duration::from_secs(1));
        assert_eq!(fetched.len, 3);
        assert_eq!(fetched.digest, digest(&SHA256, b"abc").as_ref());
    }
}
