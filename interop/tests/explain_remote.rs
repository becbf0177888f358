//! What `handfast explain tls` tells of servers of others, beside judges that know nothing of it: version, chain and
//! staple as sslyze finds them; cipher and group as the server picks them from the same offer of OpenSSL's, and the
//! lifetime of the ticket that it gives; and in a long run all of that as testssl.sh finds it.
//!
//! ```text
//!    explain, sslyze, openssl, testssl ── router ── gateway's host: nginx, stunnel, postfix, dovecot, slapd, postgresql
//! ```
//!
//! `HANDFAST_DAEMONS=slapd,postgresql` asks those alone. Of mail with STARTTLS and of HTTPS with a staple docs/handshakes
//! has pages: `EXPLAIN_RECORD=1` writes their stories, from what Postfix and nginx say; without it, what is told is held
//! against them, word by word.

use std::any::Any;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use interop::{Program, World, long, skip, wait_until};
use serde_json::Value;
use sysio::lab::Host;

#[allow(dead_code, reason = "the other test asks the daemons for more")]
#[path = "starttls/directory.rs"]
mod directory;
#[path = "starttls/house.rs"]
mod house;
#[path = "remote/judged.rs"]
mod judged;
#[path = "starttls/mail.rs"]
mod mail;
#[allow(dead_code, reason = "the other test asks the daemons for more")]
#[path = "starttls/postgresql.rs"]
mod postgresql;
mod told;

use directory::Slapd;
use house::Certified;
use judged::{Accepted, Found, Offer, Ours, Picked, without_large_numbers};
use mail::{Dovecot, Mailboxes, Postfix};
use postgresql::Postgresql;

#[test]
fn what_is_told_of_six_servers_of_others_is_what_judges_find() {
    let name = "what_is_told_of_six_servers_of_others_is_what_judges_find";
    let Some(sslyze) = std::env::var_os("SSLYZE_DIR").map(|it| PathBuf::from(it).join("sslyze"))
    else {
        return skip(name, "no sslyze; set SSLYZE_DIR");
    };
    for program in
        ["nginx", "stunnel", "postfix", "dovecot", "slapd", "psql", "openssl", "setpriv", "curl"]
    {
        if !on_path(program) {
            return skip(name, &format!("{program} is not installed"));
        }
    }
    let servers = wanted();
    let Some(street) = Street::open(name, &servers) else { return };
    for server in servers {
        let (ours, offer) = street.told(server);
        println!("FIGURE explain tls of {}: {ours:?}", server.daemon);
        let judged = street.judged_by_sslyze(&sslyze, server);
        assert_eq!(ours.version, judged.version, "{}", server.daemon);
        assert!(judged.ciphers.contains(&ours.cipher), "{}: {judged:?}", server.daemon);
        assert!(judged.groups.contains(&ours.group), "{}: {judged:?}", server.daemon);
        assert_eq!(ours.chain, judged.chain, "{}", server.daemon);
        assert_eq!(ours.staple, judged.staple, "{}", server.daemon);
        let picked = street.picked_for_openssl(server, &offer);
        assert_eq!(ours.picked(), picked, "{}, by openssl", server.daemon);
        assert_eq!(ours.ticket, server.ticket, "{}: its ticket, as it is set", server.daemon);
        if long() {
            let found = street.judged_by_testssl(server);
            assert_eq!(ours.picked(), found.picked, "{}, by testssl", server.daemon);
            assert_eq!(ours.staple.is_some(), found.staples, "{}", server.daemon);
            assert_eq!(ours.chain.first(), Some(&found.serial), "{}", server.daemon);
            println!("FIGURE testssl agrees about {}", server.daemon);
        }
    }
}

