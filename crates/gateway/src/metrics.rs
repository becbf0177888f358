//! The one registry of counters and gauges.
//!
//! It counts what happens on the control plane (refusals); the data plane's counters and the
//! store's gauges are handed in as plain values when somebody looks. Invariant: figures of one
//! name stand together, as Prometheus wants it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use admin::metrics::{Metric, MetricKind};
use admin::response::RefusalEntry;
use clock::Timestamp;
use sources::Source;

use crate::doors::{Counters, FAULTS, ServerCounters};

/// What is counted here.
#[derive(Debug)]
pub struct Metrics(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    refusals: BTreeMap<String, u64>,
    last: Last,
    effects: BTreeMap<&'static str, EffectDelay>,
}

/// The last refusals. Those of nobody who is known have places of their own: anybody can cause them.
#[derive(Debug, Default)]
struct Last {
    so_far: u64,
    known: VecDeque<(u64, RefusalEntry)>,
    strangers: VecDeque<(u64, RefusalEntry)>,
}

/// How long after their commits an effect of changes was in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EffectDelay {
    /// How often it was measured.
    pub count: u64,
    /// All of it.
    pub total: Duration,
    /// The last one.
    pub last: Duration,
    /// The longest one.
    pub worst: Duration,
}

/// The gauges, as they are when somebody looks.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Wall time.
    pub now: Timestamp,
    /// When the gateway started.
    pub started: Timestamp,
    /// Recorded users.
    pub users: u64,
    /// Recorded devices.
    pub devices: u64,
    /// The last event.
    pub events: u64,
    /// The CRL's number.
    pub crl_number: u64,
    /// When the CRL was signed.
    pub crl_this_update: Timestamp,
    /// When it must be replaced.
    pub crl_next_update: Timestamp,
    /// Revoked certificates on it.
    pub revoked: u64,
    /// Whose certificate ends when: `ca`, `gateway`, `alice/phone`.
    pub expiries: Vec<Expiry>,
    /// How far the disk is behind.
    pub waiting: store::Waiting,
    /// What each device carried, where that is wanted.
    pub per_device: Vec<DeviceFigures>,
    /// Free bytes on the data folder's disk, where the system tells.
    pub disk_free: Option<u64>,
}

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Whose it is.
    pub whose: String,
    /// What it is for.
    pub of: Of,
    /// Its end.
    pub at: Timestamp,
}

/// What a certificate is for, since alarms differ by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A CA: another one has to take its place.
    Ca,
    /// What the gateway renews by itself: its own, those of virtual servers, of who signs OCSP answers.
    Renewed,
    /// A name, whose certificate a person renews.
    Name,
    /// A device.
    Device,
}

impl Of {
    fn label(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Renewed => "renewed",
            Self::Name => "name",
            Self::Device => "device",
        }
    }
}

/// What a device carried since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFigures {
    /// `alice/phone`.
    pub device: String,
    /// Its open sessions.
    pub sessions: u64,
    /// Bytes from it and to it, inside the tunnel.
    pub bytes: [u64; 2],
}

impl Default for Metrics {
    fn default() -> Self {
        let codes = pki::Refusal::CODES.into_iter().chain(front::Refused::codes());
        let codes = codes.chain(uplink::ReachError::CODES);
        let refusals = codes.map(|code| (code.to_owned(), 0)).collect();
        Self(Mutex::new(Counted { refusals, ..Counted::default() }))
    }
}

impl Metrics {
    /// Counts a refused connection and remembers it among the last ones. One that repeats the
    /// former takes its place, so that one insistent stranger does not push out the others.
    pub fn refused(&self, entry: RefusalEntry) {
        let mut counted = self.counted();
        count(&mut counted.refusals, &entry.reason);
        counted.last.add(entry);
    }

    /// Counts a connection of a program's on this machine, which is told elsewhere.
    pub fn refused_at_home(&self, code: &str) {
        count(&mut self.counted().refusals, code);
    }

