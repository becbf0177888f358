//! `kill -9` at random moments, and at each write of a rollover: whatever was acknowledged before is there afterwards.
//!
//! The victim is this test's own binary in another process. It says on its standard output what was
//! acknowledged, one line each; the parent kills it, opens the folder and compares.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::{DeviceState, Response, Rollover};
use clock::SystemClock;
use gateway::control::Execute;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};
use names::RevocationReason;

#[tokio::test]
async fn every_acknowledged_change_survives_a_kill_at_any_moment() {
    let wanted: usize = std::env::var(CHANGES).ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let folder = std::env::temp_dir().join(format!("handfast-kill-{}", std::process::id()));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(std::process::id());
    let (mut added, mut revoked) = (BTreeSet::new(), BTreeSet::new());
    let mut kills = 0;
    while added.len() + revoked.len() < wanted {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let life = Duration::from_millis(60 + (random >> 33) % 500);
        for line in killed_after(life, &folder, kills).lines() {
            match line.split_once(' ') {
                Some(("added", user)) => added.insert(user.to_owned()),
                Some(("revoked", serial)) => revoked.insert(serial.to_owned()),
                _ => continue,
            };
        }
        kills += 1;
        let gateway = open(&folder).await;
        assert_eq!(gateway.store().chain_verify().await.expect("read").fault, None);
        assert!(added.is_subset(&users(&gateway).await), "an acknowledged user is gone");
        assert!(revoked.is_subset(&crl(&gateway).await), "an acknowledged revocation is gone");
        gateway.close().await;
    }
    println!("{kills} kills, {} users, {} revocations, none lost", added.len(), revoked.len());
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

/// Run by the test above in a process of its own; on its own it does nothing.
#[tokio::test]
async fn the_victim_adds_and_revokes() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let round = std::env::var(ROUND).expect("given");
    let gateway = open(&PathBuf::from(path)).await;
    for number in 0.. {
        let user = format!("u{round}-{number}");
        ask(&gateway, Request::UserAdd { name: user.parse().expect("a name") }).await;
        println!("\nadded {user}");
        let device = DeviceName::parse(&user).expect("a name");
        ask(&gateway, Request::ProfileMaterial { device: device.clone(), renew: false }).await;
        let reason = RevocationReason::KeyCompromise;
        let revoke = Request::DeviceRevoke { device, reason };
        let Response::Changed(changed) = ask(&gateway, revoke).await else { panic!() };
        assert!(changed.pending.is_empty(), "{changed:?}");
        println!("\nrevoked {}", changed.revoked[0]);
    }
}

