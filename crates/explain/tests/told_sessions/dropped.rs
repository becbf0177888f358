//! What a gateway tells of packets that it dropped: nobody was refused by that, and no session ended.

use explain::Side;
use explain::kept::{Dropped, Lack, Meeting as AtTheGateway, Outcome, Verdict};
use explain::render;
use explain::story::{Chapter, Ending, Source, Stories, Story, VERSION};

use crate::meeting::{Admit, Meeting};

const ALL: [Dropped; 7] = [
    Dropped::Strangers,
    Dropped::Any,
    Dropped::Sessions,
    Dropped::Control,
    Dropped::Data,
    Dropped::Own,
    Dropped::Waiting,
];

#[test]
fn a_packet_that_was_dropped_is_no_handshake_that_was_refused() {
    for what in ALL {
        let story = dropped(what);
        let Ending::Dropped(why) = &story.ending else { panic!("{:?}", story.ending) };
        assert_eq!((why.code.as_str(), why.at_step), ("link_local", Some(1)));
        let [step] = &story.steps[..] else { panic!("{:?}", story.steps) };
        assert_eq!((step.chapter, step.source), (Chapter::Dropped, Source::Judged));
        assert_eq!(step.from == Side::Server, what == Dropped::Own, "who had to pass it on");
        assert_eq!(story.missing, Vec::<String>::new(), "{what:?}");
        let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
        let pages = [
            render::term(&stories, 80),
            render::short(&stories, 80),
            render::html(&stories),
            render::svg(&stories),
            render::mermaid(&stories),
        ];
        for page in pages {
            let page = page.to_lowercase();
            for word in ["refused:", "broken", "broke it off", "turned", "knocking", "not reached"]
            {
                assert!(!page.contains(word), "{what:?}: {word} in {page}");
            }
            assert!(!page.contains("would have followed") && !page.contains("usually told"));
        }
        let said = render::term(&stories, 400);
        assert!(said.contains("no session was"), "{said}");
        let json = render::json(&stories);
        assert!(json.contains("\"how\": \"dropped\""), "{json}");
    }
}

#[test]
fn a_headline_names_what_is_known_of_a_drop_and_nobody_else() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let told = |what: Dropped, transport| {
        let story = Story { transport: String::from(transport), ..dropped(what) };
        let story =
            Story { client: "somebody".to_owned(), server: "the gateway".to_owned(), ..story };
        Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
    };
    let own = told(Dropped::Own, "udp or tcp");
    let line = |stories: &Stories| render::term(stories, 400).lines().nth(1).unwrap().to_owned();
    assert!(line(&own).starts_with("at the gateway, as counted until 2"), "{}", line(&own));
    assert!(line(&own).ends_with(" UTC"), "{}", line(&own));
    let strangers = told(Dropped::Strangers, "udp");
    assert!(line(&strangers).starts_with("at the gateway over udp, as counted until 2"));
    for page in [render::html(&own), render::svg(&own), render::term(&own, 80)] {
        assert!(!page.contains("somebody") && !page.contains("udp or tcp"), "{page}");
        assert!(!page.contains("counted from the first step"), "{page}");
    }
    let page = render::html(&own);
    assert!(page.contains("<h3>1. at the server: A packet on the gateway"), "{page}");
    assert!(!render::svg(&own).contains("<polygon"), "no arrow");
    // Whom a gateway knows, it names.
    let known = meeting.as_the_gateway_tells_it(Ok(&meeting.kept()));
    let known = Stories { version: VERSION, stories: vec![known], left_out: Vec::new() };
    assert!(line(&known).starts_with("client 192."), "{}", line(&known));
}

#[test]
fn the_title_says_in_words_what_was_dropped() {
    assert_eq!(dropped(Dropped::Data).title, "A dropped packet: IPv6 link-local");
    let waited = dropped(Dropped::Waiting).title;
    assert!(waited.starts_with("Connections that had to wait: "), "{waited}");
}

/// The story of a count.
pub(crate) fn dropped(what: Dropped) -> Story {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let why = Verdict {
        code: "link_local".to_owned(),
        by: Some(Side::Server),
        after: &[],
        sentence: "the inner packet was IPv6 link-local".to_owned(),
        mends: vec!["Nothing.".to_owned()],
    };
    let outcome = Outcome::Dropped { what, why };
    AtTheGateway { outcome, ..meeting.at_the_gateway(Err(Lack::Dropped)) }.story()
}

/// One of each kind.
pub(crate) fn of_each_kind() -> impl Iterator<Item = Story> {
    ALL.into_iter().map(dropped)
}
