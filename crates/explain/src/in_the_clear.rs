//! What is said before TLS begins in the middle of a connection (STARTTLS).
//!
//! Of a server's words the first line is shown, of a client's the first word: a client that gives a password away in the
//! clear should not have it shown here as well.

use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts};
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::Source;

/// The most that is listened to before TLS begins, and the most that is told of it.
const LONGEST: usize = 64 * 1024;
const MOST_TOLD: usize = 20;

/// What was said so far.
#[derive(Default)]
pub(crate) struct InTheClear {
    size: usize,
    told: usize,
}

impl InTheClear {
    /// True for the first bytes of a client that begins with TLS.
    pub(crate) fn is_over(seen: &Seen<'_>) -> bool {
        seen.from == Side::Client && matches!(seen.bytes, [22, 3, 0..=4, ..])
    }

    /// Takes what one side said; false if this leads to no TLS.
    pub(crate) fn hear(&mut self, seen: &Seen<'_>, facts: &mut Facts) -> bool {
        self.size += seen.bytes.len();
        if self.size > LONGEST {
            return false;
        }
        if self.told < MOST_TOLD {
            self.told += 1;
            facts.push(fact(seen));
        }
        true
    }
}

fn fact(seen: &Seen<'_>) -> Fact {
    let line = seen.bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let shown = match seen.from {
        Side::Server => text.as_ref(),
        Side::Client => text.split(' ').next().unwrap_or_default(),
    };
    Fact {
        at: seen.at,
        from: seen.from,
        kind: Kind::InTheClear,
        fields: vec![Field::text("begins_with", shown)],
        basis: seen.places.clone(),
        key: None,
        handshake: 0,
        source: Source::Seen,
        detail: Detail::None,
    }
}
