//! From an empty folder to users, devices, profiles, renewal and revocation, with openssl as the
//! judge of certificates and CRLs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::permission::Caller;
use admin::protocol::Reply;
use admin::request::Request;
use admin::response::Response;
use admin::response::{
    CertificateState, Changed, CrlDetail, DeviceState, KeyMaterial, Level, ProfileMaterial,
};
use clock::{Clock, Now, SystemClock, VirtualClock};
use engine::Revision;
use gateway::control::{ControlServer, Execute};
use gateway::data::DataDir;
use gateway::projections::Name;
use gateway::{Admin, FirstStart, Gateway};
use names::RevocationReason;
use pki::CertificateId;
use rustls::pki_types::CertificateDer;
use store::{Actor, EventId, EventKind, Store};

#[tokio::test]
async fn an_empty_folder_becomes_a_gateway_whose_revocations_openssl_sees() {
    let folder = Folder::new();
    let gateway = folder.start(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let alice = profile(&gateway, "alice", false).await;
    assert!(matches!(alice.key, KeyMaterial::Made { .. }));
    assert_eq!(alice.common.server_name, "gateway.handfast.internal");
    assert_eq!(alice.common.remotes[0].host, "vpn.example.org");
    ask(&gateway, Request::UserAdd { name: "bob".parse().expect("a name") }).await.expect("added");
    let bob = profile(&gateway, "bob", false).await;

    let changed = revoke(&gateway, "bob").await;
    assert_eq!(changed.revoked, std::slice::from_ref(&bob.certificate.serial));
    assert_eq!(changed.crl_number, Some(crl(&gateway).await.number));
    assert_eq!(changed.pending, Vec::<String>::new());
    assert!(changed.event.is_some() && changed.at.is_some());

    let crl = crl(&gateway).await;
    let entry = crl.entries.first().expect("one entry");
    assert_eq!(entry.serial, bob.certificate.serial);
    assert_eq!(entry.device, Some(device("bob")));
    assert_eq!(entry.reason, RevocationReason::KeyCompromise);
    folder.write("ca.pem", &alice.common.ca_pem);
    folder.write("crl.pem", &crl.pem);
    folder.write("alice.pem", &alice.certificate.pem);
    folder.write("bob.pem", &bob.certificate.pem);
    openssl(&folder, "crl -in crl.pem -CAfile ca.pem -noout -verify").expect("CRL verifies");
    let verify = "verify -x509_strict -crl_check -CAfile ca.pem -CRLfile crl.pem";
    openssl(&folder, &format!("{verify} alice.pem")).expect("alice is good");
    let refused = openssl(&folder, &format!("{verify} bob.pem")).expect_err("bob is revoked");
    assert!(refused.contains("certificate revoked"), "{refused}");

    assert_eq!(state(&gateway, "bob").await, DeviceState::Revoked);
    let again = ask(&gateway, profile_request("bob", false)).await.expect_err("revoked");
    assert_eq!(again.kind, FailureKind::Conflict);
    assert_eq!(revoke(&gateway, "bob").await, Changed::default(), "nothing left to revoke");
}

#[tokio::test]
async fn openssl_refuses_who_is_disabled_and_takes_who_is_enabled_again() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    let name: names::UserName = "alice".parse().expect("a name");
    ask(&gateway, Request::UserAdd { name: name.clone() }).await.expect("added");
    let alice = profile(&gateway, "alice", false).await;
    folder.write("ca.pem", &alice.common.ca_pem);
    folder.write("alice.pem", &alice.certificate.pem);
    let verify = "verify -x509_strict -crl_check -CAfile ca.pem -CRLfile crl.pem alice.pem";
    let change = async |request| {
        let Ok(Response::Changed(changed)) = ask(&gateway, request).await else { panic!("no") };
        folder.write("crl.pem", &crl(&gateway).await.pem);
        changed
    };

    let changed = change(Request::UserDisable { name: name.clone() }).await;
    let number = crl(&gateway).await.number;
    assert_eq!((changed.on_hold, changed.crl_number), (vec![serial(&alice)], Some(number)));
    assert_eq!(crl(&gateway).await.entries[0].reason, RevocationReason::CertificateHold);
    let refused = openssl(&folder, verify).expect_err("alice is on hold");
    assert!(refused.contains("certificate revoked"), "{refused}");
    let again = change(Request::UserDisable { name: name.clone() }).await;
    assert_eq!(again, Changed::default(), "it was so already");
    let twice = change(Request::DeviceDisable { device: device("alice") }).await;
    assert_eq!((twice.on_hold, twice.crl_number), (vec![], None), "it is on hold already");
    let half = change(Request::UserEnable { name: name.clone() }).await;
    assert_eq!(half.off_hold, Vec::<String>::new(), "its device is disabled still");
    openssl(&folder, verify).expect_err("alice is on hold");

    let changed = change(Request::DeviceEnable { device: device("alice") }).await;
    assert_eq!(changed.off_hold, [serial(&alice)]);
    assert_eq!(crl(&gateway).await.entries, []);
    openssl(&folder, verify).expect("alice is good again");

    // Held, then revoked: no way back, and a removed device is on the list still.
    change(Request::DeviceDisable { device: device("alice") }).await;
    assert_eq!(revoke(&gateway, "alice").await.revoked, [serial(&alice)]);
    change(Request::DeviceEnable { device: device("alice") }).await;
    openssl(&folder, verify).expect_err("alice is revoked");
    change(Request::UserRemove { name: name.clone() }).await;
    ask(&gateway, Request::UserAdd { name }).await.expect("the name is free again");
    openssl(&folder, verify).expect_err("alice is revoked");
    assert_eq!(crl(&gateway).await.entries[0].reason, RevocationReason::KeyCompromise);
}

