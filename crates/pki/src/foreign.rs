//! Certificates for servers of ours that another CA issued: whether chain, names and dates fit together.
//!
//! Not here: whether key and certificate belong together (`identity`), and whom clients trust: the chain is followed to
//! its own end and no further. Invariant: what is found fit is taken by a client that trusts that end and asks for any
//! of the names at that moment.

use std::error::Error;
use std::fmt;

use clock::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::signature::{self, SignatureFault};
use crate::{CertificateId, moment};

/// What a chain that fits says of its first certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Which it is.
    pub id: CertificateId,
    /// Its first second.
    pub since: Timestamp,
    /// Its last second.
    pub until: Timestamp,
}

/// Why a chain does not serve. Certificates are counted from 1, the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A certificate can't be read.
    Unreadable {
        /// Which.
        at: usize,
    },
    /// A certificate is not signed by the next one.
    OutOfOrder {
        /// Which.
        at: usize,
    },
    /// The first certificate is a CA's, or is not for servers.
    NotForServers,
    /// The first certificate is not for one of the names.
    NameMissing {
        /// Which name.
        name: String,
        /// The names that it is for.
        has: Vec<String>,
    },
    /// A certificate does not hold yet.
    NotYet {
        /// Which.
        at: usize,
        /// From when on.
        since: Timestamp,
    },
    /// A certificate is over.
    Over {
        /// Which.
        at: usize,
        /// Since when.
        until: Timestamp,
    },
}

/// Whether this chain serves under all of these names, in lower case, at this moment. `*.example.org` is every host
/// directly below.
///
/// # Errors
/// Why not.
pub fn fits(chain: &[CertificateDer<'_>], names: &[String], now: Timestamp) -> Result<Fit, Unfit> {
    let read = chain.iter().enumerate().map(|(at, der)| read(at + 1, der));
    let read: Vec<X509Certificate<'_>> = read.collect::<Result<_, _>>()?;
    let first = read.first().ok_or(Unfit::Unreadable { at: 1 })?;
    for (at, pair) in read.windows(2).enumerate() {
        if !is_signed_by(&pair[0], &pair[1]) {
            return Err(Unfit::OutOfOrder { at: at + 1 });
        }
    }
    if !is_for_servers(first) {
        return Err(Unfit::NotForServers);
    }
    covers(first, names)?;
    for (at, certificate) in read.iter().enumerate() {
        holds(at + 1, certificate, now)?;
    }
    let id = CertificateId::of(&chain[0]).map_err(|_| Unfit::Unreadable { at: 1 })?;
    let (since, until) = validity(first);
    Ok(Fit { id, since, until })
}

/// How its CA's key is called in a certificate, and its serial number as it is encoded there: by both a CA knows it
/// (RFC 9773 section 4.1).
pub fn authority_key_and_serial(leaf: &CertificateDer<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let key = certificate.extensions().iter().find_map(|one| match one.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref(),
        _ => None,
    })?;
    Some((key.0.to_vec(), certificate.raw_serial().to_vec()))
}

fn read<'a>(at: usize, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unfit> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Unfit::Unreadable { at }),
    }
}

/// A signature of a kind that is not known here is its CA's affair.
fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let signed = signature::verify(
        &certificate.signature_algorithm,
        issuer.public_key().raw,
        certificate.tbs_certificate.as_ref(),
        &certificate.signature_value,
    );
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && matches!(signed, Ok(()) | Err(SignatureFault::Unsupported))
}

fn is_for_servers(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.extended_key_usage().ok().flatten();
    let serves = usage.is_none_or(|usage| usage.value.server_auth || usage.value.any);
    let is_ca = certificate.basic_constraints().ok().flatten().is_some_and(|found| found.value.ca);
    serves && !is_ca
}

fn covers(certificate: &X509Certificate<'_>, names: &[String]) -> Result<(), Unfit> {
    let has = names_of(certificate);
    let covered = |name: &str| {
        let above = name.split_once('.').map(|(_, above)| format!("*.{above}"));
        has.iter().any(|one| one == name || above.as_ref() == Some(one))
    };
    match names.iter().find(|name| !covered(name)) {
        Some(name) => Err(Unfit::NameMissing { name: name.clone(), has }),
        None => Ok(()),
    }
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|found| &found.value.general_names);
    let of = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.filter_map(of).collect()
}

fn holds(at: usize, certificate: &X509Certificate<'_>, now: Timestamp) -> Result<(), Unfit> {
    let (since, until) = validity(certificate);
    if now < since {
        return Err(Unfit::NotYet { at, since });
    }
    // Its last second is one of its own.
    if until < now.whole_second() {
        return Err(Unfit::Over { at, until });
    }
    Ok(())
}

fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (moment::from_asn1(validity.not_before), moment::from_asn1(validity.not_after))
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { at } => write!(f, "certificate {at} in it can't be read"),
            Self::OutOfOrder { at } => write!(
                f,
                "certificate {at} in it is not signed by the next one; the server's comes first, then each its issuer"
            ),
            Self::NotForServers => {
                f.write_str("its first certificate is a CA's, or not for servers")
            }
            Self::NameMissing { name, has } if has.is_empty() => {
                write!(f, "its first certificate is not for {name}, and for no other name either")
            }
            Self::NameMissing { name, has } => {
                write!(f, "its first certificate is not for {name}; it is for {}", has.join(", "))
            }
            Self::NotYet { at, since } => {
                write!(f, "certificate {at} in it holds from {} on", since.to_seconds())
            }
            Self::Over { at, until } => {
                write!(f, "certificate {at} in it ended at {}", until.to_seconds())
            }
        }
    }
}

impl Error for Unfit {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };

    use super::*;
    use crate::moment::to_date_time;

    #[test]
    fn a_chain_that_is_for_all_names_fits_and_says_how_long() {
        let (chain, root) = chain(&["www.example.org", "*.example.org"], |_| {});
        let fit = fits(&chain, &names(&["www.example.org", "a.example.org"]), now()).expect("fits");
        assert_eq!((fit.since, fit.until), (now().before(DAY), now().after(DAY * 90)));
        assert_eq!(fit.id, CertificateId::of(&chain[0]).unwrap());
        let with_root = [&chain[..], &[root]].concat();
        assert!(fits(&with_root, &names(&["*.example.org"]), now()).is_ok());
    }

    #[test]
    fn a_name_that_it_is_not_for_is_told_with_those_that_it_is_for() {
        let (chain, _) = chain(&["www.example.org", "*.example.net"], |_| {});
        for missing in ["example.net", "a.b.example.net", "*.example.org", "*.net"] {
            let unfit = fits(&chain, &names(&["www.example.org", missing]), now()).unwrap_err();
            let has = names(&["www.example.org", "*.example.net"]);
            assert_eq!(unfit, Unfit::NameMissing { name: missing.to_owned(), has });
        }
        let (nameless, _) = self::chain(&[], |_| {});
        let unfit = fits(&nameless, &names(&["a.test"]), now()).unwrap_err().to_string();
        assert!(unfit.ends_with("for no other name either"), "{unfit}");
    }

    #[test]
    fn it_fits_from_its_first_second_to_its_last() {
        let (chain, _) = chain(&["a.test"], |_| {});
        let at = |now| fits(&chain, &names(&["a.test"]), now).map(drop);
        let (since, until) = (now().before(DAY), now().after(DAY * 90));
        assert_eq!(at(since.before(SECOND)), Err(Unfit::NotYet { at: 1, since }));
        assert_eq!(at(since), Ok(()));
        assert_eq!(at(until), Ok(()));
        assert_eq!(at(until.after(SECOND)), Err(Unfit::Over { at: 1, until }));
    }

    #[test]
    fn certificates_in_another_order_or_of_another_ca_are_told() {
        let (chain, root) = chain(&["a.test"], |_| {});
        let wanted = names(&["a.test"]);
        let [leaf, middle] = &chain[..] else { panic!("two certificates") };
        let turned = [middle.clone(), leaf.clone()];
        assert_eq!(fits(&turned, &wanted, now()), Err(Unfit::OutOfOrder { at: 1 }));
        let gap = [leaf.clone(), root.clone()];
        assert_eq!(fits(&gap, &wanted, now()), Err(Unfit::OutOfOrder { at: 1 }));
        let (other, _) = self::chain(&["a.test"], |_| {});
        let of_its_name = [leaf.clone(), other[1].clone()];
        assert_eq!(fits(&of_its_name, &wanted, now()), Err(Unfit::OutOfOrder { at: 1 }));
        assert_eq!(fits(&[middle.clone(), root], &wanted, now()), Err(Unfit::NotForServers));
        let broken = [leaf.clone(), CertificateDer::from(vec![0x30, 0])];
        assert_eq!(fits(&broken, &wanted, now()), Err(Unfit::Unreadable { at: 2 }));
        assert_eq!(fits(&[], &wanted, now()), Err(Unfit::Unreadable { at: 1 }));
    }

    #[test]
    fn a_certificate_for_clients_serves_nobody() {
        let (chain, _) = chain(&["a.test"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        assert_eq!(fits(&chain, &names(&["a.test"]), now()), Err(Unfit::NotForServers));
    }

    /// A server's certificate and the one between it and its root, and the root.
    fn chain(
        names: &[&str],
        change: impl Fn(&mut CertificateParams),
    ) -> (Vec<CertificateDer<'static>>, CertificateDer<'static>) {
        let (root_params, root_key) = (ca("a root"), KeyPair::generate().unwrap());
        let root = root_params.self_signed(&root_key).unwrap().der().clone();
        let root_issuer = Issuer::new(root_params, root_key);
        let (middle_params, middle_key) = (ca("between"), KeyPair::generate().unwrap());
        let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap().der().clone();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = to_date_time(now().before(DAY));
        params.not_after = to_date_time(now().after(DAY * 90));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &middle_issuer).unwrap().der().clone();
        (vec![leaf, middle], root)
    }

    fn ca(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_secs(1_800_000_000)
    }

    const DAY: Duration = Duration::from_secs(86_400);
    const SECOND: Duration = Duration::from_secs(1);
}
