//! Who has a connection served: says by which site each request is answered, and hears what became of it.

use std::sync::Arc;

use crate::refusal::Refusal;
use crate::site::Site;

/// Has one connection served. Asked and told on the connection's tasks, so it must not block; what is said by default
/// is right for whoever counts nothing.
pub trait Steward: Send + Sync + 'static {
    /// By what the next request is answered. Limits and manners are those of the first one for as long as the
    /// connection lasts.
    fn site(&self) -> Arc<Site>;

    /// How many requests the connection may have at once over HTTP/2, where that is less than its site lets it.
    fn streams(&self) -> Option<u32> {
        None
    }

    /// A request came; what else is told is of one of these.
    fn asked(&self) {}

    /// One was refused; its method, and its path as it came.
    fn refused(&self, refusal: Refusal, method: &str, path: &str) {
        let _ = (refusal, method, path);
    }

    /// An answer broke off behind its beginning, by a fault of the backend's or ours.
    fn broke(&self, refusal: Refusal) {
        let _ = refusal;
    }
}

/// The same for all requests.
impl Steward for Arc<Site> {
    fn site(&self) -> Arc<Site> {
        Self::clone(self)
    }
}
