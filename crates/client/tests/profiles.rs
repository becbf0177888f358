//! Whole profiles, unified and split, with certificates that fit and certificates that do not.

mod common;

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
fn secrets_do_not_show() {
    let authority = Authority::new();
    let read = parse(&profile(&["a"], &authority.pem(), &authority.device())).unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains("BEGIN") && !shown.contains("030a11"), "{shown}");
}

fn parse(text: &str) -> Result<Profile, ProfileError> {
    Profile::parse("/etc/vpn/test.ovpn".as_ref(), text.as_bytes(), &SystemClock)
}
