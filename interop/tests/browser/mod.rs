//! Debian's chromium, headless, with a home of its own, that shows a device's certificate at `closed.test`.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use interop::Subscriber;

/// Which of the programs that it takes is not installed.
pub(crate) fn lacks() -> Option<&'static str> {
    ["chromium", "certutil"].into_iter().find(|name| Command::new(name).arg("-H").output().is_err())
}

/// What stands on this page of this name, which is at this address; the CA is trusted, and the certificate of this device
/// is shown where it is asked for by `closed.test`.
pub(crate) fn page(who: &Subscriber, ca: &str, at: Ipv4Addr, name: &str, path: &str) -> String {
    let home = who.folder.join("home");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(home.join(".pki/nssdb")).expect("a home");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", BROWSE]).current_dir(&who.folder);
    command
        .env("HOME", &home)
        .env("CA", ca)
        .env("NAME", name)
        .env("AT", at.to_string())
        .env("PAGE", path);
    let output = who.host.netns.output(command).expect("it starts");
    println!("{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Policies are the whole machine's, so that it has mounts of its own.
const BROWSE: &str = r#"
db=sql:$HOME/.pki/nssdb
certutil -d $db -N --empty-password
certutil -d $db -A -t C,, -n ca -i "$CA"
openssl pkcs12 -export -in vpn.crt -inkey vpn.key -passout pass:x -out "$HOME/own.p12"
pk12util -d $db -i "$HOME/own.p12" -W x >&2
mount -t tmpfs none /etc/chromium
mkdir -p /etc/chromium/policies/managed
cat >/etc/chromium/policies/managed/test.json <<'END'
{"AutoSelectCertificateForUrls": ["{\"pattern\": \"https://closed.test\", \"filter\": {}}"]}
END
exec timeout 100 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --user-data-dir="$HOME/profile" --host-resolver-rules="MAP $NAME $AT" \
    --dump-dom "https://$NAME$PAGE"
"#;
