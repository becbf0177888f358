//! Recordings: OpenSSL with OpenSSL, and the stock OpenVPN with itself, in a network namespace, and those that the
//! tests of stories have. `EXPLAIN_RECORDS` names a folder with some that were made before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One recorded conversation.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) capture: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) control: Control,
    /// The same conversation with each datagram by itself, where the capture has several in one frame.
    pub(crate) cut: Option<PathBuf>,
    /// The key of tls-auth that the story is told with.
    pub(crate) tls_auth_key: Option<PathBuf>,
    /// Why what is encrypted can't be read; none with its keys.
    pub(crate) closed: Option<&'static str>,
}

/// What protects a session's control packets, by the name of the recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Control {
    Plain,
    Hmac(&'static str),
    Crypt,
}

impl Record {
    fn of(capture: PathBuf, is_committed: bool) -> Record {
        let stem = capture.file_stem().unwrap().to_string_lossy().into_owned();
        let keys = capture.with_extension("keys");
        let log = fs::read_to_string(&keys).unwrap_or_default();
        let has_keys = log.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
        let has = |word: &str| stem.contains(word);
        let control = match () {
            () if has("crypt") => Control::Crypt,
            () if has("sha1") => Control::Hmac("sha1"),
            () if has("sha256") || stem.starts_with("vpn-") => Control::Hmac("sha256"),
            () if has("sha512") => Control::Hmac("sha512"),
            () => Control::Plain,
        };
        // Over TCP they are told without, so that there are both.
        let is_given = stem.starts_with("openvpn-udp") && matches!(control, Control::Hmac(_));
        Record {
            name: if is_committed { format!("{stem} (committed)") } else { stem },
            tls_auth_key: is_given.then(|| match capture.with_extension("ta") {
                own if own.exists() => own,
                _ => capture.with_file_name("ta.key"),
            }),
            cut: Some(capture.with_extension("cut")).filter(|cut| cut.exists()),
            keys,
            control,
            closed: (!has_keys).then_some("no key log was given"),
            capture,
        }
    }

    pub(crate) fn is_vpn(&self) -> bool {
        self.name.starts_with("openvpn-") || self.name.starts_with("vpn-")
    }

    /// Whether packets of this key id are encrypted: by tls-crypt all are, and the stock OpenVPN encrypts renewals by a
    /// key that the first handshake made.
    pub(crate) fn is_encrypted(&self, key_id: u64) -> bool {
        self.control == Control::Crypt || (self.name.starts_with("openvpn-") && key_id > 0)
    }

    /// How tshark is told what it reads.
    pub(crate) fn options(&self) -> Vec<String> {
        if !self.is_vpn() {
            return Vec::new();
        }
        let length = match self.control {
            Control::Plain | Control::Crypt => None,
            Control::Hmac("sha1") => Some(20),
            Control::Hmac("sha256") => Some(32),
            Control::Hmac(_) => Some(64),
        };
        let tls_auth = if length.is_some() { "TRUE" } else { "FALSE" };
        let preferences = [
            "openvpn.tls_auth_detection_override:TRUE".to_owned(),
            format!("openvpn.tls_auth:{tls_auth}"),
            format!("openvpn.tls_auth_hmac_size:{}", length.unwrap_or(20)),
        ];
        let ports = ["udp.port==21000-21999", "tcp.port==21000-21999", "udp.port==1194"];
        let preferences = preferences.into_iter().flat_map(|one| ["-o".to_owned(), one]);
        let ports = ports.iter().flat_map(|port| ["-d".to_owned(), format!("{port},openvpn")]);
        preferences.chain(ports).collect()
    }

    /// Which OpenVPN it was, as its client's log says.
    pub(crate) fn version(&self) -> Option<String> {
        let log = self.capture.parent()?.join("vpn").join(format!("{}.client", self.name));
        let log = fs::read_to_string(log).ok()?;
        let banner = log.lines().find_map(|line| line.find("OpenVPN 2.").map(|at| &line[at..]))?;
        Some(banner.split(' ').take(2).collect::<Vec<&str>>().join(" "))
    }

    /// A folder for what is made of it.
    pub(crate) fn scratch(&self, what: &str) -> PathBuf {
        let name = format!("truth-{}-{what}", self.name.replace([' ', '(', ')'], "_"));
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
    }
}

/// All recordings; none where a program is missing.
pub(crate) fn all() -> Option<Vec<Record>> {
    for program in ["tshark", "tcpdump", "openssl", "unshare", "ip", "ss", "nft", "openvpn"] {
        if !on_path(program) {
            println!("SKIP truth: no {program}");
            return None;
        }
    }
    if !Command::new("unshare")
        .args(["--net", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("SKIP truth: no network namespace can be made");
        return None;
    }
    let folder = match std::env::var_os("EXPLAIN_RECORDS") {
        Some(folder) => PathBuf::from(folder),
        None => recorded_anew(),
    };
    let mut records: Vec<Record> =
        captures(&folder).map(|capture| Record::of(capture, false)).collect();
    records.push(with_an_unknown_message(&folder));
    records.extend(
        committed()
            .filter(|capture| is_not_made_anew(capture))
            .map(|capture| Record::of(capture, true)),
    );
    records.sort_by(|a, b| a.name.cmp(&b.name));
    Some(records)
}

/// The recordings that other tests of this crate have too.
pub(crate) fn committed() -> impl Iterator<Item = PathBuf> {
    captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"))
}

fn captures(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
}

/// Those of a newer program than this machine has, and of a client and a gateway of ours.
fn is_not_made_anew(capture: &Path) -> bool {
    let name = capture.file_stem().unwrap().to_string_lossy();
    name.contains("hybrid")
        || name.starts_with("vpn-")
        || name.starts_with("starttls")
        || name.contains("offload")
}

/// A handshake that ends with a message of a kind that nobody knows here, where there was a ServerHelloDone.
fn with_an_unknown_message(folder: &Path) -> Record {
    let done = [22, 3, 3, 0, 4, 14, 0, 0, 0];
    let mut file = fs::read(folder.join("tls1_2-p256-unlogged.pcap")).unwrap();
    let at = file.windows(done.len()).position(|bytes| bytes == done).unwrap();
    file[at + 5] = UNKNOWN_KIND;
    let made = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tls1_2-unknown-message.pcap");
    fs::write(&made, file).unwrap();
    Record::of(made, false)
}

/// supplemental_data (RFC 4680).
const UNKNOWN_KIND: u8 = 23;

fn recorded_anew() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("truth");
    let _ = fs::remove_dir_all(&folder);
    let scripts = ["record.sh", "record-openvpn.sh"].map(|script| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
        Command::new("unshare").arg("--net").arg("bash").arg(&script).arg(&folder).spawn().unwrap()
    });
    for mut script in scripts {
        assert!(script.wait().unwrap().success(), "a script failed");
    }
    folder
}

fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}
