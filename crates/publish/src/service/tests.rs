use std::pin::pin;
use std::task::{Context, Poll, Waker};

use data_encoding::BASE64;
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pki::ocsp::{Nonce, OcspExpected, OcspRequest, OcspStatus, OcspVerdict, check};
use pki::{Crl, Revocation, RevocationReason, Serial};

use super::*;
use crate::testing::{WEEK, World};

#[test]
fn crl_and_ca_certificate_are_handed_out_with_what_caches_want_to_know() {
    let world = World::new();
    let tag = world.ca().tag();
    let crl = get(&world, &format!("/ca/{tag}.crl"), &[]);
    assert_eq!((crl.status, crl.header("content-type")), (200, "application/pkix-crl"));
    assert!(Crl::from_der(&crl.body).unwrap().verify(world.ca()).is_ok());
    assert_eq!(crl.header("last-modified"), "Fri, 15 Jan 2027 08:00:00 GMT");
    assert_eq!(crl.header("expires"), "Fri, 22 Jan 2027 08:00:00 GMT");
    let kept = "max-age=60, public, no-transform, must-revalidate";
    assert_eq!(crl.header("cache-control"), kept);
    let ca = get(&world, &format!("/ca/{tag}.crt"), &[]);
    assert_eq!((ca.status, ca.header("content-type")), (200, "application/pkix-cert"));
    assert_eq!(ca.body, world.ca().der().as_ref());
}

#[test]
fn whoever_has_the_present_one_is_told_so_until_there_is_another() {
    let world = World::new();
    let path = format!("/ca/{}.crl", world.ca().tag());
    let first = get(&world, &path, &[]);
    let etag = [("if-none-match", first.header("etag"))];
    let again = get(&world, &path, &etag);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(get(&world, &path, &[("if-none-match", "\"other\"")]).status, 200);
    // Another one of the same second.
    world.publish(2);
    assert_eq!(get(&world, &path, &etag).status, 200);
    let since = [("if-modified-since", first.header("last-modified"))];
    assert_eq!(get(&world, &path, &since).status, 200);
}

#[test]
fn nothing_is_kept_beyond_its_next_update() {
    let world = World::new();
    let path = format!("/ca/{}.crl", world.ca().tag());
    world.clock.advance(WEEK - Duration::from_secs(20));
    let late = get(&world, &path, &[]);
    assert_eq!(late.header("cache-control"), "max-age=20, public, no-transform, must-revalidate");
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(get(&world, &path, &[]).header("cache-control"), "no-cache");
}

#[test]
fn ocsp_is_answered_by_post_and_by_get_however_the_path_is_written() {
    let world = World::new();
    world.records.write(serial(1), OcspStatus::Good);
    let request = OcspRequest::new(world.id(serial(1)), None).to_der();
    let posted = post(&world, &request);
    assert_eq!((posted.status, posted.header("content-type")), (200, OCSP_RESPONSE));
    assert_eq!(posted.header("cache-control"), "no-store");
    assert_eq!(judge(&world, &posted.body, 1, None).status, OcspStatus::Good);
    let base64 = BASE64.encode(&request);
    let escaped = utf8_percent_encode(&base64, NON_ALPHANUMERIC).to_string();
    for written in [base64.as_str(), &escaped, base64.trim_end_matches('=')] {
        let path = format!("/ca/{}/ocsp/{written}", world.ca().tag());
        let got = get(&world, &path, &[]);
        assert_eq!(got.status, 200, "{written}");
        assert_eq!(judge(&world, &got.body, 1, None).status, OcspStatus::Good);
        assert!(got.header("cache-control").starts_with("max-age=60"));
        let etag = [("if-none-match", got.header("etag"))];
        assert_eq!(get(&world, &path, &etag).status, 304);
    }
}

#[test]
fn an_answer_is_signed_once_and_anew_after_a_change_at_half_its_life_and_for_a_nonce() {
    let world = World::new();
    world.records.write(serial(1), OcspStatus::Good);
    let request = OcspRequest::new(world.id(serial(1)), None).to_der();
    let first = post(&world, &request);
    assert_eq!(post(&world, &request).body, first.body);

    let held = Revocation { at: world.now(), reason: RevocationReason::CertificateHold };
    world.records.write(serial(1), OcspStatus::Revoked(held));
    let second = post(&world, &request);
    assert_eq!(judge(&world, &second.body, 1, None).status, OcspStatus::Revoked(held));

    world.clock.advance(Duration::from_secs(1800));
    let third = post(&world, &request);
    assert_eq!(judge(&world, &third.body, 1, None).this_update, world.now());
    world.publish(2);
    assert_ne!(post(&world, &request).body, third.body);

    let nonce = Nonce::from_random([4; 32]);
    let fresh = OcspRequest::new(world.id(serial(1)), Some(nonce.clone())).to_der();
    let answer = post(&world, &fresh);
    assert_eq!(judge(&world, &answer.body, 1, Some(&nonce)).status, OcspStatus::Revoked(held));
    assert_ne!(post(&world, &fresh).body, answer.body);
}