    /// An effect of a change was in force so long after its commit.
    pub fn effect(&self, of: &'static str, delay: Duration) {
        let mut counted = self.counted();
        let known = counted.effects.entry(of).or_default();
        known.count += 1;
        known.total += delay;
        known.last = delay;
        known.worst = known.worst.max(delay);
    }

    /// Delays of changes' effects, since the start.
    pub fn effects(&self) -> BTreeMap<&'static str, EffectDelay> {
        self.counted().effects.clone()
    }

    /// Refusals by the reason's code.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.counted().refusals.clone()
    }

    /// The last refusals, the newest first.
    pub fn last_refusals(&self) -> Vec<RefusalEntry> {
        self.counted().last.listed()
    }

    /// Everything, for `status`.
    pub fn figures(&self, counters: &Counters, gauges: &Gauges) -> Vec<Metric> {
        let mut sheet = Sheet::default();
        for (reason, count) in self.refusals() {
            sheet.counter(REFUSALS, &[("reason", &reason)], count);
        }
        sheet.counters(counters);
        sheet.gauges(gauges);
        sheet.effects(&self.effects());
        sheet.figures
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn add(&mut self, entry: RefusalEntry) {
        let host = |e: &RefusalEntry| Source::host(e.source.ip());
        let repeats = |e: &RefusalEntry| {
            e.reason == entry.reason && host(e) == host(&entry) && e.device == entry.device
        };
        let list = if entry.device.is_some() { &mut self.known } else { &mut self.strangers };
        list.retain(|(_, e)| !repeats(e));
        list.truncate(LAST - 1);
        list.push_front((self.so_far, entry));
        self.so_far += 1;
    }

    /// The newest first.
    fn listed(&self) -> Vec<RefusalEntry> {
        let mut all: Vec<_> = self.known.iter().chain(&self.strangers).collect();
        all.sort_unstable_by_key(|(number, _)| Reverse(*number));
        all.into_iter().map(|(_, entry)| entry.clone()).collect()
    }
}

fn count(counters: &mut BTreeMap<String, u64>, name: &str) {
    match counters.get_mut(name) {
        Some(counter) => *counter += 1,
        None => {
            counters.insert(name.to_owned(), 1);
        }
    }
}

/// A figure's name and what it counts.
type Meaning = (&'static str, &'static str);

#[derive(Default)]
struct Sheet {
    figures: Vec<Metric>,
}

impl Sheet {
    fn counters(&mut self, counters: &Counters) {
        for (cause, count) in &counters.drops {
            self.counter(DROPS, &[("cause", cause)], *count);
        }
        for (reason, count) in &counters.endings {
            self.counter(ENDINGS, &[("reason", reason)], *count);
        }
        let handshakes = [("begun", counters.handshakes_begun), ("done", counters.handshakes_done)];
        for (step, count) in handshakes {
            self.counter(HANDSHAKES, &[("step", step)], count);
        }
        self.counter(RENEGOTIATIONS, &[], counters.renegotiations);
        for (direction, count) in [("in", counters.bytes_in), ("out", counters.bytes_out)] {
            self.counter(BYTES, &[("direction", direction)], count);
        }
        for (direction, count) in [("in", counters.packets_in), ("out", counters.packets_out)] {
            self.counter(PACKETS, &[("direction", direction)], count);
        }
        self.counter(HANDED_OVER, &[], counters.handed_over);
        self.counter(ADDRESS_RETURNS, &[], counters.address_returns);
        self.gauge(SESSIONS, &[], counters.sessions as f64);
        self.virtual_servers(&counters.virtual_servers);
    }

