//! What costs one client must not cost others: shared backends, shared connections, answers that end early.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Service, hear, open, read_request, say, secure, statuses};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use web::{Action, Fixed, Http, Route, ServeError, Served, Site, serve};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[tokio::test]
async fn a_head_has_no_body_over_either_version_whoever_answers() {
    let service = Service::echo().await;
    let fixed = Fixed {
        status: StatusCode::OK,
        content_type: "text/plain".into(),
        body: Bytes::from_static(b"hello"),
    };
    let site = || {
        let mut site = service.site();
        site.names = vec!["a.example".parse().unwrap()];
        let action = Action::Fixed(fixed.clone());
        site.routes.push(Route { prefix: "/fixed".parse().unwrap(), action });
        site
    };
    for (host, path, status) in
        [("a.example", "/fixed", 200), ("b.example", "/", 421), ("a.example", "/x", 200)]
    {
        let (mut sender, _served) = two(site()).await;
        let request = Request::head(format!("https://{host}{path}")).body(Empty::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.headers().contains_key("content-length"), "{path}");
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let said = say(site(), secure(Http::One), head.as_bytes()).await;
        assert_eq!(statuses(&said), [status], "{said}");
        assert!(said.ends_with("\r\n\r\n"), "{said}");
    }
}

#[tokio::test]
async fn who_says_far_too_long_a_head_may_say_it_to_its_end_and_hears_why_it_is_refused() {
    let (mut client, task) = open(Service::echo().await.site(), secure(Http::One));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a.example\r\n\r\n", "a".repeat(300_000));
    client.write_all(long.as_bytes()).await.unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [431]);
    client.shutdown().await.unwrap();
    assert!(matches!(task.await.unwrap(), Err(ServeError::Malformed(_))));
}

#[tokio::test]
async fn who_goes_on_and_on_with_such_a_head_is_cut_off() {
    let (mut client, task) = open(Service::echo().await.site(), secure(Http::One));
    let endless = async { while client.write_all(&[b'a'; 4096]).await.is_ok() {} };
    timeout(Duration::from_secs(20), endless).await.unwrap();
    assert!(matches!(task.await.unwrap(), Err(ServeError::Malformed(_))));
}

#[tokio::test]
async fn a_backend_that_answers_before_it_heard_all_serves_nobody_else_on_that_connection() {
    let service = Service::with(|mut stream, heard| {
        tokio::spawn(async move {
            let mut seen = [0; 4096];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut seen).await.unwrap_or(0);
            heard.lock().unwrap().push(String::from_utf8_lossy(&seen[..read]).into_owned());
            let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            sleep(Duration::from_secs(5)).await;
        })
    })
    .await;
    let site = Arc::new(service.site());
    let half = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nx";
    for request in [&half[..], GET] {
        let (mut client, theirs) = tokio::io::duplex(65536);
        tokio::spawn(serve(theirs, secure(Http::One), Arc::clone(&site), std::future::pending()));
        client.write_all(request).await.unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(statuses(&common::hear(&mut client).await), [401]);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_somebody_signed_in_on_is_nobody_elses() {
    for (request, answer) in [
        ("Authorization: Negotiate YII=\r\n", ""),
        ("", "WWW-Authenticate: NTLM TlRM\r\n"),
        ("", ""),
    ] {
        let service = Service::echo_with(answer).await;
        let site = Arc::new(service.site());
        let asked = format!("GET / HTTP/1.1\r\nHost: a\r\n{request}\r\n");
        for request in [asked.as_bytes(), GET] {
            let (mut client, theirs) = tokio::io::duplex(65536);
            let site = Arc::clone(&site);
            tokio::spawn(serve(theirs, secure(Http::One), site, std::future::pending()));
            client.write_all(request).await.unwrap();
            assert_eq!(statuses(&common::hear(&mut client).await), [200]);
        }
        let private = !request.is_empty() || !answer.is_empty();
        assert_eq!(service.connections(), if private { 2 } else { 1 }, "{request}{answer}");
    }
}

#[tokio::test]
async fn an_answers_length_that_its_coding_overrides_stays_here() {
    let service = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
            let _ = stream.write_all(answer).await;
        })
    })
    .await;
    let said = say(service.site(), secure(Http::One), GET).await;
    assert!(said.contains("0123456789"), "{said}");
    assert!(!said.to_ascii_lowercase().contains("content-length"), "{said}");
}

#[tokio::test]
async fn a_backend_that_agrees_to_no_websocket_opens_none_over_http_2() {
    let service = Service::echo().await;
    let (mut sender, _served) = two(service.site()).await;
    sleep(Duration::from_millis(100)).await;
    let mut request = Request::connect("https://a.example/ws").body(Empty::new()).unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    assert_eq!(sender.send_request(request).await.unwrap().status(), 502);
}

#[tokio::test]
async fn one_answer_that_is_not_taken_costs_its_stream_and_not_the_others() {
    let service = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(request) = read_request(&mut stream, &mut rest).await {
                if request.contains(" /endless ") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        })
    })
    .await;
    let mut site = service.site();
    site.limits.stall = Duration::from_millis(400);
    let (mut sender, served) = two(site).await;
    let ask = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(format!("https://a.example{path}"))
            .body(Empty::new())
            .unwrap()
    };
    let paused = sender.send_request(ask(Method::GET, "/endless")).await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(150)).await;
        let answer = sender.send_request(ask(Method::GET, "/")).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    assert!(!served.is_finished());
    assert!(paused.into_body().collect().await.is_err(), "it was reset");
}

#[tokio::test]
async fn who_gives_up_what_it_asked_for_again_and_again_is_cut_off() {
    let service = Service::with(|stream, _| {
        tokio::spawn(async move {
            sleep(Duration::from_secs(10)).await;
            drop(stream);
        })
    })
    .await;
    let (mut sender, served) = two(service.site()).await;
    for _ in 0..20 {
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let request = Request::get("https://a.example/").body(Empty::new()).unwrap();
                tokio::spawn(sender.send_request(request))
            })
            .collect();
        // They are taken up by then, and cost a backend.
        sleep(Duration::from_millis(20)).await;
        asked.iter().for_each(JoinHandle::abort);
        sleep(Duration::from_millis(5)).await;
        if served.is_finished() {
            break;
        }
    }
    let outcome = timeout(Duration::from_secs(2), served).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::GaveUp)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_cut_off_as_soon_over_http_2() {
    let service = Service::echo().await;
    let mut site = service.site();
    site.limits.head_time = Duration::from_millis(200);
    let (mut client, served) = open(site, secure(Http::Two));
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let outcome = timeout(Duration::from_secs(2), served).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::SlowHead)), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_its_backend_breaks_off_is_not_the_clients_fault() {
    let service = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
        })
    })
    .await;
    let (mut client, served) = open(service.site(), secure(Http::One));
    client.write_all(GET).await.unwrap();
    let said = common::hear(&mut client).await;
    assert!(said.ends_with("\r\n\r\nhalf"), "{said}");
    let outcome = timeout(Duration::from_secs(2), served).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::AnswerBroke(_))), "{outcome:?}");
}

type Two = http2::SendRequest<Empty<Bytes>>;

async fn two(site: Site) -> (Two, JoinHandle<Result<Served, ServeError>>) {
    let (ours, served) = open(site, secure(Http::Two));
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(ours));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    (sender, served)
}
