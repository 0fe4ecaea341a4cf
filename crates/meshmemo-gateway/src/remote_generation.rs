//! One request, bound to the servers of which one answers it: the engine's `Generation` behind URLs.
//!
//! Work goes on to another server only when the one before has provably done nothing of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meshmemo::{Audience, Derived, Error, ErrorKind, Generated, Generation, Key, Result, Variants};
use meshmemo_gen::Format;
use tokio::task::spawn_blocking;

use crate::adapter::{Course, Expected, Keeping, Letter, Meaning, Reason};
use crate::adapters::orfeas::{Work, carry_out, is_forgotten};
use crate::answer::BackendAnswer;
use crate::backends::Backends;
use crate::headers::{kept, whole_head};
use crate::judge::{judge, unwrap};
use crate::queue::Place;
use crate::quota::PlaceQuota;
use crate::remote::untouched;

/// One request, bound to the servers of which one answers it.
#[derive(Debug)]
pub(crate) struct RemoteGeneration {
    pub(crate) backends: Arc<Backends>,
    pub(crate) letter: Letter,
    pub(crate) course: Course,
    pub(crate) key: Key,
    pub(crate) meaning: Arc<Meaning>,
    pub(crate) quota: Option<Arc<PlaceQuota>>,
}

impl RemoteGeneration {
    async fn work(&self, audience: &Audience) -> Result<Generated> {
        let clock = self.backends.clock();
        let asked_at = clock.now();
        let mut begun = self.left_by_the_process_before();
        let not_at = begun.as_ref().map_or_else(Vec::new, |(index, _)| self.backends.but(*index));
        let mut place = self.enter(audience, &not_at).await?;
        let mut tried = Vec::new();
        loop {
            let index = place.lane();
            audience.tell_working(0.0, "generate");
            let begun_at = clock.now();
            let mut held = Some(place);
            let job = begun.take().map(|(_, job)| job);
            let is_gone_on_with = job.is_some();
            let answered = self.ask(index, &mut held, (audience, job)).await;
            if is_gone_on_with && answered.as_ref().is_err_and(is_forgotten) {
                tracing::warn!(key = %self.key, "the studio has forgotten its job: it is done anew");
                drop(held);
                place = self.enter(audience, &[]).await?;
                continue;
            }
            let cost = clock.now().saturating_sub(begun_at);
            let is_understood =
                self.meaning.keeping != Keeping::PassedThrough(Reason::NotUnderstood);
            self.backends.learn(index, &answered, is_understood);
            let error = match answered {
                Ok(answer) => {
                    self.backends.note_generation(cost);
                    let queued = begun_at.saturating_sub(asked_at);
                    return Ok(self.generated(answer, cost, queued));
                }
                Err(error) => error,
            };
            tried.push(index);
            place = match self.move_on(error, held, &tried, audience).await {
                Ok(place) => place,
                Err(error) => {
                    if matches!(error.kind(), ErrorKind::BackendFailed | ErrorKind::BackendTimeout)
                    {
                        self.backends.queue().count_failed(index);
                    }
                    return Err(error);
                }
            };
        }
    }

    async fn enter(&self, audience: &Audience, not_at: &[usize]) -> Result<Place> {
        let quota = self.quota.as_ref().map(|quota| &quota.generations);
        self.backends.queue().enter_for(audience, quota, not_at).await
    }

    /// Returns at which server a process before has begun this very work, and under which name.
    fn left_by_the_process_before(&self) -> Option<(usize, String)> {
        let left = self.backends.studio_jobs().take_left(&self.key)?;
        let index = self.backends.find(&left.backend).filter(|index| {
            self.backends.queue().lanes().get(*index).is_some_and(|lane| !lane.is_drained)
        });
        if index.is_none() {
            let (key, studio) = (&self.key, &left.backend);
            tracing::warn!(%key, studio, "a job's studio is not in use any more: it is done anew");
        }
        index.map(|index| (index, left.job))
    }

