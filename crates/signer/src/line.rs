//! The gateway's end of the line, and what stands for each CA on it.
//!
//! The signer is started by the first question, since most commands have none, and again by the question
//! after its death. Questions wait for each other: the other end has one thread. Invariant: an answer belongs
//! to the question before it; a line on which that is in doubt is given up.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use pki::{CaCertificate, CaError, KeyId, SignAnswer, SignError, SignRequest, Signer, Signing};

use crate::frame;
use crate::place::Place;
use crate::program::start;
use crate::protocol::{Answer, Ask, CaWish, Passphrase, Reply, State};
use crate::vault::Vault;

/// The way to the keys.
#[derive(Debug)]
pub struct Line {
    place: Place,
    clock: Arc<dyn Clock>,
    other: Mutex<Option<OtherEnd>>,
    /// Whether the keys had their folder when the line was opened.
    had_folder: AtomicBool,
}

impl Line {
    /// The way to the keys at this place. Those that an earlier release kept with the records are moved
    /// first; the records must not be open.
    ///
    /// # Errors
    /// When there is no way.
    pub async fn open(place: Place, clock: Arc<dyn Clock>) -> Result<Arc<Self>, SignError> {
        let is_new = !place.folder.exists();
        let had_folder = AtomicBool::new(false);
        let line = Arc::new(Self { place, clock, other: Mutex::default(), had_folder });
        if is_new {
            line.cas().await?;
        }
        line.had_folder.store(line.place.folder.exists(), Ordering::Relaxed);
        Ok(line)
    }

    /// The CAs whose keys the signer has.
    ///
    /// # Errors
    /// When the signer can't be reached.
    pub async fn cas(self: &Arc<Self>) -> Result<Vec<CaCertificate>, SignError> {
        let Answer::Cas(all) = self.ask(Ask::Cas).await? else {
            return Err(SignError::WrongAnswer);
        };
        all.iter().map(|der| certificate(der)).collect()
    }

    /// Makes a CA, whose key stays with the signer.
    ///
    /// # Errors
    /// When it could not be made, or its key not be written down.
    pub async fn make_ca(self: &Arc<Self>, wish: CaWish) -> Result<CaCertificate, SignError> {
        let begun = std::time::Instant::now();
        loop {
            match self.ask(Ask::MakeCa(wish.clone())).await? {
                Answer::Made(der) => return certificate(&der),
                // Others ask in between.
                Answer::Making if begun.elapsed() < LONGEST => tokio::time::sleep(PAUSE).await,
                Answer::Making => return Err(SignError::NoNewKey),
                _ => return Err(SignError::WrongAnswer),
            }
        }
    }

    /// Has the signer let go of the key of a CA that has nothing to say any more.
    ///
    /// # Errors
    /// When it sees that otherwise, or the disk does.
    pub async fn forget(self: &Arc<Self>, ca: &CaCertificate) -> Result<(), SignError> {
        match self.ask(Ask::Forget(KeyId::of_spki(ca.spki()))).await? {
            Answer::Forgotten => Ok(()),
            _ => Err(SignError::WrongAnswer),
        }
    }

    /// How the signer is.
    ///
    /// # Errors
    /// When it can't be reached.
    pub async fn state(self: &Arc<Self>) -> Result<State, SignError> {
        match self.ask(Ask::State).await? {
            Answer::State(state) => Ok(state),
            _ => Err(SignError::WrongAnswer),
        }
    }

    /// Has the signer open what is sealed. It knows the passphrase as long as it lives, and nobody else does.
    ///
    /// # Errors
    /// When it is another's.
    pub async fn unlock(self: &Arc<Self>, passphrase: Passphrase) -> Result<State, SignError> {
        match self.ask(Ask::Unlock(passphrase)).await? {
            Answer::State(state) => Ok(state),
            _ => Err(SignError::WrongAnswer),
        }
    }

    /// Who signs for this CA, if its key is there.
    pub fn signer(self: &Arc<Self>, ca: &CaCertificate) -> Option<Arc<dyn Signer>> {
        let id = KeyId::of_spki(ca.spki());
        let folder = &self.place.folder;
        // On a disk that takes nothing the keys may still be where they were, and the signer has them.
        let is_there = Vault::at(folder).has(id) || !folder.exists();
        is_there.then(|| Arc::new(Remote { line: Arc::clone(self), ca: ca.clone(), id }) as _)
    }

    /// Whether a CA whose key is or was there has signed a list: it was at work then.
    pub fn has_signed_lists(&self) -> bool {
        Vault::at(&self.place.folder).has_lists()
    }

    async fn ask(self: &Arc<Self>, ask: Ask) -> Reply {
        let line = Arc::clone(self);
        // A question that nobody waits for any more is answered all the same, so that the line stays in step.
        let asked = tokio::task::spawn_blocking(move || line.ask_and_wait(&ask)).await;
        asked.unwrap_or(Err(SignError::Unreachable))
    }

