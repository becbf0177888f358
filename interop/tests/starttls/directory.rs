//! slapd, from a folder of its own.

use std::fs;
use std::process::Command;

use interop::{Program, World};

use super::house::Certified;

/// Where it is in the clear, with STARTTLS of its own.
pub(crate) const PORT: u16 = 10389;
/// Where it speaks TLS from the first byte on.
pub(crate) const TLS_PORT: u16 = 10636;

/// A directory that is empty. Dropping it ends it.
pub(crate) struct Slapd(Program);

impl Slapd {
    pub(crate) fn start(world: &World, certified: &Certified) -> Self {
        let folder = world.file("slapd");
        fs::create_dir_all(folder.join("db")).expect("a folder");
        let settings = SETTINGS
            .replace("FOLDER", &folder.display().to_string())
            .replace("CERT", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string());
        let file = folder.join("slapd.conf");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("slapd");
        let listens = format!("ldap://0.0.0.0:{PORT} ldaps://0.0.0.0:{TLS_PORT}");
        command.arg("-f").arg(&file).args(["-h", &listens, "-d", "256"]);
        let program = Program::start_enclosed(&world.gateway.netns, &command, &folder.join("log"));
        Self(program.expect("slapd starts"))
    }

    pub(crate) fn log(&self) -> String {
        self.0.log()
    }
}

/// What is put there first: an organization.
pub(crate) const ENTRY: &str = "dn: dc=test
objectClass: dcObject
objectClass: organization
o: mark-ldap
dc: test
";

const SETTINGS: &str = "
include /etc/ldap/schema/core.schema
pidfile FOLDER/pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile CERT
TLSCertificateKeyFile KEY
database mdb
suffix \"dc=test\"
rootdn \"cn=admin,dc=test\"
rootpw secret
directory FOLDER/db
";
