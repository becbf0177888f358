//! Users, devices, leases, certificates and what becomes of them.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{
    ADMIN, Folder, add_ca, clock, device, device_certificate, id, later, open, serial, user,
};
use rusqlite::Connection;
use store::{
    CaGenerationId, CertificateStatus, Crl, Deed, DeviceId, DeviceName, Ended, EventId, EventKind,
    Holder, Lease, NewCertificate, NewKey, Options, Refused, RevocationReason, Secret, Store,
    StoreError,
};

#[tokio::test]
async fn a_user_comes_with_its_first_device_and_addresses() {
    let folder = Folder::new();
    let store = open(&folder);
    let first = DeviceName::default_device();
    let added = store.user_add(&ADMIN, &user("alice"), Some(&first)).await.unwrap().value;
    assert!(added.user.enabled());
    assert_eq!(added.user.added_at, later(0));
    let made = &added.devices.first().unwrap().device;
    assert_eq!(made.lease, Some(Lease { ipv4: 2, ipv6: 2 }));
    assert_eq!(store.user_show(&user("alice")).await.unwrap(), added);
    assert_eq!(store.device_list(Some(&user("alice"))).await.unwrap(), std::slice::from_ref(made));
}

#[tokio::test]
async fn a_refused_change_leaves_no_trace() {
    let folder = Folder::new();
    let store = open(&folder);
    let alice = user("alice");
    store.user_add(&ADMIN, &alice, None).await.unwrap();
    let before = store.snapshot();
    let again = store.user_add(&ADMIN, &alice, Some(&device("laptop"))).await;
    assert!(matches!(again, Err(StoreError::Refused(Refused::UserExists(name))) if name == alice));
    let stranger = store.device_add(&ADMIN, &user("bob"), &device("laptop")).await;
    assert!(matches!(stranger, Err(StoreError::Refused(Refused::UserUnknown(_)))));
    assert_eq!(store.snapshot().through(), before.through());
    assert_eq!(store.event_latest().await.unwrap(), EventId::new(1));
}

#[tokio::test]
async fn deeds_are_done_all_or_none() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let (alice, names) = (user("alice"), ["a", "b", "c"].map(device));
    store.user_add(&ADMIN, &alice, None).await.unwrap();
    for (number, name) in (7..).zip(&names) {
        let id = store.device_add(&ADMIN, &alice, name).await.unwrap().value.id;
        store.certificate_record(&ADMIN, device_certificate(number, id, ca.id)).await.unwrap();
    }
    let remove = |device: &DeviceName| {
        let (user, device) = (user("alice"), device.clone());
        Deed::DeviceRemove { user, device }
    };
    let before = store.snapshot().through();
    let with_a_stranger = [remove(&names[0]), remove(&device("d")), remove(&names[1])].to_vec();
    let refused = store.deeds_do(&ADMIN, with_a_stranger).await;
    let stranger = Refused::DeviceUnknown(alice.clone(), device("d"));
    assert!(matches!(refused, Err(StoreError::Refused(why)) if why == stranger));
    assert_eq!(store.snapshot().through(), before);
    assert_eq!(store.device_list(None).await.unwrap().len(), 3);

    let disable = Deed::UserSetEnabled { name: alice.clone(), enabled: false };
    let done = vec![remove(&names[0]), disable, remove(&names[2])];
    let done = store.deeds_do(&ADMIN, done).await.unwrap();
    let revoked: Vec<_> = done.value.iter().map(|revocation| revocation.id).collect();
    assert_eq!(revoked, [id(7), id(9)]);
    assert_eq!(done.events.len(), 5, "each has its own");
    assert_eq!(store.device_list(None).await.unwrap().len(), 1);
    assert!(!store.user_show(&alice).await.unwrap().user.enabled());
}