fn serial(material: &ProfileMaterial) -> String {
    material.certificate.serial.clone()
}

#[tokio::test]
async fn a_key_is_handed_out_once() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let first = profile(&gateway, "alice", false).await;
    let second = profile(&gateway, "alice", false).await;
    assert_eq!(second.key, KeyMaterial::Gone);
    assert_eq!(second.certificate.serial, first.certificate.serial);
    let KeyMaterial::Made { pem } = first.key else { panic!("no key") };
    let base64 = pem.expose().lines().nth(1).expect("a line").as_bytes().to_vec();
    for file in fs::read_dir(folder.data().path()).expect("listed").flatten() {
        let bytes = fs::read(file.path()).unwrap_or_default();
        assert!(!bytes.windows(base64.len()).any(|w| w == base64), "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_renewed_device_keeps_its_former_certificate_until_the_new_one_connects() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let old = profile(&gateway, "alice", false).await;
    let new = profile(&gateway, "alice", true).await;
    let (superseded, _) = new.supersedes.clone().expect("named");
    assert_eq!(superseded, old.certificate.serial);
    assert_eq!(gateway.view().recheck(&id(&old)), Ok(()));

    gateway.store().certificate_mark_connected(&id(&new)).await.expect("noted");
    settled(&gateway).await;
    let refused = gateway.view().recheck(&id(&old)).expect_err("superseded");
    assert_eq!(refused.code(), "revoked");
    assert_eq!(crl(&gateway).await.entries[0].reason, RevocationReason::Superseded);
    assert_eq!(gateway.view().recheck(&id(&new)), Ok(()));
}

#[tokio::test]
async fn an_unseen_renewal_revokes_the_former_certificate_after_seven_days() {
    let folder = Folder::new();
    let clock = virtual_clock();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let gateway = folder.start_p256(&shared).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let old = profile(&gateway, "alice", false).await;
    let new = profile(&gateway, "alice", true).await;
    clock.advance(DAY * 6);
    gateway.maintain().await.expect("kept up");
    assert_eq!(gateway.view().recheck(&id(&old)), Ok(()));
    clock.advance(DAY + Duration::from_secs(1));
    gateway.maintain().await.expect("kept up");
    assert!(gateway.view().recheck(&id(&old)).is_err());
    assert_eq!(crl(&gateway).await.entries[0].serial, old.certificate.serial);
    assert_eq!(gateway.view().recheck(&id(&new)), Ok(()));
}

#[tokio::test]
async fn the_crl_and_the_gateways_certificates_never_expire_while_it_runs() {
    let folder = Folder::new();
    let clock = virtual_clock();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let gateway = folder.start_p256(&shared).await;
    let first = gateway.authority().server_certificates_expire();
    for _ in 0..200 {
        clock.advance(DAY * 2);
        gateway.maintain().await.expect("kept up");
        let now = clock::Timestamp::from(clock.now());
        assert!(crl(&gateway).await.next_update > now.after(DAY), "CRL in time");
    }
    assert!(gateway.authority().server_certificates_expire() > first, "renewed");
    let events = gateway.store().event_list(EventId::NONE, 10_000).await.expect("read");
    let signed = events.iter().filter(|event| event.kind == EventKind::CRL_SIGNED).count();
    assert!((90..=110).contains(&signed), "signed every four days: {signed}");
}

#[tokio::test]
async fn a_crl_that_expired_while_nothing_ran_is_signed_at_the_next_start() {
    let folder = Folder::new();
    let clock = virtual_clock();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let gateway = folder.start_p256(&shared).await;
    let former = crl(&gateway).await.number;
    gateway.close().await;
    drop(gateway);
    clock.advance(DAY * 30);
    let gateway = folder.start(&shared).await;
    assert!(crl(&gateway).await.number > former);
    let report = ask(&gateway, Request::Check { whole: false }).await.expect("checked");
    let Response::Check(report) = report else { panic!("{report:?}") };
    let of = |subject: &str| report.findings.iter().find(|f| f.subject == subject).cloned();
    for subject in
        ["CRL", "event chain", "records", "CA", "settings", "data folder", "gateway certificate"]
    {
        let finding = of(subject).expect(subject);
        assert_eq!(finding.level, Level::Good, "{finding:?}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_former_settings_only_where_the_new_ones_are_wrong() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    let settings = |text: &str| {
        let data = folder.data();
        data.write_whole(&data.config(), text.as_bytes()).expect("written");
    };
    let name = || gateway.config().public.names[0].to_string();
    settings("[public]\nnames = [\"vpn.example.org\"]\nnonsense = 1\n");
    gateway.reload().await.expect_err("there is no such key");
    assert_eq!(name(), "vpn.example.org");

    settings("[public]\nnames = [\"other.example.org\"]\n[vpn]\nnat = false\n");
    gateway.close().await;
    let reloaded = gateway.reload().await.expect("the settings are right");
    assert!(reloaded.waiting.contains(&"vpn.nat"), "{reloaded:?}");
    assert!(reloaded.unfinished.is_some(), "the records are closed");
    assert_eq!(name(), "other.example.org");
}

#[tokio::test]
async fn a_csr_gets_a_certificate_and_the_gateway_never_has_its_key() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    openssl(
        &folder,
        "req -new -newkey rsa:2048 -nodes -keyout own.key -subj /CN=whatever -out own.csr",
    )
    .expect("made");
    let csr = fs::read_to_string(folder.path("own.csr")).expect("read");
    let phone = DeviceName::parse("alice/phone").expect("a name");
    let add = Request::DeviceAdd { device: phone.clone(), csr_pem: Some(csr.clone()) };
    let Response::Device(detail) = ask(&gateway, add).await.expect("added") else { panic!() };
    assert_eq!(detail.device.state, DeviceState::Active);
    assert_eq!(detail.certificates[0].subject, "CN=alice/phone");
    let request = Request::ProfileMaterial { device: phone, renew: false };
    let Response::Profile(material) = ask(&gateway, request).await.expect("made") else { panic!() };
    assert_eq!(material.key, KeyMaterial::OnDevice);

    let tablet = DeviceName::parse("alice/tablet").expect("a name");
    let forged =
        Request::DeviceAdd { device: tablet.clone(), csr_pem: Some(csr.replace('Q', "R")) };
    let failure = ask(&gateway, forged).await.expect_err("not signed by its key");
    assert_eq!(failure.kind, FailureKind::Usage);
    let gone = ask(&gateway, Request::DeviceShow { device: tablet }).await.expect_err("not added");
    assert_eq!(gone.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn a_leaf_with_the_cas_signature_over_a_recorded_serial_is_refused_as_forged() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let alice = profile(&gateway, "alice", false).await;
    let issuers = gateway.authority().issuers();
    let ca = issuers.all()[0].generation();
    let key = fs::read_dir(gateway.data().ca_keys()).expect("there").flatten();
    let file = key.map(|entry| entry.path()).find(|path| path.extension() == Some("pem".as_ref()));
    let key = fs::read_to_string(file.expect("a file")).expect("read");
    let key = pki::PrivateKey::from_pem(&key).expect("a key");
    let copied = pki::LocalSigner::new(&ca.der, key).expect("a signer");
    let forged = pki::CertificateRequest {
        serial: id(&alice).serial,
        profile: pki::Profile::Device { user: "alice".into(), device: "default".into() },
        public_key: pki::PrivateKey::generate(pki::KeyType::P256)
            .expect("made")
            .public_key()
            .clone(),
        validity: pki::Validity::starting(SystemClock.now().into(), DAY),
        publishing: pki::Publishing::default(),
    };
    let forged = pki::issue(&copied, forged).await.expect("signed");
    let records = Arc::new(gateway.view().clone());
    let verifier =
        pki::GatewayVerifier::new(&[issuers.all()[0].certificate().der().clone()], records);
    let verifier = verifier.expect("a verifier");
    let now = rustls::pki_types::UnixTime::since_unix_epoch(SystemClock.now().wall);
    assert_eq!(verifier.check(&leaf(&alice), now), Ok(()));
    assert_eq!(verifier.check(&forged, now), Err(pki::Refusal::Forged));
    assert_eq!(admit(&gateway, &forged), Err(pki::Refusal::Forged));
}

#[tokio::test]
async fn a_change_answers_with_its_own_event_when_300_are_committed_before_the_answer() {
    let folder = Folder::new();
    let gateway = Arc::new(folder.start_p256(&system()).await);
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let disabled = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            ask(&gateway, Request::UserDisable { name: "alice".parse().expect("a name") }).await
        }
    });
    let committed = || gateway.store().snapshot().users().all(|user| !user.enabled());
    // This thread runs the command as well: while it waits without yielding, the commit is made and
    // nobody answers to it.
    while !committed() {
        tokio::task::yield_now().await;
        let end = std::time::Instant::now() + Duration::from_millis(50);
        while std::time::Instant::now() < end && !committed() {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    let store = gateway.store().clone();
    std::thread::spawn(move || commit_events(&store, 300)).join().expect("no panic");
    let Response::Changed(changed) = disabled.await.expect("no panic").expect("done") else {
        panic!("another answer")
    };
    let id = changed.event.expect("a change that was made has an event");
    let events = gateway.store().event_list(EventId::new(id - 1), 1).await.expect("read");
    assert_eq!(events.first().map(|event| &event.kind), Some(&EventKind::USER_DISABLED));
}

fn commit_events(store: &Store, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..count {
            let (kind, payload) = (EventKind::new("storm"), serde_json::json!({}));
            store.event_append(&Actor::Gateway, kind, payload).await.expect("appended");
        }
    });
}

