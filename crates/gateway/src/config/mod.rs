//! `handfast.toml`: the settings an administrator writes, parsed once into valid types.
//!
//! Parsing has three steps, each with its own kind of [`ConfigError`]: the text is TOML, every key
//! is known, every value means something alone and together with the others. Every error names the
//! file, line and column. Every key has a safe default, so an empty file is a valid one.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use admin::transport::Transport;
pub use error::{ConfigError, Place, Problem};
pub use network::{Net4, Net6, NetworkError};
pub use template::{FirstConfig, random_ula};
pub use values::{Listen, PublicName, PublicUrl, ValueError};

mod error;
mod network;
mod schema;
mod template;
mod validate;
mod values;

/// The name of the settings file inside the data folder.
pub const FILE_NAME: &str = "handfast.toml";

/// Everything in `handfast.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the outside calls this gateway.
    pub public: Public,
    /// The VPN door.
    pub vpn: Vpn,
    /// The certificate authority.
    pub ca: Ca,
    /// What devices' certificates look like.
    pub device: Device,
}

/// `[public]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    /// Names or addresses that profiles point to, in the order in which a client tries them.
    pub names: Vec<PublicName>,
}

/// `[vpn]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vpn {
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
    /// IPv4 and IPv6 networks outside whose hosts may begin flows to subscribers.
    pub allow_in: Vec<String>,
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
    /// Largest UDP payload TCP segments are trimmed for; 0 leaves them alone.
    pub mssfix: u16,
    /// Data channel ciphers in order of preference.
    pub ciphers: Vec<String>,
    /// Digest of the tls-auth HMAC.
    pub auth: String,
    /// Sessions at once.
    pub max_sessions: u32,
    /// Threads that carry packets; 0 for one per core.
    pub workers: u16,
    /// The nice value of the threads that carry packets.
    pub nice: i32,
    /// Parts of the data path to do without, as in [`engine::Offloads::PARTS`].
    pub without: Vec<String>,
    /// What subscribers are told.
    pub push: Push,
}

/// `[vpn.push]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// IPv4 and IPv6 networks to reach through the tunnel.
    pub routes: Vec<String>,
    /// Name servers to use.
    pub dns: Vec<IpAddr>,
    /// Domains to look up there.
    pub dns_search: Vec<String>,
    /// Whether all traffic goes through the tunnel.
    pub redirect_gateway: bool,
}

/// `[ca]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ca {
    /// The CA's kind of key, chosen when the CA is made.
    pub key_type: KeyType,
    /// How long the CA lives, chosen when the CA is made.
    pub validity_days: u32,
    /// Where CRL and OCSP are found; certificates carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// How long a CRL is valid; a new one is signed at half of it.
    pub crl_validity_days: u32,
    /// How long the gateway's own certificates live; new ones are made at two thirds of it.
    pub gateway_validity_days: u32,
}

/// `[device]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Devices' kind of key.
    pub key_type: KeyType,
    /// How long a device's certificate lives.
    pub validity_days: u32,
    /// Days after which a renewed device's former certificate is revoked even if the new one
    /// has not been seen.
    pub supersede_days: u32,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA: what every client can read.
    Rsa,
    /// ECDSA on P-256.
    P256,
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
        Config::parse(path, &text)
    }

    /// Checks `text`, naming `file` in errors.
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        schema::known_keys_only(file, text)?;
        let config: Config =
            toml::from_str(text).map_err(|e| ConfigError::from_toml(file, text, &e))?;
        validate::together(&config).map_err(|f| f.place(file, text))?;
        Ok(config)
    }

    /// The keys whose new values in `new` take effect at the next start only: sockets, interface and
    /// networks are set up once, the engine has its timers and limits from its start, and the CA was
    /// made with what it was made with.
    pub fn only_at_start(&self, new: &Config) -> Vec<&'static str> {
        let (old, now) = (&self.vpn, &new.vpn);
        let changed = [
            ("vpn.listen", old.listen != now.listen),
            ("vpn.interface", old.interface != now.interface),
            ("vpn.network", old.network != now.network),
            ("vpn.network6", old.network6 != now.network6),
            ("vpn.nat", old.nat != now.nat),
            ("vpn.client_to_client", old.client_to_client != now.client_to_client),
            ("vpn.allow_in", old.allow_in != now.allow_in),
            ("vpn.ping", old.ping != now.ping),
            ("vpn.ping_restart", old.ping_restart != now.ping_restart),
            ("vpn.reneg_sec", old.reneg_sec != now.reneg_sec),
            ("vpn.hand_window", old.hand_window != now.hand_window),
            ("vpn.tun_mtu", old.tun_mtu != now.tun_mtu),
            ("vpn.mssfix", old.mssfix != now.mssfix),
            ("vpn.ciphers", old.ciphers != now.ciphers),
            ("vpn.auth", old.auth != now.auth),
            ("vpn.max_sessions", old.max_sessions != now.max_sessions),
            ("vpn.workers", old.workers != now.workers),
            ("vpn.nice", old.nice != now.nice),
            ("vpn.without", old.without != now.without),
            ("ca.key_type", self.ca.key_type != new.ca.key_type),
            ("ca.validity_days", self.ca.validity_days != new.ca.validity_days),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }

    /// Pushed routes, told apart by family. They were checked when the file was parsed.
    pub fn push_routes(&self) -> (Vec<Net4>, Vec<Net6>) {
        let routes = &self.vpn.push.routes;
        let v4 = routes.iter().filter_map(|r| r.parse().ok()).collect();
        let v6 = routes.iter().filter_map(|r| r.parse().ok()).collect();
        (v4, v6)
    }
}

