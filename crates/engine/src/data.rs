//! The data workers: threads that own peers, and read and write the TUN device and the sockets.
//!
//! Each runs to completion: a batch is read, opened or sealed, and written before the next is looked
//! at. Control packets leave it authenticated, through a bounded queue that drops when full, so that
//! a flood costs strangers their packets and sessions nothing but a retransmission.
//!
//! Commands are applied between batches. Their order is the order of the channel, which is what
//! "closed before the slot is given out again" rests on.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::Clock;
use datapath::offload::{Coalescer, VirtioHeader};
use datapath::{
    Carrier, Command, Datagram, Endpoint, Notice, Outbox, Packet as Inner, PeerRef, Share,
    StreamId, Worker, WorkerSettings,
};
use sysio::{Interest, Packet, Poller, Ready, Received, Transmit, Tun, UdpSocket, Waker};
use tokio::sync::{mpsc, oneshot};
use wire::tls_auth::ControlWrap;

mod inward;
mod neighbours;
mod outgoing;
mod plane;
mod streams;

pub(crate) use self::plane::{DataPlane, PlaneIo};
pub use self::streams::StreamEnd;
pub(crate) use self::streams::{CLIENT_STREAM, StreamEnded, StreamOrder, StreamSources};

use self::inward::{Diagnosis, Inward, Joining, TunWriter};
use self::neighbours::{Contents, Neighbours, Parcel};
use self::outgoing::Outgoing;
use self::streams::Streams;
use crate::Offloads;
use crate::figures::DataFigures;

/// An authenticated control datagram on its way to the control task.
#[derive(Debug)]
pub(crate) struct ControlDatagram {
    pub(crate) endpoint: Endpoint,
    pub(crate) bytes: Vec<u8>,
}

/// What all workers share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) wrap: Arc<ControlWrap>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What one worker works with.
struct DataIo {
    tun: Arc<Tun>,
    reads_tun: bool,
    /// A socket for each address listened on, and whether it is this worker's to read.
    sockets: Vec<(Arc<UdpSocket>, bool)>,
    streams: StreamSources,
    common: Common,
    offloads: Offloads,
}

/// Which worker this is.
struct Part {
    index: usize,
    settings: WorkerSettings,
    neighbours: Neighbours,
}

/// Where what the data workers do not handle goes.
#[derive(Clone)]
pub(crate) struct Outlets {
    pub(crate) control: mpsc::Sender<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    pub(crate) ended_streams: mpsc::UnboundedSender<StreamEnded>,
}

/// A running worker. Dropping the last handle stops it.
#[derive(Clone, Debug)]
struct DataHandle {
    orders: Sender<Order>,
    waker: Waker,
}

#[derive(Debug)]
enum Order {
    Apply(Box<Command>),
    Farewell(PeerRef),
    Stream(StreamId, StreamOrder),
    Figures(oneshot::Sender<DataFigures>),
    Stop,
}

impl DataHandle {
    /// Hands a command over. Applied before the next batch.
    fn apply(&self, command: Command) {
        self.order(Order::Apply(Box::new(command)));
    }

    /// Says goodbye to a peer in the data channel.
    fn farewell(&self, peer: PeerRef) {
        self.order(Order::Farewell(peer));
    }

    /// Asks something of a TCP connection.
    fn stream(&self, stream: StreamId, order: StreamOrder) {
        self.order(Order::Stream(stream, order));
    }

    /// Reads the figures between two batches.
    async fn figures(&self) -> DataFigures {
        let (answer, figures) = oneshot::channel();
        self.order(Order::Figures(answer));
        figures.await.unwrap_or_default()
    }

    /// Ends the thread after the present batch.
    fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        // A thread that is gone needs no orders; whoever waits for an answer gets none.
        if self.orders.send(order).is_ok() {
            self.waker.wake();
        }
    }
}

/// Starts one worker.
fn start_one(
    part: Part,
    mut io: DataIo,
    outlets: Outlets,
    poller: Poller,
) -> io::Result<(DataHandle, JoinHandle<()>)> {
    if io.reads_tun {
        poller.add(&*io.tun, TUN, Interest::Readable)?;
    }
    for (index, (socket, is_own)) in io.sockets.iter().enumerate() {
        if *is_own {
            poller.add(&**socket, FIRST_SOCKET + index as u32, Interest::Readable)?;
        }
    }
    let sources = std::mem::take(&mut io.streams);
    let streams = Streams::new(part.index as u16, sources, &poller, outlets.ended_streams.clone())?;
    let (orders, inbox) = channel();
    let handle = DataHandle { orders, waker: poller.waker() };
    let name = format!("data {}", part.index);
    let thread = DataThread::new(part, io, streams, outlets, poller, inbox);
    let join = std::thread::Builder::new().name(name).spawn(move || thread.run())?;
    Ok((handle, join))
}

