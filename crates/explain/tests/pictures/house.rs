//! A small web server on the loopback interface: it has a few answers, takes notes of what it is asked, and keeps what
//! is sent to it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long something is waited for; a browser begins slowly on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Clone)]
pub(crate) struct Answer {
    path: String,
    kind: &'static str,
    head: String,
    body: String,
}

impl Answer {
    pub(crate) fn html(path: &str, body: &str) -> Self {
        Self::of("text/html; charset=utf-8", path, body)
    }

    pub(crate) fn svg(path: &str, body: &str) -> Self {
        Self::of("image/svg+xml", path, body)
    }

    pub(crate) fn script(path: &str, body: &str) -> Self {
        Self::of("text/javascript; charset=utf-8", path, body)
    }

    fn of(kind: &'static str, path: &str, body: &str) -> Self {
        Self { path: path.to_owned(), kind, head: String::new(), body: body.to_owned() }
    }

    /// Whatever it loads or runs is reported.
    pub(crate) fn watched(mut self) -> Self {
        self.head += "content-security-policy: default-src 'none'; style-src 'unsafe-inline'; report-uri /reports\r\n";
        self
    }
}

#[derive(Default)]
struct Noted {
    asked: Vec<String>,
    sent: BTreeMap<String, Vec<String>>,
}

pub(crate) struct House {
    address: SocketAddr,
    noted: Arc<(Mutex<Noted>, Condvar)>,
}

impl House {
    pub(crate) fn open(answers: Vec<Answer>) -> House {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let house = House { address: socket.local_addr().unwrap(), noted: Arc::default() };
        let (noted, answers) = (Arc::clone(&house.noted), Arc::new(answers));
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let (noted, answers) = (Arc::clone(&noted), Arc::clone(&answers));
                thread::spawn(move || serve(stream, &answers, &noted));
            }
        });
        house
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was sent there first, waited for.
    pub(crate) fn heard(&self, path: &str) -> String {
        let (noted, news) = &*self.noted;
        let waits = |noted: &mut Noted| !noted.sent.contains_key(path);
        let (noted, _) = news.wait_timeout_while(noted.lock().unwrap(), LIMIT, waits).unwrap();
        let sent = noted.sent.get(path).and_then(|sent| sent.first()).cloned();
        sent.unwrap_or_else(|| panic!("nothing was sent to {path}; asked: {:?}", noted.asked))
    }

    /// All that has been sent there until so many came, waited for.
    pub(crate) fn heard_often(&self, path: &str, count: usize) -> Vec<String> {
        let (noted, news) = &*self.noted;
        let number = |noted: &Noted| noted.sent.get(path).map_or(0, Vec::len);
        let waits = |noted: &mut Noted| number(noted) < count;
        let (noted, _) = news.wait_timeout_while(noted.lock().unwrap(), LIMIT, waits).unwrap();
        assert!(number(&noted) >= count, "too little was sent to {path}: {:?}", noted.sent);
        noted.sent[path].clone()
    }

    /// All that was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.noted.0.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: TcpStream, answers: &[Answer], noted: &(Mutex<Noted>, Condvar)) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut body = vec![0; length(&mut reader)];
    let _ = reader.read_exact(&mut body);
    {
        let mut noted = noted.0.lock().unwrap();
        noted.asked.push(path.to_owned());
        if method == "POST" {
            let body = String::from_utf8_lossy(&body).into_owned();
            noted.sent.entry(path.to_owned()).or_default().push(body);
        }
    }
    noted.1.notify_all();
    let (status, answer) = match answers.iter().find(|answer| answer.path == path) {
        Some(answer) => ("200 OK", answer.clone()),
        None => ("404 Not Found", Answer::html(path, "")),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\n{}content-length: {}\r\nconnection: close\r\n\r\n",
        answer.kind,
        answer.head,
        answer.body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), answer.body.as_bytes()].concat());
}

/// Reads to the end of the head, for how much comes behind it.
fn length(reader: &mut BufReader<TcpStream>) -> usize {
    let mut length = 0;
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field).unwrap_or(0) == 0 || field.trim().is_empty() {
            return length;
        }
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}
