//! What the engine counts. Each figure is kept by one owner and read on request; nothing is shared.

use std::collections::BTreeMap;

use datapath::{Drops, PeerCounters, PeerRef};

/// Figures of the data thread.
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
    /// Authentic control datagrams dropped as the control task did not keep up.
    pub control_overflow: u64,
    /// Datagrams that the kernel did not take.
    pub send_errors: u64,
    /// Packets that the TUN device did not take.
    pub tun_errors: u64,
    /// TCP connections.
    pub streams: StreamFigures,
}

/// Figures of a data thread's TCP connections.
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

/// Figures of the control task.
#[derive(Clone, Debug, Default)]
pub struct ControlFigures {
    /// Control datagrams dropped, by reason.
    pub control_drops: BTreeMap<&'static str, u64>,
    /// Connections that ended before or without data, and sessions that ended, by reason.
    pub endings: BTreeMap<&'static str, u64>,
    /// Stateless answers to resets.
    pub stateless_answers: u64,
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
    /// Of the data thread.
    pub data: DataFigures,
    /// Of the control task.
    pub control: ControlFigures,
}
