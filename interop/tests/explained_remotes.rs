//! `handfast explain vpn` with profiles of several servers, over UDP and TCP, and what it leaves behind for `explain
//! capture`: each try is a story, and a capture of them with its key log tells the same ones.

mod forged;
mod told;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use interop::{Subscriber, World, binary, skip};
use pki::Profile;
use serde_json::Value;
use testkit::secrets::{Secrets, of_key_log};

use forged::{DAY, Forger, posing, posing_over_tcp};

const BOTH: (&str, &str) = ("vpn.listen", r#"["udp:[::]:1194", "tcp:[::]:1194"]"#);

#[test]
fn where_udp_is_blocked_the_try_is_told_and_behind_it_the_handshake_over_tcp() {
    let name = "where_udp_is_blocked_the_try_is_told_and_behind_it_the_handshake_over_tcp";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let alice = world.subscriber("alice", "unified");
    let rules = "add table inet block; \
                 add chain inet block in { type filter hook prerouting priority 0; }; \
                 add rule inet block in udp dport 1194 drop";
    let mut firewall = Command::new("nft");
    firewall.arg(rules);
    let done = world.gateway.netns.output(firewall).expect("nft starts");
    assert!(done.status.success(), "{done:?}");
    let output = explain(&alice, &["vpn"], &alice.profile(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json = String::from_utf8_lossy(&output.stdout).into_owned();
    let stories = stories_of(&output);
    let [blocked, over_tcp] = &stories[..] else { panic!("two tries: {json}") };
    assert_eq!((&blocked["transport"], &over_tcp["transport"]), (&"udp".into(), &"tcp".into()));
    let server = format!("{}:1194", world.gateway.v4[0]);
    for story in [blocked, over_tcp] {
        assert_eq!(story["server"], server);
        assert_eq!(each(story, "bytes").len(), each(story, "entry").len());
        assert!(each(story, "bytes").iter().all(Value::is_string), "each step has its bytes");
    }
    assert_eq!(blocked["ending"]["code"], "reset_unanswered");
    assert_eq!(each(blocked, "entry")[..2], ["client_reset", "reset_repeated"]);
    let judged = blocked["judgements"].to_string();
    assert!(
        judged.contains("did not answer for 10 s") && judged.contains("over TCP is next"),
        "{judged}"
    );
    let ending = &blocked["ending"];
    let sentence = ending["sentence"].to_string();
    assert!(sentence.contains("Over TCP the server at the same address answered"), "{ending}");
    assert!(ending["mends"][0].to_string().contains("Have UDP let through"), "{ending}");
    // What the other try rules out is named nowhere.
    let said = format!("{}{judged}{:?}", ending["mends"], each(blocked, "leaves_open"));
    assert!(!said.contains("wrong") && !said.contains("tls-auth"), "{said}");
    is_whole(over_tcp);
    told::hold("vpn-over-tcp", &json);
}

#[test]
fn a_stock_server_is_told_over_tcp_behind_one_that_is_not_reached() {
    let name = "a_stock_server_is_told_over_tcp_behind_one_that_is_not_reached";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let ours = Forger::with_the_key_of(&world.data());
    let pair = ours.issue(Profile::Gateway { names: Vec::new() }, (-DAY, 30 * DAY));
    let _stock = posing_over_tcp(&world, &alice, &pair, 1194);
    let address = world.gateway.v4[0];
    let lines = format!("remote {address} 1195 tcp4-client\nremote {address} 1194 tcp4-client");
    let profile = alice.profile_with(&lines);
    let (look, opened) = looks_and_reads_again(&alice, &profile);
    // The request to the server's address inside, and its answer.
    assert_eq!(opened, ["8\t10.72.0.2\t10.72.0.1", "0\t10.72.0.1\t10.72.0.2"]);
    let [not_reached, stock] = &look[..] else { panic!("two tries: {look:?}") };
    let end = &not_reached["ending"];
    assert_eq!((&end["code"], &not_reached["transport"]), (&"not_reached".into(), &"tcp".into()));
    assert!(end["sentence"].to_string().contains("nobody listens on TCP"), "{end}");
    assert!(end["mends"][0].to_string().contains("Start the server"), "{end}");
    assert_eq!(each(not_reached, "entry"), ["not_reached"]);
    is_whole(stock);
    // Of another CA, on another port, over UDP: no client that connects would look further than its list.
    let other = Forger::new().issue(Profile::Gateway { names: Vec::new() }, (-DAY, 30 * DAY));
    let _other = posing(&world, &alice, &other, 1196);
    let lines = format!("remote {address} 1196 udp4\nremote {address} 1195 tcp4-client");
    let profile = alice.profile_with(&lines);
    let output = explain(&alice, &["vpn"], &profile, &["--format", "json"]);
    let tries = stories_of(&output);
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0]["ending"]["code"], "unknown_ca");
    assert_eq!(output.status.code(), Some(11), "a refusal says more than a closed port");
}

#[test]
fn a_look_that_is_kept_is_told_again_from_its_capture_and_its_tunnel_is_opened() {
    let name = "a_look_that_is_kept_is_told_again_from_its_capture_and_its_tunnel_is_opened";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip(name, "tshark is not installed");
    }
    let alice = world.subscriber("alice", "unified");
    let address = world.gateway.v4[0].to_string();
    for profile in [alice.profile_to(&address), alice.profile_over_tcp(&address)] {
        let (look, opened) = looks_and_reads_again(&alice, &profile);
        is_whole(&look[0]);
        let judged = look[0]["judgements"].to_string();
        assert!(judged.contains("an echo request to 10.71.0.1, which was answered"), "{judged}");
        let [request, answer] = &opened[..] else { panic!("a request and its answer: {opened:?}") };
        assert!(request.starts_with("8\t") && request.ends_with("\t10.71.0.1"), "{request}");
        assert!(answer.starts_with("0\t10.71.0.1\t"), "{answer}");
    }
}