struct DataThread {
    worker: Worker,
    share: Share,
    neighbours: Neighbours,
    parcels: Vec<Parcel>,
    io: DataIo,
    streams: Streams,
    outlets: Outlets,
    poller: Poller,
    inbox: Receiver<Order>,
    stream_buffer: Vec<u8>,
    received: Vec<Received>,
    frame: Packet,
    outbox: Outbox,
    joining: Joining,
    peers: BTreeSet<PeerRef>,
    figures: DataFigures,
    diagnosis: Diagnosis,
    joining_for: Option<PeerRef>,
    tun_is_gone: bool,
}

impl DataThread {
    fn new(
        part: Part,
        io: DataIo,
        streams: Streams,
        outlets: Outlets,
        poller: Poller,
        inbox: Receiver<Order>,
    ) -> Self {
        let offloads = io.offloads;
        let (slots, largest) = if offloads.gro { (JOINED_SLOTS, SUPER) } else { (SLOTS, LARGEST) };
        Self {
            worker: Worker::new(part.settings),
            share: part.settings.share,
            neighbours: part.neighbours,
            parcels: Vec::with_capacity(PARCELS_AT_ONCE),
            io,
            stream_buffer: streams.buffer(),
            streams,
            outlets,
            poller,
            inbox,
            received: (0..slots).map(|_| Received::new(Packet::new(0, largest))).collect(),
            frame: Packet::new(0, SUPER),
            outbox: Outbox::new(OUTBOX, RUNS, RUN_SEGMENTS),
            joining: Joining::new(offloads.tun),
            peers: BTreeSet::new(),
            figures: DataFigures::default(),
            diagnosis: Diagnosis::default(),
            joining_for: None,
            tun_is_gone: false,
        }
    }

    fn run(mut self) {
        let mut ready = Vec::new();
        loop {
            let timeout = self.time_left();
            let failed = self.poller.wait(&mut ready, timeout).is_err();
            if failed || self.neighbours.are_over() || self.obey().is_break() {
                return;
            }
            // Parcels that a panic kept us from wait in a mailbox for which nobody wakes us again.
            if !self.survives(&ready) {
                self.survives(&[]);
            }
            if self.tun_is_gone {
                tracing::error!("the TUN device is gone; the data thread ends");
                return;
            }
            self.pass_notices();
        }
    }

    fn serve(&mut self, ready: &[Ready]) {
        for event in ready {
            match *event {
                Ready::Fd { token: TUN, .. } => self.serve_tun(),
                Ready::Fd { token: FIRST_LISTENER.., .. } => self.serve_tcp(event),
                Ready::Fd { token, .. } => self.serve_socket((token - FIRST_SOCKET) as usize),
                Ready::Woken => {}
            }
        }
        while self.serve_parcels() == PARCELS_AT_ONCE {}
        self.neighbours.wake();
        let now = self.io.common.clock.now();
        if self.worker.poll_timeout().is_some_and(|due| due.at <= now.boot) {
            self.worker.handle_timeout(now, &mut self.outbox);
            self.flush();
        }
        self.streams.handle_timeout(now, &self.poller);
    }

    /// Serves, and says whether that went well. The worker stays usable after a panic; the peer that it
    /// was serving goes.
    fn survives(&mut self, ready: &[Ready]) -> bool {
        let went_well = catch_unwind(AssertUnwindSafe(|| self.serve(ready))).is_ok();
        if !went_well {
            self.drop_the_served();
        }
        went_well
    }

