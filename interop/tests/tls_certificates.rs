//! Certificates of the TLS door that another CA made: from files that change under load, and by ACME from pebble.
//!
//! ```text
//!    curl, openssl (alice) ──┐
//!    pebble, its DNS (ca) ───┤ router ── gateway :443, :80
//! ```

mod tls_house;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Program, World, long, skip, wait_until};
use sysio::lab::Host;
use tls_house::{Client, load};

use Lives::{ADay, AMinute};

#[test]
fn a_certificate_in_files_is_changed_under_load_without_a_failed_request() {
    let name = "a_certificate_in_files_is_changed_under_load_without_a_failed_request";
    let Some(house) = House::start(name, &from_files()) else { return };
    house.put(&house.made("web.test", 90));
    assert!(wait_until(SOON, || house.shown("web.test").is_some()), "{}", house.world.log());
    let first = house.shown("web.test").expect("shown");
    assert!(house.listed()["problems"].as_array().expect("a list").is_empty());

    let mut load = Load::on(&house, "web.test");
    let mut seen = vec![first];
    while seen.len() < 4 {
        house.put(&house.made("web.test", 60 + seen.len() as u32));
        let former = seen.last().cloned();
        let changed = wait_until(SOON, || {
            load.goes_on();
            house.shown("web.test").is_some_and(|now| Some(now) != former)
        });
        assert!(changed, "{}", house.world.log());
        seen.push(house.shown("web.test").expect("shown"));
    }
    let requests = load.end();
    println!("FIGURE {requests} requests, {} certificates, none failed", seen.len());
}

#[test]
fn files_that_do_not_fit_leave_the_former_certificate_and_are_told() {
    let name = "files_that_do_not_fit_leave_the_former_certificate_and_are_told";
    let Some(house) = House::start(name, &from_files()) else { return };
    let refused = house.curl("web.test");
    assert!(refused.contains("alert"), "nothing is there yet: {refused}");
    let told = |what: &str| {
        let listed = house.listed()["problems"].to_string();
        let checked = house.world.try_handfast(&["check"]).stdout;
        listed.contains(what)
            && String::from_utf8_lossy(&checked).contains(what)
            && house.world.log().contains(what)
    };
    assert!(told("web.pem can't be read"), "{}\n{}", house.listed(), house.world.log());
    let good = house.made("web.test", 90);
    house.put(&good);
    assert!(wait_until(SOON, || house.shown("web.test").is_some()), "{}", house.world.log());
    let former = house.shown("web.test");

    let other = house.made("web.test", 60);
    fs::copy(&other.0, house.world.file("web.pem")).expect("copied");
    assert!(wait_until(SOON, || told("is not that of the certificate")), "{}", house.listed());
    house.put(&house.made("other.test", 60));
    assert!(wait_until(SOON, || told("not for web.test; it is for other.test")));
    house.put(&house.over("web.test"));
    assert!(wait_until(SOON, || told("certificate 1 in it ended at")), "{}", house.listed());
    fs::remove_file(house.world.file("web.key")).expect("removed");
    assert!(wait_until(SOON, || told("web.key can't be read")), "{}", house.listed());
    assert_eq!(house.shown("web.test"), former, "the former one serves");
    assert!(house.curl("web.test").contains("the front page"));

    house.put(&good);
    let mended = || house.listed()["problems"].as_array().is_some_and(Vec::is_empty);
    assert!(wait_until(SOON, mended), "{}", house.listed());
}

