//! What every session of a profile is made with.

use std::sync::Arc;

use clock::Clock;
use pki::standing::Standings;
use pki::{AnchorError, ClockTime, ServerNameVerifier};
use tunnel::{ClientConfig, Timing};
use wire::key_material::Role;
use wire::mtu::Transport;
use wire::options::Options;
use wire::tls_auth::TlsAuth;
use wire::wrap::ControlWrap;

use crate::{Profile, ProfileError, ProfileErrorKind};

/// What sessions are made with: the two differ in the options that servers compare for their logs.
pub(crate) struct TunnelConfigs {
    pub(crate) udp: Arc<ClientConfig>,
    pub(crate) tcp: Arc<ClientConfig>,
}

impl TunnelConfigs {
    /// Servers have to be in good standing, where some are given.
    pub(crate) fn new(
        profile: &Profile,
        clock: &Arc<dyn Clock>,
        standings: Option<Arc<Standings>>,
    ) -> Result<Self, ProfileError> {
        let name = profile.name.clone();
        let verifier = match standings {
            Some(standings) => ServerNameVerifier::with_standings(&profile.ca, name, standings),
            None => ServerNameVerifier::new(&profile.ca, name),
        };
        let udp = config_with(verifier, profile, clock)?;
        let options = options(profile, true).to_string();
        let tcp = ClientConfig { options, ..udp.clone() };
        Ok(Self { udp: Arc::new(udp), tcp: Arc::new(tcp) })
    }

    /// The same, whose secrets of TLS go there.
    pub(crate) fn logging(&self, key_log: &Arc<dyn rustls::KeyLog>) -> Self {
        let logging = |config: &ClientConfig| {
            let mut tls = (*config.tls).clone();
            tls.key_log = Arc::clone(key_log);
            Arc::new(ClientConfig { tls: Arc::new(tls), ..config.clone() })
        };
        Self { udp: logging(&self.udp), tcp: logging(&self.tcp) }
    }

    pub(crate) fn over(&self, transport: Transport) -> &Arc<ClientConfig> {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
        }
    }
}

/// What every connection of this profile over UDP is made with. Whether the server's certificate was revoked is
/// not looked at.
///
/// # Errors
/// When the profile's CA or identity can't be used.
pub fn tunnel_config(
    profile: &Profile,
    clock: &Arc<dyn Clock>,
) -> Result<ClientConfig, ProfileError> {
    config_with(ServerNameVerifier::new(&profile.ca, profile.name.clone()), profile, clock)
}

fn config_with(
    verifier: Result<Arc<ServerNameVerifier>, AnchorError>,
    profile: &Profile,
    clock: &Arc<dyn Clock>,
) -> Result<ClientConfig, ProfileError> {
    let fail = |kind| ProfileError::new(&profile.file, None, kind);
    let verifier = verifier.map_err(|error| fail(ProfileErrorKind::UnusableCa(error)))?;
    let time = Arc::new(ClockTime(Arc::clone(clock)));
    let mut tls = pki::client_config(verifier, Some(Arc::clone(&profile.identity)), time)
        .map_err(|error| fail(ProfileErrorKind::Tls(error.to_string())))?;
    tunnel::prepare_client(&mut tls);
    let wrap = match &profile.tls_auth {
        Some((key, direction)) => {
            ControlWrap::TlsAuth(Box::new(TlsAuth::new(key, *direction, profile.auth)))
        }
        None => ControlWrap::Plain,
    };
    Ok(ClientConfig {
        tls: Arc::new(tls),
        wrap: Arc::new(wrap),
        timing: Timing {
            hand_window: profile.timers.hand_window,
            tran_window: profile.timers.tran_window,
            renegotiate: profile.timers.reneg,
            ..Timing::default()
        },
        ciphers: profile.ciphers.clone(),
        options: options(profile, false).to_string(),
        username: String::new(),
        password: zeroize::Zeroizing::default(),
        version: concat!("handfast_", env!("CARGO_PKG_VERSION")).to_owned(),
        platform: "linux".to_owned(),
        peer_info: profile.peer_info.clone(),
    })
}

fn options(profile: &Profile, tcp: bool) -> Options {
    Options {
        role: Role::TlsClient,
        tun_mtu: profile.tun_mtu,
        tcp,
        cipher: None,
        auth: profile.auth,
        tls_auth: profile.tls_auth.as_ref().map(|(_, direction)| *direction),
    }
}
