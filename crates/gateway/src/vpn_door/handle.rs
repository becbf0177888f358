//! The running engine as administration sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::Session;
use admin::transport::Transport;
use clock::{Clock, Timestamp};
use engine::{Credential, DataFigures, Kick, Principal, Server, SessionInfo};
use explain::Side;
use explain::kept::{LiveKey, OpenSession};
use explain::story::{KeyKind, Protocol, Use};
use tunnel::{DropReason, KeyLife, Life};
use vpn::NetworkView;

use crate::doors::{BoxFuture, Counters, Door};
use crate::explained::micros_at;

/// The engine as administration sees it, and the clock that its times are told by.
#[derive(Debug)]
pub(super) struct VpnHandle {
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<dyn Clock>,
    /// The first port for UDP, and the first for TCP.
    pub(super) ports: [u16; 2],
    /// What was set up around it.
    pub(super) network: NetworkView,
}

impl VpnHandle {
    fn session(&self, info: SessionInfo) -> Session {
        let now = self.clock.now();
        let wall = |boot: Duration| {
            let wall = now.wall.saturating_sub(now.boot.saturating_sub(boot));
            Timestamp::from_wall(wall).whole_second()
        };
        let [udp, tcp] = self.ports;
        let (transport, port) =
            if info.tcp { (Transport::Tcp, tcp) } else { (Transport::Udp, udp) };
        Session {
            id: info.number,
            device: Some(device_name(&info.identity.principal)),
            transport,
            source: info.source,
            local: info.local.map(|ip| (ip, port).into()),
            addresses: info.addresses,
            cipher: info.cipher.map(|cipher| cipher.name().to_owned()).unwrap_or_default(),
            tls: info.tls.to_owned(),
            group: String::new(),
            keys_since: Some(wall(info.renegotiated_at.unwrap_or(info.since))),
            client: info.peer_version,
            serial: match info.identity.credential {
                Credential::Certificate(id) => Some(id.to_string()),
            },
            since: wall(info.since),
            renegotiated_at: info.renegotiated_at.map(wall),
            bytes_in: info.counters.rx_bytes,
            bytes_out: info.counters.tx_bytes,
        }
    }
}

impl VpnHandle {
    /// Wall time of a boot time, which may be one to come.
    fn wall(&self, boot: Duration) -> Duration {
        let now = self.clock.now();
        now.wall.saturating_sub(now.boot) + boot
    }

    /// Each is used until the next one is, by the side that went on to it.
    fn live_keys(&self, life: &Life) -> Vec<LiveKey> {
        let wall = |boot| u64::try_from(self.wall(boot).as_micros()).unwrap_or(u64::MAX);
        let newest = life.keys.len().saturating_sub(1);
        let now = self.clock.now().boot;
        let key = |(index, key): (usize, &KeyLife)| {
            let used = |by: Side, since: fn(&KeyLife) -> Option<Duration>| {
                let until = life.keys.iter().skip(index + 1).find_map(since).unwrap_or(now);
                since(key).map(|first| Use { by, first: wall(first), last: wall(until), count: 0 })
            };
            let uses = [
                used(Side::Client, |key| key.opened_since),
                used(Side::Server, |key| key.sealed_since),
            ];
            LiveKey {
                kind: KeyKind::Data,
                handshake: key.number,
                cipher: key.cipher.name().to_owned(),
                made: key.made.map(wall),
                complete: key.complete.map(wall),
                uses: uses.into_iter().flatten().collect(),
                in_use: key.seals,
                renews: life.renews_at.filter(|_| index == newest).map(wall),
                renews_again: life.renews_again && index == newest,
                seals_from: key.seals_from.map(wall),
                seals_until: key.seals_until.map(wall),
                opens_until: key.opens_until.map(wall),
                in_flight: key.in_flight.and_then(|of| u64::try_from(of.as_micros()).ok()),
                closes: None,
            }
        };
        life.keys.iter().enumerate().map(key).collect()
    }
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// What the deadlines of its keys come from; a session keeps what it began with.
fn settings(life: &Life) -> String {
    let (age, window) = (life.renegotiate.as_secs(), life.hand_window.as_secs());
    format!("in this session `vpn.reneg_sec` is {age} and `vpn.hand_window` is {window} (seconds)")
}

/// A device as administration names it.
pub(super) fn device_name(of: &Principal) -> DeviceName {
    DeviceName { user: of.user.clone(), device: of.device.clone() }
}

impl Door for VpnHandle {
    fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
        Box::pin(async {
            let sessions = self.server.sessions().await;
            sessions.into_iter().map(|info| self.session(info)).collect()
        })
    }

