//! What one side of one protocol is to the machine that drives it.

use std::fmt::Debug;

use crate::fault::Fault;

/// One side of a protocol, up to the beginning of TLS.
pub(crate) trait Dialogue: Debug + Send {
    /// What is said before anything is heard.
    fn first(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Where the first line or message of `octets` ends, once it is whole. Always at least one octet.
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault>;

    /// Hears a line or a message.
    fn hear(&mut self, frame: &[u8]) -> Turn;

    /// Whom the client asked for, where the protocol says that before TLS.
    fn asked(&self) -> Option<&str> {
        None
    }

    /// The client's own request for TLS, where the backend has to get the same.
    fn request(&self) -> &[u8] {
        &[]
    }

    /// The service's greeting, where it is part of what follows.
    fn greeting(&self) -> &[u8] {
        &[]
    }

    /// Whether the peer begins TLS behind its request without waiting for an answer, so that what follows is TLS or
    /// nothing.
    fn is_not_awaited(&self) -> bool {
        false
    }

    /// Whether what comes is TLS already, where the protocol has that on the same port.
    fn is_direct(&self, _first: u8) -> bool {
        false
    }
}

/// What follows from what was heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This is said, and more is awaited.
    Say(Vec<u8>),
    /// This is said, and TLS begins.
    Begin(Vec<u8>),
    /// This is said, and it is over.
    End(Vec<u8>, Fault),
}

impl Turn {
    pub(crate) fn say(text: impl Into<Vec<u8>>) -> Self {
        Self::Say(text.into())
    }

    pub(crate) fn nothing() -> Self {
        Self::Say(Vec::new())
    }

    pub(crate) fn begin(text: impl Into<Vec<u8>>) -> Self {
        Self::Begin(text.into())
    }

    pub(crate) fn end(text: impl Into<Vec<u8>>, why: Fault) -> Self {
        Self::End(text.into(), why)
    }

    pub(crate) fn fail(why: Fault) -> Self {
        Self::End(Vec::new(), why)
    }
}

/// Of one line or message.
pub(crate) const MOST_HEARD: usize = 8 * 1024;
