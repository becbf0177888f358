//! The way to TLS in protocols that begin in the clear, and the story of one that does not come there.

use std::io::{self, ErrorKind, Read as _, Write as _};

use admin::failure::{Failure, FailureKind};
use explain::KeyLog;
use explain::Side;
use explain::kept::Verdict;
use explain::live::Speech;
use explain::render::capital;
use explain::story::Story;
use starttls::{Fault, Step, Upgrade};
use uplink::Target;

use super::super::standing::{LIMIT, is_cut};
use super::tap::Tap;

/// Why TLS does not begin, and what the server said last.
pub(super) struct Over {
    why: Why,
    heard: Vec<u8>,
}

enum Why {
    Said(Fault),
    Broke(io::Error),
}

/// Comes to where TLS begins; says why, where it does not.
pub(super) fn begin(target: &Target, tap: &mut Tap) -> Option<Over> {
    let protocol = target.starttls()?;
    let mut heard = Vec::new();
    let mut upgrade = Upgrade::client(protocol, &target.name().to_str());
    let why = match talk(&mut upgrade, tap, &mut heard) {
        Ok(None) => return None,
        Ok(Some(fault)) => Why::Said(fault),
        Err(error) => Why::Broke(error),
    };
    Some(Over { why, heard })
}

fn talk(upgrade: &mut Upgrade, tap: &mut Tap, heard: &mut Vec<u8>) -> io::Result<Option<Fault>> {
    tap.write_all(&upgrade.first())?;
    let mut piece = [0; 4096];
    loop {
        let length = tap.read(&mut piece)?;
        let said = piece.get(..length).unwrap_or_default();
        if !said.is_empty() {
            *heard = said.to_vec();
        }
        match upgrade.hear(said) {
            Step::More(said) => tap.write_all(&said)?,
            Step::Begin(said) => return tap.write_all(&said).map(|()| None),
            // No server begins with TLS towards a client.
            Step::Direct(_) => return Ok(None),
            // Nothing more is said: the story ends with the server's words.
            Step::No(_, why) => return Ok(Some(why)),
        }
    }
}

/// What was said up to there, and who said no.
pub(super) fn story(target: &Target, mut tap: Tap, over: Over) -> Result<Story, Failure> {
    let silent = match &over.why {
        Why::Said(fault) => nothing(target).caused_by(fault),
        Why::Broke(error) => without_a_word(target, error),
    };
    tap.record.live.over(over.verdict());
    tap.record.live.story(Speech::Tls, KeyLog::default()).ok_or(silent)
}

/// Of a server that took the connection and said nothing in it.
pub(super) fn without_a_word(target: &Target, error: &io::Error) -> Failure {
    if is_silence(error) {
        let cause = format!("it was silent for {} s", LIMIT.as_secs());
        return nothing(target).because(cause).hint(OTHER_PORT);
    }
    if is_cut(error) {
        return nothing(target).because("it cut the connection off at once").hint(OTHER_PORT);
    }
    nothing(target).caused_by(error).hint(OTHER_PORT)
}

fn nothing(target: &Target) -> Failure {
    Failure::new(FailureKind::Unreachable, format!("{target} took the connection and said nothing"))
}

impl Over {
    fn verdict(&self) -> Verdict {
        let (code, by, what, mend) = match &self.why {
            Why::Said(fault) => (fault.code(), by(fault), fault.what(), fault.mend()),
            Why::Broke(error) if is_silence(error) => {
                let what = "the server says no more, and TLS has not begun";
                ("silent_before_tls", None, what.to_owned(), OTHER_PORT)
            }
            Why::Broke(error) if is_cut(error) => {
                let what = "the server cut the connection off before TLS began".to_owned();
                ("broken_before_tls", Some(Side::Server), what, "the server's own log says more")
            }
            Why::Broke(error) => {
                let what = format!("the connection broke before TLS began: {error}");
                ("broken_before_tls", Some(Side::Server), what, "the server's own log says more")
            }
        };
        let is_quoted = matches!(&self.why, Why::Said(Fault::Declined(_) | Fault::Unready(_)));
        let sentence = match quoted(&self.heard).filter(|_| !is_quoted) {
            Some(words) => format!("{}. Its last words: \"{words}\".", capital(&what)),
            None => format!("{}.", capital(&what)),
        };
        let code = code.to_owned();
        Verdict { code, by, after: &[], sentence, mends: vec![format!("{}.", capital(mend))] }
    }
}

/// Where a server says what this client does not take, the client ends it.
fn by(fault: &Fault) -> Option<Side> {
    Some(match fault {
        Fault::Left | Fault::NotOffered | Fault::Declined(_) | Fault::Unready(_) => Side::Server,
        _ => Side::Client,
    })
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What a server said, in one line that no terminal obeys; none where it is no text.
fn quoted(said: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(said).ok()?;
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let line = lines.join(" / ");
    let fit = line.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c });
    Some(fit.collect()).filter(|line: &String| !line.is_empty())
}

/// A list of what a server offers has that much.
const LONGEST: usize = 600;
const OTHER_PORT: &str = "see that both sides mean the same protocol and port; a port where TLS begins at once is told without --starttls";
