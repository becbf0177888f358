//! The rules of certificates, RFC 5280 section 4 and, for who signs OCSP answers, RFC 6960 section 4.2.2.2.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{
    DistributionPointName, ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension, X509Extension,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::Rule;
use super::reading::{each_once, find, is_encoded_rightly, is_serial, names_key_of};
use crate::host_name::HostName;
use crate::moment::from_asn1;
use crate::{CaCertificate, Profile};

/// Whom a certificate is for, as far as its form goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A CA.
    Ca,
    /// A server, the gateway among them.
    Server,
    /// A subscriber's device, or another client.
    Client,
    /// Both a server and a client.
    Peer,
    /// Whoever signs OCSP answers.
    OcspSigner,
}

impl From<&Profile> for Role {
    fn from(profile: &Profile) -> Self {
        match profile {
            Profile::Gateway { .. } | Profile::Server { .. } => Self::Server,
            Profile::Device { .. } | Profile::Client { .. } => Self::Client,
            Profile::Peer { .. } => Self::Peer,
            Profile::OcspSigner { .. } => Self::OcspSigner,
        }
    }
}

/// Holds a certificate that this CA has signed, its own one too, against the rules.
///
/// # Errors
/// The first rule that it breaks.
pub fn certificate(der: &[u8], role: Role, ca: &CaCertificate) -> Result<(), Rule> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err(Rule::Readable);
    };
    let subject = Subject { certificate: &certificate, role, ca };
    match RULES.iter().find(|(_, keeps)| !keeps(&subject)) {
        Some((rule, _)) => Err(*rule),
        None => Ok(()),
    }
}

/// What is judged.
struct Subject<'a> {
    certificate: &'a X509Certificate<'a>,
    role: Role,
    ca: &'a CaCertificate,
}

/// Whether the rule is kept.
type Kept = fn(&Subject<'_>) -> bool;

const RULES: [(Rule, Kept); 21] = [
    (Rule::Version, |it| it.certificate.version() == X509Version::V3),
    (Rule::SerialNumber, |it| is_serial(it.certificate.raw_serial())),
    (Rule::SameAlgorithm, |it| it.certificate.signature == it.certificate.signature_algorithm),
    (Rule::IssuerName, |it| it.certificate.issuer().as_raw() == it.ca.subject()),
    (Rule::Order, |it| it.begins_before_it_ends()),
    (Rule::TimeEncoding, |it| it.times_are_right()),
    (Rule::WithinIssuer, |it| it.is_within_issuer()),
    (Rule::ExtensionsOnce, |it| each_once(it.certificate.extensions())),
    (Rule::ExtensionsKnown, |it| it.certificate.extensions().iter().all(is_known)),
    (Rule::SubjectName, |it| it.is_named()),
    (Rule::AuthorityKeyId, |it| it.is_self_issued() || names_key_of(it.extensions(), it.ca)),
    (Rule::SubjectKeyId, |it| it.names_its_key()),
    (Rule::BasicConstraints, |it| it.says_whether_it_is_a_ca()),
    (Rule::KeyUsage, |it| it.key_usage_fits()),
    (Rule::Purpose, |it| it.purpose_fits()),
    (Rule::AlternativeNames, |it| it.alternative_names_fit()),
    (Rule::NameConstraints, |it| it.name_constraints_fit()),
    (Rule::PermittedNames, |it| it.names_are_permitted()),
    (Rule::DistributionPoint, |it| it.distribution_points_are_plain()),
    (Rule::AuthorityAccess, |it| it.access_is_plain()),
    (Rule::NoCheck, |it| it.no_check_is_the_signers()),
];

impl Subject<'_> {
    fn extensions(&self) -> &[X509Extension<'_>] {
        self.certificate.extensions()
    }

    fn is_self_issued(&self) -> bool {
        self.certificate.subject().as_raw() == self.certificate.issuer().as_raw()
    }

    fn begins_before_it_ends(&self) -> bool {
        let validity = self.certificate.validity();
        validity.not_before < validity.not_after
    }

    fn times_are_right(&self) -> bool {
        let validity = self.certificate.validity();
        is_encoded_rightly(validity.not_before) && is_encoded_rightly(validity.not_after)
    }

    fn is_within_issuer(&self) -> bool {
        let own = self.certificate.validity();
        let of_ca = self.ca.validity();
        from_asn1(own.not_before) >= of_ca.not_before && from_asn1(own.not_after) <= of_ca.not_after
    }

    fn is_named(&self) -> bool {
        let subject = self.certificate.subject();
        let short = |name: &str| !name.is_empty() && name.chars().count() <= LONGEST_COMMON_NAME;
        let mut names = subject.iter_common_name().map(|name| name.as_str().is_ok_and(short));
        subject.iter().next().is_some() && names.all(|fits| fits)
    }

    fn names_its_key(&self) -> bool {
        let id = find(self.extensions(), |extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(!id.0.is_empty()),
            _ => None,
        });
        id == Some((false, true))
    }

    fn says_whether_it_is_a_ca(&self) -> bool {
        let constraints = find(self.extensions(), |extension| match extension {
            ParsedExtension::BasicConstraints(constraints) => Some(constraints),
            _ => None,
        });
        let Some((true, constraints)) = constraints else { return false };
        let is_ca = self.role == Role::Ca;
        constraints.ca == is_ca && (is_ca || constraints.path_len_constraint.is_none())
    }

    fn key_usage_fits(&self) -> bool {
        let usage = find(self.extensions(), |extension| match extension {
            ParsedExtension::KeyUsage(usage) => Some(usage),
            _ => None,
        });
        let Some((true, usage)) = usage else { return false };
        match self.role {
            Role::Ca => usage.key_cert_sign() && usage.crl_sign(),
            Role::Server | Role::Peer => usage.digital_signature() && !signs_for_others(usage),
            Role::Client | Role::OcspSigner => {
                usage.digital_signature() && !usage.key_encipherment() && !signs_for_others(usage)
            }
        }
    }

    /// A CA's certificate has none: it would bind all below it.
    fn purpose_fits(&self) -> bool {
        let usage = find(self.extensions(), |extension| match extension {
            ParsedExtension::ExtendedKeyUsage(usage) => Some(usage),
            _ => None,
        });
        match (self.role, usage) {
            (Role::Ca, usage) => usage.is_none(),
            (_, None) => false,
            (Role::Server, Some((_, usage))) => *usage == only(|it| it.server_auth = true),
            (Role::Client, Some((_, usage))) => *usage == only(|it| it.client_auth = true),
            (Role::Peer, Some((_, usage))) => {
                *usage == only(|it| (it.server_auth, it.client_auth) = (true, true))
            }
            (Role::OcspSigner, Some((_, usage))) => *usage == only(|it| it.ocsp_signing = true),
        }
    }

    fn alternative_names_fit(&self) -> bool {
        let names = find(self.extensions(), |extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        match names {
            None => !matches!(self.role, Role::Server | Role::Peer),
            // The subject is not empty, so that this need not be critical.
            Some((_, names)) => !names.is_empty() && names.iter().all(is_host),
        }
    }

    fn name_constraints_fit(&self) -> bool {
        let constraints = find(self.extensions(), |extension| match extension {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        });
        constraints.is_none_or(|(critical, constraints)| {
            let says =
                constraints.permitted_subtrees.is_some() || constraints.excluded_subtrees.is_some();
            critical && says && self.role == Role::Ca
        })
    }

    /// A CA's own name is no host's.
    fn names_are_permitted(&self) -> bool {
        let names = find(self.extensions(), |extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        let hosts: Vec<_> =
            names.into_iter().flat_map(|(_, names)| names).filter_map(host).collect();
        let mut common_names = self.certificate.subject().iter_common_name();
        let common_name = common_names.next().and_then(|name| name.as_str().ok());
        let allowed = self.ca.constraints();
        self.role == Role::Ca
            || allowed.outside_of(common_name.unwrap_or_default(), &hosts).is_none()
    }

    fn distribution_points_are_plain(&self) -> bool {
        let points = find(self.extensions(), |extension| match extension {
            ParsedExtension::CRLDistributionPoints(points) => Some(&points.points),
            _ => None,
        });
        let plain = |name: &Option<DistributionPointName<'_>>| match name {
            Some(DistributionPointName::FullName(names)) => names.iter().all(is_plain_http),
            _ => false,
        };
        points.is_none_or(|(critical, points)| {
            let whole = points.iter().all(|point| point.reasons.is_none());
            !critical && whole && points.iter().all(|point| plain(&point.distribution_point))
        })
    }

    fn access_is_plain(&self) -> bool {
        let access = find(self.extensions(), |extension| match extension {
            ParsedExtension::AuthorityInfoAccess(access) => Some(access),
            _ => None,
        });
        access.is_none_or(|(critical, access)| {
            !critical && access.iter().all(|one| is_plain_http(&one.access_location))
        })
    }

    fn no_check_is_the_signers(&self) -> bool {
        let mut found = self.extensions().iter().filter(|one| one.oid.as_bytes() == NO_CHECK);
        match found.next() {
            None => self.role != Role::OcspSigner,
            Some(extension) => self.role == Role::OcspSigner && extension.value == NULL,
        }
    }
}

