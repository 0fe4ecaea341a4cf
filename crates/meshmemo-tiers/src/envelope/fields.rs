//! The tagged fields of a footer: all that is known of an entry besides what the header has.
//!
//! A field is `tag: u16, length: u32, bytes`. A reader skips tags that it does not know, unless
//! [`CRITICAL`] is set in them: such an entry means something that an older version would get
//! wrong, and is left to newer ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshmemo::{Digest, GenerationKey, Head, Identity, Meta, Value};

use super::Broken;
use super::codec::{Reader, Writer};

/// The bit of a tag that says: who does not know this field must not serve the entry.
const CRITICAL: u16 = 0x8000;

const NAMESPACE: u16 = 1;
const ADAPTER: u16 = 2;
const MODEL_ID: u16 = 3;
const MODEL_REVISION: u16 = 4;
const GENERATION_KEY: u16 = 5;
const VARIANT: u16 = 6;
const LABEL: u16 = 7;
const MEDIA_TYPE: u16 = 8;
const COST: u16 = 9;
const CREATED: u16 = 10;
const EXPIRES: u16 = 11;
/// One parameter: its name and its value. As often as there are parameters.
const PARAMETER: u16 = 12;
/// The digest of one input image. As often as there are images, in their order.
const IMAGE: u16 = 13;
/// The HTTP status of the backend's answer.
const STATUS: u16 = 14;
/// One header of the backend's answer: its name and its value. As often as there are headers.
const HEADER: u16 = 15;
/// One parameter that is kept as a digest: its name and the digest. Who does not know it would take
/// two generations for one.
const PARAMETER_DIGEST: u16 = CRITICAL | 16;

/// Writes the fields of an entry.
pub(super) fn write(meta: &Meta) -> Vec<u8> {
    let mut fields = Writer::default();
    let identity = &*meta.identity;
    for (tag, text) in [
        (NAMESPACE, &identity.namespace),
        (ADAPTER, &identity.adapter),
        (MODEL_ID, &identity.model_id),
        (MODEL_REVISION, &identity.model_revision),
        (VARIANT, &meta.variant),
        (LABEL, &meta.label),
        (MEDIA_TYPE, &meta.media_type),
    ] {
        field(&mut fields, tag, text.as_bytes());
    }
    field(&mut fields, GENERATION_KEY, meta.generation_key.as_bytes());
    for (tag, time) in
        [(COST, Some(meta.cost)), (CREATED, Some(meta.created)), (EXPIRES, meta.expires)]
    {
        if let Some(time) = time {
            let mut value = Writer::default();
            value.duration(time);
            field(&mut fields, tag, &value.0);
        }
    }
    for (name, value) in &identity.parameters {
        let tag = if matches!(value, Value::Digest(_)) { PARAMETER_DIGEST } else { PARAMETER };
        field(&mut fields, tag, &parameter(name, value));
    }
    for image in &identity.images {
        field(&mut fields, IMAGE, image.as_bytes());
    }
    if let Some(head) = &meta.head {
        field(&mut fields, STATUS, &head.status.to_le_bytes());
        for (name, value) in &head.headers {
            let mut header = Writer::default();
            header.bytes(name.as_bytes());
            header.bytes(value.as_bytes());
            field(&mut fields, HEADER, &header.0);
        }
    }
    fields.0
}

/// Reads the fields of an entry into `meta`, which has what the header says.
///
/// # Errors
/// `Corrupt` if they can not be read, `Newer` if one is critical and unknown.
pub(super) fn read(bytes: &[u8], mut meta: Meta) -> Result<Meta, Broken> {
    let mut identity = Identity::default();
    let mut fields = Reader(bytes);
    while !fields.is_at_end() {
        let field = fields.u16().zip(fields.bytes());
        let (tag, value) = field.ok_or_else(|| Broken::corrupt("its fields end early"))?;
        let is_known = read_field(tag, value, &mut meta, &mut identity)
            .ok_or_else(|| Broken::corrupt(format!("its field {tag} can not be read")))?;
        if !is_known && tag & CRITICAL != 0 {
            return Err(Broken::Newer);
        }
    }
    meta.identity = Arc::new(identity);
    Ok(meta)
}

/// Reads one field; returns whether it is a known one, and nothing if it makes no sense.
fn read_field(tag: u16, value: &[u8], meta: &mut Meta, identity: &mut Identity) -> Option<bool> {
    let text = || std::str::from_utf8(value).ok().map(str::to_owned);
    let hash = || <[u8; 32]>::try_from(value).ok();
    let time = || {
        let mut reader = Reader(value);
        reader.duration().filter(|_| reader.is_at_end())
    };
    match tag {
        NAMESPACE => identity.namespace = text()?,
        ADAPTER => identity.adapter = text()?,
        MODEL_ID => identity.model_id = text()?,
        MODEL_REVISION => identity.model_revision = text()?,
        VARIANT => meta.variant = text()?,
        LABEL => meta.label = text()?,
        MEDIA_TYPE => meta.media_type = text()?,
        GENERATION_KEY => meta.generation_key = GenerationKey::from_bytes(hash()?),
        COST => meta.cost = time()?,
        CREATED => meta.created = time()?,
        EXPIRES => meta.expires = Some(time()?),
        PARAMETER | PARAMETER_DIGEST => {
            let (name, value) = read_parameter(value)?;
            identity.parameters.insert(name, value);
        }
        IMAGE => identity.images.push(Digest::from_bytes(hash()?)),
        STATUS => head(meta).status = u16::from_le_bytes(value.try_into().ok()?),
        HEADER => head(meta).headers.push(read_header(value)?),
        _ => return Some(false),
    }
    Some(true)
}

