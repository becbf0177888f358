//! Many seeds of both cores over a network that loses up to 30 %, doubles, delays and reorders, with
//! slow drivers, renegotiations from both sides, sides that answer as version 3 does, sides that are saved,
//! dropped and restored, and somebody who forges renewals where no key prevents it.
//!
//! Every handshake must complete or end with a typed reason; whoever seals with a key must find the
//! other side opening with it. `HANDFAST_SIM_SEEDS` sets how many seeds are run (default 40) and
//! `HANDFAST_SIM_FIRST` the first one. A failing seed is named.

mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use clock::{Clock, SystemClock};
use testkit::{Random, Weather};
use tunnel::{Close, EndReason, Timing};
use wire::control::ControlPacket;
use wire::{MessageId, Opcode};

use world::{Party, Setup, Who, World, hello};

/// No renegotiation by age, so that the last calm stretch comes to rest: longer than what is unfinished is kept.
const CALM: Duration = Duration::from_secs(300);

#[test]
fn every_handshake_completes_or_ends_with_a_typed_reason() {
    let (first, seeds) = (number("HANDFAST_SIM_FIRST", 1), number("HANDFAST_SIM_SEEDS", 40));
    let begun = SystemClock.now();
    let mut outcomes = BTreeMap::new();
    for seed in first..first + seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(outcome) => {
                let entry = outcomes.entry(outcome).or_insert((0, seed));
                entry.0 += 1;
            }
            Err(panic) => {
                eprintln!(
                    "failing seed: {seed}; repeat with HANDFAST_SIM_FIRST={seed} HANDFAST_SIM_SEEDS=1"
                );
                std::panic::resume_unwind(panic);
            }
        }
    }
    let time = SystemClock.now().boot - begun.boot;
    println!("simulation: {seeds} seeds from {first} in {:.1} s", time.as_secs_f64());
    for (outcome, (count, example)) in outcomes {
        println!("  {count:>6}  {outcome}, such as seed {example}");
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One story; its outcome in words.
fn run(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0x5eed);
    let weather = Weather::random(&mut random, 0.3);
    let timing = Timing {
        tran_window: Duration::from_secs(600),
        renegotiate: Duration::ZERO,
        max_control_datagram: 400 + random.below(851) as usize,
        ..Timing::default()
    };
    let setup = Setup {
        weather,
        timing,
        tls12: random.chance(0.2),
        plain: random.chance(0.2),
        slow_driver: random.chance(0.7),
        client_version: if random.chance(0.3) { "3.11.1" } else { "2.6.14" },
        client_proto: Some("6").filter(|_| random.chance(0.2)),
        client_as_version_three: random.chance(0.3),
        server_as_version_three: random.chance(0.2),
        ..Setup::fine(seed)
    };
    let mut world = World::new(setup);
    let moments = 4 + random.below(10);
    for _ in 0..moments {
        world.run_for(pause(&mut random));
        disturb(&mut world, &mut random);
        world.exchange_data();
        check(&world, seed);
    }
    for _ in 0..20 {
        world.run_for(CALM / 20);
        world.exchange_data();
    }
    check_rest(&world, seed);
    outcome(&world)
}

/// Often within a handshake, sometimes long after it.
fn pause(random: &mut Random) -> Duration {
    match random.below(3) {
        0 => Duration::from_millis(random.below(500)),
        1 => Duration::from_millis(random.below(5_000)),
        _ => Duration::from_millis(random.below(30_000)),
    }
}

fn disturb(world: &mut World, random: &mut Random) {
    let server = Who::Server(world.client.session.id());
    let who = if random.chance(0.5) { Who::Client } else { server };
    match random.below(10) {
        0..=2 => world.restore(who, random.chance(0.5)),
        3..=6 => world.renegotiate(who),
        7 => {
            world.renegotiate(Who::Client);
            world.renegotiate(server);
        }
        8 if random.chance(0.2) => world.close(who, Close::Exit),
        8 | 9 if world.setup.plain => forge_renewal(world, who, random),
        _ => {}
    }
}

/// As somebody who sees the ids does from a peer's address: it begins one, and spoils it or not.
fn forge_renewal(world: &mut World, who: Who, random: &mut Random) {
    let (Some(server), client) = (world.server(), &world.client) else { return };
    let (to, from) = match who {
        Who::Client => (client, server.session.id()),
        Who::Server(_) => (server, client.session.id()),
    };
    let key_id = to.generation.next();
    // Who begins the next generation has the key of this one, as far as the other side can tell.
    world.setup.forged_acks = true;
    let spoils: [Vec<Vec<u8>>; 4] =
        [vec![], vec![vec![0x55; 60]], vec![hello()], vec![hello(), vec![0x55; 60]]];
    let chunks = &spoils[random.below(4) as usize];
    let reset = (Opcode::CONTROL_SOFT_RESET_V1, &Vec::new());
    let messages = chunks.iter().map(|chunk| (Opcode::CONTROL_V1, chunk));
    for ((opcode, payload), number) in [reset].into_iter().chain(messages).zip(0..) {
        let message = MessageId(number);
        let packet = ControlPacket::message(opcode, key_id, from, message, payload.clone());
        match who {
            Who::Client => world.deliver_to_client(&packet.encode()),
            Who::Server(_) => world.deliver_to_server(&packet.encode()),
        }
    }
}

/// What holds at any time.
fn check(world: &World, seed: u64) {
    for party in parties(world) {
        assert!(party.keys.len() <= 8, "seed {seed}: {} keys", party.keys.len());
        assert!(
            party.end.is_some()
                || party.session.poll_timeout().is_some()
                || party.session.is_established()
        );
    }
}

/// What holds when nothing has disturbed the sessions for longer than any window.
fn check_rest(world: &World, seed: u64) {
    for party in parties(world) {
        let complete = party.session.progress() == tunnel::Progress::Complete;
        assert!(
            party.end.is_some() || (party.established && complete),
            "seed {seed}: {:?} hangs",
            party.session
        );
    }
    if let (None, Some(Party { end: None, keys, sealing, .. })) =
        (&world.client.end, world.server())
    {
        assert_eq!(*sealing, world.client.sealing, "seed {seed}: sealing keys differ");
        let key_id = sealing.expect("established");
        assert_eq!(keys.get(&key_id), world.client.keys.get(&key_id), "seed {seed}");
    }
}

fn parties(world: &World) -> impl Iterator<Item = &Party> {
    world.servers.values().chain([&world.client])
}

fn outcome(world: &World) -> String {
    let word = |end: Option<&EndReason>| match end {
        None => "up".to_owned(),
        Some(
            reason @ (EndReason::HandshakeTimeout(progress)
            | EndReason::RenegotiationTimeout(progress)),
        ) => {
            format!("{} ({progress:?})", reason.code())
        }
        Some(reason) => reason.code().to_owned(),
    };
    let server = world.server().map_or("none".to_owned(), |party| word(party.end.as_ref()));
    format!("client {}, server {server}", word(world.client.end.as_ref()))
}
