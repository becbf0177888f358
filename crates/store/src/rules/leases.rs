//! Addresses: which host number a new device gets.

use super::Rules;
use crate::error::{Refused, StoreError};
use crate::records::Lease;

/// 0 is the network, 1 the gateway.
const FIRST: u32 = 2;

impl Rules<'_> {
    /// Above all others as long as there is room, so that a freed address rests before it gets
    /// another owner; then the lowest free one.
    pub(super) fn lease_free(&self) -> Result<Lease, StoreError> {
        let last = self.options.lease_last;
        let host = match self.lookup.lease_highest()? {
            None if FIRST <= last => FIRST,
            Some(top) if top < last => top + 1,
            _ => self.lookup.lease_gap(FIRST, last)?.ok_or(Refused::AddressesUsedUp { last })?,
        };
        Ok(Lease { ipv4: host, ipv6: host.into() })
    }
}
