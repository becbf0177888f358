//! The program by which the kernel gives each datagram to the socket of its peer's owner.
//!
//! Nothing depends on it: whoever reads a datagram looks at its opcode and its peer-id again.

use sysio::BpfInstruction;

/// For `owners` workers, in the order of their sockets, and one socket more for everything that
/// isn't a data packet. The upper five bits of a packet's first byte are its opcode; P_DATA_V2 is opcode
/// 9, and its peer-id the next three bytes. P_DATA_V1, opcode 6, doesn't say whose it is; the first worker
/// knows by the sender.
pub(crate) fn program(owners: u16) -> [BpfInstruction; 10] {
    let owners = u32::from(owners.max(1));
    [
        step(LOAD_BYTE, 0),
        step(SHIFT_RIGHT, 3),
        BpfInstruction { code: JUMP_IF_EQUAL, jt: 0, jf: 4, k: P_DATA_V2 },
        step(LOAD_WORD, 0),
        step(AND, 0x00ff_ffff),
        step(MODULO, owners),
        step(RETURN_A, 0),
        BpfInstruction { code: JUMP_IF_EQUAL, jt: 0, jf: 1, k: P_DATA_V1 },
        step(RETURN_K, 0),
        step(RETURN_K, owners),
    ]
}

fn step(code: u16, k: u32) -> BpfInstruction {
    BpfInstruction { code, jt: 0, jf: 0, k }
}

const P_DATA_V1: u32 = 6;
const P_DATA_V2: u32 = 9;
// Codes of linux/bpf_common.h: class, size or operation, mode or source.
const LOAD_BYTE: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
const SHIFT_RIGHT: u16 = 0x74;
const AND: u16 = 0x54;
const MODULO: u16 = 0x94;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN_A: u16 = 0x16;
const RETURN_K: u16 = 0x06;

#[cfg(test)]
mod tests {
    use sysio::{Packet, Received, Transmit, UdpSocket};

    use super::*;

    #[test]
    fn data_packets_go_to_their_peers_owner_and_all_others_to_the_last_socket() {
        let owners = 3;
        let group = UdpSocket::bind_group("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        group[0].steer(&program(owners)).unwrap();
        let address = group[0].local_addr().unwrap();
        let sender = UdpSocket::connect(address).unwrap();
        let cases: [(&[u8], usize); 7] = [
            (&[9 << 3, 0, 0, 0, 1], 0),
            (&[9 << 3 | 7, 0, 0, 1, 1], 1),
            (&[9 << 3, 0, 1, 4, 1], 260 % 3),
            (&[6 << 3, 0, 0, 0, 1], 0),
            (&[7 << 3, 0, 0, 0, 1], 3),
            (&[4 << 3], 3),
            (&[10 << 3, 1, 2, 3], 3),
        ];
        for (payload, socket) in cases {
            let datagram =
                Transmit { payload, remote: address, local: None, ifindex: 0, segment: 0 };
            sender.send(datagram).unwrap();
            let mut slots = [Received::new(Packet::new(0, 64))];
            assert_eq!(group[socket].recv_batch(&mut slots).unwrap(), 1, "{payload:?}");
        }
        // A program that can't read what it asks for gives 0: the first worker counts it.
        sender
            .send(Transmit {
                payload: &[9 << 3],
                remote: address,
                local: None,
                ifindex: 0,
                segment: 0,
            })
            .unwrap();
        let mut slots = [Received::new(Packet::new(0, 64))];
        assert_eq!(group[0].recv_batch(&mut slots).unwrap(), 1);
    }
}
