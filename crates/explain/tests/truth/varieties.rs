//! What a recording must hold, by its name: as tshark reads it.

use serde_json::Value;

/// What a name promises and the recording has not.
pub(crate) fn broken_promises(name: &str, story: &Value) -> Vec<&'static str> {
    let is = |word: &str| name.split([' ', '-']).any(|part| part == word);
    let is_vpn = story["protocol"] == "openvpn";
    PROMISES
        .iter()
        .filter(|(word, of_vpn, ..)| is(word) && of_vpn.is_none_or(|of_vpn| of_vpn == is_vpn))
        .filter(|(.., holds)| !holds(&Read(story)))
        .map(|(_, _, what, _)| *what)
        .collect()
}

/// What must be recorded: words of names that belong together.
pub(crate) const KINDS: &[&[&str]] = &[
    &["tls1_2", "rsa", "mutual"],
    &["tls1_2", "p256", "mutual"],
    &["tls1_3", "rsa", "mutual"],
    &["tls1_3", "p256", "mutual"],
    &["tls1_3", "rsa", "retry"],
    &["tls1_3", "p256", "retry"],
    &["tls1_2", "resumed"],
    &["tls1_3", "resumed"],
    &["tls1_3", "update"],
    &["tls1_3", "staple", "revoked"],
    &["tls1_2", "p256", "hash384"],
    &["tls1_2", "p384", "hash256"],
    &["tls1_2", "rsa1024"],
    &["tls1_3", "rsa1024"],
    &["tls1_2", "rsa", "cbc", "behind"],
    &["tls1_2", "p256", "cbc", "inside"],
    &["tls1_2", "p256", "cbc384", "inside"],
    &["tls1_2", "rsa", "cbc1", "behind"],
    &["tls1_2", "rsa", "cbc1", "inside"],
    &["tls1_2", "cbc", "unlogged"],
    &["expired", "client"],
    &["revoked", "server"],
    &["no", "cipher"],
    &["openvpn", "udp", "plain"],
    &["openvpn", "tcp", "plain"],
    &["openvpn", "udp", "sha1"],
    &["openvpn", "tcp", "sha256"],
    &["openvpn", "udp", "sha512"],
    &["openvpn", "udp", "crypt"],
    &["openvpn", "tcp", "crypt"],
    &["openvpn", "udp", "crypt", "v2"],
    &["openvpn", "tcp", "crypt", "v2"],
    &["openvpn", "udp", "renewed"],
    &["openvpn", "udp", "loss"],
    &["openvpn", "udp", "offload"],
    &["openvpn", "udp", "hybrid"],
    &["openvpn", "tcp", "hybrid"],
    &["openvpn", "hybrid", "renewed"],
    &["openvpn", "hybrid", "loss"],
    &["openvpn", "hybrid", "crypt"],
    &["vpn", "connect"],
    &["vpn", "renewed"],
    &["vpn", "refused"],
];

struct Read<'a>(&'a Value);

