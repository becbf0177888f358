use std::fs;
use std::os::unix::fs::symlink;
use std::process::id;

use http_body_util::BodyExt;

use super::*;

struct Folder(PathBuf);

impl Folder {
    /// `site` with some files, and `secret` beside it.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("handfast-web-{name}-{}", id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("site/sub")).unwrap();
        fs::create_dir_all(folder.join("site/.git")).unwrap();
        fs::create_dir_all(folder.join("site/.well-known")).unwrap();
        for (file, text) in [
            ("secret", "secret"),
            ("site/a b.txt", "0123456789"),
            ("site/index.html", "<p>"),
            ("site/sub/x.svg", "<svg/>"),
            ("site/.git/config", "secret"),
            ("site/.well-known/security.txt", "Contact"),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        symlink("../secret", folder.join("site/out")).unwrap();
        symlink("/etc/passwd", folder.join("site/passwd")).unwrap();
        symlink("..", folder.join("site/up")).unwrap();
        symlink("index.html", folder.join("site/inside.html")).unwrap();
        Self(folder)
    }

    fn files(&self) -> Files {
        Files::open(&self.0.join("site")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn get(
    files: &Files,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<Response<Body>, Refusal> {
    let path = Path::decode(path)?;
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    files.answer(path.as_str(), (&path, None), &Method::GET, &headers, client()).await
}

fn client() -> Source {
    Source::host([192, 0, 2, 7].into())
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn files_are_answered_whole_and_in_parts_with_their_type() {
    let folder = Folder::new("parts");
    let files = folder.files();
    let whole = get(&files, "/a%20b.txt", &[]).await.unwrap();
    assert_eq!(whole.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(whole.headers()[header::CONTENT_LENGTH], "10");
    let tag = whole.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(text(whole).await, "0123456789");

    let part =
        get(&files, "/a%20b.txt", &[("range", "bytes=3-5"), ("if-range", &tag)]).await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 3-5/10");
    assert_eq!(text(part).await, "345");

    let none = get(&files, "/a%20b.txt", &[("range", "bytes=10-")]).await.unwrap();
    assert_eq!(none.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(none.headers()[header::CONTENT_RANGE], "bytes */10");
    let had = get(&files, "/a%20b.txt", &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!((had.status(), text(had).await), (StatusCode::NOT_MODIFIED, String::new()));

    assert_eq!(text(get(&files, "/", &[]).await.unwrap()).await, "<p>");
    assert_eq!(text(get(&files, "/inside.html", &[]).await.unwrap()).await, "<p>");
    let known = get(&files, "/.well-known/security.txt", &[]).await.unwrap();
    assert_eq!(text(known).await, "Contact");
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder_or_to_what_is_hidden() {
    let folder = Folder::new("out");
    let files = folder.files();
    for path in [
        "/out",
        "/passwd",
        "/up/secret",
        "/up/site/index.html",
        "/.git/config",
        "/sub/",
        "/none",
        "/a%20b.txt/x",
    ] {
        assert_eq!(get(&files, path, &[]).await.unwrap_err(), Refusal::NotFound, "{path}");
    }
    for path in ["/../secret", "/%2e%2e/secret", "/sub/..%2f..%2fsecret", "/sub\\..\\..\\secret"] {
        assert_eq!(get(&files, path, &[]).await.unwrap_err(), Refusal::Path, "{path}");
    }
}

#[tokio::test]
async fn a_folder_without_its_slash_is_answered_with_one_on_this_host() {
    let folder = Folder::new("slash");
    for path in ["/sub", "//sub"] {
        let answer = get(&folder.files(), path, &[]).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.headers()[header::LOCATION], "/sub/");
    }
    assert_eq!(get(&folder.files(), "/./sub", &[]).await.unwrap_err(), Refusal::Path);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_taken_holds_its_place_and_gives_it_back() {
    let folder = Folder::new("places");
    let files = Files { open: Seats::new(1), ..folder.files() };
    let held = get(&files, "/", &[]).await.unwrap();
    assert_eq!(get(&files, "/", &[]).await.unwrap_err(), Refusal::BackendBusy);
    drop(held);
    let none = get(&files, "/", &[("range", "bytes=9-")]).await.unwrap();
    assert!(get(&files, "/", &[]).await.is_ok(), "what has no body holds none");
    drop(none);
}

#[tokio::test]
async fn nothing_but_get_and_head_is_known_there() {
    let folder = Folder::new("method");
    let path = Path::decode("/").unwrap();
    for (method, taken) in [(Method::HEAD, true), (Method::POST, false), (Method::DELETE, false)] {
        let answer =
            folder.files().answer("/", (&path, None), &method, &HeaderMap::new(), client()).await;
        assert_eq!(answer.is_ok(), taken, "{method}");
    }
}

#[tokio::test]
async fn a_folder_without_its_slash_is_sent_there_with_the_query() {
    let folder = Folder::new("query");
    let (files, path) = (folder.files(), Path::decode("/sub").unwrap());
    let (path, headers) = ((&path, Some("a=b&c")), HeaderMap::new());
    let sent = files.answer("/sub", path, &Method::GET, &headers, client()).await.unwrap();
    assert_eq!(sent.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(sent.headers()[header::LOCATION], "/sub/?a=b&c");
}
