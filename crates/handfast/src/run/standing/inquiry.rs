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

    /// What was sent along says.
    pub(super) fn stapled(&self, staple: &[u8], now: Timestamp) -> Said {
        match check(staple, &self.expected(None, now)) {
            Ok(verdict) => self.of_verdict(Source::Staple, None, &verdict, staple),
            Err(error) => self.not_taken(Source::Staple, None, &error, staple),
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
            Err(error) => self.not_taken(Source::Ocsp, Some(url), &error, &octets),
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
        if crl.is_from_the_future(now) {
            return none(NotTaken::CrlFromTheFuture { at: crl.this_update() }.to_string());
        }
        let signed = |said: Said| Said {
            this_update: Some(crl.this_update()),
            next_update: Some(crl.next_update()),
            signer: Some(format!("CN={}", self.issuer.name())),
            signed_at: Some(crl.this_update()),
            ..said
        };
        if crl.is_expired(now) {
            let why = NotTaken::CrlStale { at: crl.next_update() }.to_string();
            return signed(Said { stale: true, ..none(why) });
        }
        let revoked = crl.revoked().get(&self.serial).copied();
        signed(Said {
            answer: if revoked.is_some() { Answer::Revoked } else { Answer::Good },
            revoked_at: revoked.map(|revoked| revoked.at),
            reason: revoked.map(|revoked| revoked.reason),
            problem: None,
            ..none(String::new())
        })
    }

    /// What a response can't be used for, and why. One whose time is over was found right in all else, so that its times
    /// and its signer are known.
    fn not_taken(
        &self,
        source: Source,
        url: Option<&str>,
        error: &OcspError,
        response: &[u8],
    ) -> Said {
        let none = Said::none(source, url, error.to_string());
        let &OcspError::Stale { of, at } = error else { return none };
        let over = Said { this_update: Some(of), next_update: Some(at), stale: true, ..none };
        self.signed(over, response)
    }

    /// What a response says whose signature was found right.
    fn of_verdict(
        &self,
        source: Source,
        url: Option<&str>,
        verdict: &OcspVerdict,
        response: &[u8],
    ) -> Said {
        let (answer, revoked) = match verdict.status {
            OcspStatus::Good => (Answer::Good, None),
            OcspStatus::Unknown => (Answer::Unknown, None),
            OcspStatus::Revoked(Revocation { at, reason }) => (Answer::Revoked, Some((at, reason))),
        };
        let said = Said {
            answer,
            this_update: Some(verdict.this_update),
            next_update: Some(verdict.next_update),
            revoked_at: revoked.map(|(at, _)| at),
            reason: revoked.map(|(_, reason)| reason),
            problem: None,
            ..Said::none(source, url, String::new())
        };
        self.signed(said, response)
    }

    /// With when and by whom this was signed, where the signature was found right.
    fn signed(&self, said: Said, response: &[u8]) -> Said {
        let Ok(response) = OcspResponse::from_der(response) else { return said };
        Said {
            signer: Some(response.signer(&[self.issuer.der()])),
            signed_at: Some(response.produced_at()),
            ..said
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
