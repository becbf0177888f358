//! The signer's end of the line: one question after the other, until the asker is gone.
//!
//! Not here: what may be signed, which the keeper says. Invariant: a new CA is on the disk before anybody
//! hears of it. Whoever asks in another form than ours is nobody to serve.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clock::Clock;
use pki::{
    CaCertificate, KeyId, LocalSigner, Profile, SignAnswer, SignError, SignRequest, Signer as _,
};

use crate::given::Given;
use crate::listed::Last;
use crate::making::{Making, Progress};
use crate::place::Place;
use crate::protocol::{Answer, Ask, CaWish, Lack, Passphrase, Reply, State};
use crate::spent::{Ahead, Noted};
use crate::vault::{Loaded, Vault};
use crate::{Keeper, adopt, frame, sandbox};

/// Whose memory the keys are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A process of their own, which goes into its sandbox. It has no other thread, but where a CA is made.
    Alone,
    /// A thread of the asker's.
    OnAThread,
}

/// Serves until the other end closes.
///
/// # Errors
/// When there are no keys to serve with, or the other end is none of ours.
pub fn serve(
    line: UnixStream,
    place: &Place,
    clock: &dyn Clock,
    standing: Standing,
) -> io::Result<()> {
    let mut keeper = Keeper::new(clock.now());
    let (vault, loaded) = adopt::open(place, &mut keeper)?;
    let noted = vault.left();
    if let Some((left, given)) = &noted {
        keeper.go_on(left, given.clone(), clock.now());
    }
    let lacks = match standing {
        Standing::Alone => sandbox::enter(vault.folder()),
        Standing::OnAThread => vec![Lack::Process],
    };
    let ahead = Ahead::default();
    let making = None;
    Serving { keeper, vault, noted, ahead, loaded, making, clock, lacks }.answer_all(line)
}

struct Serving<'a> {
    keeper: Keeper,
    vault: Vault,
    /// How many signatures are on the disk as not given yet, and which are as given.
    noted: Option<(Noted, Given)>,
    ahead: Ahead,
    loaded: Loaded,
    making: Option<Making>,
    clock: &'a dyn Clock,
    lacks: Vec<Lack>,
}

