//! The server's own chain and its trust anchors are replaced while it runs: handshakes that begin after
//! that use the new ones, and nobody's session ends by it.
//!
//! Server, sockets and data worker are the real ones, over loopback.

mod lab;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lab::{Lab, Subscriber, Way, authority};
use rustls::RootCertStore;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use testkit::{Authority, Identity};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_replaced_under_a_session_is_shown_from_the_next_handshake_on() {
    let lab = Lab::start(None);
    let mut connected = connect(&lab, Subscriber::new(Way::udp(&lab).await)).await;
    let shown = Arc::new(AtomicUsize::new(0));
    let chain = authority().server();
    lab.server.replace_tls(server(chain, &[authority()], &shown));
    assert_carries(&lab, &mut connected).await;
    assert_eq!(shown.load(Ordering::Relaxed), 0, "it has not shaken hands since");
    connected.renegotiate();
    connected.until(&lab, |connected| connected.renegotiated).await;
    assert!(connected.renegotiated);
    assert_eq!(shown.load(Ordering::Relaxed), 1, "to the one that renegotiated");
    assert_carries(&lab, &mut connected).await;
    let newcomer = Subscriber::with_certificate(Way::udp(&lab).await, 1);
    let newcomer = connect(&lab, newcomer).await;
    let over_tcp = Subscriber::with_certificate(Way::tcp(&lab).await, 2);
    let over_tcp = connect(&lab, over_tcp).await;
    assert!(newcomer.established && over_tcp.established);
    assert_eq!(shown.load(Ordering::Relaxed), 3, "to the two that came after");
    assert_nobody_ended(&lab, 3).await;
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_another_ca_gets_in_once_that_is_an_anchor_and_the_first_ones_stays() {
    let lab = Lab::start(None);
    let second = Authority::new("another CA");
    let device = second.client("phone");
    let of_the_second =
        |way| Subscriber::with_tls(way, second.client_config(Some(device.clone()), TLS13));
    let mut of_the_first = connect(&lab, Subscriber::new(Way::udp(&lab).await)).await;
    let refused = connect(&lab, of_the_second(Way::udp(&lab).await)).await;
    assert!(!refused.established, "its CA is nobody's here");
    let shown = Arc::new(AtomicUsize::new(0));
    lab.server.replace_tls(server(second.server(), &[authority(), &second], &shown));
    let mut admitted = connect(&lab, of_the_second(Way::udp(&lab).await)).await;
    assert!(admitted.established, "it knows the new chain, and its CA is an anchor");
    assert_carries(&lab, &mut admitted).await;
    assert_carries(&lab, &mut of_the_first).await;
    assert_eq!(lab.server.sessions().await.len(), 2);
    lab.server.stop().await;
}

async fn connect(lab: &Lab, mut subscriber: Subscriber) -> Subscriber {
    subscriber.until(lab, |subscriber| subscriber.established).await;
    subscriber
}

/// Packets pass each way; the first ones may come before the other side has its key in use.
async fn assert_carries(lab: &Lab, subscriber: &mut Subscriber) {
    let (out, opened) = (lab.packets_out(), subscriber.opened);
    for _ in 0..40 {
        subscriber.say(lab).await;
        lab.packet_in(subscriber.address);
        subscriber.until_opened(lab, opened + 1, Duration::from_millis(50)).await;
        if lab.packets_out() > out && subscriber.opened > opened {
            return;
        }
    }
    panic!("{} of 40 packets came out, {} in", lab.packets_out() - out, subscriber.opened - opened);
}

async fn assert_nobody_ended(lab: &Lab, sessions: usize) {
    assert_eq!(lab.server.sessions().await.len(), sessions);
    let endings = lab.server.figures().await.control.endings;
    assert_eq!(endings.values().sum::<u64>(), 0, "{endings:?}");
}

/// A server of this chain that takes the certificates of these CAs, and counts how often it shows itself.
fn server(
    chain: Identity,
    anchors: &[&Authority],
    shown: &Arc<AtomicUsize>,
) -> Arc<rustls::ServerConfig> {
    let simple = anchors[0].server_config(chain, TLS13);
    let resolver = Counted { chain: Arc::clone(&simple.cert_resolver), shown: Arc::clone(shown) };
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(anchor.certificate().clone()).expect("a CA certificate");
    }
    let provider = simple.crypto_provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(TLS13)
        .expect("a version")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_cert_resolver(Arc::new(resolver));
    tunnel::prepare_server(&mut config);
    Arc::new(config)
}

#[derive(Debug)]
struct Counted {
    chain: Arc<dyn ResolvesServerCert>,
    shown: Arc<AtomicUsize>,
}

impl ResolvesServerCert for Counted {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.shown.fetch_add(1, Ordering::Relaxed);
        self.chain.resolve(hello)
    }
}

const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
