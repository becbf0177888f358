//! One table of every name in our JSON, and who judges what stands there.
//!
//! A test holds that each name of any recording has its row, and each row a recording.

use crate::pdml::plain;
use crate::step::Form;

/// Who says whether a value is right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judge {
    /// tshark reads the same, in these of its fields.
    Tshark(&'static str),
    /// OpenSSL reads the same, by this command.
    Openssl(&'static str),
    /// It follows from what tshark reads, by a rule that the test has in its own words: no other program says it.
    Follows(&'static str),
    /// It is not compared here: this file has its judge.
    Elsewhere(&'static str, &'static str),
}

/// What may be written in two ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum As {
    Itself,
    /// Names, without what stands between their words.
    Name,
}

pub(crate) struct Row {
    pub(crate) path: &'static str,
    pub(crate) judge: Judge,
    form: As,
}

impl Row {
    pub(crate) fn is_compared(&self) -> bool {
        !matches!(self.judge, Judge::Elsewhere(..))
    }

    pub(crate) fn normal(&self, text: &str) -> String {
        match self.form {
            As::Itself => text.to_owned(),
            As::Name => plain(text),
        }
    }
}

pub(crate) fn row(path: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.path == path)
}

const fn is(path: &'static str, judge: Judge) -> Row {
    Row { path, judge, form: As::Itself }
}

const fn named(path: &'static str, judge: Judge) -> Row {
    Row { path, judge, form: As::Name }
}

use Judge::{Elsewhere, Follows, Openssl, Tshark};

const X509: Judge = Openssl("openssl x509 -text");
const WORDS: Judge = Elsewhere(
    "crates/explain/tests/recorded/main.rs",
    "words of ours: golden pages, read by people who see nothing else",
);
const PLAN: Judge =
    Elsewhere("interop/tests/key_life.rs", "tcpdump's first and last packet of each key id");
const ORDER: Judge = Follows("the order of tshark's packets, records and messages");

/// The rows, as a page has them.
pub(crate) fn written() -> String {
    let judged = |row: &Row| match row.judge {
        Tshark(by) => format!("tshark: {by}"),
        Openssl(by) => format!("OpenSSL: {by}"),
        Follows(from) => format!("follows from {from}"),
        Elsewhere(file, how) => format!("not compared here; {how} (`{file}`)"),
    };
    let rows = TABLE.iter().map(|row| format!("| `{}` | {} |\n", row.path, judged(row)));
    rows.collect()
}

