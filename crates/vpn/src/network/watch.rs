//! Keeps this machine as the gateway made it.
//!
//! 1. the kernel's word that links, addresses, routes, forwarding or firewall rules changed, or a
//!    minute's silence, leads to a look;
//! 2. what is not as it was made is put back, in one go and with one line in the log;
//! 3. whoever changes it again at once is answered ever more rarely, at least once a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sysio::FirewallWatch;
use sysio::netlink::NetworkWatch;
use tokio::time::sleep;

use super::machine::{Change, Machine, PutBackError};

/// Watches until it is aborted.
pub(super) async fn watch(machine: Arc<Mutex<Machine>>) {
    let (mut rules, mut links) = (FirewallWatch::open().ok(), NetworkWatch::open().ok());
    let mut pause = SHORTEST;
    loop {
        tokio::select! {
            () = heard(rules.as_mut().map(FirewallWatch::changed)) => {}
            () = heard(links.as_mut().map(NetworkWatch::changed)) => {}
            () = sleep(SILENCE) => {}
        }
        // One change comes in several words.
        sleep(SETTLED).await;
        while mend(&machine).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        pause = SHORTEST;
    }
}

/// Looks, puts back what is not as it was made, and says so. Whether there was anything to put back.
pub(super) async fn mend(machine: &Arc<Mutex<Machine>>) -> bool {
    let mended = on_machine(machine, |machine| {
        let changes = machine.changes();
        let result = machine.put_back(&changes);
        (changes, result)
    });
    let Some((changes, result)) = mended.await else { return false };
    // The engine ends with its interface, and says so.
    if changes.is_empty() || matches!(changes[..], [Change::Gone { .. }]) {
        return false;
    }
    say(&changes, result);
    true
}

/// What is not as it was made.
pub(super) async fn changes(machine: &Arc<Mutex<Machine>>) -> Vec<Change> {
    on_machine(machine, |machine| machine.changes()).await.unwrap_or_default()
}

/// Works on the machine where waiting harms nobody.
pub(super) async fn on_machine<T: Send + 'static>(
    machine: &Arc<Mutex<Machine>>,
    work: impl FnOnce(&mut Machine) -> T + Send + 'static,
) -> Option<T> {
    let machine = Arc::clone(machine);
    let work = move || work(&mut machine.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::task::spawn_blocking(work).await.ok()
}

fn say(changes: &[Change], result: Result<(), PutBackError>) {
    let changes = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match result {
        Ok(()) => tracing::warn!(changes, "put back what another program had changed"),
        Err(error) => {
            tracing::error!(changes, %error, "what another program has changed can't be put back");
        }
    }
}

async fn heard(word: Option<impl Future<Output = ()>>) {
    match word {
        Some(word) => word.await,
        None => std::future::pending().await,
    }
}

const SETTLED: Duration = Duration::from_millis(300);
const SILENCE: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
