//! What was said of a certificate, in words and as JSON.

use clock::Timestamp;
use names::RevocationReason;
use pki::standing::Subject;
use serde::Serialize;

use super::table::{fields, visible};

/// Everything that was said of a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Inquiry {
    /// Whom it names.
    pub(crate) subject: String,
    /// Its number.
    pub(crate) serial: String,
    /// The CA.
    pub(crate) issuer: String,
    /// What a client would go by.
    pub(crate) verdict: Answer,
    /// Each source.
    pub(crate) sources: Vec<Said>,
}

/// What one source said.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) source: Source,
    pub(crate) url: Option<String>,
    pub(crate) answer: Answer,
    /// The moment that it speaks of.
    pub(crate) this_update: Option<Timestamp>,
    /// Until when it holds.
    pub(crate) next_update: Option<Timestamp>,
    /// Whose word it is.
    #[serde(skip)]
    pub(crate) signer: Option<String>,
    /// When that was signed.
    #[serde(skip)]
    pub(crate) signed_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) reason: Option<RevocationReason>,
    /// Whether it was signed for this question.
    pub(crate) fresh: bool,
    /// Why there is no answer that counts.
    pub(crate) problem: Option<String>,
    /// Whether that is because its time is over.
    #[serde(skip)]
    pub(crate) stale: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Staple,
    Ocsp,
    Crl,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Good,
    Revoked,
    Unknown,
    None,
}

impl Said {
    /// Nothing that counts.
    pub(crate) fn none(source: Source, url: Option<&str>, why: String) -> Self {
        Self {
            source,
            url: url.map(str::to_owned),
            answer: Answer::None,
            this_update: None,
            next_update: None,
            signer: None,
            signed_at: None,
            revoked_at: None,
            reason: None,
            fresh: false,
            problem: Some(why),
            stale: false,
        }
    }

    fn words(&self) -> String {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let mut text = match self.answer {
            Answer::Good => "good".to_owned(),
            Answer::Revoked => format!("revoked on {}", moment(self.revoked_at)),
            Answer::Unknown => "unknown: the CA never gave a certificate that number".to_owned(),
            Answer::None => {
                return format!("no answer: {}", self.problem.as_deref().unwrap_or_default());
            }
        };
        let reason = self.reason.filter(|reason| *reason != RevocationReason::Unspecified);
        if let Some(reason) = reason {
            text.push_str(&format!(" ({reason})"));
        }
        text.push_str(&format!(", as of {}", moment(self.this_update)));
        text.push_str(&format!(", until {}", moment(self.next_update)));
        if self.source == Source::Ocsp && !self.fresh {
            text.push_str(", signed ahead");
        }
        text
    }
}

impl Inquiry {
    /// A client goes by a no that no CA lifts, else by the newest that says yes or no, and of two of one moment by
    /// the no.
    pub(crate) fn new(subject: &Subject, sources: Vec<Said>) -> Self {
        let said =
            sources.iter().filter(|said| matches!(said.answer, Answer::Good | Answer::Revoked));
        let newest = said.max_by_key(|said| {
            let is_revoked = said.answer == Answer::Revoked;
            let for_good = is_revoked && said.reason != Some(RevocationReason::CertificateHold);
            (for_good, said.this_update, is_revoked)
        });
        let unknown = sources.iter().any(|said| said.answer == Answer::Unknown);
        let otherwise = if unknown { Answer::Unknown } else { Answer::None };
        Self {
            subject: subject.name().to_owned(),
            serial: subject.id().serial.to_string(),
            issuer: subject.issuer().map(|ca| ca.name().to_owned()).unwrap_or_default(),
            verdict: newest.map_or(otherwise, |said| said.answer),
            sources,
        }
    }
}

pub(crate) fn text(inquiry: &Inquiry) -> String {
    let mut text = fields(&[
        ("certificate", inquiry.subject.clone()),
        ("serial", inquiry.serial.clone()),
        ("issuer", inquiry.issuer.clone()),
    ]);
    text.push('\n');
    for said in &inquiry.sources {
        let whom = match (said.source, &said.url) {
            (Source::Staple, _) => "stapled".to_owned(),
            (_, Some(url)) => url.clone(),
            (_, None) => String::new(),
        };
        text.push_str(&format!("{}\n  {}\n", visible(&whom), visible(&said.words())));
    }
    if inquiry.sources.is_empty() {
        text.push_str("the certificate names no address, and nothing was sent along\n");
    }
    text.push_str(match inquiry.verdict {
        Answer::Good => "\nit holds\n",
        Answer::Revoked => "\nit was revoked\n",
        Answer::Unknown | Answer::None => "\nwhether it holds is not known\n",
    });
    text
}