#[tokio::test]
async fn disabling_and_removing_a_user_keeps_its_devices_out_at_once() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let alice = profile(&gateway, "alice", false).await;
    let admitted = admit(&gateway, &leaf(&alice)).expect("let in");
    assert_eq!((admitted.user.as_str(), admitted.device.as_str()), ("alice", "default"));
    assert_eq!(admitted.v4.to_string(), "10.71.0.2");
    assert!(admitted.v6.is_some());

    let disable = Request::UserDisable { name: "alice".parse().expect("a name") };
    let Response::Changed(changed) = ask(&gateway, disable).await.expect("done") else { panic!() };
    assert!(changed.event.is_some());
    let refused = admit(&gateway, &leaf(&alice)).expect_err("kept out");
    assert_eq!(refused.code(), "user_disabled");
    ask(&gateway, Request::UserEnable { name: "alice".parse().expect("a name") })
        .await
        .expect("done");
    assert!(admit(&gateway, &leaf(&alice)).is_ok());

    let remove = Request::UserRemove { name: "alice".parse().expect("a name") };
    let Response::Changed(changed) = ask(&gateway, remove).await.expect("done") else { panic!() };
    assert_eq!(changed.revoked, std::slice::from_ref(&alice.certificate.serial));
    let refused = admit(&gateway, &leaf(&alice)).expect_err("kept out");
    assert_eq!(refused.code(), "revoked");
    assert_eq!(crl(&gateway).await.entries.len(), 1);
}

