//! One run, in its phases: everybody connects, is held, sends packets, and leaves.
//!
//! One thread serves all sockets by epoll. A session's timer is an entry in a heap that may be too
//! early; then it is looked at and set again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;
use std::time::Duration;

use clock::{Clock, Now};
use datapath::{Carrier, Outbox};
use engine::fresh_seed;
use sysio::{Interest, Packet, Poller, Ready, Received};

use crate::link::{Happened, Held, Link, transmit};
use crate::report::rate;
use crate::{ConnectFigures, HoldFigures, LoadError, Report, Spread, Subscriber, limits};

mod packets;

/// What is asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sessions; subscribers take turns where there are fewer.
    pub sessions: usize,
    /// Handshakes at once, at most.
    pub at_once: usize,
    /// New sessions a second, at most.
    pub rate: Option<u32>,
    /// How long to hold them.
    pub hold: Duration,
    /// Packets through them, if any.
    pub packets: Option<PacketSettings>,
}

/// Echo requests through all sessions in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketSettings {
    /// Sizes of the inner packets, in bytes with their IP header; one after the other.
    pub sizes: Vec<u16>,
    /// How long each size is sent.
    pub time: Duration,
    /// Packets a second through all sessions together; as fast as this machine can without.
    pub rate: Option<u32>,
    /// Who is to answer, if not the server itself.
    pub to: Option<Ipv4Addr>,
}

/// How far a run is. Display writes one line for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Said every second while sessions come up, and when the last one is up or has failed.
    Connecting {
        /// Up so far.
        connected: usize,
        /// Failed so far.
        failed: usize,
        /// Asked for.
        of: usize,
    },
    /// Everybody is up who will be; they are held.
    Holding {
        /// How many.
        sessions: usize,
        /// For so long.
        time: Duration,
    },
    /// Packets of this size leave.
    Sending {
        /// Bytes.
        size: u16,
    },
    /// Goodbyes are said.
    Leaving,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Progress::Connecting { connected, failed: 0, of } => {
                write!(f, "connected {connected} of {of}")
            }
            Progress::Connecting { connected, failed, of } => {
                write!(f, "connected {connected} of {of}, {failed} failed")
            }
            Progress::Holding { sessions, time } => {
                write!(f, "holding {sessions} for {} s", time.as_secs())
            }
            Progress::Sending { size } => write!(f, "sending packets of {size} bytes"),
            Progress::Leaving => f.write_str("leaving"),
        }
    }
}

/// Runs through all phases and says goodbye to the server at the end.
///
/// # Errors
/// When this machine can't do it, or no session came up to send packets through.
pub fn run(
    subscribers: &[Subscriber],
    settings: &Settings,
    clock: &dyn Clock,
    mut progress: impl FnMut(Progress),
) -> Result<Report, LoadError> {
    limits::allow_sockets(settings.sessions)?;
    let mut load = Load::new(clock)?;
    let connect = load.connect(subscribers, settings, &mut progress)?;
    let mut report = Report { connect, hold: None, packets: Vec::new() };
    if !settings.hold.is_zero() {
        progress(Progress::Holding { sessions: load.up, time: settings.hold });
        report.hold = Some(load.hold(settings.hold)?);
    }
    if let Some(packets) = &settings.packets {
        if load.up == 0 {
            return Err(LoadError::NobodyConnected);
        }
        for size in &packets.sizes {
            progress(Progress::Sending { size: *size });
            report.packets.push(load.packets(*size, packets)?);
        }
    }
    progress(Progress::Leaving);
    load.leave()?;
    Ok(report)
}

/// All sessions and what is counted of them.
struct Load<'c> {
    clock: &'c dyn Clock,
    poller: Poller,
    ready: Vec<Ready>,
    received: Vec<Received>,
    outbox: Outbox,
    /// By number; a session that is over leaves its place empty.
    links: Vec<Option<Box<Link>>>,
    timers: BinaryHeap<Reverse<(Duration, usize)>>,
    /// Sessions that began and are neither up nor over.
    opening: usize,
    up: usize,
    handshakes: Vec<f64>,
    failed: BTreeMap<String, usize>,
    lost: BTreeMap<String, usize>,
    pings_sent: u64,
    pings_received: u64,
    /// The size of the answers that are counted.
    size: u16,
    answered: u64,
}

