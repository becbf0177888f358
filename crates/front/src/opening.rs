//! The first bytes of a connection to a shared address, until they say which protocol it is.
//!
//! Not here: the socket, the time that it may take, and what the address takes. No two of these protocols begin
//! alike: OpenVPN with the length of a small packet, at most 8 in its first byte, TLS with 22, PostgreSQL with two
//! zeros, HTTP with a capital letter. Invariant: what was told of some bytes is told of all that begin so, in whatever
//! pieces they came.

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Too few.
    More,
    /// A TLS record.
    Tls,
    /// A packet with which OpenVPN's clients begin.
    OpenVpn,
    /// The first message of PostgreSQL's clients.
    Postgres,
    /// A request in the clear.
    Http,
    /// The PROXY protocol.
    Proxied,
    /// Nothing that is known here.
    Unknown,
}

impl Opening {
    /// What begins with these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match *bytes {
            [] | [0..=LONGEST_HIGH] => Self::More,
            [TLS_HANDSHAKE, ..] => Self::Tls,
            [0, 0, ..] => postgres(bytes),
            [0..=LONGEST_HIGH, ..] => openvpn(bytes),
            [b'A'..=b'Z', ..] => http(bytes),
            [b'\r', ..] => proxied(bytes),
            _ => Self::Unknown,
        }
    }
}

/// A length, then operation and key number: the third byte.
fn openvpn(bytes: &[u8]) -> Opening {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Opening::More };
    let fits = usize::from(u16::from_be_bytes(*length)) <= LONGEST_PACKET;
    match rest.first() {
        _ if !fits => Opening::Unknown,
        None => Opening::More,
        Some(first) if HARD_RESETS.contains(first) => Opening::OpenVpn,
        Some(_) => Opening::Unknown,
    }
}

/// A length, then a version or a code, each of four bytes.
fn postgres(bytes: &[u8]) -> Opening {
    let Some(start) = bytes.first_chunk::<STARTUP>() else { return Opening::More };
    match start {
        [0, 0, 0, 8, code @ ..] if [SSL_REQUEST, GSSENC_REQUEST].contains(code) => {
            Opening::Postgres
        }
        [_, _, _, _, 0, 3, 0, _] => Opening::Postgres,
        [0, 0, 0, 16, code @ ..] if *code == CANCEL_REQUEST => Opening::Postgres,
        _ => Opening::Unknown,
    }
}

/// A method and a blank (RFC 9112 section 3).
fn http(bytes: &[u8]) -> Opening {
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    match bytes.iter().position(|byte| !is_method(byte)) {
        Some(_) if proxied::says_proxied(bytes) => Opening::Proxied,
        Some(at) if at <= LONGEST_METHOD && bytes.get(at) == Some(&b' ') => Opening::Http,
        None if bytes.len() <= LONGEST_METHOD => Opening::More,
        _ => Opening::Unknown,
    }
}

/// The second version of the PROXY protocol, which begins with no letter.
fn proxied(bytes: &[u8]) -> Opening {
    match proxied::says_proxied(bytes) {
        true => Opening::Proxied,
        false if PROXY_V2.starts_with(bytes) => Opening::More,
        false => Opening::Unknown,
    }
}

/// How long the first message of PostgreSQL is, as far as it says what is wanted.
const STARTUP: usize = 8;
/// RFC 8446 section 5.1: the content type of the record.
const TLS_HANDSHAKE: u8 = 22;
/// What a stranger's first packet may come to; the VPN holds it to the same.
const LONGEST_PACKET: usize = 2048;
const LONGEST_HIGH: u8 = (LONGEST_PACKET >> 8) as u8;
/// P_CONTROL_HARD_RESET_CLIENT_V2 and V3 with key 0: the operation is in the upper five bits.
const HARD_RESETS: [u8; 2] = [7 << 3, 10 << 3];
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The code of PostgreSQL's SSLRequest, 80877103.
const SSL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2f];
/// Of GSSENCRequest, 80877104.
const GSSENC_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x30];
/// Of CancelRequest, 80877102.
const CANCEL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2e];
/// VERSION-CONTROL has 15 letters.
const LONGEST_METHOD: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&[u8], Opening); 15] = [
        (b"\x16\x03\x01\x02\x00\x01", Opening::Tls),
        (b"\x00\x0e\x38\x01\x02\x03", Opening::OpenVpn),
        (b"\x00\x56\x38\x01\x02\x03", Opening::OpenVpn),
        (b"\x01\x7c\x50\x01\x02\x03", Opening::OpenVpn),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Opening::Postgres),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x30", Opening::Postgres),
        (b"\x00\x00\x00\x52\x00\x03\x00\x00user\0", Opening::Postgres),
        (b"\x00\x00\x00\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02", Opening::Postgres),
        (b"GET / HTTP/1.1\r\n", Opening::Http),
        (b"VERSION-CONTROL /x HTTP/1.1\r\n", Opening::Http),
        (b"PRI * HTTP/2.0\r\n", Opening::Http),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Opening::Proxied),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Opening::Proxied),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Opening::Unknown),
        (b"\x80\x2e\x01\x03\x01", Opening::Unknown),
    ];

    #[test]
    fn each_protocol_is_known_and_never_taken_for_another_however_few_bytes_there_are() {
        for (bytes, what) in KNOWN {
            assert_eq!(Opening::of(bytes), what, "{bytes:?}");
            for cut in 0..bytes.len() {
                let early = Opening::of(&bytes[..cut]);
                assert!(early == Opening::More || early == what, "{:?}: {early:?}", &bytes[..cut]);
            }
        }
    }

    #[test]
    fn what_begins_like_a_packet_and_is_none_is_unknown() {
        for bytes in [
            &b"\x00\x0e\x20"[..],
            b"\x00\x0e\x39",
            b"\x08\x01\x38",
            b"\x00\x00\x38",
            b"\x00\x00\x00\x08\x04\xd2\x16\x31",
            b"\x00\x00\x00\x08\x00\x00\x00\x00",
        ] {
            let told = Opening::of(bytes);
            let known = matches!(told, Opening::OpenVpn | Opening::Postgres);
            assert!(!known, "{bytes:?}: {told:?}");
        }
        assert_eq!(Opening::of(&[b'A'; LONGEST_METHOD + 1]), Opening::Unknown);
        assert_eq!(Opening::of(b"get / HTTP/1.1"), Opening::Unknown);
    }
}
