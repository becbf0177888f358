//! What an alert means: who broke it off, for what reason, and what mends it.
//!
//! An alert is its sender's finding. Where what was seen speaks against the usual reason (a name that fits, a
//! certificate that was valid), that is said.

use super::clocks;
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Shown};
use crate::field::{Field, are_whole};
use crate::place::Side;
use crate::story::{Broken, Certificate};
use crate::tls;

/// A reason and what mends it.
pub(super) struct Finding {
    pub(super) sentence: String,
    pub(super) mends: Vec<String>,
}

impl Finding {
    fn of(sentence: &str, mends: &[&str]) -> Finding {
        let mends = mends.iter().copied().map(str::to_owned).collect();
        Finding { sentence: sentence.to_owned(), mends }
    }
}

/// The end by this alert, which is one of all facts, in a handshake of TLS or of a VPN.
pub(super) fn broken(
    number: u8,
    alert: &Fact,
    facts: &[&Fact],
    (at_step, is_vpn): (u32, bool),
    own: Option<Side>,
) -> Broken {
    let by = alert.from;
    let name = tls::alert_name(number).unwrap_or("unknown");
    let found = match number {
        40 => no_hello(by, facts),
        42 | 46 => wrong_name(by, facts),
        45 => by_the_clock(alert, facts, is_vpn),
        112 => no_name(by, facts),
        _ => None,
    };
    let mut found = found.unwrap_or_else(|| usual(number, by));
    if is_vpn && by == Side::Server {
        of_a_vpn(number, &mut found.mends);
    }
    if !facts.iter().any(|fact| fact.kind == Kind::ClientHello) {
        for mend in &mut found.mends {
            *mend = mend.replace("step ClientHello", "the ClientHello (not seen here)");
        }
    }
    // Nobody has to doubt what he has said himself.
    let doubt = (alert.key.is_none() && own != Some(by)).then(|| IN_THE_CLEAR.to_owned());
    Broken {
        code: format!("alert_{name}"),
        by: Some(by),
        at_step: Some(at_step),
        sentence: found.sentence,
        mends: found.mends.into_iter().chain(doubt).collect(),
    }
}

/// What is likely where the server is a VPN's and the client's certificate stands in a profile, and who knows more.
fn of_a_vpn(number: u8, mends: &mut Vec<String>) {
    let first = match number {
        44 => Some(
            "This device was taken out of the VPN, or a newer profile took the place of this one: use the newest, or ask whoever runs the gateway.",
        ),
        48 => Some(
            "This profile is another gateway's, or from before the gateway's CA changed: take a current profile of this gateway.",
        ),
        _ => None,
    };
    if let Some(first) = first {
        mends.insert(0, first.to_owned());
    }
    mends.push(ITS_REASON.to_owned());
}

pub(super) const ITS_REASON: &str = "An alert is a word or two. The gateway's log has the whole reason; of Handfast, `handfast explain failure` tells it at the gateway.";

const IN_THE_CLEAR: &str = "It came in the clear, so anybody on the way could have sent it: if the log of the named side has no word of it, look in between.";

/// What it means as a rule.
fn usual(number: u8, by: Side) -> Finding {
    let Some(known) = MEANINGS.iter().find(|meaning| meaning.number == number) else {
        let sentence = match by {
            Side::Client => "The client broke it off for a fault that it found.",
            Side::Server => "The server broke it off for a fault that it found.",
        };
        return Finding::of(sentence, &["The log of whoever broke it off has the reason."]);
    };
    let [of_client, of_server] = known.sentence;
    Finding::of(if by == Side::Client { of_client } else { of_server }, known.mends)
}

