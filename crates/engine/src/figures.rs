//! What the engine counts. Each figure is kept by one owner and read on request; nothing is shared.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Timestamp;
use datapath::{Drops, PeerCounters, PeerRef};

use crate::Offloads;

/// Figures of the data workers, added up.
#[derive(Clone, Debug, Default)]
pub struct DataFigures {
    /// Data packets that went no further, by cause.
    pub drops: Drops,
    /// Each living peer's totals.
    pub peers: Vec<(PeerRef, PeerCounters)>,
    /// Totals of all peers, gone ones included.
    pub total: PeerCounters,
    /// Control datagrams that failed the tls-auth check, by what is likely wrong with the sender.
    pub forged_control: BTreeMap<&'static str, u64>,
    /// Where the last of each came from that was looked at closely, which few are each second. Over UDP anybody may have
    /// written that address.
    pub forged_from: BTreeMap<&'static str, LastFrom>,
    /// Authentic control datagrams dropped as the control task did not keep up.
    pub control_overflow: u64,
    /// Datagrams that the kernel did not take.
    pub send_errors: u64,
    /// Packets that the TUN device did not take.
    pub tun_errors: u64,
    /// Packets that one worker read and another handled. Few, where steering works.
    pub handed_over: u64,
    /// How often a peer came back at once to an address that it seemed to have left.
    pub returns: u64,
    /// What is done in one piece, as far as the kernel has not refused it since the start.
    pub offloads: Option<Offloads>,
    /// Workers that own peers.
    pub workers: u16,
    /// TCP connections.
    pub streams: StreamFigures,
}

impl DataFigures {
    /// Every cause for which something was lost, under its name in log, status and metrics, from zero.
    pub fn losses(&self) -> BTreeMap<&'static str, u64> {
        let ours = [
            ("control_overflow", self.control_overflow),
            ("send_errors", self.send_errors),
            ("tun_errors", self.tun_errors),
            ("tcp_queue_full", self.streams.queue_full),
            ("tcp_gone", self.streams.unsent),
            ("tcp_accept_pauses", self.streams.accept_pauses),
        ];
        let mut losses: BTreeMap<_, _> = ours.into();
        add_each(&mut losses, self.drops.iter().map(|(cause, count)| (cause.code(), count)));
        add_each(&mut losses, self.forged_control.clone());
        add_each(&mut losses, self.streams.ended.clone());
        losses
    }

    /// Adds another worker's.
    pub(crate) fn add(&mut self, more: Self) {
        self.drops += more.drops;
        self.peers.extend(more.peers);
        self.total += more.total;
        add_each(&mut self.forged_control, more.forged_control);
        for (suspect, theirs) in more.forged_from {
            let ours = self.forged_from.entry(suspect).or_insert(theirs);
            *ours = (*ours).max(theirs);
        }
        self.control_overflow += more.control_overflow;
        self.send_errors += more.send_errors;
        self.tun_errors += more.tun_errors;
        self.handed_over += more.handed_over;
        self.returns += more.returns;
        self.workers = self.workers.max(more.workers);
        self.offloads = match (self.offloads, more.offloads) {
            (Some(one), Some(other)) => Some(one.both(other)),
            (one, other) => one.or(other),
        };
        self.streams.add(more.streams);
    }
}

/// When something came last, and where from; ordered by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastFrom {
    /// When, since boot.
    pub boot: Duration,
    /// Where from.
    pub source: SocketAddr,
    /// Whether over TCP: only then is the address known to be the sender's.
    pub over_tcp: bool,
}

/// Figures of a worker's TCP connections.
#[derive(Clone, Debug, Default)]
pub struct StreamFigures {
    /// Connections that there are.
    pub open: u64,
    /// Those among them without a session.
    pub strangers: u64,
    /// Connections that began.
    pub begun: u64,
    /// Connections that ended otherwise than by being closed, by reason.
    pub ended: BTreeMap<&'static str, u64>,
    /// Packets that were dropped, as too much waited for their connection.
    pub queue_full: u64,
    /// Packets for a connection that was gone.
    pub unsent: u64,
    /// How often no connection was taken for a moment, as no descriptor was left.
    pub accept_pauses: u64,
}

impl StreamFigures {
    fn add(&mut self, more: Self) {
        self.open += more.open;
        self.strangers += more.strangers;
        self.begun += more.begun;
        add_each(&mut self.ended, more.ended);
        self.queue_full += more.queue_full;
        self.unsent += more.unsent;
        self.accept_pauses += more.accept_pauses;
    }
}

/// First packets of clients over UDP, as the gate saw them. Of their senders nothing is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// How many were right, and were answered. A client that hears nothing repeats its own.
    pub answered: u64,
    /// When the last of them was.
    pub last_answered: Option<Timestamp>,
    /// How often the cookie of an answer came back.
    pub returned: u64,
    /// When the last one did.
    pub last_returned: Option<Timestamp>,
    /// The most answers of the last two minutes that one address got in a row without that one of them came back.
    pub unreturned: u64,
}

/// Figures of the control task.
#[derive(Clone, Debug, Default)]
pub struct ControlFigures {
    /// Control datagrams dropped, by reason.
    pub control_drops: BTreeMap<&'static str, u64>,
    /// Connections that ended before or without data, and sessions that ended, by reason.
    pub endings: BTreeMap<&'static str, u64>,
    /// First packets over UDP.
    pub knocks: Knocks,
    /// Sessions begun, cookie proven.
    pub handshakes_begun: u64,
    /// Sessions that came up.
    pub sessions_opened: u64,
    /// Key renewals.
    pub renegotiations: u64,
    /// Sessions that are up.
    pub sessions: u64,
    /// Connections between cookie and admission.
    pub handshakes_now: u64,
}

/// Everything the engine counts.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Of the data workers.
    pub data: DataFigures,
    /// Of the control task.
    pub control: ControlFigures,
}

fn add_each(
    sums: &mut BTreeMap<&'static str, u64>,
    more: impl IntoIterator<Item = (&'static str, u64)>,
) {
    for (what, count) in more {
        *sums.entry(what).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_to_any_worker_is_what_came_last() {
        let heard = |seconds, source: &str| {
            let last = LastFrom {
                boot: Duration::from_secs(seconds),
                source: source.parse().unwrap(),
                over_tcp: false,
            };
            DataFigures { forged_from: [("wrong_tls_auth_key", last)].into(), ..Default::default() }
        };
        let (scanner, user) = ("192.0.2.1:1", "192.0.2.2:2");
        for workers in [[(1, scanner), (9, user)], [(9, user), (1, scanner)]] {
            let mut all = DataFigures::default();
            workers.into_iter().for_each(|(at, source)| all.add(heard(at, source)));
            assert_eq!(all.forged_from["wrong_tls_auth_key"].source.to_string(), user);
        }
    }
}
