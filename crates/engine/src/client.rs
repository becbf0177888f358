//! One connection to a server: the session core, the data worker and the socket to that server.
//!
//! Addresses, routes and DNS are the caller's business: [`ClientEvent::Pushed`] says what the server
//! wants, and [`ClientEvent::Established`] that data flows. A new connection is a new [`Client`]; the
//! TUN device may be the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use datapath::{
    Carrier, Command, Endpoint, Header, IpNet, KeepAlive, Notice, PeerRef, WorkerSettings,
};
use sysio::{BindError, TcpStream, Tun, UdpSocket};
use tokio::sync::mpsc;
use tunnel::{ClientConfig, Close, EndReason, Session};
use wire::PeerId;
use wire::cipher::Cipher;
use wire::peer_info::PeerInfo;
use wire::push::{PushOption, PushReply};
use wire::stranger::StrangerCheck;
use wire::wrap::Unwrapped;

use crate::data::{
    CLIENT_STREAM, Common, ControlDatagram, PlaneIo, SharedPlane, StreamEnded, StreamSources,
    UserSpace, WorkerOutputs,
};
use crate::driver::{Driver, Happened, KeyChange, Surroundings, fresh_seed};
use crate::grant::server_settings;
use crate::{DataFigures, DisconnectReason, Offloads, StartError};

/// What a connection is made with.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// For the session.
    pub tunnel: Arc<ClientConfig>,
    /// As [`crate::DataSettings::mssfix`].
    pub mssfix: u16,
    /// As [`crate::DataSettings::mssfix_df`].
    pub mssfix_df: u16,
    /// As [`crate::ServerIo::nice`].
    pub nice: i32,
    /// Nothing came for this long: the server is gone. Replaced by what is pushed.
    pub ping_restart: Duration,
    /// Whether data wait, both ways, until [`Client::pass_data`]: for who has something to find out about the
    /// server first.
    pub holds_data: bool,
}

/// What happened to the connection.
#[derive(Debug)]
pub enum ClientEvent {
    /// The server's first valid packet came.
    Answered,
    /// What the server wants set up. Comes before `Established`; by then the server has proved its name.
    Pushed(Box<PushReply>),
    /// Data flows.
    Established(Option<Cipher>),
    /// Keys were renewed.
    Renegotiated,
    /// It is over; nothing follows.
    Ended(DisconnectReason),
}

/// What leads to the server.
#[derive(Debug)]
pub enum Link {
    /// A socket that is connected to it.
    Udp(Arc<UdpSocket>),
    /// A TCP connection to it.
    Tcp(TcpStream),
}

/// A running connection. Dropping it ends it without a goodbye.
#[derive(Debug)]
pub struct Client {
    events: mpsc::UnboundedReceiver<ClientEvent>,
    orders: mpsc::UnboundedSender<Order>,
    data: SharedPlane,
    place: Place,
}

/// Where a connection leaves from.
#[derive(Debug)]
enum Place {
    Udp { socket: Arc<UdpSocket>, server: std::net::SocketAddr },
    Tcp { local: IpAddr },
}

#[derive(Clone, Copy, Debug)]
enum Order {
    PassData,
    Ping,
    Renegotiate,
    Close,
}

impl Client {
    /// Starts a connection on the present tokio runtime.
    ///
    /// # Errors
    /// When the data worker cannot be started or the kernel has no randomness.
    pub fn start(
        queues: Vec<Arc<Tun>>,
        link: Link,
        server: std::net::SocketAddr,
        settings: ClientSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Client, StartError> {
        let (control, datagrams) = mpsc::channel(CONTROL_QUEUE);
        let (notices_out, notices) = mpsc::unbounded_channel();
        let (streams_out, ended_streams) = mpsc::unbounded_channel();
        let endpoint = endpoint(&link, server);
        let place = Place::of(&link, server);
        let outputs = WorkerOutputs { control, notices: notices_out, ended_streams: streams_out };
        let io = one_worker(queues, link, &settings, &clock);
        let (data, _thread, _) = UserSpace::start(WorkerSettings::client(), io, outputs)
            .map_err(StartError::DataWorker)?;
        let data: SharedPlane = Arc::new(data);
        let seed = fresh_seed().map_err(StartError::Entropy)?;
        let mut tunnel = ClientConfig::clone(&settings.tunnel);
        if let Some(bytes) = data.receive_buffer() {
            tunnel.peer_info.push((PeerInfo::RECEIVE_BUFFER.to_owned(), bytes.to_string()));
        }
        let session = Session::client(Arc::new(tunnel), seed, clock.now());
        let (events_out, events) = mpsc::unbounded_channel();
        let (orders, orders_in) = mpsc::unbounded_channel();
        let side = ClientSide {
            held: settings.holds_data.then(Vec::new),
            settings,
            endpoint,
            data: data.clone(),
            clock,
            events: events_out,
            up: false,
            ended: false,
        };
        let task = ClientTask { driver: Driver::new(session), side, answered: false };
        tokio::spawn(task.run(datagrams, notices, ended_streams, orders_in));
        Ok(Client { events, orders, data, place })
    }

    /// The next thing that happened; `None` after `Ended`.
    pub async fn event(&mut self) -> Option<ClientEvent> {
        self.events.recv().await
    }

    /// The address that packets leave from, as far as the kernel says it.
    pub fn local_address(&self) -> Option<IpAddr> {
        match &self.place {
            Place::Udp { socket, .. } => socket.local_addr().ok().map(|local| local.ip()),
            Place::Tcp { local } => Some(*local),
        }
    }

    /// Goes on with the same session from an address and a port that the routes of this moment give,
    /// and sends a packet from there, by which the server follows. A TCP connection keeps its addresses.
    ///
    /// # Errors
    /// When no route leads to the server. Until a later call succeeds, nothing leaves.
    pub fn rebind(&self) -> Result<(), BindError> {
        if let Place::Udp { socket, server } = &self.place {
            socket.reconnect(*server)?;
            // A connection that is over follows nowhere.
            let _ = self.orders.send(Order::Ping);
        }
        Ok(())
    }

    /// Data that were held pass from here on, as [`ClientSettings::holds_data`] says.
    pub fn pass_data(&self) {
        // A connection that is over has no data.
        let _ = self.orders.send(Order::PassData);
    }

    /// Renews the keys.
    pub fn renegotiate(&self) {
        // A connection that is over has no keys to renew.
        let _ = self.orders.send(Order::Renegotiate);
    }

    /// Says goodbye; `Ended` follows.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
    }

