//! Where what received datagrams held goes: inner packets to the TUN device, joined where they
//! continue each other; control packets to the control task once their HMAC has checked out.

use std::sync::Arc;

use clock::Now;
use datapath::fault::{self, Place};
use datapath::offload::{self, Coalescer, Joined, Segmentation, SuperSink};
use datapath::{Endpoint, PacketSink, PeerRef};
use sysio::{NO_OFFLOAD, TunIoError, TunOffload};
use tokio::sync::mpsc;
use wire::tls_auth::{ControlWrap, Suspect};

use super::ControlDatagram;
use super::handoff::Handoff;
use super::packet_io::TunIo;
use super::tun_queues::TunQueues;
use crate::figures::DataFigures;

/// What a worker's batches share on their way in.
pub(super) struct Ingress<T> {
    tun: Arc<TunQueues<T>>,
    wrap: Arc<ControlWrap>,
    control: mpsc::Sender<ControlDatagram>,
    joining: Joining,
    /// Whose packets are being joined or written. Persists when that panics.
    joining_for: Option<PeerRef>,
    diagnosis: Diagnosis,
    figures: DataFigures,
}

impl<T: TunIo> Ingress<T> {
    pub(super) fn new(
        tun: Arc<TunQueues<T>>,
        joins: TunOffload,
        wrap: Arc<ControlWrap>,
        control: mpsc::Sender<ControlDatagram>,
    ) -> Self {
        Self {
            tun,
            wrap,
            control,
            joining: Joining::new(joins),
            joining_for: None,
            diagnosis: Diagnosis::default(),
            figures: DataFigures::default(),
        }
    }

    /// Begins a batch. `handoff` takes what belongs to other workers; there are none for what those
    /// had handed over.
    pub(super) fn begin<'t, 'b>(
        &'t mut self,
        handoff: Option<&'t Handoff>,
        now: Now,
    ) -> IngressBatch<'t, 'b, T> {
        IngressBatch {
            coalescer: Coalescer::new(self.joining.allowed()),
            writer: TunWriter { tun: &*self.tun, joining: &mut self.joining, errors: 0 },
            wrap: &self.wrap,
            control: &self.control,
            handoff,
            figures: &mut self.figures,
            diagnosis: &mut self.diagnosis,
            forged_on_stream: false,
            now,
            joining_for: &mut self.joining_for,
            owner: None,
        }
    }

    /// Whose packets were being joined when that panicked.
    pub(super) fn take_panicked(&mut self) -> Option<PeerRef> {
        self.joining_for.take()
    }

    /// What the device takes joined.
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
pub(super) struct IngressBatch<'t, 'b, T> {
    coalescer: Coalescer<'b>,
    writer: TunWriter<'t, T>,
    wrap: &'t ControlWrap,
    control: &'t mpsc::Sender<ControlDatagram>,
    handoff: Option<&'t Handoff>,
    figures: &'t mut DataFigures,
    diagnosis: &'t mut Diagnosis,
    /// A control packet of a TCP connection failed the check: nothing of it is looked at any more.
    forged_on_stream: bool,
    now: Now,
    joining_for: &'t mut Option<PeerRef>,
    /// Whose packets wait in the coalescer.
    owner: Option<PeerRef>,
}

impl<T: TunIo> IngressBatch<'_, '_, T> {
    /// Writes what still waits for more of its flow: nothing waits beyond a batch. Says whether a
    /// TCP connection brought a control packet that failed the check.
    pub(super) fn finish(mut self) -> bool {
        self.flush_owner();
        self.figures.tun_errors += self.writer.errors;
        self.forged_on_stream
    }

    /// Writes what waits. Should that panic, it is its owner's end, and not the current peer's.
    fn flush_owner(&mut self) {
        let Some(owner) = self.owner.take() else { return };
        *self.joining_for = Some(owner);
        fault::pass(Place::Coalesce, owner);
        self.coalescer.flush(&mut self.writer);
        *self.joining_for = None;
    }
}

impl<'b, T: TunIo> PacketSink<'b> for IngressBatch<'_, 'b, T> {
    /// Packets of different peers are never of one flow, so nothing is lost by not trying.
    fn packet(&mut self, peer: PeerRef, packet: &'b mut [u8]) {
        if self.owner != Some(peer) {
            self.flush_owner();
            self.owner = Some(peer);
        }
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

impl<T: TunIo> SuperSink for TunWriter<'_, T> {
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
}

impl<T: TunIo> TunWriter<'_, T> {
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

    fn allowed(&self) -> offload::Joining {
        self.allowed
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
            tracing::info!(joins = ?rest, "the TUN device refuses joined packets");
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use sysio::Tun;
    use wire::PeerId;
    use wire::static_key::{KeyDirection, StaticKey};
    use wire::tls_auth::{AuthDigest, TlsAuth};

    use super::*;

    #[test]
    fn when_writing_panics_its_owner_is_named_and_not_the_current_peer() {
        let pair =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (near, _far) = pair.unwrap();
        let tun = Arc::new(Tun::from_fd(near, "near").unwrap());
        let tun = Arc::new(TunQueues::one(tun));
        let key = StaticKey::from_bytes(&[7; 256]);
        let auth = TlsAuth::new(&key, KeyDirection::Normal, AuthDigest::Sha256);
        let wrap = Arc::new(ControlWrap::TlsAuth(Box::new(auth)));
        let (control, _datagrams) = mpsc::channel(1);
        let mut ingress = Ingress::new(tun, TunOffload::TcpAndUdp, wrap, control);
        let mut packets = [segment(), segment(), segment()];
        let [first, second, other] = &mut packets;
        let now = Now { boot: Default::default(), wall: Default::default() };
        let mut inward = ingress.begin(None, now);
        let [ill, well] = [1, 2].map(|id| PeerRef { id: PeerId::new(id).unwrap(), generation: 9 });
        fault::inject(Place::Coalesce, ill, 0);
        let pushed = [(ill, &mut first[..]), (ill, &mut second[..]), (well, &mut other[..])];
        let push_all = || pushed.into_iter().for_each(|(peer, packet)| inward.packet(peer, packet));
        let panicked = catch_unwind(AssertUnwindSafe(push_all));
        assert!(panicked.is_err());
        assert_eq!(ingress.take_panicked(), Some(ill));
    }

    /// A TCP segment of four bytes.
    fn segment() -> [u8; 44] {
        let mut segment = [0; 44];
        segment[0] = 0x45;
        segment[3] = 44;
        segment[9] = 6;
        (segment[32], segment[33]) = (0x50, 0x10);
        segment
    }
}
