//! Ciphers, TLS versions, digests and older data formats with the stock client.

use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, Subscriber, World};

const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#);

#[test]
fn each_data_cipher_carries_pings() {
    let Some(mut world) = World::start("each_data_cipher_carries_pings", &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    for cipher in ["AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"] {
        let stock = connected(&world, &alice, &["--data-ciphers", cipher]);
        assert_eq!(world.sessions()[0]["cipher"], cipher);
        assert!(stock.said(&format!("cipher '{cipher}'")) > 0, "{}", stock.0.log());
        pings(&world, &alice, cipher);
        gone(&world, stock);
    }
}

#[test]
fn the_gateways_order_of_ciphers_decides() {
    let name = "the_gateways_order_of_ciphers_decides";
    let settings = [ROUTES, ("vpn.ciphers", r#"["CHACHA20-POLY1305", "AES-128-GCM"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let offered = ["--data-ciphers", "AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305"];
    let stock = connected(&world, &alice, &offered);
    assert_eq!(world.sessions()[0]["cipher"], "CHACHA20-POLY1305");
    pings(&world, &alice, "in the gateway's order");
    gone(&world, stock);
    let stock = Stock::start(&alice.host, &alice.profile(), &["--data-ciphers", "AES-256-GCM"]);
    let mut stock = stock;
    let refused = stock.0.says("AUTH_FAILED", Duration::from_secs(10));
    assert!(refused, "no cipher in common must be said\n{}\n{}", stock.0.log(), world.log());
}

#[test]
fn each_tls_version_and_key_type_of_the_gateway_carries_pings() {
    let name = "each_tls_version_and_key_type_of_the_gateway_carries_pings";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let rsa = "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384";
    let ecdsa = "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256";
    let aes = "TLS_AES_256_GCM_SHA384";
    let cases: [(&str, &[&str]); 5] = [
        ("TLSv1.3, cipher TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", &[]),
        ("TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384", &["--tls-ciphersuites", aes]),
        ("TLSv1.2", &["--tls-version-max", "1.2"]),
        ("TLSv1.2", &["--tls-version-max", "1.2", "--tls-cipher", rsa]),
        ("TLSv1.2", &["--tls-version-max", "1.2", "--tls-cipher", ecdsa]),
    ];
    for (says, more) in cases {
        let stock = connected(&world, &alice, more);
        let said = format!("Control Channel: {says}");
        assert!(stock.said(&said) > 0, "{more:?}\n{}", stock.0.log());
        let version = says.split(',').next().unwrap_or(says);
        let session = &world.sessions()[0];
        let shown = session["tls"].as_str().unwrap_or_default();
        assert!(shown.ends_with(&version[4..]), "{session}");
        pings(&world, &alice, version);
        gone(&world, stock);
    }
}

#[test]
fn every_digest_of_the_tls_auth_key_is_understood() {
    for digest in ["SHA1", "SHA384", "SHA512"] {
        let name = format!("every_digest_of_the_tls_auth_key_is_understood_{digest}");
        let quoted = format!("\"{digest}\"");
        let settings = [ROUTES, ("vpn.auth", quoted.as_str())];
        let Some(mut world) = World::start(&name, &settings) else { return };
        let alice = world.subscriber("alice", "unified");
        let stock = connected(&world, &alice, &[]);
        pings(&world, &alice, digest);
        gone(&world, stock);
    }
}

/// The stock client sends version 1 data packets when it does not hear of its peer id.
#[test]
fn a_client_that_sends_the_older_data_format_is_found_by_its_address() {
    let name = "a_client_that_sends_the_older_data_format_is_found_by_its_address";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    // From verbosity 6 on the stock client names each packet.
    let more = ["--pull-filter", "ignore", "peer-id", "--verb", "6"];
    let stock = connected(&world, &alice, &more);
    pings(&world, &alice, "DATA_V1");
    let log = stock.0.log();
    let written = |format: &str| {
        let writes = log.lines().filter(|line| line.contains(" WRITE "));
        writes.filter(|line| line.contains(format)).count()
    };
    assert!(written("P_DATA_V1") >= 200, "{log}");
    assert_eq!(written("P_DATA_V2"), 0, "{log}");
    gone(&world, stock);
}

fn connected(world: &World, alice: &Subscriber, more: &[&str]) -> Stock {
    let mut stock = Stock::start(&alice.host, &alice.profile(), more);
    stock.connected();
    assert!(world.sessions_become(1, Duration::from_secs(2)), "{}", world.log());
    stock
}

fn gone(world: &World, mut stock: Stock) {
    stock.0.signal("TERM");
    stock.0.ends(Duration::from_secs(5));
    assert!(world.sessions_become(0, Duration::from_secs(2)), "{}", world.log());
}

fn pings(world: &World, alice: &Subscriber, what: &str) {
    let targets: [IpAddr; 2] = [world.lan.v4[0].into(), world.lan.v6[0].into()];
    for target in targets {
        let log = world.file("ping.log");
        let report = Ping::run(&alice.host.netns, target, 100, Duration::from_millis(5), &log);
        assert_eq!((report.sent, report.lost()), (100, 0), "{what}: {target}\n{}", world.log());
    }
}
