//! What somebody's words before TLS are for: a greeting, an offer of TLS, the request that it begin, and the answer.
//!
//! Told from the words alone, by the forms that protocols with STARTTLS have. What is not known stays "speaks".

use crate::place::Side;

/// What one side's words are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// The server's first words.
    Greets,
    /// The server's first words, which say no.
    TurnsAway,
    /// That TLS can begin.
    Offers,
    /// That TLS is to begin.
    Asks,
    /// That it begins.
    Agrees,
    /// That it does not.
    Declines,
    /// Something else of the protocol.
    Speaks,
}

/// What is spoken before TLS, so far as TLS begins in ways of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Mail,
    Imap,
    Pop3,
    News,
    Files,
    Directory,
    Chat,
    Postgresql,
    Mysql,
}

/// What words are for, and in which protocol, where that is known by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) says: Says,
    pub(crate) protocol: Option<Protocol>,
}

/// What was said so far.
#[derive(Default)]
pub(crate) struct Prelude {
    protocol: Option<Protocol>,
    has_begun: bool,
    asked: bool,
}

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// The name of LDAP's request, as it stands in it.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The first packet of a client of MySQL with TLS: its length, packet 1, and a wish.
const MYSQL_REQUEST: usize = 36;
const MYSQL_WANTS_TLS: u8 = 8;

impl Prelude {
    pub(crate) fn hear(&mut self, from: Side, said: &[u8]) -> Said {
        let says = match from {
            Side::Client => self.client(said),
            Side::Server => self.server(said),
        };
        self.has_begun = true;
        self.asked = match says {
            Says::Asks => true,
            Says::Agrees | Says::Declines => false,
            _ => self.asked,
        };
        Said { says, protocol: self.protocol }
    }

    fn client(&mut self, said: &[u8]) -> Says {
        let is_mysql = self.protocol == Some(Protocol::Mysql);
        let asks_in_bytes = if said.starts_with(SSL_REQUEST) {
            Some(Protocol::Postgresql)
        } else if said.windows(START_TLS.len()).any(|window| window == START_TLS) {
            Some(Protocol::Directory)
        } else if is_mysql && said.len() == MYSQL_REQUEST {
            let wants = said.get(5).is_some_and(|flags| flags & MYSQL_WANTS_TLS != 0);
            wants.then_some(Protocol::Mysql)
        } else {
            None
        };
        if let Some(protocol) = asks_in_bytes {
            self.protocol = Some(protocol);
            return Says::Asks;
        }
        let text = String::from_utf8_lossy(said);
        let mut asks = false;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next());
            let is = |word: Option<&str>, known: &[&str]| {
                word.is_some_and(|word| known.iter().any(|one| one.eq_ignore_ascii_case(word)))
            };
            let first = Some(first);
            let known = if is(first, &["EHLO", "HELO", "LHLO"]) {
                Some(Protocol::Mail)
            } else if is(first, &["CAPA", "STLS"]) {
                Some(Protocol::Pop3)
            } else if is(first, &["FEAT"]) || (is(first, &["AUTH"]) && is(second, &["TLS", "SSL"]))
            {
                Some(Protocol::Files)
            } else if is(first, &["CAPABILITIES"]) {
                Some(Protocol::News)
            } else if is(second, &["STARTTLS", "CAPABILITY"]) {
                Some(Protocol::Imap)
            } else if line.starts_with('<') {
                Some(Protocol::Chat)
            } else {
                None
            };
            self.protocol = self.protocol.or(known);
            asks |= is(first, &["STARTTLS", "STLS"])
                || is(second, &["STARTTLS"])
                || (is(first, &["AUTH"]) && is(second, &["TLS", "SSL"]))
                || line.starts_with("<starttls");
        }
        if asks { Says::Asks } else { Says::Speaks }
    }

    fn server(&mut self, said: &[u8]) -> Says {
        let is_first = !self.has_begun;
        if is_first && matches!(said, [_, _, 0, 0, 10, digit, ..] if digit.is_ascii_digit()) {
            self.protocol = Some(Protocol::Mysql);
            return Says::Greets;
        }
        let text = String::from_utf8_lossy(said);
        let known = [("* ", Protocol::Imap), ("+OK", Protocol::Pop3), ("<", Protocol::Chat)];
        let known = known.iter().find(|(begin, _)| is_first && text.starts_with(begin));
        self.protocol = self.protocol.or(known.map(|(_, protocol)| *protocol));
        let agrees = self.agrees(said, &text);
        match (self.asked, agrees) {
            (true, Some(true)) => Says::Agrees,
            (true, Some(false)) => Says::Declines,
            (false, Some(false)) if is_first => Says::TurnsAway,
            (false, Some(false)) => Says::Speaks,
            _ if offers(&text, is_first) => Says::Offers,
            _ if is_first => Says::Greets,
            _ => Says::Speaks,
        }
    }

    /// A yes or a no, where it is one.
    fn agrees(&self, said: &[u8], text: &str) -> Option<bool> {
        match self.protocol {
            Some(Protocol::Postgresql) => return said.first().map(|byte| *byte == b'S'),
            // The code behind the answer's number: [APPLICATION 24], its length, ENUMERATED, one byte.
            Some(Protocol::Directory) => {
                let code = said.windows(5).find_map(|window| match window {
                    [0x78, _, 0x0a, 1, code] => Some(*code),
                    _ => None,
                });
                return code.map(|code| code == 0);
            }
            _ => {}
        }
        let line = text.lines().find(|line| !line.is_empty())?;
        let mut words = line.split([' ', '-']);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_number = first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { first } else { second };
        match (number.len(), number.bytes().next()) {
            (3, Some(b'2' | b'3')) if is_number => return Some(true),
            (3, Some(b'4' | b'5')) if is_number => return Some(false),
            // Chat of the older kind: the number stands behind the server's name.
            (3, _) if line.starts_with(':') && number == "670" => return Some(true),
            (3, _) if line.starts_with(':') && number == "691" => return Some(false),
            _ => {}
        }
        let says = |yes: &[&str], no: &[&str]| {
            let is = |known: &[&str]| {
                known
                    .iter()
                    .any(|one| [first, second].iter().any(|word| word.eq_ignore_ascii_case(one)))
            };
            if is(no) { Some(false) } else { is(yes).then_some(true) }
        };
        if line.starts_with("-ERR") || text.contains("<failure") || text.contains("<stream:error") {
            return Some(false);
        }
        if text.contains("<proceed") {
            return Some(true);
        }
        says(&["+OK", "OK"], &["NO", "BAD", "BYE"])
    }
}

