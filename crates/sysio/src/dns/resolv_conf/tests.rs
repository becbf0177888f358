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

#[test]
fn what_dhcp_writes_meanwhile_is_overwritten_and_comes_back_at_the_end() {
    let folder = Folder::new("dhcp");
    fs::write(folder.file(), "nameserver 192.0.2.1\n").unwrap();
    let mut rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    assert!(!rewritten.keep(&settings(), &folder.file()).unwrap());
    for (lease, options) in [
        ("nameserver 198.51.100.1\noptions edns0\n", "options edns0\n"),
        ("search lan\nnameserver 198.51.100.2\nnameserver fd00::53\n", ""),
    ] {
        fs::write(folder.file(), lease).unwrap();
        assert!(rewritten.keep(&settings(), &folder.file()).unwrap());
        let content = fs::read_to_string(folder.file()).unwrap();
        assert!(content.contains("nameserver 10.71.0.1\n") && content.ends_with(options));
    }
    let former: Vec<IpAddr> = vec!["198.51.100.2".parse().unwrap(), "fd00::53".parse().unwrap()];
    assert_eq!(rewritten.former_servers(), former);
    rewritten.put_back().unwrap();
    let after = fs::read_to_string(folder.file()).unwrap();
    assert!(after.starts_with("search lan\n"), "{after}");
    assert!(!folder.backup().exists());
}

#[test]
fn a_kill_after_dhcp_wrote_brings_back_what_dhcp_wrote() {
    let folder = Folder::new("dhcp-kill");
    fs::write(folder.file(), "nameserver 192.0.2.1\n").unwrap();
    let mut rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    fs::write(folder.file(), "nameserver 198.51.100.1\n").unwrap();
    assert!(rewritten.keep(&settings(), &folder.file()).unwrap());
    drop(rewritten);
    assert!(recover(&folder.backup()).unwrap());
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "nameserver 198.51.100.1\n");
}

#[test]
fn a_file_that_is_emptied_or_removed_meanwhile_is_written_again() {
    let folder = Folder::new("emptied");
    fs::write(folder.file(), "nameserver 192.0.2.1\n").unwrap();
    let mut rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    fs::write(folder.file(), "").unwrap();
    assert!(rewritten.keep(&settings(), &folder.file()).unwrap());
    fs::remove_file(folder.file()).unwrap();
    assert!(rewritten.keep(&settings(), &folder.file()).unwrap());
    rewritten.put_back().unwrap();
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "nameserver 192.0.2.1\n");
}

#[test]
fn a_link_that_leads_elsewhere_meanwhile_is_followed_and_its_former_target_is_as_before() {
    let folder = Folder::new("relinked");
    let (one, two) = (folder.0.join("one"), folder.0.join("two"));
    fs::write(&one, "nameserver 192.0.2.1\n").unwrap();
    fs::write(&two, "nameserver 192.0.2.2\n").unwrap();
    std::os::unix::fs::symlink("one", folder.file()).unwrap();
    let mut rewritten = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    fs::remove_file(folder.file()).unwrap();
    std::os::unix::fs::symlink("two", folder.file()).unwrap();
    assert!(rewritten.keep(&settings(), &folder.file()).unwrap());
    assert_eq!(fs::read_to_string(&one).unwrap(), "nameserver 192.0.2.1\n");
    assert!(fs::read_to_string(&two).unwrap().starts_with(MARK));
    rewritten.put_back().unwrap();
    assert_eq!(fs::read_to_string(&two).unwrap(), "nameserver 192.0.2.2\n");
}

#[test]
fn another_tunnels_file_is_not_fought_over() {
    let folder = Folder::new("nested");
    fs::write(folder.file(), "nameserver 192.0.2.1\n").unwrap();
    let mut first = apply(&settings(), &folder.file(), &folder.backup()).unwrap();
    let other = DnsSettings { interface: "hf1".to_owned(), ..settings() };
    let second = apply(&other, &folder.file(), &folder.0.join("other-backup")).unwrap();
    assert!(!first.keep(&settings(), &folder.file()).unwrap());
    second.put_back().unwrap();
    assert!(!first.keep(&settings(), &folder.file()).unwrap());
    first.put_back().unwrap();
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "nameserver 192.0.2.1\n");
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
