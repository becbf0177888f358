//! What follows the end of a connection: another one, and when, or none.

use std::time::Duration;

use engine::DisconnectReason;
use pki::Refusal;
use rustls::{AlertDescription, Error as TlsError};
use tunnel::{EndReason, Progress};
use wire::message::AuthFailure;

use crate::ClientError;
use crate::profile::RetrySettings;

/// What follows an end.
#[derive(Debug)]
pub(crate) enum Next {
    /// No further try can help.
    GiveUp(ClientError),
    /// The next server may be the right one; this one was not.
    NotTrusted(Refusal),
    /// The same server again, at once.
    AtOnce,
    /// The next server, at once.
    OtherServer,
    /// Again, not before this has passed.
    After(Duration),
    /// Again, after the usual pause.
    Usual,
}

/// Looks at an end.
pub(crate) fn next(ending: &DisconnectReason) -> Next {
    match ending {
        DisconnectReason::Session(reason) => after_session(reason),
        DisconnectReason::PingTimeout | DisconnectReason::Connection(_) => Next::AtOnce,
        _ => Next::Usual,
    }
}

/// Why a connection ended, for people. A server that misses a password drops the key message without a
/// word.
pub(crate) fn why(ending: &DisconnectReason) -> String {
    match ending {
        DisconnectReason::Session(EndReason::HandshakeTimeout(Progress::NoKeyMessage)) => {
            "TLS was agreed on, and then the server fell silent: most often it wants a user name and \
             a password, which are not supported yet"
                .to_owned()
        }
        ending => ending.to_string(),
    }
}

fn after_session(reason: &EndReason) -> Next {
    match reason {
        EndReason::AuthFailed(failure) => after_refusal(failure),
        EndReason::PeerHalt(text) => Next::GiveUp(ClientError::SentAway(text.clone())),
        EndReason::PeerRestart { next_server: true, .. } => Next::OtherServer,
        EndReason::PeerRestart { .. } | EndReason::PeerExit => Next::AtOnce,
        EndReason::TlsFailed(error) => after_tls(error),
        EndReason::NoCommonCipher
        | EndReason::PushUnusable(_)
        | EndReason::OwnKeyMessage(_)
        | EndReason::KeyDerivationFailed => Next::GiveUp(ClientError::Incompatible(reason.clone())),
        _ => Next::Usual,
    }
}

fn after_refusal(failure: &AuthFailure) -> Next {
    match failure {
        AuthFailure::Denied(text) if text.contains(NO_SHARED_CIPHER) => {
            Next::GiveUp(ClientError::NoSharedCipher(text.clone()))
        }
        AuthFailure::Denied(text) => Next::GiveUp(ClientError::Refused(text.clone())),
        AuthFailure::Challenge { text, .. } => Next::GiveUp(ClientError::Challenged(text.clone())),
        AuthFailure::Temporary { backoff: Some(seconds), .. } => {
            Next::After(Duration::from_secs((*seconds).into()))
        }
        AuthFailure::Temporary { .. } | AuthFailure::SessionExpired(_) => Next::Usual,
    }
}

fn after_tls(error: &TlsError) -> Next {
    if let Some(refusal) = pki::refusal_of(error) {
        return Next::NotTrusted(refusal);
    }
    match error {
        TlsError::AlertReceived(alert) if is_about_us(*alert) => {
            Next::GiveUp(ClientError::CertificateRefused(*alert))
        }
        _ => Next::Usual,
    }
}

/// Alerts by which a server refuses a certificate. They come through tls-auth, so no stranger sent
/// them.
fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// Pauses between rounds: the first one five times, then twice as long each time, up to the longest.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: RetrySettings,
    rounds: u32,
}

impl Backoff {
    pub(crate) fn new(settings: RetrySettings) -> Self {
        Self { settings, rounds: 0 }
    }

    /// A connection was up: counting begins anew.
    pub(crate) fn reset(&mut self) {
        self.rounds = 0;
    }

    /// Rounds without success.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// A round went by; `None` if it was the last one.
    pub(crate) fn next_round(&mut self) -> Option<Duration> {
        self.rounds = self.rounds.saturating_add(1);
        if self.settings.rounds.is_some_and(|most| self.rounds >= most) {
            return None;
        }
        let doublings = self.rounds.saturating_sub(EVEN_ROUNDS).min(16);
        Some(self.settings.first.saturating_mul(1 << doublings).min(self.settings.longest))
    }
}

const EVEN_ROUNDS: u32 = 5;
/// How stock servers begin this refusal.
const NO_SHARED_CIPHER: &str = "cipher negotiation failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_after_five_rounds_up_to_the_longest() {
        let mut backoff = Backoff::new(RetrySettings::default());
        let pauses: Vec<u64> = (0..15).map(|_| backoff.next_round().unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.next_round(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_profile_may_limit_the_rounds() {
        let settings = RetrySettings { rounds: Some(2), ..RetrySettings::default() };
        let mut backoff = Backoff::new(settings);
        assert!(backoff.next_round().is_some());
        assert_eq!(backoff.next_round(), None);
    }

    #[test]
    fn a_refusal_is_final_and_a_temporary_one_is_not() {
        let ended = |failure| next(&DisconnectReason::Session(EndReason::AuthFailed(failure)));
        let denied = ended(AuthFailure::Denied("revoked".into()));
        assert!(matches!(denied, Next::GiveUp(ClientError::Refused(text)) if text == "revoked"));
        let busy = AuthFailure::Temporary { backoff: Some(7), advance: None, text: String::new() };
        assert!(matches!(ended(busy), Next::After(pause) if pause.as_secs() == 7));
    }

    #[test]
    fn a_refusal_for_want_of_a_common_cipher_is_none_of_the_certificate() {
        let text = "Data channel cipher negotiation failed (no shared cipher)";
        let refused =
            DisconnectReason::Session(EndReason::AuthFailed(AuthFailure::Denied(text.into())));
        let Next::GiveUp(error) = next(&refused) else { panic!("it is final") };
        assert!(matches!(error, ClientError::NoSharedCipher(_)), "{error}");
        assert!(error.hints().iter().all(|hint| !hint.contains("revoked")), "{error}");
    }

    #[test]
    fn a_restart_is_answered_at_once_and_an_untrusted_server_is_left() {
        let restart = EndReason::PeerRestart {
            next_server: false,
            keep_credentials: true,
            text: String::new(),
        };
        assert!(matches!(next(&DisconnectReason::Session(restart)), Next::AtOnce));
        assert!(matches!(next(&DisconnectReason::PingTimeout), Next::AtOnce));
        let untrusted = EndReason::TlsFailed(Refusal::UnknownCa.into());
        assert!(matches!(
            next(&DisconnectReason::Session(untrusted)),
            Next::NotTrusted(Refusal::UnknownCa)
        ));
        let revoked = TlsError::AlertReceived(AlertDescription::CertificateRevoked);
        let revoked = DisconnectReason::Session(EndReason::TlsFailed(revoked));
        assert!(matches!(next(&revoked), Next::GiveUp(ClientError::CertificateRefused(_))));
    }
}
