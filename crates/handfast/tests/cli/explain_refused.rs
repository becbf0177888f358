//! `handfast explain tls` where nothing comes of it: who said no, and what to do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::Cli;
use crate::running::Running;
use crate::tls::Service;

#[test]
fn a_device_of_ours_whose_key_is_not_kept_is_said_with_the_mend() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let fresh = cli.fails(4, "explain tls 127.0.0.1:1 --as alice/default");
    assert!(fresh.contains("alice/default has no key yet"), "{fresh}");
    assert!(fresh.contains("handfast profile alice/default"), "{fresh}");
    cli.ok("profile alice --out files --form unified --os linux");
    for words in ["explain tls 127.0.0.1:1", "tls test 127.0.0.1:1"] {
        let gone = cli.fails(4, &format!("{words} --as alice/default"));
        assert!(gone.contains("the private key of alice/default is not kept here"), "{gone}");
        assert!(gone.contains("--as FILE.ovpn"), "{gone}");
    }
    let nobody = cli.fails(3, "explain tls 127.0.0.1:1 --as bob/phone");
    assert!(nobody.contains("bob"), "{nobody}");
}

#[test]
fn what_is_neither_a_profile_nor_a_device_is_told_both_forms() {
    let (with, without) = (Cli::with_data(), Cli::new());
    let missing = with.fails(3, "explain tls 127.0.0.1:1 --as gone.ovpn");
    let elsewhere = without.fails(3, "explain tls 127.0.0.1:1 --as alice/default");
    for said in [missing, elsewhere] {
        assert!(said.contains("--as FILE.ovpn") && said.contains("--as USER/DEVICE"), "{said}");
    }
}

#[test]
fn a_server_that_is_not_reached_is_said_with_the_mend_of_that() {
    let cli = Cli::with_data();
    let closed = cli.fails(12, "explain tls 127.0.0.1:1");
    assert!(closed.contains("nothing listens at that port"), "{closed}");
    let unknown = cli.fails(12, "explain tls nobody.invalid:443");
    assert!(unknown.contains("see whether the name is right"), "{unknown}");
    for said in [closed, unknown] {
        assert!(!said.contains("VPN gateway"), "no option takes a certificate's file: {said}");
    }
    let asked = cli.fails(12, "ocsp ask 127.0.0.1:1");
    assert!(asked.contains("name its certificate's file"), "here one does: {asked}");
}

#[test]
fn starttls_that_is_not_offered_or_refused_is_a_story_with_the_servers_words() {
    let cli = Cli::new();
    let hello = "250-mail.test\r\n250-SIZE 1000\r\n250 HELP\r\n";
    let port = speaking(&["220 mail.test ESMTP\r\n", hello]);
    let stripped = cli.run(&format!("explain tls smtp://127.0.0.1:{port} --short"));
    assert_eq!(stripped.code, 11, "{stripped:?}");
    let said = flat(&stripped.out);
    assert!(
        said.starts_with("A CONNECTION ON WHICH TLS DID NOT BEGIN, REFUSED: STARTTLS NOT OFFERED"),
        "{said}"
    );
    assert!(said.contains("\"250-mail.test / 250-SIZE 1000 / 250 HELP\""), "{said}");
    assert!(said.contains("Turn TLS on there"), "{said}");

    let offer = "250-mail.test\r\n250 STARTTLS\r\n";
    let no = "454 4.7.0 TLS not available\r\n";
    let port = speaking(&["220 mail.test ESMTP\r\n", offer, no]);
    let words = format!("explain tls smtp://127.0.0.1:{port} --format html -o story.html");
    let declined = cli.run(&words);
    assert_eq!(declined.code, 11, "{declined:?}");
    let page = fs::read_to_string(cli.path("story.html")).unwrap();
    assert!(page.contains("Of TLS it says <code>250 STARTTLS</code>"), "the offer: {page}");
    assert!(
        page.contains("Would have followed: ClientHello; ServerHello (TLS 1.3); "),
        "1.3 is offered: {page}"
    );
    assert!(page.contains("454 4.7.0 TLS not available"), "{page}");

    let port = speaking(&["220 mail.test ESMTP\r\n"]);
    let left = cli.run(&format!("explain tls smtp://127.0.0.1:{port} --short"));
    assert_eq!(left.code, 11, "{left:?}");
    assert!(left.out.contains("left_before_tls"), "{}", left.out);

    let port = speaking(&["SSH-2.0-OpenSSH_9.2\r\n"]);
    let other = cli.run(&format!("explain tls smtp://127.0.0.1:{port} --short"));
    assert!(other.out.contains("not_the_protocol"), "{}", other.out);
}

#[test]
fn a_web_server_that_answers_nothing_leaves_a_gap_where_hsts_would_be() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    for (more, why) in [
        ("", "the server ended the connection without an answer"),
        ("-rev", "what the server said is no answer of HTTP/1.1"),
    ] {
        let service = Service::begin(&cli, more).unwrap();
        let words = format!("explain tls localhost:{}", service.address.port());
        let told = flat(&cli.ok(&format!("{words} --http")));
        assert!(told.contains("No answer over HTTP"), "{told}");
        assert!(told.contains(&format!("reason: {why}")), "{told}");
        assert!(!cli.ok(&words).contains("No answer over HTTP"), "nobody asked");
    }
}

#[test]
fn a_server_that_says_nothing_at_all_is_said_so() {
    let cli = Cli::new();
    let port = speaking(&[]);
    let silent = cli.fails(12, &format!("explain tls imap://127.0.0.1:{port}"));
    assert!(silent.contains("the peer left before TLS began"), "{silent}");
}

/// A server that says these in turn, one for each thing that it hears, and hangs up.
fn speaking(lines: &[&'static str]) -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    let lines = lines.to_vec();
    thread::spawn(move || {
        let Ok((mut peer, _)) = door.accept() else { return };
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                let _ = peer.read(&mut [0; 512]);
            }
            let _ = peer.write_all(line.as_bytes());
        }
        if lines.len() == 1 {
            let _ = peer.read(&mut [0; 512]);
        }
    });
    port
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
