//! Which packet ids were seen: a sliding window of bits (RFC 6479).
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::Dice;

    #[test]
    fn ids_are_taken_once_in_any_order_within_the_window() {
        let mut window = ReplayWindow::new();
        assert_eq!(window.accept(5), Ok(true));
        assert_eq!(window.accept(3), Ok(false));
        assert_eq!(window.accept(5), Err(Replayed::Seen));
        assert_eq!(window.accept(3), Err(Replayed::Seen));
        assert_eq!(window.accept(4), Ok(false));
        assert_eq!(window.highest(), 5);
    }

    #[test]
    fn zero_is_never_taken() {
        assert_eq!(ReplayWindow::new().accept(0), Err(Replayed::Zero));
    }

    #[test]
    fn the_window_is_at_least_2048_ids_long() {
        let mut window = ReplayWindow::new();
        assert_eq!(window.accept(10_000), Ok(true));
        assert_eq!(window.accept(10_000 - 2047), Ok(false));
        assert_eq!(window.accept(10_000 - 2048), Err(Replayed::TooOld));
    }

    #[test]
    fn a_jump_over_the_whole_window_forgets_it() {
        let mut window = ReplayWindow::new();
        (1..=3000).for_each(|id| assert_eq!(window.accept(id), Ok(true)));
        assert_eq!(window.accept(u32::MAX), Ok(true));
        assert_eq!(window.accept(3000), Err(Replayed::TooOld));
        assert_eq!(window.accept(u32::MAX - 2047), Ok(false));
        assert_eq!(window.accept(u32::MAX), Err(Replayed::Seen));
    }

    #[test]
    fn a_window_judges_like_a_set_that_remembers_everything() {
        for seed in 0..200 {
            println!("seed {seed}");
            let mut dice = Dice::new(seed);
            let mut window = ReplayWindow::new();
            let mut model = Model::default();
            let mut centre = if seed % 4 == 0 { u32::MAX - 20_000 } else { 1 };
            for _ in 0..2000 {
                let id = dice.near(centre);
                assert_eq!(window.check(id), model.check(id), "id {id}");
                assert_eq!(window.accept(id), model.accept(id), "id {id}");
                centre = centre.saturating_add(dice.below(8));
                if dice.below(300) == 0 {
                    centre = centre.saturating_add(dice.below(6000));
                }
            }
        }
    }

    #[derive(Default)]
    struct Model(BTreeSet<u32>);

    impl Model {
        fn highest(&self) -> u32 {
            self.0.last().copied().unwrap_or(0)
        }

        fn check(&self, id: u32) -> Result<(), Replayed> {
            match id {
                0 => Err(Replayed::Zero),
                id if u64::from(id) + 2048 <= u64::from(self.highest()) => Err(Replayed::TooOld),
                id if self.0.contains(&id) => Err(Replayed::Seen),
                _ => Ok(()),
            }
        }

        fn accept(&mut self, id: u32) -> Result<bool, Replayed> {
            self.check(id)?;
            let newest = id > self.highest();
            self.0.insert(id);
            Ok(newest)
        }
    }

    impl Dice {
        /// Mostly close by, sometimes far below or above.
        fn near(&mut self, centre: u32) -> u32 {
            let reach = [4, 70, 2100, 5000][self.below(4) as usize];
            let offset = self.below(reach);
            if self.below(2) == 0 {
                centre.saturating_sub(offset)
            } else {
                centre.saturating_add(offset)
            }
        }
    }
}
