//! One block of directives at a time; whole profiles are in `tests/profiles.rs`.

use super::Expired;
use super::directives::Reader;
use super::{Family, MssLimit, NotYet, ProfileError, ProfileErrorKind, TunName};
use std::path::Path;
use std::time::Duration;

use wire::mtu::Transport;

#[test]
fn a_directive_of_another_way_or_protection_names_line_and_mend() {
    for (text, why, line) in [
        ("client\n\nhttp-proxy a 80\n", NotYet::Proxy, 3),
        ("<tls-crypt>\nx\n</tls-crypt>\n", NotYet::ControlProtection, 1),
        ("auth-user-pass\n", NotYet::Passwords, 1),
        ("dev tap\n", NotYet::Tap, 1),
        ("up /usr/local/bin/mine\n", NotYet::Script, 1),
        ("comp-lzo\n", NotYet::Compression, 1),
        ("comp-lzo yes\n", NotYet::Compression, 1),
        ("compress lz4-v2\n", NotYet::Compression, 1),
        ("data-ciphers AES-256-CBC\n", NotYet::Cipher, 1),
        ("data-ciphers BF-CBC\n", NotYet::Cipher, 1),
        ("setenv opt tls-cipher X\n", NotYet::TlsPolicy, 1),
        ("tls-version-min 1.3\n", NotYet::TlsPolicy, 1),
    ] {
        let error = fails(text);
        assert_eq!(error.line, Some(line), "{text}");
        assert!(
            matches!(&error.kind, ProfileErrorKind::NotYet(_, found) if *found == why),
            "{text}: {error}"
        );
    }
}

#[test]
fn the_message_has_file_line_and_mend() {
    let error = fails("client\ndev tap\n");
    assert_eq!(
        error.to_string(),
        "/etc/vpn/test.ovpn, line 2: `dev` is not supported: only IP tunnels are supported; ask for \
         a profile with `dev tun`"
    );
}

#[test]
fn an_unknown_directive_is_an_error_unless_the_profile_says_it_may_be() {
    assert!(
        matches!(fails("wonder 1\n").kind, ProfileErrorKind::Unknown(name) if name == "wonder")
    );
    for text in [
        "setenv opt wonder 1\n",
        "ignore-unknown-option wonder other\nwonder 1\n",
        "setenv FORWARD_COMPATIBLE 1\nwonder 1\n",
        "up /etc/openvpn/update-resolv-conf\n",
        "setenv opt block-outside-dns\n",
    ] {
        read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    // Only those behind it are covered.
    fails("wonder 1\nignore-unknown-option wonder\n");
}

#[test]
fn wrong_arguments_show_how_it_is_written() {
    for text in [
        "remote\n",
        "remote a port\n",
        "remote a 1 tcp-server\n",
        "proto sctp\n",
        "port 70000\n",
        "key-direction 2\n",
        "auth MD5\n",
        "data-ciphers\n",
        "remote-cert-tls client\n",
        "verify-x509-name x cn\n",
        "tun-mtu 60\n",
        "reneg-sec soon\n",
        "route example.net\n",
        "pull-filter reject \"x\"\n",
    ] {
        let error = fails(text);
        assert!(matches!(error.kind, ProfileErrorKind::BadArguments { .. }), "{text}: {error}");
    }
}

#[test]
fn remotes_take_defaults_from_outside_and_blocks_replace_them() {
    let reader = read("proto udp4\nremote a\nport 500\nremote [2001:db8::1] 7 udp6\n").unwrap();
    let remotes = reader.servers.complete();
    assert_eq!((remotes[0].port, remotes[0].family), (500, Family::V4));
    assert_eq!(remotes[1].to_string(), "[2001:db8::1]:7");
    assert_eq!(remotes[1].family, Family::V6);
    let each = "proto tcp4\nremote a\nremote b 7 udp\nremote c 8 tcp6-client\n";
    let found: Vec<_> = read(each)
        .unwrap()
        .servers
        .complete()
        .into_iter()
        .map(|r| (r.transport, r.family))
        .collect();
    let (tcp, udp) = (Transport::Tcp, Transport::Udp);
    assert_eq!(found, [(tcp, Family::V4), (udp, Family::Any), (tcp, Family::V6)]);
    let blocks = "remote outside\n<connection>\nremote inside 8\n</connection>\n";
    let remotes = read(blocks).unwrap().servers.complete();
    assert_eq!((remotes.len(), remotes[0].host.as_str(), remotes[0].port), (1, "inside", 8));
}

#[test]
fn all_wrong_lines_are_named_at_once() {
    let error = fails("client\ndev tap\nremote a\nhttp-proxy b 80\nport x\n");
    assert_eq!(error.line, Some(2));
    assert_eq!(error.more.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 5]);
    let text = error.to_string();
    assert!(text.contains("line 2: `dev`") && text.contains("; line 4: `http-proxy`"), "{text}");
    let many = fails(&"dev tap\n".repeat(500)).to_string();
    assert!(many.contains("and 479 lines more") && many.len() < 4000, "{many}");
}