impl<'c> Load<'c> {
    fn new(clock: &'c dyn Clock) -> Result<Self, LoadError> {
        Ok(Self {
            clock,
            poller: Poller::new().map_err(LoadError::System)?,
            ready: Vec::new(),
            received: (0..SLOTS).map(|_| Received::new(Packet::new(0, LARGEST))).collect(),
            outbox: Outbox::new(OUTBOX, RUNS, RUN_SEGMENTS),
            links: Vec::new(),
            timers: BinaryHeap::new(),
            opening: 0,
            up: 0,
            handshakes: Vec::new(),
            failed: BTreeMap::new(),
            lost: BTreeMap::new(),
            pings_sent: 0,
            pings_received: 0,
            size: 0,
            answered: 0,
        })
    }

    fn connect(
        &mut self,
        subscribers: &[Subscriber],
        settings: &Settings,
        progress: &mut impl FnMut(Progress),
    ) -> Result<ConnectFigures, LoadError> {
        let began = self.clock.now().boot;
        let mut said = began;
        let mut everybody = subscribers.iter().cycle().take(settings.sessions).peekable();
        while everybody.peek().is_some() || self.opening > 0 {
            let now = self.clock.now();
            let begin_at = |count: usize| match settings.rate {
                Some(rate) => began + Duration::from_secs(1) * count as u32 / rate.max(1),
                None => began,
            };
            // A few at a time, so that those that are under way are served in between.
            for _ in 0..BEGUN_AT_A_TIME {
                if self.opening >= settings.at_once.max(1) || begin_at(self.links.len()) > now.boot
                {
                    break;
                }
                let Some(subscriber) = everybody.next() else { break };
                self.begin(subscriber, now)?;
            }
            let more = everybody.peek().is_some() && self.opening < settings.at_once.max(1);
            let until = if more { begin_at(self.links.len()) } else { now.boot + SECOND };
            self.turn(until.min(said + SECOND))?;
            if self.clock.now().boot >= said + SECOND {
                said += SECOND;
                progress(self.progress(settings.sessions));
            }
        }
        progress(self.progress(settings.sessions));
        let seconds = (self.clock.now().boot - began).as_secs_f64();
        let connected = self.handshakes.len();
        Ok(ConnectFigures {
            begun: self.links.len(),
            connected,
            failed: std::mem::take(&mut self.failed),
            seconds,
            per_second: rate(connected as u64, seconds),
            handshake_ms: Spread::of(std::mem::take(&mut self.handshakes)),
        })
    }

    fn progress(&self, of: usize) -> Progress {
        let failed = self.failed.values().sum();
        Progress::Connecting { connected: self.handshakes.len(), failed, of }
    }

    fn begin(&mut self, subscriber: &Subscriber, now: Now) -> Result<(), LoadError> {
        let number = self.links.len();
        // Enough for the ports of one address.
        let socket = number as u16;
        let link = Link::begin(subscriber, socket, fresh_seed().map_err(LoadError::System)?, now)
            .map_err(|error| LoadError::Socket(subscriber.server, error))?;
        self.poller
            .add(link.socket(), number as u32, Interest::Readable)
            .map_err(LoadError::System)?;
        self.links.push(Some(Box::new(link)));
        self.opening += 1;
        self.settle(number, now);
        Ok(())
    }

    fn hold(&mut self, time: Duration) -> Result<HoldFigures, LoadError> {
        (self.pings_sent, self.pings_received) = (0, 0);
        let began = self.clock.now().boot;
        self.turns(began + time)?;
        Ok(HoldFigures {
            seconds: (self.clock.now().boot - began).as_secs_f64(),
            sessions: self.up,
            lost: std::mem::take(&mut self.lost),
            pings_sent: self.pings_sent,
            pings_received: self.pings_received,
        })
    }

    /// Says goodbye, a few at a time, and waits until all are acknowledged, but not for long.
    fn leave(&mut self) -> Result<(), LoadError> {
        let limit = self.clock.now().boot + GOODBYE;
        for number in 0..self.links.len() {
            let now = self.clock.now();
            let Some(link) = self.links.get_mut(number).and_then(Option::as_mut) else { continue };
            link.close(now, &mut self.outbox);
            self.settle(number, now);
            if number % BEGUN_AT_A_TIME == 0 {
                self.flush();
                self.turn(now.boot)?;
            }
        }
        self.flush();
        while self.up + self.opening > 0 && self.clock.now().boot < limit {
            self.turn(limit)?;
        }
        Ok(())
    }

