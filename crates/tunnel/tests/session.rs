//! Both cores against each other in fine weather: one test for each thing that sessions do.

mod world;

use std::time::Duration;

use tunnel::{
    Close, EndReason, Event, Gate, GateSettings, NotAwaited, NotNow, Progress, Refusal, Session,
    TimeoutReason, Verdict,
};
use wire::cipher::Cipher;
use wire::control::{Acks, ControlPacket};
use wire::message::AuthFailure;
use wire::static_key::KeyDirection;
use wire::{KeyId, MessageId};

use world::{START, Setup, Who, World, configs, remote, wrap};

#[test]
fn a_handshake_establishes_both_sides_with_equal_keys() {
    for (tls12, plain) in [(false, false), (true, false), (false, true)] {
        let world = established(Setup { tls12, plain, ..Setup::fine(1) });
        let server = world.server().expect("a session");
        assert_eq!(server.keys, world.client.keys);
        assert_eq!((server.keys.len(), world.client.pushed, server.admissions), (1, 1, 1));
        let (ours, theirs) = (server.session.negotiated(), world.client.session.negotiated());
        assert_eq!(ours, theirs);
        let agreed = ours.expect("agreed");
        assert!(agreed.exporter && agreed.exit_notify && agreed.peer_id.is_some());
        assert_eq!(agreed.cipher, Cipher::Aes256Gcm);
    }
}

#[test]
fn who_reads_key_message_and_push_in_one_flight_is_connected_a_round_trip_sooner() {
    let round_trips = |client_version, client_proto| {
        let mut setup = Setup { client_version, client_proto, ..Setup::fine(15) };
        setup.weather.delay = Duration::from_millis(50);
        let mut world = World::new(setup);
        (1..10).find(|_| {
            world.run_for(Duration::from_millis(100));
            world.client.established
        })
    };
    assert_eq!(round_trips("2.6.14", None), Some(3));
    assert_eq!(round_trips("handfast_0.1.0", None), Some(3));
    assert_eq!(round_trips("3.11.1", None), Some(4));
    assert_eq!(round_trips("unheard-of", None), Some(4));
    // Without bit 2 it has to ask first, which it does after a second.
    assert_eq!(round_trips("2.6.14", Some("2")), None);
}

#[test]
fn either_side_renegotiates_and_the_new_key_takes_over() {
    let mut world = established(Setup::fine(2));
    let server = Who::Server(world.client.session.id());
    for (round, who) in [Who::Client, server, Who::Client, server].into_iter().enumerate() {
        world.renegotiate(who);
        world.run_for(Duration::from_secs(8));
        let key_id = (round + 1) as u8;
        for party in [&world.client, world.server().expect("a session")] {
            assert_eq!(party.sealing.map(|id| id.get()), Some(key_id));
            assert_eq!(party.renegotiated.len(), usize::from(key_id));
        }
        world.exchange_data();
    }
    assert_eq!(world.server().expect("a session").keys, world.client.keys);
}

#[test]
fn renegotiations_with_a_peer_as_version_3_lose_no_packet() {
    for (client_as_version_three, server_as_version_three) in [(true, false), (false, true)] {
        for by_server in [true, false] {
            let mut setup =
                Setup { client_as_version_three, server_as_version_three, ..Setup::fine(18) };
            setup.weather.delay = Duration::from_millis(20);
            let mut world = established(setup);
            let server = Who::Server(world.client.session.id());
            for round in 1..=20 {
                world.renegotiate(if by_server { server } else { Who::Client });
                (0..200).for_each(|_| {
                    world.run_for(Duration::from_millis(40));
                    world.exchange_data();
                });
                for party in [&world.client, world.server().expect("a session")] {
                    assert_eq!(party.renegotiated.len(), round, "by server: {by_server}");
                }
            }
            world.run_for(Duration::from_secs(1));
            assert_eq!((world.data_sent, world.data_opened), (8_000, 8_000));
            assert_eq!(world.drops.len(), 0, "{:?}", world.drops);
        }
    }
}

#[test]
fn a_renegotiation_begun_by_the_server_takes_a_peer_as_version_3_no_more_round_trips() {
    let mut setup = Setup { client_as_version_three: true, ..Setup::fine(19) };
    setup.weather.delay = Duration::from_millis(20);
    let mut world = established(setup);
    world.renegotiate(Who::Server(world.client.session.id()));
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.server().expect("a session").renegotiated.len(), 1);
}

