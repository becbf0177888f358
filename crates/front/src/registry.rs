//! Who is connected: registered after the handshake, looked at again at every change, gone when the connection is.
//!
//! No task, no socket, no clock: closing is a word sent down a channel that the connection listens to. Invariant: a
//! connection is registered before it is looked at for the last time, so that no change comes between look and sweep.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use names::{DeviceName, UserName};
use pki::{CertificateId, Refusal};
use tokio::sync::oneshot;

use crate::holder::Holder;
use crate::sums::Sums;
use crate::traffic::Traffic;

/// A connection that was let in.
#[derive(Debug)]
pub struct Info {
    /// Its number, for [`Kick::Number`].
    pub number: u64,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The address of ours that it came to.
    pub local: SocketAddr,
    /// The virtual server's first name.
    pub server: String,
    /// Where its bytes go.
    pub backend: String,
    /// Whose certificate it showed, and which.
    pub client: Option<(Holder, CertificateId)>,
    /// The certificate of ours that it was shown, now or when its session began.
    pub own: Option<CertificateId>,
    /// How it is encrypted.
    pub secured: Secured,
    /// When it was let in, since the machine booted.
    pub since: Duration,
    /// When the client's certificate ends.
    pub until: Option<Timestamp>,
    /// What it carried.
    pub traffic: Arc<Traffic>,
}

/// How a connection is encrypted. Nothing is known of one whose TLS ends elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secured {
    /// The TLS version: `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite.
    pub cipher: String,
    /// The group of the key exchange.
    pub group: String,
    /// The protocol inside.
    pub alpn: Option<String>,
    /// Whether it goes on with a session of before.
    pub resumed: bool,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides were done.
    Finished,
    /// One side broke it.
    Broken,
    /// Nothing went either way for too long.
    Idle,
    /// It was open for as long as a connection may be.
    TooOld,
    /// The client's right ended.
    Withdrawn(Refusal),
    /// The certificate of ours that the client was shown does not hold any longer.
    OwnWithdrawn(Refusal),
    /// An operator closed it.
    Kicked,
}

/// Whom to close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kick {
    /// All connections of a user.
    User(UserName),
    /// All connections of a device.
    Device(UserName, DeviceName),
    /// One.
    Number(u64),
    /// All connections to a virtual server, by its first name.
    Server(String),
}

/// All that are open.
#[derive(Debug)]
pub(crate) struct Registry {
    next: u64,
    open: BTreeMap<u64, Entry>,
    /// What those carried that are gone.
    gone: Sums,
}

#[derive(Debug)]
struct Entry {
    info: Arc<Info>,
    /// Taken when it was told to close.
    close: Option<oneshot::Sender<Ended>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { next: FIRST, open: BTreeMap::new(), gone: Sums::default() }
    }
}

impl Registry {
    /// Registers the connection that `info` makes of its number; what comes out of the receiver closes it.
    pub(crate) fn register(
        &mut self,
        info: impl FnOnce(u64) -> Info,
    ) -> (Arc<Info>, oneshot::Receiver<Ended>) {
        let (close, closing) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let info = Arc::new(info(number));
        self.open.insert(number, Entry { info: Arc::clone(&info), close: Some(close) });
        (info, closing)
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(entry) = self.open.remove(&number) {
            entry.info.add_to(&mut self.gone);
        }
    }