    fn drop_the_served(&mut self) {
        // What was sealed before is whole; a flush that panics itself takes it along.
        if catch_unwind(AssertUnwindSafe(|| self.flush())).is_err() {
            self.outbox.clear();
        }
        self.parcels.clear();
        self.streams.drop_the_served(&self.poller);
        let peer = self.joining_for.take().or(self.worker.serving());
        tracing::error!(?peer, "a packet made us stumble; its peer is closed");
        if let Some(peer) = peer {
            self.apply(Command::PeerDel { peer });
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let worker = self.worker.poll_timeout().map(|deadline| deadline.at);
        let due = [worker, self.streams.poll_timeout()].into_iter().flatten().min()?;
        Some(due.saturating_sub(self.io.common.clock.now().boot))
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Apply(command)) => self.apply(*command),
                Ok(Order::Farewell(peer)) => {
                    let now = self.io.common.clock.now();
                    self.worker.farewell(peer, now, &mut self.outbox);
                    self.flush();
                }
                Ok(Order::Stream(stream, order)) => {
                    let now = self.io.common.clock.now();
                    self.streams.obey(stream, order, now, &self.poller);
                }
                Ok(Order::Figures(answer)) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.present_figures());
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.streams.say_goodbye();
                    return Break(());
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        self.pass_notices();
        Continue(())
    }

    fn apply(&mut self, command: Command) {
        match &command {
            Command::PeerNew { peer, .. } => {
                self.peers.insert(*peer);
            }
            Command::PeerDel { peer } => {
                self.peers.remove(peer);
                if let Some(counters) = self.worker.peer_counters(*peer) {
                    self.figures.total += counters;
                }
            }
            _ => {}
        }
        self.worker.apply(command, self.io.common.clock.now());
    }

    fn present_figures(&self) -> DataFigures {
        let mut figures = self.figures.clone();
        figures.drops = self.worker.drops();
        figures.handed_over = self.neighbours.handed_over();
        figures.workers = self.share.of();
        figures.offloads = Some(Offloads {
            tun: self.joining.tun(),
            gso: self.io.sockets.iter().all(|(socket, _)| socket.joins_sent()),
            ..self.io.offloads
        });
        figures.streams = self.streams.figures();
        for peer in &self.peers {
            if let Some(counters) = self.worker.peer_counters(*peer) {
                figures.total += counters;
                figures.peers.push((*peer, counters));
            }
        }
        figures
    }

    /// Reads until nothing is left, but not so long that the sockets starve. What it sealed stays
    /// open for more until it is much: 64 KiB of a flow don't fill two sends evenly.
    fn serve_tun(&mut self) {
        let now = self.io.common.clock.now();
        let mut read = 0;
        while read < TUN_BURST {
            let header = match self.io.tun.recv(&mut self.frame) {
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
            let Ok(header) = header else {
                self.figures.tun_errors += 1;
                continue;
            };
            let packet = Inner { bytes: self.frame.content_mut(), header };
            let mut outgoing = Outgoing { outbox: &mut self.outbox, neighbours: &self.neighbours };
            self.worker.handle_packets([packet], now, &mut outgoing);
            if self.outbox.len() >= FLUSH_AT || self.outbox.runs().len() >= RUNS / 2 {
                self.flush();
            }
        }
        self.flush();
    }

    fn serve_socket(&mut self, index: usize) {
        let Some((socket, _)) = self.io.sockets.get(index) else { return };
        let count = match socket.recv_batch(&mut self.received) {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(%error, "reading a UDP socket");
                return;
            }
        };
        let now = self.io.common.clock.now();
        let batch = self.received[..count].iter_mut().filter(|slot| !slot.truncated).map(|slot| {
            let endpoint = Endpoint {
                carrier: Carrier::Udp(index as u16),
                remote: slot.remote,
                local: slot.local,
                ifindex: slot.ifindex,
            };
            Datagram { endpoint, stride: slot.stride, bytes: slot.packet.content_mut() }
        });
        let mut inward = Inward {
            coalescer: Coalescer::new(self.joining.allowed()),
            writer: TunWriter { tun: &self.io.tun, joining: &mut self.joining, errors: 0 },
            wrap: &self.io.common.wrap,
            control: &self.outlets.control,
            neighbours: Some(&self.neighbours),
            figures: &mut self.figures,
            diagnosis: &mut self.diagnosis,
            forged_on_stream: false,
            now,
            joining_for: &mut self.joining_for,
            owner: None,
        };
        let mut outgoing = Outgoing { outbox: &mut self.outbox, neighbours: &self.neighbours };
        self.worker.handle_datagrams(batch, now, &mut inward, &mut outgoing);
        inward.finish();
        self.flush();
    }

    /// Handles what others read of this worker's peers, and says how much that was. None of it is
    /// handed on again: should two workers ever disagree about an owner, a packet is lost and doesn't
    /// go round.
    fn serve_parcels(&mut self) -> usize {
        let mut parcels = std::mem::take(&mut self.parcels);
        parcels.extend(std::iter::from_fn(|| self.neighbours.take()).take(PARCELS_AT_ONCE));
        if !parcels.is_empty() {
            self.handle_parcels(&mut parcels);
        }
        let count = parcels.len();
        parcels.drain(..).for_each(|parcel| self.neighbours.give_back(parcel));
        self.parcels = parcels;
        count
    }

    fn handle_parcels(&mut self, parcels: &mut [Parcel]) {
        let now = self.io.common.clock.now();
        let mut inward = Inward {
            coalescer: Coalescer::new(self.joining.allowed()),
            writer: TunWriter { tun: &self.io.tun, joining: &mut self.joining, errors: 0 },
            wrap: &self.io.common.wrap,
            control: &self.outlets.control,
            neighbours: None,
            forged_on_stream: false,
            figures: &mut self.figures,
            diagnosis: &mut self.diagnosis,
            now,
            joining_for: &mut self.joining_for,
            owner: None,
        };
        for parcel in parcels {
            match parcel.contents() {
                Contents::Datagram(datagram) => {
                    let outbox = &mut self.outbox;
                    self.worker.handle_datagrams([datagram], now, &mut inward, outbox);
                }
                Contents::Packet(packet) => {
                    self.worker.handle_packets([packet], now, &mut self.outbox);
                }
            }
        }
        inward.finish();
        self.flush();
    }

    fn flush(&mut self) {
        for run in self.outbox.runs() {
            let index = match run.endpoint.carrier {
                Carrier::Udp(index) => usize::from(index),
                Carrier::Tcp(stream) => {
                    self.streams.send(stream, run.bytes, &self.poller);
                    continue;
                }
            };
            let Some((socket, _)) = self.io.sockets.get(index) else { continue };
            let joined = socket.joins_sent();
            let datagrams = Transmit { segment: run.segment, ..transmit(&run.endpoint, run.bytes) };
            if let Err(error) = socket.send(datagrams) {
                self.figures.send_errors += run.bytes.len().div_ceil(run.segment) as u64;
                tracing::trace!(%error, "sending data packets");
            }
            if joined && !socket.joins_sent() {
                tracing::info!("the kernel refuses joined datagrams here: each is sent on its own");
            }
        }
        self.outbox.clear();
    }

    fn pass_notices(&mut self) {
        while let Some(notice) = self.worker.poll_notice() {
            // Without a control task there is nobody left to tell.
            let _ = self.outlets.notices.send(notice);
        }
    }
}

