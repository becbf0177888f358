//! STARTTLS against what a Debian machine has not by itself, or not in its own release; and who a client is, said to a
//! daemon that asks.
//!
//! ```text
//!    a client with STARTTLS (alice) ── router ── gateway: TLS door ── lo ── a daemon in the clear
//!    a client without TLS ── lo ── handfast tls connect (alice) ── router ── a daemon's own STARTTLS
//! ```

use std::fs;
use std::path::PathBuf;

use interop::{Subscriber, skip, wait_until};

#[path = "starttls/exim.rs"]
mod exim;
#[path = "starttls/house.rs"]
mod house;
#[path = "starttls/mail.rs"]
mod mail;
#[path = "starttls/mariadb.rs"]
mod mariadb;
#[path = "starttls/postgresql.rs"]
mod postgresql;

use exim::Exim;
use house::{House, SOON, cell, lacks, listen, run, unpacked};
use mail::{Dovecot, Mailboxes};
use mariadb::Mariadb;
use postgresql::Postgresql;

#[test]
fn mail_reaches_exim_by_starttls_in_both_directions() {
    let name = "mail_reaches_exim_by_starttls_in_both_directions";
    if lacks(name, &["swaks"]) {
        return;
    }
    let Some(binary) = exim::binary() else {
        return skip(name, "Exim can't be had: `cargo xtask test` unpacks it");
    };
    let Some(mut house) = House::start(name, &listen("smtp", 25, exim::PORT, "")) else { return };
    let alice = house.world.subscriber("alice", "split");
    let mailboxes = Mailboxes::at(house.world.file("mail"));
    let exim = Exim::start(&house.world, &house.certified, &mailboxes, &binary);
    house.greets(exim::PORT, "220 ");
    let (at, ca) = (house.world.gateway.v4[0], house.ca.display().to_string());
    let said = |log: &str| format!("{log}\n{}\n{}", exim.log(), house.world.log());
    let mail = "--from bob@x.test --to alice@mail.test";
    let tls = format!("--tls --tls-sni mail.test --tls-ca-path {ca} --tls-verify");
    let sent = run(&alice, &format!("swaks --server {at} --port 25 {tls} {mail} --body mark-exim"));
    assert!(wait_until(SOON, || mailboxes.have("mark-exim")), "{}", said(&sent));
    let inside = sent.rsplit_once("=== TLS started").map(|(_, inside)| inside).unwrap_or_default();
    assert!(inside.contains("SIZE") && !inside.contains("STARTTLS"), "{sent}");
    cell("smtp", "exim 4", "server");
    let local = house.connect(&alice, "smtp", exim::PORT);
    let port = local.port;
    let sent = run(&alice, &format!("swaks --server 127.0.0.1:{port} {mail} --body mark-program"));
    assert!(wait_until(SOON, || mailboxes.have("mark-program")), "{}", said(&sent));
    cell("smtp", "exim 4", "client");
}

#[test]
fn whom_tls_knows_by_certificate_is_logged_in_by_dovecot_without_a_password_and_nobody_else_is() {
    let name = "whom_tls_knows_by_certificate_is_logged_in_by_dovecot_without_a_password_and_nobody_else_is";
    if lacks(name, &["dovecot", "python3"]) {
        return;
    }
    let more = "clients = \"optional\"\nproxy = \"v2\"";
    let settings = listen("imap", 143, mail::PROXIED_IMAP, more);
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let mailboxes = Mailboxes::at(house.world.file("mail"));
    let dovecot = Dovecot::start(&house.world, &house.certified, &mailboxes);
    house.listens(mail::PROXIED_IMAP);
    let fill = |own: &str, asked: &str| {
        let script = EXTERNAL.replace("HOST", &house.world.gateway.v4[0].to_string());
        let script = script.replace("CAFILE", &house.ca.display().to_string());
        script.replace("OWN", own).replace("ASKED", asked)
    };
    let own = alice.folder.display().to_string();
    let said = |log: String| format!("{log}\n{}\n{}", dovecot.log(), house.world.log());
    let known = house::python(&alice, &fill(&own, ""));
    assert!(known.contains("all done"), "{}", said(known));
    assert!(dovecot.log().contains("user=<alice@default>"), "{}", said(String::new()));
    assert!(
        dovecot.log().contains(&format!("rip={}", alice.host.v4[0])),
        "{}",
        said(String::new())
    );
    for (own, asked) in [("", ""), ("", "alice@default"), (own.as_str(), "bob@default")] {
        let stranger = house::python(&alice, &fill(own, asked));
        assert!(!stranger.contains("all done"), "{own:?} as {asked:?}: {}", said(stranger));
    }
    cell("imap", "dovecot, EXTERNAL", "server");
}

