//! The CA is replaced: at no step is anybody locked out, with a restart at each.
//!
//! Nothing here starts another process: between its fork and its exec a child holds every socket of this one, and the
//! restarted door would find its port taken. What is killed in the middle of a rollover is in `kill.rs`.

mod house;

use std::sync::Arc;

use admin::failure::FailureKind;
use admin::permission::Caller;
use admin::request::{CertificateUsage, Request};
use admin::response::{CertificateState, DeviceState, ProfileMaterial, Response, Rollover};
use gateway::Gateway;
use gateway::control::Execute;
use house::{House, device, id, inside};
use pki::{Csr, KeyType, PrivateKey};

#[test]
fn old_and_new_profiles_and_certificates_connect_at_every_step_and_after_each_restart() {
    inside("old_and_new_profiles_and_certificates", async {
        let house = House::start().await;
        let former = house.add("alice").await;
        let old_alone = former.common.ca_pem.clone();
        let everybody = house.add("bob").await;
        let mut alice = house.connect(&former).await;

        let begun = rollover(&house, Request::RolloverStart).await;
        let late: Vec<_> = begun.behind.iter().map(|behind| behind.name.as_str()).collect();
        assert_eq!((begun.moved, late), (0, vec!["alice/default", "bob/default"]));
        assert_eq!(house.connected().await, ["alice"], "sessions stay");
        alice.renew_keys().await;
        let new = house.add("carol").await;
        assert_ne!(id(&new).issuer, id(&former).issuer);
        let both = new.common.ca_pem.clone();
        assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
        let again = house.gateway.execute(&ROOT, Request::RolloverStart).await;
        assert_eq!(again.expect_err("one at a time").kind, FailureKind::Conflict);
        let mut house = house;
        for _ in 0..2 {
            all_four(&house, [&former, &new], [&old_alone, &both]).await;
            house = house.restart().await;
        }

        let early = house.gateway.execute(&ROOT, finish(false)).await;
        assert_eq!(early.expect_err("two have not moved").kind, FailureKind::Conflict);
        // Alice has a new profile, and bob never came.
        let moved = renewed(&house, "alice").await;
        let behind = |rollover: &Rollover| rollover.behind.len();
        assert_eq!(behind(&rollover(&house, Request::RolloverStatus).await), 2, "not seen yet");
        drop(house.connect(&moved).await);
        settled(&house, |rollover| behind(rollover) == 1).await;
        all_four(&house, [&everybody, &moved], [&old_alone, &both]).await;

        let present = Arc::clone(&house.gateway.authority().issuers().all()[1]);
        assert_eq!(house.listed(&present).await, []);
        let opens = |house: &House| house.gateway.view().recheck(&id(&everybody));
        assert_eq!(opens(&house), Ok(()));
        let done = rollover(&house, finish(true)).await;
        assert_eq!(house.listed(&present).await.len(), 1, "its word for the former one");
        assert_eq!((done.former, done.retired.len()), (None, 1));
        let kept_out: Vec<_> = done.kept_out.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(kept_out, ["bob/default"]);
        let outdated = house.status().await.outdated_profiles;
        let has = |user: &str| outdated.contains(&device(user));
        assert!(!has("alice") && !has("carol"), "both have the former CA beside: {outdated:?}");
        for _ in 0..2 {
            for profile in [&old_alone, &both, &new.common.ca_pem] {
                drop(house.try_connect(&new, profile).await.expect("a new certificate"));
            }
            assert_eq!(opens(&house), Err(pki::Refusal::UnknownCa), "TLS taken before or not");
            let kept_out = house.try_connect(&everybody, &both).await;
            kept_out.expect_err("bob's certificate is of a CA that is trusted no longer");
            is_shown_as_kept_out(&house, &everybody).await;
            house = house.restart().await;
        }
        // What the former CA says goes on.
        assert_eq!(house.listed(&house.first()).await, [id(&former).serial]);
        house.revoke("bob").await;
        assert_eq!(house.listed(&house.first()).await.len(), 2);
        house.stop().await;
    });
}

