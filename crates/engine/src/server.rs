//! Starting a server and asking things of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use clock::Clock;
use datapath::{PeerToPeer, Shard, Side, WorkerSettings};
use sysio::{TcpListener, Tun, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tunnel::{Gate, GateSettings, Life, ServerConfig, ServerTls};

use crate::control::{Control, ControlInputs, ControlParts, MAX_HANDSHAKES, Request};
use crate::data::{
    Common, ControlReceiver, PlaneIo, PlaneOutputs, SharedPlane, StreamSources, UserSpace,
    WorkerOutputs,
};
use crate::driver::fresh_seed;
use crate::pool::{ControlThread, SessionPool};
use crate::registry::{RegistrySettings, slots};
use crate::{
    Admission, DataSettings, Figures, ForeignStream, Identity, Kick, Offloads, SessionInfo,
};

/// What a server is made with.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// What its sessions share.
    pub tunnel: Arc<ServerConfig>,
    /// The options string of sessions over TCP.
    pub tcp_options: String,
    /// Limits towards strangers.
    pub gate: GateSettings,
    /// Timers and sizes of the data channel.
    pub data: DataSettings,
    /// Sessions at once.
    pub max_sessions: u32,
    /// Traffic between peers.
    pub peer_to_peer: PeerToPeer,
}

/// What a server reads and writes.
#[derive(Debug)]
pub struct ServerIo {
    /// How many threads own peers, at least one; the peers are spread evenly over them.
    pub workers: u16,
    /// What is to be asked of the kernel.
    pub offloads: Offloads,
    /// The nice value of the threads that own peers, where the system allows it: -20 goes first, 19
    /// last.
    pub nice: i32,
    /// The TUN device's queues: [`QUEUES_PER_WORKER`](crate::QUEUES_PER_WORKER) for each worker, or fewer.
    pub queues: Vec<Arc<Tun>>,
    /// For each address listened on, the sockets bound to it: one for each worker, and one more for
    /// what isn't a data packet, of use where the kernel steers; or fewer, at least one.
    pub udp: Vec<Vec<Arc<UdpSocket>>>,
    /// For each address that takes TCP connections, its listeners: one for each worker, or fewer.
    pub tcp: Vec<Vec<TcpListener>>,
}

