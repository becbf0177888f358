//! From what was typed to what will be done: checked, and what was left out is filled in.
//!
//! One file for each subject. A command that is new gets its own words in `typed`, its values in `order`,
//! and its understanding in a file here; this one only says which file that is.

mod authority;
mod client;
mod devices;
mod explain;
mod gateway;
pub(crate) mod many;
mod profiles;
mod sessions;
mod tls;
mod words;

use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use admin::request::Request;

use super::order::{Action, Order};
use super::place::{Place, SYSTEM_FOLDER};
use super::typed::{Command, Typed};

impl Order {
    /// Checks what was typed and fills in what was not.
    pub(crate) fn understand(typed: Typed, place: &Place) -> Result<Self, Failure> {
        let data_typed = typed.data.is_some();
        let data = data_folder(typed.data, &typed.command, place)?;
        let (json, wide, columns) = (typed.json, typed.wide, typed.columns);
        let mut action = understand_command(typed.command, &data, json)?;
        if let Action::Service(order) = &mut action {
            order.data_typed = data_typed;
        }
        Ok(Self { data, json, wide, columns, action })
    }
}

fn data_folder(
    typed: Option<PathBuf>,
    command: &Command,
    place: &Place,
) -> Result<PathBuf, Failure> {
    match (typed, command) {
        (Some(data), _) => Ok(data),
        // The service is the system's, whoever looks at it with --dry-run.
        (None, Command::Service(_)) => {
            Ok(place.data.clone().map_or_else(|| SYSTEM_FOLDER.into(), PathBuf::from))
        }
        // It is told all it needs, whatever the environment says.
        (None, Command::Signer(signer)) => Ok(signer.keys.clone()),
        (None, _) => place.data_folder().ok_or_else(no_data_folder),
    }
}

fn understand_command(command: Command, data: &Path, json: bool) -> Result<Action, Failure> {
    Ok(match command {
        Command::Up(up) => gateway::understand_up(up)?,
        Command::Demo(demo) => Action::Demo { install: !demo.no_install, page: demo.page },
        Command::Connect(connect) => client::understand_connect(connect),
        Command::ConnectGuard(guard) => client::understand_guard(guard),
        Command::Signer(signer) => authority::understand_signer(signer),
        Command::Bench(bench) => Action::Bench(client::understand_bench(bench)),
        Command::User(command) => devices::understand_user(command)?,
        Command::Device(command) => devices::understand_device(command)?,
        Command::Cert(command) => authority::understand_cert(command)?,
        Command::Profile(profile) => profiles::understand_profile(profile)?,
        Command::Crl(command) => authority::understand_crl(command),
        Command::Ocsp(command) => authority::understand_ocsp(command),
        Command::Tls(command) => tls::understand_tls(command)?,
        Command::Explain(command) => explain::understand_explain(command, json)?,
        Command::Ca(command) => authority::understand_ca(command),
        Command::Status(status) if status.prometheus => Action::Prometheus,
        Command::Status(_) => Action::Ask(Request::Status),
        Command::Sessions(sessions) => sessions::understand_sessions(sessions)?,
        Command::Kick(kick) => sessions::understand_kick(kick)?,
        Command::Events(events) => sessions::understand_events(&events)?,
        Command::Check(check) => Action::Ask(Request::Check { whole: check.whole }),
        Command::Config(command) => Action::Ask(gateway::understand_config(command)),
        Command::Reload => Action::Ask(Request::Reload),
        Command::Completions { shell } => Action::Completions { shell },
        Command::Manual { out } => Action::Manual { out },
        Command::Packaged { out } => Action::Packaged { out },
        Command::Backup { file } => Action::Backup { to: file },
        Command::Restore { file } => Action::Restore { from: file },
        Command::Service(command) => {
            Action::Service(gateway::understand_service(command, data.to_owned())?)
        }
    })
}

fn no_data_folder() -> Failure {
    Failure::new(FailureKind::Usage, "there is no place for the data folder")
        .because("none of HANDFAST_DATA, XDG_STATE_HOME and HOME is set")
        .hint("name the folder: `--data DIR`")
}

