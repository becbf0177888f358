//! Chains of others that may drop what the tunnel forwards.

use std::fmt::{self, Display};

use serde_json::Value;

/// A chain of somebody else that may drop what the tunnel forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardBlocker {
    /// `ip`, `ip6` or `inet`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    tun: String,
}

impl ForwardBlocker {
    /// Reads a chain as nft lists it. `None` if it is in the table `ours`, or lets through what it
    /// does not know.
    pub(super) fn of(chain: &Value, ours: &str, tun: &str) -> Option<Self> {
        let text = |key: &str| chain[key].as_str().map(str::to_owned);
        let drops = chain["hook"] == "forward" && chain["policy"] == "drop";
        let (family, table) = (text("family")?, text("table")?);
        let ours = family == "inet" && table == ours;
        let (chain, tun) = (text("name")?, tun.to_owned());
        let concerned = drops && !ours && ["ip", "ip6", "inet"].contains(&family.as_str());
        concerned.then_some(Self { family, table, chain, tun })
    }
}

impl Display for ForwardBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, tun } = self;
        write!(
            f,
            "the firewall chain `{family} {table} {chain}` drops forwarded packets that it does \
             not accept itself; unless it has rules for the tunnel already, let it through with \
             `nft insert rule {family} {table} {chain} iifname {tun} accept` and \
             `nft insert rule {family} {table} {chain} oifname {tun} accept`"
        )
    }
}
