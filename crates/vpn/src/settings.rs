//! What the door is told, typed when it is read: no text is parsed again later.
//!
//! What has to hold between these values is checked by whoever reads them from a file.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use engine::Offloads;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use wire::cipher::Cipher;
use wire::tls_auth::AuthDigest;

use crate::listen::Listen;
use crate::net::{Net, Net4, Net6};

/// What the door is told: `[vpn]` of the settings file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Sockets to listen on.
    pub listen: Vec<Listen>,
    /// The name of the tunnel's interface.
    pub interface: String,
    /// Inner IPv4 addresses; the first host is the gateway's own.
    pub network: Net4,
    /// Inner IPv6 addresses; without it devices get none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network6: Option<Net6>,
    /// Whether the gateway sets up forwarding and NAT.
    pub nat: bool,
    /// Whether subscribers reach each other.
    pub client_to_client: bool,
    /// Networks outside whose hosts may begin flows to subscribers.
    #[serde(deserialize_with = "by_name::allow_in")]
    pub allow_in: Vec<Net>,
    /// Seconds of silence before a ping is sent.
    pub ping: u32,
    /// Seconds without a packet before the peer is held for gone.
    pub ping_restart: u32,
    /// Seconds between renegotiations.
    pub reneg_sec: u32,
    /// Seconds a handshake may take.
    pub hand_window: u32,
    /// Size of packets inside the tunnel.
    pub tun_mtu: u16,
    /// Largest outer packet that TCP inside is trimmed for; 0 leaves it alone.
    pub mssfix: u16,
    /// The same for what no router may cut: packets of stock clients, and all over IPv6; 0: as `mssfix`.
    pub mssfix_df: u16,
    /// Data channel ciphers in order of preference.
    #[serde(with = "by_name")]
    pub ciphers: Vec<Cipher>,
    /// Digest of the tls-auth HMAC.
    #[serde(with = "by_name::one")]
    pub auth: AuthDigest,
    /// Sessions at once.
    pub max_sessions: u32,
    /// Threads that carry packets; 0 for one per core.
    pub workers: u16,
    /// The nice value of the threads that carry packets.
    pub nice: i32,
    /// Parts of the data path to do without.
    pub without: Vec<Part>,
    /// What subscribers are told.
    pub push: Push,
}

/// What subscribers are told: `[vpn.push]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// IPv4 and IPv6 networks to reach through the tunnel.
    #[serde(deserialize_with = "by_name::routes")]
    pub routes: Vec<Net>,
    /// Name servers to use.
    pub dns: Vec<IpAddr>,
    /// Domains to look up there.
    pub dns_search: Vec<String>,
    /// Whether all traffic goes through the tunnel.
    pub redirect_gateway: bool,
    /// Whether IPv6 is kept from going beside a tunnel that carries everything and has none inside.
    pub block_ipv6: bool,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            redirect_gateway: false,
            block_ipv6: true,
        }
    }
}

/// A part of the data path that can be done without, one of [`Offloads::PARTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Part(&'static str);

impl Settings {
    /// Half as many as a TUN device may have queues.
    pub const MOST_WORKERS: u16 = 128;

    /// Threads that own peers: as many as are set, or one for each core.
    pub fn workers(&self) -> u16 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.workers {
            0 => u16::try_from(cores).unwrap_or(u16::MAX).min(Self::MOST_WORKERS),
            workers => workers,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![Listen::default()],
            interface: "handfast".to_owned(),
            network: Net4::DEFAULT,
            network6: None,
            nat: true,
            client_to_client: false,
            allow_in: Vec::new(),
            ping: 10,
            ping_restart: 60,
            reneg_sec: 3600,
            hand_window: 60,
            tun_mtu: 1500,
            mssfix: 1492,
            mssfix_df: 1400,
            ciphers: Cipher::DEFAULT.to_vec(),
            auth: AuthDigest::default(),
            max_sessions: 16_384,
            workers: 0,
            nice: -6,
            without: Vec::new(),
            push: Push::default(),
        }
    }
}

impl Part {
    /// As it is written.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

// Derived, it would want a text that lives for ever.
impl<'d> Deserialize<'d> for Part {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let known = Offloads::PARTS;
        let part = known.into_iter().find(|part| *part == text);
        part.map(Self).ok_or_else(|| {
            let known = known.join(", ");
            D::Error::custom(format!("vpn.without names {text:?}; choose of {known}"))
        })
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.0.to_owned()
    }
}

/// Values that the settings write by the names that OpenVPN has for them.
mod by_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use wire::cipher::Cipher;

    use crate::net::Net;

    pub(super) fn allow_in<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<Net>, D::Error> {
        nets("vpn.allow_in", from)
    }

    pub(super) fn routes<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<Net>, D::Error> {
        nets("vpn.push.routes", from)
    }

    fn nets<'d, D: Deserializer<'d>>(key: &str, from: D) -> Result<Vec<Net>, D::Error> {
        let net = |text: String| {
            Net::try_from(text).map_err(|error| D::Error::custom(format!("{key}: {error}")))
        };
        Vec::<String>::deserialize(from)?.into_iter().map(net).collect()
    }

    pub(super) fn serialize<S: Serializer>(ciphers: &[Cipher], to: S) -> Result<S::Ok, S::Error> {
        ciphers.iter().map(|cipher| cipher.name()).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<Cipher>, D::Error> {
        let known = || Cipher::DEFAULT.map(Cipher::name).join(", ");
        let cipher = |name: String| {
            // As written on the wire: the file is read by people, who copy it.
            let exactly = |cipher: &Cipher| cipher.name() == name;
            Cipher::DEFAULT.into_iter().find(exactly).ok_or_else(|| {
                let known = known();
                D::Error::custom(format!(
                    "vpn.ciphers names `{name}`; the data channel knows {known}"
                ))
            })
        };
        Vec::<String>::deserialize(from)?.into_iter().map(cipher).collect()
    }

    /// The digest.
    pub(super) mod one {
        use serde::de::Error;
        use serde::{Deserialize, Deserializer, Serialize, Serializer};
        use wire::tls_auth::AuthDigest;

        pub(in super::super) fn serialize<S: Serializer>(
            digest: &AuthDigest,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            digest.name().serialize(to)
        }

        pub(in super::super) fn deserialize<'d, D: Deserializer<'d>>(
            from: D,
        ) -> Result<AuthDigest, D::Error> {
            let name = String::deserialize(from)?;
            AuthDigest::ALL.into_iter().find(|digest| digest.name() == name).ok_or_else(|| {
                let known = AuthDigest::ALL.map(AuthDigest::name).join(", ");
                D::Error::custom(format!("vpn.auth is `{name}`; choose from {known}"))
            })
        }
    }
}
