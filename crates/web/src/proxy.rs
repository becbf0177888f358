//! One request through to a backend and its answer back.

use data_encoding::BASE64;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::{OnUpgrade, on};

use crate::activity::Open;
use crate::asked::{Asked, Upgrade, WEBSOCKET};
use crate::body::{Body, RequestBody, full};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::rest::Rest;
use crate::upstream::{Begun, Upstream};
use crate::{forwarded, hygiene, tunnel, via};

/// Hands a request on and answers with what comes back.
pub(crate) async fn pass(
    context: &Context,
    upstream: &Upstream,
    asked: &Asked,
    head: Parts,
    rest: &mut Rest,
) -> Result<Response<Body>, Refusal> {
    let limits = &context.limits;
    check_length(rest, limits.body)?;
    let mut request = Request::from_parts(head, ());
    let client = asked.upgrade.map(|upgrade| (upgrade, on(&mut request)));
    let (mut head, ()) = request.into_parts();
    let body = match (asked.upgrade, rest.take()) {
        (None, Some(body)) => RequestBody::new(body, limits.body, limits.body_time),
        _ => RequestBody::empty(),
    };
    rewrite(context, upstream, asked, &mut head, &body)?;
    let begun = upstream.send(Request::from_parts(head, body), context.client).await?;
    let over_two = asked.upgrade == Some(Upgrade::WebsocketOverTwo);
    match (begun.head().status(), client) {
        (StatusCode::SWITCHING_PROTOCOLS, Some((upgrade, client))) => {
            switch(context, begun.lasting().await?, upgrade, client)
        }
        (StatusCode::SWITCHING_PROTOCOLS, None) => Err(Refusal::BackendBroken),
        // To a CONNECT it would say that the tunnel stands.
        (status, _) if over_two && status.is_success() => Err(Refusal::BackendBroken),
        (_, _) if is_stream_of_events(begun.head()) => {
            Ok(answer(begun.lasting().await?.into_response()))
        }
        (_, _) => Ok(answer(begun.into_response())),
    }
}

/// It lasts for as long as somebody listens.
fn is_stream_of_events(head: &Response<Incoming>) -> bool {
    let kind = head.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/event-stream"))
}

fn check_length(body: &Rest, most: Option<u64>) -> Result<(), Refusal> {
    match most {
        Some(most) if body.size_hint().lower() > most => Err(Refusal::BodyTooLong),
        _ => Ok(()),
    }
}

/// Makes of the client's head what the backend reads. First all is removed that may not come from outside, then
/// comes what is said here.
fn rewrite(
    context: &Context,
    upstream: &Upstream,
    asked: &Asked,
    head: &mut Parts,
    body: &RequestBody,
) -> Result<(), Refusal> {
    via::add(head.version, &mut head.headers)?;
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    hygiene::remove_hop_by_hop(&mut head.headers);
    // It is answered here, by reading the body.
    head.headers.remove(header::EXPECT);
    frame(head, body);
    let host = HeaderValue::try_from(asked.host.to_string()).map_err(|_| Refusal::HostMalformed)?;
    head.headers.insert(header::HOST, upstream.host().cloned().unwrap_or(host));
    forwarded::apply(&context.connection, &asked.host, &mut head.headers);
    context.identity.apply(&mut head.headers);
    if let Some(upgrade) = asked.upgrade {
        ask_for_websocket(head, upgrade)?;
    }
    let path = head.uri.path_and_query().cloned();
    head.uri = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Ok(())
}

/// One length or none; hyper takes a GET to have no body unless it is told.
fn frame(head: &mut Parts, body: &RequestBody) {
    let carries = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    let headers = &mut head.headers;
    let said = headers.remove(header::CONTENT_LENGTH).is_some();
    match body.size_hint().exact() {
        // RFC 9110 section 8.6; some backends insist on it.
        Some(0) if !carries && !said => {}
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        None => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// RFC 9113 section 8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

fn ask_for_websocket(head: &mut Parts, upgrade: Upgrade) -> Result<(), Refusal> {
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    head.headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
    if upgrade == Upgrade::WebsocketOverTwo {
        // Over HTTP/2 there is none (RFC 8441 section 5).
        let mut key = [0; 16];
        rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())
            .map_err(|_| Refusal::Internal)?;
        let key = HeaderValue::try_from(BASE64.encode(&key)).map_err(|_| Refusal::Internal)?;
        head.headers.insert(header::SEC_WEBSOCKET_KEY, key);
        head.method = Method::GET;
    }
    Ok(())
}

fn answer(mut response: Response<Body>) -> Response<Body> {
    // RFC 9112 section 6.3: the coding counts, and the length may be anything.
    if response.headers().contains_key(header::TRANSFER_ENCODING) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    hygiene::remove_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(ALT_SVC);
    *response.version_mut() = Version::default();
    response
}

/// Both have agreed: the answer goes out, and from then on octets both ways.
fn switch(
    context: &Context,
    begun: Begun,
    upgrade: Upgrade,
    client: OnUpgrade,
) -> Result<Response<Body>, Refusal> {
    let (mut response, lease) = begun.into_upgrade();
    let agreed = response.headers().get(header::UPGRADE);
    if !agreed
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
    {
        return Err(Refusal::BackendBroken);
    }
    let backend = on(&mut response);
    let open: Open = context.activity.go_on();
    let idle = context.limits.tunnel_idle;
    context.tasks.spawn(async move {
        tunnel::carry(client, backend, idle).await;
        drop((open, lease));
    });
    let (mut head, _) = response.into_parts();
    hygiene::remove_hop_by_hop(&mut head.headers);
    head.extensions.clear();
    match upgrade {
        Upgrade::Websocket => {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            head.headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
        }
        Upgrade::WebsocketOverTwo => {
            head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            head.status = StatusCode::OK;
            head.version = Version::default();
        }
    }
    Ok(Response::from_parts(head, full("")))
}

/// It would lead browsers around the gateway.
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");
