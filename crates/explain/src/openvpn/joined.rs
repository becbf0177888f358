//! Several datagrams that a capture has as one: whoever sends or receives many at once (UDP_SEGMENT, UDP_GRO) has its
//! kernel take them in one piece, of equal lengths but for the last, which may be shorter.
//!
//! Nothing says where each begins. So a length counts where a packet of this very session stands behind every stride: a
//! control packet with its sender's number of eight bytes, or data of the same peer that goes on counting. A single
//! packet has that by no chance.

use wire::{Opcode, split_first_byte};

/// The most datagrams that Linux sends or receives in one piece.
const MOST: usize = 128;
/// A control packet that carries nothing and a data packet that carries nothing are longer.
const SHORTEST: usize = 22;
/// How far the counter of data may have gone on from one packet to the next, where some were lost.
const FARTHEST: u32 = 64;
/// The most lengths that are tried of one piece: whoever means no good makes many look possible.
const MOST_TRIED: usize = 64;

/// What one side's packets begin with.
#[derive(Clone, Copy, Default)]
pub(super) struct Sender {
    session: Option<[u8; 8]>,
    data: Option<Data>,
}

/// Opcode and key id, the peer, and the counter.
#[derive(Clone, Copy)]
struct Data {
    begins: [u8; 4],
    counter: u32,
}

impl Sender {
    /// The length of all datagrams but the last, where there are several in this piece.
    pub(super) fn stride(&self, piece: &[u8]) -> Option<usize> {
        let first = self.with_first(piece)?;
        let shortest = SHORTEST.max(piece.len().div_ceil(MOST));
        let begins_at =
            |at: &usize| piece.get(*at..).is_some_and(|rest| first.next(rest).is_some());
        let possible = (shortest..piece.len()).filter(begins_at).take(MOST_TRIED);
        possible.into_iter().find(|stride| {
            let mut rest = piece.chunks(*stride).skip(1);
            rest.try_fold(first, |sender, next| sender.next(next)).is_some()
        })
    }

    /// Remembers a datagram of its own.
    pub(super) fn sent(&mut self, datagram: &[u8]) {
        *self = self.with_first(datagram).unwrap_or(*self);
    }

    /// The first one needs no likeness.
    fn with_first(self, piece: &[u8]) -> Option<Sender> {
        let (opcode, _) = split_first_byte(piece)?;
        match opcode {
            Opcode::DATA_V2 => Some(Sender { data: Some(data(piece)?), ..self }),
            opcode if opcode.is_control() => {
                Some(Sender { session: Some(session(piece)?), ..self })
            }
            _ => None,
        }
    }

    /// What is known with one more; none where it is none of this sender's.
    fn next(self, piece: &[u8]) -> Option<Sender> {
        let next = self.with_first(piece).filter(|_| piece.len() >= SHORTEST)?;
        let goes_on = match split_first_byte(piece)?.0 {
            Opcode::DATA_V2 => next.data?.follows(self.data?),
            _ => next.session == Some(self.session?),
        };
        goes_on.then_some(next)
    }
}

impl Data {
    fn follows(self, last: Data) -> bool {
        let ahead = self.counter.wrapping_sub(last.counter);
        self.begins == last.begins && (1..=FARTHEST).contains(&ahead)
    }
}

fn session(packet: &[u8]) -> Option<[u8; 8]> {
    packet.get(1..9)?.try_into().ok()
}

fn data(packet: &[u8]) -> Option<Data> {
    let begins = packet.get(..4)?.try_into().ok()?;
    let counter = u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?);
    Some(Data { begins, counter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_one_length_and_a_shorter_last_one_are_found() {
        let sender = Sender::default();
        let three = [control(1, 100), control(1, 100), control(1, 40)].concat();
        assert_eq!(sender.stride(&three), Some(100));
        assert_eq!(sender.stride(&[control(1, 100), control(1, 100)].concat()), Some(100));
        let counted: Vec<u8> = (7..71).flat_map(|counter| packet_of_data(counter, 90)).collect();
        assert_eq!(sender.stride(&counted), Some(90));
    }

    #[test]
    fn one_datagram_is_one_whatever_stands_in_it() {
        let sender = Sender::default();
        assert_eq!(sender.stride(&control(1, 1_400)), None);
        assert_eq!(sender.stride(&packet_of_data(1, 1_400)), None);
        for other in [control(2, 40), packet_of_data(1, 40), vec![0x38; 40], vec![0; 40]] {
            assert_eq!(sender.stride(&[control(1, 100), other].concat()), None);
        }
        let wide_apart = [packet_of_data(1, 90), packet_of_data(1_000, 90)].concat();
        assert_eq!(sender.stride(&wide_apart), None);
        // The last one is never the longest.
        assert_eq!(sender.stride(&[control(1, 100), control(1, 140)].concat()), None);
        assert_eq!(sender.stride(&[]), None);
    }

    #[test]
    fn data_behind_control_goes_on_from_what_was_sent_before() {
        let mut sender = Sender::default();
        let both = [control(1, 100), packet_of_data(8, 80)].concat();
        assert_eq!(sender.stride(&both), None);
        sender.sent(&packet_of_data(7, 80));
        assert_eq!(sender.stride(&both), Some(100));
    }

    #[test]
    fn a_piece_in_which_everything_looks_possible_is_done_with_soon() {
        let mut hostile = vec![0x20; 60_000];
        hostile.extend([0; 2_000]);
        assert_eq!(Sender::default().stride(&hostile), None);
    }

    fn control(session: u8, length: usize) -> Vec<u8> {
        let mut packet = vec![0x20];
        packet.extend([session; 8]);
        packet.resize(length, 0xaa);
        packet
    }

    fn packet_of_data(counter: u32, length: usize) -> Vec<u8> {
        let mut packet = vec![0x48, 0, 0, 5];
        packet.extend(counter.to_be_bytes());
        packet.resize(length, 0xbb);
        packet
    }
}