#[test]
fn certificates_are_had_by_both_ways_and_renewed_under_load() {
    let name = "certificates_are_had_by_both_ways_and_renewed_under_load";
    let Some(mut house) = House::start(name, &[by_acme("web.test"), another("shop.test")].concat())
    else {
        return;
    };
    let Some(ca) = Pebble::start(name, &mut house, AMinute, &[], "") else { return };
    // Nothing is asked before somebody agreed.
    house.agree(&ca, &["tls-alpn-01"], false);
    let told = || house.listed()["problems"].to_string().contains("agreed to the CA's terms");
    assert!(wait_until(SOON, told), "{}", house.listed());
    assert_eq!(ca.asked("sign-me-up"), 0, "{}", ca.program.log());
    house.agree(&ca, &["tls-alpn-01"], true);
    assert!(wait_until(SOON, || house.shown("web.test").is_some()), "{}", house.world.log());
    assert!(wait_until(SOON, || house.shown("shop.test").is_some()), "{}", house.world.log());
    assert_eq!(house.listed()["certificate_source"], "acme");
    house.trust(&ca);
    assert!(house.curl("web.test").contains("the front page"), "{}", house.curl("web.test"));
    assert!(house.curl("shop.test").contains("the front page"));

    // Renewed when two thirds of a minute are over, and by the other way.
    house.agree(&ca, &["http-01"], true);
    let (first, begun) = (house.shown("web.test").expect("shown"), Instant::now());
    let mut load = Load::on(&house, "web.test");
    let renewed = wait_until(Duration::from_secs(120), || {
        load.goes_on();
        house.shown("web.test").is_some_and(|now| now != first)
    });
    assert!(renewed, "{}\n{}", house.world.log(), ca.program.log());
    let (renewed, requests) = (begun.elapsed().as_secs(), load.end());
    assert!(ca.asked(".well-known/acme-challenge/") > 0, "{}", ca.program.log());
    println!("FIGURE renewed after {renewed} s, {requests} requests, none failed");
}

