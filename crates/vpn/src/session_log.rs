//! What the log says of connections: a line for each that comes, moves, goes or is refused; and where somebody
//! causes the same line again and again, one with a count.
//!
//! Whoever has the tls-auth key can have thousands of handshakes fail in a second, and a subscriber can come and
//! go as fast. Not here: counters, which are kept by whoever the report goes on to, of every single one.
//!
//! Invariant: what was held back is written when its interval ends, or when the door closes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use clock::Clock;
use engine::{DisconnectReason, Identity, Principal, Report, SessionInfo};
use sources::{Limits, Repeated, Repeats, Source};

/// Writes the lines.
#[derive(Debug)]
pub(crate) struct SessionLog {
    lines: Arc<Mutex<Lines>>,
    clock: Arc<dyn Clock>,
}

impl SessionLog {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { lines: Arc::default(), clock }
    }

    /// Writes a report's line, if it has one, now or later, with the number to ask by. Needs a tokio runtime.
    pub(crate) fn write(&self, report: &Report, number: Option<u64>) {
        let Some(line) = Line::of(report, number) else { return };
        let mut lines = lock(&self.lines);
        let now = self.clock.now().boot;
        let first = lines.note(line, now);
        let is_watched = std::mem::replace(&mut lines.is_watched, true);
        drop(lines);
        if !is_watched {
            tokio::spawn(write_repeated(Arc::downgrade(&self.lines), Arc::clone(&self.clock)));
        }
        if let Some(line) = first {
            line.write(now);
        }
    }

    /// Writes what was held back: nothing follows.
    pub(crate) fn finish(&self) {
        let mut lines = lock(&self.lines);
        while let Some(repeated) = lines.poll_rest() {
            write_again(&repeated);
        }
    }
}

