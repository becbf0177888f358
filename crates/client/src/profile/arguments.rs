//! Arguments of single directives as values: what each may be, and how it is written.
//!
//! Pure functions of one line. Invariant: what is not understood is an error that shows the right form.

use pki::NameRule;
use wire::cipher::Cipher;
use wire::mtu::Transport;
use wire::static_key::KeyDirection;
use wire::tls_auth::AuthDigest;

use super::line::Line;
use super::values::{Family, Filter, MssLimit};
use super::{NotYet, ProfileError};

/// What `proto` says: what carries the packets, and over which IP versions.
pub(super) type Proto = (Transport, Family);

pub(super) fn proto(line: Line<'_>, word: Option<&str>) -> Result<Proto, ProfileError> {
    match word {
        Some("udp") => Ok((Transport::Udp, Family::Any)),
        Some("udp4") => Ok((Transport::Udp, Family::V4)),
        Some("udp6") => Ok((Transport::Udp, Family::V6)),
        Some("tcp" | "tcp-client") => Ok((Transport::Tcp, Family::Any)),
        Some("tcp4" | "tcp4-client") => Ok((Transport::Tcp, Family::V4)),
        Some("tcp6" | "tcp6-client") => Ok((Transport::Tcp, Family::V6)),
        _ => line.bad("proto udp (or tcp)"),
    }
}

pub(super) fn port(line: Line<'_>) -> Result<u16, ProfileError> {
    line.value(0, "port NUMBER")
}

pub(super) fn mtu(line: Line<'_>) -> Result<u16, ProfileError> {
    let usage = "tun-mtu NUMBER, from 576 to 1600";
    let mtu: u16 = line.value(0, usage)?;
    if (576..=1600).contains(&mtu) { Ok(mtu) } else { line.bad(usage) }
}

pub(super) fn mss_limit(line: Line<'_>) -> Result<MssLimit, ProfileError> {
    let usage = "mssfix [NUMBER [mtu|fixed]]";
    if line.arg(0).is_none() {
        return Ok(MssLimit::Default);
    }
    let limit: u16 = line.value(0, usage)?;
    match line.arg(1) {
        _ if limit == 0 => Ok(MssLimit::Off),
        None => Ok(MssLimit::Link(limit)),
        Some("mtu") => Ok(MssLimit::Mtu(limit)),
        Some("fixed") => Ok(MssLimit::Fixed(limit)),
        Some(_) => line.bad(usage),
    }
}

pub(super) fn direction(line: Line<'_>, word: Option<&str>) -> Result<KeyDirection, ProfileError> {
    let number = word.and_then(|text| text.parse().ok());
    match number.and_then(KeyDirection::from_number) {
        Some(direction) => Ok(direction),
        None => line.bad("key-direction 1"),
    }
}

pub(super) fn digest(line: Line<'_>) -> Result<AuthDigest, ProfileError> {
    match line.arg(0).and_then(AuthDigest::from_name) {
        Some(digest) => Ok(digest),
        None => line.bad("auth SHA256 (or SHA1, SHA384, SHA512)"),
    }
}

pub(super) fn ciphers(line: Line<'_>) -> Result<Vec<Cipher>, ProfileError> {
    let Some(list) = line.arg(0) else {
        return line.bad("data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305");
    };
    let known = Cipher::parse_list(list);
    if known.is_empty() { line.not_yet(NotYet::Cipher) } else { Ok(known) }
}

pub(super) fn name_rule(line: Line<'_>) -> Result<NameRule, ProfileError> {
    let usage = "verify-x509-name NAME [name|name-prefix|subject]";
    let Some(name) = line.arg(0).map(str::to_owned) else { return line.bad(usage) };
    match line.arg(1) {
        None | Some("subject") => Ok(NameRule::Subject(name)),
        Some("name") => Ok(NameRule::Name(name)),
        Some("name-prefix") => Ok(NameRule::NamePrefix(name)),
        Some(_) => line.bad(usage),
    }
}

/// TLS 1.2 is the floor in any case.
pub(super) fn tls_floor(line: Line<'_>) -> Result<(), ProfileError> {
    match line.arg(0) {
        Some("1.0" | "1.1" | "1.2") => Ok(()),
        Some("1.3") => line.not_yet(NotYet::TlsPolicy),
        _ => line.bad("tls-version-min 1.2"),
    }
}

/// No version is above 1.3, and a server's certificate has to be one for servers whatever a profile says.
pub(super) fn is_demanded_anyway(line: Line<'_>) -> bool {
    match (line.name(), line.arg(0)) {
        ("tls-version-max", Some("1.3")) => true,
        ("remote-cert-eku", Some(usage)) => FOR_SERVERS.contains(&usage),
        _ => false,
    }
}

/// The extended key usage of servers, by its name and its number.
const FOR_SERVERS: [&str; 2] = ["TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"];

pub(super) fn filter(line: Line<'_>) -> Result<Filter, ProfileError> {
    let usage = "pull-filter accept|ignore \"TEXT\"";
    let accept = match line.arg(0) {
        Some("accept") => true,
        Some("ignore") => false,
        _ => return line.bad(usage),
    };
    let Some(prefix) = line.arg(1).map(str::to_owned) else { return line.bad(usage) };
    Ok(Filter { prefix, accept })
}
