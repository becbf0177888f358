//! One direction of a connection: what waits to be read, and the key that it is under.

use super::http::Head;
use super::opening::Opener;
use crate::fact::KeyName;
use crate::key_log::Secret;
use crate::place::{Place, Queue, Side};

/// One direction.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) stream: Queue,
    pub(super) messages: Queue,
    /// What it sends is encrypted, whether that can be opened or not.
    pub(super) sealed: bool,
    pub(super) opener: Option<Opener>,
    pub(super) secret: Option<Secret>,
    pub(super) key: Option<KeyName>,
    pub(super) told: Told,
    /// A part of it was not observed, so that what comes next may begin in the middle of a record.
    pub(super) seeks: bool,
    /// The head of a web server's answer, while it comes.
    pub(super) head: Option<Head>,
}

/// What is said once.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sealed: bool,
    pub(super) broken: bool,
    pub(super) early: bool,
    /// A whole record has come.
    pub(super) heard: bool,
    /// It changed its cipher before any ServerHello was seen.
    pub(super) changed: bool,
    pub(super) finished: bool,
    /// A part of it was not observed, and what came behind that is read.
    pub(super) torn: bool,
    pub(super) data_under: Option<Option<KeyName>>,
}

/// A record or message, with what every fact about it has.
#[derive(Clone, Copy)]
pub(super) struct Met<'a> {
    pub(super) at: u64,
    pub(super) from: Side,
    pub(super) basis: &'a [Place],
    pub(super) key: Option<KeyName>,
}

impl Lane {
    /// Lets go of what waits; nothing of it is read any more.
    pub(super) fn rest(&mut self) {
        self.stream.clear();
        self.messages.clear();
        self.told.broken = true;
    }

    /// Whether what changed its cipher is in a part that was not observed.
    pub(super) fn lacks_its_change(&self) -> bool {
        self.told.torn && !self.sealed
    }

    /// What came out of a record in the clear stands at its place; what was encrypted stands for all of it.
    pub(super) fn take_content(&mut self, content: &[u8], met: Met<'_>, header: usize) {
        match met.basis {
            [place] if met.key.is_none() && place.length as usize == header + content.len() => {
                let (offset, length) = (place.offset + header as u32, content.len() as u32);
                self.messages.push(content, Place { frame: place.frame, offset, length });
            }
            places => self.messages.push_from(content, places),
        }
    }
}
