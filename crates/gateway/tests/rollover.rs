//! The CA is replaced: at no step is anybody locked out, with a restart at each, and `kill -9` within.

mod house;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use admin::failure::FailureKind;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::{ProfileMaterial, Response, Rollover};
use clock::SystemClock;
use gateway::control::Execute;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};
use house::{House, device, id, inside};

#[test]
fn old_and_new_profiles_and_certificates_connect_at_every_step_and_after_each_restart() {
    inside("old_and_new_profiles_and_certificates", async {
        let house = House::start().await;
        let former = house.add("alice").await;
        let old_alone = former.common.ca_pem.clone();
        let everybody = house.add("bob").await;
        let mut alice = house.connect(&former).await;

        let begun = rollover(&house, Request::RolloverStart).await;
        let late: Vec<_> = begun.behind.iter().map(|behind| behind.name.as_str()).collect();
        assert_eq!((begun.moved, late), (0, vec!["alice/default", "bob/default"]));
        assert_eq!(house.connected().await, ["alice"], "sessions stay");
        alice.renew_keys().await;
        let new = house.add("carol").await;
        assert_ne!(id(&new).issuer, id(&former).issuer);
        let both = new.common.ca_pem.clone();
        assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
        let again = house.gateway.execute(&ROOT, Request::RolloverStart).await;
        assert_eq!(again.expect_err("one at a time").kind, FailureKind::Conflict);
        let mut house = house;
        for _ in 0..2 {
            all_four(&house, [&former, &new], [&old_alone, &both]).await;
            house = house.restart().await;
        }

        let early = house.gateway.execute(&ROOT, finish(false)).await;
        assert_eq!(early.expect_err("two have not moved").kind, FailureKind::Conflict);
        // Alice has a new profile, and bob never came.
        let moved = renewed(&house, "alice").await;
        let behind = |rollover: &Rollover| rollover.behind.len();
        assert_eq!(behind(&rollover(&house, Request::RolloverStatus).await), 2, "not seen yet");
        drop(house.connect(&moved).await);
        settled(&house, |rollover| behind(rollover) == 1).await;
        all_four(&house, [&everybody, &moved], [&old_alone, &both]).await;

        let present = Arc::clone(&house.gateway.authority().issuers().all()[1]);
        assert_eq!(house.listed(&present).await, []);
        let opens = |house: &House| house.gateway.view().recheck(&id(&everybody));
        assert_eq!(opens(&house), Ok(()));
        let done = rollover(&house, finish(true)).await;
        assert_eq!(house.listed(&present).await.len(), 1, "its word for the former one");
        assert_eq!((done.former, done.retired.len()), (None, 1));
        for _ in 0..2 {
            for profile in [&old_alone, &both, &new.common.ca_pem] {
                drop(house.try_connect(&new, profile).await.expect("a new certificate"));
            }
            assert_eq!(opens(&house), Err(pki::Refusal::UnknownCa), "TLS taken before or not");
            let kept_out = house.try_connect(&everybody, &both).await;
            kept_out.expect_err("bob's certificate is of a CA that is trusted no longer");
            house = house.restart().await;
        }
        // What the former CA says goes on.
        assert_eq!(house.listed(&house.first()).await, [id(&former).serial]);
        house.revoke("bob").await;
        assert_eq!(house.listed(&house.first()).await.len(), 2);
        house.stop().await;
    });
}

/// Each certificate with each list of trusted CAs.
async fn all_four(house: &House, certificates: [&ProfileMaterial; 2], profiles: [&str; 2]) {
    for certificate in certificates {
        for profile in profiles {
            let connected = house.try_connect(certificate, profile).await;
            drop(connected.expect("nobody is locked out"));
        }
    }
}

#[tokio::test]
async fn a_start_and_a_finish_that_are_killed_at_any_write_are_done_or_were_never_begun() {
    let base = std::env::temp_dir().join(format!("handfast-roll-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&base);
    open(&base.join("start")).await.close().await;
    copy(&base.join("start"), &base.join("finish"));
    let gateway = open(&base.join("finish")).await;
    ask(&gateway, Request::RolloverStart).await;
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
            let seen = [trusted, status(&gateway).await.retired.len()];
            assert!(seen == before || seen == after, "{deed}, write {write}: {seen:?}");
            undone += u32::from(seen == before);
            assert_eq!(gateway.store().chain_verify().await.expect("read").fault, None);
            assert_eq!(gateway.store().audit().await.expect("read"), []);
            if seen == before {
                let again = if deed == "start" { Request::RolloverStart } else { finish(true) };
                ask(&gateway, again).await;
            }
            gateway.close().await;
        }
        println!("{deed}: killed at {kills} of its writes, {undone} times it was not begun");
        assert!(kills > 2 && undone > 0, "{deed}: {kills} kills, {undone} undone");
    }
    std::fs::remove_dir_all(&base).expect("cleaned up");
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
        "start" => ask(&gateway, Request::RolloverStart).await,
        _ => ask(&gateway, finish(true)).await,
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

async fn ask(gateway: &Gateway, request: Request) -> Rollover {
    let answer = gateway.execute(&ROOT, request).await.expect("done");
    let Response::Rollover(rollover) = answer else { panic!("another answer") };
    rollover
}

async fn status(gateway: &Gateway) -> Rollover {
    ask(gateway, Request::RolloverStatus).await
}

async fn rollover(house: &House, request: Request) -> Rollover {
    ask(&house.gateway, request).await
}

async fn renewed(house: &House, user: &str) -> ProfileMaterial {
    let request = Request::ProfileMaterial { device: device(user), renew: true };
    let Response::Profile(material) = house.ask(request).await else { panic!("no profile") };
    *material
}

/// A first connection is recorded by a task of its own.
async fn settled(house: &House, good: impl Fn(&Rollover) -> bool) {
    for _ in 0..200 {
        if good(&rollover(house, Request::RolloverStatus).await) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", rollover(house, Request::RolloverStatus).await);
}

fn finish(force: bool) -> Request {
    Request::RolloverFinish { force }
}

const ROOT: Caller = Caller::Local { uid: 0, name: None };
const VICTIM: &str = "HANDFAST_TEST_VICTIM";
const DEED: &str = "HANDFAST_TEST_DEED";
