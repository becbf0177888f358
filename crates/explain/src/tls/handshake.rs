//! The handshake's messages in their order: what each says, and which keys follow from it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::hello::{self, Hello, TLS12, TLS13};
use super::lane::{Lane, Met};
use super::opening::{self, Opener, Randoms, Suite};
use super::proof::{Agreed, Half, Judged};
use super::reader::{Reader, numbers};
use super::transcript::Transcript;
use super::{names, proof, shown};
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, KeyName};
use crate::field::Field;
use crate::key_log::{KeyLog, Label, Secret};
use crate::place::Side;
use crate::story::Source;

/// The most signatures of one handshake that are checked, where an honest one has three. One may be over all that was
/// said before it, and who means no good sends thousands.
const MOST_PROOFS: u8 = 16;

/// The extension that lists kinds of signature.
const SIGNATURES: u16 = 13;

/// Why nothing can be opened where only one side was captured, or the other one's hello was lost.
const OTHER_SIDE: &str = "the other side, or its hello, is not in this capture as a whole";

/// Why nothing can be opened whatever is given.
pub(crate) const NOT_OPENED: &str =
    "records of this cipher suite, or of this version, are not opened here";

/// The same where another part of it was lost.
const TORN: &str = "what is needed to open it is not in this capture";

/// What was checked before by whoever tells a handshake, so that it need not be calculated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Nothing: it was only watched.
    Nothing,
    /// Signatures, by one of its ends.
    Signatures,
    /// All of it, by one of its ends: it went well.
    All,
}

/// What is known of one handshake.
pub(super) struct Handshake {
    number: u32,
    log: Arc<KeyLog>,
    checked: Checked,
    client: Option<Client>,
    retried: bool,
    chosen: Option<Chosen>,
    transcript: Transcript,
    server_certificate: Option<Vec<u8>>,
    client_certificate: Option<Vec<u8>>,
    /// Signatures that are checked yet.
    proofs: u8,
    /// A part of what was said was not observed.
    torn: bool,
}

/// What is remembered of a ClientHello.
struct Client {
    random: [u8; 32],
    session: Vec<u8>,
    sends_early: bool,
}

struct Chosen {
    version: u16,
    number: u16,
    suite: Option<Suite>,
    random: [u8; 32],
    /// Codes stand behind what is encrypted, where a suite has codes.
    mac_behind: bool,
}

impl Chosen {
    fn is_new(&self) -> bool {
        self.version == TLS13
    }
}

type Lanes<'a> = (&'a mut Lane, &'a mut Lane);

impl Handshake {
    pub(super) fn new(number: u32, log: Arc<KeyLog>) -> Self {
        Self {
            number,
            log,
            checked: Checked::Nothing,
            client: None,
            retried: false,
            chosen: None,
            transcript: Transcript::default(),
            server_certificate: None,
            client_certificate: None,
            proofs: MOST_PROOFS,
            torn: false,
        }
    }

    /// A part of what was said was not observed, so that nothing is calculated over all of it.
    pub(super) fn torn(&mut self) {
        self.transcript = Transcript::given_up();
        self.torn = true;
    }

    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Lets go of all but what keys are made from.
    pub(super) fn rest(&mut self) {
        self.transcript = Transcript::given_up();
        (self.server_certificate, self.client_certificate) = (None, None);
    }

    /// Leaves to whoever told it what he has checked before.
    pub(super) fn but(self, checked: Checked) -> Self {
        Self { checked, ..self }
    }

    /// A signature's judgement; none where whoever tells it has checked it himself.
    fn judged(&mut self, judge: impl FnOnce(&Self) -> Judged) -> Option<Judged> {
        if self.checked != Checked::Nothing {
            return None;
        }
        let Some(left) = self.proofs.checked_sub(1) else { return Some(Err(proof::TOO_MANY)) };
        self.proofs = left;
        Some(judge(self))
    }

    /// Whether none of its ends tells it.
    pub(super) fn is_watched(&self) -> bool {
        self.checked == Checked::Nothing
    }

    pub(super) fn is_old(&self) -> bool {
        self.chosen.as_ref().is_some_and(|chosen| !chosen.is_new())
    }

    /// Whether the server has chosen anything yet.
    pub(super) fn has_chosen(&self) -> bool {
        self.chosen.is_some()
    }