/// The rows.
pub(crate) const TABLE: &[Row] = &[
    is("version", Elsewhere("docs/explain-json.md", "a number of ours")),
    is("title", WORDS),
    is("protocol", Tshark("frame.protocols")),
    is("transport", Tshark("udp, tcp")),
    is("client", Tshark("ip.src and port of the first frame")),
    is("server", Tshark("ip.dst and port of the first frame")),
    is("began", Tshark("frame.time_epoch")),
    is("missing[]", Elsewhere("crates/explain/tests/recorded/endings.rs", "a calculation of ours")),
    is("judgements[].by", Elsewhere("interop/tests/explained.rs", "the log of a running gateway")),
    is(
        "judgements[].sentence",
        Elsewhere("interop/tests/explained.rs", "the log of a running gateway"),
    ),
    // How it ended.
    is("ending.how", Follows("an alert, a refusal, or what was recorded")),
    named("ending.code", Follows("tls.alert_message.desc, or what was recorded")),
    is("ending.by", Follows("whose alert it was")),
    is("ending.at_step", Follows("where it stands among the steps")),
    is("ending.sentence", WORDS),
    is("ending.mends[]", WORDS),
    // Steps.
    is("steps[].number", ORDER),
    is(
        "steps[].entry",
        Follows("tls.handshake.type, tls.record.content_type, openvpn.opcode, and their order"),
    ),
    is("steps[].chapter", WORDS),
    is("steps[].at", Tshark("frame.time_epoch")),
    is(
        "steps[].both_ways",
        Elsewhere("crates/explain/tests/told_sessions/kept.rs", "a gap of what a gateway kept"),
    ),
    is(
        "steps[].unmeasured",
        Elsewhere("crates/explain/tests/told_sessions/kept.rs", "a gap of what a gateway kept"),
    ),
    is("steps[].from", Tshark("udp.srcport, tcp.srcport")),
    is("steps[].to", Tshark("udp.dstport, tcp.dstport")),
    is("steps[].title", WORDS),
    is("steps[].sentence", WORDS),
    is("steps[].terms[].word", WORDS),
    is("steps[].terms[].meaning", WORDS),
    is("steps[].proves", WORDS),
    is("steps[].leaves_open", WORDS),
    is("steps[].readable_by", WORDS),
    is("steps[].section", WORDS),
    is("steps[].source", Follows("whether tshark opens it, and which messages hold a proof")),
    is("steps[].key", Follows("tls.record.opaque_type and the order of messages; openvpn.keyid")),
    is("steps[].handshake", Tshark("openvpn.keyid")),
    is("steps[].basis[].frame", Tshark("frame.number")),
    is(
        "steps[].basis[].offset",
        Follows("udp.payload, tcp.payload, and the lengths of records and messages"),
    ),
    is("steps[].basis[].length", Follows("tls.record.length, tls.handshake.length, openvpn.plen")),
    // What is read of TLS.
    named("steps[].fields.legacy_version", Tshark("tls.handshake.version")),
    is("steps[].fields.random", Tshark("tls.handshake.random")),
    is("steps[].fields.session_id", Tshark("tls.handshake.session_id, openvpn.sessionid")),
    named(
        "steps[].fields.version",
        Follows("tls.handshake.extensions.supported_version, or else tls.handshake.version"),
    ),
    named("steps[].fields.cipher_suite", Tshark("tls.handshake.ciphersuite")),
    named("steps[].fields.extension", Tshark("tls.handshake.extension.type")),
    named("steps[].fields.supported_version", Tshark("tls.handshake.extensions.supported_version")),
    named("steps[].fields.supported_group", Tshark("tls.handshake.extensions_supported_group")),
    named("steps[].fields.key_share_group", Tshark("tls.handshake.extensions_key_share_group")),
    named(
        "steps[].fields.key_share_selected",
        Tshark("tls.handshake.extensions_key_share_selected_group"),
    ),
    named("steps[].fields.signature_algorithm", Tshark("tls.handshake.sig_hash_alg")),
    is("steps[].fields.server_name", Tshark("tls.handshake.extensions_server_name")),
    is("steps[].fields.alpn", Tshark("tls.handshake.extensions_alpn_str")),
    is("steps[].fields.asks_for_staple", Tshark("tls.handshake.extensions_status_request_type")),
    is("steps[].fields.offers_ticket", Tshark("tls.handshake.extension.type 41")),
    named("steps[].fields.named_group", Tshark("tls.handshake.server_named_curve")),
    is("steps[].fields.certificate_length", Tshark("tls.handshake.certificate_length")),
    is("steps[].fields.staple_length", Tshark("tls.handshake.ocsp_response_len")),
    is("steps[].fields.ticket_lifetime", Tshark("tls.handshake.session_ticket_lifetime_hint")),
    is("steps[].fields.ticket_length", Tshark("tls.handshake.session_ticket_length")),
    is("steps[].fields.asks_for_the_others", Tshark("tls.handshake.key_update.request_update")),
    named("steps[].fields.handshake_type", Tshark("tls.handshake.type")),
    is("steps[].fields.alert_level", Tshark("tls.alert_message.level")),
    named("steps[].fields.alert_description", Tshark("tls.alert_message.desc")),
    is("steps[].fields.proof_is_right", Follows("the peer, OpenSSL or OpenVPN, went on after it")),
    is(
        "steps[].fields.not_judged",
        Follows("tls.handshake.sig_hash_alg and, by openssl x509, the certificate's key"),
    ),
    is("steps[].fields.reason", Follows("whether a key log was given, and the kind of message")),
    is("steps[].fields.begins_with", Tshark("tcp.payload before the first tls.record")),
    is("steps[].fields.about_tls", Tshark("tcp.payload before the first tls.record")),
    is("steps[].fields.http_status", Tshark("data.data, decrypted")),
    is("steps[].fields.hsts", Tshark("data.data, decrypted")),
    // What is read of OpenVPN.
    named("steps[].fields.opcode", Tshark("openvpn.opcode")),
    is("steps[].fields.key_id", Tshark("openvpn.keyid")),
    is("steps[].fields.ack", Tshark("openvpn.mpidarrayelement")),
    is("steps[].fields.acked_session_id", Tshark("openvpn.rsessionid")),
    is("steps[].fields.message_id", Tshark("openvpn.mpid")),
    is("steps[].fields.replay_id", Tshark("openvpn.pid")),
    is("steps[].fields.replay_time", Tshark("openvpn.net_time")),
    is(
        "steps[].fields.wrapping",
        Openssl("openssl dgst -mac HMAC; encryption by what was recorded"),
    ),
    is("steps[].fields.digest", Openssl("openssl dgst -mac HMAC")),
    is("steps[].fields.key_direction_of_the_sender", Openssl("openssl dgst -mac HMAC")),
    is(
        "steps[].fields.datagrams_in_frame",
        Follows(
            "a second capture of the same session behind a router that cuts them, whose datagrams are the same bytes in the same order; tshark takes all in a frame for one packet",
        ),
    ),
    is("steps[].fields.options", Tshark("data.data, decrypted")),
    is("steps[].fields.user_name", Tshark("data.data, decrypted")),
    is("steps[].fields.password", Tshark("data.data, decrypted: that there is one")),
    is("steps[].fields.peer_info", Tshark("data.data, decrypted")),
    is("steps[].fields.pushed", Tshark("data.data, decrypted")),
    is("steps[].fields.message", Tshark("data.data, decrypted")),
    is(
        "steps[].fields.why",
        Elsewhere("crates/explain/tests/told_sessions/kept.rs", "words of ours"),
    ),
    is(
        "steps[].fields.values_not_kept",
        Elsewhere("crates/explain/tests/told_sessions/kept.rs", "a count of ours"),
    ),
    is(
        "steps[].bytes",
        Elsewhere(
            "crates/explain/tests/recorded/shown.rs",
            "the recording's file, at the place that the step names",
        ),
    ),
    // Keys.
    is("keys[].id", ORDER),
    is("keys[].kind", ORDER),
    named("keys[].cipher", Tshark("tls.handshake.ciphersuite; the cipher in a push, decrypted")),
    is("keys[].born", Follows("the time of the message that makes it")),
    is("keys[].uses[].by", Tshark("udp.srcport, tcp.srcport")),
    is("keys[].uses[].first", Tshark("frame.time_epoch of its first record or packet")),
    is("keys[].uses[].last", Tshark("frame.time_epoch of its last record or packet")),
    is("keys[].uses[].count", Tshark("the number of tls.record, of openvpn.opcode 9")),
    is("keys[].renewal", Follows("the version of TLS, and whether another key came")),
    is("keys[].replaced_by", ORDER),
    is(
        "keys[].ends",
        Follows(
            "the time of the last record, of an alert of either side, a refusal or a goodbye; the lifetime of a ticket",
        ),
    ),
    is("keys[].ends_by", Follows("the version of TLS, and whether another key came")),
    is("keys[].plan.in_use", PLAN),
    is(
        "keys[].plan.complete",
        Elsewhere("crates/tunnel/src/keys.rs", "the moment that the session itself counts from"),
    ),
    is("keys[].plan.renews", PLAN),
    is("keys[].plan.seals_from", PLAN),
    is("keys[].plan.seals_until", PLAN),
    is("keys[].plan.opens_until", PLAN),
    is(
        "keys[].plan.in_flight",
        Elsewhere("crates/tunnel/src/keys.rs", "a constant of the session's"),
    ),
    is(
        "keys[].plan.closes",
        Elsewhere("interop/tests/explained_tls.rs", "the settings of a running gateway"),
    ),
    // Certificates.
    is("certificates[].shown_by", Tshark("the sender of tls.handshake.certificate")),
    is("certificates[].step", ORDER),
    is("certificates[].depth", Tshark("the order of tls.handshake.certificate")),
    is("certificates[].subject", X509),
    is("certificates[].issuer", X509),
    is("certificates[].serial", X509),
    is("certificates[].not_before", X509),
    is("certificates[].not_after", X509),
    is("certificates[].names[]", X509),
    is("certificates[].key", X509),
    is("certificates[].inquiries[].means", Follows("the three means that there are")),
    is(
        "certificates[].inquiries[].answer",
        Tshark("ocsp.certStatus; of the others nothing is on the wire"),
    ),
    is(
        "certificates[].inquiries[].revoked_at",
        Tshark("ocsp.revocationTime; of a gateway's records the moment at which it was told to"),
    ),
    is("certificates[].inquiries[].signed_at", Tshark("ocsp.producedAt")),
    is(
        "certificates[].inquiries[].signed_by",
        Tshark("ocsp.byName; of a gateway's records a word of ours"),
    ),
    is("certificates[].inquiries[].good_until", Tshark("ocsp.nextUpdate")),
    is("certificates[].inquiries[].sentence", WORDS),
    // Packets of OpenVPN.
    is("packets[].at", Tshark("frame.time_epoch")),
    is("packets[].frame", Tshark("frame.number")),
    is("packets[].from", Tshark("udp.srcport, tcp.srcport")),
    is("packets[].opcode", Tshark("openvpn.opcode")),
    named("packets[].name", Tshark("openvpn.opcode")),
    is("packets[].key_id", Tshark("openvpn.keyid")),
    is("packets[].session", Tshark("openvpn.sessionid")),
    is("packets[].acks[]", Tshark("openvpn.mpidarrayelement")),
    is("packets[].message", Tshark("openvpn.mpid")),
    is("packets[].payload", Follows("the packet's length without what tshark names before it")),
    is("packets[].again", Follows("whether the same openvpn.mpid came before")),
    is("packets[].stamp", Follows("whether there is an HMAC")),
    is(
        "packets[].stamp[]",
        Tshark("openvpn.pid, openvpn.net_time; of what is encrypted, its first bytes"),
    ),
    is("packets[].wrapping", Openssl("openssl dgst -mac HMAC; encryption by what was recorded")),
];

