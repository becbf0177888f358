//! Where a session stands as a whole, and what each thing that happens makes of it.
//!
//! The phases own the steps of [`crate::session::handshake`]: in its first handshake, up (renewing its key
//! or not), saying goodbye, over. Only a session that is up can begin another generation or lose one.

use std::time::Duration;

use crate::end::{EndReason, Progress};
use crate::event::Negotiated;
use crate::generation::Generation;
use crate::session::core::Core;
use crate::session::handshake::{Exchange, Handshake, Next, Opening, Role, Stop, Unanswered};

/// Where a session stands.
pub(crate) enum Phase<R: Role> {
    /// Before its first key is in use.
    Opening(R::Opening),
    Up(Up<R>),
    Closing(Closing<R>),
    Ended,
}

/// In use.
pub(crate) struct Up<R: Role> {
    pub(crate) negotiated: Negotiated,
    pub(crate) renewal: Renewal<R>,
}

/// What becomes of the key.
pub(crate) enum Renewal<R: Role> {
    /// It is renewed at this time, unless by the peer before.
    Rests {
        until: Option<Duration>,
    },
    Runs(R::Renewing),
    /// The current generation's TLS connection is of no more use; another one begins at this time.
    Broken {
        retry_at: Duration,
    },
}

/// Saying goodbye.
///
/// In the middle of a negotiation it goes on with it for a moment, as the peer reads texts in a finished
/// generation only. It admits nobody and installs no key meanwhile.
pub(crate) struct Closing<R: Role> {
    pub(crate) until: Duration,
    pub(crate) reason: EndReason,
    pub(crate) parting: R::Parting,
}

/// What became of an answer of the driver.
pub(crate) enum Answer<R: Role> {
    Taken(Phase<R>),
    /// It belongs to another step; nothing has changed.
    NotAwaited(Phase<R>),
    Stopped(Stop<R::Parting>),
}

type Stepped<R> = Result<Phase<R>, Stop<<R as Role>::Parting>>;

impl<R: Role> Phase<R> {
    /// Up by its first key.
    fn begun(negotiated: Negotiated, core: &mut Core) -> Self {
        let renewal = Renewal::Rests { until: core.draw_renewal() };
        core.finish_opening();
        Phase::Up(Up { negotiated, renewal })
    }

    fn opened(next: Next<R::Opening>, core: &mut Core) -> Self {
        match next {
            Next::Unfinished(handshake) => Phase::Opening(handshake),
            Next::Finished(negotiated) => Self::begun(negotiated, core),
        }
    }

    pub(crate) fn tls_moved(self, side: &mut R, core: &mut Core) -> Stepped<R> {
        Ok(match self {
            Phase::Opening(handshake) => Phase::Opening(handshake.tls_moved(side, core)?),
            Phase::Up(Up { negotiated, renewal: Renewal::Runs(handshake) }) => {
                let renewal = Renewal::Runs(handshake.tls_moved(side, core)?);
                Phase::Up(Up { negotiated, renewal })
            }
            Phase::Closing(Closing { until, reason, parting }) => {
                let parting = parting.tls_moved(side, core)?;
                Phase::Closing(Closing { until, reason, parting })
            }
            other => other,
        })
    }

    pub(crate) fn message(self, message: &[u8], side: &mut R, core: &mut Core) -> Stepped<R> {
        Ok(match self {
            Phase::Opening(handshake) => Phase::Opening(handshake.message(message, side, core)?),
            Phase::Up(Up { negotiated, renewal: Renewal::Runs(handshake) }) => {
                let unproved = handshake.is_unproved();
                let renewal = match handshake.message(message, side, core) {
                    Err(Stop::NotThePeer) => Renewal::Broken { retry_at: core.lose_generation() },
                    Err(Stop::End(_)) if unproved => {
                        Renewal::Broken { retry_at: core.lose_generation() }
                    }
                    stepped => Renewal::Runs(stepped?),
                };
                Phase::Up(Up { negotiated, renewal })
            }
            Phase::Up(up) => {
                side.take_texts(message, core)?;
                Phase::Up(up)
            }
            Phase::Closing(Closing { until, reason, parting }) => {
                let parting = parting.message(message, side, core)?;
                Phase::Closing(Closing { until, reason, parting })
            }
            Phase::Ended => Phase::Ended,
        })
    }

