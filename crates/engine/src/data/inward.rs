//! Where what received datagrams held goes: inner packets to the TUN device, joined where they
//! continue each other; control packets to the control task once their HMAC has checked out.

use clock::Now;
use datapath::offload::{self, Coalescer, Joined, Segmentation, SuperSink};
use datapath::{Endpoint, PacketSink};
use sysio::{Tun, TunIoError, TunOffload};
use tokio::sync::mpsc;
use wire::tls_auth::{ControlWrap, Suspect};

use super::ControlDatagram;
use super::neighbours::Neighbours;
use crate::figures::DataFigures;

/// Takes the content of one batch.
pub(super) struct Inward<'t, 'b> {
    pub(super) coalescer: Coalescer<'b>,
    pub(super) writer: TunWriter<'t>,
    pub(super) wrap: &'t ControlWrap,
    pub(super) control: &'t mpsc::Sender<ControlDatagram>,
    /// Who takes what belongs to others; nobody, for what others read.
    pub(super) neighbours: Option<&'t Neighbours>,
    pub(super) figures: &'t mut DataFigures,
    pub(super) diagnosis: &'t mut Diagnosis,
    /// A control packet of a TCP connection failed the check: nothing of it is looked at any more.
    pub(super) forged_on_stream: bool,
    pub(super) now: Now,
}

impl Inward<'_, '_> {
    /// Writes what still waits for more of its flow: nothing waits beyond a batch. Says whether a
    /// TCP connection brought a control packet that failed the check.
    pub(super) fn finish(mut self) -> bool {
        self.coalescer.flush(&mut self.writer);
        self.figures.tun_errors += self.writer.errors;
        self.forged_on_stream
    }
}

impl<'b> PacketSink<'b> for Inward<'_, 'b> {
    fn packet(&mut self, packet: &'b mut [u8]) {
        self.coalescer.push(packet, &mut self.writer);
    }

    fn control(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]) {
        if self.forged_on_stream {
            return;
        }
        if let Err(error) = self.wrap.open(datagram) {
            self.forged_on_stream = endpoint.stream().is_some();
            let suspect = if error.is_forged() {
                self.diagnosis.of(self.wrap, datagram, self.now)
            } else {
                "malformed_control"
            };
            *self.figures.forged_control.entry(suspect).or_default() += 1;
            return;
        }
        let datagram = ControlDatagram { endpoint: *endpoint, bytes: datagram.to_vec() };
        if self.control.try_send(datagram).is_err() {
            self.figures.control_overflow += 1;
        }
    }

    fn elsewhere(&mut self, owner: u16, endpoint: &Endpoint, datagram: &'b mut [u8]) -> bool {
        self.neighbours.is_some_and(|others| others.datagram(owner, endpoint, datagram))
    }
}

/// Writes packets and super-packets.
pub(super) struct TunWriter<'t> {
    pub(super) tun: &'t Tun,
    pub(super) joining: &'t mut Joining,
    pub(super) errors: u64,
}

impl SuperSink for TunWriter<'_> {
    fn write(&mut self, joined: &Joined<'_, '_>) {
        let header = joined.header.encode();
        let outcome = self.tun.send_gathered(&header, joined.first, joined.payloads);
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
}

impl TunWriter<'_> {
    fn write_plain(&mut self, packet: &[u8]) {
        if let Err(error) = self.tun.send(packet) {
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
pub(super) struct Joining {
    allowed: offload::Joining,
    took_tcp: bool,
    took_udp: bool,
}

impl Joining {
    pub(super) fn new(tun: TunOffload) -> Self {
        let allowed = match tun {
            TunOffload::None => offload::Joining::Nothing,
            TunOffload::Tcp => offload::Joining::Tcp,
            TunOffload::TcpAndUdp => offload::Joining::TcpAndUdp,
        };
        Self { allowed, took_tcp: false, took_udp: false }
    }

    pub(super) fn allowed(&self) -> offload::Joining {
        self.allowed
    }

    /// The same, as what the device was asked for.
    pub(super) fn tun(&self) -> TunOffload {
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
            tracing::info!(joins = ?rest, "the TUN device refuses joined packets");
        }
    }
}

/// Finds out what is wrong with a forged packet, so rarely that a flood of them can't use it to
/// make us work.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    second: u64,
    made: u32,
}

impl Diagnosis {
    fn of(&mut self, wrap: &ControlWrap, datagram: &[u8], now: Now) -> &'static str {
        let second = now.boot.as_secs();
        if self.second != second {
            (self.second, self.made) = (second, 0);
        }
        if self.made >= DIAGNOSES_A_SECOND {
            return "wrong_tls_auth";
        }
        self.made += 1;
        match wrap.diagnose(datagram) {
            Some(Suspect::Key) | None => "wrong_tls_auth_key",
            Some(Suspect::KeyDirection) => "wrong_key_direction",
            Some(Suspect::Digest(_)) => "wrong_auth_digest",
        }
    }
}

const DIAGNOSES_A_SECOND: u32 = 20;
