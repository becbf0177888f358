//! Captures that other programs read: a .pcap of bare IP packets, of what was opened in another capture or of what went
//! through a socket of our own.

mod flow;

use zeroize::Zeroizing;

use super::TunnelPacket;

pub use flow::{Flow, MOST};

/// Magic number of a file with microseconds, and the version that every reader knows.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
/// The longest packet that an honest one has.
const LONGEST: u32 = 65_535;
/// What stands in it: packets from their IP header on.
const BARE_IP: u32 = 101;

/// What stands before all packets.
pub fn head() -> Vec<u8> {
    let version = VERSION.map(u16::to_le_bytes).concat();
    let zone_and_accuracy = [0; 8];
    let (longest, link) = (LONGEST.to_le_bytes(), BARE_IP.to_le_bytes());
    [&MAGIC.to_le_bytes()[..], &version, &zone_and_accuracy, &longest, &link].concat()
}

/// One packet of a tunnel.
pub fn packet(packet: &TunnelPacket) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(record(packet.at, &packet.bytes))
}

/// One packet, at this microsecond since 1970.
fn record(at: u64, packet: &[u8]) -> Vec<u8> {
    let (seconds, rest) = (at / 1_000_000, at % 1_000_000);
    let length = packet.len() as u32;
    let head = [seconds as u32, rest as u32, length, length].map(u32::to_le_bytes).concat();
    [&head, packet].concat()
}
