//! Where this gateway shows another CA that names are its own: in TLS at the door, and where it publishes.

use acme::{Proof, Stage};
use front::Proofs;
use publish::Tokens;

/// The doors at which a CA looks.
#[derive(Clone, Debug)]
pub(super) struct DoorStage {
    pub(super) proofs: Proofs,
    pub(super) tokens: Tokens,
}

impl Stage for DoorStage {
    fn show(&self, proof: &Proof) {
        match proof {
            Proof::Http { token, answer } => self.tokens.show(token, answer),
            Proof::Tls { name, key } => self.proofs.show(name, key.clone()),
        }
    }

    fn take_down(&self, proof: &Proof) {
        match proof {
            Proof::Http { token, .. } => self.tokens.take_down(token),
            Proof::Tls { name, .. } => self.proofs.take_down(name),
        }
    }
}
