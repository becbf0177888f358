//! The data plane in user space: all data workers of an engine. Each command goes to the owner of its
//! peer, and what the others need to hand packets on to them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use datapath::{
    Carrier, Command, Endpoint, PeerRef, PeerSettings, RouteChange, Shard, StreamId, WorkerSettings,
};
use rustix::thread::CpuSet;
use sysio::{Poller, Transmit, Tun, UdpSocket};

use super::handoff::{Handoff, HandoffQueues};
use super::plane::DataPlane;
use super::streams::{ForeignStream, StreamOrder, StreamSources};
use super::tun_queues::TunQueues;
use super::{Common, ControlReceiver, DataHandle, DataIo, Part, WorkerOutputs, make_one, transmit};
use crate::figures::DataFigures;
use crate::{Offloads, affinity, steering};

/// The handles of all workers. Dropping the last one stops them.
#[derive(Clone, Debug)]
pub(crate) struct UserSpace {
    workers: Arc<[DataHandle]>,
    /// A socket for each address listened on, to answer from; none once it was let go.
    sockets: Arc<RwLock<Vec<Arc<UdpSocket>>>>,
    /// How the workers that own peers share them; one more may read the control packets.
    shard: Shard,
    receive_buffer: Option<u32>,
    /// How many TCP connections came in elsewhere: the workers take turns.
    taken_in: Arc<AtomicUsize>,
}

impl UserSpace {
    /// Starts one worker for each part of `io`, and where the kernel steers datagrams, makes one that owns
    /// no peers and reads what isn't steered to an owner. That one runs on the thread with the runtime
    /// that this is called in.
    pub(crate) fn start(
        settings: WorkerSettings,
        mut io: PlaneIo,
        outputs: WorkerOutputs,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>, Option<ControlReceiver>)> {
        let owners = io.owners.max(1);
        let (offloads, processors) = offloads(&mut io, owners);
        // TCP connections come to their owners anyway.
        let with_receiver = offloads.steering && !io.groups.is_empty();
        let count = usize::from(owners) + usize::from(with_receiver);
        let pollers = (0..count).map(|_| Poller::new()).collect::<io::Result<Vec<_>>>()?;
        let queues = HandoffQueues::new(pollers.iter().map(Poller::waker));
        let (mut workers, mut threads, mut receiver) = (Vec::new(), Vec::new(), None);
        for (index, poller) in pollers.into_iter().enumerate() {
            let shard = Shard::new(index as u16, owners).unwrap_or(Shard::WHOLE);
            let part = Part {
                index,
                settings: WorkerSettings { shard, ..settings },
                handoff: Handoff::new(Arc::clone(&queues), index),
            };
            let (handle, worker) =
                make_one(part, io.part(index, offloads), outputs.clone(), poller)?;
            workers.push(handle);
            if index < usize::from(owners) {
                let own = processors.as_ref().map(|all| all[index]);
                threads.push(in_a_thread(index, own, move || worker.run())?);
            } else {
                receiver = Some(ControlReceiver::new(worker)?);
            }
        }
        Ok((Self::of(&io, workers, owners, offloads), threads, receiver))
    }

    fn of(io: &PlaneIo, workers: Vec<DataHandle>, owners: u16, offloads: Offloads) -> Self {
        let shard = Shard::new(0, owners).unwrap_or(Shard::WHOLE);
        let buffers = io.groups.iter().flatten().next().map(|socket| socket.buffers());
        tracing::info!(
            workers = owners, tun = %offloads.tun.word(), gso = offloads.gso, gro = offloads.gro,
            steering = offloads.steering, queues = io.queues.len(), affinity = offloads.affinity,
            receive_buffer = buffers.map(|(receive, _)| receive),
            send_buffer = buffers.map(|(_, send)| send),
            "the data path"
        );
        let first = |group: &Vec<Arc<UdpSocket>>| group.first().map(Arc::clone);
        let sockets = Arc::new(RwLock::new(io.groups.iter().filter_map(first).collect()));
        let receive_buffer = buffers.map(|(receive, _)| receive as u32);
        Self { workers: workers.into(), sockets, shard, receive_buffer, taken_in: Arc::default() }
    }

    fn owner(&self, peer: PeerRef) -> &DataHandle {
        &self.workers[usize::from(self.shard.owner(peer.id.get()))]
    }

