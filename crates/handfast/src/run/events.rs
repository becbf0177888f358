//! Events on record, and as they happen, until the reader goes away or the command is stopped.
//!
//! An answer holds some thousands of them: whoever wants more gets them from one answer after the other.

use std::io::{self, Write as _};
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::protocol::Reply;
use admin::request::{MOST_EVENTS, Request};
use admin::response::{Event, EventPage, Response};
use clock::Timestamp;

use super::ask::Line;
use super::output::{Output, unexpected};
use crate::show;

/// Behind which event, or at which time.
type Begin = (Option<u64>, Option<Timestamp>);

/// What is asked for these first.
pub(crate) fn request((after, since): Begin, limit: u32) -> Request {
    Request::Events { after, since, limit: limit.min(MOST_EVENTS), wait_ms: 0 }
}

/// All of them, however many answers that takes.
pub(crate) fn read(data: &Path, begin: Begin, limit: u32) -> Result<Response, Failure> {
    let mut line = Line::open(data)?;
    let events = pages(begin, limit, |request| line.ask(request))?;
    line.close();
    Ok(Response::Events(EventPage { events }))
}

fn pages(
    (mut after, since): Begin,
    mut limit: u32,
    mut ask: impl FnMut(Request) -> Reply,
) -> Result<Vec<Event>, Failure> {
    let mut page = |begin, limit| match ask(request(begin, limit))? {
        Response::Events(page) => Ok(page.events),
        _ => Err(unexpected()),
    };
    if limit > MOST_EVENTS && after.is_none() && since.is_none() {
        let last = page((None, None), 1)?.last().map_or(0, |event| event.id);
        after = Some(last.saturating_sub(limit.into()));
    }
    let mut all = Vec::new();
    loop {
        let some = page((after, since), limit)?;
        let got = u32::try_from(some.len()).unwrap_or(u32::MAX);
        after = some.last().map(|event| event.id).or(after);
        all.extend(some);
        limit = limit.saturating_sub(got);
        if got < MOST_EVENTS || limit == 0 {
            return Ok(all);
        }
    }
}

pub(crate) fn follow(
    data: &Path,
    json: bool,
    (after, since): Begin,
    limit: u32,
) -> Result<Output, Failure> {
    let mut line = Line::open(data)?;
    if !line.is_to_running_gateway() {
        return Err(not_running(data));
    }
    let mut after = after;
    let mut wait_ms = 0;
    loop {
        let request = Request::Events { after, since, limit, wait_ms };
        let Response::Events(page) = line.ask(request)? else { return Err(unexpected()) };
        for event in &page.events {
            let text = match json {
                true => serde_json::to_string(event).unwrap_or_default() + "\n",
                false => show::event::line(event),
            };
            match write(&text) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Output::done(""));
                }
                Err(error) => {
                    return Err(Failure::new(FailureKind::Failed, "the events can't be printed")
                        .caused_by(&error));
                }
                Ok(()) => {}
            }
        }
        let last = page.events.last().map(|event| event.id);
        // Where nothing has happened since that time, it is still the time that says where to begin.
        after = last.or(after).or(since.is_none().then_some(0));
        wait_ms = PATIENCE_MS;
    }
}

fn not_running(data: &Path) -> Failure {
    let message = format!("no gateway runs on {}, so nothing will happen", data.display());
    Failure::new(FailureKind::NotRunning, message)
        .hint("start it: `handfast up`, or `systemctl start handfast`")
        .hint("what happened so far: `handfast events`")
}

fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// How long one call waits for a first event; below the control socket's own patience.
const PATIENCE_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn whoever_wants_more_than_an_answer_holds_gets_all_in_their_order() {
        let ids = |begin, limit| {
            let mut asked = 0;
            let events = pages(begin, limit, |request| {
                asked += 1;
                Ok(answer(&request))
            });
            let ids: Vec<u64> = events.unwrap().iter().map(|event| event.id).collect();
            assert!(ids.windows(2).all(|two| two[0] + 1 == two[1]), "{begin:?} {limit}");
            (ids.first().copied(), ids.last().copied(), asked)
        };
        let since = Some(Timestamp::from_unix_secs(5));
        assert_eq!(ids((None, since), u32::MAX), (Some(5), Some(LAST), 3), "all since then");
        assert_eq!(ids((None, since), 12_000), (Some(5), Some(12_004), 2), "the first of them");
        assert_eq!(ids((Some(19_000), None), 50_000), (Some(19_001), Some(LAST), 1));
        assert_eq!(ids((None, None), 50), (Some(LAST - 49), Some(LAST), 1), "the newest");
        assert_eq!(ids((None, None), 15_000), (Some(LAST - 14_999), Some(LAST), 3));
        assert_eq!(ids((None, None), 50_000), (Some(1), Some(LAST), 4));
        assert_eq!(ids((Some(LAST), None), 50), (None, None, 1));
    }

    /// As a gateway answers that has an event for each second.
    fn answer(request: &Request) -> Response {
        let Request::Events { after, since, limit, .. } = *request else { panic!("{request:?}") };
        let limit = u64::from(limit.clamp(1, MOST_EVENTS));
        let since = since.map(|since| since.unix_secs() - 1);
        let after = after.or(since).unwrap_or(LAST - limit);
        let events = (after + 1..=LAST.min(after + limit)).map(event).collect();
        Response::Events(EventPage { events })
    }

    fn event(id: u64) -> Event {
        let word = String::new;
        let (at, details) = (Timestamp::from_unix_secs(id), BTreeMap::new());
        Event { id, at, actor: word(), what: word(), subject: word(), details, hash: word() }
    }

    const LAST: u64 = 23_456;
}
