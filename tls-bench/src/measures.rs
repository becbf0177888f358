//! What is measured, and the figures that it gives.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::contestants::Server;
use crate::cpu::{Reading, memory_kib};
use crate::failed::Failed;
use crate::house::{BULK, CLOSED, House, P256, RSA};
use crate::load::bulk::{Way, carry};
use crate::load::handshakes::handshakes;
use crate::load::idle;
use crate::load::requests::{Shape, ask};
use crate::load::{Manner, Version};

/// Figures by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// How long and how much.
pub(crate) struct Terms {
    pub(crate) seconds: Duration,
    pub(crate) idle: usize,
    pub(crate) servers: usize,
}

/// A measurement.
pub(crate) struct Measure {
    name: &'static str,
    /// What people read.
    title: &'static str,
    kind: Kind,
}

enum Kind {
    /// With the server of this name.
    Handshakes(&'static str, Manner),
    Bulk(Way, usize),
    Requests(Shape),
    Idle,
    /// Handshakes with many virtual servers in turn.
    Many,
}

/// The figure that the table shows, what it is called, and whether more is better.
pub(crate) struct Headline {
    pub(crate) figure: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) more_is_better: bool,
}

impl Measure {
    pub(crate) fn all() -> Vec<Self> {
        let full = |version, shows_certificate, resumes| Manner {
            version,
            shows_certificate,
            resumes,
            alpn: None,
        };
        let (tls12, tls13) = (Version::Tls12, Version::Tls13);
        let handshakes = |name, title, server, manner| Self {
            name,
            title,
            kind: Kind::Handshakes(server, manner),
        };
        let bulk = |name, title, way, count| Self { name, title, kind: Kind::Bulk(way, count) };
        let requests = |name, title, connections, streams| Self {
            name,
            title,
            kind: Kind::Requests(Shape { connections, streams }),
        };
        vec![
            handshakes(
                "full-13-p256",
                "full handshakes, TLS 1.3, P-256",
                P256,
                full(tls13, false, false),
            ),
            handshakes(
                "full-13-rsa",
                "full handshakes, TLS 1.3, RSA-2048",
                RSA,
                full(tls13, false, false),
            ),
            handshakes(
                "full-12-p256",
                "full handshakes, TLS 1.2, P-256",
                P256,
                full(tls12, false, false),
            ),
            handshakes(
                "full-12-rsa",
                "full handshakes, TLS 1.2, RSA-2048",
                RSA,
                full(tls12, false, false),
            ),
            handshakes(
                "client-13",
                "with a client certificate, TLS 1.3, P-256",
                CLOSED,
                full(tls13, true, false),
            ),
            handshakes(
                "client-12",
                "with a client certificate, TLS 1.2, P-256",
                CLOSED,
                full(tls12, true, false),
            ),
            handshakes("resumed-13", "resumed sessions, TLS 1.3", P256, full(tls13, false, true)),
            handshakes("resumed-12", "resumed sessions, TLS 1.2", P256, full(tls12, false, true)),
            bulk("bulk-down-1", "bytes to the client, 1 connection", Way::Down, 1),
            bulk("bulk-down-50", "bytes to the client, 50 connections", Way::Down, 50),
            bulk("bulk-up-1", "bytes from the client, 1 connection", Way::Up, 1),
            bulk("bulk-up-50", "bytes from the client, 50 connections", Way::Up, 50),
            requests("http1", "requests, HTTP/1.1, 32 connections", 32, None),
            requests("http2", "requests, HTTP/2, 4 connections, 16 at once on each", 4, Some(16)),
            requests("latency-http1", "one request at a time, HTTP/1.1", 1, None),
            requests("latency-http2", "one request at a time, HTTP/2", 1, Some(1)),
            Self { name: "idle", title: "memory of an idle connection", kind: Kind::Idle },
            Self {
                name: "many",
                title: "full handshakes with many virtual servers in turn",
                kind: Kind::Many,
            },
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    /// Whether that server can be measured so.
    pub(crate) fn suits(&self, server: &Server) -> bool {
        server.speaks_http() || !matches!(self.kind, Kind::Requests(_))
    }

    pub(crate) fn has_many_servers(&self) -> bool {
        matches!(self.kind, Kind::Many)
    }

    /// Memory that was held once is not given back to be measured again.
    pub(crate) fn is_repeated(&self) -> bool {
        !matches!(self.kind, Kind::Idle)
    }

    pub(crate) fn headline(&self) -> Headline {
        let (figure, unit, more_is_better) = match self.kind {
            Kind::Idle => ("kib_per_connection", "KiB", false),
            Kind::Bulk(..) => ("gbit_per_cpu_s", "Gbit each CPU second", true),
            Kind::Requests(Shape { connections: 1, .. }) => ("p50_us", "µs, median", false),
            _ => ("per_cpu_s", "each CPU second", true),
        };
        Headline { figure, unit, more_is_better }
    }

    pub(crate) fn take(
        &self,
        house: &House,
        server: &Server,
        terms: &Terms,
    ) -> Result<Figures, Failed> {
        let process = server.process();
        let before = Reading::of(process)?;
        match &self.kind {
            Kind::Handshakes(name, manner) => {
                let of = |_| (*name).to_owned();
                let count = handshakes(house, *manner, server.address(name), terms.seconds, of)?;
                rate(process, &before, count)
            }
            Kind::Many => {
                let servers = terms.servers as u64;
                let of = move |number| format!("n{}.many.test", number % servers);
                let manner = Manner::plain(None);
                let count = handshakes(house, manner, server.address(P256), terms.seconds, of)?;
                let mut figures = rate(process, &before, count)?;
                figures.insert("mib".to_owned(), memory_kib(process)? / 1024.0);
                Ok(figures)
            }
            Kind::Bulk(way, connections) => {
                let begun = || Reading::of(process);
                let shape = (*way, *connections);
                let (bytes, begun) =
                    carry(house, server.address(BULK), shape, terms.seconds, begun)?;
                let gbit = bytes as f64 * 8.0 / 1e9;
                let (cpu, seconds) = Reading::of(process)?.since(&begun?);
                Ok(figures([
                    ("gbit_per_s", gbit / seconds),
                    ("gbit_per_cpu_s", gbit / cpu),
                    ("busy", cpu / seconds),
                ]))
            }
            Kind::Requests(shape) => {
                let begun = || Reading::of(process);
                let address = server.address(P256);
                let (mut times, begun) = ask(house, address, *shape, terms.seconds, begun)?;
                let mut all = rate(process, &begun?, times.len() as u64)?;
                times.sort();
                let at = |part: usize| {
                    let time = times.get(times.len() * part / 100).copied().unwrap_or_default();
                    time.as_secs_f64() * 1e6
                };
                all.extend(figures([("p50_us", at(50)), ("p99_us", at(99))]));
                Ok(all)
            }
            Kind::Idle => {
                let empty = memory_kib(process)?;
                let look = || memory_kib(process);
                let full = idle::open(house, server.address(P256), terms.idle, look)?;
                Ok(figures([("kib_per_connection", (full - empty) / terms.idle as f64)]))
            }
        }
    }
}

fn rate(process: u32, before: &Reading, count: u64) -> Result<Figures, Failed> {
    let (cpu, seconds) = Reading::of(process)?.since(before);
    let count = count as f64;
    Ok(figures([("per_s", count / seconds), ("per_cpu_s", count / cpu), ("busy", cpu / seconds)]))
}

fn figures<const N: usize>(all: [(&str, f64); N]) -> Figures {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
