//! The data thread: the one owner of the TUN device and of received datagrams.
//!
//! It runs to completion: a batch is read, opened or sealed, and written before the next is looked
//! at. Control packets leave it authenticated, through a bounded queue that drops when full, so that
//! a flood costs strangers their packets and sessions nothing but a retransmission.
//!
//! Commands are applied between batches. Their order is the order of the channel, which is what
//! "closed before the slot is given out again" rests on.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock, Now};
use datapath::{
    Command, Datagram, Endpoint, Notice, Outbox, Packet as Inner, PacketSink, PeerCounters,
    PeerRef, Worker, WorkerSettings,
};
use sysio::{Interest, Packet, Poller, Ready, Received, Transmit, Tun, UdpSocket, Waker};
use tokio::sync::{mpsc, oneshot};
use wire::tls_auth::{ControlWrap, Suspect};

use crate::figures::DataFigures;

/// An authenticated control datagram on its way to the control task.
#[derive(Debug)]
pub(crate) struct ControlDatagram {
    pub(crate) endpoint: Endpoint,
    pub(crate) bytes: Vec<u8>,
}

/// What the data thread works with.
pub(crate) struct DataIo {
    pub(crate) tun: Arc<Tun>,
    pub(crate) sockets: Vec<Arc<UdpSocket>>,
    pub(crate) wrap: Arc<ControlWrap>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where what the data thread does not handle goes.
pub(crate) struct Outlets {
    pub(crate) control: mpsc::Sender<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

/// A running data thread. Dropping the last handle stops it.
#[derive(Clone, Debug)]
pub(crate) struct DataHandle {
    orders: Sender<Order>,
    waker: Waker,
}

#[derive(Debug)]
enum Order {
    Apply(Box<Command>),
    Farewell(PeerRef),
    Figures(oneshot::Sender<DataFigures>),
    Stop,
}

impl DataHandle {
    /// Hands a command over. Applied before the next batch.
    pub(crate) fn apply(&self, command: Command) {
        self.order(Order::Apply(Box::new(command)));
    }

    /// Says goodbye to a peer in the data channel.
    pub(crate) fn farewell(&self, peer: PeerRef) {
        self.order(Order::Farewell(peer));
    }

    /// Reads the figures between two batches.
    pub(crate) async fn figures(&self) -> DataFigures {
        let (answer, figures) = oneshot::channel();
        self.order(Order::Figures(answer));
        figures.await.unwrap_or_default()
    }

    /// Ends the thread after the present batch.
    pub(crate) fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        // A thread that is gone needs no orders; whoever waits for an answer gets none.
        if self.orders.send(order).is_ok() {
            self.waker.wake();
        }
    }
}

/// Starts the thread.
pub(crate) fn start(
    settings: WorkerSettings,
    io: DataIo,
    outlets: Outlets,
) -> io::Result<(DataHandle, JoinHandle<()>)> {
    let poller = Poller::new()?;
    poller.add(&*io.tun, TUN, Interest::Readable)?;
    for (index, socket) in io.sockets.iter().enumerate() {
        poller.add(&**socket, FIRST_SOCKET + index as u32, Interest::Readable)?;
    }
    let (orders, inbox) = channel();
    let handle = DataHandle { orders, waker: poller.waker() };
    let thread = DataThread::new(settings, io, outlets, poller, inbox);
    let join = std::thread::Builder::new().name("data".to_owned()).spawn(move || thread.run())?;
    Ok((handle, join))
}

struct DataThread {
    worker: Worker,
    io: DataIo,
    outlets: Outlets,
    poller: Poller,
    inbox: Receiver<Order>,
    received: Vec<Received>,
    packets: Vec<Packet>,
    outbox: Outbox,
    peers: BTreeSet<PeerRef>,
    figures: DataFigures,
    diagnosis: Diagnosis,
}

impl DataThread {
    fn new(
        settings: WorkerSettings,
        io: DataIo,
        outlets: Outlets,
        poller: Poller,
        inbox: Receiver<Order>,
    ) -> Self {
        Self {
            worker: Worker::new(settings),
            io,
            outlets,
            poller,
            inbox,
            received: (0..BATCH).map(|_| Received::new(Packet::new(HEADROOM, LARGEST))).collect(),
            packets: (0..BATCH).map(|_| Packet::new(HEADROOM, LARGEST)).collect(),
            outbox: Outbox::new(BATCH * (LARGEST + HEADROOM), BATCH, 1),
            peers: BTreeSet::new(),
            figures: DataFigures::default(),
            diagnosis: Diagnosis::default(),
        }
    }

