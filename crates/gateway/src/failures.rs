//! The edge: the one place where errors become failures that a person reads, with exit code, cause and
//! hints.

use admin::failure::{Failure, FailureKind};
use authority::AuthorityError;
use store::{Fault, LockError, OpenError, Refused, StoreError};

use crate::config::{ConfigError, EditError};
use crate::connect::ConnectError;
use crate::data::DataError;
use crate::error::GatewayError;
use crate::explained::ReasonOf;

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let message = error.to_string();
        if let GatewayError::NotAll { refused, .. } = error {
            return not_all(message, refused);
        }
        match &error {
            GatewayError::Store(error) => from_store(error),
            GatewayError::Open(error) => from_open(error),
            GatewayError::Authority(error) => from_authority(error),
            GatewayError::Lock(error) => from_lock(error),
            GatewayError::Data(error) => from_data(error),
            GatewayError::Config(error) | GatewayError::Setting(EditError::Config(error)) => {
                from_config(error)
            }
            other => with_causes(explained(other), other),
        }
        .hints(hints(&error))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Open(error) => (*error).into(),
            ConnectError::Lock(error) => from_lock(&error),
            ConnectError::Silent(error) => from_lock(&error)
                .because("it holds the lock, but no gateway answers on the control socket")
                .hint("if it is a gateway that just starts, try again in a moment"),
            ConnectError::NoGateway(_) => Self::new(FailureKind::NotFound, error.to_string())
                .hint("start it once, which makes CA, keys and settings: handfast up")
                .hint("or name another folder with --data or HANDFAST_DATA"),
            ConnectError::Forbidden { .. } => {
                with_causes(Self::new(FailureKind::Forbidden, error.to_string()), &error)
                    .hint("run as root, or have root add you to the group `handfast`")
            }
        }
    }
}

/// The kind and the hints are those of the first who can't be changed; of the others it is said why not.
fn not_all(message: String, refused: Vec<GatewayError>) -> Failure {
    let count = refused.len();
    let each: Vec<Failure> = refused.into_iter().take(TOLD).map(Failure::from).collect();
    let (kind, hints) = each
        .first()
        .map_or((FailureKind::Failed, Vec::new()), |first| (first.kind, first.hints.clone()));
    let failure = Failure::new(kind, message);
    let failure = each.into_iter().fold(failure, |failure, one| failure.because(one.message));
    let failure = match count.saturating_sub(TOLD) {
        0 => failure,
        more => failure.because(format!("and so on: {more} more")),
    };
    failure.hints(hints).hint("leave these out, or mend that, and do it again for all")
}

fn explained(error: &GatewayError) -> Failure {
    let failure = Failure::new(kind(error), error.to_string());
    match error {
        GatewayError::RecordsGone { records, ca, keys, .. } => failure.because(format!(
            "{} or {} says that there was a CA, and {} has none",
            ca.display(),
            keys.display(),
            records.display()
        )),
        GatewayError::LongName { .. } => {
            failure.because("a certificate holds user and device as one name")
        }
        _ => failure,
    }
}

fn kind(error: &GatewayError) -> FailureKind {
    use GatewayError as E;
    match error {
        E::LongName { .. } | E::Setting(_) | E::TooMany { .. } => FailureKind::Usage,
        E::NothingToRevoke { .. }
        | E::Disabled { .. }
        | E::Revoked { .. }
        | E::Expired { .. }
        | E::NameHasCertificate { .. }
        | E::RenewsItself { .. }
        | E::KeyElsewhere { .. }
        | E::FormerCa { .. }
        | E::NotMoved { .. } => FailureKind::Conflict,
        E::Push { .. } | E::NoPublicName { .. } => FailureKind::Configuration,
        E::NotRunning { .. } => FailureKind::NotRunning,
        E::NoSuchSession
        | E::NoSuchRefusal
        | E::NoStory { .. }
        | E::NoSuchVirtualServer { .. }
        | E::UnknownCertificate => FailureKind::NotFound,
        E::HalfRestored { .. } | E::RecordsGone { .. } | E::Vpn(_) => FailureKind::Environment,
        E::Store(_)
        | E::Open(_)
        | E::Authority(_)
        | E::Lock(_)
        | E::Data(_)
        | E::Config(_)
        | E::Anchor(_)
        | E::Tls(_)
        | E::TlsAuthKey
        | E::NotAll { .. }
        | E::NoCrl => FailureKind::Failed,
    }
}

