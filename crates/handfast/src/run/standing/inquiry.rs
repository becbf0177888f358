//! Every source of a certificate's standing, asked one after the other, and what each says.

use ask::{HttpAddress, LONGEST_CRL, Question, SystemDial, fetch};
use clock::{Clock, Timestamp};
use pki::ocsp::{
    CertId, CertIdHash, LONGEST_RESPONSE, Nonce, OcspError, OcspExpected, OcspRequest,
    OcspResponse, OcspStatus, OcspVerdict, check,
};
use pki::standing::{NotTaken, Subject};
use pki::{CaCertificate, Crl, Revocation, Serial};

use crate::show::standing::{Answer, Said, Source};

/// What is asked about one certificate.
pub(super) struct Questions<'a> {
    issuer: &'a CaCertificate,
    serial: Serial,
    ocsp: Vec<String>,
    crl: Vec<String>,
}

impl<'a> Questions<'a> {
    /// At the addresses that it names, or at this responder alone. Its issuer has to be known.
    pub(super) fn new(subject: &'a Subject, url: Option<&str>) -> Self {
        let issuer = subject.issuer().expect("whoever asks has looked for it");
        let (ocsp, crl) = match url {
            Some(url) => (vec![url.to_owned()], Vec::new()),
            None => (subject.sources().ocsp.clone(), subject.sources().crl.clone()),
        };
        Self { issuer, serial: subject.id().serial, ocsp, crl }
    }

    /// Nobody is asked: what was sent along is looked at alone.
    pub(super) fn of_the_staple(subject: &'a Subject) -> Self {
        Self { ocsp: Vec::new(), crl: Vec::new(), ..Self::new(subject, None) }
    }

    /// Asks them all.
    pub(super) async fn ask(&self, staple: Option<&[u8]>, clock: &dyn Clock) -> Vec<Said> {
        let mut said = Vec::new();
        if let Some(staple) = staple {
            said.push(self.stapled(staple, clock.now().into()));
        }
        for url in &self.ocsp {
            said.push(self.by_ocsp(url, clock).await);
        }
        for url in &self.crl {
            said.push(self.by_crl(url, clock).await);
        }
        said
    }

    fn stapled(&self, staple: &[u8], now: Timestamp) -> Said {
        match check(staple, &self.expected(None, now)) {
            Ok(verdict) => self.of_verdict(Source::Staple, None, &verdict, staple),
            Err(error) => Said::of_error(Source::Staple, None, &error),
        }
    }

    async fn by_ocsp(&self, url: &str, clock: &dyn Clock) -> Said {
        let none = |why: String| Said::none(Source::Ocsp, Some(url), why);
        let nonce = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => return none(error.to_string()),
        };
        let id = CertId::new(CertIdHash::Sha1, self.issuer, self.serial);
        let request = OcspRequest::new(id, Some(nonce.clone())).to_der();
        let octets = match get(url, &Question::Ocsp(request), LONGEST_RESPONSE).await {
            Ok(octets) => octets,
            Err(why) => return none(why),
        };
        let now = clock.now().into();
        // Many responders sign ahead, and have no answer with a nonce.
        let (judged, fresh) = match check(&octets, &self.expected(Some(&nonce), now)) {
            Err(OcspError::NonceMissing) => (check(&octets, &self.expected(None, now)), false),
            judged => (judged, true),
        };
        match judged {
            Ok(verdict) => {
                Said { fresh, ..self.of_verdict(Source::Ocsp, Some(url), &verdict, &octets) }
            }
            Err(error) => Said::of_error(Source::Ocsp, Some(url), &error),
        }
    }

    async fn by_crl(&self, url: &str, clock: &dyn Clock) -> Said {
        let none = |why: String| Said::none(Source::Crl, Some(url), why);
        let octets = match get(url, &Question::Get, LONGEST_CRL).await {
            Ok(octets) => octets,
            Err(why) => return none(why),
        };
        let crl = match Crl::from_der(&octets).and_then(|crl| crl.verify(self.issuer).map(|()| crl))
        {
            Ok(crl) => crl,
            Err(error) => return none(error.to_string()),
        };
        let now = clock.now().into();
        if crl.is_expired(now) {
            let why = NotTaken::CrlStale { at: crl.next_update() }.to_string();
            return Said { stale: true, ..none(why) };
        }
        if crl.is_from_the_future(now) {
            return none(NotTaken::CrlFromTheFuture { at: crl.this_update() }.to_string());
        }
        let revoked = crl.revoked().get(&self.serial).copied();
        Said {
            source: Source::Crl,
            url: Some(url.to_owned()),
            answer: if revoked.is_some() { Answer::Revoked } else { Answer::Good },
            this_update: Some(crl.this_update()),
            next_update: Some(crl.next_update()),
            signer: Some(format!("CN={}", self.issuer.name())),
            revoked_at: revoked.map(|revoked| revoked.at),
            reason: revoked.map(|revoked| revoked.reason),
            fresh: false,
            problem: None,
            stale: false,
        }
    }

    /// What a response says whose signature was found right.
    fn of_verdict(
        &self,
        source: Source,
        url: Option<&str>,
        verdict: &OcspVerdict,
        response: &[u8],
    ) -> Said {
        let signer = OcspResponse::from_der(response).ok();
        let signer = signer.map(|response| response.signer(&[self.issuer.der()]));
        let (answer, revoked) = match verdict.status {
            OcspStatus::Good => (Answer::Good, None),
            OcspStatus::Unknown => (Answer::Unknown, None),
            OcspStatus::Revoked(Revocation { at, reason }) => (Answer::Revoked, Some((at, reason))),
        };
        Said {
            source,
            url: url.map(str::to_owned),
            answer,
            this_update: Some(verdict.this_update),
            next_update: Some(verdict.next_update),
            signer,
            revoked_at: revoked.map(|(at, _)| at),
            reason: revoked.map(|(_, reason)| reason),
            fresh: false,
            problem: None,
            stale: false,
        }
    }

    fn expected<'b>(&'b self, nonce: Option<&'b Nonce>, now: Timestamp) -> OcspExpected<'b> {
        OcspExpected { issuer: self.issuer, serial: self.serial, nonce, now }
    }
}

/// What lies there, or why it can't be had.
pub(crate) async fn get(url: &str, question: &Question, most: usize) -> Result<Vec<u8>, String> {
    let address: HttpAddress = url.parse().map_err(|error: ask::AddressError| error.to_string())?;
    let octets = fetch(&mut SystemDial, &address, question, most).await;
    octets.map(Vec::from).map_err(|error| error.to_string())
}

fn nonce() -> std::io::Result<Nonce> {
    let mut octets = [0; 32];
    let filled = rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty())?;
    match filled {
        32 => Ok(Nonce::from_random(octets)),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
