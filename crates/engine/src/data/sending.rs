//! What a worker sends: sealed into one buffer, which leaves in as few calls as the kernel allows.
//!
//! Invariant: the buffer is empty after a flush, whatever became of it: what the kernel does not take is lost and
//! counted.

use std::sync::Arc;

use datapath::{Carrier, Outbox};
use sysio::{Poller, Transmit};

use super::handoff::{Egress, Handoff};
use super::packet_io::UdpIo;
use super::streams::Streams;
use super::transmit;

/// The way out of one worker.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) outbox: Outbox,
    errors: u64,
}

impl Sending {
    pub(super) fn new() -> Self {
        Self { outbox: Outbox::new(OUTBOX, RUNS, RUN_SEGMENTS), errors: 0 }
    }

    /// Where a batch puts what it sends.
    pub(super) fn egress<'t>(&'t mut self, handoff: &'t Handoff) -> Egress<'t> {
        Egress { outbox: &mut self.outbox, handoff }
    }

    /// Whether it is much by now.
    pub(super) fn is_much(&self) -> bool {
        self.outbox.len() >= FLUSH_AT || self.outbox.runs().len() >= RUNS / 2
    }

    /// Forgets what was not sent.
    pub(super) fn clear(&mut self) {
        self.outbox.clear();
    }

    /// Datagrams that the kernel did not take.
    pub(super) fn errors(&self) -> u64 {
        self.errors
    }

    /// Sends everything, by the socket or the connection that each run is for.
    pub(super) fn flush<U: UdpIo>(
        &mut self,
        sockets: &[(Arc<U>, bool)],
        streams: &mut Streams,
        poller: &Poller,
    ) {
        for run in self.outbox.runs() {
            let index = match run.endpoint.carrier {
                Carrier::Udp(index) => usize::from(index),
                Carrier::Tcp(stream) => {
                    streams.send(stream, run.bytes, poller);
                    continue;
                }
            };
            let Some((socket, _)) = sockets.get(index) else { continue };
            let joined = socket.joins_sent();
            let datagrams = Transmit { segment: run.segment, ..transmit(&run.endpoint, run.bytes) };
            if let Err(error) = socket.send(datagrams) {
                self.errors += run.bytes.len().div_ceil(run.segment) as u64;
                tracing::trace!(%error, "sending data packets");
            }
            if joined && !socket.joins_sent() {
                tracing::info!("the kernel refuses joined datagrams here: each is sent on its own");
            }
        }
        self.outbox.clear();
    }
}

/// Between a full batch from one peer to another and what fits the cache.
const OUTBOX: usize = 768 << 10;
const RUNS: usize = 512;
/// What every kernel with UDP_SEGMENT takes.
const RUN_SEGMENTS: usize = 64;
/// Four full sends.
const FLUSH_AT: usize = 4 * 65_507;