/// A server that answers the first hello so can't mean a certificate of the client. Of a client that offers one
/// cipher alone, that is the likeliest reason.
fn no_hello(by: Side, facts: &[&Fact]) -> Option<Finding> {
    let answers = |fact: &&Fact| matches!(fact.kind, Kind::ServerHello | Kind::ServerHelloOld);
    if by == Side::Client || facts.iter().any(answers) {
        return None;
    }
    let hello = facts.iter().rfind(|fact| fact.kind == Kind::ClientHello);
    let mends: &[&str] = match hello.is_some_and(|hello| offers_one_cipher(hello)) {
        true => &[
            "The client offers a single cipher (cipher_suite, in the values of step ClientHello): allow that one on the server, or let the client offer more.",
            WITH_ITS_CERTIFICATE,
            WITH_ITS_SIGNATURE,
        ],
        false => &[
            "Compare the versions, ciphers, groups and kinds of signature (signature_algorithm) in the values of step ClientHello with what the server allows.",
            WITH_ITS_CERTIFICATE,
            WITH_ITS_SIGNATURE,
        ],
    };
    Some(Finding::of("The server finds nothing that both speak in what the client offers.", mends))
}

const WITH_ITS_CERTIFICATE: &str = "In TLS 1.2 a cipher also wants its kind of certificate: one with ECDSA in its name is no use to a server that has only RSA.";

const WITH_ITS_SIGNATURE: &str = "The server's key must make one of the client's kinds of signature (signature_algorithm): a key for RSA-PSS alone needs rsa_pss_pss_sha256 or its kin.";

/// A server that wants a name, of a client that sent none.
fn no_name(by: Side, facts: &[&Fact]) -> Option<Finding> {
    let hello = facts.iter().rfind(|fact| fact.kind == Kind::ClientHello)?;
    let named = hello.fields.iter().any(|field| field.name == "server_name");
    if by == Side::Client || named || !are_whole(&hello.fields) {
        return None;
    }
    let sentence = "The client asked for no name, and the server wants one that it has.";
    let mend = "Ask for a name that the server has: with a bare address a client sends none (no server_name in step ClientHello).";
    Some(Finding::of(sentence, &[mend]))
}

/// Whether it names one cipher alone, beside numbers that only look like ciphers.
fn offers_one_cipher(hello: &Fact) -> bool {
    let signal =
        |field: &&Field| field.meaning.as_deref().is_some_and(|meaning| meaning.ends_with("_SCSV"));
    let suites = hello.fields.iter().filter(|field| field.name == "cipher_suite");
    are_whole(&hello.fields) && suites.filter(|field| !signal(field)).count() == 1
}

/// Whether the certificate is for the name that the client insists on.
fn wrong_name(by: Side, facts: &[&Fact]) -> Option<Finding> {
    if by == Side::Server {
        return None;
    }
    let hello = facts.iter().rfind(|fact| fact.kind == Kind::ClientHello)?;
    let asked = hello.fields.iter().find(|field| field.name == "server_name");
    let all = tls::names_of(shown_by(Side::Server, facts)?);
    let names = some(&all);
    let sentence = "The client rejects the server's certificate and does not say exactly why.";
    let not_there = |asked: &str| !all.iter().any(|name| covers(name, asked));
    let [first, second] = match asked.map(|asked| asked.value.as_str()) {
        Some(asked) if not_there(asked) => [
            format!(
                "The name that the client sent (server_name in step ClientHello) does not stand in the certificate, which is for {names}: ask for one that does, or issue one for it."
            ),
            "The client's log has the reason.".to_owned(),
        ],
        Some(_) => [
            format!(
                "Most likely the client insists on another name than it sends (as by verify-x509-name), and that one does not stand in the certificate, which is for {names}: mend the name in the client's settings, or issue a certificate that has it."
            ),
            "The name that the client sent does stand there. If its settings want no other, a key or a signature in the chain may be too weak for it: its log has the reason.".to_owned(),
        ],
        None => [
            format!(
                "See whether the name that the client insists on (as by verify-x509-name) is one of the certificate's, which is for {names}: mend the name in the client's settings, or issue a certificate that has it."
            ),
            "The client's log has the reason: the certificate's usage, a signature or a key may displease it too.".to_owned(),
        ],
    };
    Some(Finding { sentence: sentence.to_owned(), mends: vec![first, second] })
}

/// The first few of a certificate's names.
fn some(names: &[String]) -> String {
    match names.len() {
        0 => "no name at all".to_owned(),
        1..=4 => names.join(", "),
        more => format!(
            "{} and {} more",
            names.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            more - 3
        ),
    }
}