#[test]
fn all_that_may_change_changes_under_a_thousand_requests_a_second_and_none_fails() {
    let name = "all_that_may_change_changes_under_a_thousand_requests_a_second_and_none_fails";
    if !long() {
        return skip(
            name,
            "it lasts until a certificate by ACME was renewed twice; the parts are tested apart",
        );
    }
    let Some(mut house) = House::start(name, SERVERS) else { return };
    tls_house::serve_all(&house.world);
    let Some(ca) = Pebble::start(name, &mut house, AMinute, &[], "") else { return };
    let made: Vec<_> = (0..8).map(|number| house.made("files.test", 60 + number)).collect();
    house.put(&made[0]);
    house.agree(&ca, &["tls-alpn-01"], true);
    for server in ["web.test", "files.test"] {
        assert!(wait_until(SOON, || house.shown(server).is_some()), "{}", house.world.log());
    }
    house.sh("cp ca.pem own.pem");
    house.trust(&ca);
    house.sh("cat own.pem >>ca.pem");
    let client = Client::trusting(&house.world.file("ca.pem"), house.world.gateway.v4[0].into());
    let loads = ["web.test", "files.test"]
        .map(|server| load::Load::start_by(6, &house.alice.netns, &client, server));
    assert!(wait_until(SOON, || loads.iter().all(|load| load.done() > 100)), "{}", loads[0].done());

    let settings = house.world.data().join("handfast.toml");
    let plain = fs::read_to_string(&settings).expect("settings");
    let (begun, first) = (Instant::now(), loads.iter().map(load::Load::done).sum::<u64>());
    let mut seen = vec![house.shown("web.test")];
    let mut turn = 0;
    while seen.len() < 3 && begun.elapsed() < Duration::from_secs(180) {
        let text = match turn % 4 {
            0 => plain.replace("7001\" # load", "7002\" # load"),
            1 => plain.clone() + "max_connections = 9000\n",
            2 => plain
                .replace("names = [\"files.test\"]", "names = [\"files.test\"]\nidle_seconds = 60"),
            _ => plain.clone(),
        };
        assert_eq!(text == plain, turn % 4 == 3, "nothing would change");
        fs::write(&settings, text).expect("written");
        house.world.handfast(&["reload"]);
        house.put(&made[turn % made.len()]);
        turn += 1;
        let shown = house.shown("web.test");
        if shown.is_some() && seen.last() != Some(&shown) {
            seen.push(shown);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let took = begun.elapsed().as_secs_f64();
    let asked = loads.iter().map(load::Load::done).sum::<u64>() - first;
    let ends = loads.map(load::Load::end);
    let failed: Vec<_> = ends.iter().flat_map(|(failed, _, _)| failed).collect();
    let slowest = ends.iter().map(|(_, _, slowest)| *slowest).max().unwrap_or_default();
    println!(
        "FIGURE {turn} changes of settings and files and {} renewals by ACME in {took:.0} s under {:.0} requests a second: \
         {} failed, the slowest took {} ms",
        seen.len() - 1,
        asked as f64 / took,
        failed.len(),
        slowest.as_millis()
    );
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    assert_eq!(seen.len(), 3, "{}\n{}", house.world.log(), ca.program.log());
    assert!(asked as f64 / took >= 1_000.0, "{asked} in {took} s: no load");
}

#[test]
fn a_server_that_turns_to_another_ca_shows_its_former_certificate_until_there_is_another() {
    let name =
        "a_server_that_turns_to_another_ca_shows_its_former_certificate_until_there_is_another";
    let own = by_acme("web.test").replace("certificate = \"acme\"\n", "");
    let Some(house) = House::start(name, &own) else { return };
    assert!(wait_until(SOON, || house.shown("web.test").is_some()), "{}", house.world.log());
    let former = house.shown("web.test");
    let settings = house.world.data().join("handfast.toml");
    let text = fs::read_to_string(&settings).expect("settings");
    fs::write(&settings, text + "certificate = \"acme\"\n").expect("written");
    house.world.handfast(&["reload"]);
    let told = || house.listed()["problems"].to_string().contains("agreed to the CA's terms");
    assert!(wait_until(SOON, told), "{}", house.listed());
    assert_eq!(house.shown("web.test"), former);
    assert!(!house.listed()["problems"].to_string().contains("has no certificate"));
}

#[test]
fn an_order_that_a_kill_cut_off_is_begun_anew_and_what_it_came_to_is_kept() {
    let name = "an_order_that_a_kill_cut_off_is_begun_anew_and_what_it_came_to_is_kept";
    let Some(mut house) = House::start(name, &by_acme("web.test")) else { return };
    let slowly = [("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "6")];
    let Some(ca) = Pebble::start(name, &mut house, ADay, &slowly, "") else { return };
    house.agree(&ca, &["tls-alpn-01"], true);
    assert!(wait_until(SOON, || ca.asked("order-plz") > 0), "{}", ca.program.log());
    house.kill();
    house.world.bring_up();
    assert!(wait_until(SOON * 3, || house.shown("web.test").is_some()), "{}", house.world.log());
    let (served, orders) = (house.shown("web.test"), ca.asked("order-plz"));
    assert!(orders >= 2 && ca.asked("sign-me-up") == 1, "{}", ca.program.log());

    house.kill();
    house.world.bring_up();
    assert!(wait_until(SOON, || house.shown("web.test").is_some()), "{}", house.world.log());
    assert_eq!((house.shown("web.test"), ca.asked("order-plz")), (served, orders));
    let listed = house.listed();
    assert!(listed["problems"].as_array().is_some_and(Vec::is_empty), "{listed}");
}

#[test]
fn a_ca_that_is_down_or_finds_nothing_is_told_and_asked_again() {
    let name = "a_ca_that_is_down_or_finds_nothing_is_told_and_asked_again";
    let Some(mut house) = House::start(name, &[by_acme("web.test"), another("shop.test")].concat())
    else {
        return;
    };
    let nonces = [("PEBBLE_WFE_NONCEREJECT", "30")];
    let Some(mut ca) = Pebble::start(name, &mut house, ADay, &nonces, NOBODY) else { return };
    let told = |house: &House, what: &str| {
        let checked = house.world.try_handfast(&["check"]).stdout;
        house.listed()["problems"].to_string().contains(what)
            && String::from_utf8_lossy(&checked).contains(what)
            && house.world.log().contains(what)
    };
    ca.program.signal("KILL");
    ca.program.ends(SOON);
    house.agree(&ca, &["http-01"], true);
    assert!(wait_until(SOON, || told(&house, "the CA is not reached")), "{}", house.listed());
    ca.again(&house);
    house.world.handfast(&["reload"]);
    // Its DNS names another machine.
    let looked = "by http-01, and did not find it here";
    assert!(
        wait_until(SOON * 2, || told(&house, looked)),
        "{}\n{}",
        house.listed(),
        ca.program.log()
    );
    ca.name(house.world.gateway.v4[0].to_string().as_str());
    house.world.handfast(&["reload"]);
    let begun = Instant::now();
    let have = wait_until(Duration::from_secs(120), || {
        house.shown("web.test").is_some() && house.shown("shop.test").is_some()
    });
    assert!(have, "{}\n{}", house.world.log(), ca.program.log());
    println!(
        "FIGURE two certificates with 30 % of the nonces refused: {} s",
        begun.elapsed().as_secs()
    );
    assert!(house.listed()["problems"].as_array().is_some_and(Vec::is_empty), "{}", house.listed());
}

/// A gateway with a folder as its web site, somebody who comes, and a CA in files.
struct House {
    world: World,
    alice: Host,
}

impl House {
    fn start(test: &str, servers: &str) -> Option<Self> {
        let mut world = World::start(test, &[])?;
        let www = world.file("www");
        fs::create_dir_all(&www).expect("a folder");
        fs::write(www.join("index.html"), "the front page\n").expect("written");
        let alice = world.host();
        let house = Self { world, alice };
        house.sh(MAKE_CA);
        let servers = servers.replace("FOLDER", &house.folder().display().to_string());
        let settings = house.world.data().join("handfast.toml");
        let mut text = fs::read_to_string(&settings).expect("settings");
        text.push_str(&servers);
        fs::write(&settings, text).expect("written");
        house.world.handfast(&["reload"]);
        Some(house)
    }

    fn folder(&self) -> PathBuf {
        self.world.file("www").parent().expect("a folder").to_owned()
    }

    /// Runs a script in the folder; what it printed.
    fn sh(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(self.folder());
        let output = command.output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A certificate of the CA in files, and its key.
    fn made(&self, name: &str, days: u32) -> (PathBuf, PathBuf) {
        let script = MAKE.replace("NAME", name).replace("DAYS", &days.to_string());
        let made = self.sh(&script);
        let made = made.trim();
        (self.world.file(&format!("{made}.pem")), self.world.file(&format!("{made}.key")))
    }

    /// One that ended long ago.
    fn over(&self, name: &str) -> (PathBuf, PathBuf) {
        let script = MAKE.replace("NAME", name).replace("DAYS", "1");
        let script = script.replace("openssl x509", "faketime '2020-01-01' openssl x509");
        let made = self.sh(&script);
        let made = made.trim();
        (self.world.file(&format!("{made}.pem")), self.world.file(&format!("{made}.key")))
    }

    /// As a careless program does: one file after the other.
    fn put(&self, (chain, key): &(PathBuf, PathBuf)) {
        fs::copy(chain, self.world.file("web.pem")).expect("copied");
        fs::copy(key, self.world.file("web.key")).expect("copied");
        let owner = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.world.file("web.key"), owner).expect("a mode");
    }

    /// The serial number of what a name shows to whoever asks.
    fn shown(&self, name: &str) -> Option<String> {
        let at = self.world.gateway.v4[0];
        let script = format!(
            "timeout 5 openssl s_client -connect {at}:443 -servername {name} </dev/null 2>/dev/null | \
             openssl x509 -noout -serial 2>/dev/null"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        let output = self.alice.netns.output(command).expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(said).filter(|said| said.starts_with("serial="))
    }

    fn curl(&self, name: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{} https://{name}/ 2>&1", self.curl_line(name))]);
        let output = self.alice.netns.output(command).expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn curl_line(&self, name: &str) -> String {
        let (at, ca) = (self.world.gateway.v4[0], self.world.file("ca.pem"));
        let ca = ca.display();
        format!("curl -sS --max-time 30 --resolve {name}:443:{at} --cacert {ca} --http1.1")
    }

    /// So many requests, each with a whole handshake of its own.
    fn load(&self, name: &str) -> Program {
        let line = self.curl_line(name);
        let script = format!(
            "exec {} --no-sessionid -H 'Connection: close' -o /dev/null -w '%{{http_code}}\\n' \
             'https://{name}/?[1-{}]'",
            line.replace("--max-time 30", "--max-time 300"),
            requests()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        Program::start(&self.alice.netns, command, &self.world.file("load.log"))
            .expect("curl starts")
    }

    fn kill(&mut self) {
        let mut up = self.world.up.take().expect("it runs");
        up.signal("KILL");
        assert!(up.ends(SOON).is_some(), "it is there still");
    }

    fn listed(&self) -> serde_json::Value {
        let all = self.world.json(&["tls", "list"]);
        let servers = all["servers"].as_array().expect("servers");
        let web = servers.iter().find(|server| server["name"] == "web.test");
        web.expect("it is listed").clone()
    }

    /// `[acme]` with this CA.
    fn agree(&self, ca: &Pebble, challenges: &[&str], terms: bool) {
        let settings = self.world.data().join("handfast.toml");
        let text = fs::read_to_string(&settings).expect("settings");
        let before = text.split("[acme]").next().expect("something").to_owned();
        let after = text.rsplit_once("[[tls.listen]]").expect("a listener").1;
        let (directory, root) = (ca.directory(), self.world.file("pebble.pem"));
        let (root, terms) = (root.display(), terms.to_string());
        let acme = format!(
            "[acme]\ndirectory = \"{directory}\"\nca = \"{root}\"\nchallenges = {challenges:?}\n\
             terms_agreed = {terms}\nemail = \"admin@web.test\"\n\n[[tls.listen]]{after}"
        );
        fs::write(&settings, before + &acme).expect("written");
        self.world.handfast(&["reload"]);
    }

    /// What pebble signs with is believed from here on.
    fn trust(&self, ca: &Pebble) {
        let at = ca.host.v4[0];
        let script = format!("curl -sS --cacert pebble.pem https://{at}:15000/roots/0 >ca.pem");
        let mut command = Command::new("sh");
        command.args(["-ec", &script]).current_dir(self.folder());
        let output = self.alice.netns.output(command).expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Requests one after the other, for as long as the test goes on with them: another curl follows one that is through.
struct Load<'a> {
    house: &'a House,
    name: &'static str,
    curl: Program,
    /// What those before asked for, and had.
    through: usize,
}

impl<'a> Load<'a> {
    fn on(house: &'a House, name: &'static str) -> Self {
        Self { house, name, curl: house.load(name), through: 0 }
    }

    /// Begins another where the last is through.
    fn goes_on(&mut self) {
        if self.curl.ends(Duration::ZERO).is_some() {
            self.count();
            self.curl = self.house.load(self.name);
        }
    }

    /// How many there were, all of them answered well.
    fn end(mut self) -> usize {
        assert!(self.curl.ends(SOON * 12).is_some(), "{}", self.curl.log());
        self.count();
        self.through
    }

    fn count(&mut self) {
        assert_eq!(good(&self.curl.log()), requests(), "{}", self.curl.log());
        self.through += requests();
    }
}

/// Of one curl; a whole handshake each, which takes a busy machine some time.
fn requests() -> usize {
    if long() { 1_000 } else { 200 }
}

/// How many were answered well.
fn good(log: &str) -> usize {
    log.lines().filter(|line| *line == "200").count()
}

/// How long the test CA's certificates live.
enum Lives {
    AMinute,
    ADay,
}

impl Lives {
    fn seconds(&self) -> &'static str {
        match self {
            AMinute => "60",
            ADay => "86400",
        }
    }
}

/// The test CA, on a host of its own with its DNS.
struct Pebble {
    host: Host,
    program: Program,
    dns: Program,
    programs: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
    folder: PathBuf,
}

impl Pebble {
    /// Whose DNS has this address for every name; the gateway's, if none is given.
    fn start(
        test: &str,
        house: &mut House,
        lives: Lives,
        environment: &[(&'static str, &'static str)],
        names: &str,
    ) -> Option<Self> {
        let programs = std::env::var_os("PEBBLE_DIR").map_or("/usr/bin".into(), PathBuf::from);
        if !programs.join("pebble").is_file() {
            skip(test, "no pebble; set PEBBLE_DIR");
            return None;
        }
        let host = house.world.host();
        let at = host.v4[0].to_string();
        house.sh(&PEBBLE_CERTIFICATE.replace("ADDRESS", &at));
        let folder = house.folder();
        let config = PEBBLE_CONFIG.replace("ADDRESS", &at).replace("SECONDS", lives.seconds());
        fs::write(folder.join("pebble.json"), config).expect("written");
        let gateway = house.world.gateway.v4[0].to_string();
        let named = if names.is_empty() { gateway.as_str() } else { names };
        let mut dns = Command::new(programs.join("pebble-challtestsrv"));
        let dns_at = format!("{at}:8053");
        dns.args(["-dns01", &dns_at, "-defaultIPv4", named, "-defaultIPv6", "", "-management"]);
        dns.args([&format!("{at}:8055"), "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let dns =
            Program::start(&host.netns, dns, &folder.join("dns.log")).expect("its DNS starts");
        let environment = environment.to_vec();
        let program = launch(&programs, &host, &environment, &folder);
        let mut pebble = Self { host, program, dns, programs, environment, folder };
        pebble.ready();
        Some(pebble)
    }

    fn again(&mut self, _: &House) {
        self.program = launch(&self.programs, &self.host, &self.environment, &self.folder);
        self.ready();
    }

    fn ready(&mut self) {
        let listens = self.program.says("ACME directory available at", SOON);
        assert!(listens, "{}\n{}", self.program.log(), self.dns.log());
    }

    /// How often its log has this.
    fn asked(&self, what: &str) -> usize {
        self.program.log().matches(what).count()
    }

    fn directory(&self) -> String {
        format!("https://{}:14000/dir", self.host.v4[0])
    }

    /// Its DNS has this address for every name from here on.
    fn name(&self, address: &str) {
        let at = self.host.v4[0];
        let body = format!("{{\"ip\":\"{address}\"}}");
        let mut command = Command::new("curl");
        command.args(["-sS", "-d", &body, &format!("http://{at}:8055/set-default-ipv4")]);
        let output = self.host.netns.output(command).expect("curl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn launch(
    programs: &Path,
    host: &Host,
    environment: &[(&'static str, &'static str)],
    folder: &Path,
) -> Program {
    let mut command = Command::new(programs.join("pebble"));
    let dns = format!("{}:8053", host.v4[0]);
    command.args(["-config", "pebble.json", "-dnsserver", &dns]).current_dir(folder);
    command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0");
    // A twentieth is what it does if nobody says.
    command.env("PEBBLE_WFE_NONCEREJECT", "5").envs(environment.iter().copied());
    Program::start(&host.netns, command, &folder.join("pebble.log")).expect("pebble starts")
}

fn from_files() -> String {
    "\n[[tls.listen]]\naddress = \"[::]:443\"\n\n[[tls.server]]\nnames = [\"web.test\"]\n\
     backend = \"files:FOLDER/www\"\ncertificate = { chain = \"FOLDER/web.pem\", key = \"FOLDER/web.key\" }\n"
        .to_owned()
}

fn by_acme(name: &str) -> String {
    format!("\n[[tls.listen]]\naddress = \"[::]:443\"\n{}", another(name))
}

fn another(name: &str) -> String {
    format!(
        "\n[[tls.server]]\nnames = [\"{name}\"]\nbackend = \"files:FOLDER/www\"\n\
         certificate = \"acme\"\n"
    )
}

const SERVERS: &str = r#"
[[tls.listen]]
address = "[::]:443"

[[tls.server]]
names = ["files.test"]
backend = "http://127.0.0.1:7001"
certificate = { chain = "FOLDER/web.pem", key = "FOLDER/web.key" }

[[tls.server]]
names = ["web.test"]
certificate = "acme"
backend = "http://127.0.0.1:7001" # load
"#;

const MAKE_CA: &str = "
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
    -days 3650 -subj '/CN=a CA in files' 2>/dev/null
touch -d 2020-01-01 ca.pem";

const MAKE: &str = "
made=$(mktemp XXXXXXXX)
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $made.key -out $made.csr \
    -subj /CN=a 2>/dev/null
printf 'subjectAltName=DNS:NAME\\nextendedKeyUsage=serverAuth\\n' >$made.ext
openssl x509 -req -in $made.csr -CA ca.pem -CAkey ca.key -set_serial 0x$(openssl rand -hex 8) \
    -days DAYS -extfile $made.ext -out $made.pem 2>/dev/null
echo $made";

const PEBBLE_CERTIFICATE: &str = "
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out pebble.pem \
    -days 30 -subj '/CN=pebble root' 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout pebble.key -out pebble.csr \
    -subj /CN=pebble 2>/dev/null
printf 'subjectAltName=IP:ADDRESS\\nextendedKeyUsage=serverAuth\\n' >pebble.ext
openssl x509 -req -in pebble.csr -CA pebble.pem -CAkey root.key -set_serial 2 -days 30 -extfile pebble.ext \
    -out pebble.crt 2>/dev/null";

const PEBBLE_CONFIG: &str = r#"{"pebble": {
    "listenAddress": "ADDRESS:14000", "managementListenAddress": "ADDRESS:15000",
    "certificate": "pebble.crt", "privateKey": "pebble.key", "httpPort": 80, "tlsPort": 443,
    "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": SECONDS}}"#;

/// An address where nobody is.
const NOBODY: &str = "10.255.255.1";
const SOON: Duration = Duration::from_secs(20);
