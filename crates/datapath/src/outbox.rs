//! A ready-made [`DatagramSink`]: one buffer, allocated once, filled front to back.
//!
//! Datagrams lie one behind the other, so neighbours for the same endpoint with the same length
//! are one [`Run`] that a single send with UDP_SEGMENT (GSO) takes as it is. For a TCP connection
//! each lies behind its length, and neighbours of any length are one run.

use wire::stream::{self, LENGTH};

use crate::{Carrier, DatagramSink, Endpoint};

/// Datagrams waiting to be sent, in order.
#[derive(Debug)]
pub struct Outbox {
    buffer: Box<[u8]>,
    filled: usize,
    pending: Option<(Endpoint, usize)>,
    runs: Vec<RunAt>,
    max_runs: usize,
    max_run_segments: usize,
}

/// Neighbouring datagrams for one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Where to, and from where.
    pub endpoint: Endpoint,
    /// One or more datagrams, each `segment` bytes but for the last, which may be shorter. For a TCP
    /// connection: packets of any length, each behind its length.
    pub bytes: &'a [u8],
    /// The length of each; of the first one for a TCP connection.
    pub segment: usize,
}

impl<'a> Run<'a> {
    /// Every datagram on its own, in order, as its receiver sees it.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (framed, mut rest) = (self.endpoint.stream().is_some(), self.bytes);
        let segment = self.segment.max(1);
        std::iter::from_fn(move || {
            let len = if framed { stream::whole_frame(rest)? } else { rest.len().min(segment) };
            let (datagram, behind) = rest.split_at_checked(len).filter(|_| len > 0)?;
            rest = behind;
            datagram.get(if framed { LENGTH } else { 0 }..)
        })
    }
}

impl Outbox {
    /// Room for `bytes` in at most `runs` runs of at most `run_segments` datagrams each (1 without
    /// GSO).
    pub fn new(bytes: usize, runs: usize, run_segments: usize) -> Self {
        Self {
            buffer: vec![0; bytes].into_boxed_slice(),
            filled: 0,
            pending: None,
            runs: Vec::with_capacity(runs),
            max_runs: runs,
            max_run_segments: run_segments.max(1),
        }
    }

    /// What waits, in order.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = Run<'_>> {
        self.runs.iter().map(|run| Run {
            endpoint: run.endpoint,
            bytes: &self.buffer[run.start..run.end],
            segment: run.segment,
        })
    }

    /// Every datagram on its own, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = (Endpoint, &[u8])> {
        self.runs().flat_map(|run| run.datagrams().map(move |datagram| (run.endpoint, datagram)))
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Forgets what waited; the memory stays.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.filled = 0;
        self.pending = None;
    }

    fn joins_last(&self, endpoint: &Endpoint, len: usize) -> bool {
        self.runs
            .last()
            .is_some_and(|run| run.endpoint == *endpoint && run.takes(len, self.max_run_segments))
    }
}

impl DatagramSink for Outbox {
    fn room(&mut self, endpoint: &Endpoint, len: usize) -> Option<&mut [u8]> {
        self.pending = None;
        let framing = match endpoint.carrier {
            Carrier::Udp(_) => 0,
            Carrier::Tcp(_) => LENGTH,
        };
        let whole = len.checked_add(framing).filter(|_| len > 0)?;
        if self.runs.len() >= self.max_runs && !self.joins_last(endpoint, whole) {
            return None;
        }
        let end = self.filled.checked_add(whole)?;
        let (front, room) = self.buffer.get_mut(self.filled..end)?.split_at_mut(framing);
        if framing > 0 {
            front.copy_from_slice(&stream::length(len)?);
        }
        self.pending = Some((*endpoint, whole));
        Some(room)
    }

    fn commit(&mut self) {
        let Some((endpoint, len)) = self.pending.take() else { return };
        let start = self.filled;
        self.filled += len;
        if self.joins_last(&endpoint, len)
            && let Some(run) = self.runs.last_mut()
        {
            run.end = self.filled;
            return;
        }
        self.runs.push(RunAt { endpoint, start, end: self.filled, segment: len });
    }
}

#[derive(Debug)]
struct RunAt {
    endpoint: Endpoint,
    start: usize,
    end: usize,
    segment: usize,
}

impl RunAt {
    /// A GSO send is at most what one UDP datagram could be.
    const MAX_BYTES: usize = 65_507;

    /// What one send to a TCP connection moves: 256 KiB, which still fits the cache, and the
    /// super-packet by which that is passed.
    const MAX_STREAM_BYTES: usize = (256 + 72) << 10;

