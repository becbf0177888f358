//! Recorded handshakes of other programs, told: which steps there are, that every proof comes out right, and that
//! nothing comes out which must not: no secret, and nothing of a peer's that a page or a terminal would obey.
//!
//! The recordings in `captures` were made by `record.sh` and `record-openvpn.sh`; their keys are worth nothing.
//! `captures/told.txt` has the steps of each. With `EXPLAIN_WRITE=1` it is written anew, to be read in a review.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{CaptureError, Keys, Known, read};
use explain::render;
use explain::story::{Ending, Means, Source, Stories, Story, Wrapping};

#[test]
fn each_recording_is_told_in_the_steps_that_a_review_has_read() {
    let mut told = String::new();
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        let _ = writeln!(told, "{}", name(&capture));
        for story in &stories.stories {
            steps(&mut told, story);
        }
    }
    let golden = folder().join("told.txt");
    if std::env::var_os("EXPLAIN_WRITE").is_some() {
        fs::write(&golden, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&golden).unwrap(), "EXPLAIN_WRITE=1 writes it anew");
}

#[test]
fn every_proof_of_a_handshake_that_can_be_read_is_calculated_and_right() {
    let mut proofs = 0;
    for capture in captures().iter().filter(|capture| keys_of(capture).exists()) {
        for step in tell(capture, Keys::default()).stories.iter().flat_map(|story| &story.steps) {
            let proves = ["verify", "finished", "server_key_exchange"]
                .iter()
                .any(|part| step.entry.ends_with(part));
            let right = step.fields.iter().find(|field| field.name == "proof_is_right");
            if proves {
                proofs += 1;
                assert_eq!(
                    right.map(|field| field.value.as_str()),
                    Some("1"),
                    "{}: {}",
                    name(capture),
                    step.entry
                );
                assert_eq!(step.source, Source::Computed);
            }
        }
    }
    assert!(proofs >= 50, "{proofs} proofs");
}

#[test]
fn a_changed_byte_of_a_signed_message_makes_its_proof_wrong() {
    let capture = folder().join("tls1_2-p256-mutual.pcap");
    let mut bytes = fs::read(&capture).unwrap();
    // One bit of the server's random value, which its signature covers.
    let stories = tell(&capture, Keys::default());
    let hello =
        stories.stories[0].steps.iter().find(|step| step.entry == "server_hello_old").unwrap();
    let at = file_offset(&bytes, hello.basis[0].frame) + hello.basis[0].offset as usize + 10;
    bytes[at] ^= 1;
    let told = read(bytes.as_slice(), Known::default()).unwrap();
    let exchange =
        told.stories[0].steps.iter().find(|step| step.entry == "server_key_exchange").unwrap();
    assert!(
        exchange.fields.iter().any(|field| field.name == "proof_is_right" && field.value == "0")
    );
    assert!(exchange.proves.contains("it is wrong"), "{}", exchange.proves);
}

#[test]
fn no_output_holds_a_secret_of_the_key_log() {
    let mut secrets = 0;
    for capture in captures().iter().filter(|capture| keys_of(capture).exists()) {
        let log = fs::read_to_string(keys_of(capture)).unwrap().to_lowercase();
        let outputs = outputs(&tell(capture, Keys::default()));
        for line in log.lines().filter(|line| !line.starts_with('#')) {
            let secret = line.split(' ').nth(2).unwrap();
            secrets += 1;
            assert!(log.contains(secret), "the search finds what is there");
            for (format, output) in &outputs {
                assert!(!output.to_lowercase().contains(secret), "{}: {format}", name(capture));
            }
        }
    }
    assert!(secrets > 50, "{secrets} secrets");
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    for capture in captures() {
        let (one, other) = (tell(&capture, Keys::default()), tell(&capture, Keys::default()));
        assert_eq!(outputs(&one), outputs(&other));
    }
}

#[test]
fn json_is_read_again_without_change() {
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        let again: Stories = serde_json::from_str(&render::json(&stories)).unwrap();
        assert_eq!(again, stories);
    }
}