    /// The session goes on whatever becomes of the present TLS connection, which may be somebody else's.
    pub(crate) fn is_unproved(&self) -> bool {
        match self {
            Phase::Up(Up { renewal: Renewal::Runs(handshake), .. }) => handshake.is_unproved(),
            _ => false,
        }
    }

    /// Both key messages are over, so that texts leave once ours is acknowledged.
    pub(crate) fn is_exchanged(&self) -> bool {
        match self {
            Phase::Opening(handshake) => handshake.is_exchanged(),
            Phase::Up(Up { renewal: Renewal::Runs(handshake), .. }) => handshake.is_exchanged(),
            Phase::Closing(closing) => closing.parting.is_exchanged(),
            Phase::Up(_) | Phase::Ended => true,
        }
    }

    pub(crate) fn texts_opened(&mut self, core: &mut Core) {
        if let Phase::Opening(handshake) = self {
            handshake.texts_opened(core);
        }
    }

    pub(crate) fn say_texts(self, side: &mut R, core: &mut Core) -> Stepped<R> {
        Ok(match self {
            Phase::Opening(handshake) => Phase::Opening(handshake.say_texts(side, core)?),
            other => other,
        })
    }

    /// The peer has all that we said.
    pub(crate) fn heard(self, core: &mut Core) -> Self {
        match self {
            Phase::Opening(handshake) => Self::opened(handshake.heard(), core),
            Phase::Up(up) => Phase::Up(up.heard(core)),
            other => other,
        }
    }

    /// A peer that goes on to another key has its push, whatever became of the acknowledgement.
    pub(crate) fn outlived(self, core: &mut Core) -> Self {
        match self {
            Phase::Opening(handshake) => Self::opened(handshake.heard(), core),
            other => other,
        }
    }

    /// The data plane opens with the key.
    pub(crate) fn installed(self, side: &mut R, core: &mut Core) -> Answer<R> {
        match self {
            Phase::Opening(handshake) => match handshake.installed(side, core) {
                Ok(next) => Answer::Taken(Self::opened(next, core)),
                Err(unanswered) => Answer::not_taken(unanswered, Phase::Opening),
            },
            Phase::Up(Up { negotiated, renewal: Renewal::Runs(handshake) }) => {
                let up = |renewal: Renewal<R>| Phase::Up(Up { negotiated, renewal });
                match handshake.installed(side, core) {
                    Ok(next) => Answer::Taken(up(Renewal::after(next, core))),
                    Err(unanswered) => {
                        Answer::not_taken(unanswered, |handshake| up(Renewal::Runs(handshake)))
                    }
                }
            }
            other => Answer::NotAwaited(other),
        }
    }

    /// What a last text has to wait for; nothing where it could not be read any more.
    pub(crate) fn part(
        self,
        side: &mut R,
        core: &mut Core,
    ) -> Result<Option<R::Parting>, EndReason> {
        match self {
            Phase::Opening(handshake) => handshake.part(side, core).map(Some),
            Phase::Up(Up { renewal: Renewal::Runs(handshake), .. }) => {
                handshake.part(side, core).map(Some)
            }
            Phase::Up(Up { renewal: Renewal::Rests { .. }, .. }) => Ok(Some(R::exchanged())),
            Phase::Up(Up { renewal: Renewal::Broken { .. }, .. }) => Ok(None),
            Phase::Closing(_) | Phase::Ended => Ok(None),
        }
    }

