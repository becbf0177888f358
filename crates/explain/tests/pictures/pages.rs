//! The pages: to somebody who can't see them, and under a policy that reports whatever they load or run.

use std::fs;
use std::path::PathBuf;

use explain::render;
use serde_json::Value;

use crate::browser::Browser;
use crate::house::{Answer, House};
use crate::{on_path, subjects};

#[test]
fn axe_finds_no_fault_with_any_page_in_light_and_in_the_dark() {
    let name = "axe_finds_no_fault_with_any_page_in_light_and_in_the_dark";
    let Some(axe) =
        std::env::var_os("AXE_DIR").map(|folder| PathBuf::from(folder).join("axe.min.js"))
    else {
        return println!("SKIP {name}: no axe-core; set AXE_DIR");
    };
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let axe = fs::read_to_string(axe).unwrap();
    let mut pages = of_today(subjects::pages());
    pages.push(("faulty".to_owned(), FAULTY.to_owned()));
    let count = pages.len();
    let mut answers = vec![Answer::script("/axe.js", &axe)];
    answers.extend(pages.iter().enumerate().map(|(number, (_, page))| {
        Answer::html(&format!("/{number}"), &looked_at(page, number, count))
    }));
    // Both at once, since each waits for its browser.
    let schemes = [("1", false), ("0", true)].map(|(scheme, dark)| {
        let house = House::open(answers.clone());
        let settings = format!("--blink-settings=preferredColorScheme={scheme}");
        let browser = Browser::at(&house.url("/0"), &[&settings]);
        (house, browser, dark)
    });
    for (house, _browser, dark) in &schemes {
        for (number, (page, _)) in pages.iter().enumerate() {
            let said: Value =
                serde_json::from_str(&house.heard(&format!("/found/{number}"))).unwrap();
            assert_eq!(said["dark"], *dark, "{page}: the scheme was not taken");
            let faults = said["faults"].as_array().unwrap();
            assert!(said["passes"].as_u64().unwrap() > 3, "{page}: axe looked at nothing");
            assert_eq!(faults.is_empty(), page != "faulty", "{page}, dark {dark}: {faults:#?}");
        }
    }
    println!("FIGURE axe-core: {} pages, each in light and dark", count - 1);
}

/// Where CI says which day it is, a quarter of them, another one every day: axe takes its time.
fn of_today(pages: Vec<(String, String)>) -> Vec<(String, String)> {
    let day = std::env::var("HANDFAST_DAY").ok().and_then(|day| day.parse::<usize>().ok());
    let Some(day) = day.filter(|_| std::env::var_os("HANDFAST_LONG").is_none()) else {
        return pages;
    };
    pages.into_iter().skip(day % 4).step_by(4).collect()
}

#[test]
fn a_page_loads_and_runs_nothing_whatever_peers_call_themselves() {
    let name = "a_page_loads_and_runs_nothing_whatever_peers_call_themselves";
    if !on_path("chromium") {
        return println!("SKIP {name}: no chromium");
    }
    let mut pages = subjects::pages();
    for hostile in [b"<img src=/stolen?a=>", b"<script>fetch(1)</s>", b"\"><b onload=alert()>"] {
        let page = render::html(&subjects::called(hostile));
        pages.push((String::from_utf8_lossy(hostile).into_owned(), page));
    }
    let everything = subjects::hostile().into_iter();
    pages.extend(everything.map(|(name, stories)| (name, render::html(&stories))));
    for (name, page) in pages.iter().filter(|(name, _)| name.starts_with("markup")) {
        for words in
            ["&lt;script&gt;fetch(", "&lt;iframe src=/stolen", "&lt;meta http-equiv=refresh"]
        {
            assert!(page.contains(words), "{name}: {words} was not shown");
        }
    }
    let count = pages.len();
    pages.extend(OBEYING.map(|(name, page)| (name.to_owned(), page.to_owned())));
    let mut answers: Vec<Answer> = (0..)
        .zip(&pages)
        .map(|(number, (_, page))| Answer::html(&format!("/{number}"), page).watched())
        .collect();
    answers.push(Answer::html("/", &SHOWS.replace("COUNT", &pages.len().to_string())));
    let house = House::open(answers);
    let _browser = Browser::at(&house.url("/"), &[]);
    house.heard("/shown");
    // Those that do load or run something are last, and were reported.
    let mut obeyed: Vec<usize> = Vec::new();
    for report in house.heard_often("/reports", OBEYING.len()) {
        let report: Value = serde_json::from_str(&report).unwrap();
        let about = report["csp-report"]["document-uri"].as_str().unwrap();
        let number: usize = about.rsplit('/').next().unwrap().parse().unwrap();
        assert!(number >= count, "{}: {report:#}", pages[number].0);
        obeyed.push(number);
    }
    obeyed.sort_unstable();
    obeyed.dedup();
    assert_eq!(obeyed, (count..pages.len()).collect::<Vec<_>>(), "of those that obey");
    let asked = house.asked();
    let own = |path: &str| path.strip_prefix('/').is_some_and(|rest| rest.parse::<usize>().is_ok());
    let known = ["/", "/shown", "/reports", "/favicon.ico"];
    let others: Vec<&String> =
        asked.iter().filter(|path| !own(path) && !known.contains(&path.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!((0..pages.len()).all(|number| asked.contains(&format!("/{number}"))), "{asked:?}");
    println!("FIGURE policy: {count} pages load and run nothing");
}

/// Pages that obey: one loads something, one runs a script of its own, one runs what an element says.
const OBEYING: [(&str, &str); 3] = [
    ("loads", "<!DOCTYPE html><title>x</title><img src=/stolen><p>It loads."),
    ("runs", "<!DOCTYPE html><title>x</title><script>document.title = 'ran'</script><p>It runs."),
    (
        "reacts",
        "<!DOCTYPE html><title>x</title><body onload=\"document.title = 'ran'\"><p>It reacts.",
    ),
];

/// Shows all of them at once, and says so when they have had their time.
const SHOWS: &str = r"<!DOCTYPE html><title>x</title><body><script>
const all = Array.from({ length: COUNT }, (_, number) => new Promise(done => {
  const frame = document.createElement('iframe');
  frame.onload = done;
  frame.src = '/' + number;
  document.body.append(frame);
}));
Promise.all(all).then(() => setTimeout(() => fetch('/shown', { method: 'POST', body: 'all' }), 3000));
</script></body>";

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
