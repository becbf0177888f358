//! One certificate after the other is revoked, ten a second, while many sessions and stock clients are up: each
//! revocation shows in the CRL, in OCSP and in its session within a second of its commit, and nobody else notices.
//!
//! ```text
//!    observer (fetches the CRL, asks OCSP) ──┐
//!    sessions of `handfast bench`          ──┤ router ── gateway
//!    five stock clients                    ──┘
//! ```
//!
//! What counts is what comes over the network to somebody outside, beside the commit's own time stamp.
//! `HANDFAST_SESSIONS=1000 HANDFAST_SECONDS=60` with `HANDFAST_BIN` naming a release build is the long form. A debug
//! build, whose every order costs a tenth of a second of CPU, gets more time: it shows what is lost or never comes.
//!
//! Alone: it times milliseconds.

mod crowd;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clock::{Clock as _, SystemClock};
use interop::{Stock, Subscriber, World};
use pki::ocsp::{CertId, CertIdHash, OcspExpected, OcspRequest, OcspStatus, check};
use pki::{CaCertificate, Crl, Serial};

use crowd::{devices, end_of, held, milliseconds_of_day, spread};

#[test]
fn ten_revocations_a_second_are_everywhere_within_a_second_and_close_nobody_else() {
    let name = "ten_revocations_a_second_are_everywhere_within_a_second_and_close_nobody_else";
    let fast = [("ca.key_type", "\"p256\""), ("device.key_type", "\"p256\"")];
    let Some(mut world) = World::start(name, &fast) else { return };
    let seconds = number("HANDFAST_SECONDS", 3);
    let revocations = seconds * 10;
    let sessions = number("HANDFAST_SESSIONS", 60).max(revocations);
    let profiles = devices(&world, sessions);
    let (mut load, _host) = held(&mut world, &profiles);
    let mut stock = stock_clients(&mut world);
    assert_eq!(world.sessions().len(), sessions + stock.len(), "all of them are up");

    let serials = serials(&world);
    let observer = Observer::new(&mut world);
    let watched: Vec<_> = (0..revocations).map(|number| serials[&number]).collect();
    let (commits, seen) = observed(&world, &observer, &watched);

    let log = world.log();
    let since_commit = |at: &[f64]| -> Vec<f64> {
        at.iter().zip(&commits).map(|(at, commit)| at - commit).collect()
    };
    let closed: Vec<_> = (0..revocations).map(|number| end_of(&log, number)).collect();
    let limit = if std::env::var_os("HANDFAST_BIN").is_some() { 1000.0 } else { 5000.0 };
    for (what, at) in [("CRL", &seen.crl), ("OCSP", &seen.ocsp), ("closed session", &closed)] {
        let (middle, p99) = spread(since_commit(at));
        println!(
            "FIGURE {sessions} sessions, {revocations} revocations at ten a second: from commit to {what} \
             p50 {middle:.0} ms, p99 {p99:.0} ms"
        );
        assert!(p99 < limit, "{what}: {p99} ms");
    }
    let left = world.sessions().len();
    let ended = log.lines().filter(|line| line.contains("disconnected")).count();
    println!("FIGURE {ended} sessions ended, {left} go on");
    assert_eq!((ended, left), (revocations, sessions + stock.len() - revocations));
    assert!(load.ends(Duration::ZERO).is_none(), "{}", load.log());
    for (_, client) in &mut stock {
        assert_eq!(client.said("Initialization Sequence Completed"), 1, "{}", client.0.log());
        assert!(client.0.ends(Duration::ZERO).is_none(), "{}", client.0.log());
    }
}

/// With the hosts that they run on.
fn stock_clients(world: &mut World) -> Vec<(Subscriber, Stock)> {
    let connect = |number| {
        let who = world.subscriber(&format!("stock{number}"), "unified");
        let mut stock = Stock::start(&who.host, &who.profile(), &[]);
        stock.connected();
        (who, stock)
    };
    (0..5).map(connect).collect()
}

/// The certificate of each device of the crowd.
fn serials(world: &World) -> BTreeMap<usize, Serial> {
    let listed = world.json(&["device", "list", "crowd"]);
    let of = |device: &serde_json::Value| {
        let number = device["name"]["id"].as_str()?.strip_prefix("crowd/d")?.parse().ok()?;
        let serial = device["serial"].as_str()?.rsplit('/').next()?;
        let bytes: Option<Vec<u8>> = (0..serial.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(serial.get(at..at + 2)?, 16).ok())
            .collect();
        Some((number, Serial::from_bytes(&bytes?).ok()?))
    };
    listed.as_array().expect("devices").iter().filter_map(of).collect()
}

