//! What is drawn, in the hands of other programs: `xmllint` reads the pictures, `rsvg-convert` and Debian's Chromium draw
//! them and measure whether texts lie on each other, axe-core looks at the pages as somebody who can't see them would
//! meet them, and a Chromium whose policy reports tells of anything that a page loads or runs. Drawn are recordings,
//! what gateways told, and both once more in the words of hostile peers.
//!
//! `AXE_DIR` is where axe-core is.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod browser;
mod house;
mod layout;
mod pages;
mod subjects;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use explain::render;
use serde_json::Value;

use browser::Browser;
use house::{Answer, House};
use subjects::pictures;

#[test]
fn every_picture_is_xml_to_xmllint_and_is_drawn_by_rsvg_convert() {
    let name = "every_picture_is_xml_to_xmllint_and_is_drawn_by_rsvg_convert";
    if let Some(missing) = ["xmllint", "rsvg-convert"].into_iter().find(|one| !on_path(one)) {
        return println!("SKIP {name}: no {missing}");
    }
    let folder = fresh_folder("drawn");
    let mut files = Vec::new();
    for (name, stories) in pictures() {
        let file = folder.join(format!("{name}.svg"));
        fs::write(&file, render::svg(&stories)).unwrap();
        files.push(file);
    }
    let read = Command::new("xmllint").args(["--noout", "--nonet"]).args(&files).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    for file in &files {
        let drawn = Command::new("rsvg-convert").arg(file).output().unwrap();
        assert!(drawn.status.success(), "{file:?}: {}", String::from_utf8_lossy(&drawn.stderr));
        assert!(drawn.stdout.starts_with(b"\x89PNG") && drawn.stdout.len() > 5_000, "{file:?}");
    }
    // The reader finds what is wrong.
    let broken = folder.join("broken.svg");
    fs::write(&broken, fs::read_to_string(&files[0]).unwrap().replacen("</text>", "", 1)).unwrap();
    let read = Command::new("xmllint").args(["--noout", "--nonet"]).arg(&broken).output().unwrap();
    assert!(!read.status.success());
}

#[test]
fn every_picture_is_drawn_by_chromium() {
    let name = "every_picture_is_drawn_by_chromium";
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let pictures = pictures();
    let mut answers = vec![Answer::html("/", &gallery(pictures.iter().map(|(name, _)| name)))];
    for (name, stories) in &pictures {
        answers.push(Answer::svg(&format!("/{name}.svg"), &render::svg(stories)));
    }
    answers.push(Answer::svg("/broken.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><text>"));
    let house = House::open(answers);
    let _browser = Browser::at(&house.url("/"), &[]);
    let drawn: Value = serde_json::from_str(&house.heard("/drawn")).unwrap();
    let drawn = drawn.as_object().unwrap();
    assert_eq!(drawn.len(), pictures.len() + 1);
    for (name, width) in drawn {
        assert_eq!(width.as_u64().unwrap() > 0, name != "broken", "{name}: {width}");
    }
}

/// A page that shows pictures and says how wide each came out.
fn gallery<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).chain(["broken"]).collect();
    let names = serde_json::to_string(&names).unwrap();
    format!(
        "<!DOCTYPE html><title>x</title><script>
         Promise.all({names}.map(name => new Promise(done => {{
           const image = new Image();
           image.onload = () => done([name, image.naturalWidth]);
           image.onerror = () => done([name, 0]);
           image.src = '/' + name + '.svg';
         }}))).then(all => fetch('/drawn', {{method: 'POST', body: JSON.stringify(Object.fromEntries(all))}}));
         </script>"
    )
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}
