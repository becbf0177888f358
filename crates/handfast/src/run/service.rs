//! `handfast service install|remove`: unit and user, in this system or in an image of one.
//!
//! Invariant: in an image nothing is touched beyond it, whatever links it has.

use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use admin::failure::{Failure, FailureKind};
use gateway::FirstStart;
use gateway::data::DataDir;
use sysio::{Folder, FolderError};

use super::client_unit;
use super::output::Output;
use super::unit::{SOCKET, SYSUSERS, Unit, data_of};
use crate::args::order::{ServiceOrder, Serviced};

pub(crate) fn run(order: ServiceOrder) -> Result<Output, Failure> {
    let plan = match (&order.what, order.install) {
        (Serviced::Gateway(name, first), true) => install(&order, name, first)?,
        (Serviced::Gateway(name, _), false) => remove(&order, name)?,
        (Serviced::Client, true) => install_client(&order)?,
        (Serviced::Client, false) => remove_client(&order),
    };
    let next = next_steps(&order);
    let mut text = String::new();
    for step in &plan {
        text.push_str(&step.words(order.dry_run));
        if !order.dry_run {
            step.take(order.root.as_deref().unwrap_or(Path::new("/")))?;
        }
    }
    text.push_str(&next);
    Ok(Output::done(text))
}

/// What to do when that is done; nothing where it was done before.
fn next_steps(order: &ServiceOrder) -> String {
    match order.what {
        _ if !order.install || order.dry_run || order.root.is_some() => String::new(),
        Serviced::Client => client_unit::NEXT.to_owned(),
        Serviced::Gateway(..) if DataDir::new(&order.data).config().exists() => String::new(),
        Serviced::Gateway(..) => super::up::next_steps(&order.data) + "\n",
    }
}

/// What `up` is told, as words of its command line.
fn arguments(first: &FirstStart) -> Vec<String> {
    let mut words = Vec::new();
    let mut say = |option: &str, value: String| words.extend([option.to_owned(), value]);
    first.public.iter().for_each(|name| say("--public", name.to_string()));
    first.listen.iter().for_each(|socket| say("--listen", socket.to_string()));
    first.routes.iter().for_each(|route| say("--route", route.to_string()));
    first.dns.iter().for_each(|server| say("--dns", server.to_string()));
    words.extend(first.tcp.then(|| "--tcp".to_owned()));
    words.extend(first.full_tunnel.then(|| "--full-tunnel".to_owned()));
    words
}

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Write { path: PathBuf, text: String },
    Link { path: PathBuf, target: PathBuf },
    Delete { path: PathBuf },
    Run { program: &'static str, arguments: Vec<String> },
}

fn install(order: &ServiceOrder, name: &str, first: &FirstStart) -> Result<Vec<Step>, Failure> {
    match present(order, name) {
        Some(Present { unit, of: None }) => {
            let free = free_name(order);
            return Err(not_ours(&unit).hint(format!(
                "choose another name: `--name {free}`, or take that unit away by hand"
            )));
        }
        Some(Present { unit, of: Some(data) }) if data != order.data => {
            return Err(taken(order, &unit, &data));
        }
        _ => {}
    }
    let binary = this_binary()?;
    if order.root.is_none() && !order.dry_run {
        check_reachable(&binary)?;
    }
    let arguments = arguments(first);
    let unit = Unit { name, binary: &binary, data: &order.data, arguments: &arguments };
    let text = unit.text().map_err(|path| bad_path(&path))?;
    let at = |path: &str| in_image(order.root.as_deref(), path);
    let mut plan = vec![
        Step::Write { path: at(SYSUSERS_FILE), text: SYSUSERS.into() },
        Step::Write { path: at(&unit_file(name)), text },
    ];
    if name == USUAL {
        plan.push(Step::Write { path: at(SOCKET_FILE), text: SOCKET.into() });
    }
    if order.root.is_some() {
        // An image runs no systemd to ask; it makes the user at its first boot.
        plan.push(Step::Link { path: at(&wants_link(name)), target: unit_file(name).into() });
    } else {
        plan.extend([
            command("systemd-sysusers", &[SYSUSERS_FILE]),
            command("systemctl", &["daemon-reload"]),
            command("systemctl", &["enable", "--now", &format!("{name}.service")]),
        ]);
    }
    Ok(plan)
}

