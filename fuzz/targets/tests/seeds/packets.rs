//! Inner packets, scripts for the worker, and scripts for gate and sessions.

use wire::control::{Acks, ControlPacket};
use wire::key_method::{ClientKeyMessage, ClientKeySource};
use wire::{KeyId, MessageId, Opcode, SessionId};

use super::seed;

pub(crate) fn write() {
    inner();
    worker_scripts();
    control_scripts();
    messages();
    streams();
}

/// The steps in which it arrives, then packets behind their lengths.
fn streams() {
    let frame = |len: usize| [&(len as u16).to_be_bytes()[..], &vec![0x48; len]].concat();
    let whole = [frame(54), frame(1), frame(1424)].concat();
    let cases: [(&str, Vec<u8>); 5] = [
        ("whole", whole.clone()),
        ("cut", whole[..whole.len() - 7].to_vec()),
        ("empty-frame", [frame(54), frame(0), frame(54)].concat()),
        ("long-frame", [frame(54), vec![0x24, 1], frame(54)].concat()),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ];
    for (name, bytes) in cases {
        for step in [1, 7, 255] {
            seed("wire_stream", &format!("{name}-{step}"), [&[step], &bytes[..]].concat());
        }
    }
}

fn inner() {
    let syn4 = syn(&v4([10, 8, 0, 2], [192, 0, 2, 1], 24), &[192, 168, 0, 0]);
    let kinds: [(&str, Vec<u8>); 7] = [
        ("tcp4-syn", syn4),
        ("tcp6-syn", syn(&v6(2, 3, 24), &[])),
        ("udp4-out", [v4([192, 0, 2, 1], [10, 8, 0, 2], 8), udp()].concat()),
        ("udp4-in", [v4([10, 8, 0, 2], [10, 8, 0, 3], 8), udp()].concat()),
        ("udp6-between", [v6(2, 3, 8), udp()].concat()),
        ("ping", wire::data::PING.to_vec()),
        ("occ", b"\x28\x7f\x34\x6b\xd4\xef\x7a\x81\x2d\x56\xb8\xd3\xaf\xc5\x45\x9c\x06".to_vec()),
    ];
    for (name, packet) in kinds {
        for target in ["datapath_sealed", "datapath_packet", "datapath_clamp"] {
            seed(target, name, &packet);
        }
        let script = [&[0, 0, 0, packet.len() as u8], &packet[..]].concat();
        seed("datapath_script", &format!("sealed-{name}"), script);
    }
}

/// Each step: what, who, and for some a length and as many bytes.
fn worker_scripts() {
    let packet = [v4([10, 8, 0, 2], [10, 8, 0, 3], 8), udp()].concat();
    let sealed = [&[0, 0x50, packet.len() as u8], &packet[..]].concat();
    let tun = [&[3, 0, packet.len() as u8], &packet[..]].concat();
    let step = |parts: &[&[u8]]| parts.concat();
    seed(
        "datapath_script",
        "float-and-timers",
        step(&[&[0], &sealed, &[5, 9, 5, 11], &tun, &[5, 99, 15, 0]]),
    );
    seed(
        "datapath_script",
        "delete-and-late-packets",
        step(&[&[0, 0x47, 0], &sealed, &tun, &[0x86, 0, 0x88, 0], &sealed]),
    );
    seed(
        "datapath_script",
        "keys",
        step(&[&[2, 0x58, 0, 0x59, 0], &sealed, &[0x4a, 0], &tun, &[15, 0]]),
    );
    seed("datapath_script", "settings", step(&[&[4, 0x4c, 0x71, 4], &tun, &sealed, &[0x4b, 0]]));
    seed("datapath_script", "joined", step(&[&[0, 2, 0, 30, 60], &[0x48; 60]]));
    seed("datapath_script", "client", step(&[&[1], &tun, &sealed]));
}

