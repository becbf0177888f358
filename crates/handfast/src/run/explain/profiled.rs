//! What a client with this profile thinks of the certificate that a gateway showed: path, use, name and time each by itself,
//! where the session itself stops at the first that is wrong. And the staple, by the CA in the profile.

use client::Profile;
use std::time::Duration;

use clock::{Clock as _, SystemClock, Timestamp};
use explain::live::Shown as Seen;
use explain::story::{Judgement, KeyKind, Story};
use pki::{CaCertificate, NameRule, Refusal, ServerNameVerifier};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::super::standing::{Shown, said_by_staple};
use super::super::tls::{dates, staple};
use super::declined;
use super::tls::{answered, judgement};
use crate::show::tls::{Finding, State};

/// Adds it to the story; and by which setting a tunnel of this profile would have its next key, where there is a first one.
pub(super) fn judge(profile: &Profile, seen: Option<Seen>, story: &mut Story) {
    let Some(shown) = seen.and_then(shown) else { return };
    let now = SystemClock.now().into();
    let found = findings(profile, &shown, now);
    let is_trusted = found.iter().all(|finding| finding.state != State::Bad);
    story.judgements.extend(found.into_iter().map(judgement));
    if let Some(said) = said_by_staple(&shown, &cas(profile)) {
        answered(story, vec![said]);
    }
    story.server_was_judged(is_trusted);
    if story.keys.iter().any(|key| key.kind == KeyKind::Data) {
        let by = "this client".to_owned();
        story.judgements.push(Judgement { by, sentence: renewal(profile.timers.reneg) });
    }
}

fn renewal(after: Duration) -> String {
    match after.as_secs() {
        0 => "a tunnel of this profile leaves it to the gateway to renew its data channel key (`reneg-sec 0`)".to_owned(),
        seconds => format!(
            "a tunnel of this profile renews its data channel key after {seconds} s (`reneg-sec`, an hour where the profile has none), unless the gateway does before"
        ),
    }
}

fn shown(seen: Seen) -> Option<Shown> {
    let mut chain = seen.chain.into_iter().map(CertificateDer::from);
    let certificate = chain.next()?;
    Some(Shown {
        certificate,
        chain: chain.collect(),
        staple: seen.staple,
        // The session checks it, and ends where it is.
        proof_is_wrong: false,
    })
}

fn findings(profile: &Profile, shown: &Shown, now: Timestamp) -> Vec<Finding> {
    let check = |rule: NameRule, at: Timestamp| check(profile, shown, rule, at);
    let at_present = check(NameRule::Any, now);
    // Time is told by itself: of one whose time is over the rest is looked at within it.
    let then = match at_present {
        Err(Refusal::Expired { at } | Refusal::NotYetValid { at }) => at,
        _ => now,
    };
    let (mut findings, is_known) = match check(NameRule::Any, then) {
        Ok(()) => (vec![chain(), usage()], true),
        Err(refusal @ Refusal::WrongUsage { .. }) => {
            (vec![chain(), Finding::bad("usage", declined::found(&refusal))], false)
        }
        Err(refusal) => (vec![Finding::bad("chain", declined::found(&refusal))], false),
    };
    if is_known {
        findings.push(name(&profile.name, check(profile.name.clone(), then).err()));
    }
    findings.push(dates(shown, now));
    if shown.staple.is_some() {
        findings.push(staple(shown, &cas(profile), now));
    }
    findings
}

fn chain() -> Finding {
    Finding::ok("chain", "it leads to the CA of the profile (`<ca>`)")
}

fn usage() -> Finding {
    Finding::ok("usage", "it was issued for servers")
}

fn name(rule: &NameRule, refusal: Option<Refusal>) -> Finding {
    match (rule, refusal) {
        (_, Some(refusal)) => Finding::bad("name", declined::found(&refusal)),
        (NameRule::Any, None) => Finding::note(
            "name",
            "the profile asks for none, so each server of its CA is taken for the gateway",
        )
        .mend("write `verify-x509-name` with the gateway's name into it"),
        (NameRule::Subject(name) | NameRule::Name(name), None) => {
            Finding::ok("name", format!("it is for {name}, as `verify-x509-name` asks"))
        }
        (NameRule::NamePrefix(begin), None) => {
            Finding::ok("name", format!("it begins with {begin}, as `verify-x509-name` asks"))
        }
    }
}

fn check(profile: &Profile, shown: &Shown, rule: NameRule, at: Timestamp) -> Result<(), Refusal> {
    let at = UnixTime::since_unix_epoch(at.since(Timestamp::from_unix_secs(0)));
    // A profile without a CA that can be used was refused before.
    let verifier = ServerNameVerifier::new(&profile.ca, rule).map_err(|_| Refusal::UnknownCa)?;
    verifier.check(&shown.certificate, &shown.chain, at)
}

fn cas(profile: &Profile) -> Vec<CaCertificate> {
    profile.ca.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect()
}
