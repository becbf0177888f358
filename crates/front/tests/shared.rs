//! One address for several protocols: each goes where it belongs, with the client's address, and everything else nowhere.

mod house;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use front::{Neighbours, Passed, Protocol, Settings};
use house::{Backend, House, SOON, ask};
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn each_protocol_goes_where_it_belongs_with_every_byte_and_the_clients_address() {
    let backend = Backend::open("wiki").await;
    let beside = Arc::new(Beside::default());
    let house = House::open_beside(&settings("", &backend), Arc::clone(&beside) as _).await;
    let (vpn, web) = (&b"\0\x0e\x38 a packet"[..], &b"GET / HTTP/1.1\r\n\r\n"[..]);
    for (what, bytes) in [("openvpn", vpn), ("http", web)] {
        let mut client = tokio::net::TcpStream::connect(house.door).await.unwrap();
        for byte in bytes {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let came = beside.next().await;
        assert_eq!((came.what, came.source), (what, client.local_addr().unwrap()));
        assert!(came.beside_tls && came.local == house.door);
        let rest = bytes.strip_prefix(&came.received[..]).expect("what was said");
        let mut answered = vec![0; 6 + rest.len()];
        client.read_exact(&mut answered).await.unwrap();
        assert_eq!(answered, [b"heard ", rest].concat());
    }
    assert!(house.front.connections().is_empty());
    assert_eq!(house.client(None).ask("wiki.test", "hello").await.unwrap(), "wiki: hello");
}

#[tokio::test]
async fn postgresql_asks_for_tls_and_gets_the_server_that_speaks_it() {
    let (web, database) = (Backend::open("web").await, Backend::open("database").await);
    let mut settings = settings("", &web);
    settings.server[0].alpn = vec!["h2".to_owned()];
    let mut second = settings.server[0].clone();
    second.alpn = vec!["postgresql".to_owned()];
    second.backend = format!("tcp:{}", database.address).parse().ok();
    settings.server.push(second);
    let house = House::open(&settings).await;
    let mut socket = tokio::net::TcpStream::connect(house.door).await.unwrap();
    for (question, answer) in [(GSS, b"N"), (SSL, b"S")] {
        socket.write_all(question).await.unwrap();
        let mut said = [0];
        socket.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, answer);
    }
    let connector = TlsConnector::from(Arc::new(house.client(None).config));
    let name = ServerName::try_from("wiki.test").unwrap();
    let mut stream = connector.connect(name, socket).await.unwrap();
    assert_eq!(ask(&mut stream, "hello").await.unwrap(), "database: hello");
}

