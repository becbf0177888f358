//! What leads to a server that is looked at: packets over UDP, or a stream that carries them behind their lengths.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use engine::Link;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use wire::stream::{Frames, length};

/// An open one.
pub(super) enum Line {
    Udp(UdpSocket),
    /// What came of a packet whose end is still to come stands beside it.
    Tcp(TcpStream, Vec<u8>),
}

impl Line {
    /// Over what was dialled; why not, else.
    pub(super) fn over(link: Link) -> Result<Self, String> {
        Self::open(link).map_err(|error| format!("no socket is to be had: {error}"))
    }

    fn open(link: Link) -> io::Result<Self> {
        match link {
            Link::Udp(socket) => {
                let socket = Arc::into_inner(socket).ok_or(io::ErrorKind::ResourceBusy)?;
                UdpSocket::from_std(OwnedFd::from(socket).into()).map(Self::Udp)
            }
            Link::Tcp(stream) => {
                TcpStream::from_std(stream.into()).map(|stream| Self::Tcp(stream, Vec::new()))
            }
        }
    }

    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        let local = match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream, _) => stream.local_addr(),
        };
        local.map(sysio::normalise)
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// A packet as it leaves; none where the other side would not take one of this length.
    pub(super) fn framed(&self, packet: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Udp(_) => Some(packet.to_vec()),
            Self::Tcp(..) => Some([&length(packet.len())?[..], packet].concat()),
        }
    }

    pub(super) async fn say(&mut self, framed: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(framed).await.map(drop),
            Self::Tcp(stream, _) => stream.write_all(framed).await,
        }
    }

    /// What comes next, as it comes; over TCP nothing is the end. Whoever stops waiting loses nothing.
    pub(super) async fn hear(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(room).await,
            Self::Tcp(stream, _) => stream.read(room).await,
        }
    }

    /// The packets that are complete with what was heard; none of a stream that is no OpenVPN's.
    pub(super) fn packets(&mut self, heard: &[u8]) -> Option<Vec<Vec<u8>>> {
        let Self::Tcp(_, waiting) = self else { return Some(vec![heard.to_vec()]) };
        waiting.extend_from_slice(heard);
        let mut frames = Frames::new(waiting);
        let complete = frames.by_ref().map(|packet| packet.to_vec()).collect();
        let rest = frames.finish().ok()?.to_vec();
        *waiting = rest;
        Some(complete)
    }
}
