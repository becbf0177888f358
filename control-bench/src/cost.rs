//! CPU of the server for each handshake, from its first packet to the push and data keys.
//!
//! Contestants take turns within a round. What is counted ends when all are up, so that goodbyes are
//! not in it.

use std::error::Error;
use std::path::Path;

use interop::Program;
use serde::Serialize;

use crate::keys::Kind;
use crate::machine::Machine;
use crate::ours::Ours;
use crate::process::cpu_ms;
use crate::report::{Figures, announce};
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
        let mut one_by_one = Cost::new(kind, "one after the other");
        let mut together = Cost::new(kind, "64 at once");
        for round in 1..=rounds {
            let server = stock.up(machine)?;
            let one = handshakes(machine, &server, &stock.profile, ONE_BY_ONE, 1)?;
            let many = handshakes(machine, &server, &stock.profile, MANY, 64)?;
            drop(server);
            one_by_one.openvpn.0.push(one);
            together.openvpn.0.push(many);
            let server = ours.up(machine)?;
            let one = handshakes(machine, &server, &ours.profiles, ONE_BY_ONE, 1)?;
            let many = handshakes(machine, &server, &ours.profiles, MANY, 64)?;
            Ours::down(server);
            one_by_one.handfast.0.push(one);
            together.handfast.0.push(many);
            announce(&format!(
                "{} round {round} of {rounds}: openvpn {:.2} / {:.2} ms, handfast {:.2} / {:.2} ms",
                kind.name(),
                one_by_one.openvpn.last(),
                together.openvpn.last(),
                one_by_one.handfast.last(),
                together.handfast.last(),
            ));
        }
        costs.extend([one_by_one, together]);
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

const ONE_BY_ONE: usize = 60;
const MANY: usize = 500;
