//! `kill -9` at random moments: whatever was acknowledged before is there afterwards.
//!
//! The victim is this test's own binary in another process. It says on its standard output what was
//! acknowledged, one line each; the parent kills it, opens the folder and compares.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::DeviceState;
use admin::response::Response;
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

fn killed_after(life: Duration, folder: &std::path::Path, round: u32) -> String {
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

async fn open(folder: &std::path::Path) -> Gateway {
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
const ROUND: &str = "HANDFAST_TEST_ROUND";
