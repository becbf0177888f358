//! What a certificate holds, by what it is for. The profiles obey the strictest reader we know of.
//!
//! All end-entity certificates: version 3, random 128-bit serial, critical basicConstraints and
//! keyUsage, extended key usage, subject key id, authority key id by key id alone. The root has no
//! path length limit, so that an intermediate can be put below it one day.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};

use crate::constraints::NameConstraints;
use crate::host_name::HostName;
use crate::moment::to_date_time;
use crate::sign_error::SignError;
use crate::{KeyFamily, PublicKey, RESERVED_GATEWAY_NAME, Serial, Timestamp, is_reserved_name};

/// How long a CA certificate is valid by default.
pub const CA_LIFETIME: Duration = Duration::from_secs(3652 * DAY);
/// How long a device's certificate is valid by default.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(365 * DAY);
/// How long the gateway's own certificates and those of other servers are valid by default.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(365 * DAY);
/// How long the certificate of whoever signs OCSP answers is valid by default.
pub const OCSP_SIGNER_LIFETIME: Duration = Duration::from_secs(14 * DAY);
/// How far validity reaches back before the moment of issue: for peers whose clock is slow, or in the wrong
/// zone, or was set from a file of yesterday for want of a battery.
pub const CLOCK_SKEW: Duration = Duration::from_secs(25 * 3600);

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The gateway itself: the reserved name, and the public names and addresses it answers to.
    Gateway {
        /// Host names and IP addresses, beside the reserved name.
        names: Vec<String>,
    },
    /// A subscriber's device; its common name is `user/device`.
    Device {
        /// The user.
        user: String,
        /// The device.
        device: String,
    },
    /// Any other server; its common name is the first name.
    Server {
        /// Host names and IP addresses, at least one.
        names: Vec<String>,
    },
    /// Any other client; its common name is this name, which no device has.
    Client {
        /// Its name.
        name: String,
    },
    /// A server that reaches others of its kind by the same certificate, as mail servers and members of a cluster do;
    /// its common name is the first name.
    Peer {
        /// Host names and IP addresses, at least one.
        names: Vec<String>,
    },
    /// Whoever signs the CA's OCSP answers, in its name (RFC 6960 section 4.2.2.2). It says of itself that
    /// nobody need ask whether it was revoked, so it has to be short-lived.
    OcspSigner {
        /// Its common name.
        name: String,
    },
}

impl Profile {
    /// Whether a CA that may certify these names may certify this.
    ///
    /// # Errors
    /// Where it may not, or where it is nothing that could be certified at all.
    pub fn check_names(&self, allowed: &NameConstraints) -> Result<(), SignError> {
        let (common_name, hosts) = subject(self)?;
        match allowed.outside_of(&common_name, &hosts) {
            None => Ok(()),
            Some(name) => Err(SignError::NameOutside { name, allowed: allowed.to_string() }),
        }
    }
}

/// From when and until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// From a little before `now` for `lifetime`.
    pub fn starting(now: Timestamp, lifetime: Duration) -> Self {
        Self { not_before: now.before(CLOCK_SKEW), not_after: now.after(lifetime) }
    }

    /// Cut to what `outer` allows.
    #[must_use]
    pub fn within(self, outer: Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }
}

/// Where readers of a certificate find out whether it was revoked. Both over plain HTTP: what
/// checks TLS cannot need TLS to be fetched, and both answers are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publishing {
    /// The CRL.
    pub crl_url: Option<String>,
    /// The OCSP responder.
    pub ocsp_url: Option<String>,
    /// The CA's own certificate, for who has the leaf alone.
    pub issuer_url: Option<String>,
}

impl Publishing {
    /// Under a base URL, `http://HOST[:PORT][/PATH]`, for the CA with this tag: each generation of
    /// the CA has a CRL of its own.
    pub fn at(base: &str, ca_tag: &str) -> Result<Self, SignError> {
        let base = base.trim_end_matches('/');
        if !is_http_url(base) {
            return Err(SignError::BadPublicUrl(base.to_owned()));
        }
        Ok(Self {
            crl_url: Some(format!("{base}/ca/{ca_tag}.crl")),
            ocsp_url: Some(format!("{base}/ca/{ca_tag}/ocsp")),
            issuer_url: Some(format!("{base}/ca/{ca_tag}.crt")),
        })
    }

