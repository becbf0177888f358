//! What the running gateway tells of handshakes at its TLS door: of whom it refuses, whom it lets in, and whose right it
//! takes back. The client is OpenSSL's, so that nothing but the gateway could have kept anything.

mod told;

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interop::{Subscriber, World, wait_until};
use serde_json::Value;
use sysio::lab::Host;

use told::{broke_by, certificate_of, entries, mended_by, recorded, told};

/// One server for devices alone, one for everybody, one that has nothing to say, and one behind which nothing runs.
const DOOR: &str = "
[[tls.listen]]
address = \"[::]:443\"
[[tls.server]]
names = [\"closed.test\"]
backend = \"tcp:127.0.0.1:7\"
clients = \"required\"
[[tls.server]]
names = [\"open.test\"]
backend = \"tcp:127.0.0.1:7\"
[[tls.server]]
names = [\"brief.test\"]
backend = \"tcp:127.0.0.1:8\"
[[tls.server]]
names = [\"down.test\"]
backend = \"tcp:127.0.0.1:9\"
clients = \"required\"
";

#[test]
fn of_whom_the_tls_door_refuses_all_that_was_said_is_told_as_far_as_the_settings_keep_it() {
    let name =
        "of_whom_the_tls_door_refuses_all_that_was_said_is_told_as_far_as_the_settings_keep_it";
    let Some(mut world) = World::start(name, &[]) else { return };
    opens_the_door(&world);
    let stranger = world.host();
    turned_away(&world, &stranger, &["-servername", "nobody.test"], "unknown_server_name");
    let story = told(&world, &["failure"]);
    assert_eq!(entries(&story), ["client_hello", "alert"]);
    broke_by(&story, "unknown_server_name", "server");
    assert_eq!(story["ending"]["at_step"], 1, "it is refused for what stands there");
    mended_by(&story, "[[tls.server]]");
    let asked = |field: &&Value| field["name"] == "server_name" && field["value"] == "nobody.test";
    let fields = story["steps"][0]["fields"].as_array().expect("fields");
    assert!(fields.iter().any(|field| asked(&field)), "{fields:?}");
    recorded(&world, "gateway-unknown-server", &["failure", "unknown_server_name"]);
    for version in ["-tls1_3", "-tls1_2"] {
        let asks = ["-servername", "closed.test", version];
        turned_away(&world, &stranger, &asks, "no_certificate");
        let story = told(&world, &["failure"]);
        let entries = entries(&story);
        for entry in ["server_certificate", "certificate_request", "no_client_certificate"] {
            assert!(entries.contains(&entry.to_owned()), "{version}: {entry} in {entries:?}");
        }
        // In TLS 1.2 it is refused before there is a key for what the client says last.
        let is_read = !entries.contains(&"sealed".to_owned());
        assert_eq!(is_read, version == "-tls1_3", "{entries:?}");
        assert_eq!(entries.last().map(String::as_str), Some("alert"), "{entries:?}");
        broke_by(&story, "no_certificate", "server");
        let at = story["ending"]["at_step"].as_u64().expect("a step") as usize;
        assert_eq!(entries[at - 1], "no_client_certificate", "{version}: {entries:?}");
    }
    recorded(&world, "gateway-no-certificate", &["failure", "no_certificate"]);
    // A client that refuses us says so, and that is its own finding.
    let distrusts =
        ["-servername", "open.test", "-verify_return_error", "-no-CAfile", "-no-CApath"];
    turned_away(&world, &stranger, &distrusts, "tls_failed");
    let story = told(&world, &["failure"]);
    broke_by(&story, "tls_failed", "client");
    let at = story["ending"]["at_step"].as_u64().expect("a step") as usize;
    assert_eq!(entries(&story)[at - 1], "alert");
    world.handfast(&["config", "set", "explain.keep", "off"]);
    world.handfast(&["reload"]);
    turned_away(&world, &stranger, &["-servername", "nobody.test"], "unknown_server_name");
    let story = told(&world, &["failure"]);
    assert_eq!(entries(&story), ["not_kept"]);
    broke_by(&story, "unknown_server_name", "server");
}

#[test]
fn an_open_connection_at_the_tls_door_is_told_with_its_handshake_and_when_its_key_ends() {
    let name =
        "an_open_connection_at_the_tls_door_is_told_with_its_handshake_and_when_its_key_ends";
    let Some(mut world) = World::start(name, &[("explain.keep", "\"all\"")]) else { return };
    opens_the_door(&world);
    let alice = world.subscriber("alice", "unified");
    let client = Opened::with_the_certificate_of(&world, &alice, "closed.test");
    assert!(world.sessions_become(1, Duration::from_secs(20)), "{}", world.log());
    let is_read = || told(&world, &["session", "alice/default"])["steps"][1].is_object();
    assert!(wait_until(Duration::from_secs(5), is_read), "{}", world.log());
    let story = told(&world, &["session", "alice/default"]);
    let entries = entries(&story);
    let wanted = ["client_hello", "server_hello", "certificate_request", "client_certificate"];
    for entry in wanted.iter().chain(&["client_certificate_verify", "new_session_ticket"]) {
        assert!(entries.contains(&(*entry).to_owned()), "{entry} is missing: {entries:?}");
    }
    let data = ["sealed", "application_data"];
    assert!(!data.iter().any(|entry| entries.contains(&(*entry).to_owned())), "{entries:?}");
    assert_eq!(entries.last().map(String::as_str), Some("not_kept"), "what is inside is carried");
    assert_eq!((&story["protocol"], &story["ending"]["how"]), (&"tls".into(), &"done".into()));
    let records = certificate_of(&story, "client")["inquiries"].as_array().expect("a list");
    assert!(records.iter().any(|one| one["means"] == "records" && one["answer"] == "good"));
    let keys = story["keys"].as_array().expect("keys");
    let of_traffic: Vec<_> = keys.iter().filter(|key| key["kind"] == "tls_traffic").collect();
    let ids: Vec<_> = of_traffic.iter().map(|key| key["id"].as_str()).collect();
    assert_eq!(ids, [Some("tls0-traffic0-client"), Some("tls0-traffic0-server")]);
    assert!(of_traffic.iter().all(|key| key["plan"]["closes"].is_u64()), "{keys:?}");
    let names: std::collections::BTreeSet<_> = keys.iter().map(|key| key["id"].as_str()).collect();
    assert_eq!(names.len(), keys.len(), "each key once");
    recorded(&world, "gateway-tls-session", &["session", "alice/default"]);
    // A right that is taken back has the whole of it.
    world.handfast(&["device", "revoke", "alice/default"]);
    drop(client);
    let story = told(&world, &["failure", "revoked"]);
    assert!(told::entries(&story).contains(&"client_certificate_verify".to_owned()), "{story}");
    broke_by(&story, "revoked", "server");
    assert_eq!(story["ending"]["how"], "ended", "{}", story["ending"]);
    let records = certificate_of(&story, "client")["inquiries"].as_array().expect("a list");
    let records = records.iter().find(|one| one["means"] == "records").expect("a word of them");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let at = records["revoked_at"].as_u64().expect("a time");
    assert!(records["answer"] == "revoked" && now.abs_diff(at) < 60, "{records}");
    // At this time it was revoked, and not a moment before the end that this made.
    let ended = story["steps"].as_array().expect("steps").last().expect("an end");
    let ended =
        (story["began"].as_u64().expect("a time") + ended["at"].as_u64().expect("it")) / 1_000_000;
    assert!(at <= ended && ended - at < 5, "{at} {ended}");
}

#[test]
fn a_connection_that_takes_up_an_earlier_session_is_told_with_what_it_rests_on() {
    let name = "a_connection_that_takes_up_an_earlier_session_is_told_with_what_it_rests_on";
    let Some(mut world) = World::start(name, &[("explain.keep", "\"all\"")]) else { return };
    opens_the_door(&world);
    let alice = world.subscriber("alice", "unified");
    for (version, hello) in
        [("-tls1_3", "server_hello_resumed"), ("-tls1_2", "server_hello_old_resumed")]
    {
        let kept = alice.folder.join(format!("session{version}"));
        let kept = kept.to_str().expect("a path").to_owned();
        let asks = ["-sess_out", &kept, version];
        let first = Opened::asking(&world, &alice, "closed.test", &asks);
        let is_there = || fs::metadata(&kept).is_ok_and(|file| file.len() > 0);
        assert!(wait_until(Duration::from_secs(20), is_there), "{}", world.log());
        drop(first);
        assert!(world.sessions_become(0, Duration::from_secs(20)), "{}", world.log());
        let _again = Opened::asking(&world, &alice, "closed.test", &["-sess_in", &kept, version]);
        assert!(world.sessions_become(1, Duration::from_secs(20)), "{}", world.log());
        let is_read = || told(&world, &["session", "alice/default"])["steps"][1].is_object();
        assert!(wait_until(Duration::from_secs(5), is_read), "{}", world.log());
        let story = told(&world, &["session", "alice/default"]);
        let entries = entries(&story);
        assert!(entries.contains(&hello.to_owned()), "{version}: {entries:?}");
        let keys = story["keys"].as_array().expect("keys");
        let earlier = keys.iter().find(|key| key["id"] == "earlier0").expect("what it rests on");
        assert!(earlier["born"].is_null() && earlier["plan"].is_null(), "{earlier}");
        let given = keys.iter().filter(|key| key["kind"] == "resumption").count() - 1;
        let tickets = entries.iter().filter(|entry| *entry == "new_session_ticket").count();
        assert_eq!(given, tickets, "{version}: {keys:?}");
        let page = world.handfast(&["explain", "session", "alice/default", "--format", "html"]);
        assert!(page.contains("this handshake rests on it"), "{page}");
        assert!(page.contains("Who could read a recording of it later?"), "{page}");
    }
}

#[test]
fn whom_a_service_that_is_down_keeps_out_is_named_and_not_refused_for_its_handshake() {
    let name = "whom_a_service_that_is_down_keeps_out_is_named_and_not_refused_for_its_handshake";
    let Some(mut world) = World::start(name, &[]) else { return };
    opens_the_door(&world);
    let alice = world.subscriber("alice", "unified");
    let is_told = || {
        let _client = Opened::with_the_certificate_of(&world, &alice, "down.test");
        let counted = || world.counted("backend_unreachable") > 0;
        wait_until(Duration::from_secs(2), counted)
    };
    assert!(wait_until(Duration::from_secs(20), is_told), "{}", world.log());
    let story = told(&world, &["failure", "backend_unreachable"]);
    broke_by(&story, "backend_unreachable", "server");
    // Its client tells the same handshake as complete.
    assert_eq!(story["ending"]["how"], "ended", "{}", story["ending"]);
    mended_by(&story, "mend `backend`");
    let judged = story["judgements"].to_string();
    assert!(judged.contains("the handshake with alice/default went well"), "{judged}");
    let records = certificate_of(&story, "client")["inquiries"].as_array().expect("a list");
    assert!(records.iter().any(|one| one["means"] == "records" && one["answer"] == "good"));
}

#[test]
fn what_an_old_client_lacks_is_said_in_words_with_what_it_offers() {
    let name = "what_an_old_client_lacks_is_said_in_words_with_what_it_offers";
    let Some(mut world) = World::start(name, &[]) else { return };
    opens_the_door(&world);
    let stranger = world.host();
    let open = ["-servername", "open.test"];
    // So that it is refused for nothing else.
    let made = || {
        let mut command = s_client(&world);
        command.args(open).stdin(Stdio::null());
        stranger.netns.output(command).expect("openssl starts").status.success()
    };
    assert!(wait_until(Duration::from_secs(20), made), "{}", world.log());
    for (asks, offers, mend) in [
        (&["-tls1_2", "-cipher", "AES128-SHA"][..], "TLS_RSA_WITH_AES_128_CBC_SHA", "ECDHE"),
        (&["-tls1_2", "-cipher", "ECDHE+AES+SHA1"], "its ciphers: TLS_ECDHE_", "allow one"),
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "TLS 1.1", "allow TLS 1.2"),
        (&["-tls1_3", "-groups", "P-521"], "its groups: secp521r1", "one of these groups"),
    ] {
        turned_away(&world, &stranger, &[&open[..], asks].concat(), "tls_failed");
        let story = told(&world, &["failure"]);
        broke_by(&story, "tls_failed", "server");
        mended_by(&story, mend);
        let sentence = story["ending"]["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains(offers) && sentence.starts_with("the peer "), "{sentence}");
        let said = &world.json(&["status"])["last_refusals"][0]["sentence"];
        assert_eq!(said, sentence, "in the words of status");
        // The log says each reason of a source once in a while.
        let is_said =
            asks[1] != "-cipher" || asks[2] != "AES128-SHA" || world.log().contains(sentence);
        assert!(is_said, "and of the log: {sentence}");
        for name in ["InCommon", "Required", "NotOffered"] {
            assert!(!sentence.contains(name), "{sentence}");
        }
        let is_old = asks[0] == "-tls1_1";
        let missing = story["missing"][0].as_str().expect("what would have followed");
        assert_eq!(missing.starts_with("server_hello"), !is_old, "{asks:?}: {missing}");
    }
}

#[test]
fn of_connections_whose_sides_were_done_the_last_one_is_told() {
    let name = "of_connections_whose_sides_were_done_the_last_one_is_told";
    let Some(mut world) = World::start(name, &[("explain.keep", "\"all\"")]) else { return };
    opens_the_door(&world);
    let stranger = world.host();
    let none = world.try_handfast(&["explain", "failure", "finished"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(said.contains("it did not happen since the start"), "{said}");
    let is_told = || {
        let mut command = s_client(&world);
        command.args(["-servername", "brief.test"]).stdin(Stdio::null());
        stranger.netns.output(command).expect("openssl starts");
        world.try_handfast(&["explain", "failure", "finished"]).status.success()
    };
    assert!(wait_until(Duration::from_secs(20), is_told), "{}", world.log());
    let story = told(&world, &["failure", "finished"]);
    assert_eq!(story["ending"]["how"], "ended", "{}", story["ending"]);
    assert!(entries(&story).contains(&"client_hello".to_owned()), "with its handshake");
    let none = world.try_handfast(&["explain", "failure"]);
    assert_eq!(none.status.code(), Some(3), "it is no refusal: {none:?}");
}

/// With a service behind it that takes everybody and says nothing.
fn opens_the_door(world: &World) {
    let file = world.data().join("handfast.toml");
    let text = fs::read_to_string(&file).expect("settings");
    fs::write(&file, text + DOOR).expect("written");
    let bind = || [7, 8].map(|port| TcpListener::bind(("127.0.0.1", port)).expect("a port"));
    let [service, brief] = world.gateway.netns.run(bind).expect("a thread");
    thread::spawn(move || service.incoming().flatten().collect::<Vec<_>>());
    thread::spawn(move || brief.incoming().flatten().for_each(drop));
    world.handfast(&["reload"]);
}

/// A client of TLS comes until it is refused for this: its server may have no certificate at first.
fn turned_away(world: &World, from: &Host, asks: &[&str], reason: &str) {
    let before = world.counted(reason);
    let comes = || {
        let mut command = s_client(world);
        command.args(asks).stdin(Stdio::null());
        from.netns.output(command).expect("openssl starts");
        world.counted(reason) > before
    };
    assert!(wait_until(Duration::from_secs(20), comes), "{reason}\n{}", world.log());
}

fn s_client(world: &World) -> Command {
    let mut command = Command::new("openssl");
    let door = format!("{}:443", world.gateway.v4[0]);
    command.args(["s_client", "-connect", &door]);
    command
}

/// A client that stays.
struct Opened(Child);

impl Opened {
    fn with_the_certificate_of(world: &World, who: &Subscriber, asks_for: &str) -> Self {
        Self::asking(world, who, asks_for, &[])
    }

    /// The same with more to ask.
    fn asking(world: &World, who: &Subscriber, asks_for: &str, more: &[&str]) -> Self {
        let profile = fs::read_to_string(who.profile()).expect("a profile");
        let file = |name: &str| {
            let body = profile.split_once(&format!("<{name}>")).expect("it begins").1;
            let body = body.split_once(&format!("</{name}>")).expect("it ends").0;
            let file = who.folder.join(format!("{name}.pem"));
            fs::write(&file, body).expect("written");
            file
        };
        let mut command = s_client(world);
        command.args(["-servername", asks_for, "-quiet", "-cert"]).arg(file("cert"));
        command.arg("-key").arg(file("key")).args(more).stdin(Stdio::piped());
        Self(who.host.netns.spawn(command).expect("openssl starts"))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
