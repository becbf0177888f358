//! The reverse proxy, from a client's octets to a backend's and back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{
    Service, Watched, alice, hear, open, plain, proxying, read_request, say, say_by, secure,
    statuses,
};
use http::{Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use web::{
    Action, Backend, Connection, Handler, Health, Http, Question, Refusal, Route, ServeError, Site,
    Steward, Upstream, UpstreamLimits,
};

const GET: &[u8] = b"GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[tokio::test]
async fn a_backend_hears_who_the_client_is_and_nothing_that_the_client_says_of_it() {
    let service = Service::echo().await;
    let mut request =
        b"GET /x?y=1 HTTP/1.1\r\nHost: a.example:8443\r\nCookie: a=1\r\nAccept: */*\r\n".to_vec();
    for name in FORGED {
        request.extend_from_slice(format!("{name}: mallory\r\n").as_bytes());
    }
    request.extend_from_slice(
        b"Connection: close, Client-Cert, X-Private, Host\r\nX-Private: 1\r\nTE: trailers\r\n\r\n",
    );
    let answer = say(service.site(), alice(Http::One), &request).await;
    assert_eq!(statuses(&answer), [200]);
    let heard = service.heard().concat().to_ascii_lowercase();
    assert!(heard.starts_with("get /x?y=1 http/1.1\r\n"), "{heard}");
    for said in IDENTITY {
        assert!(heard.contains(&format!("\r\n{said}\r\n")), "{said} in {heard}");
    }
    for gone in ["mallory", "x-private", "\r\nte:", "\r\nconnection:"] {
        assert!(!heard.contains(gone), "{gone} in {heard}");
    }
}

#[tokio::test]
async fn the_same_holds_over_http_2_and_its_cookies_are_one() {
    let service = Service::echo().await;
    let mut request = Request::get("https://a.example:8443/x?y=1").version(Version::HTTP_2);
    for name in FORGED {
        request = request.header(*name, "mallory");
    }
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    let answer =
        ask_two(service.site(), alice(Http::Two), request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let heard = service.heard().concat().to_ascii_lowercase();
    for said in IDENTITY.iter().chain(&["cookie: a=1; b=2"]) {
        assert!(heard.contains(&format!("\r\n{said}\r\n")), "{said} in {heard}");
    }
    assert!(!heard.contains("mallory"), "{heard}");
}

#[tokio::test]
async fn who_showed_no_certificate_is_nobody_to_the_backend() {
    let service = Service::echo().await;
    say(
        service.site(),
        secure(Http::One),
        b"GET / HTTP/1.1\r\nHost: a.example\r\nHandfast_User: root\r\nClient-Cert: :AA==:\r\n\r\n",
    )
    .await;
    let heard = service.heard().concat().to_ascii_lowercase();
    assert!(
        !heard.contains("handfast-")
            && !heard.contains("handfast_")
            && !heard.contains("client-cert"),
        "{heard}"
    );
}

#[tokio::test]
async fn hsts_is_in_every_answer_over_tls_and_in_none_in_the_clear() {
    let service = Service::echo().await;
    let long = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX: {}\r\n\r\n", "x".repeat(33_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{}\r\n", "X: x\r\n".repeat(101));
    for (request, status) in [
        (GET, 200),
        (b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", 421),
        (b"TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400),
        (b"GET / HTTP/1.2\r\n\r\n", 400),
        (b"GET /\0 HTTP/1.1\r\n\r\n", 400),
        (b"G\0T / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
    ] {
        let site = || Site { names: vec!["a.example".parse().unwrap()], ..service.site() };
        let over_tls = say(site(), secure(Http::One), request).await;
        assert_eq!(statuses(&over_tls), [status], "{over_tls}");
        let over_tls = over_tls.to_ascii_lowercase();
        assert_eq!(
            over_tls.matches("strict-transport-security: max-age=31536000\r\n").count(),
            1,
            "{over_tls}"
        );
        assert_eq!(over_tls.matches("\r\nstrict-transport-security").count(), 1, "{over_tls}");
        let clear = say(site(), plain(Http::One), request).await.to_ascii_lowercase();
        assert!(!clear.contains("strict-transport-security:"), "{clear}");
    }
}

#[tokio::test]
async fn what_is_no_http_behind_other_requests_is_answered_with_hsts_too() {
    let service = Service::echo().await;
    let (mut client, served) = open(service.site(), secure(Http::One));
    for (request, status) in
        [(GET, 200), (GET, 200), (b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", 400)]
    {
        client.write_all(request).await.unwrap();
        let said = hear(&mut client).await;
        assert_eq!(statuses(&said), [status], "{said}");
        let said = said.to_ascii_lowercase();
        let hsts = "\r\nstrict-transport-security: max-age=31536000\r\n";
        assert_eq!(said.matches(hsts).count(), 1, "{said}");
    }
    assert!(matches!(served.await.unwrap(), Err(ServeError::Malformed(_))));
    assert_eq!(service.heard().len(), 2);
}

#[tokio::test]
async fn a_head_too_long_over_http_2_is_refused_by_us_and_not_by_the_library() {
    let service = Service::echo().await;
    let watched = Watched::new(service.site());
    let request = Request::get("https://a.example/").header("x", "x".repeat(33_000));
    let request = request.body(Full::default()).unwrap();
    let answer = ask_two_by(watched.clone(), secure(Http::Two), request).await;
    assert_eq!(answer.status(), 431);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    assert_eq!(*watched.refused.lock().unwrap(), [Refusal::HeadTooLong]);
    assert!(service.heard().is_empty());
}

#[tokio::test]
async fn a_request_that_usually_has_a_body_says_that_it_has_none() {
    let service = Service::echo().await;
    for (method, says) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false)] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        say(service.site(), secure(Http::One), request.as_bytes()).await;
        let heard = service.heard().pop().unwrap().to_ascii_lowercase();
        assert_eq!(heard.contains("\r\ncontent-length: 0\r\n"), says, "{heard}");
    }
}

struct Repeats;

impl Handler for Repeats {
    fn longest_body(&self) -> usize {
        0
    }

    fn answer(&self, question: &Question<'_>) -> http::Response<Bytes> {
        http::Response::new(format!("{:?}", question.headers).into())
    }
}

#[tokio::test]
async fn nobody_within_this_program_hears_from_a_client_what_only_the_gateway_says() {
    let action = Action::Handler(Arc::new(Repeats));
    let site = Site::new(vec![Route { prefix: "/".parse().unwrap(), action }]);
    let mut request = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Own: kept\r\n".to_owned();
    for name in FORGED {
        request.push_str(&format!("{name}: mallory\r\n"));
    }
    request.push_str("\r\n");
    let heard = say(site, alice(Http::One), request.as_bytes()).await;
    assert!(heard.contains("kept") && !heard.contains("mallory"), "{heard}");
}

#[tokio::test]
async fn a_host_of_another_virtual_server_is_misdirected_over_both_versions() {
    let service = Service::echo().await;
    let site = || Site { names: vec!["*.a.example".parse().unwrap()], ..service.site() };
    let answer = say(site(), secure(Http::One), GET).await;
    assert_eq!(statuses(&answer), [421]);
    let request = Request::get("https://a.example/").body(Full::default()).unwrap();
    assert_eq!(ask_two(site(), secure(Http::Two), request).await.status(), 421);
    let request = Request::get("https://x.a.example/").body(Full::default()).unwrap();
    assert_eq!(ask_two(site(), secure(Http::Two), request).await.status(), 200);
    assert_eq!(service.heard().len(), 1);
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection_to_the_backend() {
    let service = Service::echo().await;
    let (mut client, task) = open(service.site(), secure(Http::One));
    for _ in 0..5 {
        client.write_all(GET).await.unwrap();
        assert_eq!(statuses(&hear(&mut client).await), [200]);
    }
    drop(client);
    assert_eq!(task.await.unwrap().unwrap().requests, 5);
    assert_eq!((service.connections(), service.heard().len()), (1, 5));
}

#[tokio::test]
async fn what_is_written_both_ways_is_not_kept_until_its_end() {
    let service = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let mut got = [0; 4096];
            let mut seen = String::new();
            while !seen.contains("first") {
                let read = stream.read(&mut got).await.unwrap();
                seen.push_str(&String::from_utf8_lossy(&got[..read]));
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(b"7\r\ndata: 1\r\n").await.unwrap();
            while !seen.contains("second") {
                let read = stream.read(&mut got).await.unwrap();
                seen.push_str(&String::from_utf8_lossy(&got[..read]));
            }
            stream.write_all(b"7\r\ndata: 2\r\n0\r\n\r\n").await.unwrap();
            sleep(Duration::from_secs(5)).await;
        })
    })
    .await;
    let (mut client, _task) = open(service.site(), secure(Http::One));
    let head =
        b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    client.write_all(head).await.unwrap();
    let begun = hear(&mut client).await;
    assert!(begun.contains("data: 1") && !begun.contains("data: 2"), "{begun}");
    client.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    assert!(hear(&mut client).await.contains("data: 2"));
}

#[tokio::test]
async fn a_body_longer_than_is_taken_is_refused_by_its_length_and_by_its_octets() {
    let service = Service::echo().await;
    let site = || {
        let mut site = service.site();
        site.limits.body = Some(10);
        site
    };
    let known = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";
    assert_eq!(statuses(&say(site(), secure(Http::One), known).await), [413]);
    let unknown = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n";
    assert_eq!(statuses(&say(site(), secure(Http::One), unknown).await), [413]);
    let short = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello worl";
    assert_eq!(statuses(&say(site(), secure(Http::One), short).await), [200]);
    assert_eq!(service.heard().len(), 1, "{:?}", service.heard());
}

#[tokio::test]
async fn a_backend_that_is_down_silent_or_broken_is_said_to_be_so() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let limits = UpstreamLimits { answer: Duration::from_millis(200), ..UpstreamLimits::default() };
    let down = proxying(vec![Backend::tcp("127.0.0.1", nobody)], limits);
    assert_eq!(statuses(&say(down, secure(Http::One), GET).await), [502]);

    let silent = Service::with(|stream, _| {
        tokio::spawn(async move {
            sleep(Duration::from_secs(5)).await;
            drop(stream);
        })
    })
    .await;
    let site = proxying(vec![silent.backend()], limits);
    let watched = Watched::new(site);
    assert_eq!(statuses(&say_by(watched.clone(), secure(Http::One), GET).await), [504]);
    assert_eq!(*watched.refused.lock().unwrap(), [Refusal::BackendSilent]);

    let broken = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = stream.write_all(b"SSH-2.0-x\r\n").await;
            sleep(Duration::from_secs(1)).await;
        })
    })
    .await;
    assert_eq!(statuses(&say(broken.site(), secure(Http::One), GET).await), [502]);
}

