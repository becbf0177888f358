//! Why there is no certificate: whose fault it is, what the CA said, and what to do.
//!
//! What a CA says comes from outside: it is cut, and made of printable characters. Invariant: every cause is one of
//! these, and each has its own mend.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::time::{Instant, SystemTime};

use http::StatusCode;
use instant_acme::Problem;
use uplink::{ReachError, Unsettled};

use crate::challenge::Method;
use crate::http::{HttpFault, Https, Refusal};

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcmeError {
    /// The CA is not reached, or answers nothing that can be read.
    NotReached {
        /// Why not.
        why: String,
    },
    /// The certificate of its own web server is not believed.
    NotTrusted {
        /// Why not.
        why: String,
    },
    /// That one was revoked.
    Revoked {
        /// When, and why.
        why: String,
    },
    /// Whether that one was revoked can't be found out.
    NotSettled {
        /// Why not.
        why: String,
    },
    /// The CA is not ready.
    Busy {
        /// What it said.
        said: String,
        /// When it may be asked again.
        until: Option<SystemTime>,
    },
    /// It takes none of the nonces that it gave.
    NonceRefused {
        /// What it said.
        said: String,
    },
    /// It was asked too often.
    RateLimited {
        /// What it said.
        said: String,
        /// When it may be asked again.
        until: Option<SystemTime>,
    },
    /// It makes no account for us.
    NoAccount {
        /// What it said.
        said: String,
    },
    /// It does not know the account that was kept.
    AccountUnknown,
    /// It wants no certificate of its own for a name, whoever asks.
    NameRefused {
        /// What it said.
        said: String,
    },
    /// It offers no way to prove a name that is open here.
    NoMethod {
        /// The name.
        name: String,
    },
    /// It looked, and did not find that a name is ours.
    NotProved {
        /// The name.
        name: String,
        /// How it was to be proved.
        method: Option<Method>,
        /// What it said.
        said: String,
    },
    /// It refused for another reason.
    Refused {
        /// What it said.
        said: String,
    },
    /// It did not come to an end.
    Slow {
        /// When it may be asked again.
        until: Option<SystemTime>,
    },
    /// What it gave does not serve.
    NotFit {
        /// Why not.
        why: String,
    },
    /// No key could be made or used here.
    Key,
}

impl AcmeError {
    pub(crate) fn of(error: instant_acme::Error, http: &Https) -> Self {
        let refusal = http.refusal();
        match error {
            instant_acme::Error::Api(problem) => {
                Self::of_problem(&problem, refusal.and_then(|refusal| refusal.until))
            }
            instant_acme::Error::Timeout(next) => Self::slow(next),
            instant_acme::Error::Crypto | instant_acme::Error::KeyRejected => Self::Key,
            instant_acme::Error::Other(other) => match other.downcast_ref::<HttpFault>() {
                Some(fault) => Self::of_fault(fault),
                None => Self::of_answer(&other.to_string(), refusal),
            },
            other => Self::of_answer(&other.to_string(), refusal),
        }
    }

    /// The same of an account that asks about itself alone: whoever may not do that is none (RFC 8555 section 7.3.6).
    pub(crate) fn of_account(error: instant_acme::Error, http: &Https) -> Self {
        match error {
            instant_acme::Error::Api(problem) if is_of_account(&problem) => Self::AccountUnknown,
            other => Self::of(other, http),
        }
    }

    /// It has not come to an end yet, and may be asked again then.
    pub(crate) fn slow(next: Option<Instant>) -> Self {
        let wait = |next: Instant| next.saturating_duration_since(Instant::now());
        Self::Slow { until: next.map(|next| SystemTime::now() + wait(next)) }
    }

