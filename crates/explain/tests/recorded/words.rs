//! What is said of a step: what was seen and no more, in the words of its version and program.

use std::fs;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known, read};
use explain::render;
use explain::story::{Chapter, Ending, Means, Source, Stories, Story, Wrapping};

use crate::recordings::{folder, given_key, page, tell};

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
    assert!(revoked.contains("They speak securely.\u{201d} <span class=\"q\">(not reached here)"));
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
    assert!(step(&mutual, "new_session_ticket").proves.contains("so it did not refuse them here"));
    let root = mutual.certificates.iter().find(|one| one.depth == 1).unwrap();
    assert!(root.inquiries[0].sentence.starts_with("It issued itself"), "{root:?}");
    // One cipher alone is pointed at.
    let cipher = known("p256-no-cipher.pcap");
    assert!(broken(&cipher).mends[0].starts_with("The client offers a single cipher"));
    let offers = |story: Story| page(story).contains("and no other cipher");
    assert!(page(cipher).contains(
        "It offers <code>TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256</code> and no other cipher."
    ));
    assert!(!offers(mutual.clone()) && !offers(known("p256-no-version.pcap")));
    // The name that was asked for, beside those of the certificate.
    let names = "<code>www.recorded.example</code>; the server's certificate is for <code>www.recorded.example, 127.0.0.1</code>.";
    assert!(page(known("p256-wrong-name.pcap")).contains(names));
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
fn a_box_says_who_signed_and_stands_once_for_each_certificate() {
    let stapled = tell(&folder().join("tls1_3-rsa-staple.pcap"), Keys::default());
    let staple = &stapled.stories[0].certificates[0].inquiries[0];
    assert_eq!(
        (staple.means, staple.signed_by.as_deref()),
        (Means::Staple, Some("O=Recorded, CN=CA rsa"))
    );
    assert!(render::html(&stapled).contains("<br>by O=Recorded, CN=CA rsa</td>"));
    let text = render::term(&stapled, 400);
    assert!(text.contains(" by O=Recorded, CN=CA rsa. Good until "), "{text}");
    let renewed = tell(&folder().join("vpn-renewed.pcap"), Keys::default());
    assert_eq!(renewed.stories[0].certificates.len(), 4);
    let page = render::html(&renewed);
    assert_eq!(page.matches("<div class=\"box\">").count(), 2, "each once");
    assert!(page.contains("shown by the server in steps "));
}

#[test]
fn what_means_nothing_confirms_nothing_and_stands_with_what_its_sender_says_next() {
    let story = tell(&folder().join("tls1_3-p256-mutual.pcap"), Keys::default()).stories.remove(0);
    let leftovers = story.steps.iter().filter(|step| step.entry == "disguise");
    let places: Vec<_> = leftovers.map(|step| (step.from.word(), step.chapter)).collect();
    assert_eq!(places, [("server", Chapter::Hello), ("client", Chapter::ClientShown)]);
}

#[test]
fn what_is_said_of_a_handshake_holds_of_its_own_kind() {
    let story = |recording: &str, log: KeyLog| {
        let file = fs::read(folder().join(format!("{recording}.pcap"))).unwrap();
        let known = Known { log: Arc::new(log), ..Known::default() };
        read(file.as_slice(), known).unwrap().stories.remove(0)
    };
    // Without a key log the Finished of TLS 1.2 can't be read; certificates could.
    let old = story("tls1_2-p256-mutual", KeyLog::default());
    let sealed: Vec<_> = old.steps.iter().filter(|step| step.entry == "sealed").collect();
    assert_eq!(sealed.len(), 2);
    for step in sealed {
        assert_eq!(step.chapter, Chapter::Finished);
        assert!(step.leaves_open.ends_with("Certificates stood in the clear before."), "{step:?}");
    }
    // Where nobody shows a certificate, no part is about one.
    let resumed = tell(&folder().join("tls1_3-p256-resumed.pcap"), Keys::default());
    let is_resumed = |story: &&Story| story.title.contains("both had before");
    let resumed = resumed.stories.iter().find(is_resumed).expect("it is in there");
    assert!(resumed.steps.iter().all(|step| step.chapter != Chapter::ServerShown), "{resumed:?}");
    let finished = resumed.steps.iter().find(|step| step.entry == "server_finished").unwrap();
    assert!(finished.leaves_open.ends_with("none is shown now."), "{finished:?}");
}

#[test]
fn over_tcp_nothing_is_said_of_addresses_that_tcp_has_proved() {
    let of_datagrams =
        ["cookie", "claims to be", "at the address that it names", "change its address"];
    let said = |recording: &str, keys: Keys| {
        let story = tell(&folder().join(recording), keys).stories.remove(0);
        let steps = story.steps.iter().map(|step| {
            let terms: String =
                step.terms.iter().map(|term| format!("{} {}", term.word, term.meaning)).collect();
            [&step.sentence, &step.proves, &step.leaves_open, &terms].map(String::as_str).join(" ")
        });
        steps.collect::<Vec<_>>().join(" ")
    };
    for (recording, keys) in [
        ("openvpn-tcp-plain.pcap", Keys::default()),
        ("openvpn-tcp-sha256-hybrid.pcap", given_key()),
    ] {
        let said = said(recording, keys);
        assert!(said.contains("TCP had proved its address"), "{said}");
        for word in of_datagrams {
            assert!(!said.contains(word), "{recording}: {word}");
        }
    }
    let datagrams = said("vpn-connect.pcap", Keys::default());
    assert!(of_datagrams.iter().all(|word| datagrams.contains(word)), "{datagrams}");
}

#[test]
fn packets_that_are_in_no_step_are_named_where_frames_are_left_out() {
    let said = "or carry more data are in no step";
    for recording in ["openvpn-udp-sha256.pcap", "openvpn-udp-sha256-renewed.pcap"] {
        let mut story = tell(&folder().join(recording), given_key()).stories.remove(0);
        assert!(page(story.clone()).contains(said), "{recording}");
        // A gateway may have kept no list of packets.
        story.packets.clear();
        assert!(page(story.clone()).contains(said), "{recording}");
        story.steps.truncate(2);
        assert!(!page(story).contains(said), "{recording}: nothing is left out");
    }
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
    // Where the client sends the secret under the server's key, that key opens a tunnel's packets too.
    let mut tunnel = tell(&folder().join("openvpn-udp-sha256-tls12.pcap"), given_key());
    let story = &mut tunnel.stories[0];
    let exchange = |entry: &str| {
        story.steps.iter().position(|step| step.entry == entry).expect("it is in the clear")
    };
    let (hello, sent) = (exchange("server_hello_old"), exchange("client_key_exchange"));
    assert!(hello < sent);
    let mut suites = story.steps[hello].fields.iter_mut();
    let suite = suites.find(|field| field.name == "cipher_suite").expect("it is chosen");
    suite.meaning = Some("TLS_RSA_WITH_AES_256_GCM_SHA384".into());
    let page = render::html(&tunnel);
    assert!(page.contains("or gets it later, can read it, and the tunnel's packets too"), "{page}");
}
