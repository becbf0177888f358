//! Words of peers that mean no good, from every place in which one may put its own, through every format: none ends an
//! element, begins a line of a diagram, commands a terminal or turns the reading direction round.

use std::collections::BTreeMap;

use explain::diff;
use explain::story::Field;
use serde_json::Value;
use wire::key_method::{ClientKeyMessage, ClientKeySource, ServerKeyMessage, ServerKeySource};
use zeroize::Zeroizing;

use super::*;

/// Text of anybody: markup, attributes, a diagram's next line, commands of terminals in one and in two characters, marks
/// of direction, separators of lines, letters that nobody sees.
const HOSTILE: &str = "H0ST <script>x()</script>\"' onload='x()' -->]]>\r\n    C->>S: y;%%{init}%%\u{1b}[2J\u{1b}]0;t\u{7}\u{8}\u{7f}\u{9b}31m\u{202e}\u{2066}\u{61c}\u{2028}\u{2029}\u{feff}\u{e0041}";
/// The same where the end of a line ends a message.
const IN_A_LINE: &str = "H0ST<script>x()</script>\"'\u{1b}[2J\u{9b}31m\u{202e}\u{61c}";
const MARK: &str = "H0ST";

#[test]
fn what_a_peer_of_a_vpn_calls_itself_is_shown_and_obeyed_by_nobody() {
    let authority = Authority::new(HOSTILE);
    let mut client =
        authority.client_config(Some(authority.client(HOSTILE)), &[&rustls::version::TLS13]);
    let mut server = authority.server_config(authority.server(), &[&rustls::version::TLS13]);
    client.alpn_protocols = vec![HOSTILE.into()];
    client.resumption = rustls::client::Resumption::disabled();
    server.alpn_protocols = vec![HOSTILE.into()];
    let key_messages = [
        ClientKeyMessage {
            source: ClientKeySource::from_random(&[1; 112]),
            options: HOSTILE.into(),
            username: HOSTILE.chars().take(60).collect(),
            password: Zeroizing::new("none".into()),
            peer_info: format!("IV_VER={IN_A_LINE}\nIV_GUI_VER={IN_A_LINE}\n{IN_A_LINE}\n"),
        }
        .encode()
        .unwrap()
        .to_vec(),
        ServerKeyMessage {
            source: ServerKeySource::from_random(&[1; 64]),
            options: HOSTILE.into(),
        }
        .encode()
        .unwrap()
        .to_vec(),
    ];
    for last in [
        format!(
            "PUSH_REPLY,route {IN_A_LINE},cipher {IN_A_LINE},dhcp-option DOMAIN {IN_A_LINE},{IN_A_LINE},tun-mtu 1500\0"
        ),
        format!("AUTH_FAILED,{HOSTILE}\0"),
        format!("INFO,{HOSTILE}\0"),
        format!("{HOSTILE}\0"),
    ] {
        let story = openvpn(client.clone(), server.clone(), &key_messages, last.as_bytes());
        let told = stories(vec![story]);
        let fields = |name: &str| has(&told, |field| field.name == name);
        for name in ["alpn", "options", "user_name", "peer_info"] {
            assert!(fields(name), "{name}");
        }
        let names = &told.stories[0].certificates;
        assert!(
            names.iter().any(|one| one.subject.contains(MARK) && one.issuer.contains(MARK)),
            "{names:?}"
        );
        obeyed_by_nobody(&told);
    }
}

#[test]
fn words_in_the_clear_and_inside_tls_are_shown_and_obeyed_by_nobody() {
    let greeting = format!("220 {HOSTILE}\r\n250-TLS {IN_A_LINE}\r\n");
    let (said, log) = mail_with(
        &[
            (Side::Server, &greeting),
            (Side::Client, &format!("{HOSTILE}\r\n")),
            (Side::Server, &format!("{HOSTILE}\r\n")),
            (Side::Client, "STARTTLS\r\n"),
            (Side::Server, &greeting),
        ],
        format!("GET / HTTP/1.1\r\nUser-Agent: {HOSTILE}\r\n\r\n").as_bytes(),
        format!("HTTP/1.1 200 {IN_A_LINE}\r\nStrict-Transport-Security: {IN_A_LINE}\r\n\r\n")
            .as_bytes(),
    );
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let told = read(tcp_pcap(&said).as_slice(), known).unwrap();
    for name in ["begins_with", "about_tls", "http_status", "hsts"] {
        assert!(has(&told, |field| field.name == name && field.value.contains(MARK)), "{name}");
    }
    obeyed_by_nobody(&told);
}

#[test]
fn the_name_that_a_client_asks_for_is_shown_and_obeyed_by_nobody() {
    let mut bytes = fs::read(captures().join("tls1_3-p256-unlogged.pcap")).unwrap();
    let name = b"www.recorded.example";
    let hostile = "H0ST</p><b>\u{1b}c\u{9b}\u{202e}\"x";
    assert_eq!(hostile.len(), name.len());
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(hostile.as_bytes());
    let told = read(bytes.as_slice(), Known::default()).unwrap();
    assert!(has(&told, |field| field.name == "server_name" && field.value == hostile));
    obeyed_by_nobody(&told);
}

