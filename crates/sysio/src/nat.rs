//! Our nftables table: lets tunnel packets through and gives them this machine's address outside.
//!
//! One table of ours, replaced as a whole in one transaction; no rule of anybody else is touched.
//! That has a limit: accepting a packet here does not save it from a *drop* in another table's
//! forward chain (Docker, ufw, firewalld). Such chains are looked for, and reported with the rule
//! that would let the tunnel through, instead of leaving a tunnel that silently goes nowhere.
//! Rules of the old iptables kernel interface are not visible to nft and not found.
//!
//! The program `nft` is run on the calling thread and hence in its network namespace.

use std::error::Error;
use std::fmt::{self, Display};

use serde_json::{Value, json};

use crate::Network;
use crate::undo::Undo;

mod program;

pub use program::NatError;

use program::nft;

/// The name of the table unless the caller chooses another.
pub const NAT_TABLE: &str = "handfast";

/// What our table does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatRules {
    /// The TUN interface.
    pub tun: String,
    /// The ranges that tunnel addresses come from.
    pub sources: Vec<Network>,
    /// Give packets from these ranges this machine's address where they leave by other interfaces.
    /// Without, the networks outside need routes back to the tunnel.
    pub masquerade: bool,
}

/// One nftables table of the `inet` family, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatTable(String);

impl Default for NatTable {
    fn default() -> Self {
        Self(NAT_TABLE.to_owned())
    }
}

impl NatTable {
    /// A table of another name, for a second gateway on the same machine. `None` unless the name is
    /// made of letters, digits and `_`, and starts with a letter.
    pub fn named(name: &str) -> Option<Self> {
        let first = name.bytes().next()?.is_ascii_alphabetic();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (first && plain && name.len() < LONGEST_NAME).then(|| Self(name.to_owned()))
    }

    /// Makes the table do what `rules` say and nothing else, whatever it did before. Returns the
    /// chains of others that may drop the tunnel's packets all the same.
    pub fn apply(&self, rules: &NatRules) -> Result<Vec<ForwardBlocker>, NatError> {
        nft(&["-f", "-"], &self.ruleset(rules).to_string())?;
        self.forward_blockers(&rules.tun)
    }

    /// The same, for as long as the result lives.
    pub fn hold(&self, rules: &NatRules) -> Result<(NatHold, Vec<ForwardBlocker>), NatError> {
        nft(&["-f", "-"], &self.ruleset(rules).to_string())?;
        let hold = NatHold { table: self.clone(), held: true };
        let blockers = self.forward_blockers(&rules.tun)?;
        Ok((hold, blockers))
    }

    /// Removes the table if it is there.
    pub fn remove(&self) -> Result<(), NatError> {
        // Deleting what is not there fails, adding what is there does not.
        let commands = json!({ "nftables": [self.add(), self.delete()] });
        nft(&["-f", "-"], &commands.to_string()).map(drop)
    }

    /// The forward chains of others that drop what they do not accept.
    fn forward_blockers(&self, tun: &str) -> Result<Vec<ForwardBlocker>, NatError> {
        let listing = nft(&["list", "chains"], "")?;
        let listing: Value = serde_json::from_str(&listing).map_err(NatError::Output)?;
        let objects = listing["nftables"].as_array().map_or(&[][..], Vec::as_slice);
        let chains = objects.iter().map(|object| &object["chain"]);
        Ok(chains.filter_map(|chain| self.as_blocker(chain, tun)).collect())
    }

    fn as_blocker(&self, chain: &Value, tun: &str) -> Option<ForwardBlocker> {
        let text = |key: &str| chain[key].as_str().map(str::to_owned);
        let drops = chain["hook"] == "forward" && chain["policy"] == "drop";
        let (family, table) = (text("family")?, text("table")?);
        let ours = family == "inet" && table == self.0;
        let (chain, tun) = (text("name")?, tun.to_owned());
        let concerned = drops && !ours && ["ip", "ip6", "inet"].contains(&family.as_str());
        concerned.then_some(ForwardBlocker { family, table, chain, tun })
    }

    fn ruleset(&self, rules: &NatRules) -> Value {
        let mut commands = vec![self.add(), self.delete(), self.add()];
        commands.push(self.chain("forward", "filter", 0));
        for key in ["iifname", "oifname"] {
            let tunnel = json!([is("==", json!({ "meta": { "key": key } }), json!(rules.tun)),
                { "accept": null }]);
            commands.push(self.rule("forward", &tunnel));
        }
        commands.push(self.chain("postrouting", "nat", SOURCE_NAT_PRIORITY));
        if rules.masquerade {
            for source in &rules.sources {
                commands.push(self.rule("postrouting", &masquerade(*source, &rules.tun)));
            }
        }
        json!({ "nftables": commands })
    }

    fn add(&self) -> Value {
        json!({ "add": { "table": { "family": "inet", "name": self.0 } } })
    }

    fn delete(&self) -> Value {
        json!({ "delete": { "table": { "family": "inet", "name": self.0 } } })
    }

    fn chain(&self, name: &str, kind: &str, priority: i32) -> Value {
        json!({ "add": { "chain": {
            "family": "inet", "table": self.0, "name": name,
            "type": kind, "hook": name, "prio": priority, "policy": "accept",
        } } })
    }

    fn rule(&self, chain: &str, expressions: &Value) -> Value {
        json!({ "add": { "rule": {
            "family": "inet", "table": self.0, "chain": chain, "expr": expressions,
        } } })
    }
}

/// A table in force. Dropping it removes the table.
#[derive(Debug)]
pub struct NatHold {
    table: NatTable,
    held: bool,
}

impl Undo for NatHold {
    fn what(&self) -> String {
        format!("the firewall table inet {}", self.table.0)
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if std::mem::take(&mut self.held) {
            self.table.remove()?;
        }
        Ok(())
    }
}

impl Drop for NatHold {
    fn drop(&mut self) {
        // The next start replaces a table that stays.
        let _ = self.undo();
    }
}

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

fn masquerade(source: Network, tun: &str) -> Value {
    let protocol = if source.address().is_ipv4() { "ip" } else { "ip6" };
    let address = json!({ "payload": { "protocol": protocol, "field": "saddr" } });
    let range = json!({ "prefix": { "addr": source.address(), "len": source.bits() } });
    json!([
        is("==", address, range),
        is("!=", json!({ "meta": { "key": "oifname" } }), json!(tun)),
        { "masquerade": null },
    ])
}

#[expect(clippy::needless_pass_by_value, reason = "both are built in place by every caller")]
fn is(operator: &str, left: Value, right: Value) -> Value {
    json!({ "match": { "op": operator, "left": left, "right": right } })
}

/// `srcnat`, by the number that every version of nft takes.
const SOURCE_NAT_PRIORITY: i32 = 100;
const LONGEST_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_plain_words() {
        assert!(NatTable::named("handfast_2").is_some());
        for name in ["", "2nd", "a b", "a;b", "ä", "a-b"] {
            assert_eq!(NatTable::named(name), None, "{name}");
        }
    }
}