#[test]
fn a_ca_certifies_the_names_that_the_settings_had_when_it_was_made_and_no_others() {
    inside("a_ca_certifies_the_names", async {
        let house = House::start().await;
        let alice = house.add("alice").await;
        assert_eq!(certify(&house, "a.test").await, Ok(()));
        permit(&house, "\"example.org\", \"127.0.0.0/8\"").await;
        assert_eq!(certify(&house, "b.test").await, Ok(()), "the CA is the former one");

        rollover(&house, Request::RolloverStart).await;
        assert_eq!(certify(&house, "c.test").await, Err(FailureKind::Usage));
        assert_eq!(certify(&house, "www.example.org").await, Ok(()));
        let alone = alice.common.ca_pem.clone();
        drop(house.try_connect(&alice, &alone).await.expect("nobody is locked out"));
        let bob = house.add("bob").await;
        drop(house.try_connect(&bob, &bob.common.ca_pem).await.expect("nobody is locked out"));
        rollover(&house, finish(true)).await;

        // Whoever knows the former CA alone would refuse it.
        permit(&house, "\"example.org\", \"example.net\", \"127.0.0.0/8\"").await;
        rollover(&house, Request::RolloverStart).await;
        assert_eq!(certify(&house, "www.example.net").await, Err(FailureKind::Usage));
        rollover(&house, finish(true)).await;
        assert_eq!(certify(&house, "www.example.net").await, Ok(()));
        assert_eq!(certify(&house, "d.test").await, Err(FailureKind::Usage));
        house.stop().await;
    });
}

/// What the CA that is made next may certify.
async fn permit(house: &House, names: &str) {
    let file = house.folder.data().config();
    let former = std::fs::read_to_string(&file).expect("the settings");
    let lines = former.lines().filter(|line| !line.starts_with("permitted_names"));
    let lines: Vec<_> = lines.collect();
    let permitted = format!("[ca]\npermitted_names = [{names}]");
    std::fs::write(&file, lines.join("\n").replace("[ca]", &permitted)).expect("written");
    house.gateway.reload().await.expect("read again");
}

async fn certify(house: &House, name: &str) -> Result<(), FailureKind> {
    let request = Request::CertIssue {
        name: name.parse().expect("a name"),
        usage: CertificateUsage::Server,
        hosts: Vec::new(),
        days: Some(20),
        csr_pem: Csr::pem_for(&PrivateKey::generate(KeyType::P256).expect("a key")).expect("a CSR"),
        elsewhere: true,
    };
    house.gateway.execute(&ROOT, request).await.map(drop).map_err(|failure| failure.kind)
}

/// Nothing hands out a profile that is refused, and whoever looks sees whose it is.
async fn is_shown_as_kept_out(house: &House, bobs: &ProfileMaterial) {
    let refusal = house.last_refusal().await;
    assert_eq!((refusal.reason.as_str(), refusal.device), ("unknown_ca", Some(device("bob"))));
    let Response::Device(detail) = house.ask(Request::DeviceShow { device: device("bob") }).await
    else {
        panic!("no device")
    };
    assert_eq!(detail.device.state, DeviceState::FormerCa);
    assert_eq!(detail.certificates[0].state, CertificateState::FormerCa);
    for profile in [
        Request::ProfileAgain { certificate_pem: bobs.certificate.pem.clone() },
        Request::ProfileMaterial { device: device("bob"), renew: false },
    ] {
        let refused = house.gateway.execute(&ROOT, profile).await.expect_err("it is of no use");
        assert_eq!(refused.kind, FailureKind::Conflict);
        assert!(refused.message.contains("bob/default is of the former CA"), "{refused:?}");
    }
    let warnings = house.status().await.warnings;
    let says = |warning: &String| warning.contains("former CA") && warning.contains("bob/default");
    assert!(warnings.iter().any(says), "{warnings:?}");
}

/// Each certificate with each list of trusted CAs.
async fn all_four(house: &House, certificates: [&ProfileMaterial; 2], profiles: [&str; 2]) {
    for certificate in certificates {
        for profile in profiles {
            let connected = house.try_connect(certificate, profile).await;
            drop(connected.expect("nobody is locked out"));
        }
    }
}

async fn ask(gateway: &Gateway, request: Request) -> Rollover {
    let answer = gateway.execute(&ROOT, request).await.expect("done");
    let Response::Rollover(rollover) = answer else { panic!("another answer") };
    rollover
}

async fn rollover(house: &House, request: Request) -> Rollover {
    ask(&house.gateway, request).await
}

async fn renewed(house: &House, user: &str) -> ProfileMaterial {
    let request = Request::ProfileMaterial { device: device(user), renew: true };
    let Response::Profile(material) = house.ask(request).await else { panic!("no profile") };
    *material
}

/// A first connection is recorded by a task of its own.
async fn settled(house: &House, good: impl Fn(&Rollover) -> bool) {
    for _ in 0..200 {
        if good(&rollover(house, Request::RolloverStatus).await) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", rollover(house, Request::RolloverStatus).await);
}

fn finish(force: bool) -> Request {
    Request::RolloverFinish { force }
}

const ROOT: Caller = Caller::Local { uid: 0, name: None };