/// Returns what is known of the backend's answer so far.
fn head(meta: &mut Meta) -> &mut Head {
    Arc::make_mut(meta.head.get_or_insert_default())
}

fn read_header(bytes: &[u8]) -> Option<(String, String)> {
    let mut reader = Reader(bytes);
    let header = (reader.text()?.to_owned(), reader.text()?.to_owned());
    reader.is_at_end().then_some(header)
}

fn field(fields: &mut Writer, tag: u16, value: &[u8]) {
    fields.u16(tag);
    fields.bytes(value);
}

const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const NUMBER: u8 = 3;
const FLAG: u8 = 4;
const DIGEST: u8 = 5;

fn parameter(name: &str, value: &Value) -> Vec<u8> {
    let mut parameter = Writer::default();
    parameter.bytes(name.as_bytes());
    match value {
        Value::Text(text) => {
            parameter.raw(&[TEXT]);
            parameter.bytes(text.as_bytes());
        }
        Value::Integer(number) => {
            parameter.raw(&[INTEGER]);
            parameter.raw(&number.to_le_bytes());
        }
        Value::Number(number) => {
            parameter.raw(&[NUMBER]);
            parameter.u64(number.to_bits());
        }
        Value::Flag(flag) => parameter.raw(&[FLAG, u8::from(*flag)]),
        Value::Digest(digest) => {
            parameter.raw(&[DIGEST]);
            parameter.raw(digest.as_bytes());
        }
        // A kind of value that this version does not write.
        _ => {}
    }
    parameter.0
}

fn read_parameter(bytes: &[u8]) -> Option<(String, Value)> {
    let mut reader = Reader(bytes);
    let name = reader.text()?.to_owned();
    let [kind] = reader.array()?;
    let value = match kind {
        TEXT => Value::Text(reader.text()?.to_owned()),
        INTEGER => Value::Integer(i128::from_le_bytes(reader.array()?)),
        NUMBER => Value::Number(f64::from_bits(reader.u64()?)),
        DIGEST => Value::Digest(Digest::from_bytes(reader.array()?)),
        FLAG => Value::Flag(reader.array::<1>()? != [0]),
        _ => return None,
    };
    reader.is_at_end().then_some((name, value))
}

/// Returns a meta that has what a header says, and nothing else yet.
pub(super) fn blank(key: meshmemo::Key, digest: Digest, size_bytes: u64) -> Meta {
    Meta {
        key,
        generation_key: GenerationKey::from_bytes([0; 32]),
        identity: Arc::new(Identity { parameters: BTreeMap::new(), ..Identity::default() }),
        variant: String::new(),
        label: String::new(),
        media_type: String::new(),
        head: None,
        digest,
        size_bytes,
        cost: std::time::Duration::ZERO,
        created: std::time::Duration::ZERO,
        expires: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meshmemo::Key;

    use super::*;

    fn meta() -> Meta {
        let parameters = BTreeMap::from([
            ("text".to_owned(), Value::Text("a cup".to_owned())),
            ("seed".to_owned(), Value::Integer(i128::from(u64::MAX))),
            ("guidance".to_owned(), Value::Number(7.5)),
            ("texture".to_owned(), Value::Flag(true)),
            ("mesh".to_owned(), Value::Digest(Digest::of(b"a mesh"))),
        ]);
        let identity = Identity {
            namespace: "default".to_owned(),
            adapter: "native".to_owned(),
            model_id: "relief".to_owned(),
            model_revision: "1".to_owned(),
            parameters,
            images: vec![Digest::of(b"front"), Digest::of(b"back")],
        };
        Meta {
            generation_key: identity.generation_key(),
            identity: Arc::new(identity),
            variant: "glb".to_owned(),
            label: "Krug \u{e9}.png".to_owned(),
            media_type: "model/gltf-binary".to_owned(),
            head: Some(Arc::new(Head {
                status: 200,
                headers: vec![("access-control-allow-origin".to_owned(), "*".to_owned())],
            })),
            cost: Duration::from_millis(17_250),
            created: Duration::new(1_790_000_000, 1),
            expires: Some(Duration::from_secs(1_790_086_400)),
            ..blank(Key::from_bytes([1; 32]), Digest::of(b"bytes"), 5)
        }
    }

    fn read_back(bytes: &[u8]) -> Result<Meta, Broken> {
        read(bytes, blank(Key::from_bytes([1; 32]), Digest::of(b"bytes"), 5))
    }

    #[test]
    fn every_field_comes_back() {
        assert_eq!(read_back(&write(&meta())).unwrap(), meta());
        let mortal = Meta { expires: None, ..meta() };
        assert_eq!(read_back(&write(&mortal)).unwrap(), mortal);
    }

    #[test]
    fn an_unknown_field_is_skipped_unless_it_is_critical() {
        let with = |tag| {
            let mut fields = Writer(write(&meta()));
            field(&mut fields, tag, b"from the future");
            read_back(&fields.0)
        };
        assert_eq!(with(999).unwrap(), meta());
        assert!(matches!(with(CRITICAL + 999), Err(Broken::Newer)));
    }

    #[test]
    fn fields_that_make_no_sense_are_corrupt() {
        let written = write(&meta());
        assert!(matches!(read_back(&written[..written.len() - 1]), Err(Broken::Corrupt(_))));
        for (tag, value) in [(LABEL, &b"\xff"[..]), (CREATED, b"short"), (IMAGE, b"short")] {
            let mut fields = Writer::default();
            field(&mut fields, tag, value);
            assert!(matches!(read_back(&fields.0), Err(Broken::Corrupt(_))), "{tag}");
        }
    }
}
