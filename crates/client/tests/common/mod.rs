//! A throw-away CA, profiles as Handfast writes them, and a client on a host of the lab.
//!
//! Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use client::{ClientError, ConnectSettings, Profile, Progress};
use clock::{Clock, SystemClock};
use interop::wait_until;
use pki::{
    CA_LIFETIME, CertificateRequest, KeyType, LocalSigner, NewCa, PrivateKey, Publishing, Serial,
    Signer, Timestamp, Validity,
};
use sysio::lab::Host;
use wire::static_key::StaticKey;

/// A CA for one test.
pub struct Authority(LocalSigner);

/// A certificate and its key as PEM text.
pub struct Issued {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let (serial, now) = (next_serial(), now());
        let new = NewCa { key_type: KeyType::P256, serial, now, lifetime: CA_LIFETIME };
        Self(LocalSigner::create(&new).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.ca().to_pem()
    }

    pub fn device(&self) -> Issued {
        let profile = pki::Profile::Device { user: "alice".into(), device: "laptop".into() };
        self.issue(profile, Validity::starting(now(), pki::DEVICE_LIFETIME))
    }

    pub fn gateway(&self) -> Issued {
        let profile = pki::Profile::Gateway { names: vec!["vpn.example.net".into()] };
        self.issue(profile, Validity::starting(now(), pki::SERVER_LIFETIME))
    }

    pub fn other_server(&self) -> Issued {
        let profile = pki::Profile::Server { names: vec!["www.example.net".into()] };
        self.issue(profile, Validity::starting(now(), pki::SERVER_LIFETIME))
    }

    fn issue(&self, profile: pki::Profile, validity: Validity) -> Issued {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let request = CertificateRequest {
            serial: next_serial(),
            profile,
            public_key: key.public_key().clone(),
            validity,
            publishing: Publishing::default(),
        };
        let cert = block_on(pki::issue(&self.0, request)).unwrap();
        Issued { cert: pki::certificate_to_pem(&cert), key: key.to_pem().to_string() }
    }
}

/// The tls-auth key of every test.
pub fn static_key() -> String {
    let mut bytes = [0; StaticKey::LEN];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (index * 7 + 3) as u8;
    }
    StaticKey::from_bytes(&bytes).to_text().to_string()
}

/// A unified profile as Handfast writes it for Linux.
pub fn profile(remotes: &[&str], ca: &str, device: &Issued) -> String {
    let remotes: String = remotes.iter().map(|remote| format!("remote {remote}\n")).collect();
    format!(
        "# Handfast profile of alice/laptop for linux\nclient\ndev tun\nproto udp\n{remotes}\
         nobind\npersist-tun\nremote-cert-tls server\n\
         verify-x509-name gateway.handfast.internal name\nauth SHA256\n\
         data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\ntls-version-min 1.2\nverb 3\n\
         persist-key\nresolv-retry infinite\nexplicit-exit-notify 1\n\
         # comment\n;script-security 2\n;up /etc/openvpn/update-resolv-conf\n\
         <ca>\n{ca}</ca>\nkey-direction 1\n<tls-auth>\n{}</tls-auth>\n\
         <cert>\n{}</cert>\n<key>\n{}</key>\n",
        static_key(),
        device.cert,
        device.key
    )
}

/// A client that runs on a host.
pub struct Running {
    progress: Arc<Mutex<Vec<Progress>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    result: mpsc::Receiver<Result<(), ClientError>>,
}

impl Running {
    /// Starts a client with the profile in `text`.
    pub fn start(host: &Host, folder: &Path, text: &str) -> Self {
        Self::start_saying(host, folder, text, &[])
    }

    /// Starts a client that says this of itself, for instance that it can do less.
    pub fn start_saying(host: &Host, folder: &Path, text: &str, said: &[(&str, &str)]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let file = folder.join("test.ovpn");
        let mut profile = Profile::parse(&file, text.as_bytes(), &*clock).expect("a profile");
        let said = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        profile.peer_info.extend(said);
        let mut settings = ConnectSettings::new(profile, clock);
        settings.state = folder.join("state");
        settings.dns_backup = folder.join("resolv.conf.backup");
        let progress = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&progress);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, result) = mpsc::channel();
        let inside = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            let hear = move |event: Progress| {
                println!("client: {event}");
                heard.lock().expect("no panic while hearing").push(event);
            };
            let stop = async {
                let _ = stopped.await;
            };
            let _ = tell.send(runtime.block_on(client::run(
                settings,
                hear,
                stop,
                client::Asks::never(),
            )));
        };
        let thread = host.netns.spawn_thread("client", inside).expect("a thread");
        Self { progress, stop: Some(stop), thread: Some(thread), result }
    }

    /// Waits until something happened that `wanted` accepts; whether it did.
    pub fn hears(&self, limit: Duration, wanted: impl Fn(&Progress) -> bool) -> bool {
        wait_until(limit, || self.progress.lock().expect("no panic").iter().any(&wanted))
    }

    /// How many times something happened.
    pub fn count(&self, wanted: impl Fn(&Progress) -> bool) -> usize {
        self.progress.lock().expect("no panic").iter().filter(|event| wanted(event)).count()
    }

    pub fn connected(&self) -> bool {
        self.hears(Duration::from_secs(20), |event| matches!(event, Progress::Connected(_)))
    }

    /// Waits for its own end.
    pub fn result(&mut self, limit: Duration) -> Option<Result<(), ClientError>> {
        self.result.recv_timeout(limit).ok()
    }

    /// Asks it to end.
    pub fn stop(mut self) -> Result<(), ClientError> {
        drop(self.stop.take());
        let result = self.result.recv_timeout(Duration::from_secs(10)).expect("it ends");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
        result
    }
}

/// A folder that is gone when the test is over.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("client-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn now() -> Timestamp {
    SystemClock.now().into()
}

fn next_serial() -> Serial {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut bits = [0xa5; 16];
    bits[12..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Serial::from_random(bits)
}

/// The local signer never waits, so one look is enough.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the local signer waits for nobody"),
    }
}
