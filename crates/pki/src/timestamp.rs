//! Moments as certificates write them: whole seconds, UTC.
//!
//! Not a clock. A value here was handed in or read from a certificate.

use std::fmt;
use std::time::Duration;

use clock::Now;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Seconds since 1970-01-01T00:00:00Z. Displays as `2026-11-22 02:30:00 UTC`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment this many seconds after 1970-01-01T00:00:00Z, at most the year 9999.
    pub fn from_unix_secs(secs: u64) -> Self {
        Self(secs.min(LAST_SECOND_OF_9999))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix_secs(self) -> u64 {
        self.0
    }

    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::from_unix_secs(self.0.saturating_add(by.as_secs()))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_secs()))
    }

    /// How long after `earlier` this is; nothing if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn from_asn1(time: x509_parser::time::ASN1Time) -> Self {
        Self::from_unix_secs(u64::try_from(time.timestamp()).unwrap_or(0))
    }

    pub(crate) fn to_date_time(self) -> OffsetDateTime {
        i64::try_from(self.0)
            .ok()
            .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<Now> for Timestamp {
    fn from(now: Now) -> Self {
        Self::from_unix_secs(now.unix_secs())
    }
}

impl From<UnixTime> for Timestamp {
    fn from(time: UnixTime) -> Self {
        Self::from_unix_secs(time.as_secs())
    }
}

impl From<Timestamp> for UnixTime {
    fn from(time: Timestamp) -> Self {
        UnixTime::since_unix_epoch(Duration::from_secs(time.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.to_date_time();
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }
}

/// The last moment that GeneralizedTime can write; RFC 5280 section 4.1.2.5.
const LAST_SECOND_OF_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_a_date() {
        assert_eq!(Timestamp::from_unix_secs(1_700_000_000).to_string(), "2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn moments_never_leave_what_a_certificate_can_write() {
        let last = Timestamp::from_unix_secs(u64::MAX);
        assert_eq!(last.to_string(), "9999-12-31 23:59:59 UTC");
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(Timestamp::default().before(Duration::from_secs(1)).unix_secs(), 0);
    }
}
