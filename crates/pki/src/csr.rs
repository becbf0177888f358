//! Certificate signing requests, of which only the public key is taken.
//!
//! What a request wishes for (names, usages, lifetimes) counts for nothing: the profile decides. Its host names are read
//! so that whoever sent it can be told which of them the certificate does not have.
//!
//! openssl writes requests as PEM. Others begin it with `NEW CERTIFICATE REQUEST` (RFC 7468, section 7),
//! indent its lines, write it behind a byte order mark or in UTF-16, or write plain DER; all are read.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::pem::{self, PemError};
use crate::signature::{self, SignatureFault};
use crate::{KeyError, KeyRefused, PrivateKey, PublicKey};

/// A request whose sender proved to have the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    public_key: PublicKey,
    hosts: Vec<String>,
}

impl Csr {
    /// Reads and checks a request in PEM text.
    pub fn from_pem(text: &str) -> Result<Self, CsrError> {
        let der = CertificateSigningRequestDer::from_pem_slice(usual(text).as_bytes())
            .map_err(|error| CsrError::Pem(error.into()))?;
        Self::from_der(&der)
    }

    /// Reads and checks a request in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(CsrError::Malformed);
        };
        let info = &request.certification_request_info;
        let public_key = PublicKey::from_spki(info.subject_pki.raw).map_err(CsrError::Key)?;
        signature::verify(
            &request.signature_algorithm,
            public_key.spki(),
            info.raw,
            &request.signature_value,
        )
        .map_err(|fault| match fault {
            SignatureFault::Unsupported => CsrError::UnsupportedSignature,
            SignatureFault::Wrong => CsrError::KeyMismatch,
        })?;
        Ok(Self { public_key, hosts: hosts(&request) })
    }

    /// A request that is signed by this key, as PEM. It names nobody: whoever issues certificates knows for whom.
    pub fn pem_for(key: &PrivateKey) -> Result<String, KeyError> {
        let params = rcgen::CertificateParams::default();
        let der = params.serialize_request(key).map_err(|_| KeyError::GenerationFailed)?;
        Ok(pem::encode(LABEL, der.der()).to_string())
    }

    /// The host names and addresses that it asks for, of which a certificate has what the profile says.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

fn hosts(request: &X509CertificationRequest<'_>) -> Vec<String> {
    let extensions = request.requested_extensions().into_iter().flatten();
    let names = extensions.filter_map(|extension| match extension {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    names.flatten().filter_map(host).take(MOST_HOSTS).collect()
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|octets| IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}

/// The file of a request as text for [`Csr::from_pem`]. Of what is no request the text is given as it is;
/// `None`: it is neither text nor a request in DER.
pub fn csr_text(file: &[u8]) -> Option<String> {
    if matches!(X509CertificationRequest::from_der(file), Ok(([], _))) {
        return Some(pem::encode(LABEL, file).to_string());
    }
    match file {
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        _ => str::from_utf8(file).ok().map(str::to_owned),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

/// PEM as openssl writes it: no mark, no margins, the usual label.
fn usual(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').replace('\r', "\n");
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n").replace("NEW CERTIFICATE REQUEST-----", "CERTIFICATE REQUEST-----")
}

/// More than that no certificate of a server has.
const MOST_HOSTS: usize = 100;
const LABEL: &str = "CERTIFICATE REQUEST";

/// Why a request is not taken; always the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsrError {
    /// It cannot be read.
    Malformed,
    /// The text around it cannot be read.
    Pem(PemError),
    /// Its key cannot be certified.
    Key(KeyRefused),
    /// It is not signed by the key it names.
    KeyMismatch,
    /// It is signed in a way that cannot be checked.
    UnsupportedSignature,
}

impl fmt::Display for CsrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the request cannot be read; make it anew with `openssl req -new`",
            Self::Pem(error) => return write!(f, "the request: {error}"),
            Self::Key(error) => return write!(f, "the request: {error}"),
            Self::KeyMismatch => {
                "the request is not signed by the private key of the public key in it; \
                 make it anew with the right key"
            }
            Self::UnsupportedSignature => {
                "the request is signed in a way that cannot be checked; \
                 make it anew with SHA-256 or better"
            }
        })
    }
}

impl Error for CsrError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pem(error) => Some(error),
            Self::Key(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        "-----BEGIN CERTIFICATE REQUEST-----\nAAECAw==\n-----END CERTIFICATE REQUEST-----\n";

    #[test]
    fn a_request_of_ours_is_read_with_the_key_that_signed_it() {
        let key = PrivateKey::generate(crate::KeyType::P256).unwrap();
        let request = Csr::from_pem(&Csr::pem_for(&key).unwrap()).unwrap();
        assert_eq!(request.public_key(), key.public_key());
    }

    #[test]
    fn the_hosts_that_a_request_asks_for_are_read_and_one_of_ours_asks_for_none() {
        let key = PrivateKey::generate(crate::KeyType::P256).unwrap();
        let names = ["Git.example.org", "code.example.org", "192.0.2.7", "2001:db8::7"];
        let params = rcgen::CertificateParams::new(names.map(str::to_owned)).unwrap();
        let request = Csr::from_der(params.serialize_request(&key).unwrap().der()).unwrap();
        let asked = ["git.example.org", "code.example.org", "192.0.2.7", "2001:db8::7"];
        assert_eq!(request.hosts(), asked);
        assert!(Csr::from_pem(&Csr::pem_for(&key).unwrap()).unwrap().hosts().is_empty());
    }

    #[test]
    fn labels_margins_and_line_ends_of_other_makers_become_the_usual_ones() {
        let new = REQUEST.replace(" CERTIFICATE", " NEW CERTIFICATE");
        let forms = [
            REQUEST.replace('\n', "\r\n"),
            REQUEST.replace('\n', "\r"),
            REQUEST.replace('\n', "\n\n\t "),
            format!("\u{feff}{new}"),
            format!("\n{}", new.replace('\n', "  \r\n")),
        ];
        for form in forms {
            assert_eq!(usual(&form), REQUEST.trim_end(), "{form:?}");
        }
    }

    #[test]
    fn a_file_in_utf_16_is_read_by_its_mark_and_one_of_other_bytes_is_no_text() {
        let little: Vec<u8> = REQUEST.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = REQUEST.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(csr_text(&[&[0xff, 0xfe], &little[..]].concat()).as_deref(), Some(REQUEST));
        assert_eq!(csr_text(&[&[0xfe, 0xff], &big[..]].concat()).as_deref(), Some(REQUEST));
        assert_eq!(csr_text(REQUEST.as_bytes()).as_deref(), Some(REQUEST));
        for broken in [&[0x30, 0x82, 0xff][..], &[0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00]] {
            assert_eq!(csr_text(broken), None);
        }
    }
}
