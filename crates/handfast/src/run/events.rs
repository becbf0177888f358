//! Events as they happen, until the reader goes away or the command is stopped.

use std::io::{self, Write as _};
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use admin::response::Response;
use clock::Timestamp;

use super::ask::Line;
use super::output::{Output, unexpected};
use crate::show;

pub(crate) fn follow(
    data: &Path,
    json: bool,
    (after, since): (Option<u64>, Option<Timestamp>),
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
