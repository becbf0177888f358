//! Whole profiles, unified and split, with certificates that fit and certificates that do not.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use client::{Family, Profile, ProfileError, ProfileErrorKind, TunName, Warning};
use clock::{Clock, SystemClock, VirtualClock};
use common::{Authority, Folder, Issued, profile, static_key};
use pki::{IdentityError, NameRule};
use wire::static_key::KeyDirection;
use wire::tls_auth::AuthDigest;

#[test]
fn a_unified_profile_is_read_whole() {
    let authority = Authority::new();
    let text = profile(
        &["vpn.example.net 1194", "2001:db8::1 443"],
        &authority.pem(),
        &authority.device(),
    );
    let read = parse(&text).unwrap();
    assert_eq!(read.remotes.len(), 2);
    assert_eq!((read.remotes[1].port, read.remotes[1].family), (443, Family::Any));
    assert_eq!(read.name, NameRule::Name(pki::RESERVED_GATEWAY_NAME.to_owned()));
    assert_eq!(read.auth, AuthDigest::Sha256);
    assert_eq!(read.tls_auth.as_ref().unwrap().1, KeyDirection::Inverse);
    assert_eq!((read.tun, read.tun_mtu, read.ciphers.len()), (TunName::Any, 1500, 3));
    assert_eq!(read.warnings, []);
}

#[test]
fn a_split_profile_finds_its_files_beside_it() {
    let authority = Authority::new();
    let device = authority.device();
    let folder = Folder::new("split");
    folder.write("vpn.crt", &device.cert);
    folder.write("vpn.key", &device.key);
    folder.write("ta.key", &static_key());
    let text = format!(
        "client\nremote 192.0.2.1\ncert vpn.crt\nkey vpn.key\nauth SHA256\ntls-auth ta.key 1\n\
         <ca>\n{}</ca>\n",
        authority.pem()
    );
    let file = folder.write("handfast-linux.ovpn", &text);
    let read = Profile::load(&file, &SystemClock).unwrap();
    assert_eq!(read.tls_auth.unwrap().1, KeyDirection::Inverse);
    std::fs::remove_file(folder.path().join("vpn.key")).unwrap();
    let error = Profile::load(&file, &SystemClock).unwrap_err();
    assert_eq!(error.line, Some(4));
    assert!(error.to_string().contains("vpn.key"), "{error}");
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let authority = Authority::new();
    let mixed = Issued { cert: authority.device().cert, key: authority.device().key };
    let error = parse(&profile(&["a"], &authority.pem(), &mixed)).unwrap_err();
    let ProfileErrorKind::BadIdentity(identity) = &error.kind else { panic!("{error}") };
    assert_eq!(*identity, IdentityError::KeyMismatch);
    assert!(error.line.is_some());
}

#[test]
fn an_expired_certificate_is_refused_with_its_date_and_a_short_one_warned_of() {
    let authority = Authority::new();
    let text = profile(&["a"], &authority.pem(), &authority.device());
    let after = |days: u64| {
        let clock = VirtualClock::new(SystemClock.now());
        clock.advance(Duration::from_secs(days * 24 * 3600));
        Profile::parse("/etc/vpn/test.ovpn".as_ref(), text.as_bytes(), &clock)
    };
    let error = after(400).unwrap_err();
    assert!(matches!(error.kind, ProfileErrorKind::Expired { .. }), "{error}");
    assert!(error.to_string().contains("UTC"), "{error}");
    let warnings = after(360).unwrap().warnings;
    assert!(matches!(warnings[..], [Warning::ExpiresSoon { .. }]), "{warnings:?}");
}

#[test]
fn a_damaged_key_file_is_named() {
    let authority = Authority::new();
    let text = profile(&["a"], &authority.pem(), &authority.device());
    let cut = text.replace("-----END OpenVPN Static key V1-----", "");
    assert!(matches!(parse(&cut).unwrap_err().kind, ProfileErrorKind::BadStaticKey(_)));
}

#[test]
fn no_word_of_a_file_that_is_no_profile_is_shown() {
    for text in [
        "root:$6$salt$hash:19000:0:99999:7:::\n",
        "hunter2\n",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
        "<secret>\n",
        "\"open quote\n",
        "",
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error.kind, ProfileErrorKind::NotAProfile), "{text}: {error}");
        assert_eq!(error.to_string().lines().count(), 1);
        let words = text.split_whitespace().filter(|word| word.len() > 5);
        for word in words {
            assert!(!error.to_string().contains(word), "{error}");
        }
    }
}

#[test]
fn profiles_are_read_from_any_encoding_and_with_any_margins() {
    let authority = Authority::new();
    let text = profile(&["192.0.2.1"], &authority.pem(), &authority.device());
    let utf16 = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
        mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect::<Vec<u8>>()
    };
    for bytes in [
        utf16([0xff, 0xfe], u16::to_le_bytes),
        utf16([0xfe, 0xff], u16::to_be_bytes),
        format!("\u{feff}{text}").into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        text.replace('\n', "\r").into_bytes(),
        text.replace('\n', " \t\n").into_bytes(),
        text.replace('\n', "\n\t ").into_bytes(),
    ] {
        Profile::parse("/etc/vpn/test.ovpn".as_ref(), &bytes, &SystemClock).unwrap();
    }
    let odd = [0xff, 0xfe, b'c', 0, 0x00, 0xd8, b'x'];
    assert!(Profile::parse("/etc/vpn/test.ovpn".as_ref(), &odd, &SystemClock).is_err());
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    let authority = Authority::new();
    let device = authority.device();
    let folder = Folder::new("exposed");
    let whole = folder.write("whole.ovpn", &profile(&["a"], &authority.pem(), &device));
    folder.write("vpn.crt", &device.cert);
    let key = folder.write("vpn.key", &device.key);
    let split =
        format!("client\nremote a\ncert vpn.crt\nkey vpn.key\n<ca>\n{}</ca>\n", authority.pem());
    let split = folder.write("split.ovpn", &split);
    for (file, secret) in [(&whole, &whole), (&split, &key)] {
        for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
            std::fs::set_permissions(secret, PermissionsExt::from_mode(mode)).unwrap();
            let warnings = Profile::load(file, &SystemClock).unwrap().warnings;
            let exposed = Warning::Exposed { path: secret.clone() };
            assert_eq!(warnings.contains(&exposed), warned, "{mode:o} {warnings:?}");
        }
    }
}

#[test]
fn secrets_do_not_show() {
    let authority = Authority::new();
    let read = parse(&profile(&["a"], &authority.pem(), &authority.device())).unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains("BEGIN") && !shown.contains("030a11"), "{shown}");
}

fn parse(text: &str) -> Result<Profile, ProfileError> {
    Profile::parse("/etc/vpn/test.ovpn".as_ref(), text.as_bytes(), &SystemClock)
}
