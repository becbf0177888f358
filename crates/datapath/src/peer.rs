//! One peer: where it is, what it may do, its keys, and its clock marks.
//!
//! Not here: which peer a packet belongs to (`table`), and what becomes of opened packets
//! (`worker`).

use std::time::Duration;

use wire::KeyId;
use wire::data::DataHeader;

use crate::fault::{self, Place};
use crate::keys::{NEARLY_USED_UP, OpenError, OpenKey, Opened, SealError, SealKey};
use crate::moves::Moves;
use crate::notices::Notices;
use crate::pace::Pace;
use crate::{
    DatagramSink, DropCause, Endpoint, Mss, Notice, PeerCounters, PeerRef, PeerSettings, Replayed,
};

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) reference: PeerRef,
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: PeerSettings,
    pub(crate) keys: Keys,
    pub(crate) counters: PeerCounters,
    pub(crate) alive: Alive,
    /// A notice of its last move waits to be polled.
    pub(crate) float_waits: bool,
    pub(crate) moves: Moves,
    /// The limits for SYNs on the path to where it is.
    pub(crate) mss: Mss,
    pub(crate) said_exit: bool,
    pub(crate) pace: Pace,
}

impl Peer {
    pub(crate) fn new(
        reference: PeerRef,
        endpoint: Endpoint,
        settings: PeerSettings,
        boot: Duration,
    ) -> Self {
        let mss = settings.mss.over(&endpoint);
        Self {
            reference,
            endpoint,
            settings,
            keys: Keys::default(),
            counters: PeerCounters::default(),
            alive: Alive { last_rx: boot, last_tx: boot, expired: false, armed: None },
            float_waits: false,
            moves: Moves::default(),
            mss,
            said_exit: false,
            pace: Pace::default(),
        }
    }

    /// Opens a datagram of this peer in place.
    pub(crate) fn open<'b>(
        &mut self,
        header: DataHeader,
        datagram: &'b mut [u8],
        boot: Duration,
        notices: &mut Notices,
    ) -> Result<Opened<'b>, DropCause> {
        let len = datagram.len() as u64;
        let key_id = header.key_id();
        let key = self.keys.by_id(key_id).ok_or(DropCause::UnknownKey)?;
        let opened = key.open.open(header, datagram)?;
        fault::pass(Place::Open, self.reference);
        self.counters.rx_packets += 1;
        self.counters.rx_bytes += len;
        key.warn(key.open.spent(), self.reference, notices);
        if !key.used {
            self.used_first(key_id, boot, notices);
        }
        Ok(opened)
    }

    /// Who seals with a key opens with it. The control plane hears of a peer's first packet later than whoever answers
    /// that packet, and the answer must not be dropped till then. Pings wait for the `KeySwap` that follows.
    #[cold]
    fn used_first(&mut self, key_id: KeyId, boot: Duration, notices: &mut Notices) {
        let Some(key) = self.keys.by_id(key_id) else { return };
        key.used = true;
        let is_fresh = key.fresh;
        notices.push(Notice::FirstUse { peer: self.reference, key_id });
        if is_fresh && !self.keys.can_seal() {
            self.seal_with(key_id, boot);
        }
    }

    /// Seals with this key from now on; false if there is none. Idle time counts from the moment that a ping
    /// could leave.
    pub(crate) fn seal_with(&mut self, key_id: KeyId, boot: Duration) -> bool {
        let could_seal = self.keys.can_seal();
        let is_there = self.keys.swap_to(key_id);
        if is_there && !could_seal {
            self.alive.last_tx = boot;
        }
        is_there
    }

    /// Seals a packet for this peer into the sink's room.
    pub(crate) fn seal(
        &mut self,
        plaintext: &[u8],
        boot: Duration,
        to_udp: &mut impl DatagramSink,
        notices: &mut Notices,
    ) -> Result<(), DropCause> {
        let key = self.keys.sealing().ok_or(DropCause::NoSealKey)?;
        let header = self.settings.header.with_key(key.id);
        let len = SealKey::sealed_len(header, plaintext.len());
        let room = to_udp.room(&self.endpoint, len).ok_or(DropCause::SinkFull)?;
        fault::pass(Place::Seal, self.reference);
        key.seal.seal(header, plaintext, room)?;
        to_udp.commit();
        self.counters.tx_packets += 1;
        self.counters.tx_bytes += len as u64;
        self.alive.last_tx = boot;
        if self.settings.paced {
            self.pace.sent(len, boot);
        }
        key.warn(key.seal.spent(), self.reference, notices);
        Ok(())
    }
}

