//! The bytes of steps, filled in from a source that still has its frames.
//!
//! What users said in the clear has none here: it may be a password.

use std::collections::BTreeMap;

use super::Step;

/// The most bytes of a step.
const MOST: usize = 64;

/// Which frame has the first bytes of which steps.
pub(crate) struct Wanted(BTreeMap<u32, Vec<usize>>);

impl Wanted {
    pub(crate) fn of(steps: &[Step]) -> Wanted {
        let mut wanted: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| shows_bytes(step)) {
            if let Some(place) = step.basis.first() {
                wanted.entry(place.frame).or_default().push(number);
            }
        }
        Wanted(wanted)
    }

    /// Hands over a frame, of which what is wanted is taken.
    pub(crate) fn take(&self, number: u32, frame: &[u8], steps: &mut [Step]) {
        for step in self.0.get(&number).into_iter().flatten() {
            let Some(step) = steps.get_mut(*step) else { continue };
            let Some(place) = step.basis.first() else { continue };
            let (offset, length) = (place.offset as usize, (place.length as usize).min(MOST));
            let bytes = frame.get(offset..).map(|rest| rest.get(..length).unwrap_or(rest));
            step.bytes = bytes
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| data_encoding::HEXLOWER.encode(bytes));
        }
    }
}

/// Messages of TLS and OpenVPN; not what somebody's program says, which nothing here protects.
fn shows_bytes(step: &Step) -> bool {
    let of_users = ["in_the_clear", "unreadable", "missing", "data_begins"];
    !of_users.contains(&step.entry.as_str())
        && (step.key.is_some() || step.entry != "application_data")
}
