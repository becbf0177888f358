//! `handfast explain`: recordings of other programs, and a server of OpenSSL's.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Cli;
use crate::running::Running;
use crate::tls::Service;

#[test]
fn a_capture_is_told_in_every_format() {
    let cli = Cli::new();
    let (capture, keys) = (captures("tls1_3-p256.pcap"), captures("tls1_3-p256.keys"));
    let words = format!("explain capture {} --keylog {}", capture.display(), keys.display());
    assert!(cli.ok(&words).contains("END: the handshake is complete."));
    assert!(cli.ok(&format!("{words} --json")).starts_with("{\n  \"version\": 1"));
    assert!(cli.ok(&format!("{words} --format mermaid")).starts_with("sequenceDiagram"));
    for (format, begins) in [("html", "<!DOCTYPE html>"), ("svg", "<svg ")] {
        assert_eq!(cli.ok(&format!("{words} --format {format} -o story")), "story\n");
        assert!(fs::read_to_string(cli.path("story")).unwrap().starts_with(begins));
    }
    let blind = cli.ok(&format!("explain capture {}", capture.display()));
    assert!(blind.contains("reason: no key log was given"), "{blind}");
}

#[test]
fn what_can_not_be_told_is_said_with_the_reason() {
    let cli = Cli::new();
    fs::write(cli.path("text"), "no capture").unwrap();
    assert_eq!(
        cli.fails(1, "explain capture text"),
        "error: text is no capture\ncause: it is no capture: neither .pcap nor .pcapng\n"
    );
    let capture = captures("tls1_3-p256.pcap");
    let failed = cli.fails(1, &format!("explain capture {} --keylog text", capture.display()));
    assert!(failed.contains("line 1 is not \"LABEL RANDOM SECRET\""), "{failed}");
    let failed = cli.fails(1, &format!("explain capture {} --tls-auth text", capture.display()));
    assert!(failed.contains("text is no tls-auth key"), "{failed}");
    cli.fails(3, "explain capture nowhere.pcap");
}

#[test]
fn the_first_step_at_which_two_stories_part_is_named() {
    let cli = Cli::new();
    for (name, story) in [("p256-no-cipher", "a"), ("tls1_2-p256-mutual", "b")] {
        let capture = captures(&format!("{name}.pcap"));
        cli.ok(&format!("explain capture {} --format json -o {story}.json", capture.display()));
    }
    assert!(cli.ok("explain diff a.json a.json").starts_with("Both tell the same"));
    let parted = cli.run("explain diff a.json b.json");
    assert_eq!(parted.code, 10);
    assert!(parted.out.contains("They part at step 1"), "{}", parted.out);
    fs::write(cli.path("c.json"), "{}").unwrap();
    assert!(cli.fails(1, "explain diff a.json c.json").contains("holds no stories"));
}

#[test]
fn a_handshake_of_our_own_is_told_with_the_staple_and_without_its_secrets() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let Some(service) = Service::begin(&cli, "-rev") else {
        println!(
            "SKIP a_handshake_of_our_own_is_told_with_the_staple_and_without_its_secrets: no openssl"
        );
        return;
    };
    let text = cli.ok(&format!("explain tls localhost:{}", service.address.port()));
    for said in
        ["A TLS 1.3 HANDSHAKE", "CERTIFICATE of the server", "END: the handshake is complete."]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.contains("proof_is_right: 1") && !text.contains("proof_is_right: 0"), "{text}");
    assert!(text.contains("this client says: name is right"), "{text}");
    assert!(text.contains("this client says: chain is right"), "{text}");
    let nobody = cli.fails(12, "explain tls 127.0.0.1:1");
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
}

fn captures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../explain/tests/captures").join(name)
}