#[test]
fn psql_of_another_debian_begins_with_tls_at_once() {
    let name = "psql_of_another_debian_begins_with_tls_at_once";
    let Some(sid) = sid(name) else { return };
    if lacks(name, &["psql", "setpriv"]) {
        return;
    }
    let settings = listen("postgresql", 5432, postgresql::PORT, "clients = \"required\"");
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let database = Postgresql::start(&house.world, &house.certified);
    house.listens(postgresql::PORT);
    for (negotiation, own, is_in) in [
        ("direct", "sslcert=/mnt/vpn.crt sslkey=/tmp/key", true),
        ("postgres", "sslcert=/mnt/vpn.crt sslkey=/tmp/key", true),
        ("direct", "sslcert=/none", false),
    ] {
        let asked = format!(
            "install -m 600 /mnt/vpn.key /tmp/key && psql \"host=mail.test user=postgres sslmode=verify-full \
             sslrootcert=/mnt/ca.pem sslnegotiation={negotiation} {own}\" -Atc \"select 6*7\""
        );
        let answer = sid.run(&house, &alice, &asked);
        assert_eq!(
            answer.contains("42"),
            is_in,
            "{answer}\n{}\n{}",
            database.log(),
            house.world.log()
        );
    }
    cell("postgresql", "psql of sid, direct", "server");
}

#[test]
fn mariadbs_client_of_another_debian_takes_the_tls_that_the_gateways_ca_vouches_for() {
    let name = "mariadbs_client_of_another_debian_takes_the_tls_that_the_gateways_ca_vouches_for";
    let Some(sid) = sid(name) else { return };
    if lacks(name, &["mariadbd", "mariadb"]) {
        return;
    }
    let Some(mut house) = House::start(name, &listen("mysql", 3306, mariadb::PORT, "")) else {
        return;
    };
    let alice = house.world.subscriber("alice", "split");
    let database = Mariadb::start(&house.world, &house.certified);
    let query = |more: &str| {
        format!("mariadb --no-defaults -h mail.test -u alice -psecret {more} -Ne \"select 6*7\"")
    };
    let answer = sid.run(&house, &alice, &query("--ssl-ca=/mnt/ca.pem --ssl-verify-server-cert"));
    assert!(answer.contains("42"), "{answer}\n{}\n{}", database.log(), house.world.log());
    let answer = sid.run(&house, &alice, &query("--ssl-verify-server-cert"));
    println!("FIGURE mariadb of sid without a CA: {}", answer.lines().next().unwrap_or_default());
    cell("mysql", "mariadb of sid", "server");
}

/// Another Debian, with its programs.
struct Sid(PathBuf);

fn sid(test: &str) -> Option<Sid> {
    let root = unpacked("HANDFAST_SID_ROOT", "usr/bin/psql");
    let root = root.and_then(|program| Some(Sid(program.ancestors().nth(3)?.to_owned())));
    if root.is_none() {
        skip(test, "no Debian sid with its clients: `cargo xtask interop --long` as root has it");
    }
    root
}

impl Sid {
    /// What a shell line prints there, with somebody's folder at `/mnt`, the CA in it, and `mail.test` known.
    fn run(&self, house: &House, who: &Subscriber, line: &str) -> String {
        fs::copy(&house.ca, who.folder.join("ca.pem")).expect("a copy");
        let (root, folder) = (self.0.display(), who.folder.display());
        let hosts = who.folder.join("hosts");
        let known = format!("{} mail.test\n", house.world.gateway.v4[0]);
        fs::write(&hosts, known).expect("written");
        let script = who.folder.join("script.sh");
        let mounts = format!(
            "mount --bind {folder} {root}/mnt; mount --bind {} {root}/etc/hosts; mount --rbind /dev {root}/dev; \
             mount -t tmpfs none {root}/tmp",
            hosts.display()
        );
        fs::write(&script, format!("set -e\n{mounts}\nexec chroot {root} sh -c '{line}'\n"))
            .expect("written");
        run(who, &format!("unshare --mount sh {}", script.display()))
    }
}

/// Logs in as whoever the certificate says, as `ASKED` where that is somebody.
const EXTERNAL: &str = r#"
import base64, imaplib, socket, ssl
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: known("HOST" if host == "mail.test" else host, *more, **named)
tls = ssl.create_default_context(cafile="CAFILE")
if "OWN" != "": tls.load_cert_chain("OWN/vpn.crt", "OWN/vpn.key")
imap = imaplib.IMAP4("mail.test", 143)
imap.starttls(tls)
assert "AUTH=EXTERNAL" in imap.capabilities, imap.capabilities
imap.authenticate("EXTERNAL", lambda _: b"ASKED")
assert imap.select()[0] == "OK"
print("all done")
"#;