    fn virtual_servers(&mut self, servers: &BTreeMap<String, ServerCounters>) {
        for (server, of) in servers {
            self.gauge(SERVER_OPEN, &[("server", server)], of.open as f64);
        }
        for (server, of) in servers {
            for ([tls, cipher, group], count) in &of.encryption {
                let labels: [(&str, &str); 4] =
                    [("server", server), ("tls", tls), ("cipher", cipher), ("group", group)];
                self.gauge(SERVER_ENCRYPTION, &labels, *count as f64);
            }
        }
        for (server, of) in servers {
            self.age(SERVER_KEYS, server, of.oldest_keys);
        }
        for (server, of) in servers {
            self.age(SERVER_TICKET_KEY, server, of.ticket_key);
        }
        for (server, of) in servers {
            self.counter(SERVER_CONNECTIONS, &[("server", server)], of.connections);
        }
        for (server, of) in servers {
            for (direction, count) in ["in", "out"].into_iter().zip(of.bytes) {
                self.counter(SERVER_BYTES, &[("server", server), ("direction", direction)], count);
            }
        }
        for (server, of) in servers {
            self.counter(SERVER_REQUESTS, &[("server", server)], of.requests);
        }
        for (server, of) in servers {
            for (fault, count) in FAULTS.into_iter().zip(of.refused) {
                self.counter(SERVER_REFUSED, &[("server", server), ("fault", fault)], count);
            }
        }
        for (server, of) in servers {
            self.counter(SERVER_BROKE, &[("server", server)], of.broke);
        }
        for (server, of) in servers {
            for (backend, is_up) in &of.backends {
                let up = f64::from(u8::from(*is_up));
                self.gauge(BACKEND_UP, &[("server", server), ("backend", backend)], up);
            }
        }
    }

    fn gauges(&mut self, gauges: &Gauges) {
        self.gauge(BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        let seconds_until = |at: Timestamp| at.unix_secs() as f64 - gauges.now.unix_secs() as f64;
        self.gauge(UPTIME, &[], gauges.now.since(gauges.started).as_secs() as f64);
        self.gauge(USERS, &[], gauges.users as f64);
        self.gauge(DEVICES, &[], gauges.devices as f64);
        self.counter(EVENTS, &[], gauges.events);
        self.gauge(CRL_NUMBER, &[], gauges.crl_number as f64);
        self.gauge(CRL_AGE, &[], -seconds_until(gauges.crl_this_update));
        self.gauge(CRL_LEFT, &[], seconds_until(gauges.crl_next_update));
        self.gauge(REVOKED, &[], gauges.revoked as f64);
        self.gauge(NOT_ON_DISK, &[], gauges.waiting.changes as f64);
        self.gauge(DISK_REFUSES, &[], f64::from(u8::from(gauges.waiting.fault.is_some())));
        self.gauge(DISK_RESERVE, &[], gauges.waiting.reserve as f64);
        if let Some(free) = gauges.disk_free {
            self.gauge(DISK_FREE, &[], free as f64);
        }
        for Expiry { whose, of, at } in &gauges.expiries {
            let labels = [("certificate", whose.as_str()), ("of", of.label())];
            self.gauge(EXPIRY, &labels, seconds_until(*at));
        }
        self.per_device(&gauges.per_device);
    }

    fn per_device(&mut self, devices: &[DeviceFigures]) {
        for DeviceFigures { device, bytes, .. } in devices {
            for (direction, count) in ["in", "out"].into_iter().zip(*bytes) {
                self.counter(DEVICE_BYTES, &[("device", device), ("direction", direction)], count);
            }
        }
        for DeviceFigures { device, sessions, .. } in devices {
            self.gauge(DEVICE_SESSIONS, &[("device", device)], *sessions as f64);
        }
    }

    fn effects(&mut self, effects: &BTreeMap<&'static str, EffectDelay>) {
        for (of, delay) in effects {
            self.counter(EFFECTS, &[("effect", of)], delay.count);
        }
        for (of, delay) in effects {
            let total = delay.total.as_secs_f64();
            self.push(EFFECT_DELAY, MetricKind::Counter, &[("effect", of)], total);
        }
        for (of, delay) in effects {
            self.gauge(EFFECT_WORST, &[("effect", of)], delay.worst.as_secs_f64());
        }
    }

    /// Of what is not there always.
    fn age(&mut self, meaning: Meaning, server: &str, age: Option<Duration>) {
        if let Some(age) = age {
            self.gauge(meaning, &[("server", server)], age.as_secs_f64());
        }
    }

    fn counter(&mut self, meaning: Meaning, labels: &[(&str, &str)], count: u64) {
        self.push(meaning, MetricKind::Counter, labels, count as f64);
    }

    fn gauge(&mut self, meaning: Meaning, labels: &[(&str, &str)], value: f64) {
        self.push(meaning, MetricKind::Gauge, labels, value);
    }

    fn push(&mut self, meaning: Meaning, kind: MetricKind, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (name, help) = (meaning.0.to_owned(), meaning.1.to_owned());
        self.figures.push(Metric { name, help, kind, labels, value });
    }
}

/// The figures of a moment, for tests and for anybody who wants one of them.
pub fn figure<'a>(figures: &'a [Metric], name: &str, label: Option<&str>) -> Option<&'a Metric> {
    let fits = |f: &&Metric| f.labels.iter().any(|(_, v)| Some(v.as_str()) == label);
    figures.iter().filter(|f| f.name == name).find(|f| label.is_none() || fits(f))
}