/// Looks with a capture and a key log, tells both anew, and holds one against the other: the stories of the look, and what
/// tshark reads of the opened packets.
fn looks_and_reads_again(who: &Subscriber, profile: &Path) -> (Vec<Value>, Vec<String>) {
    let [wire, keys, opened] =
        ["pcap", "keys", "opened.pcap"].map(|end| profile.with_extension(end));
    let text = |path: &Path| path.display().to_string();
    let kept = ["--capture", &text(&wire), "--keylog", &text(&keys), "--format", "json"];
    let look = explain(who, &["vpn"], profile, &kept);
    assert_eq!(look.status.code(), Some(0), "{look:?}");
    let (profile, log) = (text(profile), text(&keys));
    let how = ["--keylog", &log, "--tls-auth", &profile, "--open-data", &text(&opened)];
    let how = [&how[..], &["--format", "json"]].concat();
    let again = explain(who, &["capture"], &wire, &how);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let (looked, read) = (stories_of(&look), stories_of(&again));
    // A server that is not reached leaves no packet.
    let said = looked.iter().filter(|story| each(story, "entry") != ["not_reached"]);
    let said: Vec<&Value> = said.collect();
    assert_eq!(said.len(), read.len());
    for (looked, read) in said.into_iter().zip(&read) {
        is_the_same(looked, read);
    }
    let log = fs::read_to_string(&keys).expect("a key log");
    assert!(log.contains("EXPORTER_SECRET "), "it opens the tunnel too");
    let secrets = Secrets::of(of_key_log(&log));
    assert!(secrets.found_in(log.as_bytes()).is_some(), "the search finds what is there");
    let files = [&wire, &opened].map(|path| fs::read(path).expect("a capture"));
    let [wire_bytes, opened_bytes] = &files;
    let said = [&look.stdout, &look.stderr, &again.stdout, &again.stderr];
    for output in said.into_iter().chain([wire_bytes, opened_bytes]) {
        assert_eq!(secrets.found_in(output), None);
    }
    for path in [&wire, &keys, &opened] {
        let mode = fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let fields = ["-T", "fields", "-e", "icmp.type", "-e", "ip.src", "-e", "ip.dst"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&opened).args(["-Y", "icmp"]).args(fields);
    let read = tshark.output().expect("tshark starts");
    let lines = String::from_utf8_lossy(&read.stdout).lines().map(str::to_owned).collect();
    (looked, lines)
}

/// Whoever tells it: the same steps by the same sides in the same order at the same times, with the same values under the
/// same keys; the same packets, and the same end.
fn is_the_same(looked: &Value, read: &Value) {
    let steps = ["number", "entry", "from", "at", "key", "handshake", "fields", "source", "proves"];
    for name in steps {
        assert_eq!(each(looked, name), each(read, name), "{name}");
    }
    for name in ["transport", "client", "server", "began", "keys"] {
        assert_eq!(looked[name], read[name], "{name}");
    }
    assert_eq!(shown(looked), shown(read), "certificates");
    let frames = |story: &Value| {
        let basis = each(story, "basis").into_iter();
        let places = basis.flat_map(|places| places.as_array().cloned().unwrap_or_default());
        places.map(|place| (place["frame"].clone(), place["length"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(frames(looked), frames(read), "a step rests on the frames of that capture");
    assert_eq!(each(looked, "bytes"), each(read, "bytes"));
    assert_eq!(looked["ending"]["how"], read["ending"]["how"]);
    assert_eq!(looked["ending"]["code"], read["ending"]["code"]);
}

/// Its certificates, but for the sentences on whether they still hold: a look has its profile's CA, by which it checks the
/// staple, and a capture has none.
fn shown(story: &Value) -> Value {
    let mut certificates = story["certificates"].clone();
    for one in certificates.as_array_mut().into_iter().flatten() {
        for inquiry in one["inquiries"].as_array_mut().into_iter().flatten() {
            inquiry["sentence"].take();
        }
    }
    certificates
}

/// The tunnel was agreed on, and goodbye said.
fn is_whole(story: &Value) {
    let entries = each(story, "entry");
    for entry in ["client_reset", "cookie_returned", "client_finished", "push_reply", "exit"] {
        assert!(entries.contains(&entry.into()), "{entry}: {entries:?}");
    }
    assert_eq!(story["ending"]["how"], "done", "{}", story["ending"]);
    let checked = story["packets"].as_array().expect("packets").iter();
    assert!(checked.into_iter().all(|packet| packet["wrapping"] == "right"), "{story}");
}

fn each(story: &Value, name: &str) -> Vec<Value> {
    let steps = story["steps"].as_array().expect("steps");
    steps.iter().map(|step| step[name].clone()).collect()
}

fn stories_of(output: &Output) -> Vec<Value> {
    let stories: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    stories["stories"].as_array().expect("stories").clone()
}

fn explain(who: &Subscriber, what: &[&str], file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("explain").args(what).arg(file).args(more);
    who.host.netns.output(command).expect("handfast starts")
}