    fn ask_and_wait(&self, ask: &Ask) -> Reply {
        let question = frame::encode(ask).map_err(|_| SignError::TooMuch)?;
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            match self.try_once(&mut other, &question, patience(ask, &question)) {
                Ok(reply) => return reply,
                Err(error) => {
                    tracing::warn!(%error, "the signer did not answer; it is started anew")
                }
            }
            *other = None;
        }
        Err(SignError::Unreachable)
    }

    fn try_once(
        &self,
        other: &mut Option<OtherEnd>,
        question: &[u8],
        patience: Duration,
    ) -> io::Result<Reply> {
        match other {
            Some(end) => end.exchange(question, patience),
            // It reads its keys first, and opens those that are sealed.
            none => none.insert(self.start()?).exchange(question, LONGEST),
        }
    }

    /// A signer without its folder would look for keys in the records, which are open by now, and make an empty one.
    fn start(&self) -> io::Result<OtherEnd> {
        if self.had_folder.load(Ordering::Relaxed) && !self.place.folder.exists() {
            return Err(io::Error::new(
                ErrorKind::NotFound,
                "the folder with the CA's keys is gone",
            ));
        }
        OtherEnd::start(&self.place, &self.clock)
    }
}

/// How long an answer may take. The others wait for it as well.
fn patience(ask: &Ask, question: &[u8]) -> Duration {
    let mebibytes = u32::try_from(question.len() >> 20).unwrap_or(u32::MAX);
    match ask {
        Ask::MakeCa(_) | Ask::Unlock(_) => LONGEST,
        Ask::Cas | Ask::Sign { .. } | Ask::Forget(_) | Ask::State => {
            LONGEST.min(PATIENCE + PATIENCE_A_MEBIBYTE * mebibytes)
        }
    }
}

fn certificate(der: &[u8]) -> Result<CaCertificate, SignError> {
    CaCertificate::from_der(der).map_err(|_: CaError| SignError::WrongAnswer)
}

/// A signer that was started. Dropping it ends it.
#[derive(Debug)]
struct OtherEnd {
    line: UnixStream,
    process: Option<Child>,
}

impl OtherEnd {
    fn start(place: &Place, clock: &Arc<dyn Clock>) -> io::Result<Self> {
        let (line, far) = UnixStream::pair()?;
        Ok(Self { line, process: start(far, place, clock)? })
    }

    fn exchange(&mut self, question: &[u8], patience: Duration) -> io::Result<Reply> {
        self.line.set_read_timeout(Some(patience))?;
        self.line.set_write_timeout(Some(patience))?;
        io::Write::write_all(&mut self.line, question)?;
        let body = frame::read(&mut self.line)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(frame::decode(&body)?)
    }
}

impl Drop for OtherEnd {
    fn drop(&mut self) {
        let _ = self.line.shutdown(Shutdown::Both);
        if let Some(process) = self.process.take() {
            end(process);
        }
    }
}

/// It would end by itself; what it writes is there whole or not at all. One that hangs in the kernel, on a disk
/// that does not answer, is left to a thread that waits for it.
fn end(mut process: Child) {
    let _ = process.kill();
    for _ in 0..LOOKS {
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    tracing::warn!("a signer that was killed does not end; is its disk in reach?");
    let wait = move || process.wait();
    let _ = std::thread::Builder::new().name("signer's end".to_owned()).spawn(wait);
}

/// A CA whose key is at the other end.
#[derive(Debug)]
struct Remote {
    line: Arc<Line>,
    ca: CaCertificate,
    id: KeyId,
}

impl Signer for Remote {
    fn ca(&self) -> &CaCertificate {
        &self.ca
    }

    fn sign(&self, request: SignRequest) -> Signing<'_> {
        Box::pin(async move {
            match self.line.ask(Ask::Sign { ca: self.id, request }).await? {
                Answer::Signed(answer) => Ok::<SignAnswer, _>(answer),
                _ => Err(SignError::WrongAnswer),
            }
        })
    }
}

/// Between two questions whether a CA was made.
const PAUSE: Duration = Duration::from_millis(50);
const LOOKS: u32 = 1000;
const LOOK: Duration = Duration::from_millis(2);
/// One for a signer that has died since the last question.
const TRIES: usize = 2;
/// A signature takes a small part of that on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A list of so much is read, compared, signed and written down.
const PATIENCE_A_MEBIBYTE: Duration = Duration::from_secs(2);
/// The longest RSA key takes some seconds on a slow machine.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::fs;

    use clock::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_signer_whose_folder_is_gone_is_not_started_anew_until_it_is_back() {
        let path = std::env::temp_dir().join(format!("signer-line-{}", std::process::id()));
        fs::create_dir_all(&path).expect("made");
        let place = Place { folder: path.join("ca"), records: path.join("handfast.db") };
        let line = Line::open(place.clone(), Arc::new(SystemClock)).await.expect("opened");
        let away = path.join("away");
        fs::rename(&place.folder, &away).expect("moved away");
        *line.other.lock().expect("free") = None;
        assert_eq!(line.cas().await, Err(SignError::Unreachable));
        assert!(!place.folder.exists(), "none is made in its place");
        fs::rename(&away, &place.folder).expect("put back");
        assert_eq!(line.cas().await, Ok(Vec::new()));
        drop(line);
        fs::remove_dir_all(&path).expect("removed");
    }
}
