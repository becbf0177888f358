use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;
use crate::connections::MOST;
use crate::parting::AT_MOST;
use crate::reception::Reception;
use crate::testing::World;

#[tokio::test]
async fn a_crl_comes_over_the_network_and_a_head_without_it() {
    let world = World::new();
    let listener = listen_for(&world);
    let path = format!("/ca/{}.crl", world.ca().tag());
    let answer = exchange(&listener, &format!("GET {path} HTTP/1.1\r\n{END}")).await;
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(pki::Crl::from_der(body).unwrap().verify(world.ca()).is_ok());
    let answer = exchange(&listener, &format!("HEAD {path} HTTP/1.1\r\n{END}")).await;
    let (head, nothing) = split(&answer);
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_has_come() {
    let world = World::new();
    let listener = listen_for(&world);
    let path = format!("/ca/{}/ocsp", world.ca().tag());
    let octets = LONGEST_REQUEST + 1;
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/ocsp-request\r\n\
         Content-Length: {octets}\r\n{END}"
    );
    let answer = exchange(&listener, &(head + &"x".repeat(octets))).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_connection_stays_until_whoever_asked_has_closed_it_and_for_some_seconds_at_most() {
    let world = World::new();
    let listener = listen_for(&world);
    let path = format!("/ca/{}.crl", world.ca().tag());
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{END}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(pki::Crl::from_der(split(&answer).1).is_ok());
    let began = Instant::now();
    for _ in 0..5 {
        stream.write_all(b"x").await.expect("what is said now resets nothing");
        sleep(Duration::from_millis(50)).await;
    }
    while stream.write_all(b"x").await.is_ok() {
        assert!(began.elapsed() < 3 * AT_MOST, "it stays for ever");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn whoever_is_slow_is_cut_off_and_keeps_nobody_from_an_answer() {
    let world = World::new();
    let listener = listen_for(&world);
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..MOST + 50 {
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        stream.write_all(b"GET /").await.unwrap();
        slow.push(stream);
    }
    let path = format!("/ca/{}.crt", world.ca().tag());
    let answer = exchange(&listener, &format!("GET {path} HTTP/1.1\r\n{END}")).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    // The first ones made room; the last ones have their seconds.
    let mut rest = Vec::new();
    slow[0].read_to_end(&mut rest).await.ok();
    slow.last_mut().unwrap().read_to_end(&mut rest).await.ok();
    assert!(began.elapsed() < 4 * FOR_A_HEAD);
}

#[tokio::test]
async fn a_taken_port_is_named_and_any_address_takes_both_families() {
    let world = World::new();
    let first = listen_for(&world);
    let error = Listener::bind(first.address(), Arc::clone(&world.service)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("is taken, so CRL and OCSP"), "{said}");
    let any: SocketAddr = ([0; 8], 0).into();
    let any = Listener::bind(any, Arc::clone(&world.service)).unwrap();
    let four: SocketAddr = ([127, 0, 0, 1], any.address().port()).into();
    assert!(TcpStream::connect(four).await.is_ok());
}

#[tokio::test]
async fn what_is_not_published_is_sent_to_https_where_that_is_spoken_and_the_rest_never_is() {
    let world = World::new();
    let listener = listen_for(&world);
    let answer = exchange(&listener, &format!("GET /x HTTP/1.1\r\n{END}")).await;
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
    world.service.send_to_https(Some(8443));
    let answer = exchange(&listener, &format!("GET /x HTTP/1.1\r\n{END}")).await;
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 308 ") && head.contains(":8443/x\r\n"), "{head}");
    assert!(!head.contains("strict-transport-security"), "{head}");
    for (path, status) in [
        (format!("/ca/{}.crl", world.ca().tag()), 200),
        ("/ca/other.crl".to_owned(), 404),
        ("/.well-known/acme-challenge/other".to_owned(), 404),
    ] {
        let answer = exchange(&listener, &format!("GET {path} HTTP/1.1\r\n{END}")).await;
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{path}");
    }
}

#[tokio::test]
async fn what_a_ca_looks_for_is_read_in_the_clear_for_as_long_as_it_is_shown() {
    let world = World::new();
    let listener = listen_for(&world);
    world.service.send_to_https(Some(443));
    let look = format!("GET /.well-known/acme-challenge/a-token HTTP/1.1\r\n{END}");
    world.tokens.show("a-token", "a-token.thumbprint");
    let answer = exchange(&listener, &look).await;
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, b"a-token.thumbprint");
    let post = look.replace("GET", "POST");
    assert!(exchange(&listener, &post).await.starts_with(b"HTTP/1.1 405 "));
    world.tokens.take_down("a-token");
    assert!(exchange(&listener, &look).await.starts_with(b"HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_connection_that_another_listener_took_is_answered_whatever_of_it_was_read_there() {
    let world = World::new();
    let reception = Reception::new(Arc::clone(&world.service));
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/ca/{}.crt", world.ca().tag());
    for (path, read, begin) in [(&path[..], 4, "HTTP/1.1 200 "), ("/x", 1000, "HTTP/1.1 308 ")] {
        let mut client = TcpStream::connect(other.local_addr().unwrap()).await.unwrap();
        client.write_all(format!("GET {path} HTTP/1.1\r\n{END}").as_bytes()).await.unwrap();
        let (mut stream, source) = other.accept().await.unwrap();
        let mut received = vec![0; read];
        let count = stream.read(&mut received).await.unwrap();
        received.truncate(count);
        reception.take(stream.into_std().unwrap(), source, received, Some(443));
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(begin.as_bytes()), "{}", String::from_utf8_lossy(&answer));
    }
}

fn listen_for(world: &World) -> Listener {
    Listener::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&world.service)).unwrap()
}

async fn exchange(listener: &Listener, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is the end of it as well.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&answer[..end]).into_owned(), &answer[end..])
}

const END: &str = "Host: ca.example\r\nConnection: close\r\n\r\n";