#[tokio::test]
async fn a_start_and_a_finish_that_are_killed_at_any_write_are_done_or_were_never_begun() {
    let base = std::env::temp_dir().join(format!("handfast-roll-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&base);
    open(&base.join("start")).await.close().await;
    copy(&base.join("start"), &base.join("finish"));
    let gateway = open(&base.join("finish")).await;
    rollover(&gateway, Request::RolloverStart).await;
    gateway.close().await;
    let deeds = [("start", 5, [1, 0], [2, 0]), ("finish", 1, [2, 0], [1, 1])];
    for (deed, stride, before, after) in deeds {
        let (mut kills, mut undone) = (0, 0);
        for write in (1..).step_by(stride) {
            let folder = base.join("victim");
            let _ = std::fs::remove_dir_all(&folder);
            copy(&base.join(deed), &folder);
            if !killed_at_write(&folder, deed, write) {
                break;
            }
            kills += 1;
            let gateway = open(&folder).await;
            let trusted = gateway.authority().issuers().trusted().count();
            let seen = [trusted, rollover(&gateway, Request::RolloverStatus).await.retired.len()];
            assert!(seen == before || seen == after, "{deed}, write {write}: {seen:?}");
            undone += u32::from(seen == before);
            assert_eq!(gateway.store().chain_verify().await.expect("read").fault, None);
            assert_eq!(gateway.store().audit().await.expect("read"), []);
            if seen == before {
                let again = if deed == "start" { Request::RolloverStart } else { finish() };
                rollover(&gateway, again).await;
            }
            gateway.close().await;
        }
        println!("{deed}: killed at {kills} of its writes, {undone} times it was not begun");
        assert!(kills > 2 && undone > 0, "{deed}: {kills} kills, {undone} undone");
    }
    std::fs::remove_dir_all(&base).expect("cleaned up");
}

/// The last of these writes come after both CAs have vouched for each other, which they do eight times alone, and then
/// once a day.
#[tokio::test]
async fn a_start_that_is_killed_at_each_of_its_writes_in_turn_goes_through_in_the_end() {
    let folder = std::env::temp_dir().join(format!("handfast-again-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    open(&folder).await.close().await;
    let (mut kills, mut vouched) = (0, 0);
    for write in 1..200 {
        if !killed_at_write(&folder, "start", write) {
            break;
        }
        kills += 1;
        vouched += u32::from(has_vouched(&folder));
        let gateway = open(&folder).await;
        let trusted = gateway.authority().issuers().trusted().count();
        gateway.close().await;
        if trusted > 1 {
            break;
        }
    }
    println!("killed {kills} times, {vouched} of them after both had vouched");
    let gateway = open(&folder).await;
    assert_eq!(gateway.authority().issuers().trusted().count(), 2, "{kills} kills");
    assert!(vouched > 4, "{vouched} of {kills}");
    gateway.close().await;
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

/// Two certificates of some hundred octets stand beside what is left of the signatures.
fn has_vouched(folder: &Path) -> bool {
    std::fs::metadata(folder.join("ca/left")).is_ok_and(|left| left.len() > 800)
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a"]).args([from, to]).status().expect("cp runs");
    assert!(copied.success(), "{}", from.display());
}

/// Run by the test above in a process of its own; on its own it does nothing.
#[tokio::test]
async fn the_victim_rolls_over() {
    let (Some(folder), Ok(deed)) = (std::env::var_os(VICTIM), std::env::var(DEED)) else { return };
    let gateway = open(Path::new(&folder)).await;
    match deed.as_str() {
        "start" => rollover(&gateway, Request::RolloverStart).await,
        _ => rollover(&gateway, finish()).await,
    };
    gateway.close().await;
}

/// Does it in a process that gets SIGKILL at its nth write to a file; whether it got there.
fn killed_at_write(folder: &Path, deed: &str, write: usize) -> bool {
    let kill = format!("inject=pwrite64:signal=SIGKILL:when={write}");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &kill])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_victim_rolls_over"])
        .env(VICTIM, folder)
        .env(DEED, deed)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is installed");
    status.signal().is_some() || !status.success()
}

fn killed_after(life: Duration, folder: &Path, round: u32) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_victim_adds_and_revokes", "--nocapture"])
        .env(VICTIM, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut output = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).expect("text");
        text
    });
    std::thread::sleep(life);
    assert!(still_runs(&mut child), "the victim ended by itself");
    child.kill().expect("killed");
    child.wait().expect("waited for");
    let text = reader.join().expect("read");
    // The last line may be cut off in the middle; it was not acknowledged.
    text.rsplit_once('\n').map(|(whole, _)| whole.to_owned()).unwrap_or_default()
}

fn still_runs(child: &mut Child) -> bool {
    child.try_wait().expect("asked").is_none()
}

async fn open(folder: &Path) -> Gateway {
    let data = DataDir::new(folder);
    data.prepare().expect("made");
    if !data.config().exists() {
        let text = "[public]\nnames = [\"vpn.example.org\"]\n\
                    [ca]\nkey_type = \"p256\"\n[device]\nkey_type = \"p256\"\n";
        data.write_whole(&data.config(), text.as_bytes()).expect("written");
    }
    Gateway::start(data, Arc::new(SystemClock), FirstStart::default()).await.expect("started")
}

async fn ask(gateway: &Gateway, request: Request) -> Response {
    let caller = Caller::Local { uid: 0, name: None };
    gateway.execute(&caller, request).await.expect("done")
}

async fn rollover(gateway: &Gateway, request: Request) -> Rollover {
    let Response::Rollover(rollover) = ask(gateway, request).await else {
        panic!("another answer")
    };
    rollover
}

const fn finish() -> Request {
    Request::RolloverFinish { force: true }
}

async fn users(gateway: &Gateway) -> BTreeSet<String> {
    let Response::Users(users) = ask(gateway, Request::UserList).await else { panic!() };
    users.into_iter().map(|user| user.name.to_string()).collect()
}

async fn crl(gateway: &Gateway) -> BTreeSet<String> {
    let devices = Request::DeviceList { user: None };
    let Response::Devices(devices) = ask(gateway, devices).await else { panic!() };
    let Response::Crl(crl) = ask(gateway, Request::CrlShow).await else { panic!() };
    let listed: BTreeSet<_> = crl.entries.into_iter().map(|entry| entry.serial).collect();
    let revoked = devices.iter().filter(|device| device.state == DeviceState::Revoked);
    assert!(revoked.filter_map(|d| d.serial.as_ref()).all(|s| listed.contains(s)));
    listed
}

/// How many changes to acknowledge in all; 1,000 for the long run.
const CHANGES: &str = "HANDFAST_KILL_CHANGES";
const VICTIM: &str = "HANDFAST_TEST_VICTIM";
const DEED: &str = "HANDFAST_TEST_DEED";
const ROUND: &str = "HANDFAST_TEST_ROUND";
