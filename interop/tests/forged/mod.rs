//! Certificates that the gateway itself would never issue: with its CA's key, or with another's.

#![allow(dead_code, reason = "each test includes it and uses a part")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock, SystemClock};
use interop::{Program, Subscriber, World};
use pki::ocsp::{
    CertId, CertIdHash, OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus, respond,
};
use pki::{
    CertificateId, CertificateRequest, CrlRequest, KeyType, LocalSigner, NewCa, PrivateKey,
    Profile, Publishing, Revocation, RevocationReason, Serial, Signer, Timestamp, Validity,
    certificate_to_pem, issue, sign_crl,
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

impl Pair {
    /// One that others have, of which this number is known.
    pub(crate) fn known(serial: Serial) -> Self {
        let validity = Validity { not_before: now(), not_after: now() };
        Self { certificate: String::new(), key: String::new(), serial, validity, der: Vec::new() }
    }
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
            let files = std::fs::read_dir(data.join("ca")).expect("the keys' folder").flatten();
            let mut files = files.map(|entry| entry.path());
            let signer = files.find_map(|path| {
                path.extension().filter(|ending| *ending == "pem")?;
                let key = PrivateKey::from_pem(&fs::read_to_string(path).ok()?).ok()?;
                LocalSigner::new(&generation.der, key).ok()
            });
            store.close().await;
            Self(signer.expect("its key is in the folder"))
        })
    }

    /// The CA's certificate.
    pub(crate) fn ca_pem(&self) -> String {
        self.0.ca().to_pem()
    }

    /// A certificate, valid between these seconds from now, and its key.
    pub(crate) fn issue(&self, profile: Profile, validity: (i64, i64)) -> Pair {
        self.issue_naming(profile, validity, Publishing::default())
    }

    /// The same, which says where its standing is published.
    pub(crate) fn issue_naming(
        &self,
        profile: Profile,
        (from, until): (i64, i64),
        publishing: Publishing,
    ) -> Pair {
        let key = PrivateKey::generate(KeyType::P256).expect("a key");
        self.issue_for(&key, profile, (from, until), publishing)
    }

    /// The same for this key.
    pub(crate) fn issue_for(
        &self,
        key: &PrivateKey,
        profile: Profile,
        (from, until): (i64, i64),
        publishing: Publishing,
    ) -> Pair {
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
            publishing,
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let der = runtime.block_on(issue(&self.0, request)).expect("a certificate");
        let (certificate, key) = (certificate_to_pem(&der), key.to_pem().to_string());
        Pair { certificate, key, serial, validity, der: der.to_vec() }
    }
}

impl Forger {
    /// The beginning of the CA's key identifier, as its addresses have it.
    pub(crate) fn tag(&self) -> String {
        self.0.ca().tag()
    }

    /// A CRL between these seconds from now that revokes these.
    pub(crate) fn crl(&self, from: i64, until: i64, revoked: &[Serial]) -> Vec<u8> {
        self.list(1_000_000, (from, until), revoked)
    }

    /// A CRL of this number that revokes nothing.
    pub(crate) fn numbered_crl(&self, number: u64, validity: (i64, i64)) -> Vec<u8> {
        self.list(number, validity, &[])
    }

    fn list(&self, number: u64, (from, until): (i64, i64), revoked: &[Serial]) -> Vec<u8> {
        let revocation = Revocation { at: at(from), reason: RevocationReason::KeyCompromise };
        let request = CrlRequest {
            number,
            this_update: at(from),
            next_update: at(until),
            revoked: revoked.iter().map(|serial| (*serial, revocation)).collect(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(sign_crl(&self.0, request)).expect("a CRL").der().to_vec()
    }

    /// A `good` about this certificate, signed by one of this profile.
    pub(crate) fn ocsp(&self, signer: Profile, about: &Pair) -> Vec<u8> {
        self.respond(signer, about, OcspStatus::Good, 0)
    }

    /// What its responder says, of so many seconds from now, for an hour from then on.
    pub(crate) fn answer(&self, about: &Pair, status: OcspStatus, from: i64) -> Vec<u8> {
        self.respond(Profile::OcspSigner { name: "OCSP".into() }, about, status, from)
    }

    fn respond(&self, signer: Profile, about: &Pair, status: OcspStatus, from: i64) -> Vec<u8> {
        let pair = self.issue(signer, (-5000, DAY));
        let key = PrivateKey::from_pem(&pair.key).expect("a key");
        let signer = OcspSigner::new(pair.der.into(), key).expect("they fit").into();
        let ca = self.0.ca().clone();
        let id = CertId::new(CertIdHash::Sha1, &ca, about.serial);
        let request = OcspRequest::new(id, None).to_der();
        let authority = OcspAuthority { ca, signer };
        let hour = Duration::from_secs(3600);
        respond(&[authority], &Always(status), &request, at(from), hour).der
    }
}

/// Records that say the same of everybody.
struct Always(OcspStatus);

impl OcspRecords for Always {
    fn ocsp_status(&self, _: &CertificateId) -> OcspStatus {
        self.0
    }
}

/// Writes a certificate into the records, as the gateway would. The gateway must be down.
pub(crate) fn record(data: &Path, pair: &Pair, holder: Holder) {
    record_all(data, &[(pair, holder)]);
}

/// Writes certificates into the records, as the gateway would. The gateway must be down.
pub(crate) fn record_all(data: &Path, all: &[(&Pair, Holder)]) {
    on_the_records_of(data, async |store| {
        for (pair, holder) in all {
            let subject = format!("CN={}", pki::RESERVED_GATEWAY_NAME);
            record_as(&store, pair, holder.clone(), subject).await;
        }
        store.close().await;
    });
}

/// A certificate of a user's first device that runs out after so many seconds, issued with the gateway's
/// own key and recorded as the gateway would. The gateway must be down.
pub(crate) fn recorded(data: &Path, user: &str, seconds: i64) -> Pair {
    let profile = Profile::Device { user: user.into(), device: "default".into() };
    let pair = Forger::with_the_key_of(data).issue(profile, (-3000, seconds));
    on_the_records_of(data, async |store| {
        let names = (UserName::new(user).expect("a name"), DeviceName::default_device());
        let device = store.device_show(&names.0, &names.1).await.expect("a device").device;
        let subject = format!("CN={user}/default");
        record_as(&store, &pair, Holder::Device(device.id), subject).await;
        store.close().await;
    });
    pair
}

async fn record_as(store: &Store, pair: &Pair, holder: Holder, subject: String) {
    let generation = store.ca_generation_list().await.expect("a list").pop();
    let new = NewCertificate {
        serial: pair.serial,
        holder,
        subject,
        not_before: pair.validity.not_before,
        not_after: pair.validity.not_after,
        issued_by: generation.expect("a CA").id,
        public_key: pki::KeyId::of_certificate(&pair.der.clone().into()).expect("a key"),
        der: pair.der.clone(),
        key: None,
        setting: None,
        supersedes_within: None,
    };
    store.certificate_record(&Actor::Gateway, new).await.expect("it is recorded");
}

fn on_the_records_of(data: &Path, work: impl AsyncFnOnce(Store)) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&data.join("handfast.db"), Arc::new(SystemClock));
        work(store.expect("the store opens")).await;
    });
}

