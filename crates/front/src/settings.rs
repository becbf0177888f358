//! What the door is told, typed when it is read: no text is parsed again later.
//!
//! What has to hold between these values is checked by whoever reads them from a file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proxied::Listed;
use serde::{Deserialize, Serialize};

use crate::backend::Target;
use crate::certificate_source::CertificateSource;
use crate::client_port::ClientPort;
use crate::mode::{Mode, Protocol};
use crate::passive_ports::{Passive, PassivePorts};
use crate::service::{self, PathRoute, Service, UrlPath, Weighted, a_minute, a_thousand, five};
use crate::site_name::SiteName;
use crate::trust::Trust;
use crate::whom::Whom;

/// `[tls]` of the settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen: `[[tls.listen]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Listen>,
    /// What is reached there: `[[tls.server]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server: Vec<VirtualServer>,
    /// Ports on this machine that lead elsewhere: `[[tls.client]]`. Whoever composes the door has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<ClientPort>,
}

impl Settings {
    /// The same, and at the usual port where servers are named and no address is.
    #[must_use]
    pub fn with_usual_port(mut self) -> Self {
        if self.listen.is_empty() && !self.server.is_empty() {
            self.listen.push(Listen::at((Ipv6Addr::UNSPECIFIED, HTTPS).into()));
        }
        self
    }
}

impl Listen {
    /// All else as it is where a file says nothing.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            mode: Mode::default(),
            protocols: all_protocols(),
            unknown_name: Unmatched::Default,
            no_name: Unmatched::Default,
            max_connections: ten_thousand(),
            proxies: Vec::new(),
            passive_ports: None,
            passive_address: None,
        }
    }
}

/// A socket that takes connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// What they begin with.
    #[serde(default)]
    pub mode: Mode,
    /// With which of several protocols, where it is shared.
    #[serde(default = "all_protocols")]
    pub protocols: Vec<Protocol>,
    /// What becomes of clients that ask for a name that nobody has.
    #[serde(default)]
    pub unknown_name: Unmatched,
    /// What becomes of clients that ask for no name.
    #[serde(default)]
    pub no_name: Unmatched,
    /// Connections at once.
    #[serde(default = "ten_thousand")]
    pub max_connections: u32,
    /// Who says by the PROXY protocol whose connection it is; of everybody else that is an error.
    #[serde(default)]
    pub proxies: Vec<Listed>,
    /// The ports that data connections come to, where its protocol has such; whichever are free, where none are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive_ports: Option<PassivePorts>,
    /// The address at which clients reach this host for them, where that is not the one that they came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive_address: Option<Ipv4Addr>,
}

impl Listen {
    /// Whether connections may begin with this protocol.
    pub fn takes(&self, protocol: Protocol) -> bool {
        match self.mode {
            Mode::Implicit => protocol == Protocol::Tls,
            Mode::Shared => self.protocols.contains(&protocol),
            Mode::Http => protocol == Protocol::Http,
            Mode::Starttls(_) => false,
        }
    }

    /// Whether it is one of the proxies that say whose a connection is.
    pub(crate) fn is_proxy(&self, from: IpAddr) -> bool {
        self.proxies.iter().any(|proxies| proxies.has(from.to_canonical()))
    }

    /// Whether its protocol has data connections of their own.
    pub fn has_data_connections(&self) -> bool {
        self.mode.starttls() == Some(starttls::Protocol::Ftp)
    }

    pub(crate) fn passive(&self) -> Passive {
        Passive { ports: self.passive_ports.clone(), address: self.passive_address }
    }

    /// Whether virtual servers are reached there.
    pub fn takes_tls(&self) -> bool {
        self.takes(Protocol::Tls)
            || self.takes(Protocol::Postgres)
            || self.mode.starttls().is_some()
    }
}

/// What becomes of clients that no virtual server is meant for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// The server that says `default = true` has them, if there is one.
    #[default]
    Default,
    /// They hear that there is no such name.
    Refuse,
}