/// Whether a name of a certificate is the one that was asked for.
fn covers(name: &str, asked: &str) -> bool {
    let rest = |name: &str| name.split_once('.').map(|(_, rest)| rest.to_lowercase());
    name.eq_ignore_ascii_case(asked) || (name.starts_with("*.") && rest(name) == rest(asked))
}

/// An alert about the time of a certificate, held against the clock of the machine that recorded it.
fn by_the_clock(alert: &Fact, facts: &[&Fact], is_vpn: bool) -> Option<Finding> {
    let certificate = own_certificate(alert.from.peer(), facts)?;
    let now = i64::try_from(alert.at / 1_000_000).ok()?;
    let (sentence, mends): (_, &[&str]) = match (alert.from, now) {
        (Side::Client, now) if now > certificate.not_after => (
            "The server's certificate has expired, by the client's clock and by that of the machine that recorded this.",
            &[
                "Renew the server's certificate: it ended at the time that stands in its box. Nothing mends it at the client.",
                CLOCKS,
            ],
        ),
        (Side::Server, now) if now > certificate.not_after => (
            "The client's certificate has expired, by the server's clock and by that of the machine that recorded this.",
            &[if is_vpn { NEW_PROFILE } else { NEW_CERTIFICATE }, CLOCKS],
        ),
        (Side::Client, now) if now >= certificate.not_before => (
            "By the client's clock the server's certificate has expired or is not valid yet; by the clock of the machine that recorded this it was valid.",
            &[
                "Compare `date -u` on the client, which refused, with a clock that is right, and mend it if it is wrong: a new certificate mends nothing then.",
                THE_OTHER_CLOCK,
                THE_CAS_OWN,
            ],
        ),
        (Side::Server, now) if now >= certificate.not_before => (
            "By the server's clock the client's certificate has expired or is not valid yet; by the clock of the machine that recorded this it was valid.",
            &[
                "Compare `date -u` on the server, which refused, with a clock that is right, and mend it if it is wrong: a new certificate mends nothing then.",
                THE_OTHER_CLOCK,
                THE_CAS_OWN,
            ],
        ),
        (by, _) => (
            match by {
                Side::Client => {
                    "The server's certificate is not valid yet, by the client's clock and by that of the machine that recorded this."
                }
                Side::Server => {
                    "The client's certificate is not valid yet, by the server's clock and by that of the machine that recorded this."
                }
            },
            &[
                "Compare the clock of whoever refused (`date -u`) with one that is right: if it is slow, mend it.",
                "If it is right, the clock of the machine that issued the certificate was fast: mend that, and issue the certificate again.",
            ],
        ),
    };
    let mut finding = Finding::of(sentence, mends);
    if let Some(device) = device_of(&certificate.subject) {
        let named = |mend: &mut String| *mend = mend.replace("USER/DEVICE", device);
        finding.mends.iter_mut().for_each(named);
    }
    finding.mends.splice(..0, clocks::apart(facts));
    Some(finding)
}

/// The user and the device in the subject of a certificate of ours, so that a command can be copied as it stands. Only
/// what no shell reads otherwise is taken.
fn device_of(subject: &str) -> Option<&str> {
    let name = subject.strip_prefix("CN=")?;
    let (user, device) = name.split_once('/')?;
    let is_plain = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('-') && part.bytes().all(plain)
    };
    (is_plain(user) && is_plain(device)).then_some(name)
}

const CLOCKS: &str = "If the certificate's end, which stands in its box, has not come yet, both clocks are fast: compare `date -u` on both machines with a clock that is right.";
const THE_OTHER_CLOCK: &str = "If that clock is right, the one of the machine that recorded this is wrong, and the certificate's time is over or has not begun: both moments stand in its box.";
const THE_CAS_OWN: &str =
    "If both clocks are right, look at the CA's own certificate: that may have expired.";
const NEW_CERTIFICATE: &str = "Give the client a new certificate: the one that it showed ended at the time that stands in its box.";
const NEW_PROFILE: &str = "Take a new profile, which has a new certificate: the present one ended at the time that stands in its box. Whoever runs the gateway makes the profile, with Handfast by `handfast profile USER/DEVICE --renew`.";

fn own_certificate(of: Side, facts: &[&Fact]) -> Option<Certificate> {
    tls::certificates(shown_by(of, facts)?, of).next()
}

