//! The TLS door, met by openssl: names and their certificates, staples, client certificates and their revocation.
//!
//! ```text
//!    openssl s_client (alice) ── router ── gateway :443 ── lo ── a service that answers each line
//! ```

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use interop::{Program, Subscriber, World, wait_until};

#[test]
fn names_are_served_with_a_staple_and_only_devices_come_in_where_they_have_to() {
    let name = "names_are_served_with_a_staple_and_only_devices_come_in_where_they_have_to";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let said = house.ask(&alice, "open.test", &["-status"]);
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    assert!(said.contains("OCSP Response Status: successful (0x0)"), "{said}");
    assert!(said.contains("Cert Status: good"), "{said}");
    assert!(said.contains("subject=CN = open.test"), "{said}");
    assert!(said.contains("answered: hello"), "{said}");
    let said = house.ask(&alice, "one.apps.test", &[]);
    assert!(said.contains("subject=CN = apps.test") && said.contains("answered"), "{said}");
    let said = house.ask(&alice, "nobody.test", &[]);
    assert!(said.contains("unrecognized name"), "{said}");
    for version in ["-tls1_2", "-tls1_3"] {
        let said = house.ask(&alice, "closed.test", &[version]);
        assert!(!said.contains("answered"), "{said}");
        let said = house.ask_as(&alice, "closed.test", &[version]);
        assert!(said.contains("answered: hello"), "{said}");
    }
    assert!(wait_until(SOON, || house.world.sessions().is_empty()), "{:?}", house.world.sessions());
    let device = house.world.json(&["device", "show", "alice/default"]);
    assert!(device["last_seen_at"].is_string() && device["ever_seen"] == true, "{device}");
    assert!(house.world.counts("no_certificate", 2));
    assert_eq!(house.world.counted("no_certificate"), 2);
    assert!(house.world.counts("unknown_server_name", 1));
    assert_eq!(house.world.counted("unknown_server_name"), 1);
}

#[test]
fn a_revocation_ends_connections_and_sessions_of_before_within_a_second() {
    let name = "a_revocation_ends_connections_and_sessions_of_before_within_a_second";
    let Some(mut house) = House::start(name) else { return };
    for version in ["-tls1_2", "-tls1_3"] {
        let user = format!("alice{}", &version[6..]);
        let alice = house.world.subscriber(&user, "split");
        let session = alice.folder.join("session").display().to_string();
        house.ask_as(&alice, "closed.test", &[version, "-sess_out", &session]);
        let again = [version, "-sess_in", &session, "-sess_out", &session];
        let said = house.ask_as(&alice, "closed.test", &again);
        assert!(said.contains("Reused, TLSv1") && said.contains("answered"), "{said}");
        let mut open = house.stay(&alice, "closed.test", version);
        assert!(open.says("answered: hello", SOON), "{}", open.log());
        let mine = |house: &House| {
            house
                .world
                .sessions()
                .iter()
                .filter(|one| one["client"] == "closed.test over TLS")
                .count()
        };
        assert!(wait_until(SOON, || mine(&house) == 1), "{:?}", house.world.sessions());
        let heard = house.heard();

        let begun = Instant::now();
        let device = format!("{user}/default");
        let said = house.world.handfast(&["device", "revoke", &device]);
        assert!(said.contains("1 session closed"), "{said}");
        assert!(open.ends(SOON).is_some(), "the connection is open still");
        println!(
            "FIGURE {version}: from the order to the client's end: {} ms",
            begun.elapsed().as_millis()
        );
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(house.world.sessions().is_empty());

        let said = house.ask_as(&alice, "closed.test", &[version, "-sess_in", &session]);
        assert!(!said.contains("answered"), "{said}");
        let said = house.ask_as(&alice, "closed.test", &[version]);
        assert!(!said.contains("answered"), "{said}");
        assert_eq!(house.heard(), heard, "a byte came through");
        assert!(house.world.counts("revoked", 1));
    }
}

