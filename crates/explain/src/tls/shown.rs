//! Certificates and staples as they were shown: what they say of themselves.

use std::net::IpAddr;

use pki::Serial;
use pki::ocsp::{OcspResponse, OcspStatus};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::{PublicKey, RSAPublicKey};

use super::reader::Reader;
use crate::fact::Shown;
use crate::field::cut;
use crate::place::Side;
use crate::story::{Certificate, Inquiry, Means};

/// The most certificates of a chain that are told.
const LONGEST_CHAIN: usize = 10;
/// The most names of a certificate that are told.
const MOST_NAMES: usize = 20;
const STATUS_REQUEST: u16 = 5;
const OCSP: u8 = 1;

/// The content of a Certificate message of TLS 1.3, and the kinds of what stands behind the certificates.
pub(super) fn chain(body: &[u8]) -> Option<(Shown, Vec<u16>)> {
    let mut reader = Reader::new(body);
    reader.short()?;
    let mut list = Reader::new(reader.longest()?);
    let (mut shown, mut kinds) = (Shown::default(), Vec::new());
    while !list.is_empty() && shown.chain.len() < LONGEST_CHAIN {
        let certificate = list.longest()?.to_vec();
        let extensions = super::hello::extensions(list.long()?)?;
        kinds.extend(extensions.iter().map(|(kind, _)| *kind));
        let staple = extensions.into_iter().find(|(kind, _)| *kind == STATUS_REQUEST);
        if let (true, Some((_, content))) = (shown.chain.is_empty(), staple) {
            shown.staple = staple_of(content);
        }
        shown.chain.push(certificate);
    }
    Some((shown, kinds))
}

/// The content of a Certificate message of TLS 1.2.
pub(super) fn chain_old(body: &[u8]) -> Option<Shown> {
    let mut list = Reader::new(Reader::new(body).longest()?);
    let mut chain = Vec::new();
    while !list.is_empty() && chain.len() < LONGEST_CHAIN {
        chain.push(list.longest()?.to_vec());
    }
    Some(Shown { chain, staple: None })
}

/// The OCSP answer of a CertificateStatus.
pub(super) fn staple_of(content: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(content);
    (reader.u8()? == OCSP).then(|| reader.longest().map(<[u8]>::to_vec)).flatten()
}

/// What the certificates that a side showed say of themselves, its own first.
pub(crate) fn certificates(shown: &Shown, by: Side) -> impl Iterator<Item = Certificate> {
    shown.chain.iter().zip(0..).map(move |(der, depth)| {
        let mut read = certificate(der, depth, by);
        if let Some(der) = shown.staple.as_ref().filter(|_| depth == 0) {
            read.answered(staple(der, &shown.chain));
        }
        read
    })
}

/// What a certificate says of itself. One that can't be read is shown as such.
fn certificate(der: &[u8], depth: u32, shown_by: Side) -> Certificate {
    let Ok((_, read)) = X509Certificate::from_der(der) else { return unreadable(depth, shown_by) };
    Certificate {
        shown_by,
        step: 0,
        depth,
        subject: cut(&read.subject().to_string()),
        issuer: cut(&read.issuer().to_string()),
        serial: serial(read.raw_serial()),
        not_before: read.validity().not_before.timestamp(),
        not_after: read.validity().not_after.timestamp(),
        names: names(&read, MOST_NAMES),
        key: key(&read),
        inquiries: not_asked().to_vec(),
    }
}

/// As the product and `openssl x509 -serial` write it; one that no CA should give stays as it stands there.
fn serial(octets: &[u8]) -> String {
    let read = Serial::from_bytes(octets).map(|serial| serial.to_string());
    read.unwrap_or_else(|_| cut(&data_encoding::HEXUPPER.encode(octets)))
}

fn unreadable(depth: u32, shown_by: Side) -> Certificate {
    Certificate {
        shown_by,
        step: 0,
        depth,
        subject: "(it can't be read)".to_owned(),
        issuer: String::new(),
        serial: String::new(),
        not_before: 0,
        not_after: 0,
        names: Vec::new(),
        key: String::new(),
        inquiries: not_asked().to_vec(),
    }
}

