//! Where bytes go on to: several backends in their turns, and backends over TLS.

mod house;

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use front::{Settings, Trust};
use house::{Backend, House, SOON, ask};
use rustls::pki_types::ServerName;
use starttls::{Greeting, Protocol, Upgrade};
use testkit::Authority;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use upgrade::to_tls;

#[tokio::test]
async fn connections_go_to_several_backends_by_their_weights_and_past_one_that_is_not_there() {
    let (one, two) = (Backend::open("one").await, Backend::open("two").await);
    let both = [(one.address.to_string(), 2), (two.address.to_string(), 1)];
    let mut settings = settings(&backends(&both));
    let house = House::open(&settings).await;
    let client = house.client(None);
    for _ in 0..6 {
        client.ask("db.test", "hello").await.expect("one of both answers");
    }
    assert_eq!((one.heard().len(), two.heard().len()), (4, 2));

    settings.server[0].backends[0].to = "tcp:127.0.0.1:1".parse().expect("a backend");
    house.reload(&settings);
    for _ in 0..6 {
        let answer = client.ask("db.test", "hello").await.expect("the other one answers");
        assert_eq!(answer, "two: hello");
    }
    let states = &house.front.servers()[0].backends;
    assert!(states[0].ailment.is_some() && states[1].ailment.is_none(), "{states:?}");
}

#[tokio::test]
async fn a_backend_over_tls_hears_who_the_client_is_before_tls_and_is_shown_our_certificate() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("shown"));
    let (address, _) = secure(&ca, "db.test", answer).await;
    let trust = trust(&ca, &folder);
    let mut settings = settings(&format!("backend = \"tls:{address}\"\nproxy = \"v1\"\n"));
    settings.server[0].backend_tls = trust.clone();
    let house = House::open(&settings).await;
    let answer = house.client(None).ask("db.test", "hello").await.expect("it answers");
    assert!(answer.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "), "{answer}");
    assert!(answer.ends_with(" hello"), "{answer}");

    for lacking in [
        Trust { name: Some("other.test".to_owned()), ..trust.clone() },
        Trust { ca: None, ..trust.clone() },
        Trust { key: Some("/nowhere".into()), ..trust.clone() },
        Trust { certificate: None, key: None, ..trust },
    ] {
        settings.server[0].backend_tls = lacking.clone();
        house.reload(&settings);
        let answer = house.client(None).ask("db.test", "secret").await;
        assert!(answer.is_err(), "{lacking:?}: {answer:?}");
    }
    house.refused("backend_unreachable").await;
}

#[tokio::test]
async fn one_that_is_not_who_was_meant_is_left_out_after_three_failures_and_costs_no_connection() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("left-out"));
    let (right, _) = secure(&ca, "db.test", answer).await;
    let (wrong, came) = secure(&ca, "other.test", answer).await;
    let text = format!(
        "backends = [{{ to = \"tls:{wrong}\" }}, {{ to = \"tls:{right}\" }}]\nproxy = \"v1\"\n"
    );
    let mut settings = settings(&text);
    settings.server[0].backend_tls = trust(&ca, &folder);
    let house = House::open(&settings).await;
    for _ in 0..10 {
        let answer = house.client(None).ask("db.test", "hello").await.expect("the other answers");
        assert!(answer.ends_with(" hello"), "{answer}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 3);
    let states = &house.front.servers()[0].backends;
    let ailment = states[0].ailment.as_deref().expect("it is left out");
    assert!(ailment.contains("not trusted") && states[1].ailment.is_none(), "{states:?}");
}

#[tokio::test]
async fn requests_go_on_over_tls_to_who_was_meant_alone() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("requests"));
    let (address, _) = secure(&ca, "app.test", page).await;
    let mut settings = settings(&format!("backend = \"https://{address}\"\n"));
    let trust = Trust { name: Some("app.test".to_owned()), ..trust(&ca, &folder) };
    settings.server[0].backend_tls = trust.clone();
    let house = House::open(&settings).await;
    let answer = get(&house).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("the page"), "{answer}");

    settings.server[0].backend_tls = Trust { name: Some("db.test".to_owned()), ..trust };
    house.reload(&settings);
    let answer = get(&house).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn a_backend_comes_to_tls_by_the_protocols_own_words_and_its_client_is_greeted_once() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("words"));
    let (by_words, _) = secure(&ca, "db.test", mailboxes).await;
    let (at_once, _) = secure(&ca, "db.test", greeting_mailboxes).await;
    for (backend, hears) in [
        (format!("imap://{by_words}"), "PROXY TCP4 127.0.0.1 127.0.0.1 "),
        (format!("tls:{at_once}"), "PROXY TCP4 127.0.0.1 127.0.0.1 "),
    ] {
        for mode in ["implicit", "starttls:imap"] {
            let more = format!("backend = \"{backend}\"\nproxy = \"v1\"\n");
            let mut settings = settings(&more);
            settings.listen[0].mode = mode.parse().expect("a mode");
            settings.server[0].backend_tls = trust(&ca, &folder);
            let house = House::open(&settings).await;
            let heard = talk(&house, mode == "starttls:imap").await;
            let heard = heard.unwrap_or_else(|error| panic!("{backend}, {mode}: {error}"));
            assert!(heard.starts_with(hears), "{backend}, {mode}: {heard}");
            assert!(heard.ends_with(" a1 NOOP\r"), "{backend}, {mode}: {heard}");
        }
    }
}

