//! What is drawn, in the hands of other programs: `xmllint` reads the pictures, `rsvg-convert` and Debian's Chromium draw
//! them, axe-core looks at the pages as somebody who can't see them would meet them, and a Chromium whose policy
//! reports tells of anything that a page loads or runs.
//!
//! `AXE_DIR` is where axe-core is; `HANDFAST_LONG=1` takes every page and not three of them.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod browser;
mod house;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known, read};
use explain::render;
use explain::story::Stories;
use serde_json::Value;

use browser::Browser;
use house::{Answer, House};

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

#[test]
fn axe_finds_no_fault_with_the_pages_in_light_and_in_the_dark() {
    let name = "axe_finds_no_fault_with_the_pages_in_light_and_in_the_dark";
    let Some(axe) =
        std::env::var_os("AXE_DIR").map(|folder| PathBuf::from(folder).join("axe.min.js"))
    else {
        return println!("SKIP {name}: no axe-core; set AXE_DIR");
    };
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let axe = fs::read_to_string(axe).unwrap();
    let mut pages = pages();
    pages.push(("faulty".to_owned(), FAULTY.to_owned()));
    let count = pages.len();
    let mut answers = vec![Answer::script("/axe.js", &axe)];
    answers.extend(pages.iter().enumerate().map(|(number, (_, page))| {
        Answer::html(&format!("/{number}"), &looked_at(page, number, count))
    }));
    for (scheme, dark) in [("1", false), ("0", true)] {
        let house = House::open(answers.clone());
        let settings = format!("--blink-settings=preferredColorScheme={scheme}");
        let _browser = Browser::at(&house.url("/0"), &[&settings]);
        for (number, (page, _)) in pages.iter().enumerate() {
            let said: Value =
                serde_json::from_str(&house.heard(&format!("/found/{number}"))).unwrap();
            assert_eq!(said["dark"], dark, "{page}: the scheme was not taken");
            let faults = said["faults"].as_array().unwrap();
            assert!(said["passes"].as_u64().unwrap() > 3, "{page}: axe looked at nothing");
            assert_eq!(faults.is_empty(), page != "faulty", "{page}, dark {dark}: {faults:#?}");
        }
    }
    println!("FIGURE axe-core: {} pages, each in light and dark", count - 1);
}

#[test]
fn a_page_loads_and_runs_nothing_whatever_peers_call_themselves() {
    let name = "a_page_loads_and_runs_nothing_whatever_peers_call_themselves";
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let mut pages = pages();
    for hostile in [b"<img src=/stolen?a=>", b"<script>fetch(1)</s>", b"\"><b onload=alert()>"] {
        pages.push((String::from_utf8_lossy(hostile).into_owned(), render::html(&called(hostile))));
    }
    let count = pages.len();
    // Each leads to the next one after a while, by no script; the last is one that does load something.
    let mut answers: Vec<Answer> = (1..)
        .zip(&pages)
        .map(|(next, (_, page))| {
            Answer::html(&format!("/{}", next - 1), page).watched().then(&format!("/{next}"))
        })
        .collect();
    let loads = "<!DOCTYPE html><title>It loads</title><img src=/stolen><p>It loads.";
    answers.push(Answer::html(&format!("/{count}"), loads).watched());
    let house = House::open(answers);
    let _browser = Browser::at(&house.url("/0"), &[]);
    let first: Value = serde_json::from_str(&house.heard("/reports")).unwrap();
    let report = &first["csp-report"];
    let about = report["document-uri"].as_str().unwrap();
    assert!(about.ends_with(&format!("/{count}")), "{about} was reported: {report:#}");
    let asked = house.asked();
    let others: Vec<&String> = asked
        .iter()
        .filter(|path| !(0..=count).any(|number| **path == format!("/{number}")))
        .filter(|path| *path != "/reports" && *path != "/favicon.ico")
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!((0..=count).all(|number| asked.contains(&format!("/{number}"))), "{asked:?}");
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

/// A page that axe looks at with everything opened, and that leads to the next one.
fn looked_at(page: &str, number: usize, count: usize) -> String {
    let policy = "<meta http-equiv=\"Content-Security-Policy\"";
    let without = page.lines().filter(|line| !line.starts_with(policy));
    let page = without.collect::<Vec<_>>().join("\n");
    let next =
        if number + 1 < count { format!("location = '/{}'", number + 1) } else { String::new() };
    let script = format!(
        "<script src=\"/axe.js\"></script><script>
         document.querySelectorAll('details').forEach(one => one.open = true);
         axe.run().then(found => fetch('/found/{number}', {{method: 'POST', body: JSON.stringify({{
           dark: matchMedia('(prefers-color-scheme: dark)').matches,
           passes: found.passes.length,
           faults: found.violations.map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary).join(' | '))
         }})}})).then(() => {{ {next} }});</script></body>"
    );
    page.replace("</body>", &script)
}

/// A page with faults that axe knows: no language, a picture without words, and words that can't be seen.
const FAULTY: &str = "<!DOCTYPE html><html><head><title>x</title></head><body><main><h1>x</h1><img src=\"/none.svg\"><p style=\"color:#777;background:#888\">Who reads this?</p></main></body></html>";

/// Recordings, told.
fn pictures() -> Vec<(String, Stories)> {
    let all = captures().into_iter().map(|capture| {
        let name = capture.file_stem().unwrap().to_string_lossy().into_owned();
        (name, tell(&capture))
    });
    all.collect()
}

/// The pages of the documents: three, or all in a long run.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handshakes");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let long = std::env::var_os("HANDFAST_LONG").is_some_and(|value| value == "1");
    let short = ["client-revoked.html", "https-staple.html", "vpn-renewed.html"];
    files.retain(|file| long || short.iter().any(|name| file.ends_with(name)));
    let page = |file: &PathBuf| {
        (
            file.file_stem().unwrap().to_string_lossy().into_owned(),
            fs::read_to_string(file).unwrap(),
        )
    };
    files.iter().map(page).collect()
}

/// A handshake in the clear whose every name is this one.
fn called(hostile: &[u8; 20]) -> Stories {
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

fn captures() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "pcap")).collect();
    all.sort();
    all
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn on_path(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}
