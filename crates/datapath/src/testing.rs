//! For this crate's tests: repeatable chance, and packets to play with.

/// SplitMix64: small, and the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.next() as u8);
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }
}

/// An IP packet with right checksums.
pub(crate) struct Crafted {
    pub(crate) source: std::net::IpAddr,
    pub(crate) destination: std::net::IpAddr,
    pub(crate) protocol: u8,
    pub(crate) payload: Vec<u8>,
}

impl Crafted {
    /// A UDP-like packet between two addresses, given as text.
    pub(crate) fn between(source: &str, destination: &str) -> Self {
        Self {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: 17,
            payload: b"0123456789 hello".to_vec(),
        }
    }

    /// A TCP segment with these flags and options; its checksum is right.
    pub(crate) fn tcp(source: &str, destination: &str, flags: u8, options: &[u8]) -> Self {
        let mut tcp = vec![0x12, 0x34, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0];
        tcp.extend([(((20 + options.len()) / 4) << 4) as u8, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(options);
        let mut crafted = Self { protocol: 6, payload: tcp, ..Self::between(source, destination) };
        let sum = crafted.transport_sum();
        crafted.payload[16..18].copy_from_slice(&(!sum).to_be_bytes());
        crafted
    }

    /// A TCP segment that carries data on; its checksum is right.
    pub(crate) fn segment(source: &str, destination: &str, sequence: u32, data: &[u8]) -> Self {
        let mut crafted = Self::tcp(source, destination, 0x10, &[]);
        crafted.payload[4..8].copy_from_slice(&sequence.to_be_bytes());
        crafted.payload[16..18].fill(0);
        crafted.payload.extend(data);
        let sum = crafted.transport_sum();
        crafted.payload[16..18].copy_from_slice(&(!sum).to_be_bytes());
        crafted
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        use std::net::IpAddr::{V4, V6};
        let len = self.payload.len() as u16;
        let mut packet = Vec::new();
        match (self.source, self.destination) {
            (V4(source), V4(destination)) => {
                packet.extend([0x45, 0]);
                packet.extend((len + 20).to_be_bytes());
                packet.extend([0, 1, 0, 0, 64, self.protocol, 0, 0]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
                let sum = !ones_sum(&packet);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            (V6(source), V6(destination)) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(len.to_be_bytes());
                packet.extend([self.protocol, 64]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
            }
            _ => panic!("both ends are of one family"),
        }
        packet.extend(&self.payload);
        packet
    }

    /// The sum over pseudo-header and payload; 0xffff if the checksum within is right.
    fn transport_sum(&self) -> u16 {
        let octets = |address| match address {
            std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
            std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let mut pseudo = octets(self.source);
        pseudo.extend(octets(self.destination));
        pseudo.extend([0, self.protocol]);
        pseudo.extend((self.payload.len() as u16).to_be_bytes());
        pseudo.extend(&self.payload);
        ones_sum(&pseudo)
    }

    /// Whether a TCP packet's checksum is right, by a full computation.
    pub(crate) fn checksum_holds(packet: &[u8]) -> bool {
        let inner = crate::ip::Inner::parse(packet).unwrap();
        let header = if packet[0] >> 4 == 4 { usize::from(packet[0] & 15) * 4 } else { 40 };
        let again = Crafted {
            source: inner.source,
            destination: inner.destination,
            protocol: 6,
            payload: packet[header..].to_vec(),
        };
        again.transport_sum() == 0xffff
    }
}

/// Ones' complement sum of big-endian words.
fn ones_sum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for word in bytes.chunks(2) {
        sum += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