impl Config {
    /// Networks outside that may begin flows to subscribers. They were checked when the file was
    /// parsed.
    pub(crate) fn allow_in(&self) -> Vec<sysio::Network> {
        let network = |text: &String| {
            let v4 = text.parse::<Net4>().map(|net| (net.address().into(), net.bits()));
            let v6 = text.parse::<Net6>().map(|net| (net.address().into(), net.bits()));
            let (address, bits) = v4.or(v6).ok()?;
            sysio::Network::new(address, bits)
        };
        self.vpn.allow_in.iter().filter_map(network).collect()
    }
}

impl Vpn {
    /// Half as many as a TUN device may have queues.
    pub const MOST_WORKERS: u16 = 128;
}

impl Default for Vpn {
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
            ciphers: CIPHERS.iter().map(|c| (*c).to_owned()).collect(),
            auth: "SHA256".to_owned(),
            max_sessions: 16_384,
            workers: 0,
            nice: -6,
            without: Vec::new(),
            push: Push::default(),
        }
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self {
            key_type: KeyType::Rsa,
            validity_days: 3650,
            public_url: None,
            crl_validity_days: 7,
            gateway_validity_days: 365,
        }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self { key_type: KeyType::Rsa, validity_days: 365, supersede_days: 7 }
    }
}