    /// The extensions that say so.
    pub(crate) fn write(&self, params: &mut CertificateParams) -> Result<(), SignError> {
        self.check()?;
        if let Some(url) = &self.crl_url {
            params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![url.clone()] }];
        }
        params.custom_extensions = self.information_access().into_iter().collect();
        Ok(())
    }

    /// All addresses.
    pub fn urls(&self) -> impl Iterator<Item = &String> {
        [&self.crl_url, &self.ocsp_url, &self.issuer_url].into_iter().flatten()
    }

    /// authorityInfoAccess, where there is something to say; RFC 5280 section 4.2.2.1.
    fn information_access(&self) -> Option<CustomExtension> {
        let ocsp = self.ocsp_url.as_deref().map(|url| access(ACCESS_METHOD_OCSP, url));
        let issuer = self.issuer_url.as_deref().map(|url| access(ACCESS_METHOD_CA_ISSUERS, url));
        let descriptions = [ocsp, issuer].into_iter().flatten().collect::<Vec<_>>().concat();
        let content = tlv(SEQUENCE, &descriptions);
        let extension = CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, content);
        (!descriptions.is_empty()).then_some(extension)
    }

    fn check(&self) -> Result<(), SignError> {
        match self.urls().find(|url| !is_http_url(url)) {
            Some(url) => Err(SignError::BadPublicUrl(url.clone())),
            None => Ok(()),
        }
    }
}

/// A certificate to be issued, complete but for the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// Its serial number; [`Serial::from_random`] makes one.
    pub serial: Serial,
    /// Whom it is for.
    pub profile: Profile,
    /// The key it speaks for.
    pub public_key: PublicKey,
    /// When it holds; cut to the CA's own time by the signer.
    pub validity: Validity,
    /// Where its standing is published.
    pub publishing: Publishing,
}

impl CertificateRequest {
    /// Everything but the issuer's part, in rcgen's words.
    pub(crate) fn to_params(&self, ca: Validity) -> Result<CertificateParams, SignError> {
        let validity = self.validity.within(ca);
        if validity.not_before >= validity.not_after {
            return Err(SignError::EmptyValidity);
        }
        let (common_name, hosts) = subject(&self.profile)?;
        let mut params = base_params(self.serial, &common_name, self.public_key.key_id(), validity);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = hosts.iter().map(alternative_name).collect::<Result<_, _>>()?;
        params.key_usages = key_usages(&self.profile, self.public_key.family());
        params.extended_key_usages = purposes(&self.profile).to_vec();
        self.publishing.write(&mut params)?;
        if let Profile::OcspSigner { .. } = self.profile {
            params.custom_extensions = vec![no_check()];
        }
        Ok(params)
    }
}

/// A CA's own certificate, in rcgen's words.
pub(crate) fn ca_params(
    serial: Serial,
    common_name: &str,
    key_id: &[u8],
    validity: Validity,
) -> CertificateParams {
    let mut params = base_params(serial, common_name, key_id, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn base_params(
    serial: Serial,
    common_name: &str,
    key_id: &[u8],
    validity: Validity,
) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.serial_number = Some(serial.as_bytes().to_vec().into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.to_vec());
    params.not_before = to_date_time(validity.not_before);
    params.not_after = to_date_time(validity.not_after);
    params
}

/// The common name and the alternative names.
fn subject(profile: &Profile) -> Result<(String, Vec<HostName>), SignError> {
    let (common_name, hosts) = match profile {
        Profile::Gateway { names } => {
            let mut hosts = vec![HostName::Dns(RESERVED_GATEWAY_NAME.to_owned())];
            hosts.extend(free_hosts(names)?);
            (RESERVED_GATEWAY_NAME.to_owned(), hosts)
        }
        Profile::Server { names } | Profile::Peer { names } => {
            let hosts = free_hosts(names)?;
            (hosts.first().ok_or(SignError::NoName)?.to_string(), hosts)
        }
        Profile::Device { user, device } => (device_common_name(user, device)?, Vec::new()),
        Profile::Client { name } | Profile::OcspSigner { name } => (plain_name(name)?, Vec::new()),
    };
    if common_name.chars().count() > MAX_COMMON_NAME {
        return Err(SignError::NameTooLong(common_name));
    }
    Ok((common_name, hosts))
}

fn device_common_name(user: &str, device: &str) -> Result<String, SignError> {
    for part in [user, device] {
        if is_reserved_name(part) {
            return Err(SignError::ReservedName(part.to_owned()));
        }
        let odd = |c: char| c == '/' || c.is_control();
        if part.is_empty() || part.contains(odd) {
            return Err(SignError::BadName(part.to_owned()));
        }
    }
    Ok(format!("{user}/{device}"))
}

/// A slash makes a device's name, and nobody else's.
fn plain_name(name: &str) -> Result<String, SignError> {
    if is_reserved_name(name) {
        return Err(SignError::ReservedName(name.to_owned()));
    }
    let odd = |c: char| c == '/' || c.is_control();
    if name.is_empty() || name.contains(odd) {
        return Err(SignError::BadName(name.to_owned()));
    }
    Ok(name.to_owned())
}

fn free_hosts(names: &[String]) -> Result<Vec<HostName>, SignError> {
    names
        .iter()
        .map(|name| {
            if is_reserved_name(name) {
                return Err(SignError::ReservedName(name.clone()));
            }
            HostName::parse(name).ok_or_else(|| SignError::BadName(name.clone()))
        })
        .collect()
}

fn alternative_name(host: &HostName) -> Result<SanType, SignError> {
    Ok(match host {
        HostName::Ip(ip) => SanType::IpAddress(*ip),
        HostName::Dns(name) => SanType::DnsName(
            name.as_str().try_into().map_err(|_| SignError::BadName(name.clone()))?,
        ),
    })
}

fn key_usages(profile: &Profile, family: KeyFamily) -> Vec<KeyUsagePurpose> {
    let mut usages = vec![KeyUsagePurpose::DigitalSignature];
    let is_reached = purposes(profile).contains(&ExtendedKeyUsagePurpose::ServerAuth);
    if is_reached && matches!(family, KeyFamily::Rsa(_)) {
        usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    usages
}

fn purposes(profile: &Profile) -> &'static [ExtendedKeyUsagePurpose] {
    use ExtendedKeyUsagePurpose as Purpose;
    match profile {
        Profile::Device { .. } | Profile::Client { .. } => &[Purpose::ClientAuth],
        Profile::Gateway { .. } | Profile::Server { .. } => &[Purpose::ServerAuth],
        Profile::Peer { .. } => &[Purpose::ServerAuth, Purpose::ClientAuth],
        Profile::OcspSigner { .. } => &[Purpose::OcspSigning],
    }
}

/// id-pkix-ocsp-nocheck, which is NULL; RFC 6960 section 4.2.2.2.1.
fn no_check() -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0])
}

