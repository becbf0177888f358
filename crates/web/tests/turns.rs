//! Whose turn it is at a backend, and how long it lasts: no client, and no backend, keeps the others from theirs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Service, open, plain, proxying, read_request, say, secure, statuses};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep, timeout};
use web::{Backend, Connecting, Connection, Http, Site, Stream, UpstreamLimits, Way, serve};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_with_half_of_a_backends_places_leaves_the_others_to_others() {
    let service = slow(Duration::from_secs(3)).await;
    let turn = Duration::from_millis(300);
    let limits = UpstreamLimits { requests: 4, turn, ..UpstreamLimits::default() };
    let site = Arc::new(proxying(vec![service.backend()], limits));
    let of = |peer: &str, http| Connection { peer: peer.parse().unwrap(), ..secure(http) };
    let mut greedy = Vec::new();
    // From one host, over several connections.
    for port in 1..=3 {
        let mut sender = two(&site, of(&format!("192.0.2.7:{port}"), Http::Two)).await;
        greedy.extend((0..2).map(|_| tokio::spawn(sender.send_request(get()))));
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(service.heard().len(), 2);
    let mut other = two(&site, of("192.0.2.8:1", Http::Two)).await;
    let (one, another) = tokio::join!(other.send_request(get()), other.send_request(get()));
    assert_eq!((one.unwrap().status().as_u16(), another.unwrap().status().as_u16()), (200, 200));
    let mut answers = Vec::new();
    for answer in greedy {
        answers.push(answer.await.unwrap().unwrap().status().as_u16());
    }
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 503, 503, 503, 503]);
    assert_eq!(service.heard().len(), 4);
}

#[tokio::test]
async fn a_backend_without_a_free_place_is_passed_over_for_one_that_has_it() {
    let (full, idle) = (slow(Duration::from_secs(4)).await, Service::echo().await);
    let limits = UpstreamLimits { requests: 2, ..UpstreamLimits::default() };
    let site = Arc::new(proxying(vec![full.backend().with_weight(9), idle.backend()], limits));
    let mut sender = two(&site, secure(Http::Two)).await;
    let first = tokio::spawn(sender.send_request(get()));
    while full.heard().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    for _ in 0..5 {
        let answer = sender.send_request(get()).await.unwrap();
        assert!(answer.into_body().collect().await.is_ok());
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((full.heard().len(), idle.heard().len()), (1, 5));
    first.abort();
}

#[tokio::test]
async fn streams_of_events_take_no_places_of_requests_and_have_their_own() {
    let service = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            while let Some(request) = read_request(&mut stream, &mut Vec::new()).await {
                let answer: &[u8] = match request.starts_with("GET /events") {
                    true => {
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
                    }
                    false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                };
                let _ = stream.write_all(answer).await;
                if request.starts_with("GET /events") {
                    sleep(Duration::from_secs(60)).await;
                }
            }
        })
    })
    .await;
    let turn = Duration::from_millis(300);
    let limits = UpstreamLimits { requests: 4, turn, ..UpstreamLimits::default() };
    let site = Arc::new(proxying(vec![service.backend()], limits));
    let mut sender = two(&site, secure(Http::Two)).await;
    let events = || Request::get("https://a.example/events").body(Empty::<Bytes>::new()).unwrap();
    let first = sender.send_request(events()).await.unwrap();
    let second = sender.send_request(events()).await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(sender.send_request(get()).await.unwrap().status(), 200);
    let third = sender.send_request(events()).await.unwrap();
    assert_eq!(third.status(), 503, "half of four places are one client's");
    drop(first);
    drop(second);
}

#[tokio::test]
async fn a_backend_that_hangs_three_times_gets_no_more_turns() {
    let (hung, well) = (slow(Duration::from_secs(60)).await, Service::echo().await);
    let limits = UpstreamLimits { answer: Duration::from_millis(100), ..UpstreamLimits::default() };
    let site = Arc::new(proxying(vec![hung.backend(), well.backend()], limits));
    let mut answers = Vec::new();
    for _ in 0..12 {
        let (mut client, theirs) = duplex(65536);
        let served = serve(theirs, secure(Http::One), Arc::clone(&site), std::future::pending());
        tokio::spawn(served);
        client.write_all(GET).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answers.push(statuses(&answer)[0]);
    }
    assert_eq!(answers.iter().filter(|status| **status == 504).count(), 3, "{answers:?}");
    assert_eq!(answers[6..], [200; 6]);
}

