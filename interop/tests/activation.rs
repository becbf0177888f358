//! Ports that another program opens in the gateway's place, as systemd does: the gateway may not open them itself, and
//! nobody is turned away while it is not there.
//!
//! ```text
//!    openvpn (alice), openssl ── router ── gateway :1194 :443 :80, held by a program that starts handfast again and again
//! ```

mod tls_house;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use interop::{Program, Stock, Subscriber, World, skip, wait_until};
use sysio::lab::Host;

use tls_house::{House, LINES, ask};

#[test]
fn a_gateway_serves_at_ports_that_were_opened_for_it_and_nobody_is_refused_while_it_restarts() {
    let name = "a_gateway_serves_at_ports_that_were_opened_for_it_and_nobody_is_refused_while_";
    if lacks(name, &["python3", "setpriv", "curl"]) {
        return;
    }
    let Some(mut house) = House::start(name, &format!("{LISTEN}{SERVER}")) else { return };
    let alice = house.world.subscriber("alice", "unified");
    let both = fs::read_to_string(house.settings()).expect("settings");
    let both = both.replace("\"udp:[::]:1194\"", "\"udp:[::]:1194\", \"tcp:[::]:1194\"");
    fs::write(house.settings(), both).expect("written");
    house.world.bring_down();
    let holder = Holder::start(&mut house.world);
    holder.has_started(1, &house.world);
    let log = house.world.log();
    assert!(!log.contains("may not"), "{log}");
    let left = r#"passed by the service manager, and no setting has that address yet socket="TCP [::]:8443""#;
    assert_eq!(log.matches("passed by the service manager").count(), 1, "{log}");
    assert!(log.contains(left), "{log}");

    // The VPN over both, the virtual server, and what the CA publishes.
    let address = house.world.gateway.v4[0].to_string();
    for profile in [alice.profile_to(&address), alice.profile_over_tcp(&address)] {
        let mut client = Stock::start(&alice.host, &profile, &[]);
        client.connected();
        pings(&house.world, &alice);
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(5));
    }
    let mut stream =
        house.client.over(dial(&alice.host, &house), "lines.test").expect("a connection");
    assert_eq!(ask(&mut stream, "hello").expect("an answer"), "answered: hello");
    assert_eq!(asked_of_the_ca(&house.world, &alice), "404");

    // A reload that gives the address up and takes it again has the same socket.
    let settings = fs::read_to_string(house.settings()).expect("settings");
    let reload = |text: &str| {
        fs::write(house.settings(), text).expect("written");
        house.world.handfast(&["reload"]);
        let found = house.world.try_handfast(&["check"]).stdout;
        let found = String::from_utf8_lossy(&found);
        assert!(!found.contains("no virtual server is reached"), "{found}");
    };
    reload(&settings.replace(LISTEN, ELSEWHERE));
    let early = dial(&alice.host, &house);
    reload(&settings);
    let mut early = house.client.over(early, "lines.test").expect("it was waiting");
    assert_eq!(ask(&mut early, "hello").expect("an answer"), "answered: hello");
    assert_eq!(ask(&mut stream, "still").expect("an answer"), "answered: still");

    // Whoever comes while nobody is there waits, and is served.
    holder.end_gateway();
    let waiting = dial(&alice.host, &house);
    holder.has_started(2, &house.world);
    let mut stream = house.client.over(waiting, "lines.test").expect("a handshake");
    assert_eq!(ask(&mut stream, "and now").expect("an answer"), "answered: and now");
}

