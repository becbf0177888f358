//! What a reload says of addresses that it could not open, with the TLS door alone: the VPN's socket is the test's.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use admin::permission::Caller;
use admin::request::Request;
use admin::response::Response;
use clock::SystemClock;
use gateway::control::Execute as _;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway, tls_door};

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_which_address_is_not_served_and_that_our_own_vpn_has_it() {
    let folder = std::env::temp_dir().join(format!("handfast-reload-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let data = DataDir::new(&folder);
    data.prepare().expect("made");
    let (vpns, elses) = (taken(), taken());
    let [vpn, other] = [&vpns, &elses].map(|held| held.local_addr().expect("bound"));
    settings(&data, &format!("listen = [\"udp:127.0.0.1:1194\", \"tcp:{vpn}\"]\n"));
    let started = Gateway::start(data.clone(), Arc::new(SystemClock), FirstStart::default());
    let gateway = started.await.expect("started");
    let door = tls_door::open(&gateway).await;

    let listens = [vpn, other].map(|address| format!("[[tls.listen]]\naddress = \"{address}\"\n"));
    let server = "[[tls.server]]\nnames = [\"a.test\"]\nbackend = \"tcp:127.0.0.1:1\"\n";
    let vpn_moves = "listen = [\"udp:127.0.0.1:1194\"]\n".to_owned();
    settings(&data, &(vpn_moves + &listens.concat() + server));
    let warnings = reload(&gateway).await;
    let of = |address: SocketAddr| {
        let said = warnings.iter().find(|one| one.contains(&format!("TCP {address} is taken")));
        said.unwrap_or_else(|| panic!("{address}: {warnings:?}"))
    };
    assert!(of(vpn).contains("this gateway's own VPN has it until the next start"), "{warnings:?}");
    assert!(of(other).contains("end what has it"), "{warnings:?}");

    drop((vpns, elses));
    let warnings = reload(&gateway).await;
    assert!(!warnings.iter().any(|one| one.contains("is taken")), "{warnings:?}");
    drop(door);
    gateway.close().await;
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

async fn reload(gateway: &Gateway) -> Vec<String> {
    let root = Caller::Local { uid: 0, name: None };
    let answer = gateway.execute(&root, Request::Reload).await.expect("read again");
    let Response::Reloaded(reloaded) = answer else { panic!("{answer:?}") };
    reloaded.warnings
}

fn settings(data: &DataDir, vpn_and_tls: &str) {
    let text = format!("[public]\nnames = [\"vpn.test\"]\n[vpn]\n{vpn_and_tls}");
    data.write_whole(&data.config(), text.as_bytes()).expect("written");
}

fn taken() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}
