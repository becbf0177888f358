//! How long the data keys of a session live, for whoever asks: the deadlines that the session itself goes by.

use std::time::Duration;

use wire::KeyId;
use wire::cipher::Cipher;

use crate::keys::{HeldKey, IN_FLIGHT, Keys};

/// The data keys of a session at one moment. Times are boot times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The keys that are there, the oldest first.
    pub keys: Vec<KeyLife>,
    /// When the next renewal begins from this side, if none is under way.
    pub renews_at: Option<Duration>,
    /// Whether that is another try of one that failed, and not by the key's age.
    pub renews_again: bool,
    /// When the session ends with the certificate that it was admitted with.
    pub certificate_ends: Option<Duration>,
    /// By which age keys are renewed; zero leaves that to the peer.
    pub renegotiate: Duration,
    /// How long one negotiation may take.
    pub hand_window: Duration,
}

/// One data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLife {
    /// The id that packets carry.
    pub key_id: KeyId,
    /// The cipher.
    pub cipher: Cipher,
    /// How many keys the session had before it.
    pub number: u32,
    /// When it was made; unknown of one that was taken over from a saved session.
    pub made: Option<Duration>,
    /// Since when its handshake is over on this side, from which `seals_from` and `renews_at` count; unknown as `made` is.
    pub complete: Option<Duration>,
    /// Since when this side seals with it, or did.
    pub sealed_since: Option<Duration>,
    /// When the peer's first packet under it was opened.
    pub opened_since: Option<Duration>,
    /// This side seals with it.
    pub seals: bool,
    /// When this side begins to seal with it, unless the peer uses it before.
    pub seals_from: Option<Duration>,
    /// When this side seals with it no longer, whatever became of its renewal. Nothing of a key that it has done with, or
    /// whose successor has its moment.
    pub seals_until: Option<Duration>,
    /// When it stops opening at the latest; nothing before a newer generation has begun.
    pub opens_until: Option<Duration>,
    /// How long it opens yet once both sides seal with the key after the next, should that be sooner; nothing where that
    /// has come, and [`opens_until`](Self::opens_until) is by it.
    pub in_flight: Option<Duration>,
}

impl Keys {
    /// Those that are held.
    pub(crate) fn lives(&self) -> Vec<KeyLife> {
        let life = |key: &HeldKey| KeyLife {
            key_id: key.key_id,
            cipher: key.cipher,
            number: key.past.number,
            made: key.past.made,
            complete: key.past.complete,
            sealed_since: key.past.sealed,
            opened_since: key.past.opened,
            seals: self.sealing == Some(key.key_id),
            seals_from: self
                .switch
                .filter(|switch| switch.key_id == key.key_id)
                .map(|switch| switch.at),
            seals_until: key.seals_until.filter(|_| !self.is_done_with(key)),
            opens_until: key.expires,
            in_flight: key.expires.filter(|_| !key.past.superseded).map(|_| IN_FLIGHT),
        };
        self.held.iter().map(life).collect()
    }

    /// Whether this side sealed with it, and does with another or is about to.
    fn is_done_with(&self, key: &HeldKey) -> bool {
        let goes_on = self.sealing == Some(key.key_id) && self.switch.is_none();
        key.past.sealed.is_some() && !goes_on
    }
}