#[tokio::test]
async fn an_address_stays_with_its_device_until_that_is_removed() {
    let folder = Folder::new();
    let options = Options { lease_last: 4, ..Options::default() };
    let store = Store::open_with(&folder.database(), Arc::new(clock()), options).unwrap();
    let alice = user("alice");
    store.user_add(&ADMIN, &alice, None).await.unwrap();
    for (name, host) in [("a", 2), ("b", 3), ("c", 4)] {
        let added = store.device_add(&ADMIN, &alice, &device(name)).await.unwrap().value;
        assert_eq!(added.lease.unwrap().ipv4, host);
    }
    let full = store.device_add(&ADMIN, &alice, &device("d")).await;
    assert!(matches!(full, Err(StoreError::Refused(Refused::AddressesUsedUp { last: 4 }))));
    let disabled = store.device_set_enabled(&ADMIN, &alice, &device("b"), false).await.unwrap();
    assert!(!disabled.is_unchanged());
    assert!(store.device_add(&ADMIN, &alice, &device("d")).await.is_err());
    store.device_remove(&ADMIN, &alice, &device("b")).await.unwrap();
    let d = store.device_add(&ADMIN, &alice, &device("d")).await.unwrap().value;
    assert_eq!(d.lease.unwrap().ipv4, 3);
    let removed = store.device_remove(&ADMIN, &alice, &device("a")).await.unwrap();
    assert_eq!(removed.value, []);
    let b = store.device_add(&ADMIN, &alice, &device("b")).await.unwrap().value;
    assert_eq!(b.lease.unwrap().ipv4, 2);
}

#[tokio::test]
async fn removing_a_user_revokes_its_certificates_and_keeps_them_on_record() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let (alice, laptop) = (user("alice"), device("laptop"));
    let added = store.user_add(&ADMIN, &alice, Some(&laptop)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    store.certificate_record(&ADMIN, device_certificate(7, holder, ca.id)).await.unwrap();
    let revoked = store.user_remove(&ADMIN, &alice).await.unwrap().value;
    assert_eq!(revoked.iter().map(|r| r.id).collect::<Vec<_>>(), [id(7)]);
    let all = store.certificate_list().await.unwrap();
    let on_record = all.iter().find(|c| c.id == id(7)).unwrap();
    assert_eq!(on_record.revocation, revoked.first().copied());
    assert!(store.user_list().await.unwrap().is_empty());
    assert!(store.snapshot().device(holder).is_none());
    // The name is free again, and means another user.
    let again = store.user_add(&ADMIN, &alice, Some(&laptop)).await.unwrap().value;
    assert_ne!(again.user.id, added.user.id);
    let gone = store.certificate_record(&ADMIN, device_certificate(8, holder, ca.id)).await;
    assert!(matches!(gone, Err(StoreError::Refused(Refused::DeviceGone))));
}

#[tokio::test]
async fn a_serial_is_worth_what_its_holder_and_the_store_say() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let (alice, laptop) = (user("alice"), device("laptop"));
    let added = store.user_add(&ADMIN, &alice, Some(&laptop)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    let standing = || store.snapshot().status(&id(7));
    assert_eq!(standing(), CertificateStatus::Unknown);
    store.certificate_record(&ADMIN, device_certificate(7, holder, ca.id)).await.unwrap();
    assert_eq!(standing(), CertificateStatus::Good);
    store.device_set_enabled(&ADMIN, &alice, &laptop, false).await.unwrap();
    assert_eq!(standing(), CertificateStatus::DeviceDisabled);
    store.user_set_enabled(&ADMIN, &alice, false).await.unwrap();
    assert_eq!(standing(), CertificateStatus::UserDisabled);
    let reason = RevocationReason::KeyCompromise;
    let revoked = store.device_revoke(&ADMIN, &alice, &laptop, reason).await.unwrap().value;
    assert_eq!(standing(), CertificateStatus::Revoked { at: later(0), reason });
    assert_eq!(revoked.len(), 1);
    let listed = store.listed(ca.id).await.unwrap();
    assert_eq!((listed.revocations, listed.holds), (revoked, Vec::new()));
    assert_eq!(listed.through, store.snapshot().through());
    let again = store.certificate_revoke(&ADMIN, &id(7), reason).await;
    assert!(matches!(
        again,
        Err(StoreError::Refused(Refused::CertificateRevoked { at, .. })) if at == later(0)
    ));
}

