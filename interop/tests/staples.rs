//! `handfast connect` and what a gateway staples, over the real VPN, where nothing else answers: no OCSP, no CRL.
//!
//! The gateway is ours and runs in this process, in a namespace of its own, with a real tunnel; what goes along
//! with its certificates is the test's choice, as it is a thief's who has a gateway's key.

mod forged;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock, SystemClock};
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway, vpn_door};
use interop::{Own, Subscriber, World};
use pki::ocsp::OcspStatus;
use pki::{CertificateId, DualResolver, Profile, Revocation, RevocationReason};
use rustls_pki_types::CertificateDer;
use tokio::sync::oneshot;

use forged::{DAY, Forger, Pair};

#[test]
fn a_stapled_revocation_is_final_and_a_replayed_or_foreign_good_counts_for_nothing() {
    let name = "a_stapled_revocation_is_final_and_a_replayed_or_foreign_good_counts_for_nothing";
    let Some(mut world) = World::start(name, &[("publish.listen", "[]")]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let forger = Forger::with_the_key_of(&world.data());
    let thief = Stapling::start(&world);
    let (good, hour) = (OcspStatus::Good, 3600);
    let at = SystemClock.now().into();
    let revoked = OcspStatus::Revoked(Revocation { at, reason: RevocationReason::KeyCompromise });

    thief.staples(|own| Some(forger.answer(own, good, 0)));
    let mut client = fresh(&alice);
    client.connected();
    assert!(!client.0.log().contains("warning"), "{}", client.0.log());
    drop(client);

    thief.staples(|own| Some(forger.answer(own, revoked, 0)));
    let mut client = fresh(&alice);
    let end = client.0.ends(Duration::from_secs(20)).and_then(|end| end.code());
    let log = client.0.log();
    assert_eq!(end, Some(11), "{log}");
    assert!(log.contains("the server is not trusted") && log.contains("revoked"), "{log}");
    assert!(!log.contains("connected to"), "{log}");

    let other = forger.issue(Profile::Gateway { names: vec!["203.0.113.2".into()] }, (-3000, DAY));
    let stranger = Forger::new();
    let device = || Profile::Device { user: "mallory".into(), device: "x".into() };
    let refused = |what: &str| {
        let mut client = fresh(&alice);
        let unknown = "could not be found out whether the server's certificate was revoked";
        assert!(client.0.says(unknown, Duration::from_secs(25)), "{what}: {}", client.0.log());
        assert!(!client.0.log().contains("connected to"), "{what}: {}", client.0.log());
    };
    // It was good an hour ago, and that is over.
    thief.staples(|own| Some(forger.answer(own, good, -2 * hour)));
    refused("a replayed answer");
    thief.staples(|_| Some(forger.answer(&other, good, 0)));
    refused("an answer about another certificate");
    thief.staples(|own| Some(forger.ocsp(device(), own)));
    refused("an answer signed by a device");
    thief.staples(|own| Some(stranger.answer(own, good, 0)));
    refused("an answer by another CA");
    thief.staples(|own| Some(forger.answer(own, OcspStatus::Unknown, 0)));
    refused("an answer that knows of no such certificate");
    thief.staples(|_| None);
    refused("no answer");

    thief.staples(|own| Some(forger.answer(own, good, 0)));
    fresh(&alice).connected();
}

/// A client that remembers nothing.
fn fresh(alice: &Subscriber) -> Own {
    // The first one has nothing to forget.
    let _ = std::fs::remove_dir_all(alice.folder.join("state/.answers"));
    Own::start(&alice.host, &alice.profile())
}

/// A gateway of ours that nobody publishes for.
struct Stapling {
    resolver: Arc<DualResolver>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stapling {
    fn start(world: &World) -> Self {
        let (data, state) = (world.data(), world.file("undo"));
        let (stop, stopped) = oneshot::channel();
        let (started, resolver) = mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(data, state, started, stopped));
        };
        let thread = world.gateway.netns.spawn_thread("gateway", serve).expect("a thread");
        let resolver = resolver.recv_timeout(Duration::from_secs(30)).expect("the gateway starts");
        Self { resolver, stop: Some(stop), thread: Some(thread) }
    }

    /// Along with each of its certificates goes what is made for it.
    fn staples(&self, answer: impl Fn(&Pair) -> Option<Vec<u8>>) {
        for certificate in self.resolver.certificates() {
            let own = Pair::known(serial(&certificate));
            self.resolver.staple(&certificate, answer(&own).as_deref());
        }
    }
}

impl Drop for Stapling {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(
    data: PathBuf,
    state: PathBuf,
    started: mpsc::Sender<Arc<DualResolver>>,
    stopped: oneshot::Receiver<()>,
) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let gateway = Gateway::start(DataDir::new(&data), clock, FirstStart::default());
    let gateway = gateway.await.expect("it starts");
    let vpn = vpn_door::open(&gateway, Some(&state)).await.expect("its door opens");
    gateway.run().await.expect("it runs");
    started.send(gateway.authority().resolver()).expect("somebody waits");
    let _ = stopped.await;
    vpn.stop().await;
    gateway.close().await;
}

fn serial(certificate: &CertificateDer<'_>) -> pki::Serial {
    CertificateId::of(certificate).expect("it has a number").serial
}
