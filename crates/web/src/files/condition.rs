//! Which part of a file a client needs: none, if it has it; a part; all (RFC 9110 sections 13 and 14).

use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};
use http_range_header::parse_range_header_with_max_ranges;
use rustix::fs::Stat;

use crate::hygiene::tokens;

/// A file as it is: what two answers have in common if they are of the same octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    tag: String,
    modified: SystemTime,
    length: u64,
}

/// What a client needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing: it has this version.
    Has,
    /// All of it.
    Whole,
    /// This part, which is not empty.
    Part(Range<u64>),
    /// A part that is not there.
    NoSuchPart,
    /// Nothing: it wants another version than this one.
    Changed,
}

impl Version {
    pub(super) fn of(stat: &Stat) -> Self {
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0).min(LAST_DATE);
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        let nanos = stat.st_mtime_nsec;
        Self {
            tag: format!("\"{:x}-{length:x}-{seconds:x}-{nanos:x}\"", stat.st_ino),
            modified: UNIX_EPOCH + Duration::from_secs(seconds),
            length,
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn etag(&self) -> HeaderValue {
        HeaderValue::from_str(&self.tag).expect("digits and quotes make a value")
    }

    pub(super) fn last_modified(&self) -> HeaderValue {
        HeaderValue::try_from(httpdate::fmt_http_date(self.modified)).expect("a date makes a value")
    }

    /// In the order of RFC 9110 section 13.2.2. Parts are for GET alone (section 14.2).
    pub(super) fn judge(&self, method: &Method, headers: &HeaderMap) -> Standing {
        if !self.is_wanted(headers) {
            return Standing::Changed;
        }
        if self.is_had(headers) {
            return Standing::Has;
        }
        match headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
            Some(range) if *method == Method::GET && self.may_be_cut(headers) => {
                part(range, self.length)
            }
            _ => Standing::Whole,
        }
    }

    /// Weak tags are equal to none here (section 13.1.1).
    fn is_wanted(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_MATCH) {
            let mut tags = headers.get_all(header::IF_MATCH).iter().flat_map(tokens);
            return tags.any(|tag| tag == "*" || tag == self.tag);
        }
        date(headers.get(header::IF_UNMODIFIED_SINCE)).is_none_or(|since| self.modified <= since)
    }

    /// A tag says more than a date, which counts only without one.
    fn is_had(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().flat_map(tokens);
            return tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag);
        }
        date(headers.get(header::IF_MODIFIED_SINCE)).is_some_and(|since| self.modified <= since)
    }

    /// A part of one version must not be joined with another's.
    fn may_be_cut(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::IF_RANGE) {
            None => true,
            Some(tag) if tag.as_bytes() == self.tag.as_bytes() => true,
            given => date(given) == Some(self.modified),
        }
    }
}

/// What is asked for of so many octets. Several parts are answered by the whole, as a server may.
pub(crate) fn part(range: &str, length: u64) -> Standing {
    let ranges = match parse_range_header_with_max_ranges(range, NonZeroUsize::MIN) {
        Ok(ranges) => ranges,
        Err(_) => return Standing::Whole,
    };
    match ranges.validate(length) {
        Ok(parts) => match parts.first() {
            Some(part) => Standing::Part(*part.start()..part.end() + 1),
            None => Standing::Whole,
        },
        Err(_) => Standing::NoSuchPart,
    }
}

fn date(value: Option<&HeaderValue>) -> Option<SystemTime> {
    httpdate::parse_http_date(value?.to_str().ok()?).ok()
}

/// The last second that HTTP can name, the end of year 9999; file systems go further.
const LAST_DATE: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Version {
        let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
        Version { tag: "\"a\"".into(), modified, length: 10 }
    }

    fn judge(fields: &[(&'static str, &str)]) -> Standing {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        version().judge(&Method::GET, &headers)
    }

    #[test]
    fn a_file_of_a_time_that_http_cannot_name_has_the_last_one() {
        // A folder's own numbers; the time alone is set.
        let mut stat = rustix::fs::stat("/").unwrap();
        stat.st_mtime = i64::MAX;
        assert_eq!(Version::of(&stat).last_modified(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn who_has_it_gets_nothing_and_a_tag_counts_more_than_a_date() {
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        for (fields, standing) in [
            (&[("if-none-match", "\"b\", W/\"a\"")][..], Standing::Has),
            (&[("if-none-match", "*")], Standing::Has),
            (&[("if-modified-since", then)], Standing::Has),
            (&[("if-modified-since", before)], Standing::Whole),
            (&[("if-modified-since", "yesterday")], Standing::Whole),
            (&[("if-none-match", "\"b\""), ("if-modified-since", then)], Standing::Whole),
        ] {
            assert_eq!(judge(fields), standing, "{fields:?}");
        }
    }

    #[test]
    fn who_wants_another_version_is_told_that_it_changed() {
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        for (fields, standing) in [
            (&[("if-match", "\"b\", \"a\"")][..], Standing::Whole),
            (&[("if-match", "*")], Standing::Whole),
            (&[("if-match", "\"b\"")], Standing::Changed),
            (&[("if-match", "W/\"a\"")], Standing::Changed),
            (&[("if-unmodified-since", then)], Standing::Whole),
            (&[("if-unmodified-since", before)], Standing::Changed),
            (&[("if-match", "\"a\""), ("if-unmodified-since", before)], Standing::Whole),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], Standing::Has),
        ] {
            assert_eq!(judge(fields), standing, "{fields:?}");
        }
    }

    #[test]
    fn only_who_gets_octets_gets_a_part_of_them() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-3"));
        assert_eq!(version().judge(&Method::HEAD, &headers), Standing::Whole);
        assert_eq!(version().judge(&Method::GET, &headers), Standing::Part(0..4));
    }

    #[test]
    fn one_part_is_cut_out_of_the_version_that_was_meant() {
        for (range, standing) in [
            ("bytes=0-3", Standing::Part(0..4)),
            ("bytes=8-", Standing::Part(8..10)),
            ("bytes=-3", Standing::Part(7..10)),
            ("bytes=5-100", Standing::Part(5..10)),
            ("bytes=10-", Standing::NoSuchPart),
            ("bytes=0-1,3-4", Standing::Whole),
            ("bytes=4-3", Standing::Whole),
            ("lines=0-3", Standing::Whole),
            ("bytes=-", Standing::Whole),
        ] {
            assert_eq!(judge(&[("range", range)]), standing, "{range}");
        }
        assert_eq!(judge(&[("range", "bytes=0-3"), ("if-range", "\"b\"")]), Standing::Whole);
        assert_eq!(judge(&[("range", "bytes=0-3"), ("if-range", "W/\"a\"")]), Standing::Whole);
        assert_eq!(judge(&[("range", "bytes=0-3"), ("if-range", "\"a\"")]), Standing::Part(0..4));
    }
}