#[tokio::test]
async fn a_revocation_waits_for_the_sweep_and_counts_the_closed_sessions() {
    let folder = Folder::new();
    let gateway = Arc::new(folder.start_p256(&system()).await);
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    let alice = profile(&gateway, "alice", false).await;
    let open = id(&alice);
    let (code, of, lack) = ("vpn_sessions", "the VPN's sessions", "did not close");
    let name = Name { code, of, lack, follows_the_crl: false };
    let sessions = gateway.projections().register(name);
    let view = gateway.view().clone();
    let engine = tokio::spawn(async move {
        let mut changes = view.revisions();
        loop {
            let revision = *changes.borrow_and_update();
            let closed = view.recheck(&open).is_err();
            sessions.passed(revision, closed.then_some(open));
            if closed || changes.changed().await.is_err() {
                return;
            }
        }
    });
    let changed = revoke(&gateway, "alice").await;
    assert_eq!(changed.sessions_closed, 1);
    assert_eq!(changed.pending, Vec::<String>::new());
    engine.await.expect("swept");
}

#[tokio::test]
async fn what_the_first_start_is_told_stands_in_the_settings_and_a_later_one_changes_nothing() {
    let folder = Folder::new();
    let told = FirstStart {
        public: Some("vpn.example.org:443".parse().expect("a name")),
        listen: vec!["udp:127.0.0.1:443".parse().expect("a socket")],
        tcp: true,
        routes: vec!["10.9.0.0/16".to_owned().try_into().expect("a network")],
        dns: vec![[10, 71, 0, 1].into()],
        full_tunnel: true,
    };
    let gateway = Gateway::start(folder.data(), system(), told).await.expect("started");
    let vpn = gateway.config().vpn.clone();
    let listen: Vec<String> = vpn.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["udp:127.0.0.1:443", "tcp:127.0.0.1:443"]);
    assert_eq!((vpn.push.routes.len(), vpn.push.dns.len()), (1, 1));
    assert!(vpn.push.redirect_gateway);
    let settings = fs::read_to_string(folder.data().config()).expect("settings");
    gateway.close().await;
    drop(gateway);
    let other = FirstStart { tcp: true, ..FirstStart::default() };
    Gateway::start(folder.data(), system(), other).await.expect("started").close().await;
    assert_eq!(fs::read_to_string(folder.data().config()).expect("settings"), settings);
}