#[test]
fn a_peers_text_is_shown_and_obeyed_by_nobody() {
    let mut bytes = fs::read(folder().join("tls1_3-p256-unlogged.pcap")).unwrap();
    let (name, hostile) = (b"www.recorded.example", b"<script>\x1b[2J</script");
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(hostile);
    let stories = read(bytes.as_slice(), Known::default()).unwrap();
    for (format, output) in outputs(&stories) {
        assert!(!output.contains('\u{1b}'), "{format}");
        if format == "html" || format == "svg" {
            assert!(!output.contains("<script"), "{format}");
        }
    }
    assert!(render::html(&stories).contains("&lt;script&gt;"));
}

#[test]
fn a_page_is_small_and_loads_and_runs_nothing() {
    for capture in captures() {
        let page = render::html(&tell(&capture, Keys::default()));
        assert!(page.len() <= 200_000, "{}: {} bytes", name(&capture), page.len());
        for forbidden in ["<script", " src=", " href=", "url(", "@import", "onload"] {
            assert!(!page.contains(forbidden), "{}: {forbidden}", name(&capture));
        }
    }
}

#[test]
fn no_text_of_a_picture_lies_on_another_or_beyond_its_edge() {
    for capture in captures() {
        let picture = render::svg(&tell(&capture, Keys::default()));
        let boxes: Vec<TextBox> = picture.lines().filter_map(TextBox::parse).collect();
        assert!(boxes.len() > 4, "{}", name(&capture));
        for (index, one) in boxes.iter().enumerate() {
            assert!(one.left >= 0 && one.right <= 920, "{}: {}", name(&capture), one.text);
            for other in &boxes[index + 1..] {
                assert!(
                    !one.lies_on(other),
                    "{}: {:?} on {:?}",
                    name(&capture),
                    one.text,
                    other.text
                );
            }
        }
    }
}

#[test]
fn text_keeps_to_the_width_that_there_is() {
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        for width in [80, 120] {
            let text = render::term(&stories, width);
            // A long value can't be broken: it stands in a line of its own.
            let long = text
                .lines()
                .filter(|line| line.chars().count() > width && line.trim().contains(' '));
            let long: Vec<&str> =
                long.filter(|line| !line.trim_start().starts_with("| ")).collect();
            assert!(long.is_empty(), "{}: {long:#?}", name(&capture));
        }
    }
}

#[test]
fn the_cases_that_end_in_silence_name_cause_and_mend() {
    let ending = |recording: &str, keys: Keys| {
        let stories = tell(&folder().join(recording), keys);
        match stories.stories[0].ending.clone() {
            Ending::Broken(broken) => broken,
            other => panic!("{recording}: {other:?}"),
        }
    };
    let wrong = "openvpn-udp-sha256-wrong-key.pcap";
    let blind = ending(wrong, Keys::default());
    assert_eq!((blind.code.as_str(), blind.by), ("reset_unanswered", None));
    assert!(blind.mends.iter().any(|mend| mend.contains("tls-auth key")), "{:?}", blind.mends);
    assert_eq!(ending(wrong, given_key()).code, "wrong_tls_auth");
    let blocked = ending("openvpn-udp-sha256-blocked.pcap", given_key());
    assert_eq!(blocked.code, "reset_unanswered");
    assert!(!blocked.mends.iter().any(|mend| mend.contains("tls-auth key")), "its code is right");
    let direction = tell(&folder().join("openvpn-udp-sha256-wrong-direction.pcap"), given_key());
    let first = &direction.stories[0].steps[0];
    let sent =
        first.fields.iter().find(|field| field.name == "key_direction_of_the_sender").unwrap();
    assert_eq!(sent.value, "0", "a client has direction 1");
    let Ending::Broken(broken) = &direction.stories[0].ending else {
        panic!("{:?}", direction.stories[0].ending)
    };
    assert_eq!(broken.code, "wrong_key_direction");
}

