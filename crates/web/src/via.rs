//! The field `Via` (RFC 9110 section 7.6.3): says to backends that a request came over a gateway, and to us that it went
//! around in a circle.

use http::{HeaderMap, HeaderValue, Version, header};

use crate::hygiene::tokens;
use crate::refusal::Refusal;

/// Adds our word to it.
///
/// # Errors
/// Where that stands there so often that a backend leads back here.
pub(crate) fn add(version: Version, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let ours = |word: &&str| word.split_whitespace().nth(1) == Some(PSEUDONYM);
    let rounds = headers.get_all(header::VIA).iter().flat_map(tokens).filter(ours).count();
    if rounds >= MOST_ROUNDS {
        return Err(Refusal::Loop);
    }
    let said = if version == Version::HTTP_2 { "2.0 handfast" } else { "1.1 handfast" };
    headers.append(header::VIA, HeaderValue::from_static(said));
    Ok(())
}

const PSEUDONYM: &str = "handfast";
/// Gateways may well stand behind each other.
const MOST_ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_goes_around_in_a_circle_ends() {
        let mut headers = HeaderMap::new();
        headers.insert(header::VIA, HeaderValue::from_static("1.0 fred, 1.1 p.example.net"));
        for _ in 0..MOST_ROUNDS {
            assert_eq!(add(Version::HTTP_2, &mut headers), Ok(()));
        }
        assert_eq!(add(Version::HTTP_11, &mut headers), Err(Refusal::Loop));
        let said: Vec<_> = headers.get_all(header::VIA).iter().collect();
        assert_eq!(said[..2], ["1.0 fred, 1.1 p.example.net", "2.0 handfast"]);
    }
}
