//! STARTTLS against the daemons of Debian, in both directions; each cell does real work.
//!
//! ```text
//!    a client with STARTTLS (alice) ── router ── gateway: TLS door ── lo ── a daemon in the clear
//!    a client without TLS ── lo ── handfast tls connect (alice) ── router ── a daemon's own STARTTLS
//! ```

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use interop::{Program, Subscriber, World, skip, wait_until};

#[path = "starttls/mail.rs"]
mod mail;
#[path = "starttls/postgresql.rs"]
mod postgresql;

use mail::{Dovecot, Mailboxes, Postfix};
use postgresql::Postgresql;

#[test]
fn mail_reaches_postfix_and_is_read_from_dovecot_by_a_program_without_tls() {
    let name = "mail_reaches_postfix_and_is_read_from_dovecot_by_a_program_without_tls";
    if lacks(name, &["postfix", "dovecot", "swaks", "curl"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let (mailboxes, postfix, dovecot) = house.mail();
    let said = |log: &str| format!("{log}\n{}\n{}", postfix.log(), dovecot.log());

    let smtp = house.connect(&alice, "smtp", mail::SMTP);
    let sent = run(
        &alice,
        &format!(
            "swaks --server 127.0.0.1:{} --to alice@mail.test --from bob@x.test --body mark-smtp",
            smtp.port
        ),
    );
    assert!(sent.contains("queued as"), "{}", said(&sent));
    assert!(wait_until(SOON, || mailboxes.have("mark-smtp")), "{}", said(&sent));
    cell("smtp", "postfix", "client");

    let lmtp = house.connect(&alice, "lmtp", mail::LMTP);
    let sent = run(
        &alice,
        &format!(
            "swaks --protocol LMTP --server 127.0.0.1:{} --to alice@mail.test --from bob@x.test --body mark-lmtp",
            lmtp.port
        ),
    );
    assert!(wait_until(SOON, || mailboxes.have("mark-lmtp")), "{}", said(&sent));
    cell("lmtp", "dovecot", "client");

    let imap = house.connect(&alice, "imap", mail::IMAP);
    let url = format!("imap://127.0.0.1:{}/INBOX;MAILINDEX=1", imap.port);
    let read = run(&alice, &format!("curl -sS '{url}' -u alice@mail.test:secret"));
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("imap", "dovecot", "client");

    let pop3 = house.connect(&alice, "pop3", mail::POP3);
    let read = run(
        &alice,
        &format!("curl -sS pop3://127.0.0.1:{}/1 -u alice@mail.test:secret", pop3.port),
    );
    assert!(read.contains("mark-"), "{}", said(&read));
    cell("pop3", "dovecot", "client");

    let sieve = house.connect(&alice, "sieve", mail::SIEVE);
    let script = SIEVE_SESSION.replace("PORT", &sieve.port.to_string());
    let stored = python(&alice, &script);
    assert!(stored.contains("\"keep\""), "{}", said(&stored));
    cell("sieve", "dovecot", "client");
}

#[test]
fn a_query_reaches_postgresql_from_a_program_without_tls() {
    let name = "a_query_reaches_postgresql_from_a_program_without_tls";
    if lacks(name, &["psql", "setpriv"]) {
        return;
    }
    let Some(mut house) = House::start(name, "") else { return };
    let alice = house.world.subscriber("alice", "split");
    let postgresql = Postgresql::start(&house.world, &house.certified);
    house.listens(postgresql::PORT);
    let local = house.connect(&alice, "postgresql", postgresql::PORT);
    for mode in ["disable", "prefer"] {
        let asked = format!(
            "psql 'host=127.0.0.1 port={} user=postgres sslmode={mode}' -Atc 'select 6*7, ssl from pg_stat_ssl where pid = pg_backend_pid()'",
            local.port
        );
        let answer = run(&alice, &asked);
        assert!(
            answer.contains("42|t"),
            "{mode}: {answer}\n{}\n{}",
            postgresql.log(),
            local.program.log()
        );
    }
    cell("postgresql", "postgresql 15", "client");
}

/// A gateway whose virtual server is called `mail.test`, and a certificate for daemons of that name.
struct House {
    world: World,
    ca: PathBuf,
    certified: Certified,
}

/// A certificate of our CA for `mail.test`.
struct Certified {
    certificate: PathBuf,
    key: PathBuf,
}

/// `handfast tls connect`, and its port.
struct Connected {
    program: Program,
    port: u16,
}

impl House {
    fn start(name: &str, settings: &str) -> Option<Self> {
        let world = World::start(name, &[])?;
        let file = world.data().join("handfast.toml");
        let text = fs::read_to_string(&file).expect("settings") + settings;
        fs::write(&file, text).expect("written");
        if !settings.is_empty() {
            world.handfast(&["reload"]);
        }
        let ca = world.file("ca.pem");
        world.handfast(&["ca", "export", "--out", &ca.display().to_string()]);
        let out = world.file("cert");
        world.handfast(&["cert", "issue", "mail.test", "--out", &out.display().to_string()]);
        let certified =
            Certified { certificate: out.join("mail.test.crt"), key: out.join("mail.test.key") };
        Some(Self { world, ca, certified })
    }

    fn mail(&self) -> (Mailboxes, Postfix, Dovecot) {
        let mailboxes = Mailboxes::at(self.world.file("mail"));
        let postfix = Postfix::start(&self.world, &self.certified, &mailboxes);
        let dovecot = Dovecot::start(&self.world, &self.certified, &mailboxes);
        for port in [mail::SMTP, mail::LMTP, mail::IMAP, mail::POP3, mail::SIEVE] {
            self.listens(port);
        }
        (mailboxes, postfix, dovecot)
    }

    /// Waits until somebody listens there.
    fn listens(&self, port: u16) {
        let connects = move || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let listens =
            wait_until(SOON, || self.world.gateway.netns.run(connects).expect("a thread"));
        assert!(listens, "nobody listens on {port}");
    }

    /// A local port on the subscriber's host, behind which is the daemon's own STARTTLS.
    fn connect(&self, who: &Subscriber, protocol: &str, port: u16) -> Connected {
        let (at, local) = (self.world.gateway.v4[0], 2000 + port % 1000);
        let mut command = Command::new(interop::binary());
        command.args([
            "tls",
            "connect",
            &format!("{protocol}://{at}:{port}"),
            "--name",
            "mail.test",
        ]);
        command.arg("--ca").arg(&self.ca).args(["--revocation", "prefer"]);
        command.args(["--listen", &format!("127.0.0.1:{local}")]);
        let log = who.folder.join(format!("connect-{protocol}.log"));
        let mut program = Program::start(&who.host.netns, command, &log).expect("it starts");
        assert!(program.says("listens on", SOON), "{}", program.log());
        Connected { program, port: local }
    }
}

/// Says that this combination did its work.
fn cell(protocol: &str, daemon: &str, side: &str) {
    println!("MATRIX {protocol:12} {daemon:16} {side}");
}

/// What a shell line on somebody's host prints.
fn run(who: &Subscriber, line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("timeout 20 {line} 2>&1")]);
    let output = who.host.netns.output(command).expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn python(who: &Subscriber, script: &str) -> String {
    let file = who.folder.join("script.py");
    fs::write(&file, script).expect("written");
    run(who, &format!("python3 {}", file.display()))
}

/// Says what this machine lacks for a test.
fn lacks(test: &str, programs: &[&str]) -> bool {
    let paths = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"];
    let missing =
        |program: &&&str| !paths.iter().any(|at| PathBuf::from(at).join(program).exists());
    let lacking: Vec<_> = programs.iter().filter(missing).collect();
    if !lacking.is_empty() {
        skip(test, &format!("{lacking:?} can't be had"));
    }
    !lacking.is_empty()
}

const SIEVE_SESSION: &str = r#"
import base64, socket
line = socket.create_connection(("127.0.0.1", PORT), 10).makefile("rwb")
def answer():
    text = b""
    while not text.split(b"\r\n")[-2:][0].startswith((b"OK", b"NO", b"BYE")):
        text += line.readline()
    return text.decode()
print(answer())
def say(what):
    line.write(what.encode() + b"\r\n"); line.flush(); print(answer())
say('AUTHENTICATE "PLAIN" "' + base64.b64encode(b"\0alice@mail.test\0secret").decode() + '"')
say('PUTSCRIPT "keep" {6+}\r\nkeep;\n')
say('LISTSCRIPTS')
"#;

const SOON: Duration = Duration::from_secs(20);
