//! MariaDB, from a folder of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;
use std::time::Duration;

use interop::{Program, World, wait_until};

use super::house::{Certified, open_up, user};

/// Where it is in the clear, with TLS for whoever asks.
pub(crate) const PORT: u16 = 13306;

/// MariaDB, where `alice` has the password `secret`. Dropping it ends it.
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
        let own = |file: &std::path::Path, name: &str| {
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
        let program = Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"));
        let database = Self(program.expect("mariadbd starts"));
        let make = || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", &format!("--socket={socket}"), "-u", "root", "-e", MAKE]);
            client.output().is_ok_and(|made| made.status.success())
        };
        assert!(wait_until(Duration::from_secs(30), make), "{}", database.log());
        database
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

const MAKE: &str =
    "create or replace user alice@'%' identified by 'secret'; grant all on *.* to alice@'%'";
