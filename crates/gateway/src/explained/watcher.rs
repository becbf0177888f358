//! Watches one connection's handshake, and reads it once it is over.
//!
//! Invariant: the secrets that open it are held while it runs and are wiped with its end, whatever that is. The
//! exporter's of TLS 1.3 is never taken; in TLS 1.2 one secret opens the handshake and is the exporter's as well.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Now;
use engine::{Became, Begun, Watcher};
use explain::KeyLog;
use explain::kept::Trace;
use wire::control::ControlPacket;
use wire::tls_auth::ReplayStamp;
use wire::{KeyId, Opcode, split_first_byte};

use super::Explained;
use crate::config::Keep;

/// Watches one connection.
pub(super) struct HandshakeWatcher {
    connection: u64,
    keep: Keep,
    watching: Watching,
    /// Renewals that were begun or came so far.
    renewals: u32,
    secrets: Arc<Secrets>,
    explained: Explained,
}

/// What is under way.
enum Watching {
    /// The first handshake.
    First(Trace),
    /// Nothing; a renewal would be of this session.
    Resting(Trace),
    /// A renewal of it.
    Renewal { of: Trace, trace: Trace },
}

impl HandshakeWatcher {
    pub(super) fn of(begun: &Begun<'_>, keep: Keep, explained: Explained) -> Self {
        let accepted = begun.accepted;
        let (client, server) = (accepted.client_session_id(), accepted.session_id());
        let mut watcher = Self {
            connection: begun.number,
            keep,
            watching: Watching::First(Trace::begin(client, server, begun.wrapping)),
            renewals: 0,
            secrets: Arc::default(),
            explained,
        };
        watcher.heard(accepted.packet(), accepted.stamp(), begun.at);
        watcher
    }

    /// What is held of what is under way.
    fn trace(&mut self) -> Option<&mut Trace> {
        match &mut self.watching {
            Watching::First(trace) | Watching::Renewal { trace, .. } => Some(trace),
            Watching::Resting(_) => None,
        }
    }

    /// A renewal begins with the first reset of either side; those of the same key id belong to it.
    fn reset(&mut self, opcode: Opcode, key_id: KeyId) {
        if opcode != Opcode::CONTROL_SOFT_RESET_V1 || self.keep != Keep::All {
            return;
        }
        let of = match &self.watching {
            Watching::Resting(of) => of,
            Watching::Renewal { of, trace } if !trace.is_under(key_id) => of,
            Watching::First(_) | Watching::Renewal { .. } => return,
        };
        self.secrets.open();
        let (of, trace) = (of.emptied(), of.renewal(key_id, self.renewals + 1));
        self.watching = Watching::Renewal { of, trace };
    }

    /// A handshake came to its end.
    fn went_well(&mut self) {
        let secrets = self.secrets.close();
        let resting = match &self.watching {
            Watching::First(trace) | Watching::Renewal { of: trace, .. } => trace.emptied(),
            Watching::Resting(_) => return,
        };
        let was = std::mem::replace(&mut self.watching, Watching::Resting(resting));
        let Some(secrets) = secrets.filter(|_| self.keep == Keep::All) else { return };
        match was {
            Watching::First(trace) => {
                self.explained.handshake_went_well(self.connection, trace.keep_good(secrets));
            }
            Watching::Renewal { trace, .. } => {
                self.explained.renewal_went_well(self.connection, trace.keep_good(secrets));
            }
            Watching::Resting(_) => {}
        }
    }

    /// Nothing follows. What was under way has failed.
    fn gone(&mut self, now: Now) {
        let Some(secrets) = self.secrets.close() else { return };
        let may_read = || self.explained.may_read(now.wall.as_secs());
        match &self.watching {
            Watching::First(trace) if may_read() => {
                self.explained.handshake_failed(self.connection, trace.keep(secrets));
            }
            Watching::Renewal { trace, .. } if may_read() => {
                self.explained.renewal_failed(self.connection, trace.keep(secrets));
            }
            _ => {}
        }
    }
}

impl Watcher for HandshakeWatcher {
    fn secrets(&self) -> Arc<dyn rustls::KeyLog> {
        Arc::clone(&self.secrets) as _
    }

    fn heard(&mut self, packet: &ControlPacket, stamp: Option<ReplayStamp>, now: Now) {
        self.reset(packet.opcode, packet.key_id);
        if let Some(trace) = self.trace() {
            trace.heard(micros(now), packet, stamp.map(|stamp| (stamp.id, stamp.time)));
        }
    }

    fn said(&mut self, packet: &[u8], now: Now) {
        if let Some((opcode, key_id)) = split_first_byte(packet) {
            self.reset(opcode, key_id);
        }
        if let Some(trace) = self.trace() {
            trace.said(micros(now), packet);
        }
    }

    fn became(&mut self, what: Became, now: Now) {
        match what {
            Became::Established => self.went_well(),
            Became::Renegotiated => {
                self.renewals += 1;
                self.went_well();
            }
            // What is said last comes after the end.
            Became::Ended => {}
            Became::Gone => self.gone(now),
        }
    }
}

impl Drop for HandshakeWatcher {
    /// Also where its task panicked.
    fn drop(&mut self) {
        if self.keep == Keep::All {
            self.explained.gone(self.connection);
        }
    }
}

impl fmt::Debug for HandshakeWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeWatcher")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// Wall time, as stories count it.
pub(crate) fn micros(now: Now) -> u64 {
    u64::try_from(now.wall.as_micros()).unwrap_or(u64::MAX)
}

/// The wall time of a moment since the machine booted, as stories count it.
pub(crate) fn micros_at(now: Now, boot: Duration) -> u64 {
    let wall = now.wall.saturating_sub(now.boot.saturating_sub(boot));
    u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)
}

/// What opens a handshake, while it runs; nothing from then on.
struct Secrets(Mutex<Option<KeyLog>>);

impl Secrets {
    fn open(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(KeyLog::default());
    }

    fn close(&self) -> Option<KeyLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self(Mutex::new(Some(KeyLog::default())))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = held.as_mut() {
            log.add(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        // Data keys come from it.
        label != "EXPORTER_SECRET"
            && self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

#[cfg(test)]
mod tests {
    use rustls::KeyLog as _;

    use super::*;

    #[test]
    fn the_moment_of_a_letting_in_is_told_to_the_microsecond() {
        let at = Duration::from_micros;
        let now = Now { wall: at(1_790_000_000_739_612), boot: at(5_000_012) };
        assert_eq!(micros_at(now, at(5_000_000)), 1_790_000_000_739_600);
        assert_eq!(micros_at(now, now.boot), micros(now));
    }

    #[test]
    fn nothing_is_taken_once_the_handshake_is_over_and_the_exporter_never() {
        let secrets = Secrets::default();
        assert!(secrets.will_log("CLIENT_HANDSHAKE_TRAFFIC_SECRET"));
        assert!(!secrets.will_log("EXPORTER_SECRET"));
        secrets.log("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &[1; 32], &[2; 32]);
        assert!(!secrets.close().expect("open").is_empty());
        secrets.log("CLIENT_TRAFFIC_SECRET_0", &[1; 32], &[2; 32]);
        assert!(secrets.close().is_none() && !secrets.will_log("CLIENT_TRAFFIC_SECRET_0"));
        assert_eq!(format!("{secrets:?}"), "Secrets(..)");
    }
}
