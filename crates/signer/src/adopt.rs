//! Keys that an earlier release kept with the records, moved into the signer's folder.
//!
//! One way, and once: the folder gets its name when the keys are on the disk in it and gone from the
//! records. Invariant: at each moment, whatever ends the process, they are in one of the two.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use pki::{CaError, Crl, LocalSigner, PrivateKey};

use crate::keeper::Keeper;
use crate::place::Place;
use crate::vault::{Loaded, Vault};

/// Makes the folder, with the former keys where there are any, and has the keeper take what is in it.
pub(crate) fn open(place: &Place, keeper: &mut Keeper) -> io::Result<(Vault, Loaded)> {
    let vault = Vault::at(&place.folder);
    if !place.folder.exists() {
        let former = read(&place.records)?;
        if let Err(error) = move_in(&former, place) {
            if former.is_empty() {
                return Err(error);
            }
            // A disk that takes nothing: they serve from where they are, and are moved at a later start.
            tracing::error!(%error, "the CA's key stays with the records: it could not be moved");
            former.into_iter().for_each(|(ca, last)| keeper.add(ca, last.as_ref()));
            return Ok((vault, Loaded::default()));
        }
        if !former.is_empty() {
            tracing::info!(folder = %place.folder.display(), "the CA's key was moved out of the records");
        }
    }
    let loaded = vault.load(keeper)?;
    Ok((vault, loaded))
}

type Former = (LocalSigner, Option<Crl>);

fn read(records: &Path) -> io::Result<Vec<Former>> {
    let keys = store::ca_keys_read(records).map_err(io::Error::other)?;
    let usable = |key: store::CaKey| -> Result<Former, CaError> {
        let private = PrivateKey::from_pkcs8(key.pkcs8.expose()).map_err(CaError::Key)?;
        let last = key.crl.and_then(|der| Crl::from_der(&der).ok());
        Ok((LocalSigner::new(&key.certificate, private)?, last))
    };
    keys.into_iter().map(|key| usable(key).map_err(io::Error::other)).collect()
}

fn move_in(former: &[Former], place: &Place) -> io::Result<()> {
    let mut name = place.folder.as_os_str().to_owned();
    name.push(MOVING);
    let moving = Vault::at(Path::new(&name));
    moving.make()?;
    for (ca, last) in former {
        moving.keep(ca, None)?;
        if let Some(last) = last {
            moving.note(pki::KeyId::of_spki(pki::Signer::ca(ca).spki()), last.der())?;
        }
    }
    if !former.is_empty() {
        store::ca_keys_forget(&place.records).map_err(io::Error::other)?;
    }
    fs::rename(moving.folder(), &place.folder)?;
    File::open(place.folder.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Behind the folder's name until it has it.
const MOVING: &str = ".moving";
