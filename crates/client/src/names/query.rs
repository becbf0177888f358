//! One question to a name server and its answer (RFC 1035), for asking past the tunnel: bytes only.
//!
//! The answer is a stranger's. Invariant: nothing is taken from it that does not carry the question and
//! its number, and reading it ends after one pass over its bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    id: u16,
    question: Vec<u8>,
    kind: Kind,
}

impl Query {
    /// Asks for the addresses of a name; `None` if no name server could know it.
    pub(crate) fn new(name: &str, kind: Kind, id: u16) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let fits = !name.is_empty() && name.len() <= LONGEST_NAME && name.is_ascii();
        let mut question = Vec::with_capacity(name.len() + 6);
        for label in name.split('.').filter(|_| fits) {
            let length =
                u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
            question.push(length);
            question.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        question.push(0);
        question.extend(kind.number().to_be_bytes());
        question.extend(INTERNET.to_be_bytes());
        fits.then_some(Self { id, question, kind })
    }

    /// As it is sent.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER + self.question.len());
        message.extend(self.id.to_be_bytes());
        // Recursion is desired; one question, nothing else.
        message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend(&self.question);
        message
    }

    /// The addresses in an answer to this question; `None` if it is none. A name that does not exist
    /// has no addresses.
    pub(crate) fn answer(&self, message: &[u8]) -> Option<Vec<IpAddr>> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.number()?, reader.number()?);
        let (questions, answers) = (reader.number()?, reader.number()?);
        reader.take(4)?;
        if id != self.id || flags & IS_ANSWER == 0 || questions != 1 {
            return None;
        }
        let asked = reader.take(self.question.len())?;
        if !asked.eq_ignore_ascii_case(&self.question) {
            return None;
        }
        match flags & CODE {
            0 => {}
            NO_SUCH_NAME => return Some(Vec::new()),
            // The server can't tell; another one may.
            _ => return None,
        }
        let mut addresses = Vec::new();
        for _ in 0..answers {
            // A cut answer holds what it holds.
            let Some(found) = reader.record(self.kind) else { break };
            addresses.extend(found);
        }
        addresses.truncate(MOST_ADDRESSES);
        Some(addresses)
    }
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// One record; its address, if it has one of this kind. Whose it is does not matter: aliases lead
    /// from the name that was asked to the one that has it.
    fn record(&mut self, kind: Kind) -> Option<Option<IpAddr>> {
        self.skip_name()?;
        let (number, class) = (self.number()?, self.number()?);
        self.take(4)?;
        let length = self.number()?;
        let data = self.take(length.into())?;
        if number != kind.number() || class != INTERNET {
            return Some(None);
        }
        Some(match kind {
            Kind::A => <[u8; 4]>::try_from(data).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
            Kind::Aaaa => <[u8; 16]>::try_from(data).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        })
    }

    /// Labels up to the root, or up to a pointer, which ends a name.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.take(1)?[0] {
                0 => return Some(()),
                length if length & 0xc0 == 0xc0 => return self.take(1).map(|_| ()),
                length if length & 0xc0 == 0 => _ = self.take(length.into())?,
                _ => return None,
            }
        }
    }
}

const HEADER: usize = 12;
const LONGEST_NAME: usize = 253;
const MOST_ADDRESSES: usize = 16;
const INTERNET: u16 = 1;
const IS_ANSWER: u16 = 0x8000;
const CODE: u16 = 0x000f;
const NO_SUCH_NAME: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_the_standard_has_it() {
        let query = Query::new("VPN.example.net.", Kind::A, 0x1234).unwrap();
        let mut expected = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        expected.extend(b"\x03vpn\x07example\x03net\x00\x00\x01\x00\x01");
        assert_eq!(query.encode(), expected);
        for name in ["", ".", "a..b", "ä.example", &"a".repeat(64), &"a.".repeat(128)] {
            assert_eq!(Query::new(name, Kind::A, 1), None, "{name:?}");
        }
    }

    #[test]
    fn addresses_are_found_behind_aliases_and_of_the_kind_that_was_asked() {
        let query = query();
        let alias = record(5, b"\x03vpn\xc0\x10");
        let six = record(28, &[0xfd; 16]);
        let message = message(&query, 0x8180, &[alias, six, record(1, &[192, 0, 2, 7])]);
        assert_eq!(query.answer(&message), Some(vec![IpAddr::from([192, 0, 2, 7])]));
        let six = Query { kind: Kind::Aaaa, ..Query::new(NAME, Kind::Aaaa, 7).unwrap() };
        let message = super::tests::message(&six, 0x8180, &[record(28, &[0xfd; 16])]);
        assert_eq!(six.answer(&message).unwrap().len(), 1);
    }

    #[test]
    fn an_answer_to_another_question_or_from_a_server_that_fails_is_none() {
        let query = query();
        let good = message(&query, 0x8180, &[record(1, &[192, 0, 2, 7])]);
        let mut other_id = good.clone();
        other_id[0] ^= 1;
        assert_eq!(query.answer(&other_id), None);
        let mut other_name = good.clone();
        other_name[13] = b'x';
        assert_eq!(query.answer(&other_name), None);
        assert_eq!(query.answer(&message(&query, 0x0100, &[])), None, "a question");
        assert_eq!(query.answer(&message(&query, 0x8182, &[])), None, "a failure");
        assert_eq!(query.answer(&message(&query, 0x8183, &[])), Some(vec![]), "no such name");
    }

    #[test]
    fn cut_and_changed_answers_never_panic_and_hold_no_more_than_they_should() {
        let query = query();
        let records = vec![record(1, &[192, 0, 2, 7]); 40];
        let good = message(&query, 0x8180, &records);
        assert_eq!(query.answer(&good).unwrap().len(), MOST_ADDRESSES);
        for end in 0..good.len() {
            let _ = query.answer(&good[..end]);
            for value in [0, 0x3f, 0x80, 0xc0, 0xff] {
                let mut changed = good.clone();
                changed[end] = value;
                let _ = query.answer(&changed);
            }
        }
    }

    const NAME: &str = "vpn.example.net";

    fn query() -> Query {
        Query::new(NAME, Kind::A, 7).unwrap()
    }

    fn message(query: &Query, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = query.encode();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        records.iter().for_each(|record| message.extend(record));
        message
    }

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut record = vec![0xc0, 0x0c];
        record.extend(kind.to_be_bytes());
        record.extend(INTERNET.to_be_bytes());
        record.extend([0, 0, 0, 60]);
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        record
    }
}
