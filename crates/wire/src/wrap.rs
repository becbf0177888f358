//! How control packets of a session are wrapped: not at all, or by tls-auth.
//!
//! One type with the same two verbs for each, so that a further wrapping with one key for all changes no
//! caller. What it opened leaves as an [`Unwrapped`], which nothing else makes: who holds one need not
//! verify again.

use std::error::Error;
use std::fmt;

use crate::control::{ControlError, ControlPacket};
use crate::header::split_first_byte;
use crate::replay::ReplayStamp;
use crate::tls_auth::{Suspect, TlsAuth, TlsAuthError};

/// Largest control datagram that is looked at. Stock peers stay below 1250.
const MAX_DATAGRAM: usize = 2048;

/// A control packet whose wrapping was verified. Its stamp may still be a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    stamp: Option<ReplayStamp>,
    packet: ControlPacket,
}

impl Unwrapped {
    fn verified(stamp: Option<ReplayStamp>, packet: ControlPacket) -> Self {
        Self { stamp, packet }
    }

    /// The stamp, which still has to pass a [`crate::tls_auth::ControlReplay`]; a plain packet has none.
    pub fn stamp(&self) -> Option<ReplayStamp> {
        self.stamp
    }

    /// The packet.
    pub fn packet(&self) -> &ControlPacket {
        &self.packet
    }

    /// Both.
    pub fn into_parts(self) -> (Option<ReplayStamp>, ControlPacket) {
        (self.stamp, self.packet)
    }
}

/// A wrapping of the control channel.
#[derive(Debug)]
pub enum ControlWrap {
    /// None: anybody may start a handshake.
    Plain,
    /// An HMAC with a shared key.
    TlsAuth(Box<TlsAuth>),
}

impl ControlWrap {
    /// Wraps a packet. A plain one has no use for the stamp.
    pub fn seal(&self, stamp: ReplayStamp, packet: &ControlPacket) -> Vec<u8> {
        match self {
            Self::Plain => packet.encode(),
            Self::TlsAuth(auth) => auth.seal(stamp, packet),
        }
    }

    /// Verifies and unwraps a packet.
    pub fn open(&self, datagram: &[u8]) -> Result<Unwrapped, WrapError> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(ControlError::TooLong(datagram.len()).into());
        }
        match self {
            Self::TlsAuth(auth) => {
                let (stamp, packet) = auth.open(datagram)?;
                Ok(Unwrapped::verified(Some(stamp), packet))
            }
            Self::Plain => match split_first_byte(datagram) {
                Some((opcode, _)) if opcode.carries_wrapped_key() => {
                    Err(ControlError::NeedsWrappedKey(opcode).into())
                }
                _ => Ok(Unwrapped::verified(None, ControlPacket::parse(datagram)?)),
            },
        }
    }

    /// What is likely wrong with a packet that [`Self::open`] called forged. Not cheap.
    pub fn diagnose(&self, datagram: &[u8]) -> Option<Suspect> {
        match self {
            Self::Plain => None,
            Self::TlsAuth(auth) => Some(auth.diagnose(datagram)),
        }
    }

    /// Bytes that the wrapping adds to a packet.
    pub fn overhead(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::TlsAuth(auth) => auth.overhead(),
        }
    }

    /// Bytes of a control datagram with `acks` acknowledgements and an empty payload, without IP and UDP.
    pub fn packet_overhead(&self, acks: usize) -> usize {
        crate::control::HEADER_LEN + self.overhead() + crate::control::body_overhead(acks)
    }
}

/// A datagram did not pass the wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapError {
    /// tls-auth refused it.
    TlsAuth(TlsAuthError),
    /// The peer misbehaved: the packet inside is wrong.
    Packet(ControlError),
}

impl WrapError {
    /// True if the sender didn't prove that it has our key.
    pub fn is_forged(&self) -> bool {
        matches!(self, Self::TlsAuth(TlsAuthError::TooShort | TlsAuthError::Forged))
    }
}

impl From<TlsAuthError> for WrapError {
    fn from(error: TlsAuthError) -> Self {
        match error {
            TlsAuthError::Packet(error) => Self::Packet(error),
            error => Self::TlsAuth(error),
        }
    }
}

impl From<ControlError> for WrapError {
    fn from(error: ControlError) -> Self {
        Self::Packet(error)
    }
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsAuth(error) => error.fmt(f),
            Self::Packet(error) => error.fmt(f),
        }
    }
}

impl Error for WrapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TlsAuth(error) => Some(error),
            Self::Packet(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{KeyId, MessageId, Opcode, SessionId};
    use crate::static_key::{KeyDirection, StaticKey};
    use crate::tls_auth::AuthDigest;

    #[test]
    fn what_is_too_long_is_not_looked_at() {
        let long = vec![0x20; MAX_DATAGRAM + 1];
        let error = WrapError::Packet(ControlError::TooLong(MAX_DATAGRAM + 1));
        assert_eq!(ControlWrap::Plain.open(&long), Err(error));
    }

    #[test]
    fn every_wrapping_opens_what_it_sealed_and_counts_its_bytes() {
        let key = StaticKey::from_bytes(&[7; 256]);
        let auth = TlsAuth::new(&key, KeyDirection::Bidirectional, AuthDigest::Sha256);
        let session = SessionId::new([1; 8]).unwrap();
        let packet = ControlPacket::message(
            Opcode::CONTROL_V1,
            KeyId::FIRST,
            session,
            MessageId(1),
            vec![22, 3, 3],
        )
        .with_acks([MessageId(0)].into_iter().collect(), session);
        for wrap in [ControlWrap::Plain, ControlWrap::TlsAuth(Box::new(auth))] {
            let sealed = wrap.seal(ReplayStamp::first(5), &packet);
            assert_eq!(sealed.len(), wrap.packet_overhead(1) + 3);
            assert_eq!(wrap.open(&sealed).unwrap().packet(), &packet);
        }
    }
}
