//! Where what received datagrams held goes: inner packets to the TUN device, joined as they come out of
//! the data path's core; control packets to the control task once their HMAC has checked out.

use std::sync::Arc;

use clock::Now;
use datapath::offload::{self, Joined, Segmentation, SuperSink};
use datapath::{Endpoint, PacketSink};
use sysio::{NO_OFFLOAD, TunIoError, TunOffload};
use tokio::sync::mpsc;
use wire::stranger::StrangerCheck;
use wire::tls_auth::Suspect;

use super::ControlDatagram;
use super::handoff::Handoff;
use super::packet_io::TunIo;
use super::tun_queues::TunQueues;
use crate::figures::{DataFigures, LastFrom};

/// What a worker's batches share on their way in.
pub(super) struct Ingress<T> {
    tun: Arc<TunQueues<T>>,
    check: StrangerCheck,
    control: mpsc::Sender<ControlDatagram>,
    joining: Joining,
    diagnosis: Diagnosis,
    figures: DataFigures,
}

impl<T: TunIo> Ingress<T> {
    pub(super) fn new(
        tun: Arc<TunQueues<T>>,
        joins: TunOffload,
        check: StrangerCheck,
        control: mpsc::Sender<ControlDatagram>,
    ) -> Self {
        Self {
            tun,
            check,
            control,
            joining: Joining::new(joins),
            diagnosis: Diagnosis::default(),
            figures: DataFigures::default(),
        }
    }

    /// Begins a batch. `handoff` takes what belongs to other workers; there are none for what those
    /// had handed over.
    pub(super) fn begin<'t>(
        &'t mut self,
        handoff: Option<&'t Handoff>,
        now: Now,
    ) -> IngressBatch<'t, T> {
        IngressBatch {
            writer: TunWriter { tun: &*self.tun, joining: &mut self.joining, errors: 0 },
            check: &self.check,
            control: &self.control,
            handoff,
            figures: &mut self.figures,
            diagnosis: &mut self.diagnosis,
            forged_on_stream: false,
            now,
        }
    }

    /// What may be joined for the device.
    pub(super) fn allowed(&self) -> offload::Joining {
        self.joining.allowed
    }

    /// The same, as what the device was asked for.
    pub(super) fn joins(&self) -> TunOffload {
        self.joining.tun()
    }

    /// What was counted on the way in.
    pub(super) fn figures(&self) -> DataFigures {
        self.figures.clone()
    }

    pub(super) fn count_tun_error(&mut self) {
        self.figures.tun_errors += 1;
    }
}

/// Takes the content of one batch.
pub(super) struct IngressBatch<'t, T> {
    writer: TunWriter<'t, T>,
    check: &'t StrangerCheck,
    control: &'t mpsc::Sender<ControlDatagram>,
    handoff: Option<&'t Handoff>,
    figures: &'t mut DataFigures,
    diagnosis: &'t mut Diagnosis,
    /// A control packet of a TCP connection failed the check: nothing of it is looked at any more.
    forged_on_stream: bool,
    now: Now,
}

impl<T: TunIo> IngressBatch<'_, T> {
    /// Ends the batch. Says whether a TCP connection brought a control packet that failed the check.
    pub(super) fn finish(self) -> bool {
        self.figures.tun_errors += self.writer.errors;
        self.forged_on_stream
    }
}

impl<T: TunIo> SuperSink for IngressBatch<'_, T> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        self.writer.write(joined);
    }
}

impl<'b, T: TunIo> PacketSink<'b> for IngressBatch<'_, T> {
    fn control(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]) {
        if self.forged_on_stream {
            return;
        }
        match self.check.open(datagram) {
            Ok(unwrapped) => {
                let datagram = ControlDatagram { endpoint: *endpoint, unwrapped };
                if self.control.try_send(datagram).is_err() {
                    self.figures.control_overflow += 1;
                }
            }
            Err(error) => {
                self.forged_on_stream = endpoint.stream().is_some();
                let suspect = if error.is_forged() {
                    let looked_at = self.diagnosis.of(self.check, datagram, self.now);
                    if let Some(suspect) = looked_at {
                        let last = LastFrom {
                            boot: self.now.boot,
                            source: endpoint.remote,
                            over_tcp: self.forged_on_stream,
                        };
                        self.figures.forged_from.insert(suspect, last);
                    }
                    looked_at.unwrap_or("wrong_tls_auth")
                } else {
                    "malformed_control"
                };
                *self.figures.forged_control.entry(suspect).or_default() += 1;
            }
        }
    }

    fn hand_off(&mut self, owner: u16, endpoint: &Endpoint, datagram: &'b mut [u8]) -> bool {
        self.handoff.is_some_and(|others| others.datagram(owner, endpoint, datagram))
    }
}

