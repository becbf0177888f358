//! One entry point per parser that meets strangers, for fuzz targets and property tests.
//!
//! Each takes any bytes, must not panic, and checks that what was understood is written and read again
//! without change. Not an API.

use crate::control::ControlPacket;
use crate::data;
use crate::key_method::{ClientKeyMessage, ServerKeyMessage};
use crate::message::{self, ControlMessage};
use crate::peer_info::PeerInfo;
use crate::push::{PushCollector, PushOption, PushReply};
use crate::static_key::{KeyDirection, StaticKey};
use crate::tls_auth::{AuthDigest, TlsAuth};
use crate::{config, options, stream as framing};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 10] = [
    ("control", control),
    ("tls_auth", tls_auth),
    ("static_key", static_key),
    ("key_method", key_method),
    ("peer_info", peer_info),
    ("push_option", push_option),
    ("message", control_message),
    ("data_header", data_header),
    ("config", configuration),
    ("stream", stream),
];

/// Control packets without wrapping.
pub fn control(bytes: &[u8]) {
    let Ok(packet) = ControlPacket::parse(bytes) else { return };
    let encoded = packet.encode();
    assert_eq!(encoded.len(), packet.encoded_len());
    assert_eq!(ControlPacket::parse(&encoded), Ok(packet));
}

/// Control packets under tls-auth, forged and well sealed.
pub fn tls_auth(bytes: &[u8]) {
    let auth = TlsAuth::new(
        &StaticKey::from_bytes(&[1; 256]),
        KeyDirection::Bidirectional,
        AuthDigest::Sha256,
    );
    let _ = (auth.open(bytes), auth.diagnose(bytes));
    if let Ok(packet) = ControlPacket::parse(bytes)
        && !packet.opcode.carries_wrapped_key()
    {
        let stamp = crate::tls_auth::ReplayStamp::first(bytes.len() as u64);
        assert_eq!(auth.open(&auth.seal(stamp, &packet)), Ok((stamp, packet)));
    }
}

/// Packets in a TCP stream: the first byte says in which steps the others arrive.
pub fn stream(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let mut whole = bytes.to_vec();
    let mut frames = framing::Frames::new(&mut whole);
    let at_once: Vec<Vec<u8>> = frames.by_ref().map(|frame| frame.to_vec()).collect();
    let end = frames.finish().map(|rest| rest.to_vec());
    let mut again: Vec<u8> = Vec::new();
    for frame in &at_once {
        again.extend(framing::length(frame.len()).expect("a frame has a length"));
        again.extend(frame);
    }
    assert!(bytes.starts_with(&again), "what was read is what was there");
    assert_eq!(framing::count(&again), at_once.len() as u64);
    assert_eq!(framing::whole_frames(&again, again.len()), again.len());
    if let Ok(rest) = &end {
        assert!(rest.len() < framing::LENGTH + framing::MAX_FRAME);
        assert_eq!(again.len() + rest.len(), bytes.len());
    }
    let (mut in_steps, mut waiting) = (Vec::new(), Vec::new());
    for chunk in bytes.chunks(usize::from(*step).max(1)) {
        waiting.extend_from_slice(chunk);
        let mut frames = framing::Frames::new(&mut waiting);
        in_steps.extend(frames.by_ref().map(|frame| frame.to_vec()));
        match frames.finish() {
            Ok(rest) => waiting = rest.to_vec(),
            Err(error) => {
                assert_eq!(end, Err(error));
                break;
            }
        }
    }
    assert_eq!(in_steps, at_once, "the steps make no difference");
}

/// Static key files.
pub fn static_key(bytes: &[u8]) {
    if let Ok(key) = StaticKey::parse(&String::from_utf8_lossy(bytes)) {
        let again = StaticKey::parse(&key.to_text()).expect("a written key is read");
        assert_eq!(again.as_bytes(), key.as_bytes());
    }
}

/// Key messages of both sides.
pub fn key_method(bytes: &[u8]) {
    if let Ok(client) = ClientKeyMessage::parse(bytes)
        && let Ok(encoded) = client.encode()
    {
        let again = ClientKeyMessage::parse(&encoded).expect("a written message is read");
        assert_eq!((&again.username, &again.password), (&client.username, &client.password));
        assert_eq!((again.options, again.peer_info), (client.options, client.peer_info));
    }
    if let Ok(server) = ServerKeyMessage::parse(bytes)
        && let Ok(encoded) = server.encode()
    {
        assert_eq!(
            ServerKeyMessage::parse(&encoded).map(|again| again.options),
            Ok(server.options)
        );
    }
}