#[test]
fn the_side_that_refused_is_the_one_that_is_named() {
    for (recording, code, by) in [
        ("tls1_3-p256-unknown-ca.pcap", "alert_unknown_ca", "client"),
        ("tls1_3-p256-required.pcap", "alert_certificate_required", "server"),
        ("p256-expired-server.pcap", "alert_certificate_expired", "client"),
        ("p256-expired-client.pcap", "alert_certificate_expired", "server"),
        ("p256-wrong-name.pcap", "alert_bad_certificate", "client"),
        ("p256-revoked-server.pcap", "alert_certificate_revoked", "client"),
        ("p256-revoked-client.pcap", "alert_certificate_revoked", "server"),
        ("p256-no-version.pcap", "alert_protocol_version", "server"),
        ("p256-no-cipher.pcap", "alert_handshake_failure", "server"),
        ("p256-no-protocol.pcap", "alert_no_application_protocol", "server"),
    ] {
        let stories = tell(&folder().join(recording), Keys::default());
        let Ending::Broken(broken) = &stories.stories[0].ending else { panic!("{recording}") };
        assert_eq!((broken.code.as_str(), broken.by.unwrap().word()), (code, by), "{recording}");
        assert!(!broken.mends.is_empty());
    }
}

#[test]
fn what_was_recorded_is_held_against_the_usual_reason_of_an_alert() {
    let broken = |recording: &str| {
        let story = tell(&folder().join(recording), Keys::default()).stories.remove(0);
        let Ending::Broken(broken) = story.ending else { panic!("{recording}") };
        broken
    };
    let name = broken("p256-wrong-name.pcap");
    assert!(name.mends[0].contains("stands in the certificate, so it is not that"), "{name:?}");
    let clock = broken("p256-expired-server.pcap");
    assert!(clock.sentence.ends_with("by the clock of this recording it was valid."), "{clock:?}");
    assert!(clock.mends[0].starts_with("Set the clock"), "{clock:?}");
    let cipher = broken("p256-no-cipher.pcap");
    assert!(!cipher.sentence.contains("wants a certificate"), "none was asked for: {cipher:?}");
    let story = tell(&folder().join("p256-no-cipher.pcap"), Keys::default()).stories.remove(0);
    assert_eq!(story.missing[0], "server_hello_old", "the client offers nothing newer");
    // In the clear anybody could have sent it; under a key of TLS only the other end.
    let clear = |broken: &explain::story::Broken| {
        broken.mends.iter().any(|mend| mend.starts_with("It came in the clear"))
    };
    assert!(clear(&name) && clear(&clock) && clear(&cipher));
    assert!(!clear(&broken("p256-revoked-client.pcap")));
}

#[test]
fn a_name_that_the_certificate_has_not_is_said_to_be_the_reason() {
    let mut bytes = fs::read(folder().join("p256-wrong-name.pcap")).unwrap();
    let (name, other) = (b"www.recorded.example", b"web.recorded.example");
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(other);
    let log = fs::read_to_string(folder().join("p256-wrong-name.keys")).unwrap();
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), keys: Keys::default() };
    let story = read(bytes.as_slice(), known).unwrap().stories.remove(0);
    let Ending::Broken(broken) = story.ending else { panic!("{:?}", story.ending) };
    assert!(broken.mends[0].contains("does not stand in the certificate"), "{broken:?}");
}

#[test]
fn what_nobody_saw_is_not_said_to_have_happened() {
    let story =
        |recording: &str| tell(&folder().join(recording), Keys::default()).stories.remove(0);
    let inquiry = |story: &Story, own: &str, means: Means| {
        let shown =
            story.certificates.iter().find(|one| one.shown_by.word() == own && one.depth == 0);
        let asked = &shown.expect("it was shown").inquiries;
        asked.iter().find(|one| one.means == means).expect("each means is there").sentence.clone()
    };
    let connect = story("vpn-connect.pcap");
    assert!(inquiry(&connect, "server", Means::Staple).starts_with("The client asked"));
    assert!(inquiry(&connect, "client", Means::Staple).starts_with("A client brings none"));
    let revoked = story("p256-revoked-client.pcap");
    assert!(inquiry(&revoked, "client", Means::Crl).contains("says that it is revoked"));
    assert!(!inquiry(&revoked, "server", Means::Crl).contains("says that it is revoked"));
    let revoked = page(revoked);
    assert!(revoked.contains("They speak securely.\u{201d} <span class=\"q\">(not seen here)"));
    assert!(!revoked.contains("not asked"));
    let refused = page(story("vpn-refused.pcap"));
    assert!(refused.contains("It said: <code>AUTH_FAILED,device disabled</code>"));
}