/// A stock server with a certificate of the same CA for another name.
pub(crate) fn impostor(world: &World, alice: &Subscriber) -> Program {
    let profile = Profile::Server { names: vec!["impostor.example".into()] };
    let pair = Forger::with_the_key_of(&world.data()).issue(profile, (-3000, 30 * DAY));
    posing(world, alice, &pair, 1194)
}

/// A stock server with this certificate, which poses as the gateway on its machine.
pub(crate) fn posing(world: &World, alice: &Subscriber, pair: &Pair, port: u16) -> Program {
    posing_under(Command::new("openvpn"), world, alice, pair, port)
}

/// The same over TCP.
pub(crate) fn posing_over_tcp(
    world: &World,
    alice: &Subscriber,
    pair: &Pair,
    port: u16,
) -> Program {
    posing_as(Command::new("openvpn"), world, alice, pair, (port, "tcp-server"))
}

/// The same, started by this command.
pub(crate) fn posing_under(
    command: Command,
    world: &World,
    alice: &Subscriber,
    pair: &Pair,
    port: u16,
) -> Program {
    posing_as(command, world, alice, pair, (port, "udp"))
}

fn posing_as(
    mut command: Command,
    world: &World,
    alice: &Subscriber,
    pair: &Pair,
    (port, proto): (u16, &str),
) -> Program {
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    let block = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>\n"));
        let end = text.find(&close).expect("a block") + close.len();
        text[text.find(&open).expect("a block")..end].to_owned()
    };
    let config = format!(
        "dev tun\ntls-server\nmode server\ntopology subnet\nserver 10.72.0.0 255.255.255.0\n\
         port {port}\nproto {proto}\ndh none\nauth SHA256\nkey-direction 0\n{}{}\
         <cert>\n{}</cert>\n<key>\n{}</key>\n",
        block("ca"),
        block("tls-auth"),
        pair.certificate,
        pair.key
    );
    let path = world.file(&format!("impostor-{port}.conf"));
    fs::write(&path, config).expect("written");
    command.arg("--config").arg(&path);
    let log = world.file(&format!("impostor-{port}.log"));
    let mut server = Program::start(&world.gateway.netns, command, &log).expect("openvpn starts");
    assert!(server.says("Initialization Sequence", Duration::from_secs(10)), "{}", server.log());
    server
}

/// Revokes in the records. The gateway must be down.
pub(crate) fn revoke(world: &World, which: impl Fn(&store::Certificate) -> bool) {
    on_the_records_of(&world.data(), async |store| {
        let all = store.certificate_list().await.expect("a list");
        let mut some = false;
        for certificate in all.iter().filter(|one| which(one)) {
            let reason = RevocationReason::KeyCompromise;
            let revoked = store.certificate_revoke(&Actor::Gateway, &certificate.id, reason).await;
            revoked.expect("it is revoked");
            some = true;
        }
        assert!(some, "there is one to revoke");
        store.close().await;
    });
}

/// Answers everybody with this, until it is dropped.
pub(crate) struct Responder {
    alive: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.alive.take());
        // The port is free when it returns.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Over HTTP, as an answer that is one.
pub(crate) fn responder(world: &World, port: u16, body: Vec<u8>) -> Responder {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    raw_responder(world, port, answer)
}

/// With these octets, whatever was asked.
pub(crate) fn raw_responder(world: &World, port: u16, answer: Vec<u8>) -> Responder {
    let (alive, dropped) = mpsc::channel::<()>();
    let listen = move || {
        let listener = TcpListener::bind(("203.0.113.2", port)).expect("a listener");
        listener.set_nonblocking(true).expect("a listener");
        while dropped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let Ok((mut stream, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        }
    };
    let thread = world.gateway.netns.spawn_thread("responder", listen).expect("a thread");
    std::thread::sleep(Duration::from_millis(50));
    Responder { alive: Some(alive), thread: Some(thread) }
}

fn at(seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { now().before(by) } else { now().after(by) }
}

fn now() -> Timestamp {
    Timestamp::from(SystemClock.now())
}
