//! Groups of the key exchange in the server's order: X25519MLKEM768 wherever the client has it.
//!
//! The TLS library takes the first group of the client's that it has. So a client that has the hybrid one, wherever in its
//! list, is met by a library that has no other for TLS 1.3; one that sent no share for it is asked for one, which costs it
//! a round trip. Invariant: a client that has not, or speaks TLS 1.2 alone, is met with all groups.

use std::sync::LazyLock;

use rustls::crypto::aws_lc_rs::DEFAULT_KX_GROUPS;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, ProtocolVersion};

/// The hybrid one.
pub(crate) const HYBRID: NamedGroup = NamedGroup::X25519MLKEM768;

/// All of the library's, of which only the hybrid one is for TLS 1.3.
pub(crate) fn for_hybrid_clients() -> Vec<&'static dyn SupportedKxGroup> {
    static OTHERS: LazyLock<Vec<BeforeTls13>> = LazyLock::new(|| {
        let others = DEFAULT_KX_GROUPS.iter().filter(|group| group.name() != HYBRID);
        others.map(|group| BeforeTls13(*group)).collect()
    });
    let hybrid = DEFAULT_KX_GROUPS.iter().copied().filter(|group| group.name() == HYBRID);
    hybrid.chain(OTHERS.iter().map(|group| group as &dyn SupportedKxGroup)).collect()
}

/// A group that is for TLS 1.2 alone.
#[derive(Debug)]
struct BeforeTls13(&'static dyn SupportedKxGroup);

impl SupportedKxGroup for BeforeTls13 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        self.0.start()
    }

    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        self.0.start_and_complete(share)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.0.ffdhe_group()
    }

    fn name(&self) -> NamedGroup {
        self.0.name()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version != ProtocolVersion::TLSv1_3 && self.0.usable_for_version(version)
    }
}
