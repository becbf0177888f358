//! The TLS 1.0 pseudo-random function, and data-channel keys made with it.
//!
//! For peers that know no TLS exporter. The function is the one of TLS 1.0 whatever version of TLS the
//! control channel speaks; MD5 has no other use in Handfast.

use aws_lc_rs::hmac as lc_hmac;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use zeroize::{Zeroize, Zeroizing};

use crate::header::SessionId;
use crate::key_material::{KeyMaterial, ZeroKey};
use crate::key_method::{ClientKeySource, ServerKeySource};

/// Derives the data-channel keys. The session ids are those of the hard reset, in every renegotiation.
pub fn expand(
    client: &ClientKeySource,
    server: &ServerKeySource,
    client_session: SessionId,
    server_session: SessionId,
) -> Result<KeyMaterial, ZeroKey> {
    let mut master = Zeroizing::new([0; 48]);
    let seed = [&b"OpenVPN master secret"[..], &client.random1, &server.random1];
    prf(&client.pre_master, &seed, &mut *master);
    let mut keys = Zeroizing::new([0; KeyMaterial::LEN]);
    let seed = [
        &b"OpenVPN key expansion"[..],
        &client.random2,
        &server.random2,
        client_session.as_bytes(),
        server_session.as_bytes(),
    ];
    prf(&*master, &seed, &mut *keys);
    KeyMaterial::from_bytes(&keys)
}

/// The TLS 1.0 PRF (RFC 2246, section 5); the label is the first part of the seed.
fn prf(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let half = secret.len().div_ceil(2);
    let (front, back) = (secret.get(..half), secret.get(secret.len() - half..));
    let (front, back) = (front.unwrap_or(secret), back.unwrap_or(secret));
    let sha1 = lc_hmac::Key::new(lc_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, back);
    out.fill(0);
    p_hash(|parts| md5_mac(front, parts), seed, out);
    p_hash(|parts| sha1_mac(&sha1, parts), seed, out);
}

/// XORs P_hash into `out`.
fn p_hash<const N: usize>(mac: impl Fn(&[&[u8]]) -> [u8; N], seed: &[&[u8]], out: &mut [u8]) {
    let mut a = mac(seed);
    for chunk in out.chunks_mut(N) {
        let mut parts: Vec<&[u8]> = vec![&a];
        parts.extend_from_slice(seed);
        let mut block = mac(&parts);
        chunk.iter_mut().zip(&block).for_each(|(byte, more)| *byte ^= more);
        block.zeroize();
        a = mac(&[&a]);
    }
    a.zeroize();
}

fn md5_mac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn sha1_mac(key: &lc_hmac::Key, parts: &[&[u8]]) -> [u8; 20] {
    let mut context = lc_hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 20];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_check_constant_of_the_reference_comes_out() {
        let mut out = [0; 8];
        prf(b"tls1-prf-test-secret", &[b"tls1-prf-test"], &mut out);
        assert_eq!(out, 0x7144_fe25_4073_7595u64.to_be_bytes());
    }

    #[test]
    fn the_seeds_parts_are_joined_without_anything_between() {
        let (mut whole, mut parts) = ([0; 50], [0; 50]);
        prf(b"odd secret.", &[b"ab"], &mut whole);
        prf(b"odd secret.", &[b"a", b"", b"b"], &mut parts);
        assert_eq!(whole, parts);
    }

    #[test]
    fn each_input_changes_the_keys() {
        let client = ClientKeySource::from_random(&[1; 112]);
        let server = ServerKeySource::from_random(&[2; 64]);
        let (c, s) = (SessionId::new([3; 8]).unwrap(), SessionId::new([4; 8]).unwrap());
        let keys = |client: &ClientKeySource, server: &ServerKeySource, c, s| {
            *expand(client, server, c, s).unwrap().as_bytes()
        };
        let base = keys(&client, &server, c, s);
        let mut other = client.clone();
        other.pre_master[47] ^= 1;
        assert_ne!(base, keys(&other, &server, c, s));
        let mut other = server.clone();
        other.random2[0] ^= 1;
        assert_ne!(base, keys(&client, &other, c, s));
        assert_ne!(base, keys(&client, &server, s, c));
        assert_eq!(base, keys(&client, &server, c, s));
    }
}
