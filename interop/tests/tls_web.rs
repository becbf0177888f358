//! HTTP behind the TLS door, through the program: curl and a client of our own in front, Python's http.server behind.
//!
//! ```text
//!    curl, python (alice) ── router ── gateway :443 ── lo ── python http.server :8001, :8002
//! ```

mod browser;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, Stock, Subscriber, World, skip, wait_until};
use serde_json::Value;

#[test]
fn every_answer_over_tls_has_exactly_one_hsts_and_none_in_the_clear_has_any() {
    let name = "every_answer_over_tls_has_exactly_one_hsts_and_none_in_the_clear_has_any";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    for version in ["--http1.1", "--http2"] {
        for (path, status) in [
            ("/page", 200),
            ("/hsts", 200),
            ("/static/page.txt", 200),
            ("/static/none", 404),
            ("/gone/x", 502),
        ] {
            let said = house.curl(&alice, "web.test", path, &[version]);
            assert_hsts(&said, status);
        }
        assert_hsts(&house.curl(&alice, "web.test", "/page", &[version, "-I"]), 200);
        assert_hsts(&house.curl(&alice, "old.test", "/page?a=b", &[version]), 308);
        let other = house.curl(&alice, "web.test", "/page", &[version, "-H", "Host: closed.test"]);
        assert_hsts(&other, 421);
        let body = ["--data-binary", "@-"];
        let long =
            house.curl_with(&alice, "web.test", "/post", &[version, body[0], body[1]], 2_000_000);
        assert_hsts(&long, 413);
    }
    let long = "a".repeat(70_000);
    for (request, status) in [
        ("GET / HTTP/1.1\\r\\nBad Header: x\\r\\n\\r\\n".to_owned(), 400),
        ("NONSENSE\\r\\n\\r\\n".to_owned(), 400),
        ("GET / HTTP/1.1\\r\\n\\r\\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n"), 431),
        (format!("GET / HTTP/1.1\\r\\nHost: web.test\\r\\nX: {long}\\r\\n\\r\\n"), 431),
        (
            "GET / HTTP/1.1\\r\\nHost: closed.test\\r\\nConnection: close\\r\\n\\r\\n".to_owned(),
            421,
        ),
    ] {
        let said = house.own_client(&alice, "web.test", "raw", &request);
        let shown: String = said.chars().take(300).collect();
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {shown}");
        assert_hsts(&said, status);
    }
    let at = house.world.gateway.v4[0];
    for clear in [format!("http://{at}/ca/"), format!("http://{at}:443/page?a=b")] {
        let said = house.shell(&alice, &format!("curl -sSi --max-time 20 '{clear}'"));
        let said = said.to_ascii_lowercase();
        assert!(said.starts_with("http/1.") && !said.contains("strict-transport"), "{said}");
        let there = said.contains(&format!("location: https://{at}/page?a=b"));
        assert_eq!(there, clear.contains("page"), "{said}");
    }
}

#[test]
fn a_backend_hears_who_asks_and_nothing_that_a_client_says_of_it_in_any_spelling() {
    let name = "a_backend_hears_who_asks_and_nothing_that_a_client_says_of_it_in_any_spelling";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let leaf = Command::new("sh")
        .args(["-c", "openssl x509 -in \"$0\" -outform DER | base64 -w0"])
        .arg(alice.folder.join("vpn.crt"))
        .output()
        .expect("openssl starts");
    let leaf = String::from_utf8_lossy(&leaf.stdout).into_owned();
    let forged: Vec<String> = FORGED.iter().map(|name| format!("{name}: mallory")).collect();
    for version in ["--http1.1", "--http2"] {
        let mut more = vec![version];
        forged.iter().for_each(|field| more.extend(["-H", field]));
        let stranger = house.curl(&alice, "web.test", "/page", &more);
        assert!(stranger.contains("one heard GET /page"), "{stranger}");
        assert!(!stranger.contains("mallory"), "{stranger}");
        let lower = stranger.to_ascii_lowercase();
        for absent in ["\nclient-cert", "\nhandfast-"] {
            assert!(!lower.contains(absent), "{absent} in {stranger}");
        }
        assert!(lower.contains("\nx-forwarded-proto: https"), "{stranger}");

        let own = own(&alice);
        more.extend(own.iter().map(String::as_str));
        let known = house.curl(&alice, "web.test", "/page", &more);
        assert!(!known.contains("mallory"), "{known}");
        let lower = known.to_ascii_lowercase();
        for said in ["\nhandfast-user: alice\n", "\nhandfast-device: default\n"] {
            assert_eq!(lower.matches(said).count(), 1, "{said} in {known}");
        }
        assert!(known.contains(&format!(": :{leaf}:\n")), "{leaf} in {known}");
        let source = format!("\nx-forwarded-for: {}\n", alice.host.v4[0]);
        assert!(lower.contains(&source), "{source} in {known}");
    }
}

