//! Ten thousand devices and a hundred thousand sessions on record: what an operator asks is answered while
//! the finger is still on the key.
//!
//! The figures are printed (`-- --nocapture`); a release build keeps each below a tenth of a second. The
//! limits here are for debug builds on a busy machine: they catch what grows with the square.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admin::names::DeviceName;
use admin::request::{DeviceDeed, HistoryQuery, Request};
use admin::response::{Level, Response};
use clock::{Clock, SystemClock, Timestamp};
use gateway::control::ControlServer;
use gateway::data::DataDir;
use gateway::doors::Door;
use gateway::{Admin, FirstStart, Gateway};
use pki::{KeyId, Serial};
use store::{Actor, CaGenerationId, DeviceId, Holder, NewCertificate, SessionNote, Store};
use tokio::task::JoinSet;

const USERS: u64 = 200;
const DEVICES_EACH: u64 = 50;
const SESSIONS: u64 = 100_000;
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 30_000 } else { 300 });

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_devices_and_a_hundred_thousand_sessions_are_listed_at_once() {
    let folder = Folder::new();
    let data = DataDir::new(folder.0.join("data"));
    fill(&data).await;

    let before = resident();
    let gateway = Gateway::open(data.clone(), system()).await.expect("opened");
    println!("{} MiB resident with the records open, {before} before", resident());
    gateway.doors().attach(Arc::new(Nobody));
    gateway.run().await.expect("at work");
    let server = ControlServer::bind(&data).expect("bound");
    let serving = tokio::spawn(server.serve(Arc::new(gateway)));
    let mut admin = Admin::connect_or_open(&data, system()).await.expect("connected");

    let list = timed(&mut admin, "device list", Request::DeviceList { user: None }).await;
    let Response::Devices(devices) = list else { panic!("{list:?}") };
    assert_eq!(devices.len() as u64, USERS * DEVICES_EACH);
    assert!(devices.iter().all(|device| device.last_seen_at.is_some()));
    let status = timed(&mut admin, "status", Request::Status).await;
    assert!(matches!(status, Response::Status(status) if status.devices == 10_000));
    // The first look at everything is under way since the start.
    let begun = Instant::now();
    admin.call(Request::Check { whole: false }).await.expect("answered");
    println!("check, the first one: {} ms", begun.elapsed().as_millis());
    let whole = Instant::now();
    admin.call(Request::Check { whole: true }).await.expect("answered");
    println!("check --whole: {} ms", whole.elapsed().as_millis());
    let check = timed(&mut admin, "check", Request::Check { whole: false }).await;
    let Response::Check(report) = check else { panic!("{check:?}") };
    let records = report.findings.iter().find(|finding| finding.subject == "records");
    assert_eq!(records.map(|finding| finding.level), Some(Level::Good), "{report:?}");
    for (what, query, expected) in queries() {
        let answer = timed(&mut admin, what, Request::SessionHistory(query)).await;
        let Response::History(sessions) = answer else { panic!("{answer:?}") };
        assert_eq!(sessions.len(), expected, "{what}");
    }
    let devices = (0..1_000).map(|number| name(number / 50, number % 50)).collect();
    let begun = Instant::now();
    let request = Request::DevicesDo { devices, deed: DeviceDeed::Remove };
    let answer = admin.call(request).await.expect("answered");
    println!("device remove of 1,000: {} ms", begun.elapsed().as_millis());
    let Response::ChangedAll(all) = answer else { panic!("{answer:?}") };
    assert_eq!((all.changed.len(), all.did.revoked.len()), (1_000, 1_000));
    assert!(all.did.crl_number.is_some() && all.did.pending.is_empty(), "{:?}", all.did.pending);
    assert!(begun.elapsed() < 10 * LIMIT, "{:?}", begun.elapsed());
    println!("{} MiB resident after all of it", resident());
    serving.abort();
}

