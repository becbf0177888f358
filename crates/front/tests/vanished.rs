//! Who breaks off while it is not read, since the other side takes nothing: its connections end all the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod house;

use std::net::SocketAddr;
use std::time::Duration;

use front::{Settings, VirtualServer};
use house::{House, SOON};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_client_that_breaks_off_is_let_go_though_its_backend_takes_nothing() {
    let backend = service(deaf).await;
    let house = House::open(&site(&format!("tcp:{backend}"))).await;
    let mut client = house.client(None).connect("deaf.test").await.unwrap();
    pour(&mut client).await;
    assert_eq!(house.front.connections().len(), 1);
    client.get_ref().0.set_zero_linger().unwrap();
    drop(client);
    all_gone(&house).await;
}

#[tokio::test]
async fn a_backend_that_breaks_off_costs_its_connection_though_the_client_takes_nothing() {
    let backend = service(pours_and_breaks_off).await;
    let house = House::open(&site(&format!("tcp:{backend}"))).await;
    let _deaf = house.client(None).connect("deaf.test").await.unwrap();
    all_gone(&house).await;
}

#[tokio::test]
async fn a_websocket_of_a_client_that_breaks_off_is_let_go_though_its_backend_takes_nothing() {
    let backend = service(agrees_and_is_deaf).await;
    let house = House::open(&site(&format!("http://{backend}"))).await;
    let mut client = house.client(None).connect("deaf.test").await.unwrap();
    let asks =
        b"GET / HTTP/1.1\r\nHost: deaf.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(asks).await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    pour(&mut client).await;
    client.get_ref().0.set_zero_linger().unwrap();
    drop(client);
    all_gone(&house).await;
}

/// Until nobody is connected any more.
async fn all_gone(house: &House) {
    let gone = async {
        while !house.front.connections().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let outcome = timeout(SOON, gone).await;
    assert!(outcome.is_ok(), "{} are kept", house.front.connections().len());
}

/// Says all that is taken, until nothing is for a while.
async fn pour(stream: &mut (impl AsyncWrite + Unpin)) {
    while let Ok(written) = timeout(Duration::from_millis(500), stream.write(&PIECE)).await {
        assert!(written.unwrap() > 0);
    }
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(SOON, stream.read_u8()).await.expect("in time") {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn deaf(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

async fn pours_and_breaks_off(mut stream: TcpStream) {
    pour(&mut stream).await;
    stream.set_zero_linger().unwrap();
}

async fn agrees_and_is_deaf(mut stream: TcpStream) {
    if read_head(&mut stream).await.is_empty() {
        return;
    }
    let agreed =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(agreed.as_bytes()).await.unwrap();
    deaf(stream).await;
}

/// A service that does this with each connection.
async fn service<F: Future<Output = ()> + Send + 'static>(
    deed: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(deed(stream));
        }
    });
    address
}

fn site(backend: &str) -> Settings {
    let server = VirtualServer::new("deaf.test".parse().unwrap(), backend.parse().unwrap());
    let listen = toml::from_str("address = \"127.0.0.1:0\"").unwrap();
    Settings { listen: vec![listen], server: vec![server], client: Vec::new() }
}

static PIECE: [u8; 16 * 1024] = [7; 16 * 1024];
