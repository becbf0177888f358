//! A file's worth of bytes through the tunnel, by sockets of our own in two namespaces.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use socket2::{SockRef, Socket};
use sysio::lab::Host;

/// What went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the file.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A host that hands the same file to everybody who connects, one after the other.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    thread: Option<JoinHandle<io::Result<Received>>>,
}

impl FileServer {
    /// Serves `bytes` bytes once, on a port of its own at `address`.
    pub fn start(host: &Host, address: IpAddr, bytes: u64) -> io::Result<Self> {
        let bind = || TcpListener::bind((address, 0));
        let listener = host.netns.run(bind).map_err(io::Error::other)??;
        let address = listener.local_addr()?;
        let thread = std::thread::spawn(move || serve(&listener, bytes));
        Ok(Self { address, thread: Some(thread) })
    }

    /// Fetches the file from `host`. Returns what was sent and what came.
    pub fn fetch(mut self, host: &Host) -> io::Result<(Received, Received)> {
        let received = host.netns.run(|| fetch(self.address)).map_err(io::Error::other)??;
        let thread = self.thread.take().ok_or(io::ErrorKind::NotConnected)?;
        let sent = thread.join().map_err(|_| io::Error::other("the server panicked"))??;
        Ok((sent, received))
    }
}

/// The MSS that each side of a TCP connection from `client` to `server` took from the other's SYN.
/// Both hosts' TCP timestamps have to be off, as their room is taken off what the kernel tells.
pub fn segment_sizes(client: &Host, server: &Host, address: IpAddr) -> io::Result<(u32, u32)> {
    let bind = || TcpListener::bind((address, 0));
    let listener = server.netns.run(bind).map_err(io::Error::other)??;
    let target = listener.local_addr()?;
    let connect = || TcpStream::connect_timeout(&target, STALLED);
    let near = client.netns.run(connect).map_err(io::Error::other)??;
    let (far, _) = listener.accept()?;
    Ok((SockRef::from(&near).tcp_mss()?, Socket::from(far).tcp_mss()?))
}

fn serve(listener: &TcpListener, bytes: u64) -> io::Result<Received> {
    let (mut stream, _) = listener.accept()?;
    stream.set_write_timeout(Some(STALLED))?;
    let mut context = Context::new(&SHA256);
    let (mut left, mut state) = (bytes, bytes | 1);
    let mut block = vec![0; 64 * 1024];
    while left > 0 {
        let length = left.min(block.len() as u64) as usize;
        for word in block[..length].chunks_mut(8) {
            state = next(state);
            word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
        }
        context.update(&block[..length]);
        stream.write_all(&block[..length])?;
        left -= length as u64;
    }
    Ok(Received { bytes, sha256: hex(context) })
}

fn fetch(address: SocketAddr) -> io::Result<Received> {
    let mut stream = TcpStream::connect_timeout(&address, STALLED)?;
    stream.set_read_timeout(Some(STALLED))?;
    let mut context = Context::new(&SHA256);
    let mut bytes = 0;
    let mut block = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut block)? {
            0 => return Ok(Received { bytes, sha256: hex(context) }),
            length => {
                context.update(&block[..length]);
                bytes += length as u64;
            }
        }
    }
}

/// Bytes that no link compresses or repeats (xorshift).
fn next(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

fn hex(context: Context) -> String {
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const STALLED: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_what_is_fetched() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || serve(&listener, 100_003));
        let received = fetch(address).expect("a file");
        assert_eq!(received.bytes, 100_003);
        assert_eq!(server.join().expect("a server").expect("it served"), received);
    }
}