    /// What all carried so far.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = self.gone.clone();
        self.open.values().for_each(|entry| entry.info.add_to(&mut sums));
        sums
    }

    /// Whether it is there still.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    /// Who is connected, in the order of their numbers.
    pub(crate) fn infos(&self) -> Vec<Arc<Info>> {
        self.open.values().map(|entry| Arc::clone(&entry.info)).collect()
    }

    /// Tells those to close whose right has ended by `recheck`.
    pub(crate) fn sweep(
        &mut self,
        recheck: impl Fn(&CertificateId) -> Result<(), Refusal>,
    ) -> Vec<Arc<Info>> {
        self.close(|info| info.right(&recheck).err())
    }

    /// Tells those to close whose certificate has ended by now, whatever their own timers say: the clock may have been
    /// set.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Arc<Info>> {
        let over = |at: &Timestamp| *at < now;
        self.close(|info| {
            info.until.filter(over).map(|at| Ended::Withdrawn(Refusal::Expired { at }))
        })
    }

    /// Tells those to close who are meant.
    pub(crate) fn kick(&mut self, whom: &Kick) -> Vec<Arc<Info>> {
        self.close(|info| whom.means(info).then_some(Ended::Kicked))
    }

    fn close(&mut self, why: impl Fn(&Info) -> Option<Ended>) -> Vec<Arc<Info>> {
        let mut closed = Vec::new();
        for entry in self.open.values_mut() {
            let Some(why) = why(&entry.info) else { continue };
            // One that was told before is waited for all the same.
            if let Some(close) = entry.close.take() {
                let _ = close.send(why);
            }
            closed.push(Arc::clone(&entry.info));
        }
        closed
    }
}

impl Info {
    fn add_to(&self, sums: &mut Sums) {
        sums.add(&self.server, self.client.as_ref().map(|(holder, _)| holder), &self.traffic);
    }

    /// Whether it may stay.
    pub(crate) fn right(
        &self,
        recheck: impl Fn(&CertificateId) -> Result<(), Refusal>,
    ) -> Result<(), Ended> {
        if let Some((_, id)) = &self.client {
            recheck(id).map_err(Ended::Withdrawn)?;
        }
        if let Some(id) = &self.own {
            recheck(id).map_err(Ended::OwnWithdrawn)?;
        }
        Ok(())
    }
}

impl Kick {
    fn means(&self, info: &Info) -> bool {
        let holder = info.client.as_ref().map(|(holder, _)| holder);
        match self {
            Self::Number(number) => info.number == *number,
            Self::Server(name) => info.server == *name,
            Self::User(user) => holder.is_some_and(|holder| holder.user == *user),
            Self::Device(user, device) => {
                holder.is_some_and(|holder| holder.user == *user && holder.device == *device)
            }
        }
    }
}

impl Ended {
    /// A stable name for metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Broken => "connection_broke",
            Self::Idle => "idle",
            Self::TooOld => "too_old",
            Self::Withdrawn(refusal) => refusal.code(),
            Self::OwnWithdrawn(_) => "own_certificate_withdrawn",
            Self::Kicked => "kicked",
        }
    }

    /// Whether the client is to get nothing of what was on its way.
    pub(crate) fn is_abrupt(&self) -> bool {
        matches!(self, Self::Withdrawn(_) | Self::OwnWithdrawn(_) | Self::Kicked)
    }
}

/// Numbers of doors are told from each other by where they begin: a kick by number goes to all of them.
const FIRST: u64 = 1_000_000_001;

#[cfg(test)]
mod tests {
    use pki::{IssuerId, Serial};

    use super::*;

    #[test]
    fn a_sweep_closes_whose_right_has_ended_and_nobody_else() {
        let mut registry = Registry::default();
        let (alice, mut first) = registry.register(|number| info(number, "alice", Some(id(1))));
        let (_, mut second) = registry.register(|number| info(number, "bob", Some(id(2))));
        let revoked = |wanted: &CertificateId| match *wanted == id(1) {
            true => Err(Refusal::Revoked { revocation: None }),
            false => Ok(()),
        };
        let closed = registry.sweep(revoked);
        assert_eq!(closed.iter().map(|info| info.number).collect::<Vec<_>>(), [alice.number]);
        assert_eq!(first.try_recv().map(|why| why.code()), Ok("revoked"));
        assert!(second.try_recv().is_err());
        assert_eq!(registry.sweep(revoked).len(), 1, "it is there until it is gone");
        registry.remove(alice.number);
        assert!(registry.sweep(revoked).is_empty() && !registry.has(alice.number));
    }