/// A datagram for the kernel, from the address that the peer spoke to.
fn transmit<'a>(endpoint: &Endpoint, payload: &'a [u8]) -> Transmit<'a> {
    let Endpoint { remote, local, ifindex, .. } = *endpoint;
    Transmit { payload, remote, local, ifindex, segment: 0 }
}

const TUN: u32 = 0;
const FIRST_SOCKET: u32 = 1;
const FIRST_LISTENER: u32 = 1 << 16;
const FIRST_STREAM: u32 = 1 << 17;
/// Datagrams taken at once where each comes on its own.
const SLOTS: usize = 64;
/// The same where the kernel joins them; more gained nothing, and these fit the cache.
const JOINED_SLOTS: usize = 8;
/// The largest datagram taken where each comes on its own: an Ethernet jumbo frame and what wraps it.
const LARGEST: usize = 9216;
/// Joined datagrams, or a super-packet with its headers.
const SUPER: usize = 65_535 + 40;
/// Between a full batch from one peer to another and what fits the cache.
const OUTBOX: usize = 768 << 10;
const RUNS: usize = 512;
/// What every kernel with UDP_SEGMENT takes.
const RUN_SEGMENTS: usize = 64;
/// Four full sends.
const FLUSH_AT: usize = 4 * 65_507;
/// Bytes read from the TUN device before the sockets have their turn.
const TUN_BURST: usize = 1 << 20;
const LEAST_COST: usize = 8 << 10;
/// Packets of other workers handled as one batch; so many segments join at most.
const PARCELS_AT_ONCE: usize = 64;