#[test]
fn the_pages_of_mail_and_of_a_staple_say_what_postfix_and_nginx_do() {
    let name = "the_pages_of_mail_and_of_a_staple_say_what_postfix_and_nginx_do";
    for program in ["nginx", "postfix", "openssl", "curl"] {
        if !on_path(program) {
            return skip(name, &format!("{program} is not installed"));
        }
    }
    let Some(street) = Street::open(name, &[server("nginx"), server("postfix")]) else { return };
    let mail = street.explained(server("postfix"), &[]);
    let clear = in_the_clear(&first(&mail));
    for line in ["220 inner.test ESMTP Postfix", "STARTTLS", "220 2.0.0 Ready to start TLS"] {
        assert!(clear.iter().any(|said| said.starts_with(line)), "{line:?} in {clear:?}");
    }
    told::hold("starttls-smtp", &mail);
    let web = street.explained(server("nginx"), &["--http"]);
    let ours = Ours::of(&first(&web));
    assert_eq!(ours.staple.as_deref(), Some("good"));
    assert_eq!(street.hsts_told(), street.hsts_to_curl());
    told::hold("https-staple", &web);
}

/// Those that are to be asked: all, or the ones that were named.
fn wanted() -> Vec<&'static Server> {
    let Ok(only) = std::env::var("HANDFAST_DAEMONS") else { return SERVERS.iter().collect() };
    only.split(',').map(server).collect()
}

fn server(daemon: &str) -> &'static Server {
    let server = SERVERS.iter().find(|server| server.daemon == daemon);
    server.unwrap_or_else(|| panic!("{daemon:?} is none of the servers that are asked"))
}

/// A server, what its protocol is called by each of us, and the lifetime of its tickets as it is set.
struct Server {
    daemon: &'static str,
    port: u16,
    ours: Option<&'static str>,
    theirs: Option<&'static str>,
    ticket: Option<u64>,
}

const NGINX: u16 = 8443;
const STUNNEL: u16 = 8444;
const BEHIND_STUNNEL: u16 = 7000;
const SERVERS: [Server; 6] = [
    // `ssl_session_timeout 10m` below.
    Server { daemon: "nginx", port: NGINX, ours: None, theirs: None, ticket: Some(600) },
    Server { daemon: "stunnel", port: STUNNEL, ours: None, theirs: None, ticket: Some(300) },
    Server {
        daemon: "postfix",
        port: mail::SMTP,
        ours: Some("smtp"),
        theirs: Some("smtp"),
        ticket: Some(7200),
    },
    Server {
        daemon: "dovecot",
        port: mail::IMAP,
        ours: Some("imap"),
        theirs: Some("imap"),
        ticket: Some(7200),
    },
    Server {
        daemon: "slapd",
        port: directory::PORT,
        ours: Some("ldap"),
        theirs: Some("ldap"),
        ticket: None,
    },
    Server {
        daemon: "postgresql",
        port: postgresql::PORT,
        ours: Some("postgresql"),
        theirs: Some("postgres"),
        ticket: None,
    },
];

/// Servers, and a place for whoever looks at them.
struct Street {
    world: World,
    judge: Host,
    ca: String,
    _daemons: Vec<Box<dyn Any>>,
}

impl Street {
    fn open(name: &str, servers: &[&Server]) -> Option<Self> {
        let mut world = World::start(name, &[])?;
        let ca = world.file("ca.pem").display().to_string();
        world.handfast(&["ca", "export", "--out", &ca]);
        let out = world.file("cert");
        world.handfast(&["cert", "issue", "inner.test", "--out", &out.display().to_string()]);
        let certified =
            Certified { certificate: out.join("inner.test.crt"), key: out.join("inner.test.key") };
        let mailboxes = Mailboxes::at(world.file("mail"));
        let start = |server: &&Server| -> Box<dyn Any> {
            match server.daemon {
                "nginx" => Box::new(nginx(&world, &certified, &ca)),
                "stunnel" => Box::new(stunnel(&world, &certified)),
                "postfix" => Box::new(Postfix::start(&world, &certified, &mailboxes)),
                "dovecot" => Box::new(Dovecot::start(&world, &certified, &mailboxes)),
                "slapd" => Box::new(Slapd::start(&world, &certified)),
                "postgresql" => Box::new(Postgresql::start(&world, &certified)),
                other => panic!("nobody knows how {other} is started"),
            }
        };
        let daemons = servers.iter().map(start).collect();
        for server in servers {
            let connects = || std::net::TcpStream::connect(("127.0.0.1", server.port)).is_ok();
            let listens = || world.gateway.netns.run(connects).expect("a thread");
            assert!(wait_until(SOON, listens), "{} does not listen", server.daemon);
        }
        let judge = world.host();
        Some(Self { world, judge, ca, _daemons: daemons })
    }

