//! MySQL and MariaDB: the server's greeting, then a request as long as the head of a login.
//!
//! The greeting has a number that passwords are mixed with, so that it has to be the backend's own, and messages are
//! counted from before TLS to after it.

use crate::dialogue::{Dialogue, MOST_HEARD, Turn};
use crate::fault::{Fault, quoted};

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server {
    greeting: Vec<u8>,
    request: Vec<u8>,
}

impl Server {
    /// In front of one that greets so; whether it has TLS itself is not the client's matter.
    pub(crate) fn new(greeting: &[u8]) -> Result<Self, Fault> {
        is_ready(greeting)?;
        Ok(Self { greeting: offering(greeting), request: Vec::new() })
    }
}

impl Dialogue for Server {
    fn first(&mut self) -> Vec<u8> {
        self.greeting.clone()
    }

    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        let flags = frame.get(HEAD..HEAD + 4).and_then(|flags| flags.try_into().ok());
        let flags = flags.map(u32::from_le_bytes);
        match flags {
            Some(flags) if flags & SSL != 0 && frame.len() == REQUEST && frame[3] == 1 => {
                self.request = frame.to_vec();
                Turn::begin("")
            }
            Some(_) if frame.len() > REQUEST => Turn::end(refusal(frame[3]), Fault::InTheClear),
            _ => Turn::fail(Fault::Malformed),
        }
    }

    fn request(&self) -> &[u8] {
        &self.request
    }

    fn is_not_awaited(&self) -> bool {
        true
    }
}

/// Asks a server for TLS.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// As a client of ours asked.
    request: Vec<u8>,
    greeting: Vec<u8>,
}

impl Client {
    /// As this client asked.
    pub(crate) fn asking(request: &[u8]) -> Self {
        Self { request: request.to_vec(), greeting: Vec::new() }
    }
}

impl Dialogue for Client {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        cut(octets)
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        if let Err(why) = offers_tls(frame) {
            return Turn::fail(why);
        }
        self.greeting = frame.to_vec();
        match self.request.is_empty() {
            true => Turn::begin(request()),
            false => Turn::begin(self.request.clone()),
        }
    }

    fn greeting(&self) -> &[u8] {
        &self.greeting
    }
}

/// How many octets of a greeting are still to come.
pub(crate) fn lacks(heard: &[u8]) -> Result<usize, Fault> {
    match end(heard)? {
        None => Ok(HEAD - heard.len()),
        Some(end) if heard.len() < end => Ok(end - heard.len()),
        Some(end) => is_ready(&heard[..end]).map(|()| 0),
    }
}

/// Where the first message ends, once it is whole.
pub(crate) fn cut(octets: &[u8]) -> Result<Option<usize>, Fault> {
    Ok(end(octets)?.filter(|end| octets.len() >= *end))
}

/// Where the first message will end.
fn end(octets: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(head) = octets.first_chunk::<HEAD>() else { return Ok(None) };
    let all =
        HEAD + usize::from(head[0]) + (usize::from(head[1]) << 8) + (usize::from(head[2]) << 16);
    match all {
        HEAD => Err(Fault::Malformed),
        all if all > MOST_HEARD => Err(Fault::TooLong),
        all => Ok(Some(all)),
    }
}

/// Whether it greets at all; TLS there is not the client's matter.
fn is_ready(greeting: &[u8]) -> Result<(), Fault> {
    match offers_tls(greeting) {
        Err(Fault::NotOffered) => Ok(()),
        other => other,
    }
}

/// Looks at a greeting of protocol 10.
fn offers_tls(greeting: &[u8]) -> Result<(), Fault> {
    if greeting.get(HEAD) == Some(&ERROR) {
        return Err(Fault::Unready(quoted(greeting.get(HEAD + 3..).unwrap_or_default())));
    }
    let at = flags_of(greeting).ok_or(Fault::Malformed)?;
    let flags = u16::from_le_bytes([greeting[at], greeting[at + 1]]);
    if u32::from(flags) & SSL == 0 { Err(Fault::NotOffered) } else { Ok(()) }
}

/// Where the lower half of the capability flags stands.
fn flags_of(greeting: &[u8]) -> Option<usize> {
    let version = greeting.get(HEAD..)?.strip_prefix(&[PROTOCOL])?;
    let version = memchr::memchr(0, version)?;
    // The number of the connection, eight octets for passwords, one for nothing.
    let at = HEAD + 1 + version + 1 + 4 + 8 + 1;
    (greeting.len() >= at + 2).then_some(at)
}

/// A greeting that offers TLS.
fn offering(greeting: &[u8]) -> Vec<u8> {
    let mut greeting = greeting.to_vec();
    let second = flags_of(&greeting).and_then(|at| greeting.get_mut(at + 1));
    second.into_iter().for_each(|octet| *octet |= (SSL >> 8) as u8);
    greeting
}

