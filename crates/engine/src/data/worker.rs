//! One data worker: reads a batch, opens or seals it, writes it, and looks at the next. Most have a thread
//! of their own to do so.

use std::io;
use std::num::NonZeroU64;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use clock::Now;
use datapath::offload::VirtioHeader;
use datapath::{Carrier, Command, Datagram, Endpoint, Notice, Packet as Inner, Shard, Worker};
use sysio::{Packet, Poller, PollerEvents, Ready, Received, Tun, UdpSocket};
use tokio::sync::mpsc;

use super::handoff::{HandedOff, Handoff};
use super::ingress::Ingress;
use super::ledger::Ledger;
use super::moderation::{FEW, Moderation, Turn};
use super::newcomers::Newcomers;
use super::packet_io::{TunIo, UdpIo};
use super::sending::Sending;
use super::streams::{Reading, StreamEnd, Streams};
use super::tun_queues::{Paused, Waiting};
use super::{
    DataIo, FIRST_LISTENER, FIRST_SOCKET, FIRST_STREAM, FIRST_TUN, ForeignStream, Message, Order,
    Part, WorkerOutputs,
};
use crate::Offloads;
use crate::figures::DataFigures;

mod containment;

pub(super) struct DataWorker<T: TunIo = Tun, U: UdpIo = UdpSocket> {
    worker: Worker,
    shard: Shard,
    handoff: Handoff,
    handed_off: Vec<HandedOff>,
    io: DataIo<T, U>,
    ingress: Ingress<T>,
    paused: Paused,
    streams: Streams,
    notices: mpsc::UnboundedSender<Notice>,
    poller: Poller,
    ready: Vec<Ready>,
    inbox: Receiver<Message>,
    newcomers: Newcomers,
    /// It was told to stop, or nothing is left that could tell it anything.
    is_over: bool,
    /// A socket gave as much as was taken at once.
    may_hold_more: bool,
    stream_buffer: Vec<u8>,
    received: Vec<Received>,
    frame: Packet,
    sending: Sending,
    moderation: Moderation,
    turn: Turn,
    ledger: Ledger,
    tun_is_gone: bool,
}

impl<T: TunIo, U: UdpIo> DataWorker<T, U> {
    pub(super) fn new(
        part: Part,
        io: DataIo<T, U>,
        streams: Streams,
        outputs: WorkerOutputs,
        poller: Poller,
        inbox: Receiver<Message>,
        newcomers: Newcomers,
    ) -> Self {
        let (slots, largest) =
            if io.offloads.gro { (JOINED_SLOTS, SUPER) } else { (SLOTS, LARGEST) };
        Self {
            worker: Worker::new(part.settings),
            shard: part.settings.shard,
            handoff: part.handoff,
            handed_off: Vec::with_capacity(HANDED_OFF_AT_ONCE),
            ingress: Ingress::new(
                Arc::clone(&io.tun),
                io.offloads.tun,
                io.common.check.clone(),
                outputs.control,
            ),
            io,
            stream_buffer: Vec::new(),
            paused: Paused::default(),
            streams,
            notices: outputs.notices,
            poller,
            ready: Vec::new(),
            inbox,
            newcomers,
            is_over: false,
            may_hold_more: false,
            received: (0..slots).map(|_| Received::new(Packet::new(0, largest))).collect(),
            frame: Packet::new(0, SUPER),
            sending: Sending::new(),
            moderation: Moderation::default(),
            turn: Turn::default(),
            ledger: Ledger::default(),
            tun_is_gone: false,
        }
    }

    pub(super) fn run(mut self) {
        self.go_first();
        sleep_exactly();
        while self.turn(self.time_left()).is_continue() {
            self.let_packets_gather();
        }
    }