impl Read<'_> {
    fn steps(&self) -> impl Iterator<Item = &Value> {
        self.0["steps"].as_array().into_iter().flatten()
    }

    fn has(&self, entry: &str) -> bool {
        self.steps().any(|step| step["entry"] == entry)
    }

    fn value(&self, entry: &str, name: &str, value: &str) -> bool {
        let mut mine = self.steps().filter(|step| step["entry"] == entry);
        mine.any(|step| {
            let values = step["fields"][name].as_array();
            values.into_iter().flatten().any(|one| one[0] == value || one[1] == value)
        })
    }

    fn hello(&self, name: &str, value: &str) -> bool {
        let hellos = ["", "_resumed", "_old", "_old_resumed"];
        hellos.iter().any(|kind| self.value(&format!("server_hello{kind}"), name, value))
    }

    fn is_new(&self) -> bool {
        self.hello("version", "0x0304")
            || !self.steps().any(|step| {
                step["entry"].as_str().is_some_and(|entry| entry.starts_with("server_hello"))
            })
    }

    fn is_old(&self) -> bool {
        self.hello("version", "0x0303") || !self.is_answered()
    }

    fn is_answered(&self) -> bool {
        self.steps().any(|step| {
            step["entry"].as_str().is_some_and(|entry| entry.starts_with("server_hello"))
        })
    }

    fn packets(&self) -> impl Iterator<Item = &Value> {
        self.0["packets"].as_array().into_iter().flatten()
    }

    /// Of the server's own certificate, if one was shown.
    fn key(&self, kind: &str) -> bool {
        let all = self.0["certificates"].as_array();
        let mut own = all.into_iter().flatten().filter(|one| one["depth"] == 0);
        own.all(|one| one["key"].as_str().unwrap().starts_with(kind) || one["shown_by"] == "client")
    }

    fn ends(&self, code: &str) -> bool {
        self.0["ending"]["code"] == code
    }

    fn staple(&self, answer: &str) -> bool {
        let all = self.0["certificates"].as_array();
        all.into_iter().flatten().any(|one| one["inquiries"][0]["answer"] == answer)
    }

    fn wrapped(&self, wrappings: &[&str]) -> bool {
        self.packets().next().is_some()
            && self.packets().all(|packet| {
                wrappings.contains(&packet["wrapping"].as_str().unwrap()) || packet["key_id"] != 0
            })
    }

    fn hmac(&self, length: &str) -> bool {
        self.wrapped(&["right", "unchecked", "wrong"])
            && (self.0["transport"] == "tcp"
                || self.has("wrong_wrapping")
                || self.value("client_reset", "digest", length))
    }

    fn data_key(&self, id: &str) -> bool {
        self.0["keys"].as_array().into_iter().flatten().any(|key| key["id"] == id)
    }
}