#[test]
fn what_stock_clients_take_without_consequence_is_taken() {
    for text in [
        "comp-lzo no\n",
        "compress\n",
        "compress stub-v2\n",
        "allow-compression no\n",
        "tun-ipv6\n",
        "persist-remote-ip\npersist-local-ip\npreresolve\n",
        "management 127.0.0.1 7505\n",
        "management-hold\n",
        "echo hello\n",
        "cipher AES-256-CBC\n",
        "suppress-timestamps\n",
        "tls-version-max 1.3\n",
        "remote-cert-eku \"TLS Web Server Authentication\"\n",
        "<connection>\nremote a\nnobind\nlport 0\nlink-mtu 1500\n</connection>\n",
    ] {
        read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for narrower in ["tls-version-max 1.2\n", "remote-cert-eku \"TLS Web Client Authentication\"\n"]
    {
        let error = fails(narrower);
        assert!(matches!(error.kind, ProfileErrorKind::NotYet(_, NotYet::TlsPolicy)), "{error}");
    }
    let inside = fails("<connection>\nremote a\nmssfix 1300\n</connection>\n");
    assert!(matches!(inside.kind, ProfileErrorKind::NotYet(_, NotYet::PerServer)), "{inside}");
}

#[test]
fn a_cipher_that_is_not_spoken_is_told_and_one_that_is_is_not() {
    let warned = |text: &str| !read(text).unwrap().warnings.is_empty();
    assert!(warned("cipher AES-256-CBC\n") && warned("cipher BF-CBC\n"));
    assert!(!warned("cipher AES-256-GCM\n"));
}

#[test]
fn an_unknown_word_that_may_be_a_secret_is_not_shown() {
    for secret in ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "Tr0ub4dor", "3"] {
        let error = fails(&format!("client\n{secret}\n"));
        assert!(matches!(error.kind, ProfileErrorKind::Unknown(_)), "{error}");
        assert!(secret == "3" || !error.to_string().contains(secret), "{error}");
    }
    for secret in ["hunter2=", "-----BEGIN_PRIVATE_KEY", "AbC/dEf+"] {
        let error = wire::config::parse(&format!("client\n{secret}\n")).unwrap_err();
        assert!(!error.to_string().contains(secret.trim_start_matches('-')), "{error}");
    }
}

#[test]
fn timers_and_sizes_are_read() {
    let reader = read(
        "reneg-sec 5\nhand-window 30\nkeepalive 10 60\nmssfix 1400 mtu\ntun-mtu 1400\n\
         dev tun7\nconnect-retry 2 20\nconnect-retry-max 3\nserver-poll-timeout 4\n",
    );
    let reader = reader.unwrap();
    assert_eq!(reader.timers.reneg, Duration::from_secs(5));
    assert_eq!(reader.timers.hand_window, Duration::from_secs(30));
    assert_eq!(reader.timers.ping_restart, Duration::from_secs(60));
    assert_eq!((reader.mssfix, reader.tun_mtu), (MssLimit::Mtu(1400), 1400));
    assert_eq!(reader.tun, TunName::Named("tun7".into()));
    assert_eq!((reader.retry.longest, reader.retry.rounds), (Duration::from_secs(20), Some(3)));
    assert_eq!(reader.retry.first_packet, Some(Duration::from_secs(4)));
}

#[test]
fn what_the_server_may_know_of_us_is_kept() {
    let reader =
        read("setenv UV_TOKEN \"a b\"\nsetenv FRIENDLY_NAME x\nsetenv IV_SSO web\n").unwrap();
    assert_eq!(
        reader.peer_info,
        [("UV_TOKEN".to_owned(), "a b".to_owned()), ("IV_SSO".to_owned(), "web".to_owned())]
    );
}

#[test]
fn missing_parts_are_named() {
    for (text, what) in [("client\n", "remote"), ("remote a\n", "ca")] {
        let error =
            read(text).unwrap().finish(pki::Timestamp::default(), Expired::IsRefused).unwrap_err();
        assert!(matches!(error.kind, ProfileErrorKind::Missing(name) if name == what), "{error}");
    }
    let error = fails("ca missing.pem\n");
    assert!(error.to_string().contains("/etc/vpn/missing.pem"), "{error}");
    assert!(matches!(fails("key [inline]\n").kind, ProfileErrorKind::NoMaterial("key")));
}

fn fails(text: &str) -> ProfileError {
    match read(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error,
    }
}

fn read(text: &str) -> Result<Reader<'static>, ProfileError> {
    let mut reader = Reader::new(Path::new("/etc/vpn/test.ovpn"));
    reader.take_all(&wire::config::parse(text).unwrap())?;
    Ok(reader)
}
