//! What a protocol is: which requests are generations, what makes two of them the same, and how it
//! speaks of jobs. The rest of the gateway knows no protocol.
//!
//! 1. [`Adapter::recognise`]: is a request for the adapter at all;
//! 2. [`Adapter::read`]: what it asks for, its [`Meaning`], from which the key follows;
//! 3. [`judge`](crate::judge::judge): is what the backend answered a result that may be kept;
//! 4. [`Adapter::report`]: how a job is spoken of.
//!
//! [`Adapter::write`] is the way in from the native door: it writes the request that a client of the
//! protocol would have sent, which is then read like any other.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use meshmemo::{Digest, Identity, Value};
use meshmemo_gen::{FieldError, Format, Parameters};

/// The revision of what the adapters take for the same request; part of every key.
const REVISION: &str = "1";

/// A protocol.
pub trait Adapter: Debug + Send + Sync {
    /// Says what holds of all its requests.
    fn manner(&self) -> &Manner;

    /// Says what a request is to the protocol.
    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a>;

    /// Reads what a generation request asks for.
    ///
    /// # Errors
    /// Why that can not be told: the request is the backend's to answer, and nothing is kept.
    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear>;

    /// Writes the request for a photo that came by the native door.
    ///
    /// # Errors
    /// The first field that a backend with this protocol can not honour.
    fn write(&self, ask: &Ask) -> Result<Letter, FieldError>;

    /// Speaks of a job; nothing where the protocol has none.
    fn report(&self, job: &Report) -> Option<Reply>;
}

/// What holds of all requests of a protocol.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The protocol's name, as the configuration spells it.
    pub name: &'static str,
    /// The headers of a request, in lower case, that may change its answer.
    pub keyed_headers: Vec<String>,
    /// The headers, in lower case, that say who asks; nothing where those do that usually do.
    pub credential_headers: Option<Vec<String>>,
    /// Whether the protocol's servers let pages of any origin read their answers.
    pub lets_any_page_read: bool,
    /// How a letter is answered.
    pub course: Course,
}

impl Manner {
    /// One letter and one answer, and nothing unusual.
    pub(crate) fn plain(name: &'static str) -> Self {
        Self {
            name,
            keyed_headers: Vec::new(),
            credential_headers: None,
            lets_any_page_read: false,
            course: Course::Exchange,
        }
    }
}

/// What a request is to a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door<'a> {
    /// A generation that is answered with its result.
    Generate,
    /// A generation that is answered with the name of a job.
    Submit,
    /// A question after a job.
    Status(&'a str),
    /// One of the steps of a studio.
    Studio(StudioDoor<'a>),
    /// Nothing: it is the backend's.
    Elsewhere,
}

/// A step of a studio, where a model is made of an upload, as ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StudioDoor<'a> {
    /// A photo is uploaded, and has a job's name.
    Upload,
    /// A model of an upload is ordered.
    Order,
    /// Models of many photos are ordered.
    Batch,
    /// Somebody asks after a job.
    Status(&'a str),
    /// A job's file is fetched.
    Download(&'a str, &'a str),
    /// A job's file is fetched in base64.
    InBase64(&'a str, &'a str),
    /// An upload is looked at.
    Preview(&'a str),
}

/// How a letter is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It is sent as it is, and the answer is the result.
    Exchange,
    /// By the steps of a studio.
    Studio,
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// What follows the question mark, as it was sent.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
}

/// A request as a client of the protocol sends it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What stands before the body.
    pub head: RequestHead,
    /// The body.
    pub body: Bytes,
}

/// Whose result it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The namespace.
    pub namespace: String,
    /// The keyed hash of what a client shows the backend of who it is: within a namespace, nobody is
    /// answered with what somebody else's credentials were.
    pub credentials: Option<Digest>,
}

/// What a generation request asks for: all that reaches the result, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// The effective parameters.
    pub parameters: BTreeMap<String, Value>,
    /// The digests of the images, in their order.
    pub images: Vec<Digest>,
    /// The variant: the output format, or the way it is wrapped.
    pub variant: String,
    /// What a good answer is.
    pub expected: Expected,
    /// What may become of it.
    pub keeping: Keeping,
}

/// What a good answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The statuses that a result may have.
    pub statuses: Vec<u16>,
    /// The format of the model; `None` is not checked.
    pub format: Option<Format>,
    /// Whether a GLB must have a texture.
    pub is_textured: bool,
    /// The JSON pointer to the model in base64, where the answer is JSON around it.
    pub model_field: Option<String>,
    /// Headers of the answer that are kept with it, besides the usual ones; in lower case.
    pub headers: Vec<String>,
    /// What an answer says of itself when it is one, if the protocol has words for that.
    pub said: Option<Said>,
}

/// What a good answer says of itself, where it says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The header that says it, in lower case.
    pub header: &'static str,
    /// The JSON pointer to where it is said, where the answer is JSON around the model.
    pub field: &'static str,
    /// The word.
    pub word: &'static str,
}