#[tokio::test]
async fn a_renewed_certificate_goes_once_its_successor_has_connected() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let first = DeviceName::default_device();
    let added = store.user_add(&ADMIN, &user("alice"), Some(&first)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    for number in [7, 8, 9] {
        let mut new = device_certificate(number, holder, ca.id);
        new.supersedes_within = Some(Duration::from_secs(604_800));
        store.certificate_record(&ADMIN, new).await.unwrap();
    }
    let deadline = |number| store.snapshot().certificate(&id(number)).unwrap().supersede_at;
    assert_eq!(deadline(7), Some(later(604_800)));
    assert_eq!(deadline(9), None);
    let connected = store.certificate_mark_connected(&id(8)).await.unwrap().value;
    assert!(connected.first);
    assert_eq!(connected.revoked.iter().map(|r| r.id).collect::<Vec<_>>(), [id(7)]);
    assert!(store.certificate_mark_connected(&id(8)).await.unwrap().is_unchanged());
    let connected = store.certificate_mark_connected(&id(9)).await.unwrap().value;
    assert_eq!(connected.revoked.iter().map(|r| r.id).collect::<Vec<_>>(), [id(8)]);
    assert_eq!(store.snapshot().status(&id(9)), CertificateStatus::Good);
}

#[tokio::test]
async fn a_renewed_certificate_goes_when_its_time_is_up() {
    let folder = Folder::new();
    let clock = clock();
    let store = Store::open(&folder.database(), Arc::new(clock.clone())).unwrap();
    let ca = add_ca(&store).await;
    let first = DeviceName::default_device();
    let added = store.user_add(&ADMIN, &user("alice"), Some(&first)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    store.certificate_record(&ADMIN, device_certificate(7, holder, ca.id)).await.unwrap();
    let mut renewed = device_certificate(8, holder, ca.id);
    renewed.supersedes_within = Some(Duration::from_secs(60));
    store.certificate_record(&ADMIN, renewed).await.unwrap();
    clock.advance(Duration::from_secs(59));
    assert!(store.certificate_supersede_due().await.unwrap().is_unchanged());
    clock.advance(Duration::from_secs(1));
    let due = store.certificate_supersede_due().await.unwrap().value;
    assert_eq!(due.first().unwrap().id, id(7));
    assert_eq!(due.first().unwrap().reason, RevocationReason::Superseded);
    assert!(store.certificate_supersede_due().await.unwrap().is_unchanged());
}

#[tokio::test]
async fn secrets_are_kept_and_never_told() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let key = store.secret_get(&ca.key_name()).await.unwrap().unwrap();
    assert_eq!(key.expose(), b"the key of the CA");
    store.secret_put(&ADMIN, "tls-auth", Secret::new(b"hush hush".to_vec())).await.unwrap();
    assert!(store.secret_get("nothing").await.unwrap().is_none());
    let events = store.event_list(EventId::NONE, 100).await.unwrap();
    assert_eq!(events.len(), 3);
    let told = format!("{events:?}");
    assert!(told.contains("tls-auth") && !told.contains("hush") && !told.contains("key of the"));
}

#[tokio::test]
async fn a_crl_is_recorded_once_for_each_number() {
    let folder = Folder::new();
    let store = open(&folder);
    let generation = add_ca(&store).await.id;
    let crl = |number| Crl {
        generation,
        number,
        this_update: later(0),
        next_update: later(604_800),
        through: EventId::new(2),
        der: vec![0x30, 3],
    };
    for number in [1, 5] {
        assert!(!store.crl_record(&ADMIN, crl(number)).await.unwrap().is_unchanged());
    }
    let stale = store.crl_record(&ADMIN, crl(5)).await;
    assert!(matches!(
        stale,
        Err(StoreError::Refused(Refused::CrlNumberUsed { number: 5, latest: 5 }))
    ));
    assert_eq!(store.crl_latest(generation).await.unwrap(), Some(crl(5)));
    assert_eq!(store.snapshot().crl(generation).map(|c| c.number), Some(5));
}