/// An AccessDescription.
fn access(method: &[u8], url: &str) -> Vec<u8> {
    tlv(SEQUENCE, &[method, &tlv(URI, url.as_bytes())].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => der.push(short),
        _ => {
            let octets = content.len().to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let significant = &octets[zeros..];
            der.push(0x80 | significant.len() as u8);
            der.extend_from_slice(significant);
        }
    }
    der.extend_from_slice(content);
    der
}

/// Enough to keep out what cannot work: another scheme, no host, or what an IA5String cannot hold.
fn is_http_url(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|b| b.is_ascii_graphic())
    })
}

const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// With tag and length, as the next one.
const ACCESS_METHOD_OCSP: &[u8] = &[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
const ACCESS_METHOD_CA_ISSUERS: &[u8] = &[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2];
const URI: u8 = 0x86;
const SEQUENCE: u8 = 0x30;
const DAY: u64 = 24 * 3600;
/// ub-common-name; RFC 5280 appendix A.1.
const MAX_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_the_gateway_gets_the_reserved_name() {
        let server = Profile::Server { names: vec!["Gateway.Handfast.Internal.".into()] };
        assert!(matches!(subject(&server), Err(SignError::ReservedName(_))));
        let second =
            Profile::Server { names: vec!["a.example".into(), "*.handfast.internal".into()] };
        assert!(matches!(subject(&second), Err(SignError::ReservedName(_))));
        let device = Profile::Device { user: RESERVED_GATEWAY_NAME.into(), device: "x".into() };
        assert!(matches!(subject(&device), Err(SignError::ReservedName(_))));
    }

    #[test]
    fn a_device_name_cannot_fake_another_users() {
        let device = Profile::Device { user: "alice/laptop".into(), device: "x".into() };
        assert!(matches!(subject(&device), Err(SignError::BadName(_))));
    }

    #[test]
    fn a_client_that_is_no_device_cannot_have_a_devices_name() {
        let client = Profile::Client { name: "alice/phone".into() };
        assert!(matches!(subject(&client), Err(SignError::BadName(_))));
    }

    #[test]
    fn a_common_name_has_at_most_64_characters() {
        let device = |n| Profile::Device { user: "u".repeat(n), device: "d".into() };
        assert!(subject(&device(62)).is_ok());
        assert!(matches!(subject(&device(63)), Err(SignError::NameTooLong(_))));
    }

    #[test]
    fn a_clock_that_is_a_day_and_a_time_zone_late_takes_a_fresh_certificate() {
        let now = Timestamp::from_unix_secs(1_700_000_000);
        let late = now.before(Duration::from_secs(25 * 3600));
        assert!(Validity::starting(now, DEVICE_LIFETIME).not_before <= late);
    }

    #[test]
    fn validity_reaches_back_but_not_before_the_ca() {
        let now = Timestamp::from_unix_secs(1_700_000_000);
        let ca = Validity { not_before: now.before(Duration::from_secs(60)), ..year(now) };
        let leaf = Validity::starting(now, Duration::from_secs(4000 * DAY)).within(ca);
        assert_eq!(leaf, ca);
    }

    #[test]
    fn long_contents_get_long_lengths() {
        assert_eq!(tlv(4, &[0; 3])[..2], [4, 3]);
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn revocation_is_published_over_plain_http_only() {
        assert!(Publishing::at("https://vpn.example", "aa").is_err());
        assert!(Publishing::at("http://", "aa").is_err());
        let publishing = Publishing::at("http://vpn.example:8080/", "aa").unwrap();
        assert_eq!(publishing.crl_url.as_deref(), Some("http://vpn.example:8080/ca/aa.crl"));
    }

    fn year(now: Timestamp) -> Validity {
        Validity { not_before: now, not_after: now.after(DEVICE_LIFETIME) }
    }
}
