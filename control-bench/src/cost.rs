//! CPU of the server for each handshake, from its first packet to the push and data keys.
//!
//! Contestants take turns within a round. What is counted ends when all are up, so that goodbyes are
//! not in it.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use interop::Program;
use serde::Serialize;

use crate::figures::Figures;
use crate::keys::Kind;
use crate::machine::Machine;
use crate::ours::Ours;
use crate::process::cpu_ms;
use crate::stock::Stock;

/// One kind of certificates, both servers.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) kind: &'static str,
    pub(crate) how: &'static str,
    /// CPU milliseconds for each handshake.
    pub(crate) openvpn: Figures,
    pub(crate) handfast: Figures,
}

pub(crate) fn measure(machine: &mut Machine, rounds: usize) -> Result<Vec<Cost>, Box<dyn Error>> {
    let mut costs = Vec::new();
    for kind in Kind::BOTH {
        let ours = Ours::new(machine, kind, MANY)?;
        let stock = Stock::new(machine, kind)?;
        let mut ways = WAYS.map(|way| Cost::new(kind, way.how));
        for round in 1..=rounds {
            let server = stock.up(machine)?;
            let openvpn = every_way(machine, &server, &stock.profile, STOCK_PARTS)?;
            drop(server);
            let server = ours.up(machine)?;
            let handfast = every_way(machine, &server, &ours.profiles, WE_PART)?;
            Ours::down(server);
            eprintln!(
                "{} round {round} of {rounds}: openvpn {openvpn:.2?} ms, handfast {handfast:.2?} ms",
                kind.name(),
            );
            for (cost, (openvpn, handfast)) in
                ways.iter_mut().zip(openvpn.into_iter().zip(handfast))
            {
                cost.openvpn.0.push(openvpn);
                cost.handfast.0.push(handfast);
            }
        }
        costs.extend(ways);
    }
    Ok(costs)
}

/// CPU milliseconds for each handshake on a server that has just started, in the order of [`WAYS`].
/// `parting` is what the server takes to be rid of sessions that said goodbye, which is not counted.
fn every_way(
    machine: &Machine,
    server: &Program,
    profiles: &Path,
    parting: Duration,
) -> Result<[f64; WAYS.len()], Box<dyn Error>> {
    handshakes(machine, server, profiles, WARM_UP, 1)?;
    let mut costs = [0.0; WAYS.len()];
    for (cost, way) in costs.iter_mut().zip(WAYS) {
        std::thread::sleep(parting);
        *cost = handshakes(machine, server, profiles, way.count, way.at_once)?;
    }
    Ok(costs)
}

/// CPU milliseconds of the server for each of `count` handshakes.
fn handshakes(
    machine: &Machine,
    server: &Program,
    profiles: &Path,
    count: usize,
    at_once: usize,
) -> Result<f64, Box<dyn Error>> {
    let before = cpu_ms(server.id())?;
    let (count_word, at_once) = (count.to_string(), at_once.to_string());
    let arguments = ["--sessions", &count_word, "--at-once", &at_once, "--hold", "1"];
    let mut crowd = machine.crowd(profiles, &arguments)?;
    crowd.holds()?;
    let after = cpu_ms(server.id())?;
    let report = crowd.report()?;
    let connected = report["connect"]["connected"].as_f64().unwrap_or(0.0);
    if connected < count as f64 {
        return Err(format!("{connected} of {count} connected:\n{}", report["connect"]).into());
    }
    Ok((after - before) / connected)
}

impl Cost {
    fn new(kind: Kind, how: &'static str) -> Self {
        Self { kind: kind.name(), how, openvpn: Figures::default(), handfast: Figures::default() }
    }
}

/// How devices come.
#[derive(Clone, Copy)]
struct Way {
    how: &'static str,
    count: usize,
    at_once: usize,
}

/// In this order, so that those of the second are the ones that the server has just seen, as are all
/// that renew their keys or come back.
const WAYS: [Way; 3] = [
    Way { how: "one after the other, most new to the process", count: ONE_BY_ONE, at_once: 1 },
    Way { how: "one after the other, again", count: ONE_BY_ONE, at_once: 1 },
    Way { how: "64 at once, most new to the process", count: MANY, at_once: 64 },
];

/// What a server does in its first moments is no handshake's cost.
const WARM_UP: usize = 20;
const ONE_BY_ONE: usize = 200;
const MANY: usize = 500;
/// openvpn takes a session away five seconds after its goodbye.
const STOCK_PARTS: Duration = Duration::from_secs(6);
const WE_PART: Duration = Duration::from_millis(500);
