//! The key-method-2 message: what each side says first inside TLS.
//!
//! ```text
//! u32 0 | u8 2 | pre_master (48, client only) | random1 (32) | random2 (32)
//! | options | username | password | peer info        string := u16 n | n bytes with a NUL, or n = 0
//! ```
//!
//! The whole message has at most 2048 bytes and travels in one TLS record. Trailing strings may be
//! missing. Randoms and password are wiped when dropped and never shown.

use std::error::Error;
use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::reader::{Reader, TooShort};

/// The longest message that stock peers read.
pub const MAX_MESSAGE: usize = 2048;
/// The longest options string that stock peers read, without its NUL.
pub const MAX_OPTIONS: usize = 511;
/// The longest user name or password that stock peers take, without its NUL.
pub const MAX_CREDENTIAL: usize = 127;

const METHOD: u8 = 2;

/// The TLS client's contribution to the key derivation.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClientKeySource {
    /// The secret.
    pub pre_master: [u8; 48],
    /// Goes into the master secret.
    pub random1: [u8; 32],
    /// Goes into the key expansion.
    pub random2: [u8; 32],
}

impl ClientKeySource {
    /// From fresh random bytes.
    pub fn from_random(bytes: &[u8; 112]) -> Self {
        let mut source = Self { pre_master: [0; 48], random1: [0; 32], random2: [0; 32] };
        let (pre_master, randoms) = bytes.split_at(48);
        let (random1, random2) = randoms.split_at(32);
        source.pre_master.copy_from_slice(pre_master);
        source.random1.copy_from_slice(random1);
        source.random2.copy_from_slice(random2);
        source
    }
}

impl fmt::Debug for ClientKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKeySource(..)")
    }
}

/// The TLS server's contribution to the key derivation.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServerKeySource {
    /// Goes into the master secret.
    pub random1: [u8; 32],
    /// Goes into the key expansion.
    pub random2: [u8; 32],
}

impl ServerKeySource {
    /// From fresh random bytes.
    pub fn from_random(bytes: &[u8; 64]) -> Self {
        let mut source = Self { random1: [0; 32], random2: [0; 32] };
        let (random1, random2) = bytes.split_at(32);
        source.random1.copy_from_slice(random1);
        source.random2.copy_from_slice(random2);
        source
    }
}

impl fmt::Debug for ServerKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKeySource(..)")
    }
}

/// What the TLS client says.
#[derive(Clone)]
pub struct ClientKeyMessage {
    /// Its part of the keys.
    pub source: ClientKeySource,
    /// Its options string.
    pub options: String,
    /// Its user name, or empty.
    pub username: String,
    /// Its password, or empty.
    pub password: Zeroizing<String>,
    /// Its peer info lines, as sent.
    pub peer_info: String,
}

impl ClientKeyMessage {
    /// The message, for one TLS record.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, KeyMethodError> {
        let mut out = begin();
        out.extend_from_slice(&self.source.pre_master);
        out.extend_from_slice(&self.source.random1);
        out.extend_from_slice(&self.source.random2);
        put_string(&mut out, Field::Options, &self.options)?;
        put_string(&mut out, Field::Username, &self.username)?;
        put_string(&mut out, Field::Password, &self.password)?;
        put_string(&mut out, Field::PeerInfo, &self.peer_info)?;
        check_len(&out)?;
        Ok(out)
    }

    /// Parses the plaintext of one TLS record.
    pub fn parse(message: &[u8]) -> Result<Self, KeyMethodError> {
        let mut reader = open(message)?;
        let source = ClientKeySource {
            pre_master: reader.array()?,
            random1: reader.array()?,
            random2: reader.array()?,
        };
        Ok(Self {
            source,
            options: lenient(take_string(&mut reader)?),
            username: strict(trailing(&mut reader)?, Field::Username)?.to_owned(),
            password: Zeroizing::new(strict(trailing(&mut reader)?, Field::Password)?.to_owned()),
            peer_info: lenient(trailing(&mut reader)?),
        })
    }

    /// True if stock would refuse these credentials for their length alone.
    pub fn credentials_too_long(&self) -> bool {
        self.username.len() > MAX_CREDENTIAL || self.password.len() > MAX_CREDENTIAL
    }
}

impl fmt::Debug for ClientKeyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKeyMessage")
            .field("options", &self.options)
            .field("username", &self.username)
            .field("peer_info", &self.peer_info)
            .finish_non_exhaustive()
    }
}

/// What the TLS server says.
#[derive(Clone, Debug)]
pub struct ServerKeyMessage {
    /// Its part of the keys.
    pub source: ServerKeySource,
    /// Its options string.
    pub options: String,
}