#[tokio::test]
async fn a_database_greets_before_its_tls_and_is_asked_for_that_as_its_client_asked() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("database"));
    let (right, _) = secure(&ca, "db.test", database).await;
    let (wrong, came) = secure(&ca, "other.test", database).await;
    // Who comes to TLS by those words counts them; a program behind TLS that began at once does not.
    for (mode, hears) in [("starttls:mysql", [3, CHARSET, 2]), ("implicit", [2, 45, 2])] {
        let more = format!("alpn = [\"mysql\"]\nbackend = \"mysql://{right}\"\n");
        let mut settings = settings(&more);
        settings.listen[0].mode = mode.parse().expect("a mode");
        settings.server[0].backend_tls = trust(&ca, &folder);
        let house = House::open(&settings).await;
        let answer = log_in(&house, mode != "implicit").await;
        let [_, _, _, counted, _, charset, login] = answer.expect("it answers");
        assert_eq!([counted, charset, login], hears, "{mode}");

        settings.server[0].backend = Some(format!("mysql://{wrong}").parse().expect("a backend"));
        house.reload(&settings);
        assert!(log_in(&house, mode != "implicit").await.is_err(), "{mode}");
        house.refused("backend_unreachable").await;
    }
    assert_eq!(came.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_database_that_greets_with_an_error_is_passed_over_and_left_out_after_three() {
    let (busy, came) = plain(full_database).await;
    let (right, _) = plain(plain_database).await;
    let both = [(busy.to_string(), 1), (right.to_string(), 1)];
    let mut settings = settings(&format!("alpn = [\"mysql\"]\n{}", backends(&both)));
    settings.listen[0].mode = "starttls:mysql".parse().expect("a mode");
    let house = House::open(&settings).await;
    for number in 0..10 {
        let answer = log_in(&house, true).await;
        answer.unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    assert_eq!(came.load(Ordering::SeqCst), 3);
    let states = &house.front.servers()[0].backends;
    let ailment = states[0].ailment.as_deref().expect("it is left out");
    assert!(ailment.contains("Too many connections"), "{ailment}");
    assert!(states[1].ailment.is_none(), "{states:?}");

    settings.server[0].backends.truncate(1);
    house.reload(&settings);
    assert!(log_in(&house, true).await.is_err());
    house.refused("service_not_ready").await;
}

#[tokio::test]
async fn a_database_whose_patience_ends_before_its_clients_do_is_not_left_out_for_that() {
    for (serve, dawdles, ailments) in
        [(impatient_database as fn(TcpStream) -> BoxFuture, true, 0), (fickle_database, false, 1)]
    {
        let (address, _) = plain(serve).await;
        let mut settings =
            settings(&format!("alpn = [\"mysql\"]\nbackend = \"mysql://{address}\"\n"));
        settings.listen[0].mode = "starttls:mysql".parse().expect("a mode");
        let house = House::open(&settings).await;
        let pause = Duration::from_millis(if dawdles { 1500 } else { 0 });
        let three = || log_in_after(&house, true, pause);
        let all = tokio::join!(three(), three(), three());
        assert!(all.0.is_err() && all.1.is_err() && all.2.is_err());
        house.refused("backend_unreachable").await;
        let states = &house.front.servers()[0].backends;
        assert_eq!(states.iter().flat_map(|one| &one.ailment).count(), ailments, "{states:?}");
    }
}

#[tokio::test]
async fn openssl_is_a_backend() {
    let (ca, folder) = (Authority::new("another CA"), Folder::new("openssl"));
    let server = OpenSsl::open(&ca, &folder);
    let mut settings = settings(&format!("backend = \"tls:{}\"\n", server.address));
    let trust = trust(&ca, &folder);
    settings.server[0].backend_tls = trust.clone();
    let house = House::open(&settings).await;
    let answer = house.client(None).ask("db.test", "hello").await.expect("it answers");
    assert_eq!(answer, "olleh");
    settings.server[0].backend_tls = Trust { certificate: None, key: None, ..trust };
    house.reload(&settings);
    assert!(house.client(None).ask("db.test", "hello").await.is_err());
}

/// What a client of mailboxes hears, after its greeting where it waits for one, when it says something.
async fn talk(house: &House, by_words: bool) -> io::Result<String> {
    let mut socket = TcpStream::connect(house.door).await?;
    if by_words {
        let mut upgrade = Upgrade::client(Protocol::Imap, "db.test");
        to_tls(&mut socket, &mut upgrade).await.map_err(io::Error::other)?;
    }
    let name = ServerName::try_from("db.test").expect("a name");
    let connector = TlsConnector::from(Arc::new(house.client(None).config));
    let mut stream = timeout(SOON, connector.connect(name, socket)).await.expect("in time")?;
    if !by_words {
        let mut greeting = Vec::new();
        while greeting.last() != Some(&b'\n') {
            greeting.push(timeout(SOON, stream.read_u8()).await.expect("a greeting in time")?);
        }
        assert!(greeting.starts_with(b"* OK "), "{greeting:?}");
    }
    ask(&mut stream, "a1 NOOP\r").await
}

/// What a database answers to a login.
async fn log_in(house: &House, by_words: bool) -> io::Result<[u8; 7]> {
    log_in_after(house, by_words, Duration::ZERO).await
}

/// The same of a client that takes this time before it asks for TLS.
async fn log_in_after(house: &House, by_words: bool, pause: Duration) -> io::Result<[u8; 7]> {
    let mut socket = TcpStream::connect(house.door).await?;
    let mut greeting = [0; GREETING.len()];
    if by_words {
        timeout(SOON, socket.read_exact(&mut greeting)).await.expect("in time")?;
        assert_eq!(&greeting, GREETING);
        let mut request = [0; 36];
        [request[0], request[3], request[5], request[12]] = [32, 1, 0x0a, CHARSET];
        tokio::time::sleep(pause).await;
        socket.write_all(&request).await?;
    }
    let name = ServerName::try_from("db.test").expect("a name");
    let connector = TlsConnector::from(Arc::new(house.client(None).config));
    let mut stream = timeout(SOON, connector.connect(name, socket)).await.expect("in time")?;
    if !by_words {
        timeout(SOON, stream.read_exact(&mut greeting)).await.expect("in time")?;
        assert!(greeting.starts_with(&GREETING[..20]), "{greeting:?}");
    }
    let mut login = [4, 0, 0, 1, 0, 2, 0, 0];
    if by_words {
        [login[3], login[5]] = [2, 0x0a];
    }
    stream.write_all(&login).await?;
    let mut answer = [0; 7];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("in time")?;
    Ok(answer)
}

async fn get(house: &House) -> String {
    let mut stream = house.client(None).connect("db.test").await.expect("a connection");
    let question = b"GET / HTTP/1.1\r\nHost: db.test\r\nConnection: close\r\n\r\n";
    stream.write_all(question).await.expect("sent");
    let mut answer = String::new();
    let read = timeout(SOON, stream.read_to_string(&mut answer)).await;
    read.expect("in time").expect("an end");
    answer
}

/// What has to hold of services of this CA, and a certificate of its that they are shown.
fn trust(ca: &Authority, folder: &Folder) -> Trust {
    let (certificate, key) = ca.client("us").to_pem();
    Trust {
        name: Some("db.test".to_owned()),
        ca: Some(folder.file("ca.pem", &testkit::certificate_pem(ca.certificate()))),
        certificate: Some(folder.file("us.pem", &certificate)),
        key: Some(folder.file("us.key", &key)),
        ..Trust::default()
    }
}

/// A service in the clear that serves like this; and how many connections came.
async fn plain<F>(serve: fn(TcpStream) -> F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    let came = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, came)
}

/// A database that takes nobody for now.
async fn full_database(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"\x17\0\0\0\xff\x10\x04Too many connections").await?;
    stream.shutdown().await
}

