//! alice disconnects, the gateway stops, and its machine is as before.

use std::process::ExitStatus;
use std::time::Instant;

use admin::failure::Failure;

use super::limits::{PATIENCE, unseen};
use super::machine::Machine;
use super::stage::{Stage, Traces, running};
use super::stop::Stop;
use super::tell::{Teller, time};

pub(super) fn show(
    stage: &mut Stage,
    machine: &Machine,
    stop: &Stop,
    teller: &Teller,
) -> Result<(), Failure> {
    let gateway = running(&mut stage.gateway)?;
    let begun = Instant::now();
    expect_clean("alice's client", stage.alice.disconnect(stop)?)?;
    let gone = stop.wait_for(PATIENCE, || Ok(gateway.sessions()?.is_empty().then_some(())))?;
    gone.ok_or_else(|| unseen("alice's session did not end"))?;
    let what = "alice said goodbye; her session is gone from `sessions`";
    teller.seen("end", what, time(begun.elapsed()));

    let begun = Instant::now();
    if let Some(gateway) = stage.gateway.take() {
        expect_clean("the gateway", gateway.stop(stop)?)?;
    }
    let took = begun.elapsed();
    let after = Traces::of(&stage.gateway_host, machine.nft.as_deref())?;
    if after != stage.before {
        let before = &stage.before;
        return Err(unseen("the gateway left something behind")
            .because(format!("before: {before:?}"))
            .because(format!("after: {after:?}")));
    }
    let what = "gateway stopped; forwarding, nft table and interface as before it";
    teller.seen("", what, time(took));
    Ok(())
}

fn expect_clean(who: &str, status: Option<ExitStatus>) -> Result<(), Failure> {
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(unseen(format!("{who} ended with {status}"))),
        None => Err(unseen(format!("{who} did not end when it was asked to"))),
    }
}
