//! A moment of wall time, to the millisecond, between 1970 and the year 9999, in UTC.
//!
//! The one type for it: certificates and records tell whole seconds, the event log and administration
//! milliseconds. Not a clock: a value here was handed in or read from something. Invariant: it is never
//! beyond what a certificate can write (RFC 5280 section 4.1.2.5).

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Now;

/// Milliseconds since 1970-01-01T00:00:00Z. Displays as `2026-11-22 02:30:00 UTC`; is written down as
/// RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment this many seconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// The moment this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis < LAST { millis } else { LAST })
    }

    /// What a wall clock reads, to the millisecond.
    pub fn from_wall(wall: Duration) -> Self {
        Self::from_millis(u64::try_from(wall.as_millis()).unwrap_or(LAST))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn unix_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// The second that it is in.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(self.0 / 1000 * 1000)
    }

    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(by)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this is; nothing if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `2026-11-22`.
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.0 / DAY);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `2026-11-22 02:26:31`, for tables.
    pub fn to_seconds(self) -> String {
        let second = self.0 % DAY / 1000;
        format!("{} {:02}:{:02}:{:02}", self.date(), second / 3600, second / 60 % 60, second % 60)
    }

    /// `2026-11-22T02:26:31.007Z`.
    pub fn to_rfc3339(self) -> String {
        // Digit by digit: a listing of ten thousand devices writes thirty thousand of them.
        let ((year, month, day), second) = (civil(self.0 / DAY), self.0 % DAY / 1000);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let (second, milli) = (second % 60, self.0 % 1000);
        let parts = [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (hour, 2, ':'),
            (minute, 2, ':'),
            (second, 2, '.'),
            (milli, 3, 'Z'),
        ];
        let mut text = String::with_capacity(24);
        for (number, digits, after) in parts {
            (0..digits).rev().for_each(|place| text.push(digit(number, place)));
            text.push(after);
        }
        text
    }

    /// What people write: a day, or a day and a time, in UTC. Seconds, `T` and `Z` may be left out.
    pub fn from_words(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('Z');
        let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
        let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
        Self::parse(&format!("{date}T{time}{seconds}Z"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, millis) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = three(date, '-')?;
        let [hour, minute, second] = three(time, ':')?;
        let millis = thousandths(millis)?;
        let sane = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let seconds = hour * 3600 + minute * 60 + second;
        sane.then(|| Self::from_millis(days(year, month, day) * DAY + seconds * 1000 + millis))
    }
}

/// The whole second, as certificates and records have it.
impl From<Now> for Timestamp {
    fn from(now: Now) -> Self {
        Self::from_unix_secs(now.unix_secs())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} UTC", self.to_seconds())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Reads what is written, in its place.
struct Written;

impl Visitor<'_> for Written {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in UTC")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text).ok_or_else(|| E::custom(format!("{text:?} is no time in UTC")))
    }
}

/// Written down as whole seconds since 1970, where a format has them so: `#[serde(with = "unix_secs")]`.
pub mod unix_secs {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    /// As a number.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.unix_secs())
    }

    /// From a number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp::from_unix_secs)
    }

    /// The same, where there may be none.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use super::Timestamp;

        /// As a number, or nothing.
        pub fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            at.map(Timestamp::unix_secs).serialize(serializer)
        }

        /// From a number, or nothing.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            let secs = Option::<u64>::deserialize(deserializer)?;
            Ok(secs.map(Timestamp::from_unix_secs))
        }
    }
}

fn millis(by: Duration) -> u64 {
    u64::try_from(by.as_millis()).unwrap_or(u64::MAX)
}

/// The digit that stands so many places before the last one.
fn digit(number: u64, place: u32) -> char {
    let digit = number / 10_u64.pow(place) % 10;
    char::from(b'0' + u8::try_from(digit).unwrap_or_default())
}

/// Of a second, by the digits behind its point.
fn thousandths(digits: &str) -> Option<u64> {
    let first = digits.get(..digits.len().min(3))?;
    let missing = u32::try_from(3 - first.len()).ok()?;
    let number = if first.is_empty() { 0 } else { first.parse::<u64>().ok()? };
    Some(number * 10_u64.pow(missing))
}

fn three(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.splitn(3, separator).map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// 9999-12-31 23:59:59, the last moment that GeneralizedTime can write.
const LAST: u64 = 253_402_300_799_000;
const DAY: u64 = 86_400_000;

/// Days since 1970 to year, month, day in the Gregorian calendar. Years are counted from March,
/// so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The other way; the year is 1970 or later.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year % 400;
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        let leap = Timestamp::from_millis(1_709_210_096_007);
        assert_eq!(leap.to_rfc3339(), "2024-02-29T12:34:56.007Z");
    }

    #[test]
    fn what_people_write_is_understood() {
        let moment = Some(Timestamp::from_unix_secs(1_709_210_040));
        for text in ["2024-02-29 12:34", "2024-02-29T12:34:00Z", "2024-02-29 12:34:00"] {
            assert_eq!(Timestamp::from_words(text), moment, "{text}");
        }
        let day = Timestamp::from_words("2024-02-29").map(|time| time.to_seconds());
        assert_eq!(day.as_deref(), Some("2024-02-29 00:00:00"));
        assert_eq!(Timestamp::from_words("yesterday"), None);
        assert_eq!(Timestamp::from_words("2024-02-29 25:00"), None);
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1_709_210_096_007, 4_102_444_799_999, 951_782_400_000, LAST] {
            let time = Timestamp::from_millis(millis);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        }
    }

    #[test]
    fn nonsense_is_refused_as_a_time() {
        for text in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "99999999999999999999-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

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
        assert_eq!(Timestamp::from_wall(Duration::MAX), last);
    }

    #[test]
    fn records_have_the_second_that_a_moment_is_in() {
        let moment = Timestamp::from_millis(1_709_210_096_007);
        assert_eq!(moment.whole_second(), Timestamp::from_unix_secs(1_709_210_096));
        let now = Now { boot: Duration::ZERO, wall: Duration::from_millis(1_999) };
        assert_eq!(Timestamp::from(now), Timestamp::from_unix_secs(1));
    }

    #[test]
    fn a_format_may_have_whole_seconds() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Row {
            #[serde(with = "unix_secs")]
            at: Timestamp,
            #[serde(with = "unix_secs::option", default)]
            until: Option<Timestamp>,
        }
        let row = Row { at: Timestamp::from_unix_secs(7), until: None };
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"at":7,"until":null}"#);
        assert_eq!(serde_json::from_str::<Row>(r#"{"at":7}"#).unwrap(), row);
    }
}
