//! What `handfast explain vpn` tells on the machine of somebody who can't connect, where nobody but the client is asked:
//! each of the usual causes is made, and the story has to name it as far as a client can know it.
//!
//! With `EXPLAIN_RECORD=1` it writes the stories of which docs/handshakes has the pages; without it, what is told is held
//! against them, word by word.

mod forged;
mod told;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use interop::{Subscriber, World, binary, skip};
use pki::Profile;
use serde_json::Value;

use forged::{DAY, Forger, posing, posing_under};

/// Nobody answered, or the other side's silence is all that there is.
const UNREACHABLE: i32 = 12;
/// One of the two refused the other.
const REFUSED: i32 = 11;

/// What a client is to find out.
struct Classic {
    page: &'static str,
    exit: i32,
    code: &'static str,
    by: Option<&'static str>,
    /// In the sentence of the end.
    says: &'static str,
    /// In the first mend.
    mend: &'static str,
}

#[test]
fn what_a_gateway_answers_with_silence_is_told_with_every_cause_of_silence() {
    let name = "what_a_gateway_answers_with_silence_is_told_with_every_cause_of_silence";
    let Some(mut world) = World::start(name, &[]) else { return };
    let [alice, bob, carol] =
        ["alice", "bob", "carol"].map(|user| world.subscriber(user, "unified"));
    let other = Command::new("openvpn").args(["--genkey", "secret", "/dev/stdout"]).output();
    let other = String::from_utf8_lossy(&other.expect("openvpn runs").stdout).into_owned();
    let wrong_key = alice.text().with_block("tls-auth", &other);
    let wrong_direction = bob.text().replace("key-direction 1", "key-direction 0");
    let blocked = carol.host.v4[0].to_string();
    let rules = format!(
        "add table inet block; \
         add chain inet block in {{ type filter hook prerouting priority 0; }}; \
         add rule inet block in ip saddr {blocked} udp dport 1194 drop"
    );
    let mut firewall = Command::new("nft");
    firewall.arg(rules);
    let done = world.gateway.netns.output(firewall).expect("nft starts");
    assert!(done.status.success(), "{done:?}");
    let unanswered = |page| Classic {
        page,
        exit: UNREACHABLE,
        code: "reset_unanswered",
        by: None,
        says: "packets or answers are lost on the way (as where UDP is blocked), no server runs",
        mend: "",
    };
    let classics = [
        (
            &alice,
            wrong_key,
            Classic { mend: "the tls-auth key, its direction", ..unanswered("vpn-wrong-key") },
        ),
        (
            &bob,
            wrong_direction,
            Classic {
                code: "wrong_key_direction",
                says: "its first half",
                mend: "\"key-direction 1\"",
                ..unanswered("vpn-wrong-direction")
            },
        ),
        (&carol, carol.text(), Classic { mend: "blocks UDP", ..unanswered("vpn-blocked") }),
    ];
    // Each of them waits for an answer.
    std::thread::scope(|scope| {
        for (who, profile, classic) in &classics {
            scope.spawn(move || found(who, profile, classic));
        }
    });
    // The gateway can tell the first two from the third.
    assert!(world.counts("wrong_tls_auth_key", 1) && world.counts("wrong_key_direction", 1));
    world.bring_down();
    let closed = Classic {
        says: "The answer came that nothing listens at this UDP port",
        mend: "the answer came that nothing listens",
        ..unanswered("")
    };
    let story = found(&alice, &alice.text(), &closed);
    assert!(story["judgements"].to_string().contains("nothing listens at this UDP port"));
}

