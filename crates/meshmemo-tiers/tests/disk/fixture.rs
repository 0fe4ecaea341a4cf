//! A stored entry of each version of the format, as it was written: it is read for ever.
//!
//! A format that changes gets a new version and a new fixture; the old ones stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use meshmemo::{Digest, Entry, Identity, Meta, Stored, Value};
use meshmemo_tiers::Durability;
use meshmemo_tiers::envelope::seal;

use crate::room::Room;

const PAYLOAD: &[u8] = b"glTF: not a model, but the bytes of one";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What the fixture holds.
fn meta() -> Meta {
    let parameters = BTreeMap::from([
        ("quality".to_owned(), Value::Integer(7)),
        ("width_mm".to_owned(), Value::Number(100.5)),
        ("texture".to_owned(), Value::Flag(true)),
        ("prompt".to_owned(), Value::Text("a cup".to_owned())),
    ]);
    let identity = Identity {
        namespace: "default".to_owned(),
        adapter: "native".to_owned(),
        model_id: "relief".to_owned(),
        model_revision: "1".to_owned(),
        parameters,
        images: vec![Digest::of(b"a photo")],
    };
    let generation_key = identity.generation_key();
    Meta {
        key: generation_key.key("glb"),
        generation_key,
        identity: Arc::new(identity),
        variant: "glb".to_owned(),
        label: "cup.png".to_owned(),
        media_type: "model/gltf-binary".to_owned(),
        head: None,
        digest: Digest::of(PAYLOAD),
        size_bytes: PAYLOAD.len() as u64,
        cost: Duration::from_millis(17_250),
        created: Duration::new(1_790_000_000, 123_456_789),
        expires: Some(Duration::from_secs(4_000_000_000)),
    }
}

/// The name under which the fixture lies in a data directory.
fn name(meta: &Meta) -> String {
    format!("{}.{}.{}.1790000000123456", meta.key, meta.digest, meta.size_bytes)
}

#[test]
fn an_entry_is_written_as_it_always_was() {
    let written = [PAYLOAD, &seal(&meta(), PAYLOAD)].concat();
    let fixture = fs::read(path("entry-v1.bin")).unwrap();
    assert!(written == fixture, "the stored form has changed: it needs a new version");
}

#[tokio::test]
async fn an_entry_of_version_1_is_read() {
    let mut room = Room::with(1 << 20, Durability::Full).await;
    room.close();
    let meta = meta();
    let directory = room.root().join("obj").join(&meta.key.to_string()[..2]);
    fs::create_dir_all(&directory).unwrap();
    fs::copy(path("entry-v1.bin"), directory.join(name(&meta))).unwrap();
    room.open().await;
    let found = room.get(meta.key).await.unwrap();
    assert_eq!(*found.meta(), meta);
    assert_eq!(found.body(), PAYLOAD);
    let same = Entry::whole(meta, PAYLOAD.into()).unwrap();
    assert!(room.has(&same).await);
}
