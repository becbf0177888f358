//! Files as other programs write them, and what serves meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use time::OffsetDateTime;

use super::*;
use crate::testing::TempFolder;

#[test]
fn what_is_put_there_serves_once_and_another_one_takes_its_place() {
    let house = House::new();
    let mut files = Files::default();
    house.put(&made(90));
    assert!(files.look(&house.settings, now()), "it is news");
    let first = house.served(&files);
    assert!(!files.look(&house.settings, now()), "nothing has changed");
    house.put(&made(80));
    assert!(files.look(&house.settings, now()));
    assert_ne!(house.served(&files), first);
    assert_eq!(house.faults(&files), [""; 0]);
}

#[test]
fn a_key_that_does_not_fit_leaves_the_former_in_service_and_is_said_at_the_second_look() {
    let house = House::new();
    let mut files = Files::default();
    house.put(&made(90));
    files.look(&house.settings, now());
    let former = house.served(&files);
    let other = made(80);
    house.put_chain(&other.0);
    assert!(!files.look(&house.settings, now()), "the key may be on its way");
    assert_eq!(house.faults(&files), [""; 0]);
    assert!(files.look(&house.settings, now()), "it is not");
    assert!(house.faults(&files)[0].contains("is not that of the certificate"));
    assert_eq!(house.served(&files), former);
    house.put_key(&other.1);
    assert!(files.look(&house.settings, now()));
    assert_ne!(house.served(&files), former);
    assert_eq!(house.faults(&files), [""; 0]);
}

#[test]
fn each_fault_of_files_is_told_at_once_where_nothing_serves() {
    let house = House::new();
    let (chain, key) = made(90);
    type Spoil<'a> = Box<dyn Fn() + 'a>;
    let cases: [(Spoil<'_>, &str); 7] = [
        (Box::new(|| fs::remove_file(house.key()).unwrap()), "can't be read: No such file"),
        (Box::new(|| house.put_key("")), "has no private key in it"),
        (Box::new(|| house.put_chain("hello")), "has no certificate in it"),
        (Box::new(|| house.put_chain(&"x".repeat(300_000))), "is no PEM text"),
        (Box::new(|| fs::write(house.chain(), [0xff, 0xfe]).unwrap()), "is no PEM text"),
        (
            Box::new(|| house.put(&made_for("other.test", -1, 90))),
            "is not for wiki.test; it is for other.test",
        ),
        (Box::new(|| house.put(&made_for("wiki.test", -90, -1))), "certificate 1 in it ended at"),
    ];
    for (spoil, said) in cases {
        house.put(&(chain.clone(), key.clone()));
        spoil();
        let mut files = Files::default();
        assert!(files.look(&house.settings, now()), "{said}");
        let faults = house.faults(&files);
        assert!(faults[0].contains(said), "{faults:?} has no {said}");
        assert_eq!(house.served(&files), []);
    }
}

#[test]
fn one_that_serves_is_said_to_end_soon_and_then_to_be_over() {
    let house = House::new();
    let mut files = Files::default();
    house.put(&made(90));
    files.look(&house.settings, now());
    assert_eq!(house.faults_at(&files, now().after(DAY * 59)), [""; 0]);
    let faults = house.faults_at(&files, now().after(DAY * 60));
    assert!(faults[0].contains("wiki.pem ends at "), "{faults:?}");
    let over = now().after(DAY * 91);
    files.look(&house.settings, over);
    assert!(files.look(&house.settings, over));
    let faults = house.faults_at(&files, over);
    assert!(faults.len() == 1 && faults[0].contains("ended at"), "{faults:?}");
    assert_eq!(house.served(&files).len(), 1, "whoever looks shall see which it was");
}

#[test]
fn a_key_that_everybody_may_read_serves_and_is_said() {
    let house = House::new();
    let mut files = Files::default();
    house.put(&made(90));
    fs::set_permissions(house.key(), PermissionsExt::from_mode(0o644)).unwrap();
    files.look(&house.settings, now());
    assert!(house.faults(&files)[0].contains("everybody on this machine"));
    assert_eq!(house.served(&files).len(), 1);
    fs::set_permissions(house.key(), PermissionsExt::from_mode(0o640)).unwrap();
    assert!(files.look(&house.settings, now()));
    assert_eq!(house.faults(&files), [""; 0]);
}

#[test]
fn a_server_that_is_given_another_name_goes_on_with_what_it_has() {
    let mut house = House::new();
    let mut files = Files::default();
    house.put(&made(90));
    files.look(&house.settings, now());
    let former = house.served(&files);
    house.settings.server[0].names.push("shop.test".parse().unwrap());
    files.look(&house.settings, now());
    files.look(&house.settings, now());
    assert!(house.faults(&files)[0].contains("is not for shop.test"));
    assert_eq!(house.served(&files), former);
}

#[test]
fn a_link_that_leads_to_another_file_is_a_change() {
    let house = House::new();
    let mut files = Files::default();
    let put = |number: u32, pair: &(String, String)| {
        for (name, text) in [("wiki.pem", &pair.0), ("wiki.key", &pair.1)] {
            let (file, link) = (house.file(&format!("{number}-{name}")), house.file(name));
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(&file, link).unwrap();
        }
    };
    put(1, &made(90));
    files.look(&house.settings, now());
    let first = house.served(&files);
    put(2, &made(80));
    assert!(files.look(&house.settings, now()));
    assert_ne!(house.served(&files), first);
}

/// A folder with files, and a server that has them.
struct House {
    folder: TempFolder,
    settings: Settings,
}

impl House {
    fn new() -> Self {
        let folder = TempFolder::new();
        let (chain, key) = (folder.path().join("wiki.pem"), folder.path().join("wiki.key"));
        let backend = "tcp:127.0.0.1:7".parse().unwrap();
        let mut server = VirtualServer::new("wiki.test".parse().unwrap(), backend);
        server.certificate = CertificateSource::Files(vec![CertificateFiles { chain, key }]);
        Self { folder, settings: Settings { server: vec![server], ..Settings::default() } }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn chain(&self) -> PathBuf {
        self.file("wiki.pem")
    }

    fn key(&self) -> PathBuf {
        self.file("wiki.key")
    }

    fn put(&self, (chain, key): &(String, String)) {
        self.put_chain(chain);
        self.put_key(key);
    }

    fn put_chain(&self, text: &str) {
        fs::write(self.chain(), text).unwrap();
    }

    fn put_key(&self, text: &str) {
        fs::write(self.key(), text).unwrap();
        fs::set_permissions(self.key(), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn served(&self, files: &Files) -> Vec<pki::CertificateId> {
        files.served(&self.settings.server[0]).iter().map(|served| served.fit.id).collect()
    }

    fn faults(&self, files: &Files) -> Vec<String> {
        self.faults_at(files, now())
    }

    fn faults_at(&self, files: &Files, now: Timestamp) -> Vec<String> {
        let faults = files.faults(&self.settings.server[0], now);
        faults.iter().map(|faulty| faulty.fault.to_string()).collect()
    }
}

/// A chain and its key that hold for so many days from now on.
fn made(days: i64) -> (String, String) {
    made_for("wiki.test", -1, days)
}

fn made_for(name: &str, since: i64, until: i64) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let day = |days: i64| {
        OffsetDateTime::from_unix_timestamp(now().unix_secs() as i64 + days * 86_400).unwrap()
    };
    (params.not_before, params.not_after) = (day(since), day(until));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000)
}

const DAY: Duration = Duration::from_secs(86_400);
