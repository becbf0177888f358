//! What a client that acts by what it finds would refuse at a server that this one only looked at: what is wrong with its
//! certificate, and what mends it, for whoever runs the server or looks at it.

use clock::Timestamp;
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use explain::render::capital;
use names::RevocationReason;
use pki::Refusal;
use rustls::{CertificateError, Error as TlsError};
use uplink::Target;

use super::super::standing::Shown;
use super::super::tls::{Fault, faults};
use crate::show::standing::{Answer, Said};

const SHOWN: &[Kind] = &[Kind::ServerCertificate];
const PROVED: &[Kind] = &[Kind::ServerCertificateVerify, Kind::ServerKeyExchange];
/// The most names of a certificate that are told here; its box has more.
const MOST_NAMES: usize = 4;
const LONGEST_NAME: usize = 100;

/// The verdict of a client; none where it is content. The first thing that is wrong gives its code, and the others are said
/// behind it.
pub(super) fn verdict(
    target: &Target,
    shown: &Shown,
    cas: &[pki::CaCertificate],
    said: &[Said],
) -> Option<Verdict> {
    let mut wrongs: Vec<Wrong> =
        faults(target, shown, cas).into_iter().map(|fault| of(fault, target)).collect();
    let at_the_end = wrongs.iter().position(|wrong| wrong.after == PROVED).unwrap_or(wrongs.len());
    let says = |answer: Answer| said.iter().find(|said| said.answer == answer);
    if let Some(said) = says(Answer::Revoked) {
        wrongs.insert(at_the_end, revoked(said));
    } else if says(Answer::Unknown).is_some() {
        wrongs.insert(at_the_end, never_given());
    }
    let first = wrongs.first()?;
    let (code, after) = (first.code.to_owned(), first.after);
    let sentences: Vec<&str> = wrongs.iter().map(|wrong| wrong.sentence.as_str()).collect();
    let sentence = sentences.join(" ");
    let mut mends: Vec<String> = Vec::new();
    for mend in wrongs.into_iter().flat_map(|wrong| wrong.mends) {
        if !mends.contains(&mend) {
            mends.push(mend);
        }
    }
    Some(Verdict { code, by: Some(Side::Client), after, sentence, mends })
}

struct Wrong {
    code: &'static str,
    after: &'static [Kind],
    sentence: String,
    mends: Vec<String>,
}

impl Wrong {
    fn new(code: &'static str, sentence: impl Into<String>, mends: &[&str]) -> Wrong {
        let mends = mends.iter().copied().map(str::to_owned).collect();
        Wrong { code, after: SHOWN, sentence: sentence.into(), mends }
    }
}

fn of(fault: Fault, target: &Target) -> Wrong {
    match fault {
        Fault::NoCa => Wrong::new(
            Refusal::UnknownCa.code(),
            "No CA is at hand by which the server's certificate could be checked.",
            &["Name the CA that the clients trust: `--ca FILE`."],
        ),
        Fault::IssuedItself => Wrong::new(
            Refusal::UnknownCa.code(),
            "The server's certificate names itself as its issuer: no CA stands behind it.",
            &[
                "Have the server's certificate issued by a CA that the clients trust, with Handfast by `handfast cert issue`.",
                "If you don't run this server, don't go on: anybody can make such a certificate, for any name.",
            ],
        ),
        Fault::Path(refusal) => of_path(&refusal),
        Fault::Name(error) => of_name(&error, target),
        Fault::Proof => Wrong {
            after: PROVED,
            ..Wrong::new(
                Refusal::BadSignature.code(),
                "The server's own signature is wrong: it does not show that it has the key of the certificate.",
                &[
                    "See that the server's private key belongs to its certificate.",
                    "If it does, something on the way changed what was said, or somebody poses as the server: don't go on.",
                ],
            )
        },
    }
}