/// Peer info and options string.
pub fn peer_info(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let info = PeerInfo::parse(&text);
    assert_eq!(PeerInfo::parse(&info.encode()), info);
    assert!(info.iter().all(|(_, value)| value.bytes().all(|byte| byte.is_ascii_graphic())));
    let _ = (info.cipher_offer(&text), options::Framing::of(&text));
}

/// One pushed option.
pub fn push_option(bytes: &[u8]) {
    let Ok(option) = PushOption::parse(&String::from_utf8_lossy(bytes)) else { return };
    let text = option.to_string();
    // Shorter spellings may be written longer, beyond the limit.
    if let Ok(again) = PushOption::parse(&text) {
        assert_eq!(again.to_string(), text);
    }
    let _ = PushReply::new(vec![option]).encode();
}

/// Text messages.
pub fn control_message(bytes: &[u8]) {
    let mut collector = PushCollector::new();
    for message in message::parse(bytes).into_iter().flatten() {
        if let Ok(encoded) = message.encode() {
            assert!(encoded.ends_with(&[0]) && message::parse(&encoded).iter().all(Result::is_ok));
        }
        if let ControlMessage::PushReply(part) = message {
            let _ = collector.add(part);
        }
    }
}

/// Headers and payloads of data packets.
pub fn data_header(bytes: &[u8]) {
    if let Ok(header) = data::parse_header(bytes) {
        assert!(bytes.starts_with(header.to_bytes().get(..header.wire_len()).unwrap_or_default()));
    }
    let _ = data::Payload::classify(bytes);
}

/// Configuration files.
pub fn configuration(bytes: &[u8]) {
    let Ok(directives) = config::parse_bytes(bytes) else { return };
    for directive in directives {
        let args: Vec<&str> = directive.args.iter().map(String::as_str).collect();
        if let Some(line) = config::write_line(&directive.name, &args)
            && line.len() <= config::MAX_LINE
        {
            let again = config::parse(&line).expect("a written line is read");
            assert!(
                again
                    .iter()
                    .all(|again| again.name == directive.name && again.args == directive.args)
            );
        }
        let _ = directive.block.map(|block| block.directives());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::XorShift;

    /// Good input to damage: one for each target at least.
    const SEEDS: [&[u8]; 9] = [
        b"\x20\x01\x02\x03\x04\x05\x06\x07\x08\x01\0\0\0\x01\x08\x07\x06\x05\x04\x03\x02\x01\0\0\0\x02abc",
        b"\x28\x01\x02\x03\x04\x05\x06\x07\x08\x02\0\0\0\x01\0\0\0\x02\x08\x07\x06\x05\x04\x03\x02\x01",
        b"-----BEGIN OpenVPN Static key V1-----\n0011\n-----END OpenVPN Static key V1-----\n",
        b"IV_VER=2.6\nIV_PROTO=990\nIV_CIPHERS=AES-256-GCM:X\nIV_NCP=2\n",
        b"PUSH_REPLY,route 10.0.0.0 255.0.0.0 default 3,dns server 1 address [::1]:53,push-continuation 2\0",
        b"AUTH_FAILED,TEMP[backoff 3,advance no]:x\0RESTART,[PN]:bye\0AUTH_PENDING,timeout 9\0EXIT\0",
        b"dhcp-option DOMAIN \"a.example\"",
        b"# x\n--remote 'a b' \"c\\\\\" 1194\n<ca>\nx\n</ca>\ntls-auth [inline] 1\n<tls-auth>\ny\n</tls-auth>\n",
        b"\x48\0\0\x05\x2a\x18\x7b\xf3",
    ];

    #[test]
    fn damaged_and_random_input_never_panics_and_round_trips() {
        let mut random = XorShift::new(0x5eed_0007);
        for round in 0..4_000 {
            let mut input = match round % 4 {
                0 => {
                    let len = random.below(300);
                    random.bytes(len)
                }
                _ => random.pick(&SEEDS).to_vec(),
            };
            for _ in 0..random.below(6) {
                damage(&mut random, &mut input);
            }
            TARGETS.iter().for_each(|(_, target)| target(&input));
        }
    }

    #[test]
    fn undamaged_seeds_round_trip() {
        SEEDS.iter().for_each(|seed| TARGETS.iter().for_each(|(_, target)| target(seed)));
    }

    fn damage(random: &mut XorShift, input: &mut Vec<u8>) {
        let at = random.below(input.len().max(1));
        match random.below(4) {
            0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
            1 => input.truncate(at),
            2 => {
                input.insert(at.min(input.len()), *random.pick(b"\0\n\r ,\"'\\<>/[]#;:=\xff-09az"))
            }
            _ => {
                let piece = random.pick(&SEEDS);
                let end = random.below(piece.len());
                input.extend_from_slice(&piece[random.below(end + 1)..end]);
            }
        }
    }
}