type Promise = (&'static str, Option<bool>, &'static str, fn(&Read<'_>) -> bool);

/// A word of a name; whether it is said of a VPN; what it promises.
const PROMISES: &[Promise] = &[
    ("tls1_2", None, "TLS 1.2", |read| read.is_old()),
    ("tls1_3", None, "TLS 1.3", |read| read.is_new()),
    ("rsa", None, "a certificate of RSA", |read| read.key("RSA")),
    ("p256", None, "a certificate of P-256", |read| read.key("elliptic curve P-256")),
    ("retry", None, "a HelloRetryRequest", |read| {
        read.has("hello_retry_request") && read.has("second_client_hello")
    }),
    ("resumed", None, "a session that is taken up", |read| {
        read.has("server_hello_resumed") || read.has("server_hello_old_resumed")
    }),
    ("mutual", None, "both prove who they are", |read| {
        read.has("client_certificate") && read.has("client_certificate_verify")
    }),
    ("nobody", None, "a client without certificate", |read| read.has("no_client_certificate")),
    ("staple", None, "a staple", |read| !read.staple("not_asked") || read.staple("good")),
    ("alpn", None, "a protocol that was chosen", |read| {
        read.hello("alpn", "http/1.1") || read.value("encrypted_extensions", "alpn", "http/1.1")
    }),
    ("data", Some(false), "application data", |read| read.has("application_data")),
    ("hash384", None, "a hash longer than the curve", |read| {
        read.value("server_key_exchange", "signature_algorithm", "0x0503")
            && read.key("elliptic curve P-256")
    }),
    ("hash256", None, "a hash shorter than the curve", |read| {
        read.value("server_key_exchange", "signature_algorithm", "0x0403")
            && read.key("elliptic curve P-384")
    }),
    ("rsa1024", None, "a short key", |read| read.key("RSA, 1024")),
    ("pkcs1", None, "a signature without PSS", |read| {
        read.value("server_key_exchange", "signature_algorithm", "0x0401")
    }),
    ("hsts", None, "an answer of a web server", |read| {
        read.steps().any(|step| !step["fields"]["http_status"].is_null())
    }),
    ("update", None, "a KeyUpdate", |read| read.has("key_update")),
    ("unlogged", None, "what can't be opened", |read| read.has("sealed") || read.has("not_read")),
    ("cbc", None, "a cipher of CBC", |read| {
        ["tlsecdhersawithaes128cbcsha256", "tlsecdheecdsawithaes128cbcsha256"]
            .iter()
            .any(|suite| read.hello("cipher_suite", suite))
    }),
    ("inside", None, "a code inside what is encrypted", |read| !read.hello("extension", "22")),
    ("behind", None, "a code behind what is encrypted", |read| read.hello("extension", "22")),
    ("cbc384", None, "a cipher of CBC with SHA-384", |read| {
        read.hello("cipher_suite", "0xc024") || read.hello("cipher_suite", "0xc028")
    }),
    ("cbc1", None, "a cipher of CBC with SHA-1", |read| {
        ["0xc009", "0xc00a", "0xc013", "0xc014"]
            .iter()
            .any(|suite| read.hello("cipher_suite", suite))
    }),
    ("TLS_AES_128_GCM_SHA256", None, "this cipher", |read| read.hello("cipher_suite", "0x1301")),
    ("TLS_CHACHA20_POLY1305_SHA256", None, "this cipher", |read| {
        read.hello("cipher_suite", "0x1303")
    }),
    ("CHACHA20", None, "this cipher", |read| {
        read.hello("cipher_suite", "0xcca8") || read.hello("cipher_suite", "0xcca9")
    }),
    ("AES128", None, "this cipher", |read| {
        read.hello("cipher_suite", "0xc02b") || read.hello("cipher_suite", "0xc02f")
    }),
    ("unknown", Some(false), "an alert, an answer or a message", |read| {
        read.ends("alertunknownca") || read.staple("unknown") || read.has("not_read")
    }),
    ("other", None, "an alert", |read| read.ends("alertunknownca")),
    ("required", None, "an alert", |read| {
        read.ends("alertcertificaterequired") || read.ends("alerthandshakefailure")
    }),
    ("expired", None, "an alert", |read| read.ends("alertcertificateexpired")),
    ("revoked", None, "an alert or an answer", |read| {
        read.ends("alertcertificaterevoked") || read.staple("revoked")
    }),
    ("wrong", Some(false), "an alert", |read| read.ends("alertbadcertificate")),
    ("version", None, "an alert", |read| read.ends("alertprotocolversion")),
    ("cipher", None, "an alert", |read| read.ends("alerthandshakefailure")),
    ("protocol", None, "an alert", |read| read.ends("alertnoapplicationprotocol")),
    ("group", None, "an alert", |read| read.ends("alerthandshakefailure")),
    ("smtp", None, "words in the clear", |read| read.has("in_the_clear")),
    // OpenVPN.
    ("udp", None, "UDP", |read| read.0["transport"] == "udp"),
    ("tcp", None, "TCP", |read| read.0["transport"] == "tcp"),
    ("plain", None, "no HMAC", |read| read.wrapped(&["none"])),
    ("sha1", None, "HMACs of SHA1", |read| read.hmac("SHA1")),
    ("sha256", None, "HMACs of SHA256", |read| read.hmac("SHA256")),
    ("sha512", None, "HMACs of SHA512", |read| read.hmac("SHA512")),
    ("crypt", None, "encrypted packets", |read| read.wrapped(&["encrypted"])),
    ("v2", None, "the reset of tls-crypt-v2", |read| {
        read.packets().any(|packet| packet["opcode"] == 10)
    }),
    ("renewed", None, "a second data key", |read| read.data_key("data1")),
    ("loss", None, "a packet that came again", |read| {
        read.packets().any(|packet| packet["again"] == true)
    }),
    // The OpenSSL of Debian 12 has no such group, so this is not its OpenVPN 2.6.
    ("hybrid", None, "X25519MLKEM768", |read| {
        read.wrapped(&["encrypted"]) || read.hello("key_share_group", "0x11ec")
    }),
    ("offload", Some(true), "frames with several datagrams", |read| {
        read.value("server_hello", "datagrams_in_frame", "2")
    }),
    ("tls12", None, "TLS 1.2", |read| read.hello("version", "0x0303")),
    ("key", Some(true), "a wrong HMAC", |read| read.ends("wrongtlsauth")),
    ("direction", Some(true), "the wrong half of the key", |read| read.ends("wrongkeydirection")),
    ("blocked", Some(true), "no answer", |read| read.ends("resetunanswered")),
    ("connect", Some(true), "all of a handshake", |read| {
        read.has("client_certificate_verify") && read.has("push_reply") && read.has("data_begins")
    }),
    ("refused", Some(true), "a refusal", |read| read.ends("authfailed")),
];