    fn turns(&mut self, until: Duration) -> Result<(), LoadError> {
        while self.clock.now().boot < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// Waits until something comes or is due, or until then, and serves it.
    fn turn(&mut self, until: Duration) -> Result<(), LoadError> {
        let next = self.timers.peek().map_or(until, |Reverse((at, _))| until.min(*at));
        let wait = next.saturating_sub(self.clock.now().boot);
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.poller.wait(&mut ready, Some(wait));
        for event in &ready {
            if let Ready::Fd { token, .. } = *event {
                self.serve(token as usize);
            }
        }
        self.ready = ready;
        waited.map_err(LoadError::System)?;
        self.serve_timers();
        self.flush();
        Ok(())
    }

    fn serve(&mut self, number: usize) {
        let now = self.clock.now();
        let Some(link) = self.links.get_mut(number).and_then(Option::as_mut) else { return };
        // An error is what the network said about an earlier datagram.
        let count = link.socket().recv_batch(&mut self.received).unwrap_or(0);
        for slot in self.received.iter_mut().take(count).filter(|slot| !slot.truncated) {
            match link.handle_datagram(slot.packet.content_mut(), self.size, now) {
                Held::Nothing => {}
                Held::Ping => self.pings_received += 1,
                Held::Answer => self.answered += 1,
            }
        }
        self.settle(number, now);
    }

    fn serve_timers(&mut self) {
        let now = self.clock.now();
        while let Some(Reverse((at, number))) = self.timers.peek().copied()
            && at <= now.boot
        {
            self.timers.pop();
            let Some(link) = self.links.get_mut(number).and_then(Option::as_mut) else { continue };
            if link.armed == Some(at) {
                link.armed = None;
                self.pings_sent += u64::from(link.handle_timeout(now, &mut self.outbox));
                self.settle(number, now);
            }
            if self.outbox.runs().len() >= RUNS / 2 {
                self.flush();
            }
        }
    }

    /// Drains a session, counts what happened to it and sets its timer.
    fn settle(&mut self, number: usize, now: Now) {
        let Some(link) = self.links.get_mut(number).and_then(Option::as_mut) else { return };
        let was_up = link.is_up();
        match link.drain(now) {
            None => {}
            Some(Happened::Connected) => {
                self.opening -= 1;
                self.up += 1;
                self.handshakes.push((now.boot - link.began).as_secs_f64() * 1000.0);
            }
            Some(Happened::Ended(reason)) => {
                let (count, of) = if was_up {
                    (&mut self.up, &mut self.lost)
                } else {
                    (&mut self.opening, &mut self.failed)
                };
                *count -= 1;
                *of.entry(reason.to_owned()).or_default() += 1;
                // Closing the socket takes it out of the poller.
                self.links[number] = None;
                return;
            }
        }
        let next = link.next_deadline();
        if let Some(at) = next.filter(|at| link.armed.is_none_or(|armed| *at < armed)) {
            link.armed = Some(at);
            self.timers.push(Reverse((at, number)));
        }
    }

    fn flush(&mut self) {
        for run in self.outbox.runs() {
            let Carrier::Udp(socket) = run.endpoint.carrier else { continue };
            let number = usize::from(socket);
            let Some(link) = self.links.get(number).and_then(Option::as_ref) else { continue };
            // What the kernel refuses is lost, as on any network.
            let _ = link.socket().send(transmit(run.endpoint.remote, run.bytes, run.segment));
        }
        self.outbox.clear();
    }
}

const SECOND: Duration = Duration::from_secs(1);
const BEGUN_AT_A_TIME: usize = 16;
/// The wait for the acknowledgement of the last goodbyes.
const GOODBYE: Duration = Duration::from_secs(5);
/// Datagrams taken at once from one socket.
const SLOTS: usize = 64;
const LARGEST: usize = 2048;
const OUTBOX: usize = 256 << 10;
const RUNS: usize = 256;
/// What every kernel with UDP_SEGMENT takes.
const RUN_SEGMENTS: usize = 64;
