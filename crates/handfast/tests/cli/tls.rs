//! `handfast tls`, with openssl at the other end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Cli;
use crate::running::Running;

#[test]
fn a_local_port_reaches_a_service_until_its_certificate_is_revoked() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let Some(service) = Service::begin(&cli, "-rev") else {
        println!(
            "SKIP a_local_port_reaches_a_service_until_its_certificate_is_revoked: no openssl"
        );
        return;
    };
    let mut local = Local::open(&cli, &format!("localhost:{}", service.address.port()));
    assert_eq!(local.say("hello\n"), "olleh\n");
    assert!(local.line().contains("connected"));
    assert!(local.line().contains("ended"));

    cli.ok("cert revoke localhost --reason key-compromise");
    drop(local);
    let refused = (0..50).find_map(|_| {
        let mut local = Local::open(&cli, &format!("localhost:{}", service.address.port()));
        let heard = local.say("hello\n");
        let line = local.line();
        line.contains("was revoked on").then_some(heard)
    });
    assert_eq!(refused.as_deref(), Some(""));
}

#[test]
fn what_files_of_a_certificate_lack_is_found_before_a_gateway_starts() {
    let cli = Cli::with_data();
    let settings = cli.path("data/handfast.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let server = "\n[[tls.server]]\nnames = [\"shop.test\"]\nbackend = \"tcp:127.0.0.1:1\"\n";
    let (chain, key) = (cli.path("shop.pem"), cli.path("shop.key"));
    let files = format!("certificate = {{ chain = {chain:?}, key = {key:?} }}\n");
    std::fs::write(&settings, text + server + &files).unwrap();
    let found = cli.run("check").out;
    assert!(
        found.contains("shop.test has no certificate: [FOLDER]/shop.pem can't be read"),
        "{found}"
    );
    std::fs::write(&chain, "no certificate\n").unwrap();
    std::fs::write(&key, "no key\n").unwrap();
    let found = cli.run("check").out;
    assert!(found.contains("[FOLDER]/shop.pem has no certificate in it"), "{found}");
}

#[test]
fn a_ca_that_a_rollover_retired_vouches_for_no_service_and_is_known_still() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let services = [Service::begin(&cli, "-rev"), Service::begin(&cli, "-www")];
    let [Some(service), Some(web)] = services else {
        println!(
            "SKIP a_ca_that_a_rollover_retired_vouches_for_no_service_and_is_known_still: no openssl"
        );
        return;
    };
    let tested = || {
        let words = format!("tls test localhost:{}", web.address.port());
        String::from_utf8(cli.command(&words).output().unwrap().stdout).unwrap()
    };
    let said = || {
        let target = format!("localhost:{}", service.address.port());
        Local::open(&cli, &target).say("hello\n")
    };
    assert!(tested().contains("ok    chain"), "{}", tested());
    assert_eq!(said(), "olleh\n");
    for words in ["ca rollover start", "ca rollover finish --force"] {
        let output = cli.command(words).output().unwrap();
        assert!(output.status.success(), "{words}: {output:?}");
    }
    assert!(tested().contains("bad   chain"), "{}", tested());
    assert_eq!(said(), "");
    cli.ok("ocsp ask web/localhost.crt");
}

#[test]
fn what_makes_no_sense_is_said_with_the_mend() {
    let cli = Cli::with_data();
    let listen = "--listen 127.0.0.1:0";
    for (words, said) in [
        (format!("tls connect localhost {listen}"), "there is no port"),
        (format!("tls connect https://localhost:443 {listen}"), "without a scheme"),
        (format!("tls connect localhost:443 {listen} --pin abc"), "a pin is sha256//"),
        ("tls connect localhost:443 --listen 0.0.0.0:0".to_owned(), "from other machines"),
        ("tls connect localhost:443 --listen 127.0.0.1:0 --cert a".to_owned(), "--key"),
    ] {
        let failed = cli.fails(2, &words);
        assert!(failed.contains(said), "{words}: {failed}");
    }
    let away = cli.fails(12, "tls test 127.0.0.1:1");
    assert!(away.contains("127.0.0.1:1"), "{away}");
}

#[test]
fn what_a_browser_would_meet_is_told_with_the_mend() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let Some(service) = Service::begin(&cli, "-www") else {
        println!("SKIP what_a_browser_would_meet_is_told_with_the_mend: no openssl");
        return;
    };
    let port = service.address.port();
    let output = cli.command(&format!("tls test localhost:{port}")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(10), "{said}");
    for line in [
        "ok    version   TLS 1.3 and 1.2",
        "ok    name      the certificate is for localhost",
        "ok    chain     it leads to a CA that is trusted",
        "ok    dates     it holds until",
        "note  staple    none",
        "bad   hsts      none",
        "mend: send Strict-Transport-Security: max-age=31536000",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let other = cli
        .command(&format!("tls test localhost:{port} --name other.example --ca web/localhost.crt"));
    let said = String::from_utf8({ other }.output().unwrap().stdout).unwrap();
    assert!(said.contains("bad   name      the certificate is not for other.example"), "{said}");
    assert!(said.contains("bad   chain"), "{said}");
    let old = Service::begin(&cli, "-www -tls1_2").unwrap();
    let words = format!("tls test localhost:{} --json", old.address.port());
    let said = cli.command(&words).output().unwrap().stdout;
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["findings"][0]["state"], "note", "{said}");
    assert!(said["findings"][0]["said"].as_str().unwrap().contains("TLS 1.2 alone"), "{said}");
}