/// Writes what was held back as its intervals end, until none is left.
async fn write_repeated(lines: Weak<Mutex<Lines>>, clock: Arc<dyn Clock>) {
    while let Some(left) = lines.upgrade().and_then(|lines| lock(&lines).time_left(&*clock)) {
        tokio::time::sleep(left).await;
        let Some(lines) = lines.upgrade() else { return };
        let now = clock.now().boot;
        loop {
            let next = lock(&lines).poll_repeated(now);
            let Some(repeated) = next else { break };
            write_again(&repeated);
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was written lately.
#[derive(Debug)]
struct Lines {
    refusals: Repeats<Key, Line>,
    sessions: Repeats<Key, Line>,
    /// Somebody waits for the end of the next interval.
    is_watched: bool,
}

impl Default for Lines {
    fn default() -> Self {
        let (refusals, sessions) = (Repeats::new(REFUSALS), Repeats::new(SESSIONS));
        Self { refusals, sessions, is_watched: false }
    }
}

impl Lines {
    /// Gives a line back that is to be written at once.
    fn note(&mut self, line: Line, boot: Duration) -> Option<Line> {
        let key = line.key();
        let otherwise = Key { whose: Whose::Others, what: key.what };
        let repeats = match line {
            Line::Refused { .. } | Line::Left { .. } => &mut self.refusals,
            _ => &mut self.sessions,
        };
        repeats.note(key, otherwise, line, boot)
    }

    /// How long until an interval ends. `None` where none runs: nobody waits any longer.
    fn time_left(&mut self, clock: &dyn Clock) -> Option<Duration> {
        let ends = [self.refusals.poll_timeout(), self.sessions.poll_timeout()];
        let next = ends.into_iter().flatten().min();
        self.is_watched = next.is_some();
        Some(next?.saturating_sub(clock.now().boot))
    }

    fn poll_repeated(&mut self, boot: Duration) -> Option<Repeated<Key, Line>> {
        self.refusals.poll_repeated(boot).or_else(|| self.sessions.poll_repeated(boot))
    }

    fn poll_rest(&mut self) -> Option<Repeated<Key, Line>> {
        self.refusals.poll_rest().or_else(|| self.sessions.poll_rest())
    }
}

/// Which lines are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    whose: Whose,
    /// A reason's code, or what happened.
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// A network's, or a device's that was seen in it.
    Network(Source, Option<Principal>),
    Device(Principal),
    Session(u64),
    /// Of whatever there was no room for.
    Others,
}

/// A line, before it has words.
#[derive(Clone, Debug)]
enum Line {
    Connected(SessionInfo),
    Disconnected {
        info: SessionInfo,
        why: DisconnectReason,
        explained: Option<u64>,
    },
    Refused {
        source: SocketAddr,
        whom: Option<Identity>,
        why: DisconnectReason,
        explained: Option<u64>,
    },
    Left {
        source: SocketAddr,
        whom: Option<Identity>,
    },
    Renewed {
        number: u64,
    },
    Moved {
        number: u64,
        to: SocketAddr,
    },
    Flapping {
        number: u64,
    },
}

impl Line {
    fn of(report: &Report, explained: Option<u64>) -> Option<Self> {
        Some(match report {
            Report::Opened(info) => Self::Connected(info.clone()),
            Report::Closed { info, why } => {
                Self::Disconnected { info: info.clone(), why: why.clone(), explained }
            }
            // It goes before its session is up, as whoever only looks does.
            Report::Refused { source, whom, why, .. } if why.is_goodbye() => {
                Self::Left { source: *source, whom: whom.clone() }
            }
            Report::Refused { source, whom, why, .. } => {
                let (whom, why) = (whom.clone(), why.clone());
                Self::Refused { source: *source, whom, why, explained }
            }
            Report::Renegotiated { number } => Self::Renewed { number: *number },
            Report::Floated { number, to } => Self::Moved { number: *number, to: *to },
            Report::Flapping { number } => Self::Flapping { number: *number },
            Report::Swept { .. } => return None,
        })
    }

    fn key(&self) -> Key {
        let device = |info: &SessionInfo| Whose::Device(info.identity.principal.clone());
        let in_network = |source: &SocketAddr, whom: &Option<Identity>| {
            let whom = whom.as_ref().map(|identity| identity.principal.clone());
            Whose::Network(Source::network(source.ip()), whom)
        };
        let (whose, what) = match self {
            Self::Connected(info) => (device(info), "connected"),
            Self::Disconnected { info, why, .. } => (device(info), why.code()),
            Self::Refused { source, whom, why, .. } => (in_network(source, whom), why.code()),
            Self::Left { source, whom } => (in_network(source, whom), "left"),
            Self::Renewed { number } => (Whose::Session(*number), "renewed"),
            Self::Moved { number, .. } => (Whose::Session(*number), "moved"),
            // Once for each session, of which somebody may begin ever new ones.
            Self::Flapping { .. } => (Whose::Others, "flapping"),
        };
        Key { whose, what }
    }

    /// `boot` is the time since the machine booted.
    fn write(&self, boot: Duration) {
        match self {
            Self::Connected(info) => tracing::info!(
                session = info.number,
                user = info.identity.principal.user.as_str(),
                device = info.identity.principal.device.as_str(),
                source = %info.source,
                addresses = %addresses(info),
                client = info.peer_version,
                "connected"
            ),
            Self::Disconnected { info, why, explained } => tracing::info!(
                session = info.number,
                user = info.identity.principal.user.as_str(),
                device = info.identity.principal.device.as_str(),
                source = %info.source,
                addresses = %addresses(info),
                seconds = boot.saturating_sub(info.since).as_secs(),
                bytes_in = info.counters.rx_bytes,
                bytes_out = info.counters.tx_bytes,
                reason = why.code(),
                explain_failure = explained,
                "disconnected: {why}"
            ),
            Self::Refused { source, whom, why, explained } => {
                write_refusal(*source, whom.as_ref(), why, *explained);
            }
            Self::Left { source, whom } => {
                let whom = whom.as_ref().map(|identity| &identity.principal);
                let user = whom.map(|whom| whom.user.as_str());
                let device = whom.map(|whom| whom.device.as_str());
                tracing::info!(%source, user, device, "said goodbye before its session was up");
            }
            Self::Renewed { number } => tracing::debug!(session = number, "keys renewed"),
            Self::Moved { number, to } => {
                tracing::info!(session = number, source = %to, "moved to another address");
            }
            Self::Flapping { number } => tracing::warn!(
                session = number,
                "its packets come from two addresses by turns: copied on their way, or over two paths; it \
                 is answered where the last one came from, and not logged again"
            ),
        }
    }
}

/// With the number that `handfast explain failure` takes.
fn write_refusal(
    source: SocketAddr,
    whom: Option<&Identity>,
    why: &DisconnectReason,
    explain_failure: Option<u64>,
) {
    let reason = why.code();
    match whom {
        Some(Identity { principal: Principal { user, device }, .. }) => {
            let (user, device) = (user.as_str(), device.as_str());
            tracing::info!(%source, user, device, reason, explain_failure, "refused: {why}");
        }
        None => tracing::info!(%source, reason, explain_failure, "refused: {why}"),
    }
}

/// One line for all that were held back. Whatever the key does not fix is that of the last one.
fn write_again(repeated: &Repeated<Key, Line>) {
    let Repeated { key, count, latest } = repeated;
    let whose = words(&key.whose);
    match latest {
        Line::Connected(_) => tracing::info!(count, %whose, "connected again"),
        Line::Disconnected { why, explained, .. } => {
            let (reason, explain_failure) = (key.what, explained);
            tracing::info!(count, %whose, reason, explain_failure, "disconnected again: {why}");
        }
        Line::Refused { source, why, explained, .. } => {
            let (reason, explain_failure) = (key.what, explained);
            tracing::info!(count, %whose, last = %source, reason, explain_failure, "refused again: {why}");
        }
        Line::Left { source, .. } => {
            tracing::info!(count, %whose, last = %source, "said goodbye early again");
        }
        Line::Renewed { .. } => tracing::debug!(count, %whose, "keys renewed again"),
        Line::Moved { to, .. } => {
            tracing::info!(count, %whose, source = %to, "moved to another address again");
        }
        Line::Flapping { number } => tracing::warn!(
            count,
            last = number,
            "more sessions whose packets come from two addresses by turns"
        ),
    }
}

fn words(whose: &Whose) -> String {
    match whose {
        Whose::Network(source, None) => source.to_string(),
        Whose::Network(source, Some(Principal { user, device })) => {
            format!("{user}/{device} in {source}")
        }
        Whose::Device(Principal { user, device }) => format!("{user}/{device}"),
        Whose::Session(number) => format!("session {number}"),
        Whose::Others => "many others".to_owned(),
    }
}

fn addresses(info: &SessionInfo) -> String {
    info.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Long enough that a flood is a few lines, short enough that who tries again sees that it was noticed.
const INTERVAL: Duration = Duration::from_secs(10);
/// Of 64 networks in turn that is 13 lines a second, and one or two for each reason.
const REFUSALS: Limits = Limits { interval: INTERVAL, at_once: 1, keys: 64 };
/// Each is of somebody who was let in, and all may come back within moments: there is room for every one.
const SESSIONS: Limits = Limits { interval: INTERVAL, at_once: 5, keys: 1 << 16 };

#[cfg(test)]
mod tests {
    use engine::Denied;
    use pki::Refusal;
    use tunnel::EndReason;

    use super::*;

    #[test]
    fn ten_thousand_refusals_of_a_network_in_a_second_are_one_line_and_one_with_their_number() {
        let mut lines = Lines::default();
        let mut written = 0;
        for n in 0..10_000_u32 {
            let source = SocketAddr::from(([192, 0, 2, n as u8], 1 + n as u16));
            let line = refused(source, Refusal::UnknownCa);
            written += usize::from(lines.note(line, millis(n / 10)).is_some());
        }
        assert_eq!(written, 1);
        assert!(lines.poll_repeated(millis(9_999)).is_none());
        let again = lines.poll_repeated(millis(11_000)).expect("the rest");
        assert_eq!((again.count, words(&again.key.whose)), (9_999, "192.0.2.0/24".to_owned()));
        assert!(lines.poll_repeated(millis(11_000)).is_none());
    }

    #[test]
    fn another_reason_and_another_network_have_lines_of_their_own_as_far_as_there_is_room() {
        let mut lines = Lines::default();
        let mut written = 0;
        for n in 0..10_000_u16 {
            let [a, b] = n.to_be_bytes();
            for refusal in [Refusal::UnknownCa, Refusal::NoCertificate] {
                let line = refused(SocketAddr::from(([10, a, b, 1], 1)), refusal);
                written += usize::from(lines.note(line, millis(1)).is_some());
            }
        }
        assert_eq!(written, 64 + 2, "and one of others for each reason");
        let again: Vec<_> = std::iter::from_fn(|| lines.poll_repeated(millis(10_001))).collect();
        assert_eq!(again.iter().map(|repeated| repeated.count).sum::<u64>(), 20_000 - 66);
        assert!(again.iter().all(|repeated| repeated.key.whose == Whose::Others));
    }

    #[test]
    fn a_goodbye_before_the_session_is_up_is_no_refusal() {
        let report = |why| Report::Refused {
            number: 1,
            source: SocketAddr::from(([192, 0, 2, 7], 1)),
            local: None,
            tcp: false,
            whom: None,
            why: DisconnectReason::Session(why),
        };
        let left = Line::of(&report(EndReason::PeerExit), None);
        assert!(matches!(left, Some(Line::Left { .. })), "{left:?}");
        let refused = Line::of(&report(EndReason::NoCommonCipher), Some(7));
        assert!(matches!(refused, Some(Line::Refused { .. })), "{refused:?}");
    }

    fn refused(source: SocketAddr, refusal: Refusal) -> Line {
        let why = DisconnectReason::Refused(Denied::Certificate(refusal));
        Line::Refused { source, whom: None, why, explained: None }
    }

    fn millis(millis: u32) -> Duration {
        Duration::from_millis(millis.into())
    }
}