#[tokio::test]
async fn a_setting_that_stays_the_same_is_no_event() {
    let folder = Folder::new();
    let store = open(&folder);
    assert_eq!(store.setting_get("vpn.nat").await.unwrap(), None);
    for (value, unchanged) in [("true", false), ("true", true), ("false", false)] {
        let set = store.setting_set(&ADMIN, "vpn.nat", value).await.unwrap();
        assert_eq!(set.is_unchanged(), unchanged);
    }
    assert_eq!(store.setting_get("vpn.nat").await.unwrap().as_deref(), Some("false"));
    let events = store.event_list(EventId::NONE, 9).await.unwrap();
    assert_eq!(events.iter().filter(|e| e.kind == EventKind::SETTING_SET).count(), 2);
    assert_eq!(events.first().unwrap().actor, "uid:0");
}

#[tokio::test]
async fn what_the_ca_never_had_is_refused() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await;
    let first = DeviceName::default_device();
    let added = store.user_add(&ADMIN, &user("alice"), Some(&first)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    let new = device_certificate(7, holder, ca.id);
    store.certificate_record(&ADMIN, new.clone()).await.unwrap();
    let again = store.certificate_record(&ADMIN, new).await;
    assert!(
        matches!(again, Err(StoreError::Refused(Refused::CertificateExists(s))) if s == serial(7))
    );
    let reason = RevocationReason::Unspecified;
    let unknown = store.certificate_revoke(&ADMIN, &id(99), reason).await;
    assert!(
        matches!(unknown, Err(StoreError::Refused(Refused::CertificateUnknown(s))) if s == serial(99))
    );
}

