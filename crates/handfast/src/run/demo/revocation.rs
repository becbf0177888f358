//! bob's device is revoked: his session ends, his next connection is refused, alice notices nothing.

use std::time::{Duration, Instant};

use admin::failure::Failure;
use admin::response::RefusalEntry;
use clock::Timestamp;

use super::addresses::FILES_V4;
use super::gateway_program::GatewayProgram;
use super::limits::{ALLOWED, PATIENCE, unseen};
use super::ping::{Ping, Report};
use super::stage::{Stage, running};
use super::stop::Stop;
use super::subscriber::Subscriber;
use super::tell::{self, Teller, time};

pub(super) fn show(stage: &mut Stage, stop: &Stop, teller: &Teller) -> Result<(), Failure> {
    let gateway = running(&mut stage.gateway)?;
    let alice = Ping::start(&stage.alice.host.netns, FILES_V4, INTERVAL)?;
    let bob = Ping::start(&stage.bob.host.netns, FILES_V4, INTERVAL)?;
    stop.pause(BEFORE)?;

    let changed = gateway.revoke(stage.bob.name)?;
    let at = changed.at.ok_or_else(|| unseen("the revocation is not in the log of events"))?;
    if let Some(pending) = changed.pending.first() {
        return Err(unseen(format!("the revocation is not complete: {pending}")));
    }
    let begun = Instant::now();
    let gone = stop.wait_for(PATIENCE, || Ok(gateway.session("bob")?.is_none().then_some(())))?;
    gone.ok_or_else(|| unseen("bob's session is still in `sessions`"))?;
    let gone = begun.elapsed();
    stop.pause(AFTER)?;
    let what = "bob's last answered ping, counted from the event's time stamp";
    teller.seen("revocation", what, silence(&bob.finish()?, at)?);
    teller.seen("", "bob's session is gone from `sessions`, after the command", time(gone));

    let refusal = reconnect(gateway, &mut stage.bob, stop)?;
    let what = format!("bob's next connection: refused, in `status` as \"{}\":", refusal.0.reason);
    teller.seen("", what, time(refusal.1));
    let sentence = refusal.0.sentence.split(';').next().unwrap_or_default();
    teller.seen("", format!("\"{sentence}\""), "");
    let report = alice.finish()?;
    if report.lost() > 0 || gateway.session("alice")?.is_none() {
        return Err(unseen(format!("alice was disturbed: {report:?}")));
    }
    let what = format!("alice meanwhile: {} pings, none lost", report.sent);
    teller.seen("", what, format!("{:.2} ms", report.mean().as_secs_f64() * 1e3));
    Ok(())
}

/// From the event to the last answer, in words.
fn silence(report: &Report, at: Timestamp) -> Result<String, Failure> {
    let last = report.last_answer.ok_or_else(|| unseen("bob's pings were not answered before"))?;
    let late = last.since(at);
    if late > ALLOWED {
        return Err(unseen(format!("bob was still answered {} after his revocation", time(late))));
    }
    if report.lost() == 0 {
        return Err(unseen("no ping of bob's was left without an answer"));
    }
    Ok(tell::after(last, at))
}

/// Starts bob's client anew, until the gateway has refused it.
fn reconnect(
    gateway: &mut GatewayProgram,
    bob: &mut Subscriber,
    stop: &Stop,
) -> Result<(RefusalEntry, Duration), Failure> {
    bob.kill();
    let count = |gateway: &mut GatewayProgram| -> Result<_, Failure> {
        let status = gateway.status()?;
        let revoked = status.refusals.get(REVOKED).copied().unwrap_or(0);
        Ok((revoked, status.last_refusals))
    };
    let (before, _) = count(gateway)?;
    let begun = Instant::now();
    bob.start()?;
    let refused = stop.wait_for(PATIENCE, || {
        let (revoked, mut last) = count(gateway)?;
        last.retain(|entry| {
            let whose = entry.device.as_ref().is_some_and(|device| device.user.as_str() == "bob");
            whose && entry.reason == REVOKED
        });
        Ok(if revoked > before { last.into_iter().next() } else { None })
    })?;
    let took = begun.elapsed();
    let refused = refused.ok_or_else(|| unseen("bob's next connection was not refused"))?;
    bob.kill();
    if gateway.session("bob")?.is_some() {
        return Err(unseen("bob has a session again"));
    }
    Ok((refused, took))
}

const INTERVAL: Duration = Duration::from_millis(5);
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_millis(1500);
/// The reason's code.
const REVOKED: &str = "revoked";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_long_after_the_event_are_no_revocation() {
        let at = Timestamp::from_unix_secs(100);
        let report = |millis| Report {
            sent: 9,
            answered: 5,
            last_answer: Some(Timestamp::from_millis(millis)),
            ..Report::default()
        };
        assert_eq!(silence(&report(100_004), at).unwrap(), "4 ms");
        assert_eq!(silence(&report(99_998), at).unwrap(), "-2 ms");
        assert!(silence(&report(101_001), at).is_err());
        assert!(silence(&Report::default(), at).is_err());
    }
}
