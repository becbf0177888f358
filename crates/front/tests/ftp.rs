//! FTP before the door's TLS and behind it: files over connections of their own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use front::{Clients, Listen, Settings, VirtualServer};
use house::{Client, House, SOON};
use rustls::pki_types::ServerName;
use starttls::{Protocol, Upgrade};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod house;

#[tokio::test]
async fn a_file_is_stored_and_fetched_under_tls_from_a_service_in_the_clear() {
    let files = Files::open().await;
    let house = House::open(&settings(files.server(), "")).await;
    let mut control = Control::meet(house.client(None)).await;
    assert!(control.ask("PASV").await.starts_with("521 "), "a client has to ask for TLS");
    control.protect().await;
    let text = b"a file of some length\r\n".repeat(10_000);
    for (asks, name) in [("PASV", "one"), ("EPSV", "two")] {
        let mut data = control.data(asks).await.unwrap();
        control.say(&format!("STOR {name}")).await;
        assert!(control.hear().await.starts_with("150 "));
        data.write_all(&text).await.unwrap();
        data.shutdown().await.unwrap();
        assert!(control.hear().await.starts_with("226 "));
        assert_eq!(data.read(&mut [0]).await.unwrap(), 0, "it ends as TLS does");
        assert_eq!(files.has(name), Some(Stored::Whole(text.clone())));
        let mut data = control.data(asks).await.unwrap();
        control.say(&format!("RETR {name}")).await;
        let mut fetched = Vec::new();
        timeout(SOON, data.read_to_end(&mut fetched)).await.expect("in time").unwrap();
        assert_eq!(fetched, text);
        assert!(control.hear().await.starts_with("150 "));
        assert!(control.hear().await.starts_with("226 "));
    }
    let carried = house.front.connections()[0].traffic.incoming();
    assert!(carried > 2 * text.len() as u64, "{carried} octets came");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_no_whole_file_to_the_service() {
    let files = Files::open().await;
    let house = House::open(&settings(files.server(), "")).await;
    let mut control = Control::meet(house.client(None)).await;
    control.protect().await;
    let mut data = control.data("EPSV").await.unwrap();
    control.say("STOR cut").await;
    assert!(control.hear().await.starts_with("150 "));
    data.write_all(b"the beginning").await.unwrap();
    data.flush().await.unwrap();
    // As if somebody between closed it: without TLS's own end.
    drop(data);
    assert!(control.hear().await.starts_with("426 "));
    assert_eq!(files.has("cut"), Some(Stored::Broken));

    let port = control.door("EPSV").await;
    control.say("STOR never").await;
    let mut clear = TcpStream::connect((house.door.ip(), port)).await.unwrap();
    assert!(control.hear().await.starts_with("150 "));
    clear.write_all(b"in the clear\n").await.unwrap();
    let _ = clear.shutdown().await;
    assert!(control.hear().await.starts_with("426 "));
    assert_eq!(files.has("never"), Some(Stored::Broken));
    house.refused("not_tls").await;
}

#[tokio::test]
async fn data_goes_to_the_client_of_the_control_connection_alone() {
    let files = Files::open().await;
    let closed = VirtualServer { clients: Clients::Required, ..files.server() };
    let house = House::open(&settings(closed, "")).await;
    let (alice, bob) = (house.device("alice"), house.device("bob"));
    let mut control = Control::meet(house.client(Some(alice))).await;
    control.protect().await;
    files.put("secret", b"for alice");
    for (other, code) in [(Some(bob), "data_of_another"), (None, "no_certificate")] {
        let port = control.door("EPSV").await;
        control.say("RETR secret").await;
        let other = house.client(other);
        let socket = TcpStream::connect((house.door.ip(), port)).await.unwrap();
        let mut fetched = Vec::new();
        if let Ok(mut stream) = begin(&other, socket).await {
            let _ = timeout(SOON, stream.read_to_end(&mut fetched)).await.expect("in time");
        }
        assert_eq!(fetched, b"");
        assert!(control.hear().await.starts_with("150 "));
        let ended = control.hear().await;
        assert!(ended.starts_with("426 ") || ended.starts_with("226 "), "{ended}");
        house.refused(code).await;
    }
    let mut data = control.data("EPSV").await.unwrap();
    control.say("RETR secret").await;
    let mut fetched = Vec::new();
    timeout(SOON, data.read_to_end(&mut fetched)).await.expect("in time").unwrap();
    assert_eq!(fetched, b"for alice");
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_control_connection_and_with_the_right_to_it() {
    for revokes in [true, false] {
        let files = Files::open().await;
        let closed = VirtualServer { clients: Clients::Required, ..files.server() };
        let house = House::open(&settings(closed, "")).await;
        let alice = house.device("alice");
        let mut control = Control::meet(house.client(Some(alice.clone()))).await;
        control.protect().await;
        let mut data = control.data("EPSV").await.unwrap();
        control.say("STOR half").await;
        assert!(control.hear().await.starts_with("150 "));
        data.write_all(b"half of it").await.unwrap();
        data.flush().await.unwrap();
        let mut other = Control::meet(house.client(Some(alice.clone()))).await;
        other.protect().await;
        let waiting = other.door("EPSV").await;
        let begun = Instant::now();
        match revokes {
            true => house.records.revoke(&alice.chain[0]).await,
            false => drop((control, other)),
        }
        let ended = timeout(SOON, data.read(&mut [0])).await.expect("in time");
        assert!(ended.is_err(), "it does not end as TLS does: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let door = TcpStream::connect((house.door.ip(), waiting)).await;
        assert!(door.is_err(), "a door is open still");
        let broken = async {
            while files.has("half").is_none() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, broken).await.expect("in time");
        assert_eq!(files.has("half"), Some(Stored::Broken));
    }
}

#[tokio::test]
async fn doors_are_at_the_ports_that_the_settings_name_and_a_client_without_one_hears_so() {
    let files = Files::open().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = format!("passive_ports = \"{free}-{free}\"");
    let house = House::open(&settings(files.server(), &ports)).await;
    let mut control = Control::meet(house.client(None)).await;
    control.protect().await;
    assert_eq!(control.door("PASV").await, free);
    let mut second = Control::meet(house.client(None)).await;
    second.protect().await;
    assert!(second.ask("PASV").await.starts_with("425 "));
    assert!(second.ask("PORT 127,0,0,1,4,1").await.starts_with("502 "));
    assert!(second.ask("NOOP").await.starts_with("200 "));
}

#[tokio::test]
async fn data_connections_have_places_among_the_servers_and_a_file_without_one_does_not_look_whole()
{
    let files = Files::open().await;
    // Of which a host without certificates has half.
    let server = VirtualServer { max_connections: 4, ..files.server() };
    let house = House::open(&settings(server, "")).await;
    files.put("empty", b"");
    let mut control = Control::meet(house.client(None)).await;
    control.protect().await;
    let mut data = control.data("EPSV").await.unwrap();
    control.say("STOR long").await;
    assert!(control.hear().await.starts_with("150 "));
    data.write_all(b"under way").await.unwrap();
    data.flush().await.unwrap();
    assert!(Control::try_meet(house.client(None)).await.is_none(), "both places are taken");
    house.refused("too_many_connections").await;
    data.shutdown().await.unwrap();
    assert!(control.hear().await.starts_with("226 "));

    let mut second = within(async || Control::try_meet(house.client(None)).await).await;
    second.protect().await;
    for (verb, name) in [("RETR", "empty"), ("STOR", "no place")] {
        let port = control.door("EPSV").await;
        control.say(&format!("{verb} {name}")).await;
        let socket = TcpStream::connect((house.door.ip(), port)).await.unwrap();
        if let Ok(mut data) = begin(&control.client, socket).await {
            let ended = timeout(SOON, data.read(&mut [0])).await.expect("in time");
            assert!(ended.is_err(), "{name} ends as TLS does: {ended:?}");
        }
        assert!(control.hear().await.starts_with("150 "));
        let ended = control.hear().await;
        // What was sent and not taken is no matter of the service's.
        assert!(ended.starts_with("426 ") || verb == "RETR", "{ended}");
    }
    assert_eq!(files.has("no place"), Some(Stored::Broken));
    drop(second);
    let data = within(async || control.data("EPSV").await.ok()).await;
    drop(data);
}

#[tokio::test]
async fn doors_are_said_to_be_where_the_settings_know_the_host_to_be_reached() {
    let files = Files::open().await;
    let known_at = "passive_address = \"192.0.2.9\"";
    let house = House::open(&settings(files.server(), known_at)).await;
    let mut control = Control::meet(house.client(None)).await;
    control.protect().await;
    let reply = control.ask("PASV").await;
    assert!(reply.contains("(192,0,2,9,"), "{reply}");
    let mut data = control.data("EPSV").await.unwrap();
    control.say("STOR here").await;
    data.shutdown().await.unwrap();
    assert!(control.hear().await.starts_with("150 "));
    assert!(control.hear().await.starts_with("226 "), "EPSV names no host");
}

/// What comes about soon.
async fn within<T>(mut tries: impl AsyncFnMut() -> Option<T>) -> T {
    let trying = async {
        loop {
            match tries().await {
                Some(done) => return done,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(SOON, trying).await.expect("in time")
}

/// A client's control connection.
struct Control {
    stream: BufReader<TlsStream<TcpStream>>,
    client: Client,
}

impl Control {
    async fn meet(client: Client) -> Self {
        let mut socket = TcpStream::connect(client.door).await.expect("a door");
        let mut upgrade = Upgrade::client(Protocol::Ftp, NAME);
        upgrade::to_tls(&mut socket, &mut upgrade).await.expect("it comes to TLS");
        let stream = BufReader::new(begin(&client, socket).await.expect("TLS"));
        Self { stream, client }
    }

    /// One that is let in, or none.
    async fn try_meet(client: Client) -> Option<Self> {
        let mut control = Self::meet(client).await;
        control.stream.write_all(b"NOOP\r\n").await.ok()?;
        let mut line = String::new();
        let heard = timeout(SOON, control.stream.read_line(&mut line)).await.expect("in time");
        heard.is_ok_and(|octets| octets > 0).then_some(control)
    }

    async fn say(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("said");
    }

    async fn hear(&mut self) -> String {
        let mut line = String::new();
        timeout(SOON, self.stream.read_line(&mut line)).await.expect("in time").expect("heard");
        line
    }

    async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.hear().await
    }

    async fn protect(&mut self) {
        for line in ["PBSZ 0", "PROT P"] {
            assert!(self.ask(line).await.starts_with("200 "), "{line}");
        }
    }

    /// The port of a door.
    async fn door(&mut self, asks: &str) -> u16 {
        let reply = self.ask(asks).await;
        let figures = reply.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        let figures: Vec<u16> = figures.map(|part| part.parse().expect("a figure")).collect();
        match figures[..] {
            [229, port] => port,
            [227, 127, 0, 0, 1, high, low] => high * 256 + low,
            _ => panic!("{reply}"),
        }
    }

    async fn data(&mut self, asks: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let port = self.door(asks).await;
        begin(&self.client, TcpStream::connect((self.client.door.ip(), port)).await?).await
    }
}

async fn begin(client: &Client, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME).expect("a name");
    let connector = TlsConnector::from(Arc::new(client.config.clone()));
    timeout(SOON, connector.connect(name, socket)).await.expect("in time")
}

/// A service in the clear.
struct Files {
    address: SocketAddr,
    stored: Arc<Mutex<HashMap<String, Stored>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stored {
    Whole(Vec<u8>),
    Broken,
}

impl Files {
    async fn open() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let stored = Arc::default();
        let all = Arc::clone(&stored);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Self { address, stored }
    }

    fn server(&self) -> VirtualServer {
        let target = format!("tcp:{}", self.address);
        VirtualServer::new(NAME.parse().expect("a name"), target.parse().expect("a backend"))
    }

    fn put(&self, name: &str, file: &[u8]) {
        self.stored.lock().expect("whole").insert(name.to_owned(), Stored::Whole(file.to_vec()));
    }

    fn has(&self, name: &str) -> Option<Stored> {
        self.stored.lock().expect("whole").get(name).cloned()
    }
}

async fn serve(stream: TcpStream, stored: Arc<Mutex<HashMap<String, Stored>>>) {
    let mut stream = BufReader::new(stream);
    let mut listener = None;
    let mut says = "220-hello\r\n220 ready".to_owned();
    loop {
        if stream.write_all(format!("{says}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        let (verb, name) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        says = match verb {
            "PASV" | "EPSV" => {
                let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let port = socket.local_addr().expect("bound").port();
                listener = Some(socket);
                match verb {
                    "PASV" => format!("227 Passive (127,0,0,1,{},{}).", port >> 8, port & 0xff),
                    _ => format!("229 Passive (|||{port}|)"),
                }
            }
            "STOR" | "RETR" => {
                let socket = listener.take().expect("it was asked for a place");
                let (mut data, _) = socket.accept().await.expect("somebody comes");
                drop(socket);
                let _ = stream.write_all(b"150 go\r\n").await;
                match transfer(verb, name, &mut data, &stored).await {
                    true => "226 done".to_owned(),
                    false => "426 broken".to_owned(),
                }
            }
            _ => "200 done".to_owned(),
        };
    }
}

async fn transfer(
    verb: &str,
    name: &str,
    data: &mut TcpStream,
    stored: &Mutex<HashMap<String, Stored>>,
) -> bool {
    if verb == "RETR" {
        let file = stored.lock().expect("whole").get(name).cloned();
        let Some(Stored::Whole(file)) = file else { return false };
        return data.write_all(&file).await.is_ok() && data.shutdown().await.is_ok();
    }
    let mut file = Vec::new();
    let is_whole = data.read_to_end(&mut file).await.is_ok();
    let file = if is_whole { Stored::Whole(file) } else { Stored::Broken };
    stored.lock().expect("whole").insert(name.to_owned(), file);
    is_whole
}

fn settings(server: VirtualServer, more: &str) -> Settings {
    let listen = format!("address = \"127.0.0.1:0\"\nmode = \"starttls:ftp\"\n{more}\n");
    let listen: Listen = toml::from_str(&listen).expect("settings");
    Settings { listen: vec![listen], server: vec![server], client: Vec::new() }
}

const NAME: &str = "files.test";
