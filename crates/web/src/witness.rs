//! Who hears of what was refused.

use crate::connection::Connection;
use crate::refusal::Refusal;

/// Hears of refusals, to count and log them. It is called on the connection's task and must not block.
pub trait Witness: Send + Sync {
    /// A request was refused; its method, and its path as it came.
    fn refused(&self, connection: &Connection, refusal: Refusal, method: &str, target: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Witness for Silent {
    fn refused(&self, _: &Connection, _: Refusal, _: &str, _: &str) {}
}
