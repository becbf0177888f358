//! A longer way to the gateway: a host that passes one client's datagrams on after a while.
//!
//! It keeps their order and loses nothing. It stands in for a kernel's delaying queue, which not every
//! kernel has.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysio::lab::Host;

/// The running way; it ends when it is dropped.
#[derive(Debug)]
pub struct Delay {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Delay {
    /// Passes datagrams between port 1194 of `host` and `gateway`, each way after `delay`.
    pub fn start(host: &Host, gateway: SocketAddr, delay: Duration) -> io::Result<Self> {
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let over = Arc::new(AtomicBool::new(false));
        let sockets = host.netns.run(sockets).map_err(io::Error::other)?;
        let (near, far) = sockets?;
        far.connect(gateway)?;
        let mut threads = Vec::new();
        for up in [true, false] {
            let (from, to) = if up { (&near, &far) } else { (&far, &near) };
            let way = Way { up, from: from.try_clone()?, to: to.try_clone()?, delay };
            let (client, over) = (client.clone(), over.clone());
            threads.push(std::thread::spawn(move || way.carry(&client, &over)));
        }
        Ok(Self { over, threads })
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A way that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// One direction.
struct Way {
    up: bool,
    from: UdpSocket,
    to: UdpSocket,
    delay: Duration,
}

impl Way {
    fn carry(&self, client: &Mutex<Option<SocketAddr>>, over: &AtomicBool) {
        let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut buffer = vec![0; 65_536];
        let known = || *client.lock().unwrap_or_else(PoisonError::into_inner);
        while !over.load(Ordering::Relaxed) {
            if let Ok((length, sender)) = self.from.recv_from(&mut buffer) {
                if self.up {
                    *client.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
                }
                waiting.push_back((Instant::now() + self.delay, buffer[..length].to_vec()));
            }
            while waiting.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                let Some((_, datagram)) = waiting.pop_front() else { break };
                // What the network refuses is lost, as on any way.
                let _ = match known() {
                    Some(client) if !self.up => self.to.send_to(&datagram, client),
                    _ => self.to.send(&datagram),
                };
            }
        }
    }
}

fn sockets() -> io::Result<(UdpSocket, UdpSocket)> {
    let near = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 1194))?;
    let far = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for socket in [&near, &far] {
        socket.set_read_timeout(Some(Duration::from_millis(1)))?;
    }
    Ok((near, far))
}
