//! Keeps a tunnel up: which server is tried when, and what follows the end of a connection.
//!
//! A round tries every address of every server; a connection that was up is made again with the same
//! server first. A server that fell silent is asked every few seconds, since from here it looks the
//! same whether it, its network or one in between is away; a network of this machine that comes back
//! ends any pause.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use pki::Refusal;

use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::connection::{Connector, Rested};
use crate::events::{EndedBy, Progress, Warning};
use crate::names::{Effort, Names};
use crate::retry::{Backoff, Next};
use crate::settings::{ConnectSettings, Revocation};
use crate::signals::Asks;
use crate::system::System;
use crate::target::{Target, first_packet_limit};
use crate::{ClientError, Profile};

/// Connects and stays connected until `stop` completes or nothing can help. Everything is undone
/// when it returns, or when its future is dropped. Whoever `asks` meanwhile is answered; while a server's
/// name or address is looked for, a moment later. To be run on the multi-thread runtime of tokio, in the
/// network namespace that the tunnel is for.
///
/// # Errors
/// Why it gave up.
pub async fn run(
    settings: ConnectSettings,
    mut progress: impl FnMut(Progress) + Send,
    stop: impl Future<Output = ()> + Send,
    asks: Asks,
) -> Result<(), ClientError> {
    let profile = &settings.profile;
    for warning in &profile.warnings {
        progress(Progress::Warning(warning.clone()));
    }
    if settings.revocation == Revocation::Off {
        progress(Progress::Warning(Warning::StandingNotLookedAt));
    }
    let _claim = Claim::take(&settings.state, &profile.identity)?;
    let opened =
        System::open(profile.tun.pattern(), profile.tun_mtu, &settings.state, &settings.dns_backup);
    let (system, mended) = opened.await?;
    let mut connector = Connector::new(&settings, system, asks, progress)?;
    connector.warn(mended);
    let (names, was_up) = (Names::default(), false);
    let mut rounds = Rounds { profile, connector, names, was_up };
    let result = tokio::select! {
        result = rounds.work() => result,
        () = stop => Ok(()),
    };
    let by = if result.is_ok() { EndedBy::Request } else { EndedBy::GivingUp };
    rounds.finish(by).await;
    result
}

struct Rounds<'a, P> {
    profile: &'a Profile,
    connector: Connector<'a, P>,
    names: Names,
    /// A connection was up once: the profile and the server's address are good.
    was_up: bool,
}

/// How a round over all servers ended.
enum Round {
    /// A connection was up; go on with this server first.
    WasUp { first: Option<Target>, next: Next, why: String },
    /// None came up.
    Failed(Failed),
}

/// A round without a connection.
#[derive(Default)]
struct Failed {
    why: String,
    not_before: Option<Duration>,
    not_trusted: Option<Refusal>,
    /// No server said anything.
    was_silent: bool,
    /// One is to be tried at once.
    at_once: bool,
}