#[tokio::test]
async fn a_request_that_changes_something_is_sent_once_and_another_goes_to_the_next_backend() {
    let hangs_up = Service::with(|mut stream, heard| {
        tokio::spawn(async move {
            if let Some(request) = read_request(&mut stream, &mut Vec::new()).await {
                heard.lock().unwrap().push(request);
            }
        })
    })
    .await;
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(statuses(&say(hangs_up.site(), secure(Http::One), post).await), [502]);
    assert_eq!(hangs_up.heard().len(), 1);

    let good = Service::echo().await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let backends = vec![Backend::tcp("127.0.0.1", nobody).with_weight(9), good.backend()];
    let site = proxying(backends, UpstreamLimits::default());
    assert_eq!(statuses(&say(site, secure(Http::One), post).await), [200], "it was never sent");
}

#[tokio::test]
async fn a_connection_to_a_backend_that_nobody_needs_any_longer_is_let_go_without_another_request()
{
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
    let service = Service::with(move |mut stream, _| {
        let ended = Arc::clone(&ended);
        tokio::spawn(async move {
            let mut rest = Vec::new();
            while read_request(&mut stream, &mut rest).await.is_some() {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
            let _ = ended.lock().unwrap().take().unwrap().send(());
        })
    })
    .await;
    let watched = Watched::new(service.site());
    assert_eq!(statuses(&say_by(watched.clone(), secure(Http::One), GET).await), [204]);
    assert!(timeout(Duration::from_secs(15), end).await.is_ok(), "it is kept for ever");
    drop(watched);
}

#[tokio::test]
async fn a_backend_that_is_found_sick_gets_no_requests() {
    let sick = Service::with(|mut stream, heard| {
        tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(request) = read_request(&mut stream, &mut rest).await {
                heard.lock().unwrap().push(request);
                let answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        })
    })
    .await;
    let well = Service::echo().await;
    let health = Health {
        path: "/health".parse().unwrap(),
        every: Duration::from_secs(60),
        within: Duration::from_secs(2),
    };
    let backends = vec![sick.backend().with_weight(9), well.backend()];
    let upstream = Upstream::new(backends, UpstreamLimits::default()).unwrap();
    let upstream = Arc::new(upstream.with_health(health));
    let watched = Arc::clone(&upstream);
    let watch = tokio::spawn(async move { watched.watch().await });
    while well.heard().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(50)).await;
    for _ in 0..5 {
        let action = Action::Proxy(Arc::clone(&upstream));
        let site = Site::new(vec![Route { prefix: "/".parse().unwrap(), action }]);
        assert_eq!(statuses(&say(site, secure(Http::One), GET).await), [200]);
    }
    assert!(sick.heard().iter().all(|heard| heard.starts_with("GET /health ")));
    assert_eq!(well.heard().len(), 6);
    watch.abort();
}