fn remove(order: &ServiceOrder, name: &str) -> Result<Vec<Step>, Failure> {
    match present(order, name) {
        Some(Present { unit, of: None }) => {
            return Err(not_ours(&unit).hint("take that unit away by hand"));
        }
        Some(Present { unit, of: Some(data) }) if order.data_typed && data != order.data => {
            let message = format!("{unit} runs the gateway of {}", data.display());
            return Err(Failure::new(FailureKind::Conflict, message)
                .hint(format!("name the unit of {}: `--name UNIT`", order.data.display())));
        }
        _ => {}
    }
    let at = |path: &str| in_image(order.root.as_deref(), path);
    let mut files = vec![wants_link(name), unit_file(name)];
    // Another gateway beside this one runs as the same user.
    files.extend(
        [SOCKET_FILE, SYSUSERS_FILE].into_iter().filter(|_| name == USUAL).map(str::to_owned),
    );
    let files = files.into_iter().map(|path| Step::Delete { path: at(&path) });
    if order.root.is_some() {
        return Ok(files.collect());
    }
    let mut plan = Vec::new();
    if name == USUAL && at(SOCKET_FILE).exists() {
        plan.push(command("systemctl", &["disable", "--now", "handfast.socket"]));
    }
    if at(&unit_file(name)).exists() {
        let service = format!("{name}.service");
        plan.push(command("systemctl", &["disable", "--now", &service]));
    }
    plan.extend(files);
    plan.push(command("systemctl", &["daemon-reload"]));
    Ok(plan)
}

/// A unit that is there already, of this name.
struct Present {
    unit: String,
    /// The data folder of its gateway; nothing where it says of none, so that it may be anybody's.
    of: Option<PathBuf>,
}

/// What runs another gateway, or is no gateway's, would be out from the next start of the machine on.
fn present(order: &ServiceOrder, name: &str) -> Option<Present> {
    UNIT_FOLDERS.iter().find_map(|folder| {
        let unit = format!("{folder}/{name}.service");
        let path = in_image(order.root.as_deref(), &unit);
        // A link is refused where it would be written.
        let text = (!path.is_symlink()).then(|| std::fs::read_to_string(path).ok()).flatten()?;
        Some(Present { unit, of: data_of(&text).map(Path::to_owned) })
    })
}

fn not_ours(unit: &str) -> Failure {
    Failure::new(FailureKind::Conflict, format!("{unit} does not say whose data its gateway has"))
        .because("`service install` writes `--data FOLDER` there; this one may be somebody else's")
}

fn taken(order: &ServiceOrder, unit: &str, data: &Path) -> Failure {
    let (own, data) = (order.data.display(), data.display());
    let free = free_name(order);
    Failure::new(FailureKind::Conflict, format!("{unit} runs the gateway of {data}"))
        .because(format!("it would run the one of {own} instead, and that one no longer"))
        .hint(format!(
            "install this one beside it: `handfast --data {own} service install --name {free}`"
        ))
        .hint(format!(
            "or take that one's service away first: `handfast --data {data} service remove`"
        ))
}

/// The next one that no unit has but this gateway's own.
fn free_name(order: &ServiceOrder) -> String {
    let is_free = |name: &String| {
        present(order, name).is_none_or(|unit| unit.of.as_ref() == Some(&order.data))
    };
    let mut names = (2..).map(|number| format!("{USUAL}{number}"));
    names.find(is_free).unwrap_or_default()
}

fn install_client(order: &ServiceOrder) -> Result<Vec<Step>, Failure> {
    let binary = this_binary()?;
    if order.root.is_none() && !order.dry_run {
        check_reachable(&binary)?;
    }
    let text = client_unit::text(&binary).map_err(|path| bad_path(&path))?;
    let path = in_image(order.root.as_deref(), CLIENT_UNIT_FILE);
    let mut plan = vec![Step::Write { path, text }];
    plan.extend(order.root.is_none().then(|| command("systemctl", &["daemon-reload"])));
    Ok(plan)
}

fn remove_client(order: &ServiceOrder) -> Vec<Step> {
    let path = in_image(order.root.as_deref(), CLIENT_UNIT_FILE);
    let mut plan = vec![Step::Delete { path }];
    plan.extend(order.root.is_none().then(|| command("systemctl", &["daemon-reload"])));
    plan
}

impl Step {
    fn words(&self, dry_run: bool) -> String {
        match self {
            Self::Write { path, text } if dry_run => {
                format!("would write {}:\n\n{text}\n", path.display())
            }
            Self::Write { path, .. } => format!("wrote {}\n", path.display()),
            Self::Link { path, target } => {
                let verb = if dry_run { "would link" } else { "linked" };
                format!("{verb} {} to {}\n", path.display(), target.display())
            }
            Self::Delete { path } => {
                let verb = if dry_run { "would delete" } else { "deleted" };
                format!("{verb} {}\n", path.display())
            }
            Self::Run { program, arguments } => {
                let verb = if dry_run { "would run" } else { "ran" };
                format!("{verb} {program} {}\n", arguments.join(" "))
            }
        }
    }