/// Nobody was asked; that is said, so that nobody takes it for a yes.
fn not_asked() -> [Inquiry; 3] {
    [
        (Means::Staple, "No word of the CA came along; a server brings one where it has been asked to, and has one."),
        (Means::Ocsp, "Nothing here shows that the CA was asked: that is another connection, of whoever checks."),
        (Means::Crl, "Whether a list of the CA was looked at can't be seen on the wire."),
    ]
    .map(|(means, sentence)| Inquiry::new(means, "not_asked", sentence))
}

/// What a staple says, by whoever signed it; whether that is to be believed is not judged here. Among the certificates that
/// were `shown` the signer's may be.
pub(crate) fn staple(der: &[u8], shown: &[Vec<u8>]) -> Inquiry {
    let shown: Vec<&[u8]> = shown.iter().map(Vec::as_slice).collect();
    let said = |answer, sentence| Inquiry::new(Means::Staple, answer, sentence);
    let Ok(response) = OcspResponse::from_der(der) else {
        return said("unreadable", "The server brought something along that is no answer of a CA.");
    };
    let Some(answer) = response.answers().first() else {
        return said(
            "unreadable",
            "The server brought an answer along that speaks of no certificate.",
        );
    };
    let inquiry = match answer.status {
        OcspStatus::Good => said(
            "good",
            "Not revoked, said the CA or its responder when it signed this; that signature was not checked here.",
        ),
        OcspStatus::Revoked(revocation) => {
            said("revoked", "The CA said that it is revoked.").revoked(Some(&revocation))
        }
        OcspStatus::Unknown => said("unknown", "The CA said that it never issued it."),
    };
    Inquiry {
        signed_at: Some(response.produced_at().unix_secs()),
        signed_by: Some(cut(&response.signer(&shown))),
        good_until: answer.next_update.map(clock::Timestamp::unix_secs),
        ..inquiry
    }
}

/// All names of a side's own certificate, of which a story may have only the first ones.
pub(crate) fn names_of(shown: &Shown) -> Vec<String> {
    let own = shown.chain.first().and_then(|der| X509Certificate::from_der(der).ok());
    own.map_or_else(Vec::new, |(_, own)| names(&own, usize::MAX))
}

fn names(certificate: &X509Certificate<'_>, most: usize) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(name).take(most).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some(cut(name))
        }
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// The algorithm, with its curve or length: as a word where it has one, else by its number.
fn key(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    let number = info.algorithm.algorithm.to_id_string();
    if let Ok(PublicKey::RSA(key)) = info.parsed() {
        return format!("RSA, {} bits", key.key_size());
    }
    if number == RSA_PSS {
        let bits =
            RSAPublicKey::from_der(&info.subject_public_key.data).map(|(_, key)| key.key_size());
        return bits.map_or_else(
            |_| "RSA for PSS alone".to_owned(),
            |bits| format!("RSA for PSS alone, {bits} bits"),
        );
    }
    let named = |known: &[(&str, &'static str)], number: &str| {
        known.iter().find(|(one, _)| *one == number).map(|(_, name)| *name)
    };
    if number == ELLIPTIC_CURVE {
        let curve = info.algorithm.parameters.as_ref().and_then(|name| name.as_oid().ok());
        let curve = curve.map(|name| name.to_id_string()).unwrap_or_default();
        return match named(CURVES, &curve) {
            Some(name) => format!("elliptic curve {name}"),
            None if curve.is_empty() => "elliptic curve without a name".to_owned(),
            None => cut(&format!("elliptic curve {curve}")),
        };
    }
    named(ALGORITHMS, &number).map_or_else(|| cut(&number), str::to_owned)
}

const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const ELLIPTIC_CURVE: &str = "1.2.840.10045.2.1";
const CURVES: &[(&str, &str)] = &[
    ("1.2.840.10045.3.1.1", "P-192, 192 bits"),
    ("1.3.132.0.33", "P-224, 224 bits"),
    ("1.2.840.10045.3.1.7", "P-256, 256 bits"),
    ("1.3.132.0.34", "P-384, 384 bits"),
    ("1.3.132.0.35", "P-521, 521 bits"),
    ("1.3.132.0.10", "secp256k1, 256 bits"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1, 256 bits"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1, 384 bits"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1, 512 bits"),
];
const ALGORITHMS: &[(&str, &str)] = &[
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];