#[tokio::test]
async fn no_more_requests_than_it_may_have_reach_a_backend() {
    let slow = Service::with(|mut stream, heard| {
        tokio::spawn(async move {
            while let Some(request) = read_request(&mut stream, &mut Vec::new()).await {
                heard.lock().unwrap().push(request);
                sleep(Duration::from_secs(2)).await;
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        })
    })
    .await;
    let turn = Duration::from_millis(200);
    let limits = UpstreamLimits { requests: 1, turn, ..UpstreamLimits::default() };
    let site = proxying(vec![slow.backend()], limits);
    let (ours, theirs) = tokio::io::duplex(65536);
    tokio::spawn(web::serve(theirs, secure(Http::Two), Arc::new(site), std::future::pending()));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
    tokio::spawn(connection);
    let ask = |sender: &mut http2::SendRequest<Empty<Bytes>>| {
        sender.send_request(Request::get("https://a.example/").body(Empty::new()).unwrap())
    };
    let (first, second) = (ask(&mut sender), ask(&mut sender));
    let (first, second) = tokio::join!(first, second);
    let mut statuses = [first.unwrap().status().as_u16(), second.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 503]);
    assert_eq!(slow.heard().len(), 1);
}

#[tokio::test]
async fn a_websocket_is_carried_and_ends_with_its_connection() {
    let service = websocket().await;
    let (mut client, task) = open(service.site(), alice(Http::One));
    let ask = b"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nhandfast-user: root\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let agreed = hear(&mut client).await.to_ascii_lowercase();
    assert!(agreed.starts_with("http/1.1 101 "), "{agreed}");
    assert!(
        agreed.contains("sec-websocket-accept: ok") && agreed.contains("upgrade: websocket"),
        "{agreed}"
    );
    for _ in 0..3 {
        client.write_all(b"hello").await.unwrap();
        let mut echoed = [0; 5];
        client.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"HELLO");
    }
    assert!(!task.is_finished(), "the connection is served while it is carried");
    task.abort();
    let end = timeout(Duration::from_secs(2), client.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let heard = service.heard().concat().to_ascii_lowercase();
    assert!(heard.contains("handfast-user: alice") && !heard.contains("root"), "{heard}");
}

