//! Crates of a few lines, with and without a circle.

use std::path::PathBuf;

use super::{Sources, circles};

#[test]
fn two_files_that_use_each_other_are_a_circle_and_the_message_names_them_and_what_they_take() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::Bread; pub struct Apple;"),
        ("b.rs", "use super::a::Apple; pub struct Bread;"),
    ]);
    assert_eq!(found, ["\n  src/a.rs -> src/b.rs (Bread)\n  src/b.rs -> src/a.rs (Apple)"]);
}

#[test]
fn a_circle_through_three_files_is_found_as_one() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matches("->").count(), 3);
}

#[test]
fn one_way_is_no_circle() {
    let one_way = [
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "pub struct B;"),
    ];
    assert!(circles_of(&one_way).is_empty());
}

#[test]
fn a_path_in_the_code_counts_as_a_use_does_also_in_the_arguments_of_a_macro() {
    for code in ["fn f() { crate::a::g() }", "fn f() { println!(\"{}\", super::a::g()) }"] {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b; pub fn g() { b::h() }"),
            ("b.rs", &format!("pub fn h() {{}} {code}")),
        ]);
        assert_eq!(found, ["\n  src/a.rs -> src/b.rs (h)\n  src/b.rs -> src/a.rs (g)"], "{code}");
    }
}

#[test]
fn a_parent_that_lists_and_passes_on_rests_on_nothing() {
    let found = circles_of(&[
        ("lib.rs", "mod a; pub use a::A; pub struct Root;"),
        ("a.rs", "use crate::Root; pub struct A;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn who_passes_a_name_on_is_rested_on_as_well_as_who_defines_it() {
    let found = circles_of(&[
        ("lib.rs", "mod office; mod random;"),
        (
            "office/mod.rs",
            "mod error; pub use error::OfficeError; use crate::random; fn f() { random::bytes() }",
        ),
        ("office/error.rs", "pub enum OfficeError {}"),
        ("random.rs", "use crate::office::OfficeError; pub fn bytes() {}"),
    ]);
    let both = [
        "\n  src/office/mod.rs -> src/random.rs (bytes)",
        "\n  src/random.rs -> src/office/mod.rs (OfficeError)",
    ];
    assert_eq!(found, [both.concat()]);
}

#[test]
fn a_parent_works_with_what_its_children_define_but_two_children_are_a_circle_like_any_other() {
    let parent = ("lib.rs", "mod a; mod b; use a::A; pub struct Root(A);");
    let children = [("a/mod.rs", "use super::Root; pub struct A;"), ("b.rs", "pub struct B;")];
    assert!(circles_of(&[&[parent][..], &children].concat()).is_empty());
    let children = [
        ("a/mod.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use super::a::A; pub struct B;"),
    ];
    assert_eq!(circles_of(&[&[parent][..], &children].concat()).len(), 1);
}

#[test]
fn a_way_through_the_parent_is_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod args; mod run;"),
        ("args.rs", "use crate::run::x::Options; pub struct Order;"),
        ("run/mod.rs", "pub mod x; use crate::args::Order; pub struct Output;"),
        ("run/x.rs", "use super::Output; pub struct Options;"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].matches("->").count(), 3, "{found:?}");
}

#[test]
fn a_front_that_only_passes_on_hides_no_circle_behind_it() {
    let found = circles_of(&[
        ("lib.rs", "mod front; mod a; mod b;"),
        ("front.rs", "pub use crate::a::A; pub use crate::b::B;"),
        ("a.rs", "use crate::front::B; pub struct A;"),
        ("b.rs", "use crate::front::A; pub struct B;"),
    ]);
    assert_eq!(found, ["\n  src/a.rs -> src/b.rs (B)\n  src/b.rs -> src/a.rs (A)"]);
}

#[test]
fn what_tests_alone_see_does_not_count() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        ("a.rs", "use crate::b::B; pub struct A; #[cfg(test)] use crate::tests::help;"),
        ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ("tests.rs", "use crate::{a::A, b::B}; pub fn help() {}"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn another_crate_of_a_module_s_name_is_not_mistaken_for_it() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; use time; pub fn f() { time::now() }"),
        ("b.rs", "use a::A; pub struct B;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let source =
        |(name, text): &(&str, &str)| (PathBuf::from("src").join(name), (*text).to_owned());
    let sources: Sources = files.iter().map(source).collect();
    circles(&sources).expect("the files are Rust")
}
