//! What a client says first, for whoever needs it once it was looked at: a backend that ends TLS itself, and whoever tells
//! why somebody was refused.
//!
//! It lies beside the handshake instead of in it, so that it is still there when that is given up for its time. Invariant:
//! it is no longer than what [`hello`](crate::hello) gathers, and goes with the moment at which the client is let in.

use clock::Now;

use crate::hello::HANDSHAKE;

/// A client's first message, as far as it came, in the records that it came in: it begins like a ClientHello.
#[derive(Debug)]
pub struct FirstMessage {
    /// When the last of it came.
    pub at: Now,
    /// At most 16 KiB; whatever came along with its end is there as well.
    pub bytes: Vec<u8>,
}

/// What was heard of it so far.
pub(crate) struct Heard {
    is_told: bool,
    pub(crate) at: Now,
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    /// Nothing yet; whether it is told where the client is refused.
    pub(crate) fn nothing(is_told: bool, at: Now) -> Self {
        Self { is_told, at, bytes: Vec::new() }
    }

    /// For whoever ends TLS behind us.
    pub(crate) fn pass_on(&mut self) -> Vec<u8> {
        match self.is_told {
            true => self.bytes.clone(),
            false => std::mem::take(&mut self.bytes),
        }
    }

    /// TLS ends here, where it is read from elsewhere.
    pub(crate) fn was_read(&mut self) {
        match self.is_told {
            true => self.bytes.shrink_to_fit(),
            false => self.forget(),
        }
    }

    /// The client was let in.
    pub(crate) fn forget(&mut self) {
        self.bytes = Vec::new();
    }

    /// For the report of a refusal. What is no TLS may be a password in the clear, and is nothing to anybody.
    pub(crate) fn told(self) -> Option<Box<FirstMessage>> {
        let Self { is_told, at, bytes } = self;
        let is_one = is_told && bytes.first() == Some(&HANDSHAKE);
        is_one.then(|| Box::new(FirstMessage { at, bytes }))
    }
}
