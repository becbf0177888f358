//! The virtual servers of the TLS door, and ports that lead to services elsewhere.
//!
//! Invariant: figures count from the start of the gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The virtual servers of the TLS door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsServers {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// What is reached there, by name.
    pub servers: Vec<TlsServer>,
    /// Ports on this machine that lead to services elsewhere.
    #[serde(default)]
    pub clients: Vec<TlsClientPort>,
}

/// A port on this machine that leads to a service elsewhere over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsClientPort {
    /// Where programs connect to.
    pub listen: SocketAddr,
    /// Which service it leads to.
    pub target: String,
    /// Why it is not open, or why the last connection got nowhere.
    pub fault: Option<String>,
}

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsServer {
    /// Its first name, for `kick --server` and `cert revoke`.
    pub name: String,
    /// The names that clients ask for.
    pub names: Vec<String>,
    /// The protocols inside TLS, where the settings name some.
    pub alpn: Vec<String>,
    /// The addresses at which it answers who asks for one of its names.
    #[serde(default)]
    pub reached_at: Vec<TlsAddress>,
    /// Where bytes or requests go.
    pub backend: String,
    /// Whether TLS ends behind it.
    pub passthrough: bool,
    /// Whether clients have to show a certificate: `none`, `optional`, `required`.
    pub clients: String,
    /// Whose; everybody's where nobody is named.
    pub users: Vec<String>,
    /// Where its certificates come from: `own`, `acme`, `files`.
    pub certificate_source: String,
    /// What it shows, the preferred one first.
    pub certificates: Vec<TlsCertificate>,
    /// What is wrong with them, in words.
    pub problems: Vec<String>,
    /// How old the present key of its session tickets is; nothing where there is none.
    pub ticket_key_seconds: Option<u64>,
    /// Open connections to its name.
    pub connections: u32,
    /// Those of them that came in with a certificate.
    pub with_certificate: u32,
    /// How open connections are encrypted, without those whose TLS ends elsewhere.
    #[serde(default)]
    pub encryption: Vec<TlsEncryption>,
    /// How old the oldest keys are by which they are.
    #[serde(default)]
    pub oldest_keys_seconds: Option<u64>,
    /// The HTTP backends, as they are.
    pub backends: Vec<TlsBackend>,
    /// What became of it since the gateway started.
    pub figures: TlsFigures,
}

/// An address at which a virtual server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsAddress {
    /// The address.
    pub address: SocketAddr,
    /// What connections to it begin with: `implicit`, `shared`, `starttls:PROTOCOL`.
    pub mode: String,
}

/// How some of a virtual server's open connections are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsEncryption {
    /// The TLS version: `TLSv1.3`.
    pub tls: String,
    /// The cipher suite.
    pub cipher: String,
    /// The group of the key exchange.
    pub group: String,
    /// How many connections.
    pub connections: u32,
}

/// A backend of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsBackend {
    /// Where it is, as the settings write it.
    pub to: String,
    /// What is the matter with it, where it is left out.
    pub ailment: Option<String>,
}

/// What a virtual server carried and refused since the gateway started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFigures {
    /// Connections that were let in, open ones among them.
    pub connections: u64,
    /// Requests, where it is HTTP.
    pub requests: u64,
    /// Bytes from clients, inside TLS.
    pub bytes_in: u64,
    /// Bytes to clients, inside TLS.
    pub bytes_out: u64,
    /// Refused requests by the reason's code; those that there were.
    pub refused_requests: BTreeMap<String, u64>,
    /// Answers that broke off behind their beginning.
    pub broken_answers: u64,
}

/// A certificate that a virtual server shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsCertificate {
    /// Its serial number.
    pub serial: String,
    /// Its key: `p256`, `p384`, `p521`, `rsa`, `ed25519`.
    pub key: String,
    /// When it ends.
    pub expires_at: Timestamp,
}
