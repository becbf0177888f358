//! Files from a folder, and none from elsewhere.
//!
//! The kernel itself keeps every look-up beneath the folder (openat2), whatever links and dots a path goes over.
//! Names that begin with a dot are not there, but for `.well-known`.

mod body;
pub(crate) mod condition;

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;
use sources::Source;
use tokio::task::spawn_blocking;

use crate::body::{Body, full};
use crate::path::Path;
use crate::refusal::Refusal;
use crate::seats::{Seat, Seats};
use condition::{Standing, Version};

/// A folder whose files anybody may have who gets as far as here.
pub struct Files {
    root: Arc<OwnedFd>,
    folder: PathBuf,
    open: Seats,
}

/// The folder can't be opened.
#[derive(Debug)]
pub struct FilesError {
    folder: PathBuf,
    source: io::Error,
}

/// What lies at a path.
enum Found {
    File { file: File, version: Version, name: String },
    Folder,
}

impl Files {
    /// # Errors
    /// Where there is no such folder.
    pub fn open(folder: &FilePath) -> Result<Self, FilesError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(folder, flags, Mode::empty())
            .map_err(|error| FilesError { folder: folder.to_owned(), source: error.into() })?;
        Ok(Self { root: Arc::new(root), folder: folder.to_owned(), open: Seats::new(OPEN) })
    }

    /// Answers for what lies at `rest` in the folder, which was asked for as `path`.
    pub(crate) async fn answer(
        &self,
        rest: &str,
        (path, query): (&Path, Option<&str>),
        method: &Method,
        headers: &HeaderMap,
        client: Source,
    ) -> Result<Response<Body>, Refusal> {
        if *method != Method::GET && *method != Method::HEAD {
            return Err(Refusal::MethodNotThere);
        }
        let mut name = file_name(rest)?;
        let folder_named = path.as_str().ends_with('/');
        if folder_named {
            name.push(INDEX);
        }
        let seat = self.open.take(client, TURN).await.ok_or(Refusal::BackendBusy)?;
        match self.find(name.join("/")).await? {
            Found::Folder if folder_named => Err(Refusal::NotFound),
            Found::Folder => Ok(with_slash(path, query)),
            Found::File { file, version, name } => {
                Ok(file_answer(file, version, &name, method, headers, seat))
            }
        }
    }

    async fn find(&self, name: String) -> Result<Found, Refusal> {
        let root = Arc::clone(&self.root);
        spawn_blocking(move || find(&root, name)).await.map_err(|_| Refusal::Internal)?
    }
}

/// The names on the way to a file.
fn file_name(rest: &str) -> Result<Vec<&str>, Refusal> {
    let names: Vec<_> = rest.split('/').filter(|name| !name.is_empty()).collect();
    let hidden = |name: &&str| name.starts_with('.') && *name != WELL_KNOWN;
    if names.iter().any(hidden) { Err(Refusal::NotFound) } else { Ok(names) }
}

fn find(root: &OwnedFd, name: String) -> Result<Found, Refusal> {
    // What is no file must not hold whoever opens it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let way = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let at = if name.is_empty() { "." } else { name.as_str() };
    let look = || openat2(root, at, flags, Mode::empty(), way);
    // Somebody renamed something meanwhile, so that the kernel could not tell whether it leads outside.
    let again = |error: Errno| if error == Errno::AGAIN { look() } else { Err(error) };
    let opened = look().or_else(again).or_else(again).map_err(|error| match error {
        Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO | Errno::NOSYS => {
            Refusal::Internal
        }
        _ => Refusal::NotFound,
    })?;
    let stat = fstat(&opened).map_err(|_| Refusal::Internal)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Found::Folder),
        FileType::RegularFile => {
            let version = Version::of(&stat);
            Ok(Found::File { file: File::from(opened), version, name })
        }
        _ => Err(Refusal::NotFound),
    }
}

fn file_answer(
    file: File,
    version: Version,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
    seat: Seat,
) -> Response<Body> {
    let standing = version.judge(method, headers);
    let mut response = Response::new(full(""));
    let fields = response.headers_mut();
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(header::ETAG, version.etag());
    fields.insert(header::LAST_MODIFIED, version.last_modified());
    let (status, content_range, part) = match standing {
        Standing::Has | Standing::Changed => {
            *response.status_mut() = match standing {
                Standing::Has => StatusCode::NOT_MODIFIED,
                _ => StatusCode::PRECONDITION_FAILED,
            };
            return response;
        }
        Standing::Whole => (StatusCode::OK, None, 0..version.length()),
        Standing::Part(part) => {
            let said = format!("bytes {}-{}/{}", part.start, part.end - 1, version.length());
            (StatusCode::PARTIAL_CONTENT, Some(said), part)
        }
        Standing::NoSuchPart => {
            let said = format!("bytes */{}", version.length());
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(said), 0..0)
        }
    };
    if let Some(said) = content_range.and_then(|said| HeaderValue::try_from(said).ok()) {
        fields.insert(header::CONTENT_RANGE, said);
    }
    fields.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    fields.insert(header::CONTENT_TYPE, content_type(name));
    *response.status_mut() = status;
    if *method == Method::GET && !part.is_empty() {
        *response.body_mut() = body::part_of(file, part, seat);
    }
    response
}

fn content_type(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = match guess.type_() == "text" || guess.subtype() == "javascript" {
        true => format!("{guess}; charset=utf-8"),
        false => guess.to_string(),
    };
    HeaderValue::try_from(text).expect("a media type makes a value")
}

/// To the folder itself. Made of whole names, so that it leads to no other host, as `//host` would.
fn with_slash(path: &Path, query: Option<&str>) -> Response<Body> {
    let names = path.as_str().split('/').filter(|name| !name.is_empty());
    let mut location = String::new();
    for name in names {
        location.push('/');
        location.extend(utf8_percent_encode(name, IN_A_PATH));
    }
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    // A query may have octets that no text has; without it the folder is found all the same.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.folder.display())
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the folder {} is not opened: {}", self.folder.display(), self.source)
    }
}

impl Error for FilesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Files at once.
const OPEN: usize = 1024;
/// Until one of those has ended, where all are open.
const TURN: Duration = Duration::from_secs(5);
const INDEX: &str = "index.html";
const WELL_KNOWN: &str = ".well-known";
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