    /// What the data worker counted.
    pub async fn figures(&self) -> DataFigures {
        self.data.figures().await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.data.stop();
    }
}

struct ClientTask {
    driver: Driver,
    side: ClientSide,
    answered: bool,
}

impl ClientTask {
    async fn run(
        mut self,
        mut datagrams: mpsc::Receiver<ControlDatagram>,
        mut notices: mpsc::UnboundedReceiver<Notice>,
        mut ended_streams: mpsc::UnboundedReceiver<StreamEnded>,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let clock = Arc::clone(&self.side.clock);
        loop {
            self.driver.drain(&mut self.side, || clock.now());
            let Some(wait) = self.driver.time_left(clock.now()) else { break };
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.handle_order(order),
                    None => break,
                },
                Some(notice) = notices.recv() => self.handle_notice(notice),
                Some(datagram) = datagrams.recv() => self.handle_packet(datagram.unwrapped),
                // Behind what came over it before.
                Some(ended) = ended_streams.recv() => self.end(DisconnectReason::Connection(ended.why)),
                () = tokio::time::sleep(wait) => self.driver.handle_timeout(clock.now()),
            }
        }
        self.side.data.stop();
    }

    fn handle_order(&mut self, order: Order) {
        let now = self.side.clock.now();
        match order {
            Order::PassData => self.side.pass_data(),
            Order::Ping => self.side.data.send_ping(server_peer()),
            Order::Renegotiate => self.driver.renegotiate(now),
            Order::Close => {
                // Servers before 2.6 do not know EXIT in the control channel. Over TCP the end of
                // the connection says it.
                let in_data = self.side.endpoint.stream().is_none();
                if in_data
                    && !self.driver.negotiated().is_some_and(|negotiated| negotiated.exit_notify)
                {
                    self.side.data.send_exit(server_peer());
                }
                self.driver.close(Close::Exit, now);
            }
        }
    }

    fn handle_packet(&mut self, packet: Unwrapped) {
        match self.driver.handle(packet, self.side.clock.now()) {
            Ok(()) if self.side.up => {
                self.side.data.heard(server_peer());
            }
            Ok(()) if !self.answered && self.driver.peer_session_id().is_some() => {
                self.answered = true;
                self.side.tell(ClientEvent::Answered);
            }
            Ok(()) => {}
            Err(reason) => tracing::trace!(%reason, "a control packet was dropped"),
        }
    }

    fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::FirstUse { .. } | Notice::KeysNearlyUsedUp { .. } => {
                self.driver.handle_notice(&notice, self.side.clock.now());
            }
            Notice::Expired { .. } => self.end(DisconnectReason::PingTimeout),
            Notice::Exit { .. } => self.end(DisconnectReason::Session(EndReason::PeerExit)),
            // The data worker deletes on its own only a peer over which it panicked.
            Notice::Deleted { .. } | Notice::WorkerPanicked { .. } => {
                self.end(DisconnectReason::Panicked)
            }
            Notice::Float { .. } | Notice::Flapping { .. } | Notice::Refused { .. } => {}
        }
    }

    fn end(&mut self, why: DisconnectReason) {
        self.side.end(why, &mut self.driver);
    }
}

/// What a client's session is driven in.
struct ClientSide {
    settings: ClientSettings,
    endpoint: Endpoint,
    data: SharedPlane,
    clock: Arc<dyn Clock>,
    events: mpsc::UnboundedSender<ClientEvent>,
    /// What the data worker is not told yet: without a peer it carries nothing.
    held: Option<Vec<Command>>,
    up: bool,
    ended: bool,
}