/// Values of TLS that tshark has as we do, wherever they stand.
pub(crate) const TLS_VALUES: &[(&str, &str, Form)] = &[
    ("legacy_version", "tls.handshake.version", Form::Code),
    ("random", "tls.handshake.random", Form::Bytes),
    ("session_id", "tls.handshake.session_id", Form::Bytes),
    ("cipher_suite", "tls.handshake.ciphersuite", Form::Code),
    ("extension", "tls.handshake.extension.type", Form::Named),
    ("supported_version", "tls.handshake.extensions.supported_version", Form::Code),
    ("supported_group", "tls.handshake.extensions_supported_group", Form::Code),
    ("key_share_group", "tls.handshake.extensions_key_share_group", Form::Code),
    ("key_share_selected", "tls.handshake.extensions_key_share_selected_group", Form::Code),
    ("signature_algorithm", "tls.handshake.sig_hash_alg", Form::Code),
    ("server_name", "tls.handshake.extensions_server_name", Form::Text),
    ("alpn", "tls.handshake.extensions_alpn_str", Form::Text),
    ("named_group", "tls.handshake.server_named_curve", Form::Code),
    ("certificate_length", "tls.handshake.certificate_length", Form::Number),
    ("staple_length", "tls.handshake.ocsp_response_len", Form::Number),
    ("ticket_lifetime", "tls.handshake.session_ticket_lifetime_hint", Form::Number),
    ("ticket_length", "tls.handshake.session_ticket_length", Form::Number),
    ("asks_for_the_others", "tls.handshake.key_update.request_update", Form::Number),
];

