//! A handshake of our own with a TLS server, for its story. It goes on whatever the server shows, and says what
//! a client would think of that; its secrets are kept in memory until the story is told.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::SystemClock;
use explain::Side;
use explain::live::{Live, Speech};
use explain::story::{Certificate, Judgement, Story};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};
use uplink::Target;

use super::super::standing::{Shown, Watcher, connect};
use super::secrets::Secrets;
use super::tap::Tap;
use super::{before_tls, inquiries};
use crate::args::order::ExplainTlsOrder;
use crate::show::tls::{Finding, State};

/// How long a ticket is waited for after the handshake.
const TICKETS: Duration = Duration::from_millis(300);
/// And an answer over HTTP.
const ANSWER: Duration = Duration::from_secs(2);

/// Shakes hands, says goodbye, and tells.
pub(super) fn story(order: &ExplainTlsOrder, data: &Path) -> Result<Story, Failure> {
    let target = &order.target;
    let own = order.device.as_deref();
    let own = own.map(|one| super::super::tls::identity_of(one, data)).transpose()?;
    let socket = connect(target.host(), target.port())?;
    let address = |address: io::Result<std::net::SocketAddr>| {
        address.map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
    };
    let mut live = Live::new("tcp");
    live.between(address(socket.local_addr()), address(socket.peer_addr()));
    let secrets = Arc::new(Secrets::default());
    let watcher = Arc::new(Watcher::default());
    let config = config(&secrets, &watcher, own);
    let mut tls = ClientConnection::new(Arc::new(config), target.name().clone())
        .map_err(|error| unreachable(target).caused_by(&error))?;
    let mut tap = Tap::new(socket, live);
    if let Some(over) = before_tls::begin(target, &mut tap) {
        return before_tls::story(target, tap, over);
    }
    // Where it fails, the story says how far it came.
    match tls.complete_io(&mut tap) {
        Ok(_) => {
            let _ = tap.socket.set_read_timeout(Some(TICKETS));
            let _ = tls.read_tls(&mut tap).map(|_| tls.process_new_packets());
            if order.http {
                ask(&mut tls, &mut tap, target);
            }
            tls.send_close_notify();
        }
        Err(error) => {
            tap.live
                .judged([Judgement { by: "this client".to_owned(), sentence: error.to_string() }]);
        }
    }
    let shown = watcher.take();
    if let Some(shown) = &shown {
        let found = super::super::tls::judge(target, shown, order.ca.as_deref(), data)?;
        tap.live.judged(found.into_iter().map(judgement));
    }
    while tls.wants_write() && tls.write_tls(&mut tap).is_ok() {}
    let story = tap.live.story(Speech::Tls, secrets.take()).ok_or_else(|| unreachable(target))?;
    match shown {
        Some(shown) => answered(story, &shown, order, data),
        None => Ok(story),
    }
}

/// The box of the server's certificate, with what was asked about it.
fn answered(
    mut story: Story,
    shown: &Shown,
    order: &ExplainTlsOrder,
    data: &Path,
) -> Result<Story, Failure> {
    let of_server = |one: &&mut Certificate| one.shown_by == Side::Server && one.depth == 0;
    if let Some(certificate) = story.certificates.iter_mut().find(of_server) {
        for inquiry in inquiries::about(shown, order.ca.as_deref(), data, order.ask)? {
            certificate.answered(inquiry);
        }
    }
    Ok(story)
}

/// Asks for the head of the first page. Whatever comes is in the story; that nothing comes is no failure.
fn ask(tls: &mut ClientConnection, tap: &mut Tap, target: &Target) {
    let _ = tap.socket.set_read_timeout(Some(ANSWER));
    let mut stream = rustls::Stream::new(tls, tap);
    let _ = stream.write_all(super::super::tls::question("HEAD", target).as_bytes());
    let mut piece = [0; 2048];
    while !matches!(stream.read(&mut piece), Ok(0) | Err(_)) {}
}

/// A finding of `tls test`, in its words.
fn judgement(finding: Finding) -> Judgement {
    let mend = finding.mend.map_or_else(String::new, |mend| format!("; {mend}"));
    let state = match finding.state {
        State::Ok => "right",
        State::Note => "to note",
        State::Bad => "wrong",
    };
    let sentence = format!("{} is {state}: {}{mend}", finding.what, finding.said);
    Judgement { by: "this client".to_owned(), sentence }
}

fn unreachable(target: &Target) -> Failure {
    Failure::new(FailureKind::Unreachable, format!("{target} said nothing that could be told"))
}

/// As a browser would: the hybrid group first, and a staple asked for.
fn config(
    secrets: &Arc<Secrets>,
    watcher: &Arc<Watcher>,
    own: Option<Arc<CertifiedKey>>,
) -> ClientConfig {
    let mut provider = default_provider();
    provider.kx_groups =
        vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    let time = Arc::new(pki::ClockTime(Arc::new(SystemClock)));
    let config = ClientConfig::builder_with_details(Arc::new(provider), time)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(watcher) as _);
    let mut config = match own {
        Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => config.with_no_client_auth(),
    };
    config.key_log = Arc::clone(secrets) as _;
    config
}
