//! A gateway with its real door in a network namespace, and clients without a TUN device.
//!
//! ```text
//!    gateway (udp 127.0.0.1:1194, its TUN device) ── lo ── clients (no TUN device)
//! ```
//!
//! The namespace and the TUN device need root; without, tests are skipped by name.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::{
    Changed, CrlDetail, KeyMaterial, ProfileMaterial, RefusalEntry, Response, Status,
};
use authority::{Issuer, NewIssuer, Signs};
use clock::{Clock, Now, SystemClock};
use engine::{Client, ClientEvent, ClientSettings, DisconnectReason, Link};
use gateway::control::Execute;
use gateway::data::DataDir;
use gateway::{Gateway, vpn_door};
use names::RevocationReason;
use pki::{CertificateId, ClockTime, Crl, KeyType, NameConstraints, NameRule, ServerNameVerifier};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use store::Actor;
use sysio::{Netns, NetnsError, Tun, UdpSocket};
use tokio::time::timeout;
use tunnel::{ClientConfig, Timing};
use vpn::Vpn;
use wire::cipher::Cipher;
use wire::push::PushOption;
use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::{AuthDigest, TlsAuth};
use wire::wrap::ControlWrap;
use zeroize::Zeroizing;

const SOON: Duration = Duration::from_secs(20);
const DOOR: &str = "127.0.0.1:1194";

/// Runs a test in a network namespace of its own, as root.
pub(crate) fn inside(test: &str, story: impl Future<Output = ()> + Send) {
    let netns = match Netns::create() {
        Ok(netns) => netns,
        Err(NetnsError::Denied(_)) => {
            println!("SKIP {test}: network namespaces need root");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let done = netns.run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(story);
    });
    done.expect("the namespace can be entered");
}

/// A gateway with its door open.
pub(crate) struct House {
    pub(crate) folder: Folder,
    pub(crate) gateway: Gateway,
    clock: Arc<Shifted>,
    vpn: Vpn,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more settings.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = Folder::new();
        let data = folder.data();
        data.prepare().expect("made");
        let settings = format!("{SETTINGS}{more}");
        data.write_whole(&data.config(), settings.as_bytes()).expect("written");
        Self::open(folder).await
    }

    async fn open(folder: Folder) -> Self {
        let clock = Arc::<Shifted>::default();
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let gateway = Gateway::start(folder.data(), shared, gateway::FirstStart::default());
        let gateway = gateway.await.expect("started");
        let state = folder.0.join("state");
        let vpn = vpn_door::open(&gateway, Some(&state)).await.expect("the door opens");
        Self { folder, gateway, clock, vpn }
    }

    pub(crate) async fn stop(self) -> Folder {
        self.vpn.stop().await;
        self.gateway.close().await;
        self.folder
    }

    pub(crate) async fn restart(self) -> Self {
        Self::open(self.stop().await).await
    }

    /// So many days go by for the gateway and for everybody.
    pub(crate) async fn pass(&self, days: u64) {
        self.clock.0.fetch_add(days * 86_400, Ordering::Relaxed);
        self.gateway.maintain().await.expect("kept up");
    }

    pub(crate) async fn status(&self) -> Status {
        let Response::Status(status) = self.ask(Request::Status).await else { panic!("no status") };
        *status
    }

    /// The last refusal, as `status` shows it.
    pub(crate) async fn last_refusal(&self) -> RefusalEntry {
        self.status().await.last_refusals.first().expect("somebody was refused").clone()
    }

    pub(crate) fn first(&self) -> Arc<Issuer> {
        Arc::clone(&self.gateway.authority().issuers().all()[0])
    }

    pub(crate) async fn another_issuer(&self) -> Arc<Issuer> {
        let new = NewIssuer { key: KeyType::P256, days: 365, names: NameConstraints::default() };
        self.gateway.issuer_add(&Actor::Gateway, new).await.expect("added")
    }

    pub(crate) async fn sign_by(&self, issuer: &Issuer, what: Signs) {
        let id = issuer.generation().id;
        self.gateway.sign_by(&Actor::Gateway, id, what).await.expect("chosen");
    }

    pub(crate) async fn ask(&self, request: Request) -> Response {
        let caller = Caller::Local { uid: 0, name: None };
        self.gateway.execute(&caller, request).await.expect("done")
    }

    /// A user with a device, and what its profile is made of.
    pub(crate) async fn add(&self, user: &str) -> ProfileMaterial {
        self.ask(Request::UserAdd { name: user.parse().expect("a name") }).await;
        let request = Request::ProfileMaterial { device: device(user), renew: false };
        let Response::Profile(material) = self.ask(request).await else { panic!("no profile") };
        *material
    }

    pub(crate) async fn revoke(&self, user: &str) -> Changed {
        let reason = RevocationReason::KeyCompromise;
        let request = Request::DeviceRevoke { device: device(user), reason };
        let Response::Changed(changed) = self.ask(request).await else { panic!("no change") };
        changed
    }

    /// Whose sessions are open, by name.
    pub(crate) async fn connected(&self) -> Vec<String> {
        let Response::Sessions(sessions) = self.ask(Request::Sessions).await else { panic!() };
        let devices = sessions.iter().filter_map(|session| session.device.as_ref());
        let mut users: Vec<_> = devices.map(|device| device.user.to_string()).collect();
        users.sort_unstable();
        users
    }

    /// The serial numbers on the CRL that this issuer signed.
    pub(crate) async fn listed(&self, issuer: &Issuer) -> Vec<pki::Serial> {
        let Response::Crl(CrlDetail { pem, .. }) = self.ask(Request::CrlShow).await else {
            panic!("no CRL")
        };
        let lists = rustls::pki_types::CertificateRevocationListDer::pem_slice_iter(pem.as_bytes());
        let lists = lists.map(|der| Crl::from_der(&der.expect("PEM")).expect("a CRL"));
        let own: Vec<_> = lists.filter(|crl| crl.verify(issuer.certificate()).is_ok()).collect();
        assert_eq!(own.len(), 1, "one list of each issuer");
        own[0].revoked().keys().copied().collect()
    }

    pub(crate) async fn connect(&self, material: &ProfileMaterial) -> Subscriber {
        self.try_connect(material, &material.common.ca_pem).await.expect("connected")
    }

    /// Connects with this device's key, and trusts these CAs.
    pub(crate) async fn try_connect(
        &self,
        material: &ProfileMaterial,
        cas: &str,
    ) -> Result<Subscriber, DisconnectReason> {
        self.try_connect_as(material, cas, OPTIONS, &[]).await
    }

    /// The same, with other words about itself.
    pub(crate) async fn try_connect_as(
        &self,
        material: &ProfileMaterial,
        cas: &str,
        options: &str,
        peer_info: &[(&str, &str)],
    ) -> Result<Subscriber, DisconnectReason> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let mut tunnel = client_config(material, cas, Arc::clone(&clock));
        tunnel.options = options.to_owned();
        let lines = peer_info.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        tunnel.peer_info = lines.collect();
        let (near, far) = UnixDatagram::pair().expect("a pair");
        let [near, far] =
            [near, far].map(|end| Tun::from_fd(OwnedFd::from(end), "none").expect("a TUN"));
        let server: SocketAddr = DOOR.parse().expect("an address");
        let link = Link::Udp(Arc::new(UdpSocket::connect(server).expect("a socket")));
        let settings = ClientSettings {
            tunnel: Arc::new(tunnel),
            mssfix: 0,
            mssfix_df: 0,
            nice: 0,
            ping_restart: Duration::from_secs(120),
            holds_data: false,
        };
        let client = Client::start(vec![Arc::new(near)], link, server, settings, clock);
        let client = client.expect("a client");
        let mut subscriber = Subscriber { client, pushed: Vec::new(), _far: far };
        loop {
            match subscriber.next().await {
                ClientEvent::Established(_) => return Ok(subscriber),
                ClientEvent::Pushed(reply) => subscriber.pushed = reply.options.clone(),
                ClientEvent::Ended(why) => return Err(why),
                _ => {}
            }
        }
    }
}

