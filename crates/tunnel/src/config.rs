//! What a session is told at its birth: TLS, wrapping, timers, ciphers. No addresses, no files.
//!
//! Nothing of it changes under a session but [`ServerTls`], which is read once for each handshake.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use wire::cipher::Cipher;
use wire::stranger::StrangerCheck;
use wire::wrap::ControlWrap;
use zeroize::Zeroizing;

/// Timers and sizes that both roles share.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long one negotiation may take.
    pub hand_window: Duration,
    /// How long a replaced key still opens.
    pub tran_window: Duration,
    /// Age at which a key is renewed; zero leaves renewal to the peer. Up to a tenth is taken off,
    /// by the session's seed, so that peers that started together do not renew together.
    pub renegotiate: Duration,
    /// Largest control datagram, IP and UDP headers included.
    pub max_control_datagram: usize,
}

impl Timing {
    /// How long a key may seal at most, if keys are renewed by age: a renewal begins at that age and has its
    /// time.
    pub(crate) fn sealing_life(&self) -> Option<Duration> {
        (!self.renegotiate.is_zero()).then(|| self.renegotiate + self.renewing_life())
    }

    /// What renewals may take, all that fail included: enough for a peer that waits one window for a
    /// generation that somebody broke, and then begins another one.
    pub(crate) fn renewing_life(&self) -> Duration {
        4 * self.hand_window
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hand_window: Duration::from_secs(60),
            tran_window: Duration::from_secs(3600),
            renegotiate: Duration::from_secs(3600),
            max_control_datagram: 1250,
        }
    }
}

/// What every session of a server shares.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// TLS towards clients, made fit by [`crate::prepare_server`].
    pub tls: ServerTls,
    /// What control packets have to pass.
    pub check: StrangerCheck,
    /// Timers and sizes.
    pub timing: Timing,
    /// Data ciphers in order of preference; a grant may narrow them.
    pub ciphers: Vec<Cipher>,
    /// The options string of the key message. Peers compare it for warnings only.
    pub options: String,
}

/// A server's TLS: its own certificates, and whose it accepts. Clones are one, and what replaces it holds
/// for all of them: first handshakes and renegotiations that begin from then on use it, those under way
/// end as they began, and keys in use stay.
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<ArcSwap<rustls::ServerConfig>>,
    secrets: Option<Arc<dyn rustls::KeyLog>>,
}

impl ServerTls {
    /// Another one, made fit by [`crate::prepare_server`], holds from here on.
    pub fn replace(&self, tls: Arc<rustls::ServerConfig>) {
        self.shared.store(tls);
    }

    /// What a handshake that begins is made with.
    pub fn present(&self) -> Arc<rustls::ServerConfig> {
        let present = self.shared.load_full();
        match &self.secrets {
            None => present,
            Some(secrets) => {
                let mut watched = rustls::ServerConfig::clone(&present);
                watched.key_log = Arc::clone(secrets);
                Arc::new(watched)
            }
        }
    }

    /// The same for one session whose handshakes are watched from inside this process: `secrets` learns what opens
    /// them. It must neither write it down nor keep it beyond the handshake.
    #[must_use]
    pub fn watched(&self, secrets: Arc<dyn rustls::KeyLog>) -> Self {
        Self { shared: Arc::clone(&self.shared), secrets: Some(secrets) }
    }
}

impl From<Arc<rustls::ServerConfig>> for ServerTls {
    fn from(tls: Arc<rustls::ServerConfig>) -> Self {
        Self { shared: Arc::new(ArcSwap::new(tls)), secrets: None }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// What a client's session needs.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// TLS towards the server, made fit by [`crate::prepare_client`]. Its verifier holds the policy
    /// on the server's name.
    pub tls: Arc<rustls::ClientConfig>,
    /// Protection of control packets.
    pub wrap: Arc<ControlWrap>,
    /// Timers and sizes.
    pub timing: Timing,
    /// Data ciphers that may be pushed, in order of preference.
    pub ciphers: Vec<Cipher>,
    /// The options string of the key message. Peers compare it for warnings only.
    pub options: String,
    /// User name, empty for none.
    pub username: String,
    /// Password, empty for none.
    pub password: Zeroizing<String>,
    /// `IV_VER`.
    pub version: String,
    /// `IV_PLAT`.
    pub platform: String,
    /// Further peer-info lines (`IV_GUI_VER`, `UV_…`), name and value. One with the name of a usual
    /// line replaces it.
    pub peer_info: Vec<(String, String)>,
}

/// Limits of the stateless gate.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// The server's hand-window; half of it is one slot of the cookie.
    pub hand_window: Duration,
    /// Answers a second to one source prefix (IPv4 /24, IPv6 /56) without a cookie that came back.
    pub answers_per_second: u32,
    /// Answers at once to such a prefix.
    pub answers_at_once: u32,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { hand_window: Duration::from_secs(60), answers_per_second: 10, answers_at_once: 100 }
    }
}