impl ServerIo {
    /// One worker, which reads everything.
    pub fn single(tun: Arc<Tun>, udp: Vec<Arc<UdpSocket>>, tcp: Vec<TcpListener>) -> Self {
        Self {
            workers: 1,
            offloads: Offloads::wanted(),
            nice: 0,
            queues: vec![tun],
            udp: udp.into_iter().map(|socket| vec![socket]).collect(),
            tcp: tcp.into_iter().map(|listener| vec![listener]).collect(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    requests: mpsc::Sender<Request>,
    stop: mpsc::Sender<oneshot::Sender<()>>,
    tls: ServerTls,
    data: SharedPlane,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Starts a server, on threads of its own.
    ///
    /// # Errors
    /// When a thread cannot be started or the kernel has no randomness.
    pub fn start(
        io: ServerIo,
        settings: ServerSettings,
        admission: Arc<dyn Admission>,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, StartError> {
        let check = settings.tunnel.check.clone();
        let (control, datagrams) = mpsc::channel(CONTROL_QUEUE);
        let (notices_out, notices) = mpsc::unbounded_channel();
        let (streams_out, ended_streams) = mpsc::unbounded_channel();
        let io = PlaneIo {
            owners: io.workers.max(1),
            wanted: io.offloads,
            queues: io.queues,
            groups: io.udp,
            streams: by_worker(io.tcp),
            common: Common { check, clock: Arc::clone(&clock), nice: io.nice },
        };
        let worker = WorkerSettings {
            side: Side::Server,
            slots: slots(settings.max_sessions),
            peer_to_peer: settings.peer_to_peer,
            shard: Shard::WHOLE,
        };
        let outputs = WorkerOutputs { control, notices: notices_out, ended_streams: streams_out };
        let (pool, control_thread) = SessionPool::start().map_err(StartError::SessionPool)?;
        let (data, threads, receiver) = control_thread
            .within(|| UserSpace::start(worker, io, outputs))
            .map_err(StartError::DataWorker)?;
        let base = Base {
            data: Arc::new(data),
            outputs: PlaneOutputs { control: datagrams, notices, ended_streams },
            receiver,
            threads,
        };
        Self::begin(base, (pool, control_thread), settings, admission, clock)
    }

    /// Starts a server on another data plane than the one in user space.
    ///
    /// # Errors
    /// When a thread cannot be started or the kernel has no randomness.
    pub fn start_on(
        data: SharedPlane,
        outputs: PlaneOutputs,
        settings: ServerSettings,
        admission: Arc<dyn Admission>,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, StartError> {
        let pool = SessionPool::start().map_err(StartError::SessionPool)?;
        let base = Base { data, outputs, receiver: None, threads: Vec::new() };
        Self::begin(base, pool, settings, admission, clock)
    }

    fn begin(
        base: Base,
        (pool, control_thread): (SessionPool, ControlThread),
        settings: ServerSettings,
        admission: Arc<dyn Admission>,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, StartError> {
        let Base { data, outputs, receiver, threads } = base;
        let (check, tls) = (settings.tunnel.check.clone(), settings.tunnel.tls.clone());
        let secret = fresh_seed().map_err(StartError::Entropy)?;
        let (requests, requests_in) = mpsc::channel(REQUESTS);
        let (stop, stop_in) = mpsc::channel(1);
        let revisions = admission.revisions();
        let inputs = ControlInputs {
            receiver,
            datagrams: outputs.control,
            notices: outputs.notices,
            ended_streams: outputs.ended_streams,
            requests: requests_in,
            stop: stop_in,
            revisions,
        };
        let tunnel_tcp =
            ServerConfig { options: settings.tcp_options, ..ServerConfig::clone(&settings.tunnel) };
        let parts = ControlParts {
            gate: Gate::new(check, secret, settings.gate),
            tunnel: settings.tunnel,
            tunnel_tcp: Arc::new(tunnel_tcp),
            registry: RegistrySettings {
                max_sessions: settings.max_sessions,
                max_handshakes: MAX_HANDSHAKES,
                shard: data.shard(),
                data: settings.data,
                receive_buffer: data.receive_buffer(),
            },
            data: Arc::clone(&data),
            clock,
            admission,
            pool,
        };
        let control = Control::new(parts).run(inputs);
        control_thread.run(control).map_err(StartError::SessionPool)?;
        Ok(Server { requests, stop, tls, data, threads: Mutex::new(threads) })
    }

    /// Waits until the server has ended, which it does of its own accord only when it is broken.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    /// Everybody who is connected, with counters.
    pub async fn sessions(&self) -> Vec<SessionInfo> {
        let listed = self.ask(Request::Sessions).await.unwrap_or_default();
        let figures = self.data.figures().await;
        let counters: BTreeMap<_, _> = figures.peers.into_iter().collect();
        let with_counters = listed.into_iter().map(|(peer, mut info)| {
            info.counters = counters.get(&peer).copied().unwrap_or_default();
            info
        });
        with_counters.collect()
    }

    /// What was counted since the start.
    pub async fn figures(&self) -> Figures {
        let control = self.ask(Request::Figures).await.unwrap_or_default();
        Figures { data: self.data.figures().await, control }
    }

    /// How long the keys of the session of this number live; nothing where there is none.
    pub async fn life(&self, number: u64) -> Option<Life> {
        self.ask(|answer| Request::Life(number, answer)).await
    }

    /// Closes sessions; their clients may come back. Says whose they were.
    pub async fn kick(&self, whom: Kick) -> Vec<Identity> {
        self.ask(|answer| Request::Kick(whom, answer)).await.unwrap_or_default()
    }

    /// Another chain of our own, other trust anchors, or both hold from here on: for handshakes and
    /// renegotiations that begin after this. Nobody's session ends by it; whoever must not stay is closed
    /// by a revision that says so.
    pub fn replace_tls(&self, tls: Arc<rustls::ServerConfig>) {
        self.tls.replace(tls);
    }

    /// Takes a TCP connection that came in at another listener, as one of those that came here.
    pub fn take_in(&self, stream: ForeignStream) {
        self.data.take_in(stream);
    }

    /// Renews the keys of every session.
    pub async fn renegotiate_all(&self) {
        // A control task that is gone has no sessions.
        let _ = self.requests.send(Request::RenegotiateAll).await;
    }

    /// Says goodbye to everybody and ends.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.stop.send(done).await.is_ok() {
            // Without an answer the control task has ended by itself.
            let _ = stopped.await;
        }
        self.data.stop();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has ended too.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        // Whoever asks after figures may hold this value for a moment longer.
        self.data.let_go();
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(make(answer)).await.ok()?;
        answered.await.ok()
    }
}

/// What a server stands on.
struct Base {
    data: SharedPlane,
    outputs: PlaneOutputs,
    receiver: Option<ControlReceiver>,
    threads: Vec<JoinHandle<()>>,
}

/// The first listener of every address to the first worker, and so on.
fn by_worker(addresses: Vec<Vec<TcpListener>>) -> Vec<StreamSources> {
    let mut sources = Vec::new();
    for listeners in addresses {
        for (worker, listener) in listeners.into_iter().enumerate() {
            if worker == sources.len() {
                sources.push(StreamSources::default());
            }
            sources[worker].listeners.push(listener);
        }
    }
    sources
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// A thread or its poller could not be made.
    DataWorker(io::Error),
    /// The threads for handshakes could not be made.
    SessionPool(io::Error),
    /// The kernel gave no randomness.
    Entropy(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartError::DataWorker(_) => "a data worker could not be started",
            StartError::SessionPool(_) => "the threads for handshakes could not be started",
            StartError::Entropy(_) => "the kernel gave no random bytes",
        })
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::DataWorker(source)
            | StartError::SessionPool(source)
            | StartError::Entropy(source) => Some(source),
        }
    }
}

/// Authenticated control datagrams between the data worker and the control task.
const CONTROL_QUEUE: usize = 4096;
const REQUESTS: usize = 16;