    /// Waits until something can be done or `timeout` has passed, and does it. Says whether the sockets
    /// may hold more; or that it was the last turn.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> ControlFlow<(), bool> {
        let mut ready = std::mem::take(&mut self.ready);
        let failed = self.poller.wait(&mut ready, timeout).is_err();
        self.handle_orders();
        if failed || self.is_over || self.handoff.are_over() {
            return Break(());
        }
        // What a panic left in the queue of what others handed over has no other wake-up.
        if !self.survives(&ready) {
            self.survives(&[]);
        }
        self.let_newcomers_in();
        if self.tun_is_gone {
            tracing::error!("the TUN device is gone; the data worker ends");
            return Break(());
        }
        self.pass_notices();
        self.ready = ready;
        let more = std::mem::take(&mut self.may_hold_more);
        if self.is_over { Break(()) } else { Continue(more) }
    }

    /// Says to a task of the present runtime when a turn would find something.
    pub(super) fn events(&self) -> io::Result<PollerEvents> {
        self.poller.events()
    }

    /// Sleeps before the next look, where that pays.
    fn let_packets_gather(&mut self) {
        let now = self.io.common.clock.now().boot;
        let turn = std::mem::take(&mut self.turn);
        let gather = self.moderation.after(turn, now);
        if let Some(moment) = gather.max(turn.pause(self.paused.left(now))) {
            std::thread::sleep(moment);
        }
    }

    /// Asks the kernel to let this thread run before others. A packet that waits for a processor waits
    /// in a queue, and all behind it do.
    fn go_first(&self) {
        if self.io.common.nice != 0
            && let Err(error) = rustix::process::setpriority_process(None, self.io.common.nice)
        {
            tracing::debug!(%error, "a data worker runs at the priority of all others");
        }
    }

    pub(super) fn serve(&mut self, ready: &[Ready]) {
        self.worker.set_joining(self.ingress.allowed());
        self.serve_tun(Waiting::among(ready));
        for event in ready {
            match *event {
                Ready::Fd { token: FIRST_TUN..FIRST_SOCKET, .. } => {}
                Ready::Fd { token: FIRST_LISTENER.., .. } => self.serve_tcp(event),
                Ready::Fd { token, .. } => self.serve_socket((token - FIRST_SOCKET) as usize),
                Ready::Woken => {}
            }
        }
        while self.serve_handed_off() == HANDED_OFF_AT_ONCE {}
        self.handoff.wake();
        let now = self.io.common.clock.now();
        if self.worker.poll_timeout().is_some_and(|due| due.at <= now.boot) {
            self.worker.handle_timeout(now, &mut self.sending.outbox);
            self.flush();
        }
        self.streams.handle_timeout(now, &self.poller);
    }

    fn time_left(&self) -> Option<Duration> {
        let worker = self.worker.poll_timeout().map(|deadline| deadline.at);
        let due = [worker, self.streams.poll_timeout()].into_iter().flatten().min()?;
        Some(due.saturating_sub(self.io.common.clock.now().boot))
    }

    /// Handles every waiting order; one that panics costs what it is about, and no other.
    ///
    /// Called between reading and looking at what was read, too, be that datagrams, packets of the TUN device or
    /// what other workers handed over: a peer that may use a key was told so after the peer, the ways to it and the
    /// key were handed to the workers, so its packets, and the answers to them, find all of it in place. Over TCP
    /// that message comes to the peer through here, behind the key.
    fn handle_orders(&mut self) {
        while !self.is_over {
            match self.inbox.try_recv() {
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => {
                    self.guarded(|this| this.streams.finish_sending());
                    self.is_over = true;
                }
                Ok(Message::Order(order)) => _ = self.guarded(|this| this.handle_order(order)),
                Err(TryRecvError::Empty) => return self.pass_notices(),
            }
        }
    }

    fn handle_order(&mut self, order: Order) {
        // The peer of the last packet has nothing to do with it.
        self.worker.clear_current_peer();
        let now = self.io.common.clock.now();
        match order {
            Order::Apply(command) => self.apply(*command),
            Order::SendPing(peer) => {
                self.worker.send_ping(peer, now, &mut self.sending.outbox);
                self.flush();
            }
            Order::ApplyRoute(change) => self.worker.apply_route(change),
            Order::Heard(peer) => self.worker.heard(peer, now),
            Order::SendExit(peer) => {
                self.worker.send_exit(peer, now, &mut self.sending.outbox);
                self.flush();
            }
            Order::Stream(stream, order) => {
                self.streams.handle_order(stream, order, now, &self.poller)
            }
            // The asking task may have gone.
            Order::Figures(answer) => drop(answer.send(self.figures())),
        }
    }

    pub(super) fn apply(&mut self, command: Command) {
        self.ledger.before(&command, &self.worker);
        self.worker.apply(command, self.io.common.clock.now());
    }

    pub(super) fn figures(&self) -> DataFigures {
        let (peers, total) = self.ledger.read(&self.worker);
        let mut streams = self.streams.figures();
        // They made room, as those do that are evicted.
        if let turned_away @ 1.. = self.newcomers.turned_away() {
            *streams.ended.entry(StreamEnd::Evicted.code()).or_default() += turned_away;
        }
        DataFigures {
            drops: self.worker.drops(),
            peers,
            total,
            send_errors: self.sending.errors(),
            handed_over: self.handoff.handed_over(),
            returns: self.worker.returns(),
            offloads: Some(Offloads {
                tun: self.ingress.joins(),
                gso: self.io.sockets.iter().all(|(socket, _)| socket.joins_sent()),
                ..self.io.offloads
            }),
            workers: self.shard.of(),
            streams,
            ..self.ingress.figures()
        }
    }

    /// Reads the queues in turns until nothing is left, but not so long that the sockets starve. What
    /// it sealed stays open for more until it is much: 64 KiB of a flow don't fill two sends evenly.
    fn serve_tun(&mut self, mut waiting: Waiting) {
        if waiting.is_empty() {
            return;
        }
        let now = self.io.common.clock.now();
        let mut read = 0;
        self.paused.skip(&mut waiting, now.boot);
        while !waiting.is_empty() && read < TUN_BURST {
            for number in waiting.round() {
                let taken = self.serve_queue(number, now);
                read += taken;
                if taken < SHARE {
                    waiting.remove(number);
                }
            }
            self.paused.skip(&mut waiting, now.boot);
        }
        self.flush();
    }

    /// Reads one queue's share of a round. Says how much it gave: less than [`SHARE`] if nothing is left, or
    /// if it is paused from now on.
    fn serve_queue(&mut self, number: usize, now: Now) -> usize {
        let mut read = 0;
        while read < SHARE {
            let Some(queue) = self.io.tun.get(number) else { break };
            let header = match queue.recv(&mut self.frame) {
                Ok(Some(header)) => VirtioHeader::parse(&header),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "reading the TUN device");
                    self.tun_is_gone = !error.is_transient();
                    break;
                }
            };
            // Small packets cost a read each, so they count for more than their bytes.
            read += self.frame.len().max(LEAST_COST);
            self.turn.outward += self.frame.len().div_ceil(USUAL) as u32;
            let Ok(header) = header else {
                self.ingress.count_tun_error();
                continue;
            };
            self.handle_orders();
            let packet = Inner { bytes: self.frame.content_mut(), header };
            let mut egress = self.sending.egress(&self.handoff);
            self.worker.handle_packets([packet], now, &mut egress);
            if self.sending.is_much() {
                self.flush();
            }
            if let Some(until) = self.worker.paused_until(now) {
                self.paused.pause(number, until);
                break;
            }
        }
        read
    }

    fn serve_socket(&mut self, index: usize) {
        let Some((socket, _)) = self.io.sockets.get(index) else { return };
        let count = match socket.recv_batch(&mut self.received) {
            Ok(count) => count,
            Err(error) => {
                tracing::trace!(%error, "reading a UDP socket");
                return;
            }
        };
        self.may_hold_more |= count == self.received.len();
        self.handle_orders();
        let now = self.io.common.clock.now();
        for slot in &self.received[..count] {
            self.turn.inward += datagrams_in(slot);
            self.turn.inward_bytes += slot.packet.len();
        }
        let batch = self.received[..count].iter_mut().filter(|slot| !slot.truncated).map(|slot| {
            let endpoint = Endpoint {
                carrier: Carrier::Udp(index as u16),
                remote: slot.remote,
                local: slot.local,
                ifindex: slot.ifindex,
            };
            Datagram { endpoint, stride: slot.stride, bytes: slot.packet.content_mut() }
        });
        let mut inward = self.ingress.begin(Some(&self.handoff), now);
        let mut egress = self.sending.egress(&self.handoff);
        self.worker.handle_datagrams(batch, now, &mut inward, &mut egress);
        inward.finish();
        self.flush();
    }

    /// Something happened at a TCP listener or on a connection.
    fn serve_tcp(&mut self, event: &Ready) {
        match *event {
            Ready::Fd { token: token @ FIRST_STREAM.., readable, writable } => {
                let slot = (token - FIRST_STREAM) as usize;
                if writable {
                    self.streams.write(slot, &self.poller);
                }
                if readable {
                    self.serve_stream(slot);
                }
            }
            Ready::Fd { token, .. } => {
                let index = token.saturating_sub(FIRST_LISTENER) as usize;
                self.streams.accept(index, self.io.common.clock.now(), &self.poller);
            }
            Ready::Woken => {}
        }
    }

    /// Handles what one read of a connection brings, as one batch.
    fn serve_stream(&mut self, slot: usize) {
        let reading = self.streams.read(slot, &mut self.stream_buffer, &self.poller);
        if let Some(reading) = reading {
            self.serve_reading(slot, &reading);
        }
    }

    /// Takes those that came in elsewhere, so many that others have their turn as well.
    fn let_newcomers_in(&mut self) {
        for _ in 0..LET_IN_AT_ONCE {
            let Some(stream) = self.newcomers.next() else { return };
            self.guarded(|this| this.take_in(stream));
        }
        // Nobody else says that some wait still.
        self.poller.waker().wake();
    }

    /// Takes a connection that came in elsewhere, and handles what came over it there.
    fn take_in(&mut self, stream: ForeignStream) {
        // The peer of the last packet has nothing to do with it.
        self.worker.clear_current_peer();
        let now = self.io.common.clock.now();
        let taken = self.streams.take_in(stream, &mut self.stream_buffer, now, &self.poller);
        if let Some((slot, reading)) = taken {
            self.serve_reading(slot, &reading);
        }
    }

    fn serve_reading(&mut self, slot: usize, reading: &Reading) {
        let Reading { endpoint, len, .. } = *reading;
        let now = self.io.common.clock.now();
        self.turn.inward += len.div_ceil(USUAL) as u32;
        let received = self.stream_buffer.get_mut(..len).unwrap_or_default();
        let mut frames = reading.packets(received);
        let batch = frames.by_ref().map(|bytes| Datagram::single(endpoint, bytes));
        let mut inward = self.ingress.begin(Some(&self.handoff), now);
        let mut egress = self.sending.egress(&self.handoff);
        self.worker.handle_datagrams(batch, now, &mut inward, &mut egress);
        let forged = inward.finish();
        let left = frames.finish(forged);
        let received = self.stream_buffer.get(..len).unwrap_or_default();
        self.streams.took(slot, received, left, &self.poller);
        self.flush();
    }

    /// Handles what others read of this worker's peers, and says how much that was. None of it is
    /// handed on again: should two workers ever disagree about an owner, a packet is lost and doesn't
    /// go round.
    fn serve_handed_off(&mut self) -> usize {
        let mut handed_off = std::mem::take(&mut self.handed_off);
        handed_off.extend(std::iter::from_fn(|| self.handoff.take()).take(HANDED_OFF_AT_ONCE));
        if !handed_off.is_empty() {
            self.handle_orders();
            self.handle_handed_off(&mut handed_off);
        }
        let count = handed_off.len();
        handed_off.drain(..).for_each(|packet| self.handoff.give_back(packet));
        self.handed_off = handed_off;
        count
    }

    fn handle_handed_off(&mut self, handed_off: &mut [HandedOff]) {
        let now = self.io.common.clock.now();
        let mut batch = self.ingress.begin(None, now);
        let datagrams = handed_off.iter_mut().filter_map(HandedOff::datagram);
        self.worker.handle_datagrams(datagrams, now, &mut batch, &mut self.sending.outbox);
        batch.finish();
        let packets = handed_off.iter_mut().filter_map(HandedOff::packet);
        self.worker.handle_packets(packets, now, &mut self.sending.outbox);
        self.flush();
    }

    fn flush(&mut self) {
        self.sending.flush(&self.io.sockets, &mut self.streams, &self.poller);
    }

    fn pass_notices(&mut self) {
        while let Some(notice) = self.worker.poll_notice() {
            // Without a control task there is none left to tell.
            let _ = self.notices.send(notice);
        }
    }
}

