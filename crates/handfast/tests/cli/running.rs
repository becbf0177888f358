//! The same commands through the control socket of a gateway that holds the data folder.
//!
//! The gateway is the real one without its VPN, run inside the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::{
    Session, TlsAddress, TlsBackend, TlsCertificate, TlsClientPort, TlsEncryption, TlsFigures,
    TlsServer, TlsServers,
};
use clock::Timestamp;
use clock::{Clock as _, SystemClock};
use gateway::Gateway;
use gateway::control::ControlServer;
use gateway::data::DataDir;
use gateway::doors::{BoxFuture, Counters, Door};
use gateway::publishing::{self, Publishing};
use tokio::runtime::Runtime;

use crate::{Cli, squeezed};

#[test]
fn changes_go_through_the_running_gateway() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files");
    assert_eq!(
        cli.ok("device revoke alice"),
        "revoked device alice/default: 1 certificate revoked, CRL [NUMBER] signed\n\
         revoked certificate [SERIAL]\n"
    );
    assert!(cli.ok("events").contains("user_added"));
}

#[test]
fn status_sessions_and_figures_are_answered() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    let status = cli.ok("status");
    let servers = "\nTLS door     virtual servers 1, at 192.0.2.9:443; sessions 3\n";
    assert!(status.contains(servers), "{status}");
    assert!(status.contains("\nreached at   udp:vpn.example.net:1194\n"), "{status}");
    assert!(status.contains("\nsessions     1\n"), "{status}");
    assert_eq!(
        squeezed(&cli.ok("sessions")),
        "ID DEVICE SOURCE ADDRESS FOR IN OUT\n\
         7 alice/phone udp:192.0.2.1:4000 10.71.0.2 5 minutes 1.5 MB 12 B\n"
    );
    assert_eq!(
        squeezed(&cli.ok("sessions --wide")),
        "ID DEVICE SOURCE ADDRESSES CLIENT CIPHER TLS GROUP KEY AGE FOR IN OUT\n\
         7 alice/phone udp:192.0.2.1:4000 10.71.0.2 OpenVPN 2.6.14?[2Jlinux AES-256-GCM TLSv1.3 \
         X25519MLKEM768 2 minutes 5 minutes 1.5 MB 12 B\n"
    );
    assert_eq!(
        cli.fails(3, "kick --session 1"),
        "error: no such session is open\n\
         hint:  see who is connected: handfast sessions\n"
    );
    assert_eq!(cli.ok("kick --session 7"), "closed 1 session: alice/phone\n");
    assert_eq!(cli.ok("kick --session 8"), "closed 1 session: 1 without a certificate\n");
    assert_eq!(
        cli.ok("kick --server wiki.example.org"),
        "closed 3 sessions: alice/phone, 2 without a certificate\n"
    );
    let events = cli.ok("events");
    assert!(events.contains("wiki.example.org") && events.contains("session 8"), "{events}");
    let figures = cli.ok("status --prometheus");
    assert!(figures.contains("# TYPE handfast_"), "{figures}");
    assert!(cli.ok("status --json").contains("\"sessions\": 1,"));
}

