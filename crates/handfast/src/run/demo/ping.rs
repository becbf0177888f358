//! Pings that run while other things happen. Our own, for the exact time of the last answer.
//!
//! Raw sockets, ICMP echo (RFC 792) and ICMPv6 echo (RFC 4443): 8 bytes of header, then a number
//! that tells one run from another and the number of the ping.

use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use admin::failure::{Failure, FailureKind};
use clock::Timestamp;
use clock::{Clock as _, SystemClock};
use socket2::{Domain, Protocol, Socket, Type};
use sysio::Netns;

/// Pings on their way, one each interval until the end is asked for.
#[derive(Debug)]
pub(super) struct Ping {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<Report>>>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    answered: AtomicU32,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// When the last answer came.
    pub(super) last_answer: Option<Timestamp>,
    /// From sending to answer, all answered ones together.
    pub(super) round_trips: Duration,
}

impl Report {
    pub(super) fn lost(&self) -> u32 {
        self.sent - self.answered
    }

    /// The mean round trip.
    pub(super) fn mean(&self) -> Duration {
        self.round_trips.checked_div(self.answered).unwrap_or_default()
    }
}

impl Ping {
    pub(super) fn start(netns: &Netns, to: IpAddr, interval: Duration) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let socket = netns.run(|| open(to)).map_err(|e| cannot(&e))?.map_err(|e| cannot(&e))?;
        let thread = std::thread::Builder::new()
            .name("ping".to_owned())
            .spawn(move || Pinger::new(socket, to, interval, inside).run())
            .map_err(|e| cannot(&e))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How many answers have come.
    pub(super) fn answered(&self) -> u32 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Sends no more, gives the last ones time for their answers, and counts.
    pub(super) fn finish(mut self) -> Result<Report, Failure> {
        self.shared.ending.store(true, Ordering::Relaxed);
        let broken = || Failure::new(FailureKind::Failed, "the pings' thread broke");
        let thread = self.thread.take().ok_or_else(broken)?;
        thread.join().map_err(|_| broken())?.map_err(|e| cannot(&e))
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
    }
}

struct Pinger {
    socket: Socket,
    to: SocketAddr,
    interval: Duration,
    shared: Arc<Shared>,
    run: u32,
    /// When each was sent, until its answer came.
    sent: Vec<Option<Instant>>,
    report: Report,
}

impl Pinger {
    fn new(socket: Socket, to: IpAddr, interval: Duration, shared: Arc<Shared>) -> Self {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let to = SocketAddr::new(to, 0);
        Self { socket, to, interval, shared, run, sent: Vec::new(), report: Report::default() }
    }

    fn run(mut self) -> io::Result<Report> {
        let mut next = Instant::now();
        while !self.shared.ending.load(Ordering::Relaxed) {
            self.send();
            next += self.interval;
            self.receive_until(next)?;
        }
        let end = Instant::now() + LAST_ANSWERS;
        while self.report.lost() > 0 && Instant::now() < end {
            self.receive_until(end.min(Instant::now() + self.interval))?;
        }
        Ok(self.report)
    }

    fn send(&mut self) {
        let request = request(self.to.ip(), self.run, self.report.sent);
        self.report.sent += 1;
        self.sent.push(Some(Instant::now()));
        // One that can't be sent is one without an answer.
        let _ = self.socket.send_to(&request, &self.to.into());
    }

    fn receive_until(&mut self, end: Instant) -> io::Result<()> {
        let mut packet = [0; 1500];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left < SHORTEST_WAIT {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(left))?;
            match (&self.socket).read(&mut packet) {
                Ok(len) => self.take(&packet[..len]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn take(&mut self, packet: &[u8]) {
        let number = answer(self.to.ip(), self.run, packet);
        let sent = number.and_then(|number| self.sent.get_mut(usize::try_from(number).ok()?));
        if let Some(sent) = sent.and_then(Option::take) {
            self.report.round_trips += sent.elapsed();
            self.report.answered += 1;
            self.report.last_answer = Some(Timestamp::from_wall(SystemClock.now().wall));
            self.shared.answered.store(self.report.answered, Ordering::Relaxed);
        }
    }
}

fn open(to: IpAddr) -> io::Result<Socket> {
    match to {
        IpAddr::V4(_) => Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)),
        IpAddr::V6(_) => Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)),
    }
}

fn request(to: IpAddr, run: u32, number: u32) -> [u8; LEN] {
    let mut packet = [0; LEN];
    packet[0] = if to.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
    packet[8..12].copy_from_slice(&run.to_be_bytes());
    packet[12..].copy_from_slice(&number.to_be_bytes());
    if to.is_ipv4() {
        // The kernel fills ICMPv6's in.
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// The number of the ping that this packet answers. IPv4 comes with its header, IPv6 without.
fn answer(from: IpAddr, run: u32, packet: &[u8]) -> Option<u32> {
    let (kind, icmp) = match from {
        IpAddr::V4(_) => (REPLY_V4, packet.get(usize::from(packet.first()? & 0x0f) * 4..)?),
        IpAddr::V6(_) => (REPLY_V6, packet),
    };
    let icmp = icmp.first_chunk::<LEN>()?;
    let word = |at: usize| Some(u32::from_be_bytes(*icmp.get(at..)?.first_chunk()?));
    (icmp[0] == kind && word(8)? == run).then_some(())?;
    word(12)
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn cannot(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, "pings can't be sent").caused_by(error)
}

static RUNS: AtomicU32 = AtomicU32::new(1);
const LEN: usize = 16;
const ECHO_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const ECHO_V6: u8 = 128;
const REPLY_V6: u8 = 129;
/// How long an answer may take that is still counted.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// A read timeout of nothing would mean for ever.
const SHORTEST_WAIT: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_run_and_its_number() {
        let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "::1".parse().unwrap());
        let mut reply = [vec![0x45; 1], vec![0; 19], request(v4, 7, 3).to_vec()].concat();
        assert_eq!(answer(v4, 7, &reply), None, "a request is no answer");
        reply[20] = REPLY_V4;
        assert_eq!(answer(v4, 7, &reply), Some(3));
        assert_eq!(answer(v4, 8, &reply), None);
        let mut reply = request(v6, 7, 3);
        reply[0] = REPLY_V6;
        assert_eq!(answer(v6, 7, &reply), Some(3));
    }

    #[test]
    fn what_is_cut_off_or_strange_is_no_answer() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        for packet in [&[][..], &[0x4f], &[0x45; 20], &[0xff; 100]] {
            assert_eq!(answer(v4, 0, packet), None);
        }
    }

    #[test]
    fn a_request_and_its_checksum_add_up() {
        let packet = request("192.0.2.1".parse().unwrap(), 0x0102_0304, 5);
        assert_eq!(checksum(&packet), 0);
    }
}