    fn others(&self, peer: PeerRef) -> impl Iterator<Item = &DataHandle> {
        let owner = usize::from(self.shard.owner(peer.id.get()));
        self.workers.iter().enumerate().filter(move |(at, _)| *at != owner).map(|(_, other)| other)
    }
}

/// What the kernel does of what is wanted, and the processors of the workers that own peers, where each has its own.
fn offloads(io: &mut PlaneIo, owners: u16) -> (Offloads, Option<Vec<CpuSet>>) {
    let sockets = io.groups.iter().flatten().map(|socket| &**socket);
    let mut offloads = io.wanted.set_up(&io.queues[0], sockets);
    offloads.steering = io.steer();
    offloads.queues = io.queues.len() >= usize::from(owners);
    let processors = io.wanted.affinity.then(|| affinity::one_each(owners)).flatten();
    offloads.affinity = processors.is_some();
    (offloads, processors)
}

/// On its own processor, where it has one.
fn in_a_thread(
    index: usize,
    own: Option<CpuSet>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(format!("data {index}"));
    thread.spawn(move || {
        if let Some(own) = &own {
            affinity::keep_to(own);
        }
        work();
    })
}

impl DataPlane for UserSpace {
    /// Hands a command over. Applied by the peer's owner before its next batch.
    fn apply(&self, command: Command) {
        let peer = command.peer();
        let route = match &command {
            Command::PeerNew { endpoint, settings, .. } => Some(route(peer, *endpoint, settings)),
            Command::PeerDel { .. } => Some(RouteChange::Del { peer }),
            _ => None,
        };
        // The owner first: what others hand on must not come before the peer does.
        self.owner(peer).apply(command);
        if let Some(route) = route {
            self.others(peer).for_each(|other| other.apply_route(route.clone()));
        }
    }

    fn heard(&self, peer: PeerRef) {
        self.owner(peer).heard(peer);
    }

    /// Sends control packets that leave together: datagrams at once, but over a TCP connection through
    /// the worker that owns it.
    ///
    /// What fits is one piece for the kernel: a flight of TLS then costs one way through its stack, and
    /// comes to the peer as one, which acknowledges it as one.
    fn send_control(&self, endpoint: &Endpoint, packets: Vec<Vec<u8>>) {
        match endpoint.carrier {
            Carrier::Udp(index) => {
                let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
                let Some(socket) = sockets.get(usize::from(index)) else { return };
                let mut rest = &packets[..];
                while !rest.is_empty() {
                    let (run, behind) = rest.split_at(run_length(rest));
                    send_run(socket, endpoint, run);
                    rest = behind;
                }
            }
            Carrier::Tcp(stream) => packets
                .into_iter()
                .for_each(|packet| self.stream(stream, StreamOrder::Send(packet))),
        }
    }

    /// Asks something of a TCP connection.
    fn stream(&self, stream: StreamId, order: StreamOrder) {
        if let Some(worker) = self.workers.get(usize::from(stream.worker)) {
            worker.stream(stream, order);
        }
    }

    fn take_in(&self, stream: ForeignStream) {
        let turn = self.taken_in.fetch_add(1, Ordering::Relaxed);
        if let Some(worker) = self.workers.get(turn % usize::from(self.shard.of()).max(1)) {
            worker.take_in(stream);
        }
    }

    fn send_ping(&self, peer: PeerRef) {
        self.owner(peer).send_ping(peer);
    }

    /// Says goodbye to a peer in the data channel.
    fn send_exit(&self, peer: PeerRef) {
        self.owner(peer).send_exit(peer);
    }

    /// What the receive buffer of a UDP socket holds, as the kernel counts it, in bytes; `None` over TCP alone.
    fn receive_buffer(&self) -> Option<u32> {
        self.receive_buffer
    }

    /// How the workers share the peers.
    fn shard(&self) -> Shard {
        self.shard
    }

