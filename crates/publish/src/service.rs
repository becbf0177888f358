//! Requests in, responses out; no network.
//!
//! | path | method | what |
//! |---|---|---|
//! | `/ca/TAG.crl` | GET, HEAD | the CRL, DER |
//! | `/ca/TAG.crt` | GET, HEAD | the CA's certificate, DER |
//! | `/ca/TAG/ocsp` | POST | an OCSP request in the body (RFC 6960 appendix A) |
//! | `/ca/TAG/ocsp/BASE64` | GET, HEAD | the same in the path, which caches keep (RFC 5019) |
//! | `/.well-known/acme-challenge/TOKEN` | GET, HEAD | what another CA reads to find that a name is ours |

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use clock::Clock;
use data_encoding::{BASE64, BASE64_NOPAD};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use pki::Timestamp;
use pki::ocsp::{LONGEST_REQUEST, OcspReply, respond};

use crate::answers::{Answers, Basis};
use crate::document::Document;
use crate::publication::{IssuerPublication, Publication, Records};
use crate::tokens::{self, Tokens};

/// Answers requests from what is published and from the records.
#[derive(Debug)]
pub struct Service {
    publication: ArcSwap<Publication>,
    /// How often something else was published.
    publications: AtomicU64,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    answers: Answers,
    /// Where HTTPS is spoken; 0 for nowhere.
    https_port: AtomicU16,
    tokens: Tokens,
}

