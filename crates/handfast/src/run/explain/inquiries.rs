//! Who was asked whether a server's certificate still holds, as its box in the story has it.

use clock::Timestamp;
use explain::story::{Inquiry, Means};
use names::RevocationReason;
use pki::Revocation;

use crate::show::standing::{Answer, Said, Source};

/// What each source said; of several of one kind the one that says most: a no before a yes, and either before nothing.
pub(super) fn of(mut said: Vec<Said>) -> Vec<Inquiry> {
    // What stands last takes the place of what stands before.
    said.sort_by_key(|said| match said.answer {
        Answer::None => 0,
        Answer::Unknown => 1,
        Answer::Good => 2,
        Answer::Revoked => 3,
    });
    said.iter().map(inquiry).collect()
}

fn inquiry(said: &Said) -> Inquiry {
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::unix_secs);
    let answer = match said.answer {
        Answer::Good => "good",
        Answer::Revoked => "revoked",
        Answer::Unknown => "unknown",
        Answer::None if said.stale => "stale",
        Answer::None => "none",
    };
    let revocation = said
        .revoked_at
        .map(|at| Revocation { at, reason: said.reason.unwrap_or(RevocationReason::Unspecified) });
    let means = match said.source {
        Source::Staple => Means::Staple,
        Source::Ocsp => Means::Ocsp,
        Source::Crl => Means::Crl,
    };
    let inquiry = Inquiry {
        signed_at: seconds(said.signed_at),
        signed_by: said.signer.clone(),
        good_until: seconds(said.next_update),
        asked_at: said.url.clone(),
        ..Inquiry::new(means, answer, &sentence(said))
    };
    inquiry.revoked(revocation.as_ref())
}

fn sentence(said: &Said) -> String {
    let whom = match said.source {
        Source::Staple => "the staple, whose signature was checked",
        Source::Ocsp => "its OCSP answer, whose signature was checked",
        Source::Crl => "its list, whose signature was checked",
    };
    match (said.answer, &said.problem) {
        (Answer::Good, _) => format!("Not revoked, says the CA: {whom}."),
        (Answer::Revoked, _) => format!("Revoked, says the CA: {whom}."),
        (Answer::Unknown, _) => format!("The CA never gave a certificate that number: {whom}."),
        (Answer::None, problem) => {
            format!("No answer that counts: {}.", problem.as_deref().unwrap_or_default())
        }
    }
}