#[tokio::test]
async fn what_the_address_is_not_for_is_refused_with_what_it_was() {
    let backend = Backend::open("wiki").await;
    let beside = Arc::new(Beside::default());
    let only = settings("protocols = [\"tls\", \"http\"]", &backend);
    let house = House::open_beside(&only, Arc::clone(&beside) as _).await;
    let injected = [SSL, b"\x16\x03\x01"].concat();
    for (first, code) in [
        (&b"\0\x0e\x38"[..], "protocol_not_taken"),
        (b"SSH-2.0-x\r\n", "unknown_protocol"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n", "proxy_not_listed"),
    ] {
        say(house.door, first).await;
        assert_eq!(house.refused(code).await, None);
    }
    house.reload(&settings("", &backend));
    say(house.door, &injected).await;
    assert_eq!(house.refused("bytes_before_tls").await, None);
    let lonely = House::open(&settings("", &backend)).await;
    say(lonely.door, b"GET / HTTP/1.1\r\n").await;
    assert_eq!(lonely.refused("protocol_not_open").await, None);
    assert!(beside.came.lock().unwrap().is_empty());
}

#[tokio::test]
async fn behind_postgresqls_question_for_gssapi_nobody_gets_where_the_address_does_not_lead() {
    let backend = Backend::open("wiki").await;
    let beside = Arc::new(Beside::default());
    let only = settings("protocols = [\"tls\", \"postgresql\"]", &backend);
    let house = House::open_beside(&only, Arc::clone(&beside) as _).await;
    for first in [&b"\0\x0e\x38"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut client = tokio::net::TcpStream::connect(house.door).await.unwrap();
        client.write_all(GSS).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'N');
        client.write_all(first).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(SOON, client.read_to_end(&mut rest)).await.expect("an end in time");
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert_eq!(house.refused("unknown_protocol").await, None);
    assert!(beside.came.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_listed_proxy_says_whose_it_is_before_the_address_is_shared() {
    let backend = Backend::open("wiki").await;
    let beside = Arc::new(Beside::default());
    let proxied = settings("proxies = [\"127.0.0.0/8\"]", &backend);
    let house = House::open_beside(&proxied, Arc::clone(&beside) as _).await;
    let line = b"PROXY TCP4 192.0.2.7 203.0.113.1 4000 8443\r\n";
    let mut client = tokio::net::TcpStream::connect(house.door).await.unwrap();
    client.write_all(&[&line[..], b"\0\x0e\x38"].concat()).await.unwrap();
    let came = beside.next().await;
    assert_eq!((came.what, came.source), ("openvpn", "192.0.2.7:4000".parse().unwrap()));
    assert_eq!(
        (came.local, &came.received[..]),
        ("203.0.113.1:8443".parse().unwrap(), &b"\0\x0e\x38"[..])
    );
    let stream = house.client(None).connect_behind("wiki.test", line).await;
    assert_eq!(ask(&mut stream.unwrap(), "hello").await.unwrap(), "wiki: hello");
    say(house.door, &[b"\0\x0e\x38", &[0; 100][..]].concat()).await;
    house.refused("bad_proxy_header").await;
}

#[tokio::test]
async fn an_address_for_plain_requests_alone_ends_no_tls() {
    let backend = Backend::open("wiki").await;
    let beside = Arc::new(Beside::default());
    let mut settings = settings("", &backend);
    settings.listen[0].mode = "http".parse().unwrap();
    let house = House::open_beside(&settings, Arc::clone(&beside) as _).await;
    assert!(house.client(None).ask("wiki.test", "hello").await.is_err());
    house.refused("protocol_not_taken").await;
    let mut client = tokio::net::TcpStream::connect(house.door).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let came = beside.next().await;
    assert_eq!((came.what, came.beside_tls), ("http", false));
}

#[tokio::test]
async fn segments_fit_a_narrow_link_where_openvpn_may_come_and_nowhere_else() {
    let backend = Backend::open("wiki").await;
    let shared = settings("", &backend);
    let mut web = shared.clone();
    web.listen[0].protocols = vec![Protocol::Tls];
    let house = House::open(&shared).await;
    let segment = |door| {
        let stream = TcpStream::connect(door).expect("connected");
        SockRef::from(&stream).tcp_mss().expect("asked")
    };
    // Twelve of them are for time stamps.
    assert!((1300..=1340).contains(&segment(house.door)), "{}", segment(house.door));
    house.reload(&web);
    assert!(segment(house.door) > 1340, "{}", segment(house.door));
    house.reload(&shared);
    assert!(segment(house.door) <= 1340, "{}", segment(house.door));
}

async fn say(door: SocketAddr, bytes: &[u8]) {
    let mut client = tokio::net::TcpStream::connect(door).await.expect("connected");
    client.write_all(bytes).await.expect("sent");
    // Its end, or a reset: more had come than was read.
    let _ = timeout(SOON, client.read_to_end(&mut Vec::new())).await.expect("an end in time");
}

fn settings(more: &str, backend: &Backend) -> Settings {
    let text = format!(
        "[[listen]]\naddress = \"127.0.0.1:0\"\nmode = \"shared\"\n{more}\n\
         [[server]]\nnames = [\"wiki.test\"]\nbackend = \"tcp:{}\"\n",
        backend.address
    );
    toml::from_str(&text).expect("settings")
}

/// Doors beside, which answer with what they hear after what came.
#[derive(Debug, Default)]
struct Beside {
    came: Mutex<Vec<Came>>,
}

#[derive(Debug)]
struct Came {
    what: &'static str,
    received: Vec<u8>,
    source: SocketAddr,
    local: SocketAddr,
    beside_tls: bool,
}

impl Beside {
    async fn next(&self) -> Came {
        let waiting = async {
            loop {
                let came = self.came.lock().expect("whole").pop();
                match came {
                    Some(came) => return came,
                    None => sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        timeout(SOON, waiting).await.expect("somebody comes in time")
    }

    fn take(&self, what: &'static str, passed: Passed) -> bool {
        let Passed { stream, received, source, local, beside_tls } = passed;
        self.came.lock().expect("whole").push(Came { what, received, source, local, beside_tls });
        std::thread::spawn(move || echo(stream));
        true
    }
}

fn echo(mut stream: TcpStream) {
    stream.set_nonblocking(false).expect("set");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream.write_all(b"heard ").expect("sent");
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) => stream.write_all(&byte).expect("sent"),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

impl Neighbours for Beside {
    fn take_openvpn(&self, passed: Passed) -> bool {
        self.take("openvpn", passed)
    }

    fn take_http(&self, passed: Passed) -> bool {
        self.take("http", passed)
    }
}

const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