    /// An answer that could not be read, which may be that of something between the CA and us.
    pub(crate) fn of_answer(why: &str, refusal: Option<Refusal>) -> Self {
        let why = printable(why);
        let Some(Refusal { status, until }) = refusal else { return Self::NotReached { why } };
        let said = format!("it answers {status}");
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited { said, until },
            _ if status.is_server_error() || until.is_some() => Self::Busy { said, until },
            _ => Self::NotReached { why: said },
        }
    }

    /// What the CA gave does not serve, for this reason.
    pub fn not_fit(why: &str) -> Self {
        Self::NotFit { why: printable(why) }
    }

    /// The CA offers no way to prove a name that is open here.
    pub(crate) fn no_method(name: &str) -> Self {
        Self::NoMethod { name: printable(name) }
    }

    /// The order came to nothing, and nothing is said of why.
    pub(crate) fn invalid() -> Self {
        Self::Refused { said: "the order is invalid".to_owned() }
    }

    /// What it set for a proof is no token.
    pub(crate) fn no_token() -> Self {
        Self::NotReached { why: "a token of it is no base64url".to_owned() }
    }

    /// A name that the CA looked for.
    pub(crate) fn not_proved(name: String, method: Option<Method>, problem: &Problem) -> Self {
        match kind(problem) {
            "caa" | "rejectedIdentifier" | "unsupportedIdentifier" => {
                Self::NameRefused { said: said(problem) }
            }
            _ => Self::NotProved { name: printable(&name), method, said: said(problem) },
        }
    }

    fn of_problem(problem: &Problem, until: Option<SystemTime>) -> Self {
        let said = said(problem);
        match kind(problem) {
            "rateLimited" => Self::RateLimited { said, until },
            "serverInternal" => Self::Busy { said, until },
            "badNonce" => Self::NonceRefused { said },
            "accountDoesNotExist" => Self::AccountUnknown,
            "externalAccountRequired"
            | "userActionRequired"
            | "invalidContact"
            | "unsupportedContact"
            | "badSignatureAlgorithm" => Self::NoAccount { said },
            "rejectedIdentifier" | "unsupportedIdentifier" | "caa" => Self::NameRefused { said },
            _ => match problem.status {
                Some(429) => Self::RateLimited { said, until },
                Some(500..) => Self::Busy { said, until },
                _ => Self::Refused { said },
            },
        }
    }

    pub(crate) fn of_fault(fault: &HttpFault) -> Self {
        let why = printable(&fault.to_string());
        match fault {
            HttpFault::Roots(_) => Self::NotTrusted { why },
            HttpFault::Reach(error) => match **error {
                ReachError::NotTrusted(_) => Self::NotTrusted { why },
                ReachError::Unsettled(Unsettled::Revoked(_)) => Self::Revoked { why },
                ReachError::Unsettled(Unsettled::NotKnown(_)) => Self::NotSettled { why },
                _ => Self::NotReached { why },
            },
            HttpFault::Address | HttpFault::Broken(_) | HttpFault::Slow => Self::NotReached { why },
        }
    }

    /// Whether whatever else is asked would fail likewise.
    pub fn is_of_the_ca(&self) -> bool {
        match self {
            Self::NotReached { .. }
            | Self::NotTrusted { .. }
            | Self::Revoked { .. }
            | Self::NotSettled { .. }
            | Self::Busy { .. }
            | Self::NonceRefused { .. }
            | Self::NoAccount { .. } => true,
            // A CA counts by names and sets of names.
            Self::RateLimited { .. }
            | Self::AccountUnknown
            | Self::NameRefused { .. }
            | Self::NoMethod { .. }
            | Self::NotProved { .. }
            | Self::Refused { .. }
            | Self::Slow { .. }
            | Self::NotFit { .. }
            | Self::Key => false,
        }
    }

    /// When the CA may be asked again, where it said so.
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Busy { until, .. } | Self::RateLimited { until, .. } | Self::Slow { until } => {
                *until
            }
            _ => None,
        }
    }

    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::NotReached { .. } => "let this machine reach the CA, or mend acme.directory",
            Self::NotTrusted { .. } => "name the CA's own root in acme.ca, if it is a private one",
            Self::Revoked { .. } => {
                "tell the CA, which is asked again and needs another certificate, or ask another CA: acme.directory"
            }
            Self::NotSettled { .. } => {
                "let this machine ask who vouches for the CA's web server, or ask the CA all the same: \
                 handfast config set acme.revocation prefer, and a reload"
            }
            Self::Busy { .. } | Self::NonceRefused { .. } | Self::Slow { .. } => {
                "nothing: it is asked again"
            }
            Self::RateLimited { .. } => "wait: it is asked again when it may be",
            Self::NoAccount { .. } => "mend acme.email, or set acme.eab_id and acme.eab_key_file",
            Self::AccountUnknown => "nothing: another account is made",
            Self::NameRefused { .. } => "look at the CAA records in its DNS, or ask another CA",
            Self::NoMethod { .. } => "open port 443 or port 80 to the CA, and see acme.challenges",
            Self::NotProved { method: Some(Method::Http01), .. } => {
                "have its DNS name this machine, and let everybody reach port 80 here"
            }
            Self::NotProved { .. } => {
                "have its DNS name this machine, and let everybody reach port 443 here"
            }
            Self::Refused { .. } => "do what it says; it is asked again",
            Self::NotFit { .. } => "ask another CA",
            Self::Key => "look at the log; it is asked again",
        }
    }
}

/// The last word of its type: `urn:ietf:params:acme:error:rateLimited`.
fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or_default()
}

/// What a CA says of an account that it does not know, or was told to know no longer.
fn is_of_account(problem: &Problem) -> bool {
    matches!(kind(problem), "unauthorized" | "accountDoesNotExist")
}

/// What the CA says, and of which names.
fn said(problem: &Problem) -> String {
    let own = problem.detail.clone().unwrap_or_else(|| kind(problem).to_owned());
    let parts = problem.subproblems.iter().map(ToString::to_string);
    let all: Vec<_> = std::iter::once(own).chain(parts).collect();
    printable(&all.join("; "))
}

fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(LONGEST).collect()
}