/// Each is of a kind of its own: the newest, one device's, who had an address, everything since a time.
fn queries() -> [(&'static str, HistoryQuery, usize); 4] {
    let all = HistoryQuery { limit: 50, ..HistoryQuery::default() };
    let device = name(7, 7);
    let at = opened(SESSIONS / 2);
    let address = Some((address(SESSIONS / 2), Some(at)));
    [
        ("sessions --history", all.clone(), 50),
        ("sessions --history DEVICE", HistoryQuery { device: Some(device), ..all.clone() }, 10),
        ("sessions --history --address", HistoryQuery { address, ..all.clone() }, 1),
        ("sessions --history --since", HistoryQuery { since: Some(opened(1)), ..all }, 50),
    ]
}

fn name(user: u64, device: u64) -> DeviceName {
    DeviceName::parse(&format!("user{user}/device{device}")).expect("a name")
}

async fn timed(admin: &mut Admin, what: &str, request: Request) -> Response {
    let mut fastest = Duration::MAX;
    let mut answer = None;
    let mut took = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        answer = Some(admin.call(request.clone()).await.expect("answered"));
        took.push(begun.elapsed().as_millis());
        fastest = fastest.min(begun.elapsed());
    }
    println!("{what}: {took:?} ms");
    assert!(fastest < LIMIT, "{what} took {fastest:?}");
    answer.expect("asked")
}

async fn fill(data: &DataDir) {
    data.prepare().expect("made");
    let text = "[public]\nnames = [\"vpn.example.org\"]\n[ca]\nkey_type = \"p256\"\n";
    data.write_whole(&data.config(), text.as_bytes()).expect("written");
    let gateway =
        Gateway::start(data.clone(), system(), FirstStart::default()).await.expect("started");
    let store = gateway.store().clone();
    let generation = store.ca_generation_list().await.expect("read")[0].id;
    let mut filling = JoinSet::new();
    for user in 0..USERS {
        filling.spawn(add(store.clone(), user, generation));
    }
    let mut devices: Vec<_> = filling.join_all().await.into_iter().flatten().collect();
    devices.sort_unstable();
    for from in (0..SESSIONS).step_by(4_000) {
        let notes = (from..from + 4_000).map(|number| note(&devices, number)).collect();
        store.sessions_note(notes).await.expect("noted");
    }
    gateway.close().await;
}

async fn add(store: Store, user: u64, generation: CaGenerationId) -> Vec<DeviceId> {
    let name = format!("user{user}").parse().expect("a name");
    store.user_add(&Actor::Gateway, &name, None).await.expect("added");
    let mut devices = Vec::new();
    for number in 0..DEVICES_EACH {
        let device = format!("device{number}").parse().expect("a name");
        let device = store.device_add(&Actor::Gateway, &name, &device).await.expect("added").value;
        let number = user * DEVICES_EACH + number;
        let certificate = certificate(number, device.id, generation);
        store.certificate_record(&Actor::Gateway, certificate).await.expect("recorded");
        devices.push(device.id);
    }
    devices
}

/// As large as one, and nobody reads it.
fn certificate(number: u64, device: DeviceId, issued_by: CaGenerationId) -> NewCertificate {
    let mut serial = [1; 16];
    serial[8..].copy_from_slice(&number.to_be_bytes());
    let mut der = vec![0; 900];
    der[..8].copy_from_slice(&number.to_be_bytes());
    let now = Timestamp::from(SystemClock.now());
    NewCertificate {
        serial: Serial::from_random(serial),
        holder: Holder::Device(device),
        subject: format!("CN=device {number}"),
        not_before: now,
        not_after: now.after(Duration::from_secs(31_536_000)),
        issued_by,
        public_key: KeyId::of_spki(&number.to_be_bytes()),
        der,
        key: None,
        setting: None,
        supersedes_within: None,
    }
}

/// Sessions follow each other every ten seconds, each a thousand seconds long.
fn note(devices: &[DeviceId], number: u64) -> SessionNote {
    let device = usize::try_from(number).expect("few") % devices.len();
    SessionNote {
        opened: opened(number),
        number,
        device: devices[device],
        source: "192.0.2.7:4000".parse().expect("an address"),
        tcp: false,
        addresses: vec![address(number)],
        client: "OpenVPN 2.6.14 linux".into(),
        tells_profile: true,
        profile: None,
        seen: opened(number).after(Duration::from_secs(1_000)),
        bytes_in: 1,
        bytes_out: 2,
        ended: Some("peer_exit".into()),
    }
}

fn opened(number: u64) -> Timestamp {
    Timestamp::from_unix_secs(1_795_000_000).after(Duration::from_secs(10 * number))
}

fn address(number: u64) -> std::net::IpAddr {
    let host = u32::try_from(number % 10_000).expect("few");
    std::net::Ipv4Addr::from(0x0a47_0002 + host).into()
}

/// In MiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("read");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A door that nobody came through.
#[derive(Debug)]
struct Nobody;

impl Door for Nobody {}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("handfast-many-{}", std::process::id()));
        fs::create_dir_all(&path).expect("made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
