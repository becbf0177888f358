//! Opened packets as a capture of their own, which other programs read: a .pcap of bare IP packets.

use zeroize::Zeroizing;

use super::TunnelPacket;

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

/// One packet.
pub fn packet(packet: &TunnelPacket) -> Zeroizing<Vec<u8>> {
    let (seconds, rest) = (packet.at / 1_000_000, packet.at % 1_000_000);
    let length = packet.bytes.len() as u32;
    let head = [seconds as u32, rest as u32, length, length].map(u32::to_le_bytes).concat();
    Zeroizing::new([&head, packet.bytes.as_slice()].concat())
}
