//! Odd and hostile TLS clients, case by case: `odd_clients.py`, on PyPI's tlslite-ng. The Python that has it is named by
//! TLSLITE_PYTHON.

use std::env;
use std::fs;
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use front::Settings;
use house::{Backend, House, SOON};
use rustls::pki_types::PrivateKeyDer;
use testkit::{Authority, Identity};
use tokio::process::Command;
use tokio::time::timeout;

mod house;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_and_hostile_clients_get_what_the_standards_say_and_the_door_goes_on() {
    let Some(python) = env::var_os("TLSLITE_PYTHON") else {
        println!("SKIP odd_clients: no Python with tlslite-ng; set TLSLITE_PYTHON");
        return;
    };
    let (open, imap, closed) =
        (Backend::open("open").await, Backend::open("imap").await, Backend::open("closed").await);
    let house = House::open(&settings(&open, &imap, &closed)).await;
    let folder = env::temp_dir().join(format!("odd-clients-{}", std::process::id()));
    write(&folder, "alice", &house.device("alice"));
    write(&folder, "mallory", &Authority::new("another CA").client("alice/default"));
    // The clients can't tell a connection that was ended from one that a panic took.
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        told(panicked);
    }));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/odd_clients.py");
    let mut clients = Command::new(python);
    clients.arg(script).arg(house.door.port().to_string()).arg(&folder).kill_on_drop(true);
    let output = timeout(Duration::from_secs(300), clients.output()).await.expect("in time");
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    println!("{said}FIGURE {passed} cases");
    assert!(passed >= 100, "{passed} cases");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    let nobody_is_left = async {
        while !house.front.connections().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, nobody_is_left).await.expect("all are gone, and their connections with them");
    // What stays behind in the folder for temporary files harms nobody.
    let _ = fs::remove_dir_all(folder);
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// As the clients read it: a certificate and a key, each without the words around it.
fn write(folder: &Path, name: &str, identity: &Identity) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join(format!("{name}.der")), &identity.chain[0]).expect("written");
    let PrivateKeyDer::Pkcs8(key) = &identity.key else { panic!("another kind of key") };
    fs::write(folder.join(format!("{name}.key")), key.secret_pkcs8_der()).expect("written");
}

fn settings(open: &Backend, imap: &Backend, closed: &Backend) -> Settings {
    let text = format!(
        r#"
        listen = [{{ address = "127.0.0.1:0" }}]
        server = [
            {{ names = ["open.test"], backend = "tcp:{}" }},
            {{ names = ["imap.test"], backend = "tcp:{}", alpn = ["imap"] }},
            {{ names = ["closed.test"], backend = "tcp:{}", clients = "required" }},
        ]
        "#,
        open.address, imap.address, closed.address
    );
    toml::from_str(&text).expect("settings")
}
