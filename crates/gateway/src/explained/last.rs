//! The last refusals or ends, each list with an end.
//!
//! Invariant: strangers push nobody who is known out.

use std::collections::VecDeque;
use std::sync::Arc;

use admin::response::RefusalEntry;
use explain::kept::{Kept, Lack, Verdict};
use explain::story::Protocol;
use pki::Revocation;
use sources::Source;

/// A refused connection, or a session that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The connection's number, where it had one: at the TLS door it has none before it is let in.
    pub(crate) connection: Option<u64>,
    /// What was spoken there.
    pub(crate) protocol: Protocol,
    /// What is known of it without a number, or why nothing is.
    pub(crate) kept: Result<Arc<Kept>, Lack>,
    /// `udp` or `tcp`.
    pub(crate) transport: &'static str,
    /// The address of ours that it spoke to, where that is known.
    pub(crate) server: Option<String>,
    /// When, in microseconds since 1970.
    pub(crate) at: u64,
    /// When it had been let in, in the same; nothing of whom a handshake refused.
    pub(crate) since: Option<u64>,
    /// When its keys were renewed last, in the same, where they were.
    pub(crate) renewed: Option<u64>,
    /// When and why its certificate was revoked, where that is the reason and was at hand.
    pub(crate) revocation: Option<Revocation>,
    /// As log and status have it.
    pub(crate) entry: RefusalEntry,
    /// As its story has it.
    pub(crate) verdict: Verdict,
}

/// The last ones, those of strangers apart.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub(super) known: VecDeque<Refusal>,
    strangers: VecDeque<Refusal>,
}

impl Last {
    /// One takes the place of what it repeats.
    pub(super) fn push(&mut self, refusal: Refusal) {
        let list = self.list(&refusal);
        list.retain(|former| !repeats(&former.entry, &refusal.entry));
        push_front(list, refusal);
    }

    /// The same of one that is as good as any other of its reason: how somebody left who was done says nothing of whom.
    pub(super) fn push_goodbye(&mut self, refusal: Refusal) {
        let list = self.list(&refusal);
        // Each has one place, and that of a usual one is near the front: a busy door has thousands of these in a second.
        let former = list.iter().position(|former| former.entry.reason == refusal.entry.reason);
        if let Some(former) = former {
            list.remove(former);
        }
        push_front(list, refusal);
    }

    fn list(&mut self, refusal: &Refusal) -> &mut VecDeque<Refusal> {
        match refusal.entry.device {
            Some(_) => &mut self.known,
            None => &mut self.strangers,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Refusal> {
        self.known.iter().chain(&self.strangers)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Refusal> {
        self.known.iter_mut().chain(&mut self.strangers)
    }
}

fn push_front(list: &mut VecDeque<Refusal>, refusal: Refusal) {
    list.truncate(EACH - 1);
    list.push_front(refusal);
}

/// How many refusals are kept of those who are known, and as many of strangers; of ends again as many.
pub(super) const EACH: usize = 500;

fn repeats(former: &RefusalEntry, entry: &RefusalEntry) -> bool {
    let host = |of: &RefusalEntry| Source::host(of.source.ip());
    former.reason == entry.reason && former.device == entry.device && host(former) == host(entry)
}

/// When and why, of a refusal that has it.
pub(crate) fn revocation_in(refusal: &pki::Refusal) -> Option<Revocation> {
    match refusal {
        pki::Refusal::Revoked { revocation } => *revocation,
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use admin::names::DeviceName;
    use explain::Side;

    use super::*;

    /// One of a test.
    pub(crate) fn refusal(connection: u64, user: Option<&str>, reason: &str, host: u64) -> Refusal {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + host as u32);
        let device = user.map(|user| DeviceName::parse(user).expect("a name"));
        let entry = RefusalEntry {
            number: 0,
            at: clock::Timestamp::from_unix_secs(1),
            source: (address, 5).into(),
            device,
            reason: reason.to_owned(),
            sentence: String::new(),
        };
        let verdict = Verdict {
            code: reason.to_owned(),
            by: Some(Side::Server),
            after: &[],
            sentence: String::new(),
            mends: Vec::new(),
        };
        Refusal {
            connection: Some(connection),
            protocol: Protocol::OpenVpn,
            kept: Err(Lack::NotThere),
            transport: "udp",
            server: None,
            at: 0,
            since: None,
            renewed: None,
            revocation: None,
            entry,
            verdict,
        }
    }
}
