//! Certificates that the gateway itself would never issue: with its CA's key, or with another's.

#![allow(dead_code, reason = "each test includes it and uses a part")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, SystemClock};
use interop::{Program, Subscriber, World};
use pki::{
    CertificateRequest, KeyType, LocalSigner, NewCa, PrivateKey, Profile, Publishing, Serial,
    Signer, Timestamp, Validity, certificate_to_pem, issue,
};
use store::{Actor, DeviceName, Holder, NewCertificate, Store, UserName};

/// A day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// Somebody with a CA's key.
pub(crate) struct Forger(LocalSigner);

/// A certificate and its key, PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) serial: Serial,
    pub(crate) validity: Validity,
    der: Vec<u8>,
}

impl Forger {
    /// A CA of his own, which began long ago.
    pub(crate) fn new() -> Self {
        let ca = NewCa {
            key_type: KeyType::P256,
            serial: Serial::from_random([0x5a; 16]),
            now: now().before(Duration::from_secs(365 * DAY.unsigned_abs())),
            lifetime: pki::CA_LIFETIME,
        };
        Self(LocalSigner::create(&ca).expect("a CA"))
    }

    /// The key of a gateway's CA, stolen from its data folder. The gateway must be down.
    pub(crate) fn with_the_key_of(data: &Path) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open(&data.join("handfast.db"), Arc::new(SystemClock));
            let store = store.expect("the store opens");
            let generation = store.ca_generation_list().await.expect("a list").pop();
            let generation = generation.expect("a CA");
            let secret = store.secret_get(&generation.key_name()).await.expect("secrets");
            let key = PrivateKey::from_pkcs8(secret.expect("its key").expose()).expect("a key");
            store.close().await;
            Self(LocalSigner::new(&generation.der, key).expect("a signer"))
        })
    }

    /// The CA's certificate.
    pub(crate) fn ca_pem(&self) -> String {
        self.0.ca().to_pem()
    }

    /// A certificate, valid between these seconds from now, and its key.
    pub(crate) fn issue(&self, profile: Profile, (from, until): (i64, i64)) -> Pair {
        let key = PrivateKey::generate(KeyType::P256).expect("a key");
        let validity = Validity { not_before: at(from), not_after: at(until) };
        let mut serial = [0; 16];
        rustix::rand::getrandom(&mut serial, rustix::rand::GetRandomFlags::empty())
            .expect("randomness");
        let serial = Serial::from_random(serial);
        let request = CertificateRequest {
            serial,
            profile,
            public_key: key.public_key().clone(),
            validity,
            publishing: Publishing::default(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let der = runtime.block_on(issue(&self.0, request)).expect("a certificate");
        let (certificate, key) = (certificate_to_pem(&der), key.to_pem().to_string());
        Pair { certificate, key, serial, validity, der: der.to_vec() }
    }
}

/// A certificate of a user's first device that runs out after so many seconds, issued with the gateway's
/// own key and recorded as the gateway would. The gateway must be down.
pub(crate) fn recorded(data: &Path, user: &str, seconds: i64) -> Pair {
    let profile = Profile::Device { user: user.into(), device: "default".into() };
    let pair = Forger::with_the_key_of(data).issue(profile, (-3000, seconds));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&data.join("handfast.db"), Arc::new(SystemClock));
        let store = store.expect("the store opens");
        let generation = store.ca_generation_list().await.expect("a list").pop();
        let names = (UserName::new(user).expect("a name"), DeviceName::default_device());
        let device = store.device_show(&names.0, &names.1).await.expect("a device").device;
        let new = NewCertificate {
            serial: pair.serial,
            holder: Holder::Device(device.id),
            subject: format!("CN={user}/default"),
            not_before: pair.validity.not_before,
            not_after: pair.validity.not_after,
            issued_by: generation.expect("a CA").id,
            public_key: pki::KeyId::of_certificate(&pair.der.clone().into()).expect("a key"),
            der: pair.der.clone(),
            key: None,
            supersedes_within: None,
        };
        store.certificate_record(&Actor::Gateway, new).await.expect("it is recorded");
        store.close().await;
    });
    pair
}

/// A stock server with a certificate of the same CA for another name.
pub(crate) fn impostor(world: &World, alice: &Subscriber) -> Program {
    let profile = Profile::Server { names: vec!["impostor.example".into()] };
    let pair = Forger::with_the_key_of(&world.data()).issue(profile, (-3000, 30 * DAY));
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    let block = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>\n"));
        let end = text.find(&close).expect("a block") + close.len();
        text[text.find(&open).expect("a block")..end].to_owned()
    };
    let config = format!(
        "dev tun\ntls-server\nmode server\ntopology subnet\nserver 10.72.0.0 255.255.255.0\n\
         port 1194\nproto udp\ndh none\nauth SHA256\nkey-direction 0\n{}{}\
         <cert>\n{}</cert>\n<key>\n{}</key>\n",
        block("ca"),
        block("tls-auth"),
        pair.certificate,
        pair.key
    );
    let path = world.file("impostor.conf");
    fs::write(&path, config).expect("written");
    let mut command = Command::new("openvpn");
    command.arg("--config").arg(&path);
    let log = world.file("impostor.log");
    let mut server = Program::start(&world.gateway.netns, command, &log).expect("openvpn starts");
    assert!(server.says("Initialization Sequence", Duration::from_secs(10)), "{}", server.log());
    server
}

fn at(seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { now().before(by) } else { now().after(by) }
}

fn now() -> Timestamp {
    Timestamp::from(SystemClock.now())
}