#[tokio::test]
async fn a_command_goes_through_the_running_gateway_and_else_straight_to_the_store() {
    let folder = Folder::new();
    let nothing = Admin::connect_or_open(&folder.data(), system()).await.expect_err("no gateway");
    assert_eq!(Failure::from(nothing).kind, FailureKind::NotFound);
    let gateway = Arc::new(folder.start_p256(&system()).await);
    let server = ControlServer::bind(&folder.data()).expect("bound");
    let serving = tokio::spawn(server.serve(Arc::clone(&gateway)));

    let mut admin = Admin::connect_or_open(&folder.data(), system()).await.expect("connected");
    assert!(admin.is_remote());
    let through = admin
        .call(Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    serving.abort();
    let _ = serving.await;
    gateway.close().await;
    drop(gateway);

    let mut admin = Admin::connect_or_open(&folder.data(), system()).await.expect("opened");
    assert!(!admin.is_remote());
    let straight = admin
        .call(Request::UserShow { name: "alice".parse().expect("a name") })
        .await
        .expect("there");
    assert_eq!(without_connections(through), without_connections(straight));
    let failure = admin.call(Request::Status).await.expect_err("nothing runs");
    assert_eq!(failure.kind, FailureKind::NotRunning);
    admin.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_this_machine_may_not_command_the_gateway() {
    if !is_root() {
        println!("SKIP another_user_is_kept_out: only root can act as another user");
        return;
    }
    let folder = Folder::new();
    let gateway = Arc::new(folder.start_p256(&system()).await);
    let server = ControlServer::bind(&folder.data()).expect("bound");
    tokio::spawn(server.serve(Arc::clone(&gateway)));
    // Even where somebody opened the folder and the socket to all, the caller is looked at.
    let open = |path: &std::path::Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("opened");
    };
    let ask_as_nobody = || {
        let exe = folder.path("test");
        fs::copy(std::env::current_exe().expect("this test"), &exe).expect("copied");
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(exe)
            .args(["--exact", "the_stranger_asks", "--nocapture"])
            .env(VICTIM, folder.data().path())
            .output()
            .expect("setpriv is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    open(&folder.0);
    assert!(tokio::task::block_in_place(ask_as_nobody).contains("kind Forbidden"));
    open(folder.data().path());
    open(&folder.data().socket());
    let told = tokio::task::block_in_place(ask_as_nobody);
    assert!(told.contains("kind Forbidden: uid 65534"), "{told}");
}

/// Run by the test above as another user; on its own it does nothing.
#[tokio::test]
async fn the_stranger_asks() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let failure = match Admin::connect_or_open(&DataDir::new(path), system()).await {
        Ok(mut admin) => admin.call(Request::UserList).await.expect_err("not for strangers"),
        Err(refused) => Failure::from(refused),
    };
    println!("kind {:?}: {failure}", failure.kind);
}

#[tokio::test]
async fn events_name_who_did_what_to_whom() {
    let folder = Folder::new();
    let gateway = folder.start_p256(&system()).await;
    ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
        .await
        .expect("added");
    profile(&gateway, "alice", false).await;
    revoke(&gateway, "alice").await;
    let request = Request::Events { after: Some(0), since: None, limit: 100, wait_ms: 0 };
    let Response::Events(page) = ask(&gateway, request).await.expect("listed") else { panic!() };
    let what: Vec<_> = page
        .events
        .iter()
        .map(|e| (e.what.as_str(), e.subject.as_str(), e.actor.as_str()))
        .collect();
    assert!(what.contains(&("user_added", "alice", "uid:0/tester")), "{what:?}");
    assert!(what.contains(&("certificate_recorded", "alice/default", "uid:0/tester")), "{what:?}");
    assert!(what.contains(&("certificate_revoked", "alice/default", "uid:0/tester")), "{what:?}");
    assert!(what.iter().any(|e| e.0 == "crl_signed" && e.2 == "gateway"), "{what:?}");
}

#[tokio::test]
async fn a_first_start_killed_at_any_moment_is_finished_by_the_next() {
    let mut unfinished = 0;
    for attempt in 0..12 {
        let folder = Folder::new();
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "the_first_start_that_is_killed", "--nocapture"])
            .env(VICTIM, folder.path("data"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(15 + attempt * 12));
        unfinished += u32::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("waited for");

        let gateway = folder.start_p256(&system()).await;
        ask(&gateway, Request::UserAdd { name: "alice".parse().expect("a name") })
            .await
            .expect("added");
        let alice = profile(&gateway, "alice", false).await;
        assert!(admit(&gateway, &leaf(&alice)).is_ok());
        revoke(&gateway, "alice").await;
        assert_eq!(crl(&gateway).await.entries.len(), 1);
        let report = gateway.store().chain_verify().await.expect("read");
        assert_eq!(report.fault, None);
        gateway.close().await;
    }
    assert!(unfinished > 0, "no child was killed before it was done");
}

/// Run by the test above in a process of its own; on its own it does nothing.
#[tokio::test]
async fn the_first_start_that_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let folder = Folder(PathBuf::from(path).parent().expect("inside a folder").to_owned());
    let _gateway = folder.start_p256(&system()).await;
    // The parent kills and cleans up.
    std::thread::sleep(Duration::from_secs(60));
}