/// The ciphers that the data path knows, best first.
pub const CIPHERS: [&str; 3] = ["AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"];
/// The digests that tls-auth knows.
pub const DIGESTS: [&str; 4] = ["SHA1", "SHA256", "SHA384", "SHA512"];

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(Path::new("/d/handfast.toml"), text).expect_err("must be refused").to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse(Path::new("x"), "").expect("valid"), Config::default());
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_known_one() {
        assert_eq!(
            error("[vpn]\nnat = true\nnetwrok = \"10.0.0.0/8\"\n"),
            "/d/handfast.toml:3:1: there is no key `netwrok` in [vpn]; did you mean `network`?"
        );
        assert_eq!(
            error("[vpn.push]\n  redirect-gateway = true\n"),
            "/d/handfast.toml:2:3: there is no key `redirect-gateway` in [vpn.push]; did you mean \
             `redirect_gateway`?"
        );
        assert_eq!(
            error("vpn.lisen = []\n"),
            "/d/handfast.toml:1:5: there is no key `lisen` in [vpn]; did you mean `listen`?"
        );
    }

    #[test]
    fn an_unknown_section_far_from_any_lists_the_known_ones() {
        assert_eq!(
            error("[zebra]\n"),
            "/d/handfast.toml:1:2: there is no section `zebra`; known here are `public`, `vpn`, \
             `ca`, `device`"
        );
    }

    #[test]
    fn a_bad_value_names_its_place_what_it_is_and_what_would_do() {
        assert_eq!(
            error("[vpn]\nnetwork = \"10.71.0.1/16\"\n"),
            "/d/handfast.toml:2:11: 10.71.0.1/16 has bits set behind its prefix; write 10.71.0.0/16"
        );
        assert_eq!(
            error("[vpn]\nlisten = [\"sctp:[::]:1\"]\n"),
            "/d/handfast.toml:2:10: `sctp:[::]:1` is not a listening address; write one like \
             `udp:[::]:1194` or `tcp:[::]:1194`"
        );
        assert_eq!(
            error("[ca]\nkey_type = \"rot13\"\n"),
            "/d/handfast.toml:2:12: unknown variant `rot13`, expected `rsa` or `p256`"
        );
        assert_eq!(
            error("[vpn]\nnat = \"yes\"\n"),
            "/d/handfast.toml:2:7: invalid type: string \"yes\", expected a boolean"
        );
    }

    #[test]
    fn values_that_contradict_each_other_are_refused_with_the_mend() {
        assert_eq!(
            error("[vpn]\nping = 10\nping_restart = 15\n"),
            "/d/handfast.toml:3:16: vpn.ping_restart is 15 s, less than twice vpn.ping (10 s); one \
             lost ping would end sessions: set it to 20 or more"
        );
        assert_eq!(
            error("[vpn]\nciphers = [\"AES-256-CBC\"]\n"),
            "/d/handfast.toml:2:11: vpn.ciphers names `AES-256-CBC`; the data channel knows \
             AES-256-GCM, AES-128-GCM, CHACHA20-POLY1305"
        );
        assert_eq!(
            error("[vpn]\nnetwork = \"10.0.0.0/29\"\nmax_sessions = 100\n"),
            "/d/handfast.toml:3:16: vpn.network 10.0.0.0/29 holds 5 devices, fewer than \
             vpn.max_sessions (100); widen the network or lower the figure"
        );
    }

    #[test]
    fn text_that_is_not_toml_names_its_place() {
        let text = error("[vpn\n");
        assert!(text.starts_with("/d/handfast.toml:1:5: "), "{text}");
    }

    #[test]
    fn the_schema_lists_exactly_the_keys_that_the_types_have() {
        let mut config = Config::default();
        config.vpn.network6 = Some(random_ula([7; 8]));
        config.ca.public_url = Some("http://x.example".parse().expect("a url"));
        let table = toml::Table::try_from(&config).expect("serialises");
        schema::assert_matches(&table);
    }

    #[test]
    fn networks_that_may_begin_are_checked_and_need_the_gateways_firewall() {
        assert_eq!(
            error("[vpn]\nallow_in = [\"192.168.1.7/24\"]\n"),
            "/d/handfast.toml:2:12: vpn.allow_in: 192.168.1.7/24 has bits set behind its prefix; \
             write 192.168.1.0/24"
        );
        assert_eq!(
            error("[vpn]\nnat = false\nallow_in = [\"192.168.1.0/24\"]\n"),
            "/d/handfast.toml:3:12: vpn.allow_in stands beside vpn.nat = false, which leaves the \
             firewall to you; allow them there"
        );
    }

    #[test]
    fn what_a_reload_can_not_change_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.vpn.nat = false;
        new.vpn.push.redirect_gateway = true;
        assert_eq!(old.only_at_start(&new), ["vpn.nat"]);
    }

    #[test]
    fn udp_and_tcp_may_share_a_port() {
        let text = "[vpn]\nlisten = [\"udp:[::]:1194\", \"tcp:[::]:1194\"]\n";
        let config = Config::parse(Path::new("x"), text).expect("valid");
        let transports: Vec<_> = config.vpn.listen.iter().map(|l| l.transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
        assert_eq!(config.vpn.listen[1].to_string(), "tcp:[::]:1194");
        assert_eq!(
            error("[vpn]\nlisten = [\"tcp:[::]:1\", \"tcp:[::]:1\"]\n"),
            "/d/handfast.toml:2:10: vpn.listen names tcp:[::]:1 twice"
        );
    }

    #[test]
    fn routes_are_told_apart_by_family() {
        let text = "[vpn.push]\nroutes = [\"10.1.0.0/24\", \"fd00:1::/64\"]\n";
        let config = Config::parse(Path::new("x"), text).expect("valid");
        let (v4, v6) = config.push_routes();
        assert_eq!((v4.len(), v6.len()), (1, 1));
    }
}
