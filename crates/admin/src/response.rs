//! The answers: every field that a listing prints or `--json` shows.
//!
//! Only data, no words. Times are [`Timestamp`]s, serial numbers hex as openssl prints them (upper case).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use clock::Timestamp;
use names::{CertificateName, RevocationReason, UserName};
use serde::{Deserialize, Serialize};

use crate::metrics::Metric;
use crate::names::DeviceName;
use crate::request::CertificateUsage;
use crate::secret::SecretText;
use crate::transport::Transport;

/// What a request is answered with where it succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "answer", rename_all = "snake_case")]
pub enum Response {
    /// Users, for a listing.
    Users(Vec<User>),
    /// One user.
    User(UserDetail),
    /// Devices, for a listing.
    Devices(Vec<Device>),
    /// One device.
    Device(DeviceDetail),
    /// Names that have certificates, for a listing.
    NamedList(Vec<Named>),
    /// One of them.
    Named(NamedDetail),
    /// A change and its effects.
    Changed(Changed),
    /// What profiles are made of.
    Profile(Box<ProfileMaterial>),
    /// The CRL.
    Crl(CrlDetail),
    /// The CA.
    Ca(CaDetail),
    /// How far a rollover of the CA has come.
    Rollover(Rollover),
    /// State and figures.
    Status(Box<Status>),
    /// Sessions, for a listing.
    Sessions(Vec<Session>),
    /// Sessions on record, for a listing.
    History(Vec<PastSession>),
    /// The virtual servers of the TLS door, for a listing.
    TlsServers(TlsServers),
    /// One of them.
    TlsServer(Box<TlsServer>),
    /// What a kick closed.
    Kicked(Kicked),
    /// Events.
    Events(EventPage),
    /// Findings.
    Check(CheckReport),
    /// Settings.
    Settings(Settings),
    /// The settings were read again.
    Reloaded(Reloaded),
    /// Handshakes in words.
    Stories(Stories),
}

/// Handshakes in words, as `explain` writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stories(pub serde_json::Value);

/// Settings, as their file has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The file.
    pub file: String,
    /// Its keys.
    pub settings: Vec<Setting>,
    /// What a change would do that is hardly wanted; nothing where nothing was changed.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A key of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// With its sections: `vpn.push.routes`.
    pub key: String,
    /// As TOML writes it; nothing, where it is left out.
    pub value: Option<String>,
    /// Whether it is what an empty file would mean.
    pub is_default: bool,
    /// What brings it into force; nothing, where it is.
    pub waits_for: Option<TakesEffect>,
}

/// What brings a setting into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakesEffect {
    /// Reading the file again.
    Reload,
    /// The next start of the gateway.
    Start,
}

/// The settings were read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys whose values wait for the next start.
    pub waiting: Vec<String>,
    /// What they will do that is hardly wanted, and what could not be put in force.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A user, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// Disabled users are refused, their records stay.
    pub disabled: bool,
    /// How many devices are recorded.
    pub devices: u32,
    /// How many of them are connected; nothing where no gateway runs.
    pub connected: Option<u32>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// A user with its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// Its devices by name.
    pub device_list: Vec<Device>,
}

/// A device, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// User and device.
    pub name: DeviceName,
    /// Where it stands.
    pub state: DeviceState,
    /// The leased tunnel addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Serial of the certificate in use.
    pub serial: Option<String>,
    /// When that certificate ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it is connected; nothing where no gateway runs.
    pub connected: Option<bool>,
    /// When it last connected.
    pub last_seen_at: Option<Timestamp>,
    /// Whether it ever connected; nothing where that can't be read.
    #[serde(default)]
    pub ever_seen: Option<bool>,
    /// For how long it has been neither seen nor added, by the gateway's clock; nothing where that can't be read.
    #[serde(default)]
    pub unseen_seconds: Option<u64>,
    /// Whether its profile has former settings, or may have; nothing where nothing is known of it.
    #[serde(default)]
    pub profile_outdated: Option<bool>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Recorded; its first profile makes key and certificate.
    New,
    /// It has a valid certificate.
    Active,
    /// Its last certificate has run out.
    Expired,
    /// Its last certificate is revoked.
    Revoked,
    /// It or its user is disabled.
    Disabled,
    /// Its last certificate is of a CA that is trusted no longer.
    FormerCa,
}

/// A device with its certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// All its certificates, the newest first.
    pub certificates: Vec<Certificate>,
}

