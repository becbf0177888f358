//! The VPN door of a gateway: sockets, the tunnel's network, and the engine between them.
//!
//! 1. [`Vpn::start`] sets everything up and attaches it to the gateway;
//! 2. [`Vpn::stop`] says goodbye to subscribers and puts this machine back as it was.

mod admission;
mod network;
mod push;
mod running;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::Clock;
use datapath::PeerToPeer;
use engine::{DataSettings, Offloads, Server, ServerIo, ServerSettings};
use sysio::{TcpListener, UdpSocket};
use tunnel::{GateSettings, ServerConfig, Timing};
use wire::cipher::Cipher;
use wire::key_material::Role;
use wire::options::Options;
use wire::static_key::KeyDirection;
use wire::tls_auth::{AuthDigest, ControlWrap, TlsAuth};

use crate::config::{Config, Listen, Transport};
use crate::gateway::Gateway;

use admission::Door;
use network::TunnelNetwork;
use running::RunningServer;

/// A running VPN door.
#[derive(Debug)]
pub struct Vpn {
    server: Arc<Server>,
    network: TunnelNetwork,
}

impl Vpn {
    /// Opens the door. Needs a tokio runtime in the network namespace that it serves. What has to be
    /// undone is recorded in `state`, or in the system's place.
    ///
    /// # Errors
    /// When a socket is taken, the interface cannot be made, or the settings cannot be used.
    pub async fn start(
        gateway: &Arc<Gateway>,
        clock: Arc<dyn Clock>,
        state: Option<&Path>,
    ) -> Result<Self, Failure> {
        let config = gateway.config();
        if let Some((option, error)) = push::unusable(&config) {
            return Err(Failure::new(
                FailureKind::Configuration,
                format!("`{option}` cannot be pushed"),
            )
            .because(error.to_string())
            .hint("mend it under [push] in handfast.toml"));
        }
        let workers = workers(&config);
        let doors = listen(&config, workers)?;
        let ports = doors.ports();
        let settings = settings(gateway, &config)?;
        let offloads = Offloads::wanted_but(&config.vpn.without);
        let network = network::set_up(gateway.data(), state, &config, offloads, workers).await?;
        let admission = Door::new(gateway);
        let io = ServerIo {
            workers,
            offloads,
            nice: config.vpn.nice,
            queues: network.queues.clone(),
            udp: doors.udp,
            tcp: doors.tcp,
        };
        let started = Server::start(io, settings, admission, Arc::clone(&clock));
        let server = started.map_err(|error| {
            Failure::new(FailureKind::Environment, error.to_string()).caused_by(&error)
        })?;
        let server = Arc::new(server);
        let running = RunningServer { server: Arc::clone(&server), clock, ports };
        gateway.attach(Arc::new(running));
        Ok(Self { server, network })
    }

    /// Waits until the door has closed by itself, which it does only when something is broken.
    pub async fn ended(&self) {
        self.server.ended().await;
    }

    /// Renews the keys of every session.
    pub async fn renegotiate_all(&self) {
        self.server.renegotiate_all().await;
    }

    /// Closes the door and undoes what [`Vpn::start`] did.
    pub async fn stop(self) {
        self.server.stop().await;
        self.network.take_down().await;
    }
}

/// Threads that own peers: as configured, or one for each core.
fn workers(config: &Config) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match config.vpn.workers {
        0 => u16::try_from(cores).unwrap_or(u16::MAX).min(crate::config::Vpn::MOST_WORKERS),
        workers => workers,
    }
}

/// Where the gateway is reached: for each address, sockets for its workers.
#[derive(Default)]
struct Doors {
    udp: Vec<Vec<Arc<UdpSocket>>>,
    tcp: Vec<Vec<TcpListener>>,
}

impl Doors {
    /// The first port for UDP, and the first for TCP.
    fn ports(&self) -> [u16; 2] {
        let udp = self.udp.first().and_then(|group| group[0].local_addr().ok());
        let tcp = self.tcp.first().and_then(|group| group[0].local_addr().ok());
        [udp, tcp].map(|address| address.map_or(0, |address| address.port()))
    }
}

/// For UDP a socket more than workers: one for control packets.
fn listen(config: &Config, workers: u16) -> Result<Doors, Failure> {
    let workers = usize::from(workers);
    let mut doors = Doors::default();
    for listen in &config.vpn.listen {
        let ipv6_was_off = match listen.transport {
            Transport::Udp => {
                let group = UdpSocket::bind_group(listen.address, workers + 1);
                let group = group.map_err(|e| taken(listen, &e))?;
                let ipv6_was_off = group[0].ipv6_was_off();
                doors.udp.push(group.into_iter().map(Arc::new).collect());
                ipv6_was_off
            }
            Transport::Tcp => {
                let first = TcpListener::bind(listen.address).map_err(|e| taken(listen, &e))?;
                let ipv6_was_off = first.ipv6_was_off();
                let mut group = vec![first];
                while group.len() < workers {
                    group.push(group[0].share().map_err(|e| taken(listen, &e))?);
                }
                doors.tcp.push(group);
                ipv6_was_off
            }
        };
        if ipv6_was_off {
            tracing::warn!(%listen, "IPv6 is off on this machine; listening on IPv4 only");
        }
    }
    if !doors.tcp.is_empty() {
        raise_open_files();
    }
    Ok(doors)
}

fn taken(listen: &Listen, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, format!("cannot listen on {listen}"))
        .caused_by(error)
        .hint("stop the other program on that port, or change vpn.listen")
}

/// Every TCP session has a descriptor of its own: as many as this process may have.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

fn settings(gateway: &Gateway, config: &Config) -> Result<ServerSettings, Failure> {
    let vpn = &config.vpn;
    let digest = AuthDigest::from_name(&vpn.auth).unwrap_or(AuthDigest::Sha256);
    let tls_auth = TlsAuth::new(gateway.authority().tls_auth(), KeyDirection::Normal, digest);
    let options = Options {
        role: Role::TlsServer,
        tun_mtu: vpn.tun_mtu,
        tcp: false,
        cipher: None,
        auth: digest,
        tls_auth: Some(KeyDirection::Normal),
    };
    let seconds = |n: u32| Duration::from_secs(n.into());
    let timing = Timing {
        hand_window: seconds(vpn.hand_window),
        renegotiate: seconds(vpn.reneg_sec),
        ..Timing::default()
    };
    let tunnel = ServerConfig {
        tls: gateway.tls()?,
        wrap: Arc::new(ControlWrap::TlsAuth(Box::new(tls_auth))),
        timing,
        ciphers: vpn.ciphers.iter().filter_map(|name| Cipher::from_name(name)).collect(),
        options: options.to_string(),
    };
    Ok(ServerSettings {
        tunnel: Arc::new(tunnel),
        tcp_options: Options { tcp: true, ..options }.to_string(),
        gate: GateSettings { hand_window: seconds(vpn.hand_window), ..GateSettings::default() },
        data: DataSettings {
            ping: seconds(vpn.ping),
            // As stock: the server waits twice as long as it tells the clients to.
            ping_restart: seconds(vpn.ping_restart) * 2,
            mssfix: vpn.mssfix,
        },
        max_sessions: vpn.max_sessions,
        peer_to_peer: if vpn.client_to_client { PeerToPeer::Direct } else { PeerToPeer::Refuse },
    })
}
