//! Known answers, and what a key refuses.
//!
//! Of the shared vectors every `data_aead` one is run in both directions. Not run, because the
//! formats aren't spoken here: `data_cbc` (CBC with HMAC, 2) and `data_epoch` (2.7's epoch format,
//! 3). The test fails if a vector of another kind appears.

use serde_json::Value;
use wire::{KeyId, PeerId};

use super::*;
use crate::testing::Dice;

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/tests/data/vectors.json"));
const NOT_SPOKEN: [&str; 2] = ["data_cbc", "data_epoch"];
const CIPHERS: [Cipher; 3] = [Cipher::Aes256Gcm, Cipher::Aes128Gcm, Cipher::ChaCha20Poly1305];
const V1: DataHeader = DataHeader::V1 { key_id: KeyId::FIRST };
const V2: DataHeader = DataHeader::V2 { key_id: KeyId::FIRST, peer_id: PeerId::UNSET };

#[test]
fn every_aead_vector_is_sealed_and_opened_as_written() {
    let parsed: Value = serde_json::from_str(VECTORS).unwrap();
    let mut run = 0;
    for vector in parsed["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let kind = vector["kind"].as_str().unwrap();
        match kind {
            "data_aead" => check_vector(name, vector),
            _ => assert!(!kind.starts_with("data") || NOT_SPOKEN.contains(&kind), "{name}"),
        }
        run += usize::from(kind == "data_aead");
    }
    assert_eq!(run, 7);
}

fn check_vector(name: &str, vector: &Value) {
    println!("vector {name}");
    let cipher = Cipher::from_name(vector["cipher"].as_str().unwrap()).unwrap();
    let bytes: [u8; 256] = hex(&vector["key2_hex"]).try_into().unwrap();
    let material = KeyMaterial::from_bytes(&bytes).unwrap();
    let role = match vector["role"].as_str().unwrap() {
        "client" => Role::TlsClient,
        _ => Role::TlsServer,
    };
    let number = |field: &str| vector[field].as_u64().map(|n| n as u32);
    let key_id = KeyId::new(number("key_id").unwrap() as u8).unwrap();
    let header = match number("peer_id") {
        Some(id) => DataHeader::V2 { key_id, peer_id: PeerId::new(id).unwrap() },
        None => DataHeader::V1 { key_id },
    };
    let (plain, packet) = (hex(&vector["plaintext_hex"]), hex(&vector["packet_hex"]));

    let (mut seal, _) = DataKeys::derive(cipher, &material, role).unwrap();
    seal.set_next_id(number("packet_id").unwrap());
    let mut out = vec![0; SealKey::sealed_len(header, plain.len())];
    seal.seal(header, &plain, &mut out).unwrap();
    assert_eq!(out, packet, "{name}");

    let (_, mut open) = DataKeys::derive(cipher, &material, role.peer()).unwrap();
    let mut datagram = packet;
    assert_eq!(open.open(header, &mut datagram).unwrap().plaintext, plain, "{name}");
}

#[test]
fn ids_start_at_one_and_grow_by_one() {
    let (mut seal, mut open) = pair(Cipher::Aes256Gcm);
    for id in 1..=100u32 {
        let mut packet = sealed(&mut seal, V1, b"x");
        assert_eq!(packet[1..5], id.to_be_bytes());
        assert!(open.open(V1, &mut packet).unwrap().newest);
    }
}

#[test]
fn any_flipped_bit_is_noticed_but_for_the_opcode_of_v1() {
    for header in [V1, V2] {
        let (mut seal, _) = pair(Cipher::Aes128Gcm);
        let packet = sealed(&mut seal, header, b"some text");
        let uncovered = if header == V1 { 8 } else { 0 };
        for bit in uncovered..packet.len() * 8 {
            let (_, mut open) = pair(Cipher::Aes128Gcm);
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open.open(header, &mut changed).is_err(), "bit {bit}");
            assert_eq!(open.window.highest(), 0, "a forged packet moved the window");
            open.open(header, &mut packet.clone()).unwrap();
        }
    }
}

#[test]
fn a_packet_is_opened_once() {
    for cipher in CIPHERS {
        let (mut seal, mut open) = pair(cipher);
        let packet = sealed(&mut seal, V1, b"once");
        open.open(V1, &mut packet.clone()).unwrap();
        let again = open.open(V1, &mut packet.clone()).unwrap_err();
        assert_eq!(again, OpenError::Replayed(Replayed::Seen));
    }
}

#[test]
fn a_late_packet_is_opened_but_is_not_the_newest() {
    let (mut seal, mut open) = pair(Cipher::ChaCha20Poly1305);
    let mut first = sealed(&mut seal, V1, b"first");
    let mut second = sealed(&mut seal, V1, b"second");
    assert!(open.open(V1, &mut second).unwrap().newest);
    assert!(!open.open(V1, &mut first).unwrap().newest);
}

#[test]
fn packet_id_zero_is_refused_even_if_authentic() {
    let (mut seal, mut open) = pair(Cipher::Aes256Gcm);
    seal.set_next_id(0);
    let mut packet = sealed(&mut seal, V1, b"zero");
    let refused = open.open(V1, &mut packet).unwrap_err();
    assert_eq!(refused, OpenError::Replayed(Replayed::Zero));
}

