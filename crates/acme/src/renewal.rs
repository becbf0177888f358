//! When a CA would have a certificate renewed (RFC 9773): it may revoke it before its end, or be asked by many at once.
//!
//! Anybody may ask, without an account. Not here: which moment of that is chosen. Invariant: what makes no sense is no
//! answer, and then the certificate's own life says when.

use std::time::{Duration, SystemTime};

use instant_acme::CertificateIdentifier;
use pki::{Timestamp, authority_key_and_serial};
use rustls::pki_types::{CertificateDer, Der};
use serde_json::Value;

use crate::error::AcmeError;
use crate::http::{Got, Https, Refusal};

/// When a certificate is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub to: Timestamp,
    /// When this may be asked again.
    pub ask_again: Duration,
}

/// What the CA of this directory says of a certificate; nothing where it says nothing of any.
pub(crate) async fn ask(
    http: &Https,
    directory: &str,
    leaf: &CertificateDer<'_>,
) -> Result<Option<Renewal>, AcmeError> {
    let Some(id) = id(leaf) else { return Ok(None) };
    let (_, directory) = get(http, directory).await?;
    let Some(place) = directory["renewalInfo"].as_str() else { return Ok(None) };
    let (wait, said) = get(http, &format!("{}/{id}", place.trim_end_matches('/'))).await?;
    Ok(read(&said, wait))
}

/// What a CA calls it (section 4.1).
pub(crate) fn id(leaf: &CertificateDer<'_>) -> Option<CertificateIdentifier<'static>> {
    let (key, serial) = authority_key_and_serial(leaf)?;
    Some(CertificateIdentifier::new(Der::from(&key[..]), Der::from(&serial[..])).into_owned())
}

async fn get(http: &Https, url: &str) -> Result<(Option<Duration>, Value), AcmeError> {
    let got = http.get(url).await;
    let Got { status, wait, body } = got.map_err(|fault| AcmeError::of_fault(&fault))?;
    if !status.is_success() {
        let until = wait.map(|wait| SystemTime::now() + wait);
        return Err(AcmeError::of_answer("", Some(Refusal { status, until })));
    }
    let said = serde_json::from_slice(&body);
    Ok((wait, said.map_err(|error| AcmeError::of_answer(&error.to_string(), None))?))
}

fn read(said: &Value, wait: Option<Duration>) -> Option<Renewal> {
    let moment = |name: &str| Timestamp::from_words(said["suggestedWindow"][name].as_str()?);
    let (from, to) = (moment("start")?, moment("end")?);
    let ask_again = wait.unwrap_or(USUAL).clamp(SOONEST, LATEST);
    (from <= to).then_some(Renewal { from, to, ask_again })
}

/// Where it says nothing of that: section 4.3.2 has no number, and CAs say so.
const USUAL: Duration = Duration::from_secs(6 * 3600);
const SOONEST: Duration = Duration::from_secs(60);
const LATEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_window_is_read_and_what_is_none_says_nothing() {
        let said = |start: &str, end: &str| {
            let window = json!({ "suggestedWindow": { "start": start, "end": end } });
            read(&window, Some(Duration::from_secs(1)))
        };
        let renewal = said("2026-01-02T04:00:00Z", "2026-01-03T04:00:00.5Z").unwrap();
        assert_eq!(renewal.from.to_seconds(), "2026-01-02 04:00:00");
        assert_eq!(renewal.to.since(renewal.from), Duration::from_millis(86_400_500));
        assert_eq!(renewal.ask_again, SOONEST);
        assert_eq!(said("2026-01-03T04:00:00Z", "2026-01-02T04:00:00Z"), None);
        assert_eq!(said("soon", "2026-01-02T04:00:00Z"), None);
        assert_eq!(read(&json!({}), None), None);
    }
}
