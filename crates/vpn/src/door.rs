//! The door itself: opened from values, waited for, closed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use datapath::PeerToPeer;
use engine::{DataSettings, Offloads, Server, ServerIo, ServerSettings};
use sysio::Inherited;
use tunnel::{GateSettings, ServerConfig, Timing};
use wire::key_material::Role;
use wire::options::Options;
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::TlsAuth;
use wire::wrap::ControlWrap;

use crate::admission::GatewayAdmission;
use crate::directory::Directory;
use crate::error::VpnError;
use crate::listeners::listen;
use crate::network::{self, NetworkView, TunnelNetwork};
use crate::session_log::SessionLog;
use crate::settings::Settings;

/// A running VPN door.
#[derive(Debug)]
pub struct Vpn {
    server: Arc<Server>,
    network: TunnelNetwork,
    ports: [u16; 2],
    log: Arc<SessionLog>,
}

/// What the door proves itself with.
#[derive(Debug)]
pub struct Keys {
    /// TLS with the gateway's certificates; subscribers are verified by it.
    pub tls: Arc<rustls::ServerConfig>,
    /// The key that every packet of the control channel is signed with.
    pub tls_auth: StaticKey,
}

impl Vpn {
    /// Opens the door, at sockets that were `inherited` where they are for its addresses. Needs a tokio runtime in the
    /// network namespace that it serves. What has to be undone after a crash is recorded in the first of `undo_places`
    /// that can be written.
    ///
    /// # Errors
    /// When a socket is taken, the interface cannot be made, or the settings cannot be used.
    pub async fn start(
        settings: &Settings,
        keys: Keys,
        directory: Arc<dyn Directory>,
        undo_places: &[PathBuf],
        inherited: &Inherited,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VpnError> {
        let workers = settings.workers();
        let listeners = listen(&settings.listen, workers, inherited)?;
        let ports = listeners.ports();
        let offloads = Offloads::wanted_but(settings.without.iter().map(|part| part.name()));
        let network = network::set_up(settings, undo_places, offloads, workers).await?;
        let io = ServerIo {
            workers,
            offloads,
            nice: settings.nice,
            queues: network.queues.clone(),
            udp: listeners.udp,
            tcp: listeners.tcp,
        };
        let log = Arc::new(SessionLog::new(Arc::clone(&clock)));
        let admission = Arc::new(GatewayAdmission::new(directory, Arc::clone(&log)));
        let server = Server::start(io, server_settings(settings, keys), admission, clock)
            .map_err(VpnError::Engine)?;
        Ok(Self { server: Arc::new(server), network, ports, log })
    }

    /// The engine, for who asks after sessions and counters or closes sessions.
    pub fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// What was set up around the door, for who asks how it is.
    pub fn network(&self) -> NetworkView {
        self.network.view()
    }

    /// Makes on this machine as it was what another program has changed.
    pub async fn put_back(&self) {
        self.network.put_back().await;
    }

    /// The first port for UDP, and the first for TCP.
    pub fn ports(&self) -> [u16; 2] {
        self.ports
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
        self.log.finish();
        self.network.take_down().await;
    }
}

fn server_settings(settings: &Settings, keys: Keys) -> ServerSettings {
    let tls_auth = TlsAuth::new(&keys.tls_auth, KeyDirection::Normal, settings.auth);
    let options = Options {
        role: Role::TlsServer,
        tun_mtu: settings.tun_mtu,
        tcp: false,
        cipher: None,
        auth: settings.auth,
        tls_auth: Some(KeyDirection::Normal),
    };
    let seconds = |n: u32| Duration::from_secs(n.into());
    let timing = Timing {
        hand_window: seconds(settings.hand_window),
        renegotiate: seconds(settings.reneg_sec),
        ..Timing::default()
    };
    let tunnel = ServerConfig {
        tls: keys.tls.into(),
        check: StrangerCheck::shared(Arc::new(ControlWrap::TlsAuth(Box::new(tls_auth)))),
        timing,
        ciphers: settings.ciphers.clone(),
        options: options.to_string(),
    };
    let hand_window = seconds(settings.hand_window);
    ServerSettings {
        tunnel: Arc::new(tunnel),
        tcp_options: Options { tcp: true, ..options }.to_string(),
        gate: GateSettings { hand_window, ..GateSettings::default() },
        data: DataSettings {
            ping: seconds(settings.ping),
            // As stock: the server waits twice as long as it tells the clients to.
            ping_restart: seconds(settings.ping_restart) * 2,
            mssfix: settings.mssfix,
            mssfix_df: settings.mssfix_df,
        },
        max_sessions: settings.max_sessions,
        peer_to_peer: if settings.client_to_client {
            PeerToPeer::Direct
        } else {
            PeerToPeer::Refuse
        },
    }
}