    /// Reads every worker's figures between two batches.
    fn figures(&self) -> Pin<Box<dyn Future<Output = DataFigures> + Send + '_>> {
        Box::pin(async {
            let mut sum = DataFigures::default();
            for worker in &*self.workers {
                sum.add(worker.figures().await);
            }
            sum
        })
    }

    /// Ends the threads after their present batches.
    fn stop(&self) {
        self.workers.iter().for_each(DataHandle::stop);
    }

    fn let_go(&self) {
        self.sockets.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// How many packets from the first on can leave in one piece: all as long as the first, and the last
/// no longer.
fn run_length(packets: &[Vec<u8>]) -> usize {
    let Some(longest) = packets.first().map(Vec::len) else { return 0 };
    let as_long = packets.iter().take(RUN).take_while(|packet| packet.len() == longest).count();
    let ends = packets.get(as_long).is_some_and(|packet| packet.len() < longest);
    if as_long < RUN && ends { as_long + 1 } else { as_long }
}

fn send_run(socket: &UdpSocket, endpoint: &Endpoint, run: &[Vec<u8>]) {
    let sent = match run {
        [packet] => socket.send(transmit(endpoint, packet)),
        [first, ..] => {
            let joined = run.concat();
            socket.send(Transmit { segment: first.len(), ..transmit(endpoint, &joined) })
        }
        [] => Ok(()),
    };
    if let Err(error) = sent {
        // It is sent again when its acknowledgement does not come.
        tracing::trace!(%error, "sending control packets");
    }
}

/// More than a session has under way at once, and far less than a piece can hold.
const RUN: usize = 16;

/// What all workers together work with.
pub(crate) struct PlaneIo {
    /// How many workers own peers.
    pub(crate) owners: u16,
    /// What is to be asked of the kernel.
    pub(crate) wanted: Offloads,
    /// The TUN device's queues.
    pub(crate) queues: Vec<Arc<Tun>>,
    /// For each address listened on, its sockets.
    pub(crate) groups: Vec<Vec<Arc<UdpSocket>>>,
    /// The TCP connections that each worker begins with, in their order; or fewer.
    pub(crate) streams: Vec<StreamSources>,
    /// What all of them share.
    pub(crate) common: Common,
}

impl PlaneIo {
    /// Lets the kernel give each datagram to its peer's owner. Not needed for anything but speed.
    /// Says whether it does; if not, each socket is one of an owner.
    fn steer(&mut self) -> bool {
        let program = steering::program(self.owners);
        let one_each = |group: &Vec<Arc<UdpSocket>>| group.len() > usize::from(self.owners);
        let steer = |group: &Vec<Arc<UdpSocket>>| match group[0].steer(&program) {
            Ok(()) => true,
            Err(error) => {
                tracing::info!(%error, "the kernel does not steer datagrams: workers hand them on");
                false
            }
        };
        let steers =
            self.wanted.steering && self.groups.iter().all(|group| one_each(group) && steer(group));
        if !steers {
            let owners = usize::from(self.owners.max(1));
            self.groups.iter_mut().for_each(|group| group.truncate(owners));
        }
        steers
    }

    /// The part of one worker. One without a queue or a socket of its own writes to the first, and reads
    /// none.
    fn part(&mut self, index: usize, offloads: Offloads) -> DataIo {
        let owns_peers = index < usize::from(self.owners.max(1));
        let of = usize::from(self.owners.max(1));
        let own_queues = TunQueues::share(&self.queues, index, of).filter(|_| owns_peers);
        let sockets = self.groups.iter().filter_map(|group| {
            let own = group.get(index);
            Some((Arc::clone(own.or(group.first())?), own.is_some()))
        });
        DataIo {
            reads_tun: own_queues.is_some(),
            tun: Arc::new(
                own_queues.unwrap_or_else(|| TunQueues::one(Arc::clone(&self.queues[0]))),
            ),
            sockets: sockets.collect(),
            streams: self.streams.get_mut(index).map(std::mem::take).unwrap_or_default(),
            common: self.common.clone(),
            offloads,
        }
    }
}

/// What workers learn of another's peer. Whatever it announced, it may send packets that don't name its
/// slot: over UDP those are told by where they come from, and over TCP they come to their owner anyway.
fn route(peer: PeerRef, endpoint: Endpoint, settings: &PeerSettings) -> RouteChange {
    let sender = endpoint.stream().is_none().then_some(endpoint);
    RouteChange::New { peer, networks: settings.nets().collect(), sender }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_a_shorter_packet_or_before_a_longer_one() {
        let length = |sizes: &[usize]| {
            run_length(&sizes.iter().map(|size| vec![0; *size]).collect::<Vec<_>>())
        };
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[9]), 1);
        assert_eq!(length(&[9, 9, 4, 4]), 3);
        assert_eq!(length(&[9, 10]), 1);
        assert_eq!(length(&[9; RUN + 1]), RUN);
    }
}
