//! Profiles: for which systems, in which form, with which key.

use std::path::Path;

use admin::failure::{Failure, FailureKind};
use gateway::profile::{Form, System};

use super::many::{Typed, one_or_many};
use super::words::device_name;
use crate::args::order::{Action, FormerOrder, Names, ProfileOrder, ProfileWish, STDOUT};
use crate::args::typed::profiles::{Files, FormWord, Os, Profile};

pub(super) fn understand_profile(profile: Profile) -> Result<Action, Failure> {
    let Profile { devices, renew, from, files } = profile;
    if let Some(former) = from {
        let ProfileWish { out, systems, form, passphrase, .. } = wish(renew, files)?;
        return Ok(Action::ProfileFrom(FormerOrder { former, out, systems, form, passphrase }));
    }
    Ok(match one_or_many(devices)? {
        Typed::One(device) => Action::Profile(profile_order(&device, renew, files)?),
        Typed::Many(devices) => {
            let wish = wish(renew, files)?;
            can_be_of_many(&devices, &wish)?;
            Action::Profiles { devices, wish }
        }
    })
}

pub(super) fn profile_order(
    device: &str,
    renew: bool,
    files: Files,
) -> Result<ProfileOrder, Failure> {
    Ok(ProfileOrder { device: device_name(device)?, wish: wish(renew, files)? })
}

fn wish(renew: bool, files: Files) -> Result<ProfileWish, Failure> {
    let (systems, form) = systems_and_form(&files)?;
    Ok(ProfileWish { renew, out: files.out, systems, form, passphrase: files.passphrase })
}

fn can_be_of_many(devices: &Names, wish: &ProfileWish) -> Result<(), Failure> {
    if wish.out == Path::new(STDOUT) {
        return Err(one_to_print());
    }
    if wish.passphrase && *devices == Names::OnStdin {
        let message = "the names and the passphrase can't both be read from standard input";
        return Err(Failure::new(FailureKind::Usage, message).hint("type the names"));
    }
    Ok(())
}

fn systems_and_form(files: &Files) -> Result<(Vec<System>, Form), Failure> {
    let form = match files.form {
        FormWord::Unified => Form::Unified,
        FormWord::Split => Form::Split,
    };
    let systems = systems(&files.os);
    if form == Form::Split && systems.iter().all(|system| system.is_mobile()) {
        return Err(split_for_mobile());
    }
    let is_one = systems.len() == 1 && form == Form::Unified;
    if files.out == Path::new(STDOUT) && !is_one {
        return Err(one_to_print());
    }
    Ok((systems, form))
}

fn systems(typed: &[Os]) -> Vec<System> {
    let wanted = |system| {
        typed.iter().any(|os| match os {
            Os::All => true,
            Os::Linux => system == System::Linux,
            Os::Windows => system == System::Windows,
            Os::Macos => system == System::Macos,
            Os::Android => system == System::Android,
            Os::Ios => system == System::Ios,
        })
    };
    System::ALL.into_iter().filter(|system| wanted(*system)).collect()
}

fn one_to_print() -> Failure {
    Failure::new(FailureKind::Usage, "only one profile can be printed")
        .hint("name one system and the unified form: `--out - --os linux`")
}

fn split_for_mobile() -> Failure {
    Failure::new(FailureKind::Usage, "the split form can't be used on Android and iOS")
        .because("their clients import one file and can't read vpn.crt and vpn.key beside it")
        .hint("leave out `--form split` for them")
}