fn hints(error: &GatewayError) -> Vec<String> {
    use GatewayError as E;
    let again = |device| format!("make a new one: handfast profile {device} --renew");
    match error {
        E::HalfRestored { .. } => vec!["repeat it: handfast restore FILE".into()],
        E::RecordsGone { records, ca, keys, .. } => vec![
            format!("put {} back from a copy of this folder", records.display()),
            "or move the folder away and make it anew: handfast restore FILE".to_owned(),
            format!(
                "or move {} and {} away to begin anew: every device needs a new profile then",
                ca.display(),
                keys.display()
            ),
        ],
        E::Push { .. } => vec!["mend it under [vpn.push] in handfast.toml".into()],
        E::Vpn(error) => error.hint().map(str::to_owned).into_iter().collect(),
        E::LongName { .. } => vec!["choose shorter names".into()],
        E::TooMany { most, .. } => vec![format!("name them {most} at a time")],
        E::NothingToRevoke { .. } => {
            vec!["its first profile would issue one; `handfast device disable` keeps it out".into()]
        }
        E::Disabled { device, user: true } => {
            vec![format!("let it in again first: handfast user enable {}", device.user)]
        }
        E::Disabled { device, user: false } => {
            vec![format!("let it in again first: handfast device enable {device}")]
        }
        E::Revoked { device, .. } => vec![format!("if it may come back, {}", again(device))],
        E::Expired { device, .. } => vec![again(device)],
        E::NameHasCertificate { name, .. } => vec![
            format!("renew it: handfast cert renew {name}"),
            format!("or revoke it first: handfast cert revoke {name}"),
        ],
        E::RenewsItself { name } => vec![
            format!("have it make another one now: handfast cert revoke {name}"),
            "for one with a key of your own, take another name".into(),
        ],
        E::KeyElsewhere { name } => vec![
            format!("have a CSR made with that key: handfast cert renew {name} --csr FILE"),
            format!("or begin anew with a key from here: handfast cert revoke {name}"),
        ],
        E::FormerCa { device } => vec![again(device)],
        E::NotMoved { .. } => vec![
            "see who: handfast ca rollover status".into(),
            "give each a new profile: handfast profile USER/DEVICE --renew --out DIR".into(),
            "or keep them out: handfast ca rollover finish --force".into(),
        ],
        E::NoPublicName { file } => vec![format!("put names into {}", file.display())],
        E::NotRunning { .. } => vec!["start one: handfast up".into()],
        E::Setting(EditError::UnknownKey { .. }) => {
            vec!["all keys and their values: handfast config show".into()]
        }
        E::UnknownCertificate => {
            vec!["make a new key and certificate: handfast profile USER/DEVICE --renew".into()]
        }
        E::NoSuchSession => vec!["see who is connected: handfast sessions".into()],
        E::NoStory { of: ReasonOf::Clients(_), .. } => vec![
            "look from the client's side: handfast explain vpn FILE.ovpn".into(),
            "docs/operation.md has every reason, what it means and what to do".into(),
        ],
        E::NoStory { told, .. } => vec![
            match told.is_empty() {
                true => "there is nothing to tell yet".into(),
                false => format!("there is something to tell of: {}", told.join(", ")),
            },
            "docs/operation.md has every reason and what it means".into(),
        ],
        E::NoSuchRefusal => vec![
            "see who was refused lately, and what was dropped: handfast status".into(),
            "of a client that never got in, and is not among them, nothing may have arrived here: handfast explain failure nothing_arrives"
                .into(),
            "of one that was let in, and left or was closed since: handfast explain failure with the reason, as peer_exit, kicked or finished"
                .into(),
        ],
        E::NoSuchVirtualServer { .. } => vec!["see which there are: handfast tls list".into()],
        E::TlsAuthKey => vec!["restore the data folder from a backup".into()],
        E::NoCrl => vec!["start the gateway once: handfast up".into()],
        E::Store(_)
        | E::Open(_)
        | E::Authority(_)
        | E::Lock(_)
        | E::Data(_)
        | E::Config(_)
        | E::Setting(_)
        | E::Anchor(_)
        | E::NotAll { .. }
        | E::Tls(_) => Vec::new(),
    }
}