// Helpers.

const VICTIM: &str = "HANDFAST_TEST_VICTIM";
const DAY: Duration = Duration::from_secs(86_400);

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn virtual_clock() -> VirtualClock {
    let wall = Duration::from_secs(1_790_000_000);
    VirtualClock::new(Now { boot: Duration::from_secs(1000), wall })
}

fn device(user: &str) -> DeviceName {
    DeviceName::parse(user).expect("a name")
}

fn admit(gateway: &Gateway, leaf: &CertificateDer<'_>) -> Result<vpn::Member, pki::Refusal> {
    let id = CertificateId::of(leaf)?;
    gateway.view().admit(&id, &pki::Fingerprint::of(leaf))
}

fn leaf(material: &ProfileMaterial) -> CertificateDer<'static> {
    let found = pki::certificates_from_pem(&material.certificate.pem).expect("a certificate");
    found.into_iter().next().expect("at least one")
}

fn id(material: &ProfileMaterial) -> CertificateId {
    CertificateId::of(&leaf(material)).expect("it has a serial number")
}

fn profile_request(user: &str, renew: bool) -> Request {
    Request::ProfileMaterial { device: device(user), renew }
}

/// Waits until everything is in step with the records.
async fn settled(gateway: &Gateway) {
    let through = gateway.store().snapshot().through().get();
    let projections = gateway.projections();
    let limit = Duration::from_secs(10);
    let outcome = projections.wait(Revision::new(through), projections.mark(), limit).await;
    assert_eq!(outcome.missing, []);
}

