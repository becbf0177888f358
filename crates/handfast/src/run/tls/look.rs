//! Looks at a TLS server as a browser would: handshakes, and one question over HTTP. Nothing is believed of what
//! it shows; that is judged by whoever called.

use std::io::{self, ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use admin::failure::Failure;
use clock::SystemClock;
use pki::ClockTime;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, SignatureScheme, Stream,
    SupportedProtocolVersion,
};
use uplink::Target;

use super::super::standing::{Shown, Watcher, connect};

/// What a server showed.
pub(super) struct Seen {
    pub(super) version: ProtocolVersion,
    pub(super) cipher: String,
    pub(super) group: String,
    pub(super) hybrid: bool,
    pub(super) protocol: Option<String>,
    pub(super) asks_for_certificate: bool,
    pub(super) shown: Shown,
    /// The head of its answer to a question over HTTP/1.1, if it speaks that.
    pub(super) head: Option<String>,
    /// Why it broke off instead of answering: in TLS 1.3 it looks at a client's certificate behind the handshake.
    pub(super) broke_off: Option<String>,
}

/// How far a look came.
pub(super) enum Look {
    Seen(Box<Seen>),
    /// It speaks one of these versions, and breaks off when it is shown no certificate, or not the right one.
    Refused,
    /// It takes connections, and no TLS of these versions.
    NoHandshake(String),
}

impl Look {
    /// Whether the server wanted to know who comes.
    pub(super) fn asks_for_certificate(&self) -> bool {
        match self {
            Self::Seen(seen) => seen.asks_for_certificate,
            Self::Refused => true,
            Self::NoHandshake(_) => false,
        }
    }
}

/// One handshake with these versions, and one question; a server that asks for a certificate is shown our own.
///
/// # Errors
/// Where the host is not reached.
pub(super) fn at(
    target: &Target,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Arc<CertifiedKey>>,
) -> Result<Look, Failure> {
    let mut socket = connect(target.host(), target.port())?;
    let watcher = Arc::new(Watcher::default());
    let asked = Arc::new(Asked { by_server: AtomicBool::new(false), own: own.cloned() });
    let config = config(&watcher, &asked, versions);
    let mut tls = match ClientConnection::new(Arc::new(config), target.name().clone()) {
        Ok(tls) => tls,
        Err(error) => return Ok(Look::NoHandshake(error.to_string())),
    };
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut socket) {
            let why = error.to_string();
            return Ok(if asked.is() { Look::Refused } else { Look::NoHandshake(why) });
        }
    }
    let Some(shown) = watcher.take() else {
        return Ok(Look::NoHandshake("it showed no certificate".to_owned()));
    };
    let answer = ask(&mut tls, &mut socket, target);
    let broke_off = answer.as_ref().err().map(ToString::to_string);
    let group = tls.negotiated_key_exchange_group().map(|group| group.name());
    Ok(Look::Seen(Box::new(Seen {
        version: tls.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2),
        cipher: tls
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
            .trim_start_matches("TLS13_")
            .trim_start_matches("TLS_")
            .to_owned(),
        group: group.and_then(|group| group.as_str()).unwrap_or("unknown").to_owned(),
        hybrid: group == Some(rustls::NamedGroup::X25519MLKEM768),
        protocol: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        asks_for_certificate: asked.is(),
        shown,
        head: answer.unwrap_or_default(),
        broke_off,
    })))
}

/// The hybrid group first, as browsers offer it.
fn config(
    watcher: &Arc<Watcher>,
    asked: &Arc<Asked>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut provider = default_provider();
    provider.kx_groups =
        vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    let time = Arc::new(ClockTime(Arc::new(SystemClock)));
    let mut config = ClientConfig::builder_with_details(Arc::new(provider), time)
        .with_protocol_versions(versions)
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(watcher) as _)
        .with_client_cert_resolver(Arc::clone(asked) as _);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// What it answers to a question for its first page; `None` where it speaks no HTTP.
fn ask(
    tls: &mut ClientConnection,
    socket: &mut TcpStream,
    target: &Target,
) -> io::Result<Option<String>> {
    let mut stream = Stream::new(tls, socket);
    stream.write_all(question("GET", target).as_bytes())?;
    head_of(&mut stream)
}

/// The same in the clear, at another port of the host.
pub(super) fn ask_in_the_clear(target: &Target, port: u16) -> Option<String> {
    let mut socket = connect(target.host(), port).ok()?;
    socket.write_all(question("GET", target).as_bytes()).ok()?;
    head_of(&mut socket).ok().flatten()
}

/// A question over HTTP for the first page.
pub(in crate::run) fn question(method: &str, target: &Target) -> String {
    let host = target.name().to_str();
    let host = if host.contains(':') { format!("[{host}]") } else { host.into_owned() };
    format!(
        "{method} / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: handfast\r\nConnection: close\r\n\r\n"
    )
}

fn head_of(stream: &mut impl io::Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while head.len() < LONGEST_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => head.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if head.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(head.starts_with("HTTP/").then_some(head))
}

/// Notes that the server asked for a certificate, and shows the one that there is.
#[derive(Debug)]
struct Asked {
    by_server: AtomicBool,
    own: Option<Arc<CertifiedKey>>,
}

impl Asked {
    fn is(&self) -> bool {
        self.by_server.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.by_server.store(true, Ordering::Relaxed);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

const LONGEST_HEAD: usize = 16 * 1024;