/// A database that waits a moment for a login, and hangs up.
fn impatient_database(stream: TcpStream) -> BoxFuture {
    Box::pin(gone_after(stream, Duration::from_millis(500)))
}

/// One that does not.
fn fickle_database(stream: TcpStream) -> BoxFuture {
    Box::pin(gone_after(stream, Duration::ZERO))
}

async fn gone_after(mut stream: TcpStream, patience: Duration) -> io::Result<()> {
    stream.write_all(GREETING).await?;
    tokio::time::sleep(patience).await;
    stream.shutdown().await
}

type BoxFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A database of one login, in the clear.
async fn plain_database(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(GREETING).await?;
    let mut login = [0; 8];
    stream.read_exact(&mut login).await?;
    stream.write_all(&[3, 0, 0, login[3] + 1, 0, 0, login[3]]).await?;
    stream.shutdown().await
}

/// A service that asks for a certificate of its CA and serves like this; and how many connections came.
async fn secure<F>(
    ca: &Authority,
    name: &str,
    serve: fn(TcpStream, TlsAcceptor) -> F,
) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    let config = ca.server_config(ca.server_named(name), rustls::ALL_VERSIONS);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let came = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, acceptor.clone()));
        }
    });
    (address, came)
}

/// Answers a line with whom it heard of before TLS, and the line.
async fn answer(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    let said = preamble(&mut stream).await?;
    echo(stream, acceptor, &said, "").await
}

