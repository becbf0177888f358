//! MariaDB, from a folder of its own.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interop::{Program, World, wait_until};

use super::house::{Certified, open_up, user};
use super::sid::Sid;

/// Where it is in the clear, with TLS for whoever asks.
pub(crate) const PORT: u16 = 13306;

/// MariaDB, where `alice` and `careful` have the password `secret`. Dropping it ends it.
pub(crate) struct Mariadb(Program);

impl Mariadb {
    pub(crate) fn start(world: &World, certified: &Certified) -> Self {
        let folder = world.file("mariadb");
        fs::create_dir_all(&folder).expect("a folder");
        open_up(&folder);
        chown(&folder, Some(user("mysql")), None).expect("it is given away");
        let data = format!("--datadir={}", folder.join("data").display());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--user=mysql", &data, "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal");
        let made = install.output().expect("mariadb-install-db starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let own = |file: &Path, name: &str| {
            let to = folder.join(name);
            fs::copy(file, &to).expect("a copy");
            chown(&to, Some(user("mysql")), None).expect("it is given away");
            to.display().to_string()
        };
        let socket = folder.join("socket").display().to_string();
        let mut command = Command::new("mariadbd");
        command.args(["--no-defaults", "--user=mysql", &data, &format!("--socket={socket}")]);
        command.args([&format!("--port={PORT}"), "--bind-address=0.0.0.0", "--skip-name-resolve"]);
        command.arg(format!("--ssl-cert={}", own(&certified.certificate, "cert.pem")));
        command.arg(format!("--ssl-key={}", own(&certified.key, "key.pem")));
        Self::with_users(world, &command, &folder)
    }

    /// The one of another Debian, which proves its certificate by passwords.
    pub(crate) fn start_newer(world: &World, certified: &Certified, sid: &Sid) -> Self {
        let folder = world.file("mariadb");
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(&certified.certificate, folder.join("cert.pem")).expect("a copy");
        fs::copy(&certified.key, folder.join("key.pem")).expect("a copy");
        let command = sid.command(&folder, &NEWER.replace("PORT", &PORT.to_string()));
        Self::with_users(world, &command, &folder)
    }

    fn with_users(world: &World, command: &Command, folder: &Path) -> Self {
        let program = Program::start_enclosed(&world.gateway.netns, command, &folder.join("log"));
        let database = Self(program.expect("mariadbd starts"));
        let socket = format!("--socket={}", folder.join("socket").display());
        let make = || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", &socket, "-u", "root", "-e", MAKE]);
            client.output().is_ok_and(|made| made.status.success())
        };
        assert!(wait_until(Duration::from_secs(30), make), "{}", database.log());
        database
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// `careful` is let in over TLS alone.
const MAKE: &str = "create or replace user alice@'%' identified by 'secret'; grant all on *.* to alice@'%'; \
                    create or replace user careful@'%' identified by 'secret' require ssl";

const NEWER: &str = "mariadb-install-db --no-defaults --user=root --datadir=/mnt/data --skip-test-db \
    --auth-root-authentication-method=normal && exec mariadbd --no-defaults --user=root --datadir=/mnt/data \
    --socket=/mnt/socket --port=PORT --bind-address=0.0.0.0 --skip-name-resolve --ssl-cert=/mnt/cert.pem \
    --ssl-key=/mnt/key.pem";