#[test]
fn what_a_reader_looks_for_stands_where_it_happened() {
    let story =
        |recording: &str, keys: Keys| tell(&folder().join(recording), keys).stories.remove(0);
    let known = |recording: &str| story(recording, Keys::default());
    let step = |story: &Story, entry: &str| {
        story.steps.iter().find(|step| step.entry == entry).expect("it is told").clone()
    };
    let broken = |story: &Story| match &story.ending {
        Ending::Broken(broken) => broken.clone(),
        other => panic!("{other:?}"),
    };
    // A refusal: its reason in its step, and the one mend that this reason has.
    let refused = known("vpn-refused.pcap");
    assert!(step(&refused, "auth_failed").leaves_open.starts_with("Whether that reason"));
    assert!(broken(&refused).mends[0].starts_with("Enable the user or device"));
    assert_eq!(broken(&refused).mends.len(), 1);
    assert!(page(refused).contains("It says <code>AUTH_FAILED,device disabled</code>"));
    // A staple: what it says, and that it was asked for.
    let stapled = known("tls1_3-rsa-staple.pcap");
    assert!(step(&stapled, "server_certificate").sentence.ends_with("that it is not revoked."));
    let asked = &stapled.certificates[0].inquiries;
    let ocsp = asked.iter().find(|one| one.means == Means::Ocsp).unwrap();
    assert!(ocsp.sentence.starts_with("The staple was asked for beforehand"), "{ocsp:?}");
    assert!(step(&stapled, "new_session_ticket").proves.starts_with("Nothing about"));
    // A client that showed who it is: the server went on. Nobody is asked about a root.
    let mutual = known("tls1_3-p256-mutual.pcap");
    assert!(step(&mutual, "new_session_ticket").proves.contains("so TLS took them"));
    let root = mutual.certificates.iter().find(|one| one.depth == 1).unwrap();
    assert!(root.inquiries[0].sentence.starts_with("It issued itself"), "{root:?}");
    // One cipher alone is pointed at.
    let cipher = known("p256-no-cipher.pcap");
    assert!(broken(&cipher).mends[0].starts_with("The client offers a single cipher"));
    // A client whose code is wrong did knock; whose address is real repeats the number of the server.
    let wrong = story("openvpn-udp-sha256-wrong-key.pcap", given_key());
    assert_eq!(wrong.missing[0], "server_reset");
    let connect = known("vpn-connect.pcap");
    let value = |entry: &str, name: &str| {
        let fields = step(&connect, entry).fields;
        fields.into_iter().find(|field| field.name == name).expect("it is told").value
    };
    assert_eq!(value("cookie_returned", "acked_session_id"), value("server_reset", "session_id"));
}

#[test]
fn of_a_renewed_key_is_told_which_took_its_place_from_when_on_and_who_used_that_first() {
    let story = tell(&folder().join("vpn-renewed.pcap"), Keys::default()).stories.remove(0);
    let begins = story.steps.iter().filter(|step| step.entry == "data_begins");
    let begins: Vec<_> = begins.map(|step| (step.from.word(), step.sentence.as_str())).collect();
    assert_eq!(begins.len(), 4);
    for pair in begins.chunks(2) {
        assert!(pair[0].1.starts_with("The client is the first"), "{pair:?}");
        assert!(pair[1].1.starts_with("The server follows"), "{pair:?}");
    }
    let key = |id: &str| story.keys.iter().find(|key| key.id == id).expect("it is told");
    let control = key("tls0-traffic0-server");
    assert_eq!(control.replaced_by.as_deref(), Some("tls1-traffic0-server"));
    assert_eq!((control.ends, key("tls1-traffic0-server").replaced_by.as_ref()), (None, None));
    let page = page(story.clone());
    let first = begins_at(&story, 1);
    assert!(page.contains(&format!("replaced by data1, first used at +{first}")), "{first}");
}

