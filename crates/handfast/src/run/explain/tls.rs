//! A handshake of our own with a TLS server, for its story. It goes on whatever the server shows, and says what
//! a client would think of that; its secrets are kept in memory until the story is told.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::SystemClock;
use explain::kept::Verdict;
use explain::live::{Live, Speech};
use explain::story::{Certificate, Judgement, Story};
use explain::{KeyLog, Side};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};
use uplink::Target;

use super::super::standing::{Shown, Watcher, is_cut, reach, said_of, unreached};
use super::kept::Kept;
use super::record::Record;
use super::secrets::Secrets;
use super::tap::{self, Tap};
use super::{before_tls, distrusted, inquiries};
use crate::args::order::ExplainTlsOrder;
use crate::show::standing::Said;
use crate::show::tls::{Finding, State};

/// How long a ticket is waited for after the handshake.
const TICKETS: Duration = Duration::from_millis(300);
/// And an answer over HTTP.
const ANSWER: Duration = Duration::from_secs(2);
/// The most of it that is waited for.
const LONGEST_HEAD: usize = 16 * 1024;

/// Shakes hands, says goodbye, and tells.
pub(super) fn story(order: &ExplainTlsOrder, data: &Path) -> Result<Story, Failure> {
    let kept = Kept::open(&order.kept)?;
    let story = shake(order, data, &kept).inspect_err(|_| kept.discard())?;
    kept.finish()?;
    Ok(story)
}

fn shake(order: &ExplainTlsOrder, data: &Path, kept: &Kept) -> Result<Story, Failure> {
    let target = &order.target;
    let own = order.device.as_deref();
    let own = own.map(|one| super::super::tls::identity_of(one, data)).transpose()?;
    let secrets = &kept.secrets;
    let watcher = Arc::new(Watcher::default());
    let config = config(secrets, &watcher, own);
    let mut tls = ClientConnection::new(Arc::new(config), target.name().clone())
        .map_err(|error| unreachable(target).caused_by(&error))?;
    let mut record = Record::new("tcp", kept);
    let socket = match reach(target.host(), target.port())? {
        Ok(socket) => socket,
        Err(error) if is_cut(&error) => return cut_off(target, record, tls, &error),
        Err(error) => return Err(unreached(target.host(), target.port(), &error)),
    };
    if let (Ok(client), Ok(server)) = (socket.local_addr(), socket.peer_addr()) {
        record.between(client, server);
    }
    let mut tap = Tap { socket, record };
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
        Err(error) => broke(&error, &mut tap.record),
    }
    while tls.wants_write() && tls.write_tls(&mut tap).is_ok() {}
    let said = match watcher.take() {
        Some(shown) => Some(judged(&shown, order, data, &mut tap.record.live)?),
        None => None,
    };
    let story = tap.record.live.story(Speech::Tls, secrets.take());
    let mut story = story.ok_or_else(|| unreachable(target))?;
    if let Some((said, is_trusted)) = said {
        answered(&mut story, said);
        story.server_was_judged(is_trusted);
    }
    Ok(story)
}

/// A server that took the connection and cut it off before a word could be said: told as if that had come a moment later.
fn cut_off(
    target: &Target,
    mut record: Record,
    mut tls: ClientConnection,
    error: &io::Error,
) -> Result<Story, Failure> {
    if target.starttls().is_some() {
        return Err(before_tls::without_a_word(target, error));
    }
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).map_err(|error| unreachable(target).caused_by(&error))?;
    record.said(tap::now(), Side::Client, &hello);
    record.closed(Side::Server, true);
    record.live.story(Speech::Tls, KeyLog::default()).ok_or_else(|| unreachable(target))
}

/// What a client thinks of what was shown; then what the CA says of it, and whether the client would go on with that server.
fn judged(
    shown: &Shown,
    order: &ExplainTlsOrder,
    data: &Path,
    live: &mut Live,
) -> Result<(Vec<Said>, bool), Failure> {
    let ca = order.ca.as_deref();
    let cas = super::super::tls::anchors(ca, data)?;
    let found = super::super::tls::judge(&order.target, shown, &cas);
    live.judged(found.into_iter().map(judgement));
    // None where its CA is not known, so that no answer could be checked.
    let said = said_of(shown, ca, data, order.ask)?.unwrap_or_default();
    let verdict = distrusted::verdict(&order.target, shown, &cas, &said);
    let is_trusted = verdict.is_none();
    if let Some(verdict) = verdict {
        live.distrusted(verdict);
    }
    Ok((said, is_trusted))
}