#[tokio::test]
async fn a_key_that_was_revoked_as_compromised_is_never_certified_again() {
    let folder = Folder::new();
    let (store, ca) = with_ca(&folder).await;
    let phone = added(&store, "alice", "phone").await;
    store.certificate_record(&ADMIN, device_certificate(7, phone, ca)).await.unwrap();
    let reason = RevocationReason::KeyCompromise;
    store.certificate_revoke(&ADMIN, &id(7), reason).await.unwrap();
    let same_key = |number, holder| NewCertificate {
        public_key: device_certificate(7, holder, ca).public_key,
        ..device_certificate(number, holder, ca)
    };
    let compromised = Refused::KeyCompromised { whose: "alice/phone".into(), at: later(0) };
    let refused = |result: Result<_, StoreError>| match result {
        Err(StoreError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let again = store.certificate_record(&ADMIN, same_key(8, phone)).await.map(drop);
    assert_eq!(refused(again), compromised);
    // Nor under another name, nor once the device is gone.
    store.device_remove(&ADMIN, &user("alice"), &device("phone")).await.unwrap();
    let tablet = added(&store, "alice", "tablet").await;
    let again = store.certificate_record(&ADMIN, same_key(9, tablet)).await.map(drop);
    let of_the_time = Refused::KeyCompromised { whose: "device 1".into(), at: later(0) };
    assert_eq!(refused(again), of_the_time);
    let key = same_key(9, tablet).public_key;
    assert_eq!(refused(store.key_check(key, None).await), of_the_time);
}

#[tokio::test]
async fn a_key_stands_for_one_holder_and_may_be_certified_for_it_again() {
    let folder = Folder::new();
    let (store, ca) = with_ca(&folder).await;
    let phone = added(&store, "alice", "phone").await;
    let tablet = added(&store, "bob", "tablet").await;
    let first = device_certificate(7, phone, ca);
    let key = first.public_key;
    store.certificate_record(&ADMIN, first).await.unwrap();
    let same_key = |number, holder| NewCertificate {
        public_key: key,
        ..device_certificate(number, holder, ca)
    };
    let taken = store.certificate_record(&ADMIN, same_key(8, tablet)).await.map(drop);
    let of_phone = Refused::KeyOfAnother { whose: "alice/phone".into() };
    assert!(matches!(taken, Err(StoreError::Refused(refused)) if refused == of_phone));
    let renewed =
        NewCertificate { supersedes_within: Some(Duration::from_secs(60)), ..same_key(9, phone) };
    store.certificate_record(&ADMIN, renewed).await.unwrap();
    assert!(store.key_check(key, Some(Holder::Device(phone))).await.is_ok());
    assert!(store.key_check(key, Some(Holder::Device(tablet))).await.is_err());
    // Removed without a compromise: it is nobody's.
    store.device_remove(&ADMIN, &user("alice"), &device("phone")).await.unwrap();
    store.certificate_record(&ADMIN, same_key(10, tablet)).await.unwrap();

    let own = NewCertificate { holder: Holder::Gateway, ..device_certificate(11, tablet, ca) };
    let key = own.public_key;
    store.certificate_record(&ADMIN, own).await.unwrap();
    let of_gateway = Refused::KeyOfAnother { whose: "the gateway".into() };
    let taken = store.key_check(key, Some(Holder::Device(tablet))).await;
    assert!(matches!(taken, Err(StoreError::Refused(refused)) if refused == of_gateway));
}

#[tokio::test]
async fn certificates_that_ended_are_forgotten_with_their_keys_and_some_never_are() {
    let folder = Folder::new();
    let (store, ca) = with_ca(&folder).await;
    let phone = added(&store, "alice", "phone").await;
    let own = |number: u64| NewCertificate {
        holder: Holder::Gateway,
        key: Some(NewKey { name: format!("gateway/{number}"), pkcs8: Secret::new(vec![1]) }),
        ..device_certificate(number, phone, ca)
    };
    for number in [7, 8] {
        store.certificate_record(&ADMIN, own(number)).await.unwrap();
    }
    let late = NewCertificate { not_after: later(40_000_000), ..own(9) };
    store.certificate_record(&ADMIN, late).await.unwrap();
    store.certificate_record(&ADMIN, device_certificate(10, phone, ca)).await.unwrap();
    store.certificate_revoke(&ADMIN, &id(8), RevocationReason::Superseded).await.unwrap();

    let ended = |number: u64| Ended { id: id(number), key: Some(format!("gateway/{number}")) };
    let all = [7, 8, 9, 10, 11].map(ended).to_vec();
    let before = later(35_000_000);
    let forgotten = store.certificates_forget(&ADMIN, all.clone(), before).await.unwrap();
    assert_eq!(forgotten.events[0].kind, EventKind::CERTIFICATES_FORGOTTEN);
    let left: Vec<_> = store.certificate_list().await.unwrap().iter().map(|c| c.id).collect();
    assert_eq!(left, [8, 9, 10].map(id), "revoked, not over, a device's");
    assert_eq!(store.snapshot().status(&id(7)), CertificateStatus::Unknown);
    assert!(store.secret_get("gateway/7").await.unwrap().is_none());
    assert!(store.secret_get("gateway/8").await.unwrap().is_some());
    assert_eq!(store.audit().await.unwrap(), []);
    assert!(store.certificates_forget(&ADMIN, all, before).await.unwrap().is_unchanged());
}

#[tokio::test]
async fn a_device_and_its_first_certificate_are_recorded_both_or_not_at_all() {
    let folder = Folder::new();
    let (store, ca) = with_ca(&folder).await;
    let phone = added(&store, "alice", "phone").await;
    store.certificate_record(&ADMIN, device_certificate(7, phone, ca)).await.unwrap();
    let (alice, tablet) = (user("alice"), device("tablet"));
    let of_phone = device_certificate(7, phone, ca).public_key;
    let taken = NewCertificate { public_key: of_phone, ..device_certificate(8, phone, ca) };
    let refused = store.device_add_certified(&ADMIN, &alice, &tablet, taken).await;
    assert!(matches!(refused, Err(StoreError::Refused(Refused::KeyOfAnother { .. }))));
    assert!(store.device_show(&alice, &tablet).await.is_err());
    let setting = Some(("certificate/8".to_owned(), "csr".to_owned()));
    let first = NewCertificate { setting, ..device_certificate(8, phone, ca) };
    let added = store.device_add_certified(&ADMIN, &alice, &tablet, first).await.unwrap().value;
    let shown = store.device_show(&alice, &tablet).await.unwrap();
    assert_eq!(shown.certificates.iter().map(|c| c.id).collect::<Vec<_>>(), [id(8)]);
    assert_eq!(shown.certificates[0].holder, Holder::Device(added.id));
    assert_eq!(store.setting_get("certificate/8").await.unwrap().as_deref(), Some("csr"));
    assert_eq!(store.audit().await.unwrap(), []);
}

/// A store that knows one CA.
async fn with_ca(folder: &Folder) -> (Store, CaGenerationId) {
    let store = open(folder);
    let ca = add_ca(&store).await.id;
    (store, ca)
}

/// A device of a user, who is added where there is none.
async fn added(store: &Store, owner: &str, name: &str) -> DeviceId {
    let _ = store.user_add(&ADMIN, &user(owner), None).await;
    store.device_add(&ADMIN, &user(owner), &device(name)).await.expect("a new name").value.id
}

#[tokio::test]
async fn a_user_with_another_name_keeps_devices_and_certificates() {
    let folder = Folder::new();
    let (store, ca) = with_ca(&folder).await;
    let phone = added(&store, "alice", "phone").await;
    store.certificate_record(&ADMIN, device_certificate(7, phone, ca)).await.unwrap();
    let (alice, alicia) = (user("alice"), user("alicia"));
    store.user_rename(&ADMIN, &alice, &alicia).await.unwrap();
    assert!(store.user_rename(&ADMIN, &alicia, &alicia).await.unwrap().is_unchanged());
    let gone = store.user_show(&alice).await;
    assert!(matches!(gone, Err(StoreError::Refused(Refused::UserUnknown(_)))));
    let shown = store.device_show(&alicia, &device("phone")).await.unwrap();
    assert_eq!(shown.device.user_name, alicia);
    assert_eq!(shown.certificates.len(), 1);
    let snapshot = store.snapshot();
    let (owner, device) = snapshot.identity(&id(7)).unwrap();
    assert_eq!((&owner.name, &device.user_name), (&alicia, &alicia));
    assert_eq!(snapshot.status(&id(7)), CertificateStatus::Good);
    // The former name is free, and one that is taken is not given.
    added(&store, "alice", "phone").await;
    let taken = store.user_rename(&ADMIN, &alicia, &alice).await;
    assert!(matches!(taken, Err(StoreError::Refused(Refused::UserExists(name))) if name == alice));
}

#[tokio::test]
async fn a_certificate_is_on_hold_while_its_device_or_user_is_disabled_and_good_after_both() {
    let folder = Folder::new();
    let clock = clock();
    let store = Store::open(&folder.database(), Arc::new(clock.clone())).unwrap();
    let ca = add_ca(&store).await;
    let (alice, laptop) = (user("alice"), device("laptop"));
    let added = store.user_add(&ADMIN, &alice, Some(&laptop)).await.unwrap().value;
    let holder = added.devices.first().unwrap().device.id;
    store.certificate_record(&ADMIN, device_certificate(7, holder, ca.id)).await.unwrap();
    let holds = async || {
        let holds = store.listed(ca.id).await.unwrap().holds;
        let entry = Arc::clone(store.snapshot().certificate(&id(7)).unwrap());
        let said = store.snapshot().standing(&entry);
        let hold = holds.first().map(|h| (h.at, RevocationReason::CertificateHold));
        assert_eq!(hold, said);
        holds.first().map(|hold| hold.at)
    };
    assert_eq!(holds().await, None);
    store.user_set_enabled(&ADMIN, &alice, false).await.unwrap();
    clock.advance(Duration::from_secs(10));
    store.device_set_enabled(&ADMIN, &alice, &laptop, false).await.unwrap();
    assert_eq!(holds().await, Some(later(0)));
    store.user_set_enabled(&ADMIN, &alice, true).await.unwrap();
    assert_eq!(holds().await, Some(later(10)), "the device is disabled still");
    store.device_set_enabled(&ADMIN, &alice, &laptop, true).await.unwrap();
    assert_eq!(holds().await, None);
    // What is revoked is so for good, whatever becomes of the hold that it was on.
    store.device_set_enabled(&ADMIN, &alice, &laptop, false).await.unwrap();
    let reason = RevocationReason::KeyCompromise;
    store.device_revoke(&ADMIN, &alice, &laptop, reason).await.unwrap();
    assert_eq!(store.listed(ca.id).await.unwrap().holds, []);
    store.device_set_enabled(&ADMIN, &alice, &laptop, true).await.unwrap();
    let listed = store.listed(ca.id).await.unwrap();
    assert_eq!(listed.revocations.first().map(|r| r.reason), Some(reason));
}

#[tokio::test]
async fn addresses_come_free_a_while_after_a_revocation_and_a_renewed_device_gets_others() {
    let folder = Folder::new();
    let store = open(&folder);
    let ca = add_ca(&store).await.id;
    let mut devices = Vec::new();
    for (number, name) in [(11, "lost"), (12, "kept"), (13, "new")] {
        let first = Some(device("first"));
        let added = store.user_add(&ADMIN, &user(name), first.as_ref()).await.unwrap().value;
        devices.push(added.devices[0].device.id);
        if name != "new" {
            let new = device_certificate(number, devices[devices.len() - 1], ca);
            store.certificate_record(&ADMIN, new).await.unwrap();
        }
    }
    let reason = RevocationReason::KeyCompromise;
    store.device_revoke(&ADMIN, &user("lost"), &device("first"), reason).await.unwrap();
    assert!(store.leases_free(devices.clone(), later(0)).await.unwrap().is_unchanged());
    let freed = store.leases_free(devices.clone(), later(1)).await.unwrap();
    let kinds: Vec<_> = freed.events.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::DEVICE_ADDRESSES_FREED]);
    assert!(store.leases_free(devices.clone(), later(1)).await.unwrap().is_unchanged());
    let hosts = |store: &Store| {
        let snapshot = store.snapshot();
        let host = |id: &DeviceId| snapshot.device(*id).unwrap().lease.map(|lease| lease.ipv4);
        devices.iter().map(host).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&store), [None, Some(3), Some(4)]);
    assert_eq!(store.audit().await.unwrap(), []);

    store.certificate_record(&ADMIN, device_certificate(14, devices[0], ca)).await.unwrap();
    assert_eq!(
        hosts(&store),
        [Some(5), Some(3), Some(4)],
        "the freed one rests while there is room"
    );
    assert_eq!(store.audit().await.unwrap(), []);
    store.close().await;
    assert_eq!(hosts(&open(&folder)), [Some(5), Some(3), Some(4)]);
}

