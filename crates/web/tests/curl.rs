//! curl against it, over HTTP/1.1 and HTTP/2: what a stock client makes of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use common::{Service, plain, secure};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::process::Command;
use web::{Action, Connection, Files, Fixed, Http, Prefix, Redirect, Route, Site, serve};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_pages_files_and_redirects_over_both_versions() {
    let folder = Folder::new();
    let service = Service::echo().await;
    for (http, version, words) in
        [(Http::One, "1.1", "--http1.1"), (Http::Two, "2", "--http2-prior-knowledge")]
    {
        let mut site = service.site();
        site.routes.extend(folder.routes());
        let port = listen(site, secure(http)).await;
        let curl = async |more: &str| {
            curl(&format!("{words} {more}").replace("[PORT]", &port.to_string())).await
        };
        let Some(page) = curl("-i http://127.0.0.1:[PORT]/x?y").await else {
            println!("SKIP curl_gets_pages_files_and_redirects_over_both_versions: no curl");
            return;
        };
        let page = page.to_ascii_lowercase();
        assert!(page.starts_with(&format!("http/{version} 200")), "{page}");
        assert_eq!(
            page.matches("\r\nstrict-transport-security: max-age=31536000\r\n").count(),
            1,
            "{page}"
        );
        assert!(page.contains("get /x?y http/1.1"), "{page}");
        let whole = curl("http://127.0.0.1:[PORT]/files/big").await.unwrap();
        assert_eq!(whole.len(), 3_000_000);
        let part = curl("-i -r 2999990- http://127.0.0.1:[PORT]/files/big").await.unwrap();
        assert!(part.contains(" 206") && part.ends_with("9999999999"), "{part}");
        let tag = part
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("etag: ").map(str::to_owned))
            .unwrap();
        let mut had = Command::new("curl");
        had.args(["-s", words, "-o", "/dev/null", "-w", "%{http_code}", "-H"]);
        had.arg(format!("If-None-Match: {}", tag.trim()));
        had.arg(format!("http://127.0.0.1:{port}/files/big"));
        let had = had.output().await.unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&had), "304");
        let up = format!(
            "-T {} -o /dev/null -w %{{http_code}},%{{size_upload}} http://127.0.0.1:[PORT]/up",
            folder.0.join("big").display()
        );
        assert_eq!(curl(&up).await.unwrap(), "200,3000000");
        let out = curl("--path-as-is -o /dev/null -w %{http_code} http://127.0.0.1:[PORT]/files/../../etc/passwd").await;
        assert_eq!(out.unwrap(), "400");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_sends_curl_to_https_and_says_nothing_of_hsts() {
    let known = Fixed {
        status: StatusCode::OK,
        content_type: "text/plain".into(),
        body: Bytes::from_static(b"list"),
    };
    let mut site = Site::new(vec![
        route("/", Action::Redirect(Redirect::Https(443))),
        route("/ca", Action::Fixed(known)),
    ]);
    site.security_headers = false;
    let port = listen(site, plain(Http::One)).await;
    let Some(moved) =
        curl(&format!("-i http://127.0.0.1:{port}/a%20b?c -H Host:intranet.example")).await
    else {
        println!("SKIP plain_http_sends_curl_to_https_and_says_nothing_of_hsts: no curl");
        return;
    };
    let moved = moved.to_ascii_lowercase();
    assert!(moved.starts_with("http/1.1 308"), "{moved}");
    assert!(moved.contains("\r\nlocation: https://intranet.example/a%20b?c\r\n"), "{moved}");
    assert!(!moved.contains("strict-transport"), "{moved}");
    let list = curl(&format!("http://127.0.0.1:{port}/ca/x.crl")).await.unwrap();
    assert_eq!(list, "list");
}

async fn curl(words: &str) -> Option<String> {
    let output = Command::new("curl")
        .args(["-s", "--max-time", "30"])
        .args(words.split(' '))
        .output()
        .await
        .ok()?;
    assert!(output.status.success(), "curl {words}: {output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn listen(site: Site, connection: Connection) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = Arc::new(site);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let served =
                serve(stream, connection.clone(), Arc::clone(&site), std::future::pending());
            tokio::spawn(served);
        }
    });
    port
}

fn route(prefix: &str, action: Action) -> Route {
    Route { prefix: prefix.parse::<Prefix>().unwrap(), action }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("handfast-web-curl-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("big"), vec![b'9'; 3_000_000]).unwrap();
        Self(folder)
    }

    fn routes(&self) -> Vec<Route> {
        let files = Arc::new(Files::open(&self.0).unwrap());
        vec![route("/files", Action::Files(files))]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
