//! Somebody who has the tls-auth key and addresses in some networks: resets without end, each answer's
//! cookie brought back, and not a word after that.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use sysio::lab::Host;

use super::Resets;

/// Runs until it is told to end.
pub(crate) struct HalfOpen {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) resets: u32,
    pub(crate) completed: u32,
    pub(crate) took: Duration,
}

impl Tally {
    /// Resets a second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.resets) / self.took.as_secs_f64()
    }
}

impl HalfOpen {
    /// From the gateway's own host, whose loopback has every network of 127/8: the first `networks` of
    /// them, `rate` resets a second together.
    pub(crate) fn start(gateway: &Host, profile: &str, networks: u8, rate: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, resets) = (Arc::clone(&over), Resets::by_profile(profile));
        let thread = gateway.netns.spawn_thread("half-open", move || {
            let sockets = (1..=networks).map(|n| {
                let socket = UdpSocket::bind((Ipv4Addr::new(127, n, 0, 1), 0)).expect("a socket");
                socket.connect(GATEWAY).expect("connected");
                socket.set_nonblocking(true).expect("non-blocking");
                socket
            });
            attack(&sockets.collect::<Vec<_>>(), resets, rate, &seen)
        });
        Self { over, thread: thread.expect("a thread") }
    }

    /// Ends it.
    pub(crate) fn end(self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

fn attack(sockets: &[UdpSocket], mut resets: Resets, rate: u32, over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut buffer = [0; 2048];
    let start = Instant::now();
    let mut due = start;
    while !over.load(Ordering::Relaxed) {
        let mut idle = true;
        for socket in sockets {
            let now = Instant::now();
            // What a busy machine made late is not made up for.
            due = due.max(now.checked_sub(LATE).unwrap_or(now));
            if due <= now {
                due += Duration::from_secs(1) / rate;
                tally.resets += 1;
                idle = false;
                // A full queue of ours counts as sent.
                let _ = socket.send(&resets.fresh());
            }
            while let Ok(length) = socket.recv(&mut buffer) {
                idle = false;
                if let Some(third) = resets.third(&buffer[..length]) {
                    tally.completed += 1;
                    let _ = socket.send(&third);
                }
            }
        }
        if idle {
            sleep(Duration::from_micros(100));
        }
    }
    tally.took = start.elapsed();
    tally
}

const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1194);
const LATE: Duration = Duration::from_millis(4);