    fn open_session(&self, number: u64) -> BoxFuture<'_, Option<OpenSession>> {
        Box::pin(async move {
            let sessions = self.server.sessions().await;
            let info = sessions.into_iter().find(|session| session.number == number)?;
            let life = self.server.life(number).await?;
            let keys = self.live_keys(&life);
            let ends = life.certificate_ends.map(|at| {
                // It is a whole second; the way over the clock since boot may miss it by less than half of one.
                let at = Timestamp::from_wall(self.wall(at + HALF_A_SECOND)).whole_second();
                format!("the session ends with the certificate that it was let in with, on {at}")
            });
            let rules = ends.into_iter().chain([settings(&life)]).collect();
            let now = self.clock.now();
            let since = micros_at(now, info.since);
            let renewed = info.renegotiated_at.map(|at| micros_at(now, at));
            Some(OpenSession { protocol: Protocol::OpenVpn, since, renewed, keys, rules })
        })
    }

    fn kick<'a>(&'a self, target: &'a KickTarget) -> BoxFuture<'a, Vec<Option<DeviceName>>> {
        let whom = match target {
            KickTarget::User { name } => Kick::User(name.clone()),
            KickTarget::Device { device } => {
                Kick::Device(device.user.clone(), device.device.clone())
            }
            KickTarget::Session { id } => Kick::Number(*id),
            KickTarget::Server { .. } => return Box::pin(async { Vec::new() }),
        };
        Box::pin(async move {
            let kicked = self.server.kick(whom).await;
            kicked.iter().map(|id| Some(device_name(&id.principal))).collect()
        })
    }

    fn replace_tls(&self, tls: &Arc<rustls::ServerConfig>) {
        self.server.replace_tls(Arc::clone(tls));
    }

    fn changed(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(self.network.changes())
    }

    fn put_back(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.network.put_back())
    }

    fn counters(&self) -> BoxFuture<'_, Counters> {
        Box::pin(async {
            let figures = self.server.figures().await;
            let data = &figures.data;
            let drops = by_cause(figures.control.control_drops.into_iter(), data.losses());
            Counters {
                sessions: figures.control.sessions,
                knocks: figures.control.knocks,
                handshakes_begun: figures.control.handshakes_begun,
                handshakes_done: figures.control.sessions_opened,
                renegotiations: figures.control.renegotiations,
                bytes_in: figures.data.total.rx_bytes,
                bytes_out: figures.data.total.tx_bytes,
                packets_in: figures.data.total.rx_packets,
                packets_out: figures.data.total.tx_packets,
                drops,
                drop_sources: data.forged_from.clone(),
                endings: figures.control.endings,
                data_path: data_path(data),
                handed_over: data.handed_over,
                address_returns: data.returns,
                ..Counters::default()
            }
        })
    }
}

/// How packets are carried, in one line: `2 threads with a processor each, ..., steered`.
fn data_path(data: &DataFigures) -> String {
    let Some(offloads) = data.offloads else { return "not running".to_owned() };
    let threads = match data.workers {
        1 => "1 thread".to_owned(),
        workers if offloads.affinity => format!("{workers} threads with a processor each"),
        workers => format!("{workers} threads"),
    };
    let shared = match (data.workers, offloads.steering, offloads.queues) {
        (1, ..) => "",
        (_, true, true) => ", steered",
        (_, true, false) => ", steered, one TUN queue",
        (_, false, true) => ", not steered",
        (_, false, false) => ", not steered, one TUN queue",
    };
    format!("{threads}, {offloads}{shared}")
}

/// All drops by cause, from zero: a counter that appears with its first count hides that count from
/// whoever asks for its increase. Causes that both planes know are one.
fn by_cause(
    control: impl Iterator<Item = (&'static str, u64)>,
    data: BTreeMap<&'static str, u64>,
) -> BTreeMap<&'static str, u64> {
    let mut drops: BTreeMap<_, _> = DropReason::ALL.map(|reason| (reason.code(), 0)).into();
    for (code, count) in control.chain(data) {
        *drops.entry(code).or_default() += count;
    }
    drops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_both_planes_is_counted_for_both_and_all_start_at_zero() {
        let drops = by_cause([("replayed", 2)].into_iter(), [("replayed", 3)].into());
        assert_eq!(drops["replayed"], 5);
        assert_eq!(drops["wrong_cookie"], 0);
    }
}