/// Writes packets and super-packets.
struct TunWriter<'t, T> {
    tun: &'t TunQueues<T>,
    joining: &'t mut Joining,
    errors: u64,
}

impl<T: TunIo> TunWriter<'_, T> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        let header = joined.header.encode();
        let outcome =
            self.tun.of_flow(joined.first).send_gathered(&header, joined.first, joined.payloads);
        let kind = joined.header.segmentation;
        match outcome {
            Ok(()) => self.joining.taken(kind),
            Err(TunIoError::BadPacket) if kind.is_some() => {
                self.joining.refused(kind);
                joined.packets.iter().for_each(|packet| self.write_plain(packet));
            }
            Err(error) => self.lost(joined.packets.len(), &error),
        }
    }

    fn write_plain(&mut self, packet: &[u8]) {
        if let Err(error) = self.tun.of_flow(packet).send_gathered(&NO_OFFLOAD, packet, &[]) {
            self.lost(1, &error);
        }
    }

    fn lost(&mut self, packets: usize, error: &TunIoError) {
        self.errors += packets as u64;
        tracing::trace!(%error, "writing to the TUN device");
    }
}

/// What the TUN device takes joined. A kind that it refuses before it ever took one isn't tried
/// again; later on it is the packet that was refused, and no peer can slow the others by it.
#[derive(Debug)]
struct Joining {
    allowed: offload::Joining,
    took_tcp: bool,
    took_udp: bool,
}

impl Joining {
    fn new(tun: TunOffload) -> Self {
        let allowed = match tun {
            TunOffload::None => offload::Joining::Nothing,
            TunOffload::Tcp => offload::Joining::Tcp,
            TunOffload::TcpAndUdp => offload::Joining::TcpAndUdp,
        };
        Self { allowed, took_tcp: false, took_udp: false }
    }

    /// The same, as what the device was asked for.
    fn tun(&self) -> TunOffload {
        match self.allowed {
            offload::Joining::Nothing => TunOffload::None,
            offload::Joining::Tcp => TunOffload::Tcp,
            offload::Joining::TcpAndUdp => TunOffload::TcpAndUdp,
        }
    }

    fn taken(&mut self, kind: Option<Segmentation>) {
        match kind {
            None => {}
            Some(Segmentation::Udp(_)) => self.took_udp = true,
            Some(_) => self.took_tcp = true,
        }
    }

    fn refused(&mut self, kind: Option<Segmentation>) {
        let (took, rest) = match kind {
            Some(Segmentation::Udp(_)) => (self.took_udp, offload::Joining::Tcp),
            _ => (self.took_tcp, offload::Joining::Nothing),
        };
        if !took && rest < self.allowed {
            self.allowed = rest;
            let udp_alone = rest == offload::Joining::Tcp;
            tracing::info!(udp_alone, "the TUN device refuses joined packets");
        }
    }
}

/// Finds out what is wrong with a forged packet, so rarely that a flood of them can't use it to
/// make us work.
#[derive(Debug, Default)]
struct Diagnosis {
    second: u64,
    made: u32,
}

impl Diagnosis {
    /// Nothing for one that is not looked at any more.
    fn of(&mut self, check: &StrangerCheck, datagram: &[u8], now: Now) -> Option<&'static str> {
        let second = now.boot.as_secs();
        if self.second != second {
            (self.second, self.made) = (second, 0);
        }
        if self.made >= DIAGNOSES_A_SECOND {
            return None;
        }
        self.made += 1;
        Some(match check.diagnose(datagram) {
            Some(Suspect::Key) | None => "wrong_tls_auth_key",
            Some(Suspect::KeyDirection) => "wrong_key_direction",
            Some(Suspect::Digest(_)) => "wrong_auth_digest",
        })
    }
}

const DIAGNOSES_A_SECOND: u32 = 20;