fn shown_by<'a>(of: Side, facts: &[&'a Fact]) -> Option<&'a Shown> {
    facts.iter().rev().filter(|fact| fact.from == of).find_map(|fact| match &fact.detail {
        Detail::Certificates(shown) => Some(shown),
        _ => None,
    })
}

/// What an alert means as a rule.
struct Meaning {
    number: u8,
    /// Of an alert of the client, then of the server.
    sentence: [&'static str; 2],
    mends: &'static [&'static str],
}

const MEANINGS: &[Meaning] = &[
    Meaning {
        number: 10,
        sentence: [
            "The client got a message that may not come at this place.",
            "The server got a message that may not come at this place.",
        ],
        mends: &[
            "One of the two has a fault, or something on the way mixes in: bring both up to date, and compare what both recorded.",
        ],
    },
    Meaning {
        number: 20,
        sentence: [
            "A packet of the server does not open under the key that both should have.",
            "A packet of the client does not open under the key that both should have.",
        ],
        mends: &[
            "Something on the way changed bytes, or one side has other keys: record at both ends and compare.",
        ],
    },
    Meaning {
        number: 40,
        sentence: [
            "The client finds nothing that both speak in what the server chose.",
            "The server finds nothing that both speak in what the client offers, or wants a certificate.",
        ],
        mends: &[
            "Compare the offered ciphers and groups in step ClientHello with what the server allows.",
            "A server that asked for a certificate may mean by it that none came.",
        ],
    },
    Meaning {
        number: 42,
        sentence: [
            "The client rejects the server's certificate and does not say exactly why.",
            "The server rejects the client's certificate and does not say exactly why.",
        ],
        mends: &[
            "See whether the certificate is for the name that was meant, and look at its usage and its signature; and whether the clock of whoever refused is before its time.",
            "The log of whoever refused has the reason.",
        ],
    },
    Meaning {
        number: 43,
        sentence: [
            "The client can't use a certificate of this kind.",
            "The server can't use a certificate of this kind.",
        ],
        mends: &[
            "Compare the certificate's key and usage with what whoever refused supports: an RSA or P-256 key, and serverAuth or clientAuth among its uses.",
        ],
    },
    Meaning {
        number: 44,
        sentence: [
            "The client was told that the server's certificate is revoked.",
            "The server knows that the client's certificate is revoked.",
        ],
        mends: &[
            "First find out who revoked it and why: a device may be stolen, or its owner gone.",
            "Only if its owner may still connect, issue a new certificate with a new key.",
        ],
    },
    Meaning {
        number: 45,
        sentence: [
            "By the client's clock the server's certificate has expired, or is not valid yet.",
            "By the server's clock the client's certificate has expired, or is not valid yet.",
        ],
        mends: &[
            "Compare the times in the certificate with the clock of whoever refused.",
            "If the clock is right, renew the certificate.",
        ],
    },
    Meaning {
        number: 46,
        sentence: [
            "The client does not accept the server's certificate, for a reason that it keeps to itself.",
            "The server does not accept the client's certificate, for a reason that it keeps to itself.",
        ],
        mends: &["The log of whoever refused has the reason."],
    },
    Meaning {
        number: 47,
        sentence: [
            "The client finds a value in the server's messages that is not allowed or does not fit what was offered.",
            "The server finds a value in the client's messages that is not allowed or does not fit what was offered.",
        ],
        mends: &[
            "One of the two has a fault: bring both up to date; the log of whoever refused names the value.",
        ],
    },
    Meaning {
        number: 48,
        sentence: [
            "The client does not know the CA that issued the server's certificate.",
            "The server does not know the CA that issued the client's certificate.",
        ],
        mends: &[
            "If that CA is yours, give its certificate to whoever refused: in a profile the part <ca>, on a server its list of CAs. If you don't know it, don't; find out who answered.",
            "The side that showed the certificate may have left out an intermediate one.",
            "Two CAs may have the same name: compare their keys.",
        ],
    },
    Meaning {
        number: 49,
        sentence: [
            "The client knows the server and does not want it.",
            "The server knows the client and does not let it in.",
        ],
        mends: &["Look at the access rules of whoever refused."],
    },
    Meaning {
        number: 50,
        sentence: [
            "The client can't make out a message of the server: its length or form is wrong.",
            "The server can't make out a message of the client: its length or form is wrong.",
        ],
        mends: &[
            "See whether the other side speaks TLS on this port at all.",
            "If it does, one of the two has a fault, or something on the way cuts messages: compare what both recorded.",
        ],
    },
    Meaning {
        number: 51,
        sentence: [
            "The client finds a signature or checksum of the server wrong.",
            "The server finds a signature or checksum of the client wrong.",
        ],
        mends: &[
            "The certificate and the private key of one side don't belong together, or a message was changed on its way.",
        ],
    },
    Meaning {
        number: 70,
        sentence: [
            "The client does not speak the version that the server chose.",
            "The server does not speak any version that the client offers.",
        ],
        mends: &["Bring the older side up to date; TLS 1.2 is the oldest that should be spoken."],
    },
    Meaning {
        number: 71,
        sentence: [
            "The client wants stronger ciphers or parameters than the server has.",
            "The server wants stronger ciphers or parameters than the client offers.",
        ],
        mends: &[
            "Allow newer ciphers and larger keys on the weaker side, rather than weaker ones on the other.",
        ],
    },
    Meaning {
        number: 80,
        sentence: [
            "The client broke off for a trouble of its own, which has nothing to do with what was said.",
            "The server broke off for a trouble of its own, which has nothing to do with what was said.",
        ],
        mends: &[
            "The log of whoever broke it off has the reason: memory, a file, or a part behind it.",
        ],
    },
    Meaning {
        number: 86,
        sentence: [
            "The client was told of a fallback, and finds it uncalled for.",
            "The client came back with an older version, though the server speaks a newer one: somebody may be pressing it down.",
        ],
        mends: &[
            "See what made the client fall back: something on the way that swallows newer hellos.",
            "Let the client not fall back at all: nothing of today needs it.",
        ],
    },
    Meaning {
        number: 109,
        sentence: [
            "The client misses an extension that the server has to send.",
            "The server misses an extension that the client has to send, such as a name or a key share.",
        ],
        mends: &[
            "Compare the extensions in the values of the hellos with what TLS 1.3 asks for; bring the side up to date that leaves it out.",
        ],
    },
    Meaning {
        number: 110,
        sentence: [
            "The server answered with an extension that the client did not offer.",
            "The client sent an extension that does not belong into that message.",
        ],
        mends: &["Bring the side up to date that sent it: only what was offered may be answered."],
    },
    Meaning {
        number: 112,
        sentence: [
            "The client does not take the server under this name.",
            "The server has no such name.",
        ],
        mends: &[
            "Ask for a name that the server has: step ClientHello shows which one was asked for (SNI).",
        ],
    },
    Meaning {
        number: 113,
        sentence: [
            "The client does not believe the staple that the server brought along.",
            "The server does not believe the client's staple.",
        ],
        mends: &[
            "Look at the box of the certificate: by when it was signed and until when it is good.",
        ],
    },
    Meaning {
        number: 115,
        sentence: [
            "The server chose a key from before that the client does not have.",
            "The server does not know the key from before that the client offers, and wants no other proof.",
        ],
        mends: &[
            "Compare the name of the pre-shared key on both sides; a client with a ticket has to begin without it.",
        ],
    },
    Meaning {
        number: 116,
        sentence: [
            "The client wants a certificate.",
            "The server lets nobody in without a certificate, and the client showed none.",
        ],
        mends: &["Give the client its certificate and key."],
    },
    Meaning {
        number: 120,
        sentence: [
            "The client speaks no protocol that the server chose.",
            "The server speaks no protocol that the client offers inside TLS (ALPN).",
        ],
        mends: &["Compare the protocols in step ClientHello with those of the server."],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_device_of_a_certificate_and_nothing_that_a_shell_reads_otherwise() {
        assert_eq!(device_of("CN=alice/default"), Some("alice/default"));
        for other in ["CN=alice", "alice/default", "CN=a/b/c", "CN=a/$(reboot)", "CN=-x/y", "CN=/"]
        {
            assert_eq!(device_of(other), None, "{other}");
        }
    }
}
