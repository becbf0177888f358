//! A worker's queues of the TUN device, which share out the wait before it.
//!
//! Packets that the worker hasn't read yet wait in the device. In one queue, a ping or a keystroke would
//! wait behind megabytes of somebody's download. So a worker has several, and picks one for each flow
//! by a hash when it writes the flow's packets: the kernel remembers the queue that a flow was written
//! to, and its answers come out of the same one. They are read in turns.
//!
//! Invariant: the packets of one flow are written to one queue.

use std::sync::Arc;

use sysio::Ready;

use super::packet_io::TunIo;
use super::{FIRST_SOCKET, FIRST_TUN};

/// The queues of one worker, at least one.
#[derive(Debug)]
pub(super) struct TunQueues<T> {
    first: Arc<T>,
    more: Vec<Arc<T>>,
}

impl<T: TunIo> TunQueues<T> {
    /// Of `all` queues those that are this worker's, when as many share them; `None` if there are fewer.
    pub(super) fn share(all: &[Arc<T>], worker: usize, of: usize) -> Option<Self> {
        let mut own =
            all.iter().skip(worker).step_by(of.max(1)).take(QUEUES_PER_WORKER).map(Arc::clone);
        Some(Self { first: own.next()?, more: own.collect() })
    }

    /// One queue alone.
    pub(super) fn one(queue: Arc<T>) -> Self {
        Self { first: queue, more: Vec::new() }
    }

    /// Each with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<T>)> {
        std::iter::once(&self.first).chain(&self.more).enumerate()
    }

    /// The queue with this number.
    pub(super) fn get(&self, number: usize) -> Option<&T> {
        match number.checked_sub(1) {
            None => Some(&self.first),
            Some(at) => self.more.get(at).map(|queue| &**queue),
        }
    }

    /// Where packets of the flow go that this one is of.
    pub(super) fn of_flow(&self, packet: &[u8]) -> &T {
        if self.more.is_empty() {
            return &self.first;
        }
        let number = flow_hash(packet) as usize % (1 + self.more.len());
        self.get(number).unwrap_or(&self.first)
    }
}

/// Which of a worker's queues have something to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting(u8);

impl Waiting {
    /// Those that the poller found.
    pub(super) fn among(ready: &[Ready]) -> Self {
        Self(ready.iter().fold(0, |found, event| match *event {
            Ready::Fd { token: token @ FIRST_TUN..FIRST_SOCKET, .. } => {
                found | 1 << (token - FIRST_TUN)
            }
            _ => found,
        }))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each once.
    pub(super) fn round(self) -> impl Iterator<Item = usize> {
        (0..QUEUES_PER_WORKER).filter(move |number| self.0 & 1 << number != 0)
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.0 &= !(1 << number);
    }
}

/// The same for all packets of a flow: of addresses, protocol and ports. Of fragments only the first has
/// ports, and what has IP options or extension headers goes without them too.
fn flow_hash(packet: &[u8]) -> u32 {
    let (addresses, protocol, ports) = match packet.first() {
        Some(0x45) if packet.get(6..8).is_some_and(|at| at[0] & 0x3f == 0 && at[1] == 0) => {
            (packet.get(12..20), packet.get(9), packet.get(20..24))
        }
        Some(first) if first >> 4 == 4 => (packet.get(12..20), packet.get(9), None),
        _ => (packet.get(8..40), packet.get(6), packet.get(40..44)),
    };
    let protocol = protocol.copied().unwrap_or_default();
    let ports = ports.filter(|_| [TCP, UDP].contains(&protocol));
    let words = [addresses, ports].into_iter().flatten().flat_map(|bytes| bytes.chunks_exact(4));
    let mixed = words.fold(u32::from(protocol), |hash, word| {
        let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        (hash ^ word).wrapping_mul(MULTIPLIER).rotate_left(15)
    });
    mixed.wrapping_mul(MULTIPLIER) >> 16
}

/// Two flows share a queue one time in so many.
pub const QUEUES_PER_WORKER: usize = 8;
/// Odd, with its bits spread: 2^32 divided by the golden ratio.
const MULTIPLIER: u32 = 0x9e37_79b1;
const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_spread_over_the_queues_and_packets_of_one_stay_together() {
        let mut seen = [0; QUEUES_PER_WORKER];
        for port in 0..8_000 {
            let number = flow_hash(&packet(TCP, port, 5)) as usize % QUEUES_PER_WORKER;
            assert_eq!(flow_hash(&packet(TCP, port, 5)), flow_hash(&packet(TCP, port, 99)));
            seen[number] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn fragments_of_one_datagram_stay_together_behind_the_first() {
        let (mut second, mut third) = (packet(UDP, 7, 1), packet(UDP, 8, 2));
        (second[7], third[7]) = (185, 186);
        assert_eq!(flow_hash(&second), flow_hash(&third));
    }

    #[test]
    fn any_bytes_have_a_hash() {
        let all = packet(UDP, 7, 1);
        (0..all.len()).for_each(|len| {
            flow_hash(&all[..len]);
        });
        let v6 = [0x60; 80];
        (0..v6.len()).for_each(|len| {
            flow_hash(&v6[..len]);
        });
    }

    fn packet(protocol: u8, port: u16, content: u8) -> [u8; 40] {
        let mut packet = [content; 40];
        packet[0] = 0x45;
        packet[6..8].fill(0);
        packet[9] = protocol;
        packet[12..20].copy_from_slice(&[10, 71, 0, 1, 10, 71, 0, 2]);
        packet[20..22].copy_from_slice(&5201_u16.to_be_bytes());
        packet[22..24].copy_from_slice(&port.to_be_bytes());
        packet
    }
}