    /// A shorter datagram ends a run, so a run whose length isn't whole segments takes no more.
    fn takes(&self, len: usize, max_segments: usize) -> bool {
        let bytes = self.end - self.start;
        if self.endpoint.stream().is_some() {
            return bytes + len <= Self::MAX_STREAM_BYTES;
        }
        bytes.is_multiple_of(self.segment)
            && len <= self.segment
            && bytes / self.segment < max_segments
            && bytes + len <= Self::MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;

    #[test]
    fn equal_neighbours_of_one_endpoint_become_one_run_and_a_shorter_one_ends_it() {
        let mut outbox = Outbox::new(4096, 8, 64);
        for (port, len) in [(1, 100), (1, 100), (1, 40), (1, 40), (2, 40), (1, 100)] {
            put(&mut outbox, port, len);
        }
        let runs: Vec<_> =
            outbox.runs().map(|r| (r.endpoint.remote.port(), r.bytes.len(), r.segment)).collect();
        assert_eq!(runs, [(1, 240, 100), (1, 40, 40), (2, 40, 40), (1, 100, 100)]);
        let sizes: Vec<_> = outbox.datagrams().map(|(_, d)| d.len()).collect();
        assert_eq!(sizes, [100, 100, 40, 40, 40, 100]);
    }

    #[test]
    fn room_that_is_not_committed_is_given_back() {
        let mut outbox = Outbox::new(100, 8, 1);
        assert!(outbox.room(&endpoint(1), 100).is_some());
        assert!(outbox.room(&endpoint(1), 101).is_none());
        outbox.commit();
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_full_outbox_refuses_until_cleared() {
        let mut outbox = Outbox::new(1000, 2, 1);
        put(&mut outbox, 1, 10);
        put(&mut outbox, 1, 10);
        assert!(outbox.room(&endpoint(1), 10).is_none());
        outbox.clear();
        assert!(outbox.room(&endpoint(1), 10).is_some());
    }

    #[test]
    fn a_run_stays_below_the_largest_udp_payload() {
        let mut outbox = Outbox::new(200_000, 8, 128);
        (0..60).for_each(|_| put(&mut outbox, 1, 1444));
        assert!(outbox.runs().all(|run| run.bytes.len() <= 65_507));
        assert_eq!(outbox.runs().len(), 2);
    }

    #[test]
    fn packets_of_any_length_for_a_connection_are_one_run_each_behind_its_length() {
        let mut outbox = Outbox::new(4096, 8, 64);
        let connection = |serial| Endpoint {
            carrier: Carrier::Tcp(StreamId { worker: 0, serial }),
            ..endpoint(1)
        };
        for (serial, len) in [(1, 100), (1, 40), (1, 300), (2, 40)] {
            outbox.room(&connection(serial), len).unwrap().fill(len as u8);
            outbox.commit();
        }
        put(&mut outbox, 1, 40);
        let runs: Vec<_> = outbox.runs().map(|r| (r.endpoint.stream(), r.bytes.len())).collect();
        let stream = |serial| Some(StreamId { worker: 0, serial });
        assert_eq!(runs, [(stream(1), 446), (stream(2), 42), (None, 40)]);
        let sizes: Vec<_> = outbox.datagrams().map(|(_, d)| (d.len(), d[0])).collect();
        assert_eq!(sizes, [(100, 100), (40, 40), (300, 44), (40, 40), (40, 1)]);
        assert_eq!(&outbox.runs().next().unwrap().bytes[..3], [0, 100, 100]);
    }

    #[test]
    fn a_run_for_a_connection_stays_within_one_send() {
        let mut outbox = Outbox::new(768 << 10, 512, 64);
        let carrier = Carrier::Tcp(StreamId { worker: 0, serial: 1 });
        let connection = Endpoint { carrier, ..endpoint(1) };
        for _ in 0..500 {
            outbox.room(&connection, 1424).unwrap();
            outbox.commit();
        }
        assert!(outbox.runs().all(|run| run.bytes.len() <= RunAt::MAX_STREAM_BYTES));
        assert_eq!(outbox.runs().len(), 3);
    }

    fn put(outbox: &mut Outbox, port: u16, len: usize) {
        outbox.room(&endpoint(port), len).unwrap().fill(port as u8);
        outbox.commit();
    }

    fn endpoint(port: u16) -> Endpoint {
        Endpoint::new(0, ([127, 0, 0, 1], port).into())
    }
}