    fn told(&self, server: &Server) -> (Ours, Offer) {
        let story = first(&self.explained(server, &[]));
        (Ours::of(&story), Offer::of(&story))
    }

    /// The story of a handshake with this server that went well, as JSON.
    fn explained(&self, server: &Server, more: &[&str]) -> String {
        let mut command = Command::new(interop::binary());
        command.args(["explain", "tls", &format!("{}:{}", self.world.gateway.v4[0], server.port)]);
        command.args(["--name", "inner.test", "--ca", &self.ca, "--format", "json"]).args(more);
        command.args(server.ours.iter().flat_map(|protocol| ["--starttls", protocol]));
        let output = self.judge.netns.output(command).expect("it starts");
        assert!(output.status.success(), "{}: {output:?}", server.daemon);
        let told = String::from_utf8(output.stdout).expect("text");
        assert_eq!(first(&told)["ending"]["how"], "done", "{}", server.daemon);
        told
    }

    fn hsts_told(&self) -> String {
        let mut command = Command::new(interop::binary());
        let at = format!("{}:{NGINX}", self.world.gateway.v4[0]);
        command.args(["explain", "tls", &at, "--name", "inner.test", "--ca", &self.ca, "--http"]);
        let output = self
            .judge
            .netns
            .output({
                command.arg("--text-width=400");
                command
            })
            .expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.trim().strip_prefix("| hsts: "));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    fn hsts_to_curl(&self) -> String {
        let mut curl = Command::new("curl");
        let at = self.world.gateway.v4[0];
        curl.args(["-sSI", "--cacert", &self.ca, "--resolve", &format!("inner.test:{NGINX}:{at}")]);
        curl.arg(format!("https://inner.test:{NGINX}/"));
        let output = self.judge.netns.output(curl).expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("Strict-Transport-Security: "));
        line.unwrap_or_else(|| panic!("{said}")).trim().to_owned()
    }

    fn judged_by_sslyze(&self, program: &Path, server: &Server) -> Accepted {
        let file = self.world.file(&format!("{}.sslyze", server.daemon));
        let mut command = Command::new(program);
        command.args(["--slow_connection", "--certinfo_ca_file", &self.ca, "--certinfo"]);
        command.args(["--tlsv1_2", "--tlsv1_3", "--elliptic_curves", "--json_out"]).arg(&file);
        command.args(server.theirs.iter().flat_map(|protocol| ["--starttls", protocol]));
        let at = self.world.gateway.v4[0];
        command.arg(format!("inner.test:{}{{{at}}}", server.port));
        let output = self.judge.netns.output(command).expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{said}"));
        let found: Value = serde_json::from_str(&without_large_numbers(&found)).expect("JSON");
        let result = &found["server_scan_results"][0];
        assert_eq!(result["scan_status"], "COMPLETED", "{}: {said}", server.daemon);
        Accepted::of(result, &self.world.file("shown.pem"))
    }

    /// What the server picks when OpenSSL offers what we offered, in the same order.
    fn picked_for_openssl(&self, server: &Server, offer: &Offer) -> Picked {
        let mut command = Command::new("timeout");
        let at = format!("{}:{}", self.world.gateway.v4[0], server.port);
        command.args(["20", "openssl", "s_client", "-connect", &at, "-CAfile", &self.ca]);
        command.args(["-servername", "inner.test", "-tls1_3"]);
        command.args(["-ciphersuites", &offer.suites, "-groups", &offer.groups]);
        command.args(server.theirs.iter().flat_map(|protocol| ["-starttls", protocol]));
        // Its input stays open for a while, so that tickets have time to come.
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 2 | \"$@\" 2>&1", "sh"]).arg(command.get_program());
        shell.args(command.get_args());
        let output = self.judge.netns.output(shell).expect("it starts");
        Picked::by_openssl(&String::from_utf8_lossy(&output.stdout))
    }

    fn judged_by_testssl(&self, server: &Server) -> Found {
        let file = self.world.file(&format!("{}.testssl", server.daemon));
        let mut command = Command::new("testssl");
        command.args(["--quiet", "--warnings", "batch", "--color", "0", "--nodns", "none"]);
        command.args(["--mapping", "iana", "-S", "-P", "--add-ca", &self.ca]);
        command.args(["--ip", &self.world.gateway.v4[0].to_string(), "--jsonfile"]).arg(&file);
        // It speaks no LDAP, and asks the same program at its other door.
        let (port, protocol) = match server.theirs {
            Some("ldap") => (directory::TLS_PORT, None),
            protocol => (server.port, protocol),
        };
        command.args(protocol.iter().flat_map(|protocol| ["-t", protocol]));
        command.arg(format!("inner.test:{port}"));
        let output = self.judge.netns.output(command).expect("it starts");
        let found = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{output:?}"));
        Found::of(&serde_json::from_str(&found).expect("JSON"))
    }
}