impl ServerKeyMessage {
    /// The message, for one TLS record, with the three empty strings that stock servers send.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, KeyMethodError> {
        let mut out = begin();
        out.extend_from_slice(&self.source.random1);
        out.extend_from_slice(&self.source.random2);
        put_string(&mut out, Field::Options, &self.options)?;
        out.extend_from_slice(&[0; 3 * 2]);
        check_len(&out)?;
        Ok(out)
    }

    /// Parses the plaintext of one TLS record. What follows the options is ignored.
    pub fn parse(message: &[u8]) -> Result<Self, KeyMethodError> {
        let mut reader = open(message)?;
        let source = ServerKeySource { random1: reader.array()?, random2: reader.array()? };
        Ok(Self { source, options: lenient(take_string(&mut reader)?) })
    }
}

fn begin() -> Zeroizing<Vec<u8>> {
    // Sized at once, so that no secret stays behind in a buffer that was outgrown.
    let mut out = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE + 4 * usize::from(u8::MAX)));
    out.extend_from_slice(&[0, 0, 0, 0, METHOD]);
    out
}

fn put_string(out: &mut Vec<u8>, field: Field, text: &str) -> Result<(), KeyMethodError> {
    if text.contains('\0') {
        return Err(KeyMethodError::NulInside(field));
    }
    let max = match field {
        Field::Options => MAX_OPTIONS,
        Field::Username | Field::Password => MAX_CREDENTIAL,
        Field::PeerInfo => MAX_MESSAGE,
    };
    if text.len() > max {
        return Err(KeyMethodError::FieldTooLong(field));
    }
    if text.is_empty() {
        out.extend_from_slice(&[0, 0]);
        return Ok(());
    }
    // The length counts the NUL; `max` keeps it far below 16 bits.
    out.extend_from_slice(&(text.len() as u16 + 1).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    Ok(())
}

fn check_len(message: &[u8]) -> Result<(), KeyMethodError> {
    if message.len() > MAX_MESSAGE {
        Err(KeyMethodError::TooLong { len: message.len() })
    } else {
        Ok(())
    }
}

fn open(message: &[u8]) -> Result<Reader<'_>, KeyMethodError> {
    check_len(message)?;
    let mut reader = Reader::new(message);
    if reader.u32()? != 0 {
        return Err(KeyMethodError::BadStart);
    }
    match reader.u8()? & 0x0f {
        METHOD => Ok(reader),
        other => Err(KeyMethodError::UnknownMethod(other)),
    }
}

fn take_string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], TooShort> {
    let len = reader.u16()?;
    let bytes = reader.take(usize::from(len))?;
    // Receivers force the last byte to NUL, whatever it was.
    Ok(bytes.split_last().map_or(bytes, |(_, text)| text))
}

fn trailing<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], TooShort> {
    if reader.is_empty() { Ok(&[]) } else { take_string(reader) }
}

/// A text that nothing but comparisons depends on: ends at a NUL, odd bytes are replaced.
fn lenient(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A text that decides about somebody's identity: exactly as meant, or refused.
fn strict(bytes: &[u8], field: Field) -> Result<&str, KeyMethodError> {
    if bytes.contains(&0) {
        return Err(KeyMethodError::NulInside(field));
    }
    std::str::from_utf8(bytes).map_err(|_| KeyMethodError::NotText(field))
}

/// A string of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The options string.
    Options,
    /// The user name.
    Username,
    /// The password.
    Password,
    /// The peer info lines.
    PeerInfo,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Options => "options string",
            Self::Username => "user name",
            Self::Password => "password",
            Self::PeerInfo => "peer info",
        })
    }
}

/// A key message can't be read (the peer misbehaved) or written (we were given texts that don't fit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMethodError {
    /// It ends in the middle of a field.
    Truncated,
    /// It doesn't begin with four zero bytes.
    BadStart,
    /// A key method other than 2.
    UnknownMethod(u8),
    /// More than one TLS record of a stock peer holds.
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// One string is longer than stock peers read. Only when writing.
    FieldTooLong(Field),
    /// A NUL inside a string.
    NulInside(Field),
    /// Not UTF-8.
    NotText(Field),
}

impl From<TooShort> for KeyMethodError {
    fn from(_: TooShort) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for KeyMethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the key message is cut off"),
            Self::BadStart => f.write_str("the key message doesn't begin with four zero bytes"),
            Self::UnknownMethod(method) => write!(f, "the peer uses key method {method}, not 2"),
            Self::TooLong { len } => {
                write!(f, "the key message has {len} bytes, more than {MAX_MESSAGE}")
            }
            Self::FieldTooLong(field) => write!(f, "the key message's {field} is too long"),
            Self::NulInside(field) => write!(f, "the key message's {field} has a NUL inside"),
            Self::NotText(field) => write!(f, "the key message's {field} is not UTF-8"),
        }
    }
}