impl Display for AcmeError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReached { why } => write!(f, "the CA is not reached: {why}"),
            Self::NotTrusted { why } => {
                write!(f, "the CA's own certificate is not believed: {why}")
            }
            Self::Revoked { why } | Self::NotSettled { why } => {
                write!(f, "the CA's own web server: {why}")
            }
            Self::Busy { said, .. } => write!(f, "the CA is not ready: {said}"),
            Self::NonceRefused { said } => write!(f, "the CA takes none of its nonces: {said}"),
            Self::RateLimited { said, .. } => write!(f, "the CA was asked too often: {said}"),
            Self::NoAccount { said } => write!(f, "the CA makes no account: {said}"),
            Self::AccountUnknown => f.write_str("the CA does not know the account"),
            Self::NameRefused { said } => write!(f, "the CA refuses the name: {said}"),
            Self::NoMethod { name } => {
                write!(f, "the CA offers no way to prove {name} that is open here")
            }
            Self::NotProved { name, method, said } => {
                let method = method.map_or("its own way", Method::name);
                write!(f, "the CA looked for {name} by {method}, and did not find it here: {said}")
            }
            Self::Refused { said } => write!(f, "the CA refused: {said}"),
            Self::Slow { .. } => f.write_str("the CA did not come to an end"),
            Self::NotFit { why } => write!(f, "what the CA gave does not serve: {why}"),
            Self::Key => f.write_str("no key could be made or used"),
        }
    }
}

impl Error for AcmeError {}

/// Of what a CA says.
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ca_says_is_told_apart_by_its_kind_and_by_its_status() {
        let until = Some(SystemTime::UNIX_EPOCH);
        let of = |kind: &str, status| AcmeError::of_problem(&problem(kind, status), until);
        let said = || "no".to_owned();
        for (kind, status, meant) in [
            ("rateLimited", 429, AcmeError::RateLimited { said: said(), until }),
            ("", 429, AcmeError::RateLimited { said: said(), until }),
            ("badNonce", 400, AcmeError::NonceRefused { said: said() }),
            ("serverInternal", 500, AcmeError::Busy { said: said(), until }),
            ("", 503, AcmeError::Busy { said: said(), until }),
            ("accountDoesNotExist", 400, AcmeError::AccountUnknown),
            ("externalAccountRequired", 403, AcmeError::NoAccount { said: said() }),
            ("rejectedIdentifier", 400, AcmeError::NameRefused { said: said() }),
            ("malformed", 400, AcmeError::Refused { said: said() }),
        ] {
            assert_eq!(of(kind, status), meant, "{kind} {status}");
        }
    }

    #[test]
    fn a_refusal_that_is_no_problem_is_told_apart_by_its_status_and_keeps_its_moment() {
        let until = Some(SystemTime::UNIX_EPOCH);
        let of = |status: u16, until| {
            let status = StatusCode::from_u16(status).unwrap();
            AcmeError::of_answer("expected value at line 1", Some(Refusal { status, until }))
        };
        assert!(matches!(of(429, until), AcmeError::RateLimited { until: Some(_), .. }));
        assert_eq!(of(503, until).until(), until);
        assert!(matches!(of(502, None), AcmeError::Busy { until: None, .. }));
        assert_eq!(of(403, until).until(), until);
        assert_eq!(of(404, None).to_string(), "the CA is not reached: it answers 404 Not Found");
        let unread = AcmeError::of_answer("expected value at line 1", None);
        assert!(unread.to_string().contains("expected value"), "{unread}");
    }

    #[test]
    fn an_order_that_goes_on_says_when_to_look_again() {
        let next = Instant::now() + std::time::Duration::from_secs(600);
        let until = AcmeError::slow(Some(next)).until().unwrap();
        let wait = until.duration_since(SystemTime::now()).unwrap().as_secs();
        assert!((590..=600).contains(&wait), "{wait}");
    }

    #[test]
    fn an_account_that_may_not_ask_about_itself_is_none() {
        assert!(is_of_account(&problem("unauthorized", 401)));
        assert!(is_of_account(&problem("accountDoesNotExist", 400)));
        for kind in ["malformed", "invalidContact", "rateLimited", ""] {
            assert!(!is_of_account(&problem(kind, 403)), "{kind}");
        }
    }

    #[test]
    fn what_a_ca_says_is_cut_and_without_what_a_terminal_obeys() {
        let mut problem = problem("malformed", 400);
        problem.detail = Some(format!("\u{1b}[2J\r\n{}", "x".repeat(10_000)));
        let said = AcmeError::of_problem(&problem, None).to_string();
        assert!(said.len() < 500 && !said.chars().any(char::is_control), "{said}");
    }

    #[test]
    fn a_failed_look_names_the_name_the_way_and_the_port() {
        let problem = problem("connection", 400);
        let method = Some(Method::Http01);
        let error = AcmeError::not_proved("a.test".to_owned(), method, &problem);
        let text = error.to_string();
        assert!(text.contains("a.test") && text.contains("http-01"), "{text}");
        assert!(error.mend().contains("port 80"), "{}", error.mend());
    }

    fn problem(kind: &str, status: u16) -> Problem {
        let kind = (!kind.is_empty()).then(|| format!("urn:ietf:params:acme:error:{kind}"));
        let detail = Some("no".to_owned());
        Problem { r#type: kind, detail, status: Some(status), subproblems: Vec::new() }
    }
}