#[test]
fn virtual_servers_are_listed_with_what_they_show_and_how_many_are_there() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    assert_eq!(
        squeezed(&cli.ok("tls list")),
        "listens at 192.0.2.9:443\n\n\
         NAME PORTS CLIENTS NOW CERTIFICATE BACKEND\n\
         wiki.example.org 443, 587 optional 3 [DATE] http://10.0.0.5:80, http://10.0.0.6:80 (1 of 2 left out)\n\
         problem: wiki.example.org: /etc/wiki.pem: certificate 1 in it ended\n\n\
         LOCAL PORT LEADS TO STATE\n\
         127.0.0.1:5433 db.example.org:5432 open\n"
    );
    let wide = squeezed(&cli.ok("tls list --wide"));
    let row = "192.0.2.9:443 - optional alice 3 1 1 X25519, 2 X25519MLKEM768 2 hours p256 0A from files until [DATE]";
    let carried = "5 minutes 20 2.0 kB 1.0 MB http://10.0.0.5:80";
    assert!(wide.contains(row) && wide.contains(carried), "{wide}");
    let shown = squeezed(&cli.ok("tls show wiki.example.org"));
    for line in [
        "clients optional: alice\n",
        "reached at 192.0.2.9:443 shared, 192.0.2.9:587 starttls:submission, 192.0.2.9:443\n",
        "connections 3 now, 9 since the start\n",
        "encryption 1 TLSv1.3 TLS13_AES_128_GCM_SHA256 X25519MLKEM768, 1 TLSv1.3 \
         TLS13_CHACHA20_POLY1305_SHA256 X25519MLKEM768, 1 TLSv1.3 TLS13_AES_128_GCM_SHA256 X25519\n",
        "oldest keys 2 hours\n",
        "requests 20\n",
        "refused 2 http-not-found\n",
        "broken off 1\n",
        "http://10.0.0.5:80 has its turns\n",
        "http://10.0.0.6:80 left out: it is away\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let none = cli.fails(3, "tls show none.example.org");
    assert!(none.contains("no virtual server") && none.contains("tls list"), "{none}");
}

/// As in docs/operation.md.
#[test]
fn no_alarm_of_the_documents_is_raised_by_a_new_gateway() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files");
    cli.ok("cert issue www.example.org --out certs");
    let said = cli.command("status --prometheus").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let figure = |of: &str| value(said.lines().find(|line| line.starts_with(of)).expect(of));
    let certificates =
        said.lines().filter(|l| l.starts_with("handfast_certificate_valid_seconds{"));
    let (renewed, others): (Vec<_>, Vec<_>) =
        certificates.partition(|line| line.contains("of=\"renewed\""));
    assert!(renewed.iter().all(|line| value(line) > 3.0 * 86_400.0), "{renewed:?}");
    assert!(renewed.iter().any(|line| line.contains("\"OCSP ")), "{renewed:?}");
    assert!(others.iter().all(|line| value(line) > 14.0 * 86_400.0), "{others:?}");
    for (whose, of) in [("ca", "ca"), ("www.example.org", "name"), ("alice/default", "device")] {
        let labels = format!("certificate=\"{whose}\",of=\"{of}\"");
        assert!(others.iter().any(|line| line.contains(&labels)), "{labels}: {others:?}");
    }
    assert!(figure("handfast_crl_valid_seconds") > figure("handfast_crl_age_seconds") / 3.0);
}

#[test]
fn prometheus_own_tool_finds_nothing_to_say_about_the_figures() {
    let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let mut promtool = Command::new(program);
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let spawned = promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = spawned else {
        println!("SKIP prometheus_own_tool_finds_nothing_to_say_about_the_figures: no promtool");
        return;
    };
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files");
    // Its own letters, with nothing replaced.
    let figures = cli.command("status --prometheus").output().unwrap().stdout;
    let text = String::from_utf8_lossy(&figures).into_owned();
    let build = format!("handfast_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&build), "{text}");
    promtool.stdin.take().unwrap().write_all(&figures).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
}

#[test]
fn settings_are_set_read_again_and_what_waits_for_a_start_is_named() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    assert_eq!(
        cli.ok("config set vpn.push.routes 192.168.10.0/24 10.9.0.0/16"),
        "vpn.push.routes = [\"192.168.10.0/24\", \"10.9.0.0/16\"]\n\
         not in force yet: handfast reload\n"
    );
    assert_eq!(
        cli.ok("config set vpn.ping 7"),
        "vpn.ping = 7\nnot in force yet: it waits for the gateway's next start\n"
    );
    let shown = cli.ok("config show");
    assert!(shown.contains("\"10.9.0.0/16\"]  # not in force: handfast reload\n"), "{shown}");
    assert!(cli.ok("check").contains("the file was changed since it was read"));
    let again = "settings were read again; sessions stay\nwaiting for the next start: vpn.ping\n";
    let pushed = "connected clients get the new pushes when they come again: handfast kick USER\n";
    assert_eq!(cli.ok("reload"), format!("{again}{pushed}"));
    assert_eq!(cli.ok("reload"), again);
    let checked = cli.ok("check");
    assert!(checked.contains("changed since the start and not in force: vpn.ping\n"), "{checked}");
    assert!(checked.contains("route 192.168.10.0 255.255.255.0, route 10.9.0.0"), "{checked}");
    let status = squeezed(&cli.ok("status"));
    assert!(status.contains("\npushes route 192.168.10.0 255.255.255.0"), "{status}");
    assert!(status.contains("\nwaiting for the next start: vpn.ping\n"), "{status}");
    let shown = cli.ok("config show");
    assert!(shown.contains("vpn.ping = 7  # not in force: it waits"), "{shown}");
    assert!(!shown.contains("handfast reload"), "{shown}");
}