#[test]
fn whom_a_gateway_refuses_is_told_why_as_far_as_the_gateway_says_it() {
    let name = "whom_a_gateway_refuses_is_told_why_as_far_as_the_gateway_says_it";
    let settings = [("vpn.ciphers", "[\"AES-256-GCM\"]")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let bob = world.subscriber("bob", "unified");
    world.bring_down();
    let (ours, stranger) = (Forger::with_the_key_of(&world.data()), Forger::new());
    world.bring_up();
    world.handfast(&["device", "revoke", "bob/default"]);
    let text = alice.text();
    let (exit, json, story) = looks(&alice, &text, "vpn-connect");
    assert_eq!((exit, &story["ending"]["how"]), (Some(0), &"done".into()), "{story}");
    told::hold("vpn-connect", &json);
    let own = told::certificate_of(&story, "server");
    let staple =
        own["inquiries"].as_array().and_then(|all| all.iter().find(|one| one["means"] == "staple"));
    let said = staple.and_then(|staple| staple["sentence"].as_str()).unwrap_or_default();
    assert!(said.contains("the staple, whose signature was checked"), "by the profile's CA: {own}");
    let keys = story["keys"].as_array().expect("keys");
    let data = keys.iter().find(|key| key["id"] == "data0").expect("the tunnel's first key");
    assert!(
        data["born"].is_u64() && data["ends"].is_u64() && data["uses"] == serde_json::json!([]),
        "{data}"
    );
    judges(
        &story,
        &[
            "chain of the server's certificate is right",
            "usage of the server's certificate is right",
            "name of the server's certificate is right",
            "dates of the server's certificate are right",
            "staple of the server's certificate is right",
            "`reneg-sec`",
        ],
    );
    let with = |forger: &Forger, validity| {
        let device = Profile::Device { user: "alice".into(), device: "default".into() };
        let pair = forger.issue(device, validity);
        text.with_block("cert", &pair.certificate).with_block("key", &pair.key)
    };
    let line = text.lines().find(|line| line.starts_with("data-ciphers ")).expect("its ciphers");
    let refused = |page, code, says, mend| Classic {
        page,
        exit: REFUSED,
        code,
        by: Some("server"),
        says,
        mend,
    };
    let classics = [
        (
            &alice,
            with(&ours, (-30 * DAY, -DAY)),
            refused(
                "vpn-expired",
                "alert_certificate_expired",
                "The client's certificate has expired",
                "`handfast profile alice/default --renew`",
            ),
        ),
        (
            &alice,
            with(&ours, (DAY, 30 * DAY)),
            refused(
                "vpn-not-yet-valid",
                "alert_certificate_expired",
                "The client's certificate is not valid yet",
                "Compare the clock of whoever refused",
            ),
        ),
        (
            &bob,
            bob.text(),
            refused(
                "vpn-revoked",
                "alert_certificate_revoked",
                "knows that the client's certificate is revoked",
                "taken out of the VPN",
            ),
        ),
        (
            &alice,
            with(&stranger, (-DAY, 30 * DAY)),
            refused(
                "vpn-other-ca",
                "alert_unknown_ca",
                "does not know the CA that issued the client's certificate",
                "another gateway's",
            ),
        ),
        (
            &alice,
            text.replace(line, "data-ciphers AES-128-GCM"),
            refused(
                "vpn-no-common-cipher",
                "no_common_cipher",
                "no data channel cipher in common",
                "`data-ciphers`",
            ),
        ),
    ];
    for (who, profile, classic) in &classics {
        let story = found(who, profile, classic);
        let mends = story["ending"]["mends"].to_string();
        let asks = mends.contains("`handfast explain failure`") || mends.contains("`vpn.ciphers`");
        assert!(asks, "who knows more: {mends}");
    }
    world.handfast(&["user", "disable", "alice"]);
    let (code, says) = ("alert_certificate_unknown", "for a reason that it keeps to itself");
    found(&alice, &text, &refused("vpn-disabled", code, says, "The log of whoever refused"));
}

#[test]
fn a_client_that_refuses_its_gateway_says_what_it_found() {
    let name = "a_client_that_refuses_its_gateway_says_what_it_found";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let text = alice.text();
    let declined = |page, code, says, mend| Classic {
        page,
        exit: REFUSED,
        code,
        by: Some("client"),
        says,
        mend,
    };
    let name = text.replace("gateway.handfast.internal", "gateway.example.org");
    let wants =
        "is for `gateway.handfast.internal`, and the profile insists on `gateway.example.org`";
    let mend = "`verify-x509-name gateway.handfast.internal name`";
    let story = found(&alice, &name, &declined("vpn-wrong-name", "name_mismatch", wants, mend));
    judges(
        &story,
        &[
            "chain of the server's certificate is right",
            "name of the server's certificate is wrong",
            "dates of the server's certificate are right",
        ],
    );
    let ca = text.with_block("ca", &Forger::new().ca_pem());
    let says = "another CA than the one that the profile trusts";
    let story = found(
        &alice,
        &ca,
        &declined("vpn-unknown-ca", "unknown_ca", says, "take a current profile"),
    );
    judges(&story, &["chain of the server's certificate is wrong"]);
    world.bring_down();
    let ours = Forger::with_the_key_of(&world.data());
    let gateway = |validity| ours.issue(Profile::Gateway { names: Vec::new() }, validity);
    let over = posing(&world, &alice, &gateway((-30 * DAY, -DAY)), 1194);
    let mend = "Renew the server's certificate";
    let says = "the gateway's certificate expired on";
    let story = found(&alice, &text, &declined("vpn-server-expired", "expired", says, mend));
    judges(
        &story,
        &[
            "chain of the server's certificate is right",
            "usage of the server's certificate is right",
            "dates of the server's certificate are wrong: it was over on",
        ],
    );
    drop(over);
    // Whose clock is a day ahead, and whose a day behind, is the same to both: only that they differ can be seen.
    if Command::new("faketime").arg("--version").output().is_err() {
        skip("a_client_whose_clock_is_wrong_says_so", "faketime is not installed");
        return;
    }
    let pair = gateway((DAY / 2, 30 * DAY));
    let _tomorrow = posing_under(another_clock("+1d"), &world, &alice, &pair, 1194);
    let mend = "The two clocks are 24 hours apart";
    let says = "is not valid before";
    found(&alice, &text, &declined("vpn-clock", "not_yet_valid", says, mend));
}

/// The client thinks that of the gateway's certificate.
fn judges(story: &Value, all: &[&str]) {
    let judgements = story["judgements"].to_string();
    for said in all {
        assert!(judgements.contains(said), "{said}: {judgements}");
    }
}

/// Runs the command with this profile and holds its story against what is to be found.
fn found(who: &Subscriber, profile: &str, classic: &Classic) -> Value {
    let page = classic.page;
    let (exit, json, story) = looks(who, profile, page);
    let ending = &story["ending"];
    assert_eq!(
        (ending["code"].as_str(), ending["by"].as_str(), exit),
        (Some(classic.code), classic.by, Some(classic.exit)),
        "{page}: {ending}"
    );
    let says = ending["sentence"].as_str().unwrap_or_default();
    assert!(says.contains(classic.says), "{page}: {ending}");
    let first = ending["mends"][0].as_str().unwrap_or_default();
    assert!(first.contains(classic.mend), "{page}: {ending}");
    if !page.is_empty() {
        told::hold(page, &json);
    }
    story
}

/// The command with this profile: its exit code, what it says, and the story.
fn looks(who: &Subscriber, profile: &str, page: &str) -> (Option<i32>, String, Value) {
    let path: PathBuf = who.folder.join(format!("{page}.conf"));
    fs::write(&path, profile).expect("a profile is written");
    let mut command = Command::new(binary());
    command.args(["explain", "vpn"]).arg(&path).args(["--format", "json"]);
    let output = who.host.netns.output(command).expect("handfast starts");
    let json = String::from_utf8_lossy(&output.stdout).into_owned();
    let stories: Value =
        serde_json::from_str(&json).unwrap_or_else(|_| panic!("{page}: {output:?}"));
    (output.status.code(), json, stories["stories"][0].clone())
}

/// The stock program with what `faketime` would start it with. Behind `faketime` itself it would be a child that
/// outlives it.
fn another_clock(offset: &str) -> Command {
    let output = Command::new("faketime").args(["-f", offset, "env"]).output();
    let environment = output.expect("faketime runs").stdout;
    let environment = String::from_utf8_lossy(&environment);
    let mut command = Command::new("openvpn");
    for name in ["LD_PRELOAD", "FAKETIME"] {
        let value = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        command.env(name, value.expect("faketime sets it"));
    }
    command
}

trait Text {
    fn text(&self) -> String;
}

impl Text for Subscriber {
    fn text(&self) -> String {
        fs::read_to_string(self.profile()).expect("a profile")
    }
}

/// A profile's inline blocks.
trait Blocks {
    fn with_block(&self, name: &str, body: &str) -> String;
}

impl Blocks for String {
    fn with_block(&self, name: &str, body: &str) -> String {
        let (open, close) = (format!("<{name}>"), format!("</{name}>\n"));
        let start = self.find(&open).expect("the block begins");
        let end = self.find(&close).expect("the block ends") + close.len();
        format!("{}{}<{name}>\n{}\n</{name}>\n", &self[..start], &self[end..], body.trim())
    }
}
