//! What is shown: pages, pictures and text keep to their bounds, obey no peer, and are those of the documents.

use std::fs;
use std::path::Path;

use explain::capture::{Keys, Known, read};
use explain::story::{Stories, Story};
use explain::{catalogue, render};

use crate::recordings::{captures, folder, given_key, name, outputs, tell, told_by_others};

#[test]
fn a_peers_text_is_shown_and_obeyed_by_nobody() {
    let mut bytes = fs::read(folder().join("tls1_3-p256-unlogged.pcap")).unwrap();
    let (name, hostile) = (b"www.recorded.example", b"<script>\x1b[2J</script");
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(hostile);
    let stories = read(bytes.as_slice(), Known::default()).unwrap();
    for (format, output) in outputs(&stories) {
        assert!(!output.contains('\u{1b}'), "{format}");
        if format == "html" || format == "svg" {
            assert!(!output.contains("<script"), "{format}");
        }
    }
    assert!(render::html(&stories).contains("&lt;script&gt;"));
}

#[test]
fn a_page_is_small_and_loads_and_runs_nothing() {
    for capture in captures() {
        let page = render::html(&tell(&capture, Keys::default()));
        assert!(page.len() <= 200_000, "{}: {} bytes", name(&capture), page.len());
        for forbidden in ["<script", " src=", " href=", "url(", "@import", "onload"] {
            assert!(!page.contains(forbidden), "{}: {forbidden}", name(&capture));
        }
    }
}

#[test]
fn a_page_of_many_handshakes_is_as_small_and_says_what_it_lacks() {
    let of = |count: u16| {
        let mut stories = tell(&folder().join("tls1_3-p256-mutual.pcap"), Keys::default());
        let one = stories.stories.remove(0);
        for number in 0..count {
            let client = format!("127.0.0.1:{}", 40_000 + number);
            stories.stories.push(Story { client, ..one.clone() });
        }
        render::html(&stories)
    };
    let (bytes, values) = ("Its first bytes on the wire", "Terms and values");
    let told = |page: &str| page.matches("<h1>").count();
    let few = of(3);
    assert!(few.contains(bytes) && few.contains(values) && !few.contains("--only"));
    for count in [7, 12, 16, 60, 600] {
        let page = of(count);
        assert!(page.len() <= 200_000, "{count}: {} bytes", page.len());
        assert!(page.len() > 90_000, "{count}: {} bytes", page.len());
        assert!(!page.contains(bytes) && page.contains("--only HOST:PORT"), "{count}");
        assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
        assert!(page.ends_with("</main></body></html>\n"));
        let lacks = page.contains("Not on this page, for want of room");
        assert_eq!(told(&page) < usize::from(count), lacks, "{count}");
        println!("{count}: {} bytes, {} told", page.len(), told(&page));
    }
    // A value or a name of any length breaks no bound.
    let mut stories = tell(&folder().join("vpn-renewed.pcap"), Keys::default());
    for step in stories.stories.iter_mut().flat_map(|story| &mut story.steps) {
        step.fields.iter_mut().for_each(|field| field.value = "<&>".repeat(20_000));
    }
    let page = render::html(&stories);
    assert!(page.len() <= 200_000, "{}", page.len());
    assert!(!page.contains("&lt;&amp;&gt;&lt;&amp;&gt;"), "what has no room is left out whole");
}

#[test]
fn each_step_has_the_bytes_that_it_rests_on_as_they_were_on_the_wire() {
    let capture = folder().join("tls1_3-p256.pcap");
    let file = fs::read(&capture).unwrap();
    let stories = tell(&capture, Keys::default());
    let steps = &stories.stories[0].steps;
    for step in steps.iter().filter(|step| step.entry != "data_begins") {
        let bytes = step.bytes.as_ref().unwrap_or_else(|| panic!("{} has none", step.entry));
        let (place, bytes) =
            (step.basis[0], data_encoding::HEXLOWER.decode(bytes.as_bytes()).unwrap());
        let at = crate::file_offset(&file, place.frame) + place.offset as usize;
        assert_eq!(bytes.len(), (place.length as usize).min(64), "{}", step.entry);
        assert_eq!(bytes, file[at..at + bytes.len()], "{}", step.entry);
    }
    assert!(steps[0].bytes.as_ref().is_some_and(|bytes| bytes.starts_with("01")), "a ClientHello");
    let page = render::html(&stories);
    assert!(page.contains("<summary>Its first bytes on the wire</summary><pre>01 00 "));
    assert!(page.contains("on the wire, encrypted</summary><pre>17 03 03 "), "not what came out");
    // What was said before TLS may be a password.
    let mail = tell(&folder().join("starttls-smtp.pcap"), Keys::default());
    let mut clear = mail.stories[0].steps.iter().filter(|step| step.entry == "in_the_clear");
    assert!(clear.all(|step| step.bytes.is_none()));
}

