//! Requests through the door: what a change of settings means to connections that are open, and what is counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod house;

use std::net::SocketAddr;

use front::{Clients, Holder, Settings, VirtualServer};
use house::{Client, House, SOON};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use names::{DeviceName, UserName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

#[tokio::test]
async fn open_connections_follow_the_settings_for_as_long_as_they_would_be_let_in() {
    let (first, second, third) =
        (service("first").await, service("second").await, service("third").await);
    let house = House::open(&site(first, Clients::None)).await;
    let mut open = house.client(None).connect("web.test").await.unwrap();
    assert_eq!(get(&mut open, "/").await, "first");
    house.reload(&site(second, Clients::None));
    assert_eq!(get(&mut open, "/").await, "second");
    house.reload(&site(third, Clients::Required));
    assert_eq!(get(&mut open, "/").await, "first", "it stays as it came");
    house.reload(&site(third, Clients::Optional));
    assert_eq!(get(&mut open, "/").await, "third");
}

#[tokio::test]
async fn a_connection_that_is_used_for_a_stricter_name_hears_that_it_is_misdirected() {
    let (open, closed) = (service("open").await, service("closed").await);
    let server = |name: &str, backend: SocketAddr, clients| VirtualServer {
        clients,
        ..VirtualServer::new(name.parse().unwrap(), format!("http://{backend}").parse().unwrap())
    };
    let few = VirtualServer {
        users: vec!["bob".parse().unwrap()],
        ..server("few.test", closed, Clients::Required)
    };
    let mut settings = site(open, Clients::None);
    settings.server.extend([
        server("known.test", open, Clients::Optional),
        server("closed.test", closed, Clients::Required),
        few,
    ]);
    let house = House::open(&settings).await;
    let alice = house.device("alice");
    let cases = [("web.test", None), ("known.test", None), ("known.test", Some(alice.clone()))];
    for (name, identity) in cases {
        let known = identity.is_some();
        let mut connection = over_two(house.client(identity), name).await;
        for round in 0..2 {
            let (status, body) = ask(&mut connection, name).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, "open"), "{round}: {name}");
            for stricter in ["closed.test", "CLOSED.test:443", "few.test"] {
                let (status, body) = ask(&mut connection, stricter).await;
                assert_eq!(
                    status,
                    StatusCode::MISDIRECTED_REQUEST,
                    "{stricter} by {name}, {known}"
                );
                assert_ne!(body, "closed");
            }
        }
    }
    // Over a connection of its own she is let in.
    let mut own = over_two(house.client(Some(alice)), "closed.test").await;
    assert_eq!(ask(&mut own, "closed.test").await, (StatusCode::OK, "closed".to_owned()));
}

#[tokio::test]
async fn what_was_carried_and_refused_is_counted_by_server_and_by_device() {
    let backend = service("web").await;
    let house = House::open(&site(backend, Clients::Optional)).await;
    let alice = house.device("alice");
    let mut known = house.client(Some(alice)).connect("web.test").await.unwrap();
    assert_eq!(get(&mut known, "/").await, "web");
    assert!(get(&mut known, "/../x").await.contains("no path may"));
    let mut stranger = house.client(None).connect("web.test").await.unwrap();
    assert_eq!(get(&mut stranger, "/").await, "web");
    let sums = house.front.sums();
    let server = sums.servers["web.test"];
    assert_eq!((server.connections, server.requests), (2, 3));
    let alice =
        Holder { user: UserName::new("alice").unwrap(), device: DeviceName::default_device() };
    let device = sums.devices[&alice];
    assert_eq!((device.connections, device.requests, sums.devices.len()), (1, 2, 1));
    assert!(device.incoming > 0 && server.outgoing > device.outgoing);
    let state = &house.front.servers()[0];
    assert_eq!((state.failed.refused["http-path"], state.failed.by_fault), (1, [1, 0, 0]));
    assert_eq!(state.backends.len(), 1);
    assert_eq!(state.backends[0].ailment, None);
    drop((known, stranger));
    let closed = async {
        while !house.front.connections().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, closed).await.unwrap();
    let after = house.front.sums();
    assert!(after.servers["web.test"].outgoing >= server.outgoing, "no sum gets smaller");
    assert_eq!(after.servers["web.test"].connections, 2);
}

#[tokio::test]
async fn a_request_is_answered_in_whatever_pieces_it_comes_and_however_late() {
    let backend = service("web").await;
    let house = House::open(&site(backend, Clients::None)).await;
    let mut stream = house.client(None).connect("web.test").await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
    for pieces in [&request[..1], &request[1..2], &request[2..20]] {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stream.write_all(pieces).await.unwrap();
        stream.flush().await.unwrap();
    }
    // The rest of it, and the next one.
    stream.write_all(&request[20..]).await.unwrap();
    assert_eq!(body(&mut stream).await, "web");
    assert_eq!(get(&mut stream, "/").await, "web");
    // One that leaves without a word is no failure.
    let mut silent = house.client(None).connect("web.test").await.unwrap();
    silent.shutdown().await.unwrap();
    let mut heard = Vec::new();
    timeout(SOON, silent.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert!(heard.is_empty());
    let ended = async {
        while house.records.ended().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, ended).await.unwrap();
    assert_eq!(house.records.ended(), ["finished"]);
}

fn site(backend: SocketAddr, clients: Clients) -> Settings {
    let target = format!("http://{backend}").parse().unwrap();
    let server =
        VirtualServer { clients, ..VirtualServer::new("web.test".parse().unwrap(), target) };
    let listen = toml::from_str("address = \"127.0.0.1:0\"").unwrap();
    Settings { listen: vec![listen], server: vec![server], client: Vec::new() }
}

type Connection = SendRequest<Empty<Bytes>>;

/// A connection over HTTP/2 to the server of this name.
async fn over_two(mut client: Client, name: &str) -> Connection {
    client.config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = client.connect(name).await.unwrap();
    let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request for this name, whatever the connection is for.
async fn ask(connection: &mut Connection, name: &str) -> (StatusCode, String) {
    let request = Request::get(format!("https://{name}/")).body(Empty::new()).unwrap();
    let answer = timeout(SOON, connection.send_request(request)).await.unwrap().unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A web service that answers each request with its name.
async fn service(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, name));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, name: &str) {
    let mut heard = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut heard).await {
        if heard.ends_with(b"\r\n\r\n") {
            heard.clear();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The body of an answer.
async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: web.test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    body(stream).await
}

async fn body(stream: &mut TlsStream<TcpStream>) -> String {
    let mut heard = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&heard).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse::<usize>().unwrap())
                });
                if body.len() == length.unwrap() {
                    return body.trim().to_owned();
                }
            }
            assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "{text}");
        }
    };
    timeout(SOON, whole).await.unwrap()
}
