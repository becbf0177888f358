//! Split and coalesce against each other, against plain computations, and against any bytes.

use super::flow::{Layout, sequence};
use super::*;
use crate::testing::{Crafted, Dice};

#[test]
fn what_is_split_and_joined_is_what_it_was() {
    for seed in 0..600 {
        let mut dice = Dice::new(seed);
        let (packet, header) = super_packet(&mut dice, 60_000);
        let segments = segments(&packet, &header);
        let mut sink = Kept::default();
        coalesce(&segments, Joining::TcpAndUdp, &mut sink);
        if segments.len() == 1 {
            assert_eq!(sink.written, [(VirtioHeader::PLAIN, segments[0].clone())], "seed {seed}");
        } else if segments.len() <= 64 {
            assert_eq!(sink.written, [(header, packet)], "seed {seed}");
        }
        let again: Vec<_> = sink
            .written
            .iter()
            .flat_map(|(header, packet)| self::segments(packet, header))
            .collect();
        assert_eq!(again, segments, "seed {seed}");
    }
}

#[test]
fn every_segment_is_a_whole_packet_with_right_checksums() {
    for seed in 0..500 {
        let mut dice = Dice::new(seed);
        let (packet, header) = super_packet(&mut dice, 2000);
        let layout = Layout::parse(&packet).unwrap();
        let mut payload = Vec::new();
        for segment in segments(&packet, &header) {
            let own = Layout::parse(&segment).unwrap();
            assert!(own.checksums_hold(&segment) && own.claimed_len(&segment) == segment.len());
            if own.is_tcp {
                let offset = sequence(&segment, &own).wrapping_sub(sequence(&packet, &layout));
                assert_eq!(offset as usize, payload.len());
            }
            payload.extend_from_slice(&segment[own.all..]);
        }
        assert_eq!(payload, packet[layout.all..]);
    }
}

/// Header fields at random: marks, identification, hop limit, flow label, options, window, flags. Only
/// what carries a flag besides ACK and PSH is left out of a run.
#[test]
fn any_flow_that_is_cut_joined_and_cut_again_gives_the_same_segments() {
    let mut whole = 0;
    for seed in 0..1500 {
        let mut dice = Dice::new(seed);
        let (packet, header) = any_flow(&mut dice);
        let list = segments(&packet, &header);
        let mut sink = Kept::default();
        coalesce(&list, Joining::TcpAndUdp, &mut sink);
        assert_eq!(sink.packets(), list, "seed {seed}");
        let again: Vec<_> = sink.written.iter().flat_map(|(h, p)| segments(p, h)).collect();
        assert_eq!(again, list, "seed {seed}");
        let special = |segment: &&Vec<u8>| {
            let layout = Layout::parse(segment).unwrap();
            layout.is_tcp && segment[layout.ip + 13] & !(ACK | PSH) != 0
        };
        match list.iter().filter(special).count() {
            0 if (2..=64).contains(&list.len()) => {
                assert_eq!(sink.written, [(header, packet)], "seed {seed}");
                whole += 1;
            }
            0 => {}
            // A first one with CWR and a last one with FIN go alone; ECE and URG are on all.
            1 | 2 => assert!(sink.written.len() <= 3 + list.len() / 64, "seed {seed}"),
            _ => assert_eq!(sink.written.len(), list.len(), "seed {seed}"),
        }
    }
    assert!(whole > 250, "{whole} flows were joined into what they were");
}

#[test]
fn flows_that_are_mixed_keep_their_order_and_lose_nothing() {
    for seed in 0..500 {
        let mut dice = Dice::new(seed);
        let mut flows: Vec<_> = (0..1 + dice.below(4))
            .map(|_| {
                let (packet, header) = any_flow(&mut dice);
                segments(&packet, &header).into_iter()
            })
            .collect();
        let mut mixed = Vec::new();
        while !flows.is_empty() {
            let at = dice.below(flows.len() as u32) as usize;
            let burst = 1 + dice.below(8) as usize;
            let before = mixed.len();
            mixed.extend(flows[at].by_ref().take(burst));
            if mixed.len() == before {
                flows.remove(at);
            }
        }
        let mut sink = Kept::default();
        coalesce(&mixed, Joining::TcpAndUdp, &mut sink);
        assert_eq!(sink.packets(), mixed, "seed {seed}");
        let again: Vec<_> = sink.written.iter().flat_map(|(h, p)| segments(p, h)).collect();
        assert_eq!(again, mixed, "seed {seed}");
    }
}

#[test]
fn flags_that_speak_of_an_end_or_of_congestion_are_on_one_segment_only() {
    let (mut packet, header) = tcp_v4(3000, 1000, ACK | PSH | FIN | CWR);
    let mut flags = Vec::new();
    split(&mut packet, &header, |segment| flags.push(segment[33])).unwrap();
    assert_eq!(flags, [ACK | CWR, ACK, ACK | PSH | FIN]);
}