#[test]
fn a_date_says_in_which_time_it_is_and_a_serial_is_written_as_openssl_does() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handshakes");
    let pages = fs::read_dir(docs).unwrap().map(|page| page.unwrap().path());
    let pages = pages.map(|page| (name(&page), fs::read_to_string(&page).unwrap()));
    let told = captures().into_iter().map(|capture| {
        let stories = tell(&capture, Keys::default());
        (name(&capture), render::html(&stories) + &render::term(&stories, 4_000))
    });
    let mut dates = 0;
    for (page, text) in pages.chain(told) {
        for (at, _) in text.match_indices(':') {
            let Some(date) = at.checked_sub(13).and_then(|from| text.get(from..at + 6)) else {
                continue;
            };
            let is_date = date.bytes().zip(b"0000-00-00 00:00:00").all(|(have, form)| match form {
                b'0' => have.is_ascii_digit(),
                form => have == *form,
            });
            if is_date {
                dates += 1;
                assert!(text[at + 6..].starts_with(" UTC"), "{page}: {date}");
            }
        }
        for serial in text.split("serial <code>").skip(1) {
            let serial = serial.split('<').next().unwrap();
            let is_written_so =
                serial.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
            assert!(is_written_so && !serial.starts_with("00"), "{page}: {serial}");
        }
    }
    assert!(dates > 200, "{dates}");
}

#[test]
fn no_text_of_a_picture_lies_on_another_or_beyond_its_edge() {
    for capture in captures() {
        let picture = render::svg(&tell(&capture, Keys::default()));
        let boxes: Vec<TextBox> = picture.lines().filter_map(TextBox::parse).collect();
        assert!(boxes.len() > 4, "{}", name(&capture));
        for (index, one) in boxes.iter().enumerate() {
            assert!(one.left >= 0 && one.right <= 920, "{}: {}", name(&capture), one.text);
            for other in &boxes[index + 1..] {
                assert!(
                    !one.lies_on(other),
                    "{}: {:?} on {:?}",
                    name(&capture),
                    one.text,
                    other.text
                );
            }
        }
    }
}

#[test]
fn what_is_cut_in_a_picture_is_whole_where_one_points_at_it_and_in_the_page() {
    let mut all: Vec<(String, Stories)> =
        captures().iter().map(|capture| (name(capture), tell(capture, given_key()))).collect();
    all.extend(told_by_others());
    let (mut texts, mut cut) = (0, 0);
    for (name, stories) in &all {
        let page = render::html(stories);
        let beside: String =
            page.split("<svg").map(|part| part.split("</svg>").last().unwrap()).collect();
        for line in render::svg(stories).lines().filter(|line| line.starts_with("<text ")) {
            texts += 1;
            let shown = line.strip_suffix("</text>").unwrap().rsplit('>').next().unwrap();
            assert!(!shown.starts_with("renewed by") || !shown.ends_with('…'), "{name}: {line}");
            if shown.ends_with('…') {
                cut += 1;
                let whole =
                    line.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
                let whole = whole.unwrap_or_else(|| panic!("{name}: {line}"));
                assert!(whole.len() > shown.len() - '…'.len_utf8(), "{name}: {line}");
                assert!(beside.contains(whole), "{name}: not beside the picture: {whole}");
            }
        }
    }
    println!("FIGURE pictures: {texts} texts, {cut} of them cut");
    assert!(texts > 4_000, "{texts}");
    // A title that is longer than a picture is wide.
    let (_, mut stories) = all.remove(0);
    let long = "a long word ".repeat(20);
    stories.stories[0].steps[0].title.clone_from(&long);
    let picture = render::svg(&stories);
    assert!(picture.contains(&format!("<title>{long}</title>a long word")), "{picture}");
}