/// What may become of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept.
    Kept,
    /// It is passed through, for this reason.
    PassedThrough(Reason),
}

/// Why a result is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The seed that was sent asks for a random one.
    RandomSeed,
    /// No seed was sent, the server draws at random, and the operator lets such requests through.
    Unseeded,
    /// An image is named or has an address: behind that, another one may be tomorrow.
    ImageByReference,
    /// The format is none that can be checked.
    UncheckedFormat,
    /// The request could not be read.
    NotUnderstood,
}

impl Reason {
    /// Returns the reason as `Cache-Status` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RandomSeed => "random-seed",
            Self::Unseeded => "unseeded",
            Self::ImageByReference => "image-by-reference",
            Self::UncheckedFormat => "unchecked-format",
            Self::NotUnderstood => "not-understood",
        }
    }
}

/// Why a request could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear(pub String);

/// What somebody asks for by the native door.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The photo.
    pub photo: Bytes,
    /// What is asked for, defaults included.
    pub parameters: Parameters,
    /// The names of the fields that were sent.
    pub given: Vec<String>,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It was taken, under this name.
    Taken(String),
    /// It has not ended, or nobody has ever heard of it.
    Processing,
    /// It has failed, with these words.
    Failed(String),
    /// It has ended well.
    Completed,
}

/// How a protocol speaks of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub media_type: &'static str,
    /// The body, up to where the model comes, in base64.
    pub before: String,
    /// What follows the model; without it, there is none.
    pub after: Option<String>,
}

/// The parameter that has the hash of what a client showed the backend.
const CREDENTIALS: &str = "@credentials";

/// Returns the keyed hash of the credentials that an entry was made for, if it was for any.
pub fn credentials_of(identity: &Identity) -> Option<Digest> {
    match identity.parameters.get(CREDENTIALS) {
        Some(Value::Digest(hash)) => Some(*hash),
        _ => None,
    }
}

impl Meaning {
    /// Returns the identity of what is asked for, for an owner, of the model that the operator calls
    /// `model_id`.
    pub(crate) fn identity(&self, adapter: &str, owner: &Owner, model_id: &str) -> Identity {
        let shown = owner.credentials.map(|hash| (CREDENTIALS.to_owned(), Value::Digest(hash)));
        let parameters = self.parameters.clone().into_iter().chain(shown).collect();
        Identity {
            namespace: owner.namespace.clone(),
            adapter: adapter.to_owned(),
            model_id: model_id.to_owned(),
            model_revision: REVISION.to_owned(),
            parameters,
            images: self.images.clone(),
        }
    }

    /// Returns what is known of a request that could not be read: its body.
    pub(crate) fn of_unclear(head: &RequestHead, body: &Bytes) -> Self {
        let text = |text: &str| Value::Text(text.to_owned());
        let parameters = BTreeMap::from([
            ("@path".to_owned(), text(&head.path)),
            ("@body".to_owned(), Value::Digest(Digest::of(body))),
        ]);
        let keeping = Keeping::PassedThrough(Reason::NotUnderstood);
        let statuses = (200..300).collect();
        let expected = Expected { statuses, format: None, ..Expected::model(Format::Glb) };
        Self { parameters, images: Vec::new(), variant: "any".to_owned(), expected, keeping }
    }
}

impl Expected {
    /// Expects a model of a format, with status 200.
    pub fn model(format: Format) -> Self {
        Self {
            statuses: vec![200],
            format: Some(format),
            is_textured: false,
            model_field: None,
            headers: Vec::new(),
            said: None,
        }
    }
}

impl Ask {
    /// Refuses fields that a backend can not honour, but for those in `honoured`.
    pub(crate) fn check(&self, honoured: &[&str], adapter: &'static str) -> Result<(), FieldError> {
        let refused = Parameters::FIELDS
            .into_iter()
            .find(|field| self.given.iter().any(|it| it == field) && !honoured.contains(field));
        refused.map_or(Ok(()), |field| {
            let honoured = match honoured {
                [] => "no field but `image`".to_owned(),
                fields => format!("only `image`, {}", named(fields)),
            };
            let range = format!("left out: the backend (adapter `{adapter}`) honours {honoured}");
            Err(FieldError::new(field, &self.value_of(field), range))
        })
    }

    /// Returns whether a field was sent.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.given.iter().any(|given| given == field)
    }

    fn value_of(&self, field: &str) -> String {
        let Parameters { format, quality, width_mm, height_mm, depth_mm, seed } = &self.parameters;
        match field {
            "format" => format.to_string(),
            "quality" => quality.to_string(),
            "width_mm" => width_mm.to_string(),
            "height_mm" => height_mm.to_string(),
            "depth_mm" => depth_mm.to_string(),
            _ => seed.map(|seed| seed.to_string()).unwrap_or_default(),
        }
    }
}

fn named(fields: &[&str]) -> String {
    fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
}
