//! The steps of a handshake as types: what a role has to say at each of them.
//!
//! A step is consumed by what happens and gives the next one, so that none can be gone through twice and
//! each owns what it needs. What does not belong to a step is an answer that is not awaited, and comes
//! back as such.

use std::time::Duration;

use clock::Now;
use wire::Opcode;
use wire::key_material::Role as TlsRole;
use wire::message::ControlMessage;

use crate::end::{EndReason, Progress};
use crate::event::Negotiated;
use crate::generation::Generation;
use crate::session::core::Core;
use crate::state::SavedSide;
use crate::tls::Tls;

/// A role: its side of a session, and the steps that it goes through.
pub(crate) trait Role: Sized {
    const TLS: TlsRole;
    /// The hard reset that the peer begins with or answers by.
    const PEERS_RESET: Opcode;
    type Opening: Opening<Side = Self, Parting = Self::Parting>;
    type Renewing: Handshake<Side = Self, Parting = Self::Parting, Outcome = ()>;
    type Parting: Exchange<Side = Self, Parting = Self::Parting>;

    /// TLS for another generation.
    fn tls(&self) -> Tls;
    fn opening() -> Self::Opening;
    fn renewing(negotiated: Negotiated) -> Self::Renewing;
    /// A message between handshakes.
    fn take_texts(&mut self, message: &[u8], core: &mut Core) -> Result<(), EndReason>;
    /// What there is to say once both sides are through: nothing more is negotiated.
    fn exchanged() -> Self::Parting;
    /// Boot time at which the peer's certificate runs out, by the clock as it is.
    fn certificate_ends(&self, _: Now) -> Option<Duration> {
        None
    }

    /// What a saved session needs of this side.
    fn save(&self) -> SavedSide;
}

/// The exchange of key messages, on which every text waits.
pub(crate) trait Exchange: Sized {
    type Side;
    /// What is left of it when the session says goodbye.
    type Parting;

    /// TLS has taken more bytes.
    fn tls_moved(self, _: &mut Self::Side, _: &mut Core) -> Result<Self, Stop<Self::Parting>> {
        Ok(self)
    }

    /// A message of the peer inside TLS.
    fn message(
        self,
        message: &[u8],
        side: &mut Self::Side,
        core: &mut Core,
    ) -> Result<Self, Stop<Self::Parting>>;

    /// Both key messages are over.
    fn is_exchanged(&self) -> bool;
}

/// A handshake, the first one or a later one.
pub(crate) trait Handshake: Exchange {
    /// What it gives when it is done.
    type Outcome;

    /// Nothing is sent for a moment, acknowledgements included: with the next packet the peer may begin
    /// to use the key.
    fn is_held(&self) -> bool;

    /// Whoever went through TLS need not be the peer that the session was begun with: nothing that they do may end it.
    fn is_unproved(&self) -> bool {
        false
    }

    /// Texts may leave from here on.
    fn texts_opened(&mut self, _: &mut Core) {}

    /// Says what waited for open texts.
    fn say_texts(self, _: &mut Self::Side, _: &mut Core) -> Result<Self, Stop<Self::Parting>> {
        Ok(self)
    }

    /// The data plane opens with the key.
    fn installed(
        self,
        side: &mut Self::Side,
        core: &mut Core,
    ) -> Result<Next<Self>, Unanswered<Self>>;

    /// The peer has all that we said.
    fn heard(self) -> Next<Self>;

    /// Gives up, so far that the peer can read a last text.
    fn part(self, side: &mut Self::Side, core: &mut Core) -> Result<Self::Parting, EndReason>;

    fn progress(&self, generation: &Generation) -> Progress;
}

/// The first handshake, which agrees on how packets are sealed.
pub(crate) trait Opening: Handshake<Outcome = Negotiated> {
    /// What was agreed on, as soon as it is.
    fn negotiated(&self) -> Option<Negotiated>;

    /// The same, if the peer has all it needs or gives up by itself.
    fn is_pushed(&self) -> bool;

    /// When the peer is to be asked once more for what is missing.
    fn asks_again_at(&self) -> Option<Duration> {
        None
    }

    /// Asks once more.
    fn ask_again(self, _: &mut Core) -> Result<Self, Stop<Self::Parting>> {
        Ok(self)
    }
}

/// Where a handshake goes.
pub(crate) enum Next<H: Handshake> {
    Unfinished(H),
    Finished(H::Outcome),
}

/// Why a step has no next one.
pub(crate) enum Stop<P> {
    /// The session is over.
    End(EndReason),
    /// It says goodbye.
    Part(Box<Goodbye<P>>),
    /// Somebody else has come as far as this in the peer's name.
    NotThePeer,
}

/// A last text, what it waits for, and why it is the last.
pub(crate) struct Goodbye<P> {
    pub(crate) parting: P,
    pub(crate) text: ControlMessage,
    pub(crate) reason: EndReason,
}

impl<P> From<EndReason> for Stop<P> {
    fn from(reason: EndReason) -> Self {
        Stop::End(reason)
    }
}

/// Why an answer of the driver led to no next step.
pub(crate) enum Unanswered<H: Exchange> {
    /// This step awaits another one, and stays.
    NotAwaited(H),
    Stopped(Stop<H::Parting>),
}

impl<H: Exchange> From<EndReason> for Unanswered<H> {
    fn from(reason: EndReason) -> Self {
        Unanswered::Stopped(Stop::End(reason))
    }
}