/// A greeting that offers nothing else than `kept`.
pub(crate) fn masked(greeting: &[u8], kept: u32) -> Vec<u8> {
    let mut greeting = greeting.to_vec();
    let Some(at) = flags_of(&greeting) else { return greeting };
    // The upper half stands behind a character set and a status; MariaDB's own ones behind that, a length and six octets.
    let octets = [at, at + 1, at + 5, at + 6, at + 14, at + 15, at + 16, at + 17];
    for (place, kept) in octets.into_iter().zip(u64::from(kept).to_le_bytes()) {
        if let Some(octet) = greeting.get_mut(place) {
            *octet &= kept;
        }
    }
    greeting
}

/// What asks for TLS, with capabilities that every client of this century has.
fn request() -> Vec<u8> {
    let mut request = vec![(REQUEST - HEAD) as u8, 0, 0, 1];
    request.extend((COMMON | SSL).to_le_bytes());
    request.extend((1u32 << 24).to_le_bytes());
    request.push(UTF8);
    request.resize(REQUEST, 0);
    request
}

/// An error as the client's login would be answered with.
fn refusal(number: u8) -> Vec<u8> {
    let text = b"\xff\x57\x0c#HY000connections without TLS are not taken";
    [&[text.len() as u8, 0, 0, number.wrapping_add(1)][..], text].concat()
}

pub(crate) const HEAD: usize = 4;
/// A request is the head of a login, and nothing else.
const REQUEST: usize = HEAD + 32;
const PROTOCOL: u8 = 10;
const ERROR: u8 = 0xff;
pub(crate) const SSL: u32 = 0x800;
/// Passwords of 4.1, transactions, many results, passwords by name. The server reads a login by what the request said, so
/// that nothing is among them that a program may leave out: a database, attributes.
pub(crate) const COMMON: u32 = 0x000f_a205;
const UTF8: u8 = 45;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As MariaDB greets, with these capabilities.
    pub(crate) fn greeting(flags: u32) -> Vec<u8> {
        let mut body = b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0abcdefgh\0".to_vec();
        let [a, b, c, d] = flags.to_le_bytes();
        body.extend([a, b, 0x2d, 2, 0, c, d]);
        body.extend(b"\x15\0\0\0\0\0\0\x1d\0\0\0abcdefghijkl\0mysql_native_password\0");
        [&[body.len() as u8, 0, 0, 0][..], &body].concat()
    }

    #[test]
    fn the_backends_greeting_is_passed_on_and_a_login_in_the_clear_is_refused() {
        let mut server = Server::new(&greeting(0x81ff_ffff)).unwrap();
        assert_eq!(server.first(), greeting(0x81ff_ffff));
        assert_eq!(cut(&request()), Ok(Some(REQUEST)));
        assert_eq!(server.hear(&request()), Turn::begin(""));
        assert_eq!(server.request(), request());
        let mut login = request();
        login.extend(b"alice\0\0");
        login[0] += 7;
        let Turn::End(said, Fault::InTheClear) = server.hear(&login) else { panic!() };
        assert_eq!((usize::from(said[0]) + 4, said[3]), (said.len(), 2));
    }

    #[test]
    fn a_greeting_is_heard_to_its_last_octet_and_no_further_and_an_error_is_none() {
        let whole = greeting(0x81ff_f7ff);
        for at in 0..whole.len() {
            let next = if at < HEAD { HEAD } else { whole.len() };
            assert_eq!(lacks(&whole[..at]), Ok(next - at));
        }
        assert_eq!(lacks(&whole), Ok(0), "without TLS too");
        let busy = b"\x17\0\0\0\xff\x10\x04Too many connections";
        assert_eq!(lacks(busy), Err(Fault::Unready("Too many connections".to_owned())));
        assert_eq!(lacks(b"\x02\0\0\0\x09\0"), Err(Fault::Malformed));
        assert_eq!(lacks(b"\0\0\0\0"), Err(Fault::Malformed));
        assert_eq!(lacks(b"\0\0\x10\0"), Err(Fault::TooLong));
    }

    #[test]
    fn a_greeting_without_tls_is_a_downgrade_and_an_error_is_one() {
        let mut server = Server::new(&greeting(0x81ff_f7ff)).unwrap();
        assert_eq!(server.first(), greeting(0x81ff_ffff), "we have TLS, if the backend has none");
        assert_eq!(Client::default().hear(&greeting(0x81ff_f7ff)), Turn::fail(Fault::NotOffered));
        let busy = b"\x16\0\0\0\xff\x10\x04Too many connections";
        let Turn::End(_, Fault::Unready(said)) = Client::default().hear(busy) else { panic!() };
        assert_eq!(said, "Too many connections");
        assert_eq!(Client::default().hear(b"\x02\0\0\0\x0a\0"), Turn::fail(Fault::Malformed));
    }
}
