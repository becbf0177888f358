//! What browsers would refuse in a certificate that a server showed, as values: whoever tells of it has the words.

use std::sync::Arc;

use clock::{Clock as _, SystemClock, Timestamp};
use pki::{AnchorError, CaCertificate, NameRule, Refusal, ServerNameVerifier};
use rustls::Error as TlsError;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use uplink::Target;

use super::super::standing::Shown;

/// One thing that is wrong.
#[derive(Debug)]
pub(in crate::run) enum Fault {
    /// There is no CA to check it by.
    NoCa,
    /// It names itself as its issuer, and is not trusted.
    IssuedItself,
    /// Its path, its time or its use.
    Path(Refusal),
    /// Its names.
    Name(TlsError),
    /// The server did not show that it has the key.
    Proof,
}

/// All of them, in the order in which a client meets them. What its CA says of it is no part of this.
pub(in crate::run) fn faults(target: &Target, shown: &Shown, cas: &[CaCertificate]) -> Vec<Fault> {
    let now = SystemClock.now().into();
    let mut faults = path(shown, cas, now);
    faults.extend(name(target, shown).err().map(Fault::Name));
    faults.extend(shown.proof_is_wrong.then_some(Fault::Proof));
    faults
}

/// What comes from a stranger is told as that first, and its time all the same.
fn path(shown: &Shown, cas: &[CaCertificate], now: Timestamp) -> Vec<Fault> {
    let refused = match check(shown, cas, now) {
        Ok(()) => return Vec::new(),
        Err(Unchecked::Anchor(_)) => return vec![Fault::NoCa],
        Err(Unchecked::Refused(refused)) => refused,
    };
    let stranger = |refusal: &Refusal| {
        matches!(refusal, Refusal::UnknownCa | Refusal::WrongUsage { .. })
            && pki::names_itself_as_issuer(&shown.certificate)
    };
    let fault = |refusal: Refusal| match stranger(&refusal) {
        true => Fault::IssuedItself,
        false => Fault::Path(refusal),
    };
    let time = time(shown, now).err().filter(|time| *time != refused).map(Fault::Path);
    std::iter::once(fault(refused)).chain(time).collect()
}

/// Whether it is within its own time.
pub(super) fn time(shown: &Shown, now: Timestamp) -> Result<Timestamp, Refusal> {
    let begin = pki::leaf_not_before(&shown.certificate)?;
    let end = pki::leaf_not_after(&shown.certificate)?;
    match () {
        () if now < begin => Err(Refusal::NotYetValid { at: begin }),
        () if now > end => Err(Refusal::Expired { at: end }),
        () => Ok(end),
    }
}

/// Why a path is not right.
pub(super) enum Unchecked {
    Anchor(AnchorError),
    Refused(Refusal),
}

/// Path, time and use, by the CAs that a browser would trust.
pub(super) fn check(shown: &Shown, cas: &[CaCertificate], now: Timestamp) -> Result<(), Unchecked> {
    let now = UnixTime::since_unix_epoch(now.since(Timestamp::from_unix_secs(0)));
    let verifier = verifier(cas).map_err(Unchecked::Anchor)?;
    verifier.check_as_browsers_do(&shown.certificate, &shown.chain, now).map_err(Unchecked::Refused)
}

/// Whether Handfast's own clients, which want the use in words, would take one that browsers do.
pub(super) fn is_for_ours(shown: &Shown, cas: &[CaCertificate], now: Timestamp) -> bool {
    let now = UnixTime::since_unix_epoch(now.since(Timestamp::from_unix_secs(0)));
    verifier(cas).is_ok_and(|ours| ours.check(&shown.certificate, &shown.chain, now).is_ok())
}

fn verifier(cas: &[CaCertificate]) -> Result<Arc<ServerNameVerifier>, AnchorError> {
    let ders: Vec<_> = cas.iter().map(|ca| CertificateDer::from(ca.der().to_vec())).collect();
    ServerNameVerifier::new(&ders, NameRule::Any)
}

pub(super) fn name(target: &Target, shown: &Shown) -> Result<(), TlsError> {
    ParsedCertificate::try_from(&shown.certificate)
        .and_then(|parsed| verify_server_name(&parsed, target.name()))
}