#[tokio::test]
async fn the_time_for_an_answer_begins_when_the_request_is_sent() {
    let service = slow(Duration::from_millis(300)).await;
    let answer = Duration::from_millis(450);
    let limits = UpstreamLimits { answer, requests: 1, ..UpstreamLimits::default() };
    let site = Arc::new(proxying(vec![service.backend()], limits));
    let mut sender = two(&site, secure(Http::Two)).await;
    let (first, second) = tokio::join!(sender.send_request(get()), sender.send_request(get()));
    assert_eq!((first.unwrap().status().as_u16(), second.unwrap().status().as_u16()), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn who_sends_an_octet_now_and_then_loses_its_place() {
    let site = proxying(vec![Backend::by(Arc::new(Within))], UpstreamLimits::default());
    let (mut client, _served) = open(site, secure(Http::One));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n";
    client.write_all(head).await.unwrap();
    let begun = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(client);
    let drip = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(10)).await;
        }
    });
    let mut answer = [0; 12];
    timeout(Duration::from_secs(120), reader.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!((20..60).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn who_sends_slowly_but_steadily_is_heard_to_the_end() {
    let site = proxying(vec![Backend::by(Arc::new(Within))], UpstreamLimits::default());
    let (mut client, _served) = open(site, plain(Http::One));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
    client.write_all(head).await.unwrap();
    for _ in 0..60 {
        client.write_all(&[b'x'; 1000]).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    let mut answer = [0; 12];
    timeout(Duration::from_secs(120), client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn limits_beyond_all_measure_are_the_nearest_that_can_be_kept_to() {
    let service = Service::echo().await;
    let far = Duration::MAX;
    for (requests, time, octets) in [(usize::MAX, far, usize::MAX), (1, far, 0)] {
        for http in [Http::One, Http::Two] {
            let limits =
                UpstreamLimits { connect: time, answer: time, silence: time, requests, turn: time };
            let mut site = proxying(vec![service.backend()], limits);
            site.limits = web::Limits {
                head: octets,
                fields: usize::MAX,
                head_time: time,
                idle: time,
                body_time: time,
                body: Some(u64::MAX),
                stall: time,
                streams: u32::MAX,
                drain: time,
                tunnel_idle: time,
            };
            assert!(site.limits.memory(http) > 0);
            match http {
                Http::One => assert_eq!(statuses(&say(site, secure(http), POST).await), [200]),
                Http::Two => {
                    let mut sender = two(&Arc::new(site), secure(http)).await;
                    assert_eq!(sender.send_request(get()).await.unwrap().status(), 200);
                }
            }
        }
    }
}

const POST: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

/// Takes all that comes, and answers.
#[derive(Debug)]
struct Within;

impl Way for Within {
    fn connect(&self) -> Connecting<'_> {
        let (near, mut far) = duplex(65536);
        tokio::spawn(async move {
            let mut heard = Vec::new();
            while far.read_buf(&mut heard).await.unwrap_or(0) > 0 {
                if heard.len() > 60_000 {
                    let _ = far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                }
            }
        });
        Box::pin(async { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

/// Answers each request so much later.
async fn slow(later: Duration) -> Service {
    Service::with(move |mut stream, heard| {
        tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(request) = read_request(&mut stream, &mut rest).await {
                heard.lock().unwrap().push(request);
                sleep(later).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        })
    })
    .await
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("https://a.example/").body(Empty::new()).unwrap()
}

async fn two(site: &Arc<Site>, connection: Connection) -> http2::SendRequest<Empty<Bytes>> {
    let (ours, theirs) = duplex(65536);
    tokio::spawn(serve(theirs, connection, Arc::clone(site), std::future::pending()));
    let (sender, driver) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await.unwrap();
    tokio::spawn(driver);
    sender
}
