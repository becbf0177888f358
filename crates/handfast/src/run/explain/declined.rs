//! Why this client turned away from a gateway, as its story tells it: what was found, and what mends it, for whoever sits at
//! the client. The finding's own words are for both sides, and speak to whoever runs the side that found it.

use client::Declined;
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use pki::Refusal;

/// Its alert, which says less.
const AFTER: &[Kind] = &[Kind::Alert];

/// The verdict of its client.
pub(super) fn verdict(declined: &Declined) -> Verdict {
    let (code, sentence, mends) = match declined {
        Declined::Certificate(refusal) => (refusal.code(), found(refusal), of_certificate(refusal)),
        Declined::Incompatible { code, sentence } => (
            *code,
            sentence.clone(),
            vec!["Whoever runs the gateway has to change its settings.".to_owned()],
        ),
    };
    Verdict { code: code.to_owned(), by: Some(Side::Client), after: AFTER, sentence, mends }
}

/// What is wrong, a sentence.
pub(super) fn found(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownCa => {
            "The gateway's certificate comes from another CA than the one that the profile trusts.".to_owned()
        }
        Refusal::NameMismatch { expected, found } => format!(
            "The gateway's certificate is for `{found}`, and the profile insists on `{expected}` (`verify-x509-name`)."
        ),
        Refusal::Expired { at } => {
            format!("By this machine's clock the gateway's certificate expired on {at}.")
        }
        Refusal::NotYetValid { at } => {
            format!("By this machine's clock the gateway's certificate is not valid before {at}.")
        }
        Refusal::CaExpired { at } => {
            format!("By this machine's clock the certificate of the profile's CA expired on {at}.")
        }
        Refusal::WrongUsage { .. } => {
            "Whoever answered shows a certificate that was not issued for servers.".to_owned()
        }
        Refusal::BadSignature => {
            "A signature is wrong: the CA's on the gateway's certificate, or the gateway's own proof of its key.".to_owned()
        }
        other => format!("What this client found wrong with the gateway's certificate: {}.", other.code().replace('_', " ")),
    }
}

/// None where what was seen tells more: of times, both clocks.
fn of_certificate(refusal: &Refusal) -> Vec<String> {
    let mends: &[&str] = match refusal {
        Refusal::Expired { .. } | Refusal::NotYetValid { .. } => &[],
        Refusal::NameMismatch { expected, found } => {
            return vec![
                format!(
                    "If `{found}` is your gateway, the profile insists on a wrong name: write `verify-x509-name {found} name` into it in the place of `{expected}`, or take a current profile."
                ),
                format!(
                    "If your gateway is `{expected}`, another server of its CA answers in its place: look where `remote` leads, and don't go on until you know who answered."
                ),
            ];
        }
        Refusal::UnknownCa => &[
            "The profile (its part <ca>) is another gateway's, or from before the gateway's CA changed: take a current profile of this gateway.",
            "If the profile is current, don't go on: somebody may be posing as the gateway.",
        ],
        Refusal::CaExpired { .. } => &[
            "See whether this machine's clock is right: `date -u`.",
            "If it is, take a current profile: the CA in this one has had its time.",
        ],
        Refusal::WrongUsage { .. } => &[
            "Don't go on: somebody may pose as the gateway with a client's certificate.",
            "If it is the gateway, whoever runs it has to give it a certificate for servers.",
        ],
        _ => &[
            "Don't go on: somebody may be posing as the gateway.",
            "If it is the gateway, whoever runs it has to mend its certificate.",
        ],
    };
    mends.iter().copied().map(str::to_owned).collect()
}
