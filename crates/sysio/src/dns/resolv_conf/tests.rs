//! On files of their own; the real place is tried in namespaces (tests/).

use super::*;

#[test]
fn the_former_content_comes_back_and_options_are_kept_meanwhile() {
    let folder = Folder::new("back");
    let former = "nameserver 192.0.2.1\noptions edns0\n";
    fs::write(folder.file(), former).unwrap();
    let rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    let content = fs::read_to_string(folder.file()).unwrap();
    assert!(content.ends_with("nameserver 10.71.0.1\nsearch corp.example\noptions edns0\n"));
    rewritten.put_back().unwrap();
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), former);
    assert!(!folder.backup().exists());
}

#[test]
fn a_link_stays_a_link() {
    let folder = Folder::new("link");
    fs::write(folder.0.join("target"), "nameserver 192.0.2.1\n").unwrap();
    std::os::unix::fs::symlink("target", folder.file()).unwrap();
    let rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    assert!(fs::read_to_string(folder.0.join("target")).unwrap().starts_with(MARK));
    rewritten.put_back().unwrap();
    assert!(folder.file().is_symlink());
}

#[test]
fn a_file_that_did_not_exist_is_gone_again() {
    let folder = Folder::new("none");
    apply(&settings(), &folder.file(), &folder.backup()).unwrap().put_back().unwrap();
    assert!(!folder.file().exists());
}

#[test]
fn a_running_tunnel_is_not_undone_and_a_dead_one_is() {
    let folder = Folder::new("dead");
    fs::write(folder.file(), "former").unwrap();
    let running = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    assert!(matches!(recover(&folder.backup()), Err(DnsError::Taken { .. })));
    // What a kill leaves: the files as they are, and no lock.
    drop(running);
    assert!(recover(&folder.backup()).unwrap());
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "former");
    assert!(!recover(&folder.backup()).unwrap());
}

#[test]
fn what_somebody_else_wrote_since_is_left_alone() {
    let folder = Folder::new("others");
    fs::write(folder.file(), "former").unwrap();
    let rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    fs::write(folder.file(), "nameserver 198.51.100.1\n").unwrap();
    rewritten.put_back().unwrap();
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "nameserver 198.51.100.1\n");
    assert!(!folder.backup().exists());
}

fn settings() -> DnsSettings {
    DnsSettings {
        interface: "hf0".to_owned(),
        servers: vec!["10.71.0.1".parse().unwrap()],
        search: vec![DomainName::new("corp.example").unwrap()],
        all_names: true,
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("sysio-dns-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("resolv.conf")
    }

    fn backup(&self) -> PathBuf {
        self.0.join("backup")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
