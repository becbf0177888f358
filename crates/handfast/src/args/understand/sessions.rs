//! Sessions and events: who is here, who was, whom to send away, and what happened.

use admin::failure::{Failure, FailureKind};
use admin::request::{HistoryQuery, KickTarget, Request};
use clock::Timestamp;

use super::words::{device_name, user_name};
use crate::args::order::Action;
use crate::args::typed::sessions::{Events, Kick, Sessions};

pub(super) fn understand_sessions(sessions: Sessions) -> Result<Action, Failure> {
    let request = match sessions.history {
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
    let address = typed.address.zip(at);
    Ok(HistoryQuery { user, device, since, address, limit: typed.limit })
}

fn time(typed: &str) -> Result<Timestamp, Failure> {
    Timestamp::from_words(typed).ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("{typed:?} is no time"))
            .hint("write it in UTC: 2026-11-24, \"2026-11-24 15:00\" or 2026-11-24T15:00:00Z")
    })
}

pub(super) fn understand_kick(kick: Kick) -> Result<Request, Failure> {
    Ok(Request::Kick { target: kick_target(kick)? })
}

fn kick_target(kick: Kick) -> Result<KickTarget, Failure> {
    if let Some(name) = kick.server {
        return Ok(KickTarget::Server { name });
    }
    Ok(match (kick.target, kick.session) {
        (_, Some(id)) => KickTarget::Session { id },
        (Some(text), None) if text.contains('/') => {
            KickTarget::Device { device: device_name(&text)? }
        }
        (Some(name), None) => KickTarget::User { name: user_name(name)? },
        (None, None) => {
            return Err(Failure::new(FailureKind::Usage, "nobody to kick was named"));
        }
    })
}

pub(super) fn understand_events(events: &Events) -> Action {
    let (after, limit) = (events.after, events.limit);
    if events.follow {
        return Action::FollowEvents { after, limit };
    }
    Action::Ask(Request::Events { after, limit, wait_ms: 0 })
}