impl Error for KeyMethodError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> ClientKeyMessage {
        ClientKeyMessage {
            source: ClientKeySource::from_random(&[7; 112]),
            options: "V4".into(),
            username: "alice".into(),
            password: Zeroizing::new("s3cret".into()),
            peer_info: "IV_VER=1\n".into(),
        }
    }

    #[test]
    fn strings_count_their_nul_and_empty_ones_have_no_byte() {
        let mut client = message();
        client.username.clear();
        client.password.clear();
        let bytes = client.encode().unwrap();
        assert_eq!(bytes[117..124], [0, 3, b'V', b'4', 0, 0, 0]);
        assert_eq!(bytes.len(), 5 + 112 + 5 + 2 + 2 + 12);
    }

    #[test]
    fn the_servers_message_has_no_pre_master_and_may_end_after_the_options() {
        let server = ServerKeyMessage {
            source: ServerKeySource::from_random(&[9; 64]),
            options: "V4".into(),
        };
        let bytes = server.encode().unwrap();
        assert_eq!(bytes.len(), 5 + 64 + 5 + 6);
        assert_eq!(ServerKeyMessage::parse(&bytes).unwrap().options, "V4");
        assert_eq!(
            ServerKeyMessage::parse(&bytes[..bytes.len() - 6]).unwrap().source.random2,
            [9; 32]
        );
    }

    #[test]
    fn missing_trailing_strings_are_empty_and_half_ones_an_error() {
        let bytes = message().encode().unwrap();
        let options_end = 5 + 112 + 5;
        let parsed = ClientKeyMessage::parse(&bytes[..options_end]).unwrap();
        assert_eq!((parsed.username.as_str(), parsed.peer_info.as_str()), ("", ""));
        let cut = (0..bytes.len()).filter(|len| ClientKeyMessage::parse(&bytes[..*len]).is_ok());
        assert_eq!(cut.collect::<Vec<_>>(), [options_end, options_end + 8, options_end + 17]);
    }

    #[test]
    fn a_last_byte_other_than_nul_is_taken_for_one() {
        let mut bytes = message().encode().unwrap();
        let end = bytes.len();
        bytes[end - 1] = b'x';
        assert_eq!(ClientKeyMessage::parse(&bytes).unwrap().peer_info, "IV_VER=1\n");
    }

    #[test]
    fn texts_that_can_not_be_sent_are_refused() {
        let mut long = message();
        long.peer_info = "x".repeat(MAX_MESSAGE - 1);
        assert!(matches!(long.encode(), Err(KeyMethodError::TooLong { .. })));
        let mut nul = message();
        nul.username = "a\0b".into();
        assert_eq!(nul.encode().unwrap_err(), KeyMethodError::NulInside(Field::Username));
        let mut password = message();
        password.password = Zeroizing::new("p".repeat(128));
        assert_eq!(password.encode().unwrap_err(), KeyMethodError::FieldTooLong(Field::Password));
        assert!(password.credentials_too_long());
    }

    #[test]
    fn hostile_messages_are_refused_by_name() {
        assert_eq!(
            ClientKeyMessage::parse(&[0; 4000]).unwrap_err(),
            KeyMethodError::TooLong { len: 4000 }
        );
        assert_eq!(ClientKeyMessage::parse(&[1; 200]).unwrap_err(), KeyMethodError::BadStart);
        assert_eq!(
            ClientKeyMessage::parse(&[0, 0, 0, 0, 1]).unwrap_err(),
            KeyMethodError::UnknownMethod(1)
        );
        let mut bytes = message().encode().unwrap();
        let user = bytes.windows(5).position(|window| window == b"alice").unwrap();
        bytes[user] = 0xff;
        assert_eq!(
            ClientKeyMessage::parse(&bytes).unwrap_err(),
            KeyMethodError::NotText(Field::Username)
        );
        bytes[user] = 0;
        assert_eq!(
            ClientKeyMessage::parse(&bytes).unwrap_err(),
            KeyMethodError::NulInside(Field::Username)
        );
    }

    #[test]
    fn random_texts_survive_the_round_trip() {
        let mut random = crate::testing::XorShift::new(0x5eed_0002);
        for _ in 0..500 {
            let mut text = |max: usize| -> String {
                (0..random.below(max)).map(|_| char::from(b' ' + random.below(95) as u8)).collect()
            };
            let sent = ClientKeyMessage {
                options: text(300),
                username: text(127),
                password: Zeroizing::new(text(127)),
                peer_info: text(800),
                ..message()
            };
            let got = ClientKeyMessage::parse(&sent.encode().unwrap()).unwrap();
            assert_eq!((&got.options, &got.username), (&sent.options, &sent.username));
            assert_eq!((&*got.password, &got.peer_info), (&*sent.password, &sent.peer_info));
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = crate::testing::XorShift::new(0x5eed_0003);
        for _ in 0..5_000 {
            let len = random.below(400);
            let mut bytes = random.bytes(len);
            if bytes.len() > 5 && random.below(4) > 0 {
                bytes[..5].copy_from_slice(&[0, 0, 0, 0, 2]);
            }
            let _ = (ClientKeyMessage::parse(&bytes), ServerKeyMessage::parse(&bytes));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", message());
        assert!(!shown.contains("s3cret") && !shown.contains("[7"), "{shown}");
    }
}
