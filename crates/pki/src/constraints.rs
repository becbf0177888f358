//! Which names a CA may certify: name constraints, RFC 5280 section 4.2.1.10.
//!
//! They stand in the CA's own certificate, critical, so that whoever has its key can make nothing of it for other
//! names. Not here: what the settings allow beyond that. Invariant: what is allowed here is taken by every reader we
//! know of; where readers differ, as over a common name that looks like a host's, the strictest counts.

mod range;

use std::fmt;

use rcgen::CertificateParams;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::extensions::{GeneralSubtree, ParsedExtension};

pub use range::{NameRange, NameRangeError};

use crate::RESERVED_GATEWAY_NAME;
use crate::host_name::HostName;

/// Which names a CA may certify. Without a domain among those that are permitted, any host name is; the same holds
/// for networks and addresses. What is excluded is so even where it is permitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameConstraints {
    permitted: Vec<NameRange>,
    excluded: Vec<NameRange>,
}

/// What a CA's certificate says of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This, which is nothing where there is no such extension.
    Known(NameConstraints),
    /// Something that is not looked at here, as of mail addresses and directories.
    Other,
}

impl NameConstraints {
    /// These, and the gateway's own name where any domain is permitted.
    pub fn new(permitted: &[NameRange], excluded: &[NameRange]) -> Self {
        let mut constraints = Self { permitted: permitted.to_vec(), excluded: excluded.to_vec() };
        if !constraints.permits(&own_name()) {
            constraints.permitted.push(NameRange::Domain(RESERVED_GATEWAY_NAME.to_owned()));
        }
        constraints
    }

    /// The range that excludes the gateway's own name, without which no client takes the gateway for what it is.
    pub fn excludes_gateway(&self) -> Option<&NameRange> {
        self.excluded.iter().find(|range| range.touches(&own_name()))
    }

    /// Whether any name may be certified.
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// The first of these names that may not be certified. One that is no host's is none either.
    pub fn outside<'a>(&self, names: &'a [String]) -> Option<&'a String> {
        let allowed = |name: &String| HostName::parse(name).is_some_and(|host| self.allows(&host));
        names.iter().find(|name| !allowed(name))
    }

    /// The first name of a certificate that may not be certified. Its common name is one where it has no host name
    /// else and looks like one: OpenSSL takes it for that.
    pub(crate) fn outside_of(&self, common_name: &str, hosts: &[HostName]) -> Option<String> {
        if let Some(host) = hosts.iter().find(|host| !self.allows(host)) {
            return Some(host.to_string());
        }
        let has_names = hosts.iter().any(|host| matches!(host, HostName::Dns(_)));
        let stands_for_one = !has_names && looks_like_a_host(common_name);
        let host = HostName::Dns(common_name.to_ascii_lowercase());
        (stands_for_one && !self.allows(&host)).then(|| common_name.to_owned())
    }

    fn allows(&self, host: &HostName) -> bool {
        self.permits(host) && !self.excluded.iter().any(|range| range.touches(host))
    }

    fn permits(&self, host: &HostName) -> bool {
        let mut of_kind = self.permitted.iter().filter(|range| range.is_of_kind(host)).peekable();
        of_kind.peek().is_none() || of_kind.any(|range| range.holds(host))
    }

    /// The extension that says so.
    pub(crate) fn write(&self, params: &mut CertificateParams) {
        params.name_constraints = (!self.is_empty()).then(|| rcgen::NameConstraints {
            permitted_subtrees: self.permitted.iter().map(NameRange::to_subtree).collect(),
            excluded_subtrees: self.excluded.iter().map(NameRange::to_subtree).collect(),
        });
    }

    /// What a certificate says.
    pub(crate) fn found(certificate: &X509Certificate<'_>) -> Found {
        let mut extensions = certificate.extensions().iter().filter(|one| one.oid == CONSTRAINTS);
        let Some(extension) = extensions.next() else { return Found::Known(Self::default()) };
        let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
            return Found::Other;
        };
        let permitted = ranges(constraints.permitted_subtrees.as_deref());
        let excluded = ranges(constraints.excluded_subtrees.as_deref());
        match (permitted, excluded) {
            (Some(permitted), Some(excluded)) => Found::Known(Self { permitted, excluded }),
            _ => Found::Other,
        }
    }
}

impl fmt::Display for NameConstraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |ranges: &[NameRange]| {
            ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match (self.permitted.is_empty(), self.excluded.is_empty()) {
            (true, true) => f.write_str("any name"),
            (false, true) => write!(f, "only {}", all(&self.permitted)),
            (true, false) => write!(f, "all but {}", all(&self.excluded)),
            (false, false) => {
                write!(f, "only {}, but not {}", all(&self.permitted), all(&self.excluded))
            }
        }
    }
}

