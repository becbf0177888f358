//! The same done to many users, devices or sessions: over one line, in as few changes as can be.
//!
//! A change is made for all that it names or for none. Sessions are closed one by one, and who is not connected is told.

use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::{KickTarget, Request};
use admin::response::{ChangedAll, Kicked, Response};
use serde::Serialize;

use super::ask::Line;
use super::names::{self, Given};
use super::output::{Output, unexpected};
use super::patience::Patience;
use crate::args::order::{ManyDeed, ManyOrder};
use crate::show;

pub(super) fn run(data: &Path, json: bool, order: ManyOrder) -> Result<Output, Failure> {
    let ManyOrder { names, deed } = order;
    let Given { names, nameless } = names::read(names)?;
    let requests = ManyOrder::requests(deed, names)?;
    if requests.is_empty() && !json {
        let left_out = show::session::nameless(nameless);
        return Ok(Output::done(format!("no name was given; nothing was done\n{left_out}")));
    }
    // With nobody named there is nothing to ask.
    let mut line = match requests.is_empty() {
        true => None,
        false => Some(Line::open(data)?),
    };
    let _patience = Patience::start("working");
    let mut output = match deed {
        ManyDeed::Kick => kick(&mut line, json, requests, nameless)?,
        ManyDeed::Users(_) | ManyDeed::Devices(_) => change(&mut line, json, requests)?,
    };
    if !json {
        output.text.push_str(&show::session::nameless(nameless));
    }
    if let Some(line) = line {
        line.close();
    }
    Ok(output)
}

fn change(line: &mut Option<Line>, json: bool, requests: Vec<Request>) -> Result<Output, Failure> {
    let (mut all, mut first) = (ChangedAll::default(), None);
    for request in requests {
        let Some(line) = line.as_mut() else { break };
        let reply = line.ask(request.clone());
        let reply = reply.map_err(|failure| behind(failure, &all))?;
        let Response::ChangedAll(part) = reply else { return Err(unexpected()) };
        all = together(all, *part);
        first.get_or_insert(request);
    }
    let mut output = match (json, first) {
        (false, Some(request)) => Output::done(show::change::of_many(&request, &all)),
        _ => Output::json(&all),
    };
    if all.did.held.is_some() {
        output.exit_code = FailureKind::NotOnDisk.exit_code();
    }
    Ok(output)
}

/// Where there were too many for one change, those before it are done.
fn behind(failure: Failure, done: &ChangedAll) -> Failure {
    match done.changed.len() + done.already.len() {
        0 => failure,
        count => failure.because(format!("the {count} before these are done")),
    }
}

fn together(mut all: ChangedAll, part: ChangedAll) -> ChangedAll {
    let ChangedAll { changed, already, did } = part;
    all.changed.extend(changed);
    all.already.extend(already);
    let former = std::mem::replace(&mut all.did, did);
    let did = &mut all.did;
    did.event = did.event.or(former.event);
    did.at = did.at.or(former.at);
    did.crl_number = did.crl_number.or(former.crl_number);
    did.held = did.held.take().or(former.held);
    did.sessions_closed += former.sessions_closed;
    did.revoked.splice(0..0, former.revoked);
    did.on_hold.splice(0..0, former.on_hold);
    did.off_hold.splice(0..0, former.off_hold);
    did.pending.splice(0..0, former.pending);
    if did.effects.is_empty() {
        did.effects = former.effects;
    }
    all
}

/// What was closed, who was not there, and how many rows named nobody.
#[derive(Debug, Default, Serialize)]
struct KickedAll {
    #[serde(flatten)]
    kicked: Kicked,
    absent: Vec<String>,
    nameless: usize,
}

impl KickedAll {
    /// Of this target no session was open, unless it was closed a moment ago under another name.
    fn absent(&mut self, target: &KickTarget) {
        let is_it = |closed: &DeviceName| match target {
            KickTarget::User { name } => closed.user == *name,
            KickTarget::Device { device } => closed == device,
            KickTarget::Session { .. } | KickTarget::Server { .. } => false,
        };
        if !self.kicked.sessions.iter().any(is_it) {
            self.absent.push(target.to_string());
        }
    }

