//! Where things stand in a browser: no text lies on another one or beyond the edge, in pictures and in pages, on a desk
//! and on a phone, with everything opened. The browser measures, so that no width of a letter is taken for granted.

use explain::render;
use serde_json::Value;

use crate::browser::Browser;
use crate::house::{Answer, House};
use crate::{on_path, subjects};

#[test]
fn no_text_of_a_picture_or_a_page_lies_on_another_or_beyond_the_edge() {
    let name = "no_text_of_a_picture_or_a_page_lies_on_another_or_beyond_the_edge";
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let mut shown: Vec<(String, Answer)> = Vec::new();
    for (name, stories) in subjects::pictures() {
        let path = format!("/{name}.svg");
        shown.push((path.clone(), Answer::svg(&path, &render::svg(&stories))));
    }
    let hostile = subjects::hostile().into_iter().map(|(name, told)| (name, render::html(&told)));
    for (name, page) in subjects::pages().into_iter().chain(hostile) {
        let path = format!("/{name}.html");
        shown.push((path.clone(), Answer::html(&path, &page)));
    }
    let count = shown.len();
    for (path, page) in FAULTY {
        let answer = match path.ends_with(".svg") {
            true => Answer::svg(path, page),
            false => Answer::html(path, page),
        };
        shown.push(((*path).to_owned(), answer));
    }
    let (paths, mut answers): (Vec<String>, Vec<Answer>) = shown.into_iter().unzip();
    let paths = serde_json::to_string(&paths).unwrap();
    answers.push(Answer::html("/", &LOOKS.replace("PATHS", &paths)));
    let house = House::open(answers);
    let _browser = Browser::at(&house.url("/"), &[]);
    let mut texts = 0;
    let found = house.heard_often("/found", count + FAULTY.len());
    for found in found.iter().map(|found| serde_json::from_str::<Value>(found).unwrap()) {
        let path = found["path"].as_str().unwrap();
        let faults = found["faults"].as_array().unwrap();
        match FAULTY.iter().find(|(faulty, _)| *faulty == path) {
            Some(_) => assert!(!faults.is_empty(), "{path}: its fault was not seen"),
            None => {
                assert!(found["texts"].as_u64().unwrap() > 10, "{path}: nothing was looked at");
                assert!(faults.is_empty(), "{path}: {faults:#?}");
                texts += found["texts"].as_u64().unwrap();
            }
        }
    }
    println!("FIGURE bounds: {texts} texts of {count} pictures and pages, none on another");
}

/// What has to be found: each is wrong in one way.
const FAULTY: &[(&str, &str)] = &[
    (
        "/overlaps.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\" height=\"90\"><text x=\"9\" y=\"40\">one</text><text x=\"20\" y=\"44\">two</text></svg>",
    ),
    (
        "/right.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"90\"><text x=\"80\" y=\"40\">beyond</text></svg>",
    ),
    (
        "/top.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\" height=\"90\"><text x=\"9\" y=\"4\">cut</text></svg>",
    ),
    (
        "/bottom.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\" height=\"90\"><text x=\"9\" y=\"89\">gap</text></svg>",
    ),
    (
        "/overlaps.html",
        "<!DOCTYPE html><title>x</title><p>Here it stands.<p style=\"margin-top:-2.2em\">And here.",
    ),
    (
        "/right.html",
        "<!DOCTYPE html><title>x</title><p style=\"white-space:nowrap\">This is longer than a phone is wide, but not longer than a desk is wide.",
    ),
];

/// Shows each in frames of two widths and sends what it measured. Texts of a page are told line by line, and what
/// scrolls by itself (a picture, a wide table) may be wider than the page.
const LOOKS: &str = r"<!DOCTYPE html><title>x</title><body><script>
const on = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
function linesOf(page) {
  const lines = [], walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (!node.data.trim() || node.parentElement.closest('svg,style,script,title')) continue;
    const range = page.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      if (box.width > 1) lines.push({ node, box, text: node.data.trim().slice(0, 60) });
  }
  return lines;
}
function look(page, width) {
  page.querySelectorAll('details').forEach(one => one.open = true);
  const faults = [], all = [];
  for (const text of page.getElementsByTagName('text')) {
    const box = text.getBoundingClientRect(), edge = text.ownerSVGElement.getBoundingClientRect();
    if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
      faults.push(`beyond the edge: ${text.textContent}`);
    all.push({ node: text, box, text: text.textContent });
  }
  if (page.body) {
    all.push(...linesOf(page));
    const root = page.documentElement;
    if (root.scrollWidth > root.clientWidth) faults.push(`${root.scrollWidth} wide where there are ${root.clientWidth}`);
  }
  all.sort((a, b) => a.box.top - b.box.top);
  for (let one = 0; one < all.length; one++)
    for (let other = one + 1; other < all.length && all[other].box.top < all[one].box.bottom - 1; other++)
      if (all[one].node !== all[other].node && on(all[one].box, all[other].box))
        faults.push(`${width}: ${all[one].text} ON ${all[other].text}`);
  return { texts: all.length, faults };
}
async function show(path, width) {
  const frame = document.createElement('iframe');
  frame.style.width = width + 'px';
  frame.style.height = '900px';
  const loaded = new Promise(done => frame.onload = done);
  frame.src = path;
  document.body.append(frame);
  await loaded;
  const found = look(frame.contentDocument, width);
  frame.remove();
  return found;
}
(async () => {
  for (const path of PATHS) {
    const wide = await show(path, 1280);
    const narrow = path.endsWith('.svg') ? { faults: [] } : await show(path, 390);
    const faults = [...wide.faults, ...narrow.faults].slice(0, 20);
    await fetch('/found', { method: 'POST', body: JSON.stringify({ path, texts: wide.texts, faults }) });
  }
})();
</script></body>";
