//! A bounded, paced generator of hostile datagrams, and a relay that records what passes.

mod half_open;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use sysio::lab::Host;
use wire::control::{Acks, ControlPacket};
use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::{AuthDigest, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, SessionId};

pub(crate) use half_open::HalfOpen;

/// What came back to a sender.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    pub(crate) longest: usize,
    pub(crate) took: Duration,
}

impl Answers {
    fn collect(&mut self, socket: &UdpSocket) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            self.count += 1;
            self.bytes += length;
            self.longest = self.longest.max(length);
        }
    }
}

/// Sends `count` datagrams from `host`, over and over the given ones, so many a second or as fast
/// as it goes, and counts what comes back until a second later.
pub(crate) fn flood(
    host: &Host,
    to: SocketAddr,
    datagrams: &[Vec<u8>],
    count: u32,
    rate: Option<u32>,
) -> Answers {
    let ran = host.netns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let mut answers = Answers::default();
        let start = Instant::now();
        let mut due = start;
        for (_, datagram) in (0..count).zip(datagrams.iter().cycle()) {
            if let Some(rate) = rate {
                let now = Instant::now();
                // What a busy machine made late is not sent all at once: that would measure the
                // kernel's queues between the namespaces, which hold a thousand packets.
                due = due.max(now.checked_sub(BURST).unwrap_or(now));
                due += Duration::from_secs(1) / rate;
                if due > now {
                    sleep(Duration::from_millis(1));
                    answers.collect(&socket);
                }
            }
            // A full queue of ours counts as sent: the gateway's part is what comes of it.
            let _ = socket.send_to(datagram, to);
        }
        answers.took = start.elapsed();
        sleep(Duration::from_secs(1));
        answers.collect(&socket);
        answers
    });
    ran.expect("in the namespace")
}

/// Datagrams that found the gateway's receive buffers full since it started.
pub(crate) fn overflowed(process: u32) -> u64 {
    let read = |file| std::fs::read_to_string(format!("/proc/{process}/net/{file}"));
    let v4 = read("snmp").expect("it runs");
    let mut lines = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let at = names.split(' ').position(|name| name == "RcvbufErrors").expect("a column");
    let v6 = read("snmp6").expect("it runs");
    let v6 = v6.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
    let number = |text: Option<&str>| text.and_then(|t| t.trim().parse().ok()).unwrap_or(0);
    number(values.split(' ').nth(at)) + number(v6)
}

/// Sends each once, slowly enough that no queue overflows.
pub(crate) fn answers_of(host: &Host, to: SocketAddr, datagrams: &[Vec<u8>]) -> Answers {
    let count = u32::try_from(datagrams.len()).expect("a moderate number");
    flood(host, to, datagrams, count, Some(1_000))
}

/// Resident memory of a process in kB.
pub(crate) fn resident(process: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its size");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// Valid resets of ever new sessions.
pub(crate) struct Resets {
    wrap: ControlWrap,
    made: u64,
}

impl Resets {
    /// With the tls-auth key of a profile.
    pub(crate) fn by_profile(profile: &str) -> Self {
        let start = profile.find("<tls-auth>").expect("a key") + "<tls-auth>\n".len();
        let end = profile.find("</tls-auth>").expect("its end");
        Self::with(&StaticKey::parse(&profile[start..end]).expect("a key"))
    }

    fn with(key: &StaticKey) -> Self {
        let wrap = TlsAuth::new(key, KeyDirection::Inverse, AuthDigest::Sha256);
        Self { wrap: ControlWrap::TlsAuth(Box::new(wrap)), made: 0 }
    }

    /// The next one.
    pub(crate) fn fresh(&mut self) -> Vec<u8> {
        self.made += 1;
        let id = (u64::from(std::process::id()) << 32 | self.made).to_be_bytes();
        let session = SessionId::new(id).expect("not zero");
        let opcode = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
        let reset =
            ControlPacket::message(opcode, KeyId::FIRST, session, MessageId::FIRST, Vec::new());
        self.wrap.seal(ReplayStamp::first(now()), &reset)
    }
}

impl Resets {
    /// What brings back the cookie of the answer to a reset, and nothing else.
    pub(crate) fn third(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let (_, answer) = self.wrap.open(answer).ok()?.into_parts();
        let client = answer.acked_session?;
        let acks = Acks::from_iter([MessageId::FIRST]);
        let third = ControlPacket::ack(KeyId::FIRST, client, acks, answer.session_id);
        let stamp = ReplayStamp { id: 2, ..ReplayStamp::first(now()) };
        Some(self.wrap.seal(stamp, &third))
    }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

/// What is wrong from the first byte on.
pub(crate) mod distorted {
    use super::{Resets, StaticKey};

    /// Resets that another key signed.
    pub(crate) fn wrong_key() -> Vec<Vec<u8>> {
        let mut resets = Resets::with(&StaticKey::from_bytes(&[0x5a; 256]));
        (0..1000).map(|_| resets.fresh()).collect()
    }

    /// Beginnings of what was captured.
    pub(crate) fn truncated(captured: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let cut = |(n, datagram): (usize, &Vec<u8>)| datagram[..n * 7 % datagram.len()].to_vec();
        captured.iter().enumerate().map(cut).collect()
    }

    /// Noise behind each first byte that there is.
    pub(crate) fn random() -> Vec<Vec<u8>> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let noise = |first: u8| {
            let length = next() % 1400;
            let mut datagram = vec![first];
            datagram.extend((0..length).map(|_| next() as u8));
            datagram
        };
        (0..=u8::MAX).map(noise).collect()
    }
}

/// Passes datagrams between one client and the gateway and records the client's.
pub(crate) struct Relay {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<(Vec<Vec<u8>>, Answers)>>,
}

impl Relay {
    /// Listens on port 1194 of `host`.
    pub(crate) fn start(host: &Host, gateway: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = host.netns.spawn_thread("relay", move || pass(gateway, &seen));
        Self { over, thread: thread.expect("a thread") }
    }

    /// Sends all of it once more, from the address that the session is known by; what the client
    /// sent, and what came of the replay. The client must be dead.
    pub(crate) fn replay(self) -> (Vec<Vec<u8>>, Answers) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("sockets")
    }
}

fn pass(gateway: SocketAddr, over: &AtomicBool) -> io::Result<(Vec<Vec<u8>>, Answers)> {
    let (near, far) = (UdpSocket::bind("0.0.0.0:1194")?, UdpSocket::bind("0.0.0.0:0")?);
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let (mut client, mut recorded) = (None, Vec::new());
    let mut buffer = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let mut idle = true;
        if let Ok((length, from)) = near.recv_from(&mut buffer) {
            (client, idle) = (Some(from), false);
            recorded.push(buffer[..length].to_vec());
            far.send_to(&buffer[..length], gateway)?;
        }
        if let (Ok((length, _)), Some(client)) = (far.recv_from(&mut buffer), client) {
            idle = false;
            near.send_to(&buffer[..length], client)?;
        }
        if idle {
            sleep(Duration::from_micros(200));
        }
    }
    let mut answers = Answers::default();
    for datagram in &recorded {
        far.send_to(datagram, gateway)?;
        sleep(Duration::from_millis(2));
        answers.collect(&far);
    }
    sleep(Duration::from_millis(500));
    answers.collect(&far);
    Ok((recorded, answers))
}

/// The most that is made up for at once after a pause.
const BURST: Duration = Duration::from_millis(4);
