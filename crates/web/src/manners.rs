//! What every answer says beside its content: HSTS, and what browsers shall not do with it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// HTTP Strict Transport Security (RFC 6797): browsers that saw it come over HTTPS alone, for this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// From each answer on.
    pub max_age: Duration,
    /// Binds every name below this one as well, other people's services among them.
    pub include_subdomains: bool,
    /// Agrees to the lists that browsers ship, which takes months to take back.
    pub preload: bool,
}

impl Default for Hsts {
    /// A year, for this name alone.
    fn default() -> Self {
        let max_age = Duration::from_secs(31_536_000);
        Self { max_age, include_subdomains: false, preload: false }
    }
}

impl Hsts {
    /// The field's value.
    pub fn value(self) -> HeaderValue {
        let mut text = format!("max-age={}", self.max_age.as_secs());
        if self.include_subdomains {
            text.push_str("; includeSubDomains");
        }
        if self.preload {
            text.push_str("; preload");
        }
        HeaderValue::try_from(text).expect("digits and words make a value")
    }
}

/// What is added to the answers on one connection.
#[derive(Debug)]
pub(crate) struct Manners {
    secure: bool,
    hsts: Option<HeaderValue>,
    security: bool,
}

impl Manners {
    pub(crate) fn new(secure: bool, hsts: Option<Hsts>, security: bool) -> Self {
        Self { secure, hsts: hsts.map(Hsts::value), security }
    }

    /// Completes an answer. A backend's word on HSTS counts where the site has none of its own, and never in the
    /// clear, where it would bind nobody (RFC 6797 section 7.2).
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        match (&self.hsts, self.secure) {
            (_, false) => {
                headers.remove(header::STRICT_TRANSPORT_SECURITY);
            }
            (Some(hsts), true) => {
                headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
            }
            (None, true) => {}
        }
        if self.security {
            for (name, value) in SECURITY {
                headers.entry(name).or_insert(HeaderValue::from_static(value));
            }
        }
    }
}

const SECURITY: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsts_is_exact_over_tls_whatever_the_backend_says_and_absent_in_the_clear() {
        let mut headers = HeaderMap::new();
        for value in ["max-age=0", "max-age=5; preload"] {
            headers.append(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(value));
        }
        let mut clear = headers.clone();
        Manners::new(true, Some(Hsts::default()), true).apply(&mut headers);
        let said: Vec<_> = headers.get_all(header::STRICT_TRANSPORT_SECURITY).iter().collect();
        assert_eq!(said, ["max-age=31536000"]);
        Manners::new(false, Some(Hsts::default()), true).apply(&mut clear);
        assert!(!clear.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn what_binds_other_names_is_said_only_where_it_was_asked_for() {
        let all = Hsts { include_subdomains: true, preload: true, ..Hsts::default() };
        assert_eq!(all.value(), "max-age=31536000; includeSubDomains; preload");
    }

    #[test]
    fn a_backend_that_has_its_own_rules_keeps_them() {
        let mut headers = HeaderMap::new();
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        Manners::new(true, None, true).apply(&mut headers);
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
