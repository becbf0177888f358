//! Both sides over streams, with somebody behind TLS who knows nothing of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use starttls::{Fault, Greeting, Protocol, Relay, Upgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;
use upgrade::{Between, Failed, to_tls};

#[tokio::test]
async fn both_sides_of_each_protocol_meet_over_streams_that_take_little() {
    for protocol in Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::Mysql) {
        let (mut near, mut far) = duplex(5);
        let mut server = Upgrade::server(protocol, &Greeting::of("service.test")).unwrap();
        let mut client = Upgrade::client(protocol, "service.test");
        let both =
            async { tokio::join!(to_tls(&mut near, &mut server), to_tls(&mut far, &mut client)) };
        let both = timeout(Duration::from_secs(5), both).await.expect("they meet");
        assert!(matches!(both, (Ok(_), Ok(_))), "{protocol}: {both:?}");
    }
}

#[tokio::test]
async fn a_peer_that_puts_something_behind_its_command_is_left() {
    let (mut near, mut far) = duplex(4096);
    far.write_all(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n").await.unwrap();
    let mut server = Upgrade::server(Protocol::Smtp, &Greeting::of("mx.test")).unwrap();
    let outcome = to_tls(&mut near, &mut server).await;
    assert!(matches!(outcome, Err(Failed::Fault(Fault::Injected))));
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("220 mx.test") && !heard.contains("220 2.0.0"), "{heard}");
}

#[tokio::test]
async fn a_client_behind_tls_hears_one_greeting_and_no_second_offer() {
    let (service, mut backend) = duplex(7);
    let backend = tokio::spawn(async move {
        backend.write_all(b"220 inner.test ESMTP\r\n").await.unwrap();
        assert_eq!(line(&mut backend).await, "EHLO me\r\n");
        backend.write_all(b"250-inner.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n").await.unwrap();
        assert_eq!(line(&mut backend).await, "QUIT\r\n");
    });
    let mut between = Between::new(service, Relay::behind(Protocol::Smtp, false, None));
    between.settle().await.unwrap();
    between.write_all(b"EHLO me\r\n").await.unwrap();
    between.flush().await.unwrap();
    let expected = b"250-inner.test\r\n250 8BITMIME\r\n";
    let mut heard = vec![0; expected.len()];
    between.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, expected);
    between.write_all(b"QUIT\r\n").await.unwrap();
    backend.await.unwrap();
    assert_eq!(between.read(&mut heard).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_that_comes_of_what_the_client_says_wakes_who_waits_for_it() {
    let (service, mut backend) = duplex(64);
    let between = Between::new(service, Relay::before(Protocol::Postgresql, "db.test", &[]));
    let (mut reads, mut writes) = tokio::io::split(between);
    let reader = tokio::spawn(async move {
        let mut answer = [0];
        reads.read_exact(&mut answer).await.unwrap();
        answer
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    writes.write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]).await.unwrap();
    let answer = timeout(Duration::from_secs(5), reader).await.expect("it is woken").unwrap();
    assert_eq!(&answer, b"N");
    writes.write_all(b"\0\0\0\x08\0\x03\0\0").await.unwrap();
    writes.shutdown().await.unwrap();
    let mut heard = Vec::new();
    backend.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"\0\0\0\x08\0\x03\0\0");
}

async fn line(stream: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}
