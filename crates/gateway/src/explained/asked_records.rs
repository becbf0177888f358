//! What the gateway's own records say of a client's certificate, in the story of its connection.
//!
//! Invariant: their word stands wherever they were looked at, whatever the connection was refused for in the end.

use explain::Side;
use explain::story::{Inquiry, Means};
use pki::Revocation;

use super::Refusal;

/// Their word on the certificate of a connection that is over, or that they were not asked.
pub(super) fn of(over: &Refusal, is_behind: bool) -> Inquiry {
    of_the_reason(over).unwrap_or_else(|| match had_it(over, is_behind) {
        true => inquiry(
            "good",
            "The gateway's records had it, and it was not revoked, when it was shown.",
        ),
        false => Inquiry::new(Means::Records, "not_asked", NOT_ASKED),
    })
}

const NOT_ASKED: &str = "Whether it is revoked was not asked: the connection ended, or was refused for something else, before.";

/// Their word on the certificate of somebody who is let in.
pub(super) fn of_an_open_session() -> Inquiry {
    inquiry("good", "The gateway's records have it, and it is not revoked.")
}

/// Whether they had it, and said nothing against it: of a client that was let in, or that is known and was refused for
/// something that is no fault of its certificate.
fn had_it(over: &Refusal, is_behind: bool) -> bool {
    let is_about_it = pki::Refusal::CODES.contains(&over.verdict.code.as_str());
    let is_later = over.since.is_some() || is_behind;
    over.entry.device.is_some() && (is_later || !is_about_it)
}

/// Their word on the certificate of somebody who was refused, where that is why.
fn of_the_reason(over: &Refusal) -> Option<Inquiry> {
    let (answer, sentence) = match over.verdict.code.as_str() {
        "revoked" => return Some(revoked(over.revocation.as_ref())),
        "not_in_store" | "forged" => {
            ("unknown", "The gateway's records do not have this certificate.")
        }
        "device_disabled" | "user_disabled" => {
            ("good", "It is not revoked; its holder is disabled, which is another matter.")
        }
        _ => return None,
    };
    debug_assert_eq!(over.verdict.by, Some(Side::Server), "records are asked by the gateway");
    Some(inquiry(answer, sentence))
}

/// When, and why where a reason is recorded.
fn revoked(revocation: Option<&Revocation>) -> Inquiry {
    let sentence = match revocation {
        Some(_) => {
            "The gateway's records say that it is revoked, and since when; `handfast events` has who did it."
        }
        None => {
            "The gateway's records say that it is revoked; `handfast events` has when, and who did it."
        }
    };
    inquiry("revoked", sentence).revoked(revocation)
}

fn inquiry(answer: &str, sentence: &str) -> Inquiry {
    Inquiry {
        signed_by: Some("the gateway".to_owned()),
        ..Inquiry::new(Means::Records, answer, sentence)
    }
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use pki::RevocationReason;

    use super::*;
    use crate::explained::last::tests::refusal;

    #[test]
    fn the_records_word_on_a_revoked_certificate_has_its_time_and_its_reason_where_there_is_one() {
        let at = Timestamp::from_unix_secs(1_790_000_000);
        let said = |reason| {
            let inquiry = revoked(Some(&Revocation { at, reason }));
            (inquiry.revoked_at, inquiry.revoked_for)
        };
        assert_eq!(said(RevocationReason::Unspecified), (Some(1_790_000_000), None));
        let stolen = said(RevocationReason::KeyCompromise);
        assert_eq!(stolen, (Some(1_790_000_000), Some("keyCompromise".to_owned())));
        assert!(revoked(None).sentence.contains("`handfast events` has when"));
    }

    #[test]
    fn whose_certificate_was_found_good_and_who_is_refused_for_something_else_has_the_records_word()
    {
        let said = |user, reason| {
            let over = refusal(1, user, reason, 1);
            of(&over, false).answer
        };
        for reason in ["not_among_users", "no_common_cipher", "too_many_connections", "framing"] {
            assert_eq!(said(Some("alice"), reason), "good", "{reason}");
            assert_eq!(said(None, reason), "not_asked", "{reason}, of a stranger");
        }
        for reason in ["expired", "not_yet_valid", "unknown_ca", "bad_signature"] {
            assert_eq!(said(Some("alice"), reason), "not_asked", "{reason}");
        }
        assert_eq!(said(Some("alice"), "user_disabled"), "good");
        assert_eq!(said(Some("alice"), "not_in_store"), "unknown");
    }
}
