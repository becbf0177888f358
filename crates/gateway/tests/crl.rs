//! The CRL follows the records however fast they change.

use std::path::PathBuf;
use std::sync::Arc;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::Response;
use clock::{Clock, SystemClock};
use gateway::control::Execute;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};
use names::RevocationReason;
use store::{Event, EventId, EventKind};
use tokio::task::JoinSet;

/// What is revoked while a list is signed is on the next one, and all of it together.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_never_more_than_one_signature_behind_what_was_revoked() {
    let folder = Folder::new();
    let gateway = folder.open().await;
    let devices: Vec<_> =
        (0..DEVICES).map(|n| DeviceName::parse(&format!("user{n}")).expect("a name")).collect();
    for device in &devices {
        ask(&gateway, Request::UserAdd { name: device.user.clone() }).await;
        ask(&gateway, Request::ProfileMaterial { device: device.clone(), renew: false }).await;
    }
    let mut orders = JoinSet::new();
    for device in devices {
        let gateway = Arc::clone(&gateway);
        let reason = RevocationReason::KeyCompromise;
        orders.spawn(async move { ask(&gateway, Request::DeviceRevoke { device, reason }).await });
    }
    for answer in orders.join_all().await {
        let Response::Changed(changed) = answer else { panic!("{answer:?}") };
        assert!(changed.pending.is_empty() && changed.crl_number.is_some(), "{changed:?}");
    }
    let events = gateway.store().event_list(EventId::NONE, 10_000).await.expect("read");
    let of = |kind: &EventKind| events.iter().filter(move |e| e.kind == *kind).collect::<Vec<_>>();
    let (revoked, signed) = (of(&EventKind::CERTIFICATE_REVOKED), of(&EventKind::CRL_SIGNED));
    assert_eq!(revoked.len(), DEVICES);
    let mut longest = 0;
    for event in &revoked {
        let later = signed.iter().filter(|list| list.id > event.id);
        let without = later.take_while(|list| through(list) < number(event.id)).count();
        assert!(without <= 1, "{without} lists were signed without {event:?}");
        longest = longest.max(without);
    }
    println!("FIGURE {DEVICES} revocations at once: {} lists, {longest} behind", signed.len());
}

/// The last event that a list knows of.
fn through(list: &Event) -> u64 {
    list.payload["through"].as_u64().expect("a number")
}

fn number(id: EventId) -> u64 {
    id.to_string().parse().expect("a number")
}

async fn ask(gateway: &Gateway, request: Request) -> Response {
    let root = Caller::Local { uid: 0, name: None };
    gateway.execute(&root, request).await.expect("done")
}

const DEVICES: usize = 60;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("handfast-crl-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    async fn open(&self) -> Arc<Gateway> {
        let data = DataDir::new(&self.0);
        data.prepare().expect("made");
        let settings = "[public]\nnames = [\"vpn.example.org\"]\n[ca]\nkey_type = \"p256\"\n\
                        [device]\nkey_type = \"p256\"\n";
        data.write_whole(&data.config(), settings.as_bytes()).expect("written");
        let clock = Arc::new(SystemClock) as Arc<dyn Clock>;
        Arc::new(Gateway::start(data, clock, FirstStart::default()).await.expect("started"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