/// That it could be read, and, where readers may not pass over it, that it is one of those that all know.
fn is_known(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::ParseError { .. } => false,
        ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::ExtendedKeyUsage(_)
        | ParsedExtension::NameConstraints(_)
        | ParsedExtension::SubjectAlternativeName(_) => true,
        _ => !extension.critical,
    }
}

fn signs_for_others(usage: &KeyUsage) -> bool {
    usage.key_cert_sign() || usage.crl_sign()
}

fn only<'a>(set: impl Fn(&mut ExtendedKeyUsage<'a>)) -> ExtendedKeyUsage<'a> {
    let mut usage = ExtendedKeyUsage {
        any: false,
        server_auth: false,
        client_auth: false,
        code_signing: false,
        email_protection: false,
        time_stamping: false,
        ocsp_signing: false,
        other: Vec::new(),
    };
    set(&mut usage);
    usage
}

fn is_host(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::DNSName(name) => !name.is_empty() && name.is_ascii() && !name.contains(' '),
        GeneralName::IPAddress(octets) => matches!(octets.len(), 4 | 16),
        _ => false,
    }
}

fn host(name: &GeneralName<'_>) -> Option<HostName> {
    match name {
        GeneralName::DNSName(name) => Some(HostName::Dns(name.to_ascii_lowercase())),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            ip.ok().map(HostName::Ip)
        }
        _ => None,
    }
}

fn is_plain_http(name: &GeneralName<'_>) -> bool {
    matches!(name, GeneralName::URI(uri) if uri.starts_with("http://"))
}

/// ub-common-name; RFC 5280 appendix A.1.
const LONGEST_COMMON_NAME: usize = 64;
/// id-pkix-ocsp-nocheck.
const NO_CHECK: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 5];
const NULL: &[u8] = &[5, 0];
