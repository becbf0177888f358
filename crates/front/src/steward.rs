//! A connection's requests: answered by its server's site as it is at each, counted, and their failures said.

use std::sync::Arc;

use web::{Fault, Refusal, Site as Web};

use crate::registry::Info;
use crate::shared::Shared;
use crate::site::Site;
use crate::sums::Counts;

/// Has one connection served.
pub(crate) struct Steward {
    shared: Arc<Shared>,
    info: Arc<Info>,
    site: Arc<Site>,
    /// By what its requests are answered where the settings would not let it in any longer: it stays as it came.
    at_first: Arc<Web>,
    counts: Arc<Counts>,
    /// Its part of what its host may have at once.
    streams: u32,
}

impl Steward {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        info: &Arc<Info>,
        site: &Arc<Site>,
        web: &Arc<Web>,
        streams: u32,
    ) -> Self {
        let counts = shared.failures.of(&info.server);
        let (shared, info) = (Arc::clone(shared), Arc::clone(info));
        Self { shared, info, site: Arc::clone(site), at_first: Arc::clone(web), counts, streams }
    }

    /// That of the settings in force, unless it is for others.
    fn present(&self) -> Option<Arc<Web>> {
        let table = self.shared.table.load();
        let site = table.present(&self.info.server, &self.site.settings.alpn)?;
        let holder = self.info.client.as_ref().map(|(holder, _)| holder);
        let web = site.web.as_ref().filter(|_| site.policy.lets_in(holder))?;
        Some(Arc::clone(&web.site))
    }
}

impl web::Steward for Steward {
    fn site(&self) -> Arc<Web> {
        self.present().unwrap_or_else(|| Arc::clone(&self.at_first))
    }

    fn streams(&self) -> Option<u32> {
        Some(self.streams)
    }

    fn asked(&self) {
        self.info.traffic.asked();
    }

    fn refused(&self, refusal: Refusal, method: &str, path: &str) {
        self.counts.refused(refusal);
        tracing::debug!(
            connection = self.info.number,
            server = self.info.server,
            method,
            path,
            reason = refusal.code(),
            "a request is refused: {refusal}"
        );
        if refusal.fault() != Fault::Client {
            self.shared.log.failed(&self.info, refusal, self.shared.clock.now().boot);
        }
    }

    fn broke(&self, refusal: Refusal) {
        self.counts.broke();
        self.shared.log.failed(&self.info, refusal, self.shared.clock.now().boot);
    }
}
