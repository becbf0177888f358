//! From a file's bytes to its directives, whatever editor and system they went through.
//!
//! UTF-16 with its mark, as Windows' shells write it, and lines that end in a carriage return alone are
//! read like plain text. What is no profile at all is refused before any of its words could be shown.

use std::path::Path;

use wire::config::Directive;
use zeroize::Zeroizing;

use super::{ProfileError, ProfileErrorKind};

/// Reads the directives of a file.
pub(super) fn directives(file: &Path, bytes: &[u8]) -> Result<Vec<Directive>, ProfileError> {
    let fail = |kind| ProfileError::new(file, None, kind);
    let decoded = decode(bytes);
    let bytes = decoded.as_ref().map_or(bytes, |text| text.as_bytes());
    if !is_profile(bytes) {
        return Err(fail(ProfileErrorKind::NotAProfile));
    }
    wire::config::parse_bytes(bytes).map_err(|error| fail(ProfileErrorKind::Grammar(error)))
}

/// The text, where it is not plain as it stands.
fn decode(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes)?,
        _ if bytes.contains(&b'\r') && !bytes.contains(&b'\n') => {
            Zeroizing::new(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        _ => return None,
    };
    let bare = !text.contains('\n');
    Some(if bare { Zeroizing::new(text.replace('\r', "\n")) } else { text })
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    // Sized at once, so that no secret stays behind in a buffer that was outgrown: a unit of two
    // bytes becomes three at most.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3));
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    for character in char::decode_utf16(units) {
        text.push(character.ok()?);
    }
    Some(text)
}

/// Whether a line begins as only a client's profile has it.
fn is_profile(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let words = lines.map(|line| {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let line = line.strip_prefix(b"--").unwrap_or(line);
        line.split(u8::is_ascii_whitespace).next().unwrap_or_default()
    });
    words.into_iter().any(|word| SIGNS.iter().any(|sign| sign.as_bytes() == word))
}

const SIGNS: [&str; 10] = [
    "client",
    "remote",
    "dev",
    "tls-client",
    "pull",
    "proto",
    "ca",
    "<ca>",
    "<connection>",
    "remote-cert-tls",
];
