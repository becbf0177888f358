//! The gateway's state and figures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use admin::names::DeviceName;
use admin::response::{EffectDelay, Level, Status, TlsServers};
use authority::{Issuers, Signs};
use clock::Timestamp;
use store::{Holder, Snapshot};

use super::common::remotes;
use super::views::Profiles;
use crate::check::{RecordsCheck, shared_profiles, verified};
use crate::config::Config;
use crate::context::Context;
use crate::disk::Space;
use crate::doors::Counters;
use crate::error::GatewayError;
use crate::metrics::{DeviceFigures, Expiry, Gauges, Of};
use crate::renewed_here::RenewedHere;
use crate::words::{device_name, number};

/// The state of what these handles are of.
#[derive(Debug)]
pub(crate) struct Overview<'a> {
    pub(crate) at: &'a Context,
}

impl Overview<'_> {
    pub(super) async fn status(&self) -> Result<Status, GatewayError> {
        let counters = self.at.running()?.counters().await;
        let policy = self.at.view.policy();
        let vpn = &policy.config.vpn;
        let gauges = self.gauges(&counters).await?;
        let until = |whose: &str| gauges.expiries.iter().find(|e| e.whose == whose).map(|e| e.at);
        let tls = self.at.doors.virtual_servers();
        let mut networks = vec![vpn.network.to_string()];
        networks.extend(vpn.network6.map(|net| net.to_string()));
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: gauges.started,
            data: self.at.data.path().display().to_string(),
            listen: vpn.listen.iter().map(ToString::to_string).collect(),
            virtual_servers: small(tls.servers.len() as u64),
            tls_sessions: sessions_of(&tls),
            tls_listen: tls.listen,
            remotes: remotes(&policy.config),
            networks,
            pushes: policy.push.said().to_vec(),
            waiting: self.waiting().into_iter().map(str::to_owned).collect(),
            sessions: small(counters.sessions),
            users: small(gauges.users),
            devices: small(gauges.devices),
            ca_expires_at: until("ca").unwrap_or_default(),
            server_expires_at: until("gateway").unwrap_or_default(),
            ocsp_expires_at: gauges
                .expiries
                .iter()
                .filter(|expiry| expiry.whose.starts_with("OCSP "))
                .map(|expiry| expiry.at)
                .min(),
            effects: self.effects(),
            crl_number: gauges.crl_number,
            crl_signed_at: gauges.crl_this_update,
            crl_next_update: gauges.crl_next_update,
            refusals: self.at.metrics.refusals(),
            last_refusals: self.at.metrics.last_refusals(),
            drops: counters.drops.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect(),
            drop_sources: counters
                .drop_sources
                .iter()
                .map(|(cause, from)| ((*cause).to_owned(), from.source))
                .collect(),
            endings: counters.endings.iter().map(|(r, n)| ((*r).to_owned(), *n)).collect(),
            data_path: counters.data_path.clone(),
            figures: self.at.metrics.figures(&counters, &gauges),
            not_on_disk: small(gauges.waiting.changes as u64),
            disk_free: gauges.disk_free,
            warnings: self.warnings().await,
            outdated_profiles: self.outdated_profiles().await,
        })
    }

    fn effects(&self) -> BTreeMap<String, EffectDelay> {
        let ms = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let said = |delay: crate::metrics::EffectDelay| EffectDelay {
            measured: delay.count,
            last_ms: ms(delay.last),
            worst_ms: ms(delay.worst),
        };
        let effects = self.at.metrics.effects();
        effects.into_iter().map(|(of, delay)| (of.to_owned(), said(delay))).collect()
    }

    /// Of devices with a certificate that is good for something.
    async fn outdated_profiles(&self) -> Vec<DeviceName> {
        let (profiles, snapshot, now) =
            (Profiles::known(self.at).await, self.at.store.snapshot(), self.at.now());
        let good = snapshot.certificates().filter(|c| c.revoked.is_none() && c.not_after > now);
        let outdated = good.filter_map(|entry| match entry.holder {
            Holder::Device(id) if profiles.outdated(id) == Some(true) => Some(id),
            _ => None,
        });
        let names: BTreeSet<_> = outdated
            .filter_map(|id| snapshot.device(id))
            .map(|device| device_name(device))
            .collect();
        names.into_iter().collect()
    }

    /// What of the settings file waits for the next start, where it can be read.
    fn waiting(&self) -> Vec<&'static str> {
        let file = Config::load_for_start(&self.at.data.config());
        file.map(|file| self.at.only_at_start(&file.config)).unwrap_or_default()
    }

    /// Writes the counters since the start to the log.
    pub(crate) async fn log_statistics(&self) {
        if !self.at.doors.is_any_open() {
            return;
        }
        let counters = self.at.doors.counters().await;
        let drops = counters.drops.iter().filter(|(_, count)| **count > 0);
        let drops: Vec<_> = drops.map(|(cause, count)| format!("{cause} {count}")).collect();
        tracing::info!(
            sessions = counters.sessions,
            handshakes = counters.handshakes_done,
            renegotiations = counters.renegotiations,
            packets_in = counters.packets_in,
            bytes_in = counters.bytes_in,
            packets_out = counters.packets_out,
            bytes_out = counters.bytes_out,
            drops = drops.join(", "),
            handed_over = counters.handed_over,
            data_path = counters.data_path,
            "statistics"
        );
    }

    async fn gauges(&self, counters: &Counters) -> Result<Gauges, GatewayError> {
        let snapshot = self.at.store.snapshot();
        let issuers = self.at.authority.issuers();
        let ca = issuers.signing(Signs::Devices).generation();
        let crl = snapshot.crl(ca.id).copied();
        let revoked = snapshot.certificates().filter(|c| c.revoked.is_some()).count();
        let mut gauges = Gauges {
            now: self.at.now(),
            started: self.at.started,
            users: snapshot.users().count() as u64,
            devices: snapshot.devices().count() as u64,
            events: number(snapshot.through()),
            revoked: revoked as u64,
            expiries: vec![expiry("ca", Of::Ca, ca.not_after)],
            waiting: self.at.store.waiting().borrow().clone(),
            disk_free: Space::under(self.at.data.path()).map(|space| space.free),
            ..Gauges::default()
        };
        if let Some(crl) = crl {
            gauges.crl_number = crl.number;
            gauges.crl_this_update = crl.this_update;
            gauges.crl_next_update = crl.next_update;
        }
        let own = self.at.authority.server_certificates_expire();
        gauges.expiries.push(expiry("gateway", Of::Renewed, own));
        let here = RenewedHere::of(&self.at.authority, &self.at.config().tls).await?;
        gauges.expiries.extend(others(&snapshot, &issuers, &here));
        let current = snapshot.current_certificates();
        let good = current.iter().filter(|(_, entry)| entry.revoked.is_none());
        let of_devices: BTreeMap<_, _> = good
            .filter_map(|(id, entry)| Some((device_name(snapshot.device(*id)?), entry.not_after)))
            .collect();
        let of_devices = of_devices.into_iter();
        gauges
            .expiries
            .extend(of_devices.map(|(name, at)| expiry(&name.to_string(), Of::Device, at)));
        if self.at.config().metrics.per_device {
            gauges.per_device = self.per_device(counters).await;
        }
        Ok(gauges)
    }

    /// Of devices that had a session since the start, by name.
    async fn per_device(&self, counters: &Counters) -> Vec<DeviceFigures> {
        let mut figures: BTreeMap<String, DeviceFigures> = BTreeMap::new();
        let snapshot = self.at.store.snapshot();
        let carried = self.at.history.carried().into_iter();
        let ended = carried.filter_map(|(id, bytes)| {
            snapshot.device(id).map(|device| (device_name(device).to_string(), 0, bytes))
        });
        let beside = counters.devices.iter().map(|(name, bytes)| (name.clone(), 0, *bytes));
        let open = self.at.doors.sessions().await.into_iter();
        let open = open.filter_map(|session| {
            // One without an address inside leaves no record, so that its bytes would be gone with it.
            let bytes = match session.addresses.is_empty() {
                true => [0; 2],
                false => [session.bytes_in, session.bytes_out],
            };
            Some((session.device?.to_string(), 1, bytes))
        });
        for (device, sessions, bytes) in ended.chain(beside).chain(open) {
            let none = DeviceFigures { device: device.clone(), sessions: 0, bytes: [0; 2] };
            let sum = figures.entry(device).or_insert(none);
            sum.sessions += sessions;
            sum.bytes = [sum.bytes[0] + bytes[0], sum.bytes[1] + bytes[1]];
        }
        figures.into_values().collect()
    }

    /// What `check` finds worth a warning that concerns the running gateway.
    async fn warnings(&self) -> Vec<String> {
        // Nothing is known in the first moments after a start.
        let known = self.at.verifier.glance().await.transpose();
        let mut findings = known.as_ref().map(verified).unwrap_or_default();
        findings.extend(RecordsCheck { at: self.at }.findings().await);
        findings.push(shared_profiles(self.at));
        let bad = findings.into_iter().filter(|f| f.level != Level::Good);
        bad.map(|f| match f.mend {
            Some(mend) => format!("{}: {}; {mend}", f.subject, f.seen),
            None => format!("{}: {}", f.subject, f.seen),
        })
        .collect()
    }
}