/// Whether what can be had is said to be TLS. In a greeting the word alone may be an ornament.
fn offers(text: &str, is_first: bool) -> bool {
    let words: &[&str] =
        if is_first { &["STARTTLS", "STLS"] } else { &["STARTTLS", "STLS", "TLS"] };
    let mut said = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    said.any(|word| words.iter().any(|one| one.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Says::{Agrees, Asks, Declines, Greets, Offers, Speaks, TurnsAway};

    fn heard(said: &[(Side, &[u8])]) -> (Vec<Says>, Option<Protocol>) {
        let mut prelude = Prelude::default();
        let heard: Vec<Said> = said.iter().map(|(from, said)| prelude.hear(*from, said)).collect();
        (heard.iter().map(|one| one.says).collect(), heard.last().and_then(|one| one.protocol))
    }

    #[test]
    fn greeting_offer_request_and_answer_are_told_apart_in_each_protocol() {
        const C: Side = Side::Client;
        const S: Side = Side::Server;
        let mail: [(Side, &[u8]); 5] = [
            (S, b"220 mail.test ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mail.test\r\n250 STARTTLS\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"220 go ahead\r\n"),
        ];
        let told = [Greets, Speaks, Offers, Asks, Agrees].to_vec();
        assert_eq!(heard(&mail), (told, Some(Protocol::Mail)));
        let refused = [&mail[..4], &[(S, b"454 TLS not available\r\n")]].concat();
        assert_eq!(heard(&refused).0.last(), Some(&Declines));
        assert_eq!(heard(&[(S, b"554 go away\r\n")]).0, [TurnsAway]);
        let directory: &[u8] = b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037";
        type Words<'a> = &'a [(Side, &'a [u8])];
        let cases: [(Words<'_>, &[Says], Protocol); 9] = [
            (&[(C, SSL_REQUEST), (S, b"S")], &[Asks, Agrees], Protocol::Postgresql),
            (&[(C, SSL_REQUEST), (S, b"N")], &[Asks, Declines], Protocol::Postgresql),
            (
                &[(S, b"* OK ready\r\n"), (C, b"a1 STARTTLS\r\n"), (S, b"a1 NO later\r\n")],
                &[Greets, Asks, Declines],
                Protocol::Imap,
            ),
            (
                &[(S, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"), (C, b"a STARTTLS\r\n")],
                &[Offers, Asks],
                Protocol::Imap,
            ),
            (
                &[(S, b"+OK\r\n"), (C, b"STLS\r\n"), (S, b"-ERR no\r\n")],
                &[Greets, Asks, Declines],
                Protocol::Pop3,
            ),
            (
                &[(S, b"220 [TLS] ftp\r\n"), (C, b"AUTH TLS\r\n"), (S, b"234 yes\r\n")],
                &[Greets, Asks, Agrees],
                Protocol::Files,
            ),
            (
                &[(C, directory), (S, b"0\x0c\x02\x01\x01x\x07\x0a\x01\0\x04\0\x04\0")],
                &[Asks, Agrees],
                Protocol::Directory,
            ),
            (
                &[(C, directory), (S, b"0\x0c\x02\x01\x01x\x07\x0a\x01\x02\x04\0\x04\0")],
                &[Asks, Declines],
                Protocol::Directory,
            ),
            (
                &[(C, b"<?xml?><stream:stream>"), (S, b"<features><starttls/></features>")],
                &[Speaks, Offers],
                Protocol::Chat,
            ),
        ];
        for (said, told, protocol) in cases {
            assert_eq!(heard(said), (told.to_vec(), Some(protocol)), "{said:?}");
        }
    }
}
