//! Exim, from a folder of its own, unpacked beside the machine's mail server.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use interop::{Program, World};

use super::house::{Certified, open_up, unpacked};
use super::mail::Mailboxes;

/// Where it is in the clear, with STARTTLS of its own.
pub(crate) const PORT: u16 = 10027;

/// Exim. Dropping it ends it.
pub(crate) struct Exim {
    program: Program,
    folder: PathBuf,
}

/// The program, where it was unpacked.
pub(crate) fn binary() -> Option<PathBuf> {
    unpacked("EXIM_ROOT", "usr/sbin/exim4")
}

impl Exim {
    pub(crate) fn start(
        world: &World,
        certified: &Certified,
        mail: &Mailboxes,
        binary: &std::path::Path,
    ) -> Self {
        let folder = world.file("exim");
        for part in ["spool", "log"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
            chown(folder.join(part), Some(OWNER), Some(OWNER)).expect("it is given away");
        }
        open_up(&folder);
        let root = binary.ancestors().nth(3).expect("it lies below its root");
        let libraries = root.join("usr/lib/x86_64-linux-gnu").display().to_string();
        let own = |file: &PathBuf, name: &str| {
            let to = folder.join(name);
            fs::copy(file, &to).expect("a copy");
            chown(&to, Some(OWNER), Some(OWNER)).expect("it is given away");
            to.display().to_string()
        };
        let settings = SETTINGS
            .replace("BINARY", &binary.display().to_string())
            .replace("CERT", &own(&certified.certificate, "cert.pem"))
            .replace("KEY", &own(&certified.key, "key.pem"))
            .replace("FOLDER", &folder.display().to_string())
            .replace("MAIL", &mail.folder().display().to_string());
        let file = folder.join("exim.conf");
        fs::write(&file, settings).expect("written");
        // Whom it gives root away to is a user that only its package makes.
        let known = |path: &str, line: &str| {
            let to = folder.join(path.replace('/', "_"));
            fs::write(&to, fs::read_to_string(path).expect("users") + line).expect("written");
            format!("mount --bind {} {path}", to.display())
        };
        let users = known("/etc/passwd", &format!("Debian-exim:x:{OWNER}:{OWNER}::/:/bin/false\n"));
        let groups = known("/etc/group", &format!("Debian-exim:x:{OWNER}:\n"));
        // It goes on under other users, to whom the environment says nothing of libraries.
        let [known, cache] = ["ld.so.conf", "ld.so.cache"].map(|name| folder.join(name));
        fs::write(&known, format!("include /etc/ld.so.conf\n{libraries}\n")).expect("written");
        let libraries = format!(
            "ldconfig -X -f {} -C {cache}; mount --bind {cache} /etc/ld.so.cache",
            known.display(),
            cache = cache.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec"]);
        command.arg(format!(
            "{users}; {groups}; {libraries}; exec {} -C {} -bdf -q1m",
            binary.display(),
            file.display()
        ));
        let log = folder.join("start.log");
        let program = Program::start_enclosed(&world.gateway.netns, &command, &log);
        Self { program: program.expect("exim starts"), folder }
    }

    pub(crate) fn log(&self) -> String {
        let own = fs::read_to_string(self.folder.join("log/mainlog")).unwrap_or_default();
        own + &self.program.log()
    }
}

/// Whose the mailboxes are: it delivers as itself.
const OWNER: u32 = 65_534;

const SETTINGS: &str = "
exim_path = BINARY
keep_environment =
primary_hostname = inner.test
spool_directory = FOLDER/spool
log_file_path = FOLDER/log/%slog
pid_file_path = FOLDER/pid
daemon_smtp_ports = 10027
local_interfaces = <; 0.0.0.0
tls_advertise_hosts = *
tls_certificate = CERT
tls_privatekey = KEY
rfc1413_hosts =
host_lookup =
acl_smtp_rcpt = rcpt
deliver_drop_privilege

begin acl
rcpt:
  accept

begin routers
mailboxes:
  driver = accept
  domains = mail.test
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = MAIL/alice/Maildir
  maildir_format
  create_directory
";
