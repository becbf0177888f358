//! A data folder that an earlier release wrote: it opens, again and again, with everything that was
//! in it, and its devices are still let in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::protocol::Reply;
use admin::request::Request;
use admin::response::Response;
use admin::response::{DeviceState, Level};
use clock::{Clock, Now, VirtualClock};
use gateway::Gateway;
use gateway::control::Execute;
use gateway::data::DataDir;
use pki::{ClockTime, NameRule, Refusal, ServerNameVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ConnectionCommon, ServerConnection, SideData};

#[tokio::test]
async fn a_folder_of_format_1_opens_twice_with_everything_that_was_in_it() {
    let folder = Folder::of_format_1();
    for _ in 0..2 {
        let gateway = folder.open().await;
        assert_eq!(gateway.authority().issuers().to_pem(), folder.read("data/ca.crt"));
        for (device, state) in DEVICES {
            assert_eq!(state_of(&gateway, device).await, state, "{device}");
        }
        let Response::Users(users) = ask(&gateway, Request::UserList).await.expect("listed") else {
            panic!("no list of users");
        };
        let disabled: Vec<_> =
            users.iter().filter(|u| u.disabled).map(|u| u.name.as_str()).collect();
        assert_eq!((users.len(), disabled), (5, vec!["carol"]));
        let Response::Crl(crl) = ask(&gateway, Request::CrlShow).await.expect("shown") else {
            panic!("no CRL");
        };
        // Number 4 had three; format 5 has who is disabled on it as well.
        assert_eq!((crl.number > 4, crl.entries.len()), (true, 4));
        let Response::Check(report) =
            ask(&gateway, Request::Check { whole: false }).await.expect("checked")
        else {
            panic!("no report");
        };
        for subject in ["event chain", "records", "CA", "CRL", "device certificates"] {
            let finding = report.findings.iter().find(|f| f.subject == subject).expect(subject);
            assert_eq!(finding.level, Level::Good, "{finding:?}");
        }
        gateway.close().await;
    }
}

#[tokio::test]
async fn the_devices_of_a_folder_of_format_1_are_let_in_or_refused_as_before() {
    let folder = Folder::of_format_1();
    let gateway = folder.open().await;
    for device in ["alice-default", "alice-phone", "dave-default", "frank-default", "frank-former"]
    {
        folder.handshake(&gateway, device).unwrap_or_else(|refusal| panic!("{device}: {refusal}"));
    }
    for device in ["bob-default", "dave-former", "erin-default"] {
        let refused = folder.handshake(&gateway, device);
        assert_eq!(refused, Err(Refusal::Revoked { revocation: None }), "{device}");
    }
    let Response::Crl(crl) = ask(&gateway, Request::CrlShow).await.expect("shown") else {
        panic!("no CRL");
    };
    let mut reasons: Vec<_> =
        crl.entries.iter().map(|entry| format!("{:?}", entry.reason)).collect();
    reasons.sort();
    assert_eq!(reasons, ["CertificateHold", "CessationOfOperation", "KeyCompromise", "Superseded"]);
    assert_eq!(folder.handshake(&gateway, "carol-default"), Err(Refusal::UserDisabled));
}

