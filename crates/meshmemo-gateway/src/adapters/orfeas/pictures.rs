//! What the studio takes for an upload, and what for a batch. What it would refuse, or what can not be
//! told, is for the studio to answer.

use bytes::Bytes;
use http::HeaderMap;
use meshmemo_gen::{ImageHead, image_head};

use super::order::Order;
use crate::adapter::Unclear;
use crate::adapters::form::{Form, Part};

/// Bytes of a request that the studio takes by default.
const BODY_MAX_BYTES: usize = 50 << 20;
/// What a picture may measure from side to side, and in all, in pixels.
const SIDE_PIXELS: std::ops::RangeInclusive<u32> = 32..=4096;
const PIXELS_MAX: u64 = 16_777_216;
/// How many times a picture's bytes its pixels may be, at three bytes each.
const RATIO_MAX: u64 = 1000;
/// The extensions of pictures that can be looked into here, of those that the studio takes.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Characters of a file's name that the studio keeps.
const BASE_MAX_CHARS: usize = 50;
/// How many seconds the studio says that a picture of a batch takes, and the quality it stands for.
const QUALITIES: [(&str, u32, u64); 3] = [("low", 4, 20), ("medium", 7, 40), ("high", 10, 60)];

/// A picture that the studio takes.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The name of its file, as it is told.
    pub original_name: String,
    /// The same as part of another name.
    pub base: String,
    /// The extension, with its dot, as it was sent.
    pub extension: String,
    /// What its head says.
    pub head: ImageHead,
    /// The file.
    pub bytes: Bytes,
}

/// Pictures of which models are made as ordered.
#[derive(Debug)]
pub struct Batch {
    /// The pictures, in their order.
    pub pictures: Vec<Picture>,
    /// What is ordered of each.
    pub order: Order,
    /// How long it takes all in all, by the studio's own estimate.
    pub estimated_seconds: u64,
}

impl Picture {
    /// Reads an upload.
    ///
    /// # Errors
    /// Why the studio is to answer it.
    pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Unclear> {
        let mut parts = read_form(headers, body)?.parts;
        match (parts.pop(), parts.pop()) {
            (Some(part), None) if part.name == "image" => Self::of_part(part),
            _ => Err(Unclear("it is something else than one `image`".to_owned())),
        }
    }

    fn of_part(part: Part) -> Result<Self, Unclear> {
        let refused = |why: &str| Unclear(format!("the picture {why}"));
        let name = part.file_name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| refused("has no name"))?;
        let (base, extension) = name.rsplit_once('.').ok_or_else(|| refused("has no extension"))?;
        if !EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
            return Err(refused("has another extension than those of PNG, JPEG and WebP"));
        }
        let head = image_head(&part.content).ok_or_else(|| refused("can not be read"))?;
        let pixels = u64::from(head.width) * u64::from(head.height);
        let is_sized = SIDE_PIXELS.contains(&head.width)
            && SIDE_PIXELS.contains(&head.height)
            && pixels <= PIXELS_MAX
            && pixels * 3 <= RATIO_MAX * part.content.len() as u64;
        if !is_sized {
            return Err(refused("has a size that the studio refuses"));
        }
        let (base, extension) = (plain_base(base), format!(".{extension}"));
        Ok(Self { original_name: secure(&name), base, extension, head, bytes: part.content })
    }
}

impl Batch {
    /// Reads a batch.
    ///
    /// # Errors
    /// Why the studio is to answer it.
    pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Unclear> {
        let (mut format, mut quality, mut batch_size) = ("stl".to_owned(), "medium".to_owned(), 4);
        let mut pictures = Vec::new();
        for part in read_form(headers, body)?.parts {
            if part.name == "files" {
                pictures.push(Picture::of_part(part)?);
                continue;
            }
            let text = std::str::from_utf8(&part.content).ok();
            let text = text.filter(|_| part.index == 0 && part.file_name.is_none());
            let text = text.ok_or_else(|| Unclear(format!("`{}` is no text", part.name)))?;
            match part.name.as_str() {
                "format_type" => text.clone_into(&mut format),
                "quality" => text.clone_into(&mut quality),
                "batch_size" => {
                    let size = text.trim().parse().ok().filter(|size: &u64| *size > 0);
                    batch_size =
                        size.ok_or_else(|| Unclear("`batch_size` is no number".to_owned()))?;
                }
                name => return Err(Unclear(format!("`{name}` is not known"))),
            }
        }
        if pictures.is_empty() {
            return Err(Unclear("there are no pictures".to_owned()));
        }
        let format =
            format.parse().map_err(|_| Unclear(format!("the format `{format}` is not known")))?;
        let known = QUALITIES.into_iter().find(|(word, ..)| *word == quality);
        let (_, quality, seconds) =
            known.ok_or_else(|| Unclear(format!("the quality `{quality}` is not known")))?;
        let estimated_seconds = pictures.len() as u64 * seconds / batch_size;
        Ok(Self { pictures, order: Order::plain(format, quality), estimated_seconds })
    }
}

fn read_form(headers: &HeaderMap, body: &Bytes) -> Result<Form, Unclear> {
    if body.len() > BODY_MAX_BYTES {
        return Err(Unclear("it is larger than the studio takes".to_owned()));
    }
    Form::read(headers, body)
}

/// Makes of a file's name what is told of it: without directories and what is no plain character.
fn secure(name: &str) -> String {
    let spaced = name.replace(['/', '\\'], " ");
    let joined = spaced.split_whitespace().collect::<Vec<_>>().join("_");
    let plain = joined.chars().filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c));
    plain.collect::<String>().trim_matches(['.', '_']).to_owned()
}

/// Makes of a file's name, without its extension, a part of another one.
fn plain_base(name: &str) -> String {
    let plain = name.chars().filter(char::is_ascii);
    let plain = plain.map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
    let lower = plain.collect::<String>().to_ascii_lowercase();
    let words: Vec<_> = lower.split('_').filter(|word| !word.is_empty()).collect();
    let base: String = words.join("_").chars().take(BASE_MAX_CHARS).collect();
    if base.is_empty() { "unnamed".to_owned() } else { base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_plain() {
        assert_eq!(plain_base("My Photo (1)"), "my_photo_1");
        assert_eq!(plain_base("__é__"), "unnamed");
        assert_eq!(plain_base(&"a".repeat(80)).len(), 50);
        assert_eq!(secure("../My cup.PNG"), "My_cup.PNG");
    }
}
