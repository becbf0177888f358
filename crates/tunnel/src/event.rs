//! What a session tells its driver and what the driver answers. Values only.

use std::fmt;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use wire::cipher::Cipher;
use wire::key_material::{KeyMaterial, Role};
use wire::peer_info::PeerInfo;
use wire::push::{PushOption, PushReply};
use wire::{KeyId, PeerId};
use zeroize::Zeroizing;

use crate::end::EndReason;

/// Something the driver has to act on or may report.
///
/// One type for both roles: all but two are said by either, and one loop drives either. What one role alone
/// says names it; the other's driver hears nothing of it.
#[derive(Debug)]
pub enum Event {
    /// Server: may this identity in (or stay, in a renegotiation)? Answer with
    /// [`crate::Session::admit`] or [`crate::Session::refuse`].
    Admission(Box<Hello>),
    /// Open with this key, then call [`crate::Session::key_installed`]. Do not seal with it yet, but as
    /// [`NewKey::fresh`] says.
    KeyReady(Box<NewKey>),
    /// Seal with this key from here on.
    KeyActive(KeyId),
    /// Stop opening with this key and forget it.
    KeyRetired(KeyId),
    /// Client: the complete push. Comes before the first `KeyReady`.
    Pushed(Box<PushReply>),
    /// The first key is in use on both sides.
    Established,
    /// A renegotiation has finished with this key.
    Renegotiated(KeyId),
    /// Nothing follows but what `poll_transmit` still holds.
    Ended(EndReason),
}

/// Who stands at the server's door.
pub struct Hello {
    /// Certificates as sent, leaf first; verified by the TLS verifier. Empty if none was sent.
    pub chain: Vec<CertificateDer<'static>>,
    /// The version of the control channel's TLS, `TLS 1.3`.
    pub tls: &'static str,
    /// What the client says about itself.
    pub peer_info: PeerInfo,
    /// The client's options string, for the log.
    pub options: String,
    /// User name, empty for none.
    pub username: String,
    /// Password, empty for none.
    pub password: Zeroizing<String>,
    /// Whether the session is established and only renews its key.
    pub renegotiation: bool,
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("certificates", &self.chain.len())
            .field("renegotiation", &self.renegotiation)
            .finish_non_exhaustive()
    }
}

/// A data key, to be opened with at once and sealed with when told.
#[derive(Clone)]
pub struct NewKey {
    /// The id that data packets carry.
    pub key_id: KeyId,
    /// The negotiated cipher.
    pub cipher: Cipher,
    /// 256 bytes, sliced by role.
    pub material: KeyMaterial,
    /// The role that slices the material.
    pub role: Role,
    /// Nothing was ever sealed with it, so a data plane that has no key to seal with yet may answer the peer's first
    /// packet under it, untold. Of a restored key nobody knows which packet ids were used.
    pub fresh: bool,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("key_id", &self.key_id)
            .field("cipher", &self.cipher)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What both sides agreed on for the life of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Data cipher.
    pub cipher: Cipher,
    /// Keys by TLS exporter; else by the TLS 1.0 PRF.
    pub exporter: bool,
    /// `EXIT` may be sent on the control channel.
    pub exit_notify: bool,
    /// The id in P_DATA_V2 headers; `None` means P_DATA_V1.
    pub peer_id: Option<PeerId>,
}

/// Server: yes to an [`Event::Admission`].
#[derive(Clone, Debug)]
pub struct Grant {
    /// Pushed options. `cipher`, `peer-id`, `protocol-flags` and `key-derivation` are added by the
    /// session; `tun-mtu` is left out for clients that cannot take it.
    pub push: Vec<PushOption>,
    /// The id the client puts into its data packets.
    pub peer_id: PeerId,
    /// Data ciphers in order of preference; empty takes those of the configuration.
    pub ciphers: Vec<Cipher>,
    /// When the certificate runs out, as time since 1970: the session ends then, if it does not before.
    pub not_after: Option<Duration>,
}

/// When `handle_timeout` wants to be called, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Boot time.
    pub at: Duration,
    /// What is due.
    pub why: TimeoutReason,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeoutReason {
    /// A control packet was not acknowledged.
    Retransmit,
    /// The negotiation has taken too long.
    HandWindow,
    /// Server: no complete ClientHello came.
    ClientHello,
    /// The client repeats its PUSH_REQUEST.
    PushRequest,
    /// The key is due for renewal.
    Renegotiate,
    /// The new key becomes the sealing key.
    KeySwitch,
    /// A replaced key stops opening, or the sealing key is too old.
    KeyExpiry,
    /// The peer's certificate runs out.
    CertificateExpiry,
    /// The last message of a closing session was not acknowledged in time.
    Drain,
}

impl TimeoutReason {
    /// Every reason.
    pub const ALL: [TimeoutReason; 9] = [
        TimeoutReason::Retransmit,
        TimeoutReason::HandWindow,
        TimeoutReason::ClientHello,
        TimeoutReason::PushRequest,
        TimeoutReason::Renegotiate,
        TimeoutReason::KeySwitch,
        TimeoutReason::KeyExpiry,
        TimeoutReason::CertificateExpiry,
        TimeoutReason::Drain,
    ];
}