#[test]
fn a_session_of_before_a_certificate_was_required_gets_no_byte_through() {
    let name = "a_session_of_before_a_certificate_was_required_gets_no_byte_through";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let mut sessions = Vec::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = alice.folder.join(version).display().to_string();
        house.ask(&alice, "open.test", &[version, "-sess_out", &session]);
        sessions.push((version, session));
    }
    let heard = house.heard();
    let text = fs::read_to_string(house.settings()).expect("settings");
    let required = "names = [\"open.test\"]\nclients = \"required\"";
    fs::write(house.settings(), text.replace("names = [\"open.test\"]", required))
        .expect("written");
    house.world.handfast(&["reload"]);
    for (version, session) in sessions {
        let said = house.ask(&alice, "open.test", &[version, "-sess_in", &session]);
        assert!(!said.contains("answered"), "{said}");
    }
    assert_eq!(house.heard(), heard, "a byte came through");
    let said = house.ask_as(&alice, "open.test", &[]);
    assert!(said.contains("answered: hello"), "{said}");
}

#[test]
fn a_servers_own_certificate_is_revoked_and_another_serves_at_once() {
    let name = "a_servers_own_certificate_is_revoked_and_another_serves_at_once";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let mut open = house.stay(&alice, "open.test", "-tls1_3");
    assert!(open.says("answered: hello", SOON), "{}", open.log());
    let before = serial(&house, &alice);
    let begun = Instant::now();
    house.world.handfast(&["cert", "revoke", "open.test"]);
    assert!(open.ends(SOON).is_some(), "the connection is open still");
    println!("FIGURE from the order to the client's end: {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(wait_until(SOON, || !serial(&house, &alice).is_empty()), "no other certificate");
    assert_ne!(serial(&house, &alice), before);
}

#[test]
fn requests_go_to_their_backend_with_hsts_and_who_sent_them_and_end_with_a_revocation() {
    let name = "requests_go_to_their_backend_with_hsts_and_who_sent_them_and_end_with_a_revocation";
    let Some(mut house) = House::start(name) else { return };
    house.serve_http();
    let alice = house.world.subscriber("alice", "split");
    for version in ["--http1.1", "--http2"] {
        let forged = ["-H", "handfast-user: mallory", "-H", "Client_Cert: x"];
        let said =
            house.curl(&alice, "web.test", &[version, forged[0], forged[1], forged[2], forged[3]]);
        let head = said.to_ascii_lowercase();
        let hsts = head.lines().filter(|line| line.starts_with("strict-transport-security:"));
        let hsts: Vec<_> = hsts.map(str::trim).collect();
        assert_eq!(hsts, ["strict-transport-security: max-age=31536000"], "{said}");
        assert!(said.contains("asked for /page"), "{said}");
        assert!(!head.contains("mallory") && !head.contains("client_cert"), "{said}");
        let own = own(&alice);
        let own: Vec<_> = own
            .iter()
            .map(|word| word.replace("-cert", "--cert").replace("-key", "--key"))
            .collect();
        let with: Vec<_> =
            own.iter().map(String::as_str).chain([version, forged[0], forged[1]]).collect();
        let said = house.curl(&alice, "web.test", &with).to_ascii_lowercase();
        assert!(said.contains("handfast-user: alice"), "{said}");
        assert!(said.contains("client-cert: :") && !said.contains("mallory"), "{said}");
    }

    let line = house.curl_line("web.test", "/slow", &[]);
    let own = own(&alice).join(" ").replace("-cert", "--cert").replace("-key", "--key");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line} {own}")]);
    let mut open = Program::start(&alice.host.netns, command, &alice.folder.join("curl.log"))
        .expect("curl starts");
    assert!(open.says("the beginning", SOON), "{}", open.log());
    let begun = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    assert!(open.ends(SOON).is_some_and(|status| !status.success()), "{}", open.log());
    println!("FIGURE from the order to the download's end: {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// The serial number of what `open.test` is served with.
fn serial(house: &House, who: &Subscriber) -> String {
    let said = house.ask(who, "open.test", &["-showcerts"]);
    let Some(at) = said.find("-----BEGIN CERTIFICATE") else { return String::new() };
    let end = said.find("-----END CERTIFICATE").expect("an end");
    said[at..end].to_owned()
}

/// A gateway with virtual servers, and the service behind them.
struct House {
    world: World,
    ca: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl House {
    fn start(name: &str) -> Option<Self> {
        let world = World::start(name, &[])?;
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let bind = || TcpListener::bind("127.0.0.1:7000");
        let socket = world.gateway.netns.run(bind).expect("a thread").expect("a port");
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let ears = Arc::clone(&ears);
                thread::spawn(move || answer(stream, &ears));
            }
        });
        let ca = world.file("ca.pem").display().to_string();
        let house = Self { world, ca, heard };
        let mut text = fs::read_to_string(house.settings()).expect("settings");
        text.push_str(SETTINGS);
        fs::write(house.settings(), text).expect("written");
        house.world.handfast(&["reload"]);
        house.world.handfast(&["ca", "export", "--out", &house.ca]);
        Some(house)
    }

    fn settings(&self) -> std::path::PathBuf {
        self.world.data().join("handfast.toml")
    }

    fn heard(&self) -> usize {
        self.heard.lock().expect("whole").len()
    }

    /// A line to the service under this name, without a certificate; what openssl says of it.
    fn ask(&self, who: &Subscriber, name: &str, more: &[&str]) -> String {
        let line = self.line(name, more);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("(echo hello; sleep 0.7) | timeout 5 {line} 2>&1")]);
        let output = who.host.netns.output(command).expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with the device's certificate.
    fn ask_as(&self, who: &Subscriber, name: &str, more: &[&str]) -> String {
        let own = own(who);
        let more: Vec<_> = more.iter().copied().chain(own.iter().map(String::as_str)).collect();
        self.ask(who, name, &more)
    }

    /// The same, and stays for as long as it may.
    fn stay(&self, who: &Subscriber, name: &str, version: &str) -> Program {
        let own = own(who);
        let mut more = vec![version, "-quiet"];
        more.extend(own.iter().map(String::as_str));
        let line = self.line(name, &more);
        let script = format!("exec 3<<EOF\nhello\nEOF\nexec {line} <&3");
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        let log = who.folder.join("open.log");
        Program::start(&who.host.netns, command, &log).expect("openssl starts")
    }

    /// A service at port 7001 that answers each request with its own head, and `/slow` without an end.
    fn serve_http(&self) {
        let bind = || TcpListener::bind("127.0.0.1:7001");
        let socket = self.world.gateway.netns.run(bind).expect("a thread").expect("a port");
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                thread::spawn(move || answer_http(stream));
            }
        });
    }

    fn curl(&self, who: &Subscriber, name: &str, more: &[&str]) -> String {
        let more: Vec<_> = more.iter().map(|word| format!("'{word}'")).collect();
        let more: Vec<_> = more.iter().map(String::as_str).collect();
        let line = self.curl_line(name, "/page", &more);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line} 2>&1")]);
        let output = who.host.netns.output(command).expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn curl_line(&self, name: &str, path: &str, more: &[&str]) -> String {
        let (at, ca) = (self.world.gateway.v4[0], &self.ca);
        let more = more.join(" ");
        format!(
            "curl -sS -i -N --max-time 30 --resolve {name}:443:{at} --cacert {ca} {more} https://{name}{path}"
        )
    }

    fn line(&self, name: &str, more: &[&str]) -> String {
        let (at, ca) = (self.world.gateway.v4[0], &self.ca);
        let more = more.join(" ");
        format!("openssl s_client -connect {at}:443 -servername {name} -CAfile {ca} {more}")
    }
}