    fn run(mut self) {
        let mut ready = Vec::new();
        loop {
            let timeout = self.time_left();
            if self.poller.wait(&mut ready, timeout).is_err() || self.obey().is_break() {
                return;
            }
            for event in &ready {
                match *event {
                    Ready::Fd { token: TUN, .. } => self.serve_tun(),
                    Ready::Fd { token, .. } => self.serve_socket((token - FIRST_SOCKET) as usize),
                    Ready::Woken => {}
                }
            }
            let now = self.io.clock.now();
            if self.worker.poll_timeout().is_some_and(|due| due.at <= now.boot) {
                self.worker.handle_timeout(now, &mut self.outbox);
                self.flush();
            }
            self.pass_notices();
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let deadline = self.worker.poll_timeout()?;
        Some(deadline.at.saturating_sub(self.io.clock.now().boot))
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Apply(command)) => self.apply(*command),
                Ok(Order::Farewell(peer)) => {
                    self.worker.farewell(peer, self.io.clock.now(), &mut self.outbox);
                    self.flush();
                }
                Ok(Order::Figures(answer)) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.present_figures());
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return Break(()),
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
                    add(&mut self.figures.total, counters);
                }
            }
            _ => {}
        }
        self.worker.apply(command, self.io.clock.now());
    }

    fn present_figures(&self) -> DataFigures {
        let mut figures = self.figures.clone();
        figures.drops = self.worker.drops();
        for peer in &self.peers {
            if let Some(counters) = self.worker.peer_counters(*peer) {
                add(&mut figures.total, counters);
                figures.peers.push((*peer, counters));
            }
        }
        figures
    }

    fn serve_tun(&mut self) {
        let count = match self.io.tun.recv_batch(&mut self.packets) {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(%error, "reading the TUN device");
                return;
            }
        };
        let now = self.io.clock.now();
        let batch =
            self.packets[..count].iter_mut().map(|packet| Inner { bytes: packet.content_mut() });
        self.worker.handle_packets(batch, now, &mut self.outbox);
        self.flush();
    }

    fn serve_socket(&mut self, index: usize) {
        let Some(socket) = self.io.sockets.get(index) else { return };
        let count = match socket.recv_batch(&mut self.received) {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(%error, "reading a UDP socket");
                return;
            }
        };
        let now = self.io.clock.now();
        let batch = self.received[..count].iter_mut().filter(|slot| !slot.truncated).map(|slot| {
            let endpoint = Endpoint {
                socket: index as u16,
                remote: slot.remote,
                local: slot.local,
                ifindex: slot.ifindex,
            };
            Datagram::single(endpoint, slot.packet.content_mut())
        });
        let mut inward = Inward {
            tun: &self.io.tun,
            wrap: &self.io.wrap,
            control: &self.outlets.control,
            figures: &mut self.figures,
            diagnosis: &mut self.diagnosis,
            now,
        };
        self.worker.handle_datagrams(batch, now, &mut inward, &mut self.outbox);
        self.flush();
    }

    fn flush(&mut self) {
        for (endpoint, payload) in self.outbox.datagrams() {
            let Some(socket) = self.io.sockets.get(usize::from(endpoint.socket)) else { continue };
            if let Err(error) = socket.send(transmit(&endpoint, payload)) {
                self.figures.send_errors += 1;
                tracing::trace!(%error, "sending a data packet");
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

fn add(total: &mut PeerCounters, more: PeerCounters) {
    total.rx_packets += more.rx_packets;
    total.rx_bytes += more.rx_bytes;
    total.tx_packets += more.tx_packets;
    total.tx_bytes += more.tx_bytes;
}

/// A datagram for the kernel, from the address that the peer spoke to.
pub(crate) fn transmit<'a>(endpoint: &Endpoint, payload: &'a [u8]) -> Transmit<'a> {
    Transmit { payload, remote: endpoint.remote, local: endpoint.local, ifindex: endpoint.ifindex }
}

/// Takes what received datagrams held: inner packets go to the TUN device at once, control packets
/// to the control task once their HMAC has checked out.
struct Inward<'t> {
    tun: &'t Tun,
    wrap: &'t ControlWrap,
    control: &'t mpsc::Sender<ControlDatagram>,
    figures: &'t mut DataFigures,
    diagnosis: &'t mut Diagnosis,
    now: Now,
}

impl<'b> PacketSink<'b> for Inward<'_> {
    fn packet(&mut self, packet: &'b mut [u8]) {
        if let Err(error) = self.tun.send(packet) {
            self.figures.tun_errors += 1;
            tracing::trace!(%error, "writing to the TUN device");
        }
    }

    fn control(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]) {
        if let Err(error) = self.wrap.open(datagram) {
            let suspect = if error.is_forged() {
                self.diagnosis.of(self.wrap, datagram, self.now)
            } else {
                "malformed_control"
            };
            *self.figures.forged_control.entry(suspect).or_default() += 1;
            return;
        }
        let datagram = ControlDatagram { endpoint: *endpoint, bytes: datagram.to_vec() };
        if self.control.try_send(datagram).is_err() {
            self.figures.control_overflow += 1;
        }
    }
}

/// Finds out what is wrong with a forged packet, so rarely that a flood of them can't use it to
/// make us work.
#[derive(Debug, Default)]
struct Diagnosis {
    second: u64,
    made: u32,
}

impl Diagnosis {
    fn of(&mut self, wrap: &ControlWrap, datagram: &[u8], now: Now) -> &'static str {
        let second = now.boot.as_secs();
        if self.second != second {
            (self.second, self.made) = (second, 0);
        }
        if self.made >= DIAGNOSES_A_SECOND {
            return "wrong_tls_auth";
        }
        self.made += 1;
        match wrap.diagnose(datagram) {
            Some(Suspect::Key) | None => "wrong_tls_auth_key",
            Some(Suspect::KeyDirection) => "wrong_key_direction",
            Some(Suspect::Digest(_)) => "wrong_auth_digest",
        }
    }
}

const DIAGNOSES_A_SECOND: u32 = 20;
const TUN: u32 = 0;
const FIRST_SOCKET: u32 = 1;
const BATCH: usize = 64;
/// In front of a packet, for headers put there without a copy.
const HEADROOM: usize = 64;
/// The largest datagram or inner packet taken: an Ethernet jumbo frame and what wraps it.
const LARGEST: usize = 9216;