/// Of those who can't be changed together.
const TOLD: usize = 20;

/// The authority's refusal.
fn from_authority(error: &AuthorityError) -> Failure {
    let kind = match error {
        AuthorityError::Store(error) => return from_store(error),
        AuthorityError::Csr(_)
        | AuthorityError::Profile(_)
        | AuthorityError::Sign(
            pki::SignError::ReservedName(_)
            | pki::SignError::BadName(_)
            | pki::SignError::NameTooLong(_)
            | pki::SignError::NameOutside { .. }
            | pki::SignError::NoName,
        ) => FailureKind::Usage,
        AuthorityError::Sign(pki::SignError::Locked | pki::SignError::WrongSecret) => {
            FailureKind::Forbidden
        }
        AuthorityError::Sign(pki::SignError::BadPublicUrl(_)) => FailureKind::Configuration,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, error.to_string())
}

fn with_causes(failure: Failure, error: &dyn std::error::Error) -> Failure {
    match error.source() {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

/// A store's refusal, with the kind that fixes the exit code.
fn from_store(error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::Refused(refused) => kind_of_refusal(refused),
        StoreError::Storage(fault) => kind_of_fault(fault),
        StoreError::Closed => FailureKind::Failed,
    };
    with_causes(Failure::new(kind, error.message()).hint(error.mend()), error)
}

/// Why there is no store, with the kind that fixes the exit code.
fn from_open(error: &OpenError) -> Failure {
    let kind = match error {
        OpenError::Absent(_) => FailureKind::NotFound,
        OpenError::Locked(error) => return from_lock(error),
        OpenError::File { .. } => FailureKind::Environment,
        OpenError::Storage(fault) => kind_of_fault(fault),
        OpenError::SchemaNewer { .. }
        | OpenError::SchemaOlder { .. }
        | OpenError::Foreign(_)
        | OpenError::NoWriteAheadLog(_) => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.message());
    let failure = match error.mend() {
        Some(mend) => failure.hint(mend),
        None => failure,
    };
    with_causes(failure, error)
}

fn kind_of_refusal(refused: &Refused) -> FailureKind {
    match refused {
        Refused::UserUnknown(_)
        | Refused::DeviceUnknown(..)
        | Refused::DeviceGone
        | Refused::CertificateUnknown(_)
        | Refused::NameUnknown(_)
        | Refused::CaGenerationUnknown(_) => FailureKind::NotFound,
        Refused::UserExists(_)
        | Refused::DeviceExists(..)
        | Refused::CertificateExists(_)
        | Refused::CertificateRevoked { .. }
        | Refused::KeyCompromised { .. }
        | Refused::KeyOfAnother { .. }
        | Refused::RolloverUnderWay
        | Refused::NoRollover
        | Refused::AddressesUsedUp { .. } => FailureKind::Conflict,
        Refused::CaGenerationExists { .. }
        | Refused::CrlNumberUsed { .. }
        | Refused::OutOfRange(_) => FailureKind::Failed,
    }
}

fn kind_of_fault(fault: &Fault) -> FailureKind {
    match fault {
        Fault::Busy(_) => FailureKind::Busy,
        Fault::DiskFull(_) | Fault::ReadOnly(_) => FailureKind::Environment,
        Fault::Corrupt(_) | Fault::Io(_) | Fault::Unreadable { .. } | Fault::Database(_) => {
            FailureKind::Failed
        }
    }
}

/// Another owner of the data folder.
pub(crate) fn from_lock(error: &LockError) -> Failure {
    let kind = match error {
        LockError::Held { .. } => FailureKind::Busy,
        LockError::Unusable { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            FailureKind::Forbidden
        }
        LockError::Unusable { .. } => FailureKind::Environment,
    };
    with_causes(Failure::new(kind, error.to_string()).hint(error.hint()), error)
}

/// The data folder's refusal.
fn from_data(error: &DataError) -> Failure {
    let kind = match error {
        DataError::WrongOwner { .. } => FailureKind::Forbidden,
        DataError::Folder { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            FailureKind::Forbidden
        }
        _ => FailureKind::Environment,
    };
    with_causes(Failure::new(kind, error.to_string()).hint(error.hint()), error)
}

/// The settings' refusal.
fn from_config(error: &ConfigError) -> Failure {
    with_causes(Failure::new(FailureKind::Configuration, error.to_string()), error)
}
