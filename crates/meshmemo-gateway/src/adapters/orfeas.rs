//! `orfeas`: the studio API of ORFEAS. A photo is uploaded, a model of it is ordered, asked after, and
//! fetched. This gateway takes the upload itself, and goes through the studio's steps only for a model
//! that is not there; then with a photo and an order that are one letter, whose key is like any other's.
//!
//! | file | what it is |
//! |---|---|
//! | `order.rs` | what is ordered, as the studio validates it |
//! | `steps.rs` | the steps through which a studio makes a model |
//! | `words.rs` | what a studio answers |
//! | `pictures.rs` | what it takes for an upload, and what for a batch |

mod order;
mod pictures;
mod steps;
pub mod words;

use bytes::Bytes;
use http::{HeaderMap, Method};
use meshmemo::{Digest, Value};
use meshmemo_gen::{FieldError, Format};

use super::Unseeded;
use super::fields::Fields;
use crate::adapter::{
    Adapter, Ask, Course, Door, Expected, Keeping, Letter, Manner, Meaning, Reason, Reply, Report,
    RequestHead, StudioDoor, Unclear,
};
pub use order::Order;
pub use pictures::{Batch, Picture};
pub(crate) use steps::{Work, carry_out, is_forgotten};

const NAME: &str = "orfeas";

/// The path on which an order comes, and on which a letter with one goes.
const GENERATE: &str = "/api/generate-3d";
/// The field of a letter's query that has the order.
const ORDER: &str = "order";

/// The protocol.
#[derive(Debug)]
pub(super) struct Orfeas {
    manner: Manner,
    unseeded: Unseeded,
}

impl Orfeas {
    pub(super) fn new(unseeded: Unseeded) -> Self {
        let (course, lets_any_page_read) = (Course::Studio, true);
        Self { manner: Manner { lets_any_page_read, course, ..Manner::plain(NAME) }, unseeded }
    }
}

/// Writes an order and its photo on one sheet; the headers are those of the client that ordered it.
pub fn letter(order: &Order, photo: Bytes, headers: HeaderMap) -> Letter {
    let json = order.to_json().to_string();
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(ORDER, &json).finish();
    let head = RequestHead { method: Method::POST, path: GENERATE.to_owned(), query, headers };
    Letter { head, body: photo }
}

/// Reads the order of a letter.
fn order_of(head: &RequestHead) -> Result<Order, Unclear> {
    let mut fields = form_urlencoded::parse(head.query.as_bytes());
    let order = fields.find(|(name, _)| name == ORDER);
    let (_, json) = order.ok_or_else(|| Unclear("there is no order".to_owned()))?;
    Order::read(json.as_bytes())
}

impl Adapter for Orfeas {
    fn manner(&self) -> &Manner {
        &self.manner
    }

    fn recognise<'a>(&self, method: &Method, path: &'a str) -> Door<'a> {
        door(method, path).map_or(Door::Elsewhere, Door::Studio)
    }

    /// The studio hands no seed to its pipeline: each generation is another one. Who sends one all the
    /// same has sent a field that is not known, which is part of the key.
    fn read(&self, head: &RequestHead, body: &Bytes) -> Result<Meaning, Unclear> {
        let order = order_of(head)?;
        let rest = order.rest_as_json().to_string();
        let mut fields = Fields::of_json(rest.as_bytes())?;
        let has_seed = fields.has("seed");
        for (name, number) in order.numbers() {
            fields.set(name, Value::Integer(number.into()));
        }
        let keeping = if self.unseeded == Unseeded::Pass && !has_seed {
            Keeping::PassedThrough(Reason::Unseeded)
        } else {
            Keeping::Kept
        };
        Ok(Meaning {
            parameters: fields.finish(),
            images: vec![Digest::of(body)],
            variant: order.format.as_str().to_owned(),
            expected: Expected::model(order.format),
            keeping,
        })
    }

    fn write(&self, ask: &Ask) -> Result<Letter, FieldError> {
        const HONOURED: [&str; 5] = ["format", "quality", "width_mm", "height_mm", "depth_mm"];
        ask.check(&HONOURED, NAME)?;
        let order = Order::of_parameters(&ask.parameters)?;
        Ok(letter(&order, ask.photo.clone(), HeaderMap::new()))
    }

    fn report(&self, _report: &Report) -> Option<Reply> {
        None
    }
}

fn door<'a>(method: &Method, path: &'a str) -> Option<StudioDoor<'a>> {
    let file = |rest: &'a str| rest.split_once('/').filter(|(_, file)| !file.contains('/'));
    match *method {
        Method::POST => match path {
            "/api/upload-image" => Some(StudioDoor::Upload),
            GENERATE => Some(StudioDoor::Order),
            "/api/batch-generate" => Some(StudioDoor::Batch),
            _ => None,
        },
        Method::GET | Method::HEAD => {
            let (kind, rest) = path.strip_prefix("/api/")?.split_once('/')?;
            match kind {
                "job-status" if !rest.contains('/') => Some(StudioDoor::Status(rest)),
                "preview" if !rest.contains('/') => Some(StudioDoor::Preview(rest)),
                "download" => file(rest).map(|(id, file)| StudioDoor::Download(id, file)),
                "download-base64" => file(rest).map(|(id, file)| StudioDoor::InBase64(id, file)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns the name of a job's file.
pub fn output_file(id: &str, format: Format) -> String {
    format!("model_{id}.{format}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_door_and_all_else_is_the_studios() {
        let get = |path: &'static str| door(&Method::GET, path);
        assert_eq!(door(&Method::POST, "/api/upload-image"), Some(StudioDoor::Upload));
        assert_eq!(door(&Method::POST, "/api/generate-3d"), Some(StudioDoor::Order));
        assert_eq!(get("/api/job-status/a"), Some(StudioDoor::Status("a")));
        assert_eq!(get("/api/download/a/b.glb"), Some(StudioDoor::Download("a", "b.glb")));
        assert_eq!(get("/api/download-base64/a/b"), Some(StudioDoor::InBase64("a", "b")));
        assert_eq!(get("/api/preview/a.png"), Some(StudioDoor::Preview("a.png")));
        for other in ["/api/upload-image", "/api/download/a", "/api/preview/a/b", "/", "/api/x/y"] {
            assert_eq!(get(other), None, "{other}");
        }
    }
}
