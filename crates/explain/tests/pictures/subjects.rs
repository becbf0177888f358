//! What is drawn: the recordings and what gateways told, told as they are, and once more with hostile words in the place
//! of every word that is not ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known, read};
use explain::story::Stories;
use serde_json::Value;

/// Recordings and gateways' stories by name, and what hostile peers would make of some of them.
pub(crate) fn pictures() -> Vec<(String, Stories)> {
    let told = captures().into_iter().map(|capture| (name(&capture), tell(&capture)));
    let mut all: Vec<(String, Stories)> = told.chain(told_by_gateways()).collect();
    let planned = |(_, stories): &(String, Stories)| {
        stories.stories.iter().flat_map(|story| &story.keys).any(|key| key.plan.is_some())
    };
    assert!(all.iter().any(planned), "no story has a key with a plan");
    all.extend(hostile());
    all
}

/// The pages of the documents.
pub(crate) fn pages() -> Vec<(String, String)> {
    let page = |file: PathBuf| (name(&file), fs::read_to_string(&file).unwrap());
    files("../../docs/handshakes", "html").into_iter().map(page).collect()
}

/// Stories of each kind whose peers call everything so.
pub(crate) fn hostile() -> Vec<(String, Stories)> {
    let subjects = ["vpn-connect", "vpn-refused", "starttls-smtp", "tls1_2-p256-mutual"];
    let mut plain: Vec<(String, Stories)> = subjects
        .iter()
        .map(|name| ((*name).to_owned(), tell(&folder().join(format!("{name}.pcap")))))
        .collect();
    plain.extend(told_by_gateways().filter(|(name, _)| name == "told-gateway-session"));
    let kinds = [("markup", MARKUP), ("wide", WIDE)];
    let change = |(name, stories): &(String, Stories)| {
        kinds.map(|(kind, words)| (format!("{kind}-{name}"), all_called(stories, words)))
    };
    plain.iter().flat_map(change).collect()
}

/// What peers would put into a page that obeys them.
const MARKUP: &[&str] = &[
    "<script>fetch('/stolen')</script>",
    "<img src=/stolen onerror=fetch('/stolen')>",
    "\"><img src=/stolen>",
    "' onmouseover='fetch(\"/stolen\")' x='",
    "</title></style></svg></code></summary></details><script src=/stolen></script>",
    "<svg onload=fetch('/stolen')><image href=/stolen /></svg>",
    "<meta http-equiv=refresh content='0;url=/stolen'>",
    "<link rel=stylesheet href=/stolen><style>@import '/stolen';*{background:url(/stolen)}</style>",
    "<iframe src=/stolen></iframe><object data=/stolen></object><base href=/stolen/>",
    "--><script>fetch('/stolen')</script><!--",
    "]]><script>fetch('/stolen')</script><![CDATA[",
    "&lt;script&gt;fetch('/stolen')&lt;/script&gt;",
    "`<script>fetch('/stolen')</script>`",
    "{{constructor.constructor('fetch(1)')()}}${fetch('/stolen')}",
    "javascript:fetch('/stolen')",
    "\u{1b}]0;x\u{7}\u{0}\u{202e}\u{2066}\u{feff}\u{85}\u{ffff}",
];

/// What takes more room than a fixed-width letter, or goes the other way, and a name without a place to break.
const WIDE: &[&str] = &[
    "日本語の名前がとても長い証明書の名前であり改行する場所がどこにもないので画面からはみ出すかもしれない",
    "👩‍👩‍👧‍👦👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪🇫🇷👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀",
    "שלום עולם, 1. 2. 3. הלקוח (לא) שולח: 4 מפתחות אל השרת ומחכה לתשובה שאינה באה לעולם ועד",
    "الخادم يرسل شهادته ﷽ ﷽ ﷽ ﷽ ﷽ ﷽ ﷽ ﷽ ﷽ ﷽",
    "ｗｗｗ．ｅｘａｍｐｌｅ．ｏｒｇ．ｗｗｗ．ｅｘａｍｐｌｅ．ｏｒｇ．ｗｗｗ．ｅｘａｍｐｌｅ．ｏｒｇ．ｗｗｗ．ｅｘａｍｐｌｅ．ｏｒｇ",
    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww.mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm.wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww.example.org",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "ꧠ𒐫𒐫𒐫𒐫𒈙𒈙𒈙⸻⸻⸻ௌௌ௵௵𰻞𰻞",
];

/// The same stories with these in turn in the place of every text that is not of our own catalogue.
fn all_called(stories: &Stories, words: &[&str]) -> Stories {
    let mut turn = words.iter().cycle();
    let mut next = || Value::from(*turn.next().unwrap());
    let mut value = serde_json::to_value(stories).unwrap();
    for story in value["stories"].as_array_mut().unwrap() {
        for name in ["title", "transport", "client", "server"] {
            story[name] = next();
        }
        for step in story["steps"].as_array_mut().unwrap() {
            replace(step, "fields", &["value", "meaning"], &mut next);
        }
        replace(story, "keys", &["cipher"], &mut next);
        replace(story, "packets", &["name", "session"], &mut next);
        replace(story, "judgements", &["by", "sentence"], &mut next);
        replace(story, "certificates", &["subject", "issuer", "serial", "key"], &mut next);
        for certificate in story["certificates"].as_array_mut().unwrap() {
            certificate["names"] = (0..12).map(|_| next()).collect();
            let said = ["answer", "sentence", "asked_at"];
            replace(certificate, "inquiries", &said, &mut next);
        }
        if story["ending"]["how"] == "broken" {
            story["ending"]["code"] = next();
            story["ending"]["sentence"] = next();
            story["ending"]["mends"] = (0..words.len()).map(|_| next()).collect();
        }
    }
    value["left_out"] = serde_json::json!([{ "reason": next(), "count": 1 }]);
    serde_json::from_value(value).unwrap()
}

fn replace(of: &mut Value, list: &str, names: &[&str], next: &mut impl FnMut() -> Value) {
    for one in of.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
        for name in names {
            if one.get(*name).is_some_and(Value::is_string) {
                one[*name] = next();
            }
        }
    }
}

/// A handshake in the clear whose every name is this one.
pub(crate) fn called(hostile: &[u8; 20]) -> Stories {
    let mut bytes = fs::read(folder().join("tls1_2-p256-mutual.pcap")).unwrap();
    let name = b"www.recorded.example";
    let places: Vec<usize> =
        (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    assert!(places.len() >= 3, "in the hello and in the certificate");
    for at in places {
        bytes[at..at + name.len()].copy_from_slice(hostile);
    }
    read(bytes.as_slice(), Known::default()).unwrap()
}

fn tell(capture: &Path) -> Stories {
    let log = fs::read_to_string(capture.with_extension("keys")).unwrap_or_default();
    let log = Arc::new(KeyLog::parse(&log).unwrap());
    read(File::open(capture).unwrap(), Known { log, keys: Keys::default() }).unwrap()
}

fn told_by_gateways() -> impl Iterator<Item = (String, Stories)> {
    let read = |file: PathBuf| {
        let stories = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        (format!("told-{}", name(&file)), stories)
    };
    files("tests/stories", "json").into_iter().map(read)
}

fn captures() -> Vec<PathBuf> {
    files("tests/captures", "pcap")
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let mut all: Vec<PathBuf> = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == ending))
        .collect();
    all.sort();
    assert!(all.len() >= 10, "{folder} is empty");
    all
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}
