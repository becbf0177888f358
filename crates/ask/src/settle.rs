//! One certificate in question: its OCSP responders, then its CRLs, until one of them settles it.

use std::error::Error;
use std::fmt;

use clock::Timestamp;
use pki::ocsp::{CertId, CertIdHash, LONGEST_RESPONSE, OcspRequest};
use pki::standing::{NotTaken, Source, Standings, Subject};

use crate::address::{AddressError, HttpAddress};
use crate::dial::Dial;
use crate::fetch::{FetchError, LONGEST_CRL, Question, fetch};

/// A source that was asked.
#[derive(Debug)]
pub struct Asked {
    /// Where.
    pub url: String,
    /// What was asked for.
    pub source: Source,
    /// Whether what came counts.
    pub outcome: Result<(), AskedError>,
}

/// Why a source was of no use.
#[derive(Debug)]
pub enum AskedError {
    /// The certificate names no address of plain HTTP there.
    Address(AddressError),
    /// There was no answer.
    Fetch(FetchError),
    /// The answer does not count.
    NotTaken(NotTaken),
}

/// Asks until something counts, and says who was asked. What counts is in `standings` then.
pub async fn settle(
    subject: &Subject,
    standings: &Standings,
    dial: &mut (impl Dial + Send),
    now: impl Fn() -> Timestamp,
) -> Vec<Asked> {
    let mut asked = Vec::new();
    let Some(issuer) = subject.issuer() else { return asked };
    let id = CertId::new(CertIdHash::Sha1, issuer, subject.id().serial);
    let ocsp = Question::Ocsp(OcspRequest::new(id, None).to_der());
    let sources = subject.sources();
    let responders = sources.ocsp.iter().map(|url| (Source::Ocsp, url, &ocsp, LONGEST_RESPONSE));
    let lists = sources.crl.iter().map(|url| (Source::Crl, url, &Question::Get, LONGEST_CRL));
    for (source, url, question, most) in responders.chain(lists) {
        let answer = fetch_from(url, dial, question, most).await;
        let outcome = answer.and_then(|octets| {
            match source {
                Source::Crl => standings.take_crl(subject, &octets, now()),
                Source::Ocsp | Source::Staple => standings.take_ocsp(subject, &octets, now()),
            }
            .map_err(AskedError::NotTaken)
        });
        let settled = outcome.is_ok();
        asked.push(Asked { url: url.clone(), source, outcome });
        if settled {
            break;
        }
    }
    asked
}

async fn fetch_from(
    url: &str,
    dial: &mut (impl Dial + Send),
    question: &Question,
    most: usize,
) -> Result<bytes::Bytes, AskedError> {
    let address: HttpAddress = url.parse().map_err(AskedError::Address)?;
    fetch(dial, &address, question, most).await.map_err(AskedError::Fetch)
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(()) => write!(f, "{} answered", self.url),
            Err(why) => write!(f, "{}: {why}", self.url),
        }
    }
}

impl fmt::Display for AskedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Fetch(error) => error.fmt(f),
            Self::NotTaken(why) => why.fmt(f),
        }
    }
}

impl Error for AskedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            Self::Fetch(error) => Some(error),
            Self::NotTaken(error) => Some(error),
        }
    }
}
