//! Keys that an earlier release kept with the records, moved into the signer's folder.
//!
//! One way, and once: the folder gets its name when the keys are on the disk in it and gone from the
//! records. Invariant: at each moment, whatever ends the process, they are in one of the two.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use pki::{CaError, LocalSigner, PrivateKey};
use zeroize::Zeroizing;

use crate::keeper::Keeper;
use crate::listed::Last;
use crate::place::Place;
use crate::vault::{Loaded, Vault};

/// Makes the folder, with the former keys where there are any, and has the keeper take what is in it.
pub(crate) fn open(place: &Place, keeper: &mut Keeper) -> io::Result<(Vault, Loaded)> {
    let vault = Vault::at(&place.folder);
    if !place.folder.exists() {
        let former = read(&place.records)?;
        // Where the folder is there now, one that was started before has moved them.
        if let Err(error) = move_in(&former, place)
            && !place.folder.exists()
        {
            if former.is_empty() {
                return Err(error);
            }
            // A disk that takes nothing: they serve from where they are, and are moved at a later start.
            tracing::error!(%error, "the CA's key stays with the records: it could not be moved");
            former.into_iter().for_each(|(ca, last)| {
                keeper.add(ca, &last.map_or(Last::None, |der| Last::of_der(&der)));
            });
            return Ok((vault, Loaded::default()));
        }
        if !former.is_empty() {
            tracing::info!(folder = %place.folder.display(), "the CA's key was moved out of the records");
        }
    }
    let loaded = vault.load(keeper)?;
    if let Err(error) = forget_copies(&place.moving(), vault.folder()) {
        let folder = place.moving();
        tracing::error!(folder = %folder.display(), %error, "what is left of a move of keys stays");
    }
    Ok((vault, loaded))
}

/// Removes what is left of a move beside the folder that was made by another. What is not in that folder stays.
fn forget_copies(moving: &Path, folder: &Path) -> io::Result<()> {
    if !moving.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(moving)?.collect::<io::Result<Vec<_>>>()? {
        let here = Zeroizing::new(fs::read(entry.path())?);
        let there = fs::read(folder.join(entry.file_name())).map(Zeroizing::new);
        if there.is_ok_and(|there| there == here) {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(moving)
}

/// With the last list that it signed, as it is recorded.
type Former = (LocalSigner, Option<Vec<u8>>);

fn read(records: &Path) -> io::Result<Vec<Former>> {
    let keys = store::ca_keys_read(records).map_err(io::Error::other)?;
    let usable = |key: store::CaKey| -> Result<Former, CaError> {
        let private = PrivateKey::from_pkcs8(key.pkcs8.expose()).map_err(CaError::Key)?;
        Ok((LocalSigner::new(&key.certificate, private)?, key.crl))
    };
    keys.into_iter().map(|key| usable(key).map_err(io::Error::other)).collect()
}

fn move_in(former: &[Former], place: &Place) -> io::Result<()> {
    let moving = Vault::at(&place.moving());
    moving.make()?;
    for (ca, last) in former {
        moving.keep(ca, None)?;
        if let Some(last) = last {
            moving.note(pki::KeyId::of_spki(pki::Signer::ca(ca).spki()), last)?;
        }
    }
    if !former.is_empty() {
        store::ca_keys_forget(&place.records).map_err(io::Error::other)?;
    }
    fs::rename(moving.folder(), &place.folder)?;
    File::open(place.folder.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_a_move_left_goes_and_what_is_nowhere_else_stays() {
        let path = std::env::temp_dir().join(format!("signer-adopt-{}", std::process::id()));
        let (folder, moving) = (path.join("ca"), path.join("ca.moving"));
        for (file, content) in [("ca/one.pem", "1"), ("ca.moving/one.pem", "1")] {
            let file = path.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, content).expect("written");
        }
        fs::write(moving.join("two.pem"), "2").expect("written");
        assert!(forget_copies(&moving, &folder).is_err(), "something is left");
        assert!(!moving.join("one.pem").exists() && moving.join("two.pem").exists());
        fs::write(folder.join("two.pem"), "2").expect("written");
        forget_copies(&moving, &folder).expect("forgotten");
        assert!(!moving.exists() && folder.join("two.pem").exists());
        forget_copies(&moving, &folder).expect("nothing to forget");
        fs::remove_dir_all(&path).expect("removed");
    }
}
