//! The frames of a capture file, one after the other, with their times.

use std::io::Read;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

use super::CaptureError;

/// The longest block that is read; capture programs write frames of up to 256 KiB.
const LONGEST_BLOCK: usize = 1024 * 1024;
/// The most interfaces of one file whose times are understood.
const MOST_INTERFACES: usize = 256;
const MICROS: u64 = 1_000_000;

/// One frame as it was captured.
pub(super) struct Frame<'a> {
    /// From 1.
    pub(super) number: u32,
    /// Microseconds since 1970.
    pub(super) at: u64,
    pub(super) link: Linktype,
    /// Which interface of its file it was captured on.
    pub(super) interface: u32,
    /// How long it was before the capture program cut it.
    pub(super) original: usize,
    pub(super) bytes: &'a [u8],
}

/// How a file ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// As the file of a program that was killed.
    WithinFrame,
}

/// One network interface of a file.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Ticks in a second.
    resolution: u64,
    offset: i64,
    /// The most bytes of a frame that are kept; none where there is no bound.
    longest: Option<usize>,
}

/// Where in a file we are.
#[derive(Default)]
struct Place {
    interfaces: Vec<Interface>,
    frame: u32,
}

/// Calls `take` for each frame.
pub(super) fn each(
    source: impl Read + Send,
    mut take: impl FnMut(&Frame<'_>),
) -> Result<End, CaptureError> {
    let mut reader = create_reader(LONGEST_BLOCK, source).map_err(|error| begin(&error))?;
    let mut place = Place::default();
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let Some(frame) = place.block(&block) {
                    take(&frame);
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(End::Whole),
            Err(PcapError::UnexpectedEof) => return Ok(End::WithinFrame),
            Err(PcapError::Incomplete(_)) => again(&mut *reader)?,
            Err(PcapError::BufferTooSmall) => return Err(CaptureError::FrameTooLong),
            Err(PcapError::ReadError) => return Err(CaptureError::Unreadable),
            Err(_) => return Err(CaptureError::Damaged { frame: place.frame.saturating_add(1) }),
        }
    }
}

/// Reads more. Where there is no room for it, the block at hand is longer than any.
fn again(reader: &mut (dyn PcapReaderIterator + Send)) -> Result<(), CaptureError> {
    let before = reader.data().len();
    reader.refill().map_err(|_| CaptureError::Unreadable)?;
    if reader.data().len() == before && !reader.reader_exhausted() {
        return Err(CaptureError::FrameTooLong);
    }
    Ok(())
}

fn begin(error: &PcapError<&[u8]>) -> CaptureError {
    match error {
        PcapError::ReadError => CaptureError::Unreadable,
        _ => CaptureError::NoCapture,
    }
}

impl Place {
    fn block<'a>(&mut self, block: &'a PcapBlockOwned<'a>) -> Option<Frame<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution =
                    if header.is_nanosecond_precision() { 1_000 * MICROS } else { MICROS };
                self.interfaces =
                    vec![Interface { link: header.network, resolution, offset: 0, longest: None }];
                None
            }
            PcapBlockOwned::Legacy(frame) => {
                let interface = *self.interfaces.first()?;
                let at = u64::from(frame.ts_sec) * interface.resolution + u64::from(frame.ts_usec);
                Some(self.frame((0, interface), at, frame.data, frame.origlen))
            }
            PcapBlockOwned::NG(block) => self.new_block(block),
        }
    }

    fn new_block<'a>(&mut self, block: &'a Block<'a>) -> Option<Frame<'a>> {
        match block {
            // Interfaces are counted anew in each section.
            Block::SectionHeader(_) => {
                self.interfaces.clear();
                None
            }
            Block::InterfaceDescription(described) => {
                let resolution = described.ts_resolution().unwrap_or(MICROS);
                let interface = Interface {
                    link: described.linktype,
                    resolution,
                    offset: described.ts_offset(),
                    longest: usize::try_from(described.snaplen).ok().filter(|most| *most > 0),
                };
                if self.interfaces.len() < MOST_INTERFACES {
                    self.interfaces.push(interface);
                }
                None
            }
            Block::EnhancedPacket(frame) => {
                let interface = self.interfaces.get(usize::try_from(frame.if_id).ok()?).copied();
                let ticks = u64::from(frame.ts_high) << 32 | u64::from(frame.ts_low);
                let data = frame.data.get(..frame.caplen as usize).unwrap_or(frame.data);
                match interface {
                    Some(interface) => {
                        Some(self.frame((frame.if_id, interface), ticks, data, frame.origlen))
                    }
                    None => {
                        self.frame = self.frame.saturating_add(1);
                        None
                    }
                }
            }
            Block::SimplePacket(frame) => {
                let interface = *self.interfaces.first()?;
                // What stands behind the frame fills its block up.
                let kept = (frame.origlen as usize).min(interface.longest.unwrap_or(usize::MAX));
                let data = frame.data.get(..kept).unwrap_or(frame.data);
                Some(self.frame((0, interface), 0, data, frame.origlen))
            }
            _ => None,
        }
    }

    fn frame<'a>(
        &mut self,
        (number, interface): (u32, Interface),
        ticks: u64,
        bytes: &'a [u8],
        original: u32,
    ) -> Frame<'a> {
        self.frame = self.frame.saturating_add(1);
        let resolution = u128::from(interface.resolution.max(1));
        let micros = u128::from(ticks) * u128::from(MICROS) / resolution;
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let offset = interface.offset.saturating_mul(MICROS as i64);
        Frame {
            number: self.frame,
            at: micros.saturating_add_signed(offset),
            link: interface.link,
            interface: number,
            original: (original as usize).max(bytes.len()),
            bytes,
        }
    }
}
