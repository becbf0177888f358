//! Several sockets on one address (SO_REUSEPORT), and the program that picks one for each datagram.
//!
//! The first socket is bound alone and opened for others afterwards, so that a second program on the
//! same port still fails instead of taking half of the datagrams.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

use super::{BindError, UdpSocket};

/// One instruction of a classic BPF program (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpfInstruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many to skip if it doesn't.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl UdpSocket {
    /// Binds `count` sockets, at least one, to one address, as [`UdpSocket::bind`] does. Where the
    /// kernel doesn't take more than one they are fewer.
    ///
    /// # Errors
    /// When the first can't be bound; another program on the port is such a reason.
    pub fn bind_group(address: SocketAddr, count: usize) -> Result<Vec<Self>, BindError> {
        let first = Self::bind(address)?;
        let bound = first.local_addr().map_err(|e| BindError::new(address, e))?;
        let mut group = vec![first];
        if count > 1 && group[0].admit_others().is_ok() {
            while group.len() < count
                && let Ok(next) = Self::bind_beside(bound)
            {
                group.push(next);
            }
        }
        Ok(group)
    }

    /// Lets a program choose the group's socket for each datagram: its result is the place in the
    /// order of binding. Without one the kernel chooses by a hash of both ends. The program reads the
    /// payload from offset 0. For any socket of a group; it holds for the whole of it.
    ///
    /// # Errors
    /// When the kernel refuses the program, or the socket is alone.
    pub fn steer(&self, program: &[BpfInstruction]) -> io::Result<()> {
        let mut filter: Vec<_> = program
            .iter()
            .map(|&BpfInstruction { code, jt, jf, k }| libc::sock_filter { code, jt, jf, k })
            .collect();
        let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
        Ok(setsockopt(&self.as_fd(), sockopt::AttachReusePortCbpf, &program)?)
    }

    fn admit_others(&self) -> io::Result<()> {
        Ok(setsockopt(&self.as_fd(), sockopt::ReusePort, &true)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Packet, Received, Transmit};

    #[test]
    fn a_group_shares_its_port_and_a_stranger_is_refused() {
        let group = UdpSocket::bind_group("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = group[0].local_addr().unwrap();
        assert_eq!(group.len(), 3);
        assert!(group.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert!(UdpSocket::bind(address).is_err());
        assert!(UdpSocket::bind_group(address, 2).is_err());
    }

    #[test]
    fn a_program_picks_the_socket_by_the_first_byte() {
        let group = UdpSocket::bind_group("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = group[0].local_addr().unwrap();
        // A = payload[0]; return A.
        let load = BpfInstruction { code: 0x30, jt: 0, jf: 0, k: 0 };
        let ret = BpfInstruction { code: 0x16, jt: 0, jf: 0, k: 0 };
        group[0].steer(&[load, ret]).unwrap();
        let sender = UdpSocket::connect(address).unwrap();
        for round in 0..9u8 {
            let payload = &[round % 3, round][..];
            let datagram =
                Transmit { payload, remote: address, local: None, ifindex: 0, segment: 0 };
            sender.send(datagram).unwrap();
            let mut slots: Vec<_> = (0..2).map(|_| Received::new(Packet::new(0, 64))).collect();
            assert_eq!(group[usize::from(round % 3)].recv_batch(&mut slots).unwrap(), 1);
            assert_eq!(slots[0].packet.content(), payload);
        }
    }

    #[test]
    fn a_program_that_is_none_is_refused() {
        let group = UdpSocket::bind_group("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert!(group[0].steer(&[BpfInstruction { code: 0xffff, jt: 0, jf: 0, k: 0 }]).is_err());
        assert!(group[0].steer(&[]).is_err());
    }
}
