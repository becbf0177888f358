//! Who has connections served: what it is told, and what it may change while they last.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Service, Watched, hear, open_by, proxying, read_request, secure, statuses};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use web::{
    Action, Ailment, Backend, Health, Http, Onlooker, Prefix, Refusal, Route, ServeError, Site,
    Upstream, UpstreamLimits,
};

#[tokio::test]
async fn an_open_connection_is_answered_by_the_site_that_holds_at_each_request() {
    let (first, second) = (Service::echo().await, Service::echo().await);
    let watched = Watched::new(first.site());
    let (mut client, _task) = open_by(watched.clone(), secure(Http::One));
    for service in [&first, &second] {
        *watched.site.lock().unwrap() = Arc::new(service.site());
        client.write_all(GET).await.unwrap();
        assert_eq!(statuses(&hear(&mut client).await), [200]);
    }
    assert_eq!((first.heard().len(), second.heard().len()), (1, 1));
    assert_eq!(*watched.asked.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_client_of_http2_is_told_of_as_many_requests_at_once_as_site_and_steward_let_it_have() {
    let service = Service::echo().await;
    for (streams, told) in [(None, 100), (Some(4), 4), (Some(1_000), 100)] {
        let watched = Watched { streams, ..Watched::new(service.site()) };
        let (mut client, _task) = open_by(watched, secure(Http::Two));
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let said = hear(&mut client).await;
        // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2).
        let setting = format!("\0\u{3}\0\0\0{}", char::from(told));
        assert!(said.contains(&setting), "{streams:?}: {said:?}");
    }
}

#[tokio::test]
async fn an_answer_that_its_backend_breaks_off_is_told_and_is_no_fault_of_the_client() {
    let breaks = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            read_request(&mut stream, &mut Vec::new()).await;
            let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning";
            let _ = stream.write_all(begun).await;
        })
    })
    .await;
    let watched = Watched::new(breaks.site());
    let (mut client, task) = open_by(watched.clone(), secure(Http::One));
    client.write_all(GET).await.unwrap();
    assert!(hear(&mut client).await.ends_with("the beginning"));
    assert!(matches!(task.await.unwrap(), Err(ServeError::AnswerBroke(_))));
    assert_eq!(*watched.broke.lock().unwrap(), [Refusal::BackendBroken]);
    assert!(watched.refused.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_websocket_is_one_request() {
    let agrees = Service::with(|mut stream, _| {
        tokio::spawn(async move {
            read_request(&mut stream, &mut Vec::new()).await;
            let agreed =
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            let _ = stream.write_all(agreed).await;
            sleep(Duration::from_millis(100)).await;
        })
    })
    .await;
    let watched = Watched::new(agrees.site());
    let (mut client, task) = open_by(watched.clone(), secure(Http::One));
    let request =
        b"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(request).await.unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [101]);
    drop(client);
    assert_eq!(task.await.unwrap().unwrap().requests, 1);
    assert_eq!(*watched.asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_backend_that_is_found_unwell_is_told_with_the_cause_and_again_when_it_is_back() {
    let status = Arc::new(Mutex::new(503));
    let said = Arc::clone(&status);
    let service = Service::with(move |mut stream, _| {
        let said = Arc::clone(&said);
        tokio::spawn(async move {
            read_request(&mut stream, &mut Vec::new()).await;
            let status = *said.lock().unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        })
    })
    .await;
    let health = Health {
        path: "/healthz".parse().unwrap(),
        every: Duration::from_millis(20),
        within: Duration::from_secs(5),
    };
    let told = Arc::new(Told::default());
    let upstream = Upstream::new(vec![service.backend()], UpstreamLimits::default()).unwrap();
    let upstream = Arc::new(upstream.with_health(health).with_onlooker(Arc::clone(&told) as _));
    let watching = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { upstream.watch().await }
    });
    assert!(told.says("0 is out: it answers 503 Service Unavailable where it is looked at").await);
    assert!(matches!(upstream.ailments()[..], [Some(Ailment::Unwell(_))]));
    *status.lock().unwrap() = 204;
    assert!(told.says("0 is back").await);
    assert!(matches!(upstream.ailments()[..], [None]));
    watching.abort();
}

#[tokio::test]
async fn a_backend_that_takes_no_connection_is_told_with_the_systems_word() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let told = Arc::new(Told::default());
    let backends = vec![Backend::tcp("127.0.0.1", nobody)];
    let upstream = Upstream::new(backends, UpstreamLimits::default()).unwrap();
    let upstream = Arc::new(upstream.with_onlooker(Arc::clone(&told) as _));
    let prefix: Prefix = "/".parse().unwrap();
    let site = Site::new(vec![Route { prefix, action: Action::Proxy(upstream) }]);
    let watched = Watched::new(site);
    let (mut client, _task) = open_by(watched.clone(), secure(Http::One));
    for _ in 0..3 {
        client.write_all(GET).await.unwrap();
        assert_eq!(statuses(&hear(&mut client).await), [502]);
    }
    assert!(told.says("0 is out: it takes no connection: Connection refused").await);
    assert_eq!(*watched.refused.lock().unwrap(), [Refusal::BackendDown; 3]);
}

#[tokio::test]
async fn many_backends_share_requests_by_their_weights() {
    let (one, other) = (Service::echo().await, Service::echo().await);
    let backends = vec![one.backend().with_weight(3), other.backend()];
    let watched = Watched::new(proxying(backends, UpstreamLimits::default()));
    let (mut client, _task) = open_by(watched, secure(Http::One));
    for _ in 0..8 {
        client.write_all(GET).await.unwrap();
        assert_eq!(statuses(&hear(&mut client).await), [200]);
    }
    assert_eq!((one.heard().len(), other.heard().len()), (6, 2));
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_speaks_may_go_on_for_a_while_and_hears_why() {
    let service = Service::echo().await;
    let mut site = service.site();
    site.limits.body = Some(1000);
    let (mut client, _task) = open_by(Watched::new(site), secure(Http::One));
    let head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n";
    client.write_all(head).await.unwrap();
    for _ in 0..100 {
        client.write_all(&[b'x'; 10_000]).await.unwrap();
    }
    assert_eq!(statuses(&hear(&mut client).await), [413]);
    client.write_all(GET).await.unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [200], "the connection goes on");
    assert_eq!(service.heard().len(), 1);
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    async fn says(&self, what: &str) -> bool {
        let seen = async {
            while !self.0.lock().unwrap().iter().any(|said| said.starts_with(what)) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), seen).await.is_ok()
    }
}

impl Onlooker for Told {
    fn left_out(&self, backend: usize, why: &Ailment) {
        self.0.lock().unwrap().push(format!("{backend} is out: {why}"));
    }

    fn is_back(&self, backend: usize) {
        self.0.lock().unwrap().push(format!("{backend} is back"));
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