/// A device that is connected.
#[derive(Debug)]
pub(crate) struct Subscriber {
    client: Client,
    pub(crate) pushed: Vec<PushOption>,
    _far: Tun,
}

impl Subscriber {
    async fn next(&mut self) -> ClientEvent {
        let event = timeout(SOON, self.client.event()).await.expect("something happens in time");
        event.expect("it has not ended")
    }

    pub(crate) async fn renew_keys(&mut self) {
        self.client.renegotiate();
        while !matches!(self.next().await, ClientEvent::Renegotiated) {}
    }

    pub(crate) async fn ended(&mut self) {
        while !matches!(self.next().await, ClientEvent::Ended(_)) {}
    }
}

fn client_config(material: &ProfileMaterial, cas: &str, clock: Arc<dyn Clock>) -> ClientConfig {
    let KeyMaterial::Made { pem: key } = &material.key else { panic!("no key") };
    let own = pki::identity_from_pem(&material.certificate.pem, key.expose()).expect("they fit");
    let cas = pki::certificates_from_pem(cas).expect("CAs");
    let rule = NameRule::Name(pki::RESERVED_GATEWAY_NAME.into());
    let verifier = ServerNameVerifier::new(&cas, rule).expect("a verifier");
    let time = Arc::new(ClockTime(clock));
    let mut tls = pki::client_config(verifier, Some(own), time).expect("settings");
    tunnel::prepare_client(&mut tls);
    let key = StaticKey::parse(material.common.tls_auth_key.expose()).expect("a key");
    let wrap = TlsAuth::new(&key, KeyDirection::Inverse, AuthDigest::Sha256);
    ClientConfig {
        tls: Arc::new(tls),
        wrap: Arc::new(ControlWrap::TlsAuth(Box::new(wrap))),
        timing: Timing::default(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: OPTIONS.to_owned(),
        username: String::new(),
        password: Zeroizing::default(),
        version: "0.1.0".to_owned(),
        platform: "linux".to_owned(),
        peer_info: Vec::new(),
    }
}

pub(crate) fn id(material: &ProfileMaterial) -> CertificateId {
    let der = CertificateDer::from_pem_slice(material.certificate.pem.as_bytes());
    CertificateId::of(&der.expect("a certificate")).expect("it has a serial number")
}

pub(crate) fn device(user: &str) -> DeviceName {
    DeviceName::parse(user).expect("a name")
}

/// The system's clock, and so many seconds later by the wall.
#[derive(Debug, Default)]
struct Shifted(AtomicU64);

impl Clock for Shifted {
    fn now(&self) -> Now {
        let now = SystemClock.now();
        Now { wall: now.wall + Duration::from_secs(self.0.load(Ordering::Relaxed)), ..now }
    }
}

const OPTIONS: &str = "V4,dev-type tun,tls-client";

/// Keys that are made quickly, and nothing set up beside the interface.
const SETTINGS: &str = "\
[public]
names = [\"127.0.0.1\"]
[vpn]
listen = [\"udp:127.0.0.1:1194\"]
nat = false
workers = 1
[ca]
key_type = \"p256\"
[device]
key_type = \"p256\"
validity_days = 30
";

pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("handfast-issuers-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("made");
        Self(path)
    }

    pub(crate) fn data(&self) -> DataDir {
        DataDir::new(self.0.join("data"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