/// The box of the server's certificate, with what was said about it.
pub(super) fn answered(story: &mut Story, said: Vec<Said>) {
    let of_server = |one: &&mut Certificate| one.shown_by == Side::Server && one.depth == 0;
    if let Some(certificate) = story.certificates.iter_mut().find(of_server) {
        inquiries::of(said).into_iter().for_each(|inquiry| certificate.answered(inquiry));
    }
}

/// Within the handshake. Where the server said why, that is seen.
fn broke(error: &io::Error, record: &mut Record) {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => record.live.over(silent()),
        ErrorKind::UnexpectedEof => record.closed(Side::Server, false),
        _ if is_cut(error) => record.closed(Side::Server, true),
        _ => {
            let sentence = error.to_string();
            record.live.judged([Judgement { by: "this client".to_owned(), sentence }]);
        }
    }
}

fn silent() -> Verdict {
    Verdict {
        code: "silent_in_handshake".to_owned(),
        by: None,
        after: &[],
        sentence: "The server says no more, and the handshake is not done.".to_owned(),
        mends: vec![
            "See whether TLS begins at once on this port: where another protocol comes first, `handfast explain tls PROTOCOL://HOST` begins by its STARTTLS.".to_owned(),
            "The server's own log says more; a box on the way may swallow what is large or new in the first message.".to_owned(),
        ],
    }
}

/// Asks for the head of the first page. Whatever comes is in the story; that nothing comes is a gap in it.
fn ask(tls: &mut ClientConnection, tap: &mut Tap, target: &Target) {
    let _ = tap.socket.set_read_timeout(Some(ANSWER));
    let mut stream = rustls::Stream::new(tls, tap);
    let mut heard = Vec::new();
    let sent = stream.write_all(super::super::tls::question("HEAD", target).as_bytes());
    let ended = sent.and_then(|()| {
        let mut piece = [0; 2048];
        loop {
            match stream.read(&mut piece)? {
                0 => return Ok(()),
                _ if heard.len() > LONGEST_HEAD => return Ok(()),
                length => heard.extend_from_slice(piece.get(..length).unwrap_or_default()),
            }
        }
    });
    tap.record.live.asked_over_http(tap::now(), why_no_more(&heard, ended.err().as_ref()));
}

/// Why an answer is not there, or not to its end.
fn why_no_more(heard: &[u8], error: Option<&io::Error>) -> &'static str {
    let is_late = error
        .is_some_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    match (heard.is_empty(), heard.starts_with(b"HTTP/1.")) {
        (true, _) if is_late => "the server said nothing within two seconds",
        (true, _) => "the server ended the connection without an answer",
        (false, false) => "what the server said is no answer of HTTP/1.1",
        (false, true) if heard.len() > LONGEST_HEAD => "the head has no end within 16 KiB",
        (false, true) => "the head of the answer breaks off",
    }
}

/// A finding of `tls test`, in its words, with whose certificate it is about.
pub(super) fn judgement(finding: Finding) -> Judgement {
    let mend = finding.mend.map_or_else(String::new, |mend| format!("; {mend}"));
    let state = match finding.state {
        State::Ok => "right",
        State::Note => "to note",
        State::Bad => "wrong",
    };
    let what = match finding.what {
        "chain" => "the chain of the server's certificate is",
        "usage" => "the usage of the server's certificate is",
        "name" => "the name of the server's certificate is",
        "dates" => "the dates of the server's certificate are",
        "staple" => "the staple of the server's certificate is",
        "proof" => "the server's proof of its key is",
        other => return of(format!("{other} is {state}: {}{mend}", finding.said)),
    };
    of(format!("{what} {state}: {}{mend}", finding.said))
}

fn of(sentence: String) -> Judgement {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_there_has_its_reason() {
        let late = io::Error::from(ErrorKind::WouldBlock);
        let cut = io::Error::from(ErrorKind::UnexpectedEof);
        let long = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; LONGEST_HEAD]].concat();
        for (heard, error, why) in [
            (&b""[..], Some(&late), "the server said nothing within two seconds"),
            (b"", Some(&cut), "the server ended the connection without an answer"),
            (b"", None, "the server ended the connection without an answer"),
            (b"220 mail", Some(&late), "what the server said is no answer of HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\n", Some(&late), "the head of the answer breaks off"),
            (&long, None, "the head has no end within 16 KiB"),
        ] {
            assert_eq!(why_no_more(heard, error), why);
        }
    }
}
