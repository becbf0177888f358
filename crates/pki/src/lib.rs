//! The certificates behind every door: what they hold, how they are signed, whether they still hold.
//!
//! It exists so that one place knows the profile of a certificate and one place knows why a
//! certificate is refused. It does no IO and reads no clock: time and entropy are arguments.
//! One named exception: generating a key and making a signature draw on the randomness inside
//! aws-lc-rs, as TLS itself does.
//!
//! It degrades by refusing: whatever cannot be read, checked or found is a [`Refusal`] with a
//! reason, never an acceptance.

mod ca;
mod certificate_id;
mod constraints;
mod crl;
mod cross;
mod csr;
mod fingerprint;
mod foreign;
#[doc(hidden)]
pub mod fuzzing;
mod hex;
mod host_name;
mod identity;
mod key;
mod key_id;
pub mod lint;
mod local_signer;
mod moment;
mod name_proof;
pub mod ocsp;
mod pem;
mod profile;
mod refusal;
mod revocation;
mod serial;
mod sign_error;
mod signature;
mod signer;
pub mod standing;
mod tls;
mod unmet;
mod verify;

pub use clock::Timestamp;
pub use names::{RESERVED_GATEWAY_NAME, RevocationReason, is_reserved_name};

pub use ca::{CaCertificate, CaError};
pub use certificate_id::{CertificateId, IssuerId};
pub use constraints::{NameConstraints, NameRange, NameRangeError};
pub use crl::{CRL_LIFETIME, Crl, CrlError, CrlRequest};
pub use cross::CrossRequest;
pub use csr::{Csr, CsrError, csr_text};
pub use fingerprint::Fingerprint;
pub use foreign::{Fit, Unfit, authority_key_and_serial, fits};
pub use identity::{IdentityError, identity, identity_from_pem};
pub use key::{KeyError, KeyFamily, KeyRefused, KeyType, PrivateKey, PublicKey, UnknownKeyType};
pub use key_id::KeyId;
pub use local_signer::{LocalSigner, NewCa};
pub use name_proof::{name_proof, request_naming};
pub use pem::{PemError, certificate_to_pem, certificates_from_pem, to_pem};
pub use profile::{
    CA_LIFETIME, CLOCK_SKEW, CertificateRequest, DEVICE_LIFETIME, OCSP_SIGNER_LIFETIME, Profile,
    Publishing, SERVER_LIFETIME, Validity,
};
pub use refusal::{Purpose, Refusal, refusal_of};
pub use revocation::Revocation;
pub use serial::{Serial, SerialError};
pub use sign_error::SignError;
pub use signer::{SignAnswer, SignRequest, Signer, Signing, cross_sign, issue, sign_crl};
pub use tls::{
    ClockTime, DualResolver, client_config, dual_resolver, resolver_of_one, server_config,
    service_client_config,
};
pub use unmet::{Unmet, unmet};
pub use verify::{
    AnchorError, CertificateStatus, GatewayVerifier, NameRule, RefusedCertificate,
    ServerNameVerifier, StatusSource, leaf_not_after, leaf_not_before, names_itself_as_issuer,
    refused_within,
};