impl Serving<'_> {
    fn answer_all(mut self, mut line: UnixStream) -> io::Result<()> {
        while let Some(body) = frame::read(&mut line)? {
            let reply = self.answer(frame::decode(&body)?);
            frame::write(&mut line, &reply)?;
        }
        Ok(())
    }

    fn answer(&mut self, ask: Ask) -> Reply {
        match ask {
            Ask::Cas => {
                let all = self.keeper.certificates().map(|ca| ca.der().to_vec());
                Ok(Answer::Cas(all.collect()))
            }
            Ask::Sign { ca, request } => self.sign(ca, request).map(Answer::Signed),
            Ask::MakeCa(wish) => self.make(wish),
            Ask::Forget(ca) => self.forget(&ca).map(|()| Answer::Forgotten),
            Ask::State => Ok(Answer::State(self.state())),
            Ask::Unlock(passphrase) => {
                self.unlock(&passphrase).map(|()| Answer::State(self.state()))
            }
        }
    }

    fn state(&self) -> State {
        let protection = self.vault.protection().ok().flatten();
        let locked = !self.loaded.locked.is_empty();
        State { lacks: self.lacks.clone(), protection, locked }
    }

    fn unlock(&mut self, passphrase: &Passphrase) -> Result<(), SignError> {
        let opened = self.loaded.unlock(passphrase.expose(), &self.vault, &mut self.keeper);
        match &opened {
            Ok(()) => tracing::info!("the CA's key was opened"),
            Err(error) => tracing::warn!(%error, "the CA's key was not opened"),
        }
        opened
    }

    fn sign(&mut self, ca: KeyId, request: SignRequest) -> Result<SignAnswer, SignError> {
        let what = describe(&request);
        if let Some(before) = self.keeper.signed_before(&ca, &request, self.clock.now()) {
            tracing::info!(asked = what, "the CA's key signed that before, and it is given again");
            return Ok(before);
        }
        let signed = self.keeper.sign(&ca, request, self.clock.now());
        match &signed {
            Ok(_) => tracing::info!(signed = what, "the CA's key signed"),
            Err(error) => tracing::warn!(%error, refused = what, "the CA's key did not sign"),
        }
        self.note_left();
        if let Ok(SignAnswer::Crl(der)) = &signed
            && let Err(error) = self.vault.note(ca, der)
        {
            // It holds in memory, and the next list is noted again.
            tracing::error!(%error, "the signer could not write down which CRL it signed");
        }
        signed
    }

    /// Before what was signed leaves.
    fn note_left(&mut self) {
        let there = self.noted.as_ref().map(|(left, _)| left);
        let left = self.keeper.still_left(there, self.ahead, self.clock.now());
        let noted = (left, self.keeper.given().clone());
        self.ahead.grow();
        if self.noted.as_ref() == Some(&noted) {
            return;
        }
        match self.vault.note_left(&noted.0, &noted.1) {
            Ok(()) => self.noted = Some(noted),
            // It is counted in memory, and written down with a signature that the disk takes.
            Err(error) => {
                tracing::error!(%error, "the signer could not write down how much it signed")
            }
        }
    }

    fn make(&mut self, wish: CaWish) -> Result<Answer, SignError> {
        let making = match self.making.take() {
            Some(making) if making.is_for(&wish) => making,
            former => {
                // One that nobody asks for again is done with, once it is made.
                if let Some(Progress::Going(former)) = former.map(Making::wait) {
                    self.making = Some(former);
                    return Err(SignError::TooOften { again_in: FOR_ANOTHER });
                }
                let new = self.keeper.new_ca(&wish, self.clock.now())?;
                Making::begin(wish, new)
            }
        };
        match making.wait() {
            Progress::Going(making) => {
                self.making = Some(making);
                Ok(Answer::Making)
            }
            Progress::Done(made) => self.keep(*made?).map(Answer::Made),
        }
    }

    fn keep(&mut self, made: LocalSigner) -> Result<Vec<u8>, SignError> {
        if let Err(error) = self.vault.keep(&made, self.loaded.seal.as_ref()) {
            tracing::error!(%error, "the key of a new CA could not be written down");
            return Err(SignError::NotKept);
        }
        tracing::info!(ca = made.ca().name(), "the signer made a CA");
        let der = made.ca().der().to_vec();
        self.keeper.add(made, &Last::None);
        Ok(der)
    }

    fn forget(&mut self, ca: &KeyId) -> Result<(), SignError> {
        self.keeper.may_forget(ca, self.clock.now())?;
        if let Err(error) = self.vault.forget(*ca) {
            tracing::error!(%error, "the key of a CA that has nothing to say any more stays");
            return Err(SignError::NotKept);
        }
        tracing::info!(%ca, "the signer let go of the key of a CA");
        self.keeper.forget(ca);
        Ok(())
    }
}

/// By then the CA in the making is there, also with a long key on a slow machine.
const FOR_ANOTHER: Duration = Duration::from_secs(60);

fn describe(request: &SignRequest) -> String {
    let request = match request {
        SignRequest::Certificate(request) => request,
        SignRequest::Cross(request) => {
            let whom = CaCertificate::from_der(&request.other);
            let whom = whom.map_or("nobody".to_owned(), |ca| ca.name().to_owned());
            return format!("certificate {} that vouches for {whom:?}", request.serial);
        }
        SignRequest::Crl(list) => {
            return format!("CRL {} with {} revocations", list.number, list.revoked.len());
        }
    };
    let whom = match &request.profile {
        Profile::Gateway { .. } => "the gateway".to_owned(),
        Profile::Device { user, device } => format!("{user}/{device}"),
        Profile::Server { names } | Profile::Peer { names } => names.join(" "),
        Profile::Client { name } | Profile::OcspSigner { name } => name.clone(),
    };
    let until = request.validity.not_after.date();
    format!("certificate {} for {whom:?} until {until}", request.serial)
}
