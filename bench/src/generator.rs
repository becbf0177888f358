//! Datagrams at a given rate, and a sink that counts them.
//!
//! Each trial has a number that every datagram carries, so that stragglers of an earlier one are not
//! counted. The sender sleeps between its batches: a generator that spins would take a processor from
//! the tunnel that it measures.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysio::{Interest, Netns, Packet, Poller, Ready, Received, Transmit, UdpSocket};

use crate::error::BenchError;
use crate::interrupt;

/// What became of one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trial {
    /// Datagrams that the sender's kernel took.
    pub(crate) sent: u64,
    /// Datagrams that arrived.
    pub(crate) received: u64,
    /// How long was sent.
    pub(crate) seconds: f64,
}

impl Trial {
    /// The share that was lost, 0 to 1; 1 where nothing was sent.
    pub(crate) fn loss(&self) -> f64 {
        if self.sent == 0 { 1.0 } else { 1.0 - self.received as f64 / self.sent as f64 }
    }

    /// Datagrams a second that left.
    pub(crate) fn sent_per_second(&self) -> f64 {
        self.sent as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Datagrams a second that arrived.
    pub(crate) fn delivered_per_second(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.received as f64 / self.seconds }
    }
}

/// Counts datagrams until it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    shared: Arc<Counters>,
    waker: sysio::Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counters {
    trial: AtomicU32,
    received: AtomicU64,
    stop: AtomicBool,
}

impl Sink {
    /// Listens in `netns`; with `joined` the kernel may hand over several datagrams as one.
    pub(crate) fn start(netns: &Netns, port: u16, joined: bool) -> Result<Self, BenchError> {
        let socket = netns.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port).into()))?;
        let socket = socket.map_err(|e| BenchError::Socket(e.to_string()))?;
        if joined && !socket.join_received() {
            return Err(BenchError::Unavailable("this kernel has no UDP_GRO".to_owned()));
        }
        let failed = |e: std::io::Error| BenchError::Socket(e.to_string());
        let poller = Poller::new().map_err(failed)?;
        poller.add(&socket, 0, Interest::Readable).map_err(failed)?;
        let shared = Arc::new(Counters::default());
        let (waker, counters) = (poller.waker(), Arc::clone(&shared));
        let room = if joined { 65_536 } else { 2_048 };
        let count = move || count(&socket, poller, room, &counters);
        let thread = std::thread::Builder::new().name("sink".to_owned());
        let thread = Some(thread.spawn(count).map_err(failed)?);
        Ok(Self { shared, waker, thread })
    }

    /// How many came since the last trial began.
    fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Forgets what came and counts datagrams with the next number, which it returns.
    fn begin(&self) -> u32 {
        let number = self.shared.trial.fetch_add(1, Ordering::Relaxed) + 1;
        // A straggler that is being counted at this moment makes one datagram too many.
        self.shared.received.store(0, Ordering::Relaxed);
        number
    }

    /// Waits until nothing more comes, at most half a second.
    fn settle(&self) -> u64 {
        let end = Instant::now() + Duration::from_millis(500);
        let mut last = self.received();
        loop {
            std::thread::sleep(Duration::from_millis(60));
            let present = self.received();
            if present == last || Instant::now() >= end {
                return present;
            }
            last = present;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A sink that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn count(socket: &UdpSocket, mut poller: Poller, room: usize, counters: &Counters) {
    let mut slots: Vec<_> = (0..BATCH).map(|_| Received::new(Packet::new(0, room))).collect();
    let mut ready: Vec<Ready> = Vec::new();
    while !counters.stop.load(Ordering::Relaxed) {
        if poller.wait(&mut ready, None).is_err() {
            return;
        }
        while let Ok(filled @ 1..) = socket.recv_batch(&mut slots) {
            let trial = counters.trial.load(Ordering::Relaxed).to_be_bytes();
            let of_trial = |slot: &Received| {
                let stride = if slot.stride == 0 { room } else { slot.stride };
                let datagrams = slot.packet.content().chunks(stride);
                datagrams.filter(|datagram| datagram.starts_with(&trial)).count() as u64
            };
            let came = slots[..filled].iter().map(of_trial).sum();
            counters.received.fetch_add(came, Ordering::Relaxed);
        }
    }
}

/// Sends datagrams of one size to one place.
#[derive(Debug)]
pub(crate) struct Flood {
    socket: UdpSocket,
    target: SocketAddr,
    size: usize,
    /// Datagrams in one buffer.
    together: usize,
}

impl Flood {
    /// Opens the sender in `netns`; with `joined` the kernel gets up to 64 KiB as one.
    pub(crate) fn open(
        netns: &Netns,
        target: SocketAddr,
        size: usize,
        joined: bool,
    ) -> Result<Self, BenchError> {
        let socket = netns.run(|| UdpSocket::connect(target))?;
        let socket = socket.map_err(|e| BenchError::Socket(e.to_string()))?;
        let together = if joined { (LARGEST / size).clamp(1, MOST_JOINED) } else { 1 };
        Ok(Self { socket, target, size, together })
    }

    /// Sends `rate` datagrams a second for so long, and waits for the last to arrive.
    pub(crate) fn run(
        &self,
        sink: &Sink,
        rate: f64,
        duration: Duration,
    ) -> Result<Trial, BenchError> {
        interrupt::check()?;
        let number = sink.begin();
        let mut payload = vec![0xa5; self.size * self.together];
        payload
            .chunks_mut(self.size)
            .for_each(|chunk| chunk[..4].copy_from_slice(&number.to_be_bytes()));
        let segment = if self.together > 1 { self.size } else { 0 };
        let datagram =
            Transmit { payload: &payload, remote: self.target, local: None, ifindex: 0, segment };
        let (sent, seconds) = self.pace(&[datagram; BATCH], rate, duration);
        if self.together > 1 && !self.socket.joins_sent() {
            return Err(BenchError::Socket("the kernel refused UDP_SEGMENT".to_owned()));
        }
        Ok(Trial { sent, received: sink.settle(), seconds })
    }

    /// Sends as the clock demands. Returns how many datagrams left, and the seconds it took.
    fn pace(&self, batch: &[Transmit<'_>], rate: f64, duration: Duration) -> (u64, f64) {
        let begin = Instant::now();
        let together = self.together as u64;
        let (mut tried, mut sent) = (0, 0);
        loop {
            let elapsed = begin.elapsed();
            if elapsed >= duration {
                return (sent, elapsed.as_secs_f64());
            }
            let due = (elapsed.as_secs_f64() * rate) as u64;
            let buffers = (due.saturating_sub(tried) / together) as usize;
            if buffers == 0 {
                std::thread::sleep(NAP);
                continue;
            }
            let outcome = self.socket.send_batch(&batch[..buffers.min(batch.len())]);
            sent += outcome.sent as u64 * together;
            tried += outcome.sent as u64 * together;
            if outcome.stopped.is_some() {
                // The interface's queue is full: what is due then is late, and shows as a rate that
                // was not reached.
                std::thread::sleep(NAP);
            }
        }
    }
}

/// Buffers in one system call.
const BATCH: usize = 16;
/// Datagrams in one buffer, and bytes.
const MOST_JOINED: usize = 64;
const LARGEST: usize = 65_507;
/// Short enough that what becomes due meanwhile is a small burst.
const NAP: Duration = Duration::from_micros(50);
