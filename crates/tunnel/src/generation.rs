//! One key generation: one reliability state, one TLS connection, one pair of key messages.
//!
//! A session has one current generation. An older one lives on as data keys alone ([`crate::keys`]).

use std::time::Duration;

use wire::KeyId;
use wire::key_material::KeyMaterial;
use wire::key_method::{ClientKeySource, ServerKeySource};
use wire::{SessionId, prf};

use crate::end::{EndReason, Progress};
use crate::reliable::Reliable;
use crate::tls::Tls;

/// A handshake and what came of it.
pub(crate) struct Generation {
    pub(crate) key_id: KeyId,
    pub(crate) begun_by: Initiator,
    pub(crate) started: Duration,
    /// When the present step has taken too long.
    pub(crate) deadline: Option<Duration>,
    pub(crate) reliable: Reliable,
    pub(crate) tls: Tls,
    pub(crate) state: HandshakeState,
    pub(crate) sources: Sources,
    pub(crate) key_message_sent: bool,
    pub(crate) key_message_received: bool,
    /// Both key messages went over and ours is acknowledged: text messages may leave.
    pub(crate) active: bool,
}

/// Which side sent the first reset of a generation, as far as this side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initiator {
    Us,
    Peer,
}

/// What a generation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeState {
    /// TLS, then the peer's key message.
    ExpectKeyMessage,
    /// Server: the driver's verdict on the identity. Where our key message still waits as well, nothing
    /// is sent: what follows the verdict brings the acknowledgements.
    ExpectAdmission,
    /// Client: the push.
    ExpectPushReply,
    /// The data plane to open with the key. Nothing is sent, acknowledgements included: with the
    /// next packet the peer may begin to use the key.
    ExpectInstall,
    /// Server: the client to be ready for its push.
    ExpectPushRequest,
    /// Acknowledgements of our last messages.
    ExpectAcks,
    /// Nothing.
    Complete,
    /// The next generation: the TLS connection of this one is of no more use.
    Broken,
    /// The last text to be acknowledged; the session ends.
    Closing,
}

/// Both sides' contributions to the PRF.
pub(crate) struct Sources {
    pub(crate) client: Option<ClientKeySource>,
    pub(crate) server: Option<ServerKeySource>,
}

impl Generation {
    pub(crate) fn new(
        key_id: KeyId,
        begun_by: Initiator,
        reliable: Reliable,
        tls: Tls,
        started: Duration,
        window: Duration,
    ) -> Self {
        Self {
            key_id,
            begun_by,
            started,
            deadline: Some(started + window),
            reliable,
            tls,
            state: HandshakeState::ExpectKeyMessage,
            sources: Sources { client: None, server: None },
            key_message_sent: false,
            key_message_received: false,
            active: false,
        }
    }

    /// Nothing is sent for a moment; each step says why.
    pub(crate) fn is_held(&self) -> bool {
        match self.state {
            HandshakeState::ExpectInstall => true,
            HandshakeState::ExpectAdmission => !self.key_message_sent,
            _ => false,
        }
    }

    pub(crate) fn is_first(&self) -> bool {
        self.key_id == KeyId::FIRST
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state == HandshakeState::Broken
    }

    /// Its TLS connection is lost: nothing more is read from it, and what it had to say is not repeated.
    pub(crate) fn break_off(&mut self, deadline: Duration) {
        self.state = HandshakeState::Broken;
        self.deadline.get_or_insert(deadline);
        self.reliable.abandon();
    }

    /// True if the peer may go on with TLS in place of a reset (section 4.5): version 3 answers our
    /// soft reset so.
    pub(crate) fn may_open_with_tls(&self) -> bool {
        self.begun_by == Initiator::Us && !self.is_first()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == HandshakeState::Complete
    }

    /// Moves TLS bytes to the send window, once both resets have arrived.
    pub(crate) fn flush_tls(&mut self) {
        if self.reliable.reset_acknowledged() {
            let bytes = self.tls.take_output();
            self.reliable.write(&bytes);
        }
    }

    /// Data keys by the exporter, or by the PRF with the ids of the hard reset.
    pub(crate) fn derive(
        &self,
        exporter: bool,
        client: SessionId,
        server: SessionId,
    ) -> Result<KeyMaterial, EndReason> {
        if exporter {
            return self.tls.export();
        }
        let (Some(from_client), Some(from_server)) = (&self.sources.client, &self.sources.server)
        else {
            return Err(EndReason::KeyDerivationFailed);
        };
        prf::expand(from_client, from_server, client, server)
            .map_err(|_| EndReason::KeyDerivationFailed)
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> Progress {
        match self.state {
            HandshakeState::ExpectKeyMessage if !self.reliable.reset_acknowledged() => {
                Progress::ResetUnanswered
            }
            HandshakeState::ExpectKeyMessage => self.tls.progress(),
            HandshakeState::ExpectAdmission => Progress::AwaitingAdmission,
            HandshakeState::ExpectInstall => Progress::AwaitingInstall,
            HandshakeState::ExpectPushReply => Progress::NoPushReply,
            HandshakeState::ExpectPushRequest if self.active => Progress::NoPushRequest,
            HandshakeState::ExpectPushRequest
            | HandshakeState::ExpectAcks
            | HandshakeState::Closing => Progress::Unacknowledged,
            HandshakeState::Complete => Progress::Complete,
            HandshakeState::Broken => Progress::StreamBroken,
        }
    }
}