#[tokio::test]
async fn a_websocket_over_http_2_reaches_the_backend_as_one_over_http_1() {
    let service = websocket().await;
    let (ours, theirs) = tokio::io::duplex(65536);
    tokio::spawn(web::serve(
        theirs,
        alice(Http::Two),
        Arc::new(service.site()),
        std::future::pending(),
    ));
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(ours))
            .await
            .unwrap();
    tokio::spawn(connection);
    // The server's word that it knows such requests has to be there first.
    sleep(Duration::from_millis(100)).await;
    let mut request = Request::connect("https://a.example/ws").body(Empty::new()).unwrap();
    request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    tunnel.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    tunnel.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"HELLO");
    let heard = service.heard().concat().to_ascii_lowercase();
    assert!(
        heard.starts_with("get /ws http/1.1\r\n") && heard.contains("sec-websocket-key: "),
        "{heard}"
    );
}

#[tokio::test]
async fn no_other_protocol_is_changed_to() {
    let service = Service::echo().await;
    let h2c = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(statuses(&say(service.site(), secure(Http::One), h2c).await), [200]);
    let heard = service.heard().concat().to_ascii_lowercase();
    assert!(!heard.contains("h2c") && !heard.contains("http2-settings"), "{heard}");
    let connect = b"CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n";
    assert_eq!(statuses(&say(service.site(), secure(Http::One), connect).await), [501]);
}

