//! What a data worker reads and writes: the kernel's TUN device and sockets, or a test's in memory.

use std::fmt::Debug;

use sysio::{
    Packet, Received, RecvError, SendError, Transmit, Tun, TunIoError, UdpSocket, VnetHeader,
};

/// One queue of a TUN device.
pub(super) trait TunIo: Debug + Send + Sync + 'static {
    /// As [`Tun::recv`].
    fn recv(&self, packet: &mut Packet) -> Result<Option<VnetHeader>, TunIoError>;

    /// As [`Tun::send_gathered`].
    fn send_gathered(
        &self,
        header: &VnetHeader,
        first: &[u8],
        more: &[&[u8]],
    ) -> Result<(), TunIoError>;
}

/// A socket for datagrams.
pub(super) trait UdpIo: Debug + Send + Sync + 'static {
    /// As [`UdpSocket::recv_batch`].
    fn recv_batch(&self, slots: &mut [Received]) -> Result<usize, RecvError>;

    /// As [`UdpSocket::send`].
    fn send(&self, datagrams: Transmit<'_>) -> Result<(), SendError>;

    /// As [`UdpSocket::joins_sent`].
    fn joins_sent(&self) -> bool;
}

impl TunIo for Tun {
    fn recv(&self, packet: &mut Packet) -> Result<Option<VnetHeader>, TunIoError> {
        Tun::recv(self, packet)
    }

    fn send_gathered(
        &self,
        header: &VnetHeader,
        first: &[u8],
        more: &[&[u8]],
    ) -> Result<(), TunIoError> {
        Tun::send_gathered(self, header, first, more)
    }
}

impl UdpIo for UdpSocket {
    fn recv_batch(&self, slots: &mut [Received]) -> Result<usize, RecvError> {
        UdpSocket::recv_batch(self, slots)
    }

    fn send(&self, datagrams: Transmit<'_>) -> Result<(), SendError> {
        UdpSocket::send(self, datagrams)
    }

    fn joins_sent(&self) -> bool {
        UdpSocket::joins_sent(self)
    }
}
