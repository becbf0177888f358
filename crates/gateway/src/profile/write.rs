//! Which files a `profile` call gives, and why some are not given.
//!
//! Invariants: a key is written once, in the call that made it; a file that holds another device's
//! identity, or one that can't be told, is never replaced; a certificate is never put beside a key
//! that it does not belong to.

use std::path::{Path, PathBuf};

use admin::names::DeviceName;
use admin::response::{Certificate, KeyMaterial, ProfileMaterial};
use admin::secret::SecretText;
use serde::Serialize;
use sysio::FolderError;

use super::folder::{Folder, NotPlaced};
use super::render::{self, Identity, RenderError};
use super::{Form, SPLIT_CERTIFICATE, SPLIT_KEY, System};

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose profile.
    pub name: DeviceName,
    /// For which systems.
    pub systems: Vec<System>,
    /// In which form.
    pub form: Form,
    /// Whether this call makes a key: the first time, and on a renewal.
    pub makes_key: bool,
}

impl Wanted {
    fn unified_name(&self, system: System) -> String {
        format!("{}-{}-{}.ovpn", self.name.user, self.name.device, system.word())
    }

    /// Every file that may be written.
    fn all_files(&self) -> Vec<String> {
        let split = self.systems.iter().filter(|system| !system.is_mobile());
        let split = split.map(|system| split_name(*system));
        let of_identity = [SPLIT_CERTIFICATE, SPLIT_KEY].map(str::to_owned);
        match self.form {
            // Where the key is gone, the common files are written instead.
            Form::Unified => self.identity_files().into_iter().chain(split).collect(),
            Form::Split => split.chain(of_identity).collect(),
        }
    }

    /// Every file that could hold an identity.
    fn identity_files(&self) -> Vec<String> {
        match self.form {
            Form::Unified => self.systems.iter().map(|s| self.unified_name(*s)).collect(),
            Form::Split => vec![SPLIT_CERTIFICATE.to_owned()],
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The files, in the order written.
    pub files: Vec<PathBuf>,
    /// Systems that got nothing, and why.
    pub skipped: Vec<Skipped>,
}

/// A system that got no profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Which.
    pub system: System,
    /// Why.
    pub why: SkipReason,
}

/// Why a system got no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its clients import one file with everything in it, the split form was asked for.
    NeedsOneFile,
    /// Its clients need the key inside the profile, and the key is not to be had.
    NeedsTheKey,
}

/// A folder that was looked at, ready for the files.
#[derive(Debug)]
pub struct Prepared {
    folder: Folder,
    wanted: Wanted,
    known: Vec<Certificate>,
}

/// Looks at the folder before any key is made. `known` are the device's certificates so far.
pub fn prepare(
    path: &Path,
    wanted: Wanted,
    known: Vec<Certificate>,
) -> Result<Prepared, WriteError> {
    let folder = Folder::open(path)
        .map_err(|source| WriteError::Folder { path: path.to_owned(), source })?;
    let prepared = Prepared { folder, wanted, known };
    for name in prepared.wanted.all_files() {
        // A link or a pipe there would be found when the key is made already.
        prepared.lies_there(&name)?;
    }
    for name in prepared.wanted.identity_files() {
        prepared.guard(&name)?;
    }
    prepared.guard_lone_key()?;
    Ok(prepared)
}

impl Prepared {
    /// Writes everything the material allows.
    pub fn write(mut self, material: &ProfileMaterial) -> Result<Written, WriteError> {
        let mut written = Written { files: Vec::new(), skipped: Vec::new() };
        match (&material.key, self.wanted.form) {
            (KeyMaterial::Made { pem }, Form::Unified) => {
                self.stage_unified(material, pem, &mut written)?;
            }
            (KeyMaterial::Made { pem }, Form::Split) => {
                self.stage_split(material, SkipReason::NeedsOneFile, &mut written)?;
                self.stage_identity(material, pem, &mut written)?;
            }
            (KeyMaterial::Gone, _) => {
                self.stage_split(material, SkipReason::NeedsTheKey, &mut written)?;
            }
            (KeyMaterial::OnDevice, _) => {
                self.stage_split(material, SkipReason::NeedsTheKey, &mut written)?;
                self.guard(SPLIT_CERTIFICATE)?;
                let certificate = SecretText::new(material.certificate.pem.clone());
                self.stage(SPLIT_CERTIFICATE, &certificate, &mut written)?;
            }
        }
        self.folder.commit().map_err(WriteError::NotPlaced)?;
        Ok(written)
    }