#[test]
fn systemds_own_program_starts_a_gateway_at_the_first_connection() {
    let name = "systemds_own_program_starts_a_gateway_at_the_first_connection";
    if lacks(name, &["systemd-socket-activate"]) {
        return;
    }
    let Some(mut house) = House::start(name, &format!("{LISTEN}{SERVER}")) else { return };
    let alice = house.world.subscriber("alice", "unified");
    house.world.bring_down();
    let up = house.world.up_command();
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", "[::]:443", "-l", "0.0.0.0:9443"]).arg(up.get_program());
    command.args(up.get_args());
    let log = house.world.file("activated.log");
    let mut program = Program::start(&house.world.gateway.netns, command, &log).expect("it starts");
    assert!(program.says("Listening on", Duration::from_secs(5)), "{}", program.log());
    assert!(!program.log().contains("the gateway is up"));
    let mut stream =
        house.client.over(dial(&alice.host, &house), "lines.test").expect("a connection");
    assert_eq!(ask(&mut stream, "hello").expect("an answer"), "answered: hello");
    assert!(program.log().contains(r#"socket="TCP 0.0.0.0:9443""#), "{}", program.log());
    house.world.up = Some(program);
}

/// A connection to the door.
fn dial(from: &Host, house: &House) -> TcpStream {
    let client = house.client.clone();
    let dialled = from.netns.run(move || client.socket());
    dialled.expect("a thread").expect("somebody listens")
}

/// A program that holds sockets, and starts the gateway with them whenever it has ended.
struct Holder {
    child: std::path::PathBuf,
}

impl Holder {
    fn start(world: &mut World) -> Self {
        let up = world.up_command();
        let (script, child) = (world.file("holder.py"), world.file("child"));
        fs::write(&script, HOLDER).expect("written");
        let mut command = Command::new("python3");
        command.arg(&script).arg(&child);
        // It dies with the holder, and can't open low ports by itself.
        command.args(["setpriv", "--pdeathsig", "KILL", "--bounding-set", "-net_bind_service"]);
        command.arg(up.get_program()).args(up.get_args());
        let log = world.file("held.log");
        let program = Program::start(&world.gateway.netns, command, &log).expect("it starts");
        world.up = Some(program);
        Self { child }
    }

    /// So many times in all.
    fn has_started(&self, times: usize, world: &World) {
        let up = || world.log().matches("the gateway is up").count() == times;
        assert!(wait_until(Duration::from_secs(30), up), "{}", world.log());
    }

    fn end_gateway(&self) {
        let id = fs::read_to_string(&self.child).expect("it has started one");
        let ended = Command::new("kill").args(["-TERM", &id]).status().expect("kill starts");
        assert!(ended.success());
        let process = format!("/proc/{id}/exe");
        assert!(wait_until(Duration::from_secs(10), || fs::read_link(&process).is_err()));
        sleep(Duration::from_millis(100));
    }
}

fn pings(world: &World, who: &Subscriber) {
    let mut ping = Command::new("ping");
    ping.args(["-c", "3", "-i", "0.2", "-W", "5", "10.71.0.1"]);
    let output = who.host.netns.output(ping).expect("ping starts");
    assert!(output.status.success(), "{output:?}\n{}", world.log());
}

/// For a list that there is not.
fn asked_of_the_ca(world: &World, who: &Subscriber) -> String {
    let mut curl = Command::new("curl");
    let url = format!("http://{}/ca/none.crl", world.gateway.v4[0]);
    curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", &url]);
    let output = who.host.netns.output(curl).expect("curl starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn lacks(test: &str, programs: &[&str]) -> bool {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let is_there =
        |program: &&&str| folders.iter().any(|one| Path::new(one).join(program).exists());
    match programs.iter().find(|program| !is_there(program)) {
        Some(program) => {
            skip(test, &format!("{program} is not installed"));
            true
        }
        None => false,
    }
}

const LISTEN: &str = "\n[[tls.listen]]\naddress = \"[::]:443\"\n";
const ELSEWHERE: &str = "\n[[tls.listen]]\naddress = \"127.0.0.1:8444\"\n";
const SERVER: &str =
    "\n[[tls.server]]\nnames = [\"lines.test\"]\nbackend = \"tcp:127.0.0.1:7000\"\n";
const _: () = assert!(LINES == 7000);

const HOLDER: &str = r#"
import fcntl, os, signal, socket, sys, time

def opened(kind, port):
    one = socket.socket(socket.AF_INET6, kind)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        one.listen(64)
    return fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100)

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
sockets = [opened(*one) for one in [(UDP, 1194), (TCP, 1194), (TCP, 443), (TCP, 80), (TCP, 8443)]]
while True:
    child = os.fork()
    if child == 0:
        for number, one in enumerate(sockets):
            os.dup2(one, 3 + number)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)))
        os.execvp(sys.argv[2], sys.argv[2:])
    with open(sys.argv[1], "w") as file:
        file.write(str(child))
    os.waitpid(child, 0)
    time.sleep(1)
"#;