#[test]
fn a_checksum_left_to_us_is_completed() {
    for (ends, start) in [(V4, 20), (V6, 40)] {
        let whole = Crafted::tcp(ends.0, ends.1, ACK, &[]).bytes();
        let mut packet = whole.clone();
        let layout = Layout::parse(&packet).unwrap();
        let sum = layout.pseudo_sum(&packet, packet.len() - layout.ip).fold();
        packet[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
        let header = VirtioHeader { checksum: Some((start as u16, 16)), ..VirtioHeader::PLAIN };
        assert_eq!(segments(&packet, &header), [whole]);
    }
}

#[test]
fn what_does_not_continue_a_flow_ends_the_run_and_keeps_its_place() {
    let (packet, header) = tcp_v4(4000, 1000, ACK);
    let right = segments(&packet, &header);
    let spoil: [(usize, u8); 9] =
        [(1, 4), (8, 1), (15, 1), (20, 1), (27, 1), (31, 1), (33, FIN), (35, 1), (39, 1)];
    for (at, change) in spoil {
        let mut list = right.clone();
        list[2][at] ^= change;
        rechecksum(&mut list[2]);
        let mut sink = Kept::default();
        coalesce(&list, Joining::Tcp, &mut sink);
        assert_eq!(sink.lengths()[..2], [2040, 1040], "byte {at}");
        assert_eq!(sink.packets(), list, "byte {at}");
    }
}

#[test]
fn a_wrong_checksum_is_never_merged_away() {
    let (packet, header) = tcp_v4(3000, 1000, ACK);
    for wrong in 0..3 {
        for at in [10, 50] {
            let mut list = segments(&packet, &header);
            list[wrong][at] ^= 1;
            let mut sink = Kept::default();
            coalesce(&list, Joining::Tcp, &mut sink);
            assert!(sink.written.iter().any(|(_, packet)| *packet == list[wrong]));
        }
    }
}

#[test]
fn what_may_not_be_joined_passes_as_it_is() {
    let (packet, header) = tcp_v4(3000, 1000, ACK);
    let list = segments(&packet, &header);
    let mut sink = Kept::default();
    coalesce(&list, Joining::Nothing, &mut sink);
    assert_eq!(sink.packets(), list);
    assert_eq!(sink.written.len(), 3);
}

#[test]
fn random_and_cut_off_packets_are_survived_and_keep_their_order() {
    for seed in 0..5000 {
        let mut dice = Dice::new(seed);
        let mut list = Vec::new();
        for _ in 0..dice.below(6) {
            let (packet, header) = super_packet(&mut dice, 2000);
            list.extend(segments(&packet, &header).into_iter().take(3));
        }
        for packet in &mut list {
            let at = dice.below(packet.len() as u32) as usize;
            match dice.below(4) {
                0 => packet.truncate(at),
                1 => packet[at] ^= 1 << dice.below(8),
                _ => {}
            }
        }
        let mut sink = Kept::default();
        coalesce(&list, Joining::TcpAndUdp, &mut sink);
        assert_eq!(sink.packets(), list, "seed {seed}");
    }
}

#[test]
fn any_bytes_behind_any_header_are_survived() {
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let mut bytes = [0; VirtioHeader::LEN];
        dice.fill(&mut bytes);
        bytes[1] = [0, 1, 4, 5, 0x81, 3][dice.below(6) as usize];
        bytes[5] &= 3;
        bytes[7] = 0;
        let Ok(header) = VirtioHeader::parse(&bytes) else { continue };
        let (mut packet, _) = super_packet(&mut dice, 2000);
        packet.truncate(dice.below(200) as usize);
        for _ in 0..dice.below(4) {
            let at = dice.below(packet.len().max(1) as u32) as usize;
            if let Some(byte) = packet.get_mut(at) {
                *byte = dice.next() as u8;
            }
        }
        let _ =
            split(&mut packet, &header, |segment| assert!(!segment.is_empty() || bytes[1] == 0));
    }
}

#[test]
fn headers_read_as_they_were_written() {
    for seed in 0..100 {
        let (_, header) = super_packet(&mut Dice::new(seed), 2000);
        assert_eq!(VirtioHeader::parse(&header.encode()), Ok(header));
    }
    assert_eq!(VirtioHeader::PLAIN.encode(), [0; 10]);
    assert_eq!(
        VirtioHeader::parse(&[0, 3, 0, 0, 1, 0, 0, 0, 0, 0]),
        Err(VirtioError::UnknownSegmentation(3))
    );
    assert_eq!(VirtioHeader::parse(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(VirtioError::NoSize));
}

/// What was written, in one piece each, and the packets that it was made of.
#[derive(Default)]
struct Kept {
    written: Vec<(VirtioHeader, Vec<u8>)>,
    came: Vec<Vec<u8>>,
}

impl SuperSink for Kept {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        let mut whole = joined.first.to_vec();
        joined.payloads.iter().for_each(|payload| whole.extend_from_slice(payload));
        self.written.push((joined.header, whole));
        self.came.extend(joined.packets.iter().map(|packet| packet.to_vec()));
    }
}

