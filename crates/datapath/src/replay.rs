//! Which packet ids were seen: a sliding window of bits (protocol section 10.6, RFC 6479).
//!
//! The window is longer than stock's 64 because our own sealing and the network in between may
//! reorder whole bursts. Ids never wrap: a key ends before they could.

use std::fmt;

/// The bits of the last [`ReplayWindow::SIZE`] ids and more, as a ring of words.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    highest: u32,
    words: [u64; WORDS],
}

impl ReplayWindow {
    /// An id this far below the highest one, or further, is too old.
    pub const SIZE: u32 = 2048;

    /// A window that has seen nothing.
    pub fn new() -> Self {
        Self { highest: 0, words: [0; WORDS] }
    }

    /// The highest id accepted, 0 for none.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// Whether [`Self::accept`] would take `id`.
    pub fn check(&self, id: u32) -> Result<(), Replayed> {
        if id == 0 {
            return Err(Replayed::Zero);
        }
        if id > self.highest {
            return Ok(());
        }
        if self.highest - id >= Self::SIZE {
            return Err(Replayed::TooOld);
        }
        if self.words[word(id)] & bit(id) != 0 { Err(Replayed::Seen) } else { Ok(()) }
    }

    /// Takes the id of an authentic packet. True if it is higher than all before.
    pub fn accept(&mut self, id: u32) -> Result<bool, Replayed> {
        self.check(id)?;
        let newest = id > self.highest;
        if newest {
            self.slide_to(id);
        }
        self.words[word(id)] |= bit(id);
        Ok(newest)
    }

    /// Clears the words that the window enters. The ring has one word more than the window needs,
    /// so the word of `id` never holds bits that are still in the window.
    fn slide_to(&mut self, id: u32) {
        let entered = (id / 64 - self.highest / 64).min(WORDS as u32);
        for step in 1..=entered {
            self.words[((self.highest / 64 + step) as usize) % WORDS] = 0;
        }
        self.highest = id;
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// Why an id isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// 0 is no packet id.
    Zero,
    /// It came before.
    Seen,
    /// It is below the window.
    TooOld,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Replayed::Zero => "packet id 0",
            Replayed::Seen => "the packet id was seen before",
            Replayed::TooOld => "the packet id is older than the window",
        })
    }
}

impl std::error::Error for Replayed {}

const WORDS: usize = ReplayWindow::SIZE as usize / 64 + 1;

fn word(id: u32) -> usize {
    (id / 64) as usize % WORDS
}

fn bit(id: u32) -> u64 {
    1 << (id % 64)
}
