//! One port for the VPN, a database and web sites, met by their stock clients at the same time.
//!
//! ```text
//!    openvpn, psql, curl, chromium (alice) ──┐
//!    strangers, of one address or of many ───┤ router ── gateway :443 ── lo ── PostgreSQL :5432, a folder
//!    visitors of a site for everybody ───────┤
//! ```
//!
//! Alone: it floods, and others come in within seconds.

mod browser;
mod strangers;
mod tls_house;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{
    Ping, Program, Stock, Subscriber, World, long, postgresql_programs, skip, wait_until,
};
use strangers::Strangers;
use strangers::visitors::Visitors;
use tls_house::Client;
use tls_house::watch::{Watch, raise_descriptors};

#[test]
fn the_vpn_a_database_and_a_web_site_share_a_port_at_the_same_time() {
    let name = "the_vpn_a_database_and_a_web_site_share_a_port_at_the_same_time";
    let Some(programs) = postgresql_programs() else {
        return skip(name, "postgresql is not installed");
    };
    let Some(mut world) = World::start(name, &[("vpn.push.routes", r#"["10.99.0.0/24"]"#)]) else {
        return;
    };
    let house = House::open(&mut world, &programs);
    let alice = house.world.subscriber("alice", "unified");
    let files = house.world.subscriber("bob", "split");
    let at = house.world.gateway.v4[0];
    let named = fs::read_to_string(alice.profile()).expect("a profile");
    assert!(
        named.lines().any(|line| line.starts_with("remote ") && line.contains(" 443 tcp")),
        "{named}"
    );

    let profile = alice.profile_with(&format!("remote {at} 443 tcp4-client"));
    let mut vpn = Stock::start(&alice.host, &profile, &[]);
    vpn.connected();
    let mut query = house.psql(&alice, &files, "select 'before', pg_sleep(3); select 'after'");
    assert!(wait_until(SOON, || house.sessions("db.test over TLS") == 1), "{}", house.world.log());
    for _ in 0..20 {
        let said = house.curl(&alice, &["--cacert", &house.ca, "https://web.test/"]);
        assert!(said.contains("the front page"), "{said}");
    }
    let said = house.curl(&alice, &["-i", "http://web.test:443/page?x"]);
    assert!(said.starts_with("HTTP/1.1 308"), "{said}");
    let said = said.to_ascii_lowercase();
    assert!(said.contains("location: https://web.test/page?x"), "{said}");
    assert!(!said.contains("strict-transport-security"), "{said}");
    let said = house.curl(&alice, &["-i", "http://web.test/page"]);
    assert!(said.to_ascii_lowercase().contains("location: https://web.test/page"), "{said}");
    assert!(query.ends(SOON).is_some_and(|status| status.success()), "{}", query.log());
    assert!(query.says("after", SOON), "{}", query.log());

    let sessions = house.world.sessions();
    let of_vpn =
        sessions.iter().find(|one| one["device"]["id"] == "alice/default").expect("a session");
    let source = of_vpn["source"].as_str().unwrap_or_default();
    assert!(source.starts_with(&alice.host.v4[0].to_string()), "{of_vpn}");
    let mut ping = Command::new("ping");
    ping.args(["-c3", "-W2", &house.world.lan.v4[0].to_string()]);
    let ping = alice.host.netns.output(ping).expect("ping starts");
    assert!(ping.status.success(), "{}", vpn.0.log());

    let refused = house.psql_as(&alice, "sslmode=disable", "select 1");
    assert!(refused.contains("TLS is required here"), "{refused}");
    let stranger = house.psql_as(&alice, "sslmode=require", "select 1");
    assert!(!stranger.contains("1 row"), "{stranger}");
    assert!(house.world.counts("postgresql_in_the_clear", 1));
    assert!(house.world.counts("no_certificate", 1));
}

#[test]
fn all_three_come_in_anew_while_a_crowd_of_strangers_stands_at_the_port() {
    let name = "all_three_come_in_anew_while_a_crowd_of_strangers_stands_at_the_port";
    let Some(programs) = postgresql_programs() else {
        return skip(name, "postgresql is not installed");
    };
    let Some(mut world) = World::start(name, &[]) else { return };
    let (count, visitors, pace, rounds, seconds) =
        if long() { (10_000, 8_832, 600, 3, 60) } else { (1_800, 416, 2_000, 1, 8) };
    raise_descriptors((count + visitors) as u64 + 1_024);
    let house = House::open(&mut world, &programs);
    let [alice, carol] = ["alice", "carol"].map(|user| house.world.subscriber(user, "unified"));
    let files = house.world.subscriber("bob", "split");
    let (one, many) = (house.world.host(), house.world.host_of_many("198.18.0.0/16"));
    let door = (house.world.gateway.v4[0], 443).into();
    let own: Vec<Ipv4Addr> = (0..count as u32)
        .map(|number| Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 1, 0).to_bits() + number))
        .collect();
    let client = Client::trusting(Path::new(&house.ca), house.world.gateway.v4[0].into());
    let way = format!("remote {} 443 tcp4-client", house.world.gateway.v4[0]);
    let mut vpn = Stock::start(&alice.host, &alice.profile_with(&way), &[]);
    vpn.connected();
    // Each has come in once, and what that opened is open.
    house.come_anew(&carol, &files);
    let process = house.world.up.as_ref().expect("it runs").id();
    let (open, before) = (descriptors(process), tls_house::memory_of(process));

    for (crowd, netns, from, visitors) in [
        ("one address", &one.netns, &one.v4[..1], 0),
        ("an address each", &many.netns, &own[..], visitors),
    ] {
        let watch = Watch::start(process);
        let of_site = Visitors::start(netns, from, &client, "web.test", visitors);
        let all_here = || of_site.here() >= visitors as u64;
        let arrives = Instant::now();
        assert!(wait_until(SOON * 15, all_here), "{} of {visitors} are here", of_site.here());
        let arrived = arrives.elapsed().as_secs();
        let sleeps = format!("select pg_sleep({seconds}); select 'it stayed'");
        let mut query = house.psql(&alice, &files, &sleeps);
        assert!(wait_until(SOON, || house.sessions("db.test over TLS") == 1));
        let strangers = Strangers::start(netns, from, door, count, pace);
        let all_came = || strangers.came() >= count as u64;
        assert!(wait_until(SOON * 3, all_came), "{} of {count} came", strangers.came());
        let (log, gateway) = (house.world.file("ping.log"), "10.71.0.1".parse().expect("one"));
        let each = Duration::from_millis(50);
        let ping = Ping::start(&alice.host.netns, gateway, 20 * seconds, each, &log).expect("ping");
        let mut stand = vec![house.standing()];
        let anew = |_| {
            let times = house.come_anew(&carol, &files);
            stand.push(house.standing());
            times
        };
        let times: Vec<_> = (0..rounds).map(anew).collect();
        let held = descriptors(process).saturating_sub(open);
        let (came, here) = (strangers.came(), of_site.here());
        let pings = ping.finish(Duration::from_secs(90));
        strangers.end();
        of_site.end();
        let most = watch.end();
        println!(
            "FIGURE strangers of {crowd}: {came} came that go no further, {here} are visitors, after {arrived} s; {stand:?} connections stand at \
             the port, for which the gateway holds {held} sockets more and {} MiB of memory more at most; seconds to come \
             in anew (vpn, psql, https): {times:.1?}; {} of {} pings lost",
            most.saturating_sub(before) >> 20,
            pings.lost(),
            pings.sent
        );
        assert!(held <= MOST_HELD + visitors, "{held} sockets for strangers of {crowd}");
        let least = if long() && visitors > 0 { 10_000 } else { visitors + 300 };
        assert!(stand.iter().all(|count| *count >= least), "{stand:?}: no crowd");
        assert!(most < before + (MOST_MEMORY << 20), "{before} {most}");
        assert_eq!(pings.lost(), 0, "{}", house.world.log());
        assert!(query.ends(SOON * 3).is_some_and(|status| status.success()), "{}", query.log());
        assert!(query.log().contains("it stayed"), "{}", query.log());
        let gone = || descriptors(process) <= open + 16;
        assert!(wait_until(SOON * 2, gone), "{} of {open}", descriptors(process));
    }
}

fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

/// A gateway with one shared port, and a database behind it.
struct House<'a> {
    world: &'a mut World,
    ca: String,
    database: PathBuf,
    running: Option<Program>,
}

impl<'a> House<'a> {
    fn open(world: &'a mut World, programs: &Path) -> Self {
        let database = make_database(world, programs);
        let running = run_database(world, programs, &database);
        let www = world.file("www");
        fs::create_dir(&www).expect("a folder");
        fs::write(www.join("index.html"), "the front page\n").expect("a page");
        let settings = world.data().join("handfast.toml");
        let mut text = fs::read_to_string(&settings).expect("settings");
        text.push_str(&SETTINGS.replace("WWW", &www.display().to_string()));
        fs::write(&settings, text).expect("written");
        world.handfast(&["reload"]);
        let ca = world.file("ca.pem").display().to_string();
        world.handfast(&["ca", "export", "--out", &ca]);
        Self { world, ca, database, running: Some(running) }
    }

    /// How many connections to the port are open, as the gateway's kernel has them.
    fn standing(&self) -> usize {
        let mut command = Command::new("ss");
        command.args(["-Htn", "state", "established", "sport = :443"]);
        let output = self.world.gateway.netns.output(command).expect("ss starts");
        output.stdout.iter().filter(|octet| **octet == b'\n').count()
    }

    fn sessions(&self, client: &str) -> usize {
        self.world.sessions().iter().filter(|one| one["client"] == client).count()
    }

