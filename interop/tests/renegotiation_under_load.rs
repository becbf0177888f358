//! Keys are renewed under full load, and no packet is dropped for its key.
//!
//! The long form (`HANDFAST_LONG=1`, with `HANDFAST_BIN` naming a release build) also prints what renewals
//! cost, beside a gateway that renews nothing. Nothing rests on a rate.
//!
//! Alone: it sends as fast as it can.

use std::collections::BTreeMap;

use interop::{Own, Said, Subscriber, World, iperf, long, skip};

#[test]
fn keys_renewed_every_five_seconds_under_full_load_drop_nothing_at_either_end() {
    let name = "keys_renewed_every_five_seconds_under_full_load_drop_nothing_at_either_end";
    renewed_under_full_load(name, false);
}

#[test]
fn keys_renewed_every_five_seconds_under_full_load_to_the_client_drop_nothing_at_either_end() {
    let name = "keys_renewed_every_five_seconds_under_full_load_to_the_client_drop_nothing";
    renewed_under_full_load(name, true);
}

fn renewed_under_full_load(name: &str, down: bool) {
    let without = [("vpn.nat", "false")];
    let with = [without[0], ("vpn.reneg_sec", "5")];
    let Some(mut renewing) = Tunnel::start(name, &with) else { return };
    if !long() {
        renewing.drops_nothing_for_keys(down, 12);
        return;
    }
    let Some(mut steady) = Tunnel::start(name, &without) else { return };
    let direction = if down { "down" } else { "up" };
    let mut rounds = vec![steady.carries(down, 60)];
    let renewed = renewing.drops_nothing_for_keys(down, 60);
    rounds.push(steady.carries(down, 60));
    rounds.iter().for_each(|round| say(direction, "without renewals", round));
    say(direction, "with renewals", &renewed);
    let ratio = median(&renewed) / median(&rounds.concat());
    println!("FIGURE full load {direction}: with renewals {ratio:.3} times the rate without");
}

/// A client of ours at a gateway of its own, and a stream between them.
struct Tunnel {
    world: World,
    alice: Subscriber,
    client: Own,
}

impl Tunnel {
    fn start(name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let mut world = World::start(name, settings)?;
        if std::process::Command::new("iperf3").arg("--version").output().is_err() {
            skip(name, "iperf3 is not installed");
            return None;
        }
        let alice = world.subscriber("alice", "unified");
        let mut client = Own::start(&alice.host, &alice.profile());
        client.connected();
        Some(Self { world, alice, client })
    }

    /// The rate of each second, Gbit/s.
    fn carries(&mut self, down: bool, seconds: u32) -> Vec<f64> {
        let (gateway, log) = ("10.71.0.1".parse().expect("an address"), self.world.file("iperf"));
        let rates = iperf(&self.world.gateway, &self.alice.host, gateway, down, seconds, &log);
        rates.unwrap_or_else(|said| panic!("{said}\n{}\n{}", self.client.0.log(), self.world.log()))
    }

    /// The same. Neither end may drop a packet for its key, and keys must have been renewed all along.
    fn drops_nothing_for_keys(&mut self, down: bool, seconds: u32) -> Vec<f64> {
        let (before, drops_before) = (self.client.statistics(), self.drops());
        let rates = self.carries(down, seconds);
        let (after, drops_after) = (self.client.statistics(), self.drops());
        let renewed = self.world.figure("handfast_renegotiations_total");
        let renewals = after.renewals - before.renewals;
        println!("FIGURE {renewals} renewals in {seconds} s, {renewed} at the gateway in all");
        let seen: BTreeMap<_, _> = drops_after.iter().filter(|(_, count)| **count > 0).collect();
        println!("client: {}\ngateway dropped: {seen:?}", after.line);
        let at_least = u64::from(seconds / 5 - 1);
        assert!(renewals >= at_least, "{renewals} renewals\n{}", self.client.0.log());
        assert!(renewed >= renewals as f64, "{renewed} of {renewals} at the gateway");
        for cause in FOR_KEYS {
            let of = |said: &Said| said.dropped.get(cause).copied().unwrap_or(0);
            let (at_client, at_gateway) =
                (of(&after) - of(&before), drops_after[cause] - drops_before[cause]);
            assert_eq!((at_client, at_gateway), (0, 0), "{cause} at the client, at the gateway");
        }
        rates
    }

    /// What the gateway has dropped, by cause.
    fn drops(&self) -> BTreeMap<String, u64> {
        let status = self.world.json(&["status"]);
        serde_json::from_value(status["drops"].clone()).expect("drops by cause")
    }
}

fn say(direction: &str, what: &str, rates: &[f64]) {
    let (median, seconds) = (median(rates), rates.len());
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rates.iter().copied().fold(0.0, f64::max);
    println!(
        "FIGURE full load {direction}, {what}: {median:.2} Gbit/s in the median of {seconds} \
         seconds, {least:.2} to {most:.2}"
    );
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Why a packet is dropped that came with, or needed, a key that isn't there or isn't the one.
const FOR_KEYS: [&str; 6] =
    ["unknown_key", "no_seal_key", "key_used_up", "forged", "replayed", "too_old"];
