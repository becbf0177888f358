//! A CRL of very many revocations is signed while traffic flows: how long that takes, how large it is, what the
//! gateway and its signer hold, and what the traffic notices.
//!
//! `HANDFAST_REVOCATIONS=100000` makes the figures that count, of a release build where `HANDFAST_BIN` names one.
//! No limit is on a time: the list is right, and no packet is lost.
//!
//! Alone: it times milliseconds.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, SystemClock, Timestamp};
use interop::{Own, Ping, World};
use pki::{Crl, KeyId, RevocationReason, Serial};
use store::{Actor, CaGenerationId, Holder, NewCertificate, Store};

#[test]
fn a_list_of_very_many_revocations_is_signed_under_traffic_and_no_packet_is_lost() {
    let name = "a_list_of_very_many_revocations_is_signed_under_traffic_and_no_packet_is_lost";
    let Some(mut world) = World::start(name, &[("vpn.nat", "false")]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.handfast(&["user", "add", "crowd"]);
    for number in 0..ORDERS {
        world.handfast(&["device", "add", &format!("crowd/d{number}")]);
        let out = world.file(&format!("crowd-{number}")).display().to_string();
        let device = format!("crowd/d{number}");
        world.handfast(&["profile", &device, "--out", &out, "--os", "linux", "--form", "split"]);
    }
    world.bring_down();
    let wanted = revocations();
    fill(&world, wanted);
    world.bring_up();
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();

    let quiet = Traffic::during(&world, &alice.host, || {});
    let mut effects = Vec::new();
    let busy = Traffic::during(&world, &alice.host, || {
        for number in 0..ORDERS {
            let changed = world.json(&["device", "revoke", &format!("crowd/d{number}")]);
            effects.push(changed["effects"].clone());
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let pem = world.handfast(&["crl", "show", "--pem"]);
    let crl = Crl::from_pem(&pem).expect("a CRL");
    assert_eq!(crl.revoked().len(), wanted + ORDERS);
    println!("FIGURE a CRL with {} revocations: {} bytes", crl.revoked().len(), crl.der().len());
    for effect in &effects {
        println!("FIGURE from the commit, in milliseconds: {effect}");
    }
    for (what, process) in [("gateway", gateway(&world)), ("signer", signer(&world))] {
        println!(
            "FIGURE the {what} holds {} MiB, {} at the most",
            resident(process, "VmRSS:"),
            resident(process, "VmHWM:")
        );
    }
    quiet.say("without a signature");
    busy.say(&format!("while {ORDERS} lists are signed"));
    assert_eq!((quiet.lost, busy.lost), (0, 0), "{}", client.0.log());
}

/// What pings every 10 ms came to.
struct Traffic {
    /// Round trips in milliseconds, sorted.
    trips: Vec<f64>,
    lost: u32,
}

impl Traffic {
    /// With `what` going on.
    fn during(world: &World, host: &sysio::lab::Host, mut what: impl FnMut()) -> Self {
        let inside: IpAddr = INSIDE.parse().expect("an address");
        let log = world.file("ping.log");
        let count = SECONDS * 100;
        let ping = Ping::start(&host.netns, inside, count, Duration::from_millis(10), &log);
        what();
        let report = ping.expect("ping starts").finish(Duration::from_secs(60));
        let text = fs::read_to_string(&log).expect("a log");
        let time = |line: &str| line.split_once("time=")?.1.split(' ').next()?.parse().ok();
        let mut trips: Vec<f64> = text.lines().filter_map(time).collect();
        trips.sort_by(f64::total_cmp);
        Self { trips, lost: report.lost() }
    }

    fn say(&self, what: &str) {
        let at = |part: f64| self.trips[((self.trips.len() - 1) as f64 * part).ceil() as usize];
        println!(
            "FIGURE {what}: pings p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms, {} lost",
            at(0.5),
            at(0.99),
            at(1.0),
            self.lost
        );
    }
}

/// So many revoked certificates in the records. The gateway is down.
fn fill(world: &World, count: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&world.data().join("handfast.db"), Arc::new(SystemClock));
        let store = store.expect("the store opens");
        let generation = store.ca_generation_list().await.expect("a list")[0].id;
        for from in (0..count).step_by(BATCH) {
            let batch = (from..count.min(from + BATCH)).map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let new = certificate(number, generation);
                    let row = store.certificate_record(&Actor::Gateway, new).await;
                    let id = row.expect("it is recorded").value.id;
                    let reason = RevocationReason::Superseded;
                    let revoked = store.certificate_revoke(&Actor::Gateway, &id, reason).await;
                    revoked.expect("it is revoked");
                })
            });
            for one in batch.collect::<Vec<_>>() {
                one.await.expect("it is done");
            }
        }
        store.close().await;
    });
}

/// As large as one, and nobody reads it.
fn certificate(number: usize, issued_by: CaGenerationId) -> NewCertificate {
    let mut serial = [1; 16];
    serial[8..].copy_from_slice(&(number as u64).to_be_bytes());
    let mut der = vec![0; 900];
    der[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let now = Timestamp::from(SystemClock.now());
    NewCertificate {
        serial: Serial::from_random(serial),
        holder: Holder::Other(format!("host{number}.example")),
        subject: format!("CN=host{number}.example"),
        not_before: now,
        not_after: now.after(Duration::from_secs(31_536_000)),
        issued_by,
        public_key: KeyId::of_spki(&(number as u64).to_be_bytes()),
        der,
        key: None,
        setting: None,
        supersedes_within: None,
    }
}

fn gateway(world: &World) -> u32 {
    world.up.as_ref().expect("it runs").id()
}

/// The gateway's child.
fn signer(world: &World) -> u32 {
    let id = gateway(world);
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("its threads").flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let first = |text: String| text.split_whitespace().next()?.parse().ok();
    children.filter_map(first).next().expect("a signer")
}

/// In MiB.
fn resident(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.split_whitespace().next().unwrap_or("0").parse::<u64>().unwrap_or(0) / 1024
}

fn revocations() -> usize {
    let wanted = std::env::var("HANDFAST_REVOCATIONS").ok().and_then(|n| n.parse().ok());
    wanted.unwrap_or(200)
}

const INSIDE: &str = "10.71.0.1";
const ORDERS: usize = 5;
const SECONDS: u32 = 4;
const BATCH: usize = 2_000;
