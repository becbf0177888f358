//! The child process: this test binary once more, which changes a store as fast as it can, in
//! several tasks, and prints a line for each change after it was acknowledged.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clock::SystemClock;
use store::{
    CaGenerationId, DeviceName, OpenError, Options, RevocationReason, Store, StoreError, UserName,
};

use super::{ADMIN, add_ca, device_certificate, device_of, id};

/// What a child is to do, handed over in its environment.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) database: &'a Path,
    /// Tells the names of one child from those of the next.
    pub(crate) round: u64,
    /// How many users to add; every second one's certificate is revoked.
    pub(crate) users: u64,
    /// How often to close and open the store on the way.
    pub(crate) reopen: u64,
    /// Leave out every sync.
    pub(crate) unsynced: bool,
    /// Go on after a full disk.
    pub(crate) patient: bool,
}

impl<'a> Task<'a> {
    pub(crate) fn new(database: &'a Path) -> Self {
        Self { database, round: 0, users: 100, reopen: 0, unsynced: false, patient: false }
    }

    /// The command that runs this task, by way of `wrapper` (for example a tracer).
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let program = std::env::current_exe().unwrap();
        let mut command = match wrapper {
            [] => Command::new(&program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        command
            .args(["--exact", "the_child_changes_the_store", "--ignored", "--nocapture"])
            .env("STORE_CHILD", self.database)
            .env("STORE_CHILD_ROUND", self.round.to_string())
            .env("STORE_CHILD_USERS", self.users.to_string())
            .env("STORE_CHILD_REOPEN", self.reopen.to_string())
            .env("STORE_CHILD_UNSYNCED", u8::from(self.unsynced).to_string())
            .env("STORE_CHILD_PATIENT", u8::from(self.patient).to_string())
            .stdout(Stdio::piped());
        command
    }

    pub(crate) fn spawn(&self) -> Child {
        self.command(&[]).spawn().unwrap()
    }
}

/// What children said was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) users: BTreeSet<String>,
    pub(crate) revoked: BTreeSet<String>,
    /// Faults that were reported instead.
    pub(crate) faults: Vec<String>,
    /// How many changes were acknowledged after the last fault.
    pub(crate) since_fault: usize,
}

impl Acknowledged {
    pub(crate) fn take(&mut self, line: &str) {
        // The test harness may have printed something before our word.
        if let Some(user) = after(line, "ack-user ") {
            self.users.insert(user);
            self.since_fault += 1;
        } else if let Some(serial) = after(line, "ack-revoke ") {
            self.revoked.insert(serial);
            self.since_fault += 1;
        } else if let Some(fault) = after(line, "fault ") {
            self.faults.push(fault);
            self.since_fault = 0;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len() + self.revoked.len()
    }

    /// Reads to the end of a child's output.
    pub(crate) fn drained(mut self, child: &mut Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        output.lines().map_while(Result::ok).for_each(|line| self.take(&line));
        self
    }

    /// What is missing in the store, or else wrong with it; the error names it.
    pub(crate) fn compare(&self, database: &Path) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.compare_with(database))
    }

    async fn compare_with(&self, database: &Path) -> Result<(), String> {
        let fault = |e: StoreError| format!("{e} ({e:?})");
        let not_open = |e: OpenError| format!("{e} ({e:?})");
        let store = Store::open(database, Arc::new(SystemClock)).map_err(not_open)?;
        let snapshot = store.snapshot();
        for name in &self.users {
            let name = UserName::new(name).unwrap();
            let device = device_of(&snapshot, &name, &DeviceName::default_device());
            if device.is_none() {
                return Err(format!("user {name} was acknowledged and is not there"));
            }
        }
        for generation in store.ca_generation_list().await.map_err(fault)? {
            let list = store.listed(generation.id).await.map_err(fault)?.revocations;
            let listed: BTreeSet<String> = list.iter().map(|r| r.id.to_string()).collect();
            if let Some(missing) = self.revoked.difference(&listed).next() {
                return Err(format!("revocation of {missing} was acknowledged and is not there"));
            }
        }
        let report = store.chain_verify().await.map_err(not_open)?;
        store.close().await;
        report.fault.map_or(Ok(()), |fault| Err(fault.to_string()))
    }
}

fn after(line: &str, word: &str) -> Option<String> {
    line.split_once(word).map(|(_, rest)| rest.trim().to_owned())
}

/// The child's part. Each test binary that spawns children has an ignored test that calls this.
pub(crate) fn main() {
    let Ok(database) = std::env::var("STORE_CHILD") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let rounds = number("STORE_CHILD_REOPEN") + 1;
    let options =
        Options { danger_unsynced: number("STORE_CHILD_UNSYNCED") == 1, ..<_>::default() };
    let patient = number("STORE_CHILD_PATIENT") == 1;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for part in 0..rounds {
            let store =
                Store::open_with(Path::new(&database), Arc::new(SystemClock), options.clone());
            let store = store.unwrap();
            let base = (number("STORE_CHILD_ROUND") * rounds + part) * 1_000_000;
            change_all(&store, base, number("STORE_CHILD_USERS") / rounds, patient).await;
            store.close().await;
        }
    });
}

async fn change_all(store: &Store, base: u64, users: u64, patient: bool) {
    const TASKS: u64 = 8;
    let generation = match store.ca_generation_list().await.unwrap().first() {
        Some(generation) => generation.id,
        None => add_ca(store).await.id,
    };
    let next = Arc::new(AtomicU64::new(0));
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..TASKS {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn_local(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= users {
                    break;
                }
                match change(&store, generation, base + number + 100).await {
                    Ok(()) => {}
                    Err(StoreError::Storage(fault)) => {
                        println!("fault {fault:?}");
                        assert!(patient, "{fault}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.await;
}

async fn change(store: &Store, generation: CaGenerationId, number: u64) -> Result<(), StoreError> {
    let name = UserName::new(&format!("user-{number}")).unwrap();
    let added = store.user_add(&ADMIN, &name, Some(&DeviceName::default_device())).await?;
    println!("ack-user {name}");
    if number.is_multiple_of(2) {
        let device = added.value.devices.first().unwrap().device.id;
        store.certificate_record(&ADMIN, device_certificate(number, device, generation)).await?;
        let reason = RevocationReason::KeyCompromise;
        let revocation = store.certificate_revoke(&ADMIN, &id(number), reason).await?;
        // What waits for the disk is told as that.
        if revocation.on_disk {
            println!("ack-revoke {}", revocation.value.id);
        }
    }
    Ok(())
}
