//! The disk under the records: whether it takes them, what waits for it, how much room it has.

use admin::response::Finding;
use store::Waiting;

use super::{bad, good, warning};
use crate::context::Context;
use crate::disk::{Space, held, lack};

/// The disk under the data folder.
pub(super) fn disk(at: &Context) -> Finding {
    let waiting = at.store.waiting().borrow().clone();
    finding(&waiting, Space::under(at.data.path()))
}

fn finding(waiting: &Waiting, space: Option<Space>) -> Finding {
    const SUBJECT: &str = "disk";
    const MAKE_ROOM: &str = "free some room on the data folder's disk";
    if waiting.changes > 0 {
        return bad(
            SUBJECT,
            format!(
                "changes that are in force and not on it: {}, as {}; they are lost if the gateway is \
                 killed",
                waiting.changes,
                held(waiting)
            ),
            "make room on it, or make it writable: they are written within seconds; where it is broken, \
             mend it, restart the gateway and repeat them",
        );
    }
    let Some(space) = space else {
        return warning(SUBJECT, "the system does not say how much room it has", MAKE_ROOM);
    };
    let free = mebibytes(space.free);
    match &waiting.fault {
        _ if space.read_only => {
            bad(SUBJECT, "it is read-only: nothing can be recorded", "make it writable again")
        }
        Some(fault) => {
            bad(SUBJECT, format!("it refused the last change: {}", lack(fault)), MAKE_ROOM)
        }
        None if space.is_low() => {
            warning(SUBJECT, format!("only {free} are free{}", waited(waiting)), MAKE_ROOM)
        }
        None => good(SUBJECT, format!("{free} free{}{}", reserve(waiting), waited(waiting))),
    }
}

fn reserve(waiting: &Waiting) -> String {
    match waiting.reserve {
        0 => String::new(),
        bytes => format!(", {} more are kept for revocations", mebibytes(bytes)),
    }
}

fn waited(waiting: &Waiting) -> String {
    match waiting.written_at {
        None => String::new(),
        Some(at) => {
            let (count, at) = (waiting.written, at.to_seconds());
            format!("; changes that waited for room and were written: {count}, until {at} UTC")
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use admin::response::Level;
    use clock::Timestamp;

    use super::*;

    const ROOMY: Space = Space { free: 1 << 30, read_only: false };

    #[test]
    fn a_disk_is_good_with_room_and_named_when_it_runs_low_or_takes_nothing() {
        let waiting = Waiting { reserve: 1 << 20, ..Waiting::default() };
        let well = finding(&waiting, Some(ROOMY));
        assert_eq!(well.level, Level::Good);
        assert_eq!(well.seen, "1024 MiB free, 1 MiB more are kept for revocations");
        let low = finding(&waiting, Some(Space { free: 3 << 20, ..ROOMY }));
        assert_eq!((low.level, low.seen.as_str()), (Level::Warning, "only 3 MiB are free"));
        let read_only = finding(&waiting, Some(Space { read_only: true, ..ROOMY }));
        assert_eq!(read_only.level, Level::Bad);
    }

    #[test]
    fn what_waits_for_the_disk_is_bad_and_what_waited_is_told_of() {
        let waiting = Waiting { changes: 2, ..Waiting::default() };
        let found = finding(&waiting, Some(ROOMY));
        assert_eq!(found.level, Level::Bad);
        assert!(found.seen.contains("not on it: 2"), "{}", found.seen);
        let waited = Waiting {
            written: 2,
            written_at: Some(Timestamp::from_unix_secs(86_400)),
            ..Waiting::default()
        };
        let found = finding(&waited, Some(ROOMY));
        assert_eq!(found.level, Level::Good);
        assert!(
            found.seen.ends_with("were written: 2, until 1970-01-02 00:00:00 UTC"),
            "{}",
            found.seen
        );
    }
}
