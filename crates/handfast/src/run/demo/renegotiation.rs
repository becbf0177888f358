//! Keys are renewed while pings run, and none is lost.

use std::time::{Duration, Instant};

use admin::failure::Failure;
use admin::response::Session;
use clock::Timestamp;

use super::addresses::FILES_V4;
use super::gateway_program::{GatewayProgram, RENEGOTIATE};
use super::limits::unseen;
use super::ping::Ping;
use super::stage::{Stage, running, step};
use super::stop::Stop;
use super::tell::{Teller, time};

pub(super) fn show(stage: &mut Stage, stop: &Stop, teller: &Teller) -> Result<(), Failure> {
    let gateway = running(&mut stage.gateway)?;
    let names = [stage.alice.name, stage.bob.name];
    let mut seen = names.map(|name| Renewals { name, count: 0, last: None });
    for renewals in &mut seen {
        renewals.last = session(gateway, renewals.name)?.renegotiated_at;
    }
    let ping = |netns| Ping::start(netns, FILES_V4, INTERVAL);
    let pings = [ping(&stage.alice.host.netns)?, ping(&stage.bob.host.netns)?];
    let begun = Instant::now();
    let all = stop.wait_for(LIMIT, || {
        for renewals in &mut seen {
            renewals.look(session(gateway, renewals.name)?.renegotiated_at);
        }
        stop.pause(BETWEEN_LOOKS)?;
        Ok(seen.iter().all(|renewals| renewals.count >= WANTED).then_some(()))
    })?;
    let took = time(begun.elapsed());
    // Data under the old keys may be on their way still.
    stop.pause(Duration::from_millis(500))?;
    for (ping, renewals) in pings.into_iter().zip(&seen) {
        let (report, name, count) = (ping.finish()?, renewals.name, renewals.count);
        if all.is_none() {
            return Err(unseen(format!("{name}'s keys were renewed {count} times only")));
        }
        if report.lost() > 0 {
            let (lost, sent) = (report.lost(), report.sent);
            return Err(unseen(format!("{lost} of {name}'s {sent} pings were lost meanwhile")));
        }
        let what = format!("{name}: {count} times new keys under {} pings, none lost", report.sent);
        teller.seen(step("new keys", name), what, &took);
    }
    Ok(())
}

/// How often a session's keys were seen to be renewed.
#[derive(Debug)]
struct Renewals {
    name: &'static str,
    count: u32,
    last: Option<Timestamp>,
}

impl Renewals {
    fn look(&mut self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        // The same moment may be told a second sooner or later, as it is told in whole seconds.
        if self.last.is_none_or(|last| at.since(last) > RENEGOTIATE / 2) {
            self.count += 1;
            self.last = Some(at);
        }
    }
}

fn session(gateway: &mut GatewayProgram, name: &str) -> Result<Session, Failure> {
    gateway.session(name)?.ok_or_else(|| unseen(format!("{name}'s session ended")))
}

const INTERVAL: Duration = Duration::from_millis(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const WANTED: u32 = 2;
const LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_renewal_told_differently_counts_once() {
        let mut renewals = Renewals { name: "alice", count: 0, last: None };
        for second in [None, Some(100), Some(101), Some(100), Some(105), Some(104)] {
            renewals.look(second.map(Timestamp::from_unix_secs));
        }
        assert_eq!(renewals.count, 2);
    }
}