/// Every other CA that is trusted, who signs OCSP answers, and what has certificates under a name.
fn others(snapshot: &Snapshot, issuers: &Issuers, here: &RenewedHere) -> Vec<Expiry> {
    let first = issuers.signing(Signs::Devices).generation().id;
    let mut all: BTreeMap<String, Expiry> = issuers
        .trusted()
        .filter(|issuer| issuer.generation().id != first)
        .map(|issuer| (format!("ca {}", issuer.certificate().tag()), issuer.generation().not_after))
        .map(|(name, at)| (name.clone(), expiry(&name, Of::Ca, at)))
        .collect();
    for entry in snapshot.certificates().filter(|entry| snapshot.standing(entry).is_none()) {
        let Holder::Other(name) = &entry.holder else { continue };
        if name.starts_with("CA ") {
            continue;
        }
        let is_renewed = name.starts_with("OCSP ") || here.has(&entry.holder, &entry.id);
        let of = if is_renewed { Of::Renewed } else { Of::Name };
        let new = expiry(name, of, entry.not_after);
        let known = all.entry(name.clone()).or_insert_with(|| new.clone());
        if new.at > known.at {
            *known = new;
        }
    }
    all.into_values().collect()
}

fn expiry(whose: &str, of: Of, at: Timestamp) -> Expiry {
    Expiry { whose: whose.to_owned(), of, at }
}

/// Servers of one first name have the same ones.
fn sessions_of(tls: &TlsServers) -> u32 {
    let by_name: BTreeMap<_, _> =
        tls.servers.iter().map(|server| (&server.name, server.connections)).collect();
    by_name.values().sum()
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
