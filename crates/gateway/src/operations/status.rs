//! The gateway itself: status, sessions closed by hand, CA and CRL.

use std::collections::BTreeMap;

use admin::request::KickTarget;
use admin::response::{
    CaDetail, Certificate, CertificateState, CrlDetail, CrlEntry, Kicked, Level, Session, Status,
};
use authority::describe;
use store::{Actor, EventKind};

use super::views::current;
use crate::doors::Doors;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::metrics::Gauges;
use crate::operations::material::remotes;
use crate::words::{device_name, holder_name, number, revoke_reason, seconds};

impl Gateway {
    /// The doors, or why none is open.
    pub(super) fn running(&self) -> Result<&Doors, GatewayError> {
        if self.doors().is_any_open() {
            return Ok(self.doors());
        }
        Err(GatewayError::NotRunning { folder: self.data().path().to_owned() })
    }

    pub(super) async fn sessions(&self) -> Result<Vec<Session>, GatewayError> {
        Ok(self.running()?.sessions().await)
    }

    pub(super) async fn status(&self) -> Result<Status, GatewayError> {
        let counters = self.running()?.counters().await;
        let policy = self.live().policy();
        let vpn = &policy.config.vpn;
        let gauges = self.gauges().await?;
        let until = |whose: &str| gauges.expiries.iter().find(|(w, _)| w == whose).map(|e| e.1);
        let mut networks = vec![vpn.network.to_string()];
        networks.extend(vpn.network6.map(|net| net.to_string()));
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: seconds(gauges.started),
            data: self.data().path().display().to_string(),
            listen: vpn.listen.iter().map(ToString::to_string).collect(),
            remotes: remotes(&policy.config),
            networks,
            sessions: small(counters.sessions),
            users: small(gauges.users),
            devices: small(gauges.devices),
            ca_expires_at: seconds(until("ca").unwrap_or(0)),
            server_expires_at: seconds(until("gateway").unwrap_or(0)),
            crl_number: gauges.crl_number,
            crl_signed_at: seconds(gauges.crl_this_update),
            crl_next_update: seconds(gauges.crl_next_update),
            refusals: self.metrics().refusals(),
            last_refusals: self.metrics().last_refusals(),
            drops: counters.drops.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect(),
            data_path: counters.data_path.clone(),
            figures: self.metrics().figures(&counters, &gauges),
            warnings: self.warnings().await,
        })
    }

    /// Everything that is counted, for who publishes it.
    pub async fn figures(&self) -> Result<Vec<admin::metrics::Metric>, GatewayError> {
        let counters = self.doors().counters().await;
        Ok(self.metrics().figures(&counters, &self.gauges().await?))
    }

    /// Writes the counters since the start to the log.
    pub async fn log_statistics(&self) {
        if !self.doors().is_any_open() {
            return;
        }
        let counters = self.doors().counters().await;
        let drops: BTreeMap<_, _> =
            counters.drops.iter().filter(|(_, count)| **count > 0).collect();
        tracing::info!(
            sessions = counters.sessions,
            handshakes = counters.handshakes_done,
            renegotiations = counters.renegotiations,
            packets_in = counters.packets_in,
            bytes_in = counters.bytes_in,
            packets_out = counters.packets_out,
            bytes_out = counters.bytes_out,
            ?drops,
            handed_over = counters.handed_over,
            data_path = counters.data_path,
            "statistics"
        );
    }

    async fn gauges(&self) -> Result<Gauges, GatewayError> {
        let snapshot = self.store().snapshot();
        let crl = snapshot.crl(self.authority().generation().id).copied();
        let revoked = snapshot.certificates().filter(|c| c.revoked.is_some()).count();
        let mut gauges = Gauges {
            now: self.now(),
            started: self.started(),
            users: snapshot.users().count() as u64,
            devices: snapshot.devices().count() as u64,
            events: number(snapshot.through()),
            revoked: revoked as u64,
            expiries: vec![("ca".to_owned(), self.authority().generation().not_after)],
            ..Gauges::default()
        };
        if let Some(crl) = crl {
            gauges.crl_number = crl.number;
            gauges.crl_this_update = crl.this_update;
            gauges.crl_next_update = crl.next_update;
        }
        let own = self.authority().server_certificates_expire();
        gauges.expiries.push(("gateway".to_owned(), own));
        for detail in self.all_devices().await? {
            let good = current(&detail.certificates).filter(|c| c.revocation.is_none());
            gauges
                .expiries
                .extend(good.map(|c| (device_name(&detail.device).to_string(), c.not_after)));
        }
        Ok(gauges)
    }

    /// What `check` finds worth a warning that concerns the running gateway.
    async fn warnings(&self) -> Vec<String> {
        let findings = self.check_records().await;
        let bad = findings.into_iter().filter(|f| f.level != Level::Good);
        bad.map(|f| match f.mend {
            Some(mend) => format!("{}: {}; {mend}", f.subject, f.seen),
            None => format!("{}: {}", f.subject, f.seen),
        })
        .collect()
    }

    pub(super) async fn kick(
        &self,
        actor: &Actor,
        target: &KickTarget,
    ) -> Result<Kicked, GatewayError> {
        let sessions = self.running()?.kick(target).await;
        if sessions.is_empty() {
            return Err(GatewayError::NoSuchSession);
        }
        for device in &sessions {
            let details = serde_json::json!({ "user": device.user, "device": device.device });
            let noted = self.store().event_append(actor, EventKind::SESSION_KICKED, details).await;
            if let Err(error) = noted {
                // They are closed whatever the disk says.
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a session was closed that the event log does not tell of");
            }
        }
        Ok(Kicked { sessions })
    }

    pub(super) async fn crl_show(&self) -> Result<CrlDetail, GatewayError> {
        let generation = self.authority().generation();
        let (revocations, _) = self.store().revocation_list(generation.id).await?;
        let crl = self.store().crl_latest(generation.id).await?.ok_or(GatewayError::NoCrl)?;
        let snapshot = self.store().snapshot();
        let entries = revocations.iter().filter(|r| r.event <= crl.through).map(|r| CrlEntry {
            serial: r.id.to_string(),
            device: snapshot.certificate(&r.id).and_then(|c| holder_name(&snapshot, c)),
            revoked_at: seconds(r.at),
            reason: revoke_reason(r.reason),
        });
        Ok(CrlDetail {
            number: crl.number,
            issuer: generation.subject.clone(),
            this_update: seconds(crl.this_update),
            next_update: seconds(crl.next_update),
            entries: entries.collect(),
            pem: describe::pem("X509 CRL", &crl.der),
        })
    }

    pub(super) async fn ca_show(&self) -> Result<CaDetail, GatewayError> {
        let generation = self.authority().generation();
        let snapshot = self.store().snapshot();
        let ours = || snapshot.certificates().filter(|c| c.issued_by == generation.id);
        let facts = describe::facts(&generation.der);
        let url = &self.live().policy().config.ca.public_url;
        let expired = generation.not_after < self.now();
        Ok(CaDetail {
            certificate: Certificate {
                serial: generation.serial.to_string(),
                subject: generation.subject.clone(),
                key_type: facts.key_type,
                not_before: seconds(generation.not_before),
                not_after: seconds(generation.not_after),
                state: if expired { CertificateState::Expired } else { CertificateState::Valid },
                fingerprint: facts.fingerprint,
                pem: facts.pem,
            },
            issued: ours().count() as u64,
            revoked: ours().filter(|c| c.revoked.is_some()).count() as u64,
            public_url: url.as_ref().map(ToString::to_string),
        })
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
