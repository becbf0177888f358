//! Frames of HTTP/2 (RFC 9113 section 4.1), as far as clients here write and read them.

/// What a client begins with, and so wide a window for each answer.
pub(crate) fn preface(window: u32) -> Vec<u8> {
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    octets.extend(frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat()));
    octets
}

/// A request for the first page of this host.
pub(crate) fn get(stream: u32, host: &str) -> Vec<u8> {
    let length = u8::try_from(host.len()).expect("a short name");
    // GET, https, /, and the authority.
    let block = [&[0x82, 0x87, 0x84, 0x41, length][..], host.as_bytes()].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kind, the flags and the payload of the first frame, which is taken out; nothing where it is not whole.
pub(crate) fn take(octets: &mut Vec<u8>) -> Option<(u8, u8, Vec<u8>)> {
    let head: [u8; 9] = octets.get(..9)?.try_into().ok()?;
    let [a, b, c, kind, flags, ..] = head;
    let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
    let payload = octets.get(9..end)?.to_vec();
    octets.drain(..end);
    Some((kind, flags, payload))
}

pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