#[test]
fn a_page_has_at_most_nine_parts_for_each_story_and_a_sentence_of_at_most_25_words_for_each() {
    let mut all: Vec<(String, Stories)> =
        captures().iter().map(|capture| (name(capture), tell(capture, given_key()))).collect();
    all.extend(told_by_others());
    let mut most = 0;
    for (name, stories) in all {
        for story in stories.stories {
            let page = crate::recordings::page(story);
            let (mut depth, mut parts) = (0, 0);
            let lines = page.lines().filter(|line| !line.starts_with("<div class=\"pic"));
            for line in lines {
                depth += line.matches("<ol class=\"parts\">").count();
                if let Some(rest) = line.split_once("<summary><strong>").map(|(_, rest)| rest) {
                    let (title, sentence) = rest.split_once("</strong> ").unwrap();
                    let sentence = sentence.strip_suffix("</summary>").unwrap();
                    parts += usize::from(depth == 1);
                    assert!(sentence.ends_with('.') && title.ends_with('.'), "{name}: {line}");
                    let words = sentence.split_whitespace().count();
                    assert!(words <= 25, "{name}: {words} words: {sentence}");
                }
                depth -= usize::from(line == "</ol>").min(depth);
            }
            assert!((1..=9).contains(&parts), "{name}: {parts} parts");
            most = most.max(parts);
        }
    }
    println!("FIGURE parts: {most} at most");
}