/// Of those who are known, and of all others.
const LAST: usize = 50;

const REFUSALS: Meaning = ("handfast_refusals_total", "Refused connections by reason.");
const DROPS: Meaning = ("handfast_drops_total", "Dropped packets by cause.");
const ENDINGS: Meaning =
    ("handfast_endings_total", "Ended connections by reason, refused ones included.");
const HANDSHAKES: Meaning = ("handfast_handshakes_total", "Handshakes by how far they came.");
const RENEGOTIATIONS: Meaning = ("handfast_renegotiations_total", "Completed renegotiations.");
const BYTES: Meaning =
    ("handfast_bytes_total", "Bytes inside the tunnel; in is from the subscribers.");
const HANDED_OVER: Meaning = (
    "handfast_handed_over_packets_total",
    "Packets that one data worker read and another handled.",
);
const ADDRESS_RETURNS: Meaning = (
    "handfast_address_returns_total",
    "How often a session came back at once to an address that it seemed to have left: its packets are copied on their way, or come over two paths.",
);
const PACKETS: Meaning =
    ("handfast_packets_total", "Packets inside the tunnel; in is from the subscribers.");
const DEVICE_BYTES: Meaning =
    ("handfast_device_bytes_total", "Bytes of a device inside the tunnel; in is from it.");
const DEVICE_SESSIONS: Meaning = ("handfast_device_sessions", "Open sessions of a device.");
const SESSIONS: Meaning = ("handfast_sessions", "Open sessions.");
const SERVER_OPEN: Meaning =
    ("handfast_virtual_server_open_connections", "Open connections to a virtual server.");
const SERVER_ENCRYPTION: Meaning = (
    "handfast_virtual_server_encrypted_connections",
    "Open connections to a virtual server by TLS version, cipher suite and group of the key exchange.",
);
const SERVER_KEYS: Meaning = (
    "handfast_virtual_server_oldest_keys_seconds",
    "Age of the oldest keys among a virtual server's open connections.",
);
const SERVER_TICKET_KEY: Meaning = (
    "handfast_virtual_server_ticket_key_seconds",
    "Age of the key under which a virtual server's clients keep their sessions.",
);
const SERVER_CONNECTIONS: Meaning = (
    "handfast_virtual_server_connections_total",
    "Connections to a virtual server that were let in.",
);
const SERVER_BYTES: Meaning = (
    "handfast_virtual_server_bytes_total",
    "Bytes of a virtual server's connections inside TLS; in is from clients.",
);
const SERVER_REQUESTS: Meaning =
    ("handfast_virtual_server_requests_total", "Requests to a virtual server.");
const SERVER_REFUSED: Meaning = (
    "handfast_virtual_server_refused_requests_total",
    "Requests that a virtual server refused, by whose fault it was.",
);
const SERVER_BROKE: Meaning = (
    "handfast_virtual_server_broken_answers_total",
    "Answers that broke off behind their beginning, by the backend's fault or ours.",
);
const BACKEND_UP: Meaning = (
    "handfast_backend_up",
    "1 where a virtual server's HTTP backend has its turns, 0 where it is left out.",
);
const UPTIME: Meaning = ("handfast_uptime_seconds", "Time since the gateway started.");
const USERS: Meaning = ("handfast_users", "Recorded users.");
const DEVICES: Meaning = ("handfast_devices", "Recorded devices.");
const EVENTS: Meaning = ("handfast_events_total", "Events in the log.");
const CRL_NUMBER: Meaning = ("handfast_crl_number", "The number of the present CRL.");
const CRL_AGE: Meaning = ("handfast_crl_age_seconds", "Time since the present CRL was signed.");
const CRL_LEFT: Meaning =
    ("handfast_crl_valid_seconds", "Time until the present CRL must be replaced.");
