//! What is asked of a signer and what it answers: plain values, no octets and no deeds.
//!
//! Invariant: no question carries a key that a CA certificate could be for, and no answer carries a private
//! key. A new CA's key is made where it stays.

use std::fmt;
use std::time::Duration;

use pki::{KeyId, KeyType, NameConstraints, Serial, SignAnswer, SignError, SignRequest};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::seal::Protection;

/// The version of this protocol. Both ends are one program, so that another one is nobody of ours.
pub const VERSION: u8 = 1;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// For which CAs are there keys?
    Cas,
    /// Sign this for the CA with that key.
    Sign {
        /// Which CA.
        ca: KeyId,
        /// What.
        request: SignRequest,
    },
    /// Make a CA with a key of its own. It is not asked for by anything but a first start and an operator.
    MakeCa(CaWish),
    /// How are you?
    State,
    /// Open what is sealed, with this.
    Unlock(Passphrase),
    /// Let go of the key of a CA that has nothing to say any more.
    Forget(KeyId),
}

/// What a new CA is made of, beside the present moment, for which the signer has a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaWish {
    /// Its kind of key.
    pub key_type: KeyType,
    /// Its serial number.
    pub serial: Serial,
    /// How long it shall be valid.
    pub lifetime: Duration,
    /// Which names it may certify.
    pub names: NameConstraints,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The certificates of the CAs, DER.
    Cas(Vec<Vec<u8>>),
    /// What was signed.
    Signed(SignAnswer),
    /// The new CA's certificate, DER.
    Made(Vec<u8>),
    /// The new CA is being made: ask for the same again.
    Making,
    /// The key is gone.
    Forgotten,
    /// How it is.
    State(State),
}

/// How a signer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it should have given up and has not.
    pub lacks: Vec<Lack>,
    /// How its keys are sealed on the disk, if they are.
    pub protection: Option<Protection>,
    /// Whether there are some that it could not open.
    pub locked: bool,
}

/// What somebody typed. Wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// These octets.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets, for who opens with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What a signer should have given up and has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lack {
    /// It is a thread of the asker's process.
    Process,
    /// It can reach files beside its own.
    Files,
    /// It can reach the network.
    Network,
    /// It can make system calls that it has no use for.
    Calls,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "it is in the process that asks it",
            Self::Files => "it can reach files beside its own (no Landlock)",
            Self::Network => "it can reach the network (no Landlock for it, no seccomp filters)",
            Self::Calls => "it can make any system call (no seccomp filters)",
        })
    }
}

/// The answer, or why there is none.
pub type Reply = Result<Answer, SignError>;