/// What is reached under some names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualServer {
    /// The names; by the first one it is spoken of.
    pub names: Vec<SiteName>,
    /// Where what clients send is handed on to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Target>,
    /// Whether it has the clients that no server is meant for by name.
    #[serde(default)]
    pub default: bool,
    /// The protocols inside TLS, the first one first; none for whatever the client likes.
    #[serde(default)]
    pub alpn: Vec<String>,
    /// Whether clients have to show a certificate.
    #[serde(default)]
    pub clients: Clients,
    /// Whose certificates are let in; all that hold, where nobody is named.
    #[serde(default)]
    pub users: Vec<Whom>,
    /// TLS is not ended here: the backend has the certificate and asks for the client's.
    #[serde(default)]
    pub passthrough: bool,
    /// The kinds of key that it has certificates for.
    #[serde(default = "p256")]
    pub key_types: Vec<KeyKind>,
    /// Seconds without a byte after which a connection is closed; 0 for never.
    #[serde(default = "an_hour")]
    pub idle_seconds: u32,
    /// Seconds after which a connection is closed, whatever it carries; 0 for never.
    #[serde(default = "a_day")]
    pub max_age_seconds: u32,
    /// Seconds after which the key changes under which clients keep their sessions; 0: they keep none.
    #[serde(default = "an_hour")]
    pub ticket_seconds: u32,
    /// Connections at once.
    #[serde(default = "ten_thousand")]
    pub max_connections: u32,
    /// Whether a `tcp:` backend is told who the client is, before its first byte.
    #[serde(default)]
    pub proxy: ProxyProtocol,
    /// For how many seconds browsers that were here come over HTTPS alone, where it is HTTP; 0: nothing is said.
    #[serde(default = "a_year")]
    pub hsts_seconds: u32,
    /// Whether that binds every name below as well.
    #[serde(default)]
    pub hsts_subdomains: bool,
    /// Whether the lists that browsers ship may have it.
    #[serde(default)]
    pub hsts_preload: bool,
    /// Where its certificates come from.
    #[serde(default)]
    pub certificate: CertificateSource,
    /// The path that an HTTP backend has to answer 2xx or 3xx to be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<UrlPath>,
    /// Between two looks at that.
    #[serde(default = "five")]
    pub health_seconds: u32,
    /// Until an HTTP backend begins to answer.
    #[serde(default = "a_minute")]
    pub answer_seconds: u32,
    /// Requests at once, for each HTTP backend.
    #[serde(default = "a_thousand")]
    pub max_requests: u32,
    /// Octets of a request's body; 0: as many as it likes.
    #[serde(default)]
    pub max_body: u64,
    /// Where what clients send goes in turns, in the place of `backend`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<Weighted>,
    /// What has to hold of backends that are reached over TLS, and what they are shown of us.
    #[serde(default, skip_serializing_if = "Trust::is_default")]
    pub backend_tls: Trust,
    /// What lies below some paths, where it is HTTP: `[[tls.server.route]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<PathRoute>,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clients {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; one that they show has to hold.
    Optional,
    /// Who has none is not let in.
    Required,
}

/// How a backend is told who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// It is not.
    #[default]
    None,
    /// A line with its address and ours.
    V1,
    /// The same in binary, with the name that was asked for, TLS and the certificate's holder.
    V2,
    /// By SMTP's `XCLIENT`, as Postfix takes it: with its address, and the user whose certificate it showed.
    Xclient,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// ECDSA on P-256: a fifteenth of the work.
    P256,
    /// RSA: what the oldest clients can read.
    Rsa,
}

impl VirtualServer {
    /// For everybody who asks for this name; all else as it is where a file says nothing.
    pub fn new(name: SiteName, backend: Target) -> Self {
        Self {
            names: vec![name],
            backend: Some(backend),
            default: false,
            alpn: Vec::new(),
            clients: Clients::None,
            users: Vec::new(),
            passthrough: false,
            key_types: p256(),
            idle_seconds: an_hour(),
            max_age_seconds: a_day(),
            ticket_seconds: an_hour(),
            max_connections: ten_thousand(),
            proxy: ProxyProtocol::None,
            hsts_seconds: a_year(),
            hsts_subdomains: false,
            hsts_preload: false,
            certificate: CertificateSource::Own,
            health: None,
            health_seconds: five(),
            answer_seconds: a_minute(),
            max_requests: a_thousand(),
            max_body: 0,
            backends: Vec::new(),
            backend_tls: Trust::default(),
            route: Vec::new(),
        }
    }

