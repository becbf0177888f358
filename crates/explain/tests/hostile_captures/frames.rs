//! Frames of captures, from what they carry.

/// The head of a .pcap of Ethernet.
pub(crate) const HEAD: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

/// A frame behind its own head.
pub(crate) fn record(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u32).to_le_bytes();
    [&[1, 0, 0, 0, 0, 0, 0, 0][..], &length, &length, frame].concat()
}

/// Who speaks to whom: one of two, and the number of a connection of theirs.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) connection: u32,
    pub(crate) from_client: bool,
}

impl Way {
    /// More connections than a host has ports are of more hosts.
    fn ends(self) -> [([u8; 4], u16); 2] {
        let [_, a, b, _] = (self.connection >> 8).to_be_bytes();
        let client = ([10, 0, a, b], 2_000 + (self.connection % 256) as u16);
        let server = ([192, 0, 2, 1], 443);
        if self.from_client { [client, server] } else { [server, client] }
    }
}

pub(crate) fn udp(way: Way, payload: &[u8]) -> Vec<u8> {
    let [from, to] = way.ends();
    let length = (8 + payload.len() as u16).to_be_bytes();
    let head = [from.1.to_be_bytes(), to.1.to_be_bytes(), length, [0, 0]].concat();
    record(&ip(17, way, &[&head, payload].concat()))
}

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const RST: u8 = 4;

pub(crate) fn tcp(way: Way, flags: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let [from, to] = way.ends();
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    let rest = [0x50, flags, 255, 255, 0, 0, 0, 0];
    let head = [&ports[..], &sequence.to_be_bytes(), &[0; 4], &rest].concat();
    record(&ip(6, way, &[&head, payload].concat()))
}

fn ip(protocol: u8, way: Way, content: &[u8]) -> Vec<u8> {
    let [from, to] = way.ends();
    let length = (20 + content.len() as u16).to_be_bytes();
    let head = [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, protocol, 0, 0], &from.0, &to.0];
    [&[2; 12][..], &[8, 0], &head.concat(), content].concat()
}

/// A record of TLS.
pub(crate) fn tls(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(content.len() as u16).to_be_bytes(), content].concat()
}

/// A handshake message.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// The body of a hello with these extensions, of a client or, with one suite, of a server.
pub(crate) fn hello(suites: &[u8], of_client: bool, extensions: &[u8]) -> Vec<u8> {
    let length = (suites.len() as u16).to_be_bytes();
    let suites =
        if of_client { [&length, suites, &[1, 0]].concat() } else { [suites, &[0]].concat() };
    let more = (extensions.len() as u16).to_be_bytes();
    [&[3, 3][..], &[7; 32], &[0], &suites, &more, extensions].concat()
}