#[tokio::test]
async fn who_is_slow_with_a_head_or_a_body_or_with_taking_the_answer_is_cut_off() {
    let service = Service::echo().await;
    let short = Duration::from_millis(200);
    let site = || {
        let mut site = service.site();
        (site.limits.head_time, site.limits.body_time, site.limits.stall) = (short, short, short);
        site
    };
    let (mut client, task) = open(site(), secure(Http::One));
    client.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    let outcome = timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::SlowHead)), "{outcome:?}");

    let body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe";
    assert_eq!(statuses(&say(site(), secure(Http::One), body).await), [408]);

    let endless = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        })
    })
    .await;
    let mut site = endless.site();
    site.limits.stall = short;
    let (mut client, task) = open(site, secure(Http::One));
    client.write_all(GET).await.unwrap();
    let outcome = timeout(Duration::from_secs(3), task).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::Stalled)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_that_is_to_end_ends_behind_the_request_under_way() {
    let slow = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            sleep(Duration::from_millis(400)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        })
    })
    .await;
    let (mut client, theirs) = tokio::io::duplex(65536);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = ended.await;
    };
    let task = tokio::spawn(web::serve(theirs, secure(Http::One), Arc::new(slow.site()), shutdown));
    client.write_all(GET).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    end.send(()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
    assert_eq!(task.await.unwrap().unwrap().requests, 1);
}

#[tokio::test]
async fn over_http_2_it_ends_behind_the_request_under_way_too() {
    let slow = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            sleep(Duration::from_millis(400)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        })
    })
    .await;
    let (ours, theirs) = tokio::io::duplex(65536);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = ended.await;
    };
    let task = tokio::spawn(web::serve(theirs, secure(Http::Two), Arc::new(slow.site()), shutdown));
    let (mut sender, driver) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
    tokio::spawn(driver);
    let request = Request::get("https://a.example/").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    sleep(Duration::from_millis(100)).await;
    end.send(()).unwrap();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    let served = timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
    assert_eq!(served.unwrap().requests, 1);
}

#[tokio::test]
async fn a_tunnel_has_no_longer_than_its_time_once_its_connection_is_to_end() {
    let service = websocket().await;
    let mut site = service.site();
    site.limits.drain = Duration::from_millis(200);
    let (mut client, theirs) = tokio::io::duplex(65536);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = ended.await;
    };
    let task = tokio::spawn(web::serve(theirs, secure(Http::One), Arc::new(site), shutdown));
    let ask = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(ask).await.unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [101]);
    assert!(!task.is_finished());
    end.send(()).unwrap();
    let outcome = timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(ServeError::CutOff)), "{outcome:?}");
}

async fn websocket() -> Service {
    Service::with(|mut stream, heard| {
        tokio::spawn(async move {
            let Some(request) = read_request(&mut stream, &mut Vec::new()).await else { return };
            heard.lock().unwrap().push(request);
            let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ok\r\n\r\n";
            stream.write_all(agreed.as_bytes()).await.unwrap();
            shout(stream).await;
        })
    })
    .await
}

async fn shout(mut stream: TcpStream) {
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let _ = stream.write_all(&piece[..read].to_ascii_uppercase()).await;
    }
}

async fn ask_two(
    site: Site,
    connection: Connection,
    request: Request<Full<Bytes>>,
) -> http::Response<Bytes> {
    ask_two_by(Arc::new(site), connection, request).await
}

async fn ask_two_by(
    steward: impl Steward,
    connection: Connection,
    request: Request<Full<Bytes>>,
) -> http::Response<Bytes> {
    let (ours, theirs) = tokio::io::duplex(65536);
    tokio::spawn(web::serve(theirs, connection, steward, std::future::pending()));
    let (mut sender, driver) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
    tokio::spawn(driver);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    http::Response::from_parts(head, body)
}

const FORGED: &[&str] = &[
    "client-cert",
    "Client_Cert",
    "client-cert-chain",
    "handfast-user",
    "HANDFAST_USER",
    "handfast-device",
    "handfast.user",
    "x-forwarded-for",
    "x_forwarded_for",
    "x-forwarded-proto",
    "forwarded",
    "x-real-ip",
];

const IDENTITY: &[&str] = &[
    "client-cert: :bgvhzg==:",
    "client-cert-chain: :axnzdwvy:",
    "handfast-user: alice",
    "handfast-device: laptop",
    "host: a.example:8443",
    "x-forwarded-for: 192.0.2.7",
    "x-forwarded-proto: https",
    "x-forwarded-host: a.example:8443",
    "forwarded: for=192.0.2.7;host=\"a.example:8443\";proto=https",
];
