//! Local ports of `[[tls.client]]`, which lead to a virtual server of the same gateway here: opened, followed at a reload,
//! and told of.

mod house;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use admin::request::Request;
use admin::response::{Response, TlsClientPort};
use gateway::tls_door;
use house::{House, inside};

#[test]
fn a_local_port_leads_to_its_service_stays_over_a_reload_and_says_why_it_leads_nowhere() {
    inside("a_local_port_leads_to_its_service", async {
        serve("127.0.0.1:7000");
        let house = House::start_with(&settings("127.0.0.1:8443", "db.test")).await;
        let door = tls_door::open(&house.gateway).await;
        assert_eq!(ports(&house).await[0].fault, None);
        let mut open = ask("hello").expect("it leads there");
        assert_eq!(open.1, "answered: hello");

        reload(&house, &settings("127.0.0.1:8443", "db.test").replace("7000", "7009")).await;
        assert_eq!(
            more(&mut open.0, "again"),
            "answered: again",
            "what stays keeps its connections"
        );

        reload(&house, &settings("127.0.0.1:8443", "other.test")).await;
        assert!(ask("hello").is_none());
        let fault = ports(&house).await[0].fault.clone().expect("its certificate is another's");
        assert!(fault.contains("not trusted"), "{fault}");
        assert!(check(&house).await.iter().any(|said| said.contains(&fault)), "{fault}");
        assert_eq!(refused(&house, "service_not_trusted").await, 1);

        reload(&house, &settings("127.0.0.1:8444", "db.test")).await;
        assert!(ask("hello").is_none());
        let fault = ports(&house).await[0].fault.clone().expect("nobody is there");
        assert!(fault.contains("not reached"), "{fault}");
        assert_eq!(refused(&house, "service_not_there").await, 1);

        greet("127.0.0.1:7003", "* PREAUTH hello\r\n");
        reload(&house, &settings("imap://127.0.0.1:7003", "db.test")).await;
        assert!(ask("hello").is_none());
        assert_eq!(refused(&house, "starttls_not_offered").await, 1);

        let taken = TcpListener::bind("127.0.0.1:7002").expect("a port");
        let moved = settings("127.0.0.1:8443", "db.test").replace(":7001", ":7002");
        reload(&house, &moved).await;
        assert!(TcpStream::connect("127.0.0.1:7001").is_err(), "it is gone");
        let fault = ports(&house).await[0].fault.clone().expect("somebody has the port");
        assert!(fault.contains("7002"), "{fault}");
        drop((taken, door));
        house.stop().await;
    });
}

async fn reload(house: &House, more: &str) {
    let file = house.folder.data().config();
    let text = std::fs::read_to_string(&file).expect("settings");
    let kept = text.split("[[tls.listen]]").next().expect("a beginning");
    std::fs::write(&file, format!("{kept}{more}")).expect("written");
    house.ask(Request::Reload).await;
}

async fn ports(house: &House) -> Vec<TlsClientPort> {
    let Response::TlsServers(all) = house.ask(Request::TlsList).await else { panic!() };
    all.clients
}

async fn check(house: &House) -> Vec<String> {
    let Response::Check(report) = house.ask(Request::Check { whole: false }).await else {
        panic!()
    };
    report.findings.into_iter().map(|finding| finding.seen).collect()
}

/// How often something was refused for this.
async fn refused(house: &House, code: &str) -> u64 {
    let Response::Status(status) = house.ask(Request::Status).await else { panic!() };
    status.refusals.get(code).copied().unwrap_or_default()
}

/// A line through the port, and what comes back.
fn ask(line: &str) -> Option<(TcpStream, String)> {
    let mut stream = TcpStream::connect("127.0.0.1:7001").expect("it is open");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream.write_all(format!("{line}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    let read = BufReader::new(stream.try_clone().ok()?).read_line(&mut answer);
    read.ok().filter(|count| *count > 0)?;
    Some((stream, answer.trim_end().to_owned()))
}

fn more(stream: &mut TcpStream, line: &str) -> String {
    stream.write_all(format!("{line}\n").as_bytes()).expect("it is open");
    let mut answer = String::new();
    BufReader::new(&*stream).read_line(&mut answer).expect("an answer");
    answer.trim_end().to_owned()
}

/// A service that says no more than this.
fn greet(address: &str, greeting: &'static str) {
    let socket = TcpListener::bind(address).expect("a port");
    thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let _ = stream.write_all(greeting.as_bytes());
        }
    });
}

/// A service that answers each line.
fn serve(address: &str) {
    let socket = TcpListener::bind(address).expect("a port");
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            thread::spawn(move || {
                let Ok(mut out) = stream.try_clone() else { return };
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if writeln!(out, "answered: {line}").is_err() {
                        return;
                    }
                }
            });
        }
    });
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < SOON);
    }
}

fn settings(target: &str, name: &str) -> String {
    format!(
        "[[tls.listen]]\naddress = \"127.0.0.1:8443\"\n\
         [[tls.server]]\nnames = [\"db.test\"]\nbackend = \"tcp:127.0.0.1:7000\"\ndefault = true\n\
         [[tls.client]]\nlisten = \"127.0.0.1:7001\"\ntarget = \"{target}\"\nname = \"{name}\"\n"
    )
}

const SOON: Duration = Duration::from_secs(20);
