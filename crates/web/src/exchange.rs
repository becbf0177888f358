//! One request, from its head to an answer that is complete with all that answers here say.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::asked::{Asked, Upgrade};
use crate::body::{Body, full};
use crate::context::Context;
use crate::hygiene;
use crate::outgoing::Outgoing;
use crate::proxy;
use crate::redirect::Redirect;
use crate::refusal::Refusal;
use crate::rest::Rest;
use crate::site::{Action, Fixed, Handler, Question};

/// Answers, whatever it is.
pub(crate) async fn exchange(
    context: Arc<Context>,
    request: Request<Incoming>,
) -> Response<Outgoing> {
    let open = context.activity.begin();
    let (method, target) = (request.method().clone(), request.uri().clone());
    let is_head = method == Method::HEAD;
    context.steward.asked();
    let (head, body) = request.into_parts();
    let mut rest = Rest::of(body);
    let answer = respond(&context, head, &mut rest).await.unwrap_or_else(|refusal| {
        context.steward.refused(refusal, method.as_str(), target.path());
        if refusal == Refusal::Framing {
            // Where it ends is what nobody can tell.
            drop(rest.take());
        }
        refused(refusal)
    });
    rest.throw_away(&context.tasks);
    let mut answer = whole(answer, is_head);
    context.manners.apply(answer.headers_mut());
    answer.map(|body| Outgoing::new(body, open, context))
}

/// Over HTTP/2 hyper does not know any more that a HEAD was asked, and sends what it is given.
fn whole(mut answer: Response<Body>, is_head: bool) -> Response<Body> {
    let none = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if (is_head || none) && !answer.body().is_end_stream() {
        let length = answer.body().size_hint().exact().filter(|_| is_head && !none);
        if let Some(length) = length {
            answer.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length.into());
        }
        *answer.body_mut() = full("");
    }
    answer
}

async fn respond(
    context: &Context,
    mut head: Parts,
    rest: &mut Rest,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::read(&head, context.limits.head)?;
    let site = context.steward.site();
    if !site.answers_for(&asked.host) {
        return Err(Refusal::Misdirected);
    }
    let route = site.route(&asked.path).ok_or(Refusal::NotFound)?;
    // Nobody behind this point hears from a client what only the gateway may say.
    hygiene::remove_forged(&mut head.headers);
    let is_proxied = matches!(route.action, Action::Proxy(_));
    if asked.upgrade == Some(Upgrade::WebsocketOverTwo) && !is_proxied {
        return Err(Refusal::Method);
    }
    match &route.action {
        Action::Proxy(upstream) => {
            Box::pin(proxy::pass(context, upstream, &asked, head, rest)).await
        }
        Action::Files(files) => {
            let behind = route.prefix.rest(&asked.path).unwrap_or_default();
            let path = (&asked.path, head.uri.query());
            files.answer(behind, path, &head.method, &head.headers, context.client).await
        }
        Action::Redirect(redirect) => redirected(redirect, &asked, &head),
        Action::Fixed(fixed) => fixed_answer(fixed),
        Action::Handler(handler) => handled(context, handler.as_ref(), &head, rest).await,
    }
}

fn redirected(redirect: &Redirect, asked: &Asked, head: &Parts) -> Result<Response<Body>, Refusal> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let location = redirect.location(&asked.host, &head.uri)?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn fixed_answer(fixed: &Fixed) -> Result<Response<Body>, Refusal> {
    let mut response = Response::new(full(fixed.body.clone()));
    *response.status_mut() = fixed.status;
    let kind = HeaderValue::from_str(&fixed.content_type).map_err(|_| Refusal::Internal)?;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

async fn handled(
    context: &Context,
    handler: &dyn Handler,
    head: &Parts,
    rest: &mut Rest,
) -> Result<Response<Body>, Refusal> {
    let longest = handler.longest_body();
    if rest.size_hint().lower() > longest as u64 {
        return Err(Refusal::BodyTooLong);
    }
    let body = rest.take().ok_or(Refusal::Internal)?;
    let body = Limited::new(body, longest).collect();
    let body = match timeout(context.limits.body_time, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<hyper::Error>() => return Err(Refusal::BodyBroken),
        Ok(Err(_)) => return Err(Refusal::BodyTooLong),
        Err(_) => return Err(Refusal::BodySlow),
    };
    let (method, path, headers) = (&head.method, head.uri.path(), &head.headers);
    Ok(handler.answer(&Question { method, path, headers, body: &body }).map(full))
}

/// What a client reads of a refusal.
fn refused(refusal: Refusal) -> Response<Body> {
    let mut response = Response::new(full(format!("{refusal}\n")));
    *response.status_mut() = refusal.status();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refusal == Refusal::MethodNotThere {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
