//! The devices and their certificates, and what the records say of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use names::{DeviceName, UserName};
use pki::{CertificateId, IssuerId, Refusal, Revocation, RevocationReason, Serial, Timestamp};

use crate::{Admitted, Credential, Denied, Identity, Principal};

/// A device and which of its certificates.
pub(super) type Holder = (u8, u8);

/// Which certificates were revoked, by which revision.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub(super) revoked: BTreeMap<Holder, u64>,
    pub(super) revision: u64,
    /// The last revision that took something back.
    pub(super) withdrawn_at: u64,
}

impl Records {
    pub(super) fn revoke(&mut self, holder: Holder) {
        self.revision += 1;
        self.withdrawn_at = self.revision;
        self.revoked.entry(holder).or_insert(self.revision);
    }

    pub(super) fn recheck(&self, identity: &Identity) -> Result<(), Denied> {
        let at = Timestamp::from_unix_secs(1_790_000_000);
        let revocation = Revocation { at, reason: RevocationReason::KeyCompromise };
        match self.revoked.contains_key(&holder(identity)) {
            true => Err(Refusal::Revoked { revocation: Some(revocation) }.into()),
            false => Ok(()),
        }
    }

    /// Whether it was revoked by then.
    pub(super) fn has_revoked(&self, holder: &Holder, revision: u64) -> bool {
        self.revoked.get(holder).is_some_and(|at| *at <= revision)
    }
}

pub(super) fn admitted(holder: Holder) -> Admitted {
    let address = Ipv4Addr::new(10, 71, 0, 2 + holder.0);
    Admitted { identity: identity(holder), addresses: vec![address.into()], push: Vec::new() }
}

pub(super) fn identity((device, certificate): Holder) -> Identity {
    let serial = Serial::from_bytes(&[1 + device, certificate]).expect("a serial");
    let (user, device) = names(device);
    let principal = Principal { user, device };
    let id = CertificateId { issuer: IssuerId::of_name(b"a CA"), serial };
    Identity { principal, credential: Credential::Certificate(id) }
}

pub(super) fn holder(identity: &Identity) -> Holder {
    let Credential::Certificate(id) = identity.credential;
    match id.serial.as_bytes() {
        [device, certificate] => (device - 1, *certificate),
        other => panic!("{other:?}"),
    }
}

/// Two devices for each user.
pub(super) fn names(device: u8) -> (UserName, DeviceName) {
    let user = UserName::new(&format!("user{}", device / 2)).expect("a name");
    (user, DeviceName::new(&format!("device{device}")).expect("a name"))
}

pub(super) const DEVICES: u64 = 6;