    /// The VPN, a query and a page that is for devices alone, each over a connection of its own; how many seconds each
    /// took.
    fn come_anew(&self, who: &Subscriber, files: &Subscriber) -> [f64; 3] {
        let at = self.world.gateway.v4[0];
        let taken = |deed: &dyn Fn()| {
            let begun = Instant::now();
            deed();
            begun.elapsed().as_secs_f64()
        };
        let to_vpn = || {
            let way = format!("remote {at} 443 tcp4-client");
            Stock::start(&who.host, &who.profile_with(&way), &[]).connected();
        };
        let to_database = || {
            let mut query = self.psql(who, files, "select 'anew'");
            let fine = query.ends(SOON).is_some_and(|status| status.success());
            assert!(fine && query.log().contains("anew"), "{}", query.log());
        };
        let to_page = || {
            let said = match long() && browser::lacks().is_none() {
                true => browser::page(files, &self.ca, at, "closed.test", "/"),
                false => self.curl_as(files),
            };
            assert!(said.contains("the front page"), "{said}");
        };
        [taken(&to_vpn), taken(&to_database), taken(&to_page)]
    }

    /// The page that is for devices alone.
    fn curl_as(&self, who: &Subscriber) -> String {
        let file = |name: &str| who.folder.join(name).display().to_string();
        let (chain, key) = (file("vpn.crt"), file("vpn.key"));
        let own = ["--cacert", &self.ca, "--cert", &chain, "--key", &key, "https://closed.test/"];
        self.curl(who, &own)
    }

    /// A query by somebody with a certificate, which runs on.
    fn psql(&self, who: &Subscriber, certificate: &Subscriber, query: &str) -> Program {
        let file = |name: &str| certificate.folder.join(name).display().to_string();
        let own = format!("sslcert={} sslkey={}", file("vpn.crt"), file("vpn.key"));
        let target = self.target(&format!("sslmode=verify-full sslrootcert={} {own}", self.ca));
        let mut command = Command::new("psql");
        command.args(["-X", &target, "-c", query]);
        Program::start(&who.host.netns, command, &who.folder.join("psql.log")).expect("psql starts")
    }

    /// A query as `more` has it, to its end.
    fn psql_as(&self, who: &Subscriber, more: &str, query: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["-X", &self.target(more), "-c", query]);
        let output = who.host.netns.output(command).expect("psql starts");
        [&output.stdout[..], &output.stderr].concat().iter().map(|byte| char::from(*byte)).collect()
    }

    fn target(&self, more: &str) -> String {
        let at = self.world.gateway.v4[0];
        format!("host=db.test hostaddr={at} port=443 user=postgres connect_timeout=10 {more}")
    }

    fn curl(&self, who: &Subscriber, more: &[&str]) -> String {
        let at = self.world.gateway.v4[0];
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20"]).args(more);
        for to in ["web.test:80", "web.test:443", "closed.test:443"] {
            command.args(["--resolve", &format!("{to}:{at}")]);
        }
        let output = who.host.netns.output(command).expect("curl starts");
        [&output.stdout[..], &output.stderr].concat().iter().map(|byte| char::from(*byte)).collect()
    }
}

impl Drop for House<'_> {
    fn drop(&mut self) {
        self.running = None;
        let _ = fs::remove_dir_all(&self.database);
    }
}

/// An empty one, which its user alone may read.
fn make_database(world: &World, programs: &Path) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("handfast-shared-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder");
    let id = |what: &str| {
        let output = Command::new("id").args([what, "postgres"]).output().expect("id starts");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().expect("a number")
    };
    chown(&folder, Some(id("-u")), Some(id("-g"))).expect("its owner");
    let mut command = as_postgres(&programs.join("initdb"));
    command.args(["--auth=trust", "--no-sync", "-D"]).arg(&folder);
    let output = world.gateway.netns.output(command).expect("initdb starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn run_database(world: &World, programs: &Path, folder: &Path) -> Program {
    let mut command = as_postgres(&programs.join("postgres"));
    command.arg("-D").arg(folder).arg("-k").arg(folder);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=off"]);
    // Else it would leave a file in /dev/shm when it is killed.
    command.args(["-c", "dynamic_shared_memory_type=mmap"]);
    let log = world.file("postgres.log");
    let mut running =
        Program::start_enclosed(&world.gateway.netns, &command, &log).expect("it starts");
    assert!(running.says("ready to accept connections", SOON), "{}", running.log());
    running
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

const SETTINGS: &str = "
[[tls.listen]]
address = \"[::]:443\"
mode = \"shared\"

[[tls.server]]
names = [\"web.test\"]
backend = \"files:WWW\"

[[tls.server]]
names = [\"closed.test\"]
clients = \"required\"
backend = \"files:WWW\"

[[tls.server]]
names = [\"db.test\"]
clients = \"required\"
backend = \"tcp:127.0.0.1:5432\"
";
/// Of strangers: 1,024 who have not said what they want, 512 at the VPN, 1,024 with a request in the clear; and those who
/// come in.
const MOST_HELD: usize = 1_024 + 512 + 1_024 + 64;
/// For strangers and visitors together, in MiB.
const MOST_MEMORY: u64 = 512;
const SOON: Duration = Duration::from_secs(20);
