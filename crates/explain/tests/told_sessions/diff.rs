//! Where two sources part, and that two good handshakes of one kind do not.

use explain::diff::{Parting, Where, parting};
use explain::story::{Certificate, Stories, Story, VERSION};
use explain::{Side, render};

use super::after_words_in_the_clear;
use super::meeting::{Act, Admit, Meeting};

fn of(stories: Vec<Story>) -> Stories {
    Stories { version: VERSION, stories, left_out: Vec::new() }
}

/// The same with certificates of the other's CA: each meeting has a CA of its own.
fn with_those_of(story: Story, other: &Story) -> Story {
    Story { certificates: other.certificates.clone(), ..story }
}

/// Two handshakes of the same two, one after the other.
fn twice(story: impl Fn() -> Story) -> (Story, Story) {
    let first = story();
    let second = with_those_of(story(), &first);
    (first, second)
}

#[test]
fn two_good_handshakes_of_one_kind_do_not_part() {
    let acts = [Act::Data, Act::Renew, Act::Data, Act::Leave];
    let at_the_gateway = || {
        let meeting = Meeting::new(Admit::Yes).run(&[]);
        meeting.as_the_gateway_tells_it(Ok(&meeting.kept()))
    };
    for (one, other) in [
        twice(|| Meeting::new(Admit::Yes).run(&acts).story()),
        twice(at_the_gateway),
        twice(after_words_in_the_clear),
    ] {
        assert_eq!(parting(&of(vec![one]), &of(vec![other])), None);
    }
}

#[test]
fn another_option_is_a_difference_and_another_address_in_the_tunnel_is_none() {
    let story = Meeting::new(Admit::Yes).run(&[Act::Data]).story();
    let pushed = |option: &str| {
        let mut story = story.clone();
        let mut fields = story.steps.iter_mut().flat_map(|step| &mut step.fields);
        fields.find(|field| field.name == "pushed").unwrap().value = option.to_owned();
        of(vec![story])
    };
    let ifconfig = |last: u8| pushed(&format!("ifconfig 10.8.0.{last} 255.255.255.0"));
    assert_eq!(parting(&ifconfig(2), &ifconfig(3)), None);
    assert!(parting(&pushed("ping 10"), &pushed("ping 20")).is_some());
    // A certificate of another length is as a rule one of another signature; one more is a longer chain.
    let mut longer = story.clone();
    let shown = longer.steps.iter_mut().find(|step| step.entry == "server_certificate").unwrap();
    shown.fields.push(shown.fields[0].clone());
    assert!(parting(&of(vec![story]), &of(vec![longer])).is_some());
}

#[test]
fn what_a_certificate_says_and_what_was_answered_about_it_is_compared_at_its_step() {
    let story = Meeting::new(Admit::Yes).run(&[]).story();
    let shown = story.certificates[0].step;
    type Change = fn(&mut Certificate);
    let changes: [(&str, Change); 9] = [
        ("subject", |one| one.subject = "CN=another".to_owned()),
        ("issuer", |one| one.issuer = "CN=another".to_owned()),
        ("serial", |one| one.serial = "7e57".to_owned()),
        ("not_before", |one| one.not_before += 1),
        ("not_after", |one| one.not_after += 1),
        ("names", |one| one.names.push("another.test".to_owned())),
        ("key", |one| one.key = "Ed25519".to_owned()),
        ("inquiries.ocsp", |one| one.inquiries[1].answer = "revoked".to_owned()),
        ("inquiries.ocsp.signed_by", |one| one.inquiries[1].signed_by = Some("CN=x".to_owned())),
    ];
    for (name, change) in changes {
        let mut other = story.clone();
        change(&mut other.certificates[0]);
        let parted = parting(&of(vec![story.clone()]), &of(vec![other]));
        let Some(Parting { story: 1, place: Where::Values { step, right, .. } }) = &parted else {
            panic!("{name}: {parted:?}");
        };
        assert_eq!(step.number, shown, "{name}");
        assert_eq!(right[0].name, format!("certificates[0].{name}"));
        let text = render::diff(parted.as_ref(), 80);
        assert!(text.contains(&format!("certificates[0].{name}=")), "{text}");
    }
}

