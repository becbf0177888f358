//! Handshakes of our own with the VPN gateways of a profile, for their stories: one for each that is tried.

use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::{Echo, HungUp, Look, Looked, Profile, Remote, Warning, Watched};
use clock::{Clock, Now, SystemClock};
use explain::capture::Keys;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use explain::live::Speech;
use explain::story::{Ending, Judgement, Stories, Story, VERSION};
use explain::{KeyLog, Side, tries};

use super::kept::Kept;
use super::record::Record;
use super::{declined, profiled};
use crate::args::order::ExplainVpnOrder;

/// Shakes hands with one after the other as a client that connects would, says goodbye, and tells.
pub(super) fn stories(order: &ExplainVpnOrder) -> Result<Stories, Failure> {
    let profile = Profile::load_expired_too(&order.profile, &SystemClock)
        .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
    let kept = Kept::open(&order.kept)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(FailureKind::Environment, "no runtime is to be had").caused_by(&error)
    })?;
    let told = runtime.block_on(all(&profile, &kept)).inspect_err(|_| kept.discard());
    // The resolver may still wait for a name server that is gone.
    runtime.shutdown_background();
    let stories = told?;
    kept.finish()?;
    Ok(Stories { version: VERSION, stories, left_out: Vec::new() })
}

async fn all(profile: &Profile, kept: &Kept) -> Result<Vec<Story>, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key_log: Arc<dyn rustls::KeyLog> = Arc::clone(&kept.secrets) as _;
    let look = Look::at(profile, &clock, &key_log).await.map_err(|error| {
        Failure::new(FailureKind::Unreachable, "there is no handshake to tell").caused_by(&error)
    })?;
    // For whoever keeps it there is a packet to open as well.
    let mut look = if kept.is_asked_for() { look.carrying_data() } else { look };
    let mut before: Vec<String> = look.unknown().iter().map(ToString::to_string).collect();
    before.extend(profile.warnings.iter().filter(is_of_time).map(ToString::to_string));
    let mut stories = Vec::new();
    while let Some((remote, server)) = look.upcoming() {
        let mut record = Record::new(remote.protocol(), kept);
        let began = micros(clock.now());
        let watch = |said: Watched<'_>| {
            record.between(said.local, server);
            let from = if said.ours { Side::Client } else { Side::Server };
            record.said(micros(said.at), from, said.bytes);
        };
        let Some(looked) = look.attempt(seed()?, watch).await else { break };
        let next = look.upcoming().map(|(remote, _)| remote);
        record.live.judged(before.iter().map(|sentence| judgement(sentence.clone())));
        let secrets = kept.secrets.take();
        stories.extend(one(profile, record, secrets, (&looked, next), began));
    }
    tries::compare(&mut stories);
    match stories.is_empty() {
        true => Err(Failure::new(FailureKind::Unreachable, "nothing was said that could be told")),
        false => Ok(stories),
    }
}

/// The story of one try.
fn one(
    profile: &Profile,
    mut record: Record,
    secrets: KeyLog,
    (looked, next): (&Looked, Option<&Remote>),
    began: u64,
) -> Option<Story> {
    if let Some(how) = looked.hung_up {
        record.closed(Side::Server, how == HungUp::Reset);
    }
    let live = &mut record.live;
    if looked.local.is_none() {
        live.between("unknown".to_owned(), looked.server.to_string());
    }
    if let Some((key, _)) = &profile.tls_auth {
        let mut keys = Keys::default();
        // It was read from a key's text before.
        let _ = keys.add(&key.to_text());
        live.checked_with(keys);
    }
    if let Some(why) = &looked.unreached {
        live.unreached(began, why);
        live.over(unreached(why, looked.nothing_listens));
    }
    if looked.fell_silent {
        live.over(fell_silent());
    }
    let said = match &looked.declined {
        // The end of the story says it, and in better words.
        Some(declined) => {
            live.declined(declined::verdict(declined));
            None
        }
        None => looked.refused.clone(),
    };
    let closed =
        (looked.nothing_listens && looked.unreached.is_none()).then(|| NOTHING_LISTENS.to_owned());
    let carried = looked.echo.map(carried);
    let on = looked.goes_on.as_ref().zip(next).map(|(why, next)| format!("{why}; {next} is next"));
    live.judged(said.into_iter().chain(closed).chain(carried).chain(on).map(judgement));
    let (mut story, shown) = live.told(Speech::OpenVpn, secrets)?;
    if looked.fell_silent {
        suspect(&mut story);
    }
    profiled::judge(profile, shown, &mut story);
    if looked.nothing_listens && looked.unreached.is_none() {
        tries::nothing_listens(&mut story);
    }
    Some(story)
}

