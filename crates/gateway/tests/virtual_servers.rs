//! Virtual servers' certificates beside those that people renew: rollovers, warnings, renewals.
//!
//! No TLS door is open: what it asks the authority for is asked for here, when it is due.

mod house;

use admin::failure::FailureKind;
use admin::permission::Caller;
use admin::request::{CertificateUsage, Request};
use admin::response::{Level, Response};
use authority::VirtualServer;
use gateway::control::Execute as _;
use house::{House, inside};
use pki::{Csr, KeyType, PrivateKey};
use store::{EventId, EventKind};

#[test]
fn a_rollover_waits_for_servers_that_end_tls_elsewhere_and_for_those_without_another_certificate() {
    inside("a_rollover_waits_for_servers", async {
        let house = House::start_with(SERVERS).await;
        issue(&house, "passed.test").await;
        assert_eq!(serve(&house).await, [""; 0]);
        house.ask(Request::RolloverStart).await;
        assert_eq!(behind(&house).await, ["here.test", "passed.test"], "none was made here yet");
        let early = house.gateway.execute(&ROOT, Request::RolloverFinish { force: false }).await;
        assert_eq!(early.expect_err("two are behind").kind, FailureKind::Conflict);
        assert_eq!(serve(&house).await, [""; 0]);
        assert_eq!(behind(&house).await, ["passed.test"]);
        let early = house.gateway.execute(&ROOT, Request::RolloverFinish { force: false }).await;
        assert_eq!(early.expect_err("its clients would refuse it").kind, FailureKind::Conflict);
        renew(&house, "passed.test").await.expect("it is a person's");
        house.ask(Request::CertRevoke { name: name("passed.test"), reason: SUPERSEDED }).await;
        assert_eq!(behind(&house).await, [""; 0]);
        house.ask(Request::RolloverFinish { force: false }).await;
        house.stop().await;
    });
}

#[test]
fn nobody_is_told_to_renew_what_renews_itself() {
    inside("nobody_is_told_to_renew", async {
        let house = House::start_with(SERVERS).await;
        assert_eq!(serve(&house).await, [""; 0]);
        assert_eq!(ending(&house).await, None);
        let refused = renew(&house, "here.test").await.expect_err("the gateway renews it");
        assert_eq!(refused, FailureKind::Conflict);
        house.pass(340).await;
        assert_eq!(told(&house).await, [""; 0]);
        assert_eq!(ending(&house).await, None);

        issue(&house, "passed.test").await;
        let said = ending(&house).await.expect("it ends within 30 days");
        assert!(said.contains("passed.test") && !said.contains("here.test"), "{said}");
        house.pass(14).await;
        assert_eq!(told(&house).await, ["passed.test"]);
        house.stop().await;
    });
}

/// What the TLS door does at its start and when one is due; what could not be made.
async fn serve(house: &House) -> Vec<String> {
    let server = VirtualServer { names: vec!["here.test".into()], key: KeyType::P256 };
    let made = house.gateway.authority().virtual_servers(&[server]).await.expect("looked at");
    made.into_iter().filter_map(|one| one.err().map(|error| error.to_string())).collect()
}

async fn issue(house: &House, whose: &str) {
    let (usage, hosts, days) = (CertificateUsage::Server, Vec::new(), Some(20));
    let name = name(whose);
    house
        .ask(Request::CertIssue { name, usage, hosts, days, csr_pem: csr(), elsewhere: false })
        .await;
}

async fn renew(house: &House, whose: &str) -> Result<(), FailureKind> {
    let request = Request::CertRenew { name: name(whose), csr_pem: csr(), elsewhere: false };
    house.gateway.execute(&ROOT, request).await.map(drop).map_err(|failure| failure.kind)
}

async fn behind(house: &House) -> Vec<String> {
    let Response::Rollover(rollover) = house.ask(Request::RolloverStatus).await else { panic!() };
    rollover.behind.into_iter().map(|behind| behind.name).collect()
}

/// What `check` says of certificates that end.
async fn ending(house: &House) -> Option<String> {
    let Response::Check(report) = house.ask(Request::Check { whole: false }).await else {
        panic!()
    };
    let named = report.findings.into_iter().find(|one| one.subject == "certificates by name");
    named.filter(|finding| finding.level == Level::Warning).map(|finding| finding.seen)
}

/// Of whose certificates the log says that they end.
async fn told(house: &House) -> Vec<String> {
    let events = house.gateway.store().event_list(EventId::NONE, 1_000).await.expect("read");
    let told = events.iter().filter(|event| event.kind == EventKind::CERTIFICATE_ENDING);
    told.map(|event| event.payload["name"].as_str().expect("a name").to_owned()).collect()
}

fn csr() -> String {
    Csr::pem_for(&PrivateKey::generate(KeyType::P256).expect("a key")).expect("a request")
}

fn name(text: &str) -> names::CertificateName {
    text.parse().expect("a name")
}

const ROOT: Caller = Caller::Local { uid: 0, name: None };
const SUPERSEDED: names::RevocationReason = names::RevocationReason::Superseded;
const SERVERS: &str = "\
[[tls.listen]]
address = \"127.0.0.1:443\"
[[tls.server]]
names = [\"here.test\"]
backend = \"tcp:127.0.0.1:7\"
[[tls.server]]
names = [\"passed.test\"]
backend = \"tcp:127.0.0.1:7\"
passthrough = true
";