fn ranges(subtrees: Option<&[GeneralSubtree<'_>]>) -> Option<Vec<NameRange>> {
    subtrees.unwrap_or_default().iter().map(|one| NameRange::of_subtree(&one.base)).collect()
}

fn own_name() -> HostName {
    HostName::Dns(RESERVED_GATEWAY_NAME.to_owned())
}

/// Labels and dots alone, as OpenSSL looks at it.
fn looks_like_a_host(common_name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.*".contains(&b);
    common_name.contains('.') && common_name.bytes().all(fits)
}

/// id-ce-nameConstraints.
const CONSTRAINTS: Oid<'static> = oid!(2.5.29.30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_what_is_permitted_and_not_in_what_is_excluded_are_allowed() {
        let constraints = of(&["example.org", "10.0.0.0/8", "2001:db8::/32"], &["lab.example.org"]);
        for name in
            ["example.org", "A.B.Example.org", "*.www.example.org", "10.1.2.3", "2001:db8::7"]
        {
            assert_eq!(constraints.outside(&[name.to_owned()]), None, "{name}");
        }
        for name in [
            "badexample.org",
            "org",
            "lab.example.org",
            "x.lab.example.org",
            "*.lab.example.org",
            "11.0.0.1",
            "2001:db9::1",
            "a name",
        ] {
            assert_eq!(constraints.outside(&[name.to_owned()]), Some(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_wildcard_over_an_excluded_name_is_excluded_too() {
        let constraints = of(&[], &["lab.example.org"]);
        assert!(constraints.outside(&["*.example.org".to_owned()]).is_some());
        assert!(constraints.outside(&["*.org.example".to_owned()]).is_none());
        assert!(constraints.outside(&["example.org".to_owned()]).is_none());
    }

    #[test]
    fn without_a_range_of_its_kind_any_name_of_a_kind_is_allowed() {
        assert_eq!(of(&["example.org"], &[]).outside(&["192.0.2.1".to_owned()]), None);
        assert_eq!(of(&["192.0.2.0/24"], &[]).outside(&["a.test".to_owned()]), None);
        assert!(of(&["192.0.2.0/24"], &[]).outside(&["2001:db8::1".to_owned()]).is_some());
        assert_eq!(NameConstraints::default().outside(&["a.test".to_owned()]), None);
    }

    #[test]
    fn the_gateways_own_name_is_always_permitted_and_it_is_told_what_excludes_it() {
        let own = [RESERVED_GATEWAY_NAME.to_owned()];
        assert_eq!(of(&["example.org"], &[]).outside(&own), None);
        assert!(of(&["10.0.0.0/8"], &[]).permitted.len() == 1, "no domain binds it");
        for excluded in ["gateway.handfast.internal", "internal"] {
            let range: NameRange = excluded.parse().unwrap();
            assert_eq!(of(&[], &[excluded]).excludes_gateway(), Some(&range));
        }
        assert_eq!(of(&["example.org"], &["lab.example.org"]).excludes_gateway(), None);
    }

    #[test]
    fn a_common_name_that_looks_like_a_host_counts_where_there_is_no_other() {
        let constraints = of(&["example.org", "192.0.2.0/24"], &[]);
        let address = [HostName::parse("192.0.2.1").unwrap()];
        let named = [address[0].clone(), HostName::parse("a.example.org").unwrap()];
        assert_eq!(constraints.outside_of("192.0.2.1", &address), Some("192.0.2.1".to_owned()));
        assert_eq!(constraints.outside_of("192.0.2.1", &named), None);
        assert_eq!(constraints.outside_of("backup.test", &[]), Some("backup.test".to_owned()));
        for plain in ["backup", "alice/phone.test", "Handfast OCSP 00112233", "a.example.org"] {
            assert_eq!(constraints.outside_of(plain, &[]), None, "{plain}");
        }
    }

    #[test]
    fn it_is_told_in_words() {
        assert_eq!(NameConstraints::default().to_string(), "any name");
        let both = of(&["10.0.0.0/8"], &["10.1.0.0/16", "lab.example.org"]);
        assert_eq!(both.to_string(), "only 10.0.0.0/8, but not 10.1.0.0/16, lab.example.org");
    }

    fn of(permitted: &[&str], excluded: &[&str]) -> NameConstraints {
        let ranges = |texts: &[&str]| -> Vec<NameRange> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        NameConstraints::new(&ranges(permitted), &ranges(excluded))
    }
}