/// When each certificate was first seen as revoked, in milliseconds of the day.
struct Seen {
    crl: Vec<f64>,
    ocsp: Vec<f64>,
}

/// Gives an order each 100 ms, whatever became of those before. The commits' times, and what was seen.
fn observed(world: &World, observer: &Observer, serials: &[Serial]) -> (Vec<f64>, Seen) {
    let [by_crl, by_ocsp] = [(); 2].map(|()| Mutex::new(BTreeMap::new()));
    let commits = Mutex::new(vec![0.0; serials.len()]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| observer.watch(&over, || observer.look_at_crl(serials, &by_crl)));
        scope.spawn(|| observer.watch(&over, || observer.ask(serials, &by_ocsp)));
        let begun = Instant::now();
        std::thread::scope(|orders| {
            for number in 0..serials.len() {
                let due = Duration::from_millis(100) * number as u32;
                sleep(due.saturating_sub(begun.elapsed()));
                let commits = &commits;
                orders.spawn(move || {
                    let changed = world.json(&["device", "revoke", &format!("crowd/d{number}")]);
                    assert_eq!(changed["sessions_closed"], 1, "{changed}");
                    commits.lock().expect("a list")[number] = milliseconds_of_day(&changed["at"]);
                });
            }
        });
        let all = || {
            [&by_crl, &by_ocsp]
                .iter()
                .all(|seen| seen.lock().expect("a list").len() == serials.len())
        };
        interop::wait_until(Duration::from_secs(10), all);
        over.store(true, Ordering::Relaxed);
    });
    let times = |seen: Mutex<BTreeMap<usize, f64>>| -> Vec<f64> {
        let seen = seen.into_inner().expect("a list");
        assert_eq!(seen.len(), serials.len(), "all are seen in the end");
        seen.into_values().collect()
    };
    (commits.into_inner().expect("a list"), Seen { crl: times(by_crl), ocsp: times(by_ocsp) })
}

/// Somebody outside, who knows the CA and where it publishes.
struct Observer {
    host: sysio::lab::Host,
    gateway: Ipv4Addr,
    ca: CaCertificate,
}

impl Observer {
    fn new(world: &mut World) -> Self {
        let pem = world.handfast(&["ca", "export"]);
        let certificates = pki::certificates_from_pem(&pem).expect("a certificate");
        let ca = CaCertificate::from_der(&certificates[0]).expect("a CA");
        Self { host: world.host(), gateway: world.gateway.v4[0], ca }
    }

    /// Looks again and again.
    fn watch(&self, over: &AtomicBool, look: impl Fn()) {
        while !over.load(Ordering::Relaxed) {
            look();
            sleep(Duration::from_millis(30));
        }
    }

    fn look_at_crl(&self, serials: &[Serial], seen: &Mutex<BTreeMap<usize, f64>>) {
        let path = format!("/ca/{}.crl", self.ca.tag());
        let der = self
            .http(&format!("GET {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n\r\n"), &[]);
        let crl = Crl::from_der(&der).expect("a CRL");
        crl.verify(&self.ca).expect("the CA's CRL");
        let at = now();
        let mut seen = seen.lock().expect("a list");
        for (number, serial) in serials.iter().enumerate() {
            if crl.revoked().contains_key(serial) {
                seen.entry(number).or_insert(at);
            }
        }
    }

    /// About the first that is not known to be revoked.
    fn ask(&self, serials: &[Serial], seen: &Mutex<BTreeMap<usize, f64>>) {
        let known = seen.lock().expect("a list").len();
        let Some(serial) = serials.get(known).copied() else { return };
        let request =
            OcspRequest::new(CertId::new(CertIdHash::Sha1, &self.ca, serial), None).to_der();
        let head = format!(
            "POST /ca/{}/ocsp HTTP/1.1\r\nhost: ca\r\ncontent-type: application/ocsp-request\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.ca.tag(),
            request.len()
        );
        let answer = self.http(&head, &request);
        let expected =
            OcspExpected { issuer: &self.ca, serial, nonce: None, now: SystemClock.now().into() };
        let verdict = check(&answer, &expected).expect("an answer that counts");
        if matches!(verdict.status, OcspStatus::Revoked(_)) {
            seen.lock().expect("a list").insert(known, now());
        }
    }

    /// What comes back behind the head.
    fn http(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let fetch = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect((self.gateway, 80))?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = self.host.netns.run(fetch).expect("a thread").expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..end]));
        answer[end + 4..].to_vec()
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    (since.as_millis() % (24 * 3600 * 1000)) as f64
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