/// When a data key of a renewal was used first, as a page writes it.
fn begins_at(story: &Story, handshake: u32) -> String {
    let step = story
        .steps
        .iter()
        .find(|step| step.entry == "data_begins" && step.handshake == handshake)
        .expect("it is used");
    format!("{:.2} s", step.at as f64 / 1e6)
}

fn page(story: Story) -> String {
    render::html(&Stories {
        version: explain::story::VERSION,
        stories: vec![story],
        left_out: Vec::new(),
    })
}

#[test]
fn the_words_for_tls_1_2_are_those_of_tls_1_2() {
    let story = tell(&folder().join("tls1_2-p256-mutual.pcap"), Keys::default()).stories.remove(0);
    let sentence = |entry: &str| {
        let step = story.steps.iter().find(|step| step.entry == entry);
        step.expect("it is told").sentence.clone()
    };
    assert!(sentence("client_hello").contains("comes later"));
    assert!(sentence("new_session_ticket").contains("this session's own secret"));
    let hello = &story.steps[0];
    assert!(!hello.terms.iter().any(|term| term.word == "key share"), "it has none");
    assert!(hello.terms.iter().any(|term| term.word == "SNI"));
    assert!(
        !render::html(&Stories {
            version: explain::story::VERSION,
            stories: vec![story],
            left_out: Vec::new()
        })
        .contains("In TLS 1.3 the client hears")
    );
}

#[test]
fn no_sentence_of_a_step_has_more_than_25_words_and_its_parts_are_in_the_order_of_the_wire() {
    for capture in captures() {
        let stories = tell(&capture, given_key());
        for step in stories.stories.iter().flat_map(|story| &story.steps) {
            assert!(step.sentence.split_whitespace().count() <= 25, "{}", step.sentence);
        }
        let page = render::html(&stories);
        let numbers = page.split("<h3>").skip(1).map(|rest| rest.split('.').next().unwrap());
        let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{}: {numbers:?}", name(&capture));
    }
}

#[test]
fn a_goodbye_ends_the_keys() {
    let story = tell(&folder().join("vpn-connect.pcap"), Keys::default()).stories.remove(0);
    let exit = story.steps.iter().find(|step| step.entry == "exit").unwrap();
    let key = story.keys.iter().find(|key| key.id == "data0").unwrap();
    assert_eq!(key.ends, Some(exit.at));
}

#[test]
fn a_renewed_session_shows_each_data_key_from_its_first_packet_to_its_last() {
    let stories = tell(&folder().join("openvpn-udp-sha256-renewed.pcap"), given_key());
    let keys: Vec<_> =
        stories.stories[0].keys.iter().filter(|key| key.id.starts_with("data")).collect();
    assert!(keys.len() >= 3, "{}", keys.len());
    for pair in keys.windows(2) {
        assert_eq!(pair[0].replaced_by.as_ref(), Some(&pair[1].id));
        assert_eq!(pair[0].uses.len(), 2, "both sides used it");
        assert!(pair[0].uses[0].last <= pair[1].uses[0].last);
    }
}

#[test]
fn of_a_channel_that_is_encrypted_from_its_first_packet_on_the_envelopes_are_told() {
    for (recording, knock) in [
        ("openvpn-udp-crypt", "CONTROL_HARD_RESET_CLIENT_V2"),
        ("openvpn-tcp-crypt-v2", "CONTROL_HARD_RESET_CLIENT_V3"),
    ] {
        let story =
            tell(&folder().join(format!("{recording}.pcap")), given_key()).stories.remove(0);
        let first = &story.steps[0];
        assert_eq!((first.entry.as_str(), story.packets[0].name.as_str()), ("client_reset", knock));
        assert!(
            first.proves.starts_with("Nothing here: its code could not be checked"),
            "{first:?}"
        );
        assert!(story.packets.iter().all(|packet| packet.wrapping == Wrapping::Encrypted));
        let gaps = story.steps.iter().filter(|step| step.source == Source::Gap);
        assert_eq!(gaps.count(), 2, "{recording}: what each side says is one");
        assert_eq!(story.ending, Ending::Done, "{recording}: data packets go both ways");
    }
}