#[tokio::test]
async fn names_differ_by_more_than_case_and_pairs_from_before_go_on() {
    let folder = Folder::new();
    let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
    let (alice, shouted) = (user("alice"), user("ALICE"));
    added(&store, "alice", "phone").await;
    added(&store, "bob", "phone").await;
    let taken = |result: Result<_, StoreError>| match result {
        Err(StoreError::Refused(Refused::UserExists(name))) => Some(name),
        _ => None,
    };
    assert_eq!(taken(store.user_add(&ADMIN, &shouted, None).await.map(drop)), Some(alice.clone()));
    let renamed = store.user_rename(&ADMIN, &user("bob"), &shouted).await;
    assert_eq!(taken(renamed.map(drop)), Some(alice.clone()));
    let again = store.device_add(&ADMIN, &alice, &device("Phone")).await;
    let phone = device("phone");
    assert!(
        matches!(again, Err(StoreError::Refused(Refused::DeviceExists(_, name))) if name == phone)
    );
    // Of one's own name the case may change.
    store.user_rename(&ADMIN, &user("bob"), &user("Bob")).await.unwrap();
    store.close().await;
    // As a release that did not look at case has left it.
    let conn = Connection::open(folder.database()).unwrap();
    conn.execute("UPDATE users SET name = 'Alice' WHERE name = 'Bob'", []).unwrap();
    drop(conn);
    let store = Store::open(&folder.database(), Arc::new(clock())).unwrap();
    for name in ["alice", "Alice"] {
        store.device_add(&ADMIN, &user(name), &device("laptop")).await.unwrap();
        store.user_set_enabled(&ADMIN, &user(name), false).await.unwrap();
    }
    store.user_remove(&ADMIN, &user("Alice")).await.unwrap();
    assert_eq!(taken(store.user_add(&ADMIN, &shouted, None).await.map(drop)), Some(alice));
}
