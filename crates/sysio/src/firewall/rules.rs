//! What our table does, as nft's JSON.
//!
//! ```text
//!   prerouting   an inner address as source, from elsewhere than the tunnel     drop
//!   input        to the gateway's inner address, from elsewhere than the tunnel:
//!                  an answer, or from `allow_in`                                accept
//!                  else                                                         drop
//!   forward      from the tunnel into it, unless subscribers may meet           drop
//!                from the tunnel                                                accept
//!                into the tunnel: an answer, or from `allow_in`                 accept
//!                  else                                                         drop
//!                between others, where forwarding was off before us             drop
//!   postrouting  from an inner address to elsewhere than the tunnel             masquerade
//! ```
//!
//! "Accept" ends our own chain only. Invariant: what may begin a flow into the tunnel is named by
//! `allow_in`, everything else is an answer by the kernel's connection tracking.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::Network;
use crate::netlink::IpFamily;

/// The interface group that every gateway's TUN interface joins: what goes through one of these is
/// nobody's "other forwarding", however many gateways the machine has.
pub const TUNNEL_GROUP: u32 = 0x4846;

/// What our table does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRules {
    /// The TUN interface.
    pub tun: String,
    /// The ranges that tunnel addresses come from.
    pub inner: Vec<Network>,
    /// The gateway's own addresses among them.
    pub own: Vec<IpAddr>,
    /// Networks outside that may begin flows into the tunnel.
    pub allow_in: Vec<Network>,
    /// Subscribers may reach each other through this machine.
    pub client_to_client: bool,
    /// Give packets from the inner ranges this machine's address where they leave by other
    /// interfaces. Without, the networks outside need routes back to the tunnel.
    pub masquerade: bool,
    /// Families that this machine did not forward before: their forwarding is for tunnels alone.
    pub tunnels_only: Vec<IpFamily>,
}

impl FirewallRules {
    /// The commands that replace the table by one that does this.
    pub(super) fn commands(&self, table: &str) -> Value {
        let mut commands = Commands { table, list: vec![add(table), delete(table), add(table)] };
        self.prerouting(&mut commands);
        self.input(&mut commands);
        self.forward(&mut commands);
        self.postrouting(&mut commands);
        json!({ "nftables": commands.list })
    }

    fn prerouting(&self, commands: &mut Commands) {
        commands.chain("prerouting", "filter", BEFORE_TRACKING);
        for inner in &self.inner {
            commands.rule(
                "prerouting",
                &[self.outside_tunnel(), in_range("saddr", *inner), verdict("drop")],
            );
        }
    }

    fn input(&self, commands: &mut Commands) {
        commands.chain("input", "filter", 0);
        commands.rule("input", &[is_answer(), verdict("accept")]);
        for network in &self.allow_in {
            commands.rule("input", &[in_range("saddr", *network), verdict("accept")]);
        }
        for own in &self.own {
            let to_own = in_range("daddr", Network::host(*own));
            commands.rule("input", &[self.outside_tunnel(), to_own, verdict("drop")]);
        }
    }

    fn forward(&self, commands: &mut Commands) {
        commands.chain("forward", "filter", 0);
        let from_tunnel = || meta("==", "iifname", json!(self.tun));
        let into_tunnel = || meta("==", "oifname", json!(self.tun));
        if !self.client_to_client {
            commands.rule("forward", &[from_tunnel(), into_tunnel(), verdict("drop")]);
        }
        commands.rule("forward", &[from_tunnel(), verdict("accept")]);
        commands.rule("forward", &[into_tunnel(), is_answer(), verdict("accept")]);
        for network in &self.allow_in {
            let from = in_range("saddr", *network);
            commands.rule("forward", &[into_tunnel(), from, verdict("accept")]);
        }
        commands.rule("forward", &[into_tunnel(), verdict("drop")]);
        for family in &self.tunnels_only {
            let through_none = ["iifgroup", "oifgroup"].map(|k| meta("!=", k, json!(TUNNEL_GROUP)));
            let [into, out] = through_none;
            let family = if *family == IpFamily::V4 { "ipv4" } else { "ipv6" };
            let of_family = meta("==", "nfproto", json!(family));
            commands.rule("forward", &[of_family, into, out, verdict("drop")]);
        }
    }

    fn postrouting(&self, commands: &mut Commands) {
        commands.chain("postrouting", "nat", SOURCE_NAT);
        for inner in self.inner.iter().filter(|_| self.masquerade) {
            let elsewhere = meta("!=", "oifname", json!(self.tun));
            let from = in_range("saddr", *inner);
            commands.rule("postrouting", &[from, elsewhere, json!({ "masquerade": null })]);
        }
    }

    /// Neither from the tunnel nor from this machine itself.
    fn outside_tunnel(&self) -> Value {
        meta("!=", "iifname", json!({ "set": ["lo", self.tun] }))
    }
}

/// The commands that remove a table, whether it is there or not: deleting what is not there fails,
/// adding what is there does not.
pub(super) fn removal(table: &str) -> Value {
    json!({ "nftables": [add(table), delete(table)] })
}

struct Commands<'a> {
    table: &'a str,
    list: Vec<Value>,
}

impl Commands<'_> {
    fn chain(&mut self, hook: &str, kind: &str, priority: i32) {
        self.list.push(json!({ "add": { "chain": {
            "family": "inet", "table": self.table, "name": hook,
            "type": kind, "hook": hook, "prio": priority, "policy": "accept",
        } } }));
    }

    fn rule(&mut self, chain: &str, expressions: &[Value]) {
        self.list.push(json!({ "add": { "rule": {
            "family": "inet", "table": self.table, "chain": chain, "expr": expressions,
        } } }));
    }
}

fn add(table: &str) -> Value {
    json!({ "add": { "table": { "family": "inet", "name": table } } })
}

fn delete(table: &str) -> Value {
    json!({ "delete": { "table": { "family": "inet", "name": table } } })
}

fn verdict(word: &str) -> Value {
    json!({ word: null })
}

fn is_answer() -> Value {
    let state = json!({ "ct": { "key": "state" } });
    compare("in", &state, &json!(["established", "related"]))
}

fn in_range(field: &str, range: Network) -> Value {
    let protocol = if range.address().is_ipv4() { "ip" } else { "ip6" };
    let address = json!({ "payload": { "protocol": protocol, "field": field } });
    // nft takes a prefix of all bits for an error.
    let range = match range.bits() {
        bits if Network::host(range.address()).bits() == bits => json!(range.address()),
        bits => json!({ "prefix": { "addr": range.address(), "len": bits } }),
    };
    compare("==", &address, &range)
}

fn meta(operator: &str, key: &str, value: Value) -> Value {
    compare(operator, &json!({ "meta": { "key": key } }), &value)
}

fn compare(operator: &str, left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": operator, "left": left, "right": right } })
}

/// `raw`, before connection tracking sees a packet.
const BEFORE_TRACKING: i32 = -300;
/// `srcnat`, by the number that every version of nft takes.
const SOURCE_NAT: i32 = 100;
