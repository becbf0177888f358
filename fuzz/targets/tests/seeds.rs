//! Writes the seed corpora anew, and the CA that the seeds of `pki` were issued by.
//!
//! `cargo test -p fuzz-targets --test seeds -- --ignored` after a format has changed. Keys and
//! signatures differ from run to run; everything else comes out the same.

#![allow(clippy::unwrap_used, reason = "a seed that can't be made has to fail the run")]

#[path = "seeds/certificates.rs"]
mod certificates;
#[path = "seeds/joined.rs"]
mod joined;
#[path = "seeds/openings.rs"]
mod openings;
#[path = "seeds/packets.rs"]
mod packets;
#[path = "seeds/signer.rs"]
mod signer;
#[path = "seeds/starttls.rs"]
mod starttls_seeds;
#[path = "seeds/texts.rs"]
mod texts;
#[path = "seeds/vectors.rs"]
mod vectors;

use std::fs;
use std::path::Path;

#[test]
#[ignore = "writes into the source tree"]
fn the_seed_corpora_are_written() {
    vectors::write();
    texts::write();
    openings::write();
    packets::write();
    joined::write();
    certificates::write();
    signer::write();
    starttls_seeds::write();
}

/// Writes one seed; its name says what it is.
fn seed(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = fuzz().join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn fuzz() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