/// What was asked, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Service {
    /// One that publishes nothing yet.
    pub fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>) -> Self {
        Self {
            publication: ArcSwap::default(),
            publications: AtomicU64::new(0),
            records,
            clock,
            answers: Answers::default(),
            https_port: AtomicU16::new(0),
            tokens: Tokens::default(),
        }
    }

    /// The same, and these are read here.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// This is published from here on.
    pub fn publish(&self, publication: Publication) {
        self.publication.store(Arc::new(publication));
        self.publications.fetch_add(1, Ordering::Release);
    }

    /// What is not published is sent to HTTPS on this port from here on, or nowhere.
    pub fn send_to_https(&self, port: Option<u16>) {
        self.https_port.store(port.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn https_port(&self) -> Option<u16> {
        Some(self.https_port.load(Ordering::Relaxed)).filter(|port| *port > 0)
    }

    /// Signs anew what was asked for and is past half its life or void, before the next one asks: at most so many
    /// answers, which take time.
    ///
    /// How many there were.
    pub fn refresh(&self, most: usize) -> usize {
        let published = self.publications.load(Ordering::Acquire);
        let publication = self.publication.load();
        let (basis, now) = ((self.records.revision(), published), self.now());
        let due = self.answers.due(basis, now, most);
        for (tag, request) in &due {
            let issuer = publication.issuer(tag);
            let anew = issuer.map(|issuer| self.answer_anew(issuer, request, basis, now));
            if anew.is_none_or(|answer| answer.fresh_until <= now) {
                self.answers.forget(request);
            }
        }
        due.len()
    }

    pub(crate) fn respond(&self, asked: &Asked<'_>) -> Response<Full<Bytes>> {
        if let Some(text) = self.tokens.at(asked.path) {
            return match is_read(asked.method) {
                true => plain(StatusCode::OK, text.into(), "application/octet-stream"),
                false => self.wrong_method("GET, HEAD"),
            };
        }
        // Before the publication is read: what is put in its place meanwhile makes the answer void.
        let published = self.publications.load(Ordering::Acquire);
        let publication = self.publication.load();
        let Some((issuer, thing)) = route(&publication, asked.path) else {
            return self.refuse(StatusCode::NOT_FOUND, NOTHING_HERE);
        };
        match thing {
            Thing::Certificate => self.hand_out(asked, Some(issuer.certificate())),
            Thing::Crl => self.hand_out(asked, issuer.crl()),
            Thing::OcspByPost if asked.method == Method::POST => {
                self.by_post(asked, issuer, published)
            }
            Thing::OcspByPost => self.wrong_method("POST"),
            Thing::OcspByGet(request) => self.by_get(asked, issuer, request, published),
        }
    }

    fn hand_out(&self, asked: &Asked<'_>, document: Option<&Document>) -> Response<Full<Bytes>> {
        if !is_read(asked.method) {
            return self.wrong_method("GET, HEAD");
        }
        let Some(document) = document else {
            return self.refuse(StatusCode::SERVICE_UNAVAILABLE, "there is none at present\n");
        };
        cached(asked, document, self.now())
    }

    fn by_post(
        &self,
        asked: &Asked<'_>,
        issuer: &IssuerPublication,
        published: u64,
    ) -> Response<Full<Bytes>> {
        let kind = asked.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if kind.is_none_or(|kind| !kind.eq_ignore_ascii_case(OCSP_REQUEST)) {
            let why = "the body has to be an application/ocsp-request\n";
            return self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        let document = self.answer(issuer, asked.body, published);
        let mut response = plain(StatusCode::OK, document.octets.clone(), OCSP_RESPONSE);
        put(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }

    fn by_get(
        &self,
        asked: &Asked<'_>,
        issuer: &IssuerPublication,
        request: &str,
        published: u64,
    ) -> Response<Full<Bytes>> {
        if !is_read(asked.method) {
            return self.wrong_method("GET, HEAD");
        }
        let Some(request) = decode(request) else {
            let why = "the last part of the path has to be an OCSP request in base64\n";
            return self.refuse(StatusCode::BAD_REQUEST, why);
        };
        let document = self.answer(issuer, &request, published);
        cached(asked, &document, self.now())
    }

    fn answer(&self, issuer: &IssuerPublication, request: &[u8], published: u64) -> Arc<Document> {
        // Before the records are read, so that a change meanwhile makes the answer void.
        let basis: Basis = (self.records.revision(), published);
        let now = self.now();
        if let Some(kept) = self.answers.get(basis, request, now) {
            return kept;
        }
        self.answer_anew(issuer, request, basis, now)
    }

    fn answer_anew(
        &self,
        issuer: &IssuerPublication,
        request: &[u8],
        basis: Basis,
        now: Timestamp,
    ) -> Arc<Document> {
        let reply = respond(issuer.ocsp(), &*self.records, request, now, OCSP_LIFETIME);
        if let Some(rule) = reply.fault {
            tracing::error!(%rule, "internal error: an OCSP answer is not handed out; please report it");
        }
        let keeps = reply.reusable_until.is_some();
        let document = Arc::new(document(reply, now));
        if keeps {
            self.answers.keep(basis, issuer.tag(), request, Arc::clone(&document));
        }
        document
    }

    fn now(&self) -> Timestamp {
        Timestamp::from(self.clock.now())
    }

    fn wrong_method(&self, allowed: &'static str) -> Response<Full<Bytes>> {
        let mut response =
            self.refuse(StatusCode::METHOD_NOT_ALLOWED, "another method is needed\n");
        put(&mut response, header::ALLOW, allowed);
        response
    }

    pub(crate) fn refuse(&self, status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
        plain(status, Bytes::from_static(why.as_bytes()), "text/plain; charset=utf-8")
    }
}

/// Whether a path is one of those where something may be published. Who asks there is never sent elsewhere: whoever is
/// about to check a certificate, or to issue one, can't need one to do it.
pub(crate) fn is_public(path: &str) -> bool {
    path.starts_with("/ca/") || path.starts_with(tokens::FOLDER)
}

enum Thing<'a> {
    Certificate,
    Crl,
    OcspByPost,
    /// The request as it stands in the path.
    OcspByGet(&'a str),
}

fn route<'p, 'a>(
    publication: &'p Publication,
    path: &'a str,
) -> Option<(&'p IssuerPublication, Thing<'a>)> {
    let name = path.strip_prefix("/ca/")?;
    let (tag, thing) = match name.split_once('/') {
        None => name
            .strip_suffix(".crl")
            .map(|tag| (tag, Thing::Crl))
            .or_else(|| name.strip_suffix(".crt").map(|tag| (tag, Thing::Certificate)))?,
        Some((tag, "ocsp" | "ocsp/")) => (tag, Thing::OcspByPost),
        Some((tag, rest)) => (tag, Thing::OcspByGet(rest.strip_prefix("ocsp/")?)),
    };
    publication.issuer(tag).map(|issuer| (issuer, thing))
}

/// Base64 with what a path may not hold written as `%2B` and the like, padded or not. Some clients write a
/// slash as it is, which makes a path of several parts.
fn decode(request: &str) -> Option<Vec<u8>> {
    if request.len() > LONGEST_REQUEST * 2 {
        return None;
    }
    let text: Vec<u8> = percent_decode_str(request).collect();
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(&text);
    BASE64.decode(&text).or_else(|_| BASE64_NOPAD.decode(unpadded)).ok()
}

fn document(reply: OcspReply, now: Timestamp) -> Document {
    let fresh_until = reply.reusable_until.unwrap_or(now);
    Document::new(OCSP_RESPONSE, reply.der, now, fresh_until)
}

/// The document, or only that it is still the same one.
fn cached(asked: &Asked<'_>, document: &Document, now: Timestamp) -> Response<Full<Bytes>> {
    let mut response = if is_same(asked.headers, document) {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        plain(StatusCode::OK, document.octets.clone(), document.content_type)
    };
    let fresh = document.fresh_until.since(now).min(LONGEST_CACHED).as_secs();
    let caching = match fresh {
        0 => "no-cache".to_owned(),
        fresh => format!("max-age={fresh}, public, no-transform, must-revalidate"),
    };
    put(&mut response, header::CACHE_CONTROL, &caching);
    put(&mut response, header::ETAG, &document.etag);
    put(&mut response, header::LAST_MODIFIED, &http_date(document.last_modified));
    put(&mut response, header::EXPIRES, &http_date(document.fresh_until));
    response
}

/// By the tag alone: two CRLs may be of one second, and a clock may have been set back.
fn is_same(headers: &HeaderMap, document: &Document) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_ours = |tag: &str| tag == "*" || tag == document.etag;
    tags.is_some_and(|tags| tags.split(',').map(str::trim).any(is_ours))
}

fn plain(status: StatusCode, octets: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(octets));
    *response.status_mut() = status;
    put(&mut response, header::CONTENT_TYPE, content_type);
    response
}

fn put(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("what is written here is plain ASCII");
    response.headers_mut().insert(name, value);
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn http_date(at: Timestamp) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(at.unix_secs()))
}

const OCSP_REQUEST: &str = "application/ocsp-request";
const OCSP_RESPONSE: &str = "application/ocsp-response";
const NOTHING_HERE: &str = "nothing is published here; certificates name the addresses\n";
/// How long an OCSP answer holds. Whoever has one believes it that long.
pub const OCSP_LIFETIME: Duration = Duration::from_secs(3600);
/// How long anything is kept by caches in between, though it holds longer: what was revoked shall be known
/// soon.
const LONGEST_CACHED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