#[test]
fn websockets_events_and_bodies_pass_both_ways_as_they_come() {
    let name = "websockets_events_and_bodies_pass_both_ways_as_they_come";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let said = house.own_client(&alice, "web.test", "websocket", "/ws");
    for word in ["101 Switching", "came back: 5", "came back: 70000", "pong", "closed"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let said = house.own_client(&alice, "web.test", "mirror", "/mirror");
    assert!(said.contains("came back: three\nended"), "{said}");
    let said = house.own_client(&alice, "web.test", "events", "/events");
    assert!(said.contains("1 after 0.5 s") && said.contains("2 after 1.0 s"), "{said}");
    for version in ["--http1.1", "--http2"] {
        let more = [version, "--data-binary", "@-"];
        let said = house.curl_with(&alice, "files.test", "/api/post", &more, 20_000_000);
        assert!(said.contains("20000000 octets"), "{said}");
    }
}

#[test]
fn a_session_or_a_connection_of_one_name_opens_no_other() {
    let name = "a_session_or_a_connection_of_one_name_opens_no_other";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let ask = |version: &str, name: &str, more: &str| {
        let (at, ca) = (house.world.gateway.v4[0], &house.ca);
        let line = format!(
            "openssl s_client -connect {at}:443 -servername {name} -CAfile {ca} {version} {more}"
        );
        let request =
            format!("GET /page HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n");
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("(printf '{request}'; sleep 1) | timeout 5 {line} -ign_eof 2>&1"),
        ]);
        let output = alice.host.netns.output(command).expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let session = alice.folder.join(format!("session{version}")).display().to_string();
        let said = ask(version, "web.test", &format!("-sess_out {session}"));
        assert!(said.contains("one heard GET /page"), "{said}");
        let said = ask(version, "web.test", &format!("-sess_in {session}"));
        assert!(said.contains("Reused, TLSv1") && said.contains("one heard"), "{said}");
        let said = ask(version, "closed.test", &format!("-sess_in {session}"));
        assert!(!said.contains("Reused, TLSv1") && !said.contains("one heard"), "{said}");
    }
    for version in ["--http1.1", "--http2"] {
        let said = house.curl(&alice, "web.test", "/page", &[version, "-H", "Host: closed.test"]);
        assert!(said.contains("421") && !said.contains("heard"), "{said}");
        // One connection for both: the name of the second leads to the first one's address and certificate.
        let mut line = house.curl_line("web.test", "/page", &[version]);
        let at = house.world.gateway.v4[0];
        line.push_str(&format!(" --next -sS -i {version} --connect-to closed.test:443:{at}:443"));
        line.push_str(&format!(" --cacert {} https://closed.test/page", house.ca));
        let said = house.shell(&alice, &line);
        assert_eq!(said.matches("one heard GET /page").count(), 1, "{said}");
    }
    assert!(house.world.counts("no_certificate", 4));
}