/// A certificate of the CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Serial number, hex as openssl prints it.
    pub serial: String,
    /// Subject, as text.
    pub subject: String,
    /// What the key is: `rsa2048`, `p256` and so on.
    pub key_type: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Where it stands.
    pub state: CertificateState,
    /// SHA-256 of the DER, lower-case hex.
    pub fingerprint: String,
    /// The certificate.
    pub pem: String,
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CertificateState {
    /// Good.
    Valid,
    /// Replaced by a newer one: revoked when that one connects, or at the latest then.
    Superseding {
        /// When it is revoked at the latest.
        until: Timestamp,
    },
    /// Run out.
    Expired,
    /// Of a CA that is trusted no longer, and so good for nothing.
    FormerCa,
    /// Suspended with its device or user; good again once both are enabled.
    OnHold {
        /// Since when.
        at: Timestamp,
    },
    /// Revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
}

/// A server, or whatever else is no device and has certificates, in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: CertificateName,
    /// What its certificate is good for.
    pub usage: CertificateUsage,
    /// Host names and addresses in it.
    pub hosts: Vec<String>,
    /// Serial of the certificate in use.
    pub serial: String,
    /// Where that one stands.
    pub state: CertificateState,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The same with all its certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDetail {
    /// What a listing has.
    #[serde(flatten)]
    pub named: Named,
    /// All its certificates, the newest first.
    pub certificates: Vec<Certificate>,
}

/// A change that is committed, and what it did on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changed {
    /// The event it is recorded as; nothing where the state was so already.
    pub event: Option<u64>,
    /// When that event was committed.
    pub at: Option<Timestamp>,
    /// Serials that were revoked by it.
    pub revoked: Vec<String>,
    /// Serials that it put on hold.
    #[serde(default)]
    pub on_hold: Vec<String>,
    /// Serials whose hold it lifted.
    #[serde(default)]
    pub off_hold: Vec<String>,
    /// How many sessions it closed.
    pub sessions_closed: u32,
    /// The number of the CRL that shows it.
    pub crl_number: Option<u64>,
    /// Effects that are in force, each with how long after the commit it was.
    #[serde(default)]
    pub effects: Vec<Effect>,
    /// Effects that are still missing, one sentence each; empty when all is done.
    pub pending: Vec<String>,
    /// Why the disk does not have it yet, though it is in force; nothing where the disk has it.
    #[serde(default)]
    pub held: Option<String>,
}

/// Something that followed the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What: `crl`, `published`, `vpn_sessions` and so on.
    pub of: String,
    /// How long after the commit it was in force, in milliseconds.
    pub after_ms: u64,
}

/// What a device's profiles are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileMaterial {
    /// Whose profile it is.
    pub name: DeviceName,
    /// The common part, the same for every device.
    pub common: ProfileCommon,
    /// The device's certificate.
    pub certificate: Certificate,
    /// Its private key, or why it can't be had.
    pub key: KeyMaterial,
    /// The certificate that this one supersedes, and when that one is revoked at the latest.
    pub supersedes: Option<(String, Timestamp)>,
}

/// What all profiles of a gateway share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCommon {
    /// The CA certificate(s), PEM.
    pub ca_pem: String,
    /// The tls-auth key file's text.
    pub tls_auth_key: SecretText,
    /// Digest of tls-auth: `SHA256` by default.
    pub auth: String,
    /// The reserved name that only the gateway's certificate has.
    pub server_name: String,
    /// Where the gateway is reached, in order of preference.
    pub remotes: Vec<Remote>,
    /// Data ciphers in order of preference, by OpenVPN's names.
    pub ciphers: Vec<String>,
}

/// An address of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What carries the packets there.
    pub transport: Transport,
}

/// The private key in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum KeyMaterial {
    /// Made for this answer and kept nowhere else.
    Made {
        /// PKCS#8 PEM.
        pem: SecretText,
    },
    /// It was handed out by an earlier profile and not kept.
    Gone,
    /// The device made it itself and sent a CSR.
    OnDevice,
}

/// The CRL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlDetail {
    /// CRLNumber.
    pub number: u64,
    /// Issuer, as text.
    pub issuer: String,
    /// When it was signed.
    pub this_update: Timestamp,
    /// When it must be replaced.
    pub next_update: Timestamp,
    /// What it lists.
    pub entries: Vec<CrlEntry>,
    /// The CRL itself.
    pub pem: String,
}