fn control_scripts() {
    let (client, server) = (sid(8), sid(9));
    let reset = ControlPacket::message(
        Opcode::CONTROL_HARD_RESET_CLIENT_V2,
        KeyId::FIRST,
        client,
        MessageId::FIRST,
        Vec::new(),
    );
    let acks = Acks::from_iter([MessageId::FIRST]);
    let ack = ControlPacket::ack(KeyId::FIRST, client, acks, server);
    let message = |id, payload: &[u8]| {
        ControlPacket::message(
            Opcode::CONTROL_V1,
            KeyId::FIRST,
            client,
            MessageId(id),
            payload.to_vec(),
        )
    };
    let next = KeyId::FIRST.next();
    let soft = ControlPacket::message(
        Opcode::CONTROL_SOFT_RESET_V1,
        next,
        client,
        MessageId::FIRST,
        Vec::new(),
    );
    let alert = b"\x15\x03\x03\0\x02\x02\x28";
    let scripts = [
        (
            "handshake",
            vec![reset.clone(), ack.clone(), message(1, b"\x16\x03\x01\0\x05\x01\0\0\x01\0")],
        ),
        ("alert", vec![message(1, alert)]),
        (
            "reordered",
            vec![message(3, b"c"), message(2, b"b"), message(1, b"\x16\x03\x03"), message(9, b"")],
        ),
        ("soft-reset", vec![message(1, b"x"), soft]),
        ("acks", vec![ack.clone(), ack.with_acks(Acks::from_iter((0..8).map(MessageId)), server)]),
    ];
    for (name, packets) in scripts {
        let script: Vec<u8> = packets.iter().flat_map(|p| chunk(0, &p.encode())).collect();
        for target in ["tunnel_gate", "tunnel_server", "tunnel_client"] {
            seed(target, name, [&script[..], &chunk(0x3e, b"")].concat());
        }
    }
    for target in ["tunnel_server", "tunnel_client"] {
        seed(target, "close", [chunk(0x0e, b""), chunk(0x3e, b"")].concat());
        seed(target, "renegotiate", [chunk(0x06, b""), chunk(0x3e, b"")].concat());
    }
}

fn messages() {
    let key = ClientKeyMessage {
        source: ClientKeySource::from_random(&[5; 112]),
        options: "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,key-method 2,tls-client"
            .into(),
        username: String::new(),
        password: Default::default(),
        peer_info: "IV_VER=2.6.14\nIV_PROTO=990\nIV_NCP=2\nIV_CIPHERS=AES-256-GCM:AES-128-GCM\n"
            .into(),
    };
    let key = key.encode().unwrap();
    let talk = [chunk(0, &key), chunk(0, b"PUSH_REQUEST\0"), chunk(0x3e, b""), chunk(0, b"EXIT\0")]
        .concat();
    seed("tunnel_server_messages", "push", talk);
    seed(
        "tunnel_server_messages",
        "renegotiate",
        [chunk(0, &key), chunk(0, b"PUSH_REQUEST\0"), chunk(0x06, b"")].concat(),
    );
    seed("wire_key_method", "client", &key[..]);
    let mut server = vec![0, 0, 0, 0, 2];
    server.extend([6; 64]);
    server.extend(b"\0\x24V4,dev-type tun,key-method 2,tls-serv\0");
    let pushed = b"PUSH_REPLY,ifconfig 10.8.0.2 255.255.255.0,topology subnet,peer-id 0,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm,ping 10\0";
    let talk = [chunk(0, &server), chunk(0, pushed), chunk(0x3e, b""), chunk(0, b"RESTART,bye\0")]
        .concat();
    seed("tunnel_client_messages", "push", talk);
    seed(
        "tunnel_client_messages",
        "refused",
        [chunk(0, &server), chunk(0, b"AUTH_FAILED,no\0")].concat(),
    );
    seed("wire_key_method", "server", server);
    let state = [&[1, 1, 0][..], &[8; 8], &[0; 19], &[0; 24]].concat();
    seed("tunnel_state", "opening", state);
}

fn chunk(what: u8, bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u16).to_be_bytes();
    [&[what, len[0], len[1]], bytes].concat()
}

fn sid(byte: u8) -> SessionId {
    SessionId::new([byte; 8]).unwrap()
}

fn v4(source: [u8; 4], destination: [u8; 4], payload: u8) -> Vec<u8> {
    let protocol = if payload == 24 { 6 } else { 17 };
    let head = [0x45, 0, 0, 20 + payload, 0, 1, 0, 0, 64, protocol, 0, 0];
    [&head[..], &source, &destination].concat()
}

fn v6(source: u8, destination: u8, payload: u8) -> Vec<u8> {
    let address = |host| [&[0xfd, 0][..], &[0; 13], &[host]].concat();
    let protocol = if payload == 24 { 6 } else { 17 };
    let head = [0x60, 0, 0, 0, 0, payload, protocol, 64];
    [&head[..], &address(source), &address(destination)].concat()
}

fn udp() -> Vec<u8> {
    vec![0, 53, 0, 53, 0, 8, 0, 0]
}

/// A SYN that announces 1460, with a right checksum.
fn syn(ip: &[u8], _: &[u8]) -> Vec<u8> {
    let mut tcp =
        vec![0x12, 0x34, 1, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0];
    tcp.extend([2, 4, 5, 0xb4]);
    let addresses = if ip.len() == 20 { &ip[12..] } else { &ip[8..] };
    let pseudo = [addresses, &[0, 6, 0, tcp.len() as u8], &tcp].concat();
    let sum: u32 = pseudo.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    tcp[16..18].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    [ip, &tcp].concat()
}
