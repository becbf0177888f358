//! INN, from a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::{Program, World};

use super::house::{Certified, give, open_up, unpacked};

/// Where it is in the clear, with STARTTLS of its own.
pub(crate) const PORT: u16 = 10119;

/// INN with one group, `local.test`, to which everybody posts. Dropping it ends it.
pub(crate) struct Inn(Program);

impl Inn {
    pub(crate) fn start(world: &World, certified: &Certified, programs: &Path) -> Self {
        let folder = world.file("inn");
        for part in ["db", "run", "log", "etc"].iter().chain(&SPOOL) {
            fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        open_up(&folder);
        let place = folder.display().to_string();
        let write = |file: &str, text: &str| {
            let text =
                text.replace("FOLDER", &place).replace("NEWS", &programs.display().to_string());
            fs::write(folder.join(file), text).expect("written");
        };
        write("etc/inn.conf", SETTINGS);
        write("etc/newsfeeds", "ME:*::\n");
        write("etc/storage.conf", "method tradspool {\n newsgroups: *\n class: 0\n}\n");
        write("etc/readers.conf", READERS);
        write("db/active", ACTIVE);
        for empty in ["etc/incoming.conf", "db/active.times", "db/newsgroups", "db/history"] {
            write(empty, "");
        }
        for known in ["control.ctl", "moderators", "distrib.pats", "expire.ctl"] {
            // It does without where its package has none.
            let _ = fs::copy(Path::new("/etc/news").join(known), folder.join("etc").join(known));
        }
        fs::copy(&certified.certificate, folder.join("cert.pem")).expect("a copy");
        fs::copy(&certified.key, folder.join("key.pem")).expect("a copy");
        give(&folder, "news");
        let made = as_news(&folder, programs, "makedbz").args(["-i", "-o", "-s", "1000"]).output();
        let made = made.expect("makedbz runs");
        assert!(made.status.success(), "no history: {}", String::from_utf8_lossy(&made.stderr));
        give(&folder, "news");
        let mut command = as_news(&folder, programs, "innd");
        command.args(["-f", "-P", &PORT.to_string()]);
        let program =
            Program::start_enclosed(&world.gateway.netns, &command, &folder.join("start.log"));
        Self(program.expect("innd starts"))
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// The folder of its programs: installed, or unpacked, since it is installed only where the machine has a whole name.
pub(crate) fn programs() -> Option<PathBuf> {
    let installed = PathBuf::from("/usr/lib/news");
    let installed = Some(installed).filter(|folder| folder.join("bin/innd").exists());
    installed.or_else(|| {
        Some(unpacked("INN_ROOT", "usr/lib/news/bin/innd")?.ancestors().nth(2)?.to_owned())
    })
}

fn as_news(folder: &Path, programs: &Path, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "news", "--regid", "news", "--clear-groups"]);
    command.arg(programs.join("bin").join(program)).current_dir(folder);
    let libraries = programs.with_file_name("x86_64-linux-gnu");
    command.env("LD_LIBRARY_PATH", format!("{}:{}", programs.display(), libraries.display()));
    command.env("INNCONF", folder.join("etc/inn.conf"));
    command
}

/// Posts an article at HOST:PORT and reads it: in the clear, or with TLS where CAFILE is a file.
pub(crate) const SESSION: &str = r#"
import warnings; warnings.simplefilter("ignore")
import nntplib, socket, ssl
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: known("HOST" if host == "mail.test" else host, *more, **named)
news = nntplib.NNTP("mail.test", PORT, timeout=10)
if "CAFILE" != "":
    news.starttls(ssl.create_default_context(cafile="CAFILE"))
    assert "STARTTLS" not in news.getcapabilities(), news.getcapabilities()
news.post([b"From: alice@x.test", b"Newsgroups: local.test", b"Subject: x", b"", b"mark-news", b"STARTTLS"])
last = str(news.group("local.test")[3])
lines = news.body(last)[1].lines
assert lines == [b"mark-news", b"STARTTLS"], lines
print("all done")
"#;

const SPOOL: [&str; 7] = [
    "spool/articles",
    "spool/overview",
    "spool/incoming/tmp",
    "spool/incoming/bad",
    "spool/outgoing",
    "spool/archive",
    "filter",
];

const ACTIVE: &str = "control 0000000000 0000000001 n
control.cancel 0000000000 0000000001 n
junk 0000000000 0000000001 n
local.test 0000000000 0000000001 y
";

const READERS: &str = "
auth \"all\" {
    hosts: \"*\"
    default: \"<user>\"
}
access \"all\" {
    users: \"<user>\"
    newsgroups: \"*\"
    access: RPA
}
";

const SETTINGS: &str = "
mta: /bin/true
pathhost: news.test
domain: news.test
organization: test
ovmethod: tradindexed
hismethod: hisv6
enableoverview: true
pathnews: NEWS
pathbin: NEWS/bin
pathcontrol: NEWS/bin/control
pathdb: FOLDER/db
pathetc: FOLDER/etc
pathfilter: FOLDER/filter
pathlog: FOLDER/log
pathrun: FOLDER/run
pathspool: FOLDER/spool
pathtmp: FOLDER/spool/incoming/tmp
patharticles: FOLDER/spool/articles
patharchive: FOLDER/spool/archive
pathincoming: FOLDER/spool/incoming
pathoutgoing: FOLDER/spool/outgoing
pathoverview: FOLDER/spool/overview
tlscertfile: FOLDER/cert.pem
tlskeyfile: FOLDER/key.pem
";