#[test]
fn the_last_packet_id_is_used_once_and_never_wraps() {
    let (mut seal, mut open) = pair(Cipher::ChaCha20Poly1305);
    seal.set_next_id(u32::MAX);
    let mut packet = sealed(&mut seal, V1, b"last");
    assert_eq!(packet[1..5], [0xff; 4]);
    open.open(V1, &mut packet).unwrap();
    let mut out = [0; 64];
    let len = SealKey::sealed_len(V1, 1);
    for _ in 0..3 {
        assert_eq!(seal.seal(V1, b"x", &mut out[..len]), Err(SealError::UsedUp));
    }
}

#[test]
fn both_sides_warn_once_half_of_the_ids_are_used() {
    let (mut seal, mut open) = pair(Cipher::ChaCha20Poly1305);
    seal.set_next_id(0x7fff_ffff);
    open.open(V1, &mut sealed(&mut seal, V1, b"x")).unwrap();
    assert!(!seal.nearly_used_up() && !open.nearly_used_up());
    open.open(V1, &mut sealed(&mut seal, V1, b"x")).unwrap();
    assert!(seal.nearly_used_up() && open.nearly_used_up());
}

#[test]
fn aes_gcm_warns_at_half_of_its_margin_and_stops_at_its_end() {
    let (mut seal, _) = pair(Cipher::Aes256Gcm);
    let limit: u64 = (1 << 36) - 1;
    // 17 bytes are two blocks; with the packet and the block of associated data: 4.
    seal.set_spent((1 << 35) - 8);
    sealed(&mut seal, V1, &[0; 17]);
    assert!(!seal.nearly_used_up() && seal.spent() == 15);
    sealed(&mut seal, V1, &[0; 17]);
    assert!(seal.nearly_used_up() && seal.spent() == 16);

    seal.set_spent(limit - 4);
    sealed(&mut seal, V1, &[0; 17]);
    let mut out = [0; OVERHEAD_V1 + 1];
    assert_eq!(seal.seal(V1, &[0], &mut out), Err(SealError::UsedUp));
}

/// The figures of docs/performance/datapath.md: seconds from the warning to the end of a key.
#[test]
fn a_key_outlasts_a_negotiation_of_60_seconds_at_40_gbit_a_second() {
    let at_40_gbit = |len: u64| 40_000_000_000 / 8 / len;
    for (cipher, len, packets_a_second) in [
        (Cipher::Aes256Gcm, 1400, at_40_gbit(1400)),
        (Cipher::ChaCha20Poly1305, 1400, at_40_gbit(1400)),
        (Cipher::Aes256Gcm, 64, 10_000_000),
    ] {
        let usage = Usage::new(cipher);
        let packets = (usage.limit / 2 / Usage::cost(len)).min(1 << 31);
        let seconds = packets / packets_a_second;
        println!("{} {len}: {packets} packets, {seconds} s", cipher.name());
        assert!(seconds > 100, "{seconds}");
    }
}

#[test]
fn chacha20_has_no_margin_to_spend() {
    let (mut seal, _) = pair(Cipher::ChaCha20Poly1305);
    seal.set_spent(1 << 40);
    sealed(&mut seal, V1, b"x");
    assert!(!seal.nearly_used_up());
}

#[test]
fn a_key_on_which_2_to_the_36_forgeries_were_tried_opens_nothing() {
    let (mut seal, mut open) = pair(Cipher::Aes256Gcm);
    open.forged = 1 << 36;
    let mut packet = sealed(&mut seal, V1, b"x");
    assert_eq!(open.open(V1, &mut packet).unwrap_err(), OpenError::UsedUp);
}

#[test]
fn nothing_is_not_sealed_and_a_wrong_room_is_refused_without_using_an_id() {
    let (mut seal, _) = pair(Cipher::Aes256Gcm);
    let mut out = [0; 64];
    let wrong = Err(SealError::WrongLength);
    assert_eq!(seal.seal(V1, b"", &mut out[..OVERHEAD_V1]), wrong);
    assert_eq!(seal.seal(V1, b"ab", &mut out[..OVERHEAD_V1 + 1]), wrong);
    assert_eq!(sealed(&mut seal, V1, b"x")[1..5], 1u32.to_be_bytes());
}

#[test]
fn short_and_random_datagrams_are_survived() {
    for seed in 0..3000 {
        let mut dice = Dice::new(seed);
        let (_, mut open) = pair(CIPHERS[(seed % 3) as usize]);
        let len = dice.below(60) as usize;
        let header = if seed % 2 == 0 { V1 } else { V2 };
        assert!(open.open(header, &mut dice.bytes(len)).is_err(), "seed {seed}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let (seal, open) = pair(Cipher::Aes256Gcm);
    assert_eq!(format!("{seal:?}"), "SealKey { next_id: 1, .. }");
    assert_eq!(format!("{open:?}"), "OpenKey { highest: 0, .. }");
}

fn pair(cipher: Cipher) -> (SealKey, OpenKey) {
    let mut bytes = [0; 256];
    Dice::new(1).fill(&mut bytes);
    let material = KeyMaterial::from_bytes(&bytes).unwrap();
    let (seal, _) = DataKeys::derive(cipher, &material, Role::TlsClient).unwrap();
    let (_, open) = DataKeys::derive(cipher, &material, Role::TlsServer).unwrap();
    (seal, open)
}

fn sealed(seal: &mut SealKey, header: DataHeader, plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![0; SealKey::sealed_len(header, plaintext.len())];
    seal.seal(header, plaintext, &mut out).unwrap();
    out
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let digit = |d: u8| (d as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
