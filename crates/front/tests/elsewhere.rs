//! Certificates that another CA made, and what that CA is shown.

use std::sync::Arc;

use front::{Listen, Mode, Protocol, Settings, Unmatched, VirtualServer};
use house::{Backend, House, ask};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use testkit::{Authority, Identity};
use tokio::io::AsyncReadExt;

mod house;

#[tokio::test]
async fn what_the_records_know_nothing_of_stays_when_they_change() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    let (key, leaf) = certified(&house.ca, "wiki.test");
    house.keyring.put_foreign("wiki.test", vec![key]);
    let client = house.client(None);
    let mut open = client.connect("wiki.test").await.unwrap();
    assert_eq!(open.get_ref().1.peer_certificates().unwrap()[0], leaf);
    assert_eq!(ask(&mut open, "before").await.unwrap(), "wiki: before");
    // As if the records had never heard of it, which is true.
    house.records.revoke(&leaf).await;
    assert_eq!(ask(&mut open, "after").await.unwrap(), "wiki: after");
    let again = house.client(None).connect("wiki.test").await.unwrap();
    assert_eq!(again.get_ref().1.peer_certificates().unwrap()[0], leaf);
    assert!(house.keyring.certificates().is_empty(), "there is nothing to staple to it");
}

#[tokio::test]
async fn one_of_our_own_in_its_place_is_closed_with_its_revocation_again() {
    let backend = Backend::open("wiki").await;
    let house = House::open(&settings([server("wiki.test", &backend)])).await;
    house.keyring.put_foreign("wiki.test", vec![certified(&house.ca, "wiki.test").0]);
    let (own, leaf) = certified(&house.ca, "wiki.test");
    house.keyring.put("wiki.test", vec![own]);
    let mut open = house.client(None).connect("wiki.test").await.unwrap();
    assert_eq!(ask(&mut open, "before").await.unwrap(), "wiki: before");
    house.records.revoke(&leaf).await;
    assert!(ask(&mut open, "after").await.is_err());
    assert!(house.client(None).connect("wiki.test").await.is_err(), "it has none");
}

#[tokio::test]
async fn a_ca_that_looks_is_shown_the_proof_of_that_name_and_reaches_no_backend() {
    let backend = Backend::open("wiki").await;
    let one = VirtualServer { default: true, ..server("wiki.test", &backend) };
    let house = House::open(&settings([one])).await;
    let (proof, leaf) = certified(&house.ca, "wiki.test");
    house.keyring.proofs().show("wiki.test", proof);
    let mut looks = house.client(None);
    looks.config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let mut seen = looks.connect("WIKI.test").await.unwrap();
    assert_eq!(seen.get_ref().1.peer_certificates().unwrap()[0], leaf);
    assert_eq!(seen.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(seen.read(&mut [0]).await.unwrap(), 0, "it is over");
    // Whoever asks for more than the proof is a client like others.
    for alpn in [vec![], vec![b"acme-tls/1".to_vec(), b"x".to_vec()]] {
        let mut other = house.client(None);
        other.config.alpn_protocols = alpn;
        if let Ok(stream) = other.connect("wiki.test").await {
            assert_ne!(stream.get_ref().1.peer_certificates().unwrap()[0], leaf);
        }
    }
    house.keyring.proofs().take_down("wiki.test");
    let refused = looks.connect("wiki.test").await;
    let shown =
        refused.ok().map(|stream| stream.get_ref().1.peer_certificates().unwrap()[0].clone());
    assert_ne!(shown, Some(leaf));
    assert!(backend.heard().is_empty());
}

fn certified(
    ca: &Authority,
    name: &str,
) -> (Arc<CertifiedKey>, rustls::pki_types::CertificateDer<'static>) {
    let Identity { chain, key } = ca.server_named(name);
    let leaf = chain[0].clone();
    let key = CertifiedKey::from_der(chain, key, &default_provider()).expect("they fit");
    (Arc::new(key), leaf)
}

fn settings(servers: impl IntoIterator<Item = VirtualServer>) -> Settings {
    let listen = Listen {
        address: "127.0.0.1:0".parse().expect("valid"),
        mode: Mode::Implicit,
        protocols: Protocol::ALL.to_vec(),
        unknown_name: Unmatched::Default,
        no_name: Unmatched::Default,
        max_connections: 1000,
        proxies: Vec::new(),
        passive_ports: None,
        passive_address: None,
    };
    Settings { listen: vec![listen], server: servers.into_iter().collect(), client: Vec::new() }
}

fn server(name: &str, backend: &Backend) -> VirtualServer {
    let backend = format!("tcp:{}", backend.address).parse().expect("valid");
    VirtualServer::new(name.parse().expect("valid"), backend)
}