/// The same where TLS begins by the words of IMAP.
async fn mailboxes(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    let said = preamble(&mut stream).await?;
    let mut upgrade = Upgrade::server(Protocol::Imap, &Greeting::of("db.test"));
    let upgrade = upgrade.as_mut().expect("it needs no greeting of a service's");
    to_tls(&mut stream, upgrade).await.map_err(io::Error::other)?;
    echo(stream, acceptor, &said, "").await
}

/// The same where it begins at once, and a greeting follows.
async fn greeting_mailboxes(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    let said = preamble(&mut stream).await?;
    echo(stream, acceptor, &said, "* OK db.test ready\r\n").await
}

/// A database of one login, answered with the character set of the request for TLS, and with how far the login counts.
async fn database(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    stream.write_all(GREETING).await?;
    let mut request = [0; 36];
    stream.read_exact(&mut request).await?;
    let mut stream = acceptor.accept(stream).await?;
    let mut login = [0; 8];
    stream.read_exact(&mut login).await?;
    stream.write_all(&[3, 0, 0, login[3] + 1, 0, request[12], login[3]]).await?;
    stream.shutdown().await
}

async fn preamble(stream: &mut TcpStream) -> io::Result<String> {
    let mut said = Vec::new();
    while said.last() != Some(&b'\n') {
        said.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}

async fn echo(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    said: &str,
    greeting: &str,
) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(acceptor.accept(stream).await?);
    write.write_all(greeting.as_bytes()).await?;
    write.flush().await?;
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        write.write_all(format!("{said} {line}").as_bytes()).await?;
        write.flush().await?;
    }
}

/// One answer to one request.
async fn page(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(acceptor.accept(stream).await?);
    let mut lines = BufReader::new(read).lines();
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    write.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe page").await?;
    write.shutdown().await
}

/// `openssl s_server`, which asks for a certificate and answers lines from behind.
struct OpenSsl {
    child: Child,
    address: String,
}

impl OpenSsl {
    fn open(ca: &Authority, folder: &Folder) -> Self {
        let (certificate, key) = ca.server_named("db.test").to_pem();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-Verify", "1"])
            .arg("-verify_return_error")
            .arg("-CAfile")
            .arg(folder.file("clients.pem", &testkit::certificate_pem(ca.certificate())))
            .arg("-cert")
            .arg(folder.file("server.pem", &certificate))
            .arg("-key")
            .arg(folder.file("server.key", &key))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let said = io::BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = said.lines().map(|line| line.expect("text"));
        let address = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("it listens") }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn backends(all: &[(String, u16)]) -> String {
    let of = |(to, weight): &(String, u16)| format!("{{ to = \"tcp:{to}\", weight = {weight} }}");
    format!("backends = [{}]\n", all.iter().map(of).collect::<Vec<_>>().join(", "))
}

fn settings(more: &str) -> Settings {
    let text =
        format!("[[listen]]\naddress = \"127.0.0.1:0\"\n[[server]]\nnames = [\"db.test\"]\n{more}");
    toml::from_str(&text).expect("settings")
}

/// As MariaDB greets.
const GREETING: &[u8; 31] = b"\x1b\0\0\0\x0a10.11\0\x07\0\0\0abcdefgh\0\x7f\x7f\x2d\x02\0\x7f\x01";
/// None that a client of ours would ask for.
const CHARSET: u8 = 0x53;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("front-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).expect("written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
