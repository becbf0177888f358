//! What the requests of one connection have in common.

use std::sync::Arc;

use sources::Source;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::connection::Connection;
use crate::identity::{IdentityFields, NotAHeader};
use crate::limits::Limits;
use crate::manners::Manners;
use crate::steward::Steward;
use crate::tasks::Tasks;

/// Made once, before the first request.
pub(crate) struct Context {
    pub(crate) connection: Connection,
    pub(crate) steward: Box<dyn Steward>,
    pub(crate) limits: Limits,
    /// Whose share of anything counts.
    pub(crate) client: Source,
    pub(crate) identity: IdentityFields,
    pub(crate) manners: Manners,
    pub(crate) activity: Arc<Activity>,
    pub(crate) tasks: Tasks,
}

impl Context {
    pub(crate) fn new(
        connection: Connection,
        steward: Box<dyn Steward>,
        tasks: Tasks,
    ) -> Result<Arc<Self>, NotAHeader> {
        let (tls, site) = (connection.tls.as_ref(), steward.site());
        let identity = IdentityFields::new(tls.and_then(|tls| tls.identity.as_ref()))?;
        let manners = Manners::new(tls.is_some(), site.hsts, site.security_headers);
        let activity = Activity::new(Instant::now());
        let mut limits = site.limits.kept();
        limits.streams = steward.streams().map_or(limits.streams, |most| most.min(limits.streams));
        let client = Source::host(connection.peer.ip());
        Ok(Arc::new(Self {
            connection,
            steward,
            limits,
            client,
            identity,
            manners,
            activity,
            tasks,
        }))
    }
}