#[test]
fn a_sick_backend_is_left_out_and_a_change_of_backends_holds_on_open_connections() {
    let name = "a_sick_backend_is_left_out_and_a_change_of_backends_holds_on_open_connections";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let heard = |house: &House| {
        let said = house.curl(&alice, "both.test", "/page", &["--http1.1"]);
        said.lines().find_map(|line| line.split_once(" heard ").map(|(who, _)| who.to_owned()))
    };
    let turns: Vec<_> = (0..8).filter_map(|_| heard(&house)).collect();
    let of_one = turns.iter().filter(|who| *who == "one").count();
    assert_eq!((turns.len(), of_one), (8, 6), "{turns:?}");

    fs::write(house.world.file("one").join("sick"), "").expect("written");
    let left_out = |house: &House| {
        let shown = house.world.json(&["tls", "show", "both.test"]);
        shown["backends"][0]["ailment"].as_str().map(str::to_owned)
    };
    assert!(wait_until(SOON, || left_out(&house).is_some()));
    assert!(left_out(&house).is_some_and(|why| why.contains("503")), "{:?}", left_out(&house));
    assert!((0..8).all(|_| heard(&house).as_deref() == Some("two")));
    assert!(house.world.log().contains("a backend is left out"), "{}", house.world.log());
    let check = house.world.json(&["check"]).to_string();
    assert!(check.contains("http://127.0.0.1:8001 behind both.test is left out"), "{check}");
    assert_eq!(up(&house, "http://127.0.0.1:8001"), Some(0.0));
    fs::remove_file(house.world.file("one").join("sick")).expect("removed");
    assert!(wait_until(SOON, || left_out(&house).is_none()));
    assert_eq!(up(&house, "http://127.0.0.1:8001"), Some(1.0));

    let words = alice.folder.join("words");
    fs::write(&words, "first\n").expect("written");
    let mut open = house.start_client(&alice, "web.test", "again", &words.display().to_string());
    assert!(open.says("one heard GET /", SOON), "{}", open.log());
    let text = fs::read_to_string(house.settings()).expect("settings");
    let (before, after) = text.split_once("names = [\"web.test\"]").expect("the server");
    let after = after.replacen("127.0.0.1:8001", "127.0.0.1:8002", 1);
    fs::write(house.settings(), format!("{before}names = [\"web.test\"]{after}")).expect("written");
    house.world.handfast(&["reload"]);
    let mut more = fs::File::options().append(true).open(&words).expect("opened");
    more.write_all(b"second\n").expect("written");
    assert!(open.says("two heard GET /", SOON), "{}", open.log());
}

#[test]
fn what_a_device_did_over_the_tls_door_is_on_record_and_in_the_figures() {
    let name = "what_a_device_did_over_the_tls_door_is_on_record_and_in_the_figures";
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let own = own(&alice);
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    for _ in 0..3 {
        let said = house.curl(&alice, "closed.test", "/page", &own);
        assert!(said.contains("one heard"), "{said}");
    }
    assert!(house.curl(&alice, "closed.test", "/static/none", &own).contains(" 404"));
    let figure = |name: &str| {
        let shown = house.world.json(&["tls", "show", "closed.test"]);
        shown["figures"][name].as_u64().unwrap_or_default()
    };
    assert!(wait_until(SOON, || house.world.sessions().is_empty()));
    assert_eq!((figure("connections"), figure("requests")), (4, 4));
    assert!(figure("bytes_in") > 400 && figure("bytes_out") > 400);
    let refused = house.world.json(&["tls", "show", "closed.test"]);
    assert_eq!(refused["figures"]["refused_requests"]["http-not-found"], 1, "{refused}");
    let text = house.world.handfast(&["status", "--prometheus"]);
    let of_server = "handfast_virtual_server_requests_total{server=\"closed.test\"} 4\n";
    assert!(text.contains(of_server), "{text}");
    let of_device = "handfast_device_bytes_total{device=\"alice/default\",direction=\"in\"} ";
    let carried = text.lines().find_map(|line| line.strip_prefix(of_device.trim_end()));
    let carried: f64 = carried.expect("the device's").trim().parse().expect("a number");
    assert!(carried > 400.0, "{text}");

    let line = house.curl_line("closed.test", "/slow", &own);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line} -o /dev/null")]);
    let log = alice.folder.join("curl.log");
    let mut open = Program::start(&alice.host.netns, command, &log).expect("curl starts");
    assert!(wait_until(SOON, || house.world.sessions().len() == 1));
    let begun = Instant::now();
    house.world.handfast(&["device", "revoke", "alice/default"]);
    assert!(open.ends(SOON).is_some_and(|status| !status.success()), "{}", open.log());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let history = || house.world.json(&["sessions", "--history"]);
    let history = history();
    let visits: Vec<&Value> = history.as_array().into_iter().flatten().collect();
    assert_eq!(visits.len(), 1, "{history}");
    assert_eq!(visits[0]["client"], "closed.test over TLS", "{history}");
    assert_eq!(visits[0]["ended"], "revoked", "{history}");
    assert!(visits[0]["bytes_in"].as_u64().is_some_and(|bytes| bytes > 400), "{history}");
}

