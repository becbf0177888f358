//! Sessions and events: who is here, who was, whom to send away, and what happened.

use admin::failure::{Failure, FailureKind};
use admin::request::{HistoryQuery, KickTarget, Request};
use clock::Timestamp;

use super::many::{Typed, one_or_many, user_or_device};
use super::words::{device_name, user_name};
use crate::args::order::{Action, ManyDeed, ManyOrder};
use crate::args::typed::sessions::{Events, Kick, Sessions};

pub(super) fn understand_sessions(sessions: Sessions) -> Result<Action, Failure> {
    let request = match sessions.history || sessions.address.is_some() {
        true => Request::SessionHistory(understand_history(sessions)?),
        false => Request::Sessions,
    };
    Ok(Action::Ask(request))
}

fn understand_history(typed: Sessions) -> Result<HistoryQuery, Failure> {
    let (user, device) = match typed.whose {
        Some(whose) if whose.contains('/') => (None, Some(device_name(&whose)?)),
        Some(whose) => (Some(user_name(whose)?), None),
        None => (None, None),
    };
    let since = typed.since.as_deref().map(time).transpose()?;
    let at = typed.at.as_deref().map(time).transpose()?;
    let address = typed.address.map(|address| (address, at));
    Ok(HistoryQuery { user, device, since, address, limit: typed.limit })
}

fn time(typed: &str) -> Result<Timestamp, Failure> {
    Timestamp::from_words(typed).ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("{typed:?} is no time"))
            .hint("write it in UTC: 2026-11-24, \"2026-11-24 15:00\" or 2026-11-24T15:00:00Z")
    })
}

pub(super) fn understand_kick(kick: Kick) -> Result<Action, Failure> {
    let Kick { targets, session, server } = kick;
    let target = match (server, session) {
        (Some(name), _) => KickTarget::Server { name },
        (None, Some(id)) => KickTarget::Session { id },
        (None, None) => match one_or_many(targets)? {
            Typed::One(name) => user_or_device(name)?,
            Typed::Many(names) => {
                return Ok(Action::Many(ManyOrder { names, deed: ManyDeed::Kick }));
            }
        },
    };
    Ok(Action::Ask(Request::Kick { target }))
}

pub(super) fn understand_events(events: &Events) -> Result<Action, Failure> {
    let since = events.since.as_deref().map(time).transpose()?;
    let (after, limit) = (events.after, events.limit.unwrap_or(usual_limit(since)));
    Ok(match events.follow {
        true => Action::FollowEvents { after, since, limit },
        false => Action::Events { after, since, limit },
    })
}

/// Whoever names a time wants all from there on.
fn usual_limit(since: Option<Timestamp>) -> u32 {
    if since.is_some() { u32::MAX } else { 50 }
}
