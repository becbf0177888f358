//! A capture of nothing but TLS, for tshark: what stood in OpenVPN's packets, as a TCP connection for each handshake.

use std::collections::BTreeMap;

use crate::stream::Side;
use crate::vpn::Piece;

const PORT: u16 = 4433;

/// A frame for each piece, in their order and with their times.
pub(crate) fn capture(pieces: &[Piece]) -> Vec<u8> {
    let mut file: Vec<u8> =
        [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0]
            .to_vec();
    let mut next: BTreeMap<(u64, Side), u32> = BTreeMap::new();
    for piece in pieces {
        let (number, from) = (piece.handshake, piece.from);
        let ack = next.get(&(number, from.peer())).copied().unwrap_or(1);
        let next = next.entry((number, from)).or_insert(1);
        let frame = frame(piece, *next, ack);
        *next += piece.bytes.len() as u32;
        let times = [piece.at / 1_000_000, piece.at % 1_000_000].map(|part| part as u32);
        file.extend(times.iter().flat_map(|part| part.to_le_bytes()));
        let length = (frame.len() as u32).to_le_bytes();
        file.extend([&length[..], &length, &frame].concat());
    }
    file
}

/// How tshark is told what it is.
pub(crate) fn options() -> [String; 2] {
    ["-d".to_owned(), format!("tcp.port=={PORT},tls")]
}

fn frame(piece: &Piece, sequence: u32, ack: u32) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 7 + piece.handshake as u8], [192, 0, 2, 1]);
    let (client_port, server_port) = (40_000u16.to_be_bytes(), PORT.to_be_bytes());
    let (addresses, ports) = match piece.from {
        Side::Client => ([client, server].concat(), [client_port, server_port].concat()),
        Side::Server => ([server, client].concat(), [server_port, client_port].concat()),
    };
    let tcp = [
        &ports[..],
        &sequence.to_be_bytes(),
        &ack.to_be_bytes(),
        &[0x50, 0x18, 255, 255, 0, 0, 0, 0],
        &piece.bytes,
    ]
    .concat();
    let length = (20 + tcp.len() as u16).to_be_bytes();
    let ip = [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, 6, 0, 0], &addresses].concat();
    [ip, tcp].concat()
}
