//! Moments as ASN.1, TLS and the certificate library have them, to [`Timestamp`] and back.

use std::time::Duration;

use clock::Timestamp;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use x509_parser::time::ASN1Time;

/// What a certificate or a CRL says; before 1970 it is 1970.
pub(crate) fn from_asn1(time: ASN1Time) -> Timestamp {
    Timestamp::from_unix_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// What TLS goes by.
pub(crate) fn from_unix_time(time: UnixTime) -> Timestamp {
    Timestamp::from_unix_secs(time.as_secs())
}

/// The same, the other way.
pub(crate) fn to_unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(at.unix_secs()))
}

/// For what is signed.
pub(crate) fn to_date_time(at: Timestamp) -> OffsetDateTime {
    i64::try_from(at.unix_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