#[test]
fn events_are_listed_from_a_time_on_and_sessions_by_an_address_alone() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    for number in 0..60 {
        cli.ok(&format!("user add u{number}"));
    }
    let all = |words: &str| cli.ok(words).matches("user_added").count();
    assert!(all("events") < 60);
    assert_eq!(all("events --since 2020-01-01"), 60, "all of them");
    assert_eq!(all("events --since 2099-01-01"), 0);
    assert!(cli.fails(2, "events --since yesterday").contains("is no time"));
    let nobody = "no session is on record for that\n";
    assert_eq!(cli.ok("sessions --address 10.71.0.2"), nobody);
    assert_eq!(cli.ok("sessions --address 10.71.0.2 --since 2020-01-01 --limit 3"), nobody);
    assert!(cli.fails(2, "sessions --at 2026-11-24").contains("--address"));
    assert!(cli.fails(2, "sessions --since 2020-01-01").contains("required"));
}

#[test]
fn events_are_followed_as_they_happen() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    let mut following =
        cli.command("events --follow --json --limit 1").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    cli.ok("user add alice");
    let line = lines.next().unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["what"], "user_added");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn whoever_follows_from_a_time_on_gets_what_happens_from_then_on_and_nothing_of_before() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    let now = || Timestamp::from(SystemClock.now());
    let since = now().after(Duration::from_secs(5));
    let words = format!("events --follow --json --since {}", since.to_rfc3339());
    let mut following = cli.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    std::thread::sleep(Duration::from_secs(1));
    cli.ok("user add early");
    assert!(now() < since, "the machine is too busy for this test");
    while now() <= since {
        std::thread::sleep(Duration::from_millis(50));
    }
    cli.ok("user add alice");
    let event: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&event["what"], &event["subject"]), (&"user_added".into(), &"alice".into()));
    following.kill().unwrap();
    following.wait().unwrap();
}

/// A VPN with one session, whose client says odd things of itself.
#[derive(Debug)]
struct OneSession;

impl Door for OneSession {
    fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
        Box::pin(async { vec![session()] })
    }

    fn kick<'a>(&'a self, target: &'a KickTarget) -> BoxFuture<'a, Vec<Option<DeviceName>>> {
        let closed = match target {
            KickTarget::Session { id: 7 } => vec![session().device],
            KickTarget::Session { id: 8 } => vec![None],
            KickTarget::Device { device } if session().device.as_ref() == Some(device) => {
                vec![session().device]
            }
            KickTarget::Server { name } if name == "wiki.example.org" => {
                vec![session().device, None, None]
            }
            _ => Vec::new(),
        };
        Box::pin(async { closed })
    }

    fn virtual_servers(&self) -> Option<TlsServers> {
        let listen = vec!["192.0.2.9:443".parse().unwrap()];
        let clients = vec![TlsClientPort {
            listen: "127.0.0.1:5433".parse().unwrap(),
            target: "db.example.org:5432".into(),
            fault: None,
        }];
        Some(TlsServers { listen, servers: vec![virtual_server()], clients })
    }

    fn changed(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    fn put_back(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn counters(&self) -> BoxFuture<'_, Counters> {
        Box::pin(async { Counters { sessions: 1, ..Counters::default() } })
    }
}

