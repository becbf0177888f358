//! What may differ between stores.

/// What may differ between stores.
#[derive(Clone, Debug)]
pub struct Options {
    /// The last host number that is leased (for an IPv4 network of n addresses: n - 2).
    pub lease_last: u32,
    /// Leaves out every sync: a power cut loses acknowledged changes, or the whole store. For tests
    /// only, among them the one that shows that such a loss is noticed.
    pub danger_unsynced: bool,
    /// Bytes that are kept free beside the database, for revocations on a full disk.
    pub reserve: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { lease_last: 65_534, danger_unsynced: false, reserve: 1 << 20 }
    }
}
