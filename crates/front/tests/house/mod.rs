//! A door with virtual servers on the loopback, backends that answer, and clients that keep their sessions.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{Clock, Revision, SystemClock};
use front::{
    Directory, Front, Holder, Keyring, Neighbours, NoSockets, Nobody, Overheard, Report, Settings,
    Wanted,
};
use names::{DeviceName, UserName};
use pki::{CertificateId, CertificateStatus, Fingerprint, GatewayVerifier, Refusal, StatusSource};
use pki::{RevocationReason, Timestamp};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion,
};
use testkit::{Authority, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than anything here takes, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A door, who knows who may in, and the CA behind both.
pub(crate) struct House {
    pub(crate) ca: Authority,
    pub(crate) records: Arc<Records>,
    pub(crate) keyring: Keyring,
    pub(crate) front: Front,
    pub(crate) door: SocketAddr,
}

impl House {
    /// With these settings, which listen at `127.0.0.1:0`.
    pub(crate) async fn open(settings: &Settings) -> Self {
        Self::open_by(settings, Arc::new(SystemClock)).await
    }

    /// Beside these.
    pub(crate) async fn open_beside(settings: &Settings, beside: Arc<dyn Neighbours>) -> Self {
        Self::open_with(settings, beside, Arc::new(SystemClock)).await
    }

    /// The same, by another clock.
    pub(crate) async fn open_by(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        Self::open_with(settings, Arc::new(Nobody), clock).await
    }

    async fn open_with(
        settings: &Settings,
        beside: Arc<dyn Neighbours>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ca = Authority::new("a CA");
        let records = Arc::new(Records::default());
        let keyring = Keyring::default();
        certify(&ca, &keyring, settings);
        let verifier = verifier(&ca, &records);
        let directory = Arc::clone(&records) as Arc<dyn Directory>;
        let (keys, sockets) = (keyring.clone(), Arc::new(NoSockets));
        let opened = Front::open(settings, keys, directory, beside, sockets, verifier, clock);
        let (front, faults) = opened.expect("opened");
        assert!(faults.is_empty(), "{faults:?}");
        let door = front.addresses()[0];
        Self { ca, records, keyring, front, door }
    }

    /// Other settings, as at a reload.
    pub(crate) fn reload(&self, settings: &Settings) {
        certify(&self.ca, &self.keyring, settings);
        let verifier = verifier(&self.ca, &self.records);
        let faults = self.front.replace(settings, verifier).expect("replaced");
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// A device that may connect.
    pub(crate) fn device(&self, user: &str) -> Identity {
        let identity = self.ca.client(&format!("{user}/default"));
        self.records.add(user, &identity.chain[0]);
        identity
    }

    /// Ready for the keyring.
    pub(crate) fn key(&self, Identity { chain, key }: Identity) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::from_der(chain, key, &default_provider()).expect("they fit"))
    }

    pub(crate) fn client(&self, identity: Option<Identity>) -> Client {
        self.client_of(identity, rustls::ALL_VERSIONS)
    }

    pub(crate) fn client_of(
        &self,
        identity: Option<Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Client {
        self.client_by(default_provider(), identity, versions)
    }

    /// One that can do what this provider does.
    pub(crate) fn client_by(
        &self,
        provider: CryptoProvider,
        identity: Option<Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate().clone()).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(Identity { chain, key }) => {
                builder.with_client_auth_cert(chain, key).expect("a key that fits")
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(32);
        Client { config, door: self.door }
    }

    /// Waits until somebody was refused so.
    pub(crate) async fn refused(&self, code: &str) -> Option<String> {
        let so = |inner: &mut Inner| inner.refused.iter().find(|(one, _)| one == code).cloned();
        self.wait_for(code, so).await.1
    }

    /// The same, and forgets all who were refused, so that the next one is another.
    pub(crate) async fn refused_anew(&self, code: &str) {
        self.refused(code).await;
        self.records.with(|inner| inner.refused.clear());
    }

    /// Waits until somebody is refused so, and says what was heard of whom. Each time is told once.
    pub(crate) async fn heard_of_refused(&self, code: &str) -> Option<Arc<Overheard>> {
        self.wait_for(code, |inner| inner.heard.remove(code)).await
    }

    /// Waits until somebody is let in of whom what was heard is told, and tells it once.
    pub(crate) async fn heard_of_guest(&self) -> Arc<Overheard> {
        self.wait_for("let in", |inner| inner.opened.pop()).await
    }

    async fn wait_for<T>(&self, what: &str, told: impl Fn(&mut Inner) -> Option<T>) -> T {
        let comes = async {
            loop {
                match self.records.with(&told) {
                    Some(told) => return told,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let told = timeout(SOON, comes).await;
        told.unwrap_or_else(|_| panic!("nobody was {what}: {:?}", self.records))
    }
}

fn verifier(ca: &Authority, records: &Arc<Records>) -> Arc<GatewayVerifier> {
    let source = Arc::clone(records) as Arc<dyn StatusSource>;
    GatewayVerifier::new(&[ca.certificate().clone()], source).expect("a verifier")
}

fn certify(ca: &Authority, keyring: &Keyring, settings: &Settings) {
    for server in settings.server.iter().filter(|server| !keyring.has(server.label())) {
        let Identity { chain, key } = ca.server_named(server.label());
        let key = CertifiedKey::from_der(chain, key, &default_provider()).expect("they fit");
        keyring.put(server.label(), vec![Arc::new(key)]);
    }
}

/// A client that keeps its sessions.
pub(crate) struct Client {
    pub(crate) config: ClientConfig,
    pub(crate) door: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(&self, name: &str) -> io::Result<TlsStream<TcpStream>> {
        self.connect_behind(name, b"").await
    }

    /// With these bytes before the first of TLS.
    pub(crate) async fn connect_behind(
        &self,
        name: &str,
        first: &[u8],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut socket = TcpStream::connect(self.door).await?;
        socket.write_all(first).await?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        timeout(SOON, connector.connect(name, socket)).await.expect("in time")
    }

    /// What the backend answers to a question, over a connection of its own.
    pub(crate) async fn ask(&self, name: &str, question: &str) -> io::Result<String> {
        let mut stream = self.connect(name).await?;
        ask(&mut stream, question).await
    }

    /// The same, and whether it went on with a former session.
    pub(crate) async fn ask_again(
        &self,
        name: &str,
    ) -> (Option<HandshakeKind>, io::Result<String>) {
        match self.connect(name).await {
            Ok(mut stream) => {
                let kind = stream.get_ref().1.handshake_kind();
                (kind, ask(&mut stream, "again").await)
            }
            Err(error) => (None, Err(error)),
        }
    }
}

/// A client in the middle of its handshake: it has heard all, and its own last words are still to come.
pub(crate) struct Held {
    session: ClientConnection,
    socket: TcpStream,
}

impl Client {
    pub(crate) async fn hold(&self, name: &str) -> io::Result<Held> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(Arc::new(self.config.clone()), name);
        let session = session.map_err(io::Error::other)?;
        let mut held = Held { session, socket: TcpStream::connect(self.door).await? };
        held.say().await?;
        while held.session.is_handshaking() {
            held.hear().await?;
            // It may be asked for another share.
            if held.session.is_handshaking() {
                held.say().await?;
            }
        }
        Ok(held)
    }
}

impl Held {
    pub(crate) fn kind(&self) -> Option<HandshakeKind> {
        self.session.handshake_kind()
    }

    /// The last words of the handshake with a question, and what comes back.
    pub(crate) async fn ask(mut self, question: &str) -> io::Result<String> {
        self.session.writer().write_all(format!("{question}\n").as_bytes())?;
        self.say().await?;
        loop {
            self.hear().await?;
            let mut answer = [0; 256];
            match self.session.reader().read(&mut answer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => return Ok(String::from_utf8_lossy(&answer[..read]).trim().to_owned()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn say(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut bytes)?;
        }
        self.socket.write_all(&bytes).await
    }

    async fn hear(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(4096);
        let read = timeout(SOON, self.socket.read_buf(&mut bytes)).await.expect("in time")?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() && self.session.read_tls(&mut rest)? > 0 {
            self.session.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// A line to the backend and a line back. A connection that ends without one is an error.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, question: &str) -> io::Result<String> {
    stream.write_all(format!("{question}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        let byte = timeout(SOON, stream.read_u8()).await.expect("an answer or an end in time")?;
        match byte {
            b'\n' => return Ok(String::from_utf8(answer).expect("text")),
            byte => answer.push(byte),
        }
    }
}

/// A backend that answers each line with its own name and the line; and what it heard.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    pub(crate) async fn open(name: &'static str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(echo(stream, name, Arc::clone(&ears)));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("whole").clone()
    }
}

async fn echo(mut stream: TcpStream, name: &str, heard: Arc<Mutex<Vec<String>>>) {
    let mut line = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        if byte != b'\n' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let answer = format!("{name}: {text}\n");
        heard.lock().expect("whole").push(text);
        line.clear();
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Who may in, as tests have it.
#[derive(Debug)]
pub(crate) struct Records {
    inner: Mutex<Inner>,
    revision: watch::Sender<Revision>,
    swept: watch::Sender<Revision>,
}

#[derive(Debug, Default)]
struct Inner {
    holders: HashMap<CertificateId, (Fingerprint, Holder)>,
    revoked: HashSet<CertificateId>,
    refused: Vec<(String, Option<String>)>,
    ended: Vec<String>,
    wanted: Wanted,
    heard: HashMap<String, Option<Arc<Overheard>>>,
    opened: Vec<Arc<Overheard>>,
}

impl Default for Records {
    fn default() -> Self {
        let start = || watch::Sender::new(Revision::new(1));
        Self { inner: Mutex::default(), revision: start(), swept: start() }
    }
}

impl Records {
    fn add(&self, user: &str, leaf: &CertificateDer<'_>) {
        let user = UserName::new(user).expect("a name");
        let holder = Holder { user, device: DeviceName::default_device() };
        let (id, fingerprint) = (CertificateId::of(leaf).expect("an id"), Fingerprint::of(leaf));
        self.with(|inner| inner.holders.insert(id, (fingerprint, holder)));
    }

    /// Revokes, and returns once the door says that it holds.
    pub(crate) async fn revoke(&self, leaf: &CertificateDer<'_>) {
        let id = CertificateId::of(leaf).expect("an id");
        self.with(|inner| inner.revoked.insert(id));
        self.revision.send_modify(|revision| *revision = Revision::new(revision.get() + 1));
        let present = *self.revision.borrow();
        let mut swept = self.swept.subscribe();
        let done = swept.wait_for(|swept| *swept >= present);
        timeout(SOON, done).await.expect("swept in time").expect("the door is there");
    }

    /// From here on with what was said in these handshakes.
    pub(crate) fn want(&self, wanted: Wanted) {
        self.with(|inner| inner.wanted = wanted);
    }

    /// The reasons for which connections ended.
    pub(crate) fn ended(&self) -> Vec<String> {
        self.with(|inner| inner.ended.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().expect("whole"))
    }

    fn status(&self, id: &CertificateId) -> CertificateStatus {
        match self.with(|inner| inner.revoked.contains(id)) {
            true => CertificateStatus::Revoked {
                at: Timestamp::from_unix_secs(1),
                reason: RevocationReason::KeyCompromise,
            },
            false => CertificateStatus::Good,
        }
    }
}

impl StatusSource for Records {
    fn certificate_status(&self, id: &CertificateId, _: &Fingerprint) -> CertificateStatus {
        self.status(id)
    }
}

impl Directory for Records {
    fn holder(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Holder, Refusal> {
        self.status(id).allowed()?;
        self.named(id, fingerprint).ok_or(Refusal::NotInStore)
    }

    fn named(&self, id: &CertificateId, _: &Fingerprint) -> Option<Holder> {
        self.with(|inner| inner.holders.get(id).map(|(_, holder)| holder.clone()))
    }

    fn recheck(&self, id: &CertificateId) -> Result<(), Refusal> {
        self.status(id).allowed()
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        *self.revision.borrow() > after
    }

    fn swept(&self, through: Revision, _: Vec<CertificateId>) {
        self.swept.send_replace(through);
    }

    fn report(&self, report: &Report) -> Option<u64> {
        match report {
            Report::Opened(_, heard) => self.with(|inner| inner.opened.extend(heard.clone())),
            Report::Closed(_, why) => self.with(|inner| inner.ended.push(why.code().to_owned())),
            Report::Refused { whom, why, heard, .. } => {
                let whom = whom.as_ref().map(|holder| holder.user.to_string());
                self.with(|inner| {
                    inner.heard.insert(why.code().to_owned(), heard.clone());
                    inner.refused.push((why.code().to_owned(), whom));
                });
            }
        }
        None
    }

    fn handshakes_wanted(&self) -> Wanted {
        self.with(|inner| inner.wanted)
    }
}
