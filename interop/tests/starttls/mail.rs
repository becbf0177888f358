//! Postfix and Dovecot, each from a folder of its own, over the same mailboxes.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::{Program, World};

use super::house::{Certified, House, open_up, unpacked, user};

/// Ports on which they are in the clear, with STARTTLS of their own.
pub(crate) const SMTP: u16 = 10025;
pub(crate) const LMTP: u16 = 10024;
pub(crate) const IMAP: u16 = 10143;
pub(crate) const POP3: u16 = 10110;
pub(crate) const SIEVE: u16 = 14190;
/// Where Dovecot believes the PROXY protocol.
pub(crate) const PROXIED_IMAP: u16 = 10144;
pub(crate) const PROXIED_POP3: u16 = 10111;
pub(crate) const PROXIED_SIEVE: u16 = 14191;
pub(crate) const PROXIED_SUBMISSION: u16 = 10588;

/// The mailboxes: `alice` at `mail.test`, with the password `secret`.
pub(crate) struct Mailboxes(PathBuf);

impl Mailboxes {
    pub(crate) fn at(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        chown(&folder, Some(NOBODY), Some(NOBODY)).expect("it is given away");
        Self(folder)
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Whether some mail of hers has this in it.
    pub(crate) fn have(&self, mark: &str) -> bool {
        let read =
            |entry: std::io::Result<fs::DirEntry>| fs::read_to_string(entry.ok()?.path()).ok();
        let folders = ["new", "cur"].map(|part| self.0.join("alice/Maildir").join(part));
        folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(read)
            .any(|mail| mail.contains(mark))
    }
}

/// Both, once they listen, and the mailboxes.
pub(crate) fn start(house: &House) -> (Mailboxes, Postfix, Dovecot) {
    let mailboxes = Mailboxes::at(house.world.file("mail"));
    let postfix = Postfix::start(&house.world, &house.certified, &mailboxes);
    let dovecot = Dovecot::start(&house.world, &house.certified, &mailboxes);
    [SMTP, LMTP, IMAP, POP3, SIEVE].into_iter().for_each(|port| house.listens(port));
    (mailboxes, postfix, dovecot)
}

/// Postfix. Dropping it ends it.
pub(crate) struct Postfix {
    program: Program,
    log: PathBuf,
}

impl Postfix {
    pub(crate) fn start(world: &World, certified: &Certified, mail: &Mailboxes) -> Self {
        let folder = world.file("postfix");
        let log = folder.join("postfix.log");
        let at = |name: &str| folder.join(name);
        for part in ["etc", "queue", "data"] {
            fs::create_dir_all(at(part)).expect("a folder");
        }
        open_up(&folder);
        let owner = user("postfix");
        chown(at("data"), Some(owner), None).expect("it is given away");
        let main = POSTFIX
            .replace("FOLDER", &folder.display().to_string())
            .replace("MAIL", &mail.0.display().to_string())
            .replace("CERT", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        fs::write(at("etc/main.cf"), main).expect("written");
        fs::write(at("etc/master.cf"), SERVICES).expect("written");
        let mut command = Command::new("postfix");
        command.arg("-c").arg(at("etc")).arg("start-fg");
        let program = Program::start_enclosed(&world.gateway.netns, &command, &at("start.log"));
        Self { program: program.expect("postfix starts"), log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default() + &self.program.log()
    }
}

/// Dovecot. Dropping it ends it.
pub(crate) struct Dovecot {
    program: Program,
    log: PathBuf,
}

/// Where Dovecot's part is that takes mail from its writer.
pub(crate) fn submission() -> Option<PathBuf> {
    let program = unpacked("SUBMISSION_ROOT", "usr/lib/dovecot/submission-login")?;
    program.parent().map(Path::to_owned)
}

impl Dovecot {
    pub(crate) fn start(world: &World, certified: &Certified, mail: &Mailboxes) -> Self {
        Self::start_with(world, certified, mail, None)
    }

    /// The same with a part that takes mail from its writer, and hands it to Postfix.
    pub(crate) fn start_with(
        world: &World,
        certified: &Certified,
        mail: &Mailboxes,
        submission: Option<&Path>,
    ) -> Self {
        let folder = world.file("dovecot");
        for part in ["base", "state"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        open_up(&folder);
        let takes_mail = submission.map_or_else(String::new, |folder| {
            SUBMISSION.replace("PROGRAMS", &folder.display().to_string())
        });
        let settings = (DOVECOT.to_owned() + &takes_mail)
            .replace("FOLDER", &folder.display().to_string())
            .replace("MAIL", &mail.0.display().to_string())
            .replace("CERT", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        let file = folder.join("dovecot.conf");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(&file);
        let program =
            Program::start_enclosed(&world.gateway.netns, &command, &folder.join("start.log"));
        Self { program: program.expect("dovecot starts"), log: folder.join("dovecot.log") }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default() + &self.program.log()
    }
}

const NOBODY: u32 = 65534;

const POSTFIX: &str = "
compatibility_level = 3.6
queue_directory = FOLDER/queue
data_directory = FOLDER/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
myhostname = inner.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
inet_interfaces = all
inet_protocols = ipv4
virtual_mailbox_domains = mail.test
virtual_mailbox_base = MAIL
virtual_mailbox_maps = static:alice/Maildir/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
maillog_file = FOLDER/postfix.log
maillog_file_prefixes = FOLDER
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_tls_security_level = may
smtpd_tls_cert_file = CERT
smtpd_tls_key_file = KEY
smtpd_peername_lookup = no
";

const SERVICES: &str = "
10025     inet  n       -       n       -       -       smtpd
10026     inet  n       -       n       -       -       smtpd -o smtpd_upstream_proxy_protocol=haproxy
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
proxymap  unix  -       -       n       -       -       proxymap
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
postlog   unix-dgram n  -       n       -       1       postlogd
";

const DOVECOT: &str = "
base_dir = FOLDER/base
state_dir = FOLDER/state
log_path = FOLDER/dovecot.log
protocols = imap pop3 lmtp sieve
listen = *
ssl = yes
ssl_cert = <CERT
ssl_key = <KEY
disable_plaintext_auth = no
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=MAIL/%n
}
first_valid_uid = 100
mail_location = maildir:~/Maildir
auth_mechanisms = plain login external
auth_ssl_username_from_cert = yes
auth_username_translation = /@
haproxy_trusted_networks = 127.0.0.1
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = 10143
  }
  inet_listener imaps {
    port = 0
  }
  inet_listener proxied {
    port = 10144
    haproxy = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 10110
  }
  inet_listener pop3s {
    port = 0
  }
  inet_listener proxied {
    port = 10111
    haproxy = yes
  }
}
service managesieve-login {
  inet_listener sieve {
    port = 14190
  }
  inet_listener proxied {
    port = 14191
    haproxy = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = 10024
  }
}
";

const SUBMISSION: &str = "
protocols = imap pop3 lmtp sieve submission
hostname = inner.test
submission_relay_host = 127.0.0.1
submission_relay_port = 10025
service submission-login {
  executable = PROGRAMS/submission-login
  inet_listener submission {
    port = 0
  }
  inet_listener proxied {
    port = 10588
    haproxy = yes
  }
}
service submission {
  executable = PROGRAMS/submission
}
";