#[test]
fn all_stories_are_compared_in_their_order_and_their_number_counts() {
    let story = Meeting::new(Admit::Yes).run(&[]).story();
    let mut other = story.clone();
    other.steps.pop();
    let two = |second: &Story| of(vec![story.clone(), second.clone()]);
    let parted = parting(&two(&story), &two(&other)).unwrap();
    let number = story.steps.len();
    assert!(matches!(
        &parted,
        Parting { story: 2, place: Where::Step { number: at, right: None, .. } } if *at == number
    ));
    let text = render::diff(Some(&parted), 80);
    assert!(text.starts_with(&format!("They part at step {number} of story 2.")), "{text}");
    let parted = parting(&two(&story), &of(vec![story.clone()]));
    let text = render::diff(parted.as_ref(), 80);
    assert!(text.contains("A: tells 2 stories") && text.contains("B: tells one story"), "{text}");
    assert_eq!(parting(&two(&story), &two(&story)), None);
}

#[test]
fn the_transport_and_the_key_of_a_step_are_compared() {
    let story = Meeting::new(Admit::Yes).run(&[]).story();
    let other = Story { transport: "another".to_owned(), ..story.clone() };
    let parted = parting(&of(vec![story.clone()]), &of(vec![other]));
    assert!(render::diff(parted.as_ref(), 80).contains("B: transport=another"));
    let mut other = story.clone();
    let sealed = other.steps.iter_mut().find(|step| step.key.is_some()).unwrap();
    sealed.key = None;
    let parted = parting(&of(vec![story]), &of(vec![other]));
    assert!(render::diff(parted.as_ref(), 80).contains("A: key="));
}

#[test]
fn which_of_both_sides_words_came_first_is_no_difference_and_what_a_side_says_next_is_one() {
    let story = Meeting::new(Admit::Yes).run(&[]).story();
    let disguise =
        story.steps.iter().position(|step| step.entry == "disguise" && step.from == Side::Client);
    let at = disguise.expect("TLS 1.3 wears one");
    let mut other = story.clone();
    // As a server's answer and the client's leftover race, each in the order of its own side.
    let ahead = (0..at)
        .rev()
        .take_while(|before| story.steps[*before].from == Side::Server)
        .last()
        .expect("an answer");
    other.steps[ahead..=at].rotate_right(1);
    other.steps.iter_mut().zip(1..).for_each(|(step, number)| step.number = number);
    assert_ne!(story.steps[ahead].entry, other.steps[ahead].entry);
    let certificates = |story: &mut Story| story.certificates.clear();
    let mut story = story;
    certificates(&mut story);
    certificates(&mut other);
    assert_eq!(parting(&of(vec![story.clone()]), &of(vec![other.clone()])), None);
    // The client says one thing less: that is where they part, though the server goes on.
    let last = other.steps.iter().rposition(|step| step.from == Side::Client).expect("a word");
    let gone = other.steps.remove(last);
    let parted = parting(&of(vec![story]), &of(vec![other]));
    let Some(Parting { place: Where::Step { left: Some(left), right: None, .. }, .. }) = &parted
    else {
        panic!("{parted:?}");
    };
    assert_eq!((&left.entry, left.from), (&gone.entry, Side::Client));
    assert!(render::diff(parted.as_ref(), 80).contains("B: tells no further step of the client"));
}

#[test]
fn a_proof_that_only_one_of_both_has_calculated_is_no_difference_unless_it_is_wrong() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let seen = meeting.story();
    let proof = |story: &Story, value: &str| {
        let mut story = story.clone();
        let fields = story.steps.iter_mut().flat_map(|step| &mut step.fields);
        fields
            .filter(|field| field.name == "proof_is_right")
            .for_each(|field| field.value = value.to_owned());
        of(vec![story])
    };
    let mut unproved = seen.clone();
    unproved
        .steps
        .iter_mut()
        .for_each(|step| step.fields.retain(|field| field.name != "proof_is_right"));
    let unproved = of(vec![unproved]);
    for (one, other, parts) in [
        (proof(&seen, "1"), unproved.clone(), false),
        (unproved.clone(), proof(&seen, "1"), false),
        (proof(&seen, "0"), unproved, true),
        (proof(&seen, "0"), proof(&seen, "1"), true),
    ] {
        assert_eq!(parting(&one, &other).is_some(), parts);
    }
}