    #[test]
    fn what_a_connection_carried_counts_while_it_is_open_and_when_it_is_gone() {
        let mut registry = Registry::default();
        let (alice, _) = registry.register(|number| info(number, "alice", Some(id(1))));
        let (_stranger, _) =
            registry.register(|number| Info { client: None, ..info(number, "nobody", None) });
        alice.traffic.came(7);
        alice.traffic.asked();
        let open = registry.sums();
        registry.remove(alice.number);
        assert_eq!(registry.sums(), open);
        let server = open.servers[&alice.server];
        assert_eq!((server.connections, server.incoming, server.requests), (2, 7, 1));
        let devices: Vec<_> = open.devices.into_values().map(|sum| sum.incoming).collect();
        assert_eq!(devices, [7]);
    }

    #[test]
    fn a_withdrawn_certificate_of_ours_closes_the_connections_that_were_shown_it() {
        let mut registry = Registry::default();
        let (_, mut closing) = registry.register(|number| Info {
            client: None,
            own: Some(id(7)),
            ..info(number, "nobody", None)
        });
        let closed = registry.sweep(|_| Err(Refusal::Revoked { revocation: None }));
        assert_eq!(closed.len(), 1);
        assert_eq!(closing.try_recv().map(|why| why.code()), Ok("own_certificate_withdrawn"));
    }

    #[test]
    fn a_certificate_that_ended_by_a_clock_that_was_set_closes_its_connections() {
        let mut registry = Registry::default();
        let (_, mut closing) = registry.register(|number| info(number, "alice", Some(id(1))));
        assert!(registry.expire(Timestamp::from_unix_secs(100)).is_empty());
        assert_eq!(registry.expire(Timestamp::from_unix_secs(101)).len(), 1);
        assert_eq!(closing.try_recv().map(|why| why.code()), Ok("expired"));
    }

    #[test]
    fn a_kick_means_a_user_a_device_a_number_or_a_server() {
        let mut registry = Registry::default();
        let (alice, _a) = registry.register(|number| info(number, "alice", Some(id(1))));
        let (_bob, _b) = registry.register(|number| info(number, "bob", Some(id(2))));
        let (_, _nobody) = registry.register(|number| info(number, "nobody", None));
        let device = DeviceName::default_device();
        let (user, other) = (UserName::new("alice").unwrap(), DeviceName::new("phone").unwrap());
        let mut count = |whom: Kick| registry.kick(&whom).len();
        assert_eq!(count(Kick::User(user.clone())), 1);
        assert_eq!(count(Kick::Device(user.clone(), device)), 1);
        assert_eq!(count(Kick::Device(user, other)), 0);
        assert_eq!(count(Kick::Number(alice.number)), 1);
        assert_eq!(count(Kick::Number(1)), 0);
        assert_eq!(count(Kick::Server("wiki.example.org".to_owned())), 3);
        assert_eq!(count(Kick::Server("example.org".to_owned())), 0);
    }

    fn info(number: u64, user: &str, id: Option<CertificateId>) -> Info {
        let user = UserName::new(user).unwrap();
        let holder = Holder { user, device: DeviceName::default_device() };
        Info {
            number,
            source: "192.0.2.7:4000".parse().unwrap(),
            local: "192.0.2.1:443".parse().unwrap(),
            server: "wiki.example.org".to_owned(),
            backend: "tcp:127.0.0.1:80".to_owned(),
            client: id.map(|id| (holder, id)),
            own: None,
            secured: Secured::default(),
            since: Duration::ZERO,
            until: Some(Timestamp::from_unix_secs(100)),
            traffic: Arc::default(),
        }
    }

    fn id(number: u8) -> CertificateId {
        let serial = Serial::from_bytes(&[number]).unwrap();
        CertificateId { issuer: IssuerId::of_name(b"a CA"), serial }
    }
}
