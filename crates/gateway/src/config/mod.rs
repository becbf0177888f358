//! `handfast.toml`: the settings an administrator writes, parsed once into valid types.
//!
//! Parsing has three steps, each with its own kind of [`ConfigError`]: the text is TOML, every key
//! is known, every value means something alone and together with the others. Every error names the
//! file, line and column. Every key has a safe default, so an empty file is a valid one.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use pki::{NameConstraints, NameRange};
use serde::{Deserialize, Serialize};

pub use self::acme::{Acme, AcmeDirectory, Challenge};
pub use admin::transport::Transport;
pub use certified::{CertProfile, CertifiedKey, KeyType};
pub use edit::{Changed, EditError, Setting, set};
pub use error::{ConfigError, Place, Problem};
pub use front::Settings as Tls;
pub use groups::Groups;
pub use life::Life;
pub use template::{FirstConfig, random_ula};
use validate::Finding;
pub(crate) use validate::clash;
pub use values::{PublicName, PublicUrl, ValueError, WebhookUrl};
pub use vpn::{Listen, Net, Net4, Net6, NetworkError, Push, Settings as Vpn};

mod acme;
mod certified;
mod edit;
mod error;
mod groups;
mod life;
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
    /// What the CA says to everybody.
    pub publish: Publish,
    /// The certificate authority.
    pub ca: Ca,
    /// What devices' certificates look like.
    pub device: Device,
    /// What is kept of sessions.
    pub sessions: Sessions,
    /// What the certificates of servers look like, and of whatever else is no device.
    pub cert: Cert,
    /// What is counted.
    pub metrics: Metrics,
    /// Who is told of events.
    pub hooks: Hooks,
    /// What is kept of handshakes.
    pub explain: Explain,
    /// The TLS door.
    pub tls: Tls,
    /// Who is who, for `users`.
    pub groups: Groups,
    /// Another CA that its certificates may come from.
    pub acme: Acme,
}

/// `[public]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    /// Names or addresses that profiles point to, in the order in which a client tries them.
    pub names: Vec<PublicName>,
}

/// `[publish]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// Where CRL, OCSP and CA certificate are handed out, over plain HTTP.
    pub listen: Vec<SocketAddr>,
}

/// `[ca]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ca {
    /// The CA's kind of key, chosen when the CA is made.
    pub key_type: KeyType,
    /// How long the CA lives, chosen when the CA is made.
    pub validity_days: u32,
    /// Domains and networks whose names the CA may certify, chosen when the CA is made; any, where there are none.
    pub permitted_names: Vec<NameRange>,
    /// Those that it may not, even where they are permitted.
    pub excluded_names: Vec<NameRange>,
    /// Where CRL and OCSP are found; certificates carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// How long a CRL is valid; a new one is signed at half of it.
    pub crl_validity_days: u32,
    /// How long the gateway's own certificates live; new ones are made at two thirds of it.
    #[serde(alias = "gateway_validity_days")]
    pub gateway_validity: Life,
}

/// `[sessions]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// How many days the record of a session is kept.
    pub keep_days: u32,
}

/// `[metrics]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Bytes and sessions of each device: as many series as there are devices, with their names.
    pub per_device: bool,
}

/// `[explain]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Explain {
    /// Of which handshakes facts are kept in memory, for `explain session` and `explain failure`.
    pub keep: Keep,
}

/// Of which handshakes facts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Of none.
    Off,
    /// Of the last ones that failed.
    #[default]
    Failures,
    /// Of those of open sessions too.
    All,
}

impl Keep {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Keep::Off => "off",
            Keep::Failures => "failures",
            Keep::All => "all",
        }
    }
}

/// `[hooks]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Where each event is posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<WebhookUrl>,
    /// What is done over https about a certificate that may have been revoked.
    pub revocation: uplink::Revocation,
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
    /// How many days after its revocation a device's addresses come free; 0 for never.
    pub free_address_days: u32,
}

/// `[cert]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cert {
    /// How long such a certificate lives at most.
    pub validity_days: u32,
    /// Days after which a renewed one's former certificate is revoked.
    pub supersede_days: u32,
    /// Kinds of key that are certified.
    pub key_types: Vec<CertifiedKey>,
    /// Domains and addresses that servers' names have to be in; any, where there are none.
    pub domains: Vec<String>,
    /// What they may be for.
    pub profiles: Vec<CertProfile>,
}

/// What a start goes by.
#[derive(Debug)]
pub struct ForStart {
    /// The settings, without the pushes that are left out.
    pub config: Config,
    /// What is wrong with each of those.
    pub left_out: Vec<ConfigError>,
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })
}

