//! The data workers: threads that own peers, and read and write the TUN device and the sockets; and one
//! that owns none and reads what isn't a data packet, on the control task's thread.
//!
//! Each runs to completion: a batch is read, opened or sealed, and written before the next is looked
//! at. Control packets leave it authenticated, through a bounded queue that drops when full, so that
//! a flood costs strangers their packets and sessions nothing but a retransmission.
//!
//! Commands are applied between batches, and after packets are read and before they are looked at. Their
//! order is the order of the channel, which is what "closed before the slot is given out again" rests on.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use clock::Clock;
use datapath::{Command, Endpoint, Notice, PeerRef, RouteChange, StreamId, WorkerSettings};
use sysio::{Interest, Poller, Transmit, Tun, UdpSocket, Waker};
use tokio::sync::{mpsc, oneshot};
use wire::stranger::StrangerCheck;
use wire::wrap::Unwrapped;

mod control_receiver;
mod handoff;
mod ingress;
mod ledger;
mod moderation;
mod newcomers;
mod packet_io;
mod plane;
mod sending;
mod streams;
#[cfg(test)]
mod tests;
mod tun_queues;
mod user_space;
mod worker;

pub(crate) use self::control_receiver::ControlReceiver;
pub use self::plane::{DataPlane, PlaneOutputs, SharedPlane};
pub(crate) use self::streams::{CLIENT_STREAM, StreamSources};
pub use self::streams::{ForeignStream, StreamEnd};
pub use self::streams::{StreamEnded, StreamOrder};
pub use self::tun_queues::QUEUES_PER_WORKER;
pub(crate) use self::user_space::{PlaneIo, UserSpace};

use self::handoff::Handoff;
use self::newcomers::{Entrance, newcomers};
use self::packet_io::{TunIo, UdpIo};
use self::streams::Streams;
use self::tun_queues::TunQueues;
use self::worker::DataWorker;
use crate::Offloads;
use crate::figures::DataFigures;

/// A control packet that passed the check, on its way to the control task.
#[derive(Debug)]
pub struct ControlDatagram {
    /// Where it came from.
    pub endpoint: Endpoint,
    /// What it held.
    pub unwrapped: Unwrapped,
}

/// What all workers share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) check: StrangerCheck,
    pub(crate) clock: Arc<dyn Clock>,
    /// The data workers' nice value, where the system allows it: -20 goes first, 19 last.
    pub(crate) nice: i32,
}

/// What one worker works with.
struct DataIo<T: TunIo = Tun, U: UdpIo = UdpSocket> {
    tun: Arc<TunQueues<T>>,
    reads_tun: bool,
    /// A socket for each address listened on, and whether it is this worker's to read.
    sockets: Vec<(Arc<U>, bool)>,
    streams: StreamSources,
    common: Common,
    offloads: Offloads,
}

/// Which worker this is.
struct Part {
    index: usize,
    settings: WorkerSettings,
    handoff: Handoff,
}

/// Where what the data workers do not handle goes.
#[derive(Clone)]
pub(crate) struct WorkerOutputs {
    pub(crate) control: mpsc::Sender<ControlDatagram>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    pub(crate) ended_streams: mpsc::UnboundedSender<StreamEnded>,
}

/// A running worker. Dropping the last handle stops it.
#[derive(Clone, Debug)]
struct DataHandle {
    orders: Sender<Message>,
    entrance: Entrance,
    waker: Waker,
}

#[derive(Debug)]
enum Order {
    Apply(Box<Command>),
    SendPing(PeerRef),
    ApplyRoute(RouteChange),
    Heard(PeerRef),
    SendExit(PeerRef),
    Stream(StreamId, StreamOrder),
    Figures(oneshot::Sender<DataFigures>),
}

/// What is sent to a worker.
#[derive(Debug)]
enum Message {
    Order(Order),
    Stop,
}

impl DataHandle {
    /// Hands a command over. Applied before any packet that is read after this; a thread that sleeps is
    /// woken at once only where an answer is waited for or something has to stop, since a wake-up
    /// costs more than the command does.
    fn apply(&self, command: Command) {
        let can_wait = can_wait(&command);
        self.give(Order::Apply(Box::new(command)), can_wait);
    }