#[test]
fn simultaneous_renegotiations_with_a_peer_as_version_3_are_one() {
    for millis in [0, 10, 19, 25, 45] {
        let mut setup = Setup { client_as_version_three: true, ..Setup::fine(23) };
        setup.weather.delay = Duration::from_millis(20);
        let mut world = established(setup);
        world.renegotiate(Who::Client);
        world.run_for(Duration::from_millis(millis));
        world.renegotiate(Who::Server(world.client.session.id()));
        world.run_for(Duration::from_secs(8));
        assert_eq!(world.client.renegotiated.len(), 1, "{millis} ms apart");
        assert_eq!(world.server().expect("a session").keys, world.client.keys);
    }
}

#[test]
fn simultaneous_renegotiations_are_one() {
    let mut world = established(Setup::fine(3));
    let server = Who::Server(world.client.session.id());
    world.renegotiate(Who::Client);
    world.renegotiate(server);
    world.run_for(Duration::from_secs(8));
    assert_eq!(world.client.renegotiated.len(), 1);
    assert_eq!(world.server().expect("a session").keys, world.client.keys);
}

#[test]
fn key_ids_go_round_without_the_first_one() {
    let mut world = established(Setup::fine(4));
    for _ in 0..16 {
        world.renegotiate(Who::Client);
        world.run_for(Duration::from_secs(8));
        world.exchange_data();
        assert!(world.client.keys.len() <= 8);
    }
    let ids: Vec<u8> = world.client.renegotiated.iter().map(|id| id.get()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1, 2]);
}