/// A web server whose certificate comes with an answer of the CA.
fn nginx(world: &World, certified: &Certified, ca: &str) -> Program {
    let folder = world.file("nginx");
    fs::create_dir_all(&folder).expect("a folder");
    let certificate = certified.certificate.display().to_string();
    let script = "url=$(openssl x509 -in \"$0\" -noout -ocsp_uri) && openssl ocsp -issuer \"$1\" \
                  -CAfile \"$1\" -cert \"$0\" -url \"$url\" -no_nonce -respout \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, &certificate, ca]).arg(folder.join("staple.der"));
    let asked = world.gateway.netns.output(shell).expect("it starts");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let settings = NGINX_SETTINGS
        .replace("FOLDER", &folder.display().to_string())
        .replace("CERT", &certificate)
        .replace("KEY", &certified.key.display().to_string());
    let file = folder.join("nginx.conf");
    fs::write(&file, settings).expect("written");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"))
        .expect("nginx starts")
}

fn stunnel(world: &World, certified: &Certified) -> Program {
    behind_stunnel(world);
    let folder = world.file("stunnel");
    fs::create_dir_all(&folder).expect("a folder");
    let settings = format!(
        "foreground = yes\npid =\n[x]\naccept = {STUNNEL}\nconnect = 127.0.0.1:{BEHIND_STUNNEL}\ncert = {}\nkey = {}\n",
        certified.certificate.display(),
        certified.key.display()
    );
    let file = folder.join("stunnel.conf");
    fs::write(&file, settings).expect("written");
    let mut command = Command::new("stunnel");
    command.arg(&file);
    Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"))
        .expect("stunnel starts")
}

/// Somebody who takes connections and says nothing.
fn behind_stunnel(world: &World) {
    let bind = || TcpListener::bind(("127.0.0.1", BEHIND_STUNNEL));
    let socket = world.gateway.netns.run(bind).expect("a thread").expect("a port");
    thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
}

/// What was said before TLS, as far as it is shown.
fn in_the_clear(story: &Value) -> Vec<String> {
    let steps = story["steps"].as_array().expect("steps").iter();
    let clear = steps.filter(|step| step["entry"] == "in_the_clear");
    clear.filter_map(|step| step["fields"][0]["value"].as_str().map(str::to_owned)).collect()
}

/// The first of some stories.
fn first(told: &str) -> Value {
    serde_json::from_str::<Value>(told).expect("JSON")["stories"][0].take()
}

fn on_path(program: &str) -> bool {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"];
    folders.iter().any(|folder| Path::new(folder).join(program).exists())
}

const SOON: Duration = Duration::from_secs(30);

const NGINX_SETTINGS: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  server {
    listen 8443 ssl;
    ssl_certificate CERT;
    ssl_certificate_key KEY;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_timeout 10m;
    ssl_stapling on;
    ssl_stapling_file FOLDER/staple.der;
    add_header Strict-Transport-Security 'max-age=31536000';
    return 200 'x';
  }
}
";
