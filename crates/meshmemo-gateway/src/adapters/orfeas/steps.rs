//! The steps through which a studio makes a model:
//!
//! 1. the photo is uploaded, and has a job's name there;
//! 2. the model is ordered;
//! 3. the job is asked after until it has ended;
//! 4. the file is fetched.
//!
//! What goes wrong in the first two says whether the studio has begun; after that, it has, and its job is
//! noted: a process that ends in the middle leaves it to the next one, which begins with the third.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use meshmemo::{Audience, Error, ErrorKind, Key, Result};
use meshmemo_gen::{ImageType, image_type};
use serde_json::{Map, Value as Json};
use tokio::task::spawn_blocking;

use super::order_of;
use crate::adapter::{Letter, RequestHead, Unclear};
use crate::adapters::form;
use crate::answer::BackendAnswer;
use crate::remote::Remote;
use crate::studio_jobs::{StudioJob, StudioJobs};

/// How long to wait before a job is asked after; it grows from the first to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often in a row a studio may fail to say how a job stands, and how often it may not know of one that
/// it has just taken.
const SILENCES_MAX: u32 = 5;
/// When to ask a studio again that is not ready, and does not say when it will be.
const NOT_READY_SECONDS: u64 = 5;
/// Bytes of an answer that is no file.
const WORDS_MAX_BYTES: u64 = 1 << 20;
/// How often a file is fetched that does not arrive whole.
const FETCHES_MAX: u32 = 3;

/// What a studio is to make, and for whom.
pub(crate) struct Work {
    pub(crate) letter: Letter,
    pub(crate) key: Key,
    pub(crate) audience: Audience,
    /// The job that a process before has begun.
    pub(crate) begun: Option<String>,
    /// Where jobs are noted.
    pub(crate) jobs: Arc<StudioJobs>,
}

/// The source of the error that a studio does not know its job any more.
#[derive(Debug)]
struct JobUnknown;

/// Returns whether a studio has forgotten what it was doing.
pub(crate) fn is_forgotten(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(source, Some(source) if source.is::<JobUnknown>())
}

/// Has a studio make what a letter orders.
///
/// # Errors
/// What the studio said, or that it said nothing of use.
pub(crate) async fn carry_out(remote: Arc<Remote>, work: Work) -> Result<BackendAnswer> {
    let Work { letter, key, audience, begun, jobs } = work;
    let backend = remote.name();
    let studio = Studio { remote, headers: own_headers(letter.head.headers.clone()) };
    let order = order_of(&letter.head)
        .map_err(|Unclear(why)| Error::new(ErrorKind::Invalid, format!("the order: {why}")))?;
    // A studio that was ended together with this process may take its time to come back.
    let patience = if begun.is_some() { Patience::UntilTheFirstAnswer } else { Patience::Usual };
    let id = match begun {
        Some(id) => id,
        None => studio.begin(&letter.body, order.to_json()).await?,
    };
    let job = StudioJob { backend, job: id.clone() };
    let noted = unblocked(move || jobs.note(&key, job)).await?;
    let ended = studio.end(&id, &audience, patience).await;
    unblocked(move || noted.ended()).await?;
    let mut answer = ended?;
    // What the studio says of the file names its own job, and forbids to keep it.
    answer.headers.clear();
    let media_type = HeaderValue::from_static(order.format.media_type());
    answer.headers.insert(header::CONTENT_TYPE, media_type);
    Ok(answer)
}

/// How long a studio may fail to say how a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A few times in a row.
    Usual,
    /// For as long as the job may take, until it has said so once.
    UntilTheFirstAnswer,
}

/// A studio, and what the client's requests said that concerns it.
struct Studio {
    remote: Arc<Remote>,
    headers: HeaderMap,
}

impl Studio {
    /// Has a job begun; returns its name.
    async fn begin(&self, photo: &Bytes, mut fields: Json) -> Result<String> {
        let id = self.upload(photo).await?;
        fields["job_id"] = id.as_str().into();
        self.order(&fields).await?;
        Ok(id)
    }

    /// Waits for the end of a job, and fetches what it has made.
    async fn end(
        &self,
        id: &str,
        audience: &Audience,
        patience: Patience,
    ) -> Result<BackendAnswer> {
        let file = self.wait(id, audience, patience).await?;
        self.fetch(id, &file).await
    }

    async fn upload(&self, photo: &Bytes) -> Result<String> {
        let name = match image_type(photo) {
            Some(ImageType::Jpeg) => "photo.jpg",
            Some(ImageType::Webp) => "photo.webp",
            _ => "photo.png",
        };
        let (content_type, body) = form::write(("image", name), photo, &Map::new());
        let answer =
            self.ask(Method::POST, "/api/upload-image", Some((&content_type, body))).await?;
        let told = json_of(answer)?;
        let id = told["job_id"].as_str().filter(|id| is_plain(id));
        let nameless = || Error::new(ErrorKind::BackendFailed, "the studio names no job");
        id.map(str::to_owned).ok_or_else(nameless)
    }

    async fn order(&self, fields: &Json) -> Result<()> {
        let body = Some(("application/json", Bytes::from(fields.to_string())));
        let mut answer = self.ask(Method::POST, "/api/generate-3d", body).await?;
        note_decline(&mut answer);
        json_of(answer).map(drop)
    }