#[test]
fn an_old_key_retires_when_its_window_ends() {
    let mut world = established(Setup::fine(5));
    world.renegotiate(Who::Client);
    world.run_for(Duration::from_secs(3590));
    assert!(world.client.retired.is_empty());
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.client.retired.iter().map(|id| id.get()).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_key_is_renewed_by_age_within_the_last_tenth() {
    let mut world = established(Setup::fine(6));
    world.run_for(Duration::from_secs(3235));
    assert!(world.client.renegotiated.is_empty());
    world.run_for(Duration::from_secs(370));
    assert!(!world.client.renegotiated.is_empty());
}

#[test]
fn a_certificate_that_runs_out_ends_its_session_and_the_client_is_told() {
    let certificate_life = Some(Duration::from_secs(40));
    let mut world = established(Setup { certificate_life, ..Setup::fine(30) });
    world.run_for(Duration::from_secs(27));
    world.renegotiate(Who::Client);
    world.run_for(Duration::from_millis(9_900));
    assert!(world.client.end.is_none() && world.server().expect("a session").end.is_none());
    world.run_for(Duration::from_millis(200));
    let server = world.server().expect("a session");
    assert!(matches!(server.end, Some(EndReason::CertificateExpired)), "{:?}", server.end);
    // To begin anew, and not to give up: by then it may have another one.
    let end = &world.client.end;
    assert!(
        matches!(end, Some(EndReason::PeerRestart { text, .. }) if text.contains("expired")),
        "{end:?}"
    );
}

#[test]
fn a_client_that_is_refused_for_now_is_told_when_to_come_back() {
    let mut world = established(Setup::fine(12));
    let server = Who::Server(world.client.session.id());
    let pause = Duration::from_secs(30);
    world.close(server, Close::AuthFailedForNow { pause, text: "full".to_owned() });
    world.run_for(Duration::from_secs(1));
    let told = AuthFailure::Temporary { backoff: Some(30), advance: None, text: "full".to_owned() };
    let end = &world.client.end;
    assert!(matches!(end, Some(EndReason::AuthFailed(failure)) if *failure == told), "{end:?}");
}

#[test]
fn a_push_of_any_size_that_a_client_takes_arrives_whole() {
    for client_version in ["2.6.14", "3.11.1"] {
        let routes = 6_000;
        let world = established(Setup { routes, client_version, ..Setup::fine(31) });
        let pushed = world.client.session.pushed().expect("a push");
        assert!(pushed.options.len() > 6_000, "{}", pushed.options.len());
    }
}

#[test]
fn an_answer_that_is_not_awaited_is_an_error_and_has_no_effect() {
    let mut world = established(Setup::fine(32));
    let (id, now) = (world.client.session.id(), world.now);
    let refusal = || Refusal { code: "device_disabled", close: Close::AuthFailed(String::new()) };
    let client = &mut world.client.session;
    assert_eq!(client.admit(world::grant(), now), Err(NotAwaited::Admission));
    let server = &mut world.servers.get_mut(&id).expect("a session").session;
    assert_eq!(server.admit(world::grant(), now), Err(NotAwaited::Admission));
    assert_eq!(server.refuse(refusal(), now), Err(NotAwaited::Admission));
    assert_eq!(server.key_installed(KeyId::FIRST, now), Err(NotAwaited::Key));
    assert!(server.is_established() && server.poll_event().is_none());
    assert_eq!(server.close(Close::Replaced, now), Ok(()));
    assert_eq!(server.key_installed(KeyId::FIRST, now), Err(NotAwaited::SessionEnded));
    assert_eq!(server.refuse(refusal(), now), Err(NotAwaited::SessionEnded));
}

#[test]
fn an_answer_counts_once_and_in_its_own_step_alone() {
    let mut world = World::new(Setup { slow_driver: true, ..Setup::fine(33) });
    while world
        .server()
        .is_none_or(|server| server.session.progress() != Progress::AwaitingAdmission)
    {
        world.run_for(Duration::from_millis(1));
    }
    let (id, now) = (world.client.session.id(), world.now);
    let server = &mut world.servers.get_mut(&id).expect("a session").session;
    assert_eq!(server.key_installed(KeyId::FIRST, now), Err(NotAwaited::Key));
    assert_eq!(server.admit(world::grant(), now), Ok(()));
    assert_eq!(server.admit(world::grant(), now), Err(NotAwaited::Admission));
    let refusal = Refusal { code: "device_disabled", close: Close::AuthFailed(String::new()) };
    assert_eq!(server.refuse(refusal, now), Err(NotAwaited::Admission));
    assert_eq!(server.progress(), Progress::AwaitingInstall);
    assert_eq!(server.key_installed(KeyId::FIRST.next(), now), Err(NotAwaited::Key));
    assert_eq!(server.key_installed(KeyId::FIRST, now), Ok(()));
    assert_eq!(server.key_installed(KeyId::FIRST, now), Err(NotAwaited::Key));
}

#[test]
fn what_a_session_is_told_in_a_wrong_step_is_refused_by_name_and_changes_nothing() {
    let mut world = World::new(Setup::fine(34));
    let now = world.now;
    assert_eq!(world.client.session.renegotiate(now), Err(NotNow::NotUp));
    world.run_for(Duration::from_secs(3));
    let now = world.now;
    let client = &mut world.client.session;
    assert_eq!(client.renegotiate(now), Ok(()));
    assert_eq!(client.renegotiate(now), Err(NotNow::Renewing));
    assert_eq!(client.close(Close::Exit, now), Ok(()));
    assert_eq!(client.renegotiate(now), Err(NotNow::Closing));
    assert_eq!(client.close(Close::Replaced, now), Err(NotNow::Closing));
    world.run_for(Duration::from_secs(10));
    let now = world.now;
    let first = matches!(world.client.end, Some(EndReason::Closed(Close::Exit)));
    assert!(first, "{:?}", world.client.end);
    let client = &mut world.client.session;
    assert_eq!(client.renegotiate(now), Err(NotNow::Ended));
    assert_eq!(client.close(Close::Exit, now), Err(NotNow::Ended));
    assert!(client.poll_event().is_none());
}

#[test]
fn exit_ends_both_sides() {
    for by_client in [true, false] {
        let mut world = established(Setup::fine(7));
        let server = Who::Server(world.client.session.id());
        world.close(if by_client { Who::Client } else { server }, Close::Exit);
        world.run_for(Duration::from_secs(1));
        let ends = (world.client.end.clone(), world.server().expect("a session").end.clone());
        match ends {
            (Some(EndReason::Closed(Close::Exit)), Some(EndReason::PeerExit)) if by_client => {}
            (Some(EndReason::PeerExit), Some(EndReason::Closed(Close::Exit))) if !by_client => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_restart_names_its_text() {
    let mut world = established(Setup::fine(8));
    let server = Who::Server(world.client.session.id());
    world.close(server, Close::Restart("moving".to_owned()));
    world.run_for(Duration::from_secs(1));
    assert!(
        matches!(&world.client.end, Some(EndReason::PeerRestart { text, .. }) if text == "moving")
    );
}

#[test]
fn a_refused_client_is_told_and_gets_no_key() {
    let mut world = World::new(Setup { refuse: true, ..Setup::fine(9) });
    world.run_for(Duration::from_secs(3));
    assert!(matches!(world.client.end, Some(EndReason::AuthFailed(_))), "{:?}", world.client.end);
    let server = world.server().expect("a session");
    assert!(
        matches!(&server.end, Some(EndReason::Refused(refusal)) if refusal.code == "device_disabled")
    );
    assert!(world.client.keys.is_empty() && server.keys.is_empty());
}

#[test]
fn a_refusal_in_a_renegotiation_ends_the_session() {
    let mut world = established(Setup::fine(10));
    world.setup.refuse = true;
    world.renegotiate(Who::Client);
    world.run_for(Duration::from_secs(3));
    assert!(matches!(world.client.end, Some(EndReason::AuthFailed(_))), "{:?}", world.client.end);
    assert!(matches!(world.server().expect("a session").end, Some(EndReason::Refused(_))));
}

#[test]
fn closing_at_any_moment_of_a_renegotiation_ends_the_session_within_seconds() {
    for millis in 0..20 {
        let mut world = established(Setup { slow_driver: true, ..Setup::fine(millis) });
        let server = Who::Server(world.client.session.id());
        world.renegotiate(Who::Client);
        world.run_for(Duration::from_millis(millis));
        world.close(server, Close::AuthFailed(String::new()));
        world.run_for(Duration::from_secs(6));
        let end = &world.server().expect("a session").end;
        assert!(matches!(end, Some(EndReason::Closed(Close::AuthFailed(_)))), "{end:?}");
        assert_eq!(world.server().expect("a session").renegotiated.len(), 0);
    }
}

#[test]
fn no_common_cipher_is_a_reason_on_both_sides() {
    let setup = Setup { client_ciphers: Vec::new(), ..Setup::fine(11) };
    let mut world = World::new(setup);
    world.run_for(Duration::from_secs(3));
    assert!(matches!(world.client.end, Some(EndReason::AuthFailed(_))), "{:?}", world.client.end);
    assert!(matches!(world.server().expect("a session").end, Some(EndReason::NoCommonCipher)));
}

#[test]
fn a_client_without_exporter_gets_its_keys_by_the_prf() {
    // 6: peer-id and early push; 14: the exporter too; 2: as version 2.4, which asks for its push.
    for (proto, exporter, exit_notify) in
        [("6", false, false), ("14", true, false), ("2", false, false)]
    {
        let mut world = established(Setup { client_proto: Some(proto), ..Setup::fine(15) });
        let agreed = world.client.session.negotiated().expect("agreed");
        assert_eq!(
            (agreed.exporter, agreed.exit_notify),
            (exporter, exit_notify),
            "IV_PROTO={proto}"
        );
        world.renegotiate(Who::Client);
        world.run_for(Duration::from_secs(8));
        assert_eq!(world.server().expect("a session").keys, world.client.keys);
        assert_eq!(world.client.keys.len(), 2);
    }
}

#[test]
fn a_certificate_of_another_ca_is_named_on_both_sides() {
    let mut world = World::new(Setup { stranger: true, ..Setup::fine(16) });
    world.run_for(Duration::from_secs(3));
    let server = world.server().expect("a session");
    let Some(EndReason::TlsFailed(rustls::Error::InvalidCertificate(_))) = &server.end else {
        panic!("{:?}", server.end)
    };
    assert_eq!(server.admissions, 0);
    let client = &world.client.end;
    assert!(
        matches!(client, Some(EndReason::TlsFailed(rustls::Error::AlertReceived(_)))),
        "{client:?}"
    );
}

#[test]
fn silence_after_our_certificate_is_a_reason_of_its_own() {
    let mut world = World::new(Setup::fine(17));
    while world
        .server()
        .is_none_or(|server| server.session.progress() != Progress::SilentAfterOurCertificate)
    {
        world.run_for(Duration::from_millis(1));
    }
    world.cut_the_line();
    world.run_for(Duration::from_secs(61));
    let end = world.server().expect("a session").end.clone().expect("ended");
    assert_eq!(end.code(), "silent_after_our_certificate");
    assert!(end.to_string().contains("may not trust our CA"), "{end}");
}

#[test]
fn who_proves_an_address_and_says_nothing_keeps_its_place_for_fifteen_seconds() {
    let now = START;
    let (server, client) = configs(&Setup::fine(15));
    let mut gate = Gate::new(server.check.clone(), [1; 32], GateSettings::default());
    let reset = Session::client(client, [2; 32], now).poll_transmit(now).expect("a reset");
    let Verdict::Answer(answer) = gate.handle_datagram(remote(), &reset, now) else { panic!() };
    let (stamp, answer) = wrap(KeyDirection::Inverse).open(&answer).expect("ours").into_parts();
    let client = answer.acked_session.expect("the client's id");
    let acks = Acks::from_iter([MessageId::FIRST]);
    let third = ControlPacket::ack(KeyId::FIRST, client, acks, answer.session_id);
    let third = wrap(KeyDirection::Inverse).seal(stamp.expect("tls-auth"), &third);
    let Verdict::Accept(accepted) = gate.handle_datagram(remote(), &third, now) else { panic!() };
    let mut session = Session::server(server, *accepted, [3; 32], now);
    let ended = |session: &mut Session| {
        std::iter::from_fn(|| session.poll_event()).find_map(|event| match event {
            Event::Ended(reason) => Some(reason),
            _ => None,
        })
    };
    session.handle_timeout(now.after(Duration::from_millis(14_999)));
    assert!(ended(&mut session).is_none());
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!((due.at, due.why), (now.boot + Duration::from_secs(15), TimeoutReason::ClientHello));
    session.handle_timeout(now.after(Duration::from_secs(15)));
    let end = ended(&mut session);
    assert!(matches!(end, Some(EndReason::HandshakeTimeout(Progress::BeforeHello))), "{end:?}");
}

#[test]
fn the_servers_order_of_ciphers_decides() {
    let client_ciphers = vec![Cipher::ChaCha20Poly1305, Cipher::Aes128Gcm];
    let world = established(Setup { client_ciphers, ..Setup::fine(12) });
    let agreed = world.client.session.negotiated().expect("agreed");
    assert_eq!(agreed.cipher, Cipher::Aes128Gcm);
}

#[test]
fn a_client_without_an_answer_ends_with_its_progress() {
    let mut setup = Setup::fine(13);
    setup.weather.loss = 1.0;
    let mut world = World::new(setup);
    world.run_for(Duration::from_secs(61));
    let end = &world.client.end;
    assert!(matches!(end, Some(EndReason::HandshakeTimeout(Progress::ResetUnanswered))), "{end:?}");
}

#[test]
fn a_restored_side_goes_on_with_its_keys_and_renegotiates() {
    for restore_client in [true, false] {
        for keep in [true, false] {
            let mut world = established(Setup::fine(14));
            let server = Who::Server(world.client.session.id());
            world.run_for(Duration::from_secs(2));
            world.restore(if restore_client { Who::Client } else { server }, keep);
            world.exchange_data();
            world.run_for(Duration::from_secs(10));
            world.exchange_data();
            world.run_for(Duration::from_secs(10));
            assert_eq!(world.client.sealing.map(|id| id.get()), Some(1));
            assert_eq!(world.server().expect("a session").sealing.map(|id| id.get()), Some(1));
            // A data plane that did not survive seals nothing before the next generation.
            assert_eq!(world.data_opened, if keep { 4 } else { 3 });
        }
    }
}

fn established(setup: Setup) -> World {
    let mut world = World::new(setup);
    world.run_for(Duration::from_secs(3));
    assert!(world.client.established, "{:?} {:?}", world.client.end, world.client.session);
    let server = world.server().expect("a session");
    assert!(server.established, "{:?} {:?}", server.end, server.session);
    world
}