#[tokio::test]
async fn the_key_of_a_former_folder_is_moved_to_the_signer_and_is_never_in_both_or_neither() {
    for killed in [Killed::Not, Killed::BeforeItWasForgotten, Killed::BeforeTheFolderHadItsName] {
        let folder = Folder::of_format_1();
        let records = folder.path.join("data/handfast.db");
        let mut keys = store::ca_keys_read(&records).expect("read");
        let key = keys.pop().expect("a key").pkcs8;
        if killed != Killed::Not {
            // As after the first steps: everything is in a folder without its name.
            folder.open().await.close().await;
            let data = folder.path.join("data");
            fs::rename(data.join("ca"), data.join("ca.moving")).expect("renamed");
            if killed == Killed::BeforeItWasForgotten {
                let former = former().join("data/handfast.db");
                fs::copy(former, &records).expect("put back");
            }
            let copy = folder.path.join("copy");
            let refused = gateway::backup::back_up(&DataDir::new(data), &copy);
            let refused = refused.expect_err("it would have no key");
            assert!(refused.message.contains("on their way") && !copy.exists(), "{refused:?}");
        }
        let gateway = folder.open().await;
        let Response::Crl(crl) = ask(&gateway, Request::CrlShow).await.expect("shown") else {
            panic!("no CRL");
        };
        let device = DeviceName::parse("alice/phone").expect("a name");
        let reason = names::RevocationReason::KeyCompromise;
        ask(&gateway, Request::DeviceRevoke { device, reason }).await.expect("revoked");
        let Response::Crl(after) = ask(&gateway, Request::CrlShow).await.expect("shown") else {
            panic!("no CRL");
        };
        assert!(after.number > crl.number, "{killed:?}");
        gateway.close().await;
        assert!(store::ca_keys_read(&records).expect("read").is_empty());
        for file in fs::read_dir(folder.path.join("data")).expect("listed").flatten() {
            let Ok(octets) = fs::read(file.path()) else { continue };
            let found = octets.windows(64).any(|window| key.expose().ends_with(window));
            assert!(!found, "{killed:?}: {:?}", file.path());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Not,
    BeforeItWasForgotten,
    BeforeTheFolderHadItsName,
}

fn former() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/fixtures/89f73ea")
}

const DEVICES: [(&str, DeviceState); 8] = [
    ("alice/default", DeviceState::Active),
    ("alice/phone", DeviceState::Active),
    ("alice/tablet", DeviceState::Active),
    ("bob/default", DeviceState::Revoked),
    ("carol/default", DeviceState::Disabled),
    ("dave/default", DeviceState::Active),
    ("frank/default", DeviceState::Active),
    ("frank/spare", DeviceState::New),
];

/// An hour after the folder was written.
const NOW: u64 = 1_795_892_000;

async fn ask(gateway: &Gateway, request: Request) -> Reply {
    gateway.execute(&Caller::Local { uid: 0, name: None }, request).await
}

async fn state_of(gateway: &Gateway, device: &str) -> DeviceState {
    let device = DeviceName::parse(device).expect("a full name");
    match ask(gateway, Request::DeviceShow { device }).await.expect("there") {
        Response::Device(detail) => detail.device.state,
        other => panic!("{other:?}"),
    }
}

/// A copy of the folder, gone with this value.
struct Folder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Folder {
    fn of_format_1() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "handfast-former-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        let former = former();
        for part in ["data", "profiles"] {
            fs::create_dir_all(path.join(part)).expect("made");
            for file in fs::read_dir(former.join(part)).expect("there").flatten() {
                let to = path.join(part).join(file.file_name());
                fs::copy(file.path(), &to).expect("copied");
                fs::set_permissions(to, fs::Permissions::from_mode(0o600)).expect("narrowed");
            }
        }
        let now = Now { boot: Duration::from_secs(9), wall: Duration::from_secs(NOW) };
        Self { path, clock: Arc::new(VirtualClock::new(now)) }
    }

    async fn open(&self) -> Gateway {
        let data = DataDir::new(self.path.join("data"));
        data.prepare().expect("the folder is ours");
        Gateway::open(data, Arc::clone(&self.clock)).await.expect("opened")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).expect("there")
    }

    /// The device of this profile meets the gateway in memory.
    fn handshake(&self, gateway: &Gateway, device: &str) -> Result<(), Refusal> {
        let profile = self.read(&format!("profiles/{device}.ovpn"));
        let part = |name: &str| {
            let (_, rest) = profile.split_once(&format!("<{name}>\n")).expect("begins");
            rest.split_once(&format!("</{name}>")).expect("ends").0
        };
        let own = pki::identity_from_pem(part("cert"), part("key")).expect("they fit");
        let cas = pki::certificates_from_pem(part("ca")).expect("a CA");
        let rule = NameRule::Name(pki::RESERVED_GATEWAY_NAME.into());
        let verifier = ServerNameVerifier::new(&cas, rule).expect("a verifier");
        let time = Arc::new(ClockTime(Arc::clone(&self.clock)));
        let client = pki::client_config(verifier, Some(own), time).expect("settings");
        let name = ServerName::try_from("unused.invalid").expect("a name");
        let client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let server = ServerConnection::new(gateway.tls().expect("settings")).expect("a server");
        meet(client, server)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Carries octets to and fro until the server has made up its mind.
fn meet(mut client: ClientConnection, mut server: ServerConnection) -> Result<(), Refusal> {
    while server.is_handshaking() {
        let said = take(&mut client);
        assert!(!said.is_empty(), "the client has nothing more to say");
        let judged = give(&mut server, &said);
        judged.map_err(|error| pki::refusal_of(&error).unwrap_or_else(|| panic!("{error}")))?;
        let said = take(&mut server);
        give(&mut client, &said).expect("the gateway is the right one");
    }
    Ok(())
}

fn take<S: SideData>(connection: &mut ConnectionCommon<S>) -> Vec<u8> {
    let mut octets = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut octets).expect("into memory");
    }
    octets
}

fn give<S: SideData>(
    connection: &mut ConnectionCommon<S>,
    mut octets: &[u8],
) -> Result<(), rustls::Error> {
    while !octets.is_empty() {
        connection.read_tls(&mut octets).expect("from memory");
        connection.process_new_packets()?;
    }
    Ok(())
}