/// Stories are read from files and from gateways too: there any text may be anybody's.
#[test]
fn a_story_whose_every_text_means_no_good_is_obeyed_by_nobody() {
    for name in ["vpn-renewed", "tls1_3-rsa-staple", "p256-wrong-name", "starttls-smtp"] {
        let mut told = stories(vec![recorded(name)]);
        told.left_out = vec![explain::story::LeftOut { reason: "x".into(), count: 1 }];
        told.stories[0].judgements =
            vec![explain::story::Judgement { by: "x".into(), sentence: "x".into() }];
        let mut value = serde_json::to_value(&told).unwrap();
        // A word of the format's own stays, wherever it stands.
        let mut own = BTreeMap::new();
        for path in texts(&value, String::new()) {
            let kind = path.replace(|letter: char| letter.is_ascii_digit(), "");
            let before = std::mem::replace(value.pointer_mut(&path).unwrap(), HOSTILE.into());
            let is_own = *own
                .entry(kind)
                .or_insert_with(|| serde_json::from_value::<Stories>(value.clone()).is_err());
            if is_own {
                *value.pointer_mut(&path).unwrap() = before;
            }
        }
        let replaced = own.values().filter(|is_own| !**is_own).count();
        assert!(replaced > 20, "{own:?}");
        obeyed_by_nobody(&serde_json::from_value(value).unwrap());
    }
}

fn obeyed_by_nobody(told: &Stories) {
    let mut harmless = stories(vec![
        recorded("vpn-renewed"),
        recorded("p256-wrong-name"),
        recorded("tls1_3-rsa-staple"),
    ]);
    // As those of live connections have.
    harmless.stories[0].steps[0].bytes = Some("00".to_owned());
    let mut other = told.clone();
    let first = other.stories[0].steps.iter_mut().find(|step| !step.fields.is_empty()).unwrap();
    first.fields = vec![Field { name: HOSTILE.into(), value: HOSTILE.into(), meaning: None }];
    let mut shorter = told.clone();
    shorter.stories[0].steps.truncate(1);
    let mut ended = told.clone();
    ended.stories[0].ending = Ending::Done;
    let parted = [&harmless, &other, &shorter, &ended].map(|with| {
        let parting = diff::parting(told, with);
        let page = render::diff_html(parting.as_ref());
        assert!(tags(&page).is_subset(&tags(&render::html(&harmless))), "{page}");
        [render::diff(parting.as_ref(), 80), render::diff_json(parting.as_ref()), page].concat()
    });
    let json = render::json(told);
    assert_eq!(serde_json::from_str::<Stories>(&json).unwrap(), *told, "read again it is the same");
    let plain = [render::term(told, 80), render::term(told, 120), render::short(told, 80), json];
    for output in plain.iter().chain(&parted) {
        commands_no_terminal(output);
    }
    for draw in [render::html, render::svg] {
        let (output, known) = (draw(told), draw(&harmless));
        commands_no_terminal(&output);
        let strange: Vec<String> = tags(&output).difference(&tags(&known)).cloned().collect();
        assert!(strange.is_empty(), "{strange:?}");
        assert!(!output.contains("' onload"), "a quote ends an attribute");
    }
    let diagram = render::mermaid(told);
    commands_no_terminal(&diagram);
    for line in diagram.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let begins =
            ["sequenceDiagram", "autonumber", "participant C as Client", "participant S as Server"];
        let said = ["C->>S: ", "C-->>S: ", "S->>C: ", "S-->>C: ", "Note over C,S: "];
        let said = said.iter().find_map(|begin| line.strip_prefix(begin));
        let is_text = |text: &str| {
            !without_entities(text).contains([';', '%', '#', '<', '>', ':', '"', '{', '-', '`'])
        };
        assert!(begins.contains(&line) || said.is_some_and(is_text), "{line}");
    }
}

/// What stands there beside characters by their number, `#58;`.
fn without_entities(text: &str) -> String {
    let mut pieces = text.split('#');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| match piece.split_once(';') {
        Some((number, rest)) if number.parse::<u32>().is_ok() => all + rest,
        _ => all + "#" + piece,
    })
}

fn commands_no_terminal(output: &str) {
    let obeyed = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let found: Vec<char> = output.chars().filter(obeyed).collect();
    assert!(found.is_empty(), "{found:?} in {output}");
}

/// What begins behind each `<`.
fn tags(output: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| !matches!(c, ' ' | '>' | '/')).collect();
    output.split('<').skip(1).map(|rest| name(rest.trim_start_matches('/'))).collect()
}

/// Where texts stand.
fn texts(value: &Value, path: String) -> Vec<String> {
    match value {
        Value::String(_) => vec![path],
        Value::Array(all) => {
            let each = all.iter().enumerate();
            each.flat_map(|(number, one)| texts(one, format!("{path}/{number}"))).collect()
        }
        Value::Object(all) => {
            all.iter().flat_map(|(name, one)| texts(one, format!("{path}/{name}"))).collect()
        }
        _ => Vec::new(),
    }
}

fn has(told: &Stories, wanted: impl Fn(&Field) -> bool) -> bool {
    let fields = told.stories.iter().flat_map(|story| &story.steps).flat_map(|step| &step.fields);
    fields.into_iter().any(wanted)
}

fn stories(stories: Vec<Story>) -> Stories {
    Stories { version: VERSION, stories, left_out: Vec::new() }
}
