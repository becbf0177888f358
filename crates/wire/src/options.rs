//! The options string that both sides compare for their logs.
//!
//! Of a peer's string `cipher` has a use, and what says that its data packets can't be read here. Ours is
//! made such that a stock peer finds nothing to warn about.

use std::fmt;

use crate::cipher::Cipher;
use crate::key_material::Role;
use crate::static_key::KeyDirection;
use crate::tls_auth::AuthDigest;

/// What AEAD adds to the tunnel MTU by the old way of counting: header, tag, and the worst case of an
/// IV that isn't sent.
const LINK_OVERHEAD: u32 = 49;

/// Our side's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Our TLS role.
    pub role: Role,
    /// The tunnel's MTU.
    pub tun_mtu: u16,
    /// TCP instead of UDP.
    pub tcp: bool,
    /// The cipher, where it is known before negotiation (for peers that don't negotiate).
    pub cipher: Option<Cipher>,
    /// The `auth` digest.
    pub auth: AuthDigest,
    /// The tls-auth key direction, if tls-auth is in use.
    pub tls_auth: Option<KeyDirection>,
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link_mtu = u32::from(self.tun_mtu) + LINK_OVERHEAD + if self.tcp { 2 } else { 0 };
        let (proto, role) = match (self.tcp, self.role) {
            (false, Role::TlsServer) => ("UDPv4", "tls-server"),
            (false, Role::TlsClient) => ("UDPv4", "tls-client"),
            (true, Role::TlsServer) => ("TCPv4_SERVER", "tls-server"),
            (true, Role::TlsClient) => ("TCPv4_CLIENT", "tls-client"),
        };
        write!(f, "V4,dev-type tun,link-mtu {link_mtu},tun-mtu {},proto {proto}", self.tun_mtu)?;
        if let Some(number) = self.tls_auth.and_then(KeyDirection::number) {
            write!(f, ",keydir {number}")?;
        }
        if let Some(cipher) = self.cipher {
            write!(f, ",cipher {cipher}")?;
        }
        let key_bits = self.cipher.map_or(256, |cipher| cipher.key_len() * 8);
        write!(f, ",auth {},keysize {key_bits}", self.auth)?;
        if self.tls_auth.is_some() {
            f.write_str(",tls-auth")?;
        }
        write!(f, ",key-method 2,{role}")
    }
}

/// The cipher that a peer's string names.
pub fn cipher_token(options: &str) -> Option<&str> {
    options
        .split(',')
        .find_map(|token| token.strip_prefix("cipher "))
        .filter(|name| !name.is_empty())
}

/// What a peer does to its data packets that is not spoken here, so that none would be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Frames of Ethernet (`dev tap`).
    Ethernet,
    /// Fragments with headers of their own (`fragment`).
    Fragments,
    /// A byte for compression (`comp-lzo`, `compress`).
    Compression,
}

impl Framing {
    /// All of them.
    pub const ALL: [Framing; 3] = [Framing::Ethernet, Framing::Fragments, Framing::Compression];

    /// By the peer's options string: the one that is hardest to do without.
    pub fn of(options: &str) -> Option<Framing> {
        Framing::ALL.into_iter().find(|framing| has(options, framing.token()))
    }

    /// The line of a configuration that turns it on, as its owner knows it.
    pub fn directive(self) -> &'static str {
        match self {
            Framing::Ethernet => "dev tap",
            Framing::Fragments => "fragment",
            Framing::Compression => "comp-lzo or compress",
        }
    }

    fn token(self) -> &'static str {
        match self {
            Framing::Ethernet => "dev-type tap",
            Framing::Fragments => "mtu-dynamic",
            Framing::Compression => "comp-lzo",
        }
    }
}

fn has(options: &str, token: &str) -> bool {
    options.split(',').any(|one| one == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Options = Options {
        role: Role::TlsClient,
        tun_mtu: 1500,
        tcp: false,
        cipher: None,
        auth: AuthDigest::Sha1,
        tls_auth: None,
    };

    #[test]
    fn the_string_has_the_documented_form() {
        assert_eq!(
            CLIENT.to_string(),
            "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,auth SHA1,keysize 256,key-method 2,tls-client"
        );
        let server = Options {
            role: Role::TlsServer,
            tun_mtu: 1400,
            cipher: Some(Cipher::Aes128Gcm),
            auth: AuthDigest::Sha256,
            tls_auth: Some(KeyDirection::Normal),
            ..CLIENT
        };
        assert_eq!(
            server.to_string(),
            "V4,dev-type tun,link-mtu 1449,tun-mtu 1400,proto UDPv4,keydir 0,cipher AES-128-GCM,auth SHA256,\
             keysize 128,tls-auth,key-method 2,tls-server"
        );
    }

    #[test]
    fn the_cipher_is_read_as_a_whole_word() {
        let options = "V4,dev-type tun,comp-lzo,cipher AES-256-GCM,auth SHA1";
        assert_eq!(cipher_token(options), Some("AES-256-GCM"));
        assert_eq!(cipher_token("V4,ciphers x,cipher "), None);
    }

    #[test]
    fn what_makes_data_packets_unreadable_is_found_whole_words_only() {
        let framing = |options| Framing::of(options);
        assert_eq!(framing("V4,dev-type tun,comp-lzo,key-method 2"), Some(Framing::Compression));
        assert_eq!(framing("V4,dev-type tun,comp-lzo,mtu-dynamic"), Some(Framing::Fragments));
        assert_eq!(framing("V4,dev-type tap,link-mtu 1581"), Some(Framing::Ethernet));
        assert_eq!(framing("V4,dev-type tun,comp-lzo no,mtu-dynamic-x"), None);
    }
}
