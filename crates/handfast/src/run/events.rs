//! Events as they happen, until the reader goes away or the command is stopped.

use std::io::{self, Write as _};
use std::path::Path;

use gateway::admin::failure::{Failure, FailureKind};
use gateway::admin::protocol::{Request, Response};

use super::{Output, ask, unexpected};
use crate::show;

pub(crate) fn follow(
    data: &Path,
    json: bool,
    after: Option<u64>,
    limit: u32,
) -> Result<Output, Failure> {
    let mut after = after;
    let mut wait_ms = 0;
    loop {
        let request = Request::Events { after, limit, wait_ms };
        let Response::Events(page) = ask::ask(data, request)? else { return Err(unexpected()) };
        for event in &page.events {
            let line = match json {
                true => serde_json::to_string(event).unwrap_or_default() + "\n",
                false => show::event::line(event),
            };
            match write(&line) {
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
        after = page.events.last().map(|event| event.id).or(after).or(Some(0));
        wait_ms = PATIENCE_MS;
    }
}

fn write(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// How long one call waits for a first event; below the control socket's own patience.
const PATIENCE_MS: u64 = 10_000;
