//! What administrators do stands in the journal, with who did it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use admin::permission::Caller;
use admin::request::Request;
use clock::SystemClock;
use gateway::control::Execute;
use gateway::data::DataDir;
use gateway::{FirstStart, Gateway};

#[tokio::test]
async fn a_change_is_in_the_journal_with_who_made_it_and_a_question_or_a_refusal_is_not() {
    let journal = Journal::default();
    let writer = journal.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _for_this_thread = tracing::subscriber::set_default(subscriber);
    let folder = Folder::new();
    let data = DataDir::new(&folder.0);
    std::fs::write(data.config(), "[ca]\nkey_type = \"p256\"\n[device]\nkey_type = \"p256\"\n")
        .expect("written");
    let gateway =
        Gateway::start(data, Arc::new(SystemClock), FirstStart::default()).await.expect("started");
    let root = Caller::Local { uid: 0, name: Some("root".into()) };
    let alice = || "alice".parse().expect("a name");
    gateway.execute(&root, Request::UserAdd { name: alice() }).await.expect("added");
    gateway.execute(&root, Request::UserList).await.expect("listed");
    gateway.execute(&root, Request::UserDisable { name: alice() }).await.expect("disabled");
    gateway.execute(&root, Request::UserAdd { name: alice() }).await.expect_err("there already");

    let lines = journal.lines();
    let of_root: Vec<_> = lines.iter().filter(|line| line.contains("by=uid:0/root")).collect();
    assert_eq!(of_root.len(), 2, "{lines:#?}");
    assert!(of_root[0].contains("user added") && of_root[0].contains("subject=\"alice\""));
    assert!(of_root[1].contains("user disabled"), "{of_root:#?}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl Journal {
    fn lines(&self) -> Vec<String> {
        let text = self.0.lock().expect("no panic");
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

impl Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("handfast-journal-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
