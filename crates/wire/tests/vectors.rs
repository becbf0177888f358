//! The protocol's test vectors, as far as they concern this crate.
//!
//! Each vector is either checked here or listed with the reason why not; a vector that is neither fails
//! the test, so a new one can't be overlooked.

#![allow(clippy::unwrap_used, reason = "helpers of a test; a malformed vector file has to fail it")]

use std::collections::BTreeSet;

use serde_json::Value;
use wire::control::ControlPacket;
use wire::data::{self, DataHeader, Occ, Payload};
use wire::key_material::{Direction, KeyMaterial, KeyPair, Role};
use wire::key_method::{ClientKeyMessage, ClientKeySource, ServerKeyMessage, ServerKeySource};
use wire::peer_info::{IvProto, PeerInfo};
use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::{AuthDigest, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, PeerId, SessionId, prf};

/// Vectors of which nothing is checked here.
const ELSEWHERE: [(&str, &str); 8] = [
    ("tls-crypt-client-reset", "tls-crypt is not built"),
    ("tls-crypt-server-reset", "tls-crypt is not built"),
    ("tls-crypt-v2-hard-reset-client-v3-early-negotiation", "tls-crypt-v2 is not built"),
    ("tls-crypt-v2-control-wkc-v1", "tls-crypt-v2 is not built"),
    ("dynamic-tls-crypt-soft-reset-over-static-key", "dynamic tls-crypt is not built"),
    ("auth-gen-token", "tokens shared with stock servers are not built"),
    ("compression-framing", "compression framing is not built"),
    ("fragment-headers", "fragment is not built"),
];