/// A line of the CRL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlEntry {
    /// Serial number, hex as openssl prints it.
    pub serial: String,
    /// Whose it was, where the store knows.
    pub device: Option<DeviceName>,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// The CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaDetail {
    /// Its own certificate.
    pub certificate: Certificate,
    /// How many certificates it has issued.
    pub issued: u64,
    /// How many of them are revoked.
    pub revoked: u64,
    /// The URL its certificates point to, where one is set.
    pub public_url: Option<String>,
    /// The other CAs that are known here, the newest first.
    #[serde(default)]
    pub others: Vec<OtherCa>,
}

/// A CA beside the one that signs devices' certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCa {
    /// Its own certificate.
    pub certificate: Certificate,
    /// Whether who shows a certificate of it is let in.
    pub trusted: bool,
    /// How many certificates it has issued.
    pub issued: u64,
    /// How many of them are revoked.
    pub revoked: u64,
}

impl CaDetail {
    /// The certificates of all CAs that are trusted, PEM, the one that signs first.
    pub fn trusted_pem(&self) -> String {
        let others = self.others.iter().filter(|other| other.trusted);
        let certificates = others.map(|other| &other.certificate);
        std::iter::once(&self.certificate).chain(certificates).map(|one| one.pem.as_str()).collect()
    }

    /// The certificates of all CAs, PEM, the one that signs first.
    pub fn all_pem(&self) -> String {
        let others = self.others.iter().map(|other| &other.certificate);
        std::iter::once(&self.certificate).chain(others).map(|one| one.pem.as_str()).collect()
    }
}

/// How far a rollover of the CA has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollover {
    /// The CA that signs.
    pub present: CaSummary,
    /// The one whose place it has taken, while that is trusted still; nothing where none is.
    pub former: Option<CaSummary>,
    /// Those that are trusted no longer, and go on telling of what they issued.
    pub retired: Vec<CaSummary>,
    /// Who has certificates of the present CA alone.
    pub moved: u32,
    /// Who has one of the former that holds still.
    pub behind: Vec<Behind>,
    /// Who has nothing but a certificate of a CA that is trusted no longer.
    #[serde(default)]
    pub kept_out: Vec<Behind>,
}

/// A CA, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaSummary {
    /// Its subject, as text.
    pub subject: String,
    /// What its addresses have in their path.
    pub tag: String,
    /// When its certificate ends.
    pub expires_at: Timestamp,
}

/// Who has not moved to the present CA yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// A device, or a name that has certificates.
    pub name: String,
    /// The certificate of the former CA.
    pub serial: String,
    /// When that ends.
    pub expires_at: Timestamp,
}

/// The running gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the binary that runs.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The data folder.
    pub data: String,
    /// Where it listens, as in the configuration: `udp:[::]:1194`.
    pub listen: Vec<String>,
    /// What profiles point to.
    pub remotes: Vec<Remote>,
    /// The networks it hands addresses out of.
    pub networks: Vec<String>,
    /// What clients are told beyond their addresses, in OpenVPN's words.
    #[serde(default)]
    pub pushes: Vec<String>,
    /// Keys of the settings file whose values wait for the next start.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Open sessions.
    pub sessions: u32,
    /// Users, devices.
    pub users: u32,
    /// Recorded devices.
    pub devices: u32,
    /// When the CA's certificate ends.
    pub ca_expires_at: Timestamp,
    /// When the gateway's own certificates end (the earlier one).
    pub server_expires_at: Timestamp,
    /// When the first certificate of those that sign OCSP answers ends; nothing where none was made.
    #[serde(default)]
    pub ocsp_expires_at: Option<Timestamp>,
    /// How long after their commits the effects of changes were in force, since the start.
    #[serde(default)]
    pub effects: BTreeMap<String, EffectDelay>,
    /// The CRL's number.
    pub crl_number: u64,
    /// When the CRL was signed.
    pub crl_signed_at: Timestamp,
    /// When it must be replaced.
    pub crl_next_update: Timestamp,
    /// Refused connections by the reason's code.
    pub refusals: BTreeMap<String, u64>,
    /// The last refusals, the newest first.
    pub last_refusals: Vec<RefusalEntry>,
    /// Dropped packets by cause.
    pub drops: BTreeMap<String, u64>,
    /// Connections that ended, refused ones included, by reason.
    #[serde(default)]
    pub endings: BTreeMap<String, u64>,
    /// How packets are carried: threads, and what the kernel does in one piece.
    pub data_path: String,
    /// Changes that are in force and that the disk did not take yet.
    #[serde(default)]
    pub not_on_disk: u32,
    /// Free bytes on the data folder's disk, where the system tells.
    #[serde(default)]
    pub disk_free: Option<u64>,
    /// Everything that is counted, for Prometheus.
    pub figures: Vec<Metric>,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// Devices whose profiles have former settings.
    #[serde(default)]
    pub outdated_profiles: Vec<DeviceName>,
}

