//! What the CA publishes, found where certificates say it is, by who reaches the gateway from outside.

use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, Stock, Subscriber, World};

#[test]
fn openssl_asks_where_the_certificate_says_and_hears_of_a_revocation_within_a_second() {
    let name = "openssl_asks_where_the_certificate_says_and_hears_of_a_revocation_within_a_second";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "split");
    let asker = Asker::new(&world, &alice);
    let good = asker.ocsp("-nonce");
    assert!(good.contains("Response verify OK") && good.contains("vpn.crt: good"), "{good}");

    let disabled = world.handfast(&["user", "disable", "alice"]);
    assert!(disabled.contains("1 certificate put on hold"), "{disabled}");
    println!("FIGURE {}", disabled.lines().nth(1).unwrap_or_default());
    let held = asker.ocsp("-no_nonce");
    assert!(held.contains("vpn.crt: revoked") && held.contains("certificateHold"), "{held}");
    assert!(asker.lists(&alice), "the CRL over HTTP lacks the hold");
    world.handfast(&["user", "enable", "alice"]);
    let good = asker.ocsp("-nonce");
    assert!(good.contains("vpn.crt: good"), "{good}");
    assert!(!asker.lists(&alice), "the CRL over HTTP has the hold still");

    world.handfast(&["device", "revoke", "alice/default", "--reason", "key-compromise"]);
    let revoked = Instant::now();
    let said = asker.ocsp("-no_nonce");
    assert!(said.contains("vpn.crt: revoked") && said.contains("keyCompromise"), "{said}");
    println!("FIGURE from the answer to the order to OCSP's: {} ms", revoked.elapsed().as_millis());
    assert!(asker.lists(&alice), "the CRL over HTTP lacks the revocation");
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
}

#[test]
fn a_taken_port_is_said_by_check_and_the_gateway_serves() {
    let name = "a_taken_port_is_said_by_check_and_the_gateway_serves";
    let taken = "[\"203.0.113.2:1195\", \"203.0.113.2:1195\"]";
    let Some(mut world) = World::start(name, &[("publish.listen", taken)]) else { return };
    let said = String::from_utf8_lossy(&world.try_handfast(&["check"]).stdout).into_owned();
    assert!(said.contains("TCP 203.0.113.2:1195 is taken"), "{said}");
    assert!(said.contains("set publish.listen"), "{said}");
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
}

/// A client that goes by what stands in a certificate.
struct Asker<'a> {
    world: &'a World,
    who: &'a Subscriber,
    ca: String,
    leaf: String,
    url: String,
}

impl<'a> Asker<'a> {
    fn new(world: &'a World, who: &'a Subscriber) -> Self {
        let ca = world.file("ca.pem").display().to_string();
        world.handfast(&["ca", "export", "--out", &ca]);
        let leaf = who.folder.join("vpn.crt").display().to_string();
        let url = Command::new("openssl")
            .args(["x509", "-in", &leaf, "-noout", "-ocsp_uri"])
            .output()
            .expect("openssl runs");
        let url = String::from_utf8_lossy(&url.stdout).trim().to_owned();
        assert!(url.starts_with("http://203.0.113.2/ca/"), "{url}");
        Self { world, who, ca, leaf, url }
    }

    fn ocsp(&self, nonce: &str) -> String {
        let (ca, leaf, url) = (&self.ca, &self.leaf, &self.url);
        let ask = ["ocsp", "-issuer", ca, "-cert", leaf, "-url", url, "-CAfile", ca, nonce];
        self.run("openssl", &ask)
    }

    /// Whether the list at the address beside OCSP's has this certificate.
    fn lists(&self, whom: &Subscriber) -> bool {
        let (crl, url) = (self.world.file("published.crl"), self.url.replace("/ocsp", ".crl"));
        let crl = crl.display().to_string();
        self.run("curl", &["--silent", "--show-error", "--fail", "--output", &crl, &url]);
        let crl = ["crl", "-in", &crl, "-inform", "DER", "-CAfile", &self.ca, "-text"];
        let list = self.run("openssl", &crl);
        assert!(list.contains("verify OK"), "{list}");
        let leaf = whom.folder.join("vpn.crt").display().to_string();
        let serial = self.run("openssl", &["x509", "-in", &leaf, "-noout", "-serial"]);
        list.contains(serial.trim().trim_start_matches("serial="))
    }

    /// What a program says at the client.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(arguments);
        let log = self.world.file("asked.log");
        let mut asked = Program::start(&self.who.host.netns, command, &log).expect(program);
        let ended = asked.ends(Duration::from_secs(10));
        assert!(ended.is_some_and(|status| status.success()), "{program}: {}", asked.log());
        asked.log()
    }
}