#[test]
fn a_browser_shows_a_devices_certificate_where_it_is_asked_and_is_out_once_that_is_revoked() {
    let name =
        "a_browser_shows_a_devices_certificate_where_it_is_asked_and_is_out_once_that_is_revoked";
    if !interop::long() {
        return skip(name, "a browser is started in long runs alone");
    }
    if let Some(program) = browser::lacks() {
        return skip(name, &format!("{program} is not installed"));
    }
    let Some(mut house) = House::start(name) else { return };
    let alice = house.world.subscriber("alice", "split");
    let (at, ca) = (house.world.gateway.v4[0], house.ca.clone());
    let browse = |name: &str| browser::page(&alice, &ca, at, name, "/page");
    let open = browse("both.test");
    assert!(open.contains("heard GET /page"), "{open}");
    assert!(
        !open.to_ascii_lowercase().contains("handfast-user"),
        "it is asked for nothing: {open}"
    );
    // The VPN over the same port, all the while.
    let bob = house.world.subscriber("bob", "unified");
    let way = format!("remote {} 443 tcp4-client", house.world.gateway.v4[0]);
    let mut vpn = Stock::start(&bob.host, &bob.profile_with(&way), &[]);
    vpn.connected();
    let known = browse("closed.test");
    assert!(known.contains("one heard GET /page"), "{known}");
    assert!(known.to_ascii_lowercase().contains("handfast-user: alice"), "{known}");
    house.world.handfast(&["device", "revoke", "alice/default"]);
    let refused = browse("closed.test");
    assert!(!refused.contains("heard GET"), "{refused}");
    assert!(house.world.counts("revoked", 1));
    let of_bob = |one: &Value| one["device"]["id"] == "bob/default" && one["transport"] == "tcp";
    assert!(house.world.sessions().iter().any(of_bob), "{:?}", house.world.sessions());
}

/// A gateway with virtual servers, and two web services behind it.
struct House {
    world: World,
    ca: String,
    _services: Vec<Program>,
}

impl House {
    fn start(name: &str) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            skip(name, "python3 is not installed");
            return None;
        }
        let world = World::start(name, &[("metrics.per_device", "true")])?;
        let mut services = Vec::new();
        for (port, name) in [("8001", "one"), ("8002", "two")] {
            let folder = world.file(name);
            fs::create_dir(&folder).expect("a folder");
            let mut command = Command::new("python3");
            command.arg(script("backend.py")).args([port, name]).arg(&folder);
            let log = world.file(&format!("{name}.log"));
            let mut service =
                Program::start(&world.gateway.netns, command, &log).expect("it starts");
            assert!(service.says("serves", SOON), "{}", service.log());
            services.push(service);
        }
        let folder = world.file("static");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("page.txt"), "a file\n").expect("written");
        let ca = world.file("ca.pem").display().to_string();
        let house = Self { world, ca, _services: services };
        let mut text = fs::read_to_string(house.settings()).expect("settings");
        text.push_str(&SETTINGS.replace("STATIC", &folder.display().to_string()));
        fs::write(house.settings(), text).expect("written");
        house.world.handfast(&["reload"]);
        house.world.handfast(&["ca", "export", "--out", &house.ca]);
        Some(house)
    }

    fn settings(&self) -> PathBuf {
        self.world.data().join("handfast.toml")
    }

    fn curl(&self, who: &Subscriber, name: &str, path: &str, more: &[&str]) -> String {
        self.shell(who, &self.curl_line(name, path, more))
    }

    /// With so many octets on standard input.
    fn curl_with(
        &self,
        who: &Subscriber,
        name: &str,
        path: &str,
        more: &[&str],
        octets: u32,
    ) -> String {
        let line = self.curl_line(name, path, more);
        self.shell(who, &format!("head -c {octets} /dev/zero | {line}"))
    }

    fn curl_line(&self, name: &str, path: &str, more: &[&str]) -> String {
        let (at, ca) = (self.world.gateway.v4[0], &self.ca);
        let more: Vec<_> = more.iter().map(|word| format!("'{word}'")).collect();
        let more = more.join(" ");
        format!(
            "curl -sS -i -N --max-time 30 --resolve {name}:443:{at} --cacert {ca} {more} 'https://{name}{path}'"
        )
    }

    fn shell(&self, who: &Subscriber, line: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line} 2>&1")]);
        let output = who.host.netns.output(command).expect("it starts");
        String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
    }

    fn client_command(&self, name: &str, deed: &str, rest: &str) -> Command {
        let mut command = Command::new("python3");
        command.arg(script("client.py")).arg(self.world.gateway.v4[0].to_string());
        command.args([name, &self.ca, deed, rest]);
        command
    }

    fn own_client(&self, who: &Subscriber, name: &str, deed: &str, rest: &str) -> String {
        let command = self.client_command(name, deed, rest);
        let output = who.host.netns.output(command).expect("python starts");
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{said}{wrong}").replace("\r\n", "\n")
    }

    fn start_client(&self, who: &Subscriber, name: &str, deed: &str, rest: &str) -> Program {
        let log = who.folder.join("client.log");
        Program::start(&who.host.netns, self.client_command(name, deed, rest), &log)
            .expect("python starts")
    }
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/web").join(name)
}

