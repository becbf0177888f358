//! Keeps this machine as the gateway made it.
//!
//! 1. the kernel's word that links, addresses, routes, forwarding or firewall rules changed, or a
//!    minute's silence, leads to a look;
//! 2. what is not as it was made is put back, in one go and with one line in the log;
//! 3. whoever changes it again at once is answered ever more rarely, at least once a minute; what can't be
//!    put back is said once, and tried at every look.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sysio::FirewallWatch;
use sysio::netlink::NetworkWatch;
use tokio::time::sleep;

use super::machine::{Change, Machine};

/// Watches until it is aborted.
pub(super) async fn watch(machine: Arc<Mutex<Machine>>) {
    let (mut rules, mut links) = (FirewallWatch::open().ok(), NetworkWatch::open().ok());
    let (mut pause, mut stays) = (SHORTEST, Vec::new());
    loop {
        tokio::select! {
            () = heard(rules.as_mut().map(FirewallWatch::changed)) => {}
            () = heard(links.as_mut().map(NetworkWatch::changed)) => {}
            () = sleep(SILENCE) => {}
        }
        // One change comes in several words.
        sleep(SETTLED).await;
        while mend(&machine, &mut stays).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        pause = SHORTEST;
    }
}

/// Looks, puts back what is not as it was made, and says so. Whether anything was put back. `told` is what
/// could not be, as it was said last.
pub(super) async fn mend(machine: &Arc<Mutex<Machine>>, told: &mut Vec<Change>) -> bool {
    let looked = on_machine(machine, |machine| {
        let changes = machine.changes();
        match machine.put_back(&changes) {
            Ok(()) => (changes, None),
            Err(error) => {
                let stays = machine.changes();
                let mended = changes.into_iter().filter(|change| !stays.contains(change)).collect();
                (mended, Some((stays, error)))
            }
        }
    });
    let Some((mended, failed)) = looked.await else { return false };
    let stays = match failed {
        Some((stays, error)) => {
            if stays != *told {
                let changes = words(&stays);
                tracing::error!(changes, %error, "what another program has changed can't be put back");
            }
            stays
        }
        None => Vec::new(),
    };
    *told = stays;
    // The engine ends with its interface, and says so.
    if mended.is_empty() || matches!(mended[..], [Change::Gone { .. }]) {
        return false;
    }
    tracing::warn!(changes = words(&mended), "put back what another program had changed");
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

fn words(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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
