//! A gateway with virtual servers, the services behind them, and clients that speak TLS from a host of their own.
//!
//! ```text
//!    clients ── router ── gateway :443 ── lo ── services (a line each, HTTP, one that takes nothing, one that takes all)
//! ```

#![allow(dead_code, reason = "each test includes it and uses a part")]

pub(crate) mod frames;
pub(crate) mod load;
pub(crate) mod watch;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use interop::World;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, NamedGroup, RootCertStore, StreamOwned};
use socket2::SockRef;

/// A connection whose handshake is done.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// The world, and what is behind its virtual servers.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) client: Client,
}

impl House {
    /// With these settings behind the gateway's own.
    pub(crate) fn start(name: &str, settings: &str) -> Option<Self> {
        let world = World::start(name, &[])?;
        serve_all(&world);
        let (file, ca) = (world.data().join("handfast.toml"), world.file("ca.pem"));
        let text = fs::read_to_string(&file).expect("settings");
        fs::write(&file, text + settings).expect("written");
        world.handfast(&["reload"]);
        world.handfast(&["ca", "export", "--out", &ca.display().to_string()]);
        let client = Client::trusting(&ca, world.gateway.v4[0].into());
        Some(Self { world, client })
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.world.data().join("handfast.toml")
    }

    /// What the gateway's process holds, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        memory_of(self.process())
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.process())).expect("it runs");
        entries.count()
    }

    /// Its sockets with their peers, for whoever finds too many.
    pub(crate) fn sockets(&self) -> String {
        let mut command = Command::new("ss");
        command.args(["-Htanp"]);
        let output = self.world.gateway.netns.output(command).expect("ss starts");
        let own = format!("pid={},", self.process());
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        all.lines().filter(|line| line.contains(&own)).map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn process(&self) -> u32 {
        self.world.up.as_ref().expect("it runs").id()
    }
}

pub(crate) fn memory_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

/// A client that trusts the CA.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) door: SocketAddr,
}

impl Client {
    pub(crate) fn trusting(ca: &std::path::Path, gateway: IpAddr) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(ca).expect("the CA");
        for ca in rustls::pki_types::CertificateDer::pem_slice_iter(&pem) {
            roots.add(ca.expect("a certificate")).expect("a CA");
        }
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // As browsers do: the door would ask for it.
        provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each connection proves the certificate anew.
        config.resumption = rustls::client::Resumption::disabled();
        Self { config: Arc::new(config), door: SocketAddr::new(gateway, 443) }
    }

    /// The same, that speaks this inside TLS.
    pub(crate) fn speaking(&self, protocol: &str) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self { config: Arc::new(config), door: self.door }
    }

    pub(crate) fn socket(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect_timeout(&self.door, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// To the server of this name; the handshake is done, and the certificate is its own.
    pub(crate) fn connect(&self, name: &str) -> io::Result<Tls> {
        self.over(self.socket()?, name)
    }

    /// The same over a connection that is there.
    pub(crate) fn over(&self, mut socket: TcpStream, name: &str) -> io::Result<Tls> {
        let mut session = self.session(name);
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(session, socket))
    }

    pub(crate) fn session(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        ClientConnection::new(Arc::clone(&self.config), name).expect("settings that fit")
    }

    /// The first message of a client that asks for this name.
    pub(crate) fn hello(&self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.session(name).write_tls(&mut bytes).expect("memory takes it");
        bytes
    }
}

/// A line to the service of lines, and its answer.
pub(crate) fn ask(stream: &mut Tls, question: &str) -> io::Result<String> {
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            byte => answer.push(byte),
        }
    }
}

/// A request, and what its answer carries.
pub(crate) fn request(stream: &mut Tls, host: &str) -> io::Result<String> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())?;
    answer(stream)
}

/// What the answer to a request carries.
pub(crate) fn answer(stream: &mut Tls) -> io::Result<String> {
    let mut octets = Vec::new();
    let mut piece = [0; 2048];
    loop {
        if let Some(end) = memchr::memmem::find(&octets, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.trim().parse::<usize>().ok());
            let whole = end + 4 + length.ok_or_else(|| io::Error::other(head.clone()))?;
            if octets.len() >= whole {
                let body = String::from_utf8_lossy(&octets[end + 4..whole]).into_owned();
                let fine = head.starts_with("http/1.1 200");
                return fine.then_some(body).ok_or_else(|| io::Error::other(head));
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => octets.extend_from_slice(&piece[..read]),
        }
    }
}

/// What is behind the virtual servers, on the gateway's loopback.
pub(crate) fn serve_all(world: &World) {
    serve(world, LINES, answer_lines);
    serve(world, ONE, |stream| answer_http(stream, "one"));
    serve(world, TWO, |stream| answer_http(stream, "two"));
    serve(world, STALLS, |stream| {
        // What waits for it is soon too much.
        let _ = SockRef::from(&stream).set_recv_buffer_size(8 * 1024);
        thread::sleep(Duration::from_secs(600));
        drop(stream);
    });
    serve(world, SINK, count);
    serve(world, UPLOAD, |stream| drop(count_body(stream)));
    serve(world, ENDLESS, |stream| drop(pour_out(stream)));
}

fn serve(world: &World, port: u16, answer: impl Fn(TcpStream) + Clone + Send + 'static) {
    let bind = move || TcpListener::bind(("127.0.0.1", port));
    let socket = world.gateway.netns.run(bind).expect("a thread").expect("a port");
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let answer = answer.clone();
            let small = thread::Builder::new().stack_size(128 * 1024);
            let _ = small.spawn(move || answer(stream));
        }
    });
}

/// Each line, with a word before it.
fn answer_lines(stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if writeln!(out, "answered: {line}").is_err() {
            return;
        }
    }
}

/// Each request with the service's own name.
fn answer_http(mut stream: TcpStream, name: &str) {
    let _ = stream.set_nodelay(true);
    let Ok(clone) = stream.try_clone() else { return };
    let mut requests = BufReader::new(clone);
    let mut line = String::new();
    while requests.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line == "\r\n" {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", name.len());
            if stream.write_all(format!("{head}{name}").as_bytes()).is_err() {
                return;
            }
        }
        line.clear();
    }
}

/// Takes all that comes, and then says how much it was.
fn count(mut stream: TcpStream) {
    let (mut piece, mut all) = (vec![0; 64 * 1024], 0_u64);
    while let Ok(read) = stream.read(&mut piece) {
        if read == 0 {
            let _ = writeln!(stream, "{all}");
            return;
        }
        all += read as u64;
    }
}

/// An answer to each request that has no end.
fn pour_out(stream: TcpStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut requests = BufReader::new(stream).lines();
    while requests.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    out.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    loop {
        out.write_all(&[b'x'; 16 * 1024])?;
    }
}

/// Takes the body of a request, and then says how long it was.
fn count_body(stream: TcpStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0_u64);
    while requests.read_line(&mut line)? > 0 && line != "\r\n" {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    let taken = io::copy(&mut requests.take(length), &mut io::sink())?.to_string();
    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{taken}", taken.len())
}

pub(crate) const LINES: u16 = 7000;
pub(crate) const ONE: u16 = 7001;
pub(crate) const TWO: u16 = 7002;
pub(crate) const STALLS: u16 = 7003;
pub(crate) const SINK: u16 = 7004;
pub(crate) const UPLOAD: u16 = 7005;
pub(crate) const ENDLESS: u16 = 7006;
const PATIENCE: Duration = Duration::from_secs(30);
