//! vsftpd, from a folder of its own, with everybody as `anonymous`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use interop::{Program, World};

use super::house::{Certified, open_up, user};

/// Where it is in the clear, with AUTH TLS of its own.
pub(crate) const PORT: u16 = 10021;
/// Where it takes no data connection whose TLS session is not the control connection's.
pub(crate) const STRICT_PORT: u16 = 10022;

/// vsftpd. Dropping it ends it.
pub(crate) struct Vsftpd {
    program: Program,
    folder: PathBuf,
}

impl Vsftpd {
    pub(crate) fn start(world: &World, certified: &Certified, is_strict: bool) -> Self {
        let port = if is_strict { STRICT_PORT } else { PORT };
        let folder = world.file(&format!("vsftpd-{port}"));
        for part in ["root/files", "empty"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        open_up(&folder);
        open_up(&folder.join("root/files"));
        let owner = user("ftp");
        chown(folder.join("root/files"), Some(owner), None).expect("it is given away");
        let yes_or_no = |yes: bool| if yes { "YES" } else { "NO" };
        let settings = SETTINGS
            .replace("FOLDER", &folder.display().to_string())
            .replace("PORT", &port.to_string())
            .replace("STRICT", yes_or_no(is_strict))
            .replace("CERTIFICATE", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        let file = folder.join("vsftpd.conf");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("vsftpd");
        command.arg(&file);
        let log = folder.join("start.log");
        let program = Program::start_enclosed(&world.gateway.netns, &command, &log);
        Self { program: program.expect("vsftpd starts"), folder }
    }

    pub(crate) fn log(&self) -> String {
        let own = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        own + &self.program.log()
    }

    /// What of this name it has.
    pub(crate) fn has(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join("root/files").join(name)).ok()
    }
}

/// Stores FILE and fetches it by both ways to a data connection, from HOST:PORT: in the clear, or with TLS where CAFILE
/// is a file, with a certificate where OWN is a folder.
pub(crate) const SESSION: &str = r#"
import ftplib, io, os, socket, ssl
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: known("HOST" if host == "mail.test" else host, *more, **named)
if "CAFILE" == "":
    files = ftplib.FTP(timeout=10)
else:
    tls = ssl.create_default_context(cafile="CAFILE")
    if "OWN" != "": tls.load_cert_chain("OWN/vpn.crt", "OWN/vpn.key")
    files = ftplib.FTP_TLS(context=tls, timeout=10)
files.connect("mail.test", PORT)
files.login()
if "CAFILE" != "": files.prot_p()
assert "AUTH" not in files.sendcmd("FEAT")
text = os.urandom(3_000_000)
for family in [socket.AF_INET, socket.AF_INET6]:
    files.af = family  # by PASV, then by EPSV
    files.storbinary("STOR files/NAME", io.BytesIO(text))
    fetched = io.BytesIO()
    files.retrbinary("RETR files/NAME", fetched.write)
    assert fetched.getvalue() == text, len(fetched.getvalue())
    names = files.nlst("files")
    assert any("NAME" in name for name in names), names
    files.delete("files/NAME")
files.storbinary("STOR files/NAME", io.BytesIO(text[:1000]))
try:
    files.sendport("127.0.0.1", 4000)
    raise SystemExit("PORT was taken")
except ftplib.error_perm as why:
    assert "PASV" in str(why), why
files.quit()
print("all done")
"#;

const SETTINGS: &str = "
listen=YES
listen_port=PORT
background=NO
anonymous_enable=YES
no_anon_password=YES
ftp_username=ftp
anon_root=FOLDER/root
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
secure_chroot_dir=FOLDER/empty
seccomp_sandbox=NO
vsftpd_log_file=FOLDER/log
xferlog_enable=YES
log_ftp_protocol=YES
ssl_enable=YES
allow_anon_ssl=YES
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=STRICT
rsa_cert_file=CERTIFICATE
rsa_private_key_file=KEY
ssl_ciphers=HIGH
";