fn own(who: &Subscriber) -> Vec<String> {
    let file = |name: &str| who.folder.join(name).display().to_string();
    vec!["--cert".to_owned(), file("vpn.crt"), "--key".to_owned(), file("vpn.key")]
}

fn up(house: &House, backend: &str) -> Option<f64> {
    let text = house.world.handfast(&["status", "--prometheus"]);
    let name = format!("handfast_backend_up{{server=\"both.test\",backend=\"{backend}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name))?.parse().ok()
}

/// The status, and HSTS once as it is by default.
fn assert_hsts(said: &str, status: u16) {
    let head: String =
        said.split("\n\n").find(|head| !head.contains(" 100 Continue")).unwrap_or_default().into();
    let lower = head.to_ascii_lowercase();
    let first = lower.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("http/") && first.contains(&format!(" {status}")),
        "{status}: {head}"
    );
    let hsts: Vec<_> = lower.lines().filter(|line| line.starts_with("strict-transport")).collect();
    assert_eq!(hsts, ["strict-transport-security: max-age=31536000"], "{status}: {head}");
}

const FORGED: [&str; 16] = [
    "Client-Cert",
    "client_cert",
    "Client.Cert",
    "CLIENT-CERT-CHAIN",
    "Client_Cert-Chain",
    "Handfast-User",
    "handfast_user",
    "Handfast.Device",
    "HANDFAST-ANYTHING",
    "X-Forwarded-For",
    "x_forwarded_for",
    "X-Forwarded-Client-Cert",
    "X-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "x_real_ip",
];

const SETTINGS: &str = "
[[tls.listen]]
address = \"[::]:443\"
mode = \"shared\"

[[tls.server]]
names = [\"web.test\"]
clients = \"optional\"
backend = \"http://127.0.0.1:8001\"
max_body = 1000000

[[tls.server.route]]
path = \"/static\"
backend = \"files:STATIC\"

[[tls.server.route]]
path = \"/gone\"
backend = \"http://127.0.0.1:9\"

[[tls.server]]
names = [\"old.test\"]
backend = \"redirect:https://web.test\"

[[tls.server]]
names = [\"closed.test\"]
clients = \"required\"
backend = \"http://127.0.0.1:8001\"

[[tls.server.route]]
path = \"/static\"
backend = \"files:STATIC\"

[[tls.server]]
names = [\"files.test\"]
backend = \"files:STATIC\"

[[tls.server.route]]
path = \"/api\"
backend = \"http://127.0.0.1:8002\"

[[tls.server]]
names = [\"both.test\"]
backends = [{ to = \"http://127.0.0.1:8001\", weight = 3 }, { to = \"http://127.0.0.1:8002\" }]
health = \"/healthz\"
health_seconds = 1
";
const SOON: Duration = Duration::from_secs(20);