fn virtual_server() -> TlsServer {
    let expires_at = Timestamp::from_unix_secs(4_102_444_800);
    let certificate = TlsCertificate { serial: "0A".into(), key: "p256".into(), expires_at };
    TlsServer {
        name: "wiki.example.org".into(),
        names: vec!["wiki.example.org".into(), "*.wiki.example.org".into()],
        alpn: Vec::new(),
        reached_at: vec![at(443, "shared"), at(587, "starttls:submission"), at(443, "implicit")],
        backend: "http://10.0.0.5:80, http://10.0.0.6:80".into(),
        passthrough: false,
        clients: "optional".into(),
        users: vec!["alice".into()],
        certificate_source: "files".into(),
        certificates: vec![certificate],
        problems: vec!["wiki.example.org: /etc/wiki.pem: certificate 1 in it ended".into()],
        ticket_key_seconds: Some(300),
        connections: 3,
        with_certificate: 1,
        encryption: vec![
            encrypted("TLS13_AES_128_GCM_SHA256", "X25519MLKEM768", 1),
            encrypted("TLS13_CHACHA20_POLY1305_SHA256", "X25519MLKEM768", 1),
            encrypted("TLS13_AES_128_GCM_SHA256", "X25519", 1),
        ],
        oldest_keys_seconds: Some(7_200),
        backends: vec![
            TlsBackend { to: "http://10.0.0.5:80".into(), ailment: None },
            TlsBackend { to: "http://10.0.0.6:80".into(), ailment: Some("it is away".into()) },
        ],
        figures: TlsFigures {
            connections: 9,
            requests: 20,
            bytes_in: 2048,
            bytes_out: 1_048_576,
            refused_requests: [("http-not-found".to_owned(), 2)].into(),
            broken_answers: 1,
        },
    }
}

fn encrypted(cipher: &str, group: &str, connections: u32) -> TlsEncryption {
    let [tls, cipher, group] = ["TLSv1.3", cipher, group].map(str::to_owned);
    TlsEncryption { tls, cipher, group, connections }
}

fn at(port: u16, mode: &str) -> TlsAddress {
    TlsAddress { address: ([192, 0, 2, 9], port).into(), mode: mode.into() }
}

fn session() -> Session {
    let now = Timestamp::from_wall(SystemClock.now().wall);
    Session {
        id: 7,
        device: Some(DeviceName::parse("alice/phone").unwrap()),
        transport: admin::transport::Transport::Udp,
        source: "192.0.2.1:4000".parse().unwrap(),
        local: None,
        addresses: vec!["10.71.0.2".parse().unwrap()],
        cipher: "AES-256-GCM".into(),
        tls: "TLSv1.3".into(),
        group: "X25519MLKEM768".into(),
        keys_since: Some(Timestamp::from_millis(now.millis() - 130_000)),
        client: "OpenVPN 2.6.14\u{1b}[2Jlinux".into(),
        serial: Some("0a".into()),
        since: Timestamp::from_millis(now.millis() - 310_000),
        renegotiated_at: None,
        bytes_in: 1_500_000,
        bytes_out: 12,
    }
}

/// A gateway that answers until it is dropped.
pub(crate) struct Running {
    _published: Option<Publishing>,
    _runtime: Runtime,
}

impl Running {
    pub(crate) fn on(cli: &Cli) -> Self {
        Self::start(cli, false)
    }

    /// One that publishes, at an address of this machine that certificates name from here on.
    pub(crate) fn publishing(cli: &Cli) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        cli.ok(&format!("config set publish.listen {free}"));
        cli.ok(&format!("config set ca.public_url http://{free}"));
        Self::start(cli, true)
    }

    fn start(cli: &Cli, publishes: bool) -> Self {
        let runtime = Runtime::new().unwrap();
        let data = DataDir::new(cli.path("data"));
        let gateway = runtime.block_on(Gateway::open(data.clone(), Arc::new(SystemClock))).unwrap();
        let published = publishes.then(|| runtime.block_on(publishing::open(&gateway)));
        let server = runtime.block_on(async { ControlServer::bind(&data) }).unwrap();
        gateway.doors().attach(Arc::new(OneSession));
        runtime.spawn(server.serve(Arc::new(gateway)));
        Self { _published: published, _runtime: runtime }
    }
}
