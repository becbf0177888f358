//! `handfast explain`: recordings of other programs, and a server of OpenSSL's.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Cli;
use crate::running::Running;
use crate::tls::Service;

#[test]
fn a_capture_is_told_in_every_format() {
    let cli = Cli::new();
    let (capture, keys) = (captures("tls1_3-p256.pcap"), own_keys(&cli, "tls1_3-p256.keys"));
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
    let json = cli.run("explain diff a.json b.json --format json");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["parting"]["in"], &json["version"]), (&"values".into(), &1.into()));
    let page = cli.run("explain diff a.json b.json --format html -o parting.html");
    assert_eq!((page.code, page.out.as_str()), (10, "parting.html\n"));
    assert!(fs::read_to_string(cli.path("parting.html")).unwrap().contains("They part at step 1"));
    let picture = cli.fails(2, "explain diff a.json b.json --format svg");
    assert!(picture.contains("there is no picture") && picture.contains("html"), "{picture}");
    fs::write(cli.path("c.json"), "{}").unwrap();
    assert!(cli.fails(1, "explain diff a.json c.json").contains("is no file of stories"));
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
    for said in [
        "A TLS 1.3 HANDSHAKE",
        "CERTIFICATE shown by the server",
        "END: the handshake is complete.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.contains("proof_is_right: 1") && !text.contains("proof_is_right: 0"), "{text}");
    assert!(
        text.contains("this client says: the name of the server's certificate is right"),
        "{text}"
    );
    assert!(
        text.contains("this client says: the chain of the server's certificate is right"),
        "{text}"
    );
    let nobody = cli.fails(12, "explain tls 127.0.0.1:1");
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
}

#[test]
fn the_packets_of_a_tunnel_are_opened_into_a_file_of_their_own_that_tcpdump_reads() {
    let cli = Cli::new();
    let (capture, keys) = (captures("vpn-data.pcap"), captures("vpn-data.keys"));
    let blind = cli.run(&format!("explain capture {} --open-data opened.pcap", capture.display()));
    assert_eq!(blind.code, 2, "it needs a key log: {blind:?}");
    let words = format!(
        "explain capture {} --keylog {} --open-data opened.pcap",
        capture.display(),
        keys.display()
    );
    let told = cli.run(&words);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.err.contains("opened.pcap: 4 packets of tunnels"), "{}", told.err);
    assert_eq!(fs::metadata(cli.path("opened.pcap")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(cli.run(&words).err.contains("opened.pcap can't be written"), "over nothing");
    let name = "the_packets_of_a_tunnel_are_opened_into_a_file_of_their_own_that_tcpdump_reads";
    let mut tcpdump = Command::new("tcpdump");
    let Ok(read) = tcpdump.args(["-n", "-r"]).arg(cli.path("opened.pcap")).output() else {
        return println!("SKIP {name}: no tcpdump");
    };
    let read = String::from_utf8_lossy(&read.stdout).into_owned();
    assert_eq!(read.matches("IP 10.71.0.2 > 10.99.0.2:").count(), 4, "{read}");
}

#[test]
fn a_certificate_of_our_own_is_shown_to_a_server_that_asks_for_one() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form unified --os linux");
    let profile = fs::read_dir(cli.path("files")).unwrap().flatten().map(|entry| entry.path());
    let profile =
        profile.into_iter().find(|path| path.extension().is_some_and(|end| end == "ovpn"));
    let profile = profile.unwrap().display().to_string();
    let Some(service) = Service::begin(&cli, "-verify 1") else {
        return println!(
            "SKIP a_certificate_of_our_own_is_shown_to_a_server_that_asks_for_one: no openssl"
        );
    };
    let at = format!("localhost:{}", service.address.port());
    let shown = cli.ok(&format!("explain tls {at} --as {profile}"));
    assert!(shown.contains("CERTIFICATE shown by the client in step"), "{shown}");
    assert!(shown.contains("CN=alice"), "{shown}");
    let nobody = cli.ok(&format!("explain tls {at}"));
    assert!(!nobody.contains("CERTIFICATE shown by the client"), "{nobody}");
}

#[test]
fn a_protocol_that_begins_in_the_clear_may_stand_beside_the_server() {
    let cli = Cli::new();
    let named = cli.fails(12, "explain tls 127.0.0.1:1 --starttls smtp");
    assert_eq!(named, cli.fails(12, "explain tls smtp://127.0.0.1:1"));
    cli.fails(2, "explain tls 127.0.0.1:1 --starttls gopher");
}

#[test]
fn a_gateway_that_does_not_know_the_profile_is_unanswered_and_the_profile_is_a_cause() {
    let cli = Cli::with_data();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    cli.ok("config set public.names 127.0.0.1");
    cli.ok(&format!("config set vpn.listen udp:127.0.0.1:{port}"));
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form unified --os linux");
    let told = cli.run("explain vpn files/alice-default-linux.ovpn --short");
    assert_eq!(told.code, 12, "nobody answered: {told:?}");
    assert!(told.out.starts_with("AN OPENVPN SESSION, UNANSWERED\n"), "{}", told.out);
    assert!(told.out.contains("reset_unanswered"), "{}", told.out);
    let said = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("it holds another tls-auth key than the one given"), "{said}");
    assert!(said.contains("take a current profile"), "{said}");
    assert!(told.out.lines().count() < 30, "{}", told.out);
}

#[test]
fn a_handshake_of_our_own_that_is_refused_is_told_in_short_with_an_exit_code() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    cli.ok("ca export --out ca.pem");
    let Some(service) = Service::begin(&cli, "-Verify 3 -verify_return_error -CAfile ca.pem")
    else {
        return println!(
            "SKIP a_handshake_of_our_own_that_is_refused_is_told_in_short: no openssl"
        );
    };
    let words = format!("explain tls localhost:{}", service.address.port());
    let [whole, short] = ["", " --short"].map(|more| cli.run(&format!("{words}{more}")));
    assert_eq!((whole.code, short.code), (11, 11), "{short:?}");
    assert!(short.out.contains("END: broken in step"), "{}", short.out);
    assert!(short.out.contains("client <-- server"), "the step: {}", short.out);
    assert!(short.out.contains("   - "), "the mend: {}", short.out);
    let lines = |text: &str| text.lines().count();
    assert!(lines(&short.out) < 30 && lines(&whole.out) > 100, "{}", short.out);
    cli.fails(2, &format!("{words} --short --format svg"));
}

/// A key log of a recording, as its owner has it.
pub(crate) fn own_keys(cli: &Cli, name: &str) -> PathBuf {
    let keys = cli.path(name);
    fs::copy(captures(name), &keys).unwrap();
    fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
    keys
}

pub(crate) fn captures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../explain/tests/captures").join(name)
}
