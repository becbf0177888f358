//! Domain names as they may be handed to a resolver's configuration.
//!
//! A [`DomainName`] holds letters, digits, hyphens, underscores and dots, nothing that a shell, a file
//! format or a log could misread.

use std::fmt;
use std::str::FromStr;

/// A domain name in ASCII, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// A name by the rules of RFC 1035, underscores allowed.
    pub fn new(name: &str) -> Option<DomainName> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let fits = (1..=253).contains(&name.len());
        (fits && name.split('.').all(is_label)).then(|| DomainName(name.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let clean =
        label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    clean && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

impl FromStr for DomainName {
    type Err = NotADomainName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text).ok_or(NotADomainName)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADomainName;

impl fmt::Display for NotADomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a domain name")
    }
}

impl std::error::Error for NotADomainName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_and_everything_else_refused() {
        for good in ["example.com", "a", "_srv.x-y.example.", "10.in-addr.arpa", &"a.".repeat(126)]
        {
            assert!(DomainName::new(good).is_some(), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a;b",
            "$(x)",
            "a\nb",
            "bücher.de",
            &long,
            &"a.".repeat(128),
        ] {
            assert!(DomainName::new(bad).is_none(), "{bad}");
        }
    }
}
