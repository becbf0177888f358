//! UDP that is dropped on its way to the gateway, or on its way back: what a gateway can say of clients of which it knows
//! nothing.

mod told;

use std::process::Command;
use std::time::Duration;

use interop::{Stock, World, wait_until};
use serde_json::Value;
use sysio::lab::Host;

use told::{entries, mended_by, recorded, told};

const BOTH: (&str, &str) = ("vpn.listen", "[\"udp:[::]:1194\", \"tcp:[::]:1194\"]");

#[test]
fn where_udp_is_blocked_the_gateway_tells_what_it_counts_and_what_to_do() {
    let name = "where_udp_is_blocked_the_gateway_tells_what_it_counts_and_what_to_do";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let alice = world.subscriber("alice", "unified");
    let address = world.gateway.v4[0].to_string();
    let over_udp = alice.profile_to(&address);
    assert_eq!(first_packets(&ask(&world, "nothing_arrives")), [0, 0, 0]);
    // Another client, which is well.
    let mut open = Stock::start(&alice.host, &over_udp, &[]);
    open.connected();
    drop(open);
    let before = ask(&world, "nothing_arrives");
    assert_eq!(first_packets(&before), [1, 1, 0]);
    nft(&world.gateway, "input udp dport 1194 drop");
    let blocked = Stock::start(&alice.host, &over_udp, &[]);
    std::thread::sleep(Duration::from_secs(5));
    let story = ask(&world, "nothing_arrives");
    assert_eq!(first_packets(&story), [1, 1, 0], "the count stands still");
    assert_eq!(entries(&story), ["not_heard"]);
    let ending = &story["ending"];
    assert!(ending["code"] == "nothing_arrives" && ending["by"].is_null(), "{ending}");
    for mend in
        ["open UDP port 1194", "udp port 1194`", &format!("`remote {address} 1194 tcp-client`")]
    {
        mended_by(&story, mend);
    }
    recorded(&world, "gateway-blocked", &["failure", "nothing_arrives"]);
    drop(blocked);
    // The line that it names does what it says.
    let line = format!("remote {address} 1194 tcp-client");
    let mut over_tcp = Stock::start(&alice.host, &alice.profile_with(&line), &[]);
    over_tcp.connected();
}

#[test]
fn answers_that_are_lost_on_their_way_back_are_told_from_packets_that_never_came() {
    let name = "answers_that_are_lost_on_their_way_back_are_told_from_packets_that_never_came";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    nft(&alice.host, "input udp sport 1194 drop");
    let stock = Stock::start(&alice.host, &alice.profile(), &[]);
    let lost = || ask(&world, "nothing_arrives")["ending"]["code"] == "answers_lost";
    assert!(wait_until(Duration::from_secs(20), lost), "{}", stock.0.log());
    let story = ask(&world, "answers_lost");
    let [answered, returned, in_a_row] = first_packets(&story);
    assert!(answered >= 2 && returned == 0 && in_a_row == answered, "{story}");
    assert_eq!(entries(&story), ["not_kept", "not_kept"], "it came, and was answered");
    assert!(story["ending"]["by"].is_null(), "nobody said no: {}", story["ending"]);
    mended_by(&story, "both ways");
    mended_by(&story, "tcp:[::]:1194");
    recorded(&world, "gateway-answers-lost", &["failure", "answers_lost"]);
    // That others come in does not hide it.
    let bob = world.subscriber("bob", "unified");
    let mut well = Stock::start(&bob.host, &bob.profile(), &[]);
    well.connected();
    let [_, returned, in_a_row] = first_packets(&ask(&world, "answers_lost"));
    assert!(returned >= 1 && in_a_row >= 2, "{returned} {in_a_row}");
}

fn ask(world: &World, reason: &str) -> Value {
    told(world, &["failure", reason])
}

/// How many were answered, how many answers came back, and how many in a row did not that were for one address.
fn first_packets(story: &Value) -> [u64; 3] {
    let said: Vec<String> = story["judgements"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|judged| judged["sentence"].to_string())
        .collect();
    let number = |sentence: &str, behind: &str| -> u64 {
        let rest = sentence.split(behind).last().expect("a number");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    [number(&said[0], " UTC: "), number(&said[1], "are open: "), number(&said[1], "came back: ")]
}

/// One more rule of a firewall on this host.
fn nft(host: &Host, rule: &str) {
    let (hook, rule) = rule.split_once(' ').expect("a hook and a rule");
    let rules = format!(
        "add table inet block; add chain inet block {hook} {{ type filter hook {hook} priority 0; }}; \
         add rule inet block {hook} {rule}"
    );
    let mut command = Command::new("nft");
    command.arg(rules);
    let output = host.netns.output(command).expect("nft starts");
    assert!(output.status.success(), "{output:?}");
}
