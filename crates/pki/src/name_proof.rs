//! What a server says to a CA that asks whether a name is its own: a request that names it, and the certificate of
//! RFC 8737 with which it answers over TLS.
//!
//! Not here: the protocol with the CA. Invariant: that certificate is signed by itself alone and serves nothing else.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{KeyError, KeyType, PrivateKey};

/// A request, in DER, for a certificate of this key under these names.
///
/// # Errors
/// Where a name is none, or the key does not sign.
pub fn request_naming(names: &[String], key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let params = naming(names)?;
    let request = params.serialize_request(key).map_err(|_| KeyError::GenerationFailed)?;
    Ok(request.der().to_vec())
}

/// The certificate that proves this name by the digest of what the CA has set, with a key of its own.
///
/// # Errors
/// Where the name is none, or no key can be made.
pub fn name_proof(name: &str, digest: &[u8; 32]) -> Result<Arc<CertifiedKey>, KeyError> {
    let mut params = naming(&[name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = PrivateKey::generate(KeyType::P256)?;
    let certificate = params.self_signed(&key).map_err(|_| KeyError::GenerationFailed)?;
    let der: CertificateDer<'static> = certificate.der().clone();
    let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8()));
    let signs = any_supported_type(&pkcs8).map_err(|_| KeyError::GenerationFailed)?;
    // Not compared: the library reads no certificate with that extension. Both were made a moment ago.
    Ok(Arc::new(CertifiedKey::new(vec![der], signs)))
}

fn naming(names: &[String]) -> Result<CertificateParams, KeyError> {
    let params = CertificateParams::new(names.to_vec());
    let mut params = params.map_err(|_| KeyError::GenerationFailed)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use x509_parser::certificate::X509Certificate;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::der_parser::oid;
    use x509_parser::prelude::FromDer;

    use super::*;

    #[test]
    fn a_proof_names_its_host_and_holds_the_digest_as_a_critical_extension() {
        let proof = name_proof("www.example.org", &[7; 32]).expect("made");
        let (_, certificate) = X509Certificate::from_der(&proof.cert[0]).expect("a certificate");
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
        assert!(names.value.general_names[0].to_string().contains("www.example.org"));
        // id-pe-acmeIdentifier, RFC 8737 section 6.1.
        let extension = certificate.get_extension_unique(&oid!(1.3.6.1.5.5.7.1.31)).unwrap();
        let extension = extension.expect("it has one");
        assert!(extension.critical);
        assert_eq!(extension.value, [&[4, 32][..], &[7; 32]].concat());
    }

    #[test]
    fn a_request_names_all_hosts_and_nobody_as_its_subject() {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let names = ["a.test".to_owned(), "b.test".to_owned()];
        let der = request_naming(&names, &key).expect("made");
        let (_, request) = X509CertificationRequest::from_der(&der).expect("a request");
        assert_eq!(request.certification_request_info.subject.iter().count(), 0);
        let text = format!("{:?}", request.requested_extensions().unwrap().collect::<Vec<_>>());
        assert!(text.contains("a.test") && text.contains("b.test"), "{text}");
    }
}
