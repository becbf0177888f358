//! The same done to many users, devices or sessions: over one line, in as few changes as can be.
//!
//! A change is made for all that it names or for none. Sessions are closed one by one, and who is not connected is told.

use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::{ChangedAll, Kicked, Response};
use serde::Serialize;

use super::ask::Line;
use super::names;
use super::output::{Output, unexpected};
use super::patience::Patience;
use crate::args::order::{ManyDeed, ManyOrder};
use crate::show;

pub(super) fn run(data: &Path, json: bool, order: ManyOrder) -> Result<Output, Failure> {
    let ManyOrder { names, deed } = order;
    let requests = ManyOrder::requests(deed, names::read(names)?)?;
    if requests.is_empty() && !json {
        return Ok(Output::done("no name was given; nothing was done\n"));
    }
    // With nobody named there is nothing to ask.
    let mut line = match requests.is_empty() {
        true => None,
        false => Some(Line::open(data)?),
    };
    let _patience = Patience::start("working");
    let output = match deed {
        ManyDeed::Kick => kick(&mut line, json, requests)?,
        ManyDeed::Users(_) | ManyDeed::Devices(_) => change(&mut line, json, requests)?,
    };
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

/// What was closed, and who was not there.
#[derive(Debug, Default, Serialize)]
struct KickedAll {
    #[serde(flatten)]
    kicked: Kicked,
    absent: Vec<String>,
}

fn kick(line: &mut Option<Line>, json: bool, requests: Vec<Request>) -> Result<Output, Failure> {
    let mut all = KickedAll::default();
    let asked = requests.len();
    for request in requests {
        let (Some(line), Request::Kick { target }) = (line.as_mut(), &request) else { break };
        let name = target.to_string();
        match line.ask(request) {
            Ok(Response::Kicked(part)) => {
                all.kicked.sessions.extend(part.sessions);
                all.kicked.without_certificate += part.without_certificate;
                all.kicked.held = part.held.or(all.kicked.held);
            }
            Ok(_) => return Err(unexpected()),
            Err(failure) if failure.kind == FailureKind::NotFound => all.absent.push(name),
            Err(failure) => return Err(failure),
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
