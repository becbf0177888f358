//! Lines: where one ends, and what it says.

use memchr::memchr;

use crate::fault::Fault;

/// Where the first line ends, its end included.
pub(crate) fn cut(octets: &[u8]) -> Result<Option<usize>, Fault> {
    match memchr(b'\n', octets) {
        Some(at) if at < LONGEST => Ok(Some(at + 1)),
        None if octets.len() < LONGEST => Ok(None),
        _ => Err(Fault::TooLong),
    }
}

/// A line without its end.
pub(crate) fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first word, in capitals, and what follows it.
pub(crate) fn command(line: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bare(line));
    let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
    (verb.to_ascii_uppercase(), rest.trim().to_owned())
}

/// A mechanism that binds itself to the TLS channel, which is another one at the other end (RFC 5802).
pub(crate) fn binds_channel(mechanism: &str) -> bool {
    mechanism.trim_matches('"').to_ascii_uppercase().ends_with("-PLUS")
}

/// Twice what any of the protocols allows before TLS.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_its_feed_and_has_to_end() {
        assert_eq!(cut(b"a\r\nb"), Ok(Some(3)));
        assert_eq!(cut(b"a\nb"), Ok(Some(2)));
        assert_eq!(cut(b"a\r"), Ok(None));
        assert_eq!(cut(&[b'a'; LONGEST]), Err(Fault::TooLong));
        assert_eq!((bare(b"a\r\n"), bare(b"a\n"), bare(b"a\r")), (&b"a"[..], &b"a"[..], &b"a"[..]));
        assert_eq!(command(b"eHLO  x \r\n"), ("EHLO".into(), "x".into()));
        assert_eq!(command(b"\xff\r\n").1, "");
    }
}
