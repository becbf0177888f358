//! One key generation: a TLS connection over a reliability state of its own, and the texts that wait
//! for it.
//!
//! A session has one current generation. An older one lives on as data keys alone ([`crate::keys`]).
//! How far its handshake is, is the session's to know: here is only what carries it.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use wire::KeyId;
use wire::message::encode_text;
use zeroize::Zeroizing;

use crate::end::{EndReason, Progress};
use crate::reliable::Reliable;
use crate::tls::Tls;

/// What carries one handshake and the texts after it.
pub(crate) struct Generation {
    pub(crate) key_id: KeyId,
    pub(crate) reliable: Reliable,
    pub(crate) tls: Tls,
    pub(crate) started: Duration,
    /// When what is unfinished has taken too long.
    pub(crate) deadline: Option<Duration>,
    texts: Texts,
}

/// Texts for the peer, who reads them once both key messages are over and ours is acknowledged.
enum Texts {
    Held(VecDeque<Zeroizing<Vec<u8>>>),
    Open,
}

impl Generation {
    pub(crate) fn new(
        key_id: KeyId,
        reliable: Reliable,
        tls: Tls,
        started: Duration,
        window: Duration,
    ) -> Self {
        let (deadline, texts) = (Some(started + window), Texts::Held(VecDeque::new()));
        Self { key_id, reliable, tls, started, deadline, texts }
    }

    /// True if the peer may go on with TLS in place of a reset: version 3 answers a soft reset so, also
    /// where ours was the answer to one that the peer never sent.
    pub(crate) fn may_open_with_tls(&self) -> bool {
        self.key_id != KeyId::FIRST
    }

    /// What came on the TLS stream is not TLS of the peer. Begins it anew if nothing of ours has left,
    /// so that the peer notices nothing; else there is no way back.
    pub(crate) fn begin_tls_anew(&mut self, tls: impl FnOnce() -> Tls) -> bool {
        let rewound = self.reliable.rewind();
        if rewound {
            self.tls = tls();
        }
        rewound
    }

    /// Its TLS connection is lost: nothing more is read from it, and what it had to say is not repeated.
    pub(crate) fn break_off(&mut self) {
        self.deadline = None;
        self.reliable.abandon();
        self.texts = Texts::Held(VecDeque::new());
    }

    /// Moves TLS bytes to the send window, once both resets have arrived.
    pub(crate) fn flush_tls(&mut self) {
        if self.reliable.reset_acknowledged() {
            let bytes = self.tls.take_output();
            if !bytes.is_empty() {
                self.reliable.settle();
            }
            self.reliable.write(&bytes);
        }
    }

    /// Says a text as soon as the peer reads it.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), EndReason> {
        match &mut self.texts {
            Texts::Held(waiting) => waiting.push_back(Zeroizing::new(encode_text(text))),
            Texts::Open => self.say_at_once(text)?,
        }
        Ok(())
    }

    /// Says this text instead of all that wait.
    pub(crate) fn say_last(&mut self, text: &str) -> Result<(), EndReason> {
        if let Texts::Held(waiting) = &mut self.texts {
            waiting.clear();
        }
        self.say(text)
    }

    /// Says a text to a peer that is known to read it, or that is not waited for.
    pub(crate) fn say_at_once(&mut self, text: &str) -> Result<(), EndReason> {
        self.say_bytes(&Zeroizing::new(encode_text(text)))
    }

    /// Each leaves TLS before the next one goes in, which has room for a few dozen only.
    fn say_bytes(&mut self, text: &[u8]) -> Result<(), EndReason> {
        self.tls.send_message(text)?;
        self.flush_tls();
        Ok(())
    }

    /// Both key messages are over: lets texts go if ours is acknowledged, and says whether it was so
    /// just now.
    pub(crate) fn open_texts(&mut self) -> Result<bool, EndReason> {
        if !self.reliable.all_acknowledged() {
            return Ok(false);
        }
        match mem::replace(&mut self.texts, Texts::Open) {
            Texts::Open => Ok(false),
            Texts::Held(waiting) => {
                waiting.iter().try_for_each(|text| self.say_bytes(text))?;
                Ok(true)
            }
        }
    }

    pub(crate) fn texts_are_open(&self) -> bool {
        matches!(self.texts, Texts::Open)
    }

    /// The peer has all that we said.
    pub(crate) fn is_heard(&self) -> bool {
        self.texts_are_open() && self.reliable.all_acknowledged()
    }

    /// How far TLS came, for a handshake that waits for nothing else.
    pub(crate) fn progress(&self) -> Progress {
        match self.reliable.reset_acknowledged() {
            true => self.tls.progress(),
            false => Progress::ResetUnanswered,
        }
    }
}