    /// The same for what it is told of another worker's peer.
    fn apply_route(&self, change: RouteChange) {
        let can_wait = matches!(change, RouteChange::New { .. });
        self.give(Order::ApplyRoute(change), can_wait);
    }

    /// A sign of life of a peer.
    fn heard(&self, peer: PeerRef) {
        self.give(Order::Heard(peer), true);
    }

    /// Sends a peer a ping at once.
    fn send_ping(&self, peer: PeerRef) {
        self.order(Order::SendPing(peer));
    }

    /// Says goodbye to a peer in the data channel.
    fn send_exit(&self, peer: PeerRef) {
        self.order(Order::SendExit(peer));
    }

    /// Asks something of a TCP connection.
    fn stream(&self, stream: StreamId, order: StreamOrder) {
        self.order(Order::Stream(stream, order));
    }

    /// Hands a TCP connection over that came in elsewhere. It is closed where too many wait already.
    fn take_in(&self, stream: ForeignStream) {
        if self.entrance.take(stream) {
            self.waker.wake();
        }
    }

    /// Reads the figures between two batches.
    async fn figures(&self) -> DataFigures {
        let (answer, figures) = oneshot::channel();
        self.order(Order::Figures(answer));
        figures.await.unwrap_or_default()
    }

    /// Ends the thread after the present batch.
    fn stop(&self) {
        self.send(Message::Stop, false);
    }

    fn order(&self, order: Order) {
        self.give(order, false);
    }

    fn give(&self, order: Order, can_wait: bool) {
        self.send(Message::Order(order), can_wait);
    }

    fn send(&self, message: Message, can_wait: bool) {
        // A thread that is gone needs no orders, and gives no answers.
        match self.orders.send(message) {
            Ok(()) if can_wait => self.waker.wake_within(SOON),
            Ok(()) => self.waker.wake(),
            Err(_) => {}
        }
    }
}

/// Whether a command has no effect before the next packet but on deadlines, which are seconds away.
fn can_wait(command: &Command) -> bool {
    match command {
        Command::PeerNew { .. } | Command::KeyNew { .. } | Command::KeySwap { .. } => true,
        Command::PeerDel { .. } | Command::KeyDel { .. } => false,
    }
}

/// How long commands that can wait do at most; all that come meanwhile cost one wake-up.
const SOON: Duration = Duration::from_millis(100);

/// Makes one worker, which is to be run.
fn make_one(
    part: Part,
    mut io: DataIo,
    outputs: WorkerOutputs,
    poller: Poller,
) -> io::Result<(DataHandle, DataWorker)> {
    if io.reads_tun {
        for (number, queue) in io.tun.iter() {
            poller.add(&**queue, FIRST_TUN + number as u32, Interest::Readable)?;
        }
    }
    for (index, (socket, is_own)) in io.sockets.iter().enumerate() {
        if *is_own {
            poller.add(&**socket, FIRST_SOCKET + index as u32, Interest::Readable)?;
        }
    }
    let sources = std::mem::take(&mut io.streams);
    let streams = Streams::new(
        part.index as u16,
        part.settings.shard.of(),
        sources,
        &poller,
        outputs.ended_streams.clone(),
    )?;
    let (orders, inbox) = channel();
    let (entrance, newcomers) = newcomers();
    let handle = DataHandle { orders, entrance, waker: poller.waker() };
    Ok((handle, DataWorker::new(part, io, streams, outputs, poller, inbox, newcomers)))
}

/// A datagram for the kernel, from the address that the peer spoke to.
fn transmit<'a>(endpoint: &Endpoint, payload: &'a [u8]) -> Transmit<'a> {
    let Endpoint { remote, local, ifindex, .. } = *endpoint;
    Transmit { payload, remote, local, ifindex, segment: 0 }
}

// Tokens of a worker's poller.
const FIRST_TUN: u32 = 0;
const FIRST_SOCKET: u32 = FIRST_TUN + QUEUES_PER_WORKER as u32;
const FIRST_LISTENER: u32 = 1 << 16;
const FIRST_STREAM: u32 = 1 << 17;