impl Surroundings for ClientSide {
    fn send(&mut self, packets: Vec<Vec<u8>>) {
        self.data.send_control(&self.endpoint, packets);
    }

    fn change_keys(&mut self, change: KeyChange) {
        self.apply(change.command(server_peer()));
    }

    fn happened(&mut self, what: Happened, session: &mut Session) {
        match what {
            Happened::Pushed(reply) => {
                self.set_up(&reply);
                self.tell(ClientEvent::Pushed(reply));
            }
            Happened::Established => {
                let cipher = session.negotiated().map(|negotiated| negotiated.cipher);
                self.tell(ClientEvent::Established(cipher));
            }
            Happened::Renegotiated => self.tell(ClientEvent::Renegotiated),
            Happened::Ended(reason) => self.end(DisconnectReason::Session(reason), session),
            Happened::Admission(_) => {}
        }
    }
}

impl ClientSide {
    /// A session has a few keys at most, however long its data are held.
    fn apply(&mut self, command: Command) {
        match &mut self.held {
            Some(held) => held.push(command),
            None => self.data.apply(command),
        }
    }

    fn pass_data(&mut self) {
        let held = self.held.take().unwrap_or_default();
        held.into_iter().for_each(|command| self.data.apply(command));
    }

    /// The server becomes the data worker's one peer.
    fn set_up(&mut self, reply: &PushReply) {
        if self.up {
            return;
        }
        let mut keep_alive =
            KeepAlive { ping: None, ping_restart: Some(self.settings.ping_restart) };
        let (mut header, mut receive_buffer) = (Header::V1, None);
        for option in &reply.options {
            match option {
                PushOption::Ping(seconds) => keep_alive.ping = interval(*seconds),
                PushOption::PingRestart(seconds) => keep_alive.ping_restart = interval(*seconds),
                PushOption::PeerId(id) => header = Header::V2(*id),
                PushOption::ReceiveBuffer(bytes) => receive_buffer = Some(*bytes),
                _ => {}
            }
        }
        let limits = [self.settings.mssfix, self.settings.mssfix_df];
        let mut settings =
            server_settings(header, &self.endpoint, keep_alive, limits, receive_buffer);
        if reply.options.contains(&PushOption::BlockIpv6) {
            // Packets for a network that nobody has are dropped.
            settings.networks.retain(|network| *network != IpNet::ALL_V6);
        }
        self.apply(Command::PeerNew { peer: server_peer(), endpoint: self.endpoint, settings });
        self.up = true;
    }

    fn end(&mut self, why: DisconnectReason, session: &mut Session) {
        if !self.ended {
            self.ended = true;
            // Where it ended by itself, that is why.
            let _ = session.close(Close::Replaced, self.clock.now());
            self.apply(Command::PeerDel { peer: server_peer() });
            self.tell(ClientEvent::Ended(why));
        }
    }

    fn tell(&self, event: ClientEvent) {
        // Nobody listens any more: the orders' other end is gone too, which ends the task.
        let _ = self.events.send(event);
    }
}

impl Place {
    fn of(link: &Link, server: std::net::SocketAddr) -> Self {
        match link {
            Link::Udp(socket) => Self::Udp { socket: Arc::clone(socket), server },
            Link::Tcp(stream) => Self::Tcp { local: stream.local().ip() },
        }
    }
}

/// All that a client's one worker reads from.
fn one_worker(
    queues: Vec<Arc<Tun>>,
    link: Link,
    settings: &ClientSettings,
    clock: &Arc<dyn Clock>,
) -> PlaneIo {
    let (groups, connected) = match link {
        Link::Udp(socket) => (vec![vec![socket]], None),
        Link::Tcp(stream) => (Vec::new(), Some(stream)),
    };
    PlaneIo {
        owners: 1,
        wanted: Offloads { steering: false, affinity: false, ..Offloads::wanted() },
        queues,
        groups,
        streams: vec![StreamSources { listeners: Vec::new(), connected }],
        common: Common {
            check: StrangerCheck::shared(Arc::clone(&settings.tunnel.wrap)),
            clock: Arc::clone(clock),
            nice: settings.nice,
        },
    }
}

fn endpoint(link: &Link, server: std::net::SocketAddr) -> Endpoint {
    match link {
        Link::Udp(_) => Endpoint::new(0, server),
        Link::Tcp(stream) => Endpoint {
            carrier: Carrier::Tcp(CLIENT_STREAM),
            local: Some(stream.local().ip()),
            ..Endpoint::new(0, stream.remote())
        },
    }
}

/// Zero turns a timer off, as in a configuration.
fn interval(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// A client's one peer. Its slot is our own choice; the peer-id on the wire is the pushed one.
fn server_peer() -> PeerRef {
    PeerRef { id: PeerId::from_bytes([0; 3]), generation: 1 }
}

const CONTROL_QUEUE: usize = 64;