    /// Waits for the end of a job; returns the name of its file.
    async fn wait(&self, id: &str, audience: &Audience, mut patience: Patience) -> Result<String> {
        let (mut pause, mut silences) = (PAUSE_MIN, 0);
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            match self.look(id).await {
                Ok(Standing::Working(fraction)) => {
                    audience.tell_working(fraction, "generate");
                    (patience, silences) = (Patience::Usual, 0);
                }
                Ok(Standing::Completed(file)) => return Ok(file),
                Ok(Standing::Failed(words)) => {
                    let message = format!("the studio's job has failed: {words}");
                    return Err(Error::new(ErrorKind::BackendFailed, message));
                }
                Err(error) if is_forgotten(&error) && patience != Patience::Usual => {
                    return Err(error);
                }
                Err(_) if patience != Patience::Usual => {}
                Err(error) if silences == SILENCES_MAX => return Err(error),
                Err(_) => silences += 1,
            }
        }
    }

    async fn look(&self, id: &str) -> Result<Standing> {
        let answered = self.ask(Method::GET, &format!("/api/job-status/{id}"), None).await;
        let answer = answered.map_err(|error| lost("does not say how its job stands", &error))?;
        if answer.status == StatusCode::NOT_FOUND {
            let message = "the studio does not know its job any more: it was restarted";
            return Err(Error::with_source(ErrorKind::BackendFailed, message, JobUnknown));
        }
        let told = json_of(answer);
        let told = told.map_err(|error| lost("does not say how its job stands", &error))?;
        let text = |field: &str| told[field].as_str().unwrap_or_default();
        Ok(match text("status") {
            "completed" if is_plain(text("output_file")) => {
                Standing::Completed(text("output_file").to_owned())
            }
            "completed" => Standing::Failed("it names no file".to_owned()),
            "failed" => Standing::Failed(text("error").to_owned()),
            "" => {
                let message =
                    "the studio does not say how its job stands: its answer has no status";
                return Err(Error::new(ErrorKind::BackendFailed, message));
            }
            _ => {
                #[expect(clippy::cast_possible_truncation, reason = "it is a percentage")]
                let percent = told["progress"].as_f64().unwrap_or(0.0) as f32;
                Standing::Working(percent.clamp(0.0, 100.0) / 100.0)
            }
        })
    }

    async fn fetch(&self, id: &str, file: &str) -> Result<BackendAnswer> {
        let path = format!("/api/download/{id}/{file}");
        let mut fetches = 1;
        loop {
            match self.remote.exchange(self.letter(Method::GET, &path, None)).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(answer),
                Ok(answer) => {
                    let error = answer.into_error();
                    return Err(lost("does not hand out its file", &error));
                }
                Err(error) if fetches == FETCHES_MAX => {
                    return Err(lost("does not hand out its file", &error));
                }
                Err(_) => fetches += 1,
            }
        }
    }

    /// Asks for an answer in words.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<BackendAnswer> {
        self.remote.exchange_within(self.letter(method, path, body), WORDS_MAX_BYTES).await
    }

    fn letter(&self, method: Method, path: &str, body: Option<(&str, Bytes)>) -> Letter {
        let mut headers = self.headers.clone();
        let body = body.map(|(content_type, body)| {
            let content_type = HeaderValue::from_str(content_type);
            headers.insert(header::CONTENT_TYPE, content_type.expect("it is letters and digits"));
            body
        });
        let (path, query) = (path.to_owned(), String::new());
        let head = RequestHead { method, path, query, headers };
        Letter { head, body: body.unwrap_or_default() }
    }
}

impl fmt::Display for JobUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the studio answered 404")
    }
}

impl std::error::Error for JobUnknown {}

/// Does what touches a file where it holds up nobody.
async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|panic| {
        let message = "what was to be noted of a job was not";
        Error::with_source(ErrorKind::Storage, message, panic)
    })
}

/// How a job of the studio stands.
enum Standing {
    /// So much of it is done.
    Working(f32),
    /// It is done, and this is its file.
    Completed(String),
    /// It has failed, with these words.
    Failed(String),
}

/// Says as all do what a studio says in words of its own: that it has not begun, as it is not ready yet.
fn note_decline(answer: &mut BackendAnswer) {
    let told: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_early = matches!(told["status"].as_str(), Some("models_loading" | "models_not_ready"));
    if answer.status == StatusCode::SERVICE_UNAVAILABLE && is_early {
        let seconds = told["retry_after"].as_u64().unwrap_or(NOT_READY_SECONDS);
        answer.headers.entry(header::RETRY_AFTER).or_insert_with(|| seconds.into());
    }
}

/// Takes out what was said of the client's own body, and what it accepts of that answer.
fn own_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::ACCEPT,
    ] {
        headers.remove(name);
    }
    headers
}

/// Makes an error of one that came after the studio had begun: it no longer says that nothing was done.
fn lost(what: &str, error: &Error) -> Error {
    Error::new(ErrorKind::BackendFailed, format!("the studio {what}: {error}"))
}

/// Reads the JSON of an answer that is well.
fn json_of(answer: BackendAnswer) -> Result<Json> {
    if answer.status != StatusCode::OK {
        return Err(answer.into_error());
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        Error::with_source(ErrorKind::BackendFailed, "the studio's answer is no JSON", error)
    })
}

/// Returns whether a name may stand in a path.
fn is_plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}