    /// What it is called: its first name.
    pub fn label(&self) -> &str {
        self.names.first().map_or("", SiteName::as_str)
    }

    /// All that is behind it: what has every path that is no route's first, if there is such.
    pub fn services(&self) -> Vec<Service> {
        let own = Service {
            path: UrlPath::root(),
            backends: service::all(self.backend.as_ref(), &self.backends),
            health: self.health.clone(),
            health_seconds: self.health_seconds,
            answer_seconds: self.answer_seconds,
            max_requests: self.max_requests,
        };
        let own = (!own.backends.is_empty()).then_some(own);
        own.into_iter().chain(self.route.iter().map(PathRoute::service)).collect()
    }

    /// Whether it is HTTP that is spoken inside TLS.
    pub fn is_http(&self) -> bool {
        let named = self.backend.iter().chain(self.backends.iter().map(|one| &one.to));
        !self.route.is_empty() || named.into_iter().any(Target::is_http)
    }

    /// Whether a browser finds something there: requests are answered, or the protocols inside TLS say so.
    pub fn speaks_http(&self) -> bool {
        let is_http = |protocol: &String| ["h2", "http/1.1"].contains(&protocol.as_str());
        self.is_http() || self.alpn.iter().any(is_http)
    }

    /// Whether some backend is reached over TLS.
    pub fn reaches_by_tls(&self) -> bool {
        let services = self.services();
        services.iter().flat_map(|service| &service.backends).any(|one| one.to.is_over_tls())
    }

    /// Whether a password that its client binds to the one TLS would be held against the other, as PostgreSQL does, and
    /// both have certificates of their own.
    pub fn parts_a_channel(&self) -> bool {
        let spoken = starttls::Protocol::Postgresql;
        let by_name = self.alpn.iter().any(|one| one == spoken.name());
        let services = self.services();
        let mut backends = services.iter().flat_map(|service| &service.backends);
        let own = !matches!(self.certificate, CertificateSource::Files(_));
        own && backends.any(|one| one.to.begins_by(spoken) || by_name && one.to.is_over_tls())
    }

    /// Where its bytes or requests go, in words.
    pub fn backend_text(&self) -> String {
        let services = self.services();
        let to = |service: &Service| {
            let all: Vec<_> = service.backends.iter().map(|one| one.to.to_string()).collect();
            let all = all.join(", ");
            match service.path.as_str() {
                "/" => all,
                path => format!("{path} {all}"),
            }
        };
        services.iter().map(to).collect::<Vec<_>>().join("; ")
    }

    /// The protocols inside TLS, the first one first.
    pub fn protocols(&self) -> Vec<String> {
        match self.alpn.is_empty() && self.is_http() && !self.passthrough {
            true => vec!["h2".to_owned(), "http/1.1".to_owned()],
            false => self.alpn.clone(),
        }
    }

    pub(crate) fn idle(&self) -> Option<Duration> {
        seconds(self.idle_seconds)
    }

    pub(crate) fn max_age(&self) -> Option<Duration> {
        seconds(self.max_age_seconds)
    }
}

fn seconds(number: u32) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(number.into()))
}

fn all_protocols() -> Vec<Protocol> {
    Protocol::ALL.to_vec()
}

const HTTPS: u16 = 443;

fn ten_thousand() -> u32 {
    10_000
}

fn an_hour() -> u32 {
    3600
}

fn a_day() -> u32 {
    86_400
}

fn a_year() -> u32 {
    31_536_000
}

fn p256() -> Vec<KeyKind> {
    vec![KeyKind::P256]
}