impl From<SealError> for DropCause {
    fn from(why: SealError) -> Self {
        match why {
            SealError::UsedUp => DropCause::KeyUsedUp,
            SealError::WrongLength => DropCause::NotIp,
        }
    }
}

impl From<OpenError> for DropCause {
    fn from(why: OpenError) -> Self {
        match why {
            OpenError::TooShort => DropCause::TooShort,
            OpenError::Replayed(Replayed::Zero) => DropCause::PacketIdZero,
            OpenError::Replayed(Replayed::Seen) => DropCause::Replayed,
            OpenError::Replayed(Replayed::TooOld) => DropCause::TooOld,
            OpenError::Forged => DropCause::Forged,
            OpenError::UsedUp => DropCause::KeyUsedUp,
        }
    }
}

/// When the peer was last heard and spoken to. The packet path writes these marks and leaves the
/// timers alone; a timer that fires looks at them and arms itself anew.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) last_rx: Duration,
    pub(crate) last_tx: Duration,
    pub(crate) expired: bool,
    pub(crate) armed: Option<Duration>,
}

impl Alive {
    /// A sign of life. True if the peer had expired, and its timer has to be armed anew.
    pub(crate) fn heard(&mut self, boot: Duration) -> bool {
        self.last_rx = boot;
        std::mem::replace(&mut self.expired, false)
    }
}

/// One generation of keys.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) seal: SealKey,
    pub(crate) open: OpenKey,
    /// Nothing was sealed with it before it came here.
    fresh: bool,
    used: bool,
    /// The share that was spent at the last warning, or just before the first.
    warned_at: u8,
}

impl Key {
    /// From half on with each further share, since a renegotiation may fail.
    fn warn(&mut self, spent: u8, peer: PeerRef, notices: &mut Notices) {
        if spent > self.warned_at {
            self.warned_at = spent;
            notices.push(Notice::KeysNearlyUsedUp { peer, key_id: self.id });
        }
    }
}

/// The keys of a peer, each in the place of its id: whoever made them says how long one opens, and there is room for as
/// many as there are ids.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    places: [Option<Box<Key>>; IDS],
    sealing: Option<KeyId>,
}

impl Keys {
    /// Whether there is a key of this id. It has to go before another takes the id: the same material
    /// installed twice would count its packet ids, and with them its nonces, from the start again.
    pub(crate) fn has(&self, id: KeyId) -> bool {
        self.places[place(id)].is_some()
    }

    /// Installs a key.
    pub(crate) fn install(&mut self, id: KeyId, seal: SealKey, open: OpenKey, fresh: bool) {
        // The peer can't know a replaced key's successor yet.
        self.sealing = self.sealing.filter(|sealing| *sealing != id);
        let warned_at = NEARLY_USED_UP - 1;
        self.places[place(id)] =
            Some(Box::new(Key { id, seal, open, fresh, used: false, warned_at }));
    }

    /// Seals with `id` from now on; false if there is no such key.
    pub(crate) fn swap_to(&mut self, id: KeyId) -> bool {
        let is_there = self.has(id);
        if is_there {
            self.sealing = Some(id);
        }
        is_there
    }

    /// False if there is no such key.
    pub(crate) fn delete(&mut self, id: KeyId) -> bool {
        self.sealing = self.sealing.filter(|sealing| *sealing != id);
        self.places[place(id)].take().is_some()
    }

    pub(crate) fn can_seal(&self) -> bool {
        self.sealing.is_some()
    }

    pub(crate) fn by_id(&mut self, id: KeyId) -> Option<&mut Key> {
        self.places[place(id)].as_deref_mut()
    }

    pub(crate) fn sealing(&mut self) -> Option<&mut Key> {
        self.by_id(self.sealing?)
    }
}

/// An id has three bits.
const IDS: usize = 8;

fn place(id: KeyId) -> usize {
    usize::from(id.get()) % IDS
}
