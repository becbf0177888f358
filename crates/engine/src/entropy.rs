//! Seeds for session cores, from the kernel.

use std::io;

use tunnel::Seed;

/// A new seed.
pub(crate) fn fresh_seed() -> io::Result<Seed> {
    let mut bytes = Seed::default();
    let filled = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    if filled < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