#[test]
fn every_vector_is_checked_or_listed_with_a_reason() {
    let file: Value = serde_json::from_str(include_str!("data/vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let mut skipped = BTreeSet::new();
    let mut checked = 0;
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        if ELSEWHERE.iter().any(|(listed, _)| *listed == name) {
            skipped.insert(name);
            continue;
        }
        match vector["kind"].as_str().unwrap() {
            "static_key" => static_key(vector),
            "tls_auth" => tls_auth(vector),
            "control_plain" => control_plain(vector),
            "prf" => prf_expansion(vector),
            "key_method_2" => key_method(vector),
            // The sealed part concerns the data path; the header is ours.
            "data_aead" | "data_cbc" | "data_epoch" => data_header(vector),
            "constants" => constants(vector),
            kind => panic!("{name}: kind {kind} is neither checked nor listed"),
        }
        checked += 1;
    }
    assert_eq!(skipped.len(), ELSEWHERE.len(), "a listed vector is gone");
    assert_eq!(checked, 23, "the number of checked vectors");
}

fn static_key(vector: &Value) {
    let key = StaticKey::parse(vector["file_text"].as_str().unwrap()).unwrap();
    assert_eq!(key.as_bytes()[..], hex(&vector["key_hex"]));
    let (first, second) = (key.slices(KeyPair::First), key.slices(KeyPair::Second));
    assert_eq!(first.cipher[..], hex(&vector["keys0_cipher_hex"]));
    assert_eq!(first.hmac[..], hex(&vector["keys0_hmac_hex"]));
    assert_eq!(second.cipher[..], hex(&vector["keys1_cipher_hex"]));
    assert_eq!(second.hmac[..], hex(&vector["keys1_hmac_hex"]));
    assert_eq!(StaticKey::parse(&key.to_text()).unwrap().as_bytes(), key.as_bytes());
}

fn tls_auth(vector: &Value) {
    let key = StaticKey::from_bytes(&array(&vector["static_key_hex"]));
    let direction = match vector["key_direction"].as_u64() {
        None => KeyDirection::Bidirectional,
        Some(number) => KeyDirection::from_number(number as u32).unwrap(),
    };
    let digest = AuthDigest::from_name(vector["auth"].as_str().unwrap()).unwrap();
    let ours = TlsAuth::new(&key, direction, digest);
    let theirs = TlsAuth::new(&key, direction.complement(), digest);
    let tag_len = digest.tag_len();
    assert_eq!(key.slices(direction.send()).hmac[..tag_len], hex(&vector["send_hmac_key_hex"]));
    if let Some(receive) = vector.get("recv_hmac_key_hex") {
        assert_eq!(key.slices(direction.receive()).hmac[..tag_len], hex(receive));
    }

    let (packet, stamp) = (expected_packet(vector), expected_stamp(vector));
    let datagram = hex(&vector["packet_hex"]);
    assert_eq!(ours.seal(stamp, &packet), datagram, "{}", vector["name"]);
    assert_eq!(theirs.open(&datagram), Ok((stamp, packet)));
    if direction != KeyDirection::Bidirectional {
        assert!(ours.open(&datagram).is_err(), "our own packet came back");
    }
    if let Some(reply) = vector.get("stock_server_reply_hex") {
        let decoded = &vector["stock_server_reply_decoded"];
        assert_eq!(ours.open(&hex(reply)), Ok((expected_stamp(decoded), expected_packet(decoded))));
    }
}

fn control_plain(vector: &Value) {
    let (packet, datagram) = (expected_packet(vector), hex(&vector["packet_hex"]));
    assert_eq!(packet.encode(), datagram, "{}", vector["name"]);
    let opened = ControlWrap::Plain.open(&datagram).expect("a packet");
    assert_eq!(opened.into_parts(), (None, packet.clone()));
    if let Some(reply) = vector.get("stock_server_reply_hex") {
        let reply = ControlPacket::parse(&hex(reply)).unwrap();
        assert_eq!(reply.opcode, Opcode::CONTROL_HARD_RESET_SERVER_V2);
        assert_eq!(reply.acks.as_slice(), [MessageId::FIRST]);
        assert_eq!(reply.acked_session, Some(packet.session_id));
    }
}

fn prf_expansion(vector: &Value) {
    let client = ClientKeySource {
        pre_master: array(&vector["pre_master_hex"]),
        random1: array(&vector["client_random1_hex"]),
        random2: array(&vector["client_random2_hex"]),
    };
    let server = ServerKeySource {
        random1: array(&vector["server_random1_hex"]),
        random2: array(&vector["server_random2_hex"]),
    };
    let (c, s) =
        (session(&vector["client_session_id_hex"]), session(&vector["server_session_id_hex"]));
    let keys = prf::expand(&client, &server, c, s).unwrap();
    assert_eq!(keys.as_bytes()[..], hex(&vector["key2_hex"]));
    check_slices(&keys, vector);
}

fn check_slices(keys: &KeyMaterial, vector: &Value) {
    let to_server = keys.slice(Role::TlsClient, Direction::Send);
    assert_eq!(to_server.cipher[..], hex(&vector["c2s_cipher_hex"]));
    assert_eq!(to_server.hmac[..], hex(&vector["c2s_hmac_hex"]));
    let to_client = keys.slice(Role::TlsServer, Direction::Send);
    assert_eq!(to_client.cipher[..], hex(&vector["s2c_cipher_hex"]));
    assert_eq!(to_client.hmac[..], hex(&vector["s2c_hmac_hex"]));
}

fn key_method(vector: &Value) {
    let message = hex(&vector["message_hex"]);
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    if vector["direction"] == "server->client" {
        let parsed = ServerKeyMessage::parse(&message).unwrap();
        assert_eq!(parsed.source.random1[..], hex(&vector["random1_hex"]));
        assert_eq!(parsed.source.random2[..], hex(&vector["random2_hex"]));
        assert_eq!(parsed.options, text("options"));
        assert_eq!(parsed.encode().unwrap()[..], message);
        return;
    }
    let parsed = ClientKeyMessage::parse(&message).unwrap();
    assert_eq!(parsed.source.pre_master[..], hex(&vector["pre_master_hex"]));
    assert_eq!(parsed.source.random1[..], hex(&vector["random1_hex"]));
    assert_eq!(parsed.source.random2[..], hex(&vector["random2_hex"]));
    assert_eq!(parsed.options, text("options"));
    assert_eq!((&parsed.username, &*parsed.password), (&text("username"), &text("password")));
    assert_eq!(parsed.peer_info, text("peer_info"));
    assert_eq!(parsed.encode().unwrap()[..], message);
    let info = PeerInfo::parse(&parsed.peer_info);
    assert_eq!((info.iv_proto(), info.encode()), (IvProto(990), text("peer_info")));
}

fn data_header(vector: &Value) {
    let key_id = KeyId::new(vector["key_id"].as_u64().unwrap() as u8).unwrap();
    let expected = match vector["peer_id"].as_u64() {
        None => DataHeader::V1 { key_id },
        Some(id) => DataHeader::V2 { key_id, peer_id: PeerId::new(id as u32).unwrap() },
    };
    let packets: Vec<Vec<u8>> = match vector.get("epochs") {
        None => vec![hex(&vector["packet_hex"])],
        Some(epochs) => {
            epochs.as_array().unwrap().iter().map(|epoch| hex(&epoch["packet_hex"])).collect()
        }
    };
    assert!(!packets.is_empty());
    for packet in packets {
        assert_eq!(data::parse_header(&packet), Ok(expected), "{}", vector["name"]);
        assert_eq!(expected.to_bytes()[..expected.wire_len()], packet[..expected.wire_len()]);
    }
    if let Some(key) = vector.get("key2_hex") {
        let keys = KeyMaterial::from_bytes(&array(key)).unwrap();
        let role = if vector["role"] == "client" { Role::TlsClient } else { Role::TlsServer };
        let slices = keys.slice(role, Direction::Send);
        let cipher_key = hex(&vector["cipher_key_hex"]);
        assert_eq!(slices.cipher[..cipher_key.len()], cipher_key);
        if let Some(iv) = vector.get("implicit_iv_hex") {
            assert_eq!(slices.implicit_iv()[..], hex(iv));
        }
    }
}

fn constants(vector: &Value) {
    assert_eq!(data::PING[..], hex(&vector["ping_hex"]));
    assert_eq!(data::OCC_MAGIC[..], hex(&vector["occ_magic_hex"]));
    assert_eq!(data::OCC_EXIT[..], hex(&vector["occ_exit_hex"]));
    assert_eq!(Payload::classify(&hex(&vector["occ_request_hex"])), Payload::Occ(Occ::Request));
}

fn expected_packet(vector: &Value) -> ControlPacket {
    let number = |name: &str| vector[name].as_u64().unwrap();
    let acks = vector["acked"].as_array().into_iter().flatten();
    ControlPacket {
        opcode: Opcode(number("opcode") as u8),
        key_id: KeyId::new(number("key_id") as u8).unwrap(),
        session_id: session(&vector["session_id_hex"]),
        acks: acks.map(|id| MessageId(id.as_u64().unwrap() as u32)).collect(),
        acked_session: vector.get("acked_session_id_hex").map(session),
        message_id: vector["message_id"].as_u64().map(|id| MessageId(id as u32)),
        payload: vector.get("payload_hex").map(hex).unwrap_or_default(),
    }
}

fn expected_stamp(vector: &Value) -> ReplayStamp {
    let number = |name: &str| vector[name].as_u64().unwrap() as u32;
    ReplayStamp { id: number("replay_packet_id"), time: number("replay_time") }
}

fn session(value: &Value) -> SessionId {
    SessionId::new(array(value)).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
