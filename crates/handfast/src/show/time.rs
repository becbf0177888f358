//! Moments, distances and amounts in words.

use std::time::Duration;

use clock::Timestamp;

/// `2027-11-22 (in 364 days)`.
pub(crate) fn day(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", at.date(), distance(at, now))
}

/// `2026-11-22 02:26:31 (3 hours ago)`, in UTC.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", at.to_seconds(), distance(at, now))
}

/// `in 364 days`, `3 hours ago`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", length(at.since(now)))
    } else {
        format!("{} ago", length(now.since(at)))
    }
}

/// The length in its largest sensible unit.
pub(crate) fn length(length: Duration) -> String {
    let secs = length.as_secs();
    let (number, unit) = match secs {
        0..=119 => (secs, "second"),
        120..=7_199 => (secs / 60, "minute"),
        7_200..=172_799 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// `1.5 MB`, by thousands.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_use_the_largest_sensible_unit() {
        let now = Timestamp::from_unix_secs(10_000_000);
        let at = |secs: i64| {
            let by = Duration::from_secs(secs.unsigned_abs());
            distance(if secs < 0 { now.before(by) } else { now.after(by) }, now)
        };
        assert_eq!(at(1), "in 1 second");
        assert_eq!(at(-119), "119 seconds ago");
        assert_eq!(at(7_200), "in 2 hours");
        assert_eq!(at(86_400 * 365), "in 365 days");
    }

    #[test]
    fn amounts_are_counted_by_thousands() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(bytes(u64::MAX), "18446.7 PB");
    }
}
