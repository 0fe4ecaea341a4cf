//! The embedded backend as the engine sees it, with a real photo.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use meshmemo::{Audience, Error, ErrorKind, Generation, Progress, SystemClock};
use meshmemo_gateway::{Relief, ReliefGeneration, ReliefOptions};
use meshmemo_gen::Parameters;

fn backend(timeout: Duration) -> Arc<Relief> {
    let options = ReliefOptions { concurrency: 1, queue: 4, timeout };
    Arc::new(Relief::new(options, Arc::new(SystemClock::new()), |_| {}))
}

fn photo(name: &str) -> Bytes {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/images");
    std::fs::read(images.join(name)).unwrap().into()
}

fn bind(backend: &Arc<Relief>, photo: Bytes, quality: u8) -> ReliefGeneration {
    let parameters = Parameters { quality, ..Parameters::default() };
    ReliefGeneration::new(Arc::clone(backend), photo, parameters)
}

#[tokio::test]
async fn a_generation_makes_what_its_own_check_accepts_and_derives_the_rest() {
    let backend = backend(Duration::from_mins(5));
    let generation = bind(&backend, photo("coffee.png"), 1);
    let glb = generation.generate("glb", &Audience::of(1)).await.unwrap();
    generation.validate("glb", &glb.body).await.unwrap();
    for variant in generation.variants().derived {
        let derived = generation.derive(glb.body.clone(), variant).await.unwrap();
        generation.validate(variant, &derived.body).await.unwrap();
        let cut_short = derived.body.slice(..derived.body.len() - 1);
        let error = generation.validate(variant, &cut_short).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFailed, "{variant}");
    }
}

#[tokio::test]
async fn a_generation_that_takes_too_long_is_stopped_and_frees_its_place() {
    let backend = backend(Duration::from_millis(1));
    let error = bind(&backend, photo("astronaut.png"), 10)
        .generate("glb", &Audience::of(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendTimeout);
    // The next one gets the only place, so the work of the first has really ended.
    let place = backend.queue().enter().await.unwrap();
    assert_eq!(backend.queue().working(), 1);
    drop(place);
    assert_eq!(backend.queue().working(), 0);
}

#[tokio::test]
async fn a_photo_that_can_not_be_read_is_the_clients_error() {
    let backend = backend(Duration::from_mins(5));
    let whole = photo("coffee.png");
    let kind = |error: Error| error.kind();
    for wrong in [Bytes::new(), Bytes::from_static(b"not a photo"), whole.slice(..1000)] {
        let generation = bind(&backend, wrong, 1);
        assert_eq!(
            generation.generate("glb", &Audience::of(1)).await.map_err(kind).unwrap_err(),
            ErrorKind::Invalid
        );
    }
}

#[tokio::test]
async fn what_is_no_glb_derives_nothing() {
    let backend = backend(Duration::from_mins(5));
    let generation = bind(&backend, Bytes::new(), 1);
    let derived = generation.derive(Bytes::from_static(b"glTF?"), "stl").await;
    assert_eq!(derived.unwrap_err().kind(), ErrorKind::BackendFailed);
}

#[tokio::test]
async fn progress_is_told_while_it_works() {
    let backend = backend(Duration::from_mins(5));
    let audience = Audience::of(1);
    let generation = bind(&backend, photo("horse.png"), 1);
    generation.generate("glb", &audience).await.unwrap();
    let Progress::Working { fraction, step } = audience.progress() else {
        panic!("it has worked: {:?}", audience.progress());
    };
    assert!(fraction > 0.9 && step == "write", "{fraction} {step}");
}

#[tokio::test]
async fn nothing_is_begun_for_whom_nobody_waits() {
    let backend = backend(Duration::from_mins(5));
    let working = backend.queue().enter().await.unwrap();
    let left = bind(&backend, photo("horse.png"), 1).generate("glb", &Audience::of(0)).await;
    assert_eq!(left.unwrap_err().kind(), ErrorKind::Cancelled);
    drop(working);
    assert_eq!((backend.queue().working(), backend.queue().depth()), (0, 0));
}
