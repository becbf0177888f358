//! How long something lives, as people write it: a whole number and a unit, `365d`, `12h`, `10m`.
//!
//! A bare number is days, as in files of former releases, whose keys said so. Invariant: it is written with the
//! largest unit in which it is whole, and read back the same.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ValueError;

/// How long something lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    minutes: u32,
}

impl Life {
    /// So many minutes.
    pub const fn minutes(minutes: u32) -> Self {
        Self { minutes }
    }

    /// So many days, as far as they can be told.
    pub const fn days(days: u32) -> Self {
        Self { minutes: days.saturating_mul(DAY) }
    }

    /// As everybody counts time.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.minutes) * 60)
    }
}

impl FromStr for Life {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Life(text.to_owned());
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let (_, minutes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number = &text[..text.len() - unit.len_utf8()];
        // `+7` is a number to the parser and a typing error to everybody else.
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u32>().ok().filter(|_| plain);
        let minutes = number.and_then(|number| number.checked_mul(*minutes)).ok_or_else(wrong)?;
        Ok(Self { minutes })
    }
}

impl Display for Life {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whole = |(_, minutes): &&(char, u32)| self.minutes.is_multiple_of(*minutes);
        let (unit, minutes) = UNITS.iter().find(whole).unwrap_or(&('m', 1));
        write!(f, "{}{unit}", self.minutes / minutes)
    }
}

impl Serialize for Life {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Life;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a number and its unit, like \"90d\", \"12h\" or \"10m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Life, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, days: i64) -> Result<Life, E> {
        let days =
            u32::try_from(days).map_err(|_| E::custom(ValueError::Life(days.to_string())))?;
        Ok(Life::days(days))
    }
}

/// In minutes, the largest first.
const UNITS: [(char, u32); 3] = [('d', DAY), ('h', 60), ('m', 1)];
const DAY: u32 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_written_as_it_was_read() {
        for (text, minutes) in [("365d", 525_600), ("12h", 720), ("10m", 10), ("36h", 2160)] {
            let life: Life = text.parse().expect("a life");
            assert_eq!((life.minutes, life.to_string().as_str()), (minutes, text));
        }
        assert_eq!("48h".parse::<Life>().expect("a life").to_string(), "2d");
    }

    #[test]
    fn a_number_without_a_unit_and_one_that_is_none_are_refused() {
        for bad in ["", "d", "365", "+1d", "-1d", "1.5h", "4294967295d", "10s", "1 d", "7ä"] {
            assert!(bad.parse::<Life>().is_err(), "{bad}");
        }
    }
}