fn own(who: &Subscriber) -> Vec<String> {
    let file = |name: &str| who.folder.join(name).display().to_string();
    vec!["-cert".to_owned(), file("vpn.crt"), "-key".to_owned(), file("vpn.key")]
}

fn answer(stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let Ok(mut out) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answered = writeln!(out, "answered: {line}");
        heard.lock().expect("whole").push(line);
        if answered.is_err() {
            return;
        }
    }
}

fn answer_http(mut stream: TcpStream) {
    let Ok(clone) = stream.try_clone() else { return };
    let mut lines = BufReader::new(clone).lines();
    loop {
        let head: Vec<_> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let Some(first) = head.first() else { return };
        let path = first.split(' ').nth(1).unwrap_or_default();
        let body = format!("asked for {path}\n{}\n", head.join("\n"));
        let (length, body) = match path {
            "/slow" => (1_000_000, "the beginning\n".to_owned()),
            _ => (body.len(), body),
        };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

const SETTINGS: &str = "
[[tls.listen]]
address = \"[::]:443\"

[[tls.server]]
names = [\"open.test\"]
backend = \"tcp:127.0.0.1:7000\"

[[tls.server]]
names = [\"apps.test\", \"*.apps.test\"]
backend = \"tcp:127.0.0.1:7000\"

[[tls.server]]
names = [\"closed.test\"]
clients = \"required\"
backend = \"tcp:127.0.0.1:7000\"

[[tls.server]]
names = [\"web.test\"]
clients = \"optional\"
backend = \"http://127.0.0.1:7001\"
";
const SOON: Duration = Duration::from_secs(20);
