//! The doors that are open: what administration asks of them, and commands.
//!
//! A door is a value that answers for its sessions and counters. It knows nothing of the gateway, and
//! the gateway nothing of what stands behind it; several may be open.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::{Session, TlsServer, TlsServers};
use engine::{Knocks, LastFrom};
use explain::kept::OpenSession;
use pki::Fit;

use crate::error::GatewayError;

/// An answer that comes later.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A door that is open. What is said by default is true of one that knows no devices and changes nothing on
/// the machine.
pub trait Door: Send + Sync + Debug {
    /// Who is connected.
    fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
        Box::pin(async { Vec::new() })
    }

    /// The open session of this number with its keys, as they are. A door that can't tell has none to tell of.
    fn open_session(&self, number: u64) -> BoxFuture<'_, Option<OpenSession>> {
        let _ = number;
        Box::pin(async { None })
    }

    /// Closes sessions, and says of each whose it was once they are closed, where that is known.
    fn kick<'a>(&'a self, target: &'a KickTarget) -> BoxFuture<'a, Vec<Option<DeviceName>>> {
        let _ = target;
        Box::pin(async { Vec::new() })
    }

    /// The virtual servers behind it. A door without any has nothing to say.
    fn virtual_servers(&self) -> Option<TlsServers> {
        None
    }

    /// Other certificates of ours, or other CAs, hold from here on. Sessions stay. A door that speaks no
    /// TLS has nothing to do.
    fn replace_tls(&self, tls: &Arc<rustls::ServerConfig>) {
        let _ = tls;
    }

    /// Other settings hold from here on. Sessions stay. A door that takes none while it is open has nothing to do.
    fn settings_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// What is not on this machine as it was made for the door, in words.
    fn changed(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    /// Makes all of that as it was made, now.
    fn put_back(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Where it was to listen and could not.
    fn unheard(&self) -> Vec<Unheard> {
        Vec::new()
    }

    /// Certificates that it shows, that are in no records, and that a person has to renew.
    fn foreign(&self) -> Vec<Foreign> {
        Vec::new()
    }

    /// The counters since it was opened.
    fn counters(&self) -> BoxFuture<'_, Counters> {
        Box::pin(async { Counters::default() })
    }
}

/// An address that a door was to listen at and could not, or what else it is without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// Whose it is, as `check` names it.
    pub subject: &'static str,
    /// What the matter is.
    pub what: String,
    /// What to do.
    pub mend: &'static str,
}

/// A certificate of a service that another CA made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The service's first name.
    pub name: String,
    /// Which it is, and from when to when it holds.
    pub fit: Fit,
}

/// All that are open. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Doors(Arc<Mutex<Vec<Arc<dyn Door>>>>);

impl Doors {
    /// This one answers as well from here on.
    pub fn attach(&self, door: Arc<dyn Door>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(door);
    }

    /// Whether any is open: only then somebody can be connected.
    pub fn is_any_open(&self) -> bool {
        !self.present().is_empty()
    }

    /// Who is connected, through whichever door.
    pub async fn sessions(&self) -> Vec<Session> {
        let mut sessions = Vec::new();
        for door in self.present() {
            sessions.extend(door.sessions().await);
        }
        sessions
    }

    /// The open session of this number with its keys, as they are; nothing where it has just ended.
    pub async fn open_session(&self, number: u64) -> Option<OpenSession> {
        for door in self.present() {
            if let Some(open) = door.open_session(number).await {
                return Some(open);
            }
        }
        None
    }

    /// Closes sessions, and says of each whose it was once they are closed, where that is known.
    pub async fn kick(&self, target: &KickTarget) -> Vec<Option<DeviceName>> {
        let mut kicked = Vec::new();
        for door in self.present() {
            kicked.extend(door.kick(target).await);
        }
        kicked
    }

    /// The virtual servers behind the door that has some.
    pub fn virtual_servers(&self) -> TlsServers {
        self.present().iter().find_map(|door| door.virtual_servers()).unwrap_or_default()
    }

