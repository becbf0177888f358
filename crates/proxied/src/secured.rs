//! What version 2 says of the TLS that ended at the proxy.

use proxy_header::{SslInfo, Tlv};

/// A TLS connection, as its backend is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// `TLSv1.3`.
    pub version: String,
    /// By its usual name.
    pub cipher: Option<String>,
    /// Whether the client showed a certificate on this connection, or on the one whose session it resumes.
    pub certificate: bool,
    /// Whether it holds. Without a certificate there was nothing to verify.
    pub verified: bool,
    /// Its subject's common name.
    pub common_name: Option<String>,
}

impl Secured {
    pub(crate) fn to_tlv(&self) -> Tlv<'_> {
        // Zero says that there was one and that it holds.
        let unverified = u32::from(!(self.certificate && self.verified));
        let mut info = SslInfo::new(true, self.certificate, self.certificate, unverified);
        info.append_tlv(Tlv::SslVersion(self.version.as_str().into()));
        if let Some(name) = &self.common_name {
            info.append_tlv(Tlv::SslCn(name.as_str().into()));
        }
        if let Some(cipher) = &self.cipher {
            info.append_tlv(Tlv::SslCipher(cipher.as_str().into()));
        }
        Tlv::Ssl(info)
    }

    pub(crate) fn from_info(info: &SslInfo<'_>) -> Option<Self> {
        let certificate = info.client_cert_conn() || info.client_cert_sess();
        info.client_ssl().then(|| Self {
            version: info.version().unwrap_or_default().to_owned(),
            cipher: info.cipher().map(str::to_owned),
            certificate,
            // Proxies say zero without a certificate as well.
            verified: certificate && info.verify() == 0,
            common_name: info.cn().map(str::to_owned),
        })
    }
}
