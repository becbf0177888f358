//! The client, and many of them: what `connect` and `bench` are told.

use std::time::Duration;

use client::Revocation;
use load::PacketSettings;

use crate::args::order::{Action, BenchOrder, ConnectOrder, GuardOrder};
use crate::args::typed::client::{Bench, Connect, ConnectGuard, RevocationWord};

pub(super) fn understand_connect(connect: Connect) -> Action {
    let Connect { profile, state, timestamps, revocation } = connect;
    let revocation = match revocation {
        RevocationWord::Require => Revocation::Require,
        RevocationWord::Prefer => Revocation::Prefer,
        RevocationWord::Off => Revocation::Off,
    };
    Action::Connect(ConnectOrder { profile, state, timestamps, revocation })
}

pub(super) fn understand_guard(guard: ConnectGuard) -> Action {
    let ConnectGuard { state, dns_backup } = guard;
    Action::ConnectGuard(GuardOrder { state, dns_backup })
}

pub(super) fn understand_bench(bench: Bench) -> BenchOrder {
    let seconds = |n: u32| Duration::from_secs(n.into());
    let packets = (bench.packets > 0).then(|| PacketSettings {
        sizes: bench.size,
        time: seconds(bench.packets),
        rate: bench.packet_rate,
        to: bench.to,
    });
    BenchOrder {
        profiles: bench.profiles,
        server: bench.server,
        sessions: bench.sessions.map(usize::from),
        at_once: bench.at_once.into(),
        rate: bench.rate,
        hold: seconds(bench.hold),
        packets,
    }
}