#[test]
fn what_was_asked_for_is_signed_anew_before_the_next_one_asks() {
    let world = World::new();
    world.records.write(serial(1), OcspStatus::Good);
    let request = OcspRequest::new(world.id(serial(1)), None).to_der();
    post(&world, &request);
    post(&world, &request);
    assert_eq!(world.service.refresh(10), 0);
    world.clock.advance(Duration::from_secs(1800));
    let signed_at = world.now();
    assert_eq!((world.service.refresh(10), world.service.refresh(10)), (1, 0));
    world.clock.advance(Duration::from_secs(60));
    let given = post(&world, &request);
    assert_eq!(judge(&world, &given.body, 1, None).this_update, signed_at);

    let held = Revocation { at: world.now(), reason: RevocationReason::CertificateHold };
    world.records.write(serial(1), OcspStatus::Revoked(held));
    let signed_at = world.now();
    assert_eq!(world.service.refresh(10), 1);
    world.clock.advance(Duration::from_secs(60));
    let verdict = judge(&world, &post(&world, &request).body, 1, None);
    assert_eq!((verdict.status, verdict.this_update), (OcspStatus::Revoked(held), signed_at));
    world.service.publish(Publication::default());
    assert_eq!((world.service.refresh(10), world.service.refresh(10)), (1, 0));
}

#[test]
fn a_number_that_was_never_given_is_unknown_until_it_is_given() {
    let world = World::new();
    let request = OcspRequest::new(world.id(serial(1)), None).to_der();
    let path = format!("/ca/{}/ocsp/{}", world.ca().tag(), BASE64.encode(&request));
    let unknown = get(&world, &path, &[]);
    assert_eq!(judge(&world, &unknown.body, 1, None).status, OcspStatus::Unknown);
    assert_eq!(unknown.header("cache-control"), "no-cache");
    world.records.write(serial(1), OcspStatus::Good);
    assert_eq!(judge(&world, &get(&world, &path, &[]).body, 1, None).status, OcspStatus::Good);
}

#[test]
fn what_is_not_published_or_not_asked_rightly_is_refused_without_a_redirect() {
    let world = World::new();
    let tag = world.ca().tag();
    for path in ["/", "/ca/", "/ca/00000000.crl", "/ca/x/ocsp", "/.well-known/x", "//"] {
        let refused = get(&world, path, &[]);
        assert_eq!((refused.status, refused.headers.get("location")), (404, None), "{path}");
    }
    let ocsp = format!("/ca/{tag}/ocsp");
    let refused = get(&world, &ocsp, &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
    assert_eq!(get(&world, &format!("{ocsp}/no+base64!"), &[]).status, 400);
    assert_eq!(ask(&world, &Method::POST, &ocsp, &[], b"").status, 415);
    let crl = format!("/ca/{tag}.crl");
    let refused = ask(&world, &Method::DELETE, &crl, &[], b"");
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
}

fn judge(world: &World, der: &[u8], number: u8, nonce: Option<&Nonce>) -> OcspVerdict {
    let (issuer, now) = (world.ca(), world.now());
    check(der, &OcspExpected { issuer, serial: serial(number), nonce, now }).unwrap()
}

fn serial(number: u8) -> Serial {
    Serial::from_random([number; 16])
}

/// A response, taken apart.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect(name).to_str().unwrap()
    }
}

fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Got {
    ask(world, &Method::GET, path, headers, b"")
}

fn post(world: &World, request: &[u8]) -> Got {
    let path = format!("/ca/{}/ocsp", world.ca().tag());
    ask(world, &Method::POST, &path, &[("content-type", OCSP_REQUEST)], request)
}

fn ask(world: &World, method: &Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
        })
        .collect();
    let response = world.service.respond(&Asked { method, path, headers: &headers, body });
    let (head, body) = response.into_parts();
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(body)) = pin!(body.collect()).poll(&mut context) else {
        panic!("what is whole is there at once")
    };
    Got { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() }
}
