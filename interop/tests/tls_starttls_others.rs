//! STARTTLS against what a Debian machine has not by itself, or not in its own release; and who a client is, said to a
//! daemon that asks.
//!
//! ```text
//!    a client with STARTTLS (alice) ── router ── gateway: TLS door ── lo ── a daemon in the clear
//!    a client without TLS ── lo ── handfast tls connect (alice) ── router ── a daemon's own STARTTLS
//! ```

use interop::{skip, wait_until};

#[path = "starttls/exim.rs"]
mod exim;
#[path = "starttls/house.rs"]
mod house;
#[path = "starttls/mail.rs"]
mod mail;
#[path = "starttls/postgresql.rs"]
mod postgresql;
#[path = "starttls/sid.rs"]
mod sid;

use exim::Exim;
use house::{House, SOON, cell, lacks, listen, python, run};
use mail::{Dovecot, Mailboxes, Postfix};
use postgresql::Postgresql;
use sid::sid;

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
    if lacks(name, &["dovecot", "postfix", "python3"]) {
        return;
    }
    let more = "clients = \"optional\"\nproxy = \"v2\"";
    let submission = mail::submission();
    if submission.is_none() {
        skip(name, "Dovecot's part for submission can't be had: `cargo xtask test` unpacks it");
    }
    let mut all = vec![
        ("imap", 143, mail::PROXIED_IMAP, "imap-login", BY_IMAP),
        ("pop3", 110, mail::PROXIED_POP3, "pop3-login", BY_POP3),
        ("sieve", 4190, mail::PROXIED_SIEVE, "managesieve-login", BY_SIEVE),
    ];
    if submission.is_some() {
        all.push(("submission", 587, mail::PROXIED_SUBMISSION, "submission-login", BY_SUBMISSION));
    }
    let settings: String =
        all.iter().map(|(spoken, port, inner, ..)| listen(spoken, *port, *inner, more)).collect();
    let Some(mut house) = House::start(name, &settings) else { return };
    let alice = house.world.subscriber("alice", "split");
    let mailboxes = Mailboxes::at(house.world.file("mail"));
    let _postfix = Postfix::start(&house.world, &house.certified, &mailboxes);
    let dovecot =
        Dovecot::start_with(&house.world, &house.certified, &mailboxes, submission.as_deref());
    let fill = |script: &str, own: &str, asked: &str| {
        let script = format!("{EXTERNAL}{script}print(\"all done\")\n");
        let script = script.replace("HOST", &house.world.gateway.v4[0].to_string());
        let script = script.replace("CAFILE", &house.ca.display().to_string());
        script.replace("OWN", own).replace("ASKED", asked)
    };
    let own = alice.folder.display().to_string();
    let said = |log: String| format!("{log}\n{}\n{}", dovecot.log(), house.world.log());
    for (spoken, _, inner, service, script) in all {
        house.listens(inner);
        let known = python(&alice, &fill(script, &own, ""));
        assert!(known.contains("all done"), "{spoken}: {}", said(known));
        let logged = dovecot.log();
        let line = logged.lines().find(|line| {
            line.contains(&format!("{service}: ")) && line.contains("user=<alice@default>")
        });
        let line = line.unwrap_or_else(|| panic!("{spoken}: {}", said(String::new())));
        assert!(line.contains(&format!("rip={}", alice.host.v4[0])), "{line}");
        for (own, asked) in [("", ""), ("", "alice@default"), (own.as_str(), "bob@default")] {
            let stranger = python(&alice, &fill(script, own, asked));
            assert!(
                stranger.contains("has no right") && !stranger.contains("all done"),
                "{spoken}: {own:?} as {asked:?}: {}",
                said(stranger)
            );
        }
        cell(spoken, "dovecot, EXTERNAL", "server");
    }
    let handed_in = || submission.is_none() || mailboxes.have("mark-external");
    assert!(wait_until(SOON, handed_in), "{}", said(String::new()));
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

/// Logs in as whoever the certificate says, as `ASKED` where that is somebody; what each protocol has for it follows.
const EXTERNAL: &str = r#"
import base64, imaplib, poplib, smtplib, socket, ssl
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: known("HOST" if host == "mail.test" else host, *more, **named)
tls = ssl.create_default_context(cafile="CAFILE")
if "OWN" != "": tls.load_cert_chain("OWN/vpn.crt", "OWN/vpn.key")
asked = base64.b64encode(b"ASKED").decode()
"#;

const BY_IMAP: &str = r#"
imap = imaplib.IMAP4("mail.test", 143)
imap.starttls(tls)
assert "AUTH=EXTERNAL" in imap.capabilities, imap.capabilities
try: imap.authenticate("EXTERNAL", lambda _: b"ASKED")
except imaplib.IMAP4.error as why: raise SystemExit("has no right: " + str(why))
assert imap.select()[0] == "OK"
"#;

const BY_POP3: &str = r#"
pop = poplib.POP3("mail.test", 110, timeout=10)
pop.stls(tls)
assert "EXTERNAL" in pop.capa()["SASL"], pop.capa()
try: pop._shortcmd("AUTH EXTERNAL " + (asked or "="))
except poplib.error_proto as why: raise SystemExit("has no right: " + str(why))
assert pop.stat()[0] >= 0
"#;

const BY_SUBMISSION: &str = r#"
smtp = smtplib.SMTP("mail.test", 587, timeout=10)
smtp.starttls(context=tls)
smtp.ehlo()
assert "EXTERNAL" in smtp.esmtp_features["auth"], smtp.esmtp_features
code, why = smtp.docmd("AUTH", "EXTERNAL " + (asked or "="))
if code != 235: raise SystemExit("has no right: " + str(why))
smtp.sendmail("alice@mail.test", ["alice@mail.test"], "Subject: x\r\n\r\nmark-external\r\n")
smtp.quit()
"#;

const BY_SIEVE: &str = r#"
plain = socket.create_connection(("mail.test", 4190), 10)
line = plain.makefile("rwb", 0)
def answer():
    text = ""
    while not text.split("\r\n")[-2:][0].startswith(("OK", "NO", "BYE")): text += line.readline().decode()
    return text
def say(what): line.write(what.encode() + b"\r\n"); return answer()
answer()
assert say("STARTTLS").startswith("OK")
line = tls.wrap_socket(plain, server_hostname="mail.test").makefile("rwb", 0)
offered = answer()
assert "EXTERNAL" in offered and "STARTTLS" not in offered, offered
said = say('AUTHENTICATE "EXTERNAL" "' + asked + '"')
if not said.startswith("OK"): raise SystemExit("has no right: " + said)
assert say('PUTSCRIPT "keep" {6+}\r\nkeep;\n').startswith("OK")
"#;