    fn take(&self, root: &Path) -> Result<(), Failure> {
        match self {
            Self::Write { path, text } => {
                write(root, path, text).map_err(|error| no_access(path, &error))
            }
            Self::Link { path, target } => {
                link(root, path, target).map_err(|error| no_access(path, &error))
            }
            Self::Delete { path } => delete(root, path).map_err(|error| no_access(path, &error)),
            Self::Run { program, arguments } => execute(program, arguments),
        }
    }
}

fn write(root: &Path, path: &Path, text: &str) -> Result<(), FolderError> {
    let (folder, name) = place(root, path)?;
    folder.has_file(&name)?;
    let temporary = format!(".{name}.new");
    let mut file = folder.create(&temporary, 0o644)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| FolderError::Io { path: path.to_owned(), source })?;
    folder.rename(&temporary, &name)?;
    folder.sync()
}

fn link(root: &Path, path: &Path, target: &Path) -> Result<(), FolderError> {
    let (folder, name) = place(root, path)?;
    folder.link(&name, target)
}

/// What is not there is not there: no folder is made for it.
fn delete(root: &Path, path: &Path) -> Result<(), FolderError> {
    if !path.parent().is_some_and(Path::exists) {
        return Ok(());
    }
    let (folder, name) = place(root, path)?;
    folder.remove(&name)
}

/// The folder of a file below `root`, made where it is missing, and the file's name there.
fn place(root: &Path, path: &Path) -> Result<(Folder, String), FolderError> {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let names = inner.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut names: Vec<&str> = names.collect();
    let name = names.pop().unwrap_or_default().to_owned();
    let mut folder = Folder::make(root, 0o755)?;
    for name in names {
        folder = folder.enter(name, 0o755)?;
    }
    Ok((folder, name))
}

fn execute(program: &str, arguments: &[String]) -> Result<(), Failure> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        Failure::new(FailureKind::Environment, format!("`{line}` could not be run"))
            .caused_by(&error)
            .hint("this needs systemd; without it let your service manager run `handfast up`")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(FailureKind::Environment, format!("`{line}` failed"))
        .because(said.trim().to_owned())
        .hint("see `journalctl -n 50`"))
}

fn this_binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new(FailureKind::Environment, "this binary's own path can't be told")
            .caused_by(&error)
    })
}

/// Homes are out of the service's sight, and what lies in /tmp is soon gone.
fn check_reachable(binary: &Path) -> Result<(), Failure> {
    if !HIDDEN.iter().any(|folder| binary.starts_with(folder)) {
        return Ok(());
    }
    let path = binary.display();
    Err(Failure::new(FailureKind::Environment, format!("a service can't run {path}"))
        .because("home folders and /tmp are out of its sight")
        .hint(format!(
            "`install -m 755 {path} /usr/local/bin/handfast`, then \
             `/usr/local/bin/handfast service install`"
        )))
}

fn bad_path(path: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{path:?} can't stand in a systemd unit"))
        .because("it is not absolute, or has a character other than A-Z a-z 0-9 / . _ - + : @")
        .hint("use another folder")
}

fn no_access(path: &Path, error: &FolderError) -> Failure {
    let failure = |kind| Failure::new(kind, format!("{} can't be written", path.display()));
    match error {
        FolderError::Io { source, .. } => {
            let kind = match source.kind() {
                io::ErrorKind::PermissionDenied => FailureKind::Forbidden,
                _ => FailureKind::Failed,
            };
            failure(kind).caused_by(source).hint("run as root, or look at it first with --dry-run")
        }
        other => failure(FailureKind::Forbidden)
            .caused_by(other)
            .hint("mend that first: what is written there would land elsewhere, or be changed"),
    }
}

fn command(program: &'static str, arguments: &[&str]) -> Step {
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    Step::Run { program, arguments }
}

fn in_image(root: Option<&Path>, path: &str) -> PathBuf {
    match root {
        Some(root) => root.join(path.trim_start_matches('/')),
        None => path.into(),
    }
}

fn unit_file(name: &str) -> String {
    format!("/etc/systemd/system/{name}.service")
}

fn wants_link(name: &str) -> String {
    format!("/etc/systemd/system/multi-user.target.wants/{name}.service")
}

const USUAL: &str = "handfast";
/// Where a unit may come from: from here, or with a package.
const UNIT_FOLDERS: [&str; 3] =
    ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const SOCKET_FILE: &str = "/etc/systemd/system/handfast.socket";
const CLIENT_UNIT_FILE: &str = "/etc/systemd/system/handfast-connect@.service";
const SYSUSERS_FILE: &str = "/etc/sysusers.d/handfast.conf";
const HIDDEN: [&str; 4] = ["/home", "/root", "/run/user", "/tmp"];