impl Kept {
    fn lengths(&self) -> Vec<usize> {
        self.written.iter().map(|(_, packet)| packet.len()).collect()
    }

    fn packets(&self) -> Vec<Vec<u8>> {
        self.came.clone()
    }
}

fn coalesce(packets: &[Vec<u8>], joining: Joining, sink: &mut Kept) {
    let mut coalescer = Coalescer::new(joining);
    packets.iter().for_each(|packet| coalescer.push(packet, sink));
    coalescer.flush(sink);
}

fn segments(packet: &[u8], header: &VirtioHeader) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    split(&mut packet.to_vec(), header, |segment| list.push(segment.to_vec())).unwrap();
    list
}

fn tcp_v4(payload: usize, size: u16, flags: u8) -> (Vec<u8>, VirtioHeader) {
    let crafted = Crafted::tcp(V4.0, V4.1, flags, &[]);
    finish(crafted, &Dice::new(7).bytes(payload), size)
}

fn super_packet(dice: &mut Dice, most: u32) -> (Vec<u8>, VirtioHeader) {
    let ends = [V4, V6][dice.below(2) as usize];
    let size = 1 + dice.below(1400);
    let payload = 1 + dice.below(20 * size);
    let payload = dice.bytes(payload.min(most) as usize);
    let crafted = if dice.below(3) == 0 {
        Crafted { payload: vec![0, 1, 0, 2, 0, 0, 0, 0], ..Crafted::between(ends.0, ends.1) }
    } else {
        let options = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8];
        let options = &options[..[0, 12][dice.below(2) as usize]];
        Crafted::tcp(ends.0, ends.1, [ACK, ACK | PSH][dice.below(2) as usize], options)
    };
    finish(crafted, &payload, size as u16)
}

/// As [`super_packet`], with everything at random that a flow may have.
fn any_flow(dice: &mut Dice) -> (Vec<u8>, VirtioHeader) {
    let ends = [V4, V6][dice.below(2) as usize];
    let size = 1 + dice.below(1400);
    let segments = [1, 3, 12, 70][dice.below(4) as usize];
    let len = 1 + dice.below((size * segments).min(60_000));
    let payload = dice.bytes(len as usize);
    let crafted = if dice.below(3) == 0 {
        Crafted { payload: vec![0, 1, 0, 2, 0, 0, 0, 0], ..Crafted::between(ends.0, ends.1) }
    } else {
        let special = [0, 0, 0, FIN, CWR, FIN | CWR, ECE, URG][dice.below(8) as usize];
        let flags = ACK | [0, PSH][dice.below(2) as usize] | special;
        let words = dice.below(11) as usize;
        let options = dice.bytes(4 * words);
        let mut crafted = Crafted::tcp(ends.0, ends.1, flags, &options);
        dice.fill(&mut crafted.payload[4..12]);
        dice.fill(&mut crafted.payload[14..16]);
        crafted
    };
    let (mut packet, header) = finish(crafted, &payload, size as u16);
    let layout = Layout::parse(&packet).unwrap();
    if layout.is_v4 {
        packet[1] = dice.next() as u8;
        dice.fill(&mut packet[4..6]);
        packet[6] = [0, 0x40][dice.below(2) as usize];
        packet[8] = 1 + dice.below(255) as u8;
        layout.set_ip_checksum(&mut packet);
    } else {
        packet[0] |= dice.below(16) as u8;
        dice.fill(&mut packet[1..4]);
        packet[7] = 1 + dice.below(255) as u8;
    }
    (packet, header)
}

/// A super-packet as the kernel writes and takes it: lengths of the whole, a partial checksum.
fn finish(mut crafted: Crafted, payload: &[u8], size: u16) -> (Vec<u8>, VirtioHeader) {
    crafted.payload.extend_from_slice(payload);
    let mut packet = crafted.bytes();
    let layout = Layout::parse(&packet).unwrap();
    let len = packet.len();
    assert!(layout.set_len(&mut packet, len));
    layout.set_ip_checksum(&mut packet);
    let sum = layout.pseudo_sum(&packet, len - layout.ip).fold();
    let at = layout.ip + layout.checksum_offset();
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let size = if usize::from(size) > payload.len() { payload.len() as u16 } else { size };
    let segmentation = match (layout.is_tcp, layout.is_v4) {
        (true, true) => Segmentation::Tcp4(size),
        (true, false) => Segmentation::Tcp6(size),
        (false, _) => Segmentation::Udp(size),
    };
    let header = VirtioHeader {
        checksum: Some((layout.ip as u16, layout.checksum_offset() as u16)),
        segmentation: Some(segmentation),
        header_len: layout.all as u16,
    };
    (packet, header)
}

fn rechecksum(packet: &mut [u8]) {
    let layout = Layout::parse(packet).unwrap();
    layout.set_ip_checksum(packet);
    layout.set_checksum(packet);
}

const V4: (&str, &str) = ("10.8.0.2", "192.0.2.1");
const V6: (&str, &str) = ("fd00::2", "2001:db8::1");
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const ACK: u8 = 0x10;
const CWR: u8 = 0x80;