#[test]
fn the_hybrid_exchange_of_a_newer_program_is_named_and_so_is_what_it_is_good_for() {
    for recording in ["openvpn-udp-sha256-hybrid", "openvpn-tcp-plain-hybrid"] {
        let story =
            tell(&folder().join(format!("{recording}.pcap")), given_key()).stories.remove(0);
        let hello = story.steps.iter().find(|step| step.entry == "server_hello").unwrap();
        let group = hello.fields.iter().find(|field| field.name == "key_share_group").unwrap();
        assert!(group.meaning.as_ref().unwrap().starts_with("X25519MLKEM768"), "{group:?}");
        assert_eq!(story.ending, Ending::Done, "{recording}");
    }
}

#[test]
fn who_could_read_a_recording_later_follows_from_what_was_agreed_on() {
    let page = |recording: &str| {
        let capture = folder().join(format!("{recording}.pcap"));
        render::html(&tell(&capture, Keys::default()))
    };
    let tickets = "whoever gets that can read it too";
    let old = page("tls1_2-p256-mutual");
    assert!(old.contains("stolen later, opens nothing") && old.contains(tickets), "the old one");
    let new = page("tls1_3-p256-mutual");
    assert!(new.contains("stolen later, opens nothing") && !new.contains(tickets), "the new one");
    assert!(new.contains("A future quantum computer could open it"));
    assert!(!page("p256-no-cipher").contains("Who could read"), "nothing was agreed on");
}

#[test]
fn what_is_no_capture_is_named_and_what_breaks_off_is_told_up_to_there() {
    let error = |bytes: &[u8]| read(bytes, Known::default()).unwrap_err();
    assert_eq!(error(b""), CaptureError::NoCapture);
    assert_eq!(error(b"#!/bin/sh\necho no capture at all\n"), CaptureError::NoCapture);
    let whole = fs::read(folder().join("tls1_3-p256.pcap")).unwrap();
    let stories = read(&whole[..whole.len() / 2], Known::default()).unwrap();
    assert!(
        stories.left_out.iter().any(|left_out| left_out.reason.contains("ends within a frame"))
    );
    assert!(stories.stories[0].steps.iter().any(|step| step.entry == "client_hello"));
}

#[test]
fn the_pages_of_the_documents_are_those_of_their_recordings() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handshakes");
    for (page, recording) in [
        ("vpn-connect", "vpn-connect"),
        ("vpn-renewed", "vpn-renewed"),
        ("vpn-refused", "vpn-refused"),
        ("vpn-wrong-key", "openvpn-udp-sha256-wrong-key"),
        ("vpn-wrong-direction", "openvpn-udp-sha256-wrong-direction"),
        ("vpn-blocked", "openvpn-udp-sha256-blocked"),
        ("starttls-smtp", "starttls-smtp"),
        ("https-staple", "tls1_3-rsa-staple"),
        ("mutual-tls", "tls1_3-p256-mutual"),
        ("tls-1.2", "tls1_2-p256-mutual"),
        ("no-common-cipher", "p256-no-cipher"),
        ("certificate-expired", "p256-expired-server"),
        ("wrong-name", "p256-wrong-name"),
        ("client-revoked", "p256-revoked-client"),
        ("other-ca", "tls1_3-p256-unknown-ca"),
    ] {
        let keys = if recording.starts_with("openvpn") { given_key() } else { Keys::default() };
        let told = render::html(&tell(&folder().join(format!("{recording}.pcap")), keys));
        let file = docs.join(format!("{page}.html"));
        if std::env::var_os("EXPLAIN_WRITE").is_some() {
            fs::create_dir_all(&docs).unwrap();
            fs::write(&file, &told).unwrap();
        }
        assert!(
            fs::read_to_string(&file).is_ok_and(|page| page == told),
            "{page}: EXPLAIN_WRITE=1 writes it anew"
        );
    }
}

