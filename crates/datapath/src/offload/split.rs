//! One packet as the kernel gave it, into the packets that it stands for.
//!
//! Nothing is copied but headers: a segment's headers are written over the end of the segment
//! before, which is sealed by then.

use std::fmt;

use super::checksum::Sum;
use super::flow::{Layout, MOST_HEADERS, sequence, set_word, udp_sum, word};
use super::{Segmentation, VirtioHeader};

/// Why a packet can't be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitError {
    /// Its headers aren't whole, or not of the kind that its virtio header names.
    Headers,
    /// The checksum to be completed lies outside of it.
    Checksum,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => "the packet's headers aren't those of its kind of segmentation",
            Self::Checksum => "the checksum to be completed lies outside of the packet",
        })
    }
}

impl std::error::Error for SplitError {}

/// Hands each packet that `packet` stands for to `each`, in order, complete with checksums. The
/// bytes are garbage afterwards.
pub fn split(
    packet: &mut [u8],
    header: &VirtioHeader,
    mut each: impl FnMut(&mut [u8]),
) -> Result<(), SplitError> {
    let Some(kind) = header.segmentation else {
        if let Some((start, offset)) = header.checksum {
            complete(packet, start.into(), offset.into())?;
        }
        each(packet);
        return Ok(());
    };
    let layout = Layout::parse(packet).filter(|layout| is_of_kind(layout, kind));
    let layout = layout.ok_or(SplitError::Headers)?;
    if packet.len() == layout.all || packet.len() > usize::from(u16::MAX) + layout.ip {
        return Err(SplitError::Headers);
    }
    let mut template = [0; MOST_HEADERS];
    template[..layout.all].copy_from_slice(&packet[..layout.all]);
    let mut segments = Segments::new(layout, &mut template[..layout.all]);
    let mut from = layout.all;
    while from < packet.len() {
        let to = packet.len().min(from + kind.size().max(1));
        let is_last = to == packet.len();
        let segment = &mut packet[from - layout.all..to];
        segments.complete(segment, is_last);
        each(segment);
        from = to;
    }
    Ok(())
}

/// How many packets `packet` stands for; one that can't be cut is one.
pub(crate) fn count(packet: &[u8], header: &VirtioHeader) -> u64 {
    let Some((kind, layout)) = header.segmentation.zip(Layout::parse(packet)) else { return 1 };
    let payload = packet.len().saturating_sub(layout.all);
    payload.div_ceil(kind.size().max(1)).max(1) as u64
}

/// Completes a checksum whose field holds the sum of the pseudo-header.
fn complete(packet: &mut [u8], start: usize, offset: usize) -> Result<(), SplitError> {
    let at = start + offset;
    if at + 2 > packet.len() {
        return Err(SplitError::Checksum);
    }
    let sum = Sum::default().add(&packet[start..]).finish();
    // The field's offset tells UDP, for which 0 has another spelling.
    set_word(packet, at, if offset == UDP_CHECKSUM { udp_sum(sum) } else { sum });
    Ok(())
}

fn is_of_kind(layout: &Layout, kind: Segmentation) -> bool {
    match kind {
        Segmentation::Tcp4(_) => layout.is_tcp && layout.is_v4,
        Segmentation::Tcp6(_) => layout.is_tcp && !layout.is_v4,
        Segmentation::Udp(_) => !layout.is_tcp,
    }
}

/// Writes the headers of one segment after the other.
struct Segments<'t> {
    layout: Layout,
    template: &'t mut [u8],
    sequence: u32,
    id: u16,
    flags: u8,
}

impl<'t> Segments<'t> {
    fn new(layout: Layout, template: &'t mut [u8]) -> Self {
        let is_tcp = layout.is_tcp;
        Self {
            sequence: if is_tcp { sequence(template, &layout) } else { 0 },
            id: if layout.is_v4 { word(template, 4) } else { 0 },
            flags: if is_tcp { template[layout.ip + 13] } else { 0 },
            layout,
            template,
        }
    }

    fn complete(&mut self, segment: &mut [u8], is_last: bool) {
        let layout = self.layout;
        let header = &mut *self.template;
        // It says less than the super-packet, which was of a length that can be said.
        layout.set_len(header, segment.len());
        if layout.is_v4 {
            set_word(header, 4, self.id);
            self.id = self.id.wrapping_add(1);
        }
        layout.set_ip_checksum(header);
        if layout.is_tcp {
            header[layout.ip + 4..][..4].copy_from_slice(&self.sequence.to_be_bytes());
            let kept = if is_last { self.flags } else { self.flags & !(FIN | PSH) };
            header[layout.ip + 13] = kept;
            self.flags &= !CWR;
            let payload = segment.len() - layout.all;
            self.sequence = self.sequence.wrapping_add(payload as u32);
        }
        segment[..layout.all].copy_from_slice(header);
        layout.set_checksum(segment);
    }
}

const UDP_CHECKSUM: usize = 6;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