/// How long an effect of changes took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectDelay {
    /// How often it was measured.
    pub measured: u64,
    /// The last time, in milliseconds.
    pub last_ms: u64,
    /// The longest time, in milliseconds.
    pub worst_ms: u64,
}

/// A refused connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalEntry {
    /// Its number since the gateway's start, for `explain failure`.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub source: SocketAddr,
    /// Whose certificate it was, where it could be told.
    pub device: Option<DeviceName>,
    /// The reason's code, snake_case.
    pub reason: String,
    /// The reason's sentence: misdeed, whose it is, what to do.
    pub sentence: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, for `kick`.
    pub id: u64,
    /// Whose it is; nothing where it came in without a certificate, as some virtual servers let it.
    pub device: Option<DeviceName>,
    /// What carries its packets.
    pub transport: Transport,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The address of ours that it talks to.
    pub local: Option<SocketAddr>,
    /// Its tunnel addresses.
    pub addresses: Vec<IpAddr>,
    /// The data cipher.
    pub cipher: String,
    /// The TLS version.
    pub tls: String,
    /// The group of the key exchange; nothing where the door does not say.
    pub group: String,
    /// When the keys were made that it is encrypted with; nothing where its TLS ends elsewhere.
    pub keys_since: Option<Timestamp>,
    /// The client, from its peer info: `OpenVPN 2.6.14 linux`.
    pub client: String,
    /// Serial of its certificate.
    pub serial: Option<String>,
    /// When it was established.
    pub since: Timestamp,
    /// When the keys were last renewed.
    pub renegotiated_at: Option<Timestamp>,
    /// Bytes from the client, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client, inside the tunnel.
    pub bytes_out: u64,
}

/// A session on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSession {
    /// The number that it had.
    pub id: u64,
    /// Whose it was.
    pub device: DeviceName,
    /// What carried its packets.
    pub transport: Transport,
    /// Where it came from, at last.
    pub source: SocketAddr,
    /// Its tunnel addresses.
    pub addresses: Vec<IpAddr>,
    /// The client, from its peer info.
    pub client: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ended, or until when the bytes are counted where it is open.
    pub seen_at: Timestamp,
    /// Bytes from the client, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client, inside the tunnel.
    pub bytes_out: u64,
    /// The code of the reason why it ended; nothing where it is open.
    pub ended: Option<String>,
}

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
    /// The HTTP backends, as they are.
    pub backends: Vec<TlsBackend>,
    /// What became of it since the gateway started.
    pub figures: TlsFigures,
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

/// What a kick closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// The sessions, by device.
    pub sessions: Vec<DeviceName>,
    /// How many more, which came in without a certificate.
    #[serde(default)]
    pub without_certificate: u32,
    /// Why the event log on the disk does not tell of it yet; nothing where it does.
    #[serde(default)]
    pub held: Option<String>,
}

impl Response {
    /// Why what was done is in force and not on the disk; nothing where it is on the disk.
    pub fn held(&self) -> Option<&str> {
        match self {
            Self::Changed(changed) => changed.held.as_deref(),
            Self::Kicked(kicked) => kicked.held.as_deref(),
            _ => None,
        }
    }
}

/// Events in commit order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log, from 1.
    pub id: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Who did it: `root (uid 0)`, `gateway`.
    pub actor: String,
    /// What happened: `user_added`, `certificate_revoked` and so on.
    pub what: String,
    /// To whom or what: `alice/phone`.
    pub subject: String,
    /// The rest, by name: numbers as numbers, moments as everywhere.
    pub details: BTreeMap<String, serde_json::Value>,
    /// The chain's hash after this event, lower-case hex.
    pub hash: String,
}

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// One for each thing looked at, in the order looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: `event chain`, `CRL`, `/dev/net/tun`.
    pub subject: String,
    /// How it is.
    pub level: Level,
    /// What was seen, one sentence.
    pub seen: String,
    /// How to mend it; nothing where all is well.
    pub mend: Option<String>,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but not for long or not well.
    Warning,
    /// Does not work.
    Bad,
}