impl Config {
    /// Reads and checks the file, as whoever has just changed it wants to know of every mistake.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        Config::parse(path, &read(path)?)
    }

    /// Checks `text`, naming `file` in errors.
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let ForStart { config, left_out } = Config::parse_for_start(file, text)?;
        left_out.into_iter().next().map_or(Ok(config), Err)
    }

    /// Reads the file for a start. A push that clients can do nothing with, which a former release took, is no
    /// reason to keep everybody out: it is left out, and told.
    pub fn load_for_start(path: &Path) -> Result<ForStart, ConfigError> {
        Config::parse_for_start(path, &read(path)?)
    }

    fn parse_for_start(file: &Path, text: &str) -> Result<ForStart, ConfigError> {
        let (config, found) = Config::with_findings(file, text)?;
        let left_out = found.into_iter().map(|f| f.place(file, text)).collect();
        Ok(ForStart { config, left_out })
    }

    /// Checks `text`, in which `key` was given another value. What was wrong in `former` already, and stops no
    /// start, is no reason to refuse a change elsewhere: the other keys could not be mended one by one.
    fn parse_changed(
        file: &Path,
        former: &str,
        text: &str,
        key: &str,
    ) -> Result<Config, ConfigError> {
        let (config, found) = Config::with_findings(file, text)?;
        let known = Config::with_findings(file, former).map(|(_, found)| found);
        let known = known.unwrap_or_default();
        let mut new = found.into_iter().filter(|f| f.is_of(key) || !known.contains(f));
        new.next().map_or(Ok(config), |f| Err(f.place(file, text)))
    }

    /// Without the pushes that are left out, and what is wrong with each.
    fn with_findings(file: &Path, text: &str) -> Result<(Config, Vec<Finding>), ConfigError> {
        schema::known_keys_only(file, text)?;
        let mut config: Config =
            toml::from_str(text).map_err(|e| ConfigError::from_toml(file, text, &e))?;
        validate::together(&config).map_err(|f| f.place(file, text))?;
        for server in &mut config.tls.server {
            config.groups.look_up(&mut server.users);
        }
        let found = validate::take_useless_pushes(&mut config);
        Ok((config, found))
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
            ("vpn.mssfix_df", old.mssfix_df != now.mssfix_df),
            ("vpn.ciphers", old.ciphers != now.ciphers),
            ("vpn.auth", old.auth != now.auth),
            ("vpn.max_sessions", old.max_sessions != now.max_sessions),
            ("vpn.workers", old.workers != now.workers),
            ("vpn.nice", old.nice != now.nice),
            ("vpn.without", old.without != now.without),
            ("publish.listen", self.publish.listen != new.publish.listen),
            ("ca.key_type", self.ca.key_type != new.ca.key_type),
            ("ca.validity_days", self.ca.validity_days != new.ca.validity_days),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}

impl Config {
    /// What the authority is told.
    pub fn authority(&self) -> authority::Settings {
        authority::Settings {
            names: self.public.names.iter().map(|name| name.host().to_owned()).collect(),
            ca_key: self.ca.key_type.of_ca(),
            ca_days: self.ca.validity_days,
            ca_names: self.ca.names(),
            publish_at: self.ca.public_url.as_ref().map(|url| url.as_str().to_owned()),
            crl_days: self.ca.crl_validity_days,
            server_life: self.ca.gateway_validity.duration(),
            device_key: self.device.key_type.of_device(),
            device_days: self.device.validity_days,
            named: authority::NamedProfile {
                days: self.cert.validity_days,
                keys: self.cert.key_types.iter().map(ToString::to_string).collect(),
                domains: self.cert.domains.clone(),
                usages: self.cert.profiles.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

impl Ca {
    /// Which names a CA that is made by these settings may certify.
    fn names(&self) -> NameConstraints {
        NameConstraints::new(&self.permitted_names, &self.excluded_names)
    }
}

impl Default for Publish {
    fn default() -> Self {
        Self { listen: vec![(Ipv6Addr::UNSPECIFIED, 80).into()] }
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self {
            key_type: KeyType::Rsa,
            validity_days: 3650,
            permitted_names: Vec::new(),
            excluded_names: Vec::new(),
            public_url: None,
            crl_validity_days: 7,
            gateway_validity: Life::days(365),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self {
            key_type: KeyType::Rsa,
            validity_days: 365,
            supersede_days: 7,
            free_address_days: 30,
        }
    }
}

impl Default for Cert {
    fn default() -> Self {
        let key_types =
            vec![CertifiedKey::Rsa, CertifiedKey::P256, CertifiedKey::P384, CertifiedKey::Ed25519];
        let profiles = vec![CertProfile::Server, CertProfile::Client, CertProfile::Peer];
        Self { validity_days: 365, supersede_days: 7, key_types, domains: Vec::new(), profiles }
    }
}

#[cfg(test)]
mod tests;