/// What is seen of a server to which nothing could be said.
fn unreached(why: &str, nothing_listens: bool) -> Verdict {
    let mends: &[&str] = match nothing_listens {
        true => &[tries::START_IT],
        false => &[
            "See whether the server runs, and whether address and port are its own.",
            "Try from another network, as a phone's: if it works there, the first one keeps these packets back.",
        ],
    };
    Verdict {
        code: "not_reached".to_owned(),
        by: None,
        after: &[Kind::NotReached],
        sentence: format!("Nothing could be said to the server: {why}."),
        mends: mends.iter().copied().map(str::to_owned).collect(),
    }
}

/// A server that drops what it does not like says nothing of it.
fn fell_silent() -> Verdict {
    let mends = [LOOK_AT_THE_LOG, "If packets are lost on the way, try from another network."];
    Verdict {
        code: FELL_SILENT.to_owned(),
        by: None,
        after: &[],
        sentence: "The server answered, and then said nothing more.".to_owned(),
        mends: mends.map(str::to_owned).to_vec(),
    }
}

/// What is likely behind a silence comes first among the mends.
fn suspect(story: &mut Story) {
    let suspicion =
        suspicion(|kind| story.steps.iter().any(|step| step.entry == kind.entry().name));
    if let (Some(suspicion), Ending::Broken(broken)) = (suspicion, &mut story.ending)
        && broken.code == FELL_SILENT
    {
        broken.mends.insert(0, suspicion.to_owned());
    }
}

/// By how far the handshake had come.
fn suspicion(has: impl Fn(Kind) -> bool) -> Option<&'static str> {
    if has(Kind::ClientFinished) && has(Kind::ServerFinished) {
        return Some(
            "TLS was agreed on: most often the server wants a user name and a password then, which this client has not.",
        );
    }
    if has(Kind::ServerHello) || has(Kind::ServerHelloOld) {
        return Some(
            "The server may dislike the client's certificate and say nothing of it; or large packets are lost on the way.",
        );
    }
    has(Kind::ClientHello).then_some(
        "The two may have no version of TLS and no cipher in common, of which servers say nothing as a rule: compare `tls-version-min` and `tls-cipher` of both.",
    )
}

fn carried(echo: Echo) -> String {
    let Echo { to, answered } = echo;
    match answered {
        Some(took) => format!(
            "a packet was carried through the tunnel: an echo request to {to}, which was answered after {:.1} ms",
            took.as_secs_f64() * 1_000.0
        ),
        None => format!(
            "a packet was sent through the tunnel, an echo request to {to}, and no answer came (a server may refuse to answer these)"
        ),
    }
}

fn judgement(sentence: String) -> Judgement {
    Judgement { by: "this client".to_owned(), sentence }
}

fn is_of_time(warning: &&Warning) -> bool {
    matches!(warning, Warning::Expired { .. } | Warning::NotYetValid { .. })
}

fn micros(now: Now) -> u64 {
    u64::try_from(now.wall.as_micros()).unwrap_or(u64::MAX)
}

fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed)
        .map_err(|_| Failure::new(FailureKind::Environment, "the system gives no randomness"))?;
    Ok(seed)
}

const NOTHING_LISTENS: &str =
    "the machine there, or a firewall on the way, answered that nothing listens at this UDP port";
const FELL_SILENT: &str = "fell_silent";
const LOOK_AT_THE_LOG: &str = "Whoever runs the server sees more in its log: of Handfast, `handfast explain failure` tells it.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suspected_behind_a_silence_follows_from_the_last_that_was_said() {
        let said = [
            (Kind::ClientReset, None),
            (Kind::ClientHello, Some("no version of TLS and no cipher in common")),
            (Kind::ServerHello, Some("dislike the client's certificate")),
            (Kind::ServerFinished, Some("dislike the client's certificate")),
            (Kind::ClientFinished, Some("a user name and a password")),
        ];
        for (last, (_, suspected)) in said.iter().enumerate() {
            let told = suspicion(|kind| said[..=last].iter().any(|(have, _)| *have == kind));
            let fits = match (told, suspected) {
                (Some(told), Some(suspected)) => told.contains(suspected),
                (told, suspected) => told.is_none() && suspected.is_none(),
            };
            assert!(fits, "{:?}: {told:?}", said[last].0);
        }
    }
}
