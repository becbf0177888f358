//! What holds at this moment, for everybody who must not ask the database: verifiers, admission,
//! and whoever keeps something open.
//!
//! A projection of the store: its snapshot is replaced after each commit and before that commit is
//! acknowledged, so whoever asks here after an acknowledgement sees its effect. Policy (networks,
//! pushes) comes from the settings and is replaced when they are read again.
//!
//! Against the gap between check and sweep: register a session first, then ask [`CurrentView::recheck`]
//! once more, then sweep at every change that withdrew something.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use admin::names::DeviceName;
use arc_swap::ArcSwap;
use engine::Revision;
use pki::{CertificateId, CertificateStatus, Fingerprint, Refusal, StatusSource};
use store::{CaGenerationId, Snapshot, Store};
use tokio::sync::watch;
use vpn::{Member, PushPolicy};

use crate::config::{Config, Net4, Net6};
use crate::words::device_name;

/// The present, shared by all readers. Clones are cheap.
#[derive(Clone, Debug)]
pub struct CurrentView(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    policy: ArcSwap<Policy>,
    /// CAs that are trusted no longer.
    retired: ArcSwap<BTreeSet<CaGenerationId>>,
}

/// What the settings say about those who are let in.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The networks that leases count in.
    pub addressing: Addressing,
    /// What those who are let in are pushed.
    pub push: Arc<PushPolicy>,
    /// The settings as they were read last.
    pub config: Arc<Config>,
}

/// The networks that devices' host numbers count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// IPv4.
    pub network: Net4,
    /// IPv6, where devices get it.
    pub network6: Option<Net6>,
}

impl CurrentView {
    /// The present of `store` under these settings.
    pub fn new(store: Store, config: Arc<Config>, push: PushPolicy) -> Self {
        let policy = ArcSwap::from_pointee(Policy::of(config, push));
        Self(Arc::new(Shared { store, policy, retired: ArcSwap::default() }))
    }

    /// The records as they are.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.store.snapshot()
    }

    /// The policy as it is.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.load_full()
    }

    /// Other settings hold from here on; sessions are not touched.
    pub fn replace_policy(&self, config: Arc<Config>, push: PushPolicy) {
        self.0.policy.store(Arc::new(Policy::of(config, push)));
    }

    /// What these CAs issued opens nothing from here on, also where TLS took it a moment before.
    pub(crate) fn retire(&self, cas: BTreeSet<CaGenerationId>) {
        self.0.retired.store(Arc::new(cas));
    }

    /// Tells when something was committed. By then [`CurrentView::snapshot`] has it in it.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.0.store.revisions()
    }

    /// Whether the certificate of this id may be used, for sweeps and for the second look.
    pub fn recheck(&self, id: &CertificateId) -> Result<(), Refusal> {
        let snapshot = self.snapshot();
        snapshot.status(id).allowed()?;
        self.trusted(&snapshot, id)
    }

    /// Lets the holder of a leaf in, whose chain was verified before, with the device's addresses.
    pub fn admit(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Member, Refusal> {
        let snapshot = self.snapshot();
        snapshot.status_of(id, fingerprint).allowed()?;
        self.trusted(&snapshot, id)?;
        let addressing = self.policy().addressing;
        // A certificate of ours without a device is the gateway's own or a server's.
        let (_, device) =
            snapshot.identity(id).ok_or(Refusal::WrongUsage { needed: pki::Purpose::Client })?;
        // Whoever may connect has some.
        let lease = device.lease.ok_or(Refusal::DeviceDisabled)?;
        let (v4, v6) = addressing.of(lease);
        let v4 = v4.ok_or(Refusal::DeviceDisabled)?;
        let DeviceName { user, device } = device_name(device);
        Ok(Member { user, device, v4, v6 })
    }

    /// The device of a leaf whose chain was verified before, if it may use what needs no address in the tunnel.
    pub fn holder(
        &self,
        id: &CertificateId,
        fingerprint: &Fingerprint,
    ) -> Result<DeviceName, Refusal> {
        let snapshot = self.snapshot();
        snapshot.status_of(id, fingerprint).allowed()?;
        self.trusted(&snapshot, id)?;
        let (_, device) =
            snapshot.identity(id).ok_or(Refusal::WrongUsage { needed: pki::Purpose::Client })?;
        Ok(device_name(device))
    }

    fn trusted(&self, snapshot: &Snapshot, id: &CertificateId) -> Result<(), Refusal> {
        let issuer = snapshot.certificate(id).map(|entry| entry.issued_by);
        match issuer.is_some_and(|issuer| self.0.retired.load().contains(&issuer)) {
            true => Err(Refusal::UnknownCa),
            false => Ok(()),
        }
    }

    /// The device that this very certificate was issued for, for logs and refusals.
    pub fn device_of(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Option<DeviceName> {
        let snapshot = self.snapshot();
        snapshot.certificate(id).filter(|entry| entry.fingerprint == *fingerprint)?;
        snapshot.identity(id).map(|(_, device)| device_name(device))
    }
}

impl StatusSource for CurrentView {
    fn certificate_status(
        &self,
        id: &CertificateId,
        fingerprint: &Fingerprint,
    ) -> CertificateStatus {
        self.snapshot().status_of(id, fingerprint)
    }
}

impl Policy {
    fn of(config: Arc<Config>, push: PushPolicy) -> Self {
        let addressing = Addressing { network: config.vpn.network, network6: config.vpn.network6 };
        Self { addressing, push: Arc::new(push), config }
    }
}

impl Addressing {
    /// The addresses of a lease; none where the network has become too small for it.
    pub fn of(&self, lease: store::Lease) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let v4 = Ipv4Addr::from_bits(self.network.address().to_bits().wrapping_add(lease.ipv4));
        let v6 = self.network6.map(|net| {
            (net, Ipv6Addr::from_bits(net.address().to_bits().wrapping_add(lease.ipv6.into())))
        });
        let v4 = Some(v4).filter(|v4| self.network.contains(*v4));
        (v4, v6.filter(|(net, v6)| net.contains(*v6)).map(|(_, v6)| v6))
    }

    /// The last host number that may be leased: all but the broadcast address.
    pub fn last_host(&self) -> u32 {
        u32::try_from(self.network.devices().saturating_add(1)).unwrap_or(u32::MAX)
    }
}