#[cfg(test)]
mod tests {
    use ::gateway::profile::{Form, System};
    use admin::names::DeviceName;
    use admin::request::KickTarget;
    use clap::Parser as _;

    use super::*;
    use crate::args::order::ProfileOrder;

    #[test]
    fn a_user_and_a_device_are_told_apart() {
        let kick = |target: &str| action(&["kick", target]).unwrap();
        let user = KickTarget::User { name: "alice".parse().expect("a name") };
        assert_eq!(kick("alice"), Action::Ask(Request::Kick { target: user }));
        let device = KickTarget::Device { device: DeviceName::parse("alice/phone").unwrap() };
        assert_eq!(kick("alice/phone"), Action::Ask(Request::Kick { target: device }));
        let server = KickTarget::Server { name: "wiki.example.org".to_owned() };
        let typed = action(&["kick", "--server", "wiki.example.org"]).unwrap();
        assert_eq!(typed, Action::Ask(Request::Kick { target: server }));
        assert_eq!(action(&["user", "show", "alice/phone"]).unwrap_err().kind, FailureKind::Usage);
        assert_eq!(action(&["device", "add", "alice"]).unwrap_err().kind, FailureKind::Usage);
    }

    #[test]
    fn all_systems_are_written_unless_some_are_named() {
        assert_eq!(profile(&["profile", "alice"]).wish.systems, System::ALL);
        let named = profile(&["profile", "alice", "--os", "ios,linux"]).wish.systems;
        assert_eq!(named, [System::Linux, System::Ios]);
    }

    #[test]
    fn the_split_form_is_refused_where_only_mobile_systems_are_named() {
        let typed = ["profile", "alice", "--form", "split", "--os"];
        let refused = action(&[&typed[..], &["ios,android"]].concat()).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Usage);
        assert_eq!(profile(&[&typed[..], &["ios,linux"]].concat()).wish.form, Form::Split);
    }

    #[test]
    fn a_renewal_without_a_csr_writes_profiles() {
        assert!(profile(&["device", "renew", "alice", "--out", "/x"]).wish.renew);
        let with = action(&["device", "renew", "alice", "--csr", "a.csr"]).unwrap();
        assert!(matches!(with, Action::AskWithCsr { renew: true, .. }));
    }

    #[test]
    fn what_the_first_start_is_told_is_checked_before_anything_is_made() {
        let typed = ["up", "--listen", "udp:[::]:443", "--tcp", "--route", "10.9.0.0/16,fd09::/64"];
        let Action::Up { first, .. } = action(&typed).unwrap() else { panic!("it is up") };
        assert_eq!((first.listen.len(), first.tcp, first.routes.len()), (1, true, 2));
        for wrong in [["--listen", "443"], ["--route", "10.9.0.1/16"], ["--public", "a b"]] {
            let refused = action(&[&["up"], &wrong[..]].concat()).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Usage, "{wrong:?}");
        }
    }

    #[test]
    fn a_public_name_cannot_carry_anything_else() {
        assert!(action(&["up", "--public", "vpn.example.net"]).is_ok());
        assert!(action(&["up", "--public", "[2001:db8::1]"]).is_ok());
        assert!(action(&["up", "--public", "vpn.example.net:443"]).is_ok());
        assert!(action(&["up", "--public", "a b"]).is_err());
        assert!(action(&["up", "--public="]).is_err());
    }

    fn profile(typed: &[&str]) -> ProfileOrder {
        match action(typed).unwrap() {
            Action::Profile(order) => order,
            other => panic!("{other:?}"),
        }
    }

    fn action(typed: &[&str]) -> Result<Action, Failure> {
        let typed =
            Typed::try_parse_from([&["handfast"], typed].concat()).expect("it has the form");
        let place = Place { root: true, ..Place::default() };
        Order::understand(typed, &place).map(|order| order.action)
    }
}