    /// The one of this first name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn virtual_server(&self, name: &str) -> Result<TlsServer, GatewayError> {
        let mut servers = self.virtual_servers().servers.into_iter();
        let found = servers.find(|server| server.name == name);
        found.ok_or_else(|| GatewayError::NoSuchVirtualServer { name: name.to_owned() })
    }

    /// Other certificates of ours, or other CAs, hold from here on for all doors. Sessions stay.
    pub fn replace_tls(&self, tls: &Arc<rustls::ServerConfig>) {
        for door in self.present() {
            door.replace_tls(tls);
        }
    }

    /// Other settings hold from here on for all doors. Sessions stay.
    pub async fn settings_changed(&self) {
        for door in self.present() {
            door.settings_changed().await;
        }
    }

    /// What is not on this machine as it was made for the doors, in words.
    pub async fn changed(&self) -> Vec<String> {
        let mut changed = Vec::new();
        for door in self.present() {
            changed.extend(door.changed().await);
        }
        changed
    }

    /// Makes all of that as it was made, now.
    pub async fn put_back(&self) {
        for door in self.present() {
            door.put_back().await;
        }
    }

    /// Where doors were to listen and could not.
    pub fn unheard(&self) -> Vec<Unheard> {
        self.present().iter().flat_map(|door| door.unheard()).collect()
    }

    /// Certificates that doors show, that are in no records, and that a person has to renew.
    pub fn foreign(&self) -> Vec<Foreign> {
        self.present().iter().flat_map(|door| door.foreign()).collect()
    }

    /// The counters of all doors together.
    pub async fn counters(&self) -> Counters {
        let mut all = Counters::default();
        for door in self.present() {
            all.add(door.counters().await);
        }
        all
    }

    /// Copied out, so that no lock is held while a door answers.
    fn present(&self) -> Vec<Arc<dyn Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The counters of a door, as plain values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Open sessions.
    pub sessions: u64,
    /// First packets of the VPN's clients over UDP.
    pub knocks: Knocks,
    /// Handshakes that got past the address cookie.
    pub handshakes_begun: u64,
    /// Handshakes that ended in a session.
    pub handshakes_done: u64,
    /// Renegotiations that were completed.
    pub renegotiations: u64,
    /// Bytes from subscribers, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to subscribers, inside the tunnel.
    pub bytes_out: u64,
    /// Packets from subscribers.
    pub packets_in: u64,
    /// Packets to subscribers.
    pub packets_out: u64,
    /// Dropped packets by cause.
    pub drops: BTreeMap<&'static str, u64>,
    /// Where the last of those came from that lack the tls-auth key or use it wrongly, by cause.
    pub drop_sources: BTreeMap<&'static str, LastFrom>,
    /// Connections that ended, refused ones included, by reason; all reasons from zero.
    pub endings: BTreeMap<&'static str, u64>,
    /// How packets are carried: threads, and what the kernel does in one piece.
    pub data_path: String,
    /// Packets that one thread read and another handled.
    pub handed_over: u64,
    /// How often a peer came back at once to an address that it seemed to have left.
    pub address_returns: u64,
    /// What virtual servers carried and refused, by first name.
    pub virtual_servers: BTreeMap<String, ServerCounters>,
    /// What devices carried that leave no session behind them, by name: bytes in, bytes out.
    pub devices: BTreeMap<String, [u64; 2]>,
}

/// The counters of a virtual server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerCounters {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were let in.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes inside TLS, from clients and to them.
    pub bytes: [u64; 2],
    /// Refused requests, by whose fault it was; all of [`FAULTS`], from zero.
    pub refused: [u64; 3],
    /// Answers that broke off behind their beginning.
    pub broke: u64,
    /// TLS version, cipher suite and group of open connections, and how many have them.
    pub encryption: Vec<([String; 3], u64)>,
    /// How old the oldest keys among them are.
    pub oldest_keys: Option<Duration>,
    /// How old the key of its session tickets is.
    pub ticket_key: Option<Duration>,
    /// Its HTTP backends, and whether each has its turns.
    pub backends: Vec<(String, bool)>,
}

/// Whose fault a refused request may be, in the order of [`ServerCounters::refused`].
pub const FAULTS: [&str; 3] = ["client", "backend", "gateway"];

impl Counters {
    fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        // One door has some.
        if other.knocks != Knocks::default() {
            self.knocks = other.knocks;
        }
        self.handshakes_begun += other.handshakes_begun;
        self.handshakes_done += other.handshakes_done;
        self.renegotiations += other.renegotiations;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.packets_in += other.packets_in;
        self.packets_out += other.packets_out;
        self.handed_over += other.handed_over;
        self.address_returns += other.address_returns;
        for (cause, count) in other.drops {
            *self.drops.entry(cause).or_default() += count;
        }
        for (reason, count) in other.endings {
            *self.endings.entry(reason).or_default() += count;
        }
        self.drop_sources.extend(other.drop_sources);
        self.virtual_servers.extend(other.virtual_servers);
        for (device, [bytes_in, bytes_out]) in other.devices {
            let sum = self.devices.entry(device).or_default();
            *sum = [sum[0] + bytes_in, sum[1] + bytes_out];
        }
        if self.data_path.is_empty() {
            self.data_path = other.data_path;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Scripted(Counters);

    impl Door for Scripted {
        fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
            Box::pin(async { Vec::new() })
        }

        fn kick<'a>(&'a self, _: &'a KickTarget) -> BoxFuture<'a, Vec<Option<DeviceName>>> {
            let kicked = DeviceName::parse("alice").expect("a name");
            Box::pin(async { vec![Some(kicked)] })
        }

        fn changed(&self) -> BoxFuture<'_, Vec<String>> {
            Box::pin(async { Vec::new() })
        }

        fn put_back(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }

        fn counters(&self) -> BoxFuture<'_, Counters> {
            Box::pin(async { self.0.clone() })
        }
    }

    #[tokio::test]
    async fn two_doors_answer_as_one() {
        let doors = Doors::default();
        assert!(!doors.is_any_open());
        for count in [2, 3] {
            let drops = [("replayed", count)].into();
            let counters = Counters { sessions: count, drops, ..Counters::default() };
            doors.attach(Arc::new(Scripted(counters)));
        }
        let all = doors.counters().await;
        assert_eq!((all.sessions, all.drops["replayed"]), (5, 5));
        assert_eq!(doors.kick(&KickTarget::Session { id: 1 }).await.len(), 2);
    }
}