    /// Asks the peer once more for what is missing.
    pub(crate) fn ask_again(self, _: &mut R, core: &mut Core) -> Stepped<R> {
        Ok(match self {
            Phase::Opening(handshake) => Phase::Opening(handshake.ask_again(core)?),
            other => other,
        })
    }

    /// False where what comes on the TLS connection is of no more use.
    pub(crate) fn reads(&self) -> bool {
        !matches!(self, Phase::Ended | Phase::Up(Up { renewal: Renewal::Broken { .. }, .. }))
    }

    pub(crate) fn is_held(&self) -> bool {
        match self {
            Phase::Opening(handshake) => handshake.is_held(),
            Phase::Up(Up { renewal: Renewal::Runs(handshake), .. }) => handshake.is_held(),
            _ => false,
        }
    }

    pub(crate) fn progress(&self, generation: &Generation) -> Progress {
        match self {
            Phase::Opening(handshake) => handshake.progress(generation),
            Phase::Up(Up { renewal, .. }) => match renewal {
                Renewal::Rests { .. } => Progress::Complete,
                Renewal::Runs(handshake) => handshake.progress(generation),
                Renewal::Broken { .. } => Progress::StreamBroken,
            },
            Phase::Closing(_) => Progress::Unacknowledged,
            Phase::Ended => Progress::Complete,
        }
    }

    /// Why a session ends in which this has taken too long.
    pub(crate) fn too_long(&self, generation: &Generation) -> EndReason {
        let progress = self.progress(generation);
        match self {
            Phase::Opening(_) => EndReason::HandshakeTimeout(progress),
            Phase::Up(Up { renewal: Renewal::Rests { .. }, .. }) => EndReason::KeyTooOld,
            _ => EndReason::RenegotiationTimeout(progress),
        }
    }

    pub(crate) fn negotiated(&self) -> Option<Negotiated> {
        match self {
            Phase::Opening(handshake) => handshake.negotiated(),
            Phase::Up(up) => Some(up.negotiated),
            Phase::Closing(_) | Phase::Ended => None,
        }
    }

    /// When the peer is to be asked once more.
    pub(crate) fn asks_again_at(&self) -> Option<Duration> {
        match self {
            Phase::Opening(handshake) => handshake.asks_again_at(),
            _ => None,
        }
    }

    /// When the present generation is replaced from this side.
    pub(crate) fn renews_at(&self) -> Option<Duration> {
        match self {
            Phase::Up(Up { renewal: Renewal::Rests { until }, .. }) => *until,
            Phase::Up(Up { renewal: Renewal::Broken { retry_at }, .. }) => Some(*retry_at),
            _ => None,
        }
    }

    /// Whether that is another try of a renewal that broke.
    pub(crate) fn renews_again(&self) -> bool {
        matches!(self, Phase::Up(Up { renewal: Renewal::Broken { .. }, .. }))
    }
}

impl<R: Role> Up<R> {
    fn heard(self, core: &mut Core) -> Self {
        let renewal = match self.renewal {
            Renewal::Runs(handshake) => Renewal::after(handshake.heard(), core),
            other => other,
        };
        Up { renewal, ..self }
    }
}

impl<R: Role> Renewal<R> {
    fn after(next: Next<R::Renewing>, core: &mut Core) -> Self {
        match next {
            Next::Unfinished(handshake) => Renewal::Runs(handshake),
            Next::Finished(()) => {
                let until = core.draw_renewal();
                core.finish_renewal();
                Renewal::Rests { until }
            }
        }
    }

    /// Another generation may begin from this side.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self, Renewal::Runs(_))
    }
}

impl<R: Role> Answer<R> {
    pub(crate) fn not_taken<H: Exchange<Parting = R::Parting>>(
        why: Unanswered<H>,
        stays: impl FnOnce(H) -> Phase<R>,
    ) -> Self {
        match why {
            Unanswered::NotAwaited(handshake) => Answer::NotAwaited(stays(handshake)),
            Unanswered::Stopped(stop) => Answer::Stopped(stop),
        }
    }
}
