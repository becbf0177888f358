//! The secrets of TLS connections, as programs write them for whoever debugs them (`SSLKEYLOGFILE`).
//!
//! They go in and never come out: the type shows nothing of itself, and no value of a story can hold one.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

/// More lines than any handshake that somebody wants to read; a log that goes on is cut there.
const MOST_LINES: usize = 65_536;
/// The longest secret that any version of TLS logs.
const LONGEST_SECRET: usize = 64;

/// The lines of a key log.
#[derive(Default)]
pub struct KeyLog {
    secrets: BTreeMap<(Label, [u8; 32]), Secret>,
}

/// One secret. It shows itself to nobody.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// The master secret of TLS 1.2.
    Master,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
    /// What other protocols get their keys from.
    Exporter,
}

impl Label {
    fn named(name: &str) -> Option<Label> {
        Some(match name {
            "CLIENT_RANDOM" => Label::Master,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
            "CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
            "SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
            "EXPORTER_SECRET" => Label::Exporter,
            _ => return None,
        })
    }
}

impl KeyLog {
    /// Reads a key log's text. Comments and labels that nothing here needs are passed over.
    ///
    /// # Errors
    /// Where a line is no line of a key log.
    pub fn parse(text: &str) -> Result<KeyLog, KeyLogError> {
        let mut log = KeyLog::default();
        for (index, line) in text.lines().enumerate().take(MOST_LINES) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                log.line(line).ok_or(KeyLogError { line: index + 1 })?;
            }
        }
        Ok(log)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        let random = HEXLOWER_PERMISSIVE.decode(random.as_bytes()).ok()?;
        let secret = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(secret.as_bytes()).ok()?);
        // RSA lines have the beginning of an encrypted secret in the place of the random.
        if let (Some(label), Ok(random)) = (Label::named(label), random.try_into()) {
            self.insert(label, random, &secret);
        }
        Some(())
    }

    /// Adds a secret of a connection of our own, under the label that key logs give it.
    pub fn add(&mut self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let (Some(label), Ok(random)) = (Label::named(label), client_random.try_into()) {
            self.insert(label, random, secret);
        }
    }

    fn insert(&mut self, label: Label, random: [u8; 32], secret: &[u8]) {
        if secret.len() <= LONGEST_SECRET && self.secrets.len() < MOST_LINES {
            self.secrets.insert((label, random), Secret::new(secret.to_vec()));
        }
    }

    /// True if it holds no secret.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    pub(crate) fn secret(&self, label: Label, client_random: &[u8; 32]) -> Option<&Secret> {
        self.secrets.get(&(label, *client_random))
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLog").field("secrets", &self.secrets.len()).finish()
    }
}

/// A line that is none of a key log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLogError {
    /// Which, from 1.
    pub line: usize,
}

impl fmt::Display for KeyLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} is not \"LABEL RANDOM SECRET\" as programs write it to SSLKEYLOGFILE",
            self.line
        )
    }
}

impl Error for KeyLogError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_purposes_are_passed_over_and_broken_ones_are_named() {
        let random = "ab".repeat(32);
        let text = format!(
            "# made by a test\n\nEARLY_EXPORTER_SECRET {random} 00ff\nCLIENT_RANDOM {random} 0A0b\n"
        );
        let log = KeyLog::parse(&text).unwrap();
        assert_eq!(log.secret(Label::Master, &[0xab; 32]).map(Secret::bytes), Some(&[10, 11][..]));
        assert_eq!(KeyLog::parse("CLIENT_RANDOM zz 00").unwrap_err(), KeyLogError { line: 1 });
        assert_eq!(KeyLog::parse("\nnonsense").unwrap_err(), KeyLogError { line: 2 });
    }

    #[test]
    fn it_shows_no_secret() {
        let log = KeyLog::parse(&format!("CLIENT_RANDOM {} c0ffee", "00".repeat(32))).unwrap();
        assert_eq!(format!("{log:?}"), "KeyLog { secrets: 1 }");
    }
}
