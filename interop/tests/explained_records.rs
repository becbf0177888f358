//! What the running gateway says of its own records beside a handshake: that a certificate was good whose holder is kept
//! out for something else, which sessions a device has at both doors, and who had them told.

mod told;

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use interop::{Stock, Subscriber, World, wait_until};
use serde_json::Value;

use told::{broke_by, certificate_of, told};

/// One server for alice, and one for bob.
const DOOR: &str = "
[[tls.listen]]
address = \"[::]:443\"
[[tls.server]]
names = [\"alices.test\"]
backend = \"tcp:127.0.0.1:7\"
clients = \"required\"
users = [\"alice\"]
[[tls.server]]
names = [\"bobs.test\"]
backend = \"tcp:127.0.0.1:7\"
clients = \"required\"
users = [\"bob\"]
";

#[test]
fn who_is_not_let_in_at_a_server_with_a_good_certificate_has_the_records_word_that_it_is_good() {
    let name = "who_is_not_let_in_at_a_server_with_a_good_certificate_has_the_records_word_that_it_is_good";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.handfast(&["user", "add", "bob"]);
    opens_the_door(&world);
    let is_refused = || {
        let _client = Opened::with_the_certificate_of(&world, &alice, "bobs.test");
        wait_until(Duration::from_secs(2), || world.counted("not_among_users") > 0)
    };
    assert!(wait_until(Duration::from_secs(20), is_refused), "{}", world.log());
    let story = told(&world, &["failure", "not_among_users"]);
    broke_by(&story, "not_among_users", "server");
    let inquiries = certificate_of(&story, "client")["inquiries"].as_array().expect("a list");
    let ours = inquiries.iter().find(|one| one["means"] == "records");
    assert_eq!(ours.map(|one| &one["answer"]), Some(&Value::from("good")), "{inquiries:?}");
    let noted = noted(&world);
    let number = &world.json(&["status"])["last_refusals"][0]["number"];
    assert_eq!(noted["details"]["subject"], format!("refusal {number}"), "{noted}");
    assert_eq!(noted["subject"], "alice/default", "{noted}");
}

#[test]
fn of_a_device_with_sessions_at_both_doors_both_are_told_and_each_names_the_other() {
    let name = "of_a_device_with_sessions_at_both_doors_both_are_told_and_each_names_the_other";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.handfast(&["user", "add", "bob"]);
    opens_the_door(&world);
    let mut vpn = Stock::start(&alice.host, &alice.profile(), &[]);
    vpn.connected();
    let mut tls = Opened::with_the_certificate_of(&world, &alice, "alices.test");
    // The server may have no certificate at first.
    let both = || {
        let there = world.sessions_become(2, Duration::from_secs(2));
        if !there {
            tls = Opened::with_the_certificate_of(&world, &alice, "alices.test");
        }
        there
    };
    assert!(wait_until(Duration::from_secs(20), both), "{}", world.log());
    let text = world.handfast(&["explain", "session", "alice/default", "--format", "json"]);
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let stories = all["stories"].as_array().expect("stories");
    assert_eq!(stories.len(), 2);
    let numbers: Vec<String> =
        world.sessions().iter().map(|session| session["id"].to_string()).collect();
    for story in stories {
        let judged = story["judgements"].to_string();
        assert!(judged.contains("alice/default has 2 sessions at this moment"), "{judged}");
        for number in &numbers {
            assert!(judged.contains(&format!("{number} at the ")), "{number}: {judged}");
        }
    }
    let subject = noted(&world)["details"]["subject"].to_string();
    assert!(numbers.iter().all(|number| subject.contains(number.as_str())), "{subject}");
    let one = told(&world, &["session", &numbers[0]]);
    assert!(!one["judgements"].to_string().contains("sessions at this moment"), "{one}");
    let noted = noted(&world);
    assert_eq!(noted["details"]["subject"], format!("session {}", numbers[0]), "{noted}");
    assert_eq!(noted["subject"], "alice/default", "{noted}");
}

/// The last look at a handshake, as the events have it.
fn noted(world: &World) -> Value {
    let events = world.json(&["events"]);
    let asked = |event: &&Value| event["what"] == "handshake_explained";
    events.as_array().expect("a list").iter().rfind(asked).expect("an event").clone()
}

/// With a service behind it that takes everybody and says nothing.
fn opens_the_door(world: &World) {
    let file = world.data().join("handfast.toml");
    let text = fs::read_to_string(&file).expect("settings");
    fs::write(&file, text + DOOR).expect("written");
    let bind = || TcpListener::bind(("127.0.0.1", 7));
    let service = world.gateway.netns.run(bind).expect("a thread").expect("a port");
    thread::spawn(move || service.incoming().flatten().collect::<Vec<_>>());
    world.handfast(&["reload"]);
}

/// A client of TLS that stays.
struct Opened(Child);

impl Opened {
    fn with_the_certificate_of(world: &World, who: &Subscriber, asks_for: &str) -> Self {
        let profile = fs::read_to_string(who.profile()).expect("a profile");
        let file = |name: &str| {
            let body = profile.split_once(&format!("<{name}>")).expect("it begins").1;
            let body = body.split_once(&format!("</{name}>")).expect("it ends").0;
            let file = who.folder.join(format!("{name}.pem"));
            fs::write(&file, body).expect("written");
            file
        };
        let mut command = Command::new("openssl");
        let door = format!("{}:443", world.gateway.v4[0]);
        command.args(["s_client", "-connect", &door, "-servername", asks_for, "-quiet", "-cert"]);
        command.arg(file("cert")).arg("-key").arg(file("key")).stdin(Stdio::piped());
        Self(who.host.netns.spawn(command).expect("openssl starts"))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