fn datagrams_in(slot: &Received) -> u32 {
    slot.packet.len().checked_div(slot.stride).unwrap_or(0).max(1) as u32
}

/// By default the kernel lets a short sleep take a twentieth of a millisecond longer.
fn sleep_exactly() {
    // Without it packets gather for longer, that's all.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
}

/// Datagrams taken at once where each comes on its own.
const SLOTS: usize = 64;
/// The same where the kernel joins them, and some come on their own all the same. More gained nothing, and
/// these fit the cache. There is no sleep while there may be more.
const JOINED_SLOTS: usize = 16;
const _: () = assert!(JOINED_SLOTS >= FEW as usize);
/// The largest datagram taken where each comes on its own: an Ethernet jumbo frame and what wraps it.
const LARGEST: usize = 9216;
/// Joined datagrams, or a super-packet with its headers.
const SUPER: usize = 65_535 + 40;
/// Bytes read from the TUN device before the sockets have their turn.
const TUN_BURST: usize = 256 << 10;
/// Bytes read from one queue before the next has its turn, and one packet more.
const SHARE: usize = 64 << 10;
const LEAST_COST: usize = 8 << 10;
/// What a packet of bulk data takes, where that isn't known.
const USUAL: usize = 1400;
/// As many as are accepted at a listener of its own.
pub(super) const LET_IN_AT_ONCE: usize = 64;
/// Packets of other workers handled as one batch; so many segments join at most.
const HANDED_OFF_AT_ONCE: usize = 64;