    /// Has a server answer; the place is given back when it has.
    async fn ask(
        &self,
        index: usize,
        place: &mut Option<Place>,
        (audience, begun): (&Audience, Option<String>),
    ) -> Result<BackendAnswer> {
        let remote = Arc::clone(self.backends.remote(index));
        let (asked, letter) = (Arc::clone(&remote), self.letter.clone());
        let answering = match self.course {
            Course::Exchange => async move { asked.exchange(letter).await }.boxed(),
            Course::Studio => {
                let (audience, jobs) = (audience.clone(), Arc::clone(self.backends.studio_jobs()));
                carry_out(asked, Work { letter, key: self.key, audience, begun, jobs }).boxed()
            }
        };
        let answer = remote.within_time(answering, place).await?;
        if answer.status.is_success() {
            drop(place.take());
        }
        self.judged(answer).await
    }

    /// Goes on to a server that was not tried, if the last one has done nothing, and there is another.
    async fn move_on(
        &self,
        error: Error,
        place: Option<Place>,
        tried: &[usize],
        audience: &Audience,
    ) -> Result<Place> {
        let Some((place, why)) = place.zip(untouched(&error)) else { return Err(error) };
        let from = self.backends.remote(place.lane()).name();
        match self.backends.queue().move_on(place, tried, audience).await {
            Ok(place) => {
                let to = self.backends.remote(place.lane()).name();
                tracing::warn!(from, to, why, "a generation goes on to another backend");
                Ok(place)
            }
            Err(left) if left.kind() == ErrorKind::Cancelled => Err(left),
            Err(_nowhere) => Err(error),
        }
    }

    fn generated(&self, answer: BackendAnswer, cost: Duration, queued: Duration) -> Generated {
        let media_type = answer.media_type().to_owned();
        let status = answer.status.as_u16();
        let head = match self.meaning.keeping {
            Keeping::Kept => kept(status, &answer.headers, &self.meaning.expected.headers),
            Keeping::PassedThrough(_) => whole_head(status, &answer.headers),
        };
        Generated { body: answer.body, media_type, head: Some(head), cost, queued }
    }

    /// Lets only what is a result pass as one; all else is an error that has the answer in it.
    async fn judged(&self, answer: BackendAnswer) -> Result<BackendAnswer> {
        if !answer.status.is_success() {
            return Err(answer.into_error());
        }
        let meaning = Arc::clone(&self.meaning);
        let judging = spawn_blocking(move || {
            let judgement = judge(&meaning.expected, &answer);
            (answer, judgement)
        });
        let (answer, judgement) = judging.await.map_err(|panic| {
            let message = "the check of the backend's answer ended in a panic";
            Error::with_source(ErrorKind::BackendFailed, message, panic)
        })?;
        match judgement {
            Ok(()) => Ok(answer),
            Err(reason) => Err(BackendAnswer { reason: Some(reason), ..answer }.into_error()),
        }
    }
}

impl Generation for RemoteGeneration {
    fn generate<'a>(
        &'a self,
        _variant: &'a str,
        audience: &'a Audience,
    ) -> BoxFuture<'a, Result<Generated>> {
        self.work(audience).boxed()
    }

    /// It was judged with its head, which is not known here any more; what is derived was inside.
    fn validate(&self, _variant: &str, _body: &Bytes) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn variants(&self) -> Variants {
        let Expected { format, model_field, .. } = &self.meaning.expected;
        match (model_field, format) {
            (Some(_), Some(format)) => wrapped(*format),
            _ => Variants::INDEPENDENT,
        }
    }

    fn derive(&self, source: Bytes, variant: &str) -> BoxFuture<'_, Result<Derived>> {
        let pointer = self.meaning.expected.model_field.clone().unwrap_or_default();
        let media_type = variant.parse::<Format>().map(Format::media_type).unwrap_or_default();
        async move {
            let unwrapping = spawn_blocking(move || unwrap(&source, &pointer));
            let failed = |message: String| Error::new(ErrorKind::BackendFailed, message);
            let body = unwrapping.await.map_err(|panic| failed(panic.to_string()))?;
            let body = body.map_err(failed)?.into();
            Ok(Derived { body, media_type: media_type.to_owned() })
        }
        .boxed()
    }
}

/// Says that a model of a format is taken out of the JSON around it.
pub(crate) fn wrapped(format: Format) -> Variants {
    let (canonical, derived): (_, &[&str]) = match format {
        Format::Stl => ("json-stl", &["stl"]),
        Format::Obj => ("json-obj", &["obj"]),
        Format::Ply => ("json-ply", &["ply"]),
        _ => ("json-glb", &["glb"]),
    };
    Variants { canonical, derived }
}