#[test]
fn a_server_for_devices_alone_speaks_both_versions_and_is_seen_with_a_certificate() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form unified --os linux");
    cli.ok("ca export --out ca.pem");
    let Some(service) = Service::begin(&cli, "-www -Verify 3 -verify_return_error -CAfile ca.pem")
    else {
        return println!("SKIP a_server_for_devices_alone_speaks_both_versions: no openssl");
    };
    let port = service.address.port();
    let said = cli.run(&format!("tls test localhost:{port}")).out;
    for line in [
        "ok    version   TLS 1.3 and 1.2",
        "ok    client    it asks for a client's certificate; none was shown",
        "note  http      not seen: it broke off: received fatal alert: CertificateRequired",
        "mend: show a device's certificate: --as FILE.ovpn",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(!said.contains("it answered no HTTP"), "{said}");
    let profile = "files/alice-default-linux.ovpn";
    let said = cli.run(&format!("tls test localhost:{port} --as {profile}")).out;
    for line in [
        "ok    version   TLS 1.3 and 1.2",
        "ok    client    it asks for a client's certificate; the profile's was shown",
        "ok    http      HTTP/1.0 200 ok",
        "bad   hsts      none",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    cli.fails(7, &format!("tls test localhost:{port} --as web/localhost.crt"));
}

/// `openssl s_server` with the certificate of localhost.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    program: Child,
}

impl Service {
    pub(crate) fn begin(cli: &Cli, more: &str) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let words = format!(
            "s_server -accept {address} -cert web/localhost.crt -key web/localhost.key -quiet {more}"
        );
        let mut command = Command::new("openssl");
        command.args(words.split_whitespace()).current_dir(cli.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = command.spawn().ok()?;
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { address, program })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// `handfast tls connect`.
struct Local {
    program: Child,
    lines: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Local {
    fn open(cli: &Cli, target: &str) -> Self {
        let mut command = cli.command(&format!("tls connect {target} --listen 127.0.0.1:0"));
        let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("listens on ").unwrap().parse().unwrap();
        Self { program, lines, address }
    }

    /// What comes back.
    fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.write_all(text.as_bytes());
        let mut heard = vec![0; text.len()];
        let read = stream.read(&mut heard).unwrap_or(0);
        let _ = stream.shutdown(Shutdown::Both);
        String::from_utf8_lossy(&heard[..read]).into_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
