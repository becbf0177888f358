//! PostgreSQL, from a folder of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use interop::{Program, World, postgresql_programs};

use super::house::{Certified, open_up, user};

/// Where it is in the clear, with TLS for whoever asks.
pub(crate) const PORT: u16 = 15432;

/// PostgreSQL, which asks `alice` for a password and trusts everybody else. Dropping it ends it.
pub(crate) struct Postgresql(Program);

impl Postgresql {
    pub(crate) fn start(world: &World, certified: &Certified) -> Self {
        let folder = world.file("postgresql");
        fs::create_dir_all(&folder).expect("a folder");
        open_up(&folder);
        let owner = user("postgres");
        chown(&folder, Some(owner), Some(owner)).expect("it is given away");
        let data = folder.join("data");
        let made = as_postgres("initdb").args(["-A", "trust", "-N", "-D"]).arg(&data).output();
        let made = made.expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let own = |file: &PathBuf, name: &str| {
            let to = data.join(name);
            fs::copy(file, &to).expect("a copy");
            fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("hidden");
            chown(&to, Some(owner), Some(owner)).expect("it is given away");
        };
        own(&certified.certificate, "server.crt");
        own(&certified.key, "server.key");
        let users = "host all alice all scram-sha-256\nhost all all all trust\n";
        fs::write(data.join("pg_hba.conf"), users).expect("written");
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(&data).args([
            "-c",
            "ssl=on",
            "-c",
            "fsync=off",
            "-c",
            "listen_addresses=*",
        ]);
        command.args(["-c", &format!("port={PORT}"), "-c", "unix_socket_directories="]);
        // Else it would leave a file in /dev/shm when it is killed.
        command.args(["-c", "dynamic_shared_memory_type=mmap"]);
        let program = Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"));
        Self(program.expect("postgres starts"))
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// It does not run as root.
fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    let folder = postgresql_programs().expect("psql comes with the server");
    command.arg(folder.join(program)).current_dir("/");
    command
}
