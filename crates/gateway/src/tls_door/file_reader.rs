//! Who reads the certificates that are in files, and what was read last.
//!
//! A file system may hang. Whoever asks what was read waits for nobody, and whoever has it read waits for a bounded time;
//! what is read later than that takes effect then. Not here: what is in the files. Invariant: one reads at a time, by
//! settings as they are by then, and what was read takes effect whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Timestamp;
use front::{CertificateSource, Settings, VirtualServer};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::files::{Faulty, Files};
use super::ordered::Lacking;

/// Who reads them.
#[derive(Debug, Default)]
pub(super) struct FileReader {
    read: Arc<ArcSwap<Files>>,
    /// Whoever reads has it, also while nobody waits for that any longer.
    turn: Arc<Mutex<()>>,
    /// The last one that was waited for did not come to an end.
    hangs: AtomicBool,
}

impl FileReader {
    /// What was read last.
    pub(super) fn read(&self) -> Arc<Files> {
        self.read.load_full()
    }

    /// Reads what has changed. Tells whether others serve than before, or something else is wrong.
    pub(super) async fn look(
        &self,
        settings: impl Fn() -> Settings + Send,
        now: Timestamp,
    ) -> bool {
        if !settings().server.iter().any(is_in_files) {
            self.hangs.store(false, Ordering::Relaxed);
            return false;
        }
        let looked = timeout(PATIENCE, self.look_in_turn(settings, now)).await;
        let hangs = looked.is_err();
        let hung = self.hangs.swap(hangs, Ordering::Relaxed);
        if hangs && !hung {
            tracing::warn!("{HANGS}; {MEND}");
        }
        looked.unwrap_or_default() || hangs != hung
    }

    async fn look_in_turn(&self, settings: impl Fn() -> Settings + Send, now: Timestamp) -> bool {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (read, settings) = (Arc::clone(&self.read), settings());
        let look = move || {
            let _turn = turn;
            let mut files = Files::clone(&read.load());
            let news = files.look(&settings, now);
            read.store(Arc::new(files));
            news
        };
        spawn_blocking(look).await.unwrap_or_else(|error| {
            tracing::error!(%error, "certificates in files were not looked at");
            false
        })
    }

    /// What is wrong with a server's.
    pub(super) fn lacking(&self, server: &VirtualServer, now: Timestamp) -> Vec<Lacking> {
        let read = self.read();
        let hangs = (self.hangs.load(Ordering::Relaxed) && is_in_files(server)).then(|| Lacking {
            what: HANGS.to_owned(),
            mend: MEND,
            serves: !read.served(server).is_empty(),
        });
        let faults = read.faults(server, now).into_iter().map(Lacking::from);
        hangs.into_iter().chain(faults).collect()
    }
}

impl From<Faulty> for Lacking {
    fn from(Faulty { fault, serves }: Faulty) -> Self {
        Self { what: fault.to_string(), mend: fault.mend(), serves }
    }
}

fn is_in_files(server: &VirtualServer) -> bool {
    !server.passthrough && matches!(server.certificate, CertificateSource::Files(_))
}

/// Nobody is kept waiting for longer.
const PATIENCE: Duration = Duration::from_secs(5);
const HANGS: &str = "a file system with files of certificates does not answer";
const MEND: &str = "see to it: they are read once it does";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_hangs_is_told_and_keeps_nobody_waiting() {
        let files = FileReader::default();
        let (settings, now) = (settings(), Timestamp::default());
        let server = &settings.server[0];
        // As one has it whose file system hangs.
        let hanging = Arc::clone(&files.turn).lock_owned().await;
        assert!(files.look(|| settings.clone(), now).await, "it is news");
        assert!(!files.look(|| settings.clone(), now).await, "it is none any longer");
        assert_eq!(said(&files, server, now), [HANGS]);
        drop(hanging);
        assert!(files.look(|| settings.clone(), now).await);
        let said = said(&files, server, now);
        assert!(said.len() == 1 && said[0].contains("can't be read"), "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn settings_without_files_wait_for_no_file_system() {
        let files = FileReader::default();
        let _hanging = Arc::clone(&files.turn).lock_owned().await;
        assert!(!files.look(Settings::default, Timestamp::default()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn settings_are_those_of_when_it_is_its_turn() {
        let files = FileReader::default();
        let first = Arc::clone(&files.turn).lock_owned().await;
        let (present, now) = (std::sync::Mutex::new(Settings::default()), Timestamp::default());
        *present.lock().unwrap() = settings();
        let look = files.look(|| present.lock().unwrap().clone(), now);
        let replace = async {
            tokio::task::yield_now().await;
            present.lock().unwrap().server[0].names = vec!["shop.test".parse().unwrap()];
            drop(first);
        };
        tokio::join!(look, replace);
        let server = &present.lock().unwrap().server[0];
        assert_eq!(said(&files, server, now).len(), 1, "the one of later was looked for");
    }

    fn said(files: &FileReader, server: &VirtualServer, now: Timestamp) -> Vec<String> {
        files.lacking(server, now).into_iter().map(|lacking| lacking.what).collect()
    }

    /// A server whose files are not there.
    fn settings() -> Settings {
        let backend = "tcp:127.0.0.1:7".parse().unwrap();
        let mut server = VirtualServer::new("wiki.test".parse().unwrap(), backend);
        let file = |name: &str| std::env::temp_dir().join("no such folder").join(name);
        let (chain, key) = (file("wiki.pem"), file("wiki.key"));
        server.certificate = CertificateSource::Files(vec![front::CertificateFiles { chain, key }]);
        Settings { server: vec![server], ..Settings::default() }
    }
}
