//! `struct virtio_net_hdr`: what is left to be done to a packet. Native byte order, ten bytes.

use std::fmt;

/// The header in front of a packet of a TUN interface with offload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtioHeader {
    /// The transport checksum is to be completed from here, and the field's offset from there.
    pub checksum: Option<(u16, u16)>,
    /// The packet stands for several segments.
    pub segmentation: Option<Segmentation>,
    /// How many bytes are headers. A hint: the kernel may count in all of the first segment.
    pub header_len: u16,
}

/// How a packet is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// A TCP stream in IPv4, into payloads of this many bytes.
    Tcp4(u16),
    /// The same in IPv6.
    Tcp6(u16),
    /// UDP datagrams of one flow, each of this many bytes but the last.
    Udp(u16),
}

impl Segmentation {
    /// The payload of each segment.
    pub fn size(self) -> usize {
        match self {
            Self::Tcp4(size) | Self::Tcp6(size) | Self::Udp(size) => size.into(),
        }
    }
}

/// Why bytes are no header that we can heed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtioError {
    /// A kind of segmentation that was not asked for.
    UnknownSegmentation(u8),
    /// Segments of no length.
    NoSize,
}

impl fmt::Display for VirtioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSegmentation(kind) => write!(f, "unknown kind of segmentation {kind}"),
            Self::NoSize => f.write_str("segments of no length"),
        }
    }
}

impl std::error::Error for VirtioError {}

impl VirtioHeader {
    /// How long it is.
    pub const LEN: usize = 10;

    /// A whole packet to which nothing is left to be done.
    pub const PLAIN: Self = Self { checksum: None, segmentation: None, header_len: 0 };

    /// Reads what the kernel wrote.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, VirtioError> {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let size = word(4);
        let segmentation = match bytes[1] & !ECN {
            NONE => None,
            TCP_V4 => Some(Segmentation::Tcp4(size)),
            TCP_V6 => Some(Segmentation::Tcp6(size)),
            UDP_L4 => Some(Segmentation::Udp(size)),
            other => return Err(VirtioError::UnknownSegmentation(other)),
        };
        if segmentation.is_some() && size == 0 {
            return Err(VirtioError::NoSize);
        }
        let checksum = (bytes[0] & NEEDS_CHECKSUM != 0).then(|| (word(6), word(8)));
        Ok(Self { checksum, segmentation, header_len: word(2) })
    }

    /// As the kernel reads it.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (kind, size) = match self.segmentation {
            None => (NONE, 0),
            Some(Segmentation::Tcp4(size)) => (TCP_V4, size),
            Some(Segmentation::Tcp6(size)) => (TCP_V6, size),
            Some(Segmentation::Udp(size)) => (UDP_L4, size),
        };
        bytes[1] = kind;
        bytes[2..4].copy_from_slice(&self.header_len.to_ne_bytes());
        bytes[4..6].copy_from_slice(&size.to_ne_bytes());
        if let Some((start, offset)) = self.checksum {
            bytes[0] = NEEDS_CHECKSUM;
            bytes[6..8].copy_from_slice(&start.to_ne_bytes());
            bytes[8..10].copy_from_slice(&offset.to_ne_bytes());
        }
        bytes
    }
}

const NEEDS_CHECKSUM: u8 = 1;
const NONE: u8 = 0;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP_L4: u8 = 5;
/// A flag beside the kind: the flow knows congestion marks.
const ECN: u8 = 0x80;