    /// What was done before a failure stays done.
    fn before(&self, failure: Failure) -> Failure {
        match self.kicked.sessions.is_empty() {
            true => failure,
            false => failure.because(format!(
                "before that: {}",
                show::session::kicked(&self.kicked).trim_end()
            )),
        }
    }
}

fn kick(
    line: &mut Option<Line>,
    json: bool,
    requests: Vec<Request>,
    nameless: usize,
) -> Result<Output, Failure> {
    let mut all = KickedAll { nameless, ..KickedAll::default() };
    let asked = requests.len();
    for request in requests {
        let (Some(line), Request::Kick { target }) = (line.as_mut(), &request) else { break };
        let target = target.clone();
        match line.ask(request) {
            Ok(Response::Kicked(part)) => {
                all.kicked.sessions.extend(part.sessions);
                all.kicked.without_certificate += part.without_certificate;
                all.kicked.held = part.held.or(all.kicked.held);
            }
            Ok(_) => return Err(unexpected()),
            Err(failure) if failure.kind == FailureKind::NotFound => all.absent(&target),
            Err(failure) => return Err(all.before(failure)),
        }
    }
    let text = show::session::kicked(&all.kicked) + &show::session::absent(&all.absent);
    let mut output = if json { Output::json(&all) } else { Output::done(text) };
    if all.kicked.held.is_some() {
        output.exit_code = FailureKind::NotOnDisk.exit_code();
    } else if asked > 0 && all.absent.len() == asked {
        output.exit_code = FailureKind::NotFound.exit_code();
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use admin::response::Changed;

    use super::*;

    #[test]
    fn what_was_done_by_several_changes_is_told_as_one() {
        let part = |name: &str, event, crl_number, held: Option<&str>| {
            let held = held.map(str::to_owned);
            let revoked = vec![format!("serial of {name}")];
            let did = Changed {
                event,
                crl_number,
                held,
                revoked,
                sessions_closed: 2,
                ..Changed::default()
            };
            ChangedAll { changed: vec![name.into()], already: vec![format!("not {name}")], did }
        };
        let all = together(ChangedAll::default(), part("a", Some(7), Some(3), Some("it is full")));
        let all = together(all, part("b", None, None, None));
        let all = together(all, part("c", Some(9), Some(4), None));
        assert_eq!(all.changed, ["a", "b", "c"]);
        assert_eq!(all.already, ["not a", "not b", "not c"]);
        assert_eq!(all.did.revoked, ["serial of a", "serial of b", "serial of c"]);
        assert_eq!((all.did.event, all.did.crl_number), (Some(9), Some(4)), "the last ones");
        assert_eq!(all.did.held.as_deref(), Some("it is full"), "still");
        assert_eq!(all.did.sessions_closed, 6);
        let failure = || Failure::new(FailureKind::Failed, "it stops");
        assert_eq!(behind(failure(), &all).cause, ["the 6 before these are done"]);
        assert_eq!(behind(failure(), &ChangedAll::default()), failure());
    }

    #[test]
    fn whoever_was_closed_a_moment_ago_is_not_told_as_absent_and_stays_told_beside_a_failure() {
        let device = |text: &str| DeviceName::parse(text).unwrap();
        let mut all = KickedAll::default();
        let failure = || Failure::new(FailureKind::Failed, "it stops");
        assert_eq!(all.before(failure()), failure());
        all.kicked.sessions.push(device("alice/phone"));
        all.absent(&KickTarget::Device { device: device("alice/phone") });
        all.absent(&KickTarget::User { name: device("alice").user });
        all.absent(&KickTarget::Device { device: device("alice/tv") });
        all.absent(&KickTarget::User { name: device("bob").user });
        assert_eq!(all.absent, ["alice/tv", "bob"]);
        assert_eq!(all.before(failure()).cause, ["before that: closed 1 session: alice/phone"]);
    }
}