async fn ask(gateway: &Gateway, request: Request) -> Reply {
    let caller = Caller::Local { uid: 0, name: Some("tester".into()) };
    gateway.execute(&caller, request).await
}

async fn profile(gateway: &Gateway, user: &str, renew: bool) -> ProfileMaterial {
    match ask(gateway, profile_request(user, renew)).await.expect("a profile") {
        Response::Profile(material) => *material,
        other => panic!("{other:?}"),
    }
}

async fn revoke(gateway: &Gateway, user: &str) -> Changed {
    let reason = RevocationReason::KeyCompromise;
    let request = Request::DeviceRevoke { device: device(user), reason };
    match ask(gateway, request).await.expect("revoked") {
        Response::Changed(changed) => changed,
        other => panic!("{other:?}"),
    }
}

async fn crl(gateway: &Gateway) -> CrlDetail {
    match ask(gateway, Request::CrlShow).await.expect("a CRL") {
        Response::Crl(crl) => crl,
        other => panic!("{other:?}"),
    }
}

async fn state(gateway: &Gateway, user: &str) -> DeviceState {
    match ask(gateway, Request::DeviceShow { device: device(user) }).await.expect("there") {
        Response::Device(detail) => {
            let revoked = |c: &CertificateState| matches!(c, CertificateState::Revoked { .. });
            assert!(detail.certificates.iter().all(|c| revoked(&c.state)));
            detail.device.state
        }
        other => panic!("{other:?}"),
    }
}

fn without_connections(response: Response) -> serde_json::Value {
    let mut value = serde_json::to_value(response).expect("serialises");
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("connected");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

fn openssl(folder: &Folder, arguments: &str) -> Result<String, String> {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(&folder.0)
        .output()
        .expect("openssl is installed");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() && !text.contains("verify failure") { Ok(text) } else { Err(text) }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("handfast-story-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("made");
        Self(path)
    }

    fn data(&self) -> DataDir {
        DataDir::new(self.path("data"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    async fn start(&self, clock: &Arc<dyn Clock>) -> Gateway {
        let public = Some("vpn.example.org".parse().expect("a name"));
        let first = FirstStart { public, ..FirstStart::default() };
        Gateway::start(self.data(), Arc::clone(clock), first).await.expect("started")
    }

    /// A gateway that makes its keys quickly.
    async fn start_p256(&self, clock: &Arc<dyn Clock>) -> Gateway {
        let data = self.data();
        data.prepare().expect("made");
        if !data.config().exists() {
            let text = "[public]\nnames = [\"vpn.example.org\"]\n\
                        [vpn]\nnetwork6 = \"fd00:71::/64\"\n\
                        [ca]\nkey_type = \"p256\"\n[device]\nkey_type = \"p256\"\n";
            data.write_whole(&data.config(), text.as_bytes()).expect("written");
        }
        self.start(clock).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
