//! Messages as octets: a version, a length, and the message in postcard's form.
//!
//! Reading and writing are the callers'. Invariant: nobody's word makes a reader keep more than
//! [`LONGEST`] octets, or room for octets that did not come.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::protocol::VERSION;

/// A CRL of a million entries fits.
pub const LONGEST: u32 = 128 << 20;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// They are of another version.
    OtherVersion(u8),
    /// They are too many.
    TooLong(u32),
    /// They have another form.
    Malformed,
}

/// A message, ready to be sent.
///
/// # Errors
/// When it is longer than the other end takes.
pub fn encode(message: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let body = Zeroizing::new(postcard::to_stdvec(message).map_err(|_| FrameError::Malformed)?);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    if length > LONGEST {
        return Err(FrameError::TooLong(length));
    }
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + body.len()));
    frame.push(VERSION);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// How many octets come behind this header.
///
/// # Errors
/// When it is another version's, or promises too many.
pub fn body_length(header: [u8; HEADER]) -> Result<u32, FrameError> {
    let [version, length @ ..] = header;
    if version != VERSION {
        return Err(FrameError::OtherVersion(version));
    }
    match u32::from_be_bytes(length) {
        length if length > LONGEST => Err(FrameError::TooLong(length)),
        length => Ok(length),
    }
}

/// The message in these octets, all of them.
///
/// # Errors
/// When they are none.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Malformed),
    }
}

/// Writes a message.
pub(crate) fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads the body of the next message; `None` where the other end closed before it.
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut header = [0; HEADER];
    loop {
        match from.read(&mut header[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            // A signal came; the questions go on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    from.read_exact(&mut header[1..])?;
    let length = body_length(header)?;
    let mut body = Zeroizing::new(Vec::with_capacity(FIRST_ROOM));
    from.take(length.into()).read_to_end(&mut body)?;
    match body.len() == length as usize {
        true => Ok(Some(body)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherVersion(version) => {
                write!(f, "the other end speaks version {version}, not {VERSION}")
            }
            Self::TooLong(octets) => write!(f, "the message has {octets} octets, too many"),
            Self::Malformed => f.write_str("the message has another form"),
        }
    }
}

impl Error for FrameError {}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Octets before each message.
pub const HEADER: usize = 5;
/// Enough for what may carry a secret, so that growing leaves no copies of one behind.
const FIRST_ROOM: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Ask;

    #[test]
    fn a_message_is_read_as_it_was_written_and_the_end_after_it() {
        let sent = encode(&Ask::Cas).unwrap();
        let mut from = sent.as_slice();
        let body = read(&mut from).unwrap().expect("a message");
        assert_eq!(decode::<Ask>(&body), Ok(Ask::Cas));
        assert!(read(&mut from).unwrap().is_none());
    }

    #[test]
    fn a_signal_between_two_messages_is_no_end() {
        struct Interrupted<'a>(bool, &'a [u8]);
        impl Read for Interrupted<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                match std::mem::replace(&mut self.0, false) {
                    true => Err(io::ErrorKind::Interrupted.into()),
                    false => self.1.read(into),
                }
            }
        }
        let sent = encode(&Ask::Cas).unwrap();
        assert!(read(&mut Interrupted(true, &sent)).unwrap().is_some());
    }

    #[test]
    fn a_message_that_is_cut_off_or_goes_on_is_none() {
        let sent = encode(&Ask::Cas).unwrap();
        for cut in 1..sent.len() {
            assert!(read(&mut &sent[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [&sent[HEADER..], &[0]].concat();
        assert_eq!(decode::<Ask>(&longer), Err(FrameError::Malformed));
    }

    #[test]
    fn another_version_and_a_promise_of_too_much_are_refused_by_the_header_alone() {
        assert_eq!(body_length([9, 0, 0, 0, 1]), Err(FrameError::OtherVersion(9)));
        let most = body_length([VERSION, 0x08, 0, 0, 0]);
        assert_eq!(most, Ok(LONGEST));
        let more = body_length([VERSION, 0x08, 0, 0, 1]);
        assert_eq!(more, Err(FrameError::TooLong(LONGEST + 1)));
    }
}