#[test]
fn what_is_said_of_a_tunnels_keys_is_in_sentences_of_at_most_25_words() {
    let mut all: Vec<Stories> =
        captures().iter().map(|capture| tell(capture, given_key())).collect();
    all.extend(told_by_others().into_iter().map(|(_, stories)| stories));
    let mut count = 0;
    for page in all.iter().map(render::html) {
        let lives = page.lines().filter_map(|line| line.strip_prefix("<p>data"));
        for sentence in lives.flat_map(|line| line.trim_end_matches("</p>").split(". ")) {
            count += 1;
            let words = sentence.split_whitespace().count();
            assert!(words <= 25, "{words} words: {sentence}");
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn a_conversation_of_any_order_has_nine_parts_too() {
    let mut story = tell(&folder().join("tls1_3-p256.pcap"), Keys::default()).stories.remove(0);
    let steps = story.steps.clone();
    for chapter in explain::story::Chapter::ALL.into_iter().cycle().take(40) {
        let number = story.steps.len() as u32 + 1;
        story.steps.push(explain::story::Step {
            number,
            chapter,
            handshake: 0,
            ..steps[0].clone()
        });
    }
    let count = story.steps.len();
    let page = crate::recordings::page(story);
    assert_eq!(page.matches("<li><details").count(), 9);
    assert!(page.contains("<strong>What followed.</strong>"));
    assert_eq!(page.matches("<h3>").count(), count, "each step is there");
}

#[test]
fn text_keeps_to_the_width_that_there_is() {
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        for width in [80, 120] {
            let text = render::term(&stories, width);
            // A long value can't be broken: it stands in a line of its own.
            let long = text
                .lines()
                .filter(|line| line.chars().count() > width && line.trim().contains(' '));
            let long: Vec<&str> =
                long.filter(|line| !line.trim_start().starts_with("| ")).collect();
            assert!(long.is_empty(), "{}: {long:#?}", name(&capture));
        }
    }
}

#[test]
fn no_sentence_of_a_step_has_more_than_25_words_and_its_parts_are_in_the_order_of_the_wire() {
    for capture in captures() {
        let stories = tell(&capture, given_key());
        for step in stories.stories.iter().flat_map(|story| &story.steps) {
            assert!(step.sentence.split_whitespace().count() <= 25, "{}", step.sentence);
        }
        let page = render::html(&stories);
        let numbers = page.split("<h3>").skip(1).map(|rest| rest.split('.').next().unwrap());
        let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{}: {numbers:?}", name(&capture));
    }
}

#[test]
fn the_pages_of_the_documents_are_those_of_their_recordings() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handshakes");
    for (page, recording) in [
        ("mutual-tls", "tls1_3-p256-mutual"),
        ("tls-1.2", "tls1_2-p256-mutual"),
        ("no-common-cipher", "p256-no-cipher"),
        ("certificate-expired", "p256-over-server"),
        ("client-expired", "p256-over-client"),
        ("wrong-clock", "p256-clock-ahead"),
        ("server-revoked", "p256-revoked-server"),
        ("wrong-name", "p256-wrong-name"),
        ("client-revoked", "p256-revoked-client"),
        ("other-ca", "tls1_3-p256-unknown-ca"),
    ] {
        let told = tell(&folder().join(format!("{recording}.pcap")), Keys::default());
        let told = render::html(&told);
        let file = docs.join(format!("{page}.html"));
        if std::env::var_os("EXPLAIN_WRITE").is_some() {
            fs::create_dir_all(&docs).unwrap();
            fs::write(&file, &told).unwrap();
        }
        assert!(
            fs::read_to_string(&file).is_ok_and(|page| page == told),
            "{page}: EXPLAIN_WRITE=1 writes it anew"
        );
    }
}

/// What a gateway told of its own handshakes, a client that was not let in, and a client of servers of others, when it was
/// recorded; the interop tests hold those of today against it.
#[test]
fn the_pages_of_what_a_gateway_and_clients_told_are_those_of_their_stories() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stories = fs::read_dir(tests.join("tests/stories")).unwrap();
    let mut count = 0;
    for file in stories.map(|entry| entry.unwrap().path()) {
        let stories: Stories = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for step in stories.stories.iter().flat_map(|story| &story.steps) {
            let entry = catalogue::all().find(|entry| entry.name == step.entry);
            // Of what a gateway does not keep, some is carried; words before TLS are told by what they are for.
            let is_carried = step.entry == "not_kept" && step.title == "What is said inside";
            let title = entry.map(|entry| entry.title);
            let is_for_tls = step.entry == "in_the_clear" && step.title.ends_with(", in the clear");
            let is_another = is_carried || is_for_tls;
            assert!(is_another || title == Some(step.title.as_str()), "{file:?}: {step:?}");
        }
        let told = render::html(&stories);
        let page = tests.join("../../docs/handshakes").join(format!("{}.html", name(&file)));
        if std::env::var_os("EXPLAIN_WRITE").is_some() {
            fs::write(&page, &told).unwrap();
        }
        let kept = fs::read_to_string(&page);
        assert!(kept.is_ok_and(|kept| kept == told), "{file:?}: EXPLAIN_WRITE=1 writes it anew");
        count += 1;
    }
    assert!(count >= 31, "{count} of them are left");
}

/// A text of a picture, as large as its font makes it.
struct TextBox {
    left: i64,
    right: i64,
    top: i64,
    bottom: i64,
    text: String,
}

impl TextBox {
    fn parse(line: &str) -> Option<TextBox> {
        let rest = line.strip_prefix("<text ")?;
        let value = |name: &str| {
            rest.split(&format!("{name}=\"")).nth(1)?.split('"').next().map(str::to_owned)
        };
        let (x, y): (i64, i64) = (value("x")?.parse().ok()?, value("y")?.parse().ok()?);
        // What is cut has its whole text before it.
        let text = rest.strip_suffix("</text>")?.rsplit('>').next()?;
        let text = text.replace("&#39;", "'").replace("&amp;", "&");
        // 13 pixels of a fixed-width font are 7.8 wide.
        let width = (text.chars().count() as f64 * 7.8).ceil() as i64;
        let left = match value("text-anchor")?.as_str() {
            "middle" => x - width / 2,
            _ => x,
        };
        Some(TextBox { left, right: left + width, top: y - 11, bottom: y + 3, text })
    }

    fn lies_on(&self, other: &TextBox) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}
