//! One session's use of the control-channel key: a stamp for every packet sent, a window for those
//! received.

use std::sync::Arc;

use clock::Now;
use wire::control::{ControlError, ControlPacket};
use wire::tls_auth::{ControlReplay, ReplayStamp, Replayed, SessionReplay};
use wire::wrap::{ControlWrap, Unwrapped, WrapError};

use crate::dropped::DropReason;

/// The wrapping and both replay counters.
pub(crate) struct Wrapping {
    wrap: Arc<ControlWrap>,
    last_sent: Option<ReplayStamp>,
    replay: SessionReplay,
}

impl Wrapping {
    pub(crate) fn new(wrap: Arc<ControlWrap>) -> Self {
        Self { wrap, last_sent: None, replay: SessionReplay::default() }
    }

    pub(crate) fn restored(
        wrap: Arc<ControlWrap>,
        last_sent: Option<ReplayStamp>,
        replay: SessionReplay,
    ) -> Self {
        Self { wrap, last_sent, replay }
    }

    /// Goes on after the gate: its answer had the first stamp, and what the client sent up to
    /// `accepted` may not come again.
    pub(crate) fn after_gate(
        wrap: Arc<ControlWrap>,
        accepted: Option<ReplayStamp>,
        now: Now,
    ) -> Self {
        let replay = match accepted {
            None => SessionReplay::default(),
            // A captured reset has a lower id than the third packet. Nobody needs it any more, and
            // its replay must not be answered, so all lower ids count as seen.
            Some(ReplayStamp { id, time }) => {
                SessionReplay::after(ControlReplay { time, highest: id, seen: u64::MAX })
            }
        };
        Self { wrap, last_sent: Some(ReplayStamp::first(now.unix_secs())), replay }
    }

    pub(crate) fn seal(&mut self, packet: &ControlPacket, now: Now) -> Vec<u8> {
        let stamp = match self.last_sent {
            None => ReplayStamp::first(now.unix_secs()),
            Some(last) => last.next(),
        };
        self.last_sent = Some(stamp);
        self.wrap.seal(stamp, packet)
    }

    /// Unwraps without noting the stamp, which waits until the sender is known to be the peer.
    pub(crate) fn open(&self, datagram: &[u8]) -> Result<Unwrapped, DropReason> {
        self.wrap.open(datagram).map_err(refused)
    }

    pub(crate) fn check_replay(
        &mut self,
        stamp: Option<ReplayStamp>,
        now: Now,
    ) -> Result<(), DropReason> {
        let Some(stamp) = stamp else { return Ok(()) };
        self.replay.check_and_set(stamp, now.unix_secs()).map_err(|replayed| match replayed {
            Replayed::AheadOfClock => DropReason::AheadOfClock,
            _ => DropReason::Replayed,
        })
    }

    /// Bytes left for TLS in a datagram with a full set of piggybacked acknowledgements. The outer
    /// header is counted as IPv6's, so that a packet fits whichever way it goes.
    pub(crate) fn payload_room(&self, max_datagram: usize, acks: usize) -> usize {
        const IPV6_AND_UDP: usize = 48;
        const AT_LEAST: usize = 16;
        max_datagram.saturating_sub(IPV6_AND_UDP + self.wrap.packet_overhead(acks)).max(AT_LEAST)
    }

    pub(crate) fn wrap(&self) -> Arc<ControlWrap> {
        Arc::clone(&self.wrap)
    }

    pub(crate) fn last_sent(&self) -> Option<ReplayStamp> {
        self.last_sent
    }

    pub(crate) fn replay(&self) -> SessionReplay {
        self.replay
    }
}

/// What a wrapping's error counts as.
pub(crate) fn refused(error: WrapError) -> DropReason {
    match error {
        WrapError::Packet(error) => malformed(error),
        error if error.is_forged() => DropReason::WrongWrapping,
        WrapError::TlsAuth(_) => DropReason::Malformed,
    }
}

fn malformed(error: ControlError) -> DropReason {
    match error {
        ControlError::ZeroSessionId => DropReason::ZeroSession,
        ControlError::KeyMethodOne | ControlError::NeedsWrappedKey(_) => {
            DropReason::UnexpectedOpcode
        }
        ControlError::HardResetKeyId(_) => DropReason::KeyIdOutOfSync,
        _ => DropReason::Malformed,
    }
}
