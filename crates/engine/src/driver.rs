//! The drive loop of a session core, which every user of one shares: this crate's server and client
//! tasks, and the load generator.
//!
//! It does what `tunnel::Session` documents and decides nothing: after each thing that the session was
//! told, [`Driver::drain`] sends what waits and passes on what happened; [`Driver::time_left`] says how
//! long to sleep, after which [`Driver::handle_timeout`] is due. Where bytes go, where keys are kept and
//! what an event means is told by [`Surroundings`].
//!
//! Invariant: a key is installed before the session learns that it is, and so before the peer does.

use std::io;
use std::iter;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use clock::Now;
use datapath::{Command, Notice, PeerRef};
use tunnel::{Close, EndReason, Event, Hello, NewKey, NotNow, Seed, Session};
use wire::KeyId;
use wire::push::PushReply;

/// What a session is driven in.
pub trait Surroundings {
    /// Sends control packets that leave together.
    fn send(&mut self, packets: Vec<Vec<u8>>);

    /// Does so with the session's data keys, before anything that is handled after this.
    fn change_keys(&mut self, change: KeyChange);

    /// Something happened. The session is given to ask it or to tell it.
    fn happened(&mut self, what: Happened, session: &mut Session);
}

/// What becomes of a data key.
#[derive(Debug)]
pub enum KeyChange {
    /// Packets under it are opened from here on.
    Install(Box<NewKey>),
    /// Packets are sealed with it from here on.
    SealWith(KeyId),
    /// It is gone.
    Forget(KeyId),
}

impl KeyChange {
    /// The same as a command to the data path about this peer.
    pub fn command(self, peer: PeerRef) -> Command {
        match self {
            KeyChange::Install(key) => {
                let NewKey { key_id, cipher, material, role, fresh } = *key;
                Command::KeyNew { peer, key_id, cipher, material, role, fresh }
            }
            KeyChange::SealWith(key_id) => Command::KeySwap { peer, key_id },
            KeyChange::Forget(key_id) => Command::KeyDel { peer, key_id },
        }
    }
}

/// What a session said besides.
#[derive(Debug)]
pub enum Happened {
    /// As [`Event::Admission`]. On a server alone.
    Admission(Box<Hello>),
    /// As [`Event::Pushed`]. On a client alone.
    Pushed(Box<PushReply>),
    /// As [`Event::Established`].
    Established,
    /// As [`Event::Renegotiated`].
    Renegotiated,
    /// As [`Event::Ended`].
    Ended(EndReason),
}

/// A seed for a session, from the kernel.
///
/// # Errors
/// When it has no randomness.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut bytes = Seed::default();
    let filled = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    if filled < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// A session and how far its life has come. What it is told goes to the session itself.
#[derive(Debug)]
pub struct Driver {
    session: Session,
    ended: bool,
}

impl Driver {
    /// Drives this session from its beginning.
    pub fn new(session: Session) -> Self {
        Self { session, ended: false }
    }

    /// Sends what waits and passes on what happened, until nothing is left.
    pub fn drain(&mut self, around: &mut impl Surroundings, now: impl Fn() -> Now) {
        loop {
            let waiting = iter::from_fn(|| self.session.poll_transmit(now())).collect::<Vec<_>>();
            if !waiting.is_empty() {
                around.send(waiting);
            }
            let Some(event) = self.session.poll_event() else { return };
            let what = match event {
                Event::KeyReady(key) => {
                    let key_id = key.key_id;
                    around.change_keys(KeyChange::Install(key));
                    if let Err(why) = self.session.key_installed(key_id, now()) {
                        tracing::debug!(%why, "a key was installed too late");
                    }
                    continue;
                }
                Event::KeyActive(id) => {
                    around.change_keys(KeyChange::SealWith(id));
                    continue;
                }
                Event::KeyRetired(id) => {
                    around.change_keys(KeyChange::Forget(id));
                    continue;
                }
                Event::Admission(hello) => Happened::Admission(hello),
                Event::Pushed(reply) => Happened::Pushed(reply),
                Event::Established => Happened::Established,
                Event::Renegotiated(_) => Happened::Renegotiated,
                Event::Ended(reason) => Happened::Ended(reason),
            };
            self.ended |= matches!(what, Happened::Ended(_));
            around.happened(what, &mut self.session);
        }
    }

    /// What the data path says that is the session's matter.
    pub fn handle_notice(&mut self, notice: &Notice, now: Now) {
        match *notice {
            Notice::FirstUse { key_id, .. } => self.session.data_seen(key_id, now),
            Notice::KeysNearlyUsedUp { .. } => {
                self.renegotiate(now);
            }
            _ => {}
        }
    }

    /// Has the key renewed; a renewal that is under way is as good.
    pub fn renegotiate(&mut self, now: Now) {
        note(self.session.renegotiate(now));
    }

    /// Ends the session, unless its end has begun.
    pub fn close(&mut self, how: Close, now: Now) {
        note(self.session.close(how, now));
    }

    /// How long until the session's next deadline; `None` once it has ended and nothing is due. Without
    /// a deadline it waits to be told something.
    pub fn time_left(&self, now: Now) -> Option<Duration> {
        match self.session.poll_timeout() {
            Some(deadline) => Some(deadline.at.saturating_sub(now.boot)),
            None if self.ended => None,
            None => Some(IDLE),
        }
    }
}

fn note(done: Result<(), NotNow>) {
    if let Err(why) = done {
        tracing::debug!(%why, "a session was told what it can't do");
    }
}

impl Deref for Driver {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Driver {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

const IDLE: Duration = Duration::from_secs(3600);
