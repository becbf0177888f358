//! Gaps of what a gateway did not keep: of whom they are, and that nobody measured their time.

use explain::kept::Lack;
use explain::render;
use explain::story::{Stories, Story, VERSION};

use crate::meeting::{Admit, Meeting};

#[test]
fn a_gap_of_both_sides_is_drawn_so_and_has_no_time() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let story = meeting.as_the_gateway_tells_it(Ok(&meeting.kept_good()));
    assert!(story.steps[0].both_ways && story.steps[0].unmeasured, "{:?}", story.steps[0]);
    assert!(story.steps[1..].iter().all(|step| !step.both_ways && !step.unmeasured));
    let stories = stories(story);
    let page = render::html(&stories);
    assert!(page.contains("<h3>1. both ways: Not kept</h3>"), "{page}");
    assert!(page.contains("<h3>2. client to server: The server&#39;s number comes back <span"));
    let text = render::term(&stories, 80);
    assert!(text.contains("\n1. client <-> server  Not kept\n"), "{text}");
    assert!(render::mermaid(&stories).contains("    C<<-->>S: Not kept\n"));
    let picture = render::svg(&stories);
    assert!(picture.contains(">1.</text>") && picture.contains(">not kept</text>"), "{picture}");
    let step = picture.lines().find(|line| line.contains("<title>1. Not kept")).unwrap();
    assert_eq!(step.matches("<polygon").count(), 2, "a head at both ends: {step}");
    let json = render::json(&stories);
    assert_eq!(json.matches("\"both_ways\": true").count(), 1);
}

#[test]
fn what_one_side_alone_said_has_a_direction_and_no_time_either() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    for lack in [Lack::Unheard, Lack::Dropped, Lack::NoMessage] {
        let story = meeting.as_the_gateway_tells_it(Err(lack));
        assert!(story.steps[0].unmeasured && !story.steps[0].both_ways, "{lack:?}");
    }
    // Answers that were lost: one came, and another left.
    let story = meeting.as_the_gateway_tells_it(Err(Lack::Stateless));
    let ways: Vec<_> = story.steps.iter().map(|step| (step.from.word(), step.both_ways)).collect();
    assert_eq!(ways, [("client", false), ("server", false)]);
    assert!(!render::term(&stories(story), 80).contains("(+"));
}

fn stories(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
}
