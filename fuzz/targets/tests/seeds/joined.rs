//! What the kernel joins: datagrams of one read behind their stride, super-packets behind their virtio
//! header.

use super::seed;

pub(crate) fn write() {
    received();
    super_packets();
}

/// Control and data packets side by side, with strides that fit, don't divide, are 1, and too long.
fn received() {
    let data = [&[0x48, 0, 0, 1][..], &[7; 36]].concat();
    let control = [&[0x38][..], &[9; 39]].concat();
    let both = [&data[..], &control, &data, &control].concat();
    for (name, stride) in [("fits", 40u16), ("not-dividing", 37), ("one", 1), ("huge", u16::MAX)] {
        seed(
            "datapath_datagram",
            &format!("stride-{name}"),
            [&stride.to_le_bytes()[..], &both].concat(),
        );
    }
}

/// For a peer of the target's worker: whole segments, a short last one, and segments of one byte.
fn super_packets() {
    let tcp = [&[0x12, 0x34, 1, 0xbb, 1, 2, 3, 4, 0, 0, 0, 1, 0x50, 0x18, 3, 0xe8, 0, 0, 0, 0][..]];
    let udp = [&[0, 53, 0, 54, 1, 4, 0, 0][..]];
    let payload: Vec<u8> = (0..=255).collect();
    for (name, kind, ip, transport) in [
        ("tcp-v4", 1, v4(6, 296), tcp),
        ("tcp-v6", 4, v6(6, 276), tcp),
        ("udp-v4", 5, v4(17, 284), udp),
        ("udp-v6", 5, v6(17, 264), udp),
    ] {
        for (size, which) in [(64u16, "whole"), (100, "short-last"), (1, "tiny")] {
            let headers = (ip.len() + transport[0].len()) as u16;
            let sum_at = if transport[0].len() == 20 { 16u16 } else { 6 };
            let mut bytes = vec![1, kind];
            for word in [headers, size, ip.len() as u16, sum_at] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend([&ip, transport[0], &payload].concat());
            seed("datapath_virtio", &format!("{name}-{which}"), bytes);
        }
    }
    let plain = [&[0; 10][..], &v4(17, 28), udp[0]].concat();
    seed("datapath_virtio", "plain", plain);
}

fn v4(protocol: u8, len: u16) -> Vec<u8> {
    let len = len.to_be_bytes();
    let head = [0x45, 0, len[0], len[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    [&head[..], &[192, 0, 2, 1], &[10, 8, 0, 2]].concat()
}

fn v6(protocol: u8, payload: u16) -> Vec<u8> {
    let len = payload.to_be_bytes();
    let address = |net, host| [&[net, 0][..], &[0; 13], &[host]].concat();
    let head = [0x60, 0, 0, 0, len[0], len[1], protocol, 64];
    [&head[..], &address(0x20, 1), &address(0xfd, 2)].concat()
}
