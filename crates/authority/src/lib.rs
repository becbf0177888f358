//! The CA at work: the records on one side, the signer on the other.
//!
//! It issues, renews and revokes, and keeps each issuer's CRL and the gateway's own certificates fresh. Not
//! here: any door that uses the certificates, and when to look (whoever composes it does).
//!
//! The crate exists so that nothing that talks with clients is near the CA's key. How it degrades: what
//! is recorded stays recorded, and what could not be signed is signed at the next look.

mod authority;
mod crl;
pub mod describe;
mod ended;
mod error;
mod issuance;
mod issuer;
mod kept_keys;
mod named;
mod not_in_profile;
mod ocsp;
mod random;
mod retired_keys;
mod rollover;
mod server_certificates;
mod settings;
mod start;
mod virtual_servers;

pub use authority::{Authority, Issued, KeyFrom, KeyLocation};
pub use error::AuthorityError;
pub use issuer::{Issuer, Issuers, Signs};
pub use kept_keys::KeptKeys;
pub use named::{NamedRequest, Usage};
pub use not_in_profile::NotInProfile;
pub use random::bytes as random_bytes;
pub use settings::{NamedProfile, Settings};
pub use start::NewIssuer;
pub use virtual_servers::{VirtualServer, VirtualServerCertificate};
