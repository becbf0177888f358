//! Our nftables table: fences around the tunnel, and this machine's address for what leaves it.
//!
//! One table of ours, replaced as a whole in one transaction; no rule of anybody else is touched.
//! That has a limit: accepting a packet here does not save it from a *drop* in another table's
//! forward chain (Docker, ufw, firewalld). Such chains are looked for, and reported with the rule
//! that would let the tunnel through, instead of leaving a tunnel that silently goes nowhere.
//! Rules of the old iptables kernel interface are not visible to nft and not found.
//!
//! The program `nft` is run on the calling thread and hence in its network namespace.

use std::error::Error;

use serde_json::Value;

use crate::netlink::{NetlinkErrorKind, now};
use crate::undo::Undo;

mod blocker;
mod nft;
mod rules;
mod watch;

pub use blocker::ForwardBlocker;
pub use nft::FirewallError;
pub use rules::{FirewallRules, TUNNEL_GROUP};
pub use watch::FirewallWatch;

use nft::nft;

/// The name of the table unless the caller chooses another.
pub const FIREWALL_TABLE: &str = "handfast";

/// One nftables table of the `inet` family, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallTable(String);

impl Default for FirewallTable {
    fn default() -> Self {
        Self(FIREWALL_TABLE.to_owned())
    }
}

impl FirewallTable {
    /// The table of the gateway that has this interface: interfaces of different names have tables
    /// of different names, so that gateways on one machine leave each other's alone.
    pub fn of_interface(name: &str) -> Self {
        if name == FIREWALL_TABLE {
            return Self::default();
        }
        let letters = name.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("_{other:02x}"),
        });
        Self(format!("{FIREWALL_TABLE}_{}", letters.collect::<String>()))
    }

    /// Tables of gateways that are gone: their interfaces went with them, or nobody has them.
    pub fn left_over() -> Result<Vec<Self>, FirewallError> {
        let listing = listing(&["list", "tables", "inet"])?;
        let names = objects(&listing).iter().filter_map(|object| object["table"]["name"].as_str());
        let tables = names.map(|name| Self(name.to_owned()));
        Ok(tables.filter(|table| table.interface().is_some_and(|name| !is_alive(&name))).collect())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The interface whose gateway's table it would be; none for a table of somebody else.
    fn interface(&self) -> Option<String> {
        let name = match self.0.strip_prefix(FIREWALL_TABLE)? {
            "" => FIREWALL_TABLE.to_owned(),
            rest => decoded(rest.strip_prefix('_')?)?,
        };
        (Self::of_interface(&name) == *self).then_some(name)
    }

    /// Makes the table do what `rules` say and nothing else, whatever it did before.
    pub fn hold(&self, rules: &FirewallRules) -> Result<FirewallHold, FirewallError> {
        let (table, rules) = (self.clone(), rules.clone());
        let mut hold = FirewallHold { table, rules, is_made: false, in_force: Value::Null };
        hold.restore()?;
        Ok(hold)
    }

    /// Removes the table if it is there.
    pub fn remove(&self) -> Result<(), FirewallError> {
        nft(&["-f", "-"], &rules::removal(&self.0).to_string()).map(drop)
    }

    /// The chains of others that may drop what goes through `tun`.
    pub fn blockers(&self, tun: &str) -> Result<Vec<ForwardBlocker>, FirewallError> {
        let listing = listing(&["list", "chains"])?;
        let chains = objects(&listing).iter().map(|object| &object["chain"]);
        Ok(chains.filter_map(|chain| ForwardBlocker::of(chain, &self.0, tun)).collect())
    }

    /// The table as it is, without what differs between two equal ones; `Null` if there is none.
    fn listed(&self) -> Result<Value, FirewallError> {
        match listing(&["list", "table", "inet", &self.0]) {
            Ok(listing) => Ok(objects(&listing).iter().cloned().map(without_handle).collect()),
            Err(FirewallError::NoSuchTable) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }
}

/// A table in force. Dropping it removes the table.
#[derive(Debug)]
pub struct FirewallHold {
    table: FirewallTable,
    rules: FirewallRules,
    /// There is something to remove.
    is_made: bool,
    /// What it looked like when it was made.
    in_force: Value,
}

impl FirewallHold {
    /// Whether the table is as it was made: not flushed, deleted or changed since.
    pub fn is_in_force(&self) -> Result<bool, FirewallError> {
        Ok(self.table.listed()? == self.in_force)
    }

    /// Makes it as it was made.
    pub fn restore(&mut self) -> Result<(), FirewallError> {
        nft(&["-f", "-"], &self.rules.commands(&self.table.0).to_string())?;
        // Before the look at it, which may fail.
        self.is_made = true;
        self.in_force = self.table.listed()?;
        Ok(())
    }

    /// The table's name.
    pub fn table(&self) -> &FirewallTable {
        &self.table
    }
}

impl Undo for FirewallHold {
    fn what(&self) -> String {
        format!("the firewall table inet {}", self.table.0)
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if std::mem::take(&mut self.is_made) {
            self.table.remove()?;
        }
        Ok(())
    }
}

impl Drop for FirewallHold {
    fn drop(&mut self) {
        // The next start replaces a table that stays.
        let _ = self.undo();
    }
}

/// What [`FirewallTable::of_interface`] made of an interface's name.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut name) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'_' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            letter => letter,
        });
    }
    String::from_utf8(name).ok()
}

/// Whether a process has the interface. One that can't be looked at may be alive.
fn is_alive(interface: &str) -> bool {
    let looked = now(async |netlink| netlink.link(netlink.link_index(interface).await?).await);
    match looked {
        Ok(link) => link.carrier || !link.tun,
        Err(error) => error.kind != NetlinkErrorKind::Missing,
    }
}

fn listing(arguments: &[&str]) -> Result<Value, FirewallError> {
    serde_json::from_str(&nft(arguments, "")?).map_err(FirewallError::Output)
}

fn objects(listing: &Value) -> &[Value] {
    listing["nftables"].as_array().map_or(&[], Vec::as_slice)
}

fn without_handle(mut object: Value) -> Value {
    let kinds = object.as_object_mut().into_iter().flat_map(|object| object.values_mut());
    for fields in kinds.filter_map(Value::as_object_mut) {
        fields.remove("handle");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_different_names_have_tables_of_different_names() {
        let names = ["handfast", "hf0", "hf-two", "hf_two", "hf.two", "hf_2dtwo", "handfast_hf0"];
        let tables = names.map(|name| FirewallTable::of_interface(name).0);
        for (index, table) in tables.iter().enumerate() {
            assert!(!tables[..index].contains(table), "{table}");
            assert_eq!(FirewallTable(table.clone()).interface().as_deref(), Some(names[index]));
            assert!(table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        }
        assert_eq!(tables[..2], ["handfast", "handfast_hf0"]);
    }
}
