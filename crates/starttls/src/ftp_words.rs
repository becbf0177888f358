//! Words of FTP's control connection: commands, and places where a data connection is waited for.

use std::net::SocketAddr;

use crate::line::bare;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// In capitals.
    pub(crate) verb: String,
    pub(crate) argument: &'a [u8],
    /// All of it, without what Telnet has before it.
    pub(crate) line: &'a [u8],
}

impl<'a> Command<'a> {
    /// `None` where two programs could read it in two ways.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        // Clients that break a transfer off say so to Telnet first (RFC 959 section 4.1.3).
        let begin = line.iter().position(|octet| *octet < FIRST_OF_TELNET)?;
        let line = &line[begin..];
        let text = bare(line);
        let end = text.iter().position(|octet| *octet == b' ').unwrap_or(text.len());
        let (verb, argument) = text.split_at(end);
        let is_word = (1..=LONGEST_VERB).contains(&end) && verb.iter().all(u8::is_ascii_alphabetic);
        let is_plain = is_word && !argument.iter().any(|octet| b"\0\r".contains(octet));
        let verb = String::from_utf8(verb.to_ascii_uppercase()).ok().filter(|_| is_plain)?;
        Some(Self { verb, argument: argument.trim_ascii(), line })
    }
}

/// By which command a client asks where to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Passive,
    Extended,
}

impl Way {
    pub(crate) fn command(self) -> &'static [u8] {
        match self {
            Self::Passive => b"PASV\r\n",
            Self::Extended => b"EPSV\r\n",
        }
    }
}

/// The port of a reply to `PASV`. The address is not looked at: data goes where the control connection goes.
pub(crate) fn passive_port(text: &[u8]) -> Option<u16> {
    let is_part = |octet: &u8| octet.is_ascii_digit() || *octet == b',';
    let mut runs = text.split(|octet| !is_part(octet));
    let place = runs.find(|run| run.split(|octet| *octet == b',').count() == 6)?;
    let parts = std::str::from_utf8(place).ok()?.split(',').map(|part| part.parse::<u8>().ok());
    let parts = parts.collect::<Option<Vec<u8>>>()?;
    Some(u16::from_be_bytes([parts[4], parts[5]])).filter(|port| *port > 0)
}

/// The port of a reply to `EPSV`: `(|||51210|)`, with any mark for `|`.
pub(crate) fn extended_port(text: &[u8]) -> Option<u16> {
    let begin = text.iter().position(|octet| *octet == b'(')?;
    let [first, second, third, rest @ ..] = text.get(begin + 1..)? else { return None };
    if first != second || first != third || first.is_ascii_digit() {
        return None;
    }
    let end = rest.iter().position(|octet| octet == first)?;
    let port = std::str::from_utf8(&rest[..end]).ok()?;
    port.parse().ok().filter(|port| *port > 0)
}

/// What a client is told who asked so.
pub(crate) fn place(way: Way, door: Option<SocketAddr>) -> String {
    match (way, door) {
        (Way::Extended, Some(door)) => {
            format!("229 Entering Extended Passive Mode (|||{}|)\r\n", door.port())
        }
        (Way::Passive, Some(SocketAddr::V4(door))) => {
            let [a, b, c, d] = door.ip().octets();
            let [high, low] = door.port().to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n")
        }
        (Way::Passive, Some(SocketAddr::V6(_))) => "425 over IPv6 use EPSV\r\n".to_owned(),
        (_, None) => "425 there is no door for a data connection\r\n".to_owned(),
    }
}

/// RFC 854: what is no text begins here.
const FIRST_OF_TELNET: u8 = 0xf0;
const LONGEST_VERB: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_however_it_is_dressed_and_nothing_else_is_one() {
        for text in
            [&b"Entering Passive Mode (127,0,0,1,4,1)."[..], b"at 127,0,0,1,4,1", b"=1,2,3,4,4,1"]
        {
            assert_eq!(passive_port(text), Some(1025), "{text:?}");
        }
        for text in
            [&b""[..], b"(1,2,3,4,5)", b"(1,2,3,4,256,1)", b"(1,2,3,4,0,0)", b"(1,,3,4,5,6)"]
        {
            assert_eq!(passive_port(text), None, "{text:?}");
        }
        assert_eq!(extended_port(b"x (|||51210|)"), Some(51210));
        assert_eq!(extended_port(b"x (!!!1!)"), Some(1));
        for text in [&b""[..], b"(||)", b"(|||0|)", b"(|||70000|)", b"(||!1|)", b"(1112)"] {
            assert_eq!(extended_port(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_command_is_one_word_and_what_it_is_about() {
        let stored = Command::read(b"stor a b\xff\r\n").unwrap();
        assert_eq!((stored.verb.as_str(), stored.argument), ("STOR", &b"a b\xff"[..]));
        let broken_off = Command::read(b"\xff\xf4\xff\xf2ABOR\r\n").unwrap();
        assert_eq!((broken_off.verb.as_str(), broken_off.line), ("ABOR", &b"ABOR\r\n"[..]));
        for odd in [
            &b"\r\n"[..],
            b" NOOP\r\n",
            b"NO\xffOP\r\n",
            b"NOOP a\rb\r\n",
            b"NOOPNOOPN\r\n",
            b"\xff",
        ] {
            assert_eq!(Command::read(odd), None, "{odd:?}");
        }
    }
}