#[test]
fn recordings_with_changed_bytes_are_survived_in_every_format() {
    let mut random = 0x5eed_2026u64;
    let mut below = move |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let (mut read_whole, mut told) = (0, 0);
    for capture in captures() {
        let bytes = fs::read(&capture).unwrap();
        let log = fs::read_to_string(keys_of(&capture)).unwrap_or_default();
        let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), keys: given_key() };
        for _ in 0..12 {
            let mut changed = bytes.clone();
            for _ in 0..1 + below(6) {
                let at = 24 + below(changed.len() - 24);
                changed[at] = [changed[at] ^ 1 << below(8), 0, 255, below(256) as u8][below(4)];
            }
            let Ok(stories) = read(changed.as_slice(), known.clone()) else { continue };
            read_whole += 1;
            told += stories.stories.len();
            let again: Stories = serde_json::from_str(&render::json(&stories)).unwrap();
            assert_eq!(again, stories);
            assert!(render::html(&stories).len() <= 220_000);
            outputs(&stories);
        }
    }
    assert!(read_whole > 200 && told > 150, "{read_whole} files, {told} stories");
}

/// A text of a picture, as large as its font makes it.
struct TextBox {
    left: i64,
    right: i64,
    top: i64,
    bottom: i64,
    text: String,
}

impl TextBox {
    fn parse(line: &str) -> Option<TextBox> {
        let rest = line.strip_prefix("<text ")?;
        let value = |name: &str| {
            rest.split(&format!("{name}=\"")).nth(1)?.split('"').next().map(str::to_owned)
        };
        let (x, y): (i64, i64) = (value("x")?.parse().ok()?, value("y")?.parse().ok()?);
        let text =
            rest.split('>').nth(1)?.split('<').next()?.replace("&#39;", "'").replace("&amp;", "&");
        // 13 pixels of a fixed-width font are 7.8 wide.
        let width = (text.chars().count() as f64 * 7.8).ceil() as i64;
        let left = match value("text-anchor")?.as_str() {
            "middle" => x - width / 2,
            _ => x,
        };
        Some(TextBox { left, right: left + width, top: y - 11, bottom: y + 3, text })
    }

    fn lies_on(&self, other: &TextBox) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

fn steps(told: &mut String, story: &Story) {
    for step in &story.steps {
        let key = step.key.as_deref().unwrap_or("-");
        let source = format!("{:?}", step.source).to_lowercase();
        let _ = writeln!(told, "  {} {} {key} {source}", step.from.word(), step.entry);
    }
    let ending = match &story.ending {
        Ending::Broken(broken) => broken.code.clone(),
        other => format!("{other:?}").to_lowercase(),
    };
    let _ = writeln!(told, "  = {ending}");
}

fn outputs(stories: &Stories) -> [(&'static str, String); 5] {
    [
        ("term", render::term(stories, 100)),
        ("json", render::json(stories)),
        ("mermaid", render::mermaid(stories)),
        ("svg", render::svg(stories)),
        ("html", render::html(stories)),
    ]
}

/// Where a frame's bytes begin in a .pcap.
fn file_offset(file: &[u8], frame: u32) -> usize {
    let mut at = 24;
    for _ in 1..frame {
        at += 16 + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    at + 16
}

fn tell(capture: &Path, keys: Keys) -> Stories {
    let log = fs::read_to_string(keys_of(capture)).unwrap_or_default();
    let log = Arc::new(KeyLog::parse(&log).unwrap());
    read(File::open(capture).unwrap(), Known { log, keys }).unwrap()
}

fn given_key() -> Keys {
    let mut keys = Keys::default();
    keys.add(&fs::read_to_string(folder().join("ta.key")).unwrap()).unwrap();
    keys
}

fn captures() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "pcap")).collect();
    all.sort();
    assert!(all.len() >= 20, "the recordings are gone");
    all
}

fn keys_of(capture: &Path) -> PathBuf {
    capture.with_extension("keys")
}

fn name(capture: &Path) -> String {
    capture.file_stem().unwrap().to_string_lossy().into_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}