/// Names that tshark 4.0 doesn't know or writes otherwise: field, value, our name, and who says so.
/// An empty name is one that we leave out.
pub(crate) const NAMED_OTHERWISE: &[(&str, &str, &str, &str)] = &[
    ("signature_algorithm", "0x0301", "rsa_pkcs1_sha224", OLD_PAIR),
    ("signature_algorithm", "0x0302", "dsa_sha224", OLD_PAIR),
    ("signature_algorithm", "0x0303", "ecdsa_sha224", OLD_PAIR),
    ("signature_algorithm", "0x0402", "dsa_sha256", OLD_PAIR),
    ("signature_algorithm", "0x0502", "dsa_sha384", OLD_PAIR),
    ("signature_algorithm", "0x0602", "dsa_sha512", OLD_PAIR),
    ("signature_algorithm", "0x081a", "ecdsa_brainpoolP256r1tls13_sha256", BRAINPOOL),
    ("signature_algorithm", "0x081b", "ecdsa_brainpoolP384r1tls13_sha384", BRAINPOOL),
    ("signature_algorithm", "0x081c", "ecdsa_brainpoolP512r1tls13_sha512", BRAINPOOL),
    ("signature_algorithm", "0x0904", "mldsa44", "IANA's registry; tshark 4.0 is older"),
    ("signature_algorithm", "0x0905", "mldsa65", "IANA's registry; tshark 4.0 is older"),
    ("signature_algorithm", "0x0906", "mldsa87", "IANA's registry; tshark 4.0 is older"),
    ("supported_group", "0x11ec", HYBRID, "IANA's registry; tshark 4.0 is older"),
    ("key_share_group", "0x11ec", HYBRID, "IANA's registry; tshark 4.0 is older"),
];

/// A digest and a kind of key: RFC 5246, 7.4.1.4.1.
const OLD_PAIR: &str =
    "a pair of TLS 1.2, which tshark names the other way round (RFC 5246, 7.4.1.4.1)";
const BRAINPOOL: &str = "RFC 8734; tshark 4.0 has no name";
const HYBRID: &str = "X25519MLKEM768: a classical and a post-quantum exchange in one";