const REVOKED: Meaning = ("handfast_revoked_certificates", "Revoked certificates on the CRL.");
const NOT_ON_DISK: Meaning = (
    "handfast_changes_not_on_disk",
    "Changes that are in force and that the disk did not take yet.",
);
const DISK_REFUSES: Meaning =
    ("handfast_disk_refuses", "1 where the disk refused the last change, 0 where it took it.");
const DISK_RESERVE: Meaning =
    ("handfast_disk_reserve_bytes", "Room kept free for revocations on a full disk.");
const DISK_FREE: Meaning =
    ("handfast_disk_free_bytes", "Free room on the disk with the data folder.");
const EXPIRY: Meaning = (
    "handfast_certificate_valid_seconds",
    "Time until a certificate ends; below zero it has ended.",
);
const EFFECTS: Meaning =
    ("handfast_effects_total", "Effects of changes that were measured: CRL, publishing, sessions.");
const EFFECT_DELAY: Meaning = (
    "handfast_effect_delay_seconds_total",
    "Time from commits to their effects, all of it; over the number of effects it is the mean.",
);
const EFFECT_WORST: Meaning = (
    "handfast_effect_delay_worst_seconds",
    "The longest time from a commit to its effect since the start.",
);
const BUILD: Meaning = ("handfast_build_info", "Always 1; its label is the version that runs.");

#[cfg(test)]
mod tests {
    use super::*;
    use admin::metrics::prometheus;
    use admin::names::DeviceName;

    fn entry(source: &str, reason: &str, at: u64) -> RefusalEntry {
        RefusalEntry {
            number: 0,
            at: Timestamp::from_unix_secs(at),
            source: source.parse().expect("an address"),
            device: None,
            reason: reason.to_owned(),
            sentence: String::new(),
        }
    }

    #[test]
    fn refusals_are_counted_by_reason_and_the_last_ones_kept() {
        let metrics = Metrics::default();
        metrics.refused(entry("192.0.2.1:5", "revoked", 1));
        metrics.refused(entry("192.0.2.2:5", "expired", 2));
        for port in 0..100 {
            metrics.refused(entry(&format!("192.0.2.1:{port}"), "revoked", 3));
        }
        assert_eq!(metrics.refusals()["revoked"], 101);
        assert_eq!(metrics.refusals()["wrong_usage"], 0);
        let last: Vec<_> = metrics.last_refusals().into_iter().map(|e| e.reason).collect();
        assert_eq!(last, ["revoked", "expired"]);
    }

    #[test]
    fn strangers_push_nobody_who_is_known_out_of_the_last_refusals() {
        let metrics = Metrics::default();
        let alice = DeviceName::parse("alice").expect("a name");
        metrics.refused(RefusalEntry { device: Some(alice), ..entry("192.0.2.1:5", "revoked", 1) });
        metrics.refused(entry("198.51.100.1:5", "silent", 1));
        for host in 0..1000 {
            metrics.refused(entry(&format!("[2001:db8::{host:x}]:5"), "silent", 1));
        }
        let sources = |last: Vec<RefusalEntry>| {
            last.into_iter().map(|e| e.source.to_string()).collect::<Vec<_>>()
        };
        let newest = ["[2001:db8::3e7]:5", "198.51.100.1:5", "192.0.2.1:5"];
        assert_eq!(sources(metrics.last_refusals()), newest, "whoever has a /64 is one host");
        for network in 0..1000 {
            metrics.refused(entry(&format!("[2001:db8:{network:x}::1]:5"), "silent", 1));
        }
        let last = sources(metrics.last_refusals());
        assert_eq!((last.len(), last.last().map(String::as_str)), (51, Some("192.0.2.1:5")));
    }