    pub(super) fn is_new(&self) -> bool {
        self.chosen.as_ref().is_some_and(Chosen::is_new)
    }

    /// Whether signatures say how they are made, which they do since TLS 1.2.
    fn names_schemes(&self) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.version >= TLS12)
    }

    /// Whether the client may send data before the server has answered.
    pub(super) fn offers_early_data(&self) -> bool {
        self.chosen.is_none() && self.client.as_ref().is_some_and(|client| client.sends_early)
    }

    /// Why records can't be opened.
    pub(super) fn why_sealed(&self) -> &'static str {
        match &self.chosen {
            None => OTHER_SIDE,
            Some(Chosen { suite: None, .. }) => NOT_OPENED,
            _ if self.log.is_empty() => "no key log was given",
            _ if self.client.is_none() => OTHER_SIDE,
            _ if self.torn => TORN,
            _ => "the key log has no key that opens it",
        }
    }

    pub(super) fn fact(&self, met: Met<'_>, kind: Kind, fields: Vec<Field>) -> Fact {
        Fact {
            at: met.at,
            from: met.from,
            kind,
            fields,
            basis: met.basis.to_vec(),
            key: met.key,
            handshake: self.number,
            source: Source::Seen,
            detail: Detail::None,
        }
    }

    /// What one message says; it is part of the transcript from then on.
    pub(super) fn message(
        &mut self,
        met: Met<'_>,
        kind: u8,
        message: &[u8],
        mut lanes: Lanes<'_>,
    ) -> Option<Fact> {
        let body = message.get(4..)?;
        let before_keys = matches!(kind, 1 | 2);
        let fact = match (kind, met.from) {
            (1, _) => self.client_hello(met, body),
            (2, _) => self.server_hello(met, body, message, &mut lanes),
            (4, _) => self.ticket(met, body),
            (8, _) => self.encrypted_extensions(met, body),
            (11, _) => self.certificate(met, body),
            (12, _) => self.server_key_exchange(met, body),
            (13, _) => self.certificate_request(met, body),
            (14, _) => Some(self.fact(met, Kind::ServerHelloDone, Vec::new())),
            (15, _) => self.certificate_verify(met, body),
            (16, _) => Some(self.fact(met, Kind::ClientKeyExchange, Vec::new())),
            (20, _) => Some(self.finished(met, body, lanes.0, lanes.1)),
            (22, _) => self.certificate_status(met, body),
            (24, _) => self.key_update(met, body, lanes.0, lanes.1),
            _ => None,
        };
        // A ServerHello is added where it is read, since a retry changes what stands before it.
        let is_needed = self.checked != Checked::All;
        if is_needed && kind != 2 && (before_keys || !matches!(kind, 0 | 24)) {
            self.transcript.add(message);
        }
        Some(fact.unwrap_or_else(|| self.not_read(met, kind)))
    }

    /// A message that is framed as it should be and whose content is not read: the ones behind it can be.
    fn not_read(&self, met: Met<'_>, kind: u8) -> Fact {
        let number = Field::number("handshake_type", kind);
        let number = match names::message(kind) {
            Some(name) => number.known(name),
            None => number,
        };
        let fields = vec![number, Field::text("reason", names::why_not_read(kind))];
        Fact { source: Source::Gap, ..self.fact(met, Kind::NotRead, fields) }
    }

    fn client_hello(&mut self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let hello = Hello::of_client(body)?;
        let kind = if self.retried { Kind::SecondClientHello } else { Kind::ClientHello };
        let fact = self.fact(met, kind, hello.client_fields());
        self.client = Some(Client {
            random: hello.random,
            session: hello.session.to_vec(),
            sends_early: hello.offers_early_data(),
        });
        Some(fact)
    }

    fn server_hello(
        &mut self,
        met: Met<'_>,
        body: &[u8],
        message: &[u8],
        lanes: &mut Lanes<'_>,
    ) -> Option<Fact> {
        let hello = Hello::of_server(body)?;
        let number = hello.suite()?;
        let suite = Suite::known(number);
        if hello.is_retry() {
            self.retried = true;
            if let Some(suite) = suite {
                self.transcript.fold(suite.hash());
            }
            self.transcript.add(message);
            return Some(self.fact(met, Kind::HelloRetryRequest, hello.server_fields()));
        }
        self.transcript.add(message);
        let version = hello.chosen_version();
        // What a suite does before TLS 1.2 is calculated in another way.
        let suite = suite.filter(|_| version >= TLS12);
        let kind = self.kind_of(&hello, version == TLS13);
        self.chosen = Some(Chosen {
            version,
            number,
            suite,
            random: hello.random,
            mac_behind: hello.puts_mac_behind(),
        });
        if version == TLS13 {
            self.seal_new(lanes);
        }
        let fact = self.fact(met, kind, hello.server_fields());
        Some(Fact { detail: Detail::Suite(number), ..fact })
    }

    fn kind_of(&self, hello: &Hello<'_>, new: bool) -> Kind {
        let asked =
            self.client.as_ref().map(|client| client.session.as_slice()).unwrap_or_default();
        let repeated = !hello.session.is_empty() && hello.session == asked;
        match (new, hello.takes_ticket(), repeated) {
            (true, true, _) => Kind::ServerHelloResumed,
            (true, false, _) => Kind::ServerHello,
            (false, _, true) => Kind::ServerHelloOldResumed,
            (false, _, false) => Kind::ServerHelloOld,
        }
    }

    fn seal_new(&self, (client, server): &mut Lanes<'_>) {
        for (lane, of, label) in [
            (&mut **client, Side::Client, Label::ClientHandshake),
            (&mut **server, Side::Server, Label::ServerHandshake),
        ] {
            lane.key = Some(KeyName::Handshake { handshake: self.number, of });
            self.begin(lane, label);
        }
    }

    /// From here on a side sends under this traffic secret.
    fn begin(&self, lane: &mut Lane, label: Label) {
        lane.sealed = true;
        let suite = self.chosen.as_ref().and_then(|chosen| chosen.suite);
        let random = self.client.as_ref().map(|client| &client.random);
        let secret = random.and_then(|random| self.log.secret(label, random));
        lane.opener =
            suite.zip(secret).and_then(|(suite, secret)| Opener::of_traffic_secret(suite, secret));
        lane.secret = secret.map(|secret| Secret::new(secret.bytes().to_vec()));
    }

    /// A ChangeCipherSpec of TLS 1.2 was sent.
    pub(super) fn seal_old(&self, of: Side, lane: &mut Lane) {
        lane.sealed = true;
        lane.key = Some(KeyName::Traffic { handshake: self.number, of, update: 0 });
        lane.opener = self.old_opener(of);
    }

    fn old_opener(&self, of: Side) -> Option<Opener> {
        let (suite, randoms) = (self.chosen.as_ref()?.suite?, self.randoms()?);
        let master = self.log.secret(Label::Master, randoms.client)?;
        let mac_behind = self.chosen.as_ref()?.mac_behind;
        Opener::of_master_secret(suite, master, randoms, (of == Side::Client, mac_behind))
    }

    fn randoms(&self) -> Option<Randoms<'_>> {
        let client = &self.client.as_ref()?.random;
        Some(Randoms { client, server: &self.chosen.as_ref()?.random })
    }

    /// Keying material for another protocol (RFC 8446, 7.5; RFC 5705, 4), without context.
    pub(super) fn export(&self, label: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let (suite, randoms) = (self.chosen.as_ref()?.suite?, self.randoms()?);
        if self.is_new() {
            let secret = self.log.secret(Label::Exporter, randoms.client)?;
            return opening::export(suite.hash(), secret, label, length);
        }
        let master = self.log.secret(Label::Master, randoms.client)?;
        Some(opening::export_old(suite.hash(), master, randoms, label, length))
    }

    fn encrypted_extensions(&self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let extensions = hello::extensions(Reader::new(body).long()?)?;
        let mut fields: Vec<Field> = hello::extension_fields(&extensions).collect();
        fields.extend(hello::protocol_fields(&extensions));
        Some(self.fact(met, Kind::EncryptedExtensions, fields))
    }

    fn certificate_request(&self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let mut reader = Reader::new(body);
        reader.short()?;
        let mut fields = Vec::new();
        let schemes = if self.is_new() {
            let extensions = hello::extensions(reader.long()?)?;
            fields.extend(hello::extension_fields(&extensions));
            let (_, content) = extensions.into_iter().find(|(kind, _)| *kind == SIGNATURES)?;
            Reader::new(content).long()?
        } else if self.names_schemes() {
            reader.long()?
        } else {
            &[]
        };
        fields.extend(numbers(schemes).map(scheme_field));
        Some(self.fact(met, Kind::CertificateRequest, fields))
    }

    fn certificate(&mut self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let (shown, kinds) = match self.is_new() {
            true => shown::chain(body)?,
            false => (shown::chain_old(body)?, Vec::new()),
        };
        let kind = match (met.from, shown.chain.is_empty()) {
            (Side::Server, _) => Kind::ServerCertificate,
            (Side::Client, false) => Kind::ClientCertificate,
            (Side::Client, true) => Kind::NoClientCertificate,
        };
        let lengths =
            shown.chain.iter().map(|der| Field::number("certificate_length", der.len() as u64));
        let mut fields: Vec<Field> = lengths.collect();
        fields.extend(kinds.into_iter().map(hello::extension_field));
        let staple = shown.staple.as_ref();
        fields.extend(staple.map(|one| Field::number("staple_length", one.len() as u64)));
        let is_watched = self.checked == Checked::Nothing;
        let own = shown.chain.first().filter(|_| is_watched).cloned();
        match met.from {
            Side::Server => self.server_certificate = own,
            Side::Client => self.client_certificate = own,
        }
        Some(Fact { detail: Detail::Certificates(shown), ..self.fact(met, kind, fields) })
    }

    fn certificate_status(&self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let staple = shown::staple_of(body)?;
        let fields = vec![Field::number("staple_length", staple.len() as u64)];
        Some(Fact {
            detail: Detail::Staple(staple),
            ..self.fact(met, Kind::CertificateStatus, fields)
        })
    }

    fn server_key_exchange(&mut self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let agreed = names::suite(self.chosen.as_ref()?.number).and_then(Agreed::of)?;
        let exchange = proof::key_exchange(body, agreed, self.names_schemes())?;
        let mut fields = vec![match exchange.half {
            Half::Group(group) => Field::code("named_group", group, names::group(group)),
            Half::Prime(length) => Field::number("prime_length", length as u64),
        }];
        fields.extend(exchange.signed.scheme.map(scheme_field));
        let judged = self.judged(|all| {
            let certificate = all.server_certificate.as_ref().ok_or(proof::NOT_SHOWN)?;
            exchange.is_by(certificate, all.randoms().ok_or(proof::TOO_LONG)?)
        });
        Some(with_judgement(self.fact(met, Kind::ServerKeyExchange, fields), judged))
    }

    fn certificate_verify(&mut self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let signed = proof::certificate_verify(body, self.names_schemes())?;
        let kind = match met.from {
            Side::Server => Kind::ServerCertificateVerify,
            Side::Client => Kind::ClientCertificateVerify,
        };
        let judged = self.judged(|all| {
            let certificate = match met.from {
                Side::Server => all.server_certificate.as_ref(),
                Side::Client => all.client_certificate.as_ref(),
            };
            let certificate = certificate.ok_or(proof::NOT_SHOWN)?;
            let unknown = if all.torn { proof::TORN } else { proof::TOO_LONG };
            let transcript = all.transcript.whole().ok_or(unknown)?;
            match &all.chosen {
                Some(chosen @ Chosen { suite, .. }) if chosen.is_new() => {
                    let hash = suite.ok_or(proof::TOO_LONG)?.hash();
                    signed.is_over(certificate, met.from, hash, transcript)
                }
                _ => signed.is_by(certificate, transcript),
            }
        });
        let fields = signed.scheme.map(scheme_field).into_iter().collect();
        Some(with_judgement(self.fact(met, kind, fields), judged))
    }

    /// Its sender's traffic key takes over in TLS 1.3.
    fn finished(&self, met: Met<'_>, body: &[u8], client: &mut Lane, server: &mut Lane) -> Fact {
        let (kind, lane, label) = match met.from {
            Side::Client => (Kind::ClientFinished, client, Label::ClientTraffic),
            Side::Server => (Kind::ServerFinished, server, Label::ServerTraffic),
        };
        // Each is over all that was said before, and who means no good may send thousands: one of each side counts.
        let is_first = !std::mem::replace(&mut lane.told.finished, true);
        let counts = is_first && self.checked != Checked::All;
        let expected = counts.then(|| self.expected_finished(met.from, lane)).flatten();
        let proved = expected.map(|expected| expected == body);
        let fact = with_proof(self.fact(met, kind, Vec::new()), proved);
        if is_first && self.is_new() {
            lane.key = Some(KeyName::Traffic { handshake: self.number, of: met.from, update: 0 });
            self.begin(lane, label);
        }
        fact
    }

    /// Where the message that ends its handshake key is missing, a side goes on under its traffic key.
    pub(super) fn skip_to_traffic(
        &self,
        of: Side,
        lane: &mut Lane,
        fits: impl Fn(&mut Opener) -> bool,
    ) {
        if !self.is_new() || lane.told.finished {
            return;
        }
        let label = match of {
            Side::Client => Label::ClientTraffic,
            Side::Server => Label::ServerTraffic,
        };
        let (opener, secret) = (lane.opener.take(), lane.secret.take());
        self.begin(lane, label);
        if lane.opener.as_mut().is_some_and(fits) {
            lane.told.finished = true;
            lane.key = Some(KeyName::Traffic { handshake: self.number, of, update: 0 });
        } else {
            (lane.opener, lane.secret) = (opener, secret);
        }
    }

    fn expected_finished(&self, from: Side, lane: &Lane) -> Option<Vec<u8>> {
        let (suite, transcript) = (self.chosen.as_ref()?.suite?, self.transcript.whole()?);
        if self.is_new() {
            return opening::finished(suite.hash(), lane.secret.as_ref()?, transcript);
        }
        let master = self.log.secret(Label::Master, self.randoms()?.client)?;
        Some(opening::finished_old(suite.hash(), master, from == Side::Client, transcript))
    }

    fn ticket(&self, met: Met<'_>, body: &[u8]) -> Option<Fact> {
        let mut reader = Reader::new(body);
        let lifetime = reader.u32()?;
        if self.is_new() {
            reader.u32()?;
            reader.short()?;
        }
        let length = reader.long()?.len();
        let extensions =
            if self.is_new() { hello::extensions(reader.long()?)? } else { Vec::new() };
        let mut fields = vec![
            Field::number("ticket_lifetime", lifetime),
            Field::number("ticket_length", length as u64),
        ];
        fields.extend(hello::extension_fields(&extensions));
        Some(Fact {
            detail: Detail::Ticket(lifetime),
            ..self.fact(met, Kind::NewSessionTicket, fields)
        })
    }

    fn key_update(
        &self,
        met: Met<'_>,
        body: &[u8],
        client: &mut Lane,
        server: &mut Lane,
    ) -> Option<Fact> {
        let asks = Reader::new(body).u8()?;
        let fact =
            self.fact(met, Kind::KeyUpdate, vec![Field::number("asks_for_the_others", asks)]);
        let lane = if met.from == Side::Client { client } else { server };
        let suite = self.chosen.as_ref().and_then(|chosen| chosen.suite);
        let next = suite
            .zip(lane.secret.as_ref())
            .and_then(|(suite, secret)| opening::next_secret(suite, secret));
        lane.opener = suite
            .zip(next.as_ref())
            .and_then(|(suite, secret)| Opener::of_traffic_secret(suite, secret));
        lane.secret = next;
        if let Some(KeyName::Traffic { update, .. }) = &mut lane.key {
            *update += 1;
        }
        Some(fact)
    }
}

fn scheme_field(scheme: u16) -> Field {
    Field::code("signature_algorithm", scheme, names::signature(scheme))
}

fn with_judgement(fact: Fact, judged: Option<Judged>) -> Fact {
    match judged {
        None => fact,
        Some(Ok(right)) => with_proof(fact, Some(right)),
        Some(Err(why)) => {
            let fields =
                fact.fields.iter().cloned().chain([Field::text("not_judged", why)]).collect();
            Fact { fields, ..fact }
        }
    }
}

/// What was calculated again is known better than what was only read.
fn with_proof(fact: Fact, proved: Option<bool>) -> Fact {
    match proved {
        None => fact,
        Some(right) => {
            let field = Field::number("proof_is_right", u8::from(right));
            let fields = fact.fields.iter().cloned().chain([field]).collect();
            Fact { fields, source: Source::Computed, detail: Detail::Proof(right), ..fact }
        }
    }
}