    fn lies_there(&self, name: &str) -> Result<bool, WriteError> {
        let path = self.folder.target(name);
        self.folder.has(name).map_err(|source| WriteError::Folder { path, source })
    }

    /// Refuses a file that holds an identity other than this device's.
    fn guard(&self, name: &str) -> Result<(), WriteError> {
        let path = self.folder.target(name);
        match self.folder.existing(name) {
            Ok(Some(text)) if !holds_one_of(&text, &self.known) => {
                Err(WriteError::OtherDevice { path })
            }
            Ok(_) => Ok(()),
            Err(source) => Err(WriteError::Folder { path, source }),
        }
    }

    /// A key without a certificate beside it can be anybody's.
    fn guard_lone_key(&self) -> Result<(), WriteError> {
        let key = self.folder.target(SPLIT_KEY);
        let makes = self.wanted.makes_key && self.wanted.form == Form::Split;
        if makes && self.lies_there(SPLIT_KEY)? && !self.lies_there(SPLIT_CERTIFICATE)? {
            return Err(WriteError::OtherDevice { path: key });
        }
        Ok(())
    }

    fn stage_unified(
        &mut self,
        material: &ProfileMaterial,
        key_pem: &SecretText,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let identity =
            Identity { name: &material.name, certificate_pem: &material.certificate.pem, key_pem };
        for system in self.wanted.systems.clone() {
            let text = render::unified(system, &material.common, identity)?;
            self.stage(&self.wanted.unified_name(system), &text, written)?;
        }
        Ok(())
    }

    fn stage_split(
        &mut self,
        material: &ProfileMaterial,
        skip: SkipReason,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        for system in self.wanted.systems.clone() {
            if system.is_mobile() {
                written.skipped.push(Skipped { system, why: skip });
                continue;
            }
            let text = render::split(system, &material.common)?;
            self.stage(&split_name(system), &text, written)?;
        }
        Ok(())
    }

    fn stage_identity(
        &mut self,
        material: &ProfileMaterial,
        key_pem: &SecretText,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let certificate = SecretText::new(material.certificate.pem.clone());
        self.stage(SPLIT_CERTIFICATE, &certificate, written)?;
        self.stage(SPLIT_KEY, key_pem, written)
    }

    fn stage(
        &mut self,
        name: &str,
        text: &SecretText,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let path = self.folder.target(name);
        let staged = self.folder.stage(name, text);
        staged.map_err(|source| WriteError::Folder { path: path.clone(), source })?;
        written.files.push(path);
        Ok(())
    }
}

fn split_name(system: System) -> String {
    format!("handfast-{}.ovpn", system.word())
}

/// Whether the first certificate of a device in a file is one of these.
fn holds_one_of(text: &SecretText, known: &[Certificate]) -> bool {
    let text = text.expose();
    // A unified profile has the CA before the device's certificate.
    let text = text.split_once("<cert>").map_or(text, |(_, rest)| rest);
    certificate_body(text).is_some_and(|found| {
        known.iter().any(|c| certificate_body(&c.pem).as_ref() == Some(&found))
    })
}

fn certificate_body(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    Some(body.split_whitespace().collect())
}

/// Why profiles could not be written.
#[derive(Debug)]
pub enum WriteError {
    /// The folder or a file in it can't be written or read.
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: FolderError,
    },
    /// Files were written and could not be given their names.
    NotPlaced(NotPlaced),
    /// A file lies there that holds another device's identity, or one that can't be told.
    OtherDevice {
        /// Which.
        path: PathBuf,
    },
    /// The profile itself can't be made.
    Render(RenderError),
}

impl From<RenderError> for WriteError {
    fn from(error: RenderError) -> Self {
        Self::Render(error)
    }
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { path, .. } => write!(f, "{} can't be written", path.display()),
            Self::NotPlaced(NotPlaced { kept, .. }) => {
                write!(f, "what was written stays as {}, and could not be renamed", kept.display())
            }
            Self::OtherDevice { path } => {
                write!(f, "{} does not belong to this device", path.display())
            }
            Self::Render(_) => write!(f, "the profile can't be made"),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder { source, .. } | Self::NotPlaced(NotPlaced { source, .. }) => Some(source),
            Self::Render(error) => Some(error),
            Self::OtherDevice { .. } => None,
        }
    }
}