    #[test]
    fn figures_of_one_name_stand_together() {
        let counters =
            Counters { drops: [("replayed", 3), ("wrong_key", 1)].into(), ..Counters::default() };
        let counters = Counters { endings: [("kicked", 0), ("replaced", 2)].into(), ..counters };
        let at = Timestamp::from_unix_secs;
        let expiry = |whose: &str, of, end| Expiry { whose: whose.to_owned(), of, at: at(end) };
        let expiries = vec![expiry("ca", Of::Ca, 864_000), expiry("gateway", Of::Renewed, 86_400)];
        let gauges = Gauges { now: at(43_200), expiries, ..Gauges::default() };
        let figures = Metrics::default().figures(&counters, &gauges);
        let text = prometheus(&figures);
        let heads: Vec<_> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
        let mut once = heads.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(heads.len(), once.len(), "{text}");
        assert!(text.contains("handfast_drops_total{cause=\"replayed\"} 3\n"), "{text}");
        assert!(text.contains("handfast_endings_total{reason=\"kicked\"} 0\n"), "{text}");
        assert!(
            text.contains(
                "handfast_certificate_valid_seconds{certificate=\"ca\",of=\"ca\"} 820800\n"
            ),
            "{text}"
        );
        let gateway = figure(&figures, "handfast_certificate_valid_seconds", Some("gateway"));
        assert_eq!(gateway.map(|f| f.value), Some(43_200.0));
    }

    #[test]
    fn virtual_servers_have_figures_of_their_own_from_zero() {
        let wiki = ServerCounters {
            requests: 7,
            refused: [2, 0, 0],
            backends: vec![("http://a:80".to_owned(), false)],
            encryption: vec![(["TLSv1.3", "a suite", "X25519MLKEM768"].map(str::to_owned), 2)],
            oldest_keys: Some(Duration::from_secs(90)),
            ..ServerCounters::default()
        };
        let servers = [("wiki".to_owned(), wiki), ("files".to_owned(), ServerCounters::default())];
        let counters = Counters { virtual_servers: servers.into(), ..Counters::default() };
        let text = prometheus(&Metrics::default().figures(&counters, &Gauges::default()));
        for line in [
            "handfast_virtual_server_requests_total{server=\"wiki\"} 7\n",
            "handfast_virtual_server_requests_total{server=\"files\"} 0\n",
            "handfast_virtual_server_refused_requests_total{server=\"wiki\",fault=\"client\"} 2\n",
            "handfast_virtual_server_refused_requests_total{server=\"wiki\",fault=\"backend\"} 0\n",
            "handfast_backend_up{server=\"wiki\",backend=\"http://a:80\"} 0\n",
            "handfast_refusals_total{reason=\"unknown_server_name\"} 0\n",
            "handfast_virtual_server_encrypted_connections{server=\"wiki\",tls=\"TLSv1.3\",cipher=\"a suite\",group=\"X25519MLKEM768\"} 2\n",
            "handfast_virtual_server_oldest_keys_seconds{server=\"wiki\"} 90\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let heads: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let once: std::collections::BTreeSet<_> = heads.iter().collect();
        assert_eq!(heads.len(), once.len(), "{text}");
    }

    #[test]
    fn devices_have_figures_of_their_own_where_that_is_wanted() {
        let phone = DeviceFigures { device: "alice/phone".into(), sessions: 1, bytes: [7, 9] };
        let gauges = Gauges { per_device: vec![phone], ..Gauges::default() };
        let figures = Metrics::default().figures(&Counters::default(), &gauges);
        let text = prometheus(&figures);
        assert!(
            text.contains(
                "handfast_device_bytes_total{device=\"alice/phone\",direction=\"in\"} 7\n"
            ),
            "{text}"
        );
        assert!(text.contains("handfast_device_sessions{device=\"alice/phone\"} 1\n"), "{text}");
        let none = Metrics::default().figures(&Counters::default(), &Gauges::default());
        assert!(!none.iter().any(|figure| figure.name.starts_with("handfast_device_")));
    }
}