fn of_path(refusal: &Refusal) -> Wrong {
    let (sentence, mends): (String, &[&str]) = match refusal {
        Refusal::Expired { at } => (
            format!("By this machine's clock the server's certificate expired on {at}."),
            &[
                "Renew the server's certificate, and have the server load the new one: nothing mends it at the client.",
                "If the certificate's end has not come yet, this machine's clock is fast: compare `date -u` with a clock that is right.",
            ],
        ),
        Refusal::NotYetValid { at } => (
            format!("By this machine's clock the server's certificate is not valid before {at}."),
            &[
                "Compare this machine's clock (`date -u`) with one that is right: if it is slow, mend it.",
                "If it is right, the clock of the machine that issued the certificate was fast: mend that, and issue the certificate again.",
            ],
        ),
        Refusal::UnknownCa => (
            "The server's certificate comes from a CA that is not trusted here.".to_owned(),
            &[
                "If that CA is yours, give its certificate to the clients, and to this command by `--ca FILE`. If you don't know it, don't; find out who answered.",
                "The server may have left out an intermediate certificate: have it send all between its own and the CA's.",
                "Two CAs may have the same name: compare their keys.",
            ],
        ),
        Refusal::CaExpired { at } => (
            format!("By this machine's clock the certificate of the CA that issued the server's expired on {at}."),
            &[
                "Give the clients the CA's present certificate; where there is none, roll the CA over.",
                "If the end of the CA's certificate has not come yet, this machine's clock is fast: compare `date -u` with a clock that is right.",
            ],
        ),
        Refusal::WrongUsage { .. } => (
            "The server shows a certificate that was not issued for servers.".to_owned(),
            &[
                "Have one issued for servers (extended key usage serverAuth), with Handfast by `handfast cert issue`.",
                "If you don't run this server, don't go on: somebody may pose as it with a client's certificate.",
            ],
        ),
        Refusal::BadSignature => (
            "The signature under the server's certificate was not made with the key of the CA that it names.".to_owned(),
            &[
                "Two CAs may have the same name: compare their keys.",
                "If they are the same, don't go on: somebody may pose as the server.",
            ],
        ),
        other => return in_its_own_words(other),
    };
    Wrong::new(refusal.code(), sentence, mends)
}

/// What the log would say of it, and what to do behind the semicolon.
fn in_its_own_words(refusal: &Refusal) -> Wrong {
    let said =
        refusal.to_string().replace("the peer's", "the server's").replace("the peer", "the server");
    let (what, mend) = said.split_once("; ").unwrap_or((&said, "have another one issued"));
    let mend = format!("{}.", capital(mend));
    Wrong::new(refusal.code(), format!("{}.", capital(what)), &[&mend])
}

fn of_name(error: &TlsError, target: &Target) -> Wrong {
    let wanted = target.name().to_str();
    let sentence = match error {
        TlsError::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented,
            ..
        }) => {
            format!(
                "`{wanted}` was asked for, and the server's certificate is for {}.",
                some(presented)
            )
        }
        _ => {
            format!("`{wanted}` was asked for, and the server's certificate is not for that name.")
        }
    };
    let have_one = format!(
        "If it is the right server, ask for a name that its certificate has (`--name`), or have one issued for this name, with Handfast by `handfast cert issue {wanted}`."
    );
    let elsewhere =
        format!("If it is not, see where `{}` leads, and what answers there.", target.host());
    let code = "name_mismatch";
    Wrong::new(code, sentence, &[&have_one, &elsewhere])
}

/// The first few names, as they stand in the certificate.
fn some(presented: &[String]) -> String {
    let all: Vec<String> = presented.iter().take(MOST_NAMES).map(|name| plain(name)).collect();
    match (all.is_empty(), presented.len().saturating_sub(MOST_NAMES)) {
        (true, _) => "no name at all".to_owned(),
        (false, 0) => all.join(", "),
        (false, more) => format!("{} and {more} more", all.join(", ")),
    }
}

/// A name without the words of whoever read it: `DnsName("localhost")`, `IpAddress(127.0.0.1)`.
fn plain(presented: &str) -> String {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let name = inner.unwrap_or(presented).trim_matches('"');
    // Whoever read it writes an address of IPv6 with a leading zero.
    let address = name.parse::<std::net::IpAddr>().ok().map(|address| address.to_string());
    address
        .as_deref()
        .unwrap_or(name)
        .chars()
        .take(LONGEST_NAME)
        .filter(|letter| *letter != '`')
        .collect()
}

fn revoked(said: &Said) -> Wrong {
    let reason = said.reason.filter(|reason| *reason != RevocationReason::Unspecified);
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let at = said.revoked_at.map_or_else(String::new, |at: Timestamp| format!(" on {at}"));
    Wrong::new(
        "revoked",
        format!(
            "The CA says that the server's certificate was revoked{at}{reason}: its box says how that is known."
        ),
        &[
            "First find out who revoked it and why: its key may be in other hands.",
            "If the server is to go on, have a new certificate issued for it, with a new key, and have the server load it.",
        ],
    )
}

fn never_given() -> Wrong {
    Wrong::new(
        "unknown_to_its_ca",
        "The CA says that it never gave a certificate the number of the server's.",
        &[
            "If you run the CA, see whether its records are whole; if they are, somebody else may sign with its key.",
            "Else don't go on, and tell whoever runs the CA.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_without_the_words_of_whoever_read_them_and_a_few_of_many() {
        let names =
            |all: &[&str]| some(&all.iter().copied().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(names(&[]), "no name at all");
        assert_eq!(
            names(&["DnsName(\"localhost\")", "IpAddress(127.0.0.1)"]),
            "localhost, 127.0.0.1"
        );
        assert_eq!(names(&["IpAddress(0::1)", "IpAddress(2001:db8::7)"]), "::1, 2001:db8::7");
        assert_eq!(names(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
        assert_eq!(plain(&format!("DnsName(\"`{}\")", "x".repeat(500))).len(), LONGEST_NAME - 1);
    }
}
