//! What the door's connections carried, as the registry of figures has it.

use front::{Encryption, Failed, Front, Holder, ServerState, Sum};

use super::records::device_name;
use crate::doors::{Counters, ServerCounters};

/// As they are.
pub(super) fn of(front: &Front) -> Counters {
    let (sums, states) = (front.sums(), front.servers());
    let mut all = Counters { sessions: front.connections().len() as u64, ..Counters::default() };
    for (name, sum) in &sums.servers {
        all.virtual_servers.insert(name.clone(), carried(*sum));
    }
    for state in states {
        let label = state.settings.label().to_owned();
        let counters = all.virtual_servers.entry(label).or_default();
        counters.open = state.present.connections as u64;
        counters.encryption = state.present.encryption.iter().map(encryption).collect();
        counters.oldest_keys = state.present.oldest_keys;
        counters.ticket_key = state.ticket_key_age;
        failed(counters, &state.failed);
        backends(counters, state);
    }
    let device = |(holder, sum): (&Holder, &Sum)| {
        (device_name(holder).to_string(), [sum.incoming, sum.outgoing])
    };
    all.devices = sums.devices.iter().map(device).collect();
    all
}

fn carried(sum: Sum) -> ServerCounters {
    ServerCounters {
        connections: sum.connections,
        requests: sum.requests,
        bytes: [sum.incoming, sum.outgoing],
        ..ServerCounters::default()
    }
}

fn encryption((how, count): (&Encryption, &usize)) -> ([String; 3], u64) {
    ([how.version.to_owned(), how.cipher.clone(), how.group.clone()], *count as u64)
}

fn failed(counters: &mut ServerCounters, failed: &Failed) {
    counters.refused = failed.by_fault;
    counters.broke = failed.broke;
}

/// One that several routes or servers of this name lead to counts as up where it is up for all.
fn backends(counters: &mut ServerCounters, state: ServerState) {
    for backend in state.backends {
        let is_up = backend.ailment.is_none();
        match counters.backends.iter_mut().find(|(to, _)| *to == backend.to) {
            Some((_, known)) => *known &= is_up,
            None => counters.backends.push((backend.to, is_up)),
        }
    }
}
