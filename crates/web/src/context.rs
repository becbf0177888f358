//! What the requests of one connection have in common.

use std::sync::Arc;

use tokio::time::Instant;

use crate::activity::Activity;
use crate::connection::Connection;
use crate::identity::{IdentityFields, NotAHeader};
use crate::manners::Manners;
use crate::site::Site;
use crate::tasks::Tasks;

/// Made once, before the first request.
pub(crate) struct Context {
    pub(crate) connection: Connection,
    pub(crate) site: Arc<Site>,
    pub(crate) identity: IdentityFields,
    pub(crate) manners: Manners,
    pub(crate) activity: Arc<Activity>,
    pub(crate) tasks: Tasks,
}

impl Context {
    pub(crate) fn new(
        connection: Connection,
        site: Arc<Site>,
        tasks: Tasks,
    ) -> Result<Arc<Self>, NotAHeader> {
        let tls = connection.tls.as_ref();
        let identity = IdentityFields::new(tls.and_then(|tls| tls.identity.as_ref()))?;
        let manners = Manners::new(tls.is_some(), site.hsts, site.security_headers);
        let activity = Activity::new(Instant::now());
        Ok(Arc::new(Self { connection, site, identity, manners, activity, tasks }))
    }
}