impl<P: FnMut(Progress) + Send> Rounds<'_, P> {
    /// Goes on until nothing can help.
    async fn work(&mut self) -> Result<(), ClientError> {
        let retry = self.profile.retry;
        let mut backoff = Backoff::new(retry);
        let mut first = None;
        loop {
            self.connector.is_quiet = is_quiet(backoff.rounds());
            let targets = self.targets(first.take(), backoff.rounds()).await;
            let addresses: Vec<IpAddr> = targets.iter().map(|target| target.address.ip()).collect();
            let (why, pause) = match self.round(targets).await? {
                Round::WasUp { first: same, next, why } => {
                    backoff.reset();
                    first = same;
                    let pause = match next {
                        Next::AtOnce | Next::OtherServer => Duration::ZERO,
                        Next::After(pause) => pause,
                        _ => retry.first,
                    };
                    (why, pause)
                }
                Round::Failed(Failed { not_trusted: Some(refusal), .. }) => {
                    return Err(ClientError::ServerNotTrusted(refusal));
                }
                Round::Failed(Failed { why, at_once: true, .. }) => (why, Duration::ZERO),
                Round::Failed(failed) => match backoff.next_round() {
                    None => {
                        let why = failed.why;
                        return Err(ClientError::GaveUp { rounds: backoff.rounds(), why });
                    }
                    Some(_) if failed.was_silent && self.was_up => (failed.why, retry.first),
                    Some(pause) => (failed.why, failed.not_before.unwrap_or(pause).max(pause)),
                },
            };
            self.connector.tell_of_try(Progress::Reconnecting { why, pause });
            if self.connector.rest(pause, &addresses).await == Rested::Woken {
                backoff.reset();
            }
        }
    }

    /// Tries one address after the other, until a connection was up.
    async fn round(&mut self, targets: Vec<Target>) -> Result<Round, ClientError> {
        let why = "no server has an address".to_owned();
        let mut failed = Failed { why, was_silent: true, ..Failed::default() };
        let (mut refused, mut last_refusal) = (0, None);
        let count = targets.len();
        for (index, target) in targets.into_iter().enumerate() {
            let others = index + 1 < count;
            let limit = first_packet_limit(self.profile.retry, self.was_up, others);
            let Attempt { next, why, was_up, was_silent } =
                self.connector.attempt(&target, limit).await?;
            if was_up {
                self.was_up = true;
                let first = (!matches!(next, Next::OtherServer)).then_some(target);
                return Ok(Round::WasUp { first, next, why });
            }
            failed.was_silent &= was_silent;
            failed.at_once = false;
            match next {
                Next::GiveUp(error) => return Err(error),
                Next::NotTrusted(refusal) => {
                    refused += 1;
                    last_refusal = Some(refusal);
                }
                Next::After(pause) => failed.not_before = Some(pause),
                Next::AtOnce => failed.at_once = !others,
                Next::OtherServer | Next::Usual => {}
            }
            if others {
                let (why, pause) = (why.clone(), Duration::ZERO);
                self.connector.tell_of_try(Progress::Reconnecting { why, pause });
            }
            failed.why = why;
        }
        failed.not_trusted = last_refusal.filter(|_| refused == count);
        Ok(Round::Failed(failed))
    }

    /// The addresses to try, in order; the server that was up last comes first.
    async fn targets(&mut self, first: Option<Target>, rounds: u32) -> Vec<Target> {
        let mut targets: Vec<Target> = first.into_iter().collect();
        // In the first round after a tunnel broke, the server is most likely where it was.
        let may_ask = !self.connector.system.is_set_up() || rounds % ROUNDS_PER_LOOKUP == 1;
        let effort = if may_ask { Effort::Ask } else { Effort::Known };
        for remote in &self.profile.remotes {
            let (addresses, unknown) =
                self.names.addresses(remote, &self.connector.system, effort).await;
            if let Some(why) = unknown {
                let warning = Warning::NotFound { remote: remote.clone(), why };
                self.connector.tell_of_try(Progress::Warning(warning));
            }
            Target::add(&mut targets, remote, addresses);
        }
        targets
    }

    /// Says goodbye and undoes everything.
    async fn finish(mut self, by: EndedBy) {
        self.connector.say_goodbye().await;
        let (left, mut progress) = self.connector.close().await;
        let clean = left.is_empty();
        left.into_iter().for_each(|warning| progress(Progress::Warning(warning)));
        if clean {
            progress(Progress::Ended(by));
        }
    }
}

/// A night of tries in a few dozen lines: the first rounds, and then those whose number is a power of two.
fn is_quiet(rounds: u32) -> bool {
    rounds > LOUD_ROUNDS && !rounds.is_power_of_two()
}

/// How often names are asked for while a server is silent.
const ROUNDS_PER_LOOKUP: u32 = 4;
const LOUD_ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_of_tries_is_told_in_a_few_dozen_lines() {
        let rounds_of_a_night = 9 * 3600 / 5;
        let told = (0..rounds_of_a_night).filter(|rounds| !is_quiet(*rounds)).count();
        assert!((6..30).contains(&told), "{told}");
        assert!((0..=LOUD_ROUNDS).all(|rounds| !is_quiet(rounds)));
    }
}
